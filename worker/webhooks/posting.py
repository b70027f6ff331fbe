"""One request to somebody else's system, within one span of time, to an address that was judged. It follows nothing.

The connection is made here by hand, because the address must be the judged one while the certificate must be the
name's: HTTP clients resolve the name once more by themselves, and would take a proxy from the environment.
"""

import io
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from time import monotonic
from typing import Any

from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from models.webhook import Heard
from worker.vendors.wire import Reply
from worker.webhooks.addresses import Address, Refused, Target, resolved, target_of

SECONDS = 15.0
"""From the first packet to the last header of the answer. Standard Webhooks 1.0.0 advises 15 to 30."""

URGENT_SECONDS = 3.0
"""For what rings: whoever is slower hears of it later, and keeps nobody else's phone from ringing."""

RESOLVER_SECONDS = 30.0
"""What a resolver may take before that; the standard library gives no way to hurry it."""

MOST_ADDRESSES = 3
AGENT = "Toritsugi-Webhooks/1.0"


def post(url: str, headers: Mapping[str, str], body: bytes, *, seconds: float = SECONDS) -> Heard:
    """Send it within `seconds`, and say what came of it.

    It raises nothing, and nothing of the URL or the answer is in what it returns.

    `error` is one of `addresses.Refused`'s reasons, or `timed_out`, `not_connected`, `certificate_refused`,
    `tls_failed`, `broken_off`, `answer_malformed`.
    """
    return _heard(url, lambda target, found: _exchange(target, found, "POST", headers, body, seconds=seconds)).heard


@dataclass(frozen=True, repr=False)
class Fetched:
    """What came of one question, with its answer. It does not print itself: what others answer is theirs."""

    heard: Heard
    body: bytes = b""


def fetch(url: str, *, seconds: float, most_bytes: int) -> Fetched:
    """Ask by GET, and return the answer's body if it is no longer than `most_bytes`.

    It calls no other addresses than `post` does, follows nothing, and raises nothing; `error` is one of the same words,
    or `answer_too_long`.

    Args:
        url: what is asked.
        seconds: from the first packet to the last byte of the answer.
        most_bytes: of the body.
    """
    return _heard(
        url,
        lambda target, found: _exchange(target, found, "GET", {}, None, seconds=seconds, most_bytes=most_bytes),
    )


def _heard(url: str, exchange: Callable[[Target, Sequence[Address]], Fetched]) -> Fetched:
    try:
        target = target_of(url)
        return exchange(target, resolved(target))
    except Refused as verdict:
        return Fetched(Heard(error=verdict.reason))
    except (OSError, HTTPException, ValueError) as error:
        return Fetched(Heard(error=next(word for kind, word in _ERRORS.items() if isinstance(error, kind))))


class _NotConnected(OSError):  # noqa: N818 - a fact about the attempt
    pass


_ERRORS: Mapping[type[Exception], str] = {
    TimeoutError: "timed_out",
    ssl.SSLCertVerificationError: "certificate_refused",
    ssl.SSLError: "tls_failed",
    _NotConnected: "not_connected",
    # To http.client a malformed answer, too; but whoever hangs up before a word has not answered.
    RemoteDisconnected: "broken_off",
    OSError: "broken_off",
    HTTPException: "answer_malformed",
    ValueError: "answer_malformed",
}
"""Our words for what can go wrong; the first that fits, the narrow ones before the wide ones."""


class _Line:
    """A connection that ends at a fixed moment. A socket's own limit is for each read, and a receiver could trickle."""

    def __init__(self, ends_at: float) -> None:
        self._ends_at = ends_at
        self._socket: socket.socket | None = None

    def connect(self, target: Target, addresses: Sequence[Address]) -> None:
        """Connect to the first address that lets us."""
        for address in addresses[:MOST_ADDRESSES]:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IP's own number
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._timed().connect((str(address), target.port))
                break
            except TimeoutError:
                self.hang_up()
                raise
            except OSError:
                self.hang_up()
        else:
            raise _NotConnected
        if target.is_https:
            self._socket = tls_context().wrap_socket(self._timed(), server_hostname=target.host)

    def hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _timed(self) -> socket.socket:
        left = self._ends_at - monotonic()
        if left <= 0:
            raise TimeoutError
        if self._socket is None:
            raise _NotConnected
        self._socket.settimeout(left)
        return self._socket

    # What http.client asks of a socket:

    def sendall(self, data: bytes) -> None:
        self._timed().sendall(data)

    def makefile(self, *_mode: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self))

    def close(self) -> None:
        """Stay: it is told this as soon as the headers are read, and the answer's body may still be wanted."""

    def receive_into(self, buffer: Any) -> int:
        return self._timed().recv_into(buffer)


class _Reading(io.RawIOBase):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive_into(buffer)


def _exchange(
    target: Target,
    addresses: Sequence[Address],
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    seconds: float,
    most_bytes: int = 0,
) -> Fetched:
    line = _Line(monotonic() + seconds)
    connection = HTTPConnection(target.host, target.port)
    try:
        line.connect(target, addresses)
        connection.sock = line
        connection.request(method, target.path, body, {**_headers(target), **headers})
        answer = connection.getresponse()
        reply = Reply(answer.status, CaseInsensitiveDict(answer.getheaders()), b"")
        heard = Heard(status=reply.status, retry_after=reply.retry_after)
        if not most_bytes or not heard.is_success:
            return Fetched(heard)
        # One byte more than is allowed tells that there is more.
        found = answer.read(most_bytes + 1)
        return Fetched(heard, found) if len(found) <= most_bytes else Fetched(Heard(error="answer_too_long"))
    finally:
        # Of a receiver nothing is read that follows the headers: it has nothing to tell us there.
        connection.close()
        line.hang_up()


def _headers(target: Target) -> dict[str, str]:
    return {
        "Host": target.host_header,
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": AGENT,
        "Accept": "*/*",
        "Connection": "close",
    }


@cache
def tls_context() -> ssl.SSLContext:
    """Return what certificates are checked with: the same authorities as for the vendors."""
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
