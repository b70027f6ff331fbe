"""What the clauses ask of a case from the form to its end, played by its people; docs/clauses.md names these tests.

Stage 2 with its papers and the holders' path stand in files of their own.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.audit import CaseEvent, DisclosureRecord
from models.customer import Channel
from models.decision import Decision, RefusalReason, Verdict
from models.disclosure import CaseCheck, DisclosureCase, Party, State
from models.errors import ConsentMissing, DeadlinePassed, IllegalMove, NotReady, Refusal, ServiceEnded
from models.job import Name
from models.marketplace import MemberStatus, TradeSide
from models.message import Kind
from models.notice import Notice
from models.release import Release
from models.roles import Role
from models.work import Work, WorkItem
from tests.conftest import StoppedTime
from tests.tasks.case_clauses import (
    A_DAY,
    MOMENT,
    Rules,
    accepted,
    awaiting_papers,
    bounce,
    change,
    charged,
    crossed,
    do,
    failing,
    flawed,
    incomplete,
    on,
    owed_jobs,
    quick_office,
    rows,
    ruled,
    told,
)
from tests.tasks.case_office import APPLICANT, APPLICANT_MAIL, COUNTERPARTY, COUNTERPARTY_MAIL, LEGAL, MAKER, Office
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from tests.worker.desk import sqlite_only
from worker import suppressions
from worker.cases import applying, deciding, forms, guideline, misuse, releases, screening, worklist
from worker.database import Database
from worker.wording import CASE_KINDS

pytestmark = sqlite_only


@pytest.fixture
def office(database: Database, time: StoppedTime, do_due_jobs: Callable[[], int]) -> Office:
    """The office, without a vendor."""
    del do_due_jobs  # it brings the tasks
    return quick_office(database, time)


@pytest.fixture
def mailing(shop_floor: Workshop) -> Office:
    """The office, with the vendor's ledger beside it."""
    return Office(shop_floor)


@pytest.fixture
def under(database: Database, environment: pytest.MonkeyPatch) -> Rules:
    """Let other rules hold."""
    del database  # it is opened before they change
    return ruled(environment)


# D1 to D3: the end of the service

ENDS_ON = date(2030, 7, 1)
ENDS_AT = datetime(2030, 6, 30, 15, tzinfo=UTC)
"""Midnight in Japan, before the first day on which nothing is taken."""


def test_the_end_that_the_source_announces_begins_with_its_day_in_japan(office: Office, under: Rules) -> None:
    under(preset="end-of-2016")
    office.feed()

    office.shop.time.move_to(datetime(2016, 10, 30, 14, 59, 59, 999_999, tzinfo=UTC))
    office.receive()
    office.shop.time.advance(seconds=0.000001)

    with pytest.raises(ServiceEnded):
        office.receive()


def _a_form(office: Office) -> Callable[[], Any]:
    office.feed()
    return office.receive


def _a_confirmation(office: Office) -> Callable[[], Any]:
    office.feed()
    office.shop.time.move_to(ENDS_AT - timedelta(hours=2))
    case_id = office.receive()
    return lambda: office.confirm(case_id)


def _a_stage_2(office: Office) -> Callable[[], Any]:
    case_id = office.negotiating()
    return lambda: office.ask_for_stage_2(case_id)


def _a_cross_application(office: Office) -> Callable[[], Any]:
    case_id = office.screened()
    return lambda: crossed(office, case_id)


APPLICATIONS = [_a_form, _a_confirmation, _a_stage_2, _a_cross_application]


@pytest.mark.parametrize("application", APPLICATIONS)
def test_an_application_is_taken_until_the_last_instant_before_the_day_of_the_end(
    office: Office, under: Rules, application: Callable[[Office], Callable[[], Any]]
) -> None:
    under(service_ends_on=ENDS_ON.isoformat())
    apply = application(office)

    office.shop.time.move_to(ENDS_AT - MOMENT)

    apply()


