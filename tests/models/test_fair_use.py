"""How much one customer may ask of a shop: numbers, and until when cancelling again and again pauses (B39)."""

from datetime import UTC, datetime, timedelta

import pytest

from models.calendar import RuleError
from models.fair_use import FairUse

NOW = datetime(2030, 6, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FAIR = FairUse(cancellations=3, cancellation_days=7, pause_hours=24)


def test_what_the_rules_leave_out_is_as_by_default() -> None:
    assert FairUse.parse({"open_bookings": 5}) == FairUse(open_bookings=5)


def test_rules_that_were_read_are_written_as_they_were() -> None:
    assert FairUse.parse(FAIR.dump()) == FAIR


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ({"open_bookings": 0}, "/open_bookings"),
        ({"open_bookings": "3"}, "/open_bookings"),
        ({"open_bookings": True}, "/open_bookings"),
        ({"pause_hours": 100_001}, "/pause_hours"),
        ({"holds": 3}, "/holds"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused_by_its_place(rules: dict[str, object], pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        FairUse.parse(rules)

    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("cancelled", "until", "why"),
    [
        ([], None, "nothing was cancelled"),
        ([HOUR, 2 * HOUR], None, "twice is no loop"),
        ([HOUR, 2 * HOUR, 3 * HOUR], NOW + 23 * HOUR, "a day from the last"),
        ([HOUR, 2 * HOUR, 7 * DAY], None, "what is a week ago counts no more"),
        ([DAY, 2 * DAY, 3 * DAY], None, "the pause is over to the instant"),
        ([DAY - timedelta(microseconds=1), 2 * DAY, 3 * DAY], NOW + timedelta(microseconds=1), "or not quite"),
        ([HOUR, 2 * DAY, 3 * DAY, 4 * DAY], NOW + 23 * HOUR, "the next one pauses anew"),
    ],
)
def test_cancelling_again_and_again_pauses(cancelled: list[timedelta], until: datetime | None, why: str) -> None:
    assert FAIR.paused_until([NOW - ago for ago in cancelled], now=NOW) == until, why
