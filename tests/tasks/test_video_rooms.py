"""The room of a call at a provider that keeps rooms: made at the tap, closed at the end, whatever fails in between."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import select

from models.booking import Booking, Cause, Side
from models.call import Call
from models.call_fact import CallFact, FactKind
from models.errors import IllegalMove
from models.job import Job, Name
from models.staff import StaffMember
from models.video_room import MOST_FAILURES, VideoRoom
from tests.tasks.conftest import Workshop
from tests.worker.desk import SLOT
from worker import bookings, jobs
from worker.chance import new_id
from worker.clock import unix_ms
from worker.settings import settings
from worker.video import RoomUnavailable, rooms
from worker.video.rooms import Entry

BEFORE_IT = SLOT - timedelta(minutes=5)


@pytest.fixture(autouse=True)
def livekit(carrier: Any, environment: pytest.MonkeyPatch) -> None:
    """Calls are carried by LiveKit, which the sandbox plays."""
    environment.setenv("VIDEO_PROVIDER", "livekit")


@pytest.fixture
def booking_id(shop_floor: Workshop) -> UUID:
    """A booking whose call can be entered now."""
    made = shop_floor.confirm()
    shop_floor.time.move_to(BEFORE_IT)
    return made


def choose(environment: pytest.MonkeyPatch, provider: str) -> None:
    """Configure who carries new calls, as a restart would."""
    environment.setenv("VIDEO_PROVIDER", provider)
    settings.cache_clear()


def admitted(shop_floor: Workshop, booking_id: UUID, side: Side = Side.CUSTOMER) -> Entry:
    """Do what a tap does in its transaction."""
    with shop_floor.locked(booking_id) as (session, booking):
        return rooms.prepare(session, booking, side, now=shop_floor.time.at)


def tap(shop_floor: Workshop, booking_id: UUID, side: Side = Side.CUSTOMER) -> str:
    """Tap; return where it leads."""
    return rooms.enter(admitted(shop_floor, booking_id, side))


def join(shop_floor: Workshop, url: str) -> Any:
    """Do what the page does that a tap leads to."""
    [token] = parse_qs(urlsplit(url).query)["token"]
    return shop_floor.carrier.post("/_video/join", {"token": token})


def there(shop_floor: Workshop) -> list[dict[str, Any]]:
    """Return the rooms that the provider has."""
    return list(shop_floor.carrier.http.get(f"{shop_floor.carrier.url}/_video", timeout=5).json()["rooms"])


def asked(shop_floor: Workshop) -> list[str]:
    """Return what the provider was asked for."""
    return list(shop_floor.carrier.http.get(f"{shop_floor.carrier.url}/_video", timeout=5).json()["calls"])


def only_room(shop_floor: Workshop) -> VideoRoom:
    with shop_floor.database.snapshot() as session:
        return session.scalars(select(VideoRoom)).one()


def closings(shop_floor: Workshop) -> Sequence[Job]:
    return shop_floor.jobs(Name.CLOSE_ROOM)


@contextmanager
def away(shop_floor: Workshop, *kinds: str) -> Iterator[None]:
    """Let the provider's next answers be of these kinds."""
    shop_floor.carrier.post("/_video/faults", {"kinds": list(kinds)})
    yield


def end_of(shop_floor: Workshop, booking_id: UUID) -> Any:
    return shop_floor.booking(booking_id).entry_closes_at


# Made at the tap


def test_no_room_is_made_before_somebody_taps(shop_floor: Workshop, booking_id: UUID) -> None:
    shop_floor.work()

    assert shop_floor.booking(booking_id).provider == "livekit"
    assert asked(shop_floor) == []


def test_both_sides_tap_their_way_into_one_room(shop_floor: Workshop, booking_id: UUID) -> None:
    entered = [join(shop_floor, tap(shop_floor, booking_id, side)).status_code for side in Side]

    [room] = there(shop_floor)
    assert entered == [201, 201]
    assert sorted(room["participants"]) == ["customer", "staff"]


def test_the_providers_own_id_of_the_room_is_on_record(shop_floor: Workshop, booking_id: UUID) -> None:
    tap(shop_floor, booking_id)

    room = only_room(shop_floor)
    assert (room.booking_id, room.provider, room.room_ids) == (booking_id, "livekit", [there(shop_floor)[0]["sid"]])


def test_a_room_that_the_provider_forgot_is_made_again_and_both_are_on_record(
    shop_floor: Workshop, booking_id: UUID
) -> None:
    tap(shop_floor, booking_id)
    shop_floor.carrier.http.delete(f"{shop_floor.carrier.url}/_video", timeout=5)

    tap(shop_floor, booking_id)

    assert len(only_room(shop_floor).room_ids) == 2


def test_an_entry_is_good_until_the_slots_last_moment_and_no_longer(shop_floor: Workshop, booking_id: UUID) -> None:
    entry = admitted(shop_floor, booking_id)

    assert entry.closes_at == end_of(shop_floor, booking_id)


