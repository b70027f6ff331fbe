"""The API's description is true: of answers to nonsense, which Schemathesis makes up, and to people's work."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import pytest
import schemathesis
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from api.marketplace import MemberRequest, MessagesRequest, OrganisationRequest, TransactionRequest
from api.resources import Given
from models.access import Scope
from models.booking import Side
from models.carrier import Carrier
from models.customer import Channel
from models.job import Job
from models.message import Attempt, Kind, Message, State
from models.shop import Shop
from models.webhook import EventType
from tests.api import concierge_life, video_webhooks
from tests.api.calling import OTHER_SLOT, SLOT, Caller, wish
from tests.api.case_life import Life
from tests.api.case_people import SECOND, People
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import DEADLINE, phone, sqlite_only
from tests.worker.floor import Floor
from tests.worker.marketplace import NUMBER, SELLER, a_trade, an_organisation
from worker import inquiries
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import Database
from worker.in_call import entering
from worker.webhooks import emit

TOKEN = "the sandbox's token"
PUBLIC = "https://toritsugi.example.jp"
CHECKED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OF_NONSENSE = [*CHECKED, negative_data_rejection, unsupported_method]
EXAMPLES = {"sqlite": 12, "postgresql": 6}
"""How many requests of each sort an operation gets. PostgreSQL differs in what it can hold; more would not show it."""


@pytest.fixture
def signing_key(environment: pytest.MonkeyPatch) -> ec.EllipticCurvePrivateKey:
    """The key with which the mail vendor signs; the API is told of it, and of the SMS vendor's token."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    environment.setenv("SENDGRID_WEBHOOK_KEY", base64.b64encode(der).decode())
    environment.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    environment.setenv("PUBLIC_URL", PUBLIC)
    return key


