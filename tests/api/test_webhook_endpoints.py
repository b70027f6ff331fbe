"""Endpoints over HTTP: a key manages its own, sees its secret once, and gets problems it can act on."""

from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select

from models.access import Scope
from models.job import Job
from models.webhook import MOST_ENDPOINTS, EventType, WebhookEndpoint, WebhookSecret
from tests.conftest import StoppedTime
from tests.worker.desk import sqlite_only
from tests.worker.webhook_receiver import WebhookReceiver, webhook_receiver
from worker import jobs
from worker.commands.keys import make_key
from worker.database import Database
from worker.webhooks import emit

pytestmark = sqlite_only

PATH = "/v1/webhook-endpoints"
URL = "https://hooks.example.com/toritsugi"
NOBODY = UUID(int=0)
_keys = count(1)


@pytest.fixture
def site(client: TestClient, seeded: Database, time: StoppedTime) -> Callable[..., Response]:
    """Ask as a calling system whose key covers one shop; say `as_key` for another's."""
    tokens: dict[str, str] = {}

    def token(key_id: str, scopes: list[Scope]) -> str:
        if key_id not in tokens:
            with seeded.transaction() as session:
                tokens[key_id] = make_key(session, key_id, label="", scopes=scopes, shops=["fred"])
        return tokens[key_id]

    def ask(
        method: str,
        path: str = "",
        body: Any = None,
        *,
        as_key: str = "site",
        scopes: tuple[Scope, ...] = (Scope.WEBHOOKS,),
        key: str | None = "fresh",
    ) -> Response:
        headers = {"Authorization": f"Bearer {token(as_key, list(scopes))}"}
        if key is not None:
            headers["Idempotency-Key"] = f"{key}-{next(_keys)}" if key == "fresh" else key
        return client.request(method, PATH + path, json=body, headers=headers)

    return ask


Ask = Callable[..., Response]


@pytest.fixture
def endpoint(site: Ask) -> dict[str, Any]:
    made: dict[str, Any] = site("POST", body={"url": URL}).json()
    return made


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


@pytest.fixture
def local(environment: pytest.MonkeyPatch, site: Ask, receiver: WebhookReceiver) -> dict[str, Any]:
    """An endpoint that leads to the receiver on this machine."""
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "true")
    import_module("worker.settings").settings.cache_clear()
    import_module("tasks.webhooks")
    made: dict[str, Any] = site("POST", body={"url": receiver.url}).json()
    return made


@pytest.fixture
def work(seeded: Database, time: StoppedTime) -> Callable[[], None]:
    def until_nothing_is_due() -> None:
        while True:
            with seeded.snapshot() as session:
                due = session.scalars(select(Job.id).where(Job.due_at <= time.at)).all()
            if not due:
                return
            for job_id in due:
                jobs.perform(job_id)

    return until_nothing_is_due


@pytest.fixture
def tell(seeded: Database, time: StoppedTime) -> Callable[..., str]:
    def happen(shop: str = "fred") -> str:
        with seeded.transaction() as session:
            return str(emit(session, EventType.BOOKING_HELD, shop_id=shop, data={}, now=time.at))

    return happen


def code_of(answer: Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_an_endpoint_is_added_and_its_secret_shown(site: Ask) -> None:
    answer = site("POST", body={"url": URL, "label": "our site", "types": ["booking.held"]})

    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{PATH}/{made['id']}")
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["label"], made["types"], made["enabled"]) == (URL, "our site", ["booking.held"], True)


def test_the_secret_is_not_shown_again(site: Ask, endpoint: dict[str, Any]) -> None:
    shown = site("GET", f"/{endpoint['id']}")
    listed = site("GET")

    assert "secret" not in shown.json()
    assert endpoint["secret"] not in shown.text + listed.text


def test_the_same_request_again_adds_nothing_and_gets_the_same_secret(site: Ask, seeded: Database) -> None:
    first = site("POST", body={"url": URL}, key="once")

    again = site("POST", body={"url": URL}, key="once")

    with seeded.snapshot() as session:
        assert len(session.scalars(select(WebhookEndpoint)).all()) == 1
    assert again.json() == first.json()


def test_adding_needs_an_idempotency_key(site: Ask) -> None:
    assert code_of(site("POST", body={"url": URL}, key=None)) == (400, "idempotency_key_missing")


def test_a_key_without_the_scope_may_not(site: Ask) -> None:
    answer = site("GET", as_key="reader", scopes=(Scope.BOOKINGS_READ,))

    assert code_of(answer) == (403, "forbidden")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.example.com/", "url_not_https"),
        ("https://user@hooks.example.com/", "url_with_credentials"),
        ("https://hooks.example.com:25/", "port_refused"),
        ("https://127.0.0.1/", "address_refused"),
        ("https://2130706433/", "address_refused"),
        ("https://[::ffff:10.0.0.1]/", "address_refused"),
        ("https://hooks.example.com/#a", "url_with_fragment"),
        ("https://hooks.example.com/ a", "url_malformed"),
    ],
)
def test_a_url_that_would_never_be_called_is_refused_at_once(site: Ask, url: str, code: str) -> None:
    answer = site("POST", body={"url": url})

    assert code_of(answer) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == "/url"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": URL, "types": []},
        {"url": URL, "types": ["no.such"]},
        {"url": URL, "label": "x" * 101},
        {"url": URL, "secret": "whsec_mine"},
    ],
)
def test_a_malformed_request_is_refused(site: Ask, body: dict[str, Any]) -> None:
    assert code_of(site("POST", body=body)) == (422, "invalid_request")


