"""The command that feeds a shop: a client of the API, readable in a terminal, with codes that scripts read."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.access import Scope
from tests.api.calling import Caller
from tests.api.serving import served
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import NOBODY_LISTENS, sqlite_only
from worker import shop_feed
from worker.commands import shops
from worker.database import Database

pytestmark = sqlite_only
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def run(caller: Caller, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Let a shop's system run the command; return its code and all that it said."""
    environment.setattr(logging.getLogger(), "handlers", [])
    app = one_app()
    # The API logs elsewhere than on the terminal of who runs the command.
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    key = caller.key("pos", Scope.SHOPS_WRITE)
    environment.setenv("TORITSUGI_API_KEY", key["Authorization"].removeprefix("Bearer "))
    with served(app) as url:
        environment.setenv("TORITSUGI_URL", url)

        def command(*arguments: str) -> tuple[int, str]:
            capsys.readouterr()
            code = shops.main(arguments)
            said = capsys.readouterr()
            return code, said.out + said.err

        yield command


def written(tmp_path: Path, run: Run, **changes: Any) -> str:
    """Return a file with the shop as it was shown, its profile changed."""
    shown = json.loads(run("show", "queens-court")[1])
    return in_file(tmp_path, shown | {"profile": shown["profile"] | changes})


def in_file(tmp_path: Path, said: Any, name: str = "profile.json") -> str:
    file = tmp_path / name
    file.write_text(json.dumps(said), encoding="utf-8")
    return str(file)


def test_a_profile_that_was_shown_and_changed_is_fed(run: Run, tmp_path: Path) -> None:
    code, said = run("put", "queens-court", written(tmp_path, run, short_name="QC"))

    assert (code, said.splitlines()) == (0, ["queens-court is at version 1", "  /short_name"])


def test_one_that_says_nothing_new_is_said_to(run: Run, tmp_path: Path) -> None:
    code, said = run("put", "queens-court", written(tmp_path, run))

    assert (code, said.strip()) == (0, "queens-court says this already: version 0")


def test_what_was_fed_by_another_since_it_was_shown_is_not_replaced(run: Run, tmp_path: Path) -> None:
    mine = written(tmp_path, run, short_name="MINE")
    theirs = in_file(tmp_path, json.loads(Path(mine).read_text())["profile"] | {"short_name": "THEIRS"}, "theirs.json")
    run("put", "queens-court", theirs, "--if-version", "0")

    code, said = run("put", "queens-court", mine)

    assert (code, said.split(":")[0]) == (1, "version_stale")
    assert json.loads(run("show", "queens-court")[1])["profile"]["short_name"] == "THEIRS"


def test_a_profile_alone_needs_the_version_that_it_was_made_from(run: Run, tmp_path: Path) -> None:
    profile = json.loads(run("show", "queens-court")[1])["profile"] | {"short_name": "QC"}
    file = in_file(tmp_path, profile)

    refused, said = run("put", "queens-court", file)
    fed, _ = run("put", "queens-court", file, "--if-version", "0")

    assert (refused, said.split(":")[0], fed) == (1, "version_missing", 0)


def test_what_stands_against_the_profile_in_force_is_listed_whole(
    run: Run, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shops, "_AT_ONCE", 1)
    made = [caller.booking(caller.booked(contact={"email": f"{name}@example.jp"})) for name in "ab"]
    file = written(tmp_path, run, enabled=False)
    run("put", "queens-court", file, "--accept", run("put", "queens-court", file)[1].split()[-1])

    code, said = run("conflicts", "queens-court")

    assert (code, [line.split()[0] for line in said.splitlines()]) == (0, [each.reference for each in made])


def test_a_preview_lists_every_booking(
    run: Run, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop_feed, "SHOWN_CONFLICTS", 1)
    made = [caller.booking(caller.booked(contact={"email": f"{name}@example.jp"})) for name in "ab"]
    file = written(tmp_path, run, enabled=False)

    _, previewed = run("preview", "queens-court", file)
    _, refused = run("put", "queens-court", file)

    assert all(each.reference in previewed for each in made)
    assert "and 1 more" in refused


def test_a_shop_that_nobody_knew_is_made(run: Run, tmp_path: Path) -> None:
    code, said = run("put", "ginza", written(tmp_path, run))

    assert (code, said.splitlines()[0]) == (0, "ginza is at version 1")


def test_standing_bookings_stop_it_until_they_were_seen(run: Run, caller: Caller, tmp_path: Path) -> None:
    booking = caller.booking(caller.booked())
    file = written(tmp_path, run, enabled=False)

    refused, said = run("put", "queens-court", file)
    accepted, _ = run("put", "queens-court", file, "--accept", said.split()[-1])

    assert (refused, accepted) == (1, 0)
    assert booking.reference in said
    assert "shop_disabled" in said


def test_a_preview_changes_nothing(run: Run, caller: Caller, tmp_path: Path) -> None:
    caller.booked()

    code, said = run("preview", "queens-court", written(tmp_path, run, enabled=False))

    assert (code, said.splitlines()[:2]) == (0, ["  /enabled", "1 standing bookings would not be made any more"])
    assert run("versions", "queens-court") == (0, "")


def test_each_fault_is_a_line_with_its_place(run: Run, tmp_path: Path) -> None:
    code, said = run("put", "queens-court", written(tmp_path, run, zone="Asia/Edo"))

    assert code == 1
    assert any(line.startswith("  /zone: ") for line in said.splitlines())


def test_the_versions_are_a_line_each(run: Run, tmp_path: Path) -> None:
    run("put", "queens-court", written(tmp_path, run, short_name="QC"))

    code, said = run("versions", "queens-court")

    assert (code, said.split()[0], said.split()[2]) == (0, "1", "pos")


def test_a_shop_that_is_not_there_is_refused(run: Run) -> None:
    code, said = run("show", "ginza")

    assert (code, said.split(":")[0]) == (1, "shop_closed")


@pytest.mark.parametrize("text", [None, "{"])
def test_a_file_that_cannot_be_read_is_wrong_use(run: Run, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "broken.json"
    if text is not None:
        file.write_text(text)

    assert run("put", "queens-court", str(file))[0] == 2


def test_an_api_that_is_away_is_said(run: Run) -> None:
    assert run("--api", NOBODY_LISTENS, "show", "queens-court")[0] == 3