@pytest.fixture
def caller(signing_key: ec.EllipticCurvePrivateKey, seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def api(caller: Caller) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", one_app(), config=SchemathesisConfig(seed=1))


def operations(api: BaseSchema) -> list[APIOperation[Any, Any, Any, Any]]:
    found = list(api.get_all_operations())
    assert all(isinstance(each, Ok) for each in found), "an operation cannot be read"
    return [each.ok() for each in found if isinstance(each, Ok)]


class Known(NamedTuple):
    """One of each thing that operations name, so that they have something to act on."""

    bookings: list[UUID]
    message: UUID
    job: UUID
    endpoint: str
    delivery: str
    resend: str
    verification: str
    case: dict[str, Any]
    person: dict[str, str]
    suspension: str
    call: UUID
    report: str
    inquiry: str
    block: str
    customer: UUID

    def path(self, pick: int) -> dict[str, str]:
        return {
            "booking_id": str(self.bookings[pick % len(self.bookings)]),
            "message_id": str(self.message),
            "job_id": str(self.job),
            "endpoint_id": self.endpoint,
            "delivery_id": self.delivery,
            "resend_id": self.resend,
            "verification_id": self.verification,
            "suspension_id": self.suspension,
            "call_id": str(self.call),
            "report_id": self.report,
            "inquiry_id": self.inquiry,
            "block_id": self.block,
            "customer_id": str(self.customer),
            "staff_id": "hana",
            "attempt_id": str(self.message),
            "provider": "livekit",
            "shop_id": "queens-court",
            "version_number": "1",
            "name": "twilio",
            "case_id": self.case["id"],
            "decision_id": self.case["decisions"][-1]["id"],
            "paper_id": self.case["papers"][pick % 4]["id"],
            "item_id": self.case["items"][pick % 4]["id"],
            "notice_id": self.case["notices"][pick % 5]["id"],
            "work_id": self.case["work"][0]["id"],
            "member_id": SELLER,
            "number": NUMBER,
            "organisation_id": "o-body",
        }


def as_whom(known: Known, path: str) -> dict[str, str]:
    """Return the header of whose work it is: people's takes a person's key."""
    return known.person if path.startswith("/v1/case-work") else {}


def unknown_message(caller: Caller, booking_id: UUID) -> UUID:
    """Write a message whose outcome nobody could find out."""
    now, message_id = caller.time.at, new_id(unix_ms())
    booking = caller.booking(booking_id)
    with caller.database.transaction() as session:
        session.add(
            Message(
                id=message_id,
                kind=Kind.BOOKING_CONFIRMED,
                channel=Channel.SMS,
                language="ja",
                shop_id=booking.shop_id,
                customer_id=booking.customer_id,
                booking_id=booking_id,
                revision=1,
                once_key=f"test:{message_id}",
                state=State.UNKNOWN,
                created_at=now,
                expires_at=now + timedelta(days=1),
            )
        )
        session.flush()
        attempt = {"answer": "unknown", "code": "timed_out", "started_at": now, "ended_at": now}
        session.add(Attempt(id=new_id(unix_ms()), message_id=message_id, vendor="twilio", **attempt))
    return message_id


def furnish(caller: Caller) -> Known:
    """Put one of each thing into the database."""
    time = caller.time
    held, booked, gone = caller.held(), *(caller.booked(**of(number)) for number in (13, 14))
    assert caller.post(gone, "cancel", expected_revision=1).status_code == 200
    message = unknown_message(caller, booked)
    with caller.database.transaction() as session:
        carrier = {"channel": Channel.SMS, "share": 100.0, "base_share": 100.0, "moved_at": time.at}
        session.add(Carrier(name="twilio", failures=0, rests=0, **carrier))
        job = session.scalars(select(Job.id).limit(1)).one()
        a_trade(session)
        an_organisation(session)
    endpoint = ask(caller, "POST", "/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"}).json()["id"]
    path = f"/v1/webhook-endpoints/{endpoint}"
    delivery = ask(caller, "POST", f"{path}/test").json()["delivery_id"]
    span = {"from": "2030-06-01T00:00:00Z", "to": "2030-06-02T00:00:00Z"}
    resend = ask(caller, "POST", f"{path}/resend", span).json()["id"]
    proof = {"shop": "queens-court", "contact": {"email": "hanako@example.jp"}, "customer_ip": "192.0.2.10"}
    verification = ask(caller, "POST", "/v1/verifications", proof).json()["id"]
    case, person = a_case(caller)
    later = {"reach": "shop", "shop": "fred", "starts_at": "2031-06-03T00:00:00Z", "reason": "maintenance 42"}
    notice = {"notice_url": "https://www.example.jp/news/maintenance"}
    suspension = ask(caller, "POST", "/v1/suspensions", later | notice).json()["id"]
    floor = Floor(caller.database)
    floor.staff("hana", at=time.at)
    call = floor.ask(time.at).id
    conduct = caller.post(booked, "conduct-reports", category="abuse", text="shouting").json()["id"]
    question = {"booking": str(booked), "topic": "item", "text": "Is it in stock?"}
    inquiry = ask(caller, "POST", "/v1/inquiries", question).json()["id"]
    block = ask(caller, "POST", "/v1/blocks", blocking(phone(70))).json()["id"]
    return Known(
        [held, booked, gone],
        message,
        job,
        endpoint,
        delivery,
        resend,
        verification,
        case,
        person,
        suspension,
        call,
        conduct,
        inquiry,
        block,
        caller.booking(booked).customer_id,
    )


def a_case(caller: Caller) -> tuple[dict[str, Any], dict[str, str]]:
    """Play a case to where its last decision is proposed; return it, and the header of somebody with every role."""
    people = People.beside(caller)
    case_id = people.office.reviewing()
    people.office.accept_all(case_id)
    people.office.propose(case_id)
    return people.shown(case_id), people.keys[SECOND]


def blocking(contact: str) -> dict[str, Any]:
    return {"shop": "fred", "contact": {"phone": contact}, "because": "obstruction", "reason": "for a test"}


def of(number: int) -> dict[str, Any]:
    return {"contact": {"phone": phone(number)}, "starts_at": OTHER_SLOT if number % 2 else "2030-06-07T03:00:00Z"}


