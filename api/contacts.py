"""Where somebody may ask who was refused: the contact form of the shop that the request was about (B30)."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.call import Call
from models.customer import Customer
from models.errors import Refusal
from models.inquiry import Inquiry
from models.shop import Shop
from models.verification import Verification

_SHOP = re.compile(r"/v1/shops/([a-z][a-z0-9-]{0,63})(?:/|$)")
_ROW = re.compile(r"/v1/([a-z]+)/([0-9a-f-]{36})(?:/|$)")


def _of_verification(session: Session, found: UUID) -> str | None:
    verification = session.get(Verification, found)
    customer = session.get(Customer, verification.customer_id) if verification else None
    return customer.shop_id if customer else None


def _of(table: type[Booking | Call | Customer | Inquiry]) -> Callable[[Session, UUID], str | None]:
    def shop_of(session: Session, found: UUID) -> str | None:
        return session.scalars(select(table.shop_id).where(table.id == found)).one_or_none()

    return shop_of


_ROWS: Mapping[str, Callable[[Session, UUID], str | None]] = MappingProxyType(
    {
        "booking": _of(Booking),
        "call": _of(Call),
        "customer": _of(Customer),
        "inquiry": _of(Inquiry),
        "inquirie": _of(Inquiry),
        "verification": _of_verification,
    }
)
"""What a refusal, a body or an address names a row by, without its plural or `_id` → the shop of that row."""


def contact_url(session: Session, refusal: Refusal, *, path: str, body: BaseModel | None) -> str | None:
    """Return the contact form of the shop that a refused request was about; None if it was about none that is known.

    Args:
        session: what is left of the request's transaction.
        refusal: its facts may name the shop, or a row of it.
        path: the request's.
        body: the request's.
    """
    if (known := refusal.facts.get("contact_url")) is not None:
        return str(known)
    shop_id = _named(session, refusal.facts) or _named(session, _members(body)) or _in_path(session, path)
    shop = session.get(Shop, shop_id) if shop_id else None
    return shop.contact_url if shop else None


def _members(body: BaseModel | None) -> Mapping[str, object]:
    return {name: getattr(body, name) for name in type(body).model_fields} if body is not None else {}


def _named(session: Session, facts: Mapping[str, object]) -> str | None:
    shop = facts.get("shop_id") or facts.get("shop")
    if isinstance(shop, str):
        return shop
    for name, value in facts.items():
        shop_of = _ROWS.get(name.removesuffix("_id"))
        if shop_of is not None and isinstance(value, UUID) and (found := shop_of(session, value)) is not None:
            return found
    return None


def _in_path(session: Session, path: str) -> str | None:
    if (shop := _SHOP.match(path)) is not None:
        return shop[1]
    row = _ROW.match(path)
    shop_of = _ROWS.get(row[1].removesuffix("s")) if row else None
    return shop_of(session, UUID(row[2])) if row and shop_of else None


__all__ = ["contact_url"]
