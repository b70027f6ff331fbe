"""The staff page: the day's booked calls and the calls that ring now, of one shop, for one of its staff (B7, B32).

It shows; what its buttons do is in `api/pages/staff_deeds.py`. Its script asks every second how things stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import told
from api.pages.failing import PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, page_headers, see_other, show
from api.pages.staff_admitted import AtDesk, at_desk, let_in, member_of
from models.booking import LIVE, Booking, Side, Status
from models.calendar import first_instant, local_date
from models.call import Call
from models.call import Status as CallStatus
from models.staff import PresenceState
from worker import presence
from worker.calls import ringing
from worker.database import database
from worker.in_call import nudging
from worker.items import Item, items_of
from worker.seals import Place, Unreadable, unseal
from worker.video import provider_named, video_provider
from worker.wording import dates

router = APIRouter(route_class=PageRoute)
_DONE = frozenset({"nudged", "nudged_before", "reported"})
_LONGEST_BOOKING = timedelta(days=1)
_SHOWN = (Status.CONFIRMED, Status.IN_CALL, Status.COMPLETED, Status.NO_SHOW)


@router.api_route("/staff", methods=["GET", "HEAD"])
def desk(request: Request, received_at: ReceivedAt, done: str = "") -> Response:
    """Show the day, and what rings."""
    return desk_page(request, received_at, said=f"staff.done_{done}" if done in _DONE else "")


@router.api_route("/staff/state.json", methods=["GET", "HEAD"])
def state(request: Request, received_at: ReceivedAt) -> JSONResponse:
    """Say whether something rings, and whether the page still shows how things stand."""
    with database().snapshot() as session:
        seen = _Seen.at(session, at_desk(session, request), now=received_at)
        return JSONResponse({"ringing": seen.rings, "version": seen.version}, headers=page_headers())


@router.api_route("/staff/{token}", methods=["GET", "HEAD"])
def knock(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Show whose page a link opens, with the button that opens it: whoever only looks is not let in."""
    with database().snapshot() as session:
        shop, member = member_of(session, token)
        reader = Reader.of(request, otherwise=shop.language)
        frame = Frame.of(session, shop, now=received_at)
        name = member.name(reader.language)
        return show(request, "staff_knock", frame, reader=reader, path=f"/staff/{token}", name=name)


@router.post("/staff/{token}")
def come_in(request: Request, token: str) -> Response:
    """Let a member of the staff in."""
    with database().snapshot() as session:
        member_of(session, token)
    answer = see_other(Reader.of(request).url("/staff"))
    let_in(answer, token)
    return answer


def desk_page(request: Request, now: datetime, *, status: int = 200, said: str = "", error: str = "") -> Response:
    """Return the page as things stand; `said` or `error` names what has become of a press."""
    with database().snapshot() as session:
        at = at_desk(session, request)
        shop = at.shop
        reader = Reader.of(request, otherwise=shop.language)
        seen = _Seen.at(session, at, now=now)
        zone = ZoneInfo(shop.zone)
        providers = [video_provider(), *(provider_named(booking.provider) for booking in seen.bookings)]
        return show(
            request,
            "staff",
            Frame.of(session, shop, now=now),
            reader=reader,
            status=status,
            here="/staff",
            leads_to=sorted({origin for provider in providers for origin in provider.origins}),
            polls=True,
            name=at.member.name(reader.language),
            proof=at.proof,
            version=seen.version,
            presence=seen.presence,
            said_last=seen.said,
            is_in_call=seen.in_call is not None,
            rings=seen.rings,
            day=dates.day(local_date(now, shop.zone), reader.language),
            zone=dates.zone_name(zone, reader.language),
            ringing=[Asked.of_call(session, call, zone=zone, now=now) for call in seen.ringing],
            current=Asked.of_call(session, seen.current, zone=zone, now=now) if seen.current else None,
            answered=[Answered.of(call, zone=zone) for call in seen.answered],
            bookings=[
                Asked.of_booking(session, booking, zone=zone, now=now, is_theirs=booking.id == seen.in_call)
                for booking in seen.bookings
            ],
            said=said,
            error=error,
        )


