"""The call page: closed before its window, a button inside it, an end after it (B17). Both sides of a call come here.

It hands over to the video provider at the tap; what happens in the room it does not know. Whoever keeps it open beside
the room learns what the other side does, and can say that they left, or what does not work (`api/pages/beacon.py`).
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import Times, admitted, found, rebook_url, told
from api.pages.failing import LinkUnknown, PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, see_other, show
from models.booking import Booking, Side, Status
from models.call_fact import Symptom
from models.errors import IllegalMove
from models.menu import Menu
from models.shop import Shop
from worker import bookings
from worker.database import database
from worker.in_call import entering
from worker.items import items_of
from worker.links import LinkRole
from worker.links import token as token_of
from worker.video import RoomUnavailable, provider_named, rooms
from worker.wording import dates

router = APIRouter(route_class=PageRoute)
ROLES = {LinkRole.CUSTOMER_CALL: Side.CUSTOMER, LinkRole.STAFF_CALL: Side.STAFF}
_GONE = 410
_CONFLICT = 409
_UNAVAILABLE = 503


@router.api_route("/c/{token}", methods=["GET", "HEAD"])
def look(request: Request, token: str, received_at: ReceivedAt, said: str = "") -> Response:
    """Show whether the call can be entered; `said` names what was just told."""
    return call_page(request, token, received_at, said="call.failed_noted" if said == "failed" else "")


@router.post("/c/{token}/enter")
def enter(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Note who enters, and hand over to the room of the booking's present revision."""
    link = admitted(token, *ROLES)
    side = ROLES[link.role]

    def admit(session: Session) -> rooms.Entry:
        booking = found(bookings.locked(session, link.subject_id))
        if link.revision != booking.revision:
            raise IllegalMove(booking_id=booking.id)
        entering.admit(session, booking, now=received_at)
        return rooms.prepare(session, booking, side, now=received_at)

    try:
        return see_other(rooms.enter(database().transact(admit)))
    except IllegalMove:
        return call_page(request, token, received_at, status=_CONFLICT)
    except RoomUnavailable:
        return call_page(request, token, received_at, status=_UNAVAILABLE)


@router.api_route("/c/{token}/enter", methods=["GET", "HEAD"])
@router.api_route("/c/{token}/leave", methods=["GET", "HEAD"])
@router.api_route("/c/{token}/failed", methods=["GET", "HEAD"])
@router.api_route("/c/{token}/end", methods=["GET", "HEAD"])
def look_again(request: Request, token: str) -> Response:
    """Lead whoever asks for the button's address back to the page."""
    return see_other(Reader.of(request).url(f"/c/{token}"))


def state_of(booking: Booking, revision: int, now: datetime) -> str:
    if booking.status is Status.CANCELLED:
        return "cancelled"
    if booking.status in {Status.COMPLETED, Status.NO_SHOW} or now >= booking.entry_closes_at:
        return "ended"
    if revision != booking.revision:
        return "moved"
    return "open" if booking.may_enter(now) else "early"


def call_page(request: Request, token: str, now: datetime, *, status: int = 200, said: str = "") -> Response:
    """Return the page as the booking stands; `said` names what has become of a press."""
    link = admitted(token, *ROLES)
    side = ROLES[link.role]
    with database().snapshot() as session:
        booking = found(session.get(Booking, link.subject_id))
        if booking.status in {Status.HELD, Status.RELEASED}:
            raise LinkUnknown
        shop = session.get_one(Shop, booking.shop_id)
        is_staff = side is Side.STAFF
        other = Side.CUSTOMER if is_staff else Side.STAFF
        reader = Reader.of(request, usual=shop.language if is_staff else booking.language)
        state = state_of(booking, link.revision, now)
        return show(
            request,
            "call",
            Frame.of(session, shop, now=now, provider=booking.provider),
            reader=reader,
            status=_GONE if state == "cancelled" else status,
            here=f"/c/{token}",
            leads_to=provider_named(booking.provider).origins,
            polls=True,
            is_away=status == _UNAVAILABLE,
            booking=booking,
            times=Times.of(booking, reader),
            opens=dates.clock(booking.entry_opens_at, ZoneInfo(booking.shop_zone)),
            state=state,
            is_staff=is_staff,
            is_there=booking.is_there(side),
            has_entered=booking.entered_at(side) is not None,
            other_is_there=booking.is_there(other),
            is_in_call=booking.status is Status.IN_CALL,
            problems=tuple(Symptom),
            said=said,
            path=f"/c/{token}",
            present=reader.url(f"/c/{token_of(link.role, booking.id, booking.revision)}"),
            rebook=rebook_url(shop, reader),
            # What the customer wrote is for the concierge to read before the call (B3, B5).
            name=told(session, booking, "sealed_name") if is_staff else None,
            memo=told(session, booking, "sealed_memo") if is_staff else None,
            source_url=told(session, booking, "sealed_source_url") if is_staff else None,
            named=items_of(session, booking.shop_id, booking.item_codes) if is_staff else [],
            menu=session.get(Menu, (booking.shop_id, booking.menu_id)) if booking.menu_id else None,
        )
