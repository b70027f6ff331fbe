"""What must be true before a process serves anybody, beyond each setting by itself."""

import logging

from sqlalchemy import select

from models.calendar import zone_named
from models.shop import Shop
from models.terms import Party, TermsDocument, governing
from worker.clock import clock
from worker.database import database
from worker.settings import Environment, settings
from worker.video import video_provider
from worker.wording.budgets import over_budget

_log = logging.getLogger(__name__)


class MessageTooLongError(RuntimeError):
    """With this public host some SMS cost more segments than they may; a shorter host is needed."""


class TermsMissingError(RuntimeError):
    """Customers could agree to nothing: the platform, or whoever carries new calls, has no terms that govern now."""


def check_terms() -> None:
    """Look whether terms of both sides govern now: ours, and those of the provider of new calls (B27).

    Raises:
        TermsMissingError: in production, if one of them has none; elsewhere a warning is logged.
    """
    provider = video_provider().name
    with database().snapshot() as session:
        documents = session.scalars(select(TermsDocument)).all()
    parties = {each.party for each in governing(documents, clock().now(), provider=provider)}
    missing = [party.value for party in Party if party not in parties]
    if not missing:
        return
    if settings().environment is Environment.PRODUCTION:
        raise TermsMissingError(f"publish terms that govern before calls go by {provider}; missing: {missing}")
    _log.warning("customers would agree to no terms of the provider of calls", extra={"provider": provider})


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