@pytest.mark.parametrize("application", APPLICATIONS)
def test_from_the_first_instant_of_the_day_of_the_end_no_application_is_taken(
    office: Office, under: Rules, application: Callable[[Office], Callable[[], Any]]
) -> None:
    under(service_ends_on=ENDS_ON.isoformat())
    apply = application(office)

    office.shop.time.move_to(ENDS_AT)

    with pytest.raises(ServiceEnded):
        apply()


def test_what_is_open_at_the_end_goes_on_and_ends_with_the_winding_up(office: Office, under: Rules) -> None:
    under(service_ends_on=ENDS_ON.isoformat(), wind_down_days=40)
    case_id = office.negotiating()

    office.shop.time.move_to(ENDS_AT + 39 * A_DAY)
    office.shop.work()
    assert office.state(case_id) is State.NEGOTIATING
    office.shop.time.advance(days=1)
    office.shop.work()

    assert office.state(case_id) is State.SERVICE_ENDED
    assert told(office, case_id, Party.APPLICANT)[-1] is Kind.CASE_SERVICE_ENDED


def test_a_form_that_is_unconfirmed_at_the_end_ends_with_it(office: Office, under: Rules) -> None:
    under(service_ends_on=ENDS_ON.isoformat())
    office.feed()
    office.shop.time.move_to(ENDS_AT - timedelta(hours=2))
    case_id = office.receive()

    office.shop.time.move_to(ENDS_AT)
    [timer] = owed_jobs(office, Name.END_SERVICE)
    assert timer.due_at == ENDS_AT
    office.shop.work()

    with office.shop.database.snapshot() as session:
        assert session.get(DisclosureCase, case_id) is None


# D4 to D16: which applications qualify

LEAVES = {"status": MemberStatus.LEFT}
STRANGER = "m-stranger"


def _strangers_trade(office: Office) -> None:
    with office.shop.database.transaction() as session:
        marketplace.a_member(session, APPLICANT)
        marketplace.a_trade(session, seller=COUNTERPARTY, buyer=STRANGER)


def _third_time(office: Office) -> None:
    office.feed()
    for _ in range(2):
        office.withdraw(accepted(office))


def _only_the_other_wrote(office: Office) -> None:
    with office.shop.database.transaction() as session:
        trade = marketplace.a_trade(session, messages=0)
        marketplace.wrote(session, trade, TradeSide.SELLER, trade.message_window_opens_at + timedelta(hours=1))


def _wrote_outside_the_window(office: Office) -> None:
    with office.shop.database.transaction() as session:
        trade = marketplace.a_trade(session, messages=0)
        marketplace.wrote(session, trade, TradeSide.BUYER, trade.message_window_closes_at + MOMENT)


UNQUALIFIED: Mapping[str, tuple[str, Callable[[Office], None], Mapping[str, Any]]] = {
    "it was not shipped anonymously": ("D4", lambda office: office.feed(anonymous_shipping=False), {}),
    "it is a transaction of others": ("D7", _strangers_trade, {}),
    "there is no such transaction": ("D7", Office.feed, {"transaction_number": "T-2030-9999"}),
    "the window is open to this very instant": (
        "D12",
        lambda office: office.feed(message_window_closes_at=office.now),
        {},
    ),
    "nobody wrote": ("D13", lambda office: office.feed(messages=0), {}),
    "only the other side wrote": ("D13", _only_the_other_wrote, {}),
    "the applicant wrote after the window": ("D13", _wrote_outside_the_window, {}),
    "it is not completed": ("D14", lambda office: office.feed(completed_at=None), {}),
    "it was completed too long ago": (
        "D14",
        lambda office: office.feed(completed_at=datetime(2030, 3, 2, 14, 59, tzinfo=UTC)),
        {},
    ),
    "the name is another's": ("D70", Office.feed, {"name": "見本 太郎"}),
    "the counterparty's nickname is wrong": ("D71", Office.feed, {"counterparty_nickname": "nick-other"}),
    "the item's number is wrong": ("D71", Office.feed, {"item_number": "I-1025"}),
    "the item's name is wrong": ("D71", Office.feed, {"item_name": "見本の指輪"}),
    "it was won on another day": ("D71", Office.feed, {"won_on": date(2030, 4, 21)}),
    "it is the third application": ("A15", _third_time, {}),
}
"""What is wrong → the clause whose check says so, what the marketplace feeds, what the form says."""


