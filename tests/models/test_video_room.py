"""The room of a call: what is known of it, and when closing it is tried again."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.video_room import FIRST_PAUSE, LONGEST_PAUSE, MOST_FAILURES, VideoRoom

NOW = datetime(2030, 6, 6, 5, 0, tzinfo=UTC)


@pytest.fixture
def room() -> VideoRoom:
    return VideoRoom(
        id=UUID(int=1),
        shop_id="fred",
        booking_id=UUID(int=2),
        revision=1,
        provider="livekit",
        name="toritsugi-x",
        room_ids=[],
        closes_at=NOW + timedelta(minutes=30),
        made_at=NOW,
        close_failures=0,
    )


def test_a_room_that_was_made_in_time_may_stay(room: VideoRoom) -> None:
    assert room.open("RM_1", at=NOW)


def test_a_room_that_was_made_at_the_end_must_go(room: VideoRoom) -> None:
    assert not room.open("RM_1", at=room.closes_at)


def test_a_room_that_was_closed_meanwhile_must_go(room: VideoRoom) -> None:
    room.close(at=NOW)

    assert not room.open("RM_1", at=NOW)


def test_every_id_that_the_provider_gave_it_is_kept_once(room: VideoRoom) -> None:
    for given in ("RM_1", "RM_2", "RM_2", None):
        room.open(given, at=NOW)

    assert room.room_ids == ["RM_1", "RM_2"]


def test_when_it_was_first_opened_stays(room: VideoRoom) -> None:
    room.open("RM_1", at=NOW)
    room.open("RM_1", at=NOW + timedelta(minutes=1))

    assert room.opened_at == NOW


def test_closing_it_is_tried_again_after_ever_longer_pauses(room: VideoRoom) -> None:
    pauses = [(room.fail_to_close("unavailable", at=NOW) or NOW) - NOW for _ in range(12)]

    assert pauses[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert pauses[-1] == LONGEST_PAUSE


def test_closing_it_is_given_up_in_the_end(room: VideoRoom) -> None:
    tries = [room.fail_to_close("unavailable", at=NOW) for _ in range(MOST_FAILURES)]

    assert None not in tries[:-1]
    assert tries[-1] is None


def test_a_room_that_is_needed_again_begins_its_failures_anew(room: VideoRoom) -> None:
    room.fail_to_close("unavailable", at=NOW)

    room.reopen()

    assert (room.closed_at, room.close_failures) == (None, 0)
