"""The seventeen faults that were seen in a privacy-request system on the same stack, each made impossible here.

Each test names its fault and what stands in its way.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import ColumnDefault, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.audit import CaseEvent
from models.base import Base
from models.decision import Decision, RefusalReason, Verdict
from models.disclosure import DisclosureCase, Party, State
from models.errors import AlreadyOpen, FourEyes, StaleRevision
from models.job import Job, Name
from models.message import Kind
from models.release import Letter
from models.roles import ROLES, Operation, Role
from tests.conftest import StoppedTime
from tests.tasks.case_clauses import A_DAY, awaiting_papers, change, incomplete, on, quick_office, rows, told
from tests.tasks.case_office import (
    APPLICANT,
    APPLICANT_MAIL,
    CHECKER,
    COUNTERPARTY_MAIL,
    MAKER,
    REVIEWER,
    Office,
    person,
)
from tests.tasks.conftest import Workshop
from tests.worker.desk import NOBODY_LISTENS, at_once, sqlite_only
from worker import auditing, jobs, links
from worker.cases import applying, deciding, noticing, papers, parties, printed, screening
from worker.database import Database
from worker.links import CaseLinkRole

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


def trail(office: Office, case_id: UUID) -> list[str]:
    """Return the kinds of the case's events."""
    with office.shop.database.snapshot() as session:
        return [each.kind for each in auditing.trail(session, case_id)]


def token(office: Office, case_id: UUID, role: CaseLinkRole = CaseLinkRole.PAGE) -> str:
    """Return the applicant's link as it was mailed."""
    with office.shop.database.snapshot() as session:
        reader = noticing.reader(session, office.case(case_id), Party.APPLICANT)
        return links.case_token(role, case_id, Party.APPLICANT, noticing.bound_to(reader))


def opens(office: Office, link: str) -> parties.Bearer | None:
    with office.shop.database.snapshot() as session:
        return parties.bearer(session, link)


def test_1_what_rings_again_never_moves_a_case_that_waits_for_people(office: Office) -> None:
    """Fault 1: a watchdog made errors of requests that waited for people, since their task ids had left the cache."""
    case_id = office.reviewing()
    before = office.case(case_id)

    for _ in range(10):
        office.shop.time.advance(days=3)
        jobs.sweep()
        office.shop.work()

    after = office.case(case_id)
    assert (after.state, after.version) == (before.state, before.version)
    assert "review_papers" in office.work(case_id)


def test_2_a_case_needs_nothing_but_the_database(office: Office, environment: pytest.MonkeyPatch) -> None:
    """Fault 2: checkpoints and what people had entered lay in Redis and ran out with their time to live."""
    environment.setenv("BROKER_URL", NOBODY_LISTENS.replace("http", "redis"))

    case_id = office.releasing()
    office.shop.time.advance(days=30)
    office.print_letter(case_id)
    office.post_letter(case_id)

    assert office.state(case_id) is State.DISCLOSED


def test_3_jobs_bear_ids_and_numbers_alone(office: Office) -> None:
    """Fault 3: the address and the code were keyword arguments, to be read in the broker and in an open Flower."""
    owed: list[dict[str, object]] = []

    def keep(mapper: object, connection: object, job: Job) -> None:
        del mapper, connection
        owed.append(dict(job.args))

    event.listen(Job, "after_insert", keep)
    try:
        office.print_letter(office.releasing())
    finally:
        event.remove(Job, "after_insert", keep)

    assert {key for args in owed for key in args} == {"case_id", "trade_id", "message_id", "revision", "number"}
    assert all(isinstance(value, int) or UUID(str(value)) for args in owed for value in args.values())


def test_4_what_the_vendor_defers_is_sent_again(mailing: Office) -> None:
    """Fault 4: retries were declared on an error that the sender had wrapped in another class, so none ever fired."""
    mailing.feed()
    mailing.shop.carrier.script("rate_limit_429", to=APPLICANT_MAIL, channel="mail")
    case_id = mailing.receive()
    assert mailing.mails(APPLICANT_MAIL) == []

    mailing.shop.time.advance(minutes=5)
    mailing.shop.work()

    assert len(mailing.mails(APPLICANT_MAIL)) == 1
    assert mailing.kinds(case_id) == [Kind.CASE_CONFIRM_ADDRESS]


def test_5_a_link_that_is_followed_ten_times_at_once_confirms_once(office: Office) -> None:
    """Fault 5: a code was compared with `!=`, its counter read and then set, so that parallel guesses won.

    Here is no code to guess: a link proves itself by 144 bits, compared in constant time (tests/worker/test_links.py).
    """
    office.feed()
    case_id = office.receive()

    def confirm() -> None:
        on(office, case_id, lambda session, case: applying.confirm(session, case, received_at=office.now))

    assert at_once(*[confirm] * 10) == [None] * 10
    assert trail(office, case_id).count("confirmed") == 1


