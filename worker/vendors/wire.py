"""One HTTP request to a vendor, made once. It knows which failures prove that nothing was sent, and no vendor.

There is deliberately no requests.Session here: no redirect is followed, no proxy, cookie or .netrc is picked up from
the surroundings, nothing is repeated and nothing is logged.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, InvalidHeader, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

IDLE_SECONDS = 2.0
"""A connection that was idle for longer is not used again.

A vendor that closes an idle connection just as we write to it leaves "connection aborted", which may mean anything, so
the message would be unknown although nobody read it. Servers keep connections for 5 seconds and more; staying well
below that avoids the race, and a burst still shares one handshake.
"""
MOST_BYTES = 1 << 20
LONGEST_WAIT = timedelta(days=1)
_CHUNK_BYTES = 1 << 14
_UNSENDABLE = (ConnectTimeout, InvalidHeader, InvalidSchema, InvalidURL, MissingSchema)


class NotSent(Exception):  # noqa: N818 - a fact about the request
    """It failed before a byte of the request could have left us: the connection, or the request itself."""


class NoAnswer(Exception):  # noqa: N818 - a fact about the request
    """It may have been read; what came of it was not heard."""


@dataclass(frozen=True, repr=False)
class Reply:
    """What came back, whole. It does not print itself: vendors repeat what they were sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, read as UTF-8."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON, or None if it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def retry_after(self) -> timedelta | None:
        """How long Retry-After asks to wait, a day at most; None if it does not say.

        A date counts from the vendor's own Date, so that our clock does not matter.

        Source: RFC 9110, section 10.2.3.
        """
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdecimal():
            return self.wait_of(float(value))
        until, answered_at = _http_date(value), self.answered_at
        return None if until is None or answered_at is None else self.wait_of((until - answered_at).total_seconds())

    @property
    def answered_at(self) -> datetime | None:
        """The vendor's own time of the answer, if it gave one."""
        return _http_date(self.headers.get("Date", ""))

    @staticmethod
    def wait_of(seconds: float) -> timedelta:
        """Return `seconds` as a wait: not negative, a day at most."""
        return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT.total_seconds()))


class Sender(Protocol):
    """What an official client is given instead of its own transport."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Reply:
        """Make one request."""


class Wire:
    """One thread's connections to one vendor.

    Args:
        connect_seconds: how long a connection may take.
        read_seconds: how long the answer may take.
    """

    def __init__(self, *, connect_seconds: float, read_seconds: float) -> None:
        self._timeout = (connect_seconds, read_seconds)
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._used_at = float("-inf")

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Reply:
        """Make one request and return whatever was answered, of any status.

        Raises:
            NotSent: it never reached anybody.
            NoAnswer: nobody knows.
        """
        if monotonic() - self._used_at > IDLE_SECONDS:
            self._adapter.close()
        try:
            return self._exchange(method, url, headers=headers, params=params, data=data, auth=auth)
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = NotSent() if _proves_nothing_sent(error) else NoAnswer()
        finally:
            self._used_at = monotonic()
        # Raised out here, so that it drags no request along, with its credentials and its text.
        raise failure

    def close(self) -> None:
        """Drop the connections."""
        self._adapter.close()

    def _exchange(self, method: str, url: str, **parts: Any) -> Reply:
        request = requests.PreparedRequest()
        request.prepare(method=method, url=url, **parts)
        # The adapter's limit is for each read; a trickle of bytes must not outlast the claim on the attempt.
        until = monotonic() + sum(self._timeout)
        response = self._adapter.send(request, stream=True, timeout=self._timeout, verify=True, proxies={})
        try:
            body = bytearray()
            # read1 returns what there is; read would wait for a whole chunk, however slowly it comes.
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > MOST_BYTES or monotonic() > until:
                    raise NoAnswer
            return Reply(response.status_code, response.headers, bytes(body))
        finally:
            response.close()


def _proves_nothing_sent(error: BaseException) -> bool:
    # requests wraps a refused connection and one that broke half-way in the same class; the difference is inside.
    if isinstance(error, _UNSENDABLE):
        return True
    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    if isinstance(reason, NewConnectionError):
        return True
    # A certificate is checked before anything is said. Other TLS errors also come later.
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in (reason, *getattr(reason, "args", ())))


def _http_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
