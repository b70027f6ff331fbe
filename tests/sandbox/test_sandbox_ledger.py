"""The ledger: counts by attempt and message, filters, and what a kill leaves."""

import threading
from collections.abc import Callable
from typing import Any

from tests.sandbox.sandbox_process import MAILBOX, PHONE, Receiver, RunningSandbox, mail_to, receiving, text_to


def test_deliveries_are_counted_by_attempt_and_by_message(
    sandbox: RunningSandbox, twilio: Any, sendgrid: Any, receiver: Receiver
) -> None:
    text_to(twilio, receiver, "a1")
    text_to(twilio, receiver, "a1")
    sendgrid.send(mail_to("a2"))

    assert sandbox.counts("attempt") == {"a1": 2, "a2": 1}
    assert sandbox.counts("message") == {"of-a1": 2, "of-a2": 1}


def test_deliveries_are_found_by_what_they_are(
    sandbox: RunningSandbox, twilio: Any, sendgrid: Any, receiver: Receiver
) -> None:
    text_to(twilio, receiver, "a1")
    sendgrid.send(mail_to("a2"))

    for filters, found in [
        ({}, ["a2", "a1"]),
        ({"attempt": "a1"}, ["a1"]),
        ({"message": "of-a2"}, ["a2"]),
        ({"to": PHONE}, ["a1"]),
        ({"to": MAILBOX.upper()}, ["a2"]),
        ({"channel": "mail"}, ["a2"]),
        ({"limit": "1"}, ["a2"]),
    ]:
        assert [delivery["attempt"] for delivery in sandbox.sent(**filters)] == found, filters


def test_a_delivery_shows_when_it_was_taken_and_when_it_arrived(
    sandbox: RunningSandbox, twilio: Any, receiver: Receiver
) -> None:
    text_to(twilio, receiver, "timed", body="あ" * 71)

    (delivery,) = sandbox.sent()

    assert delivery["accepted_at"] <= delivery["delivered_at"]
    assert delivery["segments"] == 2


def test_an_emptied_ledger_is_empty(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    text_to(twilio, receiver, "a1")

    sandbox.http.delete(f"{sandbox.url}/_sent", timeout=5)

    assert sandbox.sent(undelivered="true") == []


def test_what_was_answered_before_a_kill_is_still_there_after_it(start_sandbox: Callable[..., RunningSandbox]) -> None:
    first = start_sandbox()
    taken: list[str] = []

    def send_until_killed(place: int) -> None:
        with first.twilio() as client, receiving() as receiver:
            for number in range(1000):
                try:
                    message = text_to(client, receiver, f"a{place}-{number}")
                except OSError:
                    return
                taken.append(message.sid)
                if len(taken) == 100:
                    first.kill()

    threads = [threading.Thread(target=send_until_killed, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second = start_sandbox()

    assert len(taken) >= 100
    assert set(taken) <= {delivery["sid"] for delivery in second.sent(limit="10000")}
