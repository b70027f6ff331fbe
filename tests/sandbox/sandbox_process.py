"""The sandbox in a process of its own, the official clients pointed at it, and a receiver for what it posts."""

import base64
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Mail
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

ROOT = Path(__file__).parents[2]
ACCOUNT = "AC" + "0" * 32
TOKEN = "token"
SECOND_ACCOUNT = "AC" + "1" * 32
SECOND_TOKEN = "second token"
API_KEY = "SG.test"
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(
    SIGNING_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
PHONE = "+819000000001"
MAILBOX = "hanako@example.jp"


@dataclass(frozen=True)
class Posted:
    """One request that the receiver got."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form post."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Receiver:
    """Our side of the callbacks: keeps what is posted and answers with what is next in `answers`, else 204."""

    url: str = ""
    posts: list[Posted] = field(default_factory=list)
    answers: "queue.SimpleQueue[int]" = field(default_factory=queue.SimpleQueue)

    def about(self, mark: str) -> list[Posted]:
        """Return the posts that mention something, such as an attempt id, in their path or body."""
        return [post for post in list(self.posts) if mark in post.path or mark.encode() in post.body]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posts.append(Posted(self.path, dict(self.headers), body))
            self.send_response(204 if receiver.answers.empty() else receiver.answers.get())
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the sandbox starts, with what is different this time."""
    key = SIGNING_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "PATH": os.environ["PATH"],
        "ENVIRONMENT": "test",
        "SANDBOX_PORT": "0",
        "TWILIO_ACCOUNT_SID": f"{ACCOUNT},{SECOND_ACCOUNT}",
        "TWILIO_AUTH_TOKEN": f"{TOKEN},{SECOND_TOKEN}",
        "SENDGRID_API_KEY": API_KEY,
        "SANDBOX_SENDGRID_SIGNING_KEY": base64.b64encode(key).decode(),
        "SANDBOX_RECEIPT_SECONDS": "0.02",
        "SANDBOX_RETRY_SECONDS": "0.1",
        **more,
    }


class RunningSandbox:
    """One running sandbox."""

    def __init__(self, ledger: Path, **more: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox"],
            cwd=ROOT,
            env=environment(SANDBOX_LEDGER=str(ledger), **more),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        self.url = said.split()[-1].rstrip("/")
        self.http = requests.Session()
        self.http.trust_env = False
        until(self._is_up)

    def _is_up(self) -> bool:
        try:
            return self.http.get(f"{self.url}/_health", timeout=5).ok
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """End it in good order."""
        self._process.terminate()
        self._end()

    def _end(self) -> None:
        self.http.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def sent(self, **filters: str) -> list[dict[str, Any]]:
        """Return deliveries from the ledger."""
        answer = self.http.get(f"{self.url}/_sent", params=filters, timeout=5)
        return list(answer.json()["sent"])

    def counts(self, by: str) -> dict[str, int]:
        """Return the deliveries counted by attempt or message."""
        return dict(self.http.get(f"{self.url}/_sent", params={"count": by}, timeout=5).json()["counts"])

    def post(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """Post to one of the sandbox's own routes."""
        return self.http.post(self.url + path, json=body, timeout=5)

    def script(self, *plays: Any, times: int = 1, **match: str) -> None:
        """Post a script."""
        answer = self.post("/_script", {"match": match, "plays": list(plays), "times": times})
        assert answer.status_code == 201, answer.text

    def reset(self) -> None:
        """Forget what was sent and scripted."""
        self.http.delete(f"{self.url}/_sent", timeout=5)
        self.http.delete(f"{self.url}/_script", timeout=5)
        self.http.delete(f"{self.url}/_video", timeout=5)

    @contextmanager
    def twilio(self, *, account: str = ACCOUNT, token: str = TOKEN, timeout: float = 5) -> Iterator[Any]:
        """Give the official Twilio client, pointed here."""
        http_client = TwilioHttpClient(timeout=timeout)
        client = Client(account, token, http_client=http_client)
        client.api.base_url = self.url
        try:
            yield client
        finally:
            http_client.session.close()

    def sendgrid(self, *, key: str = API_KEY, timeout: float = 5) -> Any:
        """Give the official SendGrid client, pointed here."""
        client = SendGridAPIClient(key, host=self.url)
        client.client.timeout = timeout
        return client


def text_to(client: Any, receiver: Receiver, attempt: str, *, to: str = PHONE, **more: Any) -> Any:
    """Send an SMS the way the project does: the attempt's id in the callback's URL."""
    callback = f"{receiver.url}/v1/receipts/twilio/{attempt}?message=of-{attempt}"
    wanted = {"to": to, "from_": "Toritsugi", "body": "認証コード 482913", "status_callback": callback, **more}
    return client.messages.create(**wanted)


def mail_to(attempt: str, *, to: str | list[str] = MAILBOX, **more: Any) -> Mail:
    """Write a mail the way the project does: ids in `custom_args`."""
    wanted = {"subject": "ご予約の確認", "plain_text_content": "11月25日 14:00", **more}
    mail = Mail(from_email="booking@example.com", to_emails=to, **wanted)
    mail.custom_arg = [CustomArg("attempt_id", attempt), CustomArg("message_id", f"of-{attempt}")]
    return mail


def until(holds: Callable[[], Any], *, seconds: float = 10) -> Any:
    """Wait for something to become true, and return it; fail if it does not."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found
