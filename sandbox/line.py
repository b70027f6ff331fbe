"""One posting thread's connections: an HTTP POST on a connection that is kept open, and what became of it.

A callback is posted for every status of every message, so this is the sandbox's busiest path and keeps to the standard
library's plain client. It knows nothing of vendors.
"""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

CONNECT_SECONDS, READ_SECONDS = 5.0, 15.0


class Line:
    """Keeps one open connection per host. For one thread."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, str]:
        """Post once and return the outcome in words, and its class.

        The class is `2xx` to `5xx`; `ct` where there was no connection, or it broke; `rt` where no answer came in time.
        Redirects are not followed.
        """
        parts = urlsplit(url)
        place = (parts.scheme, parts.netloc)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            status = self._exchange(place, target, body, headers)
        except TimeoutError:
            self._hang_up(place)
            return "no answer in time", "rt"
        except (OSError, http.client.HTTPException) as failure:
            self._hang_up(place)
            return type(failure).__name__, "ct"
        return f"HTTP {status}", f"{status // 100}xx"

    def _exchange(self, place: tuple[str, str], target: str, body: bytes, headers: Mapping[str, str]) -> int:
        reused = place in self._open
        try:
            return self._ask(self._connection(place), target, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not reused:
                raise
            # A kept connection that the receiver had closed meanwhile: nothing was read, so this is no second try.
            self._hang_up(place)
            return self._ask(self._connection(place), target, body, headers)

    def _ask(self, connection: http.client.HTTPConnection, target: str, body: bytes, headers: Mapping[str, str]) -> int:
        connection.request("POST", target, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def _connection(self, place: tuple[str, str]) -> http.client.HTTPConnection:
        connection = self._open.get(place)
        if connection is None:
            scheme, netloc = place
            kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
            connection = kind(netloc, timeout=CONNECT_SECONDS)
            try:
                connection.connect()
            except TimeoutError as late:
                raise ConnectionError from late
            connection.sock.settimeout(READ_SECONDS)
            self._open[place] = connection
        return connection

    def _hang_up(self, place: tuple[str, str]) -> None:
        connection = self._open.pop(place, None)
        if connection is not None:
            connection.close()
