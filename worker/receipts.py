"""Storing what vendors report, before anything is made of it. A fact that comes twice is stored once."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from models.job import Name
from models.message import Receipt
from worker.database import insert_new
from worker.jobs import enqueue
from worker.vendors import ReceiptFact


def store(session: Session, facts: Iterable[ReceiptFact], *, now: datetime) -> int:
    """Store each new fact and owe its application; return how many were new."""
    new = 0
    for fact in facts:
        stored = session.scalars(
            insert_new(session, Receipt)
            .values(
                once_key=fact.once_key,
                vendor=fact.vendor,
                attempt_id=fact.attempt_id,
                reference=fact.reference,
                status=fact.status,
                fact=fact.state,
                code=fact.code,
                received_at=now,
            )
            .on_conflict_do_nothing(index_elements=[Receipt.once_key])
            .returning(Receipt.id)
        ).one_or_none()
        if stored is not None:
            enqueue(session, Name.APPLY_RECEIPT, receipt_id=stored)
            new += 1
    return new