@pytest.mark.parametrize("breaks", ["moving.auditing.append", "moving.reset_timers", "deciding.enqueue_chain"])
def test_6_a_decision_its_event_its_notice_and_its_leg_are_one_commit(
    office: Office, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    """Fault 6: state, audit row, message and queueing were four commits, without a lock on the row."""
    case_id = office.screened()
    proposal = office.propose(case_id)
    before = trail(office, case_id), office.kinds(case_id), office.state(case_id), len(_owed(office))

    class Broken(Exception):  # noqa: N818 - it is no error of ours
        """Something gave way half-way."""

    def give_way(*args: object, **rest: object) -> None:
        raise Broken

    monkeypatch.setattr(f"worker.cases.{breaks}", give_way)
    with pytest.raises(Broken):
        office.approve(case_id, proposal)

    assert (trail(office, case_id), office.kinds(case_id), office.state(case_id), len(_owed(office))) == before
    [decision] = rows(office, Decision, case_id)
    assert decision.approved_at is None


def _owed(office: Office) -> list[UUID]:
    with office.shop.database.snapshot() as session:
        return list(session.scalars(select(Job.id)))


def test_7_sending_what_was_missing_and_withdrawing_add_to_the_trail_and_take_nothing_from_it(office: Office) -> None:
    """Fault 7: resubmitting deleted audit rows, and cancelling wrote none."""
    case_id = incomplete(office)
    before = trail(office, case_id)

    on(
        office,
        case_id,
        lambda session, case: applying.resubmit(session, case, {"situation": "五月一日"}, received_at=office.now),
    )
    office.shop.work()
    office.withdraw(case_id)

    after = trail(office, case_id)
    assert after[: len(before)] == before
    assert {"resubmitted", "withdrawn"} <= set(after[len(before) :])


def test_7_the_database_refuses_to_delete_an_event(office: Office) -> None:
    """Fault 7, for whoever tries all the same."""
    case_id = office.screened()

    with pytest.raises(IntegrityError), office.shop.database.transaction() as session:
        session.delete(session.scalars(select(CaseEvent).where(CaseEvent.case_id == case_id).limit(1)).one())


def test_8_who_bears_every_role_still_needs_another_person(office: Office) -> None:
    """Fault 8: one role could create, approve and delete."""
    assert ROLES[Operation.PROPOSE] & ROLES[Operation.APPROVE] == frozenset()
    everybody = person("kimura", *Role)
    case_id = office.screened()
    proposal = office.propose(case_id, by=everybody)

    with pytest.raises(FourEyes):
        office.approve(case_id, proposal, by=everybody)

    assert everybody.name == MAKER.name
    assert office.state(case_id) is State.SCREENING


def test_9_the_reason_for_a_refusal_is_in_no_mail(mailing: Office) -> None:
    """Fault 9: the reason for a refusal was mailed."""
    case_id = mailing.screened()

    mailing.decide(case_id, Verdict.REFUSE, refusal=RefusalReason.NOT_QUALIFIED, note="because of notecanary")

    texts = [mail["text"] for to in (APPLICANT_MAIL, COUNTERPARTY_MAIL) for mail in mailing.mails(to)]
    assert len(texts) == 5
    assert not [text for text in texts if "notecanary" in text or "not_qualified" in text or "looked at" in text]


def test_10_what_people_enter_is_sealed(office: Office) -> None:
    """Fault 10: what was entered by hand stood in the clear."""
    case_id = office.reviewing()
    on(
        office,
        case_id,
        lambda session, case: papers.ask_for(
            session, case, "wishcanary", by=REVIEWER, reason="reasoncanary", now=office.now
        ),
    )

    with office.shop.database.engine.connect() as connection:
        names = [table.name for table in Base.metadata.sorted_tables]
        everything = " ".join(str(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()) for name in names)

    assert "canary" not in everything


def test_10_each_row_has_an_instant_of_its_own(office: Office) -> None:
    """Fault 10: a timestamp default was evaluated once, when the module was imported."""
    office.feed()
    first = office.receive()
    office.shop.time.advance(minutes=7)
    second = office.receive()

    written = [office.notices(case_id)[0].created_at for case_id in (first, second)]
    filed = [office.case(case_id).filed_at for case_id in (first, second)]
    assert written == filed
    assert filed[1] - filed[0] == timedelta(minutes=7)
    defaults = [column.default for table in Base.metadata.sorted_tables for column in table.columns]
    assert not [each for each in defaults if isinstance(each, ColumnDefault) and isinstance(each.arg, datetime)]


def test_11_a_link_opens_one_case_for_one_purpose_to_one_address(office: Office) -> None:
    """Fault 11: a resume token was bound to the webhook and not to the request, and could be used again."""
    first = office.screened()
    page, confirming = token(office, first), token(office, first, CaseLinkRole.CONFIRM)

    opened = opens(office, page)
    assert opened is not None
    assert (opened.case.id, opened.party, opened.role) == (first, Party.APPLICANT, CaseLinkRole.PAGE)
    assert page != confirming
    change(office, APPLICANT, email="moved@example.jp")
    assert (opens(office, page), opens(office, confirming)) == (None, None)


def test_11_a_link_to_confirm_does_its_work_once(office: Office) -> None:
    """Fault 11, used again."""
    case_id = office.screened()
    before = office.case(case_id).version

    office.confirm(case_id)

    assert office.case(case_id).version == before


def test_12_what_is_refused_has_changed_nothing(office: Office) -> None:
    """Fault 12: the state was changed before its guard was asked. tests/models explores this for every event."""
    case_id = office.screened()
    proposal = office.propose(case_id)
    before = trail(office, case_id), office.case(case_id).version, office.work(case_id)

    def approve(session: Session, case: DisclosureCase) -> None:
        decision = session.get_one(Decision, proposal)
        deciding.approve(session, case, decision, "0" * 64, by=CHECKER, reason="unread", now=office.now)

    with pytest.raises(StaleRevision):
        on(office, case_id, approve)

    assert (trail(office, case_id), office.case(case_id).version, office.work(case_id)) == before


def test_12_a_job_that_fails_half_way_leaves_nothing_behind(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 12: a branch for a time limit ran on into what comes after."""
    office.feed()
    case_id = office.receive()
    on(office, case_id, lambda session, case: applying.confirm(session, case, received_at=office.now))
    before = trail(office, case_id), office.kinds(case_id)
    _let_screening_fail(monkeypatch, RuntimeError())

    assert _screen(office) is jobs.Outcome.FAILED
    assert (trail(office, case_id), office.kinds(case_id)) == before


def _let_screening_fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let it give way after it has written everything."""
    whole = screening.screen

    def screen(session: Session, case: DisclosureCase, *, now: datetime) -> None:
        whole(session, case, now=now)
        session.flush()
        raise error

    monkeypatch.setattr(screening, "screen", screen)


def _screen(office: Office) -> jobs.Outcome:
    with office.shop.database.snapshot() as session:
        [owed] = session.scalars(select(Job.id).where(Job.name == Name.SCREEN_CASE)).all()
    return jobs.perform(owed)


def test_13_a_date_that_passes_ends_what_it_was_the_end_of(office: Office) -> None:
    """Fault 13: due dates were only displayed, never enforced."""
    case_id = awaiting_papers(office)
    deadline = office.case(case_id).deadline_at
    assert deadline is not None

    office.shop.time.move_to(deadline + 2 * A_DAY)
    office.shop.work()

    assert office.state(case_id) is State.EXPIRED
    assert told(office, case_id, Party.APPLICANT)[-1] is Kind.CASE_CLOSED


def test_14_the_letter_that_is_printed_is_the_one_whose_hash_is_kept_and_it_lies_sealed(office: Office) -> None:
    """Fault 14: attachments had no hash, no check of their type and no short-lived link. Here nothing is uploaded."""
    case_id = office.releasing()

    printed_pdf = office.print_letter(case_id)

    [letter] = rows(office, Letter, case_id)
    assert letter.sha256 == printed.digest_of(printed_pdf)
    assert b"%PDF" not in (letter.sealed_pdf or b"")


def test_15_a_form_that_nobody_confirmed_stands_in_nobodys_way(office: Office) -> None:
    """Fault 15: an unverified duplicate could shadow the genuine request."""
    office.feed()
    forged = office.receive(situation="別人が書きました。")
    genuine = office.receive()

    office.confirm(genuine)

    assert office.state(genuine) is State.SCREENING
    with pytest.raises(AlreadyOpen):
        office.confirm(forged)
    assert office.state(forged) is State.RECEIVED


def test_16_the_text_of_an_error_is_kept_nowhere(
    office: Office, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Fault 16: exception texts, personal data and all, were stored and shown in the timeline."""
    office.feed()
    case_id = office.receive()
    on(office, case_id, lambda session, case: applying.confirm(session, case, received_at=office.now))
    _let_screening_fail(monkeypatch, RuntimeError("見本 花子 errorcanary@example.jp"))

    _screen(office)

    with office.shop.database.snapshot() as session:
        [failed] = session.scalars(select(Job).where(Job.name == Name.SCREEN_CASE)).all()
        facts = [str(each.facts) for each in auditing.trail(session, case_id)]
    assert failed.last_error == "RuntimeError"
    assert "errorcanary" not in " ".join([*facts, *capfd.readouterr()])


def test_16_a_trail_takes_no_free_text(office: Office) -> None:
    """Fault 16, for whoever would write one into it."""
    case_id = office.screened()

    with pytest.raises(TypeError):
        on(
            office,
            case_id,
            lambda session, case: auditing.append(
                session, case.id, "noted", at=office.now, actor="system", said="見本 花子"
            ),
        )


def test_17_a_notice_that_fails_leaves_a_finished_case_finished(mailing: Office) -> None:
    """Fault 17: a courtesy mail that failed turned a finished case into an error."""
    case_id = mailing.releasing()
    mailing.print_letter(case_id)
    mailing.shop.carrier.script("refuse_400", to=APPLICANT_MAIL, channel="mail")

    mailing.post_letter(case_id)
    mailing.shop.time.advance(days=1)
    mailing.shop.work()

    assert mailing.state(case_id) is State.DISCLOSED
    assert mailing.work(case_id) == {"mend_notice"}
