"""What a catalogue says of an item reaches staff; what it fails to say reaches nobody and delays nothing (B21, B22)."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from models.booking import Status
from models.item import CatalogueHealth
from models.job import Name
from tests.conftest import StoppedTime
from tests.worker.desk import NOBODY_LISTENS, NOW, SLOT, Desk, sqlite_only
from worker import items, jobs
from worker.database import Database
from worker.items import Item
from worker.settings import settings
from worker.webhooks.addresses import LONGEST_URL

SHOP = "queens-court"
CODES = ["R-1024", "S.7", "gone"]
KNOWN = [
    {"code": "R-1024", "name": "リング", "on_sale": True},
    {"code": "S.7", "name": "Scarf", "low_stock": True, "price": 12000},
]


class Catalogue:
    """A shop's own system: answers as it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: bytes = json.dumps({"items": KNOWN}).encode()
        self.status = 200
        self.may_answer = Event()
        self.may_answer.set()
        catalogue = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                catalogue.asked.append(self.path)
                catalogue.may_answer.wait(10)
                self.send_response(catalogue.status)
                self.end_headers()
                self.wfile.write(catalogue.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/items?token=t"


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    running = Catalogue()
    thread = Thread(target=running.server.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.may_answer.set()
    running.server.shutdown()
    running.server.server_close()
    thread.join()


@pytest.fixture
def desk(catalogue: Catalogue, environment: pytest.MonkeyPatch, seeded: Database, time: StoppedTime) -> Desk:
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "1")
    settings.cache_clear()
    desk = Desk(seeded)
    desk.set_shop(SHOP, catalogue_url=catalogue.url)
    return desk


@pytest.fixture
def look(desk: Desk, do_due_jobs: Callable[[], int]) -> Callable[[], list[Item]]:
    """Do the looks that are due, and return what staff see."""

    def act() -> list[Item]:
        for job in desk.jobs(Name.LOOK_UP_ITEMS):
            jobs.perform(job.id)
        with desk.database.snapshot() as session:
            return items.items_of(session, SHOP, CODES)

    return act


Look = Callable[[], list[Item]]


def test_staff_see_what_the_catalogue_says(desk: Desk, look: Look) -> None:
    desk.hold(item_codes=CODES)

    assert look() == [
        Item("R-1024", known=True, name="リング", on_sale=True),
        Item("S.7", known=True, name="Scarf", low_stock=True),
        Item("gone", known=False),
    ]


@sqlite_only
def test_all_that_a_customer_named_is_asked_for_at_once(desk: Desk, catalogue: Catalogue, look: Look) -> None:
    desk.hold(item_codes=CODES)

    look()

    assert catalogue.asked == ["/items?token=t&codes=R-1024,S.7,gone"]


@sqlite_only
def test_a_customer_who_names_a_great_deal_is_served_and_switches_nothing_off(
    desk: Desk, catalogue: Catalogue, look: Look
) -> None:
    many = [*CODES, *(f"{number:064}" for number in range(17))]
    desk.hold(item_codes=many)

    assert [item.known for item in look()] == [True, True, False]
    assert ",".join(path.partition("codes=")[2] for path in catalogue.asked) == ",".join(many)
    assert max(map(len, catalogue.asked)) <= LONGEST_URL


@sqlite_only
def test_an_unknown_item_is_no_reason_to_refuse(desk: Desk, look: Look) -> None:
    booking_id = desk.confirm(item_codes=["gone"])

    look()

    assert desk.booking(booking_id).status is Status.CONFIRMED


@sqlite_only
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        pytest.param(500, b"", id="away"),
        pytest.param(302, b"", id="elsewhere"),
        pytest.param(200, b"<html>", id="no JSON"),
        pytest.param(200, b"[]", id="another shape"),
        pytest.param(200, b'{"items": [{"name": "no code"}]}', id="items without codes"),
        pytest.param(200, b'{"items": [' + b" " * 70_000 + b"]}", id="too long"),
    ],
)
def test_a_catalogue_that_does_not_answer_as_it_should_says_nothing(
    desk: Desk, catalogue: Catalogue, look: Look, status: int, answer: bytes
) -> None:
    catalogue.status, catalogue.answer = status, answer
    booking_id = desk.confirm(item_codes=CODES)

    assert [item.known for item in look()] == [None, None, None]
    assert desk.booking(booking_id).status is Status.CONFIRMED