def ask(caller: Caller, method: str, path: str, body: Any = None, **headers: str) -> Response:
    """Send a request with an idempotency key of its own."""
    key = {"Idempotency-Key": str(new_id(unix_ms()))} if method == "POST" else {}
    return caller.http.request(method, path, json=body, headers=key | headers)


def steer(case: schemathesis.Case[Any], known: Known, pick: int) -> None:
    """Let a sound request, more often than chance would, speak of what there is."""
    case.path_parameters = {name: known.path(pick)[name] for name in case.path_parameters}
    if isinstance(case.body, dict):
        real = wish(contact={"phone": phone(20 + pick)}) | {"expected_revision": 1, "code": "000000"}
        case.body = case.body | {name: value for name, value in real.items() if name in case.body}


# Nonsense


@pytest.mark.parametrize("mode", list(GenerationMode), ids=["sound requests", "faulty requests"])
def test_whatever_is_sent_is_answered_as_described(caller: Caller, api: BaseSchema, mode: GenerationMode) -> None:
    known = furnish(caller)
    faults: list[str] = []

    def fuzz(operation: APIOperation[Any, Any, Any, Any]) -> None:
        authorization = {"Authorization": caller.http.headers["Authorization"]} | as_whom(known, operation.path)

        # Derandomized: the same requests at every run. None of them is kept, so that runs do not differ by their past.
        @settings(
            max_examples=EXAMPLES[caller.database.engine.dialect.name],
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), pick=st.integers(0, 5))
        def send(case: schemathesis.Case[Any], pick: int) -> None:
            if pick and mode is GenerationMode.POSITIVE:
                steer(case, known, pick)
            answer = case.call(headers=authorization)
            try:
                case.validate_response(answer, checks=OF_NONSENSE)
            except* AssertionError as found:
                faults.append(f"{operation.label}: {found.exceptions} to {case!r}")

        send()

    # Nothing is deleted, and nothing stopped, before the others have seen it.
    for operation in sorted(operations(api), key=_last):
        can_be_spoilt = "{" in operation.path or operation.body or operation.query
        if mode is GenerationMode.POSITIVE or can_be_spoilt:
            fuzz(operation)

    assert faults == []


def _last(operation: APIOperation[Any, Any, Any, Any]) -> tuple[bool, bool]:
    return operation.method.upper() == "DELETE", operation.path == "/v1/suspensions"


HOSTILE = [
    "\x00",
    "a\ud800",
    "x" * 5000,
    10**400,
    -1,
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "::1%\x00",
]
"""What Schemathesis does not make up: what no database, no encoding or no calendar can hold."""
INSIDE: dict[str, list[Callable[[Any], Any]]] = {
    "contact": [lambda it: it, lambda it: {"phone": it}, lambda it: {"email": it}],
    "item_codes": [lambda it: [it]],
    "types": [lambda it: [it]],
}


def test_no_value_of_any_member_is_a_fault_of_ours(caller: Caller, api: BaseSchema) -> None:
    known = furnish(caller)
    faults: list[str] = []

    for operation in operations(api):
        for name, body in spoilt(api, operation):
            path = operation.path.format_map(known.path(1))
            headers = {"Content-Type": "application/json", "Idempotency-Key": str(new_id(unix_ms()))}
            answer = caller.http.request(operation.method, path, content=body, headers=headers | as_whom(known, path))
            if answer.status_code >= 500:
                faults.append(f"{operation.label} {name}: {answer.status_code} to {body[:80]!r}")

    assert faults == []


def spoilt(api: BaseSchema, operation: APIOperation[Any, Any, Any, Any]) -> Iterator[tuple[str, str]]:
    """Yield the operation's own example with one member replaced, for each member and each hostile value."""
    content = operation.definition.raw.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    shape = api.raw_schema["components"]["schemas"].get(reference.rpartition("/")[2])
    if shape is None:
        return
    for name in shape["properties"]:
        for value in HOSTILE:
            # Lists and a nested body are members' values, too.
            for put in INSIDE.get(name, [lambda it: it]):
                yield name, json.dumps(shape["examples"][0] | {name: put(value)})
    yield "a name", json.dumps({"\ud800\x00": 1})
    yield "the whole", "[" * 100_000


