"""Telling the systems that enqueue what became of it, as Standard Webhooks 1.0.0 says; docs/webhooks.md is for them.

An event is written in the transaction of the move it tells of (`events`); a job gives it to the endpoints that want it
(`deliveries`); each is called (`posting`) at an address that was checked (`addresses`), with a signature (`signing`).
"""

from worker.webhooks.events import (
    emit,
    tell_of_booking,
    tell_of_call,
    tell_of_call_entry,
    tell_of_case,
    tell_of_entry,
    tell_of_message,
    tell_of_suspension,
)

__all__ = [
    "emit",
    "tell_of_booking",
    "tell_of_call",
    "tell_of_call_entry",
    "tell_of_case",
    "tell_of_entry",
    "tell_of_message",
    "tell_of_suspension",
]
