"""What was accepted, what was delivered, which receipts are owed: one SQLite file that survives a kill.

It keeps and finds rows. It refuses to know what a vendor says (`twilio.py`, `sendgrid.py`) and what becomes of a
message (`carrier.py`). Instants are epoch seconds and come in as arguments.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sandbox import faults

SCHEMA = """
CREATE TABLE IF NOT EXISTS letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sid TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    attempt TEXT,
    message TEXT,
    recipient TEXT NOT NULL,
    sender TEXT NOT NULL,
    text TEXT NOT NULL,
    segments INTEGER NOT NULL,
    details TEXT NOT NULL,
    play TEXT NOT NULL,
    status TEXT NOT NULL,
    error_code INTEGER,
    accepted_at REAL NOT NULL,
    due_at REAL,
    sent_at REAL,
    delivered_at REAL,
    updated_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS letter_attempt ON letter (attempt);
CREATE INDEX IF NOT EXISTS letter_message ON letter (message);
CREATE INDEX IF NOT EXISTS letter_recipient ON letter (recipient, id);
CREATE INDEX IF NOT EXISTS letter_due ON letter (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS receipt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    letter INTEGER NOT NULL REFERENCES letter (id) ON DELETE CASCADE,
    says TEXT NOT NULL,
    url TEXT NOT NULL,
    body TEXT NOT NULL,
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    first_tried_at REAL,
    ended_at REAL,
    outcome TEXT
);
CREATE INDEX IF NOT EXISTS receipt_letter ON receipt (letter);
CREATE INDEX IF NOT EXISTS receipt_due ON receipt (due_at) WHERE ended_at IS NULL;
CREATE TABLE IF NOT EXISTS script (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    script TEXT NOT NULL,
    turn INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS played (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    attempt TEXT,
    played_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS played_attempt ON played (attempt);
CREATE TABLE IF NOT EXISTS barred (
    address TEXT PRIMARY KEY,
    reason TEXT NOT NULL
);
"""

Grouping = Literal["attempt", "message"]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One SMS or mail to one recipient, as the vendor accepted it.

    Attributes:
        sid: the vendor's id of it; for mail, what events call `sg_message_id`.
        account: which of the configured accounts accepted it.
        attempt: our attempt id, from the callback's URL or `custom_args`.
        message: our message id, likewise.
        details: the rest of what was asked, by the vendor's own names (subject, html, attachments, …).
        play: the faults it meets.
        due_at: when the carrier is to deliver it.
    """

    sid: str
    channel: faults.Channel
    account: str
    attempt: str | None
    message: str | None
    recipient: str
    sender: str
    text: str
    segments: int
    details: Mapping[str, Any]
    play: faults.Play
    accepted_at: float
    due_at: float
    status: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a vendor is to tell: `says` in one word, the body to post, and when."""

    says: str
    url: str
    body: Mapping[str, Any]
    due_at: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a letter, and which receipts say so. `due_at` is when the carrier is to look at it again."""

    status: str
    error_code: int | None = None
    sent_at: float | None = None
    delivered_at: float | None = None
    due_at: float | None = None
    receipts: Sequence[Receipt] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class OwedReceipt:
    """A receipt that is due and has not been posted to the end."""

    id: int
    letter: int
    account: str
    channel: str
    says: str
    url: str
    body: Mapping[str, Any]
    tries: int
    first_tried_at: float | None


@dataclass(frozen=True, kw_only=True)
class Try:
    """How posting a receipt went, and when to post it again; never, if `again_at` is None."""

    receipt: OwedReceipt
    outcome: str
    again_at: float | None = None


class Ledger:
    """The file. Safe to use from any thread: one connection, one lock, and no statement that takes long."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        # In WAL a commit outlives the process at NORMAL; only the machine's own power cut could undo it.
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;" + SCHEMA)
        # Both are asked for with every request, few, and written by this process alone.
        self._barred = {row["address"]: row["reason"] for row in self._all("SELECT * FROM barred")}
        self._scripted = bool(self._all("SELECT 1 FROM script LIMIT 1"))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _all(self, statement: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(statement, parameters).fetchall()

    # Accepting and carrying

    def accept(self, letters: Sequence[tuple[Letter, Outcome]]) -> list[int]:
        """Keep letters with what becomes of them at once, all or none, and return their row ids."""
        with self._writing() as db:
            return [self._accept(db, letter, outcome) for letter, outcome in letters]

    def _accept(self, db: sqlite3.Connection, letter: Letter, outcome: Outcome) -> int:
        row = db.execute(
            "INSERT INTO letter (sid, channel, account, attempt, message, recipient, sender, text, segments, details,"
            " play, status, error_code, accepted_at, due_at, sent_at, delivered_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                letter.sid,
                letter.channel,
                letter.account,
                letter.attempt,
                letter.message,
                letter.recipient,
                letter.sender,
                letter.text,
                letter.segments,
                json.dumps(letter.details),
                json.dumps(faults.dumped(letter.play)),
                outcome.status,
                outcome.error_code,
                letter.accepted_at,
                outcome.due_at,
                outcome.sent_at,
                outcome.delivered_at,
                letter.accepted_at,
            ),
        )
        letter_id = int(row.lastrowid or 0)
        _owe(db, letter_id, outcome.receipts)
        return letter_id

    def due_letters(self, *, now: float, limit: int = 200) -> list[tuple[int, Letter]]:
        """Return letters whose delivery is due, oldest first."""
        rows = self._all("SELECT * FROM letter WHERE due_at <= ? ORDER BY due_at LIMIT ?", (now, limit))
        return [(row["id"], _letter(row)) for row in rows]

    def settle(self, letter_id: int, outcome: Outcome, *, now: float) -> None:
        """Record what became of a letter. One that is settled or gone stays as it is."""
        with self._writing() as db:
            changed = db.execute(
                "UPDATE letter SET status = ?, error_code = ?, sent_at = ?, delivered_at = ?, due_at = ?,"
                " updated_at = ? WHERE id = ? AND due_at IS NOT NULL",
                (
                    outcome.status,
                    outcome.error_code,
                    outcome.sent_at,
                    outcome.delivered_at,
                    outcome.due_at,
                    now,
                    letter_id,
                ),
            )
            if changed.rowcount:
                _owe(db, letter_id, outcome.receipts)

    def next_due_at(self) -> float | None:
        """Return the earliest instant at which a letter or a receipt is due."""
        (row,) = self._all(
            "SELECT min(due_at) AS due_at FROM (SELECT min(due_at) AS due_at FROM letter WHERE due_at IS NOT NULL"
            " UNION ALL SELECT min(due_at) FROM receipt WHERE ended_at IS NULL)"
        )
        return None if row["due_at"] is None else float(row["due_at"])

    # Receipts

    def owed_receipts(self, *, now: float, limit: int) -> list[OwedReceipt]:
        """Return receipts that are due, oldest first."""
        rows = self._all(
            "SELECT receipt.*, letter.account, letter.channel FROM receipt JOIN letter ON letter.id = receipt.letter"
            " WHERE receipt.ended_at IS NULL AND receipt.due_at <= ? ORDER BY receipt.due_at, receipt.id LIMIT ?",
            (now, limit),
        )
        return [_owed(row) for row in rows]

    def owed_receipts_of(self, letters: Sequence[int]) -> list[OwedReceipt]:
        """Return all that some letters owe, due or not, in the order in which it is due."""
        rows = self._all(
            "SELECT receipt.*, letter.account, letter.channel FROM receipt JOIN letter ON letter.id = receipt.letter"
            " WHERE receipt.ended_at IS NULL AND receipt.letter IN (SELECT value FROM json_each(?))"
            " ORDER BY receipt.due_at, receipt.id",
            (json.dumps(list(letters)),),
        )
        return [_owed(row) for row in rows]

    def record(self, tries: Sequence[Try], *, now: float) -> None:
        """Record that receipts were posted, well or badly, and when those that are to be posted again are due."""
        with self._writing() as db:
            db.executemany(
                "UPDATE receipt SET tries = tries + 1, first_tried_at = coalesce(first_tried_at, ?), outcome = ?,"
                " due_at = coalesce(?, due_at), ended_at = ? WHERE id = ?",
                [
                    (now, each.outcome, each.again_at, now if each.again_at is None else None, each.receipt.id)
                    for each in tries
                ],
            )

    # Faults

    def add_script(self, script: faults.Script) -> int:
        """Keep a script and return its id."""
        with self._writing() as db:
            row = db.execute("INSERT INTO script (script) VALUES (?)", (script.model_dump_json(exclude_none=True),))
            self._scripted = True
            return int(row.lastrowid or 0)

    def scripts(self) -> list[dict[str, Any]]:
        """Return the scripts that are not used up: `id`, `script`, and `turn`, the requests it has met."""
        rows = self._all("SELECT * FROM script ORDER BY id")
        return [{"id": row["id"], "script": json.loads(row["script"]), "turn": row["turn"]} for row in rows]

    def drop_scripts(self) -> None:
        """Forget every script."""
        with self._writing() as db:
            db.execute("DELETE FROM script")
            self._scripted = False

    def take_turn(self, *, channel: faults.Channel, recipients: Sequence[str], account: str) -> faults.Play | None:
        """Use one turn of the oldest script that fits, if any does, and return what the request meets."""
        if not self._scripted:
            return None
        with self._writing() as db:
            rows = db.execute("SELECT * FROM script ORDER BY id").fetchall()
            self._scripted = bool(rows)
            for row in rows:
                script = faults.Script.model_validate_json(row["script"])
                if script.match.fits(channel=channel, recipients=recipients, account=account):
                    if row["turn"] + 1 >= script.length():
                        db.execute("DELETE FROM script WHERE id = ?", (row["id"],))
                    else:
                        db.execute("UPDATE script SET turn = turn + 1 WHERE id = ?", (row["id"],))
                    return script.play(row["turn"])
        return None

    def note_play(self, play: faults.Play, *, channel: str, recipient: str, attempt: str | None, now: float) -> None:
        """Record which faults a request met."""
        kinds = [act.kind for act in play if act.kind != faults.ACCEPT.name]
        self.note_kinds(kinds, channel=channel, recipient=recipient, attempt=attempt, now=now)

    def note_kinds(
        self, kinds: Sequence[str], *, channel: str, recipient: str, attempt: str | None, now: float
    ) -> None:
        """Record kinds of fault by name."""
        if kinds:
            with self._writing() as db:
                db.executemany(
                    "INSERT INTO played (kind, channel, recipient, attempt, played_at) VALUES (?, ?, ?, ?, ?)",
                    [(kind, channel, recipient, attempt, now) for kind in kinds],
                )

    def played(self, *, attempt: str | None, limit: int) -> list[dict[str, Any]]:
        """Return the faults that were met, newest first; with `attempt`, those of one attempt."""
        conditions, values = _conditions({"attempt": attempt})
        statement = f"SELECT * FROM played WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"  # noqa: S608 - column names are ours
        return [dict(row) for row in self._all(statement, (*values, limit))]

    def played_counts(self) -> dict[str, int]:
        """Return how often each kind was met."""
        rows = self._all("SELECT kind, count(*) AS n FROM played GROUP BY kind ORDER BY kind")
        return {row["kind"]: row["n"] for row in rows}

    # Addresses that opted out or bounced

    def bar(self, address: str, *, reason: str) -> None:
        """Suppress an address (a number after STOP, a mailbox after a bounce)."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO barred (address, reason) VALUES (?, ?)", (address.lower(), reason))
            self._barred[address.lower()] = reason

    def lift(self, address: str) -> None:
        """Lift a suppression."""
        with self._writing() as db:
            db.execute("DELETE FROM barred WHERE address = ?", (address.lower(),))
            self._barred.pop(address.lower(), None)

    def barred(self, address: str) -> str | None:
        """Return why an address is suppressed, or None."""
        return self._barred.get(address.lower())

    # Looking

    def found_by_sid(self, sid: str, *, account: str) -> dict[str, Any] | None:
        """Return the letter with a vendor's id, or None."""
        rows = self._all("SELECT * FROM letter WHERE sid = ? AND account = ?", (sid, account))
        return _entry(rows[0]) if rows else None

    def newest(
        self,
        *,
        delivered: bool,
        limit: int,
        where: Mapping[str, str | None] | None = None,
        before: int | None = None,
        skip: int = 0,
        sent_from: float | None = None,
        sent_before: float | None = None,
    ) -> list[dict[str, Any]]:
        """Return letters, newest first.

        Args:
            delivered: only those that reached the recipient.
            limit: how many at most.
            where: equal values by column (attempt, message, recipient, channel, account, sender); None: any.
            before: only rows older than this row id.
            skip: how many of the newest to leave out.
            sent_from: only those sent then or later; one not yet sent has no such instant and is left out.
            sent_before: only those sent before it, likewise.
        """
        conditions, values = _conditions(where or {})
        if delivered:
            conditions.append("delivered_at IS NOT NULL")
        if before is not None:
            conditions.append("id < ?")
            values.append(before)
        for comparison, value in (("sent_at >= ?", sent_from), ("sent_at < ?", sent_before)):
            if value is not None:
                conditions.append(comparison)
                values.append(value)
        statement = f"SELECT * FROM letter WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608 - column names are ours
        return [_entry(row) for row in self._all(statement, (*values, limit, skip))]

    def delivery_counts(self, by: Grouping, *, where: Mapping[str, str | None]) -> dict[str, int]:
        """Return the number of deliveries by our attempt id or message id; those without one are left out."""
        conditions, values = _conditions(where)
        rows = self._all(
            f"SELECT {by} AS k, count(*) AS n FROM letter WHERE delivered_at IS NOT NULL AND {by} IS NOT NULL"  # noqa: S608 - column names are ours
            f" AND {' AND '.join(conditions)} GROUP BY {by}",
            values,
        )
        return {row["k"]: row["n"] for row in rows}

    def totals(self) -> dict[str, int]:
        """Return how much was accepted and delivered, and how many receipts are owed."""
        (letters,) = self._all("SELECT count(*) AS accepted, count(delivered_at) AS delivered FROM letter")
        (owed,) = self._all("SELECT count(*) AS n FROM receipt WHERE ended_at IS NULL")
        return {"accepted": letters["accepted"], "delivered": letters["delivered"], "receipts_owed": owed["n"]}

    def receipts(self, letter_id: int) -> list[dict[str, Any]]:
        """Return a letter's receipts in the order of their due instants."""
        rows = self._all(
            "SELECT says, url, tries, due_at, ended_at, outcome FROM receipt WHERE letter = ? ORDER BY due_at, id",
            (letter_id,),
        )
        return [dict(row) for row in rows]

    def letter(self, letter_id: int) -> dict[str, Any] | None:
        """Return one letter by row id, or None."""
        rows = self._all("SELECT * FROM letter WHERE id = ?", (letter_id,))
        return _entry(rows[0]) if rows else None

    def recipients(self) -> list[str]:
        """Return everyone something was delivered to."""
        rows = self._all("SELECT DISTINCT recipient FROM letter WHERE delivered_at IS NOT NULL ORDER BY recipient")
        return [row["recipient"] for row in rows]

    def newest_id(self) -> int:
        """Return the row id of the newest change a reader of the inbox could see: a count that only grows."""
        (row,) = self._all("SELECT count(delivered_at) AS delivered, coalesce(max(id), 0) AS id FROM letter")
        return int(row["delivered"]) + int(row["id"])

    def empty(self) -> None:
        """Forget every letter, receipt and fault that was met. Scripts and suppressions stay."""
        with self._writing() as db:
            for table in ("receipt", "letter", "played"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - table names are ours


def _owed(row: sqlite3.Row) -> OwedReceipt:
    return OwedReceipt(
        id=row["id"],
        letter=row["letter"],
        account=row["account"],
        channel=row["channel"],
        says=row["says"],
        url=row["url"],
        body=json.loads(row["body"]),
        tries=row["tries"],
        first_tried_at=row["first_tried_at"],
    )


def _owe(db: sqlite3.Connection, letter_id: int, receipts: Sequence[Receipt]) -> None:
    db.executemany(
        "INSERT INTO receipt (letter, says, url, body, due_at) VALUES (?, ?, ?, ?, ?)",
        [(letter_id, owed.says, owed.url, json.dumps(owed.body), owed.due_at) for owed in receipts],
    )


def _conditions(where: Mapping[str, str | None]) -> tuple[list[str], list[Any]]:
    given = {column: value for column, value in where.items() if value is not None}
    return ["1 = 1", *(f"{column} = ?" for column in given)], list(given.values())


def _letter(row: sqlite3.Row) -> Letter:
    return Letter(
        sid=row["sid"],
        channel=row["channel"],
        account=row["account"],
        attempt=row["attempt"],
        message=row["message"],
        recipient=row["recipient"],
        sender=row["sender"],
        text=row["text"],
        segments=row["segments"],
        details=json.loads(row["details"]),
        play=faults.loaded(json.loads(row["play"])),
        accepted_at=row["accepted_at"],
        due_at=row["due_at"],
        status=row["status"],
    )


def _entry(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "details": json.loads(row["details"]), "play": json.loads(row["play"])}
