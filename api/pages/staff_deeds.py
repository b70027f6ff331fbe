"""What the staff page's buttons do: answer, enter, nudge, end, report, and say that one is there (B7, B32).

Every button is refused that our own page did not write, and whatever is of another shop does not exist.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.failing import LinkUnknown, PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, page_headers, see_other, show
from api.pages.staff import desk_page
from api.pages.staff_admitted import AtDesk, at_desk, pressed
from models.booking import Booking, Side
from models.call import Call
from models.call_fact import Category
from models.errors import CallTaken, EntryUsed, IllegalMove, Refusal, RingOver, StaffBusy, StaffUnknown
from models.staff import PresenceState
from worker import bookings, presence
from worker.calls import answering, ringing
from worker.calls import ending as calls_ending
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import database
from worker.in_call import ending, entering, nudging, reporting
from worker.video import RoomUnavailable, rooms

router = APIRouter(route_class=PageRoute)
_CONFLICT, _UNAVAILABLE, _NOT_RIGHT = 409, 503, 422
_SAID: dict[type[Refusal], str] = {
    CallTaken: "staff.taken",
    RingOver: "staff.ring_over",
    StaffBusy: "staff.busy_elsewhere",
    StaffUnknown: "staff.ring_over",
    EntryUsed: "staff.entry_used",
    IllegalMove: "staff.too_late",
}
_REFUSED = tuple(_SAID)

Proof = Annotated[str, Form()]
Of = TypeVar("Of", Booking, Call)


@router.post("/staff/do/presence")
def say_presence(
    request: Request,
    received_at: ReceivedAt,
    proof: Proof,
    state: Annotated[PresenceState | None, Form()] = None,
    quiet: Annotated[str, Form()] = "",
) -> Response:
    """Take what the switch says, or a heartbeat, which says nothing: the page's script sends those while it is open."""

    def beat(session: Session) -> None:
        desk = pressed(session, request, proof)
        presence.beat(session, desk.shop.id, desk.member.id, state, received_at)

    database().transact(beat)
    return Response(status_code=204, headers=page_headers()) if quiet else _desk(request)


@router.post("/staff/do/answer")
def answer(request: Request, received_at: ReceivedAt, proof: Proof, call: Annotated[UUID, Form()]) -> Response:
    """Take a call that rings, and go into its room: the first of the staff wins."""

    def take(session: Session) -> rooms.Entry:
        desk = pressed(session, request, proof)
        taken = _of(desk, ringing.locked(session, call))
        answering.accept(session, taken, desk.member.id, received_at)
        return answering.admit(session, taken, Side.STAFF, now=received_at)

    return _into_room(request, received_at, take)


