"""What each answer, silence and lie of a vendor means, played by a small server; and which receipts are believed."""

import base64
import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from models.customer import Channel
from models.message import Accepted, Answer, Refused, State, TryLater, Unknown
from worker.settings import settings
from worker.vendors import (
    ACCOUNT_RESTS,
    Attachment,
    Fate,
    OutgoingMail,
    OutgoingSms,
    ReceiptFact,
    fate_of,
    sendgrid,
    silences,
    twilio,
    vendor_named,
    wire,
)

ATTEMPT, MESSAGE = UUID(int=0xA), UUID(int=0xB)
SID = "SM" + "0123456789abcdef" * 2
ACCOUNT, TOKEN, KEY = "AC" + "1" * 32, "canary-auth-token", "SG.canary-key"
PHONE, MAILBOX = "+819000001234", "canary@example.jp"
WORDS = "canary words 482913"
SECONDS = 0.4

SMS = OutgoingSms(attempt_id=ATTEMPT, message_id=MESSAGE, to=PHONE, text=WORDS, valid_seconds=600)
MAIL = OutgoingMail(
    attempt_id=ATTEMPT,
    message_id=MESSAGE,
    to=MAILBOX,
    subject="件名",
    text=WORDS,
    html=f"<p>{WORDS}</p>",
    attachments=(Attachment("invite.ics", "text/calendar; method=REQUEST", b"BEGIN:VCALENDAR"),),
)


