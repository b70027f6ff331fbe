"""Accounts: which carries the next message, when one is left alone, and how its share drifts away and back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.carrier import (
    FAILURES_TO_OPEN,
    FEWEST_CALLS,
    FIRST_REST,
    LEAST_SHARE,
    LONGEST_REST,
    PROBE_LASTS,
    QUIET_FOR,
    Carrier,
    Seen,
    choose,
    next_ready_at,
)

NOW = datetime(2025, 11, 20, 3, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
BAD = Seen(calls=FEWEST_CALLS, errors=1)
LATE = Seen(calls=FEWEST_CALLS, receipts=FEWEST_CALLS, slow_receipts=1)
FINE = Seen(calls=1000, receipts=1000)


def account(name: str = "first", **columns: Any) -> Carrier:
    plain: dict[str, Any] = {"share": 1.0, "base_share": 1.0, "failures": 0, "rests": 0, "moved_at": NOW}
    return Carrier(name=name, **(plain | columns))


def resting(name: str = "first", *, until: datetime = NOW + FIRST_REST, **columns: Any) -> Carrier:
    return account(name, failures=FAILURES_TO_OPEN, rests=1, rests_until=until, **columns)


def fail(it: Carrier, times: int = 1, *, now: datetime = NOW, jitter: float = 0.0) -> None:
    for _ in range(times):
        it.unwell(now=now, jitter=jitter)


# The breaker


def test_four_failures_in_a_row_leave_an_account_open() -> None:
    it = account()

    fail(it, FAILURES_TO_OPEN - 1)

    assert it.is_open_to(NOW)


def test_the_fifth_failure_in_a_row_gives_it_a_rest() -> None:
    it = account()

    fail(it, FAILURES_TO_OPEN)

    assert not it.is_open_to(NOW)
    assert it.rests_until == NOW + FIRST_REST


def test_failures_that_are_not_in_a_row_do_not_add_up() -> None:
    it = account()

    fail(it, FAILURES_TO_OPEN - 1)
    it.well()
    fail(it, FAILURES_TO_OPEN - 1)

    assert it.is_open_to(NOW)


def test_the_end_of_a_rest_is_exclusive() -> None:
    it = resting()

    assert not it.is_open_to(NOW + FIRST_REST - MOMENT)
    assert it.is_open_to(NOW + FIRST_REST)


def test_after_a_rest_one_call_is_allowed_and_no_second() -> None:
    it = resting()
    now = NOW + FIRST_REST

    it.begin_call(now)

    assert not it.is_open_to(now)


def test_a_probe_that_was_never_heard_of_blocks_nobody_for_ever() -> None:
    it = resting()
    begun = NOW + FIRST_REST
    it.begin_call(begun)

    assert not it.is_open_to(begun + PROBE_LASTS - MOMENT)
    assert it.is_open_to(begun + PROBE_LASTS)


def test_a_call_of_an_account_that_is_well_is_no_probe() -> None:
    it = account()

    it.begin_call(NOW)

    assert it.probed_at is None


def test_a_probe_that_fails_makes_the_next_rest_twice_as_long() -> None:
    it = resting()
    now = NOW + FIRST_REST
    it.begin_call(now)

    fail(it, now=now)

    assert it.rests_until == now + 2 * FIRST_REST
    assert it.probed_at is None


def test_no_rest_is_longer_than_the_longest_and_its_jitter() -> None:
    it = account()

    fail(it, 40, jitter=1.0)

    assert it.rests_until == NOW + LONGEST_REST * 1.25


def test_a_probe_that_is_answered_closes_the_breaker_and_forgets_the_past() -> None:
    it = resting()
    it.begin_call(NOW + FIRST_REST)

    it.well()

    assert (it.failures, it.rests, it.rests_until, it.probed_at) == (0, 0, None, None)


def test_an_account_that_asks_for_time_gets_it_and_that_is_no_failure() -> None:
    it = account()

    it.rest(now=NOW, lasts=timedelta(seconds=7))

    assert (it.rests_until, it.failures, it.rests) == (NOW + timedelta(seconds=7), 0, 0)


def test_an_account_that_asks_for_a_day_gets_the_longest_rest() -> None:
    it = account()

    it.rest(now=NOW, lasts=timedelta(days=1))

    assert it.rests_until == NOW + LONGEST_REST


def test_a_shorter_wish_does_not_shorten_a_rest() -> None:
    it = resting(until=NOW + timedelta(minutes=2))

    it.rest(now=NOW, lasts=timedelta(seconds=1))

    assert it.rests_until == NOW + timedelta(minutes=2)


# The choice


@pytest.mark.parametrize(
    ("chance", "name"),
    [(0.0, "first"), (0.2499, "first"), (0.25, "second"), (0.9999, "second")],
)
def test_messages_are_parted_by_share(chance: float, name: str) -> None:
    accounts = [account("first", share=1.0), account("second", share=3.0)]

    chosen = choose(accounts, now=NOW, chance=chance)

    assert chosen is not None
    assert chosen.name == name


def test_who_rests_is_not_chosen() -> None:
    accounts = [resting("first", share=1000.0), account("second")]

    chosen = choose(accounts, now=NOW, chance=0.0)

    assert chosen is not None
    assert chosen.name == "second"


def test_nobody_is_chosen_while_all_rest() -> None:
    assert choose([resting("first"), resting("second")], now=NOW, chance=0.5) is None


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.9999])
def test_whether_a_rested_account_is_probed_is_not_left_to_chance(chance: float) -> None:
    accounts = [account("first", share=1000.0), resting("second", share=LEAST_SHARE, until=NOW)]

    chosen = choose(accounts, now=NOW, chance=chance)

    assert chosen is not None
    assert chosen.name == "second"


def test_a_message_that_was_put_off_already_is_no_probe_while_another_account_is_well() -> None:
    accounts = [resting("first", until=NOW), account("second")]

    chosen = choose(accounts, now=NOW, chance=0.0, probes=False)

    assert chosen is not None
    assert chosen.name == "second"


def test_where_no_account_is_well_any_message_is_a_probe() -> None:
    it = resting(until=NOW)

    assert choose([it], now=NOW, chance=0.0, probes=False) is it


def test_a_person_who_fixed_a_share_at_nothing_is_obeyed() -> None:
    accounts = [account("first", fixed_share=0.0), account("second", share=LEAST_SHARE)]

    assert {chosen.name for step in range(10) if (chosen := choose(accounts, now=NOW, chance=step / 10))} == {"second"}


def test_a_channel_whose_shares_are_all_fixed_at_nothing_sends_nothing() -> None:
    assert choose([account(fixed_share=0.0)], now=NOW, chance=0.0) is None


def test_a_fixed_share_at_nothing_also_means_no_probes() -> None:
    accounts = [resting("first", fixed_share=0.0, until=NOW), account("second")]

    chosen = choose(accounts, now=NOW, chance=0.0)

    assert chosen is not None
    assert chosen.name == "second"


@given(
    shares=st.lists(st.floats(min_value=0.05, max_value=1000), min_size=1, max_size=5),
    chance=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_somebody_is_chosen_whatever_the_shares_and_chance(shares: list[float], chance: float) -> None:
    accounts = [account(str(place), share=share) for place, share in enumerate(shares)]

    assert choose(accounts, now=NOW, chance=chance) in accounts


def test_a_channel_is_ready_again_when_the_first_account_is() -> None:
    accounts = [resting("first", until=NOW + timedelta(minutes=3)), resting("second", until=NOW + timedelta(minutes=1))]

    assert next_ready_at(accounts, now=NOW) == NOW + timedelta(minutes=1)


def test_a_channel_that_waits_for_a_probe_is_ready_when_the_probe_is_over() -> None:
    it = resting(until=NOW)
    it.begin_call(NOW)

    assert next_ready_at([it], now=NOW) == NOW + PROBE_LASTS


def test_an_account_that_a_person_took_out_is_not_waited_for() -> None:
    accounts = [
        resting("first", until=NOW + MOMENT, fixed_share=0.0),
        resting("second", until=NOW + timedelta(minutes=1)),
    ]

    assert next_ready_at(accounts, now=NOW) == NOW + timedelta(minutes=1)


# The drift


@pytest.mark.parametrize(
    ("seen", "why"),
    [(BAD, "errors"), (LATE, "slow_receipts")],
)
def test_a_share_moves_away_from_trouble_and_says_from_which(seen: Seen, why: str) -> None:
    it = account()

    moved = it.drift(seen, now=NOW)

    assert moved == (1.0, why)
    assert it.share == 0.5


def test_a_share_moves_away_from_an_account_that_rests() -> None:
    it = resting()

    assert it.drift(Seen(), now=NOW) == (1.0, "resting")


@pytest.mark.parametrize(
    "seen",
    [
        Seen(calls=FEWEST_CALLS - 1, errors=FEWEST_CALLS - 1),
        Seen(calls=1000, errors=49),
        Seen(receipts=FEWEST_CALLS - 1, slow_receipts=FEWEST_CALLS - 1),
    ],
    ids=["too few calls to say", "fewer than one in twenty", "too few receipts to say"],
)
def test_what_says_too_little_moves_nothing(seen: Seen) -> None:
    it = account()

    assert it.drift(seen, now=NOW) is None
    assert it.share == 1.0


def test_no_account_drifts_to_nothing() -> None:
    it = account()

    for _ in range(20):
        it.drift(BAD, now=NOW)

    assert it.share == LEAST_SHARE
    assert it.drift(BAD, now=NOW) is None


def test_a_share_comes_back_step_by_step_after_quiet() -> None:
    it = account(share=0.25)

    assert it.drift(FINE, now=NOW + QUIET_FOR - MOMENT) is None
    assert it.drift(FINE, now=NOW + QUIET_FOR) == (0.25, "quiet")
    assert it.share == pytest.approx(0.35)


def test_a_share_that_has_just_moved_waits_for_its_next_quiet_while() -> None:
    it = account(share=0.25)
    it.drift(FINE, now=NOW + QUIET_FOR)

    assert it.drift(FINE, now=NOW + QUIET_FOR + MOMENT) is None


def test_a_share_comes_back_to_its_base_and_no_further() -> None:
    it = account(share=0.05)

    for step in range(1, 100):
        it.drift(FINE, now=NOW + step * QUIET_FOR)

    assert it.share == 1.0


def test_a_fixed_share_overrides_the_drift_and_the_drift_goes_on_behind_it() -> None:
    it = account(fixed_share=2.0)

    it.drift(BAD, now=NOW)

    assert (it.weight, it.share) == (2.0, 0.5)
