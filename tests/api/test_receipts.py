"""Receipts over HTTP: believed when the vendor signed them, stored before anything is made of them, never refused."""

import base64
import json
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpx2 import Response
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from models.job import Name
from models.message import Receipt
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, at_once, sqlite_only
from worker.database import Database
from worker.settings import settings

HOST = "https://go.example.jp"
TOKEN = "the-account's-token"
KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ATTEMPT = UUID("0192f3a0-1111-7222-8333-444455556666")
SID = "SM" + "0123456789abcdef" * 2
PHONE, MAILBOX = "+819000000012", "canary@example.jp"
PATH = f"/v1/receipts/twilio/{ATTEMPT}?message=0192f3a0-0000-7000-8000-000000000001"
MOMENT = int(NOW.timestamp())


@pytest.fixture(autouse=True)
def vendors(environment: pytest.MonkeyPatch) -> None:
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    environment.setenv("PUBLIC_URL", HOST)
    environment.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    environment.setenv("SENDGRID_WEBHOOK_KEY", base64.b64encode(public).decode())


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    made = Caller.of(seeded, time)
    del made.http.headers["Authorization"]
    return made


def stored(caller: Caller) -> list[Receipt]:
    with caller.database.snapshot() as session:
        return list(session.scalars(select(Receipt).order_by(Receipt.id)))


def form(**changes: str) -> dict[str, str]:
    plain = {"MessageSid": SID, "MessageStatus": "delivered", "To": PHONE, "From": "Toritsugi", "AccountSid": "AC1"}
    return plain | changes


def from_twilio(
    caller: Caller, sent: dict[str, str], *, path: str = PATH, token: str = TOKEN, signed: dict[str, str] | None = None
) -> Response:
    """Post as Twilio does; what is signed may differ from what is sent."""
    signature = RequestValidator(token).compute_signature(HOST + path, signed or sent)
    return caller.http.post(path, data=sent, headers={"X-Twilio-Signature": signature})


def events(*changes: dict[str, Any]) -> bytes:
    plain = {
        "event": "delivered",
        "email": MAILBOX,
        "sg_event_id": "event-1",
        "sg_message_id": "reference.recvd-1",
        "attempt_id": str(ATTEMPT),
        "timestamp": MOMENT,
    }
    return json.dumps([plain | change for change in changes or ({},)]).encode() + b"\r\n"