@pytest.mark.parametrize("why", UNQUALIFIED)
def test_one_condition_that_does_not_hold_keeps_an_application_from_being_granted(office: Office, why: str) -> None:
    clause, feed, departures = UNQUALIFIED[why]
    feed(office)

    case_id = accepted(office, **departures)

    assert failing(office, case_id) == {clause}
    assert told(office, case_id, Party.COUNTERPARTY) == []
    with pytest.raises(NotReady) as refusal:
        office.propose(case_id)
    assert refusal.value.facts["lacks"] == "eligible"


def test_an_application_that_fulfils_every_condition_is_put_before_people(office: Office) -> None:
    office.feed()

    case_id = accepted(office)

    clauses = {check.clause for check in rows(office, CaseCheck, case_id)}
    assert clauses == {"D4", "D7", "D12", "D13", "D14", "D18", "D70", "D71", "A15"}
    assert failing(office, case_id) == set()
    assert told(office, case_id, Party.COUNTERPARTY) == [Kind.CASE_TOLD]


def test_an_instant_after_the_window_an_application_qualifies(office: Office) -> None:
    office.feed(message_window_closes_at=office.now - MOMENT)

    assert failing(office, accepted(office)) == set()


def test_each_check_is_kept_with_its_evidence_its_checker_its_time_and_the_rules_of_the_day(office: Office) -> None:
    office.feed()
    case_id = accepted(office)

    office.propose(case_id)

    checks = rows(office, CaseCheck, case_id)
    assert {check.policy for check in checks} == {screening.policy_digest()}
    assert {check.checked_at for check in checks} == {office.now}
    by_machine = {check.clause: check for check in checks if check.checked_by == "system"}
    by_person = {check.clause: check for check in checks if check.checked_by == MAKER.name}
    assert set(by_person) == {"D13", "D15", "D16"}
    assert by_machine["D12"].evidence == {"window_closes_at": marketplace.WINDOW_CLOSES_AT.isoformat()}
    assert by_person["D15"].evidence["trouble"] == "breach_of_contract"


def test_other_rules_leave_another_digest_with_a_check(office: Office, under: Rules) -> None:
    before = screening.policy_digest()

    under(eligible_months=4)

    assert screening.policy_digest() != before


VECTORS = [
    pytest.param(date(2016, 2, 29), date(2016, 5, 31), id="from a leap day to the month's end"),
    pytest.param(date(2016, 4, 30), date(2016, 7, 31), id="from a month's end to a longer one"),
    pytest.param(date(2016, 11, 30), date(2017, 2, 28), id="to the end of February"),
    pytest.param(date(2016, 7, 31), date(2016, 10, 31), id="from the 31st to the 31st"),
]
"""A2: the day of completion in Japan, and the last day on which an application may be made."""


def _completed_on(office: Office, day: date) -> None:
    completed_at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    office.feed(
        completed_at=completed_at,
        won_on=day,
        message_window_opens_at=completed_at - 20 * A_DAY,
        message_window_closes_at=completed_at + A_DAY,
    )


@pytest.mark.parametrize(("completed_on", "last_day"), VECTORS)
def test_three_months_end_with_the_last_instant_of_their_last_day_in_japan(
    office: Office, completed_on: date, last_day: date
) -> None:
    _completed_on(office, completed_on)
    over = datetime(last_day.year, last_day.month, last_day.day, 15, tzinfo=UTC)

    in_time = accepted(office, at=over - MOMENT, won_on=completed_on)
    office.withdraw(in_time)
    too_late = accepted(office, at=over, won_on=completed_on)

    assert failing(office, in_time) == set()
    assert failing(office, too_late) == {"D14"}


def test_what_counts_is_when_the_form_came_and_not_when_it_was_confirmed(office: Office) -> None:
    _completed_on(office, date(2030, 3, 2))
    over = datetime(2030, 6, 2, 15, tzinfo=UTC)
    office.shop.time.move_to(over - MOMENT)
    case_id = office.receive(won_on=date(2030, 3, 2))

    office.shop.time.advance(hours=23)
    office.confirm(case_id)

    assert failing(office, case_id) == set()


