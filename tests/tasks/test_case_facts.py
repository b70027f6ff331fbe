"""Facts about a case come early, late, twice and out of order; timers come for what a case no longer is."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from models.audit import CaseEvent
from models.disclosure import State
from models.errors import IllegalMove, NotReady
from models.job import Job, Name
from models.marketplace import TradeSide
from models.message import Kind, Message
from models.message import State as MessageState
from models.paper import ItemKind
from tests.tasks.case_office import ACCOUNTING, LEGAL, Office
from tests.tasks.conftest import Workshop
from tests.tasks.stumbling import do
from tests.worker import marketplace
from worker.cases import ending, exchanging, noticing, paying
from worker.cases.moving import locked
from worker.jobs import enqueue
from worker.registry import trade_by_number

FEE_YEN = 1_600
"""Postage and expenses, by the default policy."""


@pytest.fixture
def office(shop_floor: Workshop) -> Office:
    """The office."""
    return Office(shop_floor)


@pytest.fixture
def unattended(shop_floor: Workshop) -> Office:
    """The same office while no worker runs."""
    return Office(replace(shop_floor, work=lambda: 0))


def asked_for_fee(office: Office) -> UUID:
    case_id = office.reviewing()
    office.accept_all(case_id)
    office.decide(case_id)
    assert office.state(case_id) is State.AWAITING_FEE
    return case_id


def deadline(office: Office, case_id: UUID) -> timedelta:
    """Return how long it is until the date in the notice is over."""
    found = office.case(case_id).deadline_at
    assert found is not None
    return found - office.now


def tell_of_payment(office: Office, case_id: UUID, *, earlier: timedelta) -> None:
    """Let the bank tell of all the money, which came in so long ago."""
    with office.shop.database.transaction() as session:
        case = locked(session, case_id)
        assert case is not None
        paid_at = office.now - earlier
        paying.record(session, case, "B-77", case.fee_yen, paid_at=paid_at, by=ACCOUNTING, now=office.now)
    office.shop.work()


def kept(office: Office, case_id: UUID, name: Name) -> dict[str, str | int]:
    """Return what the case's timer of this name bears, for one that is rung after it was dropped."""
    with office.shop.database.snapshot() as session:
        query = select(Job).where(Job.timer_of == case_id, Job.name == name).order_by(Job.due_at).limit(1)
        return dict(session.scalars(query).one().args)


def ring(office: Office, name: Name, args: dict[str, str | int]) -> None:
    ids = {key: UUID(str(value)) if key == "case_id" else value for key, value in args.items()}
    with office.shop.database.transaction() as session:
        enqueue(session, name, **ids)  # type: ignore[arg-type]  # a timer's own arguments
    office.shop.work()


# What the marketplace tells late


def test_a_message_that_is_told_after_the_checks_makes_an_application_eligible(office: Office) -> None:
    office.feed(messages=0)
    case_id = office.receive()
    office.confirm(case_id)
    before = office.case(case_id).is_eligible

    with office.shop.database.transaction() as session:
        trade = trade_by_number(session, marketplace.NUMBER)
        assert trade is not None
        marketplace.wrote(session, trade, TradeSide.BUYER, marketplace.WINDOW_OPENS_AT + timedelta(hours=1))
    office.shop.work()

    assert (before, office.case(case_id).is_eligible) == (False, True)
    assert office.kinds(case_id).count(Kind.CASE_OPENED) == 1
    assert office.kinds(case_id).count(Kind.CASE_TOLD) == 1


def test_a_transaction_that_is_told_after_the_form_is_found(office: Office) -> None:
    with office.shop.database.transaction() as session:
        for member in (marketplace.SELLER, marketplace.BUYER):
            marketplace.a_member(session, member, received_at=office.now)
    case_id = office.receive()
    office.confirm(case_id)
    before = office.case(case_id)

    office.feed()
    office.shop.work()

    after = office.case(case_id)
    assert (before.trade_id, before.is_eligible) == (None, False)
    assert after.trade_id is not None
    assert after.is_eligible