@sqlite_only
def test_a_slow_catalogue_delays_no_booking_and_is_given_up(
    desk: Desk, catalogue: Catalogue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "SECONDS", 0.2)
    catalogue.may_answer.clear()

    booking_id = desk.confirm(item_codes=CODES)

    assert desk.booking(booking_id).status is Status.CONFIRMED
    assert catalogue.asked == []
    assert [item.known for item in look()] == [None, None, None]


@sqlite_only
def test_a_catalogue_that_failed_is_left_alone_for_a_while(
    desk: Desk, catalogue: Catalogue, look: Look, time: StoppedTime
) -> None:
    catalogue.status = 500
    desk.hold(item_codes=CODES)
    look()
    desk.hold(item_codes=CODES, number=13)
    look()

    time.advance(seconds=11)
    catalogue.status = 200
    desk.hold(time.at, item_codes=CODES, number=14)

    assert look()[0].known is True
    assert len(catalogue.asked) == 2


@sqlite_only
def test_a_pause_grows_and_ends_with_an_answer(desk: Desk) -> None:
    health = CatalogueHealth(shop_id=SHOP, failures=0, paused_until=None)

    pauses = []
    for _ in range(4):
        health.failed(now=NOW)
        assert health.paused_until is not None
        pauses.append(health.paused_until - NOW)
    health.answered()

    assert pauses == [timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=5)]
    assert health.may_be_asked(NOW)


@sqlite_only
def test_what_is_known_freshly_is_not_asked_for_again(
    desk: Desk, catalogue: Catalogue, look: Look, time: StoppedTime
) -> None:
    desk.hold(item_codes=CODES)
    look()
    desk.hold(item_codes=[*CODES[:1], "new"], number=13)
    look()

    assert catalogue.asked[1].endswith("codes=new")


@sqlite_only
def test_before_the_call_the_catalogue_is_asked_once_more(
    desk: Desk, catalogue: Catalogue, look: Look, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> None:
    desk.confirm(item_codes=CODES)
    look()
    catalogue.answer = b'{"items": [{"code": "R-1024", "low_stock": true}]}'

    time.move_to(SLOT - timedelta(minutes=20))

    assert look()[0] == Item("R-1024", known=True, low_stock=True)


@sqlite_only
def test_a_booking_that_was_cancelled_is_looked_at_no_more(desk: Desk, look: Look) -> None:
    booking_id = desk.confirm(item_codes=CODES)
    look()
    desk.cancel(booking_id)

    assert desk.owed(Name.LOOK_UP_ITEMS) == []


@sqlite_only
@pytest.mark.parametrize("columns", [{"item_codes": []}, {"item_codes": CODES, "shop": "attachment"}])
def test_where_there_is_nothing_to_ask_nothing_is_owed(desk: Desk, columns: dict[str, Any]) -> None:
    desk.confirm(**columns)

    assert desk.owed(Name.LOOK_UP_ITEMS) == []


@sqlite_only
def test_a_catalogue_inside_our_own_network_is_not_asked(
    desk: Desk, catalogue: Catalogue, look: Look, environment: pytest.MonkeyPatch
) -> None:
    desk.hold(item_codes=CODES)
    environment.delenv("WEBHOOK_ALLOW_PRIVATE")
    settings.cache_clear()

    assert [item.known for item in look()] == [None, None, None]
    assert catalogue.asked == []


@sqlite_only
def test_a_catalogue_that_nobody_runs_is_as_one_that_does_not_answer(desk: Desk, look: Look) -> None:
    desk.set_shop(SHOP, catalogue_url=f"{NOBODY_LISTENS}/items")
    desk.hold(item_codes=CODES)

    assert [item.known for item in look()] == [None, None, None]


@sqlite_only
def test_a_name_is_one_line_of_plain_text(desk: Desk, catalogue: Catalogue, look: Look) -> None:
    name = "Scarf\n\u202e\x00 " + "x" * 300
    catalogue.answer = json.dumps({"items": [{"code": "S.7", "name": name, "on_sale": "yes"}]}).encode()
    desk.hold(item_codes=CODES)

    found = look()[1]

    assert found.name is not None
    assert (found.name[:7], len(found.name), found.on_sale) == ("Scarf x", 200, False)
