"""What happens unasked: name → task, interval, reason. Beat only knocks; rows decide what is due.

Two beats, a late beat or none for a day are harmless: a tick that finds nothing due does nothing, and what fell due in
between is still there.
"""

from typing import Any

beat_schedule: dict[str, dict[str, Any]] = {
    # Rings timers that fell due, and jobs that the broker or a dead process forgot.
    "sweep": {
        "task": "jobs.sweep",
        "schedule": 1.0,
        # A backlog of ticks is worth no more than one.
        "options": {"queue": "sweeps", "expires": 5},
    },
    # Reports get lost; a message without one is asked after.
    "poll-unreported": {
        "task": "message.poll_unreported",
        "schedule": 60.0,
        "options": {"queue": "sweeps", "expires": 60},
    },
    # One task moves the shares of the vendors' accounts, for all workers.
    "let-shares-drift": {
        "task": "vendors.let_shares_drift",
        "schedule": 30.0,
        "options": {"queue": "sweeps", "expires": 30},
    },
    # Answers to idempotent requests are kept for a day; they hold links, so no longer.
    "forget-answers": {
        "task": "idempotency.forget_answers",
        "schedule": 3600.0,
        "options": {"queue": "sweeps", "expires": 600},
    },
    # Whatever a shop keeps too long is purged within the hour; mostly there is nothing (B37).
    "owe-purges": {
        "task": "people.owe_purges",
        "schedule": 3600.0,
        "options": {"queue": "sweeps", "expires": 600},
    },
    # A day on which the disclosure service ends may be set while cases wait; they set their own timers when they move.
    "owe-service-end": {
        "task": "case.owe_service_end",
        "schedule": 3600.0,
        "options": {"queue": "sweeps", "expires": 600},
    },
    # The audit trail gets a signed head a day. An hour late is soon enough: a head says when it was made.
    "owe-daily-head": {
        "task": "audit.owe_head",
        "schedule": 3600.0,
        "options": {"queue": "sweeps", "expires": 600},
    },
}
