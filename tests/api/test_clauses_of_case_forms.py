"""What the clauses ask of the forms of disclosure cases, at the API; docs/clauses.md names these tests."""

from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import func, select

from models.disclosure import DisclosureCase, Party, State
from models.paper import Standing
from tests.api.calling import Caller
from tests.api.case_filing import body, holders_body
from tests.api.case_people import People
from tests.conftest import StoppedTime
from tests.tasks.case_clauses import Rules, awaiting_papers, items, ruled
from tests.worker.desk import sqlite_only
from worker.cases import guideline
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import Database

pytestmark = sqlite_only

CROSS = {
    "nickname": "nick-mseller",
    "name": "見本 mseller",
    "counterparty_nickname": "nick-mbuyer",
    "customer_ip": None,
}
STAGE_2: dict[str, Any] = {"attempts": "三度書きました。", "necessity": "訴訟のため。", "knows_no_return": True}


@pytest.fixture
def people(database: Database, time: StoppedTime) -> People:
    """The office, and a system that files forms."""
    import_module("tasks.disclosure")
    return People.of(database, time)


@pytest.fixture
def under(database: Database, environment: pytest.MonkeyPatch) -> Rules:
    """Let other rules hold."""
    del database  # it is opened before they change
    return ruled(environment)


def file(caller: Caller, form: dict[str, Any]) -> Response:
    key = str(new_id(unix_ms()))
    return caller.http.post("/v1/disclosure-cases", json=form, headers={"Idempotency-Key": key})


def ask(people: People, case_id: UUID, operation: str, party: Party = Party.APPLICANT, /, **sent: Any) -> Response:
    """Let a party ask for something by its link."""
    path = f"/v1/disclosure-cases/{case_id}/{operation}"
    return people.caller.http.post(path, json=sent or None, headers={"Case-Link": people.link(case_id, party)})


def cases(people: People) -> int:
    with people.caller.database.snapshot() as session:
        return session.scalars(select(func.count()).select_from(DisclosureCase)).one()


# D66, D70 to D73: everything is mandatory, and the server sees to it

MANDATORY = [name for name in body() if name != "customer_ip"]


@pytest.mark.parametrize("missing", MANDATORY)
def test_every_fact_that_the_form_asks_for_is_mandatory(people: People, missing: str) -> None:
    answer = file(people.caller, body(**{missing: None}))

    assert answer.status_code == 422
    assert cases(people) == 0


@pytest.mark.parametrize("blank", ["nickname", "name", "counterparty_nickname", "item_name", "situation", "reason"])
def test_a_blank_says_nothing(people: People, blank: str) -> None:
    answer = file(people.caller, body(**{blank: " 　"}))

    assert answer.status_code == 422


@pytest.mark.parametrize("missing", ["organisation", "attestation"])
def test_an_organisation_says_who_it_is_and_what_it_attests(people: People, missing: str) -> None:
    answer = file(people.caller, holders_body(**{missing: None}))

    assert answer.status_code == 422


@pytest.mark.parametrize("missing", guideline.SECTIONS)
def test_the_section_that_was_not_agreed_to_is_named(people: People, missing: str) -> None:
    consents = {each.number: each.sha256 for each in guideline.sections("ja") if each.number != missing}

    answer = file(people.caller, body(consents=consents))

    assert (answer.status_code, answer.json()["code"]) == (422, "consent_missing")
    assert answer.json()["sections"] == missing


def test_what_is_agreed_to_can_be_read_and_is_named_by_its_hash(people: People) -> None:
    shown = people.caller.http.get("/v1/disclosure-guideline", params={"language": "ja"}).json()

    digests = {section["number"]: section["sha256"] for section in shown["sections"]}
    assert file(people.caller, body(consents=digests)).status_code == 202


# D1 to D3: the end


def test_the_end_of_the_service_is_shown(people: People, under: Rules) -> None:
    endless = people.caller.http.get("/v1/disclosure-guideline").json()

    under(service_ends_on="2030-07-01")

    assert endless["service_ends_at"] is None
    assert people.caller.http.get("/v1/disclosure-guideline").json()["service_ends_at"] == "2030-06-30T15:00:00Z"


def test_every_application_after_the_end_gets_one_and_the_same_answer(people: People, under: Rules) -> None:
    case_id = people.office.negotiating()
    under(service_ends_on="2030-06-03")

    answers = [
        file(people.caller, body()),
        ask(people, case_id, "stage-2", **STAGE_2),
        ask(people, case_id, "cross-application", Party.COUNTERPARTY, **body(**CROSS)),
    ]

    said = [{**answer.json(), "request_id": "", "case_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert said[0]["code"] == "service_ended"
    assert [{key: each[key] for key in ("code", "title", "detail", "status")} for each in said] == [
        {key: said[0][key] for key in ("code", "title", "detail", "status")}
    ] * 3


# D19, D65, D68, D69: one way in, and one address


@pytest.mark.parametrize("operation", ["stage-2", "settle", "withdraw", "facts", "opinion", "cross-application"])
def test_nothing_is_asked_for_without_the_link_that_the_registered_address_got(people: People, operation: str) -> None:
    case_id = people.office.negotiating()
    sent = {"stage-2": STAGE_2, "opinion": {"opinion": "異議があります。"}, "cross-application": body(**CROSS)}

    without = people.caller.http.post(f"/v1/disclosure-cases/{case_id}/{operation}", json=sent.get(operation, {}))
    forged = people.caller.http.post(
        f"/v1/disclosure-cases/{case_id}/{operation}",
        json=sent.get(operation, {}),
        headers={"Case-Link": "A" * 48},
    )

    assert without.status_code == 422
    assert forged.status_code in {403, 422}
    assert people.office.state(case_id) is State.NEGOTIATING


# D22, D23, D26, D33: stage 2


@pytest.mark.parametrize("missing", ["attempts", "necessity", "knows_no_return"])
def test_stage_2_asks_for_what_was_tried_why_more_is_needed_and_that_nothing_comes_back(
    people: People, missing: str
) -> None:
    case_id = people.office.negotiating()

    answer = ask(people, case_id, "stage-2", **{name: said for name, said in STAGE_2.items() if name != missing})

    assert answer.status_code == 422
    assert people.office.state(case_id) is State.NEGOTIATING


@pytest.mark.parametrize("blank", ["attempts", "necessity"])
def test_a_statement_for_stage_2_says_something(people: People, blank: str) -> None:
    case_id = people.office.negotiating()

    assert ask(people, case_id, "stage-2", **{**STAGE_2, blank: " "}).status_code == 422


def test_papers_that_are_announced_are_not_there(people: People) -> None:
    case_id = awaiting_papers(people.office)

    answer = ask(people, case_id, "documents", kinds=["certificate_of_residence"], posted_on="2030-06-03")

    assert answer.status_code == 202
    assert {item.standing for item in items(people.office, case_id).values()} == {Standing.AWAITED}


# D11: what was checked is for those who judge


def test_checks_and_grounds_are_shown_to_those_who_judge_or_audit_alone(people: People) -> None:
    case_id = people.office.screened()

    judged, carried = people.shown(case_id, "kimura"), people.shown(case_id, "abe")

    assert {check["clause"] for check in judged["checks"]} >= {"D12", "D14"}
    assert (carried["checks"], carried["is_eligible"]) == ([], None)
