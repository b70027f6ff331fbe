"""Every fault: what the official client makes of it, and how often the customer got the message."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError as PlainHTTPError

import pytest
import requests
from pydantic import ValidationError
from python_http_client.exceptions import HTTPError
from twilio.base.exceptions import TwilioRestException

from sandbox import faults
from tests.sandbox.sandbox_process import (
    ACCOUNT,
    MAILBOX,
    PHONE,
    SECOND_ACCOUNT,
    SECOND_TOKEN,
    TOKEN,
    Receiver,
    RunningSandbox,
    mail_to,
    text_to,
    until,
)


def said_by(call: Callable[[], Any]) -> str:
    """Return what a vendor's client makes of a call, in a few words."""
    try:
        answer = call()
    except TwilioRestException as refused:
        return f"{refused.status} {refused.code}"
    except HTTPError as refused:
        _close(refused.__context__)
        return str(refused.status_code)
    except Exception as failure:  # noqa: BLE001 - the table below says which
        return type(failure).__name__
    return str(answer.sid and "taken") if hasattr(answer, "sid") else str(answer.status_code)


def _close(cause: BaseException | None) -> None:
    # The client keeps the vendor's answer open in the error it came from.
    if isinstance(cause, PlainHTTPError):
        cause.close()


SMS_ANSWERS = [
    ("accept", "taken", 1),
    ("refuse_21211", "400 21211", 0),
    ("refuse_21408", "400 21408", 0),
    ("refuse_21606", "400 21606", 0),
    ("refuse_21610", "400 21610", 0),
    ("refuse_21611", "429 21611", 0),
    ("refuse_21614", "400 21614", 0),
    ("refuse_400", "400 20001", 0),
    ("refuse_401", "401 20003", 0),
    ("refuse_403", "403 20403", 0),
    ("refuse_500", "500 20500", 0),
    ("refuse_503", "503 503", 0),
    ("accept_then_500", "500 20500", 1),
    ("accept_then_cut", "ConnectionError", 1),
    ("refuse_then_cut", "ConnectionError", 0),
    ("accept_then_slow", "ReadTimeout", 1),
    ("slow_then_accept", "ReadTimeout", 1),
    ("rate_limit_429", "429 20429", 0),
    ("rate_limit_429_bare", "429 20429", 0),
    ("redirect_302", "302 302", 0),
    ("junk_200", "JSONDecodeError", 0),
    ("truncated_body", "ChunkedEncodingError", 1),
    ("empty_201", "None", 1),
]

MAIL_ANSWERS = [
    ("accept", "202", 1),
    ("refuse_400", "400", 0),
    ("refuse_401", "401", 0),
    ("refuse_403", "403", 0),
    ("refuse_413", "413", 0),
    ("refuse_500", "500", 0),
    ("refuse_503", "503", 0),
    ("accept_then_500", "500", 1),
    ("accept_then_cut", "ConnectionResetError|RemoteDisconnected", 1),
    ("refuse_then_cut", "ConnectionResetError|RemoteDisconnected", 0),
    ("accept_then_slow", "TimeoutError", 1),
    ("slow_then_accept", "TimeoutError", 1),
    ("rate_limit_429", "429", 0),
    ("rate_limit_429_bare", "429", 0),
    # The client follows the redirect as a GET and reports what it finds there: the reason for this fault.
    ("redirect_302", "200", 0),
    ("junk_200", "200", 0),
    # An accepted mail's answer has no body, so nothing of it can be cut off but the head's promise.
    ("truncated_body", "202|IncompleteRead", 1),
    ("empty_201", "201", 1),
]


@pytest.mark.parametrize(("kind", "said", "deliveries"), SMS_ANSWERS)
def test_an_sms_meets_a_fault_in_the_answer(
    sandbox: RunningSandbox, receiver: Receiver, kind: str, said: str, deliveries: int
) -> None:
    sandbox.script({"kind": kind, "seconds": 0.4} if "slow" in kind else kind)

    with sandbox.twilio(timeout=0.2 if "slow" in kind else 5) as client:
        heard = said_by(lambda: text_to(client, receiver, kind))

    assert heard == said
    until(lambda: len(sandbox.sent(attempt=kind)) == deliveries)


