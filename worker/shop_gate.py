"""Where bookings and a change of their shop's rules meet, so that neither is made beside the other.

Whoever takes a time of a shop passes before the rules are read; whoever changes the rules has the gate alone. So the
change finds, and shows, every booking that was made by the old rules, and every later one goes by the new.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

_GATE = 0x53_68_6F_70
"""PostgreSQL's advisory locks of two numbers: this one, and the shop's. SQLite admits one writer anyway."""


def pass_through(session: Session, shop_id: str) -> None:
    """Let nobody change the shop's rules until this transaction has ended."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock_shared(_GATE, func.hashtext(shop_id))))


def close(session: Session, shop_id: str) -> None:
    """Wait for everybody who is taking a time of the shop, and let nobody else until this transaction has ended."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_GATE, func.hashtext(shop_id))))


__all__ = ["close", "pass_through"]
