"""What a shop's catalogue says of items that customers name. Asked by a job, never while a customer waits (B21, B22).

The hook is the shop's own: a GET of its `catalogue_url` with `?codes=A,B`, answered by JSON. What it answers is shown
to staff and decides nothing.
"""

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.call import Call
from models.item import MOST_ITEMS_ASKED, CatalogueHealth, CatalogueItem
from models.job import Name
from models.shop import Shop
from worker.database import insert_new
from worker.jobs import enqueue
from worker.webhooks.addresses import LONGEST_URL
from worker.webhooks.posting import RESOLVER_SECONDS, fetch

SECONDS = 3.0
"""What a catalogue may take for an answer."""
LEASE_SECONDS = 2 * (SECONDS + RESOLVER_SECONDS) + 5
"""Nothing more is asked after the half."""
_MOST_BYTES = 64 * 1024
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Item:
    """An item as staff see it.

    Attributes:
        known: False if the shop's catalogue does not have it; None while nobody has asked, or there is no catalogue.
    """

    code: str
    known: bool | None = None
    name: str | None = None
    on_sale: bool = False
    low_stock: bool = False


@dataclass(frozen=True, repr=False)
class Question:
    """What a catalogue is asked. It does not print itself: shops put tokens into URLs."""

    shop_id: str
    codes: tuple[str, ...]
    urls: tuple[str, ...]


Answer = Mapping[str, Mapping[str, Any]]
"""What a catalogue said, by code."""


def owe_look_up(
    session: Session,
    shop: Shop,
    codes: Sequence[str],
    subject_id: UUID,
    *,
    due_at: datetime | None = None,
    timer_of: UUID | None = None,
) -> None:
    """Owe a look at the catalogue for what a booking or a call names; nothing where there is nothing to ask.

    Args:
        session: the transaction in which the items are named.
        shop: whose they are.
        codes: the items.
        subject_id: the booking, or the call at once.
        due_at: when; at once if absent.
        timer_of: the row that it goes with.
    """
    if codes and shop.catalogue_url:
        enqueue(session, Name.LOOK_UP_ITEMS, due_at=due_at, timer_of=timer_of, subject_id=subject_id)


def named_by(session: Session, subject_id: UUID) -> tuple[str, Sequence[str]] | None:
    """Return whose items a booking or a call at once names, and which; None if there is no such."""
    subject = session.get(Booking, subject_id) or session.get(Call, subject_id)
    return (subject.shop_id, subject.item_codes) if subject else None


def items_of(session: Session, shop_id: str, codes: Sequence[str]) -> list[Item]:
    """Return the items that a customer named, in that order, with what is known of each."""
    query = select(CatalogueItem).where(CatalogueItem.shop_id == shop_id, CatalogueItem.code.in_(codes))
    found = {row.code: row for row in session.scalars(query)} if codes else {}
    return [_item(code, found.get(code)) for code in codes]


def question(session: Session, shop_id: str, codes: Iterable[str], *, now: datetime) -> Question | None:
    """Return what there is to ask; None if the shop has no catalogue, it is left alone, or all is known freshly."""
    shop = session.get(Shop, shop_id)
    if shop is None or shop.catalogue_url is None:
        return None
    health = session.get(CatalogueHealth, shop_id)
    if health is not None and not health.may_be_asked(now):
        return None
    wanted = list(dict.fromkeys(codes))[:MOST_ITEMS_ASKED]
    query = select(CatalogueItem).where(CatalogueItem.shop_id == shop_id, CatalogueItem.code.in_(wanted))
    fresh = {row.code for row in session.scalars(query) if row.is_fresh(now)}
    stale = tuple(code for code in wanted if code not in fresh)
    # What no URL has room for stays unasked; that is our own limit and no failing of the catalogue.
    parts = _asking(shop.catalogue_url, stale)
    asked = tuple(code for part in parts.values() for code in part)
    return Question(shop_id, asked, tuple(parts)) if parts else None


def ask(asked: Question) -> Answer | None:
    """Ask the catalogue, three seconds for each answer; None if it did not answer as it should."""
    ends_at = monotonic() + SECONDS + RESOLVER_SECONDS
    found: dict[str, Mapping[str, Any]] = {}
    for url in asked.urls:
        if monotonic() > ends_at:
            return None
        fetched = fetch(url, seconds=SECONDS, most_bytes=_MOST_BYTES)
        said = _read(fetched.body) if fetched.heard.is_success else None
        if said is None:
            return None
        found |= said
    return found


def learn(session: Session, asked: Question, answer: Answer | None, *, now: datetime) -> None:
    """Write down what the catalogue said; what it was asked and does not name is unknown to it."""
    session.execute(
        insert_new(session, CatalogueHealth).values(shop_id=asked.shop_id, failures=0).on_conflict_do_nothing()
    )
    health = session.get_one(CatalogueHealth, asked.shop_id, with_for_update=True, populate_existing=True)
    if answer is None:
        health.failed(now=now)
        return
    health.answered()
    for code in sorted(asked.codes):
        said = answer.get(code)
        facts = {
            "known": said is not None,
            "name": _name(said),
            "on_sale": said is not None and said.get("on_sale") is True,
            "low_stock": said is not None and said.get("low_stock") is True,
            "looked_up_at": now,
        }
        statement = insert_new(session, CatalogueItem).values(shop_id=asked.shop_id, code=code, **facts)
        session.execute(statement.on_conflict_do_update(index_elements=["shop_id", "code"], set_=facts))


def _item(code: str, row: CatalogueItem | None) -> Item:
    return Item(code, row.known, row.name, row.on_sale, row.low_stock) if row else Item(code)


def _asking(url: str, codes: Sequence[str]) -> dict[str, list[str]]:
    """Return the URLs to ask, as few as are no longer than they may be, each with what it asks for."""
    parts: list[list[str]] = []
    for code in codes:
        if parts and len(_url(url, [*parts[-1], code])) <= LONGEST_URL:
            parts[-1].append(code)
        elif len(_url(url, [code])) <= LONGEST_URL:
            parts.append([code])
    return {_url(url, part): part for part in parts}


def _url(url: str, codes: Sequence[str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'codes': ','.join(codes)}, safe=',')}"


def _read(body: bytes) -> Answer | None:
    """Return what an answer says: `{"items": [{"code", "name", "on_sale", "low_stock"}]}`; None if it is no such."""
    try:
        items = json.loads(body)["items"]
        return {item["code"]: item for item in items if isinstance(item["code"], str)}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _name(said: Mapping[str, Any] | None) -> str | None:
    """Return the catalogue's name of an item as one line of plain text."""
    name = said.get("name") if said is not None else None
    if not isinstance(name, str):
        return None
    plain = "".join(letter if unicodedata.category(letter)[0] not in "CZ" else " " for letter in name)
    return " ".join(plain.split())[:_LONGEST_NAME] or None
