"""What people do about a shop's customers, written to the end of the shop's chain: who, what, when, and why (B31).

Knows for whom a reason is sealed, so that it goes when they do; it refuses to know what was done.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.customer import Customer
from worker import auditing
from worker.people import keeping


def note(
    session: Session,
    shop_id: str | None,
    kind: str,
    *,
    by: str,
    reason: str | None,
    sealed_for: UUID | None,
    now: datetime,
    **facts: object,
) -> None:
    """Write down what somebody did.

    Args:
        session: the transaction in which it is done.
        shop_id: whose chain; None: what concerns all shops.
        kind: a word, such as `contact_blocked`.
        by: `person:<name>` or `key:<id>`.
        reason: their own words, which are sealed; None of what our own jobs do.
        sealed_for: whose key seals the reason, and takes it along.
        now: business time.
        facts: ids, numbers, instants and words, never personal data.
    """
    known = facts if reason is None else {"sealed_for": sealed_for, **facts}
    auditing.append(session, auditing.chain_of_shop(shop_id), kind, at=now, actor=by, role=None, reason=reason, **known)


def note_about(
    session: Session, customer: Customer, kind: str, *, by: str, reason: str | None, now: datetime, **facts: object
) -> None:
    """Write down what was done about a customer. The reason goes when the customer's key does; the event stays.

    The reason of what is done about one who was erased goes with the shop's trails.
    """
    shop_id, known = customer.shop_id, {"customer_id": customer.id, **facts}
    whose = None if reason is None else keeping.subject_of_reason(session, customer, shop_id, now=now)
    note(session, shop_id, kind, by=by, reason=reason, sealed_for=whose, now=now, **known)


__all__ = ["note", "note_about"]
