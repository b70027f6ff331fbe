"""Customers who book, mistype, change, cancel and prove contacts through the API at a steady rate, come what may.

They keep what the API promised them, and every answer that it should not have given. They know no rows.
"""

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random  # noqa: TID251 - the same seed must play the same storm again
from typing import Any
from zoneinfo import ZoneInfo

import requests
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from models.calendar import Calendar
from models.shop import Shop
from tests.chaos.scene import Scene

_AT_ONCE = 80
_WAITS_FOR_A_CODE_SECONDS = 25.0
_ASKS_AGAIN_AFTER_SECONDS = 17.0
_LOOKS_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 120.0
_DAYS_AHEAD = 8
_BOUNCED_LONG_AGO = 0.28
_CODE = re.compile(r"(?:#|^)(\d{6})$", re.MULTILINE)
_UNCERTAIN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_EXPECTED = frozenset({200, 201, 409, 410, 422, 429})
"""What a caller may be told on the way: yes, not now, not any more, not so, too often. Nothing else is an answer."""


@dataclass
class Promises:
    """What was accepted, as the callers heard it.

    Attributes:
        codes: proofs for which a code is owed, by id, and how many were asked for.
        completed: (booking, revision) for which a confirmation is owed.
        changed: likewise, the news of a change.
        cancelled: likewise, of a cancellation.
        odd: answers that nobody should get, by what was asked and what was said.
        answers: every answer, by status.
    """

    codes: dict[str, int] = field(default_factory=dict)
    completed: list[tuple[str, int]] = field(default_factory=list)
    changed: list[tuple[str, int]] = field(default_factory=list)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    begun: int = 0


