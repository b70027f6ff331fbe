"""The yardstick: a Celery app that does nothing, with Celery's own defaults. It knows nothing of this project."""

import os

from celery import Celery

TASK = "bare.nothing"
QUEUE = "celery"
"""Where Celery puts a task that names no queue."""


def app_on(broker_url: str) -> Celery:
    """Return the app on a broker; nothing else is set."""
    return Celery("bare", broker=broker_url, set_as_current=False)


def _nothing() -> None:
    """Do nothing."""


app = app_on(os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0"))
app.task(name=TASK)(_nothing)
