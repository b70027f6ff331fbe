"""`python -m worker audit`: what an auditor sees, and what the exit code tells a script."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.conftest import StoppedTime
from tests.worker.desk import sqlite_only
from tests.worker.trails import CASE, DAY, LATER, NEXT_DAY, intrude, make_history, sign
from worker import auditing
from worker import settings as settings_module
from worker.commands import COMMANDS
from worker.commands.audit import main
from worker.database import Database


@pytest.fixture
def nothing_yet(database: Database, time: StoppedTime) -> Database:
    """The process's database, without a case."""
    return database


@pytest.fixture
def history(nothing_yet: Database) -> Database:
    """Three cases and two signed days."""
    make_history(nothing_yet)
    return nothing_yet


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_audit_is_a_command() -> None:
    assert "audit" in COMMANDS


def test_verify_counts_what_it_read_and_says_that_all_is_well(
    history: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["verify"])

    assert code == 0
    assert said(capsys) == [
        "3 cases, 9 events, 1 disclosure records, 1 stubs, 2 heads; signed up to the end of 2030-06-03",
        "everything is as it was written",
    ]


@sqlite_only
def test_verify_says_when_nothing_was_ever_signed(nothing_yet: Database, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["verify"])

    assert code == 0
    assert said(capsys)[0].endswith("0 heads; never signed yet")


@sqlite_only
def test_verify_names_case_and_event_of_what_was_changed_and_fails(
    history: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with history.transaction() as session:
        intrude(session).execute(text("UPDATE case_events SET kind = 'canary' WHERE kind = 'decision_approved'"))

    code = main(["verify"])

    assert code == 1
    [finding, _, verdict] = said(capsys)
    assert finding.startswith(f"changed: case {CASE}, event 3: ")
    assert verdict == "not everything is as it was written"


@sqlite_only
def test_verify_tells_what_it_cannot_verify_from_what_is_wrong(
    history: Database, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["head", "--public-key"])
    [printed_at_the_time] = said(capsys)
    environment.setenv("SECRET_KEY", "another-secret-" * 3)
    settings_module.settings.cache_clear()
    sign(history, NEXT_DAY + timedelta(days=1), LATER)

    without, unverifiable = main(["verify"]), said(capsys)
    with_it, green = main(["verify", "--public-key", printed_at_the_time]), said(capsys)

    assert (without, with_it) == (3, 0)
    assert [line.partition(":")[0] for line in unverifiable[:-2]] == ["unverifiable"] * 3
    assert len(green) == 2


@sqlite_only
def test_verify_compares_with_the_heads_that_were_kept_elsewhere(
    history: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "heads.jsonl"
    main(["head", "--since", "2030-01-01"])
    kept.write_text(capsys.readouterr().out)
    assert main(["verify", "--heads", str(kept)]) == 0
    with history.transaction() as session:
        intrude(session)
        for table in ("daily_heads", "head_leaves"):
            session.execute(text(f"DELETE FROM {table} WHERE day = '{NEXT_DAY}'"))
        session.execute(text("DELETE FROM case_stubs"))
    said(capsys)

    code = main(["verify", "--heads", str(kept)])

    assert code == 1
    assert f"removed: head of {NEXT_DAY}: it was handed out, and is gone" in said(capsys)


@sqlite_only
@pytest.mark.parametrize("content", ["no json", '{"day": 1}'])
def test_a_file_that_holds_no_heads_is_wrong_use(
    history: Database, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "heads.jsonl"
    kept.write_text(content)

    assert main(["verify", "--heads", str(kept)]) == 2
    assert main(["verify", "--heads", str(tmp_path / "nowhere")]) == 2


@sqlite_only
def test_a_public_key_of_another_length_is_wrong_use(history: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--public-key", "00ff"]) == 2


def test_head_prints_the_last_one_as_a_line_of_json(history: Database, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["head"])

    assert code == 0
    [line] = said(capsys)
    told = json.loads(line)
    assert (told["what"], told["day"]) == ("toritsugi daily head", str(NEXT_DAY))
    assert (told["cases"], told["events"], told["stubs"]) == (3, 10, 1)


@sqlite_only
def test_head_prints_the_one_of_a_day_or_all_since_a_day(history: Database, capsys: pytest.CaptureFixture[str]) -> None:
    main(["head", "--day", str(DAY)])
    of_day = [json.loads(line)["day"] for line in said(capsys)]
    main(["head", "--since", str(DAY)])
    since = [json.loads(line)["day"] for line in said(capsys)]

    assert of_day == [str(DAY)]
    assert since == [str(DAY), str(NEXT_DAY)]


@sqlite_only
def test_head_fails_where_no_day_was_signed(nothing_yet: Database, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["head"])

    assert code == 2
    assert capsys.readouterr() == ("", "no such day has been signed\n")


@sqlite_only
def test_head_prints_the_public_key_that_the_heads_name(history: Database, capsys: pytest.CaptureFixture[str]) -> None:
    main(["head", "--public-key"])

    assert said(capsys) == [auditing.public_key().hex()]