@pytest.mark.parametrize(("kind", "said", "deliveries"), MAIL_ANSWERS)
def test_a_mail_meets_a_fault_in_the_answer(sandbox: RunningSandbox, kind: str, said: str, deliveries: int) -> None:
    sandbox.script({"kind": kind, "seconds": 0.4} if "slow" in kind else kind)
    client = sandbox.sendgrid(timeout=0.2 if "slow" in kind else 5)

    heard = said_by(lambda: client.send(mail_to(kind)))

    assert heard in said.split("|")
    until(lambda: len(sandbox.sent(attempt=kind)) == deliveries)


def test_the_tables_above_leave_no_answer_out() -> None:
    answers = {kind.name: kind.channels for kind in faults.KINDS if kind.part == "answer"}

    assert {kind for kind, *_ in SMS_ANSWERS} == {name for name, channels in answers.items() if "sms" in channels}
    assert {kind for kind, *_ in MAIL_ANSWERS} == {name for name, channels in answers.items() if "mail" in channels}


def test_twilios_429_says_when_to_come_again_in_seconds(sandbox: RunningSandbox) -> None:
    sandbox.script({"kind": "rate_limit_429", "seconds": 7}, "rate_limit_429_bare")

    hints = [_raw_sms(sandbox).headers.get("Retry-After") for _ in range(2)]

    assert hints == ["7", None]


def test_sendgrids_429_says_when_to_come_again_as_an_instant(sandbox: RunningSandbox, sendgrid: Any) -> None:
    sandbox.script("rate_limit_429", "rate_limit_429_bare")
    hints = []

    for _ in range(2):
        with pytest.raises(HTTPError) as refused:
            sendgrid.send(mail_to("limited"))
        _close(refused.value.__context__)
        hints.append((refused.value.headers.get("X-RateLimit-Reset"), refused.value.headers.get("Retry-After")))

    assert hints[0][0].isdecimal()
    assert hints[1] == (None, None)


def _raw_sms(sandbox: RunningSandbox) -> requests.Response:
    return requests.post(
        f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        data={"To": PHONE, "From": "Toritsugi", "Body": "Hello"},
        auth=(ACCOUNT, TOKEN),
        timeout=5,
    )


@pytest.mark.parametrize(
    "kind", [kind.name for kind in faults.KINDS if kind.name.startswith(("failed_", "undelivered_"))]
)
def test_an_sms_that_does_not_arrive_says_why(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver, kind: str
) -> None:
    sandbox.script(kind)
    last, code = kind.split("_")

    message = text_to(twilio, receiver, kind)

    final = until(lambda: [post.form for post in receiver.about(kind) if "ErrorCode" in post.form])[0]
    assert (final["MessageStatus"], final["ErrorCode"]) == (last, code)
    assert twilio.messages(message.sid).fetch().error_code == int(code)
    assert sandbox.sent(attempt=kind) == []


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        ("bounce", ["processed", "bounce"]),
        ("block", ["processed", "bounce"]),
        ("defer", ["processed", "deferred", "delivered"]),
        ("drop", ["dropped"]),
        ("spam_report", ["processed", "delivered", "spamreport"]),
    ],
)
def test_a_mail_meets_a_fate_of_its_own(
    sandbox: RunningSandbox, sendgrid: Any, receiver: Receiver, kind: str, events: list[str]
) -> None:
    sandbox.script(kind)

    sendgrid.send(mail_to(kind, to=f"{kind}@example.com"))

    until(lambda: _told(receiver, kind) == events)
    assert len(sandbox.sent(attempt=kind)) == events.count("delivered")


def test_a_block_is_a_bounce_of_another_type(sandbox: RunningSandbox, sendgrid: Any, receiver: Receiver) -> None:
    sandbox.script("block")

    sendgrid.send(mail_to("blocked"))

    until(lambda: receiver.about('"type":"blocked"'))


