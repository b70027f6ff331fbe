"""The history of a shop's calls as lines of a table: who waited how long, who answered, how long they talked.

Ids, instants and numbers; what is personal stays where it is sealed. It reads a page at a time, so that whoever
fetches slowly keeps no transaction open.
"""

import csv
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from io import StringIO
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from models.booking import Booking, Status
from models.call import Call
from models.call import Status as CallStatus
from worker.database import database

PAGE = 500
_HELD = (Status.IN_CALL, Status.COMPLETED, Status.NO_SHOW)
# What a spreadsheet would take for a formula, were it the first letter of a cell (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Line:
    """One call.

    Attributes:
        kind: `booked` or `at_once`.
        customer: the id that stands for the customer; empty where nobody left a contact.
        staff: who took it, if they came by their own page.
        rung_at: when it was asked for; of a booked call, when it was to begin.
        answer: `answered`, or why not.
        waited_seconds: how long the customer waited for the shop.
        talk_began_at, talked_seconds: while both sides were in it.
        end_reason: why it is over; empty while it goes on.
    """

    id: UUID
    kind: str
    customer: UUID | None
    staff: str | None
    rung_at: datetime
    answer: str
    waited_seconds: int | None
    talk_began_at: datetime | None
    talked_seconds: int
    end_reason: str | None

    @classmethod
    def of_booking(cls, booking: Booking) -> "Line":
        """Return the line of a booked call that was held, is being held, or missed."""
        waited = None
        if booking.customer_entered_at and booking.staff_entered_at:
            since = max(booking.customer_entered_at, booking.starts_at)
            waited = max(0, int((booking.staff_entered_at - since).total_seconds()))
        return cls(
            id=booking.id,
            kind="booked",
            customer=booking.customer_id,
            staff=booking.staff_id,
            rung_at=booking.starts_at,
            answer=f"absent_{booking.absent or 'both'}" if booking.status is Status.NO_SHOW else "answered",
            waited_seconds=waited,
            talk_began_at=booking.call_began_at,
            talked_seconds=booking.talked_seconds,
            end_reason=booking.ended_because or (booking.status if booking.ended_at else None),
        )

    @classmethod
    def of_call(cls, call: Call) -> "Line":
        """Return the line of a call at once."""
        why_not = f"refused_{call.refused_because}" if call.refused_because else str(call.status)
        return cls(
            id=call.id,
            kind="at_once",
            customer=call.customer_id,
            staff=call.staff_id,
            rung_at=call.requested_at,
            answer="answered" if call.answered_at else why_not,
            waited_seconds=call.waited_seconds,
            talk_began_at=call.talk_began_at,
            talked_seconds=call.talked_seconds,
            end_reason=call.end_reason,
        )


COLUMNS = tuple(field.name for field in fields(Line))


def lines(shop_id: str, begins: datetime, ends: datetime) -> Iterator[Line]:
    """Yield the shop's calls of both kinds from `begins` until before `ends`, the oldest first."""
    yield from heapq.merge(
        (Line.of_booking(booking) for booking in _bookings(shop_id, begins, ends)),
        (Line.of_call(call) for call in _calls(shop_id, begins, ends)),
        key=lambda line: (line.rung_at, line.id),
    )


def as_csv(of: Iterable[Line]) -> Iterator[str]:
    """Yield a table's rows as text, its heading first (RFC 4180)."""
    yield _row(COLUMNS)
    for line in of:
        yield _row(astuple(line))


def _row(cells: Iterable[Any]) -> str:
    text = StringIO()
    csv.writer(text).writerow([_cell(each) for each in cells])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _bookings(shop_id: str, begins: datetime, ends: datetime) -> Iterator[Booking]:
    wanted = and_(
        Booking.shop_id == shop_id, Booking.starts_at >= begins, Booking.starts_at < ends, Booking.status.in_(_HELD)
    )
    last: Booking | None = None
    while True:
        page = _page(Booking, wanted, Booking.starts_at, Booking.id, (last.starts_at, last.id) if last else None)
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]


def _calls(shop_id: str, begins: datetime, ends: datetime) -> Iterator[Call]:
    wanted = and_(
        Call.shop_id == shop_id,
        Call.requested_at >= begins,
        Call.requested_at < ends,
        Call.status != CallStatus.ASKED,
    )
    last: Call | None = None
    while True:
        page = _page(Call, wanted, Call.requested_at, Call.id, (last.requested_at, last.id) if last else None)
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]


def _page(table: Any, wanted: ColumnElement[bool], at: Any, id_: Any, after: tuple[datetime, UUID] | None) -> list[Any]:
    query = select(table).where(wanted).order_by(at, id_).limit(PAGE)
    if after is not None:
        query = query.where(or_(at > after[0], and_(at == after[0], id_ > after[1])))
    with database().snapshot() as session:
        return list(session.scalars(query))
