"""Endpoints and their secrets: adding, rotating, removing. Secrets are sealed at rest and opened only to sign."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from models.webhook import OLD_SECRET_LIVES, EventType, WebhookEndpoint, WebhookSecret
from worker.chance import new_id
from worker.clock import unix_ms
from worker.seals import Place, seal, shred, unseal
from worker.webhooks.signing import new_secret


def add(
    session: Session, *, api_key_id: str, url: str, label: str, types: list[EventType] | None, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Write an endpoint; return it and its secret, which is readable this once. The URL's form was checked before."""
    endpoint = WebhookEndpoint(
        id=new_id(unix_ms()),
        api_key_id=api_key_id,
        url=url,
        label=label,
        types=types,
        created_at=now,
        failures=0,
    )
    session.add(endpoint)
    # Nothing relates the two classes to each other, so the order of the rows is ours to keep.
    session.flush()
    return endpoint, _add_secret(session, endpoint.id, now=now)


def rotate(session: Session, endpoint: WebhookEndpoint, *, now: datetime) -> str:
    """Return a new secret. Those before it go on signing beside it for a day, so the receiver can change over."""
    for old in _valid(session, endpoint.id, now=now):
        old.valid_until = old.valid_until or now + OLD_SECRET_LIVES
    ended = (WebhookSecret.endpoint_id == endpoint.id) & (WebhookSecret.valid_until <= now)
    session.execute(delete(WebhookSecret).where(ended))
    return _add_secret(session, endpoint.id, now=now)


def remove(session: Session, endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint, its deliveries and its secrets; the key that sealed those goes too."""
    session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id))
    shred(session, endpoint.id)


def secrets(session: Session, endpoint_id: UUID, *, now: datetime) -> list[str]:
    """Return the secrets that sign now, the newest first."""
    return [unseal(session, _place(row), row.sealed) for row in _valid(session, endpoint_id, now=now)]


def secrets_count(session: Session, endpoint_id: UUID, *, now: datetime) -> int:
    """Return how many secrets sign now."""
    return len(_valid(session, endpoint_id, now=now))


def owned_count(session: Session, api_key_id: str) -> int:
    """Return how many endpoints a key has."""
    query = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.api_key_id == api_key_id)
    return session.scalars(query).one()


def locked(session: Session, endpoint_id: UUID) -> WebhookEndpoint | None:
    """Return the endpoint, locked against whoever else would change it; writing deliveries beside it stays possible.

    Whoever locks an endpoint and one of its deliveries does so in this order.
    """
    return session.get(WebhookEndpoint, endpoint_id, with_for_update={"key_share": True}, populate_existing=True)


def _valid(session: Session, endpoint_id: UUID, *, now: datetime) -> list[WebhookSecret]:
    query = select(WebhookSecret).where(WebhookSecret.endpoint_id == endpoint_id).order_by(WebhookSecret.id.desc())
    return [row for row in session.scalars(query) if row.valid_until is None or now < row.valid_until]


def _add_secret(session: Session, endpoint_id: UUID, *, now: datetime) -> str:
    text = new_secret()
    row = WebhookSecret(id=new_id(unix_ms()), endpoint_id=endpoint_id, created_at=now)
    row.sealed = seal(session, _place(row), text)
    session.add(row)
    session.flush()
    return text


def _place(row: WebhookSecret) -> Place:
    return Place(row.endpoint_id, "webhook_secrets", "sealed", row.id)
