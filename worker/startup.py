"""What must be true before a process serves anybody, beyond each setting by itself."""

import logging

from sqlalchemy import select

from models.calendar import zone_named
from models.shop import Shop
from worker.database import database
from worker.settings import Environment, settings
from worker.wording.budgets import over_budget

_log = logging.getLogger(__name__)


class MessageTooLongError(RuntimeError):
    """With this public host some SMS cost more segments than they may; a shorter host is needed."""


def check_message_lengths() -> None:
    """Render every SMS at its longest, for every shop and the configured host.

    Raises:
        MessageTooLongError: in production, if any is over its budget of segments; elsewhere a warning is logged.
    """
    with database().snapshot() as session:
        shops = session.scalars(select(Shop).where(Shop.enabled)).all()
    zones: dict[str, list[str]] = {}
    for shop in shops:
        zones.setdefault(shop.zone, []).append(shop.short_name)
    over = [
        breach
        for zone, names in zones.items()
        for breach in over_budget(settings().public_host, names, zone_named(zone))
    ]
    if not over:
        return
    said = ", ".join(f"{each.kind}.{each.language} {each.segments} instead of {each.budget}" for each in over[:5])
    if settings().environment is Environment.PRODUCTION:
        raise MessageTooLongError(f"the host of PUBLIC_URL makes SMS too long: {said}")
    _log.warning("SMS with this host cost more segments than in production", extra={"count": len(over)})
