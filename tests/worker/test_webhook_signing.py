"""Signatures, judged by the receivers' own library."""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from worker.clock import system_now
from worker.webhooks.signing import headers, new_secret, signature

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_published_vector_is_met() -> None:
    assert signature(ID, "1614265330", BODY, PUBLISHED) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_timestamp_is_of_the_attempt_in_whole_seconds() -> None:
    made = headers(ID, BODY, [PUBLISHED], at=datetime(2021, 2, 25, 14, 22, 10, 900_000, tzinfo=UTC))

    assert made["webhook-timestamp"] == "1614262930"


def test_a_receiver_accepts_what_we_sign() -> None:
    secret = new_secret()

    made = headers(ID, BODY, [secret], at=system_now())

    assert Webhook(secret).verify(BODY, made) == json.loads(BODY)


@pytest.mark.parametrize("which", [0, 1])
def test_while_secrets_change_a_receiver_with_either_accepts(which: int) -> None:
    ring = [new_secret(), new_secret()]

    made = headers(ID, BODY, ring, at=system_now())

    assert Webhook(ring[which]).verify(BODY, made) == json.loads(BODY)


def test_a_receiver_with_another_secret_refuses() -> None:
    made = headers(ID, BODY, [new_secret()], at=system_now())

    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, made)


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({}, BODY.replace(b"2", b"3")),
        ({"webhook-id": "msg_other"}, BODY),
        ({"webhook-timestamp": str(int(system_now().timestamp()) + 1)}, BODY),
        ({"webhook-signature": "v1,AAAA"}, BODY),
        ({"webhook-signature": ""}, BODY),
        ({"webhook-id": ""}, BODY),
    ],
    ids=["body", "id", "timestamp", "signature", "no signature", "no id"],
)
def test_a_receiver_refuses_what_was_changed_on_the_way(changed: dict[str, str], body: bytes) -> None:
    secret = new_secret()
    made = headers(ID, BODY, [secret], at=system_now() - timedelta(seconds=60))

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, made | changed)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_receiver_refuses_a_replay_or_a_clock_that_is_far_off(minutes: int) -> None:
    secret = new_secret()

    made = headers(ID, BODY, [secret], at=system_now() + timedelta(minutes=minutes))

    with pytest.raises(WebhookVerificationError, match="too"):
        Webhook(secret).verify(BODY, made)


def test_a_secret_has_32_random_bytes_and_says_what_it_is() -> None:
    one, other = new_secret(), new_secret()

    assert one != other
    assert one.startswith("whsec_")
    assert len(b64decode(one.removeprefix("whsec_"))) == 32