@pytest.mark.parametrize("path", ["/v1/shops/%00/slots", "/v1/carriers/a%00b/share", "/s/%00", "/v1/%00"])
def test_a_path_with_a_nul_leads_nowhere(caller: Caller, path: str) -> None:
    answer = caller.http.post(path) if path.endswith("share") else caller.http.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@sqlite_only
@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2200-01-02", "9999-12-31"])
@pytest.mark.parametrize("end", ["from", "to"])
def test_a_day_on_which_nobody_books_is_refused(caller: Caller, end: str, day: str) -> None:
    answer = caller.http.get(f"/v1/shops/queens-court/slots?{end}={day}")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) in {(422, f"/query/{end}"), (422, "/query/to")}


@sqlite_only
@pytest.mark.parametrize("share", ["NaN", "Infinity", "1e999", "-1"])
def test_a_share_that_is_no_number_is_refused(caller: Caller, share: str) -> None:
    furnish(caller)
    body = f'{{"reason": "for a test", "share": {share}}}'

    answer = caller.http.post("/v1/carriers/twilio/share", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@sqlite_only
@pytest.mark.parametrize("given_ip", [3232235777, "fe80::1%eth0", "192.0.2.10/24", True])
def test_what_is_no_plain_address_is_refused(caller: Caller, given_ip: Any) -> None:
    answer = caller.ask(customer_ip=given_ip)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/customer_ip")


@sqlite_only
def test_an_address_that_cannot_be_lifted_is_pointed_at(caller: Caller) -> None:
    answer = ask(
        caller, "POST", "/v1/suppressions/lift", {"reason": "for a test", "channel": "mail", "address": "no address"}
    )

    assert answer.json()["errors"][0]["pointer"] == "/address"


# People's work


class Witness:
    """Compares each answer with what the description says of it, and remembers what it has seen."""

    def __init__(self, api: BaseSchema) -> None:
        self._operations = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", operation.path)), operation) for operation in operations(api)
        ]
        self.seen: set[tuple[str, int]] = set()

    def look(self, answer: Response) -> None:
        path = urlsplit(str(answer.request.url)).path
        is_named = any(operation.path == path for _, operation in self._operations)
        for pattern, operation in self._operations:
            # A path that stands in the description as it is, such as a list's, is no id of something.
            found = operation.path == path if is_named else pattern.fullmatch(path)
            if found and operation.method.upper() == answer.request.method:
                operation.Case(path_parameters={}).validate_response(answer, checks=CHECKED)
                self.seen.add((operation.label, answer.status_code))

    def successes(self) -> set[tuple[str, int]]:
        """Return every success that the description promises."""
        promised = [
            (each.label, int(status)) for _, each in self._operations for status in each.definition.raw["responses"]
        ]
        return {(label, status) for label, status in promised if status < 400}