# When it cannot be had


def test_a_provider_that_is_away_is_on_record_as_the_side_that_failed(shop_floor: Workshop, booking_id: UUID) -> None:
    with away(shop_floor, "refuse_503", "refuse_503"), pytest.raises(RoomUnavailable):
        tap(shop_floor, booking_id)

    with shop_floor.database.snapshot() as session:
        fact = session.scalars(select(CallFact)).one()
    assert (fact.kind, fact.side, fact.source, fact.error) == (FactKind.FAILED, "provider", "livekit", "unavailable")
    assert only_room(shop_floor).last_error == "unavailable"


def test_another_tap_succeeds_once_the_provider_is_back(shop_floor: Workshop, booking_id: UUID) -> None:
    with away(shop_floor, "refuse_429"), pytest.raises(RoomUnavailable):
        tap(shop_floor, booking_id)

    assert join(shop_floor, tap(shop_floor, booking_id)).status_code == 201


def test_a_tap_is_a_coming_once_there_is_a_room(shop_floor: Workshop, booking_id: UUID) -> None:
    with away(shop_floor, "refuse_503", "refuse_503"), pytest.raises(RoomUnavailable):
        tap(shop_floor, booking_id)
    assert shop_floor.booking(booking_id).customer_entered_at is None

    tap(shop_floor, booking_id)

    assert shop_floor.booking(booking_id).customer_entered_at == shop_floor.time.at


def test_an_answer_that_was_lost_does_not_keep_anybody_out(shop_floor: Workshop, booking_id: UUID) -> None:
    with away(shop_floor, "cut"):
        url = tap(shop_floor, booking_id)

    assert join(shop_floor, url).status_code == 201


# Closed at the end


def test_at_the_end_whoever_is_still_inside_is_put_out(shop_floor: Workshop, booking_id: UUID) -> None:
    url = tap(shop_floor, booking_id)
    join(shop_floor, url)

    shop_floor.time.move_to(end_of(shop_floor, booking_id))
    shop_floor.work()

    assert there(shop_floor) == []
    assert join(shop_floor, url).status_code == 404
    assert only_room(shop_floor).closed_at == shop_floor.time.at


def test_before_the_end_nothing_is_closed(shop_floor: Workshop, booking_id: UUID) -> None:
    tap(shop_floor, booking_id)

    shop_floor.time.move_to(end_of(shop_floor, booking_id) - timedelta(seconds=1))
    shop_floor.work()

    assert len(there(shop_floor)) == 1


def test_a_closing_is_owed_before_the_provider_hears_of_the_room(shop_floor: Workshop, booking_id: UUID) -> None:
    # The process dies between its transaction and the call.
    admitted(shop_floor, booking_id)

    [owed] = closings(shop_floor)
    assert owed.due_at == end_of(shop_floor, booking_id)


def test_however_often_it_is_tapped_one_closing_is_owed(shop_floor: Workshop, booking_id: UUID) -> None:
    for side in (Side.CUSTOMER, Side.STAFF, Side.CUSTOMER):
        tap(shop_floor, booking_id, side)

    assert len(closings(shop_floor)) == 1


def test_closing_twice_asks_once(shop_floor: Workshop, booking_id: UUID) -> None:
    tap(shop_floor, booking_id)
    with shop_floor.locked(booking_id) as (session, booking):
        rooms.owe_closing(session, booking, now=shop_floor.time.at)
    shop_floor.work()

    shop_floor.time.move_to(end_of(shop_floor, booking_id))
    shop_floor.work()

    assert asked(shop_floor).count("DeleteRoom") == 1


def test_a_provider_that_is_away_at_the_end_is_asked_again(shop_floor: Workshop, booking_id: UUID) -> None:
    tap(shop_floor, booking_id)
    shop_floor.time.move_to(end_of(shop_floor, booking_id))

    with away(shop_floor, *["refuse_503"] * 4):
        shop_floor.work()
        shop_floor.time.advance(seconds=5)
        shop_floor.work()
    assert only_room(shop_floor).close_failures == 2
    shop_floor.time.advance(seconds=10)
    shop_floor.work()

    assert there(shop_floor) == []
    assert only_room(shop_floor).closed_at == shop_floor.time.at


def test_a_provider_that_is_away_for_ever_is_left_alone_at_last(shop_floor: Workshop, booking_id: UUID) -> None:
    tap(shop_floor, booking_id)
    with shop_floor.database.transaction() as session:
        session.scalars(select(VideoRoom)).one().close_failures = MOST_FAILURES - 1
    shop_floor.time.move_to(end_of(shop_floor, booking_id))

    with away(shop_floor, "refuse_503", "refuse_503"):
        shop_floor.work()

    assert closings(shop_floor) == []


