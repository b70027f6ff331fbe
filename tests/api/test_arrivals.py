"""What every request gets: an id that goes with all it causes, an instant of receipt, a log line without its values."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from models.job import Name
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, sqlite_only
from worker import jobs, logs
from worker.database import Database

pytestmark = sqlite_only


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


class Lines(logging.Handler):
    """Keeps what a process would write, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.JsonFormatter())
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The lines of requests."""
        lines: list[dict[str, Any]] = [json.loads(line) for line in self.written]
        return [line for line in lines if line["event"] == "request"]


@pytest.fixture
def log(caller: Caller) -> Iterator[Lines]:
    lines = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(lines)
    root.setLevel(level)


# The request's id


def test_an_id_that_came_with_a_request_goes_back_with_the_answer(caller: Caller) -> None:
    answer = caller.http.get("/v1/shops", headers={"X-Request-Id": "from-the-edge_1.2"})

    assert answer.headers["X-Request-Id"] == "from-the-edge_1.2"


@pytest.mark.parametrize("given", [None, "", "x" * 65, "two words", "a\tb", "<script>", "+819000000012,"])
def test_an_id_that_is_missing_or_could_hold_anything_is_replaced(caller: Caller, given: str | None) -> None:
    answer = caller.http.get("/v1/shops", headers={"X-Request-Id": given} if given is not None else {})

    assert UUID(answer.headers["X-Request-Id"])


@pytest.mark.parametrize("path", ["/v1/shops", "/v1/nothing", "/healthz", "/v1/bookings/none"])
def test_every_answer_has_an_id_and_is_kept_by_no_cache(caller: Caller, path: str) -> None:
    answer = caller.http.get(path)

    assert answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_id_is_carried_by_every_job_the_request_owes(caller: Caller) -> None:
    caller.ask(headers={"X-Request-Id": "the-cause"})

    assert {job.request_id for job in caller.jobs()} == {"the-cause"}


def test_the_id_is_carried_by_the_jobs_that_those_jobs_owe(caller: Caller, do_due_jobs: Any) -> None:
    caller.ask(headers={"X-Request-Id": "the-cause"})
    [code] = caller.jobs(Name.DISPATCH_CODE)
    jobs.perform(code.id)

    assert [job.request_id for job in caller.jobs(Name.DELIVER_MESSAGE)] == ["the-cause"]


def test_the_id_stands_in_the_consent_that_the_request_gave(caller: Caller) -> None:
    booking_id = caller.held()

    caller.post(booking_id, "code", headers={"X-Request-Id": "the-consent"}, code=caller.code(booking_id))

    assert {consent.request_id for consent in caller.consents(booking_id)} == {"the-consent"}


def test_one_requests_id_does_not_leak_into_the_next(caller: Caller) -> None:
    caller.http.get("/v1/shops", headers={"X-Request-Id": "first"})

    assert caller.http.get("/v1/shops").headers["X-Request-Id"] != "first"
    assert logs.request_id.get() is None


# The instant of receipt


def test_a_hold_begins_when_the_request_arrived(caller: Caller) -> None:
    booking_id = caller.held()

    assert caller.booking(booking_id).created_at == NOW


# The log


def test_a_request_is_one_line_with_the_pattern_of_its_route(caller: Caller, log: Lines) -> None:
    booking_id = caller.held()
    log.written.clear()

    caller.get(booking_id, headers={"X-Request-Id": "the-request"})

    [line] = log.requests
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/bookings/{booking_id}", 200)
    assert (line["caller_id"], line["request_id"]) == ("development", "the-request")
    assert line["milliseconds"] >= 0


@pytest.mark.parametrize(
    "path", ["/b/canary-token", "/c/canary-token", "/canary-token", "/v1/shops/canary-token/slots?from=canary-token"]
)
def test_no_path_and_no_query_is_ever_logged(caller: Caller, log: Lines, path: str) -> None:
    """Paths carry tokens."""
    caller.http.get(path)

    assert log.requests
    assert "canary" not in "".join(log.written)


def test_nothing_personal_of_a_whole_journey_is_logged(caller: Caller, log: Lines) -> None:
    booking_id = caller.held(
        name="山田花子", memo="canary memo", source_url="https://shop.example.jp/canary", customer_ip="192.0.2.77"
    )
    code = caller.code(booking_id)
    caller.post(booking_id, "code", code=caller.wrong_code(booking_id))
    urls = caller.post(booking_id, "code", code=code).json()
    caller.ask(contact={"phone": "canary"})

    written = "".join(log.written)
    tokens = [urls[name].rpartition("/")[2] for name in ("call_url", "booking_page_url")]
    for personal in ("山田", "canary", "192.0.2.77", "9000000012", "0000-0012", code, *tokens):
        assert personal not in written


def test_a_fault_is_logged_with_the_requests_id_and_without_its_text(
    caller: Caller, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **more: Any) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr("worker.bookings.hold", fail)

    caller.ask(headers={"X-Request-Id": "the-fault"})

    # What other threads log, such as one that waits for an absent broker, bears no request's id.
    faults = [fault for line in log.written if "error" in (fault := json.loads(line)) and "request_id" in fault]
    assert [(fault["error"], fault["request_id"]) for fault in faults] == [("RuntimeError", "the-fault")]
    assert "canary" not in "".join(log.written)