def test_of_two_forms_about_a_transaction_that_is_told_later_one_is_the_case(office: Office) -> None:
    with office.shop.database.transaction() as session:
        for member in (marketplace.SELLER, marketplace.BUYER):
            marketplace.a_member(session, member, received_at=office.now)
    cases = [office.receive(), office.receive()]
    for case_id in cases:
        office.confirm(case_id)

    office.feed()
    office.shop.work()

    assert [office.case(case_id).trade_id is not None for case_id in cases] == [True, False]
    assert [office.case(case_id).is_eligible for case_id in cases] == [True, False]


def test_a_fact_that_changes_after_the_proposal_keeps_it_from_being_approved(office: Office) -> None:
    office.feed()
    case_id = office.receive()
    office.confirm(case_id)
    proposal = office.propose(case_id)

    office.feed(anonymous_shipping=False)
    office.shop.work()

    with pytest.raises(NotReady):
        office.approve(case_id, proposal)
    assert office.state(case_id) is State.SCREENING


# Money


def test_money_that_came_before_it_was_asked_for_sets_the_letter_off_and_nobody_is_asked(office: Office) -> None:
    case_id = office.reviewing()
    office.pay(case_id, FEE_YEN)

    office.accept_all(case_id)
    office.decide(case_id)

    assert office.state(case_id) is State.RELEASING
    [invoice] = [message for message in office.notices(case_id) if message.kind is Kind.CASE_INVOICE]
    assert invoice.state is MessageState.VOIDED


