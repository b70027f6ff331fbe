"""What an open call page tells and asks: that a side left or came back, what does not work, how it stands (B26, B32).

Buttons send forms, so all of it works without scripts; a script tells by itself that the page was closed.
"""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import admitted, found
from api.pages.call import ROLES, call_page, state_of
from api.pages.failing import LinkUnknown, PageRoute
from api.pages.reader import Reader
from api.pages.showing import page_headers, see_other
from models.booking import Booking, Side
from models.call_fact import Symptom
from models.errors import IllegalMove, TooManyRequests
from worker import bookings
from worker.database import database
from worker.in_call import ending, entering
from worker.links import Link, LinkRole

router = APIRouter(route_class=PageRoute)
_CONFLICT = 409


@router.api_route("/c/{token}/state.json", methods=["GET", "HEAD"])
def state(token: str, received_at: ReceivedAt) -> JSONResponse:
    """Say how things stand, for the page's script: one row is read, nothing is changed."""
    link = admitted(token, *ROLES)
    side = ROLES[link.role]
    with database().snapshot() as session:
        booking = found(session.get(Booking, link.subject_id))
        other = Side.CUSTOMER if side is Side.STAFF else Side.STAFF
        return _json(
            {
                "state": state_of(booking, link.revision, received_at),
                "there": booking.is_there(side),
                "other": booking.is_there(other),
            }
        )


@router.post("/c/{token}/leave")
def leave(request: Request, token: str, received_at: ReceivedAt, quiet: bool = False) -> Response:  # noqa: FBT001, FBT002 - a query parameter
    """Note that a side left, by its button or because its page was closed; it may come back."""
    link = admitted(token, *ROLES)

    def act(session: Session) -> None:
        booking = _current(session, link)
        if booking is not None:
            gone = entering.close_page if quiet else entering.leave
            gone(session, booking, ROLES[link.role], now=received_at)

    database().transact(act)
    return _quiet() if quiet else _page(request, token)


@router.post("/c/{token}/back")
def come_back(token: str, received_at: ReceivedAt) -> Response:
    """Note that a page which was only loaded anew is still there, beside a room that was never left."""
    link = admitted(token, *ROLES)
    side = ROLES[link.role]

    def act(session: Session) -> None:
        booking = _current(session, link)
        if booking is not None and booking.entered_at(side) is not None and booking.may_enter(received_at):
            entering.enter(session, booking, side, now=received_at)

    database().transact(act)
    return _quiet()


@router.post("/c/{token}/failed")
def failed(request: Request, token: str, received_at: ReceivedAt, problem: Annotated[Symptom, Form()]) -> Response:
    """Keep what does not work, with the side that it lies with (B26)."""
    link = admitted(token, *ROLES)

    def act(session: Session) -> None:
        booking = _current(session, link)
        if booking is not None:
            entering.fail(session, booking, ROLES[link.role], problem, now=received_at)

    with suppress(TooManyRequests):
        database().transact(act)
    return _page(request, token, said="failed")


@router.post("/c/{token}/end")
def end(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """End the call for both, as staff may (B32)."""
    link = admitted(token, LinkRole.STAFF_CALL)

    def act(session: Session) -> None:
        booking = _current(session, link)
        if booking is None:
            raise IllegalMove(booking_id=link.subject_id)
        ending.hang_up(session, booking, now=received_at, actor=Side.STAFF)

    try:
        database().transact(act)
    except IllegalMove:
        return call_page(request, token, received_at, status=_CONFLICT)
    return _page(request, token)


def _current(session: Session, link: Link) -> Booking | None:
    """Return the booking, locked, if the link is of its present revision: an older room is nobody's any more."""
    booking = bookings.locked(session, link.subject_id)
    if booking is None:
        raise LinkUnknown
    return booking if booking.revision == link.revision else None


def _page(request: Request, token: str, **query: str) -> Response:
    return see_other(Reader.of(request).url(f"/c/{token}", query))


def _quiet() -> Response:
    return Response(status_code=204, headers=page_headers())


def _json(body: dict[str, Any]) -> JSONResponse:
    return JSONResponse(body, headers=page_headers())
