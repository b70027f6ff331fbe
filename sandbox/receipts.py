"""Signing and posting receipts: Twilio's status callbacks and SendGrid's events, each with its vendor's own rules.

What is owed stands in the ledger, so a killed sandbox posts it after its next start; a receipt that was posted but not
yet crossed out is then posted again, which vendors do as well.
"""

import base64
import hashlib
import hmac
import json
import logging
import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urldefrag, urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.carrier import Carrier
from sandbox.ledger import Ledger, OwedReceipt, Try
from sandbox.line import Line
from sandbox.settings import Settings
from sandbox.time import Clock

log = logging.getLogger(__name__)

POSTING_THREADS = 8
# As many letters may be on their way to a receiver at once; the rest waits in the ledger. It is refilled at half, or a
# flood would be looked through again after every single post.
LETTERS_ON_THE_WAY = 128
EVENTS_A_POST = 50
GIVE_UP_SECONDS = 24 * 60 * 60
LONGEST_PAUSE_FACTOR = 512.0
IDLE_SECONDS = 1.0
GATHERING_SECONDS = 0.01


def twilio_signature(auth_token: str, url: str, fields: Mapping[str, str]) -> str:
    """Return `X-Twilio-Signature` of a form post.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security (HMAC-SHA1 of the URL and the sorted fields).
    """
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def sendgrid_signature(key: ec.EllipticCurvePrivateKey, timestamp: str, payload: bytes) -> str:
    """Return `X-Twilio-Email-Event-Webhook-Signature` of a post.

    Source: SendGrid, "Getting started with the Event Webhook Security Features" (ECDSA of timestamp and raw bytes).
    """
    return base64.b64encode(key.sign(timestamp.encode() + payload, ec.ECDSA(hashes.SHA256()))).decode()


