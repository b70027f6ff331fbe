"""「予約日前日まで」 to the millisecond, in zones that change their clocks, while the workers run ten minutes late.

What is expected is computed here from the zone's own rules, not by the code that is tested.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from models.booking import Booking
from models.job import Job, Name
from models.shop import Shop
from tests.one_app import one_app
from worker import codes, jobs
from worker.bookings import verification_of
from worker.commands.keys import development_key
from worker.database import Database
from worker.jobs.relay import Relay

ONLY_ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MILLISECOND = timedelta(milliseconds=1)
TEN_MINUTES = timedelta(minutes=10)
SHOP = "corner"
CALENDAR = {
    "weekly": {weekday: [["10:00", "18:00"]] for weekday in "1234567"},
    "slot_minutes": 60,
    "seats": 4,
    "accept_from_days": 14,
    "accept_until_minutes": 0,
    "same_day": True,
}


def offset(zone: ZoneInfo, day: date, hour: int) -> timedelta | None:
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).utcoffset()


def first_day(zone: str, holds: Callable[[ZoneInfo, date], bool]) -> date:
    """Return the first day of the years from 2030 on of which something holds in a zone."""
    days = (date(2030, 1, 1) + timedelta(days=number) for number in range(800))
    return next(day for day in days if holds(ZoneInfo(zone), day))


def is_longer(zone: ZoneInfo, day: date) -> bool:
    return (offset(zone, day, 0) or timedelta()) > (offset(zone, day + timedelta(days=1), 0) or timedelta())


def is_shorter(zone: ZoneInfo, day: date) -> bool:
    return (offset(zone, day, 0) or timedelta()) < (offset(zone, day + timedelta(days=1), 0) or timedelta())


def lacks_midnight(zone: ZoneInfo, day: date) -> bool:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return midnight.astimezone(UTC).astimezone(zone).hour != 0


def has_two_last_hours(zone: ZoneInfo, day: date) -> bool:
    """Whether the clock shows 23:59:59 of the day before twice."""
    last = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=zone) - timedelta(days=1)
    return last.utcoffset() != last.replace(fold=1).utcoffset()


DAYS = {
    "Tokyo": ("Asia/Tokyo", date(2030, 6, 20)),
    "Paris, a day of 23 hours": ("Europe/Paris", first_day("Europe/Paris", is_shorter)),
    "Paris, the day after it": ("Europe/Paris", first_day("Europe/Paris", is_shorter) + timedelta(days=1)),
    "Paris, a day of 25 hours": ("Europe/Paris", first_day("Europe/Paris", is_longer)),
    "Paris, the day after that": ("Europe/Paris", first_day("Europe/Paris", is_longer) + timedelta(days=1)),
    "Santiago, a missing midnight": ("America/Santiago", first_day("America/Santiago", lacks_midnight)),
    "Santiago, after two last hours": ("America/Santiago", first_day("America/Santiago", has_two_last_hours)),
}
SOME = ("Tokyo", "Paris, a day of 23 hours", "Santiago, a missing midnight")


@dataclass
class Corner:
    """A shop in some zone, a booking there, and the last moment in which it may be changed."""

    database: Database
    client: TestClient
    booking: dict[str, Any]
    zone: ZoneInfo
    day: date
    arriving_at: Callable[[datetime], AbstractContextManager[None]]

    @property
    def last_moment(self) -> datetime:
        """23:59:59.999 of the day before, in the shop's zone; where the clock shows it twice, the second time."""
        eve = self.day - timedelta(days=1)
        return datetime(eve.year, eve.month, eve.day, 23, 59, 59, 999_000, tzinfo=self.zone, fold=1).astimezone(UTC)

    @property
    def midnight(self) -> datetime:
        """00:00:00, the instant after it; where the clock skips midnight, what it shows instead."""
        return self.last_moment + MILLISECOND

    def ask(self, what: str, *, received_at: datetime) -> Any:
        """Send a change or a cancellation that the API receives at an instant, whatever time it is for others."""
        wish: dict[str, Any] = {"expected_revision": self.booking["revision"]}
        if what == "change":
            another = datetime(self.day.year, self.day.month, self.day.day, 15, tzinfo=self.zone) + timedelta(days=1)
            wish["starts_at"] = another.isoformat()
        with self.arriving_at(received_at):
            return self.client.post(f"/v1/bookings/{self.booking['id']}/{what}", json=wish)

    def close_the_window(self) -> None:
        """Do the job that records the end of the window, whether or not it is due."""
        with self.database.snapshot() as session:
            job_id = session.scalars(select(Job.id).where(Job.name == Name.CLOSE_CANCELLATION_WINDOW)).one()
        jobs.perform(job_id)

    @property
    def closed_at(self) -> datetime | None:
        """When the end of the window was recorded."""
        with self.database.snapshot() as session:
            return session.scalars(select(Booking.change_window_closed_at)).one()


