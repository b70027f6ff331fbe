"""What every story of the demonstration is told with: an API to ask, an inbox to read, a clock to move.

It reads what a person would read on a phone or in a mailbox, and knows nothing of the system's rows.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import requests

from worker.chance import new_id
from worker.clock import Clock, unix_ms
from worker.commands.up import say

_PATIENCE_SECONDS = 60.0
_EVERYBODY_LOOKED_SECONDS = 1.2
"""Every process reads the clock once a second."""
_TOKYO = ZoneInfo("Asia/Tokyo")


class DemoFailedError(Exception):
    """Something was not as the story says; its text tells what."""


@dataclass(frozen=True)
class Place:
    """Where a running stack is.

    Attributes:
        key: a system's, with all that it may do.
        people: by name, the keys of the people who handle cases.
    """

    api: str
    inbox: str
    flower: str
    key: str
    people: Mapping[str, str]
    clock: Clock


class Telling:
    """A story about to be told at a place. Each step says what somebody does, then checks what came of it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._http = requests.Session()
        self._read: set[str] = set()

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        expect: int = 200,
        by: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask the API, and return what it says.

        Args:
            method: of HTTP.
            path: below the API's address.
            body: is sent as JSON.
            expect: the status; any of the successes if it is 200.
            by: one of the people; else the system asks.
            query: of the address.

        Raises:
            DemoFailedError: it answered something else.
        """
        token = self.place.people[by] if by else self.place.key
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id(unix_ms()))}
        answer = self._http.request(
            method, f"{self.place.api}{path}", json=body, params=query, headers=headers, timeout=30
        )
        said = answer.json() if "json" in answer.headers["Content-Type"] else answer.content
        if answer.status_code != expect and not (answer.ok and expect == requests.codes.ok):
            detail = f"{said.get('code')}: {said.get('detail')}" if isinstance(said, dict) else ""
            raise DemoFailedError(f"expected {expect}, got {answer.status_code} {detail}")
        return said

    def page(self, url: str, form: Mapping[str, str] | None = None) -> requests.Response:
        """Open a page, or tap the button under a form; a page that leads elsewhere is not followed."""
        method = "GET" if form is None else "POST"
        return self._http.request(
            method, url, data=form, headers={"Accept-Language": "ja"}, allow_redirects=False, timeout=30
        )

    def sent(self, **where: str) -> list[dict[str, Any]]:
        """Return what the vendors delivered, by their own ledger, the newest first."""
        answer = self._http.get(f"{self.place.inbox}/_sent", params={"limit": "1000", **where}, timeout=30)
        found: list[dict[str, Any]] = answer.json()["sent"]
        return found

    def read(self, to: str, *words: str) -> dict[str, Any]:
        """Wait for the next message to somebody that has these words and was not read yet."""

        def unread() -> list[dict[str, Any]]:
            return [
                each
                for each in self.sent(to=to)
                if each["message"] not in self._read
                and all(word in f"{each.get('subject')}\n{each['text']}" for word in words)
            ]

        found: dict[str, Any] = self.until(unread, f"a message with {words[-1]}")[0]
        self._read.add(found["message"])
        return found

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """Wait for something to be so, and return it."""
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            if found := look():
                return found
            time.sleep(0.2)
        raise DemoFailedError(f"{what} did not come within {_PATIENCE_SECONDS:.0f} seconds; see var/log/ and Flower")

    def move_to(self, at: datetime) -> None:
        """Move everybody's clock forward."""
        now = self.place.clock.now()
        if at > now:
            self.place.clock.advance(at - now)
        time.sleep(_EVERYBODY_LOOKED_SECONDS)
        self.told(f"it is {in_tokyo(self.place.clock.now())} in Tokyo now")

    def each_came_once(self, what: str, *addresses: str) -> None:
        """Check, in the vendors' own ledger, that nothing reached anybody twice."""
        counts: dict[str, int] = {}
        for address in addresses:
            for message in self.sent(to=address):
                counts[message["message"]] = counts.get(message["message"], 0) + 1
        self.check(all(count == 1 for count in counts.values()), f"{len(counts)} {what}, each delivered once")

    def check(self, holds: bool, claim: str) -> None:  # noqa: FBT001 - a claim and whether it holds
        """Say what holds.

        Raises:
            DemoFailedError: it does not.
        """
        if not holds:
            raise DemoFailedError(f"not so: {claim}")
        self.done(claim)

    def done(self, claim: str) -> None:
        """Say what was done, and would have failed otherwise."""
        say(f"  ✓ {claim}")

    def told(self, what: str) -> None:
        """Say what is seen."""
        say(f"  … {what}")


def found_in(text: str, pattern: str) -> str:
    """Return the first group of a pattern that must be in a message."""
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise DemoFailedError("the message does not hold what it should")
    return found[1]


def instant(text: str) -> datetime:
    """Return an instant of the API's, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def in_tokyo(at: datetime) -> str:
    """Return how a clock in Tokyo shows it."""
    return f"{at.astimezone(_TOKYO):%Y-%m-%d %H:%M}"
