"""Calls at once: when a shop can be called, who is rung, who wins, and what is left if nobody answers (B4, B7, B8)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from models.booking import Side
from models.call import EndReason, FailedSide, Refused, Status
from models.call_fact import FactKind
from models.customer import Channel
from models.errors import EntryUsed, IllegalMove, Refusal, RingOver, ShopClosed, StaffUnknown, TermsNotAccepted
from models.job import Name, Queue
from models.staff import FRESH_FOR, Presence, PresenceState, StaffMember
from models.terms import Party
from tests.conftest import StoppedTime
from tests.worker.desk import MINUTE, SLOT, at_once, postgresql_only, sqlite_only
from tests.worker.floor import NIGHT, OPEN, SECOND, SHOP, Floor
from worker.calls import answering, availability, ending, ringing
from worker.calls.availability import Because
from worker.customers import Contact
from worker.database import Database
from worker.in_call import ending as booked_ending
from worker.in_call import entering, facts
from worker.in_call.facts import Told
from worker.seals import Place, unseal
from worker.video import rooms


@pytest.fixture
def floor(seeded: Database, time: StoppedTime) -> Floor:
    time.move_to(OPEN)
    return Floor(seeded)


# 対応可能, B7


@sqlite_only
def test_a_shop_with_somebody_idle_can_be_called(floor: Floor) -> None:
    floor.staff("hana", "yuki")

    found = floor.availability()

    assert (found.because, found.free) == (Because.OPEN, 2)


@sqlite_only
def test_a_closed_shop_cannot_be_called_and_says_when_it_opens(floor: Floor) -> None:
    floor.staff("hana", at=NIGHT)

    found = floor.availability(NIGHT)

    assert found.because is Because.CLOSED
    assert found.opens_at is not None
    assert NIGHT < found.opens_at < NIGHT + timedelta(days=1)


@sqlite_only
def test_a_laptop_that_was_closed_is_not_rung(floor: Floor) -> None:
    floor.staff("hana")

    assert floor.availability(OPEN + FRESH_FOR - SECOND).is_available
    assert floor.availability(OPEN + FRESH_FOR).because is Because.ALL_BUSY


@sqlite_only
@pytest.mark.parametrize("state", [PresenceState.AWAY, PresenceState.BUSY])
def test_whoever_is_away_or_busy_does_not_count(floor: Floor, state: PresenceState) -> None:
    floor.hire("hana")
    floor.beat("hana", state=state)

    assert floor.availability().because is Because.ALL_BUSY


@sqlite_only
def test_whoever_takes_no_calls_any_more_does_not_count(floor: Floor) -> None:
    floor.staff("hana")
    with floor.database.transaction() as session:
        session.get_one(StaffMember, (SHOP, "hana")).enabled = False

    assert floor.availability().because is Because.ALL_BUSY


@sqlite_only
def test_a_call_that_rings_keeps_one_of_the_staff(floor: Floor) -> None:
    floor.staff("hana", "yuki")
    floor.ask()

    assert floor.availability().free == 1


@sqlite_only
def test_a_booked_call_that_begins_in_a_moment_keeps_one_of_the_staff(floor: Floor) -> None:
    floor.staff("hana", "yuki")
    booking_id = floor.confirm(starts_at=SLOT)
    floor.beat("hana", "yuki", at=SLOT - 10 * MINUTE)
    assert floor.availability(SLOT - 10 * MINUTE).free == 1

    with floor.locked(booking_id) as (session, booking):
        entering.enter(session, booking, Side.STAFF, now=SLOT - 10 * MINUTE, staff_id="hana")

    assert floor.availability(SLOT - 10 * MINUTE).free == 1


@sqlite_only
@pytest.mark.parametrize("staff_id", ["hana", None], ids=["from the staff page", "by the mailed link"])
def test_to_look_into_a_booked_call_and_leave_keeps_nobody_for_it(floor: Floor, staff_id: str | None) -> None:
    floor.staff("hana")
    booking_id = floor.confirm(starts_at=SLOT)
    with floor.locked(booking_id) as (session, booking):
        entering.enter(session, booking, Side.STAFF, now=SLOT - 9 * MINUTE, staff_id=staff_id)
    with floor.locked(booking_id) as (session, booking):
        entering.leave(session, booking, Side.STAFF, now=SLOT - 8 * MINUTE)

    floor.beat("hana", at=SLOT - 7 * MINUTE)

    assert floor.availability(SLOT - 7 * MINUTE).because is Because.ALL_BUSY


@sqlite_only
def test_a_booked_call_that_begins_later_keeps_nobody(floor: Floor) -> None:
    floor.staff("hana")
    floor.confirm(starts_at=SLOT)
    floor.beat("hana", at=SLOT - 11 * MINUTE)

    assert floor.availability(SLOT - 11 * MINUTE).is_available


@sqlite_only
def test_a_shop_may_take_bookings_alone(floor: Floor) -> None:
    floor.staff("hana")
    floor.set_shop(SHOP, takes_calls=False)

    assert floor.availability().because is Because.DISABLED


# 開始, B4, B8, B35


@sqlite_only
def test_a_call_rings_everybody_who_is_idle_and_nobody_else(floor: Floor) -> None:
    floor.staff("hana", "yuki")
    floor.hire("mei")

    call = floor.ask()

    assert call.status is Status.RINGING
    assert floor.rings() == [(call.id, "hana"), (call.id, "yuki")]


def test_nobody_is_rung_twice_for_one_call(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()

    with pytest.raises(Exception, match=r"(?i)unique|duplicate"), floor.database.transaction() as session:
        session.execute(
            text("INSERT INTO call_rings SELECT call_id, staff_id, rung_at FROM call_rings WHERE staff_id = 'hana'")
        )
    assert floor.rings(call.id) == [(call.id, "hana")]


@sqlite_only
def test_to_call_is_to_agree_to_both_documents(floor: Floor) -> None:
    floor.staff("hana")

    call = floor.ask()

    with floor.database.snapshot() as session:
        governing = {(each.id, each.version, each.sha256) for each in ringing.documents(session, at=OPEN)}
        parties = {each.party for each in ringing.documents(session, at=OPEN)}
    assert {(each.document_id, each.version, each.sha256) for each in floor.agreed(call.id)} == governing
    assert parties == {Party.PLATFORM, Party.PROVIDER}
    assert {each.accepted_at for each in floor.agreed(call.id)} == {OPEN}


@sqlite_only
def test_whoever_did_not_name_both_documents_calls_nobody(floor: Floor) -> None:
    floor.staff("hana")
    both = floor.wish().accepted

    lacking: tuple[Any, ...] = (set(), list(both)[:1], {(id_, "1999-01-01") for id_, _ in both})
    for accepted in lacking:
        with pytest.raises(TermsNotAccepted):
            floor.ask(accepted=accepted)

    assert floor.calls() == []


@sqlite_only
def test_a_refused_call_is_counted_and_nothing_personal_is_kept(floor: Floor) -> None:
    call = floor.ask(name="花子", memo="指輪", contact=Contact(Channel.MAIL, "hanako@example.jp"))

    assert (call.status, call.refused_because) == (Status.REFUSED, Refused.ALL_BUSY)
    assert (call.sealed_name, call.sealed_memo, call.customer_id) == (None, None, None)
    assert floor.agreed(call.id) == []
    assert floor.course(call.id) == ["refused"]


@sqlite_only
def test_a_shop_that_takes_no_part_is_not_called(floor: Floor) -> None:
    floor.set_shop(SHOP, enabled=False)

    with pytest.raises(ShopClosed):
        floor.ask()


@sqlite_only
def test_what_a_caller_says_is_sealed_for_the_call_or_for_the_contact(floor: Floor) -> None:
    floor.staff("hana", "yuki")

    alone = floor.ask(memo="指輪")
    told = floor.ask(memo="指輪", contact=Contact(Channel.MAIL, "hanako@example.jp"))

    assert (alone.subject, told.subject) == (alone.id, told.customer_id)
    with floor.database.snapshot() as session:
        for call in (alone, told):
            assert (
                unseal(session, Place(call.subject, "calls", "sealed_memo", call.id), call.sealed_memo or b"") == "指輪"
            )


@sqlite_only
@pytest.mark.parametrize("timers", ["have come", "are late"])
def test_the_same_form_rings_again_once_its_call_is_over(floor: Floor, timers: str) -> None:
    """A form that was kept, such as by a browser that goes back to it."""
    floor.staff("hana")
    first = floor.ask(form="0b8f")
    later = first.requested_at + timedelta(seconds=60)
    for _ in range(2):
        if timers == "have come":
            with floor.the(floor.calls()[-1].id) as (session, call):
                ending.ring_over(session, call, now=later)
        floor.beat("hana", at=later)

        again = floor.ask(later, form="0b8f")

        assert (again.status, floor.ask(later + 59 * SECOND, form="0b8f").id) == (Status.RINGING, again.id)
        later += timedelta(seconds=60)

    assert len(floor.calls()) == 3


@sqlite_only
def test_a_press_whose_answer_comes_after_the_caller_hung_up_is_the_same_press(floor: Floor) -> None:
    floor.staff("hana")
    first = floor.ask(form="0b8f")
    floor.hang_up(first.id)

    assert floor.ask(OPEN + 4 * SECOND, form="0b8f").id == first.id
    assert floor.ask(OPEN + 5 * SECOND, form="0b8f").id != first.id


@sqlite_only
def test_the_same_form_sent_twice_is_one_call(floor: Floor) -> None:
    floor.staff("hana", "yuki")

    assert floor.ask(form="0b8f").id == floor.ask(form="0b8f").id
    assert len(floor.calls()) == 1


def test_a_double_press_that_waited_for_the_first_meets_its_own_ring(floor: Floor) -> None:
    floor.staff("hana")

    def press() -> Any:
        return floor.ask(form="0b8f", customer_ip="192.0.2.10")

    results = at_once(press, press, press)

    assert {(call.id, call.status) for call in results} == {(floor.calls()[0].id, Status.RINGING)}


@sqlite_only
def test_a_ring_has_a_timer_on_a_queue_of_its_own(floor: Floor) -> None:
    floor.staff("hana")

    call = floor.ask()

    [timer] = floor.jobs(Name.END_RINGING)
    assert timer.queue == Queue.CALLS
    assert timer.due_at == OPEN + timedelta(seconds=60) + ringing.TIMER_GRACE
    assert call.rings_until == OPEN + timedelta(seconds=60)


# Answering


def test_of_two_who_answer_at_once_one_has_the_call(floor: Floor) -> None:
    floor.staff("hana", "yuki")
    call = floor.ask()

    results = at_once(lambda: floor.accept(call.id, "hana"), lambda: floor.accept(call.id, "yuki"))

    assert sorted(type(each).__name__ for each in results) == ["CallTaken", "bool"]
    winner = floor.call(call.id).staff_id
    assert winner in {"hana", "yuki"}
    loser = ({"hana", "yuki"} - {winner}).pop()
    assert floor.presence_of(winner).call_id == call.id
    assert floor.presence_of(loser).call_id is None


def test_one_of_the_staff_takes_one_of_two_calls(floor: Floor) -> None:
    floor.staff("hana", "yuki")
    calls = [floor.ask(), floor.ask()]

    results = at_once(*[lambda call=call: floor.accept(call.id, "hana") for call in calls])

    assert sorted(type(each).__name__ for each in results) == ["StaffBusy", "bool"]
    assert sorted(call.status for call in floor.calls()) == [Status.CONNECTED, Status.RINGING]


def test_the_last_one_who_is_free_is_rung_for_one_of_many(floor: Floor) -> None:
    floor.staff("hana")

    results = at_once(*[floor.ask] * 8)

    assert sorted(call.status for call in results) == [Status.REFUSED] * 7 + [Status.RINGING]


@sqlite_only
def test_an_answer_makes_busy_and_ends_the_ringing(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()

    assert floor.accept(call.id, "hana")

    assert floor.beat("hana", at=OPEN + 2 * SECOND) == [PresenceState.BUSY]
    assert floor.owed(Name.END_RINGING) == []
    assert floor.availability(OPEN + 2 * SECOND).because is Because.ALL_BUSY


@sqlite_only
def test_the_same_answer_again_is_the_same(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")

    assert not floor.accept(call.id, "hana", at=OPEN + 2 * SECOND)
    assert floor.owed() == [Name.CHECK_ENTRY, Name.END_CALL]


@sqlite_only
def test_a_stranger_answers_nothing(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()

    with pytest.raises(StaffUnknown):
        floor.accept(call.id, "nobody")


@sqlite_only
def test_after_the_caller_hung_up_nobody_answers(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.hang_up(call.id)

    with pytest.raises(RingOver):
        floor.accept(call.id, "hana", at=OPEN + 2 * SECOND)

    assert floor.presence_of("hana").call_id is None


def test_of_an_answer_and_a_hang_up_at_once_one_counts(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()

    results = at_once(lambda: floor.accept(call.id, "hana"), lambda: floor.hang_up(call.id))

    after = floor.call(call.id)
    answered = not isinstance(results[0], Refusal)
    # Whoever hangs up after the answer ends the call that there was.
    assert after.status is (Status.ENDED if answered else Status.ABANDONED)
    assert floor.presence_of("hana").call_id is None


@sqlite_only
def test_of_two_presses_that_wait_for_the_provider_together_one_leads_to_the_room(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")
    presses = []
    for seconds in (2, 9):
        with floor.the(call.id) as (session, row):
            presses.append(answering.admit(session, row, Side.CUSTOMER, now=OPEN + seconds * SECOND))

    assert rooms.enter(presses[0])
    with pytest.raises(EntryUsed):
        rooms.enter(presses[1])


@sqlite_only
def test_whoever_waits_for_the_provider_when_the_call_ends_is_not_led_to_the_room(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")
    with floor.the(call.id) as (session, row):
        press = answering.admit(session, row, Side.CUSTOMER, now=OPEN + 2 * SECOND)
    with floor.the(call.id) as (session, row):
        ending.end(session, row, by=Side.STAFF, now=OPEN + 3 * SECOND)

    with pytest.raises(IllegalMove):
        rooms.enter(press)

    assert floor.call(call.id).customer_entered_at is None


@sqlite_only
def test_an_entry_leads_to_a_room_once(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")
    with floor.the(call.id) as (session, row):
        first = answering.admit(session, row, Side.CUSTOMER, now=OPEN + 2 * SECOND)
    rooms.enter(first)

    with floor.the(call.id) as (session, row), pytest.raises(EntryUsed):
        answering.admit(session, row, Side.CUSTOMER, now=OPEN + MINUTE)

    with floor.the(call.id) as (session, row):
        second = answering.admit(session, row, Side.STAFF, now=OPEN + 3 * SECOND)
    assert first.name == second.name


# Endings


@sqlite_only
def test_an_abandoned_call_keeps_how_long_was_waited(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()

    floor.hang_up(call.id, at=OPEN + 17 * SECOND)

    after = floor.call(call.id)
    assert (after.status, after.end_reason, after.waited_seconds) == (Status.ABANDONED, EndReason.HUNG_UP, 17)
    assert floor.owed() == [Name.ANNOUNCE_MISSED_CALL]


@sqlite_only
def test_a_second_hang_up_changes_nothing(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.hang_up(call.id)

    floor.hang_up(call.id, at=OPEN + MINUTE)

    assert floor.course(call.id) == ["rang", "abandoned"]


@sqlite_only
def test_whoever_ends_a_call_is_free_again(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")

    with floor.the(call.id) as (session, row):
        ending.end(session, row, by=Side.STAFF, now=OPEN + MINUTE)

    floor.beat("hana", at=OPEN + MINUTE)
    assert floor.availability(OPEN + MINUTE).is_available
    assert floor.call(call.id).end_reason is EndReason.STAFF_ENDED


@sqlite_only
def test_a_call_that_rings_cannot_be_ended_by_the_staff(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()

    with floor.the(call.id) as (session, row), pytest.raises(Refusal):
        ending.end(session, row, by=Side.STAFF, now=OPEN + SECOND)


@sqlite_only
@pytest.mark.parametrize(
    ("entered", "side"),
    [((), FailedSide.BOTH), ((Side.STAFF,), FailedSide.CUSTOMER), ((Side.CUSTOMER,), FailedSide.STAFF)],
)
def test_a_side_that_does_not_enter_in_time_fails_the_call(
    floor: Floor, entered: tuple[Side, ...], side: FailedSide
) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")
    for each in entered:
        with floor.the(call.id) as (session, row):
            entering.enter_at_once(session, row, each, now=OPEN + 2 * SECOND)

    with floor.the(call.id) as (session, row):
        ending.check_entry(session, row, now=OPEN + 31 * SECOND)

    after = floor.call(call.id)
    assert (after.status, after.failed_side, after.end_reason) == (Status.FAILED, side, EndReason.NEVER_ENTERED)
    assert floor.presence_of("hana").call_id is None


@sqlite_only
def test_how_long_both_may_take_to_enter_is_what_the_shop_wished_at_the_answer(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")
    floor.set_shop(SHOP, connect_seconds=180)

    with floor.the(call.id) as (session, row):
        ending.check_entry(session, row, now=OPEN + 31 * SECOND)

    assert floor.call(call.id).status is Status.FAILED


def told_by_livekit(kind: FactKind, side: FailedSide, second: int) -> Told:
    return Told(kind, side, "livekit", f"{kind}{side}{second}", OPEN + second * SECOND, participant=f"PA{second}")


@sqlite_only
def test_a_connection_that_was_reported_to_fail_names_the_side_that_is_kept(floor: Floor) -> None:
    """Clause B26."""
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")
    with floor.the(call.id) as (session, row):
        facts.record(session, row, told_by_livekit(FactKind.FAILED, FailedSide.PROVIDER, 3), received_at=OPEN)

    with floor.the(call.id) as (session, row):
        ending.check_entry(session, row, now=OPEN + 31 * SECOND)

    assert floor.call(call.id).failed_side is FailedSide.PROVIDER


@sqlite_only
@pytest.mark.parametrize(
    ("seen", "failed"),
    [((Side.STAFF,), FailedSide.CUSTOMER), ((Side.CUSTOMER, Side.STAFF), None), ((), None)],
    ids=["one of both", "both", "nobody, so reports may be lost"],
)
def test_whoever_tapped_and_never_reached_the_providers_room_fails_the_call(
    floor: Floor, seen: tuple[Side, ...], failed: FailedSide | None
) -> None:
    """Clause B26."""
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")
    with floor.the(call.id) as (session, row):
        row.provider = "livekit"
        for side in Side:
            entering.enter_at_once(session, row, side, now=OPEN + 2 * SECOND)
        for side in seen:
            joined = told_by_livekit(FactKind.JOINED, FailedSide(side), 3)
            facts.record(session, row, joined, received_at=OPEN + 3 * SECOND)

    with floor.the(call.id) as (session, row):
        ending.check_entry(session, row, now=OPEN + 31 * SECOND)
    looks = floor.owed(Name.LOOK_INTO_ROOM)
    with floor.the(call.id) as (session, row):
        ending.give_up_unseen(session, row, now=OPEN + 31 * SECOND)

    assert floor.call(call.id).failed_side is failed
    assert bool(looks) is (failed is not None)


@sqlite_only
def test_a_look_that_comes_early_or_at_a_call_that_goes_well_changes_nothing(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    floor.accept(call.id, "hana")

    with floor.the(call.id) as (session, row):
        ending.check_entry(session, row, now=OPEN + 30 * SECOND)
        entering.enter_at_once(session, row, Side.CUSTOMER, now=OPEN + 30 * SECOND)
        entering.enter_at_once(session, row, Side.STAFF, now=OPEN + 30 * SECOND)
        ending.check_entry(session, row, now=OPEN + MINUTE)

    assert floor.call(call.id).status is Status.CONNECTED


@sqlite_only
def test_calls_that_nobody_answers_in_a_row_raise_one_alarm(floor: Floor) -> None:
    floor.staff("hana")
    floor.set_shop(SHOP, escalate_after=2)

    for minutes in (0, 2, 4, 6):
        at = OPEN + minutes * MINUTE
        floor.beat("hana", at=at)
        call = floor.ask(at)
        with floor.the(call.id) as (session, row):
            assert ending.ring_over(session, row, now=at + MINUTE)

    assert len(floor.jobs(Name.ESCALATE_MISSED_CALLS)) == 1
    assert floor.missed_in_a_row() == 4


@sqlite_only
def test_an_answer_ends_the_row_of_missed_calls(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    with floor.the(call.id) as (session, row):
        ending.ring_over(session, row, now=OPEN + MINUTE)
    floor.beat("hana", at=OPEN + MINUTE)

    floor.accept(floor.ask(OPEN + MINUTE).id, "hana", at=OPEN + MINUTE)

    assert floor.missed_in_a_row() == 0


@sqlite_only
def test_a_silent_page_is_looked_for_again_and_again(floor: Floor) -> None:
    floor.staff("hana")
    call = floor.ask()
    with floor.the(call.id) as (session, row):
        ringing.caller_seen(session, row, received_at=OPEN + SECOND)
        ringing.caller_seen(session, row, received_at=OPEN + 9 * SECOND)
    assert len(floor.jobs(Name.CHECK_CALLER)) == 1

    with floor.the(call.id) as (session, row):
        ending.check_caller(session, row, now=OPEN + 21 * SECOND)
    assert floor.call(call.id).status is Status.RINGING
    with floor.the(call.id) as (session, row):
        ending.check_caller(session, row, now=OPEN + 29 * SECOND)

    after = floor.call(call.id)
    assert (after.status, after.end_reason) == (Status.ABANDONED, EndReason.CALLER_GONE)


@sqlite_only
def test_a_ring_whose_own_timer_is_late_is_looked_after_in_good_time_and_ended(floor: Floor) -> None:
    """A look that is owed at once would be owed again and again."""
    floor.staff("hana")
    call = floor.ask()
    assert call.rings_until is not None
    seen_at = call.rings_until - 10 * SECOND
    with floor.the(call.id) as (session, row):
        ringing.caller_seen(session, row, received_at=seen_at)
    now = seen_at + 21 * SECOND

    with floor.the(call.id) as (session, row):
        ending.check_caller(session, row, now=now)
    again = [job.due_at for job in floor.jobs(Name.CHECK_CALLER)][-1]
    with floor.the(call.id) as (session, row):
        ending.check_caller(session, row, now=call.rings_until + ringing.TIMER_GRACE)

    assert again is not None
    assert again > now
    assert floor.call(call.id).status is Status.UNANSWERED


# Presence


@sqlite_only
def test_a_beat_writes_one_row_and_owes_nothing(floor: Floor) -> None:
    floor.hire("hana")

    for seconds in (0, 15, 30):
        floor.beat("hana", at=OPEN + seconds * SECOND)

    assert floor.presence_of("hana").seen_at == OPEN + 30 * SECOND
    assert floor.owed() == []


@sqlite_only
def test_whoever_has_said_nothing_yet_is_not_rung(floor: Floor) -> None:
    floor.hire("hana")

    assert floor.beat("hana", state=None) == [PresenceState.AWAY]
    assert floor.availability().because is Because.ALL_BUSY


@sqlite_only
@pytest.mark.parametrize("is_booked", [True, False], ids=["a booked call", "a call at once"])
def test_whoever_is_away_stays_away_after_a_call_that_they_took(floor: Floor, *, is_booked: bool) -> None:
    """Clause B7."""
    floor.staff("hana", "ken", at=SLOT)
    booked = floor.confirm(starts_at=SLOT)
    rings = floor.ask(SLOT).id
    floor.beat("hana", at=SLOT, state=PresenceState.AWAY)
    if is_booked:
        for side in Side:
            with floor.locked(booked) as (session, booking):
                entering.enter(session, booking, side, now=SLOT, staff_id="hana" if side is Side.STAFF else None)
    else:
        floor.accept(rings, "hana", at=SLOT)
    floor.beat("hana", at=SLOT + SECOND, state=None)

    if is_booked:
        with floor.locked(booked) as (session, booking):
            booked_ending.hang_up(session, booking, now=SLOT + 2 * SECOND, actor="staff:hana")
    else:
        with floor.the(rings) as (session, call):
            ending.end(session, call, by=Side.STAFF, now=SLOT + 2 * SECOND)

    there = floor.presence_of("hana")
    assert (there.call_id, there.stands) == (None, PresenceState.AWAY)


@sqlite_only
@pytest.mark.parametrize("said", list(PresenceState))
@pytest.mark.parametrize("silent", [0 * SECOND, FRESH_FOR - SECOND, FRESH_FOR])
@pytest.mark.parametrize("is_in_call", [False, True])
def test_who_is_rung_is_who_is_idle(floor: Floor, said: PresenceState, silent: timedelta, *, is_in_call: bool) -> None:
    """The rows are asked in one statement, so the rule is written twice."""
    floor.hire("hana")
    floor.beat("hana", state=said)
    if is_in_call:
        with floor.database.transaction() as session:
            session.get_one(Presence, (SHOP, "hana")).engage(UUID(int=1), now=OPEN)

    with floor.database.snapshot() as session:
        rung = availability.idle_staff(session, SHOP, now=OPEN + silent)

    is_idle = floor.presence_of("hana").stands_at(OPEN + silent) is PresenceState.IDLE
    assert rung == (["hana"] if is_idle else [])


@sqlite_only
def test_nobody_beats_for_a_stranger(floor: Floor) -> None:
    with pytest.raises(StaffUnknown):
        floor.beat("nobody")


@postgresql_only
def test_beats_that_come_at_once_agree(floor: Floor) -> None:
    floor.hire("hana")

    results = at_once(*[lambda n=n: floor.beat("hana", at=OPEN + n * SECOND) for n in range(8)])

    assert results == [[PresenceState.IDLE]] * 8
    assert floor.presence_of("hana").seen_at == OPEN + 7 * SECOND