@pytest.fixture
def witness(api: BaseSchema, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> Witness:
    """See every answer that the caller is given."""
    seeing = Witness(api)
    plain: Callable[..., Response] = TestClient.request

    def request(method: str, url: str, **more: Any) -> Response:
        answer = plain(caller.http, method, url, **more)
        seeing.look(answer)
        return answer

    # Every other method goes through it.
    monkeypatch.setattr(caller.http, "request", request)
    return seeing


def test_every_success_is_as_described(
    caller: Caller, witness: Witness, signing_key: ec.EllipticCurvePrivateKey
) -> None:
    book_and_cancel(caller)
    prove_a_contact(caller)
    operate(caller)
    manage_webhooks(caller)
    be_in_calls(caller)
    look_after_people(caller)
    concierge_life.feed_a_shop(caller)
    concierge_life.call_at_once(caller)
    concierge_life.move_a_booking(caller, phone(90))
    concierge_life.publish_terms(caller)
    concierge_life.stop_the_service(caller)
    feed(caller)
    life = Life(People.beside(caller))
    life.live()
    life.end_otherwise()
    caller.http.delete("/v1/members/m-1024")
    report(caller, signing_key)
    caller.http.get("/healthz")
    caller.http.get("/readyz")

    assert witness.successes() - witness.seen == set()


def book_and_cancel(caller: Caller) -> None:
    caller.http.get("/v1/shops")
    caller.http.get("/v1/shops/queens-court/slots")
    booking_id = caller.held()
    caller.get(booking_id)
    caller.time.advance(seconds=61)
    ask(caller, "POST", f"/v1/bookings/{booking_id}/code/resend")
    caller.post(booking_id, "code", code=caller.code(booking_id))
    caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1)
    caller.get(booking_id)
    caller.post(booking_id, "cancel", expected_revision=2)
    caller.post(caller.booked(), "withdraw", reason="staff_ill")


def prove_a_contact(caller: Caller) -> None:
    proof = {"shop": "queens-court", "contact": {"phone": phone(30)}, "customer_ip": "2001:db8::1"}
    path = "/v1/verifications/" + ask(caller, "POST", "/v1/verifications", proof).json()["id"]
    caller.time.advance(seconds=61)
    ask(caller, "POST", f"{path}/resend")
    code = caller.code(UUID(path.rpartition("/")[2]))
    ask(caller, "POST", f"{path}/check", {"code": code})


def operate(caller: Caller) -> None:
    known = furnish(caller)
    reason = {"reason": "for a test"}
    caller.http.get("/v1/messages?state=unknown")
    caller.http.get(f"/v1/messages/{known.message}")
    ask(caller, "POST", f"/v1/messages/{known.message}/resend", reason)
    ask(caller, "POST", f"/v1/messages/{unknown_message(caller, known.bookings[1])}/close", reason)
    ask(caller, "POST", "/v1/suppressions/lift", {**reason, "channel": "mail", "address": "hanako@example.jp"})
    ask(caller, "POST", "/v1/carriers/twilio/share", {**reason, "share": 70})
    ask(caller, "POST", "/v1/carriers/twilio/share", {**reason, "share": None})
    caller.http.get(f"/v1/jobs/{known.job}")
    caller.http.get("/v1/usage?shop=queens-court")


def be_in_calls(caller: Caller) -> None:
    """Hold a booked call, report the caller of one at once, and read what is kept of both."""
    booking_id, call_id = caller.booked(contact={"phone": phone(60)}), Floor(caller.database).calls()[0].id
    reported = {"category": "abuse", "text": "shouting", "staff": "hana"}
    with caller.locked(booking_id) as (session, booking):
        for side in Side:
            entering.enter(session, booking, side, now=booking.starts_at)
    ask(caller, "POST", f"/v1/bookings/{booking_id}/end-call")
    for path in (f"/v1/bookings/{booking_id}", f"/v1/calls/{call_id}"):
        caller.http.get(f"{path}/call-facts")
        report_path = "/v1/conduct-reports/" + ask(caller, "POST", f"{path}/conduct-reports", reported).json()["id"]
    caller.http.get("/v1/conduct-reports")
    caller.http.get(report_path)
    ask(caller, "POST", f"{report_path}/open", {"reason": "for a test"})
    links = "/v1/shops/queens-court/staff/hana/links"
    ask(caller, "POST", links)
    ask(caller, "POST", f"{links}/revoke")
    caller.http.get("/v1/calls/history?shop=queens-court")


