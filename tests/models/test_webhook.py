"""What an answer means for a delivery and for its endpoint, and when the next attempt is due."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.access import ApiKey
from models.errors import IllegalMove
from models.webhook import (
    FAILURES_BEFORE_END,
    FAILURES_BEFORE_PAUSE,
    LONGEST_PAUSE,
    MOST_AT_ONCE,
    SCHEDULE,
    URGENT_AT_ONCE,
    Cause,
    DisabledBecause,
    EventType,
    Heard,
    State,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

NOW = datetime(2030, 6, 3, 1, 0, tzinfo=UTC)
SOME_ID = UUID(int=1)
OK, BROKEN = Heard(status=200), Heard(status=500)


def delivery(cause: Cause = Cause.EVENT) -> WebhookDelivery:
    return WebhookDelivery(id=SOME_ID, cause=cause, state=State.WAITING, tries=0, next_attempt_at=NOW)


def endpoint(**changed: object) -> WebhookEndpoint:
    return WebhookEndpoint(**{"id": SOME_ID, "api_key_id": "ours", "failures": 0, **changed})


def event(shop_id: str | None = "fred") -> WebhookEvent:
    return WebhookEvent(id=SOME_ID, type=EventType.BOOKING_HELD, shop_id=shop_id)


def key(shops: list[str] | None = None, **changed: object) -> ApiKey:
    return ApiKey(**{"id": "ours", "shops": shops, **changed})


def failed(times: int, heard: Heard = BROKEN, jitter: float = 0.0) -> WebhookDelivery:
    made = delivery()
    for _ in range(times):
        made.begin()
        made.record(heard, now=NOW, jitter=jitter)
    return made


def test_the_schedule_is_the_standards_own() -> None:
    hours = [0, 0, 0, 0, 2, 5, 10, 14, 20, 24]
    seconds = [0, 5, 5 * 60, 30 * 60, 0, 0, 0, 0, 0, 0]

    assert [timedelta(hours=h, seconds=s) for h, s in zip(hours, seconds, strict=True)] == list(SCHEDULE)


@pytest.mark.parametrize("tries", range(1, len(SCHEDULE)))
def test_each_failure_is_followed_by_the_next_step_of_the_schedule(tries: int) -> None:
    assert failed(tries).next_attempt_at == NOW + SCHEDULE[tries]


def test_jitter_makes_a_step_longer_by_a_fifth_at_most() -> None:
    assert failed(4, jitter=1.0).next_attempt_at == NOW + SCHEDULE[4] * 1.2


def test_after_the_last_attempt_the_delivery_is_given_up() -> None:
    made = failed(len(SCHEDULE))

    assert (made.state, made.because, made.next_attempt_at) == (State.FAILED, "given_up", None)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert failed(1, Heard(status=status)).state is State.DELIVERED


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 401, 404, 500, 503, None])
def test_everything_else_is_tried_again_a_redirect_too(status: int | None) -> None:
    assert failed(1, Heard(status=status)).state is State.WAITING


def test_a_receiver_that_is_gone_ends_the_delivery() -> None:
    assert failed(1, Heard(status=410)).state is State.FAILED


def test_retry_after_is_waited_for_when_it_is_longer_than_the_step() -> None:
    asked = Heard(status=429, retry_after=timedelta(minutes=2))

    assert failed(1, asked).next_attempt_at == NOW + timedelta(minutes=2)


def test_retry_after_does_not_shorten_a_step() -> None:
    asked = Heard(status=429, retry_after=timedelta(seconds=1))

    assert failed(3, asked).next_attempt_at == NOW + SCHEDULE[3]


def test_a_test_is_attempted_once() -> None:
    made = delivery(Cause.TEST)
    made.begin()
    made.record(BROKEN, now=NOW, jitter=0.0)

    assert made.state is State.FAILED


def test_an_attempt_of_an_older_number_is_stale() -> None:
    made = failed(1)

    assert (made.is_due_as(1), made.is_due_as(2)) == (False, True)


def test_what_was_given_up_can_still_turn_out_delivered() -> None:
    made = failed(len(SCHEDULE))

    made.learn_late(OK, now=NOW)

    assert made.state is State.DELIVERED


def test_a_late_failure_tells_nothing_new() -> None:
    made = failed(1)

    made.learn_late(BROKEN, now=NOW)

    assert (made.state, made.tries) == (State.WAITING, 1)


def test_what_was_delivered_is_not_attempted_again() -> None:
    made = failed(1, OK)

    with pytest.raises(IllegalMove):
        made.begin()


def test_410_disables_the_endpoint() -> None:
    made = endpoint()

    made.learn(Heard(status=410), now=NOW)

    assert (made.disabled_at, made.disabled_because) == (NOW, DisabledBecause.GONE)


def test_five_days_of_failures_disable_the_endpoint() -> None:
    made = endpoint(failures=FAILURES_BEFORE_END - 1, failing_since=NOW - timedelta(days=5))

    made.learn(BROKEN, now=NOW)

    assert made.disabled_because is DisabledBecause.FAILING


def test_a_moment_less_than_five_days_does_not() -> None:
    made = endpoint(failures=100, failing_since=NOW - timedelta(days=5) + timedelta(microseconds=1))

    made.learn(BROKEN, now=NOW)

    assert made.disabled_at is None


def test_two_failures_five_days_apart_do_not() -> None:
    made = endpoint(failures=1, failing_since=NOW - timedelta(days=6))

    made.learn(BROKEN, now=NOW)

    assert made.disabled_at is None


def test_one_success_wipes_the_slate() -> None:
    made = endpoint(failures=7, failing_since=NOW - timedelta(days=4), paused_until=NOW)

    made.learn(OK, now=NOW)

    assert (made.failures, made.failing_since, made.paused_until) == (0, None, None)


def test_the_first_reason_for_disabling_stands() -> None:
    made = endpoint()
    made.disable(DisabledBecause.GONE, at=NOW)

    made.disable(DisabledBecause.OWNER, at=NOW + timedelta(days=1))

    assert (made.disabled_because, made.disabled_at) == (DisabledBecause.GONE, NOW)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overrun_receiver_gets_a_rest(status: int) -> None:
    made = endpoint()

    made.learn(Heard(status=status), now=NOW)

    assert made.paused_until is not None
    assert made.paused_until > NOW


def test_the_rest_is_as_long_as_the_receiver_asked() -> None:
    made = endpoint()

    made.learn(Heard(status=429, retry_after=timedelta(minutes=7)), now=NOW)

    assert made.paused_until == NOW + timedelta(minutes=7)


def test_a_receiver_that_fails_again_and_again_gets_a_rest_of_five_minutes_at_most() -> None:
    made = endpoint()

    for _ in range(50):
        made.learn(Heard(error="timed_out"), now=NOW)

    assert made.paused_until == NOW + LONGEST_PAUSE


def test_one_failure_alone_pauses_nothing() -> None:
    made = endpoint()

    for _ in range(FAILURES_BEFORE_PAUSE - 1):
        made.learn(BROKEN, now=NOW)

    assert made.paused_until is None


def test_calls_are_put_off_past_a_pause_and_spread() -> None:
    made = endpoint(paused_until=NOW + timedelta(seconds=10))

    assert made.room_at(NOW, [], jitter=0.0) == NOW + timedelta(seconds=10)
    assert made.room_at(NOW, [], jitter=1.0) == NOW + timedelta(seconds=20)


def test_the_end_of_a_pause_is_exclusive() -> None:
    assert endpoint(paused_until=NOW).room_at(NOW, [], jitter=0.0) is None


def test_what_rings_has_a_few_places_of_its_own() -> None:
    made = endpoint()

    assert made.room_at(NOW, [], jitter=0.0, is_urgent=True) is None
    assert made.room_at(NOW, [NOW] * URGENT_AT_ONCE, jitter=0.0, is_urgent=True) == NOW + timedelta(seconds=1)


def test_a_sound_endpoint_is_called_a_few_times_at_once() -> None:
    made = endpoint()

    assert made.room_at(NOW, [NOW] * (MOST_AT_ONCE - 1), jitter=0.0) is None
    assert made.room_at(NOW, [NOW] * MOST_AT_ONCE, jitter=0.0) == NOW + timedelta(seconds=1)


def test_a_failing_endpoint_is_called_once_at_a_time() -> None:
    assert endpoint(failures=1).room_at(NOW, [NOW], jitter=0.0) == NOW + timedelta(seconds=15)


def test_an_endpoint_that_is_slow_is_asked_again_later_than_a_fast_one() -> None:
    slow = [NOW - timedelta(seconds=5)] * MOST_AT_ONCE

    assert endpoint().room_at(NOW, slow, jitter=0.0) == NOW + timedelta(seconds=15)


@pytest.mark.parametrize(
    ("made", "of", "about", "wants", "why"),
    [
        (endpoint(), key(), event(), True, "all types, all shops"),
        (endpoint(types=["booking.held"]), key(["fred"]), event(), True, "its type, its shop"),
        (endpoint(types=["booking.ended"]), key(), event(), False, "another type"),
        (endpoint(), key(["anna"]), event(), False, "another shop (B36)"),
        (endpoint(), key([]), event(), False, "no shop at all"),
        (endpoint(disabled_at=NOW), key(), event(), False, "disabled"),
        (endpoint(), key(revoked_at=NOW), event(), False, "its key was revoked"),
        (endpoint(), key(), event(None), False, "a test of some endpoint"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_endpoint_hears_of_what_it_chose_and_may_see(
    made: WebhookEndpoint, of: ApiKey, about: WebhookEvent, wants: bool, why: str
) -> None:
    assert made.wants(about, of) is wants
