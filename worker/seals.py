"""Sealing personal data at rest: a key for each subject, itself wrapped, so that deleting one key shreds a person.

It knows keys and places, not what is sealed nor why. Texts that cannot be opened are never part of an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from models.customer import Customer, DataKey
from worker.chance import token_bytes
from worker.clock import clock
from worker.database import Database, insert_new
from worker.derived_keys import derived, packed, valid
from worker.settings import settings

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_MOST_TRIES = 3

# Core tables, without the ORM: sealing must not flush what the caller has not finished yet.
_KEYS = cast(Table, DataKey.__table__)
_CUSTOMERS = cast(Table, Customer.__table__)


class Unreadable(Exception):  # noqa: N818 - a state of the data; the subclass says which
    """Something sealed cannot be opened. Bears ids and names of columns at most.

    Unreadable
    ├── Shredded              the subject's key was deleted, on purpose and for ever
    ├── Tampered              the ciphertext is damaged, or stands in a place it was not sealed for
    └── WrappingKeyMissing    SEAL_KEYS lacks the key that wraps the subject's key
    """


class Shredded(Unreadable):
    """The subject's key was deleted: its data is gone, and that was the point."""


class Tampered(Unreadable):
    """The ciphertext is damaged, of another format, or was moved here from another subject, table, column or row."""


class WrappingKeyMissing(Unreadable):
    """SEAL_KEYS lacks the key that wraps the subject's key; put it back, behind the first."""


@dataclass(frozen=True)
class Place:
    """Where a sealed value stands; it opens nowhere else.

    Attributes:
        subject: whose key seals it: a customer, a case, a member.
        table, column: names in the database.
        row: the row's primary key.
    """

    subject: UUID
    table: str
    column: str
    row: UUID | str


def seal(session: Session, place: Place, text: str) -> bytes:
    """Return `text` sealed for `place`; the subject gets a key if it has none, unless it is a customer who was erased.

    The caller's transaction keeps both; with a keys database the key is committed there first, so that no sealed
    value is ever without its key.

    Raises:
        Shredded: the customer was erased; another key would keep of them for ever what came too late.
        WrappingKeyMissing: the subject's key is wrapped by a key that SEAL_KEYS lacks.

    Source: NIST SP 800-38D (AES-256-GCM with a random 96-bit nonce; a subject's key seals a handful of values).
    """
    return _sealed(_key_to_seal(session, place.subject), text, _bound_to(place))


def unseal(session: Session, place: Place, sealed: bytes) -> str:
    """Return the text that was sealed for `place`.

    Raises:
        Shredded: the subject has no key any more.
        Tampered: it was not sealed for this place, or is damaged.
        WrappingKeyMissing: the subject's key is wrapped by a key that SEAL_KEYS lacks.
    """
    with _reading(session) as keys:
        key = _key(keys, place.subject)
    if key is None:
        raise Shredded(f"{place.table}.{place.column}: the key of subject {place.subject} is gone")
    text = _opened(key, sealed, _bound_to(place))
    if text is None:
        raise Tampered(f"{place.table}.{place.column}: not sealed for row {place.row} of subject {place.subject}")
    return text


def shred(session: Session, subject: UUID) -> bool:
    """Delete the subject's key, which makes every copy of its data unreadable; say whether there was one.

    With a keys database this is committed there at once, whatever becomes of the caller's transaction.
    """
    with _writing(session) as keys:
        gone = keys.execute(delete(_KEYS).where(_KEYS.c.subject_id == subject).returning(_KEYS.c.subject_id))
        return gone.first() is not None


def rewrap(session: Session, batch: int) -> int:
    """Wrap up to `batch` data keys anew with the current wrapping key and return how many; 0 means it is done.

    Keys whose wrapping key SEAL_KEYS lacks are left alone: `unseal` complains of them.
    """
    ring = settings().seal_ring
    current = next(iter(ring))
    with _writing(session) as keys:
        old = keys.execute(
            select(_KEYS.c.subject_id, _KEYS.c.wrapping_key_id, _KEYS.c.wrapped)
            .where(_KEYS.c.wrapping_key_id.in_([name for name in ring if name != current]))
            .limit(batch)
            .with_for_update(skip_locked=True)
        ).all()
        for subject, name, wrapped in old:
            key = _unwrapped(subject, name, wrapped)
            keys.execute(
                update(_KEYS)
                .where(_KEYS.c.subject_id == subject)
                .values(wrapping_key_id=current, wrapped=_wrapped(subject, current, key))
            )
    return len(old)


def seal_for_ourselves(label: str, context: str, text: str) -> bytes:
    """Return `text` sealed with a key derived from SECRET_KEY: for what belongs to no subject and soon expires.

    Args:
        label: the use, such as "idempotent answers"; it has a key of its own.
        context: what the value belongs to, such as a row's key; it opens in no other.
        text: what is sealed.
    """
    return _sealed(derived(f"seal {label}"), text, packed("ours", context))


