"""What is told of calls, and what they learn from it: stored first, refused never, believed once."""

import csv
from datetime import datetime
from uuid import UUID

import pytest

from models.booking import RECONNECT, Cause, Ended, Side, Status
from models.call import FailedSide
from models.call_fact import PAGE, CallFact, Category, ConductReport, FactKind, Symptom
from models.errors import CallTaken, IllegalMove, StaffBusy, TooManyRequests
from models.job import Name
from models.staff import FRESH_FOR, Presence
from tests.conftest import StoppedTime
from tests.worker.desk import MINUTE, MOMENT, NOW, OTHER_SLOT, SLOT, Desk, at_once, sqlite_only
from tests.worker.floor import Floor
from worker import bookings
from worker.calls import ringing
from worker.database import Database
from worker.in_call import ending, entering, facts, history, reporting
from worker.in_call.facts import Told
from worker.seals import shred

CUSTOMER, STAFF = Side.CUSTOMER, Side.STAFF
SHOP = "queens-court"


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    Floor(seeded).hire("hana", "ken")
    return Desk(seeded)


@pytest.fixture
def booked(desk: Desk) -> UUID:
    """A booked call."""
    return desk.confirm()


def enter(desk: Desk, booking_id: UUID, side: Side, at: datetime = SLOT, staff: str | None = None) -> None:
    with desk.locked(booking_id) as (session, booking):
        entering.enter(session, booking, side, now=at, staff_id=staff)


def leave(desk: Desk, booking_id: UUID, side: Side, at: datetime) -> None:
    with desk.locked(booking_id) as (session, booking):
        entering.leave(session, booking, side, now=at)


def close_page(desk: Desk, booking_id: UUID, side: Side, at: datetime) -> None:
    with desk.locked(booking_id) as (session, booking):
        entering.close_page(session, booking, side, now=at)


def told(
    kind: FactKind, side: Side, at: datetime, key: str, *, who: str | None = "PA1", error: str | None = None
) -> Told:
    return Told(kind, FailedSide(side), "livekit", key, at, room="RM1", participant=who, error=error)


def tell(desk: Desk, booking_id: UUID, *these: Told, received_at: datetime | None = None) -> list[bool]:
    with desk.locked(booking_id) as (session, booking):
        return [facts.record(session, booking, each, received_at=received_at or each.at) for each in these]


def facts_of(desk: Desk, booking_id: UUID) -> list[CallFact]:
    with desk.database.snapshot() as session:
        return facts.facts_of(session, desk.booking(booking_id))


# From our own pages


def test_a_tap_is_kept_as_a_fact(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)

    [fact] = facts_of(desk, booked)
    assert (fact.kind, fact.side, fact.source, fact.revision, fact.at) == (
        FactKind.JOINED,
        FailedSide.CUSTOMER,
        PAGE,
        1,
        SLOT,
    )


def test_a_tap_that_comes_again_is_no_new_fact(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, CUSTOMER, SLOT + MINUTE)

    assert len(facts_of(desk, booked)) == 1
    assert desk.booking(booked).customer_entered_at == SLOT


def test_outside_its_window_a_tap_is_no_fact(desk: Desk, booked: UUID) -> None:
    with pytest.raises(IllegalMove):
        enter(desk, booked, CUSTOMER, NOW)

    assert facts_of(desk, booked) == []


def test_both_that_tap_at_the_same_moment_begin_one_call(desk: Desk, booked: UUID) -> None:
    at_once(lambda: enter(desk, booked, CUSTOMER), lambda: enter(desk, booked, STAFF))

    assert desk.booking(booked).status is Status.IN_CALL
    assert desk.trail(booked).count("call_began") == 1