@pytest.mark.parametrize("name", deciding.HUMAN_CHECKS)
def test_each_thing_that_only_a_person_can_judge_is_judged_by_itself(office: Office, name: str) -> None:
    case_id = office.screened()
    answers = {**dict.fromkeys(deciding.HUMAN_CHECKS, True), name: False}

    with pytest.raises(NotReady) as refusal:
        office.propose(case_id, answers=answers)

    assert refusal.value.facts["lacks"] == name


def test_the_kind_of_trouble_is_named(office: Office) -> None:
    case_id = office.screened()

    with pytest.raises(NotReady) as refusal:
        office.propose(case_id, trouble=None)

    assert refusal.value.facts["lacks"] == "trouble"


# D6, D72, D73: what is judged by


def test_what_the_applicant_wrote_lies_before_who_judges_beside_the_log_of_messages(office: Office) -> None:
    office.feed(messages=2)
    case_id = accepted(office)

    written = on(office, case_id, forms.form_of)

    [log] = [check.evidence["log"] for check in rows(office, CaseCheck, case_id) if check.clause == "D13"]
    assert "situationcanary" in written["situation"]
    assert "reasoncanary" in written["reason"]
    assert sorted(entry["by"] for entry in log) == ["buyer", "buyer", "seller", "seller"]


def test_what_the_applicant_wrote_stands_readable_nowhere(office: Office) -> None:
    office.feed()
    case_id = accepted(office)

    with office.shop.database.engine.connect() as connection:
        everything = "".join(
            str(row)
            for table in DisclosureCase.metadata.sorted_tables
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table.name}"').all()
        )

    assert case_id.hex in everything.replace("-", "")
    assert "canary" not in everything
    assert "mseller@" not in everything


# D17 to D21: stage 1


def test_stage_1_discloses_the_mail_address_and_nothing_else(mailing: Office) -> None:
    case_id = mailing.negotiating()

    records = rows(mailing, DisclosureRecord, case_id)
    [decision] = rows(mailing, Decision, case_id)
    assert [record.fields for record in records] == [["email"], ["email"]]
    assert decision.content["fields"] == ["email"]
    for address, other in ((APPLICANT_MAIL, "mseller"), (COUNTERPARTY_MAIL, "mbuyer")):
        text = mailing.mails(address)[-1]["text"]
        assert text.count(other) == text.count(f"{other}@example.jp") == 1


def test_both_addresses_become_sendable_in_one_commit_under_one_release(office: Office) -> None:
    case_id = office.negotiating()

    [release] = rows(office, Release, case_id)
    both = [notice for notice in rows(office, Notice, case_id) if notice.released_at == release.released_at]
    kinds = {message.id: message.kind for message in office.notices(case_id)}
    assert {Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY} <= {
        kinds[each.message_id] for each in both
    }
    assert office.case(case_id).release_id == release.id


def silence(office: Office, address: str) -> None:
    with office.shop.database.transaction() as session:
        suppressions.silence(session, Channel.MAIL, address, "bounced", attempt_id=None, now=office.now)


def _nothing_was_exchanged(office: Office, case_id: UUID) -> bool:
    return (
        office.state(case_id) is State.SCREENING
        and "mend_exchange" in office.work(case_id)
        and not {Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY} & set(office.kinds(case_id))
    )


@pytest.mark.parametrize("address", [APPLICANT_MAIL, COUNTERPARTY_MAIL])
def test_where_one_side_cannot_be_written_to_neither_side_is(office: Office, address: str) -> None:
    case_id = office.screened()
    silence(office, address)

    office.decide(case_id)

    assert _nothing_was_exchanged(office, case_id)


@pytest.mark.parametrize("member", [APPLICANT, COUNTERPARTY])
def test_an_address_that_changed_a_moment_ago_holds_the_exchange_up(office: Office, member: str) -> None:
    case_id = office.screened()
    change(office, member, email="moved@example.jp")

    office.decide(case_id)

    assert _nothing_was_exchanged(office, case_id)


