"""A receiver of webhooks: a real server in a thread, told beforehand what to answer. `standardwebhooks` judges."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Post:
    """One call as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        """What a receiver tells one event from another by."""
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Return the body if the judge finds it signed with this secret, and fresh."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass
class WebhookReceiver:
    """A server and what it was sent. `answers` are given in turn; the last one goes on for ever.

    An answer is a status, a status with headers, or something that is done with the handler instead.
    """

    server: ThreadingHTTPServer
    posts: list[Post] = field(default_factory=list)
    answers: list[Any] = field(default_factory=lambda: [204])
    server_names: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.server.server_address[1]
        return port

    @property
    def url(self) -> str:
        """Its address in plain http."""
        return f"http://127.0.0.1:{self.port}/hooks?tenant=7"

    def answer(self, *answers: int | tuple[int, dict[str, str]] | Callable[[Any], None]) -> None:
        """Answer so, one after the other."""
        self.answers[:] = answers


class _Handler(BaseHTTPRequestHandler):
    receiver: WebhookReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.receiver.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        answers = self.receiver.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer(self)
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    # Whoever follows a redirect comes with GET.
    do_GET = do_POST  # noqa: N815 - the base class looks for this name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own signature
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that hangs up is a part of some tests.
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        return (self.tls.wrap_socket(connection, server_side=True) if self.tls else connection), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def webhook_receiver(tls: ssl.SSLContext | None = None) -> Iterator[WebhookReceiver]:
    """Run a receiver on a port of its own until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    receiver = WebhookReceiver(server)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"receiver": receiver})
    if tls is not None:
        server.tls = tls
        tls.sni_callback = lambda _socket, name, _context: receiver.server_names.append(name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        with contextlib.suppress(RuntimeError):
            thread.join(5)
