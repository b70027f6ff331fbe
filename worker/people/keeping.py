"""Keys of what was sealed about people, and when each goes: with its customer, or with its shop's trails (B37, B43).

What goes at once goes with the transaction; with a keys database after it, or a crash in between would leave a contact
that nobody can open and nobody can book with again.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.customer import Customer
from models.job import Name
from models.shop import Shop
from worker.chance import new_id
from worker.clock import unix_ms
from worker.jobs import enqueue
from worker.seals import keys_database, shred


def forget(session: Session, subject: UUID) -> None:
    """Shred a subject's key if, and only if, the transaction is committed; the caller empties what was sealed."""
    if keys_database() is None:
        shred(session, subject)
    else:
        enqueue(session, Name.SHRED_KEY, subject_id=subject)


def shred_with_trails(session: Session, subject: UUID, shop_id: str | None, *, now: datetime) -> None:
    """Owe the shredding of a subject's key for the day on which what happens now is over for the shop's trails.

    What concerns all shops is kept as long as the shop does that keeps its trails longest.
    """
    of_one = select(Shop.trail_days).where(Shop.id == shop_id)
    days = session.scalars(of_one if shop_id else select(func.max(Shop.trail_days))).one_or_none()
    enqueue(session, Name.SHRED_KEY, due_at=now + timedelta(days=days or 0), subject_id=subject)


def subject_of_reason(session: Session, customer: Customer | None, shop_id: str, *, now: datetime) -> UUID:
    """Return for whom a reason is sealed that an operator gives: the customer, so that it goes when they do.

    If there is none, or no longer, it is a subject of its own whose key goes with the trails.
    """
    if customer is not None and customer.erased_at is None:
        return customer.id
    alone = new_id(unix_ms())
    shred_with_trails(session, alone, shop_id, now=now)
    return alone


__all__ = ["forget", "shred_with_trails", "subject_of_reason"]