@dataclass(frozen=True)
class Received:
    """One request as the server read it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), strict_parsing=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Play = Callable[["Stage"], None]


class Stage(BaseHTTPRequestHandler):
    """Reads one request whole, then does as it was told."""

    protocol_version = "HTTP/1.1"
    server: "Carrier"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.received.append(Received(self.command, self.path, dict(self.headers), body))
        self.server.play(self)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *args: object) -> None:
        pass


class Carrier(ThreadingHTTPServer):
    """A vendor that does whatever `play` says."""

    daemon_threads = True
    block_on_close = False
    play: Play

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Stage)
        self.received: list[Received] = []
        self.connections = 0
        self.released = threading.Event()
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        return super().get_request()

    def handle_error(self, *args: object) -> None:
        pass


def answers(status: int, body: str | bytes | Mapping[str, Any] = b"", **headers: str) -> Play:
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()

    def play(stage: Stage) -> None:
        stage.send_response(status)
        for name, value in headers.items():
            stage.send_header(name.replace("_", "-"), value)
        stage.send_header("Content-Length", str(len(raw)))
        stage.end_headers()
        stage.wfile.write(raw)

    return play


def chunked(status: int, body: str, *, whole: bool = True) -> Play:
    def play(stage: Stage) -> None:
        stage.send_response(status)
        stage.send_header("Transfer-Encoding", "chunked")
        stage.end_headers()
        for letter in body:
            stage.wfile.write(b"1\r\n" + letter.encode() + b"\r\n")
        if whole:
            stage.wfile.write(b"0\r\n\r\n")
        stage.close_connection = not whole

    return play


def hangs_up(stage: Stage) -> None:
    stage.close_connection = True
    stage.connection.shutdown(socket.SHUT_RDWR)


def breaks_off(status: int, **headers: str) -> Play:
    def play(stage: Stage) -> None:
        stage.send_response(status)
        for name, value in headers.items():
            stage.send_header(name.replace("_", "-"), value)
        stage.send_header("Content-Length", "500")
        stage.end_headers()
        stage.wfile.write(b'{"sid": "')
        stage.close_connection = True

    return play


def says_nothing(stage: Stage) -> None:
    stage.server.released.wait(10)
    stage.close_connection = True


def trickles(stage: Stage) -> None:
    stage.send_response(201)
    stage.send_header("Content-Length", "100")
    stage.end_headers()
    for _ in range(100):
        stage.wfile.write(b" ")
        if stage.server.released.wait(SECONDS / 4):
            break
    stage.close_connection = True


def floods(stage: Stage) -> None:
    stage.send_response(200)
    stage.send_header("Content-Length", str(4 * wire.MOST_BYTES))
    stage.end_headers()
    for _ in range(4):
        stage.wfile.write(b" " * wire.MOST_BYTES)


def serve(server: Carrier) -> threading.Thread:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def carrier(environment: pytest.MonkeyPatch) -> Iterator[Carrier]:
    server = Carrier()
    thread = serve(server)
    point_at(environment, server.url)
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def point_at(environment: pytest.MonkeyPatch, url: str) -> None:
    for name, value in {
        "TWILIO_API_URL": url,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "SENDGRID_API_URL": url,
        "SENDGRID_API_KEY": KEY,
        "PUBLIC_URL": "https://vc.example.jp",
        "VENDOR_CONNECT_SECONDS": str(SECONDS),
        "VENDOR_READ_SECONDS": str(SECONDS),
    }.items():
        environment.setenv(name, value)
    settings.cache_clear()


def send_sms(sms: OutgoingSms = SMS) -> Answer:
    return vendor_named(twilio.NAME).send(sms)


def send_mail(mail: OutgoingMail = MAIL) -> Answer:
    return vendor_named(sendgrid.NAME).send(mail)


def twilio_error(code: int, status: int, **headers: str) -> Play:
    return answers(status, {"code": code, "message": f"{PHONE} is not good", "status": status}, **headers)


SMS_ACCEPTED = answers(201, {"sid": SID, "status": "queued", "date_created": None})
MAIL_ACCEPTED = answers(202, X_Message_Id="abc-123")
DATE = "Fri, 20 Nov 2026 03:00:00 GMT"
RESET = str(int(datetime(2026, 11, 20, 3, 0, 42, tzinfo=UTC).timestamp()))


SMS_ANSWERS: list[tuple[Play, Answer, str]] = [
    (SMS_ACCEPTED, Accepted(SID), "accepted, with a reference"),
    (answers(201, {"sid": SID, "status": "accepted", "num_segments": "0"}), Accepted(SID), "by a messaging service"),
    (chunked(201, f'{{"sid":"{SID}"}}'), Accepted(SID), "accepted, in chunks"),
    (chunked(201, f'{{"sid":"{SID}"}}', whole=False), Unknown("no_answer"), "chunks that stop"),
    (answers(201), Unknown("no_reference"), "an empty 201: the client makes an instance of it"),
    (answers(201, "{}"), Unknown("no_reference"), "a 201 that names nothing"),
    (answers(201, {"sid": "junk"}), Unknown("no_reference"), "a reference that is none"),
    (answers(201, "[1]"), Unknown("unreadable"), "JSON of another shape"),
    (answers(200, "<html>welcome</html>"), Unknown("unreadable"), "somebody else's page"),
    (answers(200, b"\xff\xfe\x00"), Unknown("unreadable"), "no text at all"),
    (answers(302, Location="/elsewhere"), Unknown("302"), "a redirect is not followed"),
    (answers(307, Location="/2010-04-01/again"), Unknown("307"), "a redirect that would post again"),
    (answers(302, Location="http://["), Unknown("302"), "a redirect to nowhere"),
    (twilio_error(20500, 500), Unknown("500"), "a 500 may come after the message was queued"),
    (twilio_error(20503, 503, Retry_After="1"), Unknown("503"), "so may a 503, whatever it asks for"),
    (answers(503, "<html>"), Unknown("503"), "a 503 of a load balancer"),
    (answers(408), Unknown("408"), "a request that timed out over there"),
    (answers(403, "<html>"), Unknown("403"), "a refusal that is not Twilio's"),
    (breaks_off(201), Unknown("no_answer"), "an answer cut short"),
    (breaks_off(400), Unknown("no_answer"), "a refusal cut short"),
    (hangs_up, Unknown("no_answer"), "read, then hung up"),
    (says_nothing, Unknown("no_answer"), "no answer in time"),
    (trickles, Unknown("no_answer"), "an answer that trickles for longer than the time for it"),
    (floods, Unknown("no_answer"), "an answer without end"),
    (twilio_error(20429, 429), TryLater("20429"), "429 is documented as never processed"),
    (twilio_error(20429, 429, Retry_After="7"), TryLater("20429", timedelta(seconds=7)), "with a wait"),
    (answers(429, "slow down"), TryLater("429"), "429 from a load balancer"),
    (twilio_error(20429, 429, Retry_After="soon"), TryLater("20429"), "a wait nobody can read"),
    (twilio_error(20429, 429, Retry_After="9" * 400), TryLater("20429", timedelta(days=1)), "a wait without reason"),
    (twilio_error(21611, 429), TryLater("21611"), "the sender's queue is full"),
    (twilio_error(21611, 400), TryLater("21611"), "the same, by another status"),
    (twilio_error(14107, 400), TryLater("14107"), "too many between two numbers"),
    (twilio_error(21211, 400), Refused("21211"), "not a number"),
    (twilio_error(21614, 400), Refused("21614"), "a landline in Japan"),
    (twilio_error(21635, 400), Refused("21635"), "a landline"),
    (twilio_error(21617, 400), Refused("21617"), "too long"),
    (twilio_error(21610, 400), Refused("21610", suppress=True), "the recipient wrote STOP"),
    (twilio_error(20003, 401), TryLater("20003", ACCOUNT_RESTS, operator=True), "our credentials"),
    (twilio_error(20404, 404), TryLater("20404", ACCOUNT_RESTS, operator=True), "our account"),
    (twilio_error(21408, 400), Refused("21408", operator=True), "our permissions"),
    (twilio_error(21606, 400), TryLater("21606", ACCOUNT_RESTS, operator=True), "our sender"),
    (twilio_error(21603, 400), TryLater("21603", ACCOUNT_RESTS, operator=True), "our sender is missing"),
    (twilio_error(21212, 400), TryLater("21212", ACCOUNT_RESTS, operator=True), "our sender is not valid"),
    (twilio_error(21612, 400), Refused("21612", operator=True), "no route from our sender"),
    (twilio_error(29999, 400), Refused("29999", operator=True), "a code nobody knows is not retried, but seen"),
    (
        answers(
            400,
            {"type": "about:blank", "title": "no", "status": 400, "code": 21211, "detail": PHONE},
        ),
        Refused("21211"),
        "a problem document, for which the client has another tree of exceptions",
    ),
]


@pytest.mark.parametrize(("play", "expected", "why"), SMS_ANSWERS, ids=[row[2] for row in SMS_ANSWERS])
def test_what_twilio_answers_is_one_of_four_values(carrier: Carrier, play: Play, expected: Answer, why: str) -> None:
    carrier.play = play

    assert send_sms() == expected
    assert len(carrier.received) == 1


MAIL_ANSWERS: list[tuple[Play, Answer, str]] = [
    (MAIL_ACCEPTED, Accepted("abc-123"), "accepted, with a reference"),
    (answers(202), Unknown("no_reference"), "accepted without one"),
    (answers(202, X_Message_Id="a" * 121), Unknown("no_reference"), "a reference that is none"),
    (answers(200, X_Message_Id="abc-123"), Unknown("200"), "200 is what the vendor's own sandbox mode answers"),
    (answers(201), Unknown("201"), "an empty 201"),
    (answers(200, "<html>welcome</html>"), Unknown("200"), "somebody else's page"),
    (answers(302, Location="/elsewhere"), Unknown("302"), "a redirect, which the client would follow to a success"),
    (answers(500, {"errors": []}), Unknown("500"), "a 500"),
    (answers(503), Unknown("503"), "a 503"),
    (answers(408), Unknown("408"), "a request that timed out over there"),
    (answers(403, "<html>"), Unknown("403"), "a refusal that is not SendGrid's"),
    (breaks_off(202, X_Message_Id="abc-123"), Unknown("no_answer"), "an answer cut short"),
    (hangs_up, Unknown("no_answer"), "read, then hung up"),
    (says_nothing, Unknown("no_answer"), "no answer in time"),
    (trickles, Unknown("no_answer"), "an answer that trickles"),
    (answers(429), TryLater("429"), "too many"),
    (answers(429, Retry_After="7"), TryLater("429", timedelta(seconds=7)), "too many, with a wait"),
    (answers(429, X_RateLimit_Reset="soon"), TryLater("429"), "a limit's end nobody can read"),
    (answers(413, "<html>"), Refused("413"), "too large, as its front server says it"),
    (
        answers(400, {"errors": [{"message": MAILBOX, "field": "personalizations.0.to.0.email"}]}),
        Refused("400:personalizations.0.to.0.email"),
        "not a mailbox",
    ),
    (answers(400, {"errors": [{"message": "no"}]}), Refused("400"), "without a field"),
    (answers(400, {"errors": [{"field": f"to {MAILBOX}"}]}), Refused("400"), "a field that quotes the address"),
    (
        answers(400, {"errors": [{"field": "from.email"}]}),
        TryLater("400:from.email", ACCOUNT_RESTS, operator=True),
        "our sender",
    ),
    (answers(401, {"errors": [{"message": "no"}]}), TryLater("401", ACCOUNT_RESTS, operator=True), "our credentials"),
    (answers(403, {"errors": [{"message": "no"}]}), TryLater("403", ACCOUNT_RESTS, operator=True), "our permissions"),
    (answers(404, {"errors": [{"message": "no"}]}), TryLater("404", ACCOUNT_RESTS, operator=True), "our configuration"),
]


@pytest.mark.parametrize(("play", "expected", "why"), MAIL_ANSWERS, ids=[row[2] for row in MAIL_ANSWERS])
def test_what_sendgrid_answers_is_one_of_four_values(carrier: Carrier, play: Play, expected: Answer, why: str) -> None:
    carrier.play = play

    assert send_mail() == expected
    assert len(carrier.received) == 1


def date_is(stage: Stage) -> None:
    """The vendor's own clock, for waits that are given as a date."""
    stage.date_time_string = lambda _=None: DATE  # type: ignore[assignment, method-assign]