def test_the_address_is_the_one_that_is_registered_at_the_release(mailing: Office) -> None:
    case_id = mailing.screened()
    change(mailing, COUNTERPARTY, email="moved@example.jp")

    mailing.shop.time.advance(days=8)
    mailing.decide(case_id)

    assert mailing.state(case_id) is State.NEGOTIATING
    assert "moved@example.jp" in mailing.mails(APPLICANT_MAIL)[-1]["text"]
    assert APPLICANT_MAIL in mailing.mails("moved@example.jp")[-1]["text"]


def test_who_has_left_cannot_apply_and_nobody_is_written_to(office: Office) -> None:
    office.feed()
    change(office, APPLICANT, **LEAVES)

    case_id = office.receive()

    assert office.notices(case_id) == []
    assert office.case(case_id).applicant_id is None


def test_who_leaves_after_applying_is_granted_nothing(office: Office) -> None:
    case_id = office.screened()
    change(office, APPLICANT, **LEAVES)

    with pytest.raises(NotReady) as refusal:
        office.propose(case_id)

    assert refusal.value.facts["lacks"] == "entitled"


def test_who_leaves_between_proposal_and_approval_is_granted_nothing(office: Office) -> None:
    case_id = office.screened()
    proposal = office.propose(case_id)
    change(office, APPLICANT, **LEAVES)

    with pytest.raises(NotReady) as refusal:
        office.approve(case_id, proposal)

    assert refusal.value.facts["lacks"] == "entitled"


def test_who_leaves_while_a_decided_exchange_waits_receives_nothing(office: Office) -> None:
    case_id = office.screened()
    with office.shop.database.transaction() as session:
        releases.stop(session, by=LEGAL, reason="to look first", now=office.now)
    office.decide(case_id)
    change(office, APPLICANT, **LEAVES)

    with office.shop.database.transaction() as session:
        releases.resume(session, by=LEGAL, reason="looked", now=office.now)
    office.shop.work()

    assert _nothing_was_exchanged(office, case_id)


def test_what_is_registered_of_a_counterparty_who_left_may_still_be_disclosed(office: Office) -> None:
    case_id = office.screened()
    change(office, COUNTERPARTY, **LEAVES)

    office.decide(case_id)

    assert office.state(case_id) is State.NEGOTIATING


# D38 to D40: the other side


def test_the_transaction_that_accepts_an_application_tells_both_sides(office: Office) -> None:
    office.feed()
    case_id = office.receive()
    on(office, case_id, lambda session, case: applying.confirm(session, case, received_at=office.now))

    do(office, Name.SCREEN_CASE)

    assert office.case(case_id).told_counterparty_at == office.now
    assert set(office.kinds(case_id)) == {Kind.CASE_CONFIRM_ADDRESS, Kind.CASE_OPENED, Kind.CASE_TOLD}


def test_a_form_that_its_registered_address_has_not_confirmed_is_told_to_nobody_else(office: Office) -> None:
    office.feed()

    case_id = office.receive()

    assert told(office, case_id, Party.COUNTERPARTY) == []


def test_the_transaction_that_takes_stage_2_tells_both_sides(office: Office) -> None:
    case_id = office.negotiating()
    before = office.kinds(case_id)
    wish = applying.StageTwo("三度書きました。", "訴訟のため。", knows_no_return=True)

    on(office, case_id, lambda session, case: applying.apply_for_stage_2(session, case, wish, received_at=office.now))

    assert set(office.kinds(case_id)[len(before) :]) == {Kind.CASE_STAGE_2_TOLD, Kind.CASE_PAPERS_WANTED}


