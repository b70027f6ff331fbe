"""What becomes of an accepted message: delivered, undelivered, expired, bounced or lost, and which receipts say so.

It decides from the message, the faults it meets and the instant; it touches no file and no socket. The receipts' bodies
are the vendors' own (`twilio.py`, `sendgrid.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox import faults
from sandbox.ledger import Letter, Outcome, Receipt

# https://www.twilio.com/docs/api/errors/30036
EXPIRED = 30036


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing a vendor tells about a message: in its own word, with its code or reason."""

    says: str
    error_code: int | None = None
    reason: str = ""


Writer = Callable[[Letter, Fact, float], Receipt | None]
"""Writes the receipt of a fact that becomes true at an instant; None where nobody wants one."""


class Carrier:
    """Carries messages. `writers` hold how each channel's vendor words a receipt."""

    def __init__(self, *, writers: dict[faults.Channel, Writer], receipt_seconds: float) -> None:
        self._writers = writers
        self._receipt_seconds = receipt_seconds

    def take(self, letter: Letter) -> Outcome:
        """Decide what becomes of a letter at the moment of acceptance."""
        first = _facts_on_acceptance(letter)
        if letter.due_at <= letter.accepted_at:
            return self._end(letter, first, now=letter.accepted_at)
        return Outcome(
            status=letter.status,
            due_at=min(letter.due_at, valid_until(letter)),
            receipts=self._receipts(letter, first, now=letter.accepted_at),
        )

    def carry(self, letter: Letter, *, now: float) -> Outcome:
        """Decide what becomes of a letter whose turn has come."""
        return self._end(letter, [], now=now)

    def _end(self, letter: Letter, first: list[Fact], *, now: float) -> Outcome:
        fate = faults.fate_of(letter.play)
        if now >= valid_until(letter):
            ending = [Fact(says="failed", error_code=EXPIRED)]
        elif letter.channel == "sms":
            ending = _sms_facts(fate)
        else:
            ending = _mail_facts(letter, fate)
        receipts = self._receipts(letter, [*first, *ending], now=now)
        if fate is not None and fate.kind == "accept_then_drop":
            return Outcome(status=letter.status)
        says = {fact.says for fact in ending}
        reached = "delivered" in says
        return Outcome(
            status="delivered" if reached else ending[-1].says,
            error_code=ending[-1].error_code,
            sent_at=now if says & {"sent", "delivered"} else None,
            delivered_at=now if reached else None,
            receipts=receipts,
        )

    def _receipts(self, letter: Letter, facts: Sequence[Fact], *, now: float) -> list[Receipt]:
        fate = faults.fate_of(letter.play)
        acts = faults.receipts_of(letter.play)
        if "receipts_lost" in acts or (fate is not None and fate.kind == "accept_then_drop"):
            return []
        late = acts["receipts_late"].wait_seconds() if "receipts_late" in acts else 0.0
        copies = acts["receipts_duplicated"].copy_count() if "receipts_duplicated" in acts else 1
        step = self._receipt_seconds
        instants = [now + late + step * place for place in range(1, len(facts) + 1)]
        if "receipts_reordered" in acts:
            # A whole step apart, so that a pool of posting threads cannot put them right again by accident.
            instants = [now + late + max(step, 0.2) * place for place in range(len(facts), 0, -1)]
        written = [self._writers[letter.channel](letter, fact, now) for fact in facts]
        owed = [
            Receipt(says=receipt.says, url=receipt.url, body=receipt.body, due_at=due_at)
            for receipt, due_at in zip(written, instants, strict=True)
            if receipt is not None
            for _ in range(copies)
        ]
        return sorted(owed, key=lambda receipt: receipt.due_at)


def valid_until(letter: Letter) -> float:
    """Return the exclusive end of a letter's `ValidityPeriod`; infinity where it has none."""
    seconds = letter.details.get("validity_seconds")
    return letter.accepted_at + float(seconds) if seconds else float("inf")


def _facts_on_acceptance(letter: Letter) -> list[Fact]:
    if letter.channel == "mail":
        return [] if letter.details.get("suppressed") or _is(letter, "drop") else [Fact(says="processed")]
    # The first status is never called back; only a Messaging Service goes through `queued` after it.
    return [Fact(says="queued")] if letter.status == "accepted" else []


def _is(letter: Letter, kind: str) -> bool:
    fate = faults.fate_of(letter.play)
    return fate is not None and fate.kind == kind


def _sms_facts(fate: faults.Act | None) -> list[Fact]:
    if fate is not None and fate.kind.startswith(("undelivered_", "failed_")):
        says, _, code = fate.kind.partition("_")
        last = Fact(says=says, error_code=int(code))
        return [last] if says == "failed" else [Fact(says="sent"), last]
    return [Fact(says="sent"), Fact(says="delivered")]


_MAIL_FATES: dict[str, list[Fact]] = {
    "drop": [Fact(says="dropped", reason="Invalid")],
    "bounce": [Fact(says="bounce", reason="550 5.1.1 The mailbox does not exist")],
    "block": [Fact(says="blocked", reason="421 4.7.0 Refused for now by policy")],
    "defer": [Fact(says="deferred", reason="451 4.7.1 Try again later"), Fact(says="delivered")],
    "spam_report": [Fact(says="delivered"), Fact(says="spamreport")],
}


def _mail_facts(letter: Letter, fate: faults.Act | None) -> list[Fact]:
    suppressed = letter.details.get("suppressed")
    if suppressed:
        return [Fact(says="dropped", reason=str(suppressed))]
    return _MAIL_FATES.get(fate.kind if fate is not None else "", [Fact(says="delivered")])
