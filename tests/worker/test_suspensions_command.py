"""`python -m worker suspensions` at a terminal, in front of a real API: look, decide, undo, lift (B40 to B42)."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from tests.api.calling import Caller
from tests.api.serving import served
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import sqlite_only
from tests.worker.stopping import work
from worker.commands.client import REFUSED
from worker.commands.suspensions import main
from worker.database import Database

pytestmark = sqlite_only

PLAN = [
    *("--treatment", "cancel", "--starts-at", "2030-06-04T11:00:00+09:00", "--ends-at", "2030-06-04T15:00:00+09:00"),
    *("--notice-url", "https://www.example.jp/news/maintenance", "--reason", "maintenance 42"),
]
Run = Callable[..., str]


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def run(caller: Caller, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command as an operator; return what it said."""
    environment.setenv("TORITSUGI_API_KEY", caller.key("desk")["Authorization"].removeprefix("Bearer "))
    environment.setattr(logging.getLogger(), "handlers", [])
    app = one_app()
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    with served(app) as url:
        environment.setenv("TORITSUGI_URL", url)

        def said(*arguments: str) -> str:
            capsys.readouterr()
            assert main(arguments) == 0
            return capsys.readouterr().out

        yield said


def planned(run: Run) -> str:
    return str(json.loads(run("plan", "--global", *PLAN))["id"])


def test_sent_again_with_its_key_it_stops_nothing_twice(run: Run) -> None:
    stops = [json.loads(run("plan", "--global", *PLAN, "--key", "maintenance-42"))["id"] for _ in range(2)]

    assert stops[0] == stops[1]


def test_it_shows_whom_a_suspension_would_concern_before_it_is_decided(caller: Caller, run: Run) -> None:
    booking_id = caller.booked()

    lines = run("preview", "--global", *PLAN).splitlines()

    assert lines[0] == "1 bookings inside; 0 holds, released if it began now"
    assert lines[1].split()[0] == str(booking_id)
    assert run("list") == "none\n"


def test_what_was_decided_is_listed_in_a_line(run: Run) -> None:
    stop = planned(run)

    assert run("list").split()[:3] == [stop, "planned", "everything"]


def test_one_shop_can_be_stopped(run: Run) -> None:
    run("plan", "--shop", "fred", *PLAN)

    assert run("list").split()[2] == "fred"


def test_what_was_planned_is_undone_and_listed_only_when_asked_for(run: Run) -> None:
    stop = planned(run)

    assert json.loads(run("undo", stop, "--reason", "not needed"))["status"] == "undone"
    assert run("list") == "none\n"
    assert run("list", "--status", "undone").split()[:2] == [stop, "undone"]


def test_what_runs_is_lifted(run: Run) -> None:
    at_once = ["--without-notice-because", "an outage", *PLAN[-4:]]
    stop = json.loads(run("plan", "--global", *at_once))["id"]

    assert json.loads(run("lift", stop, "--reason", "it is back"))["status"] == "lifted"


def test_its_bookings_and_its_trail_are_shown(run: Run) -> None:
    stop = planned(run)

    assert run("bookings", stop) == "none\n"
    assert [event["kind"] for event in json.loads(run("show", stop))["events"]] == ["planned"]


@pytest.mark.usefixtures("do_due_jobs")
def test_its_bookings_are_all_shown_however_many_pages_they_fill(
    caller: Caller, run: Run, environment: pytest.MonkeyPatch
) -> None:
    """Two of two pages are full: that there is no third one is said by nobody."""
    environment.setattr("worker.commands.suspensions.PAGE", 1)
    booked = {str(caller.booked(contact={"phone": f"090-0000-00{number}"})) for number in (13, 14)}
    stop = planned(run)
    work(caller)

    assert {line.split()[0] for line in run("bookings", stop).splitlines()} == booked


def test_what_the_api_refuses_is_said_with_the_place_of_the_fault(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plan", "--global", *PLAN, "--notice-at", "2030-06-05T00:00:00+09:00"])

    assert code == REFUSED
    assert "`notice_at` must be before `starts_at`" in capsys.readouterr().err
