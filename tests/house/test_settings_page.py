"""Holds docs/settings.md, worker/settings.py and docker-compose.yml to each other: one table of settings everywhere.

What a setting does is for the tests of whoever reads it.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from worker.settings import REPOSITORY, Environment, Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"

OURS = {name.upper(): field for name, field in Settings.model_fields.items()}
MUST_BE_SET = "**Set it"
COMPOSE_DOES = "Compose "

VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<kind>:[?-])(?P<rest>[^}]*))?\}")

READ_FROM_ENVIRON = re.compile(r"""\benviron(?:\.get\(|\[|,\s*)["']([A-Z][A-Z_]+)["']""")
READ_BY_PROCFILE = re.compile(r"\$([A-Z][A-Z_]+)")
OF_MAKE = {"PYTHON", "ARGS"}


def rows(page: str, last_column: str) -> dict[str, list[str]]:
    """Return the cells behind each name of the table with this last column."""
    found: dict[str, list[str]] = {}
    inside = False
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[-1] == last_column:
            inside = True
        elif inside and not set(line) <= set("|-"):
            found[cells[0].strip("`")] = cells[1:]
    return found


def shown(field: FieldInfo) -> str:
    """Return a default as the page shows it: no secret, no path of this machine."""
    match field.default:
        case SecretStr():
            return "for development only"
        case None:
            return "unset"
        case "" | ():
            return "empty"
        case bool(value):
            return f"`{str(value).lower()}`"
        case tuple() | frozenset() as values:
            return f"`{','.join(sorted(values))}`"
        case value:
            return f"`{value}`".replace(f"{REPOSITORY}/", "")


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """Fill in a text of docker-compose.yml as Compose does.

    Raises:
        LookupError: a variable that must be set is not.
    """

    def fill(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        value = given.get(match["name"], "")
        if value or match["kind"] is None:
            return value
        if match["kind"] == ":?":
            raise LookupError(match["name"])
        return match["rest"]

    return VARIABLE.sub(fill, text)


def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def variables_of(text: str) -> Iterator[tuple[str, bool]]:
    """Return each variable of a compose file's text, and whether it must be set."""
    for match in VARIABLE.finditer(text):
        if match["name"] is not None:
            yield match["name"], match["kind"] == ":?"


def refused_in_production() -> str:
    """Return what production says of the defaults."""
    with pytest.raises(ValidationError) as refusal:
        Settings(environment=Environment.PRODUCTION)
    return str(refusal.value)


def an_env_of(page: str) -> dict[str, str]:
    """Return the variables of somebody who did what the page asks for, and nothing more."""
    samples = {
        "SECRET_KEY": "5a" * 32,
        "SEAL_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
        "PUBLIC_URL": "https://call.example.jp",
        "FLOWER_BASIC_AUTH": "operator:correct-horse",
    }
    asked = {name for name, cells in rows(page, "In production").items() if cells[-1].startswith(MUST_BE_SET)}
    asked |= {name for name, cells in rows(page, "Read by").items() if MUST_BE_SET.lower() in cells[0]}
    return {name: samples.get(name, f"sample-of-{name.lower()}") for name in asked}


def test_every_setting_is_on_the_page_and_the_page_knows_no_other() -> None:
    assert list(rows(PAGE.read_text(), "In production")) == list(OURS)


@pytest.mark.parametrize("name", OURS)
def test_the_page_says_what_the_code_says(name: str) -> None:
    default, meaning, _ = rows(PAGE.read_text(), "In production")[name]

    assert default == shown(OURS[name])
    assert meaning == OURS[name].description


def test_whatever_production_refuses_is_to_be_set_or_set_by_compose() -> None:
    said = refused_in_production()
    cells = {name: cells[-1] for name, cells in rows(PAGE.read_text(), "In production").items()}
    refused = {name for name in OURS if re.search(rf"\b{name}\b", said)}

    assert refused
    assert {name for name in refused if not cells[name].startswith((MUST_BE_SET, COMPOSE_DOES))} == set()


def test_compose_asks_for_what_the_page_marks_and_for_nothing_else() -> None:
    must = {name for name, needed in variables_of((ROOT / "docker-compose.yml").read_text()) if needed}

    assert must == set(an_env_of(PAGE.read_text()))


def test_every_variable_of_the_surroundings_is_on_the_page_and_is_read_by_somebody() -> None:
    read = {name for name, _ in variables_of((ROOT / "docker-compose.yml").read_text())} | OF_MAKE
    read |= set(READ_BY_PROCFILE.findall((ROOT / "Procfile").read_text()))
    for room in ("api", "models", "tasks", "worker", "sandbox"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text()
            read |= set(READ_FROM_ENVIRON.findall(text))
            read |= {name for name in READ_BY_PROCFILE.findall(text) if name.endswith("PORT")}

    assert set(rows(PAGE.read_text(), "Read by")) == read - set(OURS)


def test_compose_hands_every_setting_to_every_process_of_ours() -> None:
    ours = {name: service for name, service in compose()["services"].items() if "build" in service}

    assert ours
    assert [name for name, service in ours.items() if set(service["environment"]) != set(OURS)] == []


def test_production_starts_with_what_the_page_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given = an_env_of(PAGE.read_text())
    environment = compose()["services"]["api"]["environment"]
    for name in OURS:
        monkeypatch.delenv(name, raising=False)

    for name, value in environment.items():
        if value is not None:
            monkeypatch.setenv(name, interpolated(value, given))

    assert Settings().environment == "production"


@pytest.mark.parametrize("missing", sorted(an_env_of(PAGE.read_text())))
def test_compose_does_not_start_without_what_it_asks_for(missing: str) -> None:
    given = {name: value for name, value in an_env_of(PAGE.read_text()).items() if name != missing}

    with pytest.raises(LookupError, match=missing):
        interpolated((ROOT / "docker-compose.yml").read_text(), given)


def test_compose_never_states_a_default_of_the_code_a_second_time() -> None:
    environment = compose()["services"]["api"]["environment"]

    assert [name for name, value in environment.items() if value and f"`{value}`" == shown(OURS[name])] == []


def test_nothing_but_the_settings_reads_the_environment_on_a_request_or_in_a_job() -> None:
    reading = {
        path.relative_to(ROOT).as_posix()
        for room in ("api", "models", "tasks", "worker")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text())
    }

    # They start processes, or servers for development and tests, or ask the API with an operator's own key.
    starting = {"worker/commands/__init__.py", "worker/commands/up.py", "worker/embedded.py"}
    assert reading <= starting | {"worker/commands/client.py"}


# The readers are shown what they must catch.

SAMPLE = """
| Name | Default | Meaning | In production |
|---|---|---|---|
| `SECRET_KEY` | unset | A secret. | **Set it.** |

| `STRAY` | unset | In no table. | **Set it.** |
"""


def test_only_rows_of_the_table_count() -> None:
    assert rows(SAMPLE, "In production") == {"SECRET_KEY": ["unset", "A secret.", "**Set it.**"]}


def test_compose_files_are_filled_in_as_compose_does() -> None:
    text = "${A}-${B:-b}-${C:-c}-$$D"

    assert interpolated(text, {"A": "1", "B": "2", "C": ""}) == "1-2-c-$D"


def test_a_secret_is_never_shown_and_neither_is_a_path_of_this_machine() -> None:
    assert shown(OURS["SECRET_KEY"]) == "for development only"
    assert str(REPOSITORY) not in shown(OURS["DATABASE_URL"])


@pytest.mark.parametrize(
    "line", ['os.environ["VERBOSE"]', 'os.environ.get("VERBOSE")', '_number(environ, "VERBOSE", "2")']
)
def test_a_variable_is_found_however_it_is_read(line: str) -> None:
    assert READ_FROM_ENVIRON.findall(line) == ["VERBOSE"]
