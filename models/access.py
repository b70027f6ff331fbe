"""Who may call the API, and what was answered to a request that may come again. Secrets and bodies are not readable."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json

KEPT = timedelta(hours=24)
"""How long the answer to a request with an idempotency key is kept; published in the API's description."""


class Scope(StrEnum):
    """What a key may do."""

    SHOPS_READ = "shops:read"
    SHOPS_WRITE = "shops:write"
    BOOKINGS_READ = "bookings:read"
    BOOKINGS_WRITE = "bookings:write"
    VERIFICATIONS = "verifications"
    WEBHOOKS = "webhooks:manage"
    CALLS_WRITE = "calls:write"
    OPERATOR = "operator"
    MARKETPLACE_WRITE = "marketplace:write"
    CASES_WRITE = "cases:write"
    CASES_READ = "cases:read"
    CASES_PAY = "cases:pay"
    CASES_WORK = "cases:work"


class ApiKey(Base):
    """A calling system's key.

    Attributes:
        id: the public part, also the caller's name in logs and trails.
        secret_sha256: hash of the secret part, which has 256 bits and so needs no slow hash.
        shops: the shops it may see and act for; None for all (B36).
        person: who bears it, for people's keys: four eyes compare persons, however many keys one has.
        roles: what that person may do with disclosure cases; see models/roles.py.
        member: the same person as a member of the marketplace, by its own id: nobody handles a case of their own (S6).
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    label: Mapped[str] = mapped_column(String(100))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(Json)
    shops: Mapped[list[str] | None] = mapped_column(Json)
    person: Mapped[str | None] = mapped_column(String(64))
    roles: Mapped[list[str] | None] = mapped_column(Json)
    member: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do this at all."""
        return scope in self.scopes

    def covers(self, shop_id: str | None) -> bool:
        """Whether the key may see this shop; what is of no shop is for keys that are bound to none."""
        return self.shops is None or shop_id in self.shops


class IdempotentRequest(Base):
    """A request that was answered, so that the same one again gets the same answer and no second effect.

    Attributes:
        digest: HMAC of method, path and canonical body; the same key with another body is an error.
        sealed_answer: the answer's body, sealed: it may hold links.
    """

    __tablename__ = "idempotent_requests"

    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    sealed_answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)