class Customers:
    """The flows. Each has a number, and dice of its own from it and the seed."""

    def __init__(self, scene: Scene, *, seed: int, rate: float) -> None:
        self.promises = Promises()
        self._scene = scene
        self._seed = seed
        self._rate = rate
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="customer")
        self._door = threading.Thread(target=self._let_in, name="door", daemon=True)
        with scene.database.snapshot() as session:
            self._shops = {shop.id: shop.calendar for shop in session.scalars(select(Shop))}

    def start(self) -> None:
        """Let customers in from now on."""
        self._door.start()

    def stop(self) -> None:
        """Let nobody in any more, and wait until those who are here have their answers."""
        self._over.set()
        self._door.join()
        # Who is still in the queue has asked for nothing yet, and would meet calm weather.
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _let_in(self) -> None:
        began = time.monotonic()
        for number in count():
            if self._over.wait(max(0.0, began + number / self._rate - time.monotonic())):
                return
            self._pool.submit(self._flow, number)

    def _flow(self, number: int) -> None:
        dice = Random(f"{self._seed}:{number}")  # noqa: S311 - not for secrets
        with self._lock:
            self.promises.begun += 1
        try:
            if dice.random() < 0.2:
                self._prove_alone(number, dice)
            else:
                self._book(number, dice)
        except Exception as error:  # noqa: BLE001 - a flow that breaks is a finding, not the end of the storm
            self._note(f"flow broke: {type(error).__name__}: {error}")

    # What customers do

    def _prove_alone(self, number: int, dice: Random) -> None:
        contact, address = self._contact(number, dice)
        shop = dice.choice(sorted(self._shops))
        wish = {"shop": shop, "contact": contact, "customer_ip": _address(number), "language": _language(dice)}
        begun = self._ask("/v1/verifications", wish, f"v{number}")
        if begun is None or begun.status_code != 201:
            return
        verification = begun.json()["id"]
        with self._lock:
            self.promises.codes[verification] = 1
        code = self._code_for(address, f"/v1/verifications/{verification}/resend", verification, number)
        if code is not None:
            self._ask(f"/v1/verifications/{verification}/check", {"code": code}, f"k{number}")

    def _book(self, number: int, dice: Random) -> None:
        contact, address = self._contact(number, dice)
        held = self._hold(number, contact, dice)
        if held is None:
            return
        booking = held["id"]
        with self._lock:
            self.promises.codes[booking] = 1
        code = self._code_for(address, f"/v1/bookings/{booking}/code/resend", booking, number)
        if code is None or dice.random() < 0.06:
            return
        if dice.random() < 0.1:
            wrong = f"{(int(code) + 1) % 1_000_000:06}"
            self._ask(f"/v1/bookings/{booking}/code", {"code": wrong}, f"w{number}")
        completed = self._ask(f"/v1/bookings/{booking}/code", {"code": code}, f"c{number}")
        if completed is None or completed.status_code != 200:
            return
        revision = completed.json()["revision"]
        self._keep(self.promises.completed, booking, revision)
        if dice.random() < 0.35:
            time.sleep(dice.uniform(0.0, 6.0))
            revision = self._change(booking, revision, number, dice)
        if dice.random() < 0.25:
            time.sleep(dice.uniform(0.0, 6.0))
            self._cancel(booking, revision, number)

    def _hold(self, number: int, contact: Mapping[str, str], dice: Random) -> dict[str, Any] | None:
        shop, at = self._slot(dice)
        starts_at = at.isoformat()
        for trial in range(8):
            wish = {
                "shop": shop,
                "starts_at": starts_at,
                "contact": contact,
                "customer_ip": _address(number),
                "language": _language(dice),
            }
            answer = self._ask("/v1/bookings", wish, f"h{number}-{trial}")
            if answer is None:
                return None
            if answer.status_code == 201:
                held: dict[str, Any] = answer.json()
                return held
            # Whoever comes second is told of others, and of several customers each takes another one.
            others = answer.json().get("free_slots", [])
            starts_at = dice.choice(others)["starts_at"] if others else starts_at
        return None

    def _change(self, booking: str, revision: int, number: int, dice: Random) -> int:
        shown = self._ask(f"/v1/bookings/{booking}", None, "")
        if shown is None or shown.status_code != 200:
            return revision
        for trial in range(4):
            _, starts_at = self._slot(dice, shop=shown.json()["shop"])
            wish = {"starts_at": starts_at.isoformat(), "expected_revision": revision, "accept_final": True}
            answer = self._ask(f"/v1/bookings/{booking}/change", wish, f"m{number}-{trial}")
            if answer is None:
                return revision
            if answer.status_code == 200:
                self._keep(self.promises.changed, booking, revision + 1)
                return revision + 1
        return revision

    def _cancel(self, booking: str, revision: int, number: int) -> None:
        answer = self._ask(f"/v1/bookings/{booking}/cancel", {"expected_revision": revision}, f"x{number}")
        if answer is not None and answer.status_code == 200:
            self._keep(self.promises.cancelled, booking, revision)

    # What they see and are told

    def _code_for(self, address: str, resend: str, proof: str, number: int) -> str | None:
        """Watch the phone or the mailbox; ask once more if nothing comes."""
        began, asked_again = time.monotonic(), False
        while time.monotonic() < began + _WAITS_FOR_A_CODE_SECONDS:
            code = self._last_code(address)
            if code is not None:
                return code
            if self._over.is_set():
                return None
            if not asked_again and time.monotonic() > began + _ASKS_AGAIN_AFTER_SECONDS:
                asked_again = True
                answer = self._ask(resend, {}, f"r{number}")
                if answer is not None and answer.status_code == 200:
                    with self._lock:
                        self.promises.codes[proof] += 1
            time.sleep(_LOOKS_EVERY_SECONDS)
        return None

    def _last_code(self, address: str) -> str | None:
        rows = self._scene.ledger_rows(
            "SELECT text FROM letter WHERE recipient = ? AND delivered_at IS NOT NULL ORDER BY id DESC LIMIT 1",
            (address,),
        )
        found = _CODE.search(rows[0]["text"]) if rows else None
        return found[1] if found else None

    def _contact(self, number: int, dice: Random) -> tuple[dict[str, str], str]:
        """A contact that nobody else has, and that plays no part of its own at the vendor."""
        if dice.random() < 0.72:
            phone = f"+81900000{number % 9_000:04}"
            return {"phone": phone}, phone
        mail = f"guest-{number}@example.com"
        if dice.random() < _BOUNCED_LONG_AGO:
            self._suppress(mail)
        return {"email": mail}, mail

    def _suppress(self, mail: str) -> None:
        """Have the vendor know of a mailbox, from somebody else's mail, what we do not: it will say yes, and drop."""
        with contextlib.suppress(requests.RequestException):
            requests.post(f"{self._scene.sandbox}/_suppress", json={"email": mail}, timeout=2)

    def _slot(self, dice: Random, *, shop: str | None = None) -> tuple[str, datetime]:
        """Choose a slot that the shop's calendar has; whether it is free, only the API knows."""
        now = self._now()
        open_shops = [shop] if shop else sorted(self._shops)
        today = now.astimezone(ZoneInfo("Asia/Tokyo")).date()
        while True:
            chosen = dice.choice(open_shops)
            calendar: Calendar = self._shops[chosen]
            # Most bookings are for tomorrow and the day after, so that their reminders fall due in this storm.
            day = today + timedelta(days=min(dice.randrange(1, _DAYS_AHEAD), dice.randrange(_DAYS_AHEAD)))
            slots = [slot for slot in calendar.slots(day, day + timedelta(days=1)) if calendar.is_acceptable(slot, now)]
            if slots:
                return chosen, dice.choice(slots).starts_at

    def _now(self) -> datetime:
        while True:
            try:
                return self._scene.clock.now()
            except DBAPIError:
                time.sleep(0.2)

    def _ask(self, path: str, body: Mapping[str, Any] | None, key: str) -> requests.Response | None:
        """Ask until it is answered, with the same idempotency key, as a careful caller does; None: never answered."""
        headers = {"Authorization": f"Bearer {self._scene.key}"}
        if body is not None:
            headers["Idempotency-Key"] = f"storm-{self._seed}-{key}"
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < give_up:
            try:
                answer = requests.request(
                    "GET" if body is None else "POST",
                    f"{self._scene.api}{path}",
                    json=body or None,
                    headers=headers,
                    timeout=15,
                    allow_redirects=False,
                )
            except _UNCERTAIN:
                time.sleep(0.3)
                continue
            with self._lock:
                self.promises.answers[answer.status_code] += 1
            if answer.status_code == 503 or _is_in_progress(answer):
                time.sleep(0.3)
                continue
            if answer.status_code not in _EXPECTED:
                self._note(f"{path.rsplit('/', 1)[-1]} answered {answer.status_code}: {answer.text[:200]}")
            return answer
        self._note(f"{path.rsplit('/', 1)[-1]} was never answered")
        return None

    def _keep(self, where: list[tuple[str, int]], booking: str, revision: int) -> None:
        with self._lock:
            where.append((booking, revision))

    def _note(self, what: str) -> None:
        with self._lock:
            self.promises.odd[what] += 1


def _address(number: int) -> str:
    """Each customer's own address, from the range for documentation: the caps on a network are not what is shown."""
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"


def _language(dice: Random) -> str:
    return dice.choice(["ja", "ja", "en"])


def _is_in_progress(answer: requests.Response) -> bool:
    return answer.status_code == 409 and answer.json().get("code") == "request_in_progress"
