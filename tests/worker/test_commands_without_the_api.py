"""The commands that are clients of the API, where it is away: each says what to do, and answers with the same code."""

from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.worker.desk import NOBODY_LISTENS
from worker.commands import cases, client, messages, shops, suspensions

Main = Callable[[Sequence[str]], int]
STOP = ["--global", "--notice-url", "https://www.example.jp/news", "--reason", "outage 7"]
DEEDS = [
    pytest.param(cases.main, ["list"], id="cases"),
    pytest.param(messages.main, ["list"], id="messages"),
    pytest.param(messages.main, ["lift", "sms", "+819000000012", "--reason", "asked"], id="messages-lift"),
    pytest.param(shops.main, ["show", "fred"], id="shops"),
    pytest.param(suspensions.main, ["list"], id="suspensions"),
    pytest.param(suspensions.main, ["plan", *STOP], id="suspensions-plan"),
]


class OnlyTheProxyAnswers(BaseHTTPRequestHandler):
    """What stands in front of an API that is down, and answers in its own words."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(502)
        self.end_headers()
        self.wfile.write(b"<h1>Bad Gateway</h1>")

    do_GET = do_POST = _answer  # noqa: N815 - as the base class wants them

    def log_message(self, *_: object) -> None:
        """Keep the terminal quiet."""


@pytest.fixture
def proxy() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), OnlyTheProxyAnswers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("main", "arguments"), DEEDS)
def test_an_api_that_is_away_is_said_with_what_to_do(
    main: Main, arguments: list[str], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("TORITSUGI_URL", NOBODY_LISTENS)

    code = main(arguments)

    first, *rest = capsys.readouterr().err.splitlines()
    assert code == client.UNREACHABLE == 3
    assert first == f"the API at {NOBODY_LISTENS} cannot be reached (ConnectionError)"
    assert "TORITSUGI_URL" in rest[0]
    assert "whether it was done" in rest[1]


@pytest.mark.parametrize(("main", "arguments"), DEEDS)
def test_what_answers_in_its_place_is_not_taken_for_it(
    main: Main,
    arguments: list[str],
    proxy: str,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.setenv("TORITSUGI_URL", proxy)

    code = main(arguments)

    assert code == client.UNREACHABLE
    assert capsys.readouterr().err.startswith(f"the API at {proxy} cannot be reached (HTTP 502)\n")
