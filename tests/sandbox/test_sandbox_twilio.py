"""Twilio's half, driven by the official client."""

import re
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from sandbox.twilio import ids_in, segments
from tests.sandbox.sandbox_process import (
    ACCOUNT,
    PHONE,
    SECOND_ACCOUNT,
    SECOND_TOKEN,
    TOKEN,
    Receiver,
    RunningSandbox,
    text_to,
    until,
)

SERVICE = "MG" + "a" * 32


def test_a_message_from_a_number_is_queued_first(twilio: Any, receiver: Receiver) -> None:
    message = text_to(twilio, receiver, "queued-first")

    assert (message.status, message.num_segments, message.date_sent) == ("queued", "1", None)


def test_a_message_from_a_service_is_accepted_with_no_segments_yet(twilio: Any) -> None:
    message = twilio.messages.create(to=PHONE, messaging_service_sid=SERVICE, body="Hello")

    assert (message.status, message.num_segments, message.messaging_service_sid) == ("accepted", "0", SERVICE)


def test_the_answer_has_the_shape_that_twilio_documents(sandbox: RunningSandbox) -> None:
    answer = requests.post(
        f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        data={"To": PHONE, "From": "Toritsugi", "Body": "Hello"},
        auth=(ACCOUNT, TOKEN),
        timeout=5,
    )

    body = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"SM[0-9a-f]{32}", body["sid"])
    assert body["uri"] == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{body['sid']}.json"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", body["date_created"])
    assert (body["direction"], body["num_media"], body["price"]) == ("outbound-api", "0", None)


def test_a_fetched_message_shows_what_became_of_it(twilio: Any, receiver: Receiver) -> None:
    message = text_to(twilio, receiver, "fetched")

    fetched = twilio.messages(message.sid).fetch()

    assert fetched.status == "delivered"
    assert fetched.date_sent is not None


def test_an_unknown_message_is_not_found(twilio: Any) -> None:
    with pytest.raises(TwilioRestException) as refused:
        twilio.messages("SM" + "0" * 32).fetch()

    assert (refused.value.status, refused.value.code) == (404, 20404)


def test_messages_are_listed_by_recipient_newest_first(twilio: Any, receiver: Receiver) -> None:
    first, second = (text_to(twilio, receiver, f"listed-{place}") for place in range(2))
    text_to(twilio, receiver, "listed-elsewhere", to="+819000000002")

    listed = twilio.messages.list(to=PHONE)

    assert [each.sid for each in listed] == [second.sid, first.sid]


def test_a_list_is_read_page_by_page(twilio: Any, receiver: Receiver) -> None:
    sent = [text_to(twilio, receiver, f"paged-{place}").sid for place in range(5)]

    listed = twilio.messages.list(to=PHONE, page_size=2)

    assert [each.sid for each in listed] == sent[::-1]


def test_a_message_that_waits_has_no_date_to_be_filtered_by(twilio: Any, sandbox: RunningSandbox) -> None:
    sandbox.script({"kind": "queue_for", "seconds": 600})
    message = twilio.messages.create(to=PHONE, from_="Toritsugi", body="Hello")

    by_recipient = twilio.messages.list(to=PHONE)
    by_day = twilio.messages.list(to=PHONE, date_sent=message.date_created)

    assert [each.sid for each in by_recipient] == [message.sid]
    assert by_day == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"To": None}, 21604, id="no recipient"),
        pytest.param({"To": "090-0000-0001"}, 21211, id="recipient not in E.164"),
        pytest.param({"To": "+9991234567"}, 21211, id="recipient in no country"),
        pytest.param({"To": "+81312345678"}, 21614, id="recipient on a landline"),
        pytest.param({"From": None}, 21603, id="no sender"),
        pytest.param({"From": "this is no sender"}, 21212, id="sender too long for a name"),
        pytest.param({"From": None, "MessagingServiceSid": "MG1"}, 21705, id="malformed service"),
        pytest.param({"From": PHONE}, 21266, id="sender is the recipient"),
        pytest.param({"Body": None}, 21602, id="no body"),
        pytest.param({"Body": "あ" * 1601}, 21617, id="body too long"),
        pytest.param({"StatusCallback": "receipts"}, 21609, id="callback without a host"),
        pytest.param({"ValidityPeriod": "0"}, 21624, id="validity of nothing"),
        pytest.param({"ValidityPeriod": "36001"}, 21624, id="validity over ten hours"),
    ],
)
def test_a_request_twilio_would_refuse_is_refused(
    sandbox: RunningSandbox, change: dict[str, str | None], code: int
) -> None:
    form = {"To": PHONE, "From": "Toritsugi", "Body": "Hello", **change}

    answer = requests.post(
        f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", data=form, auth=(ACCOUNT, TOKEN), timeout=5
    )

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert sandbox.sent() == []


