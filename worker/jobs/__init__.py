"""The jobs engine: what the database owes is done once, whatever dies in between.

Owing (`enqueue`) writes a row in the caller's transaction. Ringing (the relay, the sweep) tells a worker by way of the
broker, which may forget everything. Doing locks the row, and deletes it in the transaction that holds the effect.
ARCHITECTURE.md has the whole story and what each kind of crash leaves behind.
"""

from worker.jobs.doing import JobFailed, Outcome, OutsideJob, job, outside_job, perform, perform_chunk
from worker.jobs.owing import Link, drop_timers, enqueue, enqueue_chain
from worker.jobs.ringing import mark_returned, sweep

__all__ = [
    "JobFailed",
    "Link",
    "Outcome",
    "OutsideJob",
    "drop_timers",
    "enqueue",
    "enqueue_chain",
    "job",
    "mark_returned",
    "outside_job",
    "perform",
    "perform_chunk",
    "sweep",
]