def test_a_wait_given_as_a_date_counts_from_the_vendors_own_time(carrier: Carrier) -> None:
    def play(stage: Stage) -> None:
        date_is(stage)
        twilio_error(20429, 429, Retry_After="Fri, 20 Nov 2026 03:00:42 GMT")(stage)

    carrier.play = play

    assert send_sms() == TryLater("20429", timedelta(seconds=42))


def test_sendgrids_end_of_the_limit_counts_from_its_own_time(carrier: Carrier) -> None:
    def play(stage: Stage) -> None:
        date_is(stage)
        answers(429, X_RateLimit_Reset=RESET)(stage)

    carrier.play = play

    assert send_mail() == TryLater("429", timedelta(seconds=42))


@pytest.mark.parametrize("send", [send_sms, send_mail])
def test_a_refused_connection_proves_that_nothing_was_sent(
    environment: pytest.MonkeyPatch, send: Callable[[], Answer]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    point_at(environment, f"http://127.0.0.1:{port}")

    assert send() == TryLater("connect")


@pytest.mark.parametrize("send", [send_sms, send_mail])
def test_a_name_that_does_not_resolve_proves_that_nothing_was_sent(
    environment: pytest.MonkeyPatch, send: Callable[[], Answer]
) -> None:
    def nowhere(*args: object, **rest: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    point_at(environment, "http://vendor.invalid")
    environment.setattr(socket, "getaddrinfo", nowhere)

    assert send() == TryLater("connect")


@pytest.mark.parametrize("send", [send_sms, send_mail])
def test_a_connection_that_takes_too_long_proves_that_nothing_was_sent(
    environment: pytest.MonkeyPatch, send: Callable[[], Answer]
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        point_at(environment, f"http://127.0.0.1:{address[1]}")

        assert send() == TryLater("connect")

        for each in waiting:
            each.close()


@pytest.mark.parametrize("send", [send_sms, send_mail])
def test_a_certificate_that_is_not_the_vendors_proves_that_nothing_was_sent(
    carrier: Carrier, environment: pytest.MonkeyPatch, tmp_path: Path, send: Callable[[], Answer]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    carrier.socket = context.wrap_socket(carrier.socket, server_side=True)
    carrier.scheme = "https"
    carrier.play = answers(500)
    point_at(environment, carrier.url)

    assert send() == TryLater("connect")
    assert carrier.received == []


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2126, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_twilio_gets_what_its_api_asks_for(carrier: Carrier) -> None:
    carrier.play = SMS_ACCEPTED

    send_sms()

    (request,) = carrier.received
    assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert request.form == {
        "To": [PHONE],
        "Body": [WORDS],
        "From": ["+15005550006"],
        "StatusCallback": [f"https://vc.example.jp/v1/receipts/twilio/{ATTEMPT}?message={MESSAGE}#rc=5&rp=all"],
        "ValidityPeriod": ["600"],
    }
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert request.headers["User-Agent"].startswith("twilio-python/")


@pytest.mark.parametrize(
    ("sender", "field"), [("MG" + "2" * 32, "MessagingServiceSid"), ("TORITSUGI", "From"), ("+15005550006", "From")]
)
def test_the_sender_is_a_number_a_name_or_a_messaging_service(
    carrier: Carrier, environment: pytest.MonkeyPatch, sender: str, field: str
) -> None:
    environment.setenv("TWILIO_SENDER", sender)
    settings.cache_clear()
    carrier.play = SMS_ACCEPTED

    send_sms()

    form = carrier.received[0].form
    assert form[field] == [sender]
    assert len(form.keys() & {"From", "MessagingServiceSid"}) == 1


@pytest.mark.parametrize(("asked", "sent"), [(None, None), (0, ["1"]), (-5, ["1"]), (100_000, ["36000"])])
def test_the_validity_stays_within_what_twilio_takes(
    carrier: Carrier, asked: int | None, sent: list[str] | None
) -> None:
    carrier.play = SMS_ACCEPTED

    send_sms(OutgoingSms(ATTEMPT, MESSAGE, PHONE, WORDS, asked))

    assert carrier.received[0].form.get("ValidityPeriod") == sent


def test_sendgrid_gets_what_its_api_asks_for(carrier: Carrier) -> None:
    carrier.play = MAIL_ACCEPTED

    send_mail()

    (request,) = carrier.received
    assert (request.method, request.path) == ("POST", "/v3/mail/send")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.json == {
        "from": {"email": "concierge@mail.example.jp"},
        "personalizations": [{"to": [{"email": MAILBOX}]}],
        "subject": "件名",
        "content": [{"type": "text/plain", "value": WORDS}, {"type": "text/html", "value": f"<p>{WORDS}</p>"}],
        "custom_args": {"attempt_id": str(ATTEMPT), "message_id": str(MESSAGE)},
        "attachments": [
            {
                "content": base64.b64encode(b"BEGIN:VCALENDAR").decode(),
                "filename": "invite.ics",
                "type": "text/calendar; method=REQUEST",
                "disposition": "attachment",
            }
        ],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }


@pytest.mark.parametrize(
    "mailbox", ["a,b@example.jp", '"a b"@example.jp', "a..b.@example.jp", "山田@example.jp", "junk"]
)
def test_an_odd_mailbox_goes_to_sendgrid_as_it_is(carrier: Carrier, mailbox: str) -> None:
    carrier.play = MAIL_ACCEPTED

    send_mail(OutgoingMail(ATTEMPT, MESSAGE, mailbox, "s", "t", "h"))

    assert carrier.received[0].json["personalizations"] == [{"to": [{"email": mailbox}]}]


@pytest.mark.parametrize(("send", "play"), [(send_sms, SMS_ACCEPTED), (send_mail, MAIL_ACCEPTED)])
def test_proxies_of_the_surroundings_are_not_used(
    carrier: Carrier, environment: pytest.MonkeyPatch, send: Callable[[], Answer], play: Play
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        environment.setenv(name, "http://127.0.0.1:1")
    carrier.play = play

    assert isinstance(send(), Accepted)


def test_twilios_own_variables_do_not_move_the_host(carrier: Carrier, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TWILIO_REGION", "ie1")
    environment.setenv("TWILIO_EDGE", "dublin")
    carrier.play = SMS_ACCEPTED

    assert send_sms() == Accepted(SID)


@pytest.mark.parametrize(("send", "play"), [(send_sms, SMS_ACCEPTED), (send_mail, MAIL_ACCEPTED)])
def test_a_burst_shares_one_connection(
    carrier: Carrier, environment: pytest.MonkeyPatch, send: Callable[[], Answer], play: Play
) -> None:
    environment.setattr(wire, "IDLE_SECONDS", 60.0)
    carrier.play = play

    for _ in range(4):
        send()

    assert carrier.connections == 1


@pytest.mark.parametrize(("send", "play"), [(send_sms, SMS_ACCEPTED), (send_mail, MAIL_ACCEPTED)])
def test_a_connection_that_was_idle_is_not_used_again(
    carrier: Carrier, environment: pytest.MonkeyPatch, send: Callable[[], Answer], play: Play
) -> None:
    environment.setattr(wire, "IDLE_SECONDS", 0.0)
    carrier.play = play

    for _ in range(3):
        send()

    assert carrier.connections == 3


def test_a_connection_that_the_vendor_closed_meanwhile_is_noticed(
    carrier: Carrier, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(wire, "IDLE_SECONDS", 60.0)
    closed = threading.Event()

    def play(stage: Stage) -> None:
        SMS_ACCEPTED(stage)
        stage.close_connection = True
        stage.wfile.flush()
        stage.connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    carrier.play = play
    send_sms()
    assert closed.wait(10)

    assert send_sms() == Accepted(SID)


def test_every_thread_has_a_vendor_of_its_own(carrier: Carrier) -> None:
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(vendor_named, twilio.NAME).result()

    assert theirs is not vendor_named(twilio.NAME)
    assert vendor_named(twilio.NAME) is vendor_named(twilio.NAME)


def test_a_forked_process_does_not_keep_its_parents_vendor(carrier: Carrier, environment: pytest.MonkeyPatch) -> None:
    of_parent = vendor_named(twilio.NAME)
    environment.setattr("os.getpid", lambda: -1)

    assert vendor_named(twilio.NAME) is not of_parent


@pytest.mark.parametrize(("name", "wrong"), [(twilio.NAME, MAIL), (sendgrid.NAME, SMS)])
def test_a_message_of_the_other_channel_is_an_error_and_not_a_failed_message(
    carrier: Carrier, name: str, wrong: OutgoingSms | OutgoingMail
) -> None:
    with pytest.raises(TypeError):
        vendor_named(name).send(wrong)


@pytest.mark.parametrize(
    ("send", "play"),
    [
        (send_sms, SMS_ACCEPTED),
        (send_sms, twilio_error(21211, 400)),
        (send_sms, twilio_error(20500, 500)),
        (send_sms, hangs_up),
        (send_mail, MAIL_ACCEPTED),
        (send_mail, answers(400, {"errors": [{"message": MAILBOX}]})),
        (send_mail, hangs_up),
    ],
)
def test_nothing_personal_and_no_credential_is_logged_even_at_debug(
    carrier: Carrier, caplog: pytest.LogCaptureFixture, send: Callable[[], Answer], play: Play
) -> None:
    carrier.play = play

    with caplog.at_level(logging.DEBUG):
        for name in ("python_http_client", "python_http_client.client", "twilio", "twilio.http_client", "urllib3"):
            caplog.set_level(logging.DEBUG, logger=name)
        send()

    secrets = (PHONE, PHONE[1:], MAILBOX, "canary", TOKEN, KEY, "482913")
    assert not [secret for secret in secrets if secret in caplog.text]


def test_messages_do_not_print_themselves() -> None:
    assert not [canary for canary in (PHONE, MAILBOX, "canary", "件名") if canary in f"{SMS!r} {MAIL!r}"]


# --- what vendors tell later ---


def twilio_signature(token: str, url: str, form: Mapping[str, str]) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def test_these_tests_sign_as_twilios_published_example_is_signed() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Digits": "1234",
        "From": "+14158675309",
        "Caller": "+14158675309",
        "To": "+18005551212",
    }

    signature = twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form)

    assert signature == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


CALLBACK = f"https://vc.example.jp/v1/receipts/twilio/{ATTEMPT}?message={MESSAGE}"


def callback(status: str, **more: str) -> dict[str, str]:
    return {
        "MessageSid": SID,
        "SmsSid": SID,
        "AccountSid": ACCOUNT,
        "MessageStatus": status,
        "To": PHONE,
        "From": "+15005550006",
        "ApiVersion": "2010-04-01",
        **more,
    }


def read_signed(form: Mapping[str, str], url: str = CALLBACK) -> ReceiptFact | None:
    return twilio.read_receipt(url, form, twilio_signature(TOKEN, url, form))


@pytest.fixture
def twilio_account(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    settings.cache_clear()


@pytest.mark.usefixtures("twilio_account")
def test_a_signed_callback_names_the_attempt_the_message_and_the_fact() -> None:
    assert read_signed(callback("undelivered", ErrorCode="30005")) == ReceiptFact(
        once_key=f"twilio:{SID}:undelivered",
        vendor="twilio",
        attempt_id=ATTEMPT,
        reference=SID,
        status="undelivered",
        state=State.UNDELIVERED,
        code="30005",
    )


@pytest.mark.usefixtures("twilio_account")
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", None),
        ("accepted", None),
        ("sending", None),
        ("sent", State.SENT),
        ("delivered", State.DELIVERED),
        ("undelivered", State.UNDELIVERED),
        ("failed", State.FAILED),
        ("canceled", State.FAILED),
        ("a_new_word", None),
    ],
)
def test_each_of_twilios_words_has_one_meaning(status: str, state: State | None) -> None:
    fact = read_signed(callback(status))

    assert fact is not None
    assert (fact.status, fact.state) == (status, state)


@pytest.mark.usefixtures("twilio_account")
@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        ("failed", "30036", State.EXPIRED),
        ("undelivered", "30036", State.EXPIRED),
        ("failed", "30001", State.FAILED),
        ("undelivered", "30008", State.UNDELIVERED),
        ("delivered", "30036", State.DELIVERED),
    ],
)
def test_what_was_not_valid_any_more_is_expired_and_not_failed(status: str, code: str, state: State) -> None:
    fact = read_signed(callback(status, ErrorCode=code))

    assert fact is not None
    assert (fact.state, fact.code) == (state, code)


@pytest.mark.usefixtures("twilio_account")
def test_the_form_is_read_as_it_comes_over_the_wire() -> None:
    body = urlencode(callback("delivered", RawDlrDoneDate="2611200300", ErrorCode=""))

    fact = read_signed(dict(parse_qsl(body, keep_blank_values=True)))

    assert fact is not None
    assert fact.code is None


@pytest.mark.usefixtures("twilio_account")
@pytest.mark.parametrize(
    ("url", "form", "signature", "why"),
    [
        (CALLBACK, callback("sent"), None, "no signature"),
        (CALLBACK, callback("sent"), "", "an empty one"),
        (CALLBACK, callback("sent"), "x" * 28, "a made-up one"),
        (CALLBACK, callback("sent"), "署名", "one that is not even ASCII"),
        (
            CALLBACK,
            callback("delivered"),
            twilio_signature(TOKEN, CALLBACK, callback("sent")),
            "the signature of another status",
        ),
        (
            CALLBACK.replace(str(ATTEMPT), str(MESSAGE)),
            callback("sent"),
            twilio_signature(TOKEN, CALLBACK, callback("sent")),
            "the signature of another attempt",
        ),
        (CALLBACK, callback("sent"), twilio_signature("other", CALLBACK, callback("sent")), "another account's"),
        ("https://[", callback("sent"), "x" * 28, "an address that is none"),
        ("https://vc.example.jp:x/", callback("sent"), "x" * 28, "a port that is none"),
    ],
)
def test_a_callback_that_twilio_did_not_sign_is_not_believed(
    url: str, form: dict[str, str], signature: str | None, why: str
) -> None:
    assert twilio.read_receipt(url, form, signature) is None


@pytest.mark.usefixtures("twilio_account")
@pytest.mark.parametrize("missing", ["MessageSid", "MessageStatus"])
def test_a_signed_post_that_is_no_status_callback_is_none(missing: str) -> None:
    form = callback("sent")
    del form[missing]

    assert read_signed(form) is None


@pytest.mark.usefixtures("twilio_account")
def test_a_callback_to_another_path_is_a_fact_without_an_attempt() -> None:
    fact = read_signed(callback("sent"), "https://vc.example.jp/v1/receipts/twilio/elsewhere")

    assert fact is not None
    assert (fact.attempt_id, fact.reference) == (None, SID)


# SendGrid's published example of a signed post.
VECTOR_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNN"
    "RaINXvVpiglSI8eNEc6wEA3F+g=="
)
VECTOR_SIGNATURE = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
VECTOR_TIMESTAMP = "1600112502"
VECTOR_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
VECTOR_AT = datetime.fromtimestamp(int(VECTOR_TIMESTAMP), tz=UTC)
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def test_sendgrids_published_example_is_believed_and_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SENDGRID_WEBHOOK_KEY", VECTOR_KEY)

    facts = sendgrid.read_receipts(VECTOR_BODY, VECTOR_SIGNATURE, VECTOR_TIMESTAMP, VECTOR_AT)

    assert facts == [
        ReceiptFact(
            once_key="sendgrid:ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
            vendor="sendgrid",
            attempt_id=None,
            reference="LRzXl_NHStOGhQ4kofSm_A",
            status="dropped",
            state=State.FAILED,
            code="bounced_address",
        )
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"body": VECTOR_BODY.rstrip()}, "without the line end that was signed"),
        ({"body": VECTOR_BODY.replace(b"dropped", b"deliver")}, "another event"),
        ({"body": VECTOR_BODY + b"\xff"}, "bytes that are no text"),
        ({"signature": None}, "no signature"),
        ({"signature": ""}, "an empty one"),
        ({"signature": "x"}, "one that is not base64"),
        ({"signature": "AAAA"}, "one that is no signature"),
        ({"signature": "署名"}, "one that is not ASCII"),
        ({"timestamp": None}, "no time"),
        ({"timestamp": "timestamp"}, "a time that is none"),
        ({"timestamp": "9" * 400}, "a time beyond all times"),
        ({"timestamp": str(int(VECTOR_TIMESTAMP) + 1)}, "another time"),
        ({"now": VECTOR_AT + timedelta(hours=25, seconds=1)}, "a replay"),
        ({"now": VECTOR_AT - timedelta(hours=25, seconds=1)}, "from the future"),
    ],
)
def test_a_post_that_sendgrid_did_not_sign_just_now_is_not_believed(
    environment: pytest.MonkeyPatch, change: dict[str, Any], why: str
) -> None:
    environment.setenv("SENDGRID_WEBHOOK_KEY", VECTOR_KEY)
    post = {"body": VECTOR_BODY, "signature": VECTOR_SIGNATURE, "timestamp": VECTOR_TIMESTAMP, "now": VECTOR_AT}

    assert sendgrid.read_receipts(**{**post, **change}) is None


