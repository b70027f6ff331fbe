"""One POST to a receiver: what it carries, what each answer is taken for, where it goes and where it never does."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from models.webhook import Heard
from tests.worker.webhook_receiver import WebhookReceiver, webhook_receiver
from worker.clock import system_now
from worker.settings import settings
from worker.webhooks import posting
from worker.webhooks.posting import post

NAME = "hooks.example.com"
HEADERS = {"webhook-id": "evt", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
BODY = b'{"type":"webhook.test"}'


@pytest.fixture(autouse=True)
def private_allowed(environment: pytest.MonkeyPatch) -> None:
    """The receiver is on this machine."""
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "true")
    settings.cache_clear()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


@pytest.fixture
def leads_here(environment: pytest.MonkeyPatch) -> list[str]:
    """The first look-up of a name leads to this machine; later ones lead where the list says they do."""
    asked: list[str] = []

    def answer(host: str, port: int, **_more: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.255.255.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    environment.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.fixture
def certificate_for(tmp_path: Path, environment: pytest.MonkeyPatch) -> Callable[[str], ssl.SSLContext]:
    """Make a certificate for a name, and let posting trust it as an authority's."""

    def make(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(system_now() - timedelta(days=1))
            .not_valid_after(system_now() + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = tmp_path / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        trusting = ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
        environment.setattr(posting, "tls_context", lambda: trusting)
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(pem)
        return serving

    return make


def test_a_post_carries_our_headers_and_the_very_bytes(receiver: WebhookReceiver) -> None:
    heard = post(receiver.url, HEADERS, BODY)

    [got] = receiver.posts
    assert heard == Heard(status=204)
    assert (got.path, got.body) == ("/hooks?tenant=7", BODY)
    assert {name: got.headers[name] for name in HEADERS} == HEADERS
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: WebhookReceiver, status: int) -> None:
    receiver.answer((status, {"Location": receiver.url}), 200)

    heard = post(receiver.url, HEADERS, BODY)

    assert (heard.status, heard.is_success, len(receiver.posts)) == (status, False, 1)


def test_retry_after_is_heard(receiver: WebhookReceiver) -> None:
    receiver.answer((429, {"Retry-After": "120"}))

    assert post(receiver.url, HEADERS, BODY) == Heard(status=429, retry_after=timedelta(minutes=2))


def test_a_proxy_of_the_environment_is_not_used(receiver: WebhookReceiver, environment: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        environment.setenv(name, "http://127.0.0.1:9")

    assert post(receiver.url, HEADERS, BODY).is_success


def test_a_receiver_that_says_nothing_is_left_in_time(receiver: WebhookReceiver) -> None:
    left = Event()

    def say_nothing(_handler: Any) -> None:
        left.wait(30)

    receiver.answer(say_nothing)

    heard = post(receiver.url, HEADERS, BODY, seconds=0.5)
    left.set()

    assert heard == Heard(error="timed_out")


def test_a_receiver_that_trickles_is_left_in_time(receiver: WebhookReceiver) -> None:
    def trickle(handler: Any) -> None:
        for letter in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
            handler.wfile.write(bytes([letter]))
            time.sleep(0.1)

    receiver.answer(trickle)

    assert post(receiver.url, HEADERS, BODY, seconds=0.5) == Heard(error="timed_out")


def test_an_endless_answer_is_not_read(receiver: WebhookReceiver) -> None:
    def babble(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            handler.wfile.write(b"a" * 65536)

    receiver.answer(babble)

    assert post(receiver.url, HEADERS, BODY) == Heard(status=200)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "broken_off"),
        (b"SMTP ready\r\n\r\n", "answer_malformed"),
        (b"HTTP/1.1 abc\r\n\r\n", "answer_malformed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "answer_malformed"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "answer_malformed"),
    ],
    ids=["nothing", "another protocol", "no status", "a header without end", "headers without end"],
)
def test_junk_is_no_answer(receiver: WebhookReceiver, said: bytes, error: str) -> None:
    receiver.answer(lambda handler: handler.wfile.write(said))

    assert post(receiver.url, HEADERS, BODY) == Heard(error=error)


def test_a_port_where_nobody_listens_is_not_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert post(f"http://127.0.0.1:{port}/", HEADERS, BODY) == Heard(error="not_connected")


def test_a_private_address_is_refused_without_a_packet(
    receiver: WebhookReceiver, environment: pytest.MonkeyPatch, leads_here: list[str]
) -> None:
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "false")
    settings.cache_clear()

    heard = post(f"https://{NAME}:{receiver.port}/", HEADERS, BODY)

    assert (heard, receiver.posts) == (Heard(error="address_refused"), [])


def test_the_connection_goes_to_the_address_that_was_judged(receiver: WebhookReceiver, leads_here: list[str]) -> None:
    heard = post(f"http://{NAME}:{receiver.port}/", HEADERS, BODY)

    assert heard.is_success
    assert leads_here == [NAME], "a second look-up could lead elsewhere"


def test_a_name_is_looked_up_anew_for_each_attempt(
    receiver: WebhookReceiver, environment: pytest.MonkeyPatch, leads_here: list[str]
) -> None:
    post(f"http://{NAME}:{receiver.port}/", HEADERS, BODY)
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "false")
    settings.cache_clear()

    heard = post(f"https://{NAME}:{receiver.port}/", HEADERS, BODY)

    assert (heard, len(receiver.posts)) == (Heard(error="address_refused"), 1)


def test_another_address_is_tried_where_the_first_refuses(
    receiver: WebhookReceiver, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(posting, "resolved", lambda _target: [ip_address("::1"), ip_address("127.0.0.1")])

    assert post(receiver.url, HEADERS, BODY).is_success


def test_over_tls_the_certificate_must_be_the_names_though_the_address_is_pinned(
    certificate_for: Callable[[str], ssl.SSLContext], leads_here: list[str]
) -> None:
    with webhook_receiver(certificate_for(NAME)) as receiver:
        heard = post(f"https://{NAME}:{receiver.port}/", HEADERS, BODY)

    assert (heard, receiver.server_names) == (Heard(status=204), [NAME])


def test_a_certificate_of_another_name_is_refused_and_nothing_is_said(
    certificate_for: Callable[[str], ssl.SSLContext], leads_here: list[str]
) -> None:
    with webhook_receiver(certificate_for("elsewhere.example.com")) as receiver:
        heard = post(f"https://{NAME}:{receiver.port}/", HEADERS, BODY)

    assert (heard, receiver.posts) == (Heard(error="certificate_refused"), [])


def test_a_certificate_of_no_authority_is_refused(
    certificate_for: Callable[[str], ssl.SSLContext], leads_here: list[str], environment: pytest.MonkeyPatch
) -> None:
    usual = posting.tls_context
    serving = certificate_for(NAME)
    environment.setattr(posting, "tls_context", usual)

    with webhook_receiver(serving) as receiver:
        heard = post(f"https://{NAME}:{receiver.port}/", HEADERS, BODY)

    assert heard == Heard(error="certificate_refused")


def test_a_server_without_tls_is_refused(receiver: WebhookReceiver, leads_here: list[str]) -> None:
    assert post(f"https://{NAME}:{receiver.port}/", HEADERS, BODY).error in {"tls_failed", "timed_out", "broken_off"}
