"""The call page: closed before its window, a button inside it, an end after it (B17). Both sides of a call come here.

It hands over to the video provider at the tap; what happens in the room it does not know.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from api.arrivals import ReceivedAt
from api.pages.asking import Times, admitted, found, rebook_url, told
from api.pages.failing import LinkUnknown, PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, see_other, show
from models.booking import Booking, Side, Status
from models.errors import IllegalMove
from models.shop import Shop
from worker import bookings
from worker.database import database
from worker.links import LinkRole
from worker.links import token as token_of
from worker.video import video_provider
from worker.webhooks import tell_of_entry
from worker.wording import dates

router = APIRouter(route_class=PageRoute)
_ROLES = {LinkRole.CUSTOMER_CALL: Side.CUSTOMER, LinkRole.STAFF_CALL: Side.STAFF}
_GONE = 410
_CONFLICT = 409


@router.api_route("/c/{token}", methods=["GET", "HEAD"])
def look(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Show whether the call can be entered."""
    return _call_page(request, token, received_at)


@router.post("/c/{token}/enter")
def enter(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Note who enters, and hand over to the room of the booking's present revision."""
    link = admitted(token, *_ROLES)
    side = _ROLES[link.role]
    try:
        with database().transaction() as session:
            booking = found(bookings.locked(session, link.booking_id))
            if link.revision == booking.revision:
                if booking.enter(side, now=received_at):
                    tell_of_entry(session, booking, side, now=received_at)
                return see_other(video_provider().room_url(booking.id, booking.revision, side))
    except IllegalMove:
        pass
    return _call_page(request, token, received_at, status=_CONFLICT)


@router.api_route("/c/{token}/enter", methods=["GET", "HEAD"])
def look_again(request: Request, token: str) -> Response:
    """Lead whoever asks for the button's address back to the page."""
    return see_other(Reader.of(request).url(f"/c/{token}"))


def _state(booking: Booking, revision: int, now: datetime) -> str:
    if booking.status is Status.CANCELLED:
        return "cancelled"
    if booking.status in {Status.COMPLETED, Status.NO_SHOW} or now >= booking.entry_closes_at:
        return "ended"
    if revision != booking.revision:
        return "moved"
    return "open" if booking.may_enter(now) else "early"


def _call_page(request: Request, token: str, now: datetime, *, status: int = 200) -> Response:
    link = admitted(token, *_ROLES)
    with database().snapshot() as session:
        booking = found(session.get(Booking, link.booking_id))
        if booking.status in {Status.HELD, Status.RELEASED}:
            raise LinkUnknown
        shop = session.get_one(Shop, booking.shop_id)
        is_staff = _ROLES[link.role] is Side.STAFF
        reader = Reader.of(request, usual=shop.language if is_staff else booking.language)
        state = _state(booking, link.revision, now)
        return show(
            request,
            "call",
            Frame.of(session, shop, now=now),
            reader=reader,
            status=_GONE if state == "cancelled" else status,
            here=f"/c/{token}",
            leads_to=video_provider().origins,
            booking=booking,
            times=Times.of(booking, reader),
            opens=dates.clock(booking.entry_opens_at, ZoneInfo(booking.shop_zone)),
            state=state,
            is_staff=is_staff,
            path=f"/c/{token}",
            present=reader.url(f"/c/{token_of(link.role, booking.id, booking.revision)}"),
            rebook=rebook_url(shop, reader),
            # What the customer wrote is for the concierge to read before the call (B3, B5).
            name=told(session, booking, "sealed_name") if is_staff else None,
            memo=told(session, booking, "sealed_memo") if is_staff else None,
            source_url=told(session, booking, "sealed_source_url") if is_staff else None,
        )
