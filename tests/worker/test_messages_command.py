"""`python -m worker messages` at a terminal, in front of a real API: list, show, decide."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from models.message import Kind
from tests.api.calling import Caller
from tests.api.serving import served
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import NOW, SLOT, sqlite_only
from worker.commands.client import DONE, REFUSED
from worker.commands.messages import main
from worker.database import Database
from worker.messages import tell_customer

pytestmark = sqlite_only
NOBODYS = "01890000-0000-7000-8000-000000000000"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def run(caller: Caller, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command as an operator; return its code and all that it said."""
    environment.setenv("TORITSUGI_API_KEY", caller.key("desk")["Authorization"].removeprefix("Bearer "))
    environment.setattr(logging.getLogger(), "handlers", [])
    app = one_app()
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    with served(app) as url:
        environment.setenv("TORITSUGI_URL", url)

        def command(*arguments: str) -> tuple[int, str]:
            capsys.readouterr()
            code = main(arguments)
            said = capsys.readouterr()
            return code, said.out + said.err

        yield command


def test_where_no_outcome_is_unknown_it_says_so(run: Run) -> None:
    assert run("list") == (DONE, "none\n")


def test_a_message_is_listed_in_a_line_and_shown_whole(caller: Caller, run: Run) -> None:
    booking_id = caller.booked()
    with caller.locked(booking_id) as (session, booking):
        tell_customer(session, booking, Kind.BOOKING_CONFIRMED, now=NOW, expires_at=SLOT)
    [message] = caller.messages(Kind.BOOKING_CONFIRMED)

    _, line = run("list", "--state", "queued")
    code, whole = run("show", str(message.id))

    assert line.split()[:4] == [str(message.id), "booking_confirmed", "sms", "queued"]
    assert (code, json.loads(whole)["id"]) == (DONE, str(message.id))


def test_a_message_that_is_not_there_is_refused_in_words(run: Run) -> None:
    code, said = run("resend", NOBODYS, "--reason", "the customer called")

    assert code == REFUSED
    assert said.startswith("message_not_found: ")
