"""Structured logs: one JSON object a line, from a list of allowed fields. No value of a request ever enters one.

An exception is logged as its class and the places it passed through, never as its text: texts quote values.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

from worker.clock import system_now

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Carried from the API call through every job it caused."""

FIELDS = frozenset(
    {
        "job_id",
        "job",
        "queue",
        "outcome",
        "rings",
        "failures",
        "count",
        "error",
        "where",
        "method",
        "route",
        "status",
        "milliseconds",
        "caller_id",
        "booking_id",
        "case_id",
        "trade_id",
        "message_id",
        "attempt_id",
        "endpoint_id",
        "suspension_id",
        "kind",
        "vendor",
        "code",
        "address",
        "reason",
        "alert",
        "head",
    }
)
"""The fields a log line may carry besides time, level, logger, event and request_id."""

# These libraries log addresses, payloads or credentials below this level.
QUIET = {
    "python_http_client": logging.INFO,
    "twilio": logging.WARNING,
    "twilio.http_client": logging.WARNING,
    "urllib3": logging.INFO,
    "httpx2": logging.WARNING,
    "sqlalchemy": logging.WARNING,
}


class JsonFormatter(logging.Formatter):
    """One JSON object a line; unknown fields are dropped, exception texts never written."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": system_now().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "process": record.process,
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line.update({name: value for name, value in record.__dict__.items() if name in FIELDS})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False, default=str)


def places(trace: TracebackType | None) -> list[str]:
    """Return `file:line function` of each frame, innermost last: enough to find the fault, nothing of its data."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-12:]]


def configure(level: str = "INFO") -> None:
    """Send all logging through the formatter to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelName(level)))


@contextmanager
def carrying(current: str | None) -> Iterator[None]:
    """Let everything logged and enqueued in the block carry this request id."""
    token = request_id.set(current)
    try:
        yield
    finally:
        request_id.reset(token)