def look_after_people(caller: Caller) -> None:
    """Ask something, look at a customer, block one, and have one forgotten."""
    why = {"reason": "for a test"}
    booking_id = caller.booked(contact={"phone": phone(71)}, starts_at="2030-06-13T03:00:00Z")
    question = {"booking": str(booking_id), "topic": "item", "text": "Is it in stock?"}
    asked = "/v1/inquiries/" + ask(caller, "POST", "/v1/inquiries", question).json()["id"]
    with caller.locked(booking_id) as (session, _):
        inquiry = inquiries.locked(session, UUID(asked.rpartition("/")[2]))
        assert inquiry is not None
        inquiries.route(session, inquiry, now=caller.time.at)
    caller.http.get("/v1/inquiries")
    caller.http.get(asked)
    ask(caller, "POST", f"{asked}/open", why)
    ask(caller, "POST", f"{asked}/hand-over", why | {"recipient": "shop"})
    ask(caller, "POST", f"{asked}/answered", why)
    search = why | {"shop": "queens-court", "contact": {"phone": phone(71)}}
    customer = "/v1/customers/" + ask(caller, "POST", "/v1/customers/find", search).json()["customer"]
    for path in ("trail", "export"):
        ask(caller, "POST", f"{customer}/{path}", why)
    ask(caller, "POST", f"{customer}/requests", why | {"text": "Which device do you use?"})
    caller.post(booking_id, "withdraw", reason="staff_ill")
    ask(caller, "POST", f"{customer}/erase", why)
    block = "/v1/blocks/" + ask(caller, "POST", "/v1/blocks", blocking(phone(72))).json()["id"]
    caller.http.get("/v1/blocks")
    caller.http.get(block)
    ask(caller, "POST", f"{block}/lift", why)
    caller.http.get("/v1/retention")
    ask(caller, "POST", "/v1/audit/read", why | {"shop": "queens-court"})


def feed(caller: Caller) -> None:
    told: dict[str, type[Given]] = {
        "/v1/members/m-1024": MemberRequest,
        "/v1/members/m-2048": MemberRequest,
        "/v1/transactions/T-1": TransactionRequest,
        "/v1/organisations/o-12": OrganisationRequest,
    }
    for number, (path, shape) in enumerate(told.items()):
        body = example(shape) | ({"nickname": f"nick-{number}"} if shape is MemberRequest else {})
        for _ in ("new", "the same again"):
            ask(caller, "PUT", path, body)
        caller.http.get(path)
    ask(caller, "POST", "/v1/transactions/T-1/messages", example(MessagesRequest))


def example(shape: type[Given]) -> dict[str, Any]:
    shown: dict[str, Any] = shape.model_json_schema()["examples"][0]
    return shown


def manage_webhooks(caller: Caller) -> None:
    made = ask(caller, "POST", "/v1/webhook-endpoints", {"url": "https://hooks.example.com/y", "label": "ours"})
    path = made.headers["Location"]
    with caller.database.transaction() as session:
        event = emit(session, EventType.BOOKING_HELD, shop_id="fred", data={}, now=caller.time.at)
    caller.http.get("/v1/webhook-endpoints")
    caller.http.get(path)
    ask(caller, "PATCH", path, {"types": None})
    ask(caller, "POST", f"{path}/rotate-secret")
    caller.http.get(ask(caller, "POST", f"{path}/test").headers["Location"])
    ask(caller, "POST", f"{path}/resend", {"event_id": str(event)})
    span = {"from": "2030-06-01T00:00:00Z", "to": "2030-06-04T00:00:00Z"}
    caller.http.get(ask(caller, "POST", f"{path}/resend", span).headers["Location"])
    caller.http.get(f"{path}/deliveries")
    caller.http.delete(path)


def report(caller: Caller, signing_key: ec.EllipticCurvePrivateKey) -> None:
    form = {"MessageSid": "SM" + "0" * 32, "MessageStatus": "delivered"}
    path = f"/v1/receipts/twilio/{UUID(int=1)}"
    signed = {
        "X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(PUBLIC + path, form),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    caller.http.post(path, content=urlencode(form), headers=signed)
    body, at = json.dumps([{"event": "delivered", "sg_event_id": "ZQ"}]), str(int(caller.time.at.timestamp()))
    signature = signing_key.sign((at + body).encode(), ec.ECDSA(hashes.SHA256()))
    signed = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": at,
        "Content-Type": "application/json",
    }
    caller.http.post("/v1/receipts/sendgrid", content=body, headers=signed)
    told = json.dumps({"event": "room_started", "id": "EV_1", "createdAt": "1", "room": {"name": "another"}}).encode()
    caller.http.post("/v1/receipts/video/livekit", content=told, headers=video_webhooks.signed(told))