def test_whoever_says_that_they_left_can_come_back(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    leave(desk, booked, CUSTOMER, SLOT + MINUTE)
    assert not desk.booking(booked).is_there(CUSTOMER)

    enter(desk, booked, CUSTOMER, SLOT + 2 * MINUTE)

    assert desk.booking(booked).is_there(CUSTOMER)
    assert [fact.kind for fact in facts_of(desk, booked)] == ["joined", "left", "joined"]


def test_when_both_left_the_end_is_owed_three_minutes_later(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF)
    leave(desk, booked, CUSTOMER, SLOT + 9 * MINUTE)
    leave(desk, booked, STAFF, SLOT + 10 * MINUTE)

    ends = [job.due_at for job in desk.jobs(Name.END_BOOKING)]
    assert ends == [SLOT + 10 * MINUTE + RECONNECT, SLOT + 35 * MINUTE]


@sqlite_only
@pytest.mark.parametrize("first", list(Side))
def test_a_page_that_is_closed_beside_the_room_keeps_no_call_from_beginning(
    desk: Desk, booked: UUID, first: Side
) -> None:
    other = STAFF if first is CUSTOMER else CUSTOMER
    enter(desk, booked, first, SLOT - 2 * MINUTE)
    close_page(desk, booked, first, SLOT - MINUTE)

    enter(desk, booked, other, SLOT)

    assert (desk.booking(booked).status, desk.booking(booked).call_began_at) == (Status.IN_CALL, SLOT)


@sqlite_only
def test_both_whose_pages_are_closed_while_the_call_goes_on_are_taken_to_have_left(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF)

    close_page(desk, booked, CUSTOMER, SLOT + 9 * MINUTE)
    close_page(desk, booked, STAFF, SLOT + 10 * MINUTE)

    assert desk.booking(booked).over_at == SLOT + 10 * MINUTE + RECONNECT


@sqlite_only
def test_whoever_closed_the_page_before_the_call_is_taken_to_stay_as_long_as_the_other(
    desk: Desk, booked: UUID
) -> None:
    """Else a call that began beside a closed page would have no end but that of its window."""
    enter(desk, booked, CUSTOMER, SLOT - 2 * MINUTE)
    close_page(desk, booked, CUSTOMER, SLOT - MINUTE)
    enter(desk, booked, STAFF, SLOT, staff="hana")

    leave(desk, booked, STAFF, SLOT + 10 * MINUTE)

    booking = desk.booking(booked)
    assert (booking.customer_left_at, booking.over_at) == (SLOT + 10 * MINUTE, SLOT + 10 * MINUTE + RECONNECT)
    assert SLOT + 10 * MINUTE + RECONNECT in [job.due_at for job in desk.jobs(Name.END_BOOKING)]


@sqlite_only
def test_a_page_that_is_closed_again_and_again_is_one_fact_until_it_is_opened(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    for minute in (1, 2):
        close_page(desk, booked, CUSTOMER, SLOT + minute * MINUTE)
    enter(desk, booked, CUSTOMER, SLOT + 3 * MINUTE)
    close_page(desk, booked, CUSTOMER, SLOT + 4 * MINUTE)

    assert [fact.kind for fact in facts_of(desk, booked)] == ["joined", "closed", "joined", "closed"]


@sqlite_only
def test_a_page_that_only_looked_tells_of_nobody(desk: Desk, booked: UUID) -> None:
    close_page(desk, booked, CUSTOMER, SLOT)

    assert facts_of(desk, booked) == []


# From a provider


def test_the_same_fact_again_changes_nothing(desk: Desk, booked: UUID) -> None:
    once = told(FactKind.JOINED, CUSTOMER, SLOT, "EV1")

    assert tell(desk, booked, once) == [True]
    assert tell(desk, booked, once, received_at=SLOT + MINUTE) == [False]
    assert len(facts_of(desk, booked)) == 1


def test_whoever_a_provider_saw_join_has_entered(desk: Desk, booked: UUID) -> None:
    tell(desk, booked, told(FactKind.JOINED, CUSTOMER, SLOT, "EV1"), told(FactKind.JOINED, STAFF, SLOT, "EV2"))

    assert desk.booking(booked).status is Status.IN_CALL


@sqlite_only
def test_facts_out_of_order_leave_whoever_is_there_inside(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    came, left, back = (
        told(FactKind.JOINED, CUSTOMER, SLOT, "EV1"),
        told(FactKind.LEFT, CUSTOMER, SLOT + MINUTE, "EV2"),
        told(FactKind.JOINED, CUSTOMER, SLOT + 2 * MINUTE, "EV3"),
    )

    tell(desk, booked, back, left, came, received_at=SLOT + 3 * MINUTE)

    assert desk.booking(booked).is_there(CUSTOMER)


@sqlite_only
def test_a_page_that_was_closed_does_not_outweigh_the_provider(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    tell(desk, booked, told(FactKind.JOINED, CUSTOMER, SLOT, "EV1"))

    leave(desk, booked, CUSTOMER, SLOT + MINUTE)

    assert desk.booking(booked).is_there(CUSTOMER)


@sqlite_only
def test_a_fact_about_a_booking_that_is_over_is_kept_and_moves_nothing(desk: Desk, booked: UUID) -> None:
    desk.cancel(booked)

    assert tell(desk, booked, told(FactKind.JOINED, CUSTOMER, SLOT, "EV1")) == [True]

    assert desk.booking(booked).status is Status.CANCELLED
    assert desk.booking(booked).customer_entered_at is None


@sqlite_only
def test_the_providers_ids_and_errors_are_kept_as_evidence(desk: Desk, booked: UUID) -> None:
    """Clause B33."""
    tell(desk, booked, told(FactKind.FAILED, CUSTOMER, SLOT, "EV1", error="MEDIA_FAILURE"))

    [fact] = facts_of(desk, booked)
    assert (fact.source, fact.room, fact.participant, fact.error) == ("livekit", "RM1", "PA1", "MEDIA_FAILURE")
    assert "connection_failed" in desk.trail(booked)


@sqlite_only
def test_what_claims_to_come_from_the_future_happened_when_it_was_received(desk: Desk, booked: UUID) -> None:
    tell(desk, booked, told(FactKind.JOINED, CUSTOMER, SLOT + 60 * MINUTE, "EV1"), received_at=SLOT)

    assert facts_of(desk, booked)[0].at == SLOT


# What does not work


@sqlite_only
@pytest.mark.parametrize(
    ("problem", "side"), [(Symptom.DEVICE, FailedSide.CUSTOMER), (Symptom.ROOM, FailedSide.PROVIDER)]
)
def test_a_failed_connection_is_kept_with_its_side(
    desk: Desk, booked: UUID, problem: Symptom, side: FailedSide
) -> None:
    """Clause B26."""
    with desk.locked(booked) as (session, booking):
        entering.fail(session, booking, CUSTOMER, problem, now=SLOT)

    [fact] = facts_of(desk, booked)
    assert (fact.kind, fact.side, fact.error) == (FactKind.FAILED, side, problem)


@sqlite_only
def test_a_button_that_does_not_help_fills_no_table(desk: Desk, booked: UUID) -> None:
    with desk.locked(booked) as (session, booking):
        for second in range(20):
            entering.fail(session, booking, CUSTOMER, Symptom.ROOM, now=SLOT + second * MOMENT)

        with pytest.raises(TooManyRequests):
            entering.fail(session, booking, CUSTOMER, Symptom.ROOM, now=SLOT + MINUTE)


# Staff


def test_who_takes_a_booked_call_is_kept_and_busy_until_its_end(desk: Desk, booked: UUID) -> None:
    Floor(desk.database).beat("hana", at=SLOT)
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF, staff="hana")
    assert (desk.booking(booked).staff_id, presence_of(desk, "hana").call_id) == ("hana", booked)

    with desk.locked(booked) as (session, booking):
        ending.hang_up(session, booking, now=SLOT + MINUTE, actor="staff:hana")

    assert presence_of(desk, "hana").call_id is None
    assert desk.booking(booked).ended_because is Ended.STAFF


@sqlite_only
def test_whoever_is_in_a_call_cannot_enter_another(desk: Desk, booked: UUID) -> None:
    other = desk.confirm(number=13)
    enter(desk, booked, STAFF, staff="hana")

    with pytest.raises(StaffBusy):
        enter(desk, other, STAFF, staff="hana")


@sqlite_only
def test_a_colleague_takes_over_from_whoever_is_heard_of_no_more_unless_the_provider_sees_them(
    desk: Desk, booked: UUID
) -> None:
    later = SLOT + FRESH_FOR
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF, staff="hana")
    tell(desk, booked, told(FactKind.JOINED, STAFF, SLOT, "EV1"))
    with pytest.raises(CallTaken):
        enter(desk, booked, STAFF, later, staff="ken")

    tell(desk, booked, told(FactKind.LEFT, STAFF, SLOT + MOMENT, "EV2"), received_at=later)
    enter(desk, booked, STAFF, later, staff="ken")

    assert [presence_of(desk, name).call_id for name in ("hana", "ken")] == [None, booked]


@sqlite_only
def test_a_colleague_takes_over_from_whoever_left_though_their_page_is_still_open(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF, staff="hana")
    leave(desk, booked, STAFF, SLOT + MINUTE)

    enter(desk, booked, STAFF, SLOT + 2 * MINUTE, staff="ken")

    assert [presence_of(desk, name).call_id for name in ("hana", "ken")] == [None, booked]


@sqlite_only
def test_a_leaving_that_the_provider_did_not_tell_locks_nobody_out(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, STAFF, SLOT - 5 * MINUTE, staff="hana")
    tell(desk, booked, told(FactKind.JOINED, STAFF, SLOT - 5 * MINUTE, "EV1"))
    leave(desk, booked, STAFF, SLOT - 4 * MINUTE)

    enter(desk, booked, STAFF, SLOT + MINUTE, staff="ken")

    assert presence_of(desk, "ken").call_id == booked


@sqlite_only
def test_whoever_waited_in_vain_and_left_can_be_rung_again(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, STAFF, staff="hana")

    leave(desk, booked, STAFF, SLOT + MINUTE)

    assert presence_of(desk, "hana").call_id is None


@sqlite_only
@pytest.mark.parametrize("leaves", ["withdrawn", "moved", "cancelled"])
def test_whoever_waits_in_a_call_that_is_not_to_be_can_be_rung_again(desk: Desk, booked: UUID, leaves: str) -> None:
    enter(desk, booked, STAFF, staff="hana")

    with desk.locked(booked) as (session, booking):
        if leaves == "withdrawn":
            bookings.withdraw(session, booking, Cause.SHOP, now=SLOT, actor="key:pos", reason="ill")
        elif leaves == "moved":
            bookings.move(
                session,
                booking,
                starts_at=OTHER_SLOT,
                expected_revision=1,
                now=SLOT,
                actor="key:pos",
                reason="ill",
            )
        else:
            bookings.cancel(session, booking, received_at=NOW, expected_revision=1)

    assert presence_of(desk, "hana").call_id is None
    assert desk.booking(booked).staff_id == (None if leaves == "moved" else "hana")


@sqlite_only
def test_staff_who_reconnect_stay_busy_with_a_call_that_goes_on(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF, staff="hana")
    tell(desk, booked, told(FactKind.JOINED, STAFF, SLOT, "EV1"))

    tell(desk, booked, told(FactKind.LEFT, STAFF, SLOT + MINUTE, "EV2"))

    assert presence_of(desk, "hana").call_id == booked


@sqlite_only
def test_staff_who_come_back_to_wait_are_busy_again(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, STAFF, staff="hana")
    tell(desk, booked, told(FactKind.JOINED, STAFF, SLOT, "EV1"), told(FactKind.LEFT, STAFF, SLOT + MINUTE, "EV2"))
    assert presence_of(desk, "hana").call_id is None

    tell(desk, booked, told(FactKind.JOINED, STAFF, SLOT + 2 * MINUTE, "EV3", who="PA2"))

    assert presence_of(desk, "hana").call_id == booked


@sqlite_only
def test_a_customer_who_comes_back_to_staff_that_wait_makes_it_a_call(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER, SLOT - 9 * MINUTE)
    leave(desk, booked, CUSTOMER, SLOT - 7 * MINUTE)
    enter(desk, booked, STAFF, SLOT + MINUTE)
    assert desk.booking(booked).status is Status.CONFIRMED
    assert desk.owed(Name.NUDGE_CUSTOMER) == [Name.NUDGE_CUSTOMER]

    enter(desk, booked, CUSTOMER, SLOT + 2 * MINUTE)

    assert (desk.booking(booked).status, desk.booking(booked).call_began_at) == (Status.IN_CALL, SLOT + 2 * MINUTE)


@sqlite_only
def test_ending_what_is_over_changes_nothing(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF)
    for at in (SLOT + MINUTE, SLOT + 2 * MINUTE):
        with desk.locked(booked) as (session, booking):
            ending.hang_up(session, booking, now=at, actor="staff:hana")

    assert desk.booking(booked).ended_at == SLOT + MINUTE
    assert desk.owed(Name.ANNOUNCE_END) == [Name.ANNOUNCE_END]


# Calls at once


@pytest.fixture
def connected(desk: Desk) -> UUID:
    """A call at once that hana took."""
    Floor(desk.database).beat("hana", at=SLOT)
    call_id = Floor(desk.database).ask(SLOT).id
    Floor(desk.database).accept(call_id, "hana", at=SLOT)
    return call_id


def tell_call(desk: Desk, call_id: UUID, *these: Told) -> None:
    with desk.database.transaction() as session:
        call = ringing.locked(session, call_id)
        assert call is not None
        for each in these:
            facts.record(session, call, each, received_at=each.at)


@sqlite_only
def test_a_call_at_once_that_both_left_is_owed_an_end(desk: Desk, connected: UUID) -> None:
    tell_call(
        desk,
        connected,
        *(told(FactKind.JOINED, side, SLOT, f"J{side}", who=side) for side in Side),
        *(told(FactKind.LEFT, side, SLOT + MINUTE, f"L{side}", who=side) for side in Side),
    )

    assert [job.due_at for job in desk.jobs(Name.END_LEFT_CALL)] == [SLOT + MINUTE + RECONNECT]


@sqlite_only
def test_a_call_at_once_learns_who_came_back(desk: Desk, connected: UUID) -> None:
    tell_call(
        desk,
        connected,
        told(FactKind.JOINED, CUSTOMER, SLOT, "1"),
        told(FactKind.LEFT, CUSTOMER, SLOT + MINUTE, "2"),
        told(FactKind.JOINED, CUSTOMER, SLOT + 2 * MINUTE, "3"),
    )

    assert Floor(desk.database).call(connected).customer_left_at is None


# Conduct reports


def file_report(desk: Desk, booking_id: UUID, text: str = "canary words") -> UUID:
    with desk.locked(booking_id) as (session, booking):
        made = reporting.report(session, booking, Category.ABUSE, text, staff_id="hana", actor="staff:hana", now=SLOT)
        return made.id


def test_a_report_is_sealed_and_goes_with_the_customers_data(desk: Desk, booked: UUID) -> None:
    report_id = file_report(desk, booked)

    with desk.database.snapshot() as session:
        made = session.get_one(ConductReport, report_id)
        assert b"canary" not in made.sealed_text
        assert reporting.text_of(session, made) == "canary words"
    with desk.database.transaction() as session:
        shred(session, desk.booking(booked).customer_id)
    with desk.database.snapshot() as session:
        assert reporting.text_of(session, session.get_one(ConductReport, report_id)) is None


@sqlite_only
def test_a_report_stands_in_the_bookings_trail_without_its_words(desk: Desk, booked: UUID) -> None:
    file_report(desk, booked)

    assert "conduct_reported" in desk.trail(booked)


# The history


def test_the_history_says_of_each_call_who_answered_and_how_long_they_talked(desk: Desk, booked: UUID) -> None:
    enter(desk, booked, CUSTOMER)
    enter(desk, booked, STAFF, SLOT + MINUTE, staff="hana")
    with desk.locked(booked) as (session, booking):
        ending.hang_up(session, booking, now=SLOT + 5 * MINUTE, actor="staff:hana")
    missed = desk.confirm(number=13)
    with desk.locked(missed) as (session, booking):
        assert booking.end(now=SLOT + 35 * MINUTE, revision=1)
        ending.ended(session, booking, now=SLOT + 35 * MINUTE)

    lines = {line.id: line for line in history.lines(SHOP, SLOT - MINUTE, SLOT + MINUTE)}

    held = lines[booked]
    assert (held.kind, held.answer, held.staff, held.waited_seconds) == ("booked", "answered", "hana", 60)
    assert (held.talk_began_at, held.talked_seconds, held.end_reason) == (SLOT + MINUTE, 240, "staff")
    assert (lines[missed].answer, lines[missed].talked_seconds) == ("absent_both", 0)


def test_the_history_holds_both_kinds_in_the_order_of_time_a_page_at_a_time(
    desk: Desk, booked: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 1)
    with desk.locked(booked) as (_, booking):
        assert booking.end(now=SLOT + 35 * MINUTE, revision=1)
    asked = [Floor(desk.database).ask(SLOT + minute * MINUTE).id for minute in (-2, 2, 3)]

    found = [line.id for line in history.lines(SHOP, SLOT - 60 * MINUTE, SLOT + 60 * MINUTE)]

    assert found == [asked[0], booked, *asked[1:]]


@sqlite_only
def test_a_call_that_was_held_was_answered_whatever_else_is_known_of_it(desk: Desk, booked: UUID) -> None:
    for side in Side:
        enter(desk, booked, side)
    with desk.locked(booked) as (session, booking):
        ending.hang_up(session, booking, now=SLOT + MINUTE, actor="staff:hana")
        booking.call_began_at = None

    assert history.Line.of_booking(desk.booking(booked)).answer == "answered"


@sqlite_only
def test_a_call_that_was_refused_says_why(desk: Desk) -> None:
    Floor(desk.database).ask(SLOT)

    [line] = history.lines(SHOP, SLOT, SLOT + MINUTE)

    assert (line.kind, line.answer, line.customer) == ("at_once", "refused_all_busy", None)


@sqlite_only
def test_no_cell_is_a_formula(desk: Desk, booked: UUID) -> None:
    for letter in "=+-@\t\r":
        with desk.locked(booked) as (_, booking):
            booking.staff_id = f"{letter}1"
        line = history.Line.of_booking(desk.booking(booked))

        heading, row = csv.reader("".join(history.as_csv([line])).splitlines(keepends=True))

        assert row[heading.index("staff")] == f"'{letter}1"


def presence_of(desk: Desk, staff: str) -> Presence:
    with desk.database.snapshot() as session:
        return session.get_one(Presence, (SHOP, staff))
