"""docs/webhooks.md keeps its word: the receiver it shows works, and it names every event and every answer."""

import http.client
import re
import threading
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

from models.webhook import EventType
from worker.clock import system_now
from worker.webhooks.signing import headers, new_secret

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
BODY = b'{"data":{},"timestamp":"2026-12-01T03:00:00.000Z","type":"webhook.test"}'
SECRET = new_secret()


@pytest.fixture
def shown_receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, dict[str, Any]]]:
    """The page's own receiver at work: its port, and its module's names."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "shown"}
    exec(source, names)  # noqa: S102 - it is our own page
    names["Receiver"].log_message = lambda *_given: None
    server = HTTPServer(("127.0.0.1", 0), names["Receiver"])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1], names
    server.shutdown()
    server.server_close()
    thread.join()


def post(port: int, given: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/", BODY, given)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_receiver_that_the_page_shows_takes_an_event_once(shown_receiver: tuple[int, dict[str, Any]]) -> None:
    port, names = shown_receiver
    signed = headers("evt", BODY, [SECRET], at=system_now())

    assert [post(port, signed), post(port, signed)] == [204, 204]
    assert names["seen"] == {"evt"}


def test_the_receiver_that_the_page_shows_refuses_another_signature(
    shown_receiver: tuple[int, dict[str, Any]],
) -> None:
    port, names = shown_receiver

    assert post(port, headers("evt", BODY, [new_secret()], at=system_now())) == 400
    assert post(port, headers("evt", BODY, [SECRET], at=system_now()) | {"webhook-signature": "junk"}) == 400
    assert names["seen"] == set()


@pytest.mark.parametrize("type_", EventType)
def test_every_event_stands_on_the_page(type_: EventType) -> None:
    assert f"| `{type_}` |" in PAGE.read_text(encoding="utf-8")
