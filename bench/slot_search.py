"""What a search for free slots costs: by the window that is asked for, and by how many bookings lie in the table.

One of 200 shops is searched. It always has the same 500 bookings, spread over a year; what grows is what others have.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from models.booking import Booking, Status
from models.calendar import Slot, local_date
from models.customer import Channel
from models.shop import Shop
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.customers import Contact, customer_at
from worker.database import Database
from worker.database import database as own_database
from worker.slots import free_slots, next_free

SHOPS = 200
EACH = 500
"""Bookings of one shop in a year."""
WINDOWS = (1, 7, 31, 62, 365)
"""Days that are asked for; the API answers up to 62."""
_YEAR = 365
_PAGE = 5_000
_COUNTED_SECONDS = 1.2
_CALENDAR: Mapping[str, Any] = {
    "weekly": {weekday: [["10:00", "20:00"]] for weekday in "1234567"},
    "slot_minutes": 30,
    "seats": 2,
    "accept_from_days": _YEAR,
    "accept_until_minutes": 60,
}


@dataclass(frozen=True)
class Searched:
    """A search of one window, with so many bookings in the table; medians over the rounds.

    Attributes:
        bookings: of all shops together.
        days: that were asked for; 0: the next five free slots.
        found: how many slots were free.
        cpu_ms: of this process, without the database's; it hardly moves with what else the machine does.
        blocks: of the claims' table and indexes that the database looked at; a busy machine does not change it.
    """

    bookings: int
    days: int
    found: int
    ms: float
    cpu_ms: float
    blocks: float


def over_a_year(database: Database, counts: Sequence[int], *, rounds: int) -> list[Searched]:
    """Search a shop's year in windows of each length, with ever more bookings of other shops beside it.

    Args:
        database: with the schema; the shops and bookings are added to it, and stay.
        counts: bookings of all shops together, growing; `EACH` at least, for the shop that is searched.
        rounds: how often each window is searched, each time from another day on.
    """
    now = clock().now()
    people = _shops(database, now)
    slots = _slots(now)
    found: list[Searched] = []
    present = 0
    for count in counts:
        _book(database, people, slots, range(present, count), now)
        present = count
        _vacuum(database)
        found += [_search(database, count, days, now, rounds=rounds) for days in (*WINDOWS, 0)]
    return found


def _search(database: Database, bookings: int, days: int, now: datetime, *, rounds: int) -> Searched:
    first = local_date(now, "Asia/Tokyo")
    # A year is searched from today on; shorter windows lie somewhere in it.
    starts = [first + timedelta(days=(17 * turn) % (_YEAR - days) if 0 < days < _YEAR else 0) for turn in range(rounds)]
    _once(database, starts[0], days, now)
    blocks, spans, used, found = _blocks(), [], [], []
    for start in starts:
        began, began_cpu = time.perf_counter(), time.process_time()
        found.append(_once(database, start, days, now))
        spans.append(1000 * (time.perf_counter() - began))
        used.append(1000 * (time.process_time() - began_cpu))
    blocks = _blocks() - blocks
    ms, cpu_ms = statistics.median(spans), statistics.median(used)
    return Searched(bookings, days, int(statistics.median(found)), ms, cpu_ms, blocks / rounds)


def _once(database: Database, start: date, days: int, now: datetime) -> int:
    with database.snapshot() as session:
        shop = session.get_one(Shop, _shop(0))
        if not days:
            return len(next_free(session, shop, now, now=now))
        return sum(1 for _ in free_slots(session, shop, start, start + timedelta(days=days), now=now))


def _shops(database: Database, now: datetime) -> list[UUID]:
    """Add the shops, and a customer each; return the customers in the shops' order."""
    with database.transaction() as session:
        for place in range(SHOPS):
            session.add(
                Shop(
                    id=_shop(place),
                    name_ja=f"検索{place}号店",
                    name_en=f"Search {place}",
                    short_name=f"SEARCH{place}",
                    zone="Asia/Tokyo",
                    calendar_rules=dict(_CALENDAR),
                    page_url="https://bench.example.jp/",
                    privacy_url="https://bench.example.jp/privacy",
                    contact_url="https://www.example.jp/contact/bench",
                    notice_email="staff@bench.example.jp",
                )
            )
        session.flush()
        contact = Contact(Channel.MAIL, "search@example.jp")
        return [customer_at(session, _shop(place), contact, now=now).id for place in range(SHOPS)]


def _slots(now: datetime) -> list[Slot]:
    """Return as many slots as one shop has bookings, spread evenly over the year."""
    with own_database().snapshot() as session:
        calendar = session.get_one(Shop, _shop(0)).calendar
    first = local_date(now, calendar.zone) + timedelta(days=1)
    every = list(calendar.slots(first, first + timedelta(days=_YEAR - 1)))
    return list(islice(every[:: max(1, len(every) // EACH)], EACH))


def _book(database: Database, people: Sequence[UUID], slots: Sequence[Slot], which: range, now: datetime) -> None:
    """Add confirmed bookings with their claims: first all of the shop that is searched, then those of the others."""
    for start in range(which.start, which.stop, _PAGE):
        page = range(start, min(which.stop, start + _PAGE))
        rows = [_booking(number // EACH, people[number // EACH], slots[number % EACH], now) for number in page]
        with database.writing_engine.begin() as connection:
            connection.execute(insert(Booking), rows)
            connection.execute(_CLAIMS, {"ids": [row["id"] for row in rows]})


_CLAIMS = text("""
INSERT INTO slot_claims (shop_id, tick_at, seat, booking_id)
SELECT shop_id, starts_at + make_interval(mins => 5 * n), seat, id
FROM bookings, generate_series(0, 5) n WHERE id = ANY(:ids)""")


def _booking(place: int, customer_id: UUID, slot: Slot, now: datetime) -> dict[str, Any]:
    booking_id = new_id(unix_ms())
    return {
        "id": booking_id,
        "shop_id": _shop(place),
        "customer_id": customer_id,
        "channel": Channel.MAIL,
        "language": "ja",
        "status": Status.CONFIRMED,
        "revision": 1,
        "seat": 1,
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "shop_zone": "Asia/Tokyo",
        "change_deadline_at": slot.starts_at - timedelta(hours=24),
        "entry_opens_at": slot.starts_at - timedelta(minutes=10),
        "entry_closes_at": slot.ends_at + timedelta(minutes=15),
        "most_changes": 5,
        "live_index": f"bench-search-{booking_id}",
        "created_at": now,
        "hold_expires_at": now,
        "confirmed_at": now,
    }


def _shop(place: int) -> str:
    return f"search-{place}"


def _blocks() -> int:
    """Return how many blocks of the claims' table and indexes were looked at so far.

    A connection tells its counts at the end of a transaction, and once a second at most.

    Source: https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS.
    """
    counts = text(
        "SELECT heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)"
        " FROM pg_statio_user_tables WHERE relname = 'slot_claims'"
    )
    time.sleep(_COUNTED_SECONDS)
    for _ in range(2):
        with own_database().snapshot() as session:
            found = int(session.execute(counts).scalar_one())
    return found


def _vacuum(database: Database) -> None:
    # Autovacuum would come by within a minute; the run does not wait for it.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE bookings, slot_claims"))
