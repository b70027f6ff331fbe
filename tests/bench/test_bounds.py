"""What must hold of an hour without vendors is said where it does not, in so many words, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest

from bench.bounds import BESIDES, CONNECTIONS_BYTES, Fates, Look, Outage, Paced, broken

IDLE = 1_500_000
MOST_RUNG = 5_000
STEADY = [(0.1 * place, 1.0) for place in range(600)]
"""A minute at ten a second."""
FATES = Fates(
    owed=50_000,
    taken=600,
    twice=0,
    claimed=0,
    dead=500,
    dead_expired=500,
    dead_taken=0,
    late=100,
    late_taken=90,
    late_waiting=8,
    unknown=14,
    late_unknown=2,
    left=48_800,
    forgotten=0,
    racing=0,
    ended=0,
)


def look(*, minute: float = 30.0, memory: int = 6_500_000, longest: int = 4_900, waiting: int = 5_300) -> Look:
    return Look(minute, memory, longest, waiting)


def outage(*looks: Look, taken: list[tuple[float, float]] | None = None, **fates: Any) -> Outage:
    return Outage(
        idle_memory=IDLE,
        most_rung=MOST_RUNG,
        looks=looks or (look(),),
        calls=60,
        paced=[Paced("requests to twilio", 10.0, STEADY if taken is None else taken)],
        fates=replace(FATES, **fates),
        drained_seconds=60.0,
        late_seconds=[3.0],
        is_complete=False,
    )


def test_of_an_outage_in_which_all_held_nothing_is_said() -> None:
    assert broken(outage()) == []


# Redis


def test_a_queue_that_holds_more_than_may_be_rung_is_told() -> None:
    [said] = broken(outage(look(longest=MOST_RUNG + BESIDES + 1, waiting=10_000)))

    assert said == "A queue held 7,001 messages; 7,000 are the most."


def test_memory_that_no_queue_explains_is_told_with_its_minute() -> None:
    grown = IDLE + CONNECTIONS_BYTES + 1

    [said] = broken(outage(look(), look(minute=40, memory=grown, waiting=0), look(minute=50, memory=grown, waiting=0)))

    assert said == "In minute 40 Redis used 2,000,001 bytes more than idle; 0 messages explain 2,000,000."


# Rates


def paced(*taken: tuple[float, float], per_second: float = 10.0) -> Paced:
    return Paced("requests to twilio", per_second, taken)


def test_the_most_in_a_window_is_found_wherever_it_begins() -> None:
    taken = paced((0.0, 1.0), (0.9, 1.0), (1.1, 1.0), (1.5, 1.0), (1.89, 1.0), (3.0, 1.0))

    assert (taken.most_in(1), taken.most_in(10)) == (4, 6)


def test_a_window_does_not_hold_what_lies_its_whole_length_before() -> None:
    assert paced((0.0, 1.0), (1.0, 1.0)).most_in(1) == 1


def test_segments_are_counted_and_not_messages() -> None:
    assert paced((0.0, 3.0), (0.5, 2.0)).most_in(1) == 5


@pytest.mark.parametrize(
    ("taken", "sentence"),
    [
        ([(0.0, 1.0)] * 33, "33 requests to twilio within 1 s; 32 are allowed."),
        ([(place / 13, 1.0) for place in range(130)], "130 requests to twilio within 10 s; 122 are allowed."),
        ([(place / 11, 1.0) for place in range(660)], "660 requests to twilio within 60 s; 622 are allowed."),
    ],
    ids=["a stampede", "ten seconds by a third too fast", "a minute by a tenth too fast"],
)
def test_a_rate_that_was_not_kept_is_told(taken: list[tuple[float, float]], sentence: str) -> None:
    assert f"There were {sentence}" in broken(outage(taken=taken))


def test_vendors_to_which_nothing_went_afterwards_are_told() -> None:
    assert broken(outage(taken=[])) == ["There were no requests to twilio after the outage."]


# Messages


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dead_taken": 1, "dead_expired": 499}, "1 codes were sent although their life was over."),
        ({"dead_expired": 497}, "3 codes whose life was over did not end as expired."),
        ({"late_taken": 80}, "10 codes that still lived when the vendors were back were not sent."),
        ({"twice": 2}, "2 messages were sent twice."),
        ({"claimed": 4}, "4 messages are called sent that no vendor took."),
        ({"forgotten": 5}, "5 messages wait with no job to deliver them."),
        ({"racing": 6}, "6 jobs deliver what another one delivers as well."),
        ({"ended": 1_000}, "1,000 messages ended unsent that were still true."),
    ],
    ids=lambda each: "" if isinstance(each, dict) else each,
)
def test_what_must_not_become_of_a_message_is_told(changed: dict[str, Any], said: str) -> None:
    assert broken(outage(**changed)) == [said]


def test_what_waits_is_only_told_of_a_drain_that_was_watched_to_its_end() -> None:
    [said] = broken(replace(outage(), is_complete=True))

    assert said == "48,800 messages were not sent in the end."
