"""What beat and the engine knock for: the sweep, the marks that come out of queues, chunks of bulk jobs, tidying up.

These are Celery tasks without a row: they may be lost or doubled, because they only look at rows.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete

from models.access import KEPT, IdempotentRequest
from worker import jobs
from worker.app import app
from worker.clock import clock
from worker.database import database
from worker.people import retention


# A tick every second would bury in Flower what people look for there.
@app.task(name="jobs.sweep", send_events=False)
def sweep() -> None:
    """Ring what is due."""
    jobs.sweep()


@app.task(name="jobs.return_mark", send_events=False)
def return_mark(queue: str, sent_at: str) -> None:
    """Bring back a mark: what was rung long before it and is still there was lost."""
    jobs.mark_returned(queue, datetime.fromisoformat(sent_at))


@app.task(name="jobs.perform_chunk")
def perform_chunk(job: str, job_ids: Sequence[str]) -> None:
    """Do up to a hundred jobs of one name in one transaction."""
    try:
        jobs.perform_chunk(job, [UUID(job_id) for job_id in job_ids])
    except Exception as error:  # noqa: BLE001 - its text may quote what Flower must not show
        raise jobs.JobFailed(f"{job}: {type(error).__name__}") from None


@app.task(name="idempotency.forget_answers")
def forget_answers() -> None:
    """Delete the answers whose promised day is over."""
    with database().transaction() as session:
        session.execute(delete(IdempotentRequest).where(IdempotentRequest.created_at < clock().now() - KEPT))


@app.task(name="people.owe_purges", send_events=False)
def owe_purges() -> None:
    """Owe each shop that keeps something too long the purge of it (B37)."""
    retention.owe_purges(database(), now=clock().now())
    retention.forget_counts(database(), now=clock().now())
    retention.forget_items(database(), now=clock().now())