def test_a_dropped_message_is_never_heard_of_again(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    sandbox.script("accept_then_drop")

    message = text_to(twilio, receiver, "lost")
    text_to(twilio, receiver, "not-lost")

    until(lambda: len(receiver.about("not-lost")) == 2)
    assert message.status == "queued"
    assert receiver.about("/lost") == []
    assert sandbox.counts("attempt") == {"not-lost": 1}


def test_a_queued_message_is_delivered_when_its_time_has_come(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver
) -> None:
    sandbox.script({"kind": "queue_for", "seconds": 0.3})

    message = text_to(twilio, receiver, "held")

    assert twilio.messages(message.sid).fetch().status == "queued"
    until(lambda: sandbox.sent(attempt="held"))


def test_a_message_that_outlives_its_validity_in_the_queue_fails(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver
) -> None:
    sandbox.script({"kind": "queue_for", "seconds": 600})

    text_to(twilio, receiver, "expired", validity_period=1)

    (told,) = until(lambda: receiver.about("expired"))
    assert (told.form["MessageStatus"], told.form["ErrorCode"]) == ("failed", "30036")
    assert sandbox.sent(attempt="expired") == []


@pytest.mark.parametrize(
    ("play", "statuses"),
    [
        ("receipts_duplicated", ["sent", "sent", "delivered", "delivered"]),
        ({"kind": "receipts_duplicated", "copies": 3}, ["sent"] * 3 + ["delivered"] * 3),
        ("receipts_reordered", ["delivered", "sent"]),
        ({"kind": "receipts_late", "seconds": 0.4}, ["sent", "delivered"]),
    ],
)
def test_receipts_come_otherwise_than_they_should(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver, play: Any, statuses: list[str]
) -> None:
    sandbox.script(play)

    text_to(twilio, receiver, "odd")

    until(lambda: [post.form["MessageStatus"] for post in receiver.about("odd")] == statuses)
    assert sandbox.counts("attempt") == {"odd": 1}


def test_a_duplicated_event_keeps_its_id(sandbox: RunningSandbox, sendgrid: Any, receiver: Receiver) -> None:
    sandbox.script("receipts_duplicated")

    sendgrid.send(mail_to("double"))

    until(lambda: len(_told(receiver, "double")) == 4)
    ids = Counter(event["sg_event_id"] for event in _events(receiver, "double"))
    assert sorted(ids.values()) == [2, 2]


def test_lost_receipts_leave_a_delivered_message_unreported(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver
) -> None:
    sandbox.script("receipts_lost", "accept")

    text_to(twilio, receiver, "silent")
    text_to(twilio, receiver, "reported")

    until(lambda: len(receiver.about("reported")) == 2)
    assert receiver.about("silent") == []
    assert sandbox.counts("attempt") == {"silent": 1, "reported": 1}


def test_receipts_can_come_before_the_answer(sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.script(["receipts_before_answer", {"kind": "accept_then_slow", "seconds": 3}])

    with sandbox.twilio(timeout=0.5) as client, pytest.raises(requests.ReadTimeout):
        text_to(client, receiver, "early")

    until(lambda: [post.form["MessageStatus"] for post in receiver.about("early")] == ["sent", "delivered"], seconds=2)


def test_connections_are_refused_while_the_sandbox_is_away(sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.post("/_away", {"seconds": 1})

    with sandbox.twilio() as client:
        refused = until(lambda: _connect_failure(client, receiver))

    assert "NewConnectionError" in repr(refused.args[0])
    until(sandbox._is_up)
    assert sandbox.http.get(f"{sandbox.url}/_played", timeout=5).json()["counts"] == {"refuse_connect": 1}


def _connect_failure(client: Any, receiver: Receiver) -> requests.ConnectionError | None:
    try:
        text_to(client, receiver, "away")
    except requests.ConnectionError as failure:
        return failure if "NewConnectionError" in repr(failure.args) else None
    return None


def test_a_script_is_played_in_order_and_used_up(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    sandbox.script("rate_limit_429", "accept", times=2)

    heard = [said_by(lambda place=place: text_to(twilio, receiver, f"turn-{place}")) for place in range(5)]  # type: ignore[misc]

    assert heard == ["429 20429", "taken", "429 20429", "taken", "taken"]


def test_a_script_is_only_for_what_it_matches(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    sandbox.script("refuse_500", to="+8190000000*", channel="sms", account=SECOND_ACCOUNT)

    with sandbox.twilio(account=SECOND_ACCOUNT, token=SECOND_TOKEN) as other:
        heard = [said_by(lambda c=client: text_to(c, receiver, "matched")) for client in (twilio, other)]  # type: ignore[misc]

    assert heard == ["taken", "500 20500"]


def test_what_was_played_is_counted_by_kind_and_by_attempt(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver
) -> None:
    sandbox.script(["accept_then_500", "receipts_lost"])

    said_by(lambda: text_to(twilio, receiver, "played"))

    answer = sandbox.http.get(f"{sandbox.url}/_played", params={"attempt": "played"}, timeout=5).json()
    assert answer["counts"] == {"accept_then_500": 1, "receipts_lost": 1}
    assert [row["kind"] for row in answer["played"]] == ["receipts_lost", "accept_then_500"]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({"plays": []}, id="nothing to play"),
        pytest.param({"plays": ["explode"]}, id="unknown kind"),
        pytest.param({"plays": [["junk_200", "empty_201"]]}, id="two answers to one request"),
        pytest.param({"plays": ["bounce", "undelivered_30003"]}, id="kinds of two channels"),
        pytest.param({"match": {"channel": "mail"}, "plays": ["refuse_21211"]}, id="a kind of the other channel"),
        pytest.param({"plays": ["junk_200"], "time": 2}, id="misspelt option"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused(sandbox: RunningSandbox, script: dict[str, Any]) -> None:
    assert sandbox.post("/_script", script).status_code == 422


def test_a_script_of_one_channels_kinds_is_for_that_channel() -> None:
    assert faults.Script.model_validate({"plays": ["bounce"]}).match.channel == "mail"


def test_an_act_takes_its_kinds_defaults_where_it_says_nothing() -> None:
    act = faults.Act(kind="queue_for")

    assert (act.wait_seconds(), act.copy_count(), act.accepts()) == (60, 1, True)


def test_an_act_of_no_known_kind_does_not_exist() -> None:
    with pytest.raises(ValidationError):
        faults.Act(kind="explode")


@pytest.mark.parametrize("kind", [kind for kind in faults.KINDS if kind.phone], ids=lambda kind: kind.name)
def test_a_magic_number_meets_its_fault(kind: faults.Kind) -> None:
    assert [act.kind for act in faults.magic(kind.number)] == [kind.name]


@pytest.mark.parametrize("kind", [kind for kind in faults.KINDS if kind.mail], ids=lambda kind: kind.name)
def test_a_magic_address_meets_its_fault_with_anything_after_a_plus(kind: faults.Kind) -> None:
    for address in (kind.address, kind.address.replace("@", "+7@").upper()):
        assert [act.kind for act in faults.magic(address)] == [kind.name]


def test_an_ordinary_recipient_meets_nothing() -> None:
    assert (faults.magic(PHONE), faults.magic(MAILBOX), faults.magic("bounce@example.com")) == ((), (), ())


def test_a_magic_recipient_plays_its_part_over_http(sandbox: RunningSandbox, receiver: Receiver) -> None:
    with sandbox.twilio() as client:
        heard = said_by(lambda: text_to(client, receiver, "magic", to="+819000009501"))

    assert heard == "500 20500"
    assert sandbox.counts("attempt") == {"magic": 1}


def _events(receiver: Receiver, attempt: str) -> list[dict[str, Any]]:
    posted = [event for post in list(receiver.posts) if "sendgrid" in post.path for event in json.loads(post.body)]
    return [event for event in posted if event.get("attempt_id") == attempt]


def _told(receiver: Receiver, attempt: str) -> list[str]:
    return [str(event["event"]) for event in _events(receiver, attempt)]
