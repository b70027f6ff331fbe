"""SendGrid's half, driven by the official client."""

import base64
import json
from datetime import datetime
from typing import Any

import pytest
from python_http_client.exceptions import HTTPError, UnauthorizedError
from sendgrid.helpers.mail import (
    Attachment,
    Disposition,
    FileContent,
    FileName,
    FileType,
    MailSettings,
    SandBoxMode,
)

from tests.sandbox.sandbox_process import API_KEY, MAILBOX, Receiver, RunningSandbox, mail_to, until


def body(**changes: Any) -> dict[str, Any]:
    """Return the JSON of a mail that is in order but for the changes; None leaves a field out."""
    whole = {
        "personalizations": [{"to": [{"email": MAILBOX}]}],
        "from": {"email": "booking@example.com"},
        "subject": "Your booking",
        "content": [{"type": "text/plain", "value": "See you."}],
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def test_a_mail_is_taken_with_an_id_and_no_body(sendgrid: Any) -> None:
    answer = sendgrid.send(mail_to("taken"))

    assert (answer.status_code, answer.body) == (202, b"")
    assert answer.headers["X-Message-Id"]


def test_a_mail_stands_in_the_ledger_with_all_its_parts(sandbox: RunningSandbox, sendgrid: Any) -> None:
    mail = mail_to("whole", html_content="<p>See you</p>")
    invitation = base64.b64encode(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n").decode()
    mail.add_attachment(
        Attachment(
            FileContent(invitation),
            FileName("invite.ics"),
            FileType("text/calendar; method=REQUEST"),
            Disposition("attachment"),
        )
    )

    sendgrid.send(mail)

    (delivery,) = sandbox.sent(attempt="whole")
    assert (delivery["to"], delivery["subject"], delivery["message"]) == (MAILBOX, "ご予約の確認", "of-whole")
    assert (delivery["text"], delivery["html"]) == ("11月25日 14:00", "<p>See you</p>")
    assert delivery["attachments"][0]["content"].startswith("BEGIN:VCALENDAR")


def test_sandbox_mode_answers_200_and_delivers_nothing(sandbox: RunningSandbox, sendgrid: Any) -> None:
    mail = mail_to("trial")
    mail.mail_settings = MailSettings(sandbox_mode=SandBoxMode(enable=True))

    answer = sendgrid.send(mail)

    assert answer.status_code == 200
    assert sandbox.sent() == []


def test_a_wrong_key_is_refused(sandbox: RunningSandbox) -> None:
    with pytest.raises(UnauthorizedError) as refused:
        sandbox.sendgrid(key="SG.wrong").send(mail_to("stranger"))

    assert "authorization grant is invalid" in refused.value.to_dict["errors"][0]["message"]
    refused.value.__context__.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"personalizations": []}, "personalizations", id="no personalization"),
        pytest.param({"personalizations": [{}]}, "personalizations.0.to", id="nobody to send to"),
        pytest.param(
            {"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email", id="no address"
        ),
        pytest.param(
            {"personalizations": [{"to": [{"email": MAILBOX}], "cc": [{"email": MAILBOX.upper()}]}]},
            "personalizations.0",
            id="the same address twice",
        ),
        pytest.param({"from": None}, "from.email", id="no sender"),
        pytest.param({"subject": None}, "subject", id="no subject"),
        pytest.param({"content": None}, "content", id="no content"),
        pytest.param({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value", id="empty content"),
        pytest.param(
            {"content": [{"type": "text/html", "value": "<p>"}, {"type": "text/plain", "value": "p"}]},
            "content",
            id="plain text after HTML",
        ),
        pytest.param(
            {"attachments": [{"content": "no base64", "filename": "a"}]}, "attachments.0.content", id="attachment"
        ),
        pytest.param({"mail_settings": []}, "mail_settings", id="an array for an object"),
        pytest.param(
            {"personalizations": [{"to": [{"email": MAILBOX}], "cc": {}}]},
            "personalizations.0.cc",
            id="an object for an array",
        ),
        pytest.param({"custom_args": {"attempt_id": 1}}, "custom_args", id="a custom arg that is no string"),
        pytest.param({"custom_args": {"a": "a" * 10_000}}, "custom_args", id="custom args too large"),
        pytest.param({"categories": ["a"] * 11}, "categories", id="too many categories"),
        pytest.param({"send_at": 99_999_999_999}, "send_at", id="too far ahead"),
    ],
)
def test_a_mail_sendgrid_would_refuse_is_refused(sandbox: RunningSandbox, changes: dict[str, Any], field: str) -> None:
    answer = sandbox.http.post(
        f"{sandbox.url}/v3/mail/send",
        json=body(**changes),
        headers={"Authorization": f"Bearer {API_KEY}"},
        timeout=5,
    )

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert sandbox.sent() == []


def test_what_is_no_json_is_a_bad_request(sandbox: RunningSandbox) -> None:
    answer = sandbox.http.post(
        f"{sandbox.url}/v3/mail/send",
        data="{",
        headers={"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
        timeout=5,
    )

    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "Bad Request")


def test_everyone_addressed_is_a_delivery_of_their_own(sandbox: RunningSandbox, sendgrid: Any) -> None:
    sendgrid.send(mail_to("both", to=[MAILBOX, "taro@example.jp"]))

    assert {delivery["to"] for delivery in sandbox.sent(attempt="both")} == {MAILBOX, "taro@example.jp"}
    assert sandbox.counts("attempt") == {"both": 2}


def test_events_carry_our_ids_at_their_top_level(sendgrid: Any, receiver: Receiver) -> None:
    answer = sendgrid.send(mail_to("told"))

    events = until(lambda: _events(receiver, "told", count=2))
    assert [event["event"] for event in events] == ["processed", "delivered"]
    assert {(event["attempt_id"], event["message_id"]) for event in events} == {("told", "of-told")}
    assert all(event["sg_message_id"].startswith(answer.headers["X-Message-Id"] + ".recvd") for event in events)
    assert isinstance(events[0]["timestamp"], int)


def test_a_suppressed_address_is_taken_and_then_dropped(
    sandbox: RunningSandbox, sendgrid: Any, receiver: Receiver
) -> None:
    sandbox.post("/_suppress", {"email": "gone@example.com"})

    answer = sendgrid.send(mail_to("suppressed", to="gone@example.com"))

    events = until(lambda: _events(receiver, "suppressed", count=1))
    assert answer.status_code == 202
    assert [(event["event"], event["reason"]) for event in events] == [("dropped", "Bounced Address")]
    assert sandbox.sent(attempt="suppressed") == []


def test_an_address_that_bounced_is_suppressed_from_then_on(
    sandbox: RunningSandbox, sendgrid: Any, receiver: Receiver
) -> None:
    sandbox.script("bounce")

    for attempt in ("bounced", "after-the-bounce"):
        sendgrid.send(mail_to(attempt, to="moved@example.com"))

    events = until(lambda: _events(receiver, "after-the-bounce", count=1))
    assert events[0]["event"] == "dropped"


def test_a_timed_mail_waits(sandbox: RunningSandbox) -> None:
    now = datetime.fromisoformat(sandbox.http.get(f"{sandbox.url}/_health", timeout=5).json()["now"])

    sandbox.http.post(
        f"{sandbox.url}/v3/mail/send",
        json=body(send_at=int(now.timestamp()) + 3600),
        headers={"Authorization": f"Bearer {API_KEY}"},
        timeout=5,
    )

    assert sandbox.sent() == []
    assert len(sandbox.sent(undelivered="true")) == 1


def test_a_refusal_is_the_clients_own_error(sandbox: RunningSandbox, sendgrid: Any) -> None:
    with pytest.raises(HTTPError) as refused:
        sendgrid.send(mail_to("refused", to="refuse@example.jp"))

    assert refused.value.status_code == 400
    refused.value.__context__.close()


def _events(receiver: Receiver, attempt: str, *, count: int) -> list[dict[str, Any]]:
    posted = [event for post in list(receiver.posts) if "sendgrid" in post.path for event in json.loads(post.body)]
    found = [event for event in posted if event.get("attempt_id") == attempt]
    return found if len(found) >= count else []