def from_sendgrid(
    caller: Caller, body: bytes, *, at: int = MOMENT, key: ec.EllipticCurvePrivateKey = KEY, sent: bytes | None = None
) -> Response:
    """Post as SendGrid does; what is signed may differ from what is sent."""
    signature = base64.b64encode(key.sign(str(at).encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": str(at),
        "Content-Type": "application/json",
    }
    return caller.http.post("/v1/receipts/sendgrid", content=sent or body, headers=headers)


# Twilio


@sqlite_only
def test_a_status_that_twilio_signed_is_stored_with_the_job_that_applies_it(caller: Caller) -> None:
    answer = from_twilio(caller, form())

    [receipt] = stored(caller)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (receipt.attempt_id, receipt.reference, receipt.status) == (ATTEMPT, SID, "delivered")
    assert (receipt.received_at, receipt.applied_at) == (NOW, None)
    assert [job.args for job in caller.jobs(Name.APPLY_RECEIPT)] == [{"receipt_id": receipt.id}]


@sqlite_only
@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("another account's token", {"token": "another"}),
        ("another body", {"signed": form(MessageStatus="failed")}),
        ("a member was added", {"signed": {key: value for key, value in form().items() if key != "To"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_status_that_twilio_did_not_sign_so_is_refused_and_not_stored(
    caller: Caller, why: str, more: dict[str, Any]
) -> None:
    answer = from_twilio(caller, form(), **more)

    assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert stored(caller) == []


@sqlite_only
def test_a_signature_for_one_attempt_is_worth_nothing_for_another(caller: Caller) -> None:
    signature = RequestValidator(TOKEN).compute_signature(HOST + PATH, form())
    other = PATH.replace("1111", "2222")

    answer = caller.http.post(other, data=form(), headers={"X-Twilio-Signature": signature})

    assert answer.status_code == 403


@sqlite_only
def test_a_status_without_a_signature_is_refused(caller: Caller) -> None:
    assert caller.http.post(PATH, data=form()).status_code == 403


@sqlite_only
def test_the_signature_covers_the_public_address_and_not_the_proxys(caller: Caller) -> None:
    signature = RequestValidator(TOKEN).compute_signature("http://testserver" + PATH, form())

    answer = caller.http.post(PATH, data=form(), headers={"X-Twilio-Signature": signature})

    assert answer.status_code == 403


@sqlite_only
def test_a_member_that_twilio_will_add_one_day_is_part_of_what_it_signs(caller: Caller) -> None:
    assert from_twilio(caller, form(RawDlrDoneDate="", Empty="")).status_code == 204


@sqlite_only
def test_the_same_status_twice_is_answered_alike_and_stored_once(caller: Caller) -> None:
    answers = [from_twilio(caller, form()).status_code for _ in range(2)]

    assert answers == [204, 204]
    assert len(stored(caller)) == len(caller.jobs(Name.APPLY_RECEIPT)) == 1


def test_the_same_status_eight_times_at_once_is_stored_once(caller: Caller) -> None:
    answers = at_once(*[lambda: from_twilio(caller, form()).status_code] * 8)

    assert answers == [204] * 8
    assert len(stored(caller)) == len(caller.jobs(Name.APPLY_RECEIPT)) == 1


@sqlite_only
@pytest.mark.parametrize("status", ["sent", "undelivered", "a_word_of_the_future", "delivered"])
def test_every_genuine_status_is_taken_whatever_it_says(caller: Caller, status: str) -> None:
    """A fact is never answered with an error: the vendor would only send it again."""
    assert from_twilio(caller, form(MessageStatus=status)).status_code == 204
    assert [receipt.status for receipt in stored(caller)] == [status]


# SendGrid


@sqlite_only
def test_a_batch_that_sendgrid_signed_is_stored_event_by_event(caller: Caller) -> None:
    answer = from_sendgrid(caller, events({}, {"event": "bounce", "sg_event_id": "event-2"}))

    assert (answer.status_code, answer.content) == (204, b"")
    assert [(receipt.status, receipt.attempt_id) for receipt in stored(caller)] == [
        ("delivered", ATTEMPT),
        ("bounce", ATTEMPT),
    ]
    assert len(caller.jobs(Name.APPLY_RECEIPT)) == 2


@sqlite_only
@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("another key", {"key": OTHER_KEY}),
        ("another body", {"sent": events({"event": "bounce"})}),
        ("the line end is gone", {"sent": events().rstrip()}),
        ("older than SendGrid repeats", {"at": MOMENT - 90_001}),
        ("from the future", {"at": MOMENT + 90_001}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_batch_that_sendgrid_did_not_sign_so_just_now_is_refused_and_not_stored(
    caller: Caller, why: str, more: dict[str, Any]
) -> None:
    answer = from_sendgrid(caller, events(), **more)

    assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert stored(caller) == []


@sqlite_only
def test_a_batch_without_a_signature_is_refused(caller: Caller) -> None:
    assert caller.http.post("/v1/receipts/sendgrid", content=events()).status_code == 403


@sqlite_only
def test_without_a_verification_key_no_event_is_believed(caller: Caller, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SENDGRID_WEBHOOK_KEY", "")
    settings.cache_clear()

    assert from_sendgrid(caller, events()).status_code == 403


@sqlite_only
def test_an_event_that_comes_in_two_batches_is_stored_once(caller: Caller) -> None:
    from_sendgrid(caller, events())
    from_sendgrid(caller, events({}, {"sg_event_id": "event-2", "event": "open"}))

    assert [receipt.once_key for receipt in stored(caller)] == ["sendgrid:event-1", "sendgrid:event-2"]


@sqlite_only
@pytest.mark.parametrize("body", [b"[]", b'[{"event": 7}, "text", null]', b"[{}]"])
def test_a_genuine_batch_of_nonsense_is_taken_and_ignored(caller: Caller, body: bytes) -> None:
    assert from_sendgrid(caller, body).status_code == 204
    assert stored(caller) == []


# What is kept


@sqlite_only
def test_neither_number_nor_mailbox_is_kept_with_a_receipt(caller: Caller) -> None:
    from_twilio(caller, form())
    from_sendgrid(caller, events({"reason": f"550 5.1.1 <{MAILBOX}> unknown", "event": "bounce"}))

    kept = "".join(str(vars(row)) for row in [*stored(caller), *caller.jobs()])

    assert "canary" not in kept
    assert PHONE.removeprefix("+") not in kept


@sqlite_only
def test_a_request_id_that_came_with_a_receipt_is_carried_by_its_job(caller: Caller) -> None:
    signature = RequestValidator(TOKEN).compute_signature(HOST + PATH, form())

    caller.http.post(PATH, data=form(), headers={"X-Twilio-Signature": signature, "X-Request-Id": "from-the-edge"})

    assert [job.request_id for job in caller.jobs()] == ["from-the-edge"]
