"""Holds docs/peer_faults.md to its word: each of the 28 faults has a test, and each test names its fault."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "peer_faults.md"
MOST = 28


class Row(NamedTuple):
    """One fault of the page."""

    number: int
    seen_in: str
    happened: str
    prevented_by: str
    tests: list[str]


def rows(text: str) -> list[Row]:
    """Return the faults that a page lists."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] != "|--"]
    found = [each for each in cells if len(each) == len(Row._fields) and each[0].isdigit()]
    return [Row(int(n), seen, what, how, re.findall(r"`([^`]+)`", tests)) for n, seen, what, how, tests in found]


def names_its_fault(docstring: str, number: int) -> bool:
    """Whether the first words of a test name the fault."""
    named = re.findall(r"[Ff]aults? (\d+(?:(?:, | and )\d+)*)", docstring)
    return str(number) in {each for group in named for each in re.findall(r"\d+", group)}


def first_words(test: str) -> str | None:
    """Return the docstring of a test; None if there is no such test."""
    file, _, name = test.partition("::")
    if not (ROOT / file).is_file():
        return None
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node) or ""
    return None


FAULTS = rows(PAGE.read_text(encoding="utf-8"))


def test_the_page_lists_every_fault_once_and_in_order() -> None:
    assert [row.number for row in FAULTS] == list(range(1, MOST + 1))


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: str(row.number))
def test_each_fault_says_where_it_was_seen_what_happened_and_what_prevents_it(row: Row) -> None:
    assert all((row.seen_in, row.happened, row.prevented_by))


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: str(row.number))
def test_each_fault_has_a_test_that_names_it(row: Row) -> None:
    assert row.tests
    said = {test: first_words(test) for test in row.tests}
    assert [test for test, words in said.items() if words is None or not names_its_fault(words, row.number)] == []


# The readers are shown what they must catch.


def test_a_test_that_is_gone_is_found() -> None:
    assert first_words("tests/house/test_peer_faults.py::test_that_is_gone") is None
    assert first_words("tests/house/test_gone.py::test_that_is_gone") is None


@pytest.mark.parametrize(
    ("docstring", "names_it"),
    [
        ("Fault 4: a reminder after a cancellation.", True),
        ("S4 and S5; fault 4.", True),
        ("Faults 3, 4 and 7: all at once.", True),
        ("Fault 14: link scanners.", False),
        ("B4.", False),
        ("", False),
    ],
)
def test_a_fault_is_named_by_its_whole_number(docstring: str, names_it: bool) -> None:
    assert names_its_fault(docstring, 4) is names_it
