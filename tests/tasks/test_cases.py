"""A disclosure case from the form to the posted letter, with the vendor's ledger beside our rows."""

from datetime import timedelta

import pytest

from models.decision import RefusalReason, Verdict
from models.disclosure import State
from models.message import Kind
from models.paper import Flaw, ItemKind
from tests.tasks.case_office import APPLICANT_MAIL, COUNTERPARTY_MAIL, LEGAL, PAPERS, Office
from tests.tasks.conftest import Workshop
from worker.cases import ending
from worker.cases.moving import locked


@pytest.fixture
def office(shop_floor: Workshop) -> Office:
    """The office."""
    return Office(shop_floor)


def test_a_whole_case_is_played_to_the_posted_letter(office: Office) -> None:
    case_id = office.negotiating()
    assert office.state(case_id) is State.NEGOTIATING
    office.shop.time.advance(days=20)
    office.ask_for_stage_2(case_id)
    office.paper(case_id, ItemKind.CERTIFICATE_OF_RESIDENCE, is_original=False)
    for item in list(PAPERS)[1:]:
        office.paper(case_id, item)
    assert office.state(case_id) is State.AWAITING_DOCUMENTS
    office.paper(case_id, ItemKind.CERTIFICATE_OF_RESIDENCE)
    office.find_deficient(case_id, ItemKind.PLEDGE, Flaw.NOT_SEALED)
    office.paper(case_id, ItemKind.PLEDGE)
    office.opinion(case_id)
    office.accept_all(case_id)
    office.decide(case_id)
    office.pay(case_id)
    letter = office.print_letter(case_id)
    office.post_letter(case_id)

    assert office.state(case_id) is State.DISCLOSED
    assert letter.startswith(b"%PDF-")
    assert office.kinds(case_id) == [
        Kind.CASE_CONFIRM_ADDRESS,
        Kind.CASE_OPENED,
        Kind.CASE_TOLD,
        Kind.CASE_ADDRESS_TO_APPLICANT,
        Kind.CASE_ADDRESS_TO_COUNTERPARTY,
        Kind.CASE_STAGE_2_TOLD,
        Kind.CASE_PAPERS_WANTED,
        Kind.CASE_PAPERS_DEFICIENT,
        Kind.CASE_INVOICE,
        Kind.CASE_POSTED,
        Kind.CASE_DISCLOSED_TOLD,
    ]
    assert office.delivered_twice() == {}
    assert len(office.mails(APPLICANT_MAIL)) == 7
    assert len(office.mails(COUNTERPARTY_MAIL)) == 4
    assert office.work(case_id) == set()


def test_both_addresses_go_out_under_one_release(office: Office) -> None:
    case_id = office.negotiating()

    to_applicant, to_counterparty = office.mails(APPLICANT_MAIL)[-1], office.mails(COUNTERPARTY_MAIL)[-1]
    assert COUNTERPARTY_MAIL in to_applicant["text"]
    assert APPLICANT_MAIL in to_counterparty["text"]
    assert office.case(case_id).release_id is not None


def test_the_date_in_the_notice_is_the_date_in_the_code(office: Office) -> None:
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)

    deadline = office.case(case_id).deadline_at
    assert deadline is not None
    last_day = (deadline + timedelta(hours=9) - timedelta(microseconds=1)).date()
    assert f"{last_day.year}年{last_day.month}月{last_day.day}日" in office.mails(APPLICANT_MAIL)[-1]["text"]


def test_a_refusal_says_one_thing_to_each_side(office: Office) -> None:
    case_id = office.screened()

    office.decide(case_id, Verdict.REFUSE, refusal=RefusalReason.RULES_BROKEN)

    assert office.state(case_id) is State.REFUSED
    assert office.kinds(case_id)[-2:] == [Kind.CASE_REFUSED, Kind.CASE_CLOSED_TOLD]


def test_a_proposal_on_an_older_version_of_the_case_makes_room_for_another(office: Office) -> None:
    case_id = office.screened()
    office.propose(case_id)

    with office.shop.database.transaction() as session:
        case = locked(session, case_id)
        assert case is not None
        ending.hold(session, case, by=LEGAL, reason="a letter from a lawyer", now=office.now)
        ending.resume(session, case, by=LEGAL, reason="settled", now=office.now)

    office.decide(case_id)
    assert office.state(case_id) is State.NEGOTIATING