def test_money_told_twice_is_money_once(office: Office) -> None:
    case_id = asked_for_fee(office)

    office.pay(case_id, FEE_YEN // 2, number="B-9")
    office.pay(case_id, FEE_YEN // 2, number="B-9")

    assert office.state(case_id) is State.AWAITING_FEE
    assert office.case(case_id).paid_yen == FEE_YEN // 2


def test_parts_add_up(office: Office) -> None:
    case_id = asked_for_fee(office)

    office.pay(case_id, FEE_YEN // 2)
    assert office.work(case_id) == {"check_payment"}
    office.pay(case_id, FEE_YEN - FEE_YEN // 2)

    assert office.state(case_id) is State.RELEASING


def test_money_that_came_in_time_counts_though_it_is_told_a_day_later(office: Office) -> None:
    case_id = asked_for_fee(office)

    office.shop.time.at += deadline(office, case_id) + timedelta(hours=3)
    office.shop.work()
    tell_of_payment(office, case_id, earlier=timedelta(hours=4))

    assert office.state(case_id) is State.RELEASING


def test_money_that_came_too_late_is_kept_and_shown_to_a_person(office: Office) -> None:
    case_id = asked_for_fee(office)

    office.shop.time.at += deadline(office, case_id) + timedelta(hours=3)
    tell_of_payment(office, case_id, earlier=timedelta(0))
    office.shop.time.advance(days=5)
    office.shop.work()

    assert office.state(case_id) is State.EXPIRED
    assert office.work(case_id) == {"check_payment"}


# Papers


def test_papers_that_came_before_they_were_asked_for_are_counted_when_they_are(office: Office) -> None:
    case_id = office.negotiating()
    office.all_papers(case_id)
    assert office.state(case_id) is State.NEGOTIATING

    office.ask_for_stage_2(case_id)

    assert office.state(case_id) is State.REVIEWING
    assert office.work(case_id) == {"review_papers"}


def test_a_paper_told_twice_is_one_paper(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)

    for _ in range(2):
        office.paper(case_id, ItemKind.PLEDGE, number="P-1")

    with office.shop.database.snapshot() as session:
        recorded = select(CaseEvent).where(CaseEvent.case_id == case_id, CaseEvent.kind == "paper_recorded")
        assert len(session.scalars(recorded).all()) == 1


def test_papers_that_came_in_time_count_though_they_are_told_a_day_later(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    came_at = office.now

    office.shop.time.at += deadline(office, case_id) + timedelta(hours=3)
    office.shop.work()
    late, office.shop.time.at = office.shop.time.at, came_at
    office.all_papers(case_id)
    office.shop.time.at = late
    office.shop.work()

    assert office.state(case_id) is State.REVIEWING


def test_papers_that_came_too_late_change_nothing_and_are_kept(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)

    office.shop.time.at += deadline(office, case_id) + timedelta(hours=3)
    office.all_papers(case_id)
    office.shop.time.advance(days=5)
    office.shop.work()

    assert office.state(case_id) is State.EXPIRED
    assert office.kinds(case_id).count(Kind.CASE_CLOSED) == 1


def test_a_paper_for_a_case_that_is_over_is_recorded(office: Office) -> None:
    case_id = office.negotiating()
    office.withdraw(case_id)

    office.paper(case_id, ItemKind.PLEDGE)

    assert office.state(case_id) is State.WITHDRAWN


# Opinions


def test_an_opinion_before_anybody_asked_for_more_is_none(office: Office) -> None:
    case_id = office.negotiating()

    with pytest.raises(IllegalMove):
        office.opinion(case_id)

    assert office.case(case_id).opinion_at is None


def test_the_first_opinion_counts(office: Office) -> None:
    case_id = office.reviewing()
    first = office.case(case_id).opinion_at

    office.shop.time.advance(hours=1)
    office.opinion(case_id)

    assert office.case(case_id).opinion_at == first


def test_a_decision_waits_for_the_opinion_until_its_window_is_over_and_not_longer(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    office.all_papers(case_id)
    office.accept_all(case_id)

    with pytest.raises(NotReady):
        office.propose(case_id)
    due_at = office.case(case_id).opinion_due_at
    assert due_at is not None
    office.shop.time.at = due_at
    office.decide(case_id)
    office.opinion(case_id)

    assert office.state(case_id) is State.AWAITING_FEE
    assert office.case(case_id).opinion_at == due_at


def test_while_only_the_opinion_is_waited_for_nobody_is_alarmed(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    office.all_papers(case_id)
    office.accept_all(case_id)

    office.shop.time.advance(days=9)
    office.shop.work()
    assert office.work(case_id) == set()
    due_at = office.case(case_id).opinion_due_at
    assert due_at is not None
    office.shop.time.at = due_at
    office.shop.work()

    assert office.work(case_id) == {"propose"}


def test_a_window_that_begins_later_because_its_notice_went_late_ends_later_too(
    office: Office, unattended: Office
) -> None:
    case_id = office.negotiating()
    unattended.ask_for_stage_2(case_id)
    do(office.shop, Name.ISSUE_PLEDGE, Name.NOTIFY_APPLICANT, Name.NOTIFY_COUNTERPARTY, Name.AWAIT_PAPERS)
    unattended.all_papers(case_id)
    unattended.accept_all(case_id)
    before = office.case(case_id).opinion_due_at
    assert before is not None

    office.shop.time.advance(days=2)
    office.shop.work()
    office.shop.time.at = before
    office.shop.work()
    assert office.work(case_id) == set()
    after = office.case(case_id).opinion_due_at
    assert after is not None
    office.shop.time.at = after
    office.shop.work()

    assert office.work(case_id) == {"propose"}


# What becomes of notices


def hear(office: Office, case_id: UUID, *kinds: Kind) -> None:
    """Let it be told, in this order, what became of these notices."""
    with office.shop.database.transaction() as session:
        case = locked(session, case_id)
        assert case is not None
        for kind in kinds:
            query = select(Message).where(Message.case_id == case_id, Message.kind == kind)
            message = session.scalars(query).one()
            noticing.hear(session, case, message, now=office.now)
            exchanging.hear(session, case, message, now=office.now)


def test_what_is_heard_again_later_changes_nothing(office: Office) -> None:
    case_id = office.negotiating()
    before = office.case(case_id)

    office.shop.time.advance(days=1)
    hear(office, case_id, Kind.CASE_ADDRESS_TO_COUNTERPARTY, Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_OPENED)

    after = office.case(case_id)
    assert (after.state, after.version, after.deadline_at) == (before.state, before.version, before.deadline_at)
    assert (after.applicant_reached_at, after.counterparty_reached_at) == (
        before.applicant_reached_at,
        before.counterparty_reached_at,
    )


def test_what_is_heard_after_the_end_does_not_open_a_case_again(office: Office) -> None:
    case_id = office.negotiating()
    office.withdraw(case_id)

    hear(office, case_id, Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY)

    assert office.state(case_id) is State.WITHDRAWN


# Timers


def test_a_deadline_of_a_state_that_was_left_passes_unheard(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    old = kept(office, case_id, Name.RUN_OUT)
    office.all_papers(case_id)

    office.shop.time.advance(days=60)
    ring(office, Name.RUN_OUT, old)

    assert office.state(case_id) is State.REVIEWING


def test_a_deadline_that_was_extended_passes_unheard(office: Office) -> None:
    case_id = office.negotiating()
    old = kept(office, case_id, Name.RUN_OUT)
    passes_in = deadline(office, case_id)
    with office.shop.database.transaction() as session:
        case = locked(session, case_id)
        assert case is not None
        until = office.now + passes_in + timedelta(days=10)
        ending.extend(session, case, until, by=LEGAL, reason="they are ill", now=office.now)

    office.shop.time.at += passes_in + timedelta(hours=1)
    ring(office, Name.RUN_OUT, old)

    assert office.state(case_id) is State.NEGOTIATING


def test_a_reminder_of_a_state_that_was_left_says_nothing(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    old = kept(office, case_id, Name.REMIND_PARTY)
    office.all_papers(case_id)

    ring(office, Name.REMIND_PARTY, old)

    assert Kind.CASE_PAPERS_REMINDER not in office.kinds(case_id)


def test_every_reminder_of_a_long_wait_comes_once(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)

    while office.state(case_id) is State.AWAITING_DOCUMENTS:
        office.shop.time.advance(hours=20)
        office.shop.work()

    assert office.state(case_id) is State.EXPIRED
    assert office.kinds(case_id).count(Kind.CASE_PAPERS_REMINDER) == 3
    assert office.delivered_twice() == {}


# Holds


def timers(office: Office, case_id: UUID) -> set[str]:
    with office.shop.database.snapshot() as session:
        return set(session.scalars(select(Job.name).where(Job.timer_of == case_id)))


def test_under_a_hold_no_deadline_passes_and_afterwards_there_is_as_much_time_as_before(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    left = deadline(office, case_id)

    office.hold(case_id)
    assert timers(office, case_id) == set()
    office.shop.time.advance(days=100)
    office.shop.work()
    assert office.state(case_id) is State.AWAITING_DOCUMENTS
    office.resume(case_id)

    assert deadline(office, case_id) == left
    assert timers(office, case_id) == {Name.RUN_OUT, Name.REMIND_PARTY}


def test_papers_that_come_under_a_hold_are_reviewed_after_it(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)

    office.hold(case_id)
    office.all_papers(case_id)
    assert office.state(case_id) is State.AWAITING_DOCUMENTS
    office.resume(case_id)

    assert office.state(case_id) is State.REVIEWING


def test_money_that_comes_under_a_hold_sets_the_letter_off_after_it(office: Office) -> None:
    case_id = asked_for_fee(office)

    office.hold(case_id)
    office.pay(case_id)
    assert office.state(case_id) is State.AWAITING_FEE
    office.resume(case_id)

    assert office.state(case_id) is State.RELEASING


def test_a_hold_ends_neither_a_refusal_nor_a_deadline_that_a_timer_already_carries(office: Office) -> None:
    case_id = office.negotiating()
    old = kept(office, case_id, Name.RUN_OUT)

    office.hold(case_id)
    office.shop.time.advance(days=200)
    ring(office, Name.RUN_OUT, old)

    assert office.state(case_id) is State.NEGOTIATING
