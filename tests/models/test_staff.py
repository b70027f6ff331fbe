"""Who can be rung: a heartbeat that is fresh, and nobody who is in a call."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.calendar import Calendar, RuleError
from models.staff import FRESH_FOR, Presence, PresenceState, StaffMember

NOW = datetime(2030, 6, 3, 6, tzinfo=UTC)
CALL, OTHER = UUID(int=1), UUID(int=2)
MOMENT = timedelta(microseconds=1)


def idle() -> Presence:
    return Presence(shop_id="fred", staff_id="hana", state=PresenceState.IDLE, said_at=NOW, seen_at=NOW, call_id=None)


def member(**columns: object) -> StaffMember:
    return StaffMember(shop_id="fred", id="hana", name_ja="花", name_en="Hana", **columns)


@pytest.mark.parametrize(
    ("silent", "stands"), [(FRESH_FOR - MOMENT, PresenceState.IDLE), (FRESH_FOR, PresenceState.AWAY)]
)
def test_a_closed_laptop_is_away(silent: timedelta, stands: PresenceState) -> None:
    assert idle().stands_at(NOW + silent) is stands


def test_whoever_is_in_a_call_is_busy_however_silent_their_page_is() -> None:
    there = idle()
    there.engage(CALL, now=NOW)

    assert there.stands_at(NOW + FRESH_FOR) is PresenceState.BUSY


def test_whoever_is_in_a_call_stays_busy_whatever_they_say() -> None:
    there = idle()
    there.engage(CALL, now=NOW)

    there.say(PresenceState.IDLE, now=NOW)

    assert there.stands is PresenceState.BUSY


@pytest.mark.parametrize("said", list(PresenceState))
@pytest.mark.parametrize("is_in_call", [False, True])
def test_after_the_call_they_are_what_they_said_last(said: PresenceState, *, is_in_call: bool) -> None:
    """Clause B7."""
    there = idle()
    if is_in_call:
        there.engage(CALL, now=NOW)
    there.say(said, now=NOW)
    there.engage(CALL, now=NOW)

    assert there.release(CALL)

    assert there.stands is said


@pytest.mark.parametrize("said", list(PresenceState))
def test_a_heartbeat_keeps_alive_what_was_said_and_says_nothing(said: PresenceState) -> None:
    there = idle()
    there.say(said, now=NOW)

    there.beat(now=NOW + FRESH_FOR)

    assert (there.stands, there.is_fresh(NOW + FRESH_FOR)) == (said, True)


def test_what_was_said_later_stays_though_it_was_heard_sooner() -> None:
    there = idle()
    there.say(PresenceState.AWAY, now=NOW + 2 * MOMENT)

    there.say(PresenceState.IDLE, now=NOW + MOMENT)

    assert there.stands is PresenceState.AWAY


def test_a_heartbeat_that_overtakes_what_is_said_does_not_undo_it() -> None:
    there = idle()
    there.beat(now=NOW + 2 * MOMENT)

    there.say(PresenceState.AWAY, now=NOW + MOMENT)

    assert there.stands is PresenceState.AWAY


def test_the_end_of_another_call_frees_nobody() -> None:
    there = idle()
    there.engage(CALL, now=NOW)

    assert not there.release(OTHER)
    assert there.stands is PresenceState.BUSY


def test_beats_that_overtake_one_another_do_not_age_anybody() -> None:
    there = idle()
    there.say(PresenceState.IDLE, now=NOW + FRESH_FOR)
    there.say(PresenceState.IDLE, now=NOW)

    assert there.stands_at(NOW + FRESH_FOR) is PresenceState.IDLE


def test_a_member_of_the_staff_may_have_hours_of_their_own() -> None:
    shop = Calendar.parse({"weekly": {"1": [["11:00", "20:00"]]}, "slot_minutes": 30, "seats": 3}, zone="Asia/Tokyo")
    hana = member(hours={"1": [["11:00", "13:00"]]}, seat=1)

    theirs = hana.calendar(shop)

    assert (theirs.is_open(NOW - timedelta(hours=4)), theirs.is_open(NOW), theirs.seats) == (True, False, 1)


def test_hours_that_cannot_be_read_are_stopped_at_the_door() -> None:
    with pytest.raises(RuleError):
        member(hours={"8": []})


def test_a_new_generation_revokes_links() -> None:
    hana = member()

    hana.revoke_links()

    assert hana.link_generation == 1
