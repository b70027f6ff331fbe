"""What a storm must have been for its end to mean something."""

import pytest

from models.message import Attempt
from sandbox.faults import KINDS
from tests.chaos import verdict
from tests.chaos.adversary import Weather
from tests.chaos.customers import Promises
from tests.chaos.storm import Options, Passed, report
from worker.clock import system_now

_OFTEN = verdict.WORTH_A_CLAIM
_NOW = system_now()


def _found(**differently: int) -> verdict.Found:
    """Every fault often enough, but for those that are named; and no messages."""
    letter = {"message": "m", "attempt": "a", "delivered_at": None, "status": "failed", "play": "[]"}
    return verdict.Found(
        now=_NOW,
        messages={},
        attempts=[Attempt(code="connect") for _ in range(_OFTEN)],
        bookings={},
        verifications=[],
        jobs=[],
        letters=[{**letter, "error_code": 30036, "service": "MG", "suppressed": "Bounced"} for _ in range(_OFTEN)],
        played={**{kind.name: _OFTEN for kind in KINDS}, **differently},
        promises=Promises(),
    )


def _storm(*, seconds: float, shortfalls: list[str], violations: list[str]) -> Passed:
    return Passed(
        options=Options(seed=1, seconds=seconds, rate=4.0, report=None, keep=None),
        found=_found(),
        weather=Weather(),
        violations=violations,
        shortfalls=shortfalls,
        began_at=_NOW,
        business_began_at=_NOW,
        starts={},
        drained_in_seconds=1.0,
    )


def test_a_fault_that_was_seldom_met_is_named() -> None:
    found = _found(junk_200=_OFTEN - 1)

    assert f"junk_200 was met {_OFTEN - 1} times" in verdict.shortfalls(found)


def test_faults_that_were_all_met_often_leave_only_the_messages_to_be_too_few() -> None:
    assert verdict.shortfalls(_found()) == ["there were only 0 messages"]


@pytest.mark.parametrize(
    ("seconds", "shortfalls", "violations", "is_good"),
    [
        pytest.param(600, [], [], True, id="long and rough"),
        pytest.param(600, ["few"], [], False, id="long, but too calm to show anything"),
        pytest.param(30, ["few"], [], True, id="short, and not held to numbers"),
        pytest.param(30, [], ["twice"], False, id="short, and something was lost or doubled"),
    ],
)
def test_a_storm_passes_if_nothing_went_wrong_in_enough_of_it(
    *, seconds: float, shortfalls: list[str], violations: list[str], is_good: bool
) -> None:
    passed = _storm(seconds=seconds, shortfalls=shortfalls, violations=violations)

    assert passed.is_good is is_good


def test_a_report_begins_with_the_verdict() -> None:
    calm = _storm(seconds=600, shortfalls=["few"], violations=[])

    assert report(calm).startswith("# Storm 1: TOO LITTLE TO TELL\n\n**Failed**: 0 messages, where 2000 are needed")
