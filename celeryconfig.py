"""Celery's settings, in Celery's own words. Every departure from a default says why."""

from kombu import Queue as CeleryQueue

from beat_schedule import beat_schedule  # noqa: F401 - Celery reads it from here
from models.job import Queue
from worker.settings import settings

broker_url = settings().broker_url
# The relay must fail within seconds when the broker is frozen; Celery's own chain hands on with the same sockets.
broker_transport_options = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 25,
    # The default of 10 is fewer than a worker's threads; acknowledgements then fail and tasks run twice.
    "max_connections": 100,
    # The rows are the record and the sweep brings back what the broker forgot, so keeping a second record in Redis
    # costs a round trip or two a task and saves nothing.
    "ack_emulation": settings().broker_acknowledges,
    # Only matters with acknowledgements turned on.
    "visibility_timeout": 120,
}
broker_connection_retry_on_startup = True
# The default of 100 makes a worker give up on a broker that is away for long.
broker_connection_max_retries = None
# Who publishes owns the retry: the relay gives jobs back to the sweep, a broken chain is resumed from its rows.
task_publish_retry = False

# Only ids travel, as JSON: operators can read the broker and Flower.
task_serializer = "json"
accept_content = ["json"]
# State lives in rows. A result backend would be a second, forgetful place for it.
task_ignore_result = True
result_backend = None

task_queues = [CeleryQueue(str(queue)) for queue in Queue]
# A job on a queue that nobody consumes would wait for ever; better an error at once.
task_create_missing_queues = False
task_default_queue = str(Queue.BOOKINGS)

# With acknowledgements on: after the work, and again if the process died. Without them a killed child's job comes
# back by way of its row, where its starts are counted.
task_acks_late = True
task_reject_on_worker_lost = settings().broker_acknowledges
# A killed worker forgets what it had fetched ahead; those jobs wait a lease, so few are fetched ahead.
worker_prefetch_multiplier = 2

# TERM is a warm shutdown: running jobs end, however long that takes; whoever stops the worker bounds it (60 s in
# docker-compose.yml). QUIT and INT are soft: running jobs get this long, more than a vendor's read timeout, then stop.
worker_soft_shutdown_timeout = 35.0
# Flower shows what happens.
worker_send_task_events = True
task_send_sent_event = False
worker_disable_rate_limits = True
worker_hijack_root_logger = False

enable_utc = True
timezone = "UTC"

imports = [
    "tasks.timers",
    "tasks.verification",
    "tasks.bookings",
    "tasks.calls",
    "tasks.in_call",
    "tasks.delivery",
    "tasks.settling",
    "tasks.items",
    "tasks.terms",
    "tasks.webhooks",
    "tasks.disclosure",
    "tasks.auditing",
    "tasks.people",
    "tasks.suspensions",
    "tasks.video",
]
worker_cancel_long_running_tasks_on_connection_loss = False
