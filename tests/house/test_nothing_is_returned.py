"""Papers once submitted are not given back, whatever the reason (D29): so there is nowhere a way to give one back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.job import Name
from models.paper import Standing
from models.roles import Operation
from models.work import Work
from tests.one_app import one_app

ROOT = Path(__file__).parents[2]
GIVEN_BACK = re.compile(r"return(?!s\b)|give_?n?_?back|hand_?back|restor|refund", re.IGNORECASE)
SAID = re.compile(r"返還|返却|返送|お返し|[Rr]eturn(?!ing)|g[ai]ven? back")
DENIED = re.compile(r"いたしかねます|できません|されない|not returned|not given back")

WORDS = [
    *sorted((ROOT / "worker" / "wording").rglob("*.txt")),
    *sorted((ROOT / "api" / "pages" / "words").glob("*.toml")),
]
OF_PAPERS = [
    ROOT / "models" / "paper.py",
    *sorted((ROOT / "worker" / "cases").glob("*.py")),
    *sorted((ROOT / "api").glob("case*.py")),
    *sorted((ROOT / "api" / "pages").glob("case*.py")),
    ROOT / "worker" / "commands" / "cases.py",
]


def operations() -> Iterator[str]:
    for path, item in one_app().openapi()["paths"].items():
        if "disclosure" in path or "case" in path:
            for operation in item.values():
                yield f"{path} {operation['summary']}"


def defined(path: Path) -> Iterator[str]:
    """Yield the names of what a file defines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def actions() -> list[str]:
    """Return the actions of `python -m worker cases`."""
    return re.findall(r'\.add\(\s*"([a-z-]+)"', (ROOT / "worker" / "commands" / "cases.py").read_text(encoding="utf-8"))


def test_no_command_gives_a_paper_back() -> None:
    found = actions()

    assert {"paper", "move", "dispatch"} <= set(found)
    assert [each for each in found if GIVEN_BACK.search(each)] == []


def test_no_operation_of_the_api_gives_a_paper_back() -> None:
    found = list(operations())

    assert len(found) > 20
    assert [each for each in found if GIVEN_BACK.search(each)] == []


@pytest.mark.parametrize("words", [Operation, Work, Name, Standing])
def test_no_word_of_the_house_means_to_give_a_paper_back(words: type[Operation | Work | Name | Standing]) -> None:
    assert [each.value for each in words if GIVEN_BACK.search(each.value)] == []


@pytest.mark.parametrize("path", OF_PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_knows_papers_defines_a_way_to_give_one_back(path: Path) -> None:
    assert [name for name in defined(path) if GIVEN_BACK.search(name)] == []


@pytest.mark.parametrize("path", WORDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_whoever_speaks_of_giving_back_says_that_it_is_not_done(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if SAID.search(line) and not DENIED.search(line)] == []


def test_it_is_said_before_papers_are_sent() -> None:
    saying = {path.parent.name for path in WORDS if DENIED.search(path.read_text(encoding="utf-8"))}

    assert {"case_opened", "case_papers_wanted", "case_negotiation_reminder", "guideline", "words"} <= saying


@pytest.mark.parametrize("line", ["書類を返却いたします。", "Papers will be returned.", "Your papers are given back."])
def test_a_promise_to_give_back_would_be_caught(line: str) -> None:
    assert SAID.search(line)
    assert not DENIED.search(line)
