"""Telling other systems: an event goes to each endpoint that wants it, again and again until it is taken."""

import logging
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.job import Name
from models.webhook import Heard
from worker.clock import system_now
from worker.jobs import job, outside_job
from worker.webhooks import deliveries, posting, signing
from worker.webhooks.deliveries import Plan

_log = logging.getLogger(__name__)


@job(Name.FAN_OUT_WEBHOOK, bulk=True)
def fan_out_event(session: Session, now: datetime, event_id: UUID) -> None:
    """Owe one event to whoever wants it, and forget a few whose time is over."""
    deliveries.fan_out(session, event_id, now=now)
    deliveries.forget_old(session, now=now)


@outside_job(Name.DELIVER_WEBHOOK, lease=deliveries.LEASE)
class DeliverEvent:
    """Make one attempt to deliver one event to one endpoint. At least once: receivers know an event by its id."""

    def claim(self, session: Session, now: datetime, delivery_id: UUID, number: int) -> Plan | None:
        """Ask the endpoint once more, and open an attempt."""
        return deliveries.claim(session, delivery_id, number, now=now)

    def call(self, plan: Plan) -> Heard:
        """Sign for this moment, and post."""
        headers = signing.headers(str(plan.event_id), plan.body, plan.secrets, at=system_now())
        return posting.post(plan.url, headers, plan.body, seconds=plan.seconds)

    def record(self, session: Session, now: datetime, plan: Plan, result: Heard) -> None:
        """Write down the answer; what was not taken is due again, by the schedule."""
        if deliveries.record(session, plan, result, now=now):
            _log.warning(
                "webhook endpoint disabled",
                extra={"endpoint_id": str(plan.endpoint_id), "status": result.status, "error": result.error},
            )

    def lost(self, session: Session, now: datetime, delivery_id: UUID, number: int) -> None:
        """The process died inside the call. It is made again, since a receiver that had it already will know it."""
        deliveries.lose(session, delivery_id, number, now=now)


@job(Name.RESEND_WEBHOOKS)
def resend_events(session: Session, now: datetime, resend_id: UUID) -> None:
    """Owe a page of a span's events once more."""
    deliveries.resend_page(session, resend_id, now=now)