@dataclass(frozen=True)
class _Seen:
    """How things stand at one shop, for one member of its staff.

    Attributes:
        presence: whether they may be rung; whoever was not heard of lately is away.
        said: what they said last, however long ago.
        in_call: what they are busy with, booked or at once.
        current: the call at once that they are in, on whatever day it began.
        answered: the calls at once of the day that they took.
        version: changes when something does that the page shows.
    """

    presence: PresenceState
    said: PresenceState
    in_call: UUID | None
    ringing: Sequence[Call]
    current: Call | None
    answered: Sequence["_Taken"]
    bookings: Sequence[Booking]
    version: str

    @property
    def rings(self) -> int:
        """How many calls ring for them: those of the shop ring for whoever is idle (B8)."""
        return len(self.ringing) if self.presence is PresenceState.IDLE else 0

    @classmethod
    def at(cls, session: Session, at: AtDesk, *, now: datetime) -> "_Seen":
        shop_id, staff_id = at.shop.id, at.member.id
        today = local_date(now, at.shop.zone)
        begins = first_instant(today, at.shop.zone)
        ends = first_instant(today + timedelta(days=1), at.shop.zone)
        heard = presence.of(session, shop_id, staff_id)
        said = heard.state if heard is not None else PresenceState.AWAY
        in_call = heard.call_id if heard is not None else None
        stands = heard.stands_at(now) if heard is not None else PresenceState.AWAY
        rings = ringing.ringing_at(session, shop_id, now=now)
        calls = _Taken.since(session, shop_id, staff_id, begins)
        bookings = session.scalars(
            select(Booking)
            .where(
                Booking.shop_id == shop_id,
                Booking.starts_at < ends,
                or_(
                    and_(Booking.starts_at >= begins, Booking.status.in_(_SHOWN)),
                    # One that goes on at midnight has not gone with the day.
                    and_(
                        Booking.starts_at >= begins - _LONGEST_BOOKING,
                        Booking.status.in_(LIVE),
                        Booking.entry_closes_at > now,
                    ),
                ),
            )
            .order_by(Booking.starts_at, Booking.seat)
        ).all()
        current = session.scalars(
            select(Call)
            .where(
                Call.shop_id == shop_id,
                # Written out, so that the partial index serves it.
                Call.status.in_([CallStatus.RINGING, CallStatus.CONNECTED]),
                Call.status == CallStatus.CONNECTED,
                Call.staff_id == staff_id,
            )
            .order_by(Call.requested_at)
            .limit(1)
        ).one_or_none()
        seen = [
            (stands, said, in_call),
            [call.id for call in rings],
            [(call.id, call.status) for call in calls],
            [(current.id, current.staff_entered_at)] if current else [],
            [_shown_of(booking, now) for booking in bookings],
        ]
        version = sha256(repr(seen).encode()).hexdigest()[:16]
        return cls(stands, said, in_call, rings, current, calls, bookings, version)


def _shown_of(booking: Booking, now: datetime) -> tuple[object, ...]:
    there = [booking.is_there(side) for side in Side]
    return (booking.id, booking.revision, booking.status, *there, booking.may_enter(now), now >= booking.starts_at)


@dataclass(frozen=True)
class _Taken:
    """As much of a call at once as the list of the day's answered ones shows, and as the script asks every second."""

    id: UUID
    requested_at: datetime
    status: CallStatus

    @classmethod
    def since(cls, session: Session, shop_id: str, staff_id: str, begins: datetime) -> "list[_Taken]":
        rows = session.execute(
            select(Call.id, Call.requested_at, Call.status)
            .where(Call.shop_id == shop_id, Call.staff_id == staff_id, Call.requested_at >= begins)
            .order_by(Call.requested_at)
        )
        return [cls(*row) for row in rows]


