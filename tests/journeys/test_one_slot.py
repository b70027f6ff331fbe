"""A hundred customers want the one seat of a shop at the same hour, at the same time, over real connections."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest
import requests

from worker.clock import clock
from worker.database import Database

# A stack must come up and a story be played before the first claim; on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(300)

SHOP = "fred"
CUSTOMERS = 100
API_THREADS = 40  # anyio's default, in which the API's synchronous handlers run


@dataclass
class Rush:
    """What the hundred were told, and what the vendor delivered."""

    wanted: str
    answers: list[requests.Response]
    sent: list[dict[str, Any]]
    free_afterwards: list[str]

    def told(self, status: int) -> list[dict[str, Any]]:
        """Return the answers with this status."""
        return [answer.json() for answer in self.answers if answer.status_code == status]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def rush(request: pytest.FixtureRequest, run_stack: Callable[..., AbstractContextManager[Any]]) -> Rush:
    """Let them all ask in the same moment, and wait until what followed is done."""
    with run_stack(request.param, one_worker=True, without=("flower", "beat")) as running:
        wanted = running.slots(SHOP)[0]
        together = Barrier(CUSTOMERS)

        def want(number: int) -> requests.Response:
            wish = running.wish(SHOP, wanted, phone=f"+8190000{number:05}")
            together.wait()
            answer: requests.Response = running.ask("/v1/bookings", wish)
            return answer

        with ThreadPoolExecutor(CUSTOMERS) as customers:
            answers = list(customers.map(want, range(CUSTOMERS)))
        running.settle()
        return Rush(wanted, answers, running.sent(), running.slots(SHOP))


def test_one_of_them_holds_the_slot(rush: Rush) -> None:
    (booking,) = rush.told(201)

    assert booking["status"] == "held"
    assert booking["starts_at"] == rush.wanted


def test_all_others_are_told_that_it_is_taken(rush: Rush) -> None:
    assert Counter(answer["code"] for answer in rush.told(409)) == {"slot_taken": CUSTOMERS - 1}


def test_all_others_are_offered_slots_that_are_free(rush: Rush) -> None:
    offers = [[slot["starts_at"] for slot in answer["free_slots"]] for answer in rush.told(409)]

    assert all(offers)
    assert {slot for offer in offers for slot in offer} <= set(rush.free_afterwards)


def test_one_code_is_delivered_and_nothing_else(rush: Rush) -> None:
    (letter,) = rush.sent

    assert "認証コード" in letter["text"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_as_many_transactions_as_the_api_has_threads_may_all_ask_the_time_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.clock._CACHED_SECONDS", 0.0)
    monkeypatch.setattr(database.engine.pool, "_timeout", 5.0)
    together = Barrier(API_THREADS)

    def ask(_: int) -> None:
        with database.transaction() as session:
            session.connection()
            together.wait()
            clock().now()

    with ThreadPoolExecutor(API_THREADS) as threads:
        answered = list(threads.map(ask, range(API_THREADS)))

    assert len(answered) == API_THREADS