def sendgrid_payload(events: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the events as SendGrid posts them: a JSON array that ends with CR LF."""
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode() + b"\r\n"


class PostOffice:
    """Delivers letters whose time has come and posts receipts that are due, in threads of its own.

    One thread watches the ledger and alone writes there how posting went; the others only post. Receipts of one letter
    are posted one after the other, those of different letters side by side.
    """

    def __init__(self, *, settings: Settings, clock: Clock, ledger: Ledger, carrier: Carrier) -> None:
        self._settings = settings
        self._clock = clock
        self._ledger = ledger
        self._carrier = carrier
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._parcels: queue.SimpleQueue[list[OwedReceipt]] = queue.SimpleQueue()
        self._posted: queue.SimpleQueue[list[Try]] = queue.SimpleQueue()
        self._on_the_way: set[int] = set()
        self._lock = threading.Lock()
        self._here = threading.local()

    def start(self) -> None:
        """Start the threads. They end with the process, or soon after `stop`."""
        threading.Thread(target=self._watch, name="post-office", daemon=True).start()
        for place in range(POSTING_THREADS):
            threading.Thread(target=self._post_parcels, name=f"postman-{place}", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing new. What is owed stays in the ledger."""
        self._stopped.set()
        self.wake()

    def wake(self) -> None:
        """Look soon, instead of at the next due instant."""
        self._woken.set()

    def post_now(self, letters: Sequence[int]) -> None:
        """Post all that some letters still owe, in order, and return when it is posted."""
        self._claim(letters)
        try:
            for receipt in self._ledger.owed_receipts_of(letters):
                self._ledger.record(self._post([receipt]), now=self._clock.now())
        finally:
            self._release(letters)

    def _claim(self, letters: Iterable[int]) -> None:
        with self._lock:
            self._on_the_way.update(letters)

    def _release(self, letters: Iterable[int]) -> None:
        with self._lock:
            self._on_the_way.difference_update(letters)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            self._record_posted()
            now = self._clock.now()
            for letter_id, letter in self._ledger.due_letters(now=now):
                self._ledger.settle(letter_id, self._carrier.carry(letter, now=now), now=now)
            for parcel in self._due_parcels(now):
                self._parcels.put(parcel)
            self._woken.wait(self._pause(now))
            # Whatever else happens in this moment is looked at together.
            self._stopped.wait(GATHERING_SECONDS)
        self._record_posted()

    def _record_posted(self) -> None:
        tries: list[Try] = []
        while not self._posted.empty():
            tries.extend(self._posted.get())
        if tries:
            self._ledger.record(tries, now=self._clock.now())
            self._release(each.receipt.letter for each in tries)

    def _pause(self, now: float) -> float:
        # A second at most: the project's clock may be moved at any time.
        next_due_at = self._ledger.next_due_at()
        if next_due_at is None:
            return IDLE_SECONDS
        # What is overdue here is on its way; its return wakes us.
        return min(IDLE_SECONDS, next_due_at - now) if next_due_at > now else IDLE_SECONDS

    def _due_parcels(self, now: float) -> list[list[OwedReceipt]]:
        with self._lock:
            busy = set(self._on_the_way)
        room = LETTERS_ON_THE_WAY - len(busy)
        if room < LETTERS_ON_THE_WAY // 2:
            return []
        parcels: list[list[OwedReceipt]] = []
        events: dict[str, list[OwedReceipt]] = {}
        taken: set[int] = set()
        for receipt in self._ledger.owed_receipts(now=now, limit=4 * LETTERS_ON_THE_WAY):
            if receipt.letter in busy or (len(taken) >= room and receipt.letter not in taken):
                continue
            if receipt.channel == "mail":
                events.setdefault(receipt.url, []).append(receipt)
            elif receipt.letter not in taken:
                parcels.append([receipt])
            taken.add(receipt.letter)
        for batch in events.values():
            parcels.extend(_split(batch))
        self._claim(taken)
        return parcels

    def _post_parcels(self) -> None:
        while True:
            parcel = self._parcels.get()
            if self._stopped.is_set():
                return
            try:
                tries = self._post(parcel)
            except Exception:
                # A postman that died would leave letters on their way for ever.
                log.exception("a receipt could not be posted")
                tries = [Try(receipt=receipt, outcome="error") for receipt in parcel]
            self._posted.put(tries)
            self.wake()

    def _post(self, parcel: list[OwedReceipt]) -> list[Try]:
        return [self._post_callback(parcel[0])] if parcel[0].channel == "sms" else self._post_events(parcel)

    def _post_callback(self, receipt: OwedReceipt) -> Try:
        url, overrides = urldefrag(receipt.url)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": twilio_signature(self._settings.twilio_tokens[receipt.account], url, receipt.body),
        }
        outcome, kind = self._line().post(url, urlencode(receipt.body).encode(), headers)
        retries, wanted = _connection_overrides(overrides)
        again = kind in wanted and receipt.tries < retries
        due_at = self._clock.now() + self._settings.retry_seconds if again else None
        return Try(receipt=receipt, outcome=outcome, again_at=due_at)

    def _post_events(self, parcel: list[OwedReceipt]) -> list[Try]:
        key = self._settings.signing_key
        if key is None:
            return [Try(receipt=receipt, outcome="no signing key") for receipt in parcel]
        now = self._clock.now()
        timestamp = str(int(now))
        payload = sendgrid_payload([receipt.body for receipt in parcel])
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "SendGrid Event API",
            "X-Twilio-Email-Event-Webhook-Signature": sendgrid_signature(key, timestamp, payload),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
        outcome, kind = self._line().post(parcel[0].url, payload, headers)
        return [
            Try(
                receipt=receipt,
                outcome=outcome,
                again_at=None if kind == "2xx" else self._events_again_at(receipt, now),
            )
            for receipt in parcel
        ]

    def _events_again_at(self, receipt: OwedReceipt, now: float) -> float | None:
        if now - (receipt.first_tried_at or now) >= GIVE_UP_SECONDS:
            return None
        return now + self._settings.retry_seconds * min(2.0**receipt.tries, LONGEST_PAUSE_FACTOR)

    def _line(self) -> Line:
        line: Line | None = getattr(self._here, "line", None)
        if line is None:
            line = self._here.line = Line()
        return line


def _split(batch: list[OwedReceipt]) -> list[list[OwedReceipt]]:
    by_letter: dict[int, list[OwedReceipt]] = {}
    for receipt in batch:
        by_letter.setdefault(receipt.letter, []).append(receipt)
    parcels: list[list[OwedReceipt]] = [[]]
    # By letter, so that no letter is in two posts at the same time.
    for receipts in by_letter.values():
        if parcels[-1] and len(parcels[-1]) + len(receipts) > EVENTS_A_POST:
            parcels.append([])
        parcels[-1].extend(receipts)
    return parcels


def _connection_overrides(fragment: str) -> tuple[int, set[str]]:
    """Return how often and after which failures Twilio posts again: `#rc=` and `#rp=`; by default once, on `ct`.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    """
    given = parse_qs(fragment)
    count = given.get("rc", ["1"])[0]
    retries = min(int(count), 5) if count.isdecimal() else 1
    policy = set(",".join(given.get("rp", ["ct"])).split(","))
    return retries, {"ct", "rt", "4xx", "5xx"} if "all" in policy else policy
