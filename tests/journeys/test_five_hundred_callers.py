"""Five hundred callers press 開始 at the same moment, for three idle members of the staff, over real connections.

Two API processes judge them, on PostgreSQL. Three are connected; all others are told at once where to book.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Barrier, Event, Thread
from typing import Any

import pytest
import requests
from sqlalchemy import select

from models.call import Call, CallRing, Status
from models.shop import Shop
from models.staff import StaffMember
from models.terms import Consent
from tests.worker.webhook_receiver import webhook_receiver

# A stack must come up and a story be played before the first claim; on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(300)

SHOP = "fred"
CALLERS = 500
STAFF = ("hana", "yuki", "mei")
BEAT_SECONDS = 10
DAY = [["00:00", "24:00"]]


@dataclass
class Crowd:
    """What the five hundred were told, what the three found when they answered, and what the rows say.

    `heard` are the calls that the shop's own system was told to ring for, as often as it was told.
    """

    answers: list[requests.Response]
    accepted: list[requests.Response]
    calls: list[Call]
    rings: list[CallRing]
    consents: list[Consent]
    heard: list[str]

    def told(self, status: int) -> list[dict[str, Any]]:
        """Return the answers with this status."""
        return [answer.json() for answer in self.answers if answer.status_code == status]


@pytest.fixture(scope="module")
def crowd(run_stack: Callable[..., AbstractContextManager[Any]]) -> Crowd:
    """Let them all call in the same moment, and let all three answer whatever rings."""
    two_processes = ("--log-level warning", "--log-level warning --workers 2")
    allowed = {"WEBHOOK_ALLOW_PRIVATE": "true"}
    with (
        webhook_receiver() as receiver,
        run_stack(
            "postgresql", one_worker=True, without=("flower", "beat"), api=two_processes, settings=allowed
        ) as running,
    ):
        open_for_ever(running.database, ring_seconds=240)
        endpoint = running.ask("/v1/webhook-endpoints", {"url": receiver.url, "types": ["call.ringing"]}).json()
        over = Event()
        beating = Thread(target=_beat, args=(running, over))
        beating.start()
        try:
            shop = running.ask(f"/v1/shops/{SHOP}/availability")
            _until_available(running)
            accepted_terms = [{"id": each["id"], "version": each["version"]} for each in shop.json()["terms"]]
            together = Barrier(CALLERS)

            def call(number: int) -> requests.Response:
                network = f"198.51.{number // 250}.{number % 250 + 1}"
                together.wait()
                wish = {"shop": SHOP, "accepted_terms": accepted_terms, "customer_ip": network}
                answer: requests.Response = running.ask("/v1/calls", wish)
                return answer

            with ThreadPoolExecutor(CALLERS) as callers:
                answers = list(callers.map(call, range(CALLERS)))
            ringing = [answer.json()["id"] for answer in answers if answer.status_code == 201]
            pairs = [(call_id, name) for call_id in ringing for name in STAFF]
            with ThreadPoolExecutor(len(pairs) or 1) as staff:
                accepted = list(staff.map(lambda pair: running.ask(*_answer(*pair)), pairs))
        finally:
            over.set()
            beating.join()
        running.settle()
        heard = [str(post.verified(endpoint["secret"])["data"]["call_id"]) for post in receiver.posts]
        with running.database.snapshot() as session:
            return Crowd(
                answers,
                accepted,
                list(session.scalars(select(Call))),
                list(session.scalars(select(CallRing))),
                list(session.scalars(select(Consent))),
                heard,
            )


def test_three_are_connected_each_with_somebody_else(crowd: Crowd) -> None:
    connected = [call for call in crowd.calls if call.status is Status.CONNECTED]

    assert len(connected) == len(STAFF)
    assert {call.staff_id for call in connected} == set(STAFF)


def test_all_others_are_told_at_once_that_all_are_busy_and_where_to_book(crowd: Crowd) -> None:
    others = crowd.told(409)

    assert len(crowd.told(201)) == len(STAFF)
    assert Counter((answer["code"], answer["because"]) for answer in others) == {
        ("not_available", "all_busy"): CALLERS - len(STAFF)
    }
    assert all(answer["booking_page_url"] for answer in others)


def test_every_caller_is_on_record(crowd: Crowd) -> None:
    assert Counter(call.status for call in crowd.calls) == {
        Status.CONNECTED: len(STAFF),
        Status.REFUSED: CALLERS - len(STAFF),
    }


def test_each_call_was_rung_once_and_none_that_was_refused(crowd: Crowd) -> None:
    connected = {call.id for call in crowd.calls if call.status is Status.CONNECTED}

    assert Counter(crowd.heard) == {str(call_id): 1 for call_id in connected}
    assert {ring.call_id for ring in crowd.rings} == connected


def test_everybody_else_who_answered_was_told_that_it_was_too_late(crowd: Crowd) -> None:
    told = Counter(answer.json().get("code", "taken") for answer in crowd.accepted)

    assert told["taken"] == len(STAFF)
    assert set(told) <= {"taken", "call_taken", "staff_busy"}


def test_those_who_ring_alone_have_agreed_to_anything(crowd: Crowd) -> None:
    connected = {call.id for call in crowd.calls if call.status is Status.CONNECTED}

    assert Counter(consent.call_id for consent in crowd.consents) == dict.fromkeys(connected, 2)


def open_for_ever(database: Any, *, ring_seconds: int) -> None:
    """Let the shop be open whenever the test runs, ring for so long, and know its staff."""
    with database.transaction() as session:
        shop = session.get_one(Shop, SHOP)
        always = {str(weekday): DAY for weekday in range(1, 8)}
        shop.calendar_rules = {**shop.calendar_rules, "weekly": always, "exceptions": {}, "holidays": None}
        shop.ring_seconds, shop.connect_seconds = ring_seconds, 240
        session.add_all(
            StaffMember(shop_id=SHOP, id=name, name_ja=name, name_en=name, seat=None, hours=None) for name in STAFF
        )


def _beat(running: Any, over: Event) -> None:
    """Send everybody's heartbeat until it is over, as three staff pages do."""
    headers = {"Authorization": f"Bearer {running.key}"}
    while True:
        for name in STAFF:
            url = f"{running.api}/v1/shops/{SHOP}/staff/{name}/presence"
            requests.put(url, json={"state": "idle"}, headers=headers, timeout=60)
        if over.wait(BEAT_SECONDS):
            return


def _until_available(running: Any) -> None:
    while not running.ask(f"/v1/shops/{SHOP}/availability").json()["available"]:
        pass


def _answer(call_id: str, staff: str) -> tuple[str, dict[str, str]]:
    return f"/v1/calls/{call_id}/accept", {"staff": staff}
