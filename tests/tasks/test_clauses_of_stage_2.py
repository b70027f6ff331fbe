"""What the clauses ask of stage 2: its papers, its cost, its letter; docs/clauses.md names these tests."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.decision import Decision, RefusalReason, Verdict
from models.disclosure import State
from models.errors import DeadlinePassed, IllegalMove, NotReady
from models.fee import Invoice
from models.job import Name
from models.marketplace import MemberKind, MemberSnapshot, When
from models.paper import Flaw, ItemKind, Paper, PaperKind, Seen, Standing
from models.roles import Operation
from tests.conftest import StoppedTime
from tests.tasks.case_clauses import A_DAY, awaiting_papers, items, on, owed_jobs, quick_office, rows
from tests.tasks.case_office import APPLICANT, APPLICANT_MAIL, COUNTERPARTY, MAIL_ROOM, PAPERS, REVIEWER, Office
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from tests.worker.desk import sqlite_only
from tests.worker.paper_reader import read
from worker import registry
from worker.cases import applying, forms, papers, printed
from worker.database import Database
from worker.printing.pledge import pledge_hash

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


# D22 to D26: the way to stage 2


@pytest.mark.parametrize("begin", [Office.screened, Office.reviewing])
def test_stage_2_is_reached_from_stage_1_alone(office: Office, begin: Callable[[Office], UUID]) -> None:
    case_id = begin(office)

    with pytest.raises(IllegalMove):
        office.ask_for_stage_2(case_id)


def test_what_was_stated_for_stage_2_is_kept_for_who_judges(office: Office) -> None:
    case_id = office.negotiating()

    office.ask_for_stage_2(case_id)

    stated = on(office, case_id, forms.stage_2_of)
    assert "attemptscanary" in stated["attempts"]
    assert "necessitycanary" in stated["necessity"]


def test_stage_2_has_its_own_time_and_no_more(office: Office) -> None:
    case_id = office.negotiating()
    deadline = office.case(case_id).deadline_at
    assert deadline is not None

    office.shop.time.move_to(deadline)

    with pytest.raises(DeadlinePassed):
        office.ask_for_stage_2(case_id)


def test_nothing_is_decided_by_itself_however_complete_it_is(office: Office) -> None:
    case_id = office.reviewing()
    office.accept_all(case_id)

    office.shop.time.advance(days=400)
    office.shop.work()

    assert office.state(case_id) is State.REVIEWING
    assert office.work(case_id) == {"propose"}


def letter_of(office: Office, case_id: UUID, **chosen: Any) -> str:
    """Let stage 2 be decided and its letter be printed; return what can be read on it."""
    office.accept_all(case_id)
    office.decide(case_id, **chosen)
    office.pay(case_id)
    return "\n".join(read(office.print_letter(case_id)))


def test_only_what_was_chosen_stands_in_the_letter(office: Office) -> None:
    case_id = office.reviewing()

    letter = letter_of(office, case_id, fields=("name",))

    assert "見本 mseller" in letter
    assert "mseller町" not in letter
    assert "mseller@" not in letter


@pytest.mark.parametrize("chosen", [(), ("email",), ("name", "phone")])
def test_what_is_disclosed_is_some_of_a_closed_list(office: Office, chosen: tuple[str, ...]) -> None:
    case_id = office.reviewing()
    office.accept_all(case_id)

    with pytest.raises(NotReady) as refusal:
        office.propose(case_id, fields=chosen)

    assert refusal.value.facts["lacks"] == "fields"


# D27 to D37: papers


def test_a_person_sends_four_papers_one_of_them_a_public_proof_of_identity(office: Office) -> None:
    listed = items(office, awaiting_papers(office))

    assert set(listed) == set(PAPERS)
    assert ItemKind.LICENCE_OR_PASSPORT in listed


def test_a_shop_sends_its_representatives_papers_and_what_ties_the_two(office: Office) -> None:
    with office.shop.database.transaction() as session:
        marketplace.a_member(session, APPLICANT, kind=MemberKind.SHOP)
        marketplace.a_trade(session)
    case_id = office.receive(name="代表 mbuyer")
    office.confirm(case_id)
    office.decide(case_id)
    office.ask_for_stage_2(case_id)

    assert set(items(office, case_id)) == {*PAPERS, ItemKind.REPRESENTATIVE_TIE}


MONTHS_OLD = date(2030, 3, 2)
WRONG: Mapping[str, tuple[ItemKind, Flaw, Mapping[str, Any]]] = {
    "an old certificate of residence": (
        ItemKind.CERTIFICATE_OF_RESIDENCE,
        Flaw.OUTDATED,
        {"issued_on": MONTHS_OLD},
    ),
    "a certificate of residence without a date": (
        ItemKind.CERTIFICATE_OF_RESIDENCE,
        Flaw.OUTDATED,
        {"issued_on": None},
    ),
    "a copy of the certificate of residence": (
        ItemKind.CERTIFICATE_OF_RESIDENCE,
        Flaw.COPY_NOT_ALLOWED,
        {"is_original": False},
    ),
    "a licence with another address": (ItemKind.LICENCE_OR_PASSPORT, Flaw.ADDRESS_DIFFERS, {"address_equal": False}),
    "a passport without a page for the address": (
        ItemKind.LICENCE_OR_PASSPORT,
        Flaw.WRONG_KIND,
        {"kind": PaperKind.PASSPORT, "applied_on": date(2020, 2, 4)},
    ),
    "an insurance card without the statement": (
        ItemKind.LICENCE_OR_PASSPORT,
        Flaw.WRONG_KIND,
        {"kind": PaperKind.HEALTH_INSURANCE_CARD},
    ),
    "a pension book without the statement": (
        ItemKind.LICENCE_OR_PASSPORT,
        Flaw.WRONG_KIND,
        {"kind": PaperKind.PENSION_BOOK},
    ),
    "a pledge in an older wording": (ItemKind.PLEDGE, Flaw.OLD_PLEDGE, {"pledge_version": "0"}),
    "a copy of the pledge": (ItemKind.PLEDGE, Flaw.COPY_NOT_ALLOWED, {"is_original": False}),
    "a certificate of another seal": (ItemKind.SEAL_CERTIFICATE, Flaw.SEAL_DIFFERS, {"seal_matches": False}),
    "a seal certificate with another address": (
        ItemKind.SEAL_CERTIFICATE,
        Flaw.ADDRESS_DIFFERS,
        {"address_equal": False},
    ),
    "a number that must be masked": (
        ItemKind.LICENCE_OR_PASSPORT,
        Flaw.FORBIDDEN_DATA_VISIBLE,
        {"forbidden_data_visible": True},
    ),
}
"""What came → the item it came for, what is wrong with it, how it looked."""


@pytest.mark.parametrize("why", WRONG)
def test_a_paper_that_is_not_what_it_must_be_completes_nothing(office: Office, why: str) -> None:
    item, flaw, seen = WRONG[why]
    case_id = awaiting_papers(office)

    for each in PAPERS:
        office.paper(case_id, each, **(seen if each is item else {}))

    assert office.state(case_id) is State.AWAITING_DOCUMENTS
    assert items(office, case_id)[item].flaws == [flaw]
    assert items(office, case_id)[item].standing is Standing.DEFICIENT


@pytest.mark.parametrize("kind", [PaperKind.HEALTH_INSURANCE_CARD, PaperKind.PENSION_BOOK])
def test_who_says_that_there_is_neither_licence_nor_passport_may_send_another(office: Office, kind: PaperKind) -> None:
    case_id = awaiting_papers(office)

    office.paper(case_id, ItemKind.LICENCE_OR_PASSPORT, kind=kind, states_neither=True)

    assert items(office, case_id)[ItemKind.LICENCE_OR_PASSPORT].standing is Standing.ARRIVED


def test_a_certificate_is_in_time_on_the_last_day_of_its_months(office: Office) -> None:
    case_id = awaiting_papers(office)

    office.paper(case_id, ItemKind.CERTIFICATE_OF_RESIDENCE, issued_on=date(2030, 3, 3))

    assert items(office, case_id)[ItemKind.CERTIFICATE_OF_RESIDENCE].standing is Standing.ARRIVED


def test_a_paper_that_was_announced_is_not_there_yet(office: Office) -> None:
    case_id = awaiting_papers(office)

    assert {item.standing for item in items(office, case_id).values()} == {Standing.AWAITED}
    assert not [each for each in Operation if "upload" in each]


@pytest.mark.parametrize("flaw", [Flaw.NOT_SIGNED, Flaw.NOT_SEALED, Flaw.NAME_DIFFERS])
def test_what_a_reviewer_finds_wrong_sends_the_case_back_to_the_papers(office: Office, flaw: Flaw) -> None:
    case_id = office.reviewing()

    office.find_deficient(case_id, ItemKind.PLEDGE, flaw)

    assert office.state(case_id) is State.DOCUMENTS_DEFICIENT
    with pytest.raises(IllegalMove):
        office.propose(case_id)


def test_one_paper_that_nobody_accepted_keeps_everything_from_being_disclosed(office: Office) -> None:
    case_id = office.reviewing()
    office.accept_all(case_id)
    with office.shop.database.transaction() as session:
        [pledge] = [item for item in papers.items_of(session, office.case(case_id)) if item.kind is ItemKind.PLEDGE]
        pledge.standing = Standing.ARRIVED

    with pytest.raises(NotReady) as refusal:
        office.propose(case_id)

    assert refusal.value.facts["lacks"] == "papers"


def test_the_pledge_that_is_sent_names_case_version_and_hash(office: Office) -> None:
    case_id = awaiting_papers(office)

    pledge = on(office, case_id, lambda session, case: "\n".join(read(printed.pledge_of(session, case))))

    case = office.case(case_id)
    assert case.pledge_version == printed.PLEDGE_VERSION
    assert case.reference in pledge
    assert pledge_hash(printed.PLEDGE_VERSION)[:16] in pledge.replace("\n", "").replace(" ", "")


def test_the_letter_that_asks_for_papers_brings_the_pledge(mailing: Office) -> None:
    case_id = mailing.negotiating()

    mailing.ask_for_stage_2(case_id)

    [attached] = mailing.mails(APPLICANT_MAIL)[-1]["attachments"]
    assert attached["filename"] == "pledge.pdf"


def ask_for(office: Office, case_id: UUID, **more: Any) -> None:
    on(
        office,
        case_id,
        lambda session, case: papers.ask_for(
            session, case, "賃貸借契約書のコピー", by=REVIEWER, reason="two names", now=office.now, **more
        ),
    )
    office.shop.work()


def test_another_paper_may_be_asked_for_with_a_deadline_of_its_own(mailing: Office) -> None:
    case_id = mailing.negotiating()
    mailing.ask_for_stage_2(case_id)
    until = datetime(2030, 8, 31, 15, tzinfo=UTC)

    ask_for(mailing, case_id, until=until)

    asked = items(mailing, case_id)[ItemKind.OTHER]
    assert asked.deadline_at == mailing.case(case_id).deadline_at == until
    assert "賃貸借契約書のコピー" in mailing.mails(APPLICANT_MAIL)[-1]["text"]
    assert "2030年8月31日" in mailing.mails(APPLICANT_MAIL)[-1]["text"]


def test_another_paper_that_is_asked_for_on_the_last_day_has_its_own_time(office: Office) -> None:
    case_id = awaiting_papers(office)
    deadline = office.case(case_id).deadline_at
    assert deadline is not None
    office.shop.time.move_to(deadline - timedelta(hours=3))

    ask_for(office, case_id)
    office.shop.time.advance(days=5)
    office.shop.work()

    assert office.state(case_id) is State.AWAITING_DOCUMENTS
    assert office.case(case_id).deadline_at == deadline + 14 * A_DAY


def test_another_paper_that_is_asked_for_early_takes_no_time_from_the_others(office: Office) -> None:
    case_id = awaiting_papers(office)
    deadline = office.case(case_id).deadline_at

    ask_for(office, case_id)

    assert office.case(case_id).deadline_at == deadline
    assert items(office, case_id)[ItemKind.OTHER].deadline_at == deadline


def test_without_the_other_paper_the_case_is_not_reviewed(office: Office) -> None:
    case_id = awaiting_papers(office)
    ask_for(office, case_id)

    office.all_papers(case_id)

    assert office.state(case_id) is State.AWAITING_DOCUMENTS


# D29: papers are not given back


def test_who_did_not_acknowledge_that_papers_are_not_given_back_does_not_reach_stage_2(office: Office) -> None:
    case_id = office.negotiating()
    wish = applying.StageTwo("三度書きました。", "訴訟のため。", knows_no_return=False)

    with pytest.raises(NotReady) as refusal:
        on(office, case_id, lambda s, case: applying.apply_for_stage_2(s, case, wish, received_at=office.now))

    assert refusal.value.facts["lacks"] == "no_return_acknowledged"


@pytest.mark.parametrize("end", ["withdrawal", "refusal"])
def test_an_end_gives_no_paper_back(office: Office, end: str) -> None:
    case_id = office.reviewing()

    if end == "withdrawal":
        office.withdraw(case_id)
    else:
        office.decide(case_id, Verdict.REFUSE, refusal=RefusalReason.PROCEDURE)

    assert {paper.shelf for paper in rows(office, Paper, case_id)} == {"A-1"}
    due = [job.due_at for job in owed_jobs(office, Name.PURGE_CASE) if job.due_at is not None]
    assert min(due) > office.now + 89 * A_DAY


def test_papers_are_destroyed_at_the_end_of_their_time(office: Office) -> None:
    case_id = office.reviewing()
    office.withdraw(case_id)

    office.shop.time.advance(days=91)
    office.shop.work()

    assert office.work(case_id) == {"destroy_papers"}


# D8 and D41, D42: what is disclosed, and what it costs


def test_what_is_disclosed_is_what_is_registered_and_nothing_that_somebody_wrote(office: Office) -> None:
    case_id = office.reviewing()

    letter = letter_of(office, case_id, fields=("name",))

    [decision] = [each for each in rows(office, Decision, case_id) if "snapshots" in each.content]
    with office.shop.database.snapshot() as session:
        member = registry.member_by_external_id(session, COUNTERPARTY)
        assert member is not None
        assert decision.content["snapshots"] == {"now": str(member.snapshot_id)}
        registered = registry.registered(session, session.get_one(MemberSnapshot, member.snapshot_id))
    assert registered.name in letter


def test_the_invoice_names_each_cost_and_what_was_paid_for_insufficient_stamps(office: Office) -> None:
    case_id = awaiting_papers(office)
    office.all_papers(case_id)
    arrived = papers.Arrived(
        "P-stamps", Seen(PaperKind.OTHER, is_original=False), office.now, "A-1", postage_due_yen=84
    )
    on(office, case_id, lambda s, case: papers.record(s, case, arrived, by=MAIL_ROOM, now=office.now))
    office.opinion(case_id)
    office.accept_all(case_id)

    office.decide(case_id)

    [invoice] = rows(office, Invoice, case_id)
    assert {line["label"]: line["yen"] for line in invoice.lines} == {
        "postage": 1_100,
        "expenses": 500,
        "postage_due": 84,
    }
    assert office.case(case_id).fee_yen == invoice.total_yen == 1_684


def test_no_letter_is_made_before_the_whole_fee_is_paid(office: Office) -> None:
    case_id = office.reviewing()
    office.accept_all(case_id)
    office.decide(case_id)

    office.pay(case_id, 1_599)

    assert office.state(case_id) is State.AWAITING_FEE
    with pytest.raises(IllegalMove):
        office.print_letter(case_id)


def test_the_result_of_stage_2_goes_by_post_and_in_no_mail(mailing: Office) -> None:
    case_id = mailing.releasing()
    letter = "\n".join(read(mailing.print_letter(case_id)))
    mailing.post_letter(case_id)

    assert "mseller町" in letter
    texts = [mail["text"] for mail in mailing.mails(APPLICANT_MAIL)]
    assert not [text for text in texts if "mseller町" in text or "見本 mseller" in text]


# D43: what was registered when


def test_what_was_registered_at_first_at_the_trade_and_now_is_disclosed_each_with_its_date(office: Office) -> None:
    with office.shop.database.transaction() as session:
        marketplace.a_member(session, COUNTERPARTY)
        for year, month, street in ((2029, 5, "第二町"), (2030, 5, "第三町")):
            at = datetime(year, month, 20, 3, tzinfo=UTC)
            marketplace.a_change(
                session, COUNTERPARTY, address=f"見本県{street}", changed_at=at, received_at=office.now
            )
    case_id = office.reviewing()

    letter = letter_of(office, case_id, fields=("address",), as_of=tuple(When))

    for address, day in (("mseller町", "2028年4月1日"), ("第二町", "2029年5月20日"), ("第三町", "2030年5月20日")):
        assert address in letter
        assert day in letter


def test_of_when_is_for_people_to_choose(office: Office) -> None:
    with office.shop.database.transaction() as session:
        marketplace.a_member(session, COUNTERPARTY)
        marketplace.a_change(session, COUNTERPARTY, address="見本県第二町", received_at=office.now)
    case_id = office.reviewing()

    letter = letter_of(office, case_id, fields=("address",), as_of=(When.NOW,))

    assert "第二町" in letter
    assert "mseller町" not in letter
