"""The code page: the customer proves the contact, and the booking is complete (B14, B15).

Its link alone shows neither call nor booking page: those are for whoever entered the code.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import Times, admitted, found, rebook_url
from api.pages.failing import PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, see_other, show
from api.pages.week import Chooser, choice, others_free
from models.booking import Booking, Released, Status
from models.contact import masked
from models.customer import Customer
from models.errors import (
    CodeWrong,
    HoldEnded,
    IllegalMove,
    ProhibitedUse,
    ResendTooOften,
    ResendTooSoon,
    Suspended,
)
from models.shop import Shop
from models.verification import COOL_DOWN, MOST_RESENDS
from worker import bookings
from worker.customers import address_of
from worker.database import database
from worker.links import LinkRole
from worker.links import token as token_of
from worker.seals import Unreadable
from worker.wording import dates

router = APIRouter(route_class=PageRoute)
_REFUSED = 409
_NOT_RIGHT = 422


@router.api_route("/v/{token}", methods=["GET", "HEAD"])
def ask(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask for the code, or say what became of the hold."""
    return _now(request, token, received_at)


@router.post("/v/{token}")
def enter(request: Request, token: str, received_at: ReceivedAt, code: Annotated[str, Form()] = "") -> Response:
    """Judge the code; after the right one, show the booking."""
    link = admitted(token, LinkRole.CODE_PAGE)
    if not code.strip():
        return _now(request, token, received_at, error="errors.code_missing", status=_NOT_RIGHT)
    try:
        with database().transaction() as session:
            booking = found(bookings.locked(session, link.subject_id))
            # Returned, not raised: the attempt that was counted must be committed.
            refusal = bookings.enter_code(session, booking, code, received_at=received_at)
    except ProhibitedUse:
        return _now(request, token, received_at, error="errors.prohibited_use", status=_REFUSED)
    if refusal is None:
        reader = Reader.of(request, usual=booking.language)
        return see_other(reader.url(f"/b/{token_of(LinkRole.BOOKING_PAGE, booking.id)}", done="1"))
    wrong = isinstance(refusal, CodeWrong)
    return _now(
        request,
        token,
        received_at,
        error="errors.code_wrong" if wrong else None,
        status=_NOT_RIGHT if wrong else _REFUSED,
    )


@router.post("/v/{token}/resend")
def resend(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Owe the code once more."""
    link = admitted(token, LinkRole.CODE_PAGE)
    try:
        with database().transaction() as session:
            booking = found(bookings.locked(session, link.subject_id))
            bookings.resend_code(session, booking, received_at=received_at)
    except (ResendTooSoon, ResendTooOften):
        return _now(request, token, received_at, status=429, here=f"/v/{token}")
    except (HoldEnded, IllegalMove, Suspended):
        return _now(request, token, received_at, status=_REFUSED, here=f"/v/{token}")
    except ProhibitedUse:
        return _now(request, token, received_at, error="errors.prohibited_use", status=_REFUSED, here=f"/v/{token}")
    return see_other(Reader.of(request, usual=booking.language).url(f"/v/{token}", sent="1"))


@router.post("/v/{token}/give-up")
def give_up(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Give the slot back without a booking; a second time changes nothing."""
    link = admitted(token, LinkRole.CODE_PAGE)
    with database().transaction() as session:
        booking = found(bookings.locked(session, link.subject_id))
        bookings.give_up(session, booking, now=received_at)
    return see_other(Reader.of(request, usual=booking.language).url(f"/v/{token}"))


@router.api_route("/v/{token}/resend", methods=["GET", "HEAD"])
@router.api_route("/v/{token}/give-up", methods=["GET", "HEAD"])
def look(request: Request, token: str) -> Response:
    """Lead whoever asks for the address of a button back to the page."""
    return see_other(Reader.of(request).url(f"/v/{token}"))


def _now(
    request: Request,
    token: str,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
    here: str | None = None,
) -> Response:
    """Show where the booking stands."""
    link = admitted(token, LinkRole.CODE_PAGE)
    with database().snapshot() as session:
        booking = found(session.get(Booking, link.subject_id))
        shop = session.get_one(Shop, booking.shop_id)
        reader = Reader.of(request, usual=booking.language)
        common: dict[str, Any] = {
            "frame": Frame.of(session, shop, now=now),
            "reader": reader,
            "status": status,
            "here": here,
            "booking": booking,
            "times": Times.of(booking, reader),
        }
        if booking.status is Status.HELD and not booking.hold_is_over(now):
            return show(
                request,
                "code",
                path=f"/v/{token}",
                error=error,
                was_sent=request.query_params.get("sent") == "1",
                **_waiting(session, booking, now=now),
                **common,
            )
        if booking.status in {Status.HELD, Status.RELEASED}:
            chooser = Chooser(
                week_url=lambda query: reader.url(f"/s/{shop.id}", query),
                slot_url=lambda start: reader.url(f"/s/{shop.id}/book", start=start),
            )
            others = others_free(session, shop, booking.starts_at, now=now)
            return show(
                request,
                "code_over",
                because=booking.released_because or Released.EXPIRED,
                same=next(
                    (choice(it, shop, reader, chooser) for it in others if it.starts_at == booking.starts_at), None
                ),
                others=[choice(it, shop, reader, chooser) for it in others if it.starts_at != booking.starts_at],
                rebook=rebook_url(shop, reader),
                **common,
            )
        return show(
            request,
            "code_complete",
            is_live=booking.status in {Status.CONFIRMED, Status.IN_CALL},
            rebook=rebook_url(shop, reader),
            **common,
        )


def _waiting(session: Session, booking: Booking, *, now: datetime) -> dict[str, Any]:
    """Return what the page says while it waits for a code."""
    verification = bookings.verification_of(session, booking)
    zone = ZoneInfo(booking.shop_zone)
    resend_at = verification.last_sent_at + COOL_DOWN
    # Rounded up: a button that is pressed at the named second must work.
    resend_at += timedelta(microseconds=-resend_at.microsecond % 1_000_000)
    return {
        "destination": _destination(session, booking),
        "expires": dates.clock(verification.expires_at, zone),
        "minutes_left": -((now - verification.expires_at) // timedelta(minutes=1)),
        "attempts_left": verification.attempts_left,
        "may_resend": now >= resend_at and verification.sends <= MOST_RESENDS,
        "was_sent_often": verification.sends > MOST_RESENDS,
        "resend_at": f"{resend_at.astimezone(zone):%H:%M:%S}",
    }


def _destination(session: Session, booking: Booking) -> str:
    """Return the customer's own contact, masked."""
    try:
        return masked(address_of(session, session.get_one(Customer, booking.customer_id)))
    except Unreadable:
        return "***"
