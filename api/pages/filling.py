"""What the two forms share in which somebody asks for a call, now or later: what came along, and how it is read.

Knows shapes and their faults; it refuses to know what is done with what was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from models.booking import VisitPurpose
from models.customer import Channel
from models.errors import ContactRefused
from models.shop import Shop
from worker.customers import Contact

Asked = TypeVar("Asked", bound=BaseModel)

_NOBODY = "::"
_FIELDS = ("name", "memo")
_FROM_NOWHERE: Mapping[str, Any] = MappingProxyType({"item_codes": [], "entry_point": None, "source_url": None})


@dataclass(frozen=True)
class Origin:
    """What the customer came from, items and a page (B5, B6), and what they chose. It travels through the pages."""

    item: Sequence[str] = ()
    entry_point: str = ""
    source_url: str = ""
    menu: str = ""

    def query(self) -> dict[str, str | list[str]]:
        """Return it as part of an address."""
        return {
            "item": list(self.item),
            "entry_point": self.entry_point,
            "source_url": self.source_url,
            "menu": self.menu,
        }


@dataclass(frozen=True, repr=False, kw_only=True)
class Filled:
    """A form as it was left; it is shown again as it was when something is wrong. It does not print."""

    phone: str = ""
    email: str = ""
    name: str = ""
    memo: str = ""
    purpose: str = ""
    origin: Origin = field(default_factory=Origin)


def contact_of(channel: Channel, typed: str, errors: dict[str, str], where: str) -> Contact | None:
    """Return what was typed into a field; None if it is empty or wrong, which `errors` then says under `where`."""
    if not typed.strip():
        return None
    try:
        return Contact.parse(channel, typed)
    except ContactRefused as refusal:
        errors[where] = f"errors.{refusal.code}"
        return None


def address_of(request: Request) -> str | None:
    """Return the visitor's own address, if the connection has one."""
    try:
        return str(ip_address(request.client.host)) if request.client else None
    except ValueError:
        return None


def read(
    shape: type[Asked], request: Request, shop: Shop, filled: Filled, errors: dict[str, str], **more: object
) -> Asked | None:
    """Return what a form asks for, as the API would take it; None if a field is wrong, which `errors` then says.

    What the customer came from helps staff; that it cannot be read is no reason to refuse anybody (B21).

    Args:
        shape: the body that the API takes for it.
        request: the form's.
        shop: whom it asks.
        filled: the form.
        errors: field → words; what is wrong is added.
        more: members that this form alone has.
    """
    body: dict[str, Any] = {
        "shop": shop.id,
        "customer_ip": address_of(request) or _NOBODY,
        "name": filled.name.strip() or None,
        "memo": filled.memo.strip() or None,
        # A word that is none of ours is a form of somebody else's; it is no reason to refuse.
        "purpose": filled.purpose if filled.purpose in set(VisitPurpose) else None,
        "item_codes": list(filled.origin.item),
        "entry_point": filled.origin.entry_point or None,
        "source_url": filled.origin.source_url or None,
        **more,
    }
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        wrong = {str(fault["loc"][0]) for fault in error.errors(include_input=False, include_url=False)}
    errors |= {each: f"errors.{each}_invalid" for each in _FIELDS if each in wrong}
    return None if errors else shape.model_validate({**body, **_FROM_NOWHERE})


__all__ = ["Filled", "Origin", "address_of", "contact_of", "read"]
