"""The command for people's work on cases: a client of the API, readable in a terminal, with codes that scripts read."""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from models.disclosure import State
from tests.api.case_people import People
from tests.api.serving import served
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import NOBODY_LISTENS, sqlite_only
from worker.commands import cases
from worker.commands.client import REFUSED, UNREACHABLE, WRONG_USE
from worker.database import Database

pytestmark = sqlite_only
WHY = ["--reason", "looked at it"]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def people(database: Database, time: StoppedTime) -> People:
    return People.of(database, time)


@pytest.fixture
def run(people: People, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Let somebody run the command; return its code and all that it said."""
    environment.setattr(logging.getLogger(), "handlers", [])
    app = one_app()
    # The API logs elsewhere than on the terminal of who runs the command.
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    with served(app) as url:
        environment.setenv("TORITSUGI_URL", url)

        def as_person(who: str, *arguments: str | UUID) -> tuple[int, str]:
            environment.setenv("TORITSUGI_API_KEY", people.keys[who]["Authorization"].removeprefix("Bearer "))
            capsys.readouterr()
            code = cases.main([str(argument) for argument in arguments])
            said = capsys.readouterr()
            return code, said.out + said.err

        yield as_person


def test_what_waits_is_a_line_each(people: People, run: Run) -> None:
    case_id = people.office.screened()
    people.office.propose(case_id)

    code, said = run("kimura", "list")

    reference = people.office.case(case_id).reference
    assert code == 0
    assert [line.split()[2:6] for line in said.splitlines()] == [
        ["screen", "maker", reference, "screening"],
        ["approve", "checker", reference, "screening"],
    ]


def test_only_ones_own_work_can_be_listed(people: People, run: Run) -> None:
    people.office.screened()

    assert run("sato", "list", "--mine") == (0, "nothing waits\n")


def test_a_case_is_shown_whole_by_its_number(people: People, run: Run) -> None:
    case_id = people.office.reviewing()

    code, said = run("mori", "show", people.office.case(case_id).reference.lower())

    assert code == 0
    assert "reviewing since 2030-06-03 10:00" in said
    assert "waits for  review_papers (reviewer)" in said
    assert re.search(r"certificate_of_residence +arrived", said)
    assert "case_address_to_applicant" in said
    assert re.search(r"\d+  2030-06-03 10:00  received +key:tests", said)
    assert "canary" not in said


def test_a_look_needs_a_reason_and_shows_what_was_asked_for(people: People, run: Run) -> None:
    case_id = people.office.screened()

    code, said = run("kimura", "reveal", case_id, "--what", "form", *WHY)

    assert code == 0
    assert "situationcanary" in said
    assert people.trail(case_id)[-1].kind == "revealed"


def test_a_whole_case_is_handled_by_commands(people: People, run: Run, tmp_path: Path) -> None:
    case_id, letter = people.office.screened(), tmp_path / "letter.pdf"

    def does(who: str, *arguments: str) -> str:
        action, *rest = arguments
        code, said = run(who, action, case_id, *rest, *WHY)
        assert code == 0, said
        people.backroom.work()
        return said

    def digest() -> str:
        found = re.search(r"digest (\w{12})", run("sato", "show", case_id)[1])
        assert found is not None
        return found[1]

    judged = ("--negotiated", "--legal-interest", "--no-other-way")
    does("kimura", "propose", "disclose", "--trouble", "fraud", *judged)
    does("sato", "send-back", digest())
    does("kimura", "propose", "disclose", "--trouble", "breach_of_contract", *judged)
    does("sato", "approve", digest())
    does("ono", "extend", "--until", "2030-10-31")
    does("ito", "hold")
    does("ito", "resume")
    people.office.ask_for_stage_2(case_id)
    issued = ("--issued-on", "2030-05-20", "--shelf", "A-1")
    does("abe", "paper", "P-1", "certificate_of_residence", "--original", *issued)
    does("abe", "paper", "P-2", "driving_licence", "--no-original", "--address-equal", "--shelf", "A-1")
    does("abe", "paper", "P-3", "pledge", "--original", "--pledge-version", "1", "--shelf", "A-1")
    does("abe", "paper", "P-4", "seal_certificate", "--original", "--seal-matches", *issued)
    does("abe", "move", "P-3", "--from", "A-1", "--to", "safe-2")
    does("mori", "deficient", "3:not_sealed")
    does("abe", "paper", "P-5", "pledge", "--original", "--pledge-version", "1", "--shelf", "A-1")
    for place in "1234":
        does("mori", "accept", place)
    people.office.opinion(case_id)
    does("kimura", "propose", "disclose", "--field", "name", "--field", "address", "--as-of", "now")
    assert "name (氏名), address (住所)" in run("sato", "preview", case_id)[1]
    does("sato", "approve", digest())
    does("ueda", "pay", "B-1", "1600", "--paid-at", "2030-06-03T09:00")
    does("abe", "print", "--to", str(letter))
    does("abe", "spoil")
    letter.unlink()
    does("abe", "print", "--to", str(letter))
    does("abe", "dispatch", "1234-5678-9012")
    does("abe", "destroy", "P-1")
    does("endo", "witness", "P-1")
    said = does("endo", "audit")

    assert people.office.state(case_id) is State.DISCLOSED
    assert letter.read_bytes().startswith(b"%PDF-")
    assert letter.stat().st_mode & 0o077 == 0
    assert "looked at it" in said
    assert "the chain is unbroken" in run("endo", "audit", case_id)[1]


def test_a_refusal_says_why_and_how_the_case_stands(people: People, run: Run) -> None:
    case_id = people.office.screened()
    run("ito", "hold", case_id, *WHY)

    code, said = run("ito", "hold", case_id, *WHY)

    assert code == REFUSED
    assert said.startswith("case_held: The case is on hold.")
    assert "as it stands now:" in said
    assert "ON HOLD    since 2030-06-03 10:00" in said


def test_who_may_not_is_told_who_may(people: People, run: Run) -> None:
    case_id = people.office.screened()

    code, said = run("abe", "hold", case_id, *WHY)

    assert (code, said) == (REFUSED, "role_missing: This takes one of the roles: legal.\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["show", "D0000-0000"], "0 cases bear the number D0000-0000"),
        (["approve", "{case}", "00000000", *WHY], "no proposal with this digest waits; look again"),
        (["approve", "{case}", "0", *WHY], "name 8 digits of the digest that you looked at, or more"),
        (["accept", "{case}", "9", *WHY], "0 of them are named 9"),
    ],
)
def test_what_is_not_there_is_wrong_use(people: People, run: Run, arguments: list[str], complaint: str) -> None:
    case_id = people.office.screened()

    answer = run("sato", *(argument.format(case=case_id) for argument in arguments))

    assert answer == (WRONG_USE, f"{complaint}\n")


def test_a_letter_is_not_fetched_where_it_cannot_be_kept(people: People, run: Run, tmp_path: Path) -> None:
    case_id, there = people.office.releasing(), tmp_path / "letter.pdf"
    there.write_text("another letter")

    code, said = run("abe", "print", case_id, "--to", str(there), *WHY)

    assert (code, said) == (WRONG_USE, f"{there} cannot be made: File exists\n")
    assert people.shown(case_id)["letters"][0]["printed_at"] is None


def test_a_letter_that_was_refused_leaves_no_file(people: People, run: Run, tmp_path: Path) -> None:
    case_id = people.office.screened()

    code, _ = run("abe", "print", case_id, "--to", str(tmp_path / "letter.pdf"), *WHY)

    assert code == REFUSED
    assert list(tmp_path.glob("*.pdf")) == []


def test_releases_are_stopped_and_let_go_on(people: People, run: Run) -> None:
    said = [run("ito", action, *reason)[1] for action, reason in (
        ("releases", []), ("stop-releases", WHY), ("resume-releases", WHY)
    )]  # fmt: skip

    assert [line.split(";")[0].split(" since")[0] for line in said] == [
        "releases go out",
        "releases ARE STOPPED",
        "releases go out",
    ]


def test_what_is_kept_is_counted(people: People, run: Run) -> None:
    people.office.negotiating()

    code, said = run("endo", "retention")

    assert code == 0
    assert "1 open, 0 ended and kept, 0 on hold" in said


def test_flaws_that_are_not_known_are_wrong_use(run: Run) -> None:
    with pytest.raises(SystemExit) as ended:
        run("mori", "deficient", "D0B1F-4B1F", "3:torn", "--reason", "why")

    assert ended.value.code == 2


def test_an_api_that_is_away_is_said_to_be(people: People, run: Run) -> None:
    code, said = run("ito", "--api", NOBODY_LISTENS, "list")

    assert code == UNREACHABLE
    assert said.startswith(f"the API at {NOBODY_LISTENS} cannot be reached (ConnectionError)\n")


def test_nothing_is_done_without_saying_why(run: Run) -> None:
    with pytest.raises(SystemExit) as wrong:
        run("ito", "hold", "D0B1F-4B1F")

    assert wrong.value.code == WRONG_USE