def test_a_cross_application_is_a_case_of_its_own_linked_to_the_first(office: Office) -> None:
    case_id = office.screened()

    theirs = crossed(office, case_id)

    mine, its = office.case(case_id), office.case(theirs)
    assert (mine.crossed_with_id, its.crossed_with_id) == (theirs, case_id)
    assert (its.applicant_id, its.counterparty_id) == (mine.counterparty_id, mine.applicant_id)
    assert its.state is State.SCREENING
    assert {check.clause for check in rows(office, CaseCheck, theirs)} >= {"D4", "D12", "D13", "D14", "D70", "D71"}


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_crossed_cases_neither_waits_for_the_other(office: Office, which: int) -> None:
    case_id = office.screened()
    both = [case_id, crossed(office, case_id)]

    office.decide(both[which], Verdict.REFUSE, refusal=RefusalReason.OTHER)
    office.decide(both[1 - which])

    assert office.state(both[which]) is State.REFUSED
    assert office.state(both[1 - which]) is State.NEGOTIATING


def test_a_cross_application_within_its_grace_is_in_time_when_the_first_was(office: Office) -> None:
    _completed_on(office, date(2030, 3, 10))
    case_id = office.receive(won_on=date(2030, 3, 10))
    office.confirm(case_id)
    office.shop.time.advance(days=10)

    theirs = crossed(office, case_id, won_on=date(2030, 3, 10))

    assert failing(office, theirs) == set()


# D44 to D50: refusals


BEFORE_A_RELEASE: Mapping[State, Callable[[Office], UUID]] = {
    State.SCREENING: Office.screened,
    State.INTAKE_DEFICIENT: incomplete,
    State.NEGOTIATING: Office.negotiating,
    State.AWAITING_DOCUMENTS: awaiting_papers,
    State.REVIEWING: Office.reviewing,
    State.DOCUMENTS_DEFICIENT: flawed,
    State.AWAITING_FEE: charged,
}


@pytest.mark.parametrize("state", BEFORE_A_RELEASE)
def test_two_people_may_refuse_at_any_point_before_a_release(office: Office, state: State) -> None:
    case_id = BEFORE_A_RELEASE[state](office)
    assert office.state(case_id) is state

    office.decide(case_id, Verdict.REFUSE, refusal=RefusalReason.OTHER)

    assert office.state(case_id) is State.REFUSED
    assert office.work(case_id) == set()


def test_a_release_that_has_begun_is_not_refused(office: Office) -> None:
    case_id = office.releasing()

    with pytest.raises(IllegalMove):
        office.propose(case_id, Verdict.REFUSE, refusal=RefusalReason.OTHER)


def test_a_refusal_without_one_of_the_five_grounds_is_none(office: Office) -> None:
    case_id = office.screened()

    with pytest.raises(NotReady) as refusal:
        office.propose(case_id, Verdict.REFUSE)

    assert refusal.value.facts["lacks"] == "refusal"


@pytest.mark.parametrize("ground", RefusalReason)
def test_each_of_the_five_grounds_is_kept_with_a_note_and_stands_in_no_trail_and_no_notice(
    office: Office, ground: RefusalReason
) -> None:
    case_id = office.screened()

    office.decide(case_id, Verdict.REFUSE, refusal=ground, note="because of notecanary")

    [decision] = rows(office, Decision, case_id)
    assert decision.refusal is ground
    assert on(office, case_id, lambda session, _: deciding.note_of(session, decision)) == "because of notecanary"
    trail = [(event.kind, event.facts) for event in rows(office, CaseEvent, case_id)]
    assert ground.value not in {word for _, facts in trail for word in facts.values() if isinstance(word, str)}
    assert all(ground.value not in json.dumps(message.facts) for message in office.notices(case_id))


# D52: a dead address


def test_an_address_that_proves_dead_after_the_exchange_opens_nothing_again(mailing: Office) -> None:
    case_id = mailing.negotiating()
    [notice] = [each for each in mailing.notices(case_id) if each.kind is Kind.CASE_ADDRESS_TO_APPLICANT]
    before = mailing.case(case_id)

    bounce(mailing, case_id, notice.id)

    after = mailing.case(case_id)
    assert (after.state, after.version, after.deadline_at) == (State.NEGOTIATING, before.version, before.deadline_at)
    assert mailing.work(case_id) == {"mend_notice"}
    with pytest.raises(IllegalMove):
        mailing.propose(case_id)


# D54 and D55, D64: deemed arrival, consent


