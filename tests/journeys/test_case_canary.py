"""Names, addresses, reasons, statements are planted in disclosure cases, then hunted for where they must not be."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis as redis_client
import requests

from tests.journeys.hunting import everything_in, files_below, flower_pages, hunted, read, tables
from tests.worker import paper_reader
from tests.worker.webhook_receiver import webhook_receiver
from worker.clock import Clock
from worker.commands.demo.disclosure import CHECKER, INTAKE, MAIL_ROOM, MAKER, REVIEWER, Cast, Disclosure, Party
from worker.commands.demo.telling import Place
from worker.commands.keys import PEOPLE
from worker.stack import REPOSITORY

# A stack must come up and a whole case be played before the first claim; on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(600)

AUDITOR, LEGAL = "endo", "ito"
BUYER = Party(
    id="m-1",
    nickname="canary_buyer",
    name="鳴鳥カナリヤ",
    kana="ナキドリカナリヤ",
    postal_code="573-1001",
    address="大阪府枚方市鳴鳥町5-7-31",
    email="b.canary@example.jp",
)
SELLER = Party(
    id="m-2",
    nickname="canary_seller",
    name="黄羽サエズリ",
    kana="キバネサエズリ",
    postal_code="604-8571",
    address="京都府京都市黄羽町8-5-71",
    email="s.canary@example.com",
)
CAST = Cast(
    BUYER,
    SELLER,
    "T-5731",
    situation="状況のカナリヤ situation-of-a-canary",
    reason="理由のカナリヤ reason-of-a-canary",
    attempts="協議のカナリヤ attempts-of-a-canary",
    necessity="必要のカナリヤ necessity-of-a-canary",
    opinion="意見のカナリヤ opinion-of-a-canary",
    because="決裁のカナリヤ because-of-a-canary",
    customer_ip="203.0.113.58",
)
WISH, NOTE, REPORT, FACTS = "wish-of-a-canary 契約書", "note-of-a-canary", "report-of-a-canary", "facts-of-a-canary"
PERSONAL = {
    **{f"buyer's {name}": value for name, value in vars(BUYER).items() if name != "id"},
    **{f"seller's {name}": value for name, value in vars(SELLER).items() if name != "id"},
    **{name: getattr(CAST, name) for name in ("situation", "reason", "attempts", "necessity", "opinion", "because")},
    "network": CAST.customer_ip,
    "wish": WISH,
    "note": NOTE,
    "report": REPORT,
    "facts": FACTS,
}

_KEYS = """
import json
from worker.commands.keys import PEOPLE, person_key
from worker.database import database
with database().transaction() as session:
    print(json.dumps({name: person_key(session, name) for name in PEOPLE}))
