"""Addresses that nothing is sent to. Known here by a digest; who tells the shop is the caller's business."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from models.customer import Channel
from models.suppression import SILENCES, Suppression
from worker.database import insert_new
from worker.derived_keys import fingerprint


def digest(channel: Channel, address: str) -> str:
    """Return by what an address is known here; it is the same for all shops, for it is the vendor that refuses it."""
    return fingerprint("suppressions", channel, address)


def silenced(session: Session, channel: Channel, address: str, *, now: datetime) -> Suppression | None:
    """Return the suppression that is in force for an address."""
    row = session.scalars(_standing(channel, digest(channel, address))).one_or_none()
    return row if row is not None and row.is_in_force(now) else None


def silence(
    session: Session, channel: Channel, address: str, reason: str, *, attempt_id: UUID | None, now: datetime
) -> bool:
    """Send nothing more to an address for as long as the reason lasts; False if it was silenced already."""
    known = digest(channel, address)
    standing = session.scalars(_standing(channel, known).with_for_update()).one_or_none()
    if standing is not None:
        if standing.is_in_force(now):
            return False
        standing.lifted_at, standing.lifted_by, standing.lifted_because = standing.until, "time", "its time was over"
        session.flush()
    lasts = SILENCES[reason].lasts
    added = session.scalars(
        insert_new(session, Suppression)
        .values(
            channel=channel,
            address_digest=known,
            reason=reason,
            attempt_id=attempt_id,
            since=now,
            until=now + lasts if lasts is not None else None,
        )
        .on_conflict_do_nothing()
        .returning(Suppression.id)
    ).one_or_none()
    return added is not None


def lift(session: Session, channel: Channel, address: str, *, by: str, because: str, now: datetime) -> bool:
    """Let an address be sent to again, as a person decided; False if it was not silenced."""
    standing = session.scalars(_standing(channel, digest(channel, address)).with_for_update()).one_or_none()
    if standing is None:
        return False
    standing.lifted_at, standing.lifted_by, standing.lifted_because = now, by, because
    return True


def _standing(channel: Channel, known: str) -> Select[Suppression]:
    return select(Suppression).where(
        Suppression.channel == channel, Suppression.address_digest == known, Suppression.lifted_at.is_(None)
    )
