"""No answer, timing, status or text tells whether somebody or something exists, or why nothing is disclosed (S12, D50).

The time of an answer is held by what makes it: the same statements in the same order, whatever the form names.
"""

import json
import re
import statistics
import time as stopwatch
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, select
from sqlalchemy.orm import Session

from models.access import Scope
from models.base import Base
from models.decision import RefusalReason, Verdict
from models.disclosure import DisclosureCase, Party
from models.limit import Counter
from models.marketplace import MemberStatus
from models.message import Message
from models.webhook import WebhookEvent
from tests.api.calling import Caller
from tests.api.case_filing import body, holders_body
from tests.api.case_guests import Guests
from tests.conftest import StoppedTime
from tests.tasks.case_clauses import incomplete, on
from tests.tasks.case_office import Office
from tests.worker import marketplace
from tests.worker.desk import sqlite_only
from worker import links
from worker.cases import noticing
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import Database
from worker.links import CaseLinkRole
from worker.webhooks import endpoints

pytestmark = sqlite_only

NICKNAMES = ("nick-mbuyer", "nick-mseller", "nick-mstranger", "nick-mleaver", "nick-nobody", "だれでもない")
NUMBERS = (marketplace.NUMBER, "T-2030-0002", "T-2030-9999", "t-2030-0001")
GENERAL = settings(
    max_examples=25,
    deadline=None,
    # Each example begins where the one before left off; only counters of forms are forgotten.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=set(Phase) - {Phase.explain},
)


PARTIES_FORMS = st.fixed_dictionaries(
    {
        "nickname": st.sampled_from(NICKNAMES),
        "name": st.sampled_from(("見本 mbuyer", "見本 mseller", "見本 太郎")),
        "transaction_number": st.sampled_from(NUMBERS),
        "counterparty_nickname": st.sampled_from(NICKNAMES),
        "item_number": st.sampled_from(("I-1024", "I-1")),
        "item_name": st.sampled_from(("見本の腕時計", "ほか")),
        "won_on": st.sampled_from((marketplace.WON_ON.isoformat(), date(2029, 1, 1).isoformat())),
    }
).map(lambda said: body(**said))
HOLDERS_FORMS = st.fixed_dictionaries(
    {
        "organisation": st.sampled_from(("o-body", "o-nobody")),
        "transaction_number": st.sampled_from(NUMBERS),
        "counterparty_nickname": st.sampled_from(NICKNAMES),
    }
).map(lambda said: holders_body(**said))


@dataclass
class Watched:
    """What the database was asked while somebody watched: statements without their values, in order."""

    statements: list[str] = field(default_factory=list)


