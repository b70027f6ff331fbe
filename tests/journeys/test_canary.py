"""Personal data, codes and links are planted in bookings, then hunted for wherever an operator or a thief may look."""

import base64
import json
import re
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
import redis as redis_client
import requests

from tests.journeys.hunting import everything_in, files_below, flower_pages, hunted, read, tables

# A stack must come up and a story be played before the first claim; on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(300)

SHOP = "queens-court"
PHONE = "+819000005731"
MAIL = "canary.5731@mail.example.jp"
SECOND = "reserve.5732@mail.example.jp"
NAME = "鳴鳥カナリヤ"
MEMO = "memo-of-a-canary 黄色い羽"
SOURCE = "https://shop.example.com/items/of-a-canary"
PERSONAL = {
    "phone": PHONE,
    "mail": MAIL,
    "second contact": SECOND,
    "name": NAME,
    "memo": MEMO,
    "source": SOURCE,
    "address": "203.0.113.57",
}


@dataclass
class Places:
    """What was planted, and everything that was found lying about."""

    secrets: dict[str, str] = field(default_factory=dict)
    queued: dict[str, bytes] = field(default_factory=dict)
    redis_files: bytes = b""
    flower: dict[str, bytes] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    database: dict[str, bytes] = field(default_factory=dict)
    beat: dict[str, bytes] = field(default_factory=dict)
    ledger: bytes = b""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def places(
    request: pytest.FixtureRequest,
    run_stack: Callable[..., AbstractContextManager[Any]],
    until: Callable[[Callable[[], Any], str], Any],
) -> Places:
    """Let two customers go every way, with and without mistakes, then turn everything upside down."""
    found = Places(secrets=dict(PERSONAL))
    with run_stack(request.param, one_worker=True) as running:
        found.secrets["key"] = running.key
        slots = running.slots(SHOP)
        _make_mistakes(running, slots[0])
        running.stack.kill("worker-all", signal.SIGSTOP)
        # The stopped worker is asking the broker just now, so the first message still goes to it.
        _held(running, slots[30], phone="+819000005732")
        by_sms = _held(running, slots[0], phone=PHONE)
        by_mail = _held(running, slots[5], email=MAIL)
        broker = redis_client.Redis.from_url(running.redis.url)
        until(lambda: broker.llen("codes") >= 2, "the codes were handed over")
        found.queued = everything_in(broker)
        running.stack.kill("worker-all", signal.SIGCONT)
        for number, (booking, address) in enumerate([(by_sms, PHONE), (by_mail, MAIL)]):
            found.secrets |= _go_every_way(
                running, until, booking, address, slots[10 + 5 * number], name=booking["channel"]
            )
        running.settle()
        until(lambda: b"worker" in flower_pages(running)["/api/tasks"], "Flower has heard of tasks")
        found.queued |= everything_in(broker)
        found.flower = flower_pages(running)
        found.database = tables(running)
        broker.close()
        found.redis_files = b"".join(read(file) for file in files_below(running.folder / "redis"))
        found.ledger = b"".join(read(file) for file in running.folder.glob("sandbox.db*"))
    found.logs = {file.name: read(file) for file in (running.folder / "log").iterdir()}
    found.beat = {file.name: read(file) for file in running.folder.glob("beat*")}
    return found


def _held(running: Any, slot: str, **contact: str) -> dict[str, Any]:
    wish = running.wish(SHOP, slot, **contact)
    wish |= {"name": NAME, "memo": MEMO, "source_url": SOURCE, "customer_ip": PERSONAL["address"], "language": "ja"}
    if "phone" in contact:
        wish["second_contact"] = {"email": SECOND}
    answer = running.ask("/v1/bookings", wish)
    assert answer.status_code == 201, answer.text
    booking: dict[str, Any] = answer.json()
    return booking


def _make_mistakes(running: Any, slot: str) -> None:
    """Send what is refused: errors must not quote it."""
    wish = running.wish(SHOP, slot, phone=f"{PHONE}x") | {"memo": MEMO, "name": NAME * 100}
    assert running.ask("/v1/bookings", wish).status_code == 422
    assert running.ask("/v1/bookings", {"shop": SHOP, PHONE: MAIL}).status_code == 422
    for second in ({"email": f"{SECOND}@"}, {"mail": SECOND}):
        wish = running.wish(SHOP, slot, phone=PHONE) | {"second_contact": second}
        assert running.ask("/v1/bookings", wish).status_code == 422
    assert running.ask(f"/v1/bookings/{quote(PHONE)}/code", {"code": "000000"}).status_code == 422
    assert running.ask(f"/nowhere/{MAIL}?phone={quote(PHONE)}").status_code == 404
    requests.post(f"{running.api}/v1/bookings", data=f"{{{PHONE}".encode(), timeout=30)
    form = {"start": slot, "channel": "sms", "phone": PHONE, "email": MAIL, "second_email": SECOND, "name": NAME}
    requests.post(f"{running.api}/s/{SHOP}/book", data=form | {"phone": "x" + PHONE}, timeout=30)


