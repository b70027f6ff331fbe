"""Inquiries on their way, and customers whose time is over. What beat knocks for is in timers.py."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.job import Name
from worker import inquiries
from worker.jobs import job
from worker.people import retention
from worker.seals import shred


@job(Name.ROUTE_INQUIRY)
def route_inquiry(session: Session, now: datetime, inquiry_id: UUID) -> None:
    """Hand an inquiry over to the brand or to the provider, and tell the customer which (B34)."""
    inquiry = inquiries.locked(session, inquiry_id)
    if inquiry is not None:
        inquiries.route(session, inquiry, now=now)


@job(Name.PURGE_CUSTOMERS)
def purge_customers(session: Session, now: datetime, shop_id: str) -> None:
    """Forget a shop's customers whose time is over, and the trails whose own is (B37, B43)."""
    retention.purge(session, shop_id, now=now)


@job(Name.SHRED_KEY)
def shred_key(session: Session, now: datetime, subject_id: UUID) -> None:  # noqa: ARG001 - every job is told the time
    """Shred the key of what was to be forgotten by now; one that is gone stays gone."""
    shred(session, subject_id)


__all__ = ["purge_customers", "route_inquiry", "shred_key"]