@sqlite_only
def test_refusals_of_a_booking_are_as_described(caller: Caller, witness: Witness) -> None:
    caller.set_shop("queens-court", max_changes=1)
    booking_id, other = caller.held(), caller.held(contact={"phone": phone(40)}, starts_at=OTHER_SLOT)
    codes = [
        caller.post(booking_id, "code", code=caller.wrong_code(booking_id)),
        ask(caller, "POST", f"/v1/bookings/{booking_id}/code/resend"),
        caller.post(booking_id, "code", code=caller.code(booking_id)),
        ask(caller, "POST", f"/v1/bookings/{booking_id}/code/resend"),
        caller.post(booking_id, "change", starts_at="2030-06-06T03:00:01Z", expected_revision=1),
        caller.post(booking_id, "change", starts_at=SLOT, expected_revision=1),
        caller.post(booking_id, "change", starts_at=SLOT, expected_revision=9),
        caller.post(booking_id, "change", starts_at="2030-06-03T05:00:00Z", expected_revision=1),
        caller.post(booking_id, "change", starts_at="2030-06-07T03:00:00Z", expected_revision=1),
        caller.post(booking_id, "change", starts_at=SLOT, expected_revision=2),
        caller.post(booking_id, "cancel", expected_revision=1),
        caller.post(other, "withdraw", reason="staff_ill"),
        ask(caller, "POST", "/v1/bookings", wish(shop="nowhere")),
        ask(caller, "POST", "/v1/bookings", wish(contact={"phone": "03-3210-0000"})),
        ask(caller, "POST", "/v1/bookings", wish(starts_at="2030-06-04T03:00:01Z")),
        caller.http.post("/v1/bookings", json=wish()),
        caller.http.get(f"/v1/bookings/{UUID(int=404)}"),
        caller.http.get("/v1/bookings/none"),
        caller.http.get("/v1/shops", headers={"Authorization": "Bearer nobody"}),
        caller.http.get("/v1/shops", headers=caller.key("reader", Scope.BOOKINGS_READ)),
    ]
    caller.time.move_to(DEADLINE + timedelta(days=9))
    codes.append(caller.post(booking_id, "cancel", expected_revision=2))
    codes.append(caller.post(other, "code", code=caller.code(other)))

    assert [answer.json().get("code") for answer in codes if answer.status_code >= 400] == [
        "code_wrong",
        "resend_too_soon",
        "illegal_move",
        "slot_unknown",
        "slot_taken",
        "stale_revision",
        "confirmation_needed",
        "too_many_changes",
        "stale_revision",
        "illegal_move",
        "shop_closed",
        "phone_not_mobile",
        "slot_unknown",
        "idempotency_key_missing",
        "booking_not_found",
        "invalid_request",
        "unauthenticated",
        "forbidden",
        "window_closed",
        "code_expired",
    ]


@sqlite_only
def test_a_slot_that_is_taken_is_described_with_others(caller: Caller, witness: Witness) -> None:
    with caller.database.snapshot() as session:
        seats = len(session.get_one(Shop, "queens-court").calendar.seat_numbers)
    answers = [caller.ask(contact={"phone": phone(50 + number)}) for number in range(seats + 1)]

    assert [answer.status_code for answer in answers] == [201] * seats + [409]
    assert ("POST /v1/bookings", 409) in witness.seen


@sqlite_only
def test_a_witness_notices_what_is_not_described(caller: Caller, witness: Witness) -> None:
    answer = caller.http.get("/healthz")
    answer._content = b'{"status": "ok", "secret": 1}'

    with pytest.raises(FailureGroup, match="secret"):
        witness.look(answer)
