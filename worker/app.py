"""The Celery app. Settings are in celeryconfig.py, in Celery's own words; tasks are named there, not imported here."""

from typing import Any

from celery import Celery, signals

from worker import logs
from worker.settings import settings

app = Celery("toritsugi")
app.config_from_object("celeryconfig")


@signals.setup_logging.connect
def _log_as_json(**_: Any) -> None:
    logs.configure(settings().log_level)


@signals.worker_init.connect
@signals.worker_process_init.connect
def _hand_over_from_here(**_: Any) -> None:
    """Workers ring what their bodies enqueue. Under prefork the child does, with connections of its own."""
    from worker.database import database
    from worker.jobs.relay import relay
    from worker.seals import keys_database

    database().forget_connections()
    if (keys := keys_database()) is not None:
        keys.forget_connections()
    relay().enable()