def unseal_for_ourselves(label: str, context: str, sealed: bytes) -> str:
    """Return what `seal_for_ourselves` sealed, also under SECRET_KEY_PREVIOUS.

    Raises:
        Tampered: it was sealed for another label or context, or under neither key, or is damaged.
    """
    for key in valid(f"seal {label}"):
        text = _opened(key, sealed, packed("ours", context))
        if text is not None:
            return text
    raise Tampered(f"{label}: not sealed for this context")


def keys_database() -> Database | None:
    """Return the database that holds data keys, or None if they live in the one that holds everything.

    Its one table is made when the database is first opened.
    """
    url = settings().keys_database_url
    # The same file twice would be two writers, of which SQLite has one.
    return None if not url or url == settings().database_url else _opened_at(url)


@cache
def _opened_at(url: str) -> Database:
    keys = Database(url)
    try:
        with keys.transaction() as session:
            session.execute(CreateTable(_KEYS, if_not_exists=True))
    except DBAPIError:
        # PostgreSQL lets two processes that do this at once trip over each other; the other one has made it.
        with keys.snapshot() as session:
            session.execute(select(_KEYS.c.subject_id).limit(1))
    return keys


@contextmanager
def _writing(session: Session) -> Iterator[Session]:
    keys = keys_database()
    if keys is None:
        with session.no_autoflush:
            yield session
    else:
        with keys.transaction() as own:
            yield own


@contextmanager
def _reading(session: Session) -> Iterator[Session]:
    keys = keys_database()
    if keys is None:
        with session.no_autoflush:
            yield session
    else:
        with keys.snapshot() as own:
            yield own


def _key_to_seal(session: Session, subject: UUID) -> bytes:
    with _reading(session) as keys:
        key = _key(keys, subject)
    if key is None:
        _refuse_erased(session, subject)
    # Somebody else may make the key first, or shred it in between; what counts is what the table says afterwards.
    for _ in range(_MOST_TRIES):
        if key is not None:
            return key
        with _writing(session) as keys:
            _add_key(keys, subject)
            key = _key(keys, subject)
    if key is None:
        raise Shredded(f"the key of subject {subject} is being deleted")
    return key


def _refuse_erased(session: Session, subject: UUID) -> None:
    erased = select(_CUSTOMERS.c.id).where(_CUSTOMERS.c.id == subject, _CUSTOMERS.c.erased_at.is_not(None))
    with session.no_autoflush:
        if session.execute(erased).first() is not None:
            raise Shredded(f"customer {subject} was erased")


def _key(keys: Session, subject: UUID) -> bytes | None:
    # Never cached: a key that was made in a savepoint may be rolled back, and a shredded one must not live on here.
    found = keys.execute(
        select(_KEYS.c.wrapping_key_id, _KEYS.c.wrapped).where(_KEYS.c.subject_id == subject)
    ).one_or_none()
    return None if found is None else _unwrapped(subject, found.wrapping_key_id, found.wrapped)


def _add_key(keys: Session, subject: UUID) -> None:
    current = next(iter(settings().seal_ring))
    keys.execute(
        insert_new(keys, DataKey)
        .values(
            subject_id=subject,
            wrapping_key_id=current,
            wrapped=_wrapped(subject, current, token_bytes(_KEY_BYTES)),
            created_at=clock().now(),
        )
        .on_conflict_do_nothing()
    )


def _wrapped(subject: UUID, name: str, key: bytes) -> bytes:
    return _encrypted(settings().seal_ring[name], key, packed("data key", subject.bytes, name))


def _unwrapped(subject: UUID, name: str, wrapped: bytes) -> bytes:
    wrapping_key = settings().seal_ring.get(name)
    if wrapping_key is None:
        raise WrappingKeyMissing(f"SEAL_KEYS has no key named {name}")
    key = _decrypted(wrapping_key, wrapped, packed("data key", subject.bytes, name))
    if key is None:
        raise Tampered(f"the data key of subject {subject} does not open with the key named {name}")
    return key


def _bound_to(place: Place) -> bytes:
    return packed("value", place.subject.bytes, place.table, place.column, str(place.row))


def _sealed(key: bytes, text: str, bound_to: bytes) -> bytes:
    return _encrypted(key, text.encode(), bound_to)


def _opened(key: bytes, sealed: bytes, bound_to: bytes) -> str | None:
    raw = _decrypted(key, sealed, bound_to)
    return None if raw is None else raw.decode()


def _encrypted(key: bytes, raw: bytes, bound_to: bytes) -> bytes:
    nonce = token_bytes(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, raw, _FORMAT + bound_to)


def _decrypted(key: bytes, sealed: bytes, bound_to: bytes) -> bytes | None:
    body = len(_FORMAT) + _NONCE_BYTES
    if not sealed.startswith(_FORMAT) or len(sealed) <= body:
        return None
    try:
        return AESGCM(key).decrypt(sealed[len(_FORMAT) : body], sealed[body:], _FORMAT + bound_to)
    except InvalidTag:
        return None