@contextmanager
def watching(engine: Engine) -> Iterator[Watched]:
    """Watch what a request, or a person's work, asks of the database."""
    seen = Watched()

    def note(*args: Any) -> None:
        seen.statements.append(args[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


@dataclass(frozen=True)
class Counterparts:
    """A system that files forms, and the office that takes them."""

    caller: Caller
    guests: Guests

    @property
    def office(self) -> Office:
        """The office."""
        return self.guests.office

    @property
    def database(self) -> Database:
        """Both stand on it."""
        return self.caller.database

    def file(self, form: Mapping[str, Any]) -> Response:
        """File a form as if nobody had filed any before."""
        with self.database.transaction() as session:
            session.execute(delete(Counter))
        key = str(new_id(unix_ms()))
        return self.caller.http.post("/v1/disclosure-cases", json=dict(form), headers={"Idempotency-Key": key})

    def counted(self) -> dict[str, int]:
        """Return how many rows there are in each table."""
        with self.database.engine.connect() as connection:
            return {
                table.name: connection.exec_driver_sql(f'SELECT count(*) FROM "{table.name}"').scalar_one()
                for table in Base.metadata.sorted_tables
            }


@pytest.fixture
def both(database: Database, time: StoppedTime) -> Counterparts:
    """Both, and a marketplace with members who may apply, who may not, and one who has left."""
    import_module("tasks.webhooks")
    found = Counterparts(Caller.of(database, time), Guests.of(database, time))
    found.office.feed()
    with database.transaction() as session:
        marketplace.a_trade(session, "T-2030-0002", seller="m-stranger", buyer="m-leaver")
        marketplace.an_organisation(session)
        url = "https://hooks.example.com/cases"
        endpoints.add(session, api_key_id="development", url=url, label="", types=None, now=time.at)
        marketplace.a_change(session, "m-leaver", status=MemberStatus.LEFT, received_at=time.at)
    return found


def told_apart_by_nothing_but_itself(answer: Response) -> tuple[Any, ...]:
    """Return an answer without what is a case's own: its id and number, and the request's."""
    shown = answer.json()
    own = {"id", "reference"}
    headers = {name: value for name, value in answer.headers.items() if name not in {"location", "x-request-id"}}
    return (
        answer.status_code,
        {key: value for key, value in shown.items() if key not in own},
        sorted(shown),
        headers,
        len(answer.headers.get("location", "")),
    )


# Filing


@GENERAL
@given(filed=st.one_of(PARTIES_FORMS, HOLDERS_FORMS))
def test_every_form_is_answered_alike_whatever_it_names(both: Counterparts, filed: dict[str, Any]) -> None:
    known = both.file(body())

    answer = both.file(filed)

    assert known.status_code == 202
    assert told_apart_by_nothing_but_itself(answer) == told_apart_by_nothing_but_itself(known)


@GENERAL
@given(filed=PARTIES_FORMS)
def test_every_form_of_a_party_takes_the_same_statements_in_the_same_order(
    both: Counterparts, filed: dict[str, Any]
) -> None:
    with watching(both.database.engine) as of_known:
        both.file(body())

    with watching(both.database.engine) as of_other:
        both.file(filed)

    assert of_other.statements == of_known.statements


@GENERAL
@given(filed=HOLDERS_FORMS)
def test_every_form_of_an_organisation_takes_the_same_statements_in_the_same_order(
    both: Counterparts, filed: dict[str, Any]
) -> None:
    with watching(both.database.engine) as of_known:
        both.file(holders_body())

    with watching(both.database.engine) as of_other:
        both.file(filed)

    assert of_other.statements == of_known.statements


@GENERAL
@given(filed=PARTIES_FORMS)
def test_every_form_leaves_the_same_number_of_rows_and_jobs(both: Counterparts, filed: dict[str, Any]) -> None:
    before = both.counted()
    both.file(body())
    between = both.counted()

    both.file(filed)

    grown = {table: count - before[table] for table, count in between.items()}
    after = {table: count - between[table] for table, count in both.counted().items()}
    # Counters of forms were forgotten before each.
    assert {**after, "counters": 0} == {**grown, "counters": 0}


def test_a_form_that_names_nobody_takes_no_more_and_no_less_time(both: Counterparts) -> None:
    """By the clock as well: medians of one run, taken in turns; held loosely, since statements are held strictly."""
    spans: dict[str, list[float]] = {"nick-mbuyer": [], "nick-nobody": []}
    for nickname in [*spans] * 3:
        both.file(body(nickname=nickname))

    for nickname in [*spans] * 25:
        began = stopwatch.perf_counter()
        both.file(body(nickname=nickname))
        spans[nickname].append(stopwatch.perf_counter() - began)

    somebody, nobody = (statistics.median(each) for each in spans.values())
    assert 0.5 < somebody / nobody < 2


@pytest.mark.parametrize("nickname", NICKNAMES)
def test_where_an_unconfirmed_form_stands_is_shown_alike_whomever_it_names(both: Counterparts, nickname: str) -> None:
    known, other = (both.file(body(nickname=each)).json()["id"] for each in ("nick-mbuyer", nickname))
    both.office.shop.work()

    shown = [both.caller.http.get(f"/v1/disclosure-cases/{case_id}") for case_id in (known, other)]

    assert told_apart_by_nothing_but_itself(shown[0]) == told_apart_by_nothing_but_itself(shown[1])


def test_a_form_that_nobody_confirms_is_gone_after_a_day_whomever_it_named(both: Counterparts) -> None:
    filed = [both.file(body(nickname=each)).json()["id"] for each in NICKNAMES]
    both.office.shop.work()

    both.office.shop.time.advance(hours=24)
    both.office.shop.work()

    gone = [both.caller.http.get(f"/v1/disclosure-cases/{case_id}") for case_id in filed]
    assert {answer.status_code for answer in gone} == {404}
    assert len({re.sub(r'"request_id":"[^"]*"', "", answer.text) for answer in gone}) == 1


@pytest.mark.parametrize("nickname", ["nick-mbuyer", "nick-nobody"])
def test_too_many_forms_in_one_name_from_one_network_are_refused_whether_or_not_anybody_bears_it(
    both: Counterparts, nickname: str
) -> None:
    answers = [
        both.caller.http.post(
            "/v1/disclosure-cases",
            json=body(nickname=nickname, transaction_number=f"T-2030-{number}", customer_ip="192.0.2.9"),
            headers={"Idempotency-Key": str(new_id(unix_ms()))},
        )
        for number in range(1, 7)
    ]

    assert [answer.status_code for answer in answers] == [202] * 5 + [429]


def test_a_webhook_tells_of_no_form_before_it_is_a_case(both: Counterparts) -> None:
    for nickname in NICKNAMES:
        both.file(body(nickname=nickname))
    both.office.shop.work()

    assert events(both) == []


def events(both: Counterparts) -> list[WebhookEvent]:
    with both.database.snapshot() as session:
        return list(session.scalars(select(WebhookEvent).order_by(WebhookEvent.occurred_at, WebhookEvent.id)))


# Qualifying


def test_an_applicant_whose_case_does_not_qualify_sees_what_every_other_sees(both: Counterparts) -> None:
    good, bad = both.office.receive(), both.office.receive(transaction_number="T-2030-9999")
    for case_id in (good, bad):
        both.office.confirm(case_id)

    seen = [views(both, case_id, parties=[Party.APPLICANT]) for case_id in (good, bad)]

    assert seen[0] == seen[1]


# Refusing


def views(both: Counterparts, case_id: UUID, *, parties: list[Party] | None = None) -> dict[str, Any]:
    """Return all that anybody outside gets to see of a case, without what is its own."""
    case = both.office.case(case_id)
    tokens = {party: _token(both, case, party) for party in parties or list(Party)}
    seen: dict[str, str] = {"filed": both.caller.http.get(f"/v1/disclosure-cases/{case_id}").text}
    for party, token in tokens.items():
        path = f"/v1/disclosure-cases/{case_id}/view"
        seen[f"{party}: view"] = both.caller.http.get(path, headers={"Case-Link": token}).text
        for language in ("ja", "en"):
            seen[f"{party}: page, {language}"] = both.guests.look(case_id, party, language=language).text
    for message in both.office.notices(case_id):
        if (message.party or Party.APPLICANT) in tokens and message.is_true_of(case):
            seen[f"notice {message.kind}"] = _said(both, case_id, message.id)
    for number, told in enumerate(each for each in events(both) if each.data["case_id"] == str(case_id)):
        seen[f"webhook {number}"] = f"{told.type} {json.dumps(told.data, sort_keys=True)}"
    own = [str(case_id), case.reference, *tokens.values(), *_tokens_in(seen)]
    with_number = re.compile(r"T-2030-\d{4}")
    return {name: with_number.sub("#number", _without(text, own)) for name, text in seen.items()}


def _said(both: Counterparts, case_id: UUID, message_id: UUID) -> str:
    def compose(session: Session, case: DisclosureCase) -> str:
        notice = noticing.compose(session, session.get_one(Message, message_id), case, now=both.office.now)
        return f"{notice.rendered.subject}\n{notice.rendered.text}\n{notice.rendered.html}"

    said: str = on(both.office, case_id, compose)
    return said


def _token(both: Counterparts, case: DisclosureCase, party: Party) -> str:
    with both.database.snapshot() as session:
        bound = noticing.bound_to(noticing.reader(session, case, party))
    return links.case_token(CaseLinkRole.PAGE, case.id, party, bound)


def _tokens_in(seen: Mapping[str, str]) -> set[str]:
    return set(re.findall(r"/case/([A-Za-z0-9_=-]{48})", " ".join(seen.values())))


def _without(text: str, own: list[str]) -> str:
    for each in own:
        text = text.replace(each, "#")
    return re.sub(r'"request_id":"[^"]*"|nonce="[^"]*"|nonce-[A-Za-z0-9_-]+', "", text)


def _for_each_ground(both: Counterparts, begin: Callable[[Office, str], UUID]) -> dict[RefusalReason, UUID]:
    cases = {}
    for place, ground in enumerate(RefusalReason):
        number = f"T-2030-010{place}"
        with both.database.transaction() as session:
            marketplace.a_trade(session, number)
            session.execute(delete(Counter))
        cases[ground] = begin(both.office, number)
    return cases


def _screened(office: Office, number: str) -> UUID:
    case_id = office.receive(transaction_number=number)
    office.confirm(case_id)
    return case_id


def _reviewing(office: Office, number: str) -> UUID:
    case_id = _screened(office, number)
    office.decide(case_id)
    office.ask_for_stage_2(case_id)
    office.all_papers(case_id)
    office.opinion(case_id)
    return case_id


@pytest.mark.parametrize("begin", [_screened, _reviewing], ids=["in stage 1", "in stage 2"])
def test_nothing_that_anybody_outside_sees_tells_why_a_case_was_refused(
    both: Counterparts, begin: Callable[[Office, str], UUID]
) -> None:
    cases = _for_each_ground(both, begin)

    for ground, case_id in cases.items():
        both.office.decide(case_id, Verdict.REFUSE, refusal=ground, note=f"because of {ground}")

    seen = [views(both, case_id) for case_id in cases.values()]
    assert {"notice case_refused", "notice case_closed_told", "applicant: page, ja", "webhook 1"} <= set(seen[0])
    assert [each == seen[0] for each in seen] == [True] * len(RefusalReason)


def test_a_refusal_takes_the_same_statements_whatever_its_ground(both: Counterparts) -> None:
    cases = _for_each_ground(both, _screened)
    taken = []

    for ground, case_id in cases.items():
        with watching(both.database.engine) as seen:
            both.office.decide(case_id, Verdict.REFUSE, refusal=ground)
        taken.append(seen.statements)

    assert [each == taken[0] for each in taken] == [True] * len(RefusalReason)


def test_what_a_reviewer_found_good_is_not_told_and_after_the_end_no_paper_is_spoken_of(both: Counterparts) -> None:
    case_id = _reviewing(both.office, marketplace.NUMBER)
    both.office.accept_all(case_id)
    under_review = _view(both, case_id)

    both.office.decide(case_id, Verdict.REFUSE, refusal=RefusalReason.OTHER)

    assert {paper["standing"] for paper in under_review["papers"]} == {"arrived"}
    assert _view(both, case_id)["papers"] == []


def _view(both: Counterparts, case_id: UUID, party: Party = Party.APPLICANT) -> dict[str, Any]:
    token = _token(both, both.office.case(case_id), party)
    path = f"/v1/disclosure-cases/{case_id}/view"
    shown: dict[str, Any] = both.caller.http.get(path, headers={"Case-Link": token}).json()
    return shown


def test_the_counterparty_sees_whether_a_case_is_open_and_not_how_it_ended(both: Counterparts) -> None:
    refused, withdrawn = (_screened(both.office, number) for number in _two_numbers(both))

    both.office.decide(refused, Verdict.REFUSE, refusal=RefusalReason.RULES_BROKEN)
    both.office.withdraw(withdrawn)

    seen = [_view(both, case_id, Party.COUNTERPARTY) for case_id in (refused, withdrawn)]
    assert [{**each, "reference": ""} for each in seen] == [
        {
            "reference": "",
            "party": "counterparty",
            "state": "ended",
            "deadline_at": None,
            "may": [],
            "papers": [],
            "opinion_due_at": None,
        }
    ] * 2


def _two_numbers(both: Counterparts) -> tuple[str, str]:
    numbers = ("T-2030-0201", "T-2030-0202")
    with both.database.transaction() as session:
        for number in numbers:
            marketplace.a_trade(session, number)
    return numbers


# What nobody outside is shown of anybody


@pytest.mark.parametrize("begin", [Office.screened, incomplete, Office.negotiating, Office.releasing])
def test_no_view_of_a_case_shows_one_side_anything_of_the_other(
    both: Counterparts, begin: Callable[[Office], UUID]
) -> None:
    case_id = begin(both.office)

    answers = " ".join(
        [
            both.caller.http.get(f"/v1/disclosure-cases/{case_id}").text,
            *(json.dumps(_view(both, case_id, party), ensure_ascii=False) for party in Party),
        ]
    )

    assert not [mark for mark in ("mbuyer", "mseller", "canary", "見本の腕時計") if mark in answers]


def test_a_link_of_one_side_opens_nothing_of_the_other(both: Counterparts) -> None:
    case_id = both.office.negotiating()
    token = _token(both, both.office.case(case_id), Party.COUNTERPARTY)

    answer = both.caller.http.post(f"/v1/disclosure-cases/{case_id}/withdraw", headers={"Case-Link": token})

    assert (answer.status_code, answer.json()["code"]) == (403, "case_link_invalid")


def test_a_link_is_worth_nothing_once_another_address_is_registered(both: Counterparts) -> None:
    case_id = both.office.negotiating()
    token = _token(both, both.office.case(case_id), Party.APPLICANT)

    with both.database.transaction() as session:
        marketplace.a_change(session, "m-buyer", email="moved@example.jp", received_at=both.office.now)

    answer = both.caller.http.get(f"/v1/disclosure-cases/{case_id}/view", headers={"Case-Link": token})
    assert (answer.status_code, answer.json()["code"]) == (403, "case_link_invalid")


def test_a_system_without_the_scope_files_and_reads_nothing(both: Counterparts) -> None:
    key = both.caller.key("other", Scope.BOOKINGS_READ)

    read = both.caller.http.get(f"/v1/disclosure-cases/{new_id(unix_ms())}", headers=key)
    filed = both.caller.http.post("/v1/disclosure-cases", json=body(), headers={**key, "Idempotency-Key": "one"})

    assert [read.status_code, filed.status_code] == [403, 403]
