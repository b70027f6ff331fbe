"""A proof of contact: how long a code lives, how often it is sent and guessed at, and that no resend passes the cap."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.customer import Channel
from models.errors import CodeExhausted, HoldEnded, Refusal, ResendTooOften, ResendTooSoon
from models.verification import COOL_DOWN, MOST_ATTEMPTS, MOST_RESENDS, Purpose, Verification

MOMENT = timedelta(microseconds=1)
BEGAN = datetime(2025, 11, 20, 3, tzinfo=UTC)
LIFE, CAP = timedelta(minutes=10), timedelta(minutes=20)


def begun(life: timedelta = LIFE, cap: timedelta = CAP) -> Verification:
    return Verification.begin(
        now=BEGAN,
        life=life,
        cap=cap,
        id=UUID(int=1),
        purpose=Purpose.BOOKING,
        subject_id=UUID(int=2),
        channel=Channel.SMS,
    )


def resend(it: Verification, *, minutes: float) -> None:
    it.resend(received_at=BEGAN + timedelta(minutes=minutes), life=LIFE)


# Life


def test_a_fresh_proof_lives_for_ten_minutes_and_its_first_code_counts_as_sent() -> None:
    it = begun()

    assert (it.expires_at, it.cap_at) == (BEGAN + LIFE, BEGAN + CAP)
    assert (it.generation, it.sends, it.attempts, it.last_sent_at) == (1, 1, 0, BEGAN)


def test_a_life_longer_than_the_cap_ends_at_the_cap() -> None:
    it = begun(life=timedelta(minutes=30), cap=timedelta(minutes=20))

    assert it.expires_at == BEGAN + timedelta(minutes=20)
    assert it.cap_at >= it.expires_at


# Sending again


def test_the_cool_down_of_sixty_seconds_says_when_it_is_over() -> None:
    it = begun()

    with pytest.raises(ResendTooSoon) as refusal:
        it.resend(received_at=BEGAN + COOL_DOWN - MOMENT, life=LIFE)

    assert refusal.value.facts["retry_at"] == BEGAN + timedelta(seconds=60)
    assert it.sends == 1


def test_at_the_end_of_the_cool_down_the_code_may_be_sent_again() -> None:
    it = begun()

    it.resend(received_at=BEGAN + COOL_DOWN, life=LIFE)

    assert it.sends == 2


def test_the_cool_down_starts_anew_with_each_code() -> None:
    it = begun()
    resend(it, minutes=1)

    with pytest.raises(ResendTooSoon):
        resend(it, minutes=1.9)


def test_a_code_with_more_than_three_minutes_left_is_sent_again_as_it_is() -> None:
    it = begun()

    it.resend(received_at=BEGAN + timedelta(minutes=7) - MOMENT, life=LIFE)

    assert (it.generation, it.expires_at) == (1, BEGAN + LIFE)


def test_a_code_with_three_minutes_left_is_replaced_by_one_with_a_life_of_its_own() -> None:
    it = begun()

    resend(it, minutes=7)

    assert (it.generation, it.expires_at) == (2, BEGAN + timedelta(minutes=17))


def test_a_replaced_code_never_lives_past_the_cap() -> None:
    it = begun()
    resend(it, minutes=9)
    resend(it, minutes=17)

    assert (it.generation, it.expires_at) == (3, BEGAN + CAP)


def test_a_code_is_sent_again_three_times_and_no_more() -> None:
    it = begun()
    for minutes in (1, 2, 3):
        resend(it, minutes=minutes)

    with pytest.raises(ResendTooOften):
        resend(it, minutes=4)

    assert it.sends == 1 + MOST_RESENDS


def test_a_code_whose_life_is_over_is_not_sent_again() -> None:
    it = begun()

    with pytest.raises(HoldEnded):
        resend(it, minutes=10)


def test_a_proof_that_was_given_needs_no_more_codes() -> None:
    it = begun()
    it.verified_at = BEGAN

    with pytest.raises(HoldEnded):
        resend(it, minutes=2)


@given(st.lists(st.integers(min_value=0, max_value=1500), max_size=30))
def test_however_often_somebody_presses_the_button_nothing_outlives_the_cap(seconds: list[int]) -> None:
    """Fault 22: a hold was extended for ever by pressing a button."""
    it = begun()

    for second in sorted(seconds):
        expires_before = it.expires_at
        try:
            it.resend(received_at=BEGAN + timedelta(seconds=second), life=LIFE)
        except Refusal:
            assert it.expires_at == expires_before

    assert it.expires_at <= it.cap_at == BEGAN + CAP
    assert it.sends <= 1 + MOST_RESENDS


# Guessing


def test_a_try_in_the_last_moment_is_counted() -> None:
    it = begun()

    it.count_attempt(received_at=it.expires_at - MOMENT)

    assert (it.attempts, it.attempts_left) == (1, 4)


def test_a_try_at_the_end_of_life_is_not_compared_and_not_counted() -> None:
    it = begun()

    with pytest.raises(HoldEnded):
        it.count_attempt(received_at=it.expires_at)

    assert it.attempts == 0


def test_five_tries_are_counted_and_the_sixth_is_refused() -> None:
    it = begun()
    for _ in range(MOST_ATTEMPTS):
        it.count_attempt(received_at=BEGAN)

    with pytest.raises(CodeExhausted):
        it.count_attempt(received_at=BEGAN)

    assert (it.attempts, it.attempts_left, it.is_exhausted) == (MOST_ATTEMPTS, 0, True)


def test_four_tries_exhaust_nothing() -> None:
    it = begun()
    for _ in range(MOST_ATTEMPTS - 1):
        it.count_attempt(received_at=BEGAN)

    assert not it.is_exhausted


def test_a_new_code_brings_no_new_tries() -> None:
    """Fault 21: brute force; a resend must not refill the guesses."""
    it = begun()
    for _ in range(3):
        it.count_attempt(received_at=BEGAN)

    resend(it, minutes=8)

    assert (it.generation, it.attempts_left) == (2, 2)
