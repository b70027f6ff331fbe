"""Personal data, codes and links are planted in bookings, then hunted for wherever an operator or a thief may look."""

import base64
import json
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis as redis_client
import requests
from psycopg import sql
from sqlalchemy.engine import make_url

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

# What holds digits by nature and is no code: ids, digests, instants.
INNOCENT = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32,}"
    rb"|\d{2}:\d{2}:\d{2}[.,]\d+|\b\d{9,}(\.\d+)?\b|\b\d+\.\d{3,}\b"
)


def forms(secret: str) -> set[bytes]:
    """Return a secret as it is, as URLs, JSON and hexadecimal digits write it, and each of these in base64."""
    plain = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    if secret.startswith("+"):
        plain |= {secret.removeprefix("+"), secret.removeprefix("+81")}
    found = {form.encode() for form in plain}
    encoded = {core for form in found for core in _in_base64(form)}
    return found | encoded | {secret.encode().hex().encode()}


def _in_base64(data: bytes) -> Iterator[bytes]:
    """Yield what stands in every base64 text that contains `data`, at each of the three places it may begin."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data)
        core = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def hunted(secrets: Mapping[str, str], place: bytes) -> set[str]:
    """Return the names of the secrets that can be read in a place, in any of their forms."""
    found = {name for name, secret in secrets.items() if any(form in place for form in forms(secret))}
    return {name for name in found if not name.startswith("code") or _is_code(secrets[name], place)}


def _is_code(code: str, place: bytes) -> bool:
    """Whether six digits stand there that are not a part of something else."""
    rest = INNOCENT.sub(b" ", place)
    alone = rb"(?<!\d)" + code.encode() + rb"(?!\d)"
    return re.search(alone, rest) is not None or any(form in rest for form in forms(code) - {code.encode()})


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
        found.queued = _everything_in(broker)
        running.stack.kill("worker-all", signal.SIGCONT)
        for number, (booking, address) in enumerate([(by_sms, PHONE), (by_mail, MAIL)]):
            found.secrets |= _go_every_way(
                running, until, booking, address, slots[10 + 5 * number], name=booking["channel"]
            )
        running.settle()
        until(lambda: b"worker" in _flower(running)["/api/tasks"], "Flower has heard of tasks")
        found.queued |= _everything_in(broker)
        found.flower = _flower(running)
        found.database = _tables(running)
        broker.close()
        found.redis_files = b"".join(_read(file) for file in _files(running.folder / "redis"))
        found.ledger = b"".join(_read(file) for file in running.folder.glob("sandbox.db*"))
    found.logs = {file.name: _read(file) for file in (running.folder / "log").iterdir()}
    found.beat = {file.name: _read(file) for file in running.folder.glob("beat*")}
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


def _everything_in(broker: redis_client.Redis) -> dict[str, bytes]:
    """Return each key with what it holds, as the server dumps it and as a client reads it."""
    found: dict[str, bytes] = {}
    client: Any = broker  # its answers are typed for clients that decode them as well
    for key in client.keys("*"):
        kind = client.type(key)
        read = repr(client.lrange(key, 0, -1)).encode() if kind == b"list" else b""
        read += repr(client.hgetall(key)).encode() if kind == b"hash" else b""
        found[f"{key.decode()} {len(found)}"] = key + (client.dump(key) or b"") + read
    return found


def _flower(running: Any) -> dict[str, bytes]:
    """Return what Flower tells an operator, page by page."""
    pages = [
        "/api/tasks",
        "/api/workers",
        "/api/task/types",
        "/api/queues/length",
        "/",
        "/tasks",
        "/workers",
        "/broker",
    ]
    found = {page: _page(running, page) for page in pages}
    tasks = json.loads(found["/api/tasks"])
    found |= {f"/task/{task}": _page(running, f"/task/{task}") for task in list(tasks)[:40]}
    worker = next(iter({each["worker"] for each in tasks.values()}), None)
    return found | ({f"/worker/{worker}": _page(running, f"/worker/{worker}")} if worker else {})


def _page(running: Any, page: str) -> bytes:
    answer = requests.get(f"{running.flower}{page}", timeout=30)
    assert answer.status_code == 200, page
    return answer.content


def _tables(running: Any) -> dict[str, bytes]:
    """Return every row as text; of SQLite the files as well, with whatever deleted rows left behind in them."""
    url = make_url(running.environment["DATABASE_URL"])
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as file:
            dump = "\n".join(file.iterdump()).encode()
        return {"rows": dump} | {each.name: _read(each) for each in running.folder.glob("toritsugi.db*")}
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name: "\n".join(
                row for (row,) in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
            ).encode()
            for (name,) in names
        }


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def _read(file: Path) -> bytes:
    return file.read_bytes()


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