def test_a_key_may_have_so_many_endpoints_and_no_more(site: Ask) -> None:
    for _ in range(MOST_ENDPOINTS):
        assert site("POST", body={"url": URL}).status_code == 201

    assert code_of(site("POST", body={"url": URL})) == (409, "too_many_endpoints")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"enabled": False}),
        ("DELETE", "", None),
        ("POST", "/rotate-secret", None),
        ("POST", "/test", None),
        ("POST", "/resend", {"event_id": str(NOBODY)}),
        ("GET", "/deliveries", None),
        ("GET", f"/deliveries/{NOBODY}", None),
        ("GET", f"/resends/{NOBODY}", None),
    ],
)
def test_another_keys_endpoint_is_as_if_it_did_not_exist(
    site: Ask, endpoint: dict[str, Any], method: str, path: str, body: Any
) -> None:
    answer = site(method, f"/{endpoint['id']}{path}", body, as_key="other")

    assert code_of(answer) == (404, "endpoint_not_found")
    assert site("GET", f"/{endpoint['id']}").json()["enabled"] is True


def test_the_list_shows_ones_own(site: Ask, endpoint: dict[str, Any]) -> None:
    own, others = site("GET"), site("GET", as_key="other")

    assert [one["id"] for one in own.json()["endpoints"]] == [endpoint["id"]]
    assert others.json() == {"endpoints": []}


def test_what_is_absent_from_a_change_stays(site: Ask, endpoint: dict[str, Any]) -> None:
    site("PATCH", f"/{endpoint['id']}", {"types": ["booking.held"]})
    changed = site("PATCH", f"/{endpoint['id']}", {"label": "new"}).json()

    assert (changed["label"], changed["types"], changed["url"]) == ("new", ["booking.held"], URL)


def test_null_types_mean_all(site: Ask, endpoint: dict[str, Any]) -> None:
    site("PATCH", f"/{endpoint['id']}", {"types": ["booking.held"]})

    assert site("PATCH", f"/{endpoint['id']}", {"types": None}).json()["types"] is None


@pytest.mark.parametrize("body", [{}, {"url": None}, {"enabled": None}, {"id": str(NOBODY)}])
def test_a_change_of_nothing_is_refused(site: Ask, endpoint: dict[str, Any], body: dict[str, Any]) -> None:
    assert code_of(site("PATCH", f"/{endpoint['id']}", body)) == (422, "invalid_request")


def test_a_change_may_not_lead_inside(site: Ask, endpoint: dict[str, Any]) -> None:
    answer = site("PATCH", f"/{endpoint['id']}", {"url": "https://10.0.0.1/"})

    assert code_of(answer) == (422, "address_refused")


def test_an_owner_switches_an_endpoint_off_and_on(site: Ask, endpoint: dict[str, Any]) -> None:
    off = site("PATCH", f"/{endpoint['id']}", {"enabled": False}).json()
    on = site("PATCH", f"/{endpoint['id']}", {"enabled": True}).json()

    assert (off["enabled"], off["disabled_because"]) == (False, "owner")
    assert (on["enabled"], on["disabled_because"], on["failures"]) == (True, None, 0)


