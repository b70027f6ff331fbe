"""One POST to a receiver, within one span of time, to an address that was judged. It follows nothing and keeps no body.

The connection is made here by hand, because the address must be the judged one while the certificate must be the
name's: HTTP clients resolve the name once more by themselves, and would take a proxy from the environment.
"""

import io
import socket
import ssl
from collections.abc import Mapping, Sequence
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

RESOLVER_SECONDS = 30.0
"""What a resolver may take before that; the standard library gives no way to hurry it."""

MOST_ADDRESSES = 3
AGENT = "Toritsugi-Webhooks/1.0"


def post(url: str, headers: Mapping[str, str], body: bytes) -> Heard:
    """Send it and say what came of it. It raises nothing, and nothing of the URL or the answer is in what it returns.

    `error` is one of `addresses.Refused`'s reasons, or `timed_out`, `not_connected`, `certificate_refused`,
    `tls_failed`, `broken_off`, `answer_malformed`.
    """
    try:
        target = target_of(url)
        return _exchange(target, resolved(target), headers, body)
    except Refused as verdict:
        return Heard(error=verdict.reason)
    except (OSError, HTTPException, ValueError) as error:
        return Heard(error=next(word for kind, word in _ERRORS.items() if isinstance(error, kind)))


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
                self.close()
                raise
            except OSError:
                self.close()
        else:
            raise _NotConnected
        if target.is_https:
            self._socket = tls_context().wrap_socket(self._timed(), server_hostname=target.host)

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
        if self._socket is not None:
            self._socket.close()

    def receive_into(self, buffer: Any) -> int:
        return self._timed().recv_into(buffer)


class _Reading(io.RawIOBase):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive_into(buffer)


def _exchange(target: Target, addresses: Sequence[Address], headers: Mapping[str, str], body: bytes) -> Heard:
    line = _Line(monotonic() + SECONDS)
    connection = HTTPConnection(target.host, target.port)
    try:
        line.connect(target, addresses)
        connection.sock = line
        connection.request("POST", target.path, body, {**_headers(target), **headers})
        answer = connection.getresponse()
        reply = Reply(answer.status, CaseInsensitiveDict(answer.getheaders()), b"")
        return Heard(status=reply.status, retry_after=reply.retry_after)
    finally:
        # What follows the headers is never read: a receiver has nothing to tell us there.
        connection.close()
        line.close()


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
