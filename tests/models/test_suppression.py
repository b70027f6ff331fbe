"""How long a reason silences an address, and that a person can lift it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.suppression import SILENCES, Suppression

NOW = datetime(2025, 11, 20, 3, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def suppression(**columns: Any) -> Suppression:
    return Suppression(since=NOW, **columns)


@pytest.mark.parametrize("reason", sorted(set(SILENCES) - {"unreachable"}))
def test_what_a_person_wished_or_a_dead_address_silences_until_somebody_lifts_it(reason: str) -> None:
    assert SILENCES[reason].lasts is None


def test_a_number_without_a_subscriber_may_be_anothers_next_month() -> None:
    assert SILENCES["unreachable"].lasts == timedelta(days=30)


def test_a_silence_without_an_end_is_in_force_for_ever() -> None:
    assert suppression().is_in_force(NOW + timedelta(days=3650))


def test_the_end_of_a_silence_is_exclusive() -> None:
    it = suppression(until=NOW + timedelta(days=30))

    assert it.is_in_force(NOW + timedelta(days=30) - MOMENT)
    assert not it.is_in_force(NOW + timedelta(days=30))


def test_what_was_lifted_silences_nothing() -> None:
    assert not suppression(lifted_at=NOW).is_in_force(NOW)