def test_a_closing_that_nobody_heard_the_end_of_is_made_again(shop_floor: Workshop, booking_id: UUID) -> None:
    tap(shop_floor, booking_id)
    shop_floor.time.move_to(end_of(shop_floor, booking_id))
    [owed] = closings(shop_floor)
    with shop_floor.database.transaction() as session:
        job = session.get_one(Job, owed.id)
        job.claimed_until = job.created_at

    assert jobs.perform(owed.id) is jobs.Outcome.LOST
    shop_floor.time.advance(seconds=5)
    shop_floor.work()

    assert there(shop_floor) == []


# Before its time


def test_a_booking_that_is_withdrawn_has_no_room_any_more(shop_floor: Workshop, booking_id: UUID) -> None:
    tap(shop_floor, booking_id)

    with shop_floor.locked(booking_id) as (session, booking):
        bookings.withdraw(session, booking, Cause.SHOP, now=shop_floor.time.at, actor="operator", reason="ill")
    shop_floor.work()

    assert there(shop_floor) == []


def test_a_room_that_came_into_being_as_the_call_ended_is_closed_at_once(
    shop_floor: Workshop, booking_id: UUID
) -> None:
    entry = admitted(shop_floor, booking_id)
    with shop_floor.locked(booking_id) as (session, booking):
        bookings.withdraw(session, booking, Cause.SHOP, now=shop_floor.time.at, actor="operator", reason="ill")
    shop_floor.work()

    with pytest.raises(IllegalMove):
        rooms.enter(entry)
    shop_floor.work()

    assert there(shop_floor) == []


# Which provider it is


def test_a_booking_stays_with_the_provider_whose_terms_were_agreed_to(
    shop_floor: Workshop, booking_id: UUID, environment: pytest.MonkeyPatch
) -> None:
    choose(environment, "jitsi")

    tap(shop_floor, booking_id)

    assert only_room(shop_floor).provider == "livekit"


def test_a_provider_without_rooms_of_its_own_is_asked_for_nothing(
    shop_floor: Workshop, environment: pytest.MonkeyPatch
) -> None:
    choose(environment, "jitsi")
    booking_id = shop_floor.confirm()
    shop_floor.time.move_to(BEFORE_IT)

    url = tap(shop_floor, booking_id)
    shop_floor.time.move_to(end_of(shop_floor, booking_id))
    shop_floor.work()

    assert url.startswith("https://meet.jit.si/toritsugi-")
    assert asked(shop_floor) == []
    assert only_room(shop_floor).closed_at == shop_floor.time.at


def test_a_booking_that_was_made_before_providers_were_recorded_gets_one_at_the_tap(
    shop_floor: Workshop, booking_id: UUID
) -> None:
    with shop_floor.database.transaction() as session:
        session.get_one(Booking, booking_id).provider = None

    tap(shop_floor, booking_id)

    assert shop_floor.booking(booking_id).provider == "livekit"


# A call at once


@pytest.fixture
def call_id(shop_floor: Workshop) -> UUID:
    """A call at once that has just been answered."""
    made = new_id(unix_ms())
    with shop_floor.database.transaction() as session:
        call = Call(id=made, shop_id="queens-court", language="ja", requested_at=shop_floor.time.at, caller="pages")
        session.add(call)
        session.flush()
        call.ring(for_=timedelta(seconds=60), at=shop_floor.time.at)
        session.add(StaffMember(shop_id="queens-court", id="aoki", name_ja="青木", name_en="Aoki"))
        session.flush()
        call.answer("aoki", received_at=shop_floor.time.at, lasts_at_most=timedelta(minutes=30))
    return made


def tap_at_once(shop_floor: Workshop, call_id: UUID, side: Side) -> str:
    with shop_floor.database.transaction() as session:
        call = session.get_one(Call, call_id, with_for_update=True)
        entry = rooms.prepare(session, call, side, now=shop_floor.time.at)
    return rooms.enter(entry)


def test_a_call_at_once_has_one_room_for_both_sides(shop_floor: Workshop, call_id: UUID) -> None:
    for side in Side:
        join(shop_floor, tap_at_once(shop_floor, call_id, side))

    [room] = there(shop_floor)
    assert sorted(room["participants"]) == ["customer", "staff"]
    assert only_room(shop_floor).call_id == call_id


def test_a_call_at_once_is_closed_when_it_has_lasted_as_long_as_it_may(shop_floor: Workshop, call_id: UUID) -> None:
    tap_at_once(shop_floor, call_id, Side.CUSTOMER)

    shop_floor.time.advance(minutes=30)
    shop_floor.work()

    assert there(shop_floor) == []


def test_a_call_that_nobody_has_answered_has_no_room(shop_floor: Workshop, call_id: UUID) -> None:
    with shop_floor.database.transaction() as session:
        call = session.get_one(Call, call_id)
        call.ends_latest_at = None

        with pytest.raises(LookupError):
            rooms.prepare(session, call, Side.CUSTOMER, now=shop_floor.time.at)