"""


@dataclass
class Places:
    """What was planted, and everything that was found lying about."""

    secrets: dict[str, str] = field(default_factory=dict)
    queued: dict[str, bytes] = field(default_factory=dict)
    commands: bytes = b""
    redis_files: bytes = b""
    flower: dict[str, bytes] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    database: dict[str, bytes] = field(default_factory=dict)
    webhooks: bytes = b""
    ledger: bytes = b""
    pledge: bytes = b""
    letter: bytes = b""


@contextmanager
def overheard(broker: str, heard: bytearray) -> Iterator[None]:
    """Listen to every command that Redis is given while the block lasts."""
    where = redis_client.Redis.from_url(broker).connection_pool.connection_kwargs
    with socket.create_connection((where["host"], where["port"])) as line:
        line.sendall(f"AUTH {where['password']}\r\nMONITOR\r\n".encode())

        def listen() -> None:
            while part := line.recv(65536):
                heard.extend(part)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield
        finally:
            line.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture(scope="module")
def places(
    run_stack: Callable[..., AbstractContextManager[Any]], until: Callable[[Callable[[], Any], str], Any]
) -> Places:
    """Play one case to the posted letter and one to its refusal, with mistakes, then turn everything upside down."""
    found, heard = Places(secrets=dict(PERSONAL)), bytearray()
    settings = {"WEBHOOK_ALLOW_PRIVATE": "true"}
    with webhook_receiver() as hooks, run_stack("postgresql", one_worker=True, settings=settings) as running:
        broker = redis_client.Redis.from_url(running.redis.url)
        endpoint = running.ask("/v1/webhook-endpoints", {"url": hooks.url})
        assert endpoint.status_code == 201, endpoint.text
        story = Disclosure(_place(running), cast=CAST, letter=running.folder / "letter.pdf")
        found.secrets |= {"system's key": running.key, **{f"{name}'s key": story.place.people[name] for name in PEOPLE}}
        with overheard(running.redis.url, heard):
            story.feed()
            _make_mistakes(story)
            running.stack.kill("worker-all", signal.SIGSTOP)
            # The stopped worker is asking the broker just now, so the first message still goes to it.
            story.file()
            story.file()
            until(lambda: broker.llen("disclosure") >= 1, "the forms were handed over")
            found.queued = everything_in(broker)
            running.stack.kill("worker-all", signal.SIGCONT)
            for step in story.steps[2:-1]:
                step()
                found.queued |= everything_in(broker)
                if step == story.ask_for_more:
                    found.pledge = _want_more(story)
            _refuse_another(story)
            running.settle()
            until(lambda: any(b"case.close_file" in page for page in flower_pages(running).values()), "Flower heard")
            found.flower = flower_pages(running)
        found.secrets |= {
            "confirmation link": story.seen.confirm.rsplit("/", 1)[1],
            "buyer's link": story.seen.page.rsplit("/", 1)[1],
            "seller's link": story.seen.told_page.rsplit("/", 1)[1],
        }
        found.database = tables(running)
        broker.close()
        found.redis_files = b"".join(read(file) for file in files_below(running.folder / "redis"))
        found.ledger = b"".join(read(file) for file in running.folder.glob("sandbox.db*"))
        found.letter = read(running.folder / "letter.pdf")
        found.webhooks = b"".join(f"{post.path} {post.headers}".encode() + post.body for post in hooks.posts)
    found.logs = {file.name: read(file) for file in (running.folder / "log").iterdir()}
    # It writes what is not ASCII as \\xHH.
    found.commands = bytes(heard).decode("unicode_escape").encode("latin-1")
    return found


def _place(running: Any) -> Place:
    done = subprocess.run(
        [sys.executable, "-c", _KEYS], env=running.environment, cwd=REPOSITORY, capture_output=True, check=True
    )
    return Place(
        api=running.api,
        inbox=running.inbox,
        flower=running.flower,
        key=running.key,
        people=json.loads(done.stdout),
        clock=Clock(running.database.engine),
    )


def _make_mistakes(story: Disclosure) -> None:
    """Send what is refused, or leads nowhere: errors must not quote it."""
    for method, path, body in (
        ("PUT", "/v1/members/m-3", {"nickname": BUYER.nickname, "name": BUYER.name, "email": BUYER.email}),
        ("PUT", "/v1/members/m-3", {BUYER.name: BUYER.address}),
        ("POST", "/v1/disclosure-cases", {"reason": CAST.reason, "situation": CAST.situation, "name": BUYER.name * 50}),
        ("POST", "/v1/case-work/cases/00000000-0000-7000-8000-000000000000/hold", {"reason": CAST.because * 50}),
    ):
        story.ask(method, path, body, expect=422, by=LEGAL if "case-work" in path else None)
    token = "E" * 48
    for url in (f"/case/{token}", f"/case/confirm/{token}", f"/case/{BUYER.email}", f"/case/{token}?name={BUYER.name}"):
        assert story.page(f"{story.place.api}{url}").status_code in {404, 410}, url
    tried = requests.post(
        f"{story.place.api}/case/{token}/opinion", data={"opinion": CAST.opinion, "name": BUYER.name}, timeout=30
    )
    assert tried.status_code in {404, 410}


def _want_more(story: Disclosure) -> bytes:
    """Ask for a paper besides, let it come, report a misuse, open everything; return the pledge from the case page."""
    pledge = story.page(f"{story.seen.page}/pledge.pdf")
    assert pledge.status_code == 200
    story.do(REVIEWER, "items", {"position": 5, "wish": WISH})
    story.read(BUYER.email, story.seen.reference, WISH)
    other = {"number": "P-other", "kind": "other", "item": "other", "is_original": True, "shelf": "A-2"}
    story.do(MAIL_ROOM, "papers", other)
    reported = story.page(f"{story.seen.told_page}/misuse-reports", {"report": REPORT})
    assert reported.status_code == 303
    revealed = story.do(INTAKE, "reveal", {"what": ["form", "stage_2", "parties", "wishes"]})
    assert SELLER.address in json.dumps(revealed, ensure_ascii=False)
    story.do(AUDITOR, "audit/reasons")
    return pledge.content


def _refuse_another(story: Disclosure) -> None:
    """Let the buyer apply again: what is missing is asked for and sent, and two people refuse."""
    again = Disclosure(story.place, cast=CAST)
    again.seen.won_on = story.seen.won_on
    again.file()
    again.confirm()
    again.do(INTAKE, "incomplete", {"missing": ["circumstances"]})
    again.read(BUYER.email, again.seen.reference, "補正のお願い")
    sent = again.page(f"{again.seen.page}/facts", {"situation": FACTS})
    assert sent.status_code == 303
    proposed = again.do(MAKER, "proposals", {"verdict": "refuse", "refusal": "other", "note": NOTE})["proposal"]
    again.do(CHECKER, f"proposals/{proposed['id']}/approve", {"digest": proposed["digest"]})
    again.read(BUYER.email, again.seen.reference, "開示できません")


def leaks(places: Places, kept: Mapping[str, bytes]) -> dict[str, set[str]]:
    return {place: names for place, text in kept.items() if (names := hunted(places.secrets, text))}


def test_the_broker_holds_none_of_it_while_legs_wait_or_run(places: Places) -> None:
    assert any(key.startswith("disclosure ") for key in places.queued)
    assert leaks(places, places.queued) == {}


def test_no_command_to_the_broker_bears_any_of_it(places: Places) -> None:
    assert b"case.release_addresses" in places.commands
    assert leaks(places, {"commands": places.commands}) == {}


def test_the_brokers_files_hold_none_of_it(places: Places) -> None:
    assert leaks(places, {"files": places.redis_files}) == {}


def test_flower_shows_the_legs_and_none_of_it(places: Places) -> None:
    assert b"case.render_letter" in places.flower["/api/tasks"]
    assert leaks(places, places.flower) == {}


def test_no_process_logs_any_of_it(places: Places) -> None:
    assert b"/case/{token}/opinion" in places.logs["api.log"]
    assert leaks(places, places.logs) == {}


def test_no_row_holds_any_of_it_in_plain_text(places: Places) -> None:
    assert b"addresses_released" in places.database["case_events"]
    assert leaks(places, places.database) == {}


def test_no_webhook_tells_any_of_it(places: Places) -> None:
    assert b"case.moved" in places.webhooks
    assert leaks(places, {"webhooks": places.webhooks}) == {}


@pytest.mark.parametrize("paper", ["pledge", "letter"])
def test_what_a_paper_says_of_itself_names_nobody(places: Places, paper: str) -> None:
    pdf: bytes = getattr(places, paper)
    around = paper_reader.outside_the_pages(pdf) + str(paper_reader.metadata(pdf)).encode()

    written = {
        name for name, secret in places.secrets.items() if any(form in around for form in paper_reader.forms(secret))
    }

    assert written | hunted(places.secrets, around) == set()


def test_the_letter_names_the_seller_and_the_hunter_would_have_seen_it(places: Places) -> None:
    text = "".join(paper_reader.read(places.letter))

    assert {"seller's name", "seller's postal_code"} <= hunted(places.secrets, text.encode())


def test_the_hunter_finds_in_the_vendors_ledger_what_was_sent(places: Places) -> None:
    sent = {"buyer's email", "seller's email", "confirmation link", "buyer's link", "seller's link", "wish"}

    assert hunted(places.secrets, places.ledger) >= sent