def test_a_wrong_token_is_refused(sandbox: RunningSandbox, receiver: Receiver) -> None:
    with sandbox.twilio(token="wrong") as stranger, pytest.raises(TwilioRestException) as refused:
        text_to(stranger, receiver, "stranger")

    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_one_account_does_not_see_another(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    message = text_to(twilio, receiver, "private")

    with sandbox.twilio(account=SECOND_ACCOUNT, token=SECOND_TOKEN) as other:
        listed = other.messages.list(to=message.to)

    assert listed == []


@pytest.mark.parametrize("header", ["I-Twilio-Idempotency-Token", "Idempotency-Key"])
def test_a_repeated_request_is_a_second_message_whatever_its_idempotency_header(
    sandbox: RunningSandbox, header: str
) -> None:
    for _ in range(2):
        requests.post(
            f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
            data={"To": PHONE, "From": "Toritsugi", "Body": "Hello"},
            headers={header: "the same"},
            auth=(ACCOUNT, TOKEN),
            timeout=5,
        )

    assert len(sandbox.sent()) == 2


def test_a_number_that_said_stop_is_refused_until_it_is_lifted(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver
) -> None:
    sandbox.post("/_stop", {"to": PHONE})

    with pytest.raises(TwilioRestException) as refused:
        text_to(twilio, receiver, "stopped")
    sandbox.http.delete(f"{sandbox.url}/_stop", params={"to": PHONE}, timeout=5)
    text_to(twilio, receiver, "started")

    assert refused.value.code == 21610
    assert sandbox.counts("attempt") == {"started": 1}


def test_callbacks_come_without_one_for_the_first_status(twilio: Any, receiver: Receiver) -> None:
    text_to(twilio, receiver, "called-back")

    until(lambda: len(receiver.about("called-back")) == 2)
    assert [post.form["MessageStatus"] for post in receiver.about("called-back")] == ["sent", "delivered"]


def test_a_service_is_called_back_about_its_queue_too(twilio: Any, receiver: Receiver) -> None:
    text_to(twilio, receiver, "service", from_=None, messaging_service_sid=SERVICE)

    until(lambda: len(receiver.about("service")) == 3)
    assert [post.form["MessageStatus"] for post in receiver.about("service")] == ["queued", "sent", "delivered"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("a" * 160, 1, id="a full GSM-7 message"),
        pytest.param("a" * 161, 2, id="one more"),
        pytest.param("€" * 80, 1, id="characters that take two units"),
        pytest.param("€" * 81, 2, id="one more of these"),
        pytest.param("あ" * 70, 1, id="a full UCS-2 message"),
        pytest.param("あ" * 71, 2, id="one more kana"),
        pytest.param("𠮷" * 35, 1, id="kanji outside the first plane take two units"),
        pytest.param("あ" * 66 + "𠮷" + "あ" * 66, 3, id="a pair is not split over two parts"),
    ],
)
def test_segments_are_counted_as_the_network_does(text: str, parts: int) -> None:
    assert segments(text) == parts


def test_our_ids_are_read_from_the_callbacks_url() -> None:
    assert ids_in("https://api.example.jp/v1/receipts/twilio/a1?message=m1#rc=5") == ("a1", "m1")