def test_a_deadline_runs_from_when_its_notice_counts_as_having_arrived_and_no_bounce_moves_it(mailing: Office) -> None:
    case_id = mailing.negotiating()
    mailing.ask_for_stage_2(case_id)
    [message] = [each for each in mailing.notices(case_id) if each.kind is Kind.CASE_PAPERS_WANTED]

    def notice() -> Notice:
        with mailing.shop.database.snapshot() as session:
            return session.get_one(Notice, message.id)

    arrived_at, deadline = notice().deemed_arrived_at, mailing.case(case_id).deadline_at
    assert arrived_at == mailing.now + timedelta(hours=1)
    assert deadline == datetime(2030, 7, 3, 15, tzinfo=UTC)
    mailing.shop.time.advance(days=1)
    bounce(mailing, case_id, message.id)

    assert notice().deemed_arrived_at == arrived_at
    assert notice().undeliverable_at == mailing.now
    assert mailing.case(case_id).deadline_at == deadline


def test_consent_to_each_section_is_kept_by_the_hash_of_its_text(office: Office) -> None:
    office.feed()

    case_id = office.receive()

    assert office.case(case_id).consents == {each.number: each.sha256 for each in guideline.sections("ja")}


@pytest.mark.parametrize("section", guideline.SECTIONS)
@pytest.mark.parametrize("given", [None, "0" * 64])
def test_without_consent_to_the_present_text_of_a_section_no_form_is_taken(
    office: Office, section: str, given: str | None
) -> None:
    consents = {each.number: each.sha256 for each in guideline.sections("ja")}
    others = {number: digest for number, digest in consents.items() if number != section}

    with pytest.raises(ConsentMissing) as refusal:
        office.receive(consents=others | ({section: given} if given else {}))

    assert refusal.value.facts["sections"] == section


# D65 to D69: how one applies


def test_once_the_address_is_proven_the_applicant_is_told_what_comes_next(office: Office) -> None:
    case_id = office.screened()

    assert office.state(case_id) is State.SCREENING
    assert told(office, case_id, Party.APPLICANT) == [Kind.CASE_CONFIRM_ADDRESS, Kind.CASE_OPENED]


def test_before_the_registered_address_is_proven_there_is_no_case(office: Office) -> None:
    office.feed()
    case_id = office.receive()

    case = office.case(case_id)
    assert (case.state, case.confirmed_at, case.live_key) == (State.RECEIVED, None, None)
    assert rows(office, CaseCheck, case_id) == []
    with pytest.raises(Refusal):
        office.propose(case_id)


def test_a_link_is_good_for_a_day(office: Office) -> None:
    office.feed()
    case_id = office.receive()

    office.shop.time.advance(hours=24)

    with pytest.raises(DeadlinePassed):
        office.confirm(case_id)


def test_a_second_tap_on_the_link_changes_nothing(office: Office) -> None:
    office.feed()
    case_id = office.receive()
    office.confirm(case_id)
    before = office.case(case_id).version, office.kinds(case_id)

    office.shop.time.advance(minutes=1)
    office.confirm(case_id)

    assert (office.case(case_id).version, office.kinds(case_id)) == before


def test_every_notice_of_a_case_goes_by_mail_and_none_by_sms(office: Office) -> None:
    case_id = office.releasing()
    office.print_letter(case_id)
    office.post_letter(case_id)

    assert {message.channel for message in office.notices(case_id)} == {Channel.MAIL}
    assert len(set(office.kinds(case_id))) > len(CASE_KINDS) // 2


# What D10 asks after the release


def test_a_report_of_misuse_is_looked_at_by_the_legal_department_and_then_off_the_list(office: Office) -> None:
    case_id = office.negotiating()

    on(
        office,
        case_id,
        lambda s, case: misuse.report(s, case, Party.COUNTERPARTY, "広告が届きます。", received_at=office.now),
    )
    [item] = [each for each in rows(office, WorkItem, case_id) if each.work is Work.LOOK_AT_MISUSE]
    assert item.role is Role.LEGAL
    with office.shop.database.transaction() as session:
        worklist.close_by_hand(session, session.get_one(WorkItem, item.id), by=LEGAL.name, now=office.now)

    assert office.work(case_id) == set()