@pytest.fixture
def arriving_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], AbstractContextManager[None]]:
    """Let requests arrive at an instant of their own, as if what judges them had waited long for a lock."""

    @contextmanager
    def arriving(at: datetime) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr("api.arrivals.clock", lambda: SimpleNamespace(now=lambda: at))
            yield

    return arriving


@pytest.fixture
def corner(
    request: pytest.FixtureRequest,
    seeded: Database,
    time: Any,
    arriving_at: Callable[[datetime], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Corner]:
    """A booking at 12:00 in a shop of the zone, made three days before; its jobs wait until a test does them."""
    import_module("tasks.bookings")
    monkeypatch.setattr(Relay, "enable", lambda _: None)
    name, day = DAYS[request.param]
    zone = ZoneInfo(name)
    starts_at = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    time.move_to(starts_at.astimezone(UTC) - timedelta(days=3))
    with seeded.transaction() as session:
        fred = session.get_one(Shop, "fred")
        taken_over = ("name_ja", "name_en", "short_name", "page_url", "privacy_url", "contact_url", "notice_email")
        session.add(
            Shop(id=SHOP, zone=name, calendar_rules=CALENDAR, **{each: getattr(fred, each) for each in taken_over})
        )
        key = development_key(session)
    wish = {
        "shop": SHOP,
        "starts_at": starts_at.isoformat(),
        "contact": {"phone": "+819000000001"},
        "customer_ip": "192.0.2.1",
    }
    with TestClient(one_app(), headers={"Authorization": f"Bearer {key}"}) as client:
        held = client.post("/v1/bookings", json=wish, headers={"Idempotency-Key": "1"})
        assert held.status_code == 201, held.text
        with seeded.transaction() as session:
            code = codes.code(verification_of(session, session.scalars(select(Booking)).one()))
        confirmed = client.post(f"/v1/bookings/{held.json()['id']}/code", json={"code": code})
        assert confirmed.status_code == 200, confirmed.text
        yield Corner(seeded, client, confirmed.json(), zone, day, arriving_at)


def on(*days: str) -> Callable[[Any], Any]:
    """Run a test for each of these days."""

    def mark(test: Any) -> Any:
        return ONLY_ON_SQLITE(pytest.mark.parametrize("corner", days, indirect=True)(test))

    return mark


@on(*DAYS)
def test_the_deadline_that_is_promised_is_midnight_in_the_shops_zone(corner: Corner) -> None:
    assert datetime.fromisoformat(corner.booking["change_deadline_at"]) == corner.midnight


@on(*DAYS)
def test_a_cancellation_of_the_last_millisecond_is_done_though_it_is_judged_ten_minutes_later(
    corner: Corner, time: Any
) -> None:
    time.move_to(corner.last_moment + TEN_MINUTES)

    answer = corner.ask("cancel", received_at=corner.last_moment)

    assert answer.status_code == 200, answer.text


@on(*SOME)
def test_a_change_of_the_last_millisecond_is_done_though_it_is_judged_ten_minutes_later(
    corner: Corner, time: Any
) -> None:
    time.move_to(corner.last_moment + TEN_MINUTES)

    answer = corner.ask("change", received_at=corner.last_moment)

    assert answer.status_code == 200, answer.text


@on(*DAYS)
def test_what_arrives_at_midnight_is_refused_though_no_worker_has_closed_anything_yet(
    corner: Corner, time: Any
) -> None:
    time.move_to(corner.midnight)

    answers = [corner.ask(what, received_at=corner.midnight) for what in ("cancel", "change")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "window_closed")] * 2
    assert corner.closed_at is None


@on(*SOME)
def test_a_worker_that_is_ten_minutes_late_records_the_end_and_takes_nothing_back(corner: Corner, time: Any) -> None:
    time.move_to(corner.midnight + TEN_MINUTES)

    corner.close_the_window()
    answer = corner.ask("cancel", received_at=corner.last_moment)

    assert corner.closed_at == corner.midnight + TEN_MINUTES
    assert answer.status_code == 200, answer.text


@on(*SOME)
def test_a_worker_that_is_early_closes_nothing(corner: Corner, time: Any) -> None:
    time.move_to(corner.last_moment)

    corner.close_the_window()
    answer = corner.ask("cancel", received_at=corner.last_moment)

    assert corner.closed_at is None
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("corner", ["Santiago, a missing midnight"], indirect=True)
def test_postgresql_keeps_the_deadline_to_the_millisecond(corner: Corner, time: Any) -> None:
    time.move_to(corner.midnight + TEN_MINUTES)

    late = corner.ask("cancel", received_at=corner.midnight)
    in_time = corner.ask("cancel", received_at=corner.last_moment)

    assert (late.status_code, in_time.status_code) == (409, 200)