@router.post("/staff/do/enter")
def enter(
    request: Request,
    received_at: ReceivedAt,
    proof: Proof,
    booking: Annotated[UUID | None, Form()] = None,
    call: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Go into the room of a booked call, or of a call at once that was answered elsewhere."""

    def admit(session: Session) -> rooms.Entry:
        desk = pressed(session, request, proof)
        if booking is None:
            taken = _of(desk, ringing.locked(session, call) if call else None)
            _check_theirs(desk, taken)
            return answering.admit(session, taken, Side.STAFF, now=received_at)
        booked = _of(desk, bookings.locked(session, booking))
        entering.admit(session, booked, now=received_at, staff_id=desk.member.id)
        return rooms.prepare(session, booked, Side.STAFF, now=received_at)

    return _into_room(request, received_at, admit)


@router.post("/staff/do/leave")
def leave(request: Request, received_at: ReceivedAt, proof: Proof, booking: Annotated[UUID, Form()]) -> Response:
    """Wait no longer in a booked call, and be free for another; one may come back."""

    def wait_no_longer(session: Session) -> None:
        desk = pressed(session, request, proof)
        booked = _of(desk, bookings.locked(session, booking))
        if not presence.is_in(session, desk.shop.id, desk.member.id, booked.id):
            return
        if booked.is_there(Side.STAFF):
            entering.leave(session, booked, Side.STAFF, now=received_at)
        else:
            # Let in, and never come: so it stays when a process dies while it asks for the room.
            entering.turned_away(session, booked, Side.STAFF)

    database().transact(wait_no_longer)
    return _desk(request)


@router.post("/staff/do/nudge")
def nudge(request: Request, received_at: ReceivedAt, proof: Proof, booking: Annotated[UUID, Form()]) -> Response:
    """Tell a customer who has not come that the shop waits (M8)."""

    def tell(session: Session) -> bool:
        desk = pressed(session, request, proof)
        return nudging.nudge(session, _of(desk, bookings.locked(session, booking)), now=received_at, actor=desk.actor)

    try:
        is_new = database().transact(tell)
    except _REFUSED as refusal:
        return desk_page(request, received_at, status=_CONFLICT, error=_SAID[type(refusal)])
    return _desk(request, done="nudged" if is_new else "nudged_before")


@router.post("/staff/do/end")
def end(
    request: Request,
    received_at: ReceivedAt,
    proof: Proof,
    booking: Annotated[UUID | None, Form()] = None,
    call: Annotated[UUID | None, Form()] = None,
) -> Response:
    """End a call for both sides (B32): a booked call is the whole shop's, a call at once whose who took it.

    A colleague may have to end the call of somebody who is in distress, or whose computer has died.
    """

    def hang_up(session: Session) -> None:
        desk = pressed(session, request, proof)
        if booking is not None:
            booked = _of(desk, bookings.locked(session, booking))
            ending.hang_up(session, booked, now=received_at, actor=desk.actor)
        elif call is not None:
            taken = _of(desk, ringing.locked(session, call))
            _check_theirs(desk, taken)
            calls_ending.end(session, taken, by=Side.STAFF, now=received_at)

    try:
        database().transact(hang_up)
    except _REFUSED as refusal:
        return desk_page(request, received_at, status=_CONFLICT, error=_SAID[type(refusal)])
    return _desk(request)


@router.api_route("/staff/report", methods=["GET", "HEAD"])
def ask_report(
    request: Request, received_at: ReceivedAt, booking: UUID | None = None, call: UUID | None = None
) -> Response:
    """Ask what happened."""
    return _report_page(request, received_at, booking, call)


@router.post("/staff/report")
def report(
    request: Request,
    received_at: ReceivedAt,
    *,
    proof: Proof,
    category: Annotated[Category, Form()],
    text: Annotated[str, Form()] = "",
    form: Annotated[str, Form(max_length=64)] = "",
    booking: Annotated[UUID | None, Form()] = None,
    call: Annotated[UUID | None, Form()] = None,
) -> Response:
    """File a report of a customer's conduct for the operators (B32). The same form sent twice is one report."""
    words = text.strip()
    if not words or len(words) > reporting.LONGEST_TEXT:
        return _report_page(
            request, received_at, booking, call, category=category, text=words, error="staff.report_text"
        )

    def file(session: Session) -> None:
        desk = pressed(session, request, proof)
        subject: Booking | Call = (
            _of(desk, bookings.locked(session, booking))
            if booking
            else _of(desk, ringing.locked(session, call) if call else None)
        )
        reporting.report(
            session,
            subject,
            category,
            words,
            staff_id=desk.member.id,
            actor=desk.actor,
            now=received_at,
            form=form or None,
        )

    database().transact(file)
    return _desk(request, done="reported")


@router.api_route("/staff/do/{deed}", methods=["GET", "HEAD"])
def look_again(request: Request, deed: str) -> Response:  # noqa: ARG001 - whichever button's address it is
    """Lead whoever asks for a button's address back to the page."""
    return _desk(request)


def _into_room(request: Request, now: datetime, let_in: Callable[[Session], rooms.Entry]) -> Response:
    """Lead a member of the staff into the room that `let_in` opens, or say on the desk why it does not."""
    try:
        return see_other(rooms.enter(database().transact(let_in)))
    except _REFUSED as refusal:
        return desk_page(request, now, status=_CONFLICT, error=_SAID[type(refusal)])
    except RoomUnavailable:
        return desk_page(request, now, status=_UNAVAILABLE, error="staff.away_provider")


def _of(desk: AtDesk, row: Of | None) -> Of:
    """Return what is of the desk's own shop.

    Raises:
        LinkUnknown: there is no such call, or it is another shop's.
    """
    if row is None or row.shop_id != desk.shop.id:
        raise LinkUnknown
    return row


def _check_theirs(desk: AtDesk, call: Call) -> None:
    """Refuse a call at once that a colleague has answered: its entry opens once, and is theirs.

    Raises:
        CallTaken: another one of the staff has it.
    """
    if call.staff_id not in {None, desk.member.id}:
        raise CallTaken(call_id=call.id)


def _desk(request: Request, **query: str) -> Response:
    return see_other(Reader.of(request).url("/staff", query))


def _report_page(
    request: Request,
    now: datetime,
    booking: UUID | None,
    call: UUID | None,
    *,
    category: Category | None = None,
    text: str = "",
    error: str = "",
) -> Response:
    with database().snapshot() as session:
        desk = at_desk(session, request)
        if booking is not None:
            _of(desk, session.get(Booking, booking))
        else:
            _of(desk, session.get(Call, call) if call else None)
        return show(
            request,
            "staff_report",
            Frame.of(session, desk.shop, now=now),
            reader=Reader.of(request, otherwise=desk.shop.language),
            status=_NOT_RIGHT if error else 200,
            here="/staff/report",
            asks={kind: str(each) for kind, each in (("booking", booking), ("call", call)) if each},
            proof=desk.proof,
            booking=booking,
            call=call,
            categories=tuple(Category),
            chosen=category,
            text=text,
            longest=reporting.LONGEST_TEXT,
            form=str(new_id(unix_ms())),
            error=error,
        )
