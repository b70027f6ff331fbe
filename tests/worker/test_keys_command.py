"""Keys of systems and of people: what each may do stands in its row, and one person has one name."""

import re
from collections.abc import Callable

import pytest

from models.access import ApiKey, Scope
from models.roles import Role
from tests.worker.desk import sqlite_only
from worker.commands import keys
from worker.database import Database
from worker.settings import Environment, settings

pytestmark = sqlite_only
Run = Callable[..., str]


@pytest.fixture
def run(database: Database, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; return what it said."""

    def said(*arguments: str) -> str:
        assert keys.main(arguments) == 0
        return capsys.readouterr().out

    return said


def row(database: Database, key_id: str) -> ApiKey:
    with database.snapshot() as session:
        return session.get_one(ApiKey, key_id)


def test_a_persons_key_bears_name_and_roles_and_opens_their_work(database: Database, run: Run) -> None:
    token = run("make", "tanaka-1", "--person", "tanaka", "--role", "maker", "--role", "intake").strip()

    made = row(database, "tanaka-1")
    assert re.fullmatch(r"tk_tanaka-1_[\w-]{43}", token)
    assert (made.person, made.roles, made.scopes) == ("tanaka", [Role.MAKER, Role.INTAKE], [Scope.CASES_WORK])


def test_a_systems_key_is_nobodys(database: Database, run: Run) -> None:
    run("make", "site", "--scope", "cases:write")

    made = row(database, "site")
    assert (made.person, made.roles, made.scopes) == (None, None, [Scope.CASES_WRITE])


def test_one_person_may_have_several_keys(database: Database, run: Run) -> None:
    for key_id in ("tanaka-1", "tanaka-2"):
        run("make", key_id, "--person", "tanaka", "--role", "maker")

    assert {row(database, key_id).person for key_id in ("tanaka-1", "tanaka-2")} == {"tanaka"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--role", "maker"], "are a person's"),
        (["--member", "m-1"], "are a person's"),
        (["--person", "tanaka"], "a person bears at least one role"),
        (["--person", "Tanaka", "--role", "maker"], "small letters"),
        (["--person", "tanaka@example.jp", "--role", "maker"], "small letters"),
        ([], "opens nothing"),
    ],
)
def test_a_key_that_means_nothing_is_not_made(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        run("make", "some-key", *arguments)

    assert refused.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_list_of_keys_says_whose_each_is(run: Run) -> None:
    run("make", "tanaka-1", "--person", "tanaka", "--role", "maker")
    run("make", "site", "--scope", "cases:write")

    lines = {line.split("\t")[0]: line.split("\t")[4] for line in run("list").splitlines()}

    assert lines == {"tanaka-1": "tanaka: maker", "site": "a system"}


@pytest.mark.parametrize("name", keys.PEOPLE)
def test_a_person_of_development_has_the_same_key_at_every_start(database: Database, run: Run, name: str) -> None:
    first, again = (run("dev", "--person", name) for _ in range(2))

    assert first == again
    assert row(database, f"development-{name}").roles == [keys.PEOPLE[name]]


def test_development_has_somebody_in_each_role(database: Database, run: Run) -> None:
    for name in keys.PEOPLE:
        run("dev", "--person", name)

    roles = [role for name in keys.PEOPLE for role in row(database, f"development-{name}").roles or ()]
    assert sorted(roles) == sorted(Role)


def test_production_has_no_people_of_development(database: Database, environment: pytest.MonkeyPatch) -> None:
    in_production = settings().model_copy(update={"environment": Environment.PRODUCTION})
    environment.setattr(keys, "settings", lambda: in_production)

    with database.transaction() as session, pytest.raises(ValueError, match="no development keys in production"):
        keys.person_key(session, "kimura")