@pytest.mark.parametrize("key", ["", "junk"])
def test_without_a_readable_key_no_post_is_believed(environment: pytest.MonkeyPatch, key: str) -> None:
    environment.setenv("SENDGRID_WEBHOOK_KEY", key)

    assert sendgrid.read_receipts(VECTOR_BODY, VECTOR_SIGNATURE, VECTOR_TIMESTAMP, VECTOR_AT) is None


class Webhook:
    """Posts that are signed as SendGrid signs them."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = base64.b64encode(
            self._key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).decode()

    def post(self, body: bytes) -> list[ReceiptFact] | None:
        timestamp = str(int(NOW.timestamp()))
        signature = base64.b64encode(self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
        return sendgrid.read_receipts(body, signature, timestamp, NOW)

    def events(self, *events: object) -> list[ReceiptFact] | None:
        return self.post(json.dumps(events).encode() + b"\r\n")

    def event(self, name: str, **more: object) -> ReceiptFact:
        facts = self.events(
            {
                "email": MAILBOX,
                "timestamp": int(NOW.timestamp()),
                "event": name,
                "sg_event_id": "event-1",
                "sg_message_id": "abc-123.recvd-555-abc-1-0",
                "attempt_id": str(ATTEMPT),
                "message_id": str(MESSAGE),
                **more,
            }
        )
        assert facts is not None
        return facts[0]


@pytest.fixture
def webhook(environment: pytest.MonkeyPatch) -> Webhook:
    signed = Webhook()
    environment.setenv("SENDGRID_WEBHOOK_KEY", signed.public_key)
    return signed


@pytest.mark.parametrize(
    ("name", "more", "state", "code"),
    [
        ("processed", {}, State.SENT, None),
        ("delivered", {"response": f"250 ok {MAILBOX}"}, State.DELIVERED, None),
        ("deferred", {"response": "450 later"}, None, None),
        ("bounce", {"type": "bounce", "status": "5.1.1", "reason": MAILBOX}, State.UNDELIVERED, "bounce:5.1.1"),
        ("bounce", {"type": "blocked", "status": "4.7.1"}, State.UNDELIVERED, "blocked:4.7.1"),
        ("bounce", {"status": f"{MAILBOX} unknown"}, State.UNDELIVERED, "bounce"),
        ("dropped", {"reason": "Spam Reporting Address"}, State.FAILED, "spam_reporting_address"),
        ("dropped", {"reason": f"{MAILBOX} is odd"}, State.FAILED, "dropped"),
        ("open", {}, None, None),
        ("spamreport", {}, None, None),
        ("a_new_word", {}, None, None),
    ],
)
def test_each_of_sendgrids_events_has_one_meaning_and_carries_no_address(
    webhook: Webhook, name: str, more: dict[str, object], state: State | None, code: str | None
) -> None:
    assert webhook.event(name, **more) == ReceiptFact(
        once_key="sendgrid:event-1",
        vendor="sendgrid",
        attempt_id=ATTEMPT,
        reference="abc-123",
        status=name,
        state=state,
        code=code,
    )


def test_the_reference_is_what_the_call_was_answered_with_even_if_it_has_dots(webhook: Webhook) -> None:
    fact = webhook.event("delivered", sg_message_id="14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0")

    assert fact.reference == "14c5d75ce93.dfd.64b469"


@pytest.mark.parametrize("event_id", [None, "", 7, "x" * 101])
def test_an_event_without_an_id_is_told_from_others_by_a_digest_without_its_address(
    webhook: Webhook, event_id: object
) -> None:
    first, again, other = (webhook.event("delivered", sg_event_id=event_id, timestamp=at).once_key for at in (1, 1, 2))

    assert first == again != other
    assert first.startswith("sendgrid:digest:")
    assert len(first) <= 200
    assert hashlib.sha256(MAILBOX.encode()).hexdigest() not in first


@pytest.mark.parametrize("more", [{"attempt_id": "junk"}, {"attempt_id": 7}, {"attempt_id": None}])
def test_an_event_of_somebody_elses_mail_is_a_fact_without_an_attempt(
    webhook: Webhook, more: dict[str, object]
) -> None:
    assert webhook.event("delivered", **more).attempt_id is None


def test_what_is_no_event_is_left_out_and_the_rest_is_kept(webhook: Webhook) -> None:
    facts = webhook.events(7, {}, {"event": 7}, {"event": "NOT A WORD"}, {"event": "delivered", "sg_message_id": 7})

    assert facts is not None
    assert [(fact.status, fact.reference) for fact in facts] == [("delivered", None)]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"junk", b'"event"', b"[" * 100_000])
def test_a_signed_post_that_is_no_list_of_events_is_none(webhook: Webhook, body: bytes) -> None:
    assert webhook.post(body) is None


def test_every_state_a_receipt_may_name_is_one_a_message_may_learn() -> None:
    named = {*twilio.STATES.values(), *sendgrid.STATES.values()} - {None}

    assert named == {State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED}


# --- what their reasons mean ---


@pytest.mark.parametrize(
    ("channel", "code", "fate"),
    [
        (Channel.SMS, "30003", Fate.LATER),
        (Channel.SMS, "30999", Fate.UNHEARD_OF),
        (Channel.SMS, "a code of the future", Fate.UNHEARD_OF),
        (Channel.SMS, None, Fate.FINAL),
        (Channel.MAIL, "bounce:5.1.1", Fate.FINAL),
        (Channel.MAIL, "30003", Fate.FINAL),
    ],
    ids=["known", "unknown", "no number", "no reason at all", "a bounce", "another vendor's number"],
)
def test_a_reason_that_nobody_gave_a_meaning_is_known_as_such(channel: Channel, code: str | None, fate: Fate) -> None:
    assert fate_of(channel, code) is fate


@pytest.mark.parametrize(
    ("channel", "code", "status", "reason"),
    [
        (Channel.SMS, "21610", "", "stop"),
        (Channel.SMS, "21211", "", "invalid"),
        (Channel.SMS, "21614", "", "not_mobile"),
        (Channel.SMS, "21635", "", "not_mobile"),
        (Channel.SMS, "30004", "undelivered", "unreachable"),
        (Channel.SMS, "30005", "undelivered", "unreachable"),
        (Channel.SMS, "30006", "undelivered", "unreachable"),
        (Channel.MAIL, "bounce", "bounce", "bounced"),
        (Channel.MAIL, "bounce:5.1.1", "bounce", "bounced"),
        (Channel.MAIL, None, "spamreport", "spam_report"),
        (Channel.MAIL, None, "unsubscribe", "unsubscribed"),
        (Channel.MAIL, "bounced_address", "dropped", "bounced"),
        (Channel.MAIL, "spam_reporting_address", "dropped", "spam_report"),
    ],
)
def test_a_dead_or_unwilling_address_is_silenced(channel: Channel, code: str | None, status: str, reason: str) -> None:
    assert silences(channel, code, status) == reason


@pytest.mark.parametrize(
    ("channel", "code", "status"),
    [
        (Channel.SMS, "30003", "undelivered"),
        (Channel.SMS, "30007", "undelivered"),
        (Channel.SMS, "30008", "undelivered"),
        (Channel.MAIL, "bounce:4.2.2", "bounce"),
        (Channel.MAIL, "blocked", "bounce"),
        (Channel.MAIL, "blocked:5.7.1", "bounce"),
        (Channel.SMS, "21408", ""),
        (Channel.SMS, "20003", ""),
        (Channel.SMS, None, "delivered"),
        (Channel.MAIL, None, "open"),
        (Channel.MAIL, "a code of the future", ""),
    ],
    ids=[
        "a handset that is off",
        "filtered: the text's fault",
        "unknown",
        "a mailbox that is full",
        "a block",
        "a block that calls itself permanent",
        "our account's permissions",
        "our credentials",
        "delivered",
        "opened",
        "a code nobody knows",
    ],
)
def test_what_may_pass_or_is_our_own_fault_silences_nobody(channel: Channel, code: str | None, status: str) -> None:
    assert silences(channel, code, status) is None
