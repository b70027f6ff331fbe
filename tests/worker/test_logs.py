"""Logs: one JSON object a line, allowed fields only, and no value of a request in any of them."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from worker import logs
from worker.logs import FIELDS, QUIET, JsonFormatter, carrying, configure, request_id

CANARY = "+819000001234"


def record(event: str = "request", *, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("api.access", logging.INFO, __file__, 1, event, None, exc_info)
    made.__dict__.update(extra)
    return made


def line(of: logging.LogRecord) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(JsonFormatter().format(of))
    return written


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Whatever is configured here is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_a_line_is_one_json_object_with_time_level_and_event() -> None:
    written = line(record("two\nlines"))

    assert (written["level"], written["logger"], written["event"]) == ("info", "api.access", "two\nlines")
    assert "\n" not in JsonFormatter().format(record("two\nlines"))
    assert "at" in written


def test_allowed_fields_are_written_and_all_others_dropped() -> None:
    written = line(record(route="/v1/bookings/{booking_id}", phone=CANARY, path=f"/c/{CANARY}"))

    assert written["route"] == "/v1/bookings/{booking_id}"
    assert CANARY not in json.dumps(written)


def test_every_allowed_field_can_be_given_because_logging_fills_in_none_of_them() -> None:
    own = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime"}

    assert own & FIELDS == set()


def test_no_field_is_allowed_that_names_something_personal() -> None:
    assert not FIELDS & {"phone", "email", "name", "to", "body", "path", "url", "query", "code_value", "text"}


def fail_with_the_canary() -> None:
    raise ValueError(CANARY)


def test_an_exception_is_its_class_and_its_places_and_never_its_text() -> None:
    with pytest.raises(ValueError, match="81") as caught:
        fail_with_the_canary()

    written = line(record(error=caught.value))

    assert written["error"] == "ValueError"
    assert written["where"][-1].endswith(" fail_with_the_canary")
    assert CANARY not in json.dumps(written)


def test_the_text_of_the_exception_behind_an_exception_is_not_written_either() -> None:
    with pytest.raises(ValueError, match="81") as behind:
        fail_with_the_canary()
    error = RuntimeError()
    error.__cause__ = behind.value

    assert CANARY not in JsonFormatter().format(record(error=error))


def test_a_line_carries_the_id_of_the_request_that_caused_it() -> None:
    with carrying("the-request"):
        written = line(record())

    assert written["request_id"] == "the-request"


def test_outside_a_request_there_is_no_request_id() -> None:
    assert "request_id" not in line(record())


def test_the_request_id_is_put_back_even_when_the_block_raises() -> None:
    with carrying("outer"):
        with pytest.raises(LookupError), carrying("inner"):
            raise LookupError
        after = request_id.get()

    assert after == "outer"


@pytest.mark.parametrize("library", ["twilio.http_client", "python_http_client", "sqlalchemy", "urllib3"])
def test_libraries_that_log_addresses_are_quiet_even_when_we_debug(library: str, own_logging: None) -> None:
    configure("DEBUG")

    assert not logging.getLogger(library).isEnabledFor(logging.DEBUG)


def test_what_is_configured_writes_to_standard_error(own_logging: None, capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO")

    logging.getLogger("worker").info("started", extra={"address": "127.0.0.1:8000"})

    written = capsys.readouterr()
    assert written.out == ""
    assert json.loads(written.err)["address"] == "127.0.0.1:8000"


def test_the_places_are_those_of_the_innermost_frames() -> None:
    def deep(levels: int) -> None:
        if not levels:
            raise ValueError
        deep(levels - 1)

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any will do
        deep(30)

    assert len(logs.places(caught.value.__traceback__)) == 12
