"""What the clauses ask of the path for holders of rights (D56 to D63); docs/clauses.md names these tests."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.decision import RefusalReason, Verdict
from models.disclosure import CaseCheck, DisclosureCase, Party, State
from models.errors import NotReady
from models.marketplace import OrganisationKind
from models.message import Kind
from tests.conftest import StoppedTime
from tests.tasks.case_clauses import A_DAY, Rules, accepted, failing, holder_form, on, quick_office, rows, ruled, told
from tests.tasks.case_office import CHECKER, LEGAL, Office
from tests.worker import marketplace
from tests.worker.desk import sqlite_only
from tests.worker.paper_reader import read
from worker.database import Database

pytestmark = sqlite_only


@pytest.fixture
def office(database: Database, time: StoppedTime, do_due_jobs: Callable[[], int]) -> Office:
    """The office, without a vendor."""
    del do_due_jobs  # it brings the tasks
    return quick_office(database, time)


@pytest.fixture
def under(database: Database, environment: pytest.MonkeyPatch) -> Rules:
    """Let other rules hold."""
    del database  # it is opened before they change
    return ruled(environment)


# D56 to D63: holders of rights


def feed_organisation(office: Office, **more: Any) -> None:
    with office.shop.database.transaction() as session:
        marketplace.an_organisation(session, **more)


def test_a_body_that_is_accredited_today_may_ask(office: Office) -> None:
    office.feed()
    feed_organisation(office)

    case_id = accepted(office, **holder_form())

    assert failing(office, case_id) == set()
    assert {check.clause for check in rows(office, CaseCheck, case_id)} == {"D56", "D58", "D59", "D60", "D71"}


UNENTITLED: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]] = {
    "its accreditation ended today": ("D56", {"valid_until": date(2030, 6, 3)}, {}, {}),
    "its accreditation begins tomorrow": ("D56", {"valid_from": date(2030, 6, 4)}, {}, {}),
    "its contract ended": (
        "D57",
        {"kind": OrganisationKind.CONTRACTED, "valid_until": date(2030, 6, 1)},
        {},
        {},
    ),
    "it was not paid by the payment service": ("D58", {}, {"payment_service": False}, {}),
    "nothing was attested": ("D59", {}, {}, {"attestation": ""}),
    "there is no such transaction": ("D60", {}, {}, {"transaction_number": "T-2030-9999"}),
}
"""What is wrong → the clause, the organisation, the transaction, the form."""


@pytest.mark.parametrize("why", UNENTITLED)
def test_one_condition_of_the_holders_path_that_does_not_hold_keeps_the_seller_secret(office: Office, why: str) -> None:
    clause, organisation, trade, departures = UNENTITLED[why]
    office.feed(**trade)
    feed_organisation(office, **organisation)

    case_id = accepted(office, **holder_form(**departures))

    assert failing(office, case_id) == {clause}
    with pytest.raises(NotReady):
        office.propose(case_id)


@pytest.mark.parametrize("missing", ["contract_reference", "judged_by", "judged_at"])
def test_a_contracted_holder_has_been_judged_and_has_a_contract(office: Office, missing: str) -> None:
    with pytest.raises(IntegrityError):
        feed_organisation(office, kind=OrganisationKind.CONTRACTED, **{missing: None})


def test_who_is_no_longer_accredited_when_it_is_decided_is_granted_nothing(office: Office) -> None:
    office.feed()
    feed_organisation(office, valid_until=date(2030, 6, 5))
    case_id = accepted(office, **holder_form())

    office.shop.time.advance(days=3)

    with pytest.raises(NotReady) as refusal:
        office.propose(case_id)
    assert refusal.value.facts["lacks"] == "entitled"


def test_window_negotiation_and_months_are_not_asked_of_a_holder_of_rights(office: Office) -> None:
    office.feed(messages=0, completed_at=None, message_window_closes_at=office.now + 30 * A_DAY)
    feed_organisation(office)

    case_id = accepted(office, **holder_form())

    assert failing(office, case_id) == set()


def holders_case(office: Office) -> UUID:
    office.feed()
    feed_organisation(office)
    case_id = office.receive(**holder_form())
    office.confirm(case_id)
    return case_id


def test_a_holder_of_rights_learns_of_the_seller_and_of_nobody_else(office: Office) -> None:
    case_id = holders_case(office)
    proposal = office.propose(case_id)
    office.approve(case_id, proposal, by=LEGAL)

    letter = "\n".join(read(office.print_letter(case_id)))

    assert "見本 mseller" in letter
    assert "mbuyer" not in letter
    assert office.case(case_id).counterparty_id != office.case(case_id).applicant_id


def test_no_seller_is_told_before_the_release_nor_after_it_unless_the_policy_says_so(office: Office) -> None:
    case_id = holders_case(office)
    office.approve(case_id, office.propose(case_id), by=LEGAL)
    assert told(office, case_id, Party.COUNTERPARTY) == []

    office.print_letter(case_id)
    office.post_letter(case_id)

    assert office.state(case_id) is State.DISCLOSED
    assert told(office, case_id, Party.COUNTERPARTY) == []


def test_a_policy_may_tell_the_seller_after_the_release_and_never_before(office: Office, under: Rules) -> None:
    under(seller_told_after=True)
    case_id = holders_case(office)
    office.approve(case_id, office.propose(case_id), by=LEGAL)
    office.print_letter(case_id)
    assert told(office, case_id, Party.COUNTERPARTY) == []

    office.post_letter(case_id)

    assert told(office, case_id, Party.COUNTERPARTY) == [Kind.CASE_DISCLOSED_TOLD]


def test_the_database_itself_refuses_to_have_told_a_seller_beforehand(office: Office) -> None:
    case_id = holders_case(office)

    def tell(_: Session, case: DisclosureCase) -> None:
        case.told_counterparty_at = office.now

    with pytest.raises(IntegrityError):
        on(office, case_id, tell)


def test_a_release_to_a_holder_of_rights_takes_the_legal_role(office: Office) -> None:
    case_id = holders_case(office)
    proposal = office.propose(case_id)

    with pytest.raises(NotReady):
        office.approve(case_id, proposal, by=CHECKER)

    assert office.state(case_id) is State.SCREENING


def test_a_holder_of_rights_has_no_claim_to_a_disclosure(office: Office) -> None:
    case_id = holders_case(office)

    office.decide(case_id, Verdict.REFUSE, by=LEGAL, refusal=RefusalReason.OTHER)

    assert office.state(case_id) is State.REFUSED