def _go_every_way(
    running: Any, until: Any, booking: dict[str, Any], address: str, other_slot: str, *, name: str
) -> dict[str, str]:
    """Enter a wrong code and the right one, open every link, change, cancel; return what was secret about it."""
    path = f"/v1/bookings/{booking['id']}"
    code = until(lambda: _code(running, address), "the code came")
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert running.ask(f"{path}/code", {"code": wrong}).status_code == 422
    first = running.ask(f"{path}/code", {"code": code}).json()
    assert first["status"] == "confirmed"
    until(lambda: _was_sent(running, address, first["call_url"]), "the confirmation came")
    _open(first)
    second = running.ask(f"{path}/change", {"starts_at": other_slot, "expected_revision": 1}).json()
    assert second["revision"] == 2
    until(lambda: _was_sent(running, address, second["call_url"]), "the new time came")
    _open(first)
    _open(second)
    # A link that lost its last letter, as some mail programs cut them, is a path that nobody answers to.
    requests.get(second["call_url"][:-1], timeout=30)
    assert running.ask(f"{path}/cancel", {"expected_revision": 2}).json()["status"] == "cancelled"
    _open(second)
    tokens = {
        "call": first["call_url"],
        "call after the change": second["call_url"],
        "booking page": second["booking_page_url"],
    }
    return {f"code by {name}": code, f"wrong code by {name}": wrong} | {
        f"{link} by {name}": url.rsplit("/", 1)[1] for link, url in tokens.items()
    }


def _code(running: Any, address: str) -> str | None:
    sent = [
        found[0] for letter in running.sent(to=address) if (found := re.search(r"(?<!\d)\d{6}(?!\d)", letter["text"]))
    ]
    return sent[0] if sent else None


def _was_sent(running: Any, address: str, url: str) -> bool:
    return any(url in letter["text"] for letter in running.sent(to=address))


def _open(booking: Mapping[str, str]) -> None:
    for url in (booking["call_url"], booking["booking_page_url"]):
        assert requests.get(url, params={"lang": "en"}, timeout=30).status_code < 500


def leaks(places: Places, kept: Mapping[str, bytes]) -> dict[str, set[str]]:
    return {place: names for place, text in kept.items() if (names := hunted(places.secrets, text))}


def test_the_broker_holds_none_of_it_while_messages_wait(places: Places) -> None:
    assert any(key.startswith("codes ") for key in places.queued)
    assert leaks(places, places.queued) == {}


def test_the_brokers_files_hold_none_of_it(places: Places) -> None:
    assert b"verification.dispatch_code" in places.redis_files
    assert leaks(places, {"files": places.redis_files}) == {}


def test_flower_shows_none_of_it(places: Places) -> None:
    assert b"message.deliver_message" in places.flower["/api/tasks"]
    assert leaks(places, places.flower) == {}


def test_no_process_logs_any_of_it(places: Places) -> None:
    assert b'"route": "/b/{token}"' in places.logs["api.log"]
    assert leaks(places, places.logs) == {}


def test_no_row_holds_any_of_it_in_plain_text(places: Places) -> None:
    assert b"booking_confirmed" in b"".join(places.database.values())
    assert leaks(places, places.database) == {}


def test_beats_file_holds_none_of_it(places: Places) -> None:
    assert places.beat
    assert leaks(places, places.beat) == {}


def test_the_hunter_finds_in_the_vendors_ledger_what_was_sent(places: Places) -> None:
    sent = {name for name in places.secrets if name.startswith(("code", "call", "booking page"))}

    assert hunted(places.secrets, places.ledger) >= sent | {"phone", "mail"}


@pytest.mark.parametrize("secret", [*PERSONAL.values(), "482913"])
def test_the_hunter_finds_what_a_message_to_the_broker_would_carry(secret: str) -> None:
    body = base64.b64encode(json.dumps([[], {"contact": secret}, {"callbacks": None}]).encode())
    message = json.dumps({"body": body.decode(), "content-type": "application/json"})

    assert hunted({"code": secret}, message.encode()) == {"code"}


@pytest.mark.parametrize("secret", PERSONAL.values())
@pytest.mark.parametrize(
    "written",
    [
        lambda secret: f"GET /b/x?contact={quote(secret, safe='')} HTTP/1.1",
        lambda secret: json.dumps({"event": f"not sent to {secret}"}),
        lambda secret: repr({"to": secret}),
        lambda secret: secret.encode().hex(),
    ],
    ids=["in a URL", "in JSON", "in a repr", "in hexadecimal"],
)
def test_the_hunter_finds_what_a_log_line_would_carry(secret: str, written: Callable[[str], str]) -> None:
    assert hunted({"it": secret}, b"before " + written(secret).encode() + b" after") == {"it"}


def test_the_hunter_takes_no_instant_and_no_id_for_a_code() -> None:
    line = b'{"at": "2030-06-03T01:00:00.482913+00:00", "job_id": "01a201be-2d0d-7019-af96-482913c0b5aa"}'

    assert hunted({"code": "482913"}, line) == set()