@dataclass(frozen=True)
class Answered:
    """One call at once that was taken today, as the page lists it."""

    kind: str
    id: UUID
    time: str
    reference: str
    state: str

    @classmethod
    def of(cls, call: _Taken, *, zone: ZoneInfo) -> "Answered":
        """Show it; what the customer wrote is for the call itself."""
        return cls("call", call.id, dates.clock(call.requested_at, zone), "", str(call.status))


@dataclass(frozen=True, repr=False)
class Asked:
    """One call as the page shows it, booked or at once. Name, memo and source are personal and do not print.

    Attributes:
        kind: `booking` or `call`.
        waits_seconds: for how long a caller has been waiting.
        customer_waits: whether the customer of a booked call is in it, and nobody of the shop.
        state: names the words of its status.
        may_enter, may_leave, may_nudge, may_end: which buttons it has.
    """

    kind: str
    id: UUID
    time: str
    reference: str
    state: str
    waits_seconds: int
    may_enter: bool
    may_leave: bool
    may_nudge: bool
    may_end: bool
    customer_waits: bool
    name: str | None
    memo: str | None
    source_url: str | None
    items: Sequence[Item]
    purpose: str | None

    @classmethod
    def of_booking(
        cls, session: Session, booking: Booking, *, zone: ZoneInfo, now: datetime, is_theirs: bool
    ) -> "Asked":
        """Show a booked call; `is_theirs`: whoever looks is the one who waits in it."""
        is_late = booking.status is Status.CONFIRMED and not booking.is_there(Side.CUSTOMER)
        return cls(
            kind="booking",
            id=booking.id,
            time=dates.clock(booking.starts_at, zone),
            reference=booking.reference,
            state=_state(booking),
            waits_seconds=0,
            may_enter=booking.may_enter(now),
            may_leave=is_theirs and booking.status is Status.CONFIRMED,
            may_nudge=is_late
            and booking.starts_at <= now < booking.entry_closes_at
            and not nudging.was_told(session, booking),
            may_end=booking.status is Status.IN_CALL,
            customer_waits=booking.may_enter(now)
            and booking.is_there(Side.CUSTOMER)
            and not booking.is_there(Side.STAFF),
            name=told(session, booking, "sealed_name"),
            memo=told(session, booking, "sealed_memo"),
            source_url=told(session, booking, "sealed_source_url"),
            items=items_of(session, booking.shop_id, booking.item_codes),
            purpose=booking.purpose,
        )

    @classmethod
    def of_call(cls, session: Session, call: Call, *, zone: ZoneInfo, now: datetime) -> "Asked":
        """Show a call at once."""
        return cls(
            kind="call",
            id=call.id,
            time=dates.clock(call.requested_at, zone),
            reference="",
            state=str(call.status),
            waits_seconds=int((now - call.requested_at).total_seconds()),
            may_enter=call.may_enter(Side.STAFF, now),
            may_leave=False,
            may_nudge=False,
            may_end=call.status is CallStatus.CONNECTED,
            customer_waits=False,
            name=_told(session, call, "sealed_name"),
            memo=_told(session, call, "sealed_memo"),
            source_url=_told(session, call, "sealed_source_url"),
            items=items_of(session, call.shop_id, call.item_codes),
            purpose=call.purpose,
        )


def _state(booking: Booking) -> str:
    """Return which words say how it stands."""
    if booking.status is not Status.NO_SHOW:
        return str(booking.status)
    return "missed_each_other" if booking.missed_each_other else f"absent_{booking.absent}"


def _told(session: Session, call: Call, column: str) -> str | None:
    sealed: bytes | None = getattr(call, column)
    try:
        return unseal(session, Place(call.subject, "calls", column, call.id), sealed) if sealed else None
    except Unreadable:
        return None