def test_a_deleted_endpoint_is_gone(site: Ask, endpoint: dict[str, Any]) -> None:
    answer = site("DELETE", f"/{endpoint['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert code_of(site("DELETE", f"/{endpoint['id']}")) == (404, "endpoint_not_found")


def test_a_new_secret_leaves_the_old_one_a_day(site: Ask, endpoint: dict[str, Any], seeded: Database) -> None:
    rotated = site("POST", f"/{endpoint['id']}/rotate-secret").json()

    assert rotated["secret"] != endpoint["secret"]
    with seeded.snapshot() as session:
        old, new = session.scalars(select(WebhookSecret).order_by(WebhookSecret.id)).all()
    assert old.valid_until is not None
    assert (old.valid_until - old.created_at).total_seconds() == 24 * 3600
    assert new.valid_until is None


def test_secrets_do_not_pile_up(site: Ask, endpoint: dict[str, Any]) -> None:
    for _ in range(3):
        assert site("POST", f"/{endpoint['id']}/rotate-secret").status_code == 200

    assert code_of(site("POST", f"/{endpoint['id']}/rotate-secret")) == (409, "too_many_secrets")


def test_a_test_is_accepted_delivered_and_shown(
    site: Ask, local: dict[str, Any], receiver: WebhookReceiver, work: Callable[[], None], client: TestClient
) -> None:
    accepted = site("POST", f"/{local['id']}/test")
    work()

    shown = site("GET", accepted.headers["location"].removeprefix(PATH)).json()
    assert accepted.status_code == 202
    assert receiver.posts[0].verified(local["secret"])["data"] == {"endpoint_id": local["id"]}
    assert (shown["type"], shown["cause"], shown["state"]) == ("webhook.test", "test", "delivered")
    assert [(attempt["number"], attempt["status"]) for attempt in shown["attempts"]] == [(1, 204)]


def test_the_log_shows_each_attempt_and_when_the_next_is_due(
    site: Ask,
    local: dict[str, Any],
    receiver: WebhookReceiver,
    work: Callable[[], None],
    tell: Callable[..., str],
) -> None:
    receiver.answer(500)
    event_id = tell()
    work()

    [delivery] = site("GET", f"/{local['id']}/deliveries").json()["deliveries"]
    assert (delivery["event_id"], delivery["state"]) == (event_id, "waiting")
    assert delivery["next_attempt_at"] > delivery["occurred_at"]
    assert [(a["number"], a["status"], a["error"]) for a in delivery["attempts"]] == [(1, 500, None)]


def test_the_log_is_paged_and_sifted(
    site: Ask, local: dict[str, Any], work: Callable[[], None], tell: Callable[..., str]
) -> None:
    told = [tell() for _ in range(3)]
    work()
    path = f"/{local['id']}/deliveries"

    first = site("GET", f"{path}?limit=2").json()
    second = site("GET", f"{path}?limit=2&before={first['next_before']}").json()

    shown = [one["event_id"] for one in first["deliveries"] + second["deliveries"]]
    assert (sorted(shown), second["next_before"]) == (sorted(told), None)
    assert site("GET", f"{path}?state=failed").json()["deliveries"] == []


def test_one_event_is_sent_again_under_its_id(
    site: Ask,
    local: dict[str, Any],
    receiver: WebhookReceiver,
    work: Callable[[], None],
    tell: Callable[..., str],
) -> None:
    event_id = tell()
    work()

    answer = site("POST", f"/{local['id']}/resend", {"event_id": event_id})
    work()

    assert answer.status_code == 202
    assert [post.event_id for post in receiver.posts] == [event_id] * 2


def test_a_span_is_sent_again_and_says_how_many(
    site: Ask,
    local: dict[str, Any],
    receiver: WebhookReceiver,
    work: Callable[[], None],
    tell: Callable[..., str],
) -> None:
    tell()
    work()
    body = {"from": "2030-06-03T00:00:00Z", "to": "2030-06-03T02:00:00Z", "include_delivered": True}

    accepted = site("POST", f"/{local['id']}/resend", body)
    work()

    shown = site("GET", accepted.headers["location"].removeprefix(PATH)).json()
    assert (accepted.status_code, shown["found"], len(receiver.posts)) == (202, 1, 2)
    assert shown["ended_at"] is not None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": "2030-06-03T00:00:00Z"},
        {"to": "2030-06-03T00:00:00Z"},
        {"from": "2030-06-03T00:00:00", "to": "2030-06-03T01:00:00"},
        {"from": "2030-06-03T02:00:00Z", "to": "2030-06-03T01:00:00Z"},
        {"event_id": str(NOBODY), "from": "2030-06-03T00:00:00Z", "to": "2030-06-03T01:00:00Z"},
    ],
    ids=["nothing", "no end", "no beginning", "no zone", "backwards", "both"],
)
def test_a_resend_of_nothing_clear_is_refused(site: Ask, endpoint: dict[str, Any], body: dict[str, Any]) -> None:
    assert code_of(site("POST", f"/{endpoint['id']}/resend", body)) == (422, "invalid_request")


def test_an_event_of_another_shop_is_not_sent(site: Ask, endpoint: dict[str, Any], tell: Callable[..., str]) -> None:
    foreign = tell("queens-court")

    answer = site("POST", f"/{endpoint['id']}/resend", {"event_id": foreign})

    assert code_of(answer) == (404, "event_not_found")


def test_nothing_is_sent_again_to_an_endpoint_that_is_off(site: Ask, endpoint: dict[str, Any]) -> None:
    site("PATCH", f"/{endpoint['id']}", {"enabled": False})

    answer = site("POST", f"/{endpoint['id']}/resend", {"event_id": str(NOBODY)})

    assert code_of(answer) == (409, "endpoint_disabled")


def test_a_receiver_that_is_gone_is_shown_as_such(
    site: Ask,
    local: dict[str, Any],
    receiver: WebhookReceiver,
    work: Callable[[], None],
    tell: Callable[..., str],
) -> None:
    receiver.answer(410)
    tell()
    work()

    shown = site("GET", f"/{local['id']}").json()
    [delivery] = site("GET", f"/{local['id']}/deliveries").json()["deliveries"]
    assert (shown["enabled"], shown["disabled_because"]) == (False, "gone")
    assert (delivery["state"], delivery["because"]) == ("failed", "gone")
