"""What operations of operators have in common: who acts, as the trail names them, and why."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.resources import Given, PlainText, shown
from models.access import ApiKey
from models.audit import LONGEST_REASON

SHOP_ID = r"^[a-z][a-z0-9-]{0,63}$"
ShopAsked = Annotated[str | None, Query(pattern=SHOP_ID, description="One shop alone.", examples=["fred"])]


class Why(Given):
    """Why a person does so."""

    model_config = shown({"reason": "問い合わせ 2026-118 への対応"})

    reason: PlainText = Field(
        min_length=3,
        max_length=LONGEST_REASON,
        description="Kept, sealed, in the audit trail.",
        examples=["問い合わせ 2026-118 への対応"],
    )


def actor_of(caller: ApiKey) -> str:
    """Return who acts: the person whose key it is, or the key."""
    return f"person:{caller.person}" if caller.person else f"key:{caller.id}"


__all__ = ["SHOP_ID", "ShopAsked", "Why", "actor_of"]
