"""Receipts: the vendors' validators accept them, a kill loses none, and each vendor repeats them by its own rules."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.request_validator import RequestValidator

from sandbox.receipts import sendgrid_payload, twilio_signature
from tests.sandbox.sandbox_process import (
    PUBLIC_KEY,
    SECOND_ACCOUNT,
    SECOND_TOKEN,
    TOKEN,
    Posted,
    Receiver,
    RunningSandbox,
    mail_to,
    receiving,
    text_to,
    until,
)


@pytest.fixture
def callback(twilio: Any, receiver: Receiver) -> Posted:
    """A status callback."""
    text_to(twilio, receiver, "callback")
    return until(lambda: receiver.about("callback"))[0]  # type: ignore[no-any-return]


@pytest.fixture
def event_post(sendgrid: Any, receiver: Receiver) -> Posted:
    """A post of events."""
    sendgrid.send(mail_to("event"))
    return until(lambda: receiver.about("event"))[0]  # type: ignore[no-any-return]


def test_twilios_validator_accepts_a_callback(callback: Posted, receiver: Receiver) -> None:
    signature = callback.headers["X-Twilio-Signature"]

    assert RequestValidator(TOKEN).validate(receiver.url + callback.path, callback.form, signature)


@pytest.mark.parametrize("part", ["path", "body", "signature"])
def test_twilios_validator_refuses_a_flipped_byte(callback: Posted, receiver: Receiver, part: str) -> None:
    url, form, signature = receiver.url + callback.path, callback.form, callback.headers["X-Twilio-Signature"]
    if part == "path":
        url = url[:-1] + chr(ord(url[-1]) ^ 1)
    elif part == "body":
        form["MessageStatus"] = "S" + form["MessageStatus"][1:]
    else:
        signature = chr(ord(signature[0]) ^ 1) + signature[1:]

    assert not RequestValidator(TOKEN).validate(url, form, signature)


def test_each_account_signs_with_its_own_token(sandbox: RunningSandbox, receiver: Receiver) -> None:
    with sandbox.twilio(account=SECOND_ACCOUNT, token=SECOND_TOKEN) as other:
        text_to(other, receiver, "other-account")

    post = until(lambda: receiver.about("other-account"))[0]
    url, signature = receiver.url + post.path, post.headers["X-Twilio-Signature"]
    assert RequestValidator(SECOND_TOKEN).validate(url, post.form, signature)
    assert not RequestValidator(TOKEN).validate(url, post.form, signature)


def test_the_callback_signature_is_the_published_one() -> None:
    # Twilio, "Webhooks security": the worked example of the documentation.
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }

    signature = twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", fields)

    assert signature == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_a_callback_holds_the_fields_that_twilio_documents(callback: Posted) -> None:
    form = callback.form

    assert form["MessageSid"] == form["SmsSid"]
    assert form["MessageStatus"] == form["SmsStatus"] == "sent"
    assert {"AccountSid", "To", "From", "ApiVersion"} < set(form)


def test_a_delivered_callback_tells_when_without_a_time_zone(twilio: Any, receiver: Receiver) -> None:
    text_to(twilio, receiver, "when")

    until(lambda: len(receiver.about("when")) == 2)
    done = receiver.about("when")[1].form["RawDlrDoneDate"]
    assert (len(done), done.isdecimal()) == (10, True)


def test_sendgrids_validator_accepts_events(event_post: Posted) -> None:
    assert _verified(event_post, event_post.body)


@pytest.mark.parametrize("place", [0, 20, -1], ids=["first byte", "a byte inside", "line end"])
def test_sendgrids_validator_refuses_a_flipped_byte(event_post: Posted, place: int) -> None:
    flipped = bytearray(event_post.body)
    flipped[place] ^= 1

    assert not _verified(event_post, bytes(flipped))


def test_events_are_an_array_that_ends_a_line(event_post: Posted) -> None:
    assert event_post.body.endswith(b"]\r\n")
    assert isinstance(json.loads(event_post.body), list)


def test_the_event_payload_is_the_published_one() -> None:
    # SendGrid's own test of its helper: this signature holds for these bytes and no others.
    event = {
        "email": "hello@world.com",
        "event": "dropped",
        "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
        "timestamp": 1600112492,
    }
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+"
        "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
    )
    signature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="

    payload = sendgrid_payload([event]).decode()

    assert EventWebhook(key).verify_signature(payload, signature, "1600112502")


def test_twilio_posts_once_more_when_nobody_listens(sandbox: RunningSandbox, twilio: Any) -> None:
    with receiving() as gone:
        pass

    text_to(twilio, gone, "unheard")

    receipts = until(lambda: _ended_receipts(sandbox, "unheard"))
    assert [(receipt["tries"], receipt["outcome"]) for receipt in receipts] == [(2, "ConnectionRefusedError")] * 2


def test_twilio_posts_once_when_the_receiver_fails(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    for _ in range(2):
        receiver.answers.put(500)

    text_to(twilio, receiver, "failed-at")

    receipts = until(lambda: _ended_receipts(sandbox, "failed-at"))
    assert [(receipt["tries"], receipt["outcome"]) for receipt in receipts] == [(1, "HTTP 500")] * 2


def test_twilio_posts_more_often_where_the_url_asks_for_it(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver
) -> None:
    for _ in range(3):
        receiver.answers.put(500)

    text_to(twilio, receiver, "x", status_callback=f"{receiver.url}/insisted#rc=3&rp=all")

    until(lambda: len(receiver.about("/insisted")) == 5)
    assert all(post.path == "/insisted" for post in receiver.about("insisted"))


def test_sendgrid_posts_until_it_is_heard(sandbox: RunningSandbox, sendgrid: Any, receiver: Receiver) -> None:
    sandbox.script("drop")
    for _ in range(2):
        receiver.answers.put(500)

    sendgrid.send(mail_to("insistent"))

    until(lambda: len(receiver.about("insistent")) == 3)
    ids = {event["sg_event_id"] for post in receiver.about("insistent") for event in json.loads(post.body)}
    assert len(ids) == 1


def test_a_killed_sandbox_still_posts_what_it_owes(start_sandbox: Callable[..., RunningSandbox]) -> None:
    with receiving() as receiver:
        first = start_sandbox(SANDBOX_RECEIPT_SECONDS="0.5")
        with first.twilio() as client:
            text_to(client, receiver, "owed")
        first.kill()

        start_sandbox()

        until(lambda: [post.form["MessageStatus"] for post in receiver.about("owed")] == ["sent", "delivered"])


def test_a_killed_sandbox_still_delivers_what_was_queued(start_sandbox: Callable[..., RunningSandbox]) -> None:
    with receiving() as receiver:
        first = start_sandbox()
        first.script({"kind": "queue_for", "seconds": 1})
        with first.twilio() as client:
            text_to(client, receiver, "queued-then-killed")
        first.kill()

        second = start_sandbox()

        until(lambda: second.counts("attempt") == {"queued-then-killed": 1})


def _verified(post: Posted, body: bytes) -> bool:
    return bool(
        EventWebhook(PUBLIC_KEY).verify_signature(
            body.decode("utf-8", "replace"),
            post.headers["X-Twilio-Email-Event-Webhook-Signature"],
            post.headers["X-Twilio-Email-Event-Webhook-Timestamp"],
        )
    )


def _ended_receipts(sandbox: RunningSandbox, attempt: str) -> list[dict[str, Any]]:
    (delivery,) = sandbox.sent(attempt=attempt)
    receipts: list[dict[str, Any]] = delivery["receipts"]
    return receipts if all(receipt["ended_at"] for receipt in receipts) else []
