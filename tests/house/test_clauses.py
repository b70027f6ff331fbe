"""Holds docs/clauses.md true: each clause stands in it once, and whatever a row names is really there.

It knows the page's form and how to look a name up in a file without importing it. It refuses to guess whether
a test proves the duty beside it: remove the rule and see the test fail.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
CLAUSES = [f"B{n}" for n in range(1, 48)] + [f"D{n}" for n in range(1, 74)]
HEADER = ["Clause", "Phrase", "Duty", "Enforced in", "Tests"]

NOT_YET = "not yet"
ASKS_NOTHING = "asks nothing of software"
NAMES = r"`[^`]+`(?:, `[^`]+`)*"
OPENINGS = rf"{NOT_YET}|{ASKS_NOTHING}"
CELL = re.compile(rf"(?:(?P<names>{NAMES})(?:; (?=(?:{OPENINGS}):)|$))?(?:(?P<opening>{OPENINGS}):(?P<reason>.*))?")
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
UNCONDITIONAL = re.compile(r"pytest\.mark\.(skip|xfail)\b")


@dataclass(frozen=True)
class Row:
    """One line of the table, as text."""

    clause: str
    phrase: str = "予約日前日まで"
    duty: str = "Do it."
    enforced_in: str = "not yet: being built"
    tests: str = "not yet: being built"


@dataclass(frozen=True)
class Cell:
    """What one of a row's last two columns says: names, or a reason for what is missing, or both."""

    names: tuple[str, ...]
    opening: str | None
    reason: str | None


def faults_of(page: str, root: Path) -> list[str]:
    """Return all that is wrong with the page, a sentence for each; names are looked up below `root`."""
    rows, faults = rows_of(page)
    faults += faults_of_order([row.clause for row in rows])
    for row in rows:
        faults += [f"{row.clause}: {fault}" for fault in faults_of_row(row, root)]
    return faults


def rows_of(page: str) -> tuple[list[Row], list[str]]:
    """Return the rows of the tables with our header, and a fault for each line in them that is not a row."""
    rows: list[Row] = []
    faults: list[str] = []
    inside = False
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        if not line.lstrip().startswith("|"):
            inside = False
        elif cells == HEADER:
            inside = True
        elif not inside or all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            continue
        elif len(cells) != len(HEADER):
            faults.append(f"{cells[0]}: a row has {len(HEADER)} columns, this one has {len(cells)}")
        else:
            rows.append(Row(*cells))
    return rows, faults


def faults_of_order(clauses: Sequence[str]) -> Iterator[str]:
    """Compare the rows' ids with B1 to B47 and D1 to D73."""
    ranks = {clause: rank for rank, clause in enumerate(CLAUSES)}
    for clause in CLAUSES:
        if (count := clauses.count(clause)) != 1:
            yield f"{clause}: stands in the table {count} times"
    for clause in clauses:
        if clause not in ranks:
            yield f"{clause}: there is no such clause"
    for before, after in pairwise(clause for clause in clauses if clause in ranks):
        if ranks[after] < ranks[before]:
            yield f"{after}: stands after {before}"


def faults_of_row(row: Row, root: Path) -> Iterator[str]:
    """Judge one row by itself."""
    if not JAPANESE.search(row.phrase):
        yield "quotes no phrase of the source"
    if not re.search(r"\w", row.duty):
        yield "has no duty"
    cells: list[Cell] = []
    for column, text, fault_of_name in (
        ("Enforced in", row.enforced_in, fault_of_code),
        ("Tests", row.tests, fault_of_test),
    ):
        cell = cell_of(text)
        if cell is None:
            yield f"{column} is neither names in backticks nor a reason: {text!r}"
            continue
        cells.append(cell)
        for name in cell.names:
            if fault := fault_of_name(name, root):
                yield f"{column}: {fault}"
        if not cell.names and cell.opening is None:
            yield f"{column} is empty"
        if cell.reason is not None and not re.search(r"\w", cell.reason):
            yield f"{column}: {cell.opening!r} gives no reason"
    nothing_asked = [cell.opening == ASKS_NOTHING for cell in cells]
    if any(nothing_asked) and (not all(nothing_asked) or any(cell.names for cell in cells)):
        yield f"{ASKS_NOTHING!r} in one column, something else in the other"


def cell_of(text: str) -> Cell | None:
    """Return what the text says, or None when it does not keep the form."""
    match = CELL.fullmatch(text)
    if match is None:
        return None
    return Cell(tuple(re.findall(r"`([^`]+)`", match["names"] or "")), match["opening"], match["reason"])


def fault_of_code(name: str, root: Path) -> str | None:
    """Say what is wrong with `file` or `file.py::Class.method`, if anything is."""
    path, _, inside = name.partition("::")
    if not is_file(path, root):
        return f"there is no file {path}"
    if inside and (not path.endswith(".py") or not find(definitions(root / path), inside.split("."))):
        return f"{path} defines no {inside}"
    return None


def fault_of_test(name: str, root: Path) -> str | None:
    """Say what is wrong with a test's id as pytest prints it, if anything is.

    What stands in brackets is not looked up: only a run of pytest knows the ids of a parametrised test.
    """
    match = re.fullmatch(r"(?P<path>tests/[^:\[\]]*\btest_[^:/\[\]]+\.py)::(?P<inside>[\w:]+)(?:\[.+\])?", name)
    if match is None:
        return f"{name} is not the id of a test"
    path, inside = match["path"], match["inside"].split("::")
    if not is_file(path, root):
        return f"there is no file {path}"
    found = find(definitions(root / path), inside)
    if not found or not collected(found, inside):
        return f"{path} has no test {'::'.join(inside)}"
    if any(UNCONDITIONAL.match(mark) for node in found for mark in marks(node)):
        return f"{name} never has to pass"
    return None


def is_file(path: str, root: Path) -> bool:
    """Tell whether the path names a file below the root and does not climb out of it."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and (root / pure).is_file()


@cache
def definitions(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body


def find(body: Iterable[ast.stmt], names: Sequence[str]) -> list[ast.stmt]:
    """Find what defines the first name, the second within it and so on; none if one is missing.

    pytest is given a hypothesis state machine as `TestShop = ShopMachine.TestCase`; its one test is `runTest`.
    """
    first, rest = names[0], names[1:]
    for statement in body:
        if first in bound_by(statement):
            if not rest:
                return [statement]
            if isinstance(statement, ast.ClassDef):
                inner = find(statement.body, rest)
                return [statement, *inner] if inner else []
            if list(rest) == ["runTest"] and ast.unparse(statement).endswith(".TestCase"):
                return [statement]
    return []


def bound_by(statement: ast.stmt) -> list[str]:
    """Return the names that a statement defines."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Assign():
            return [target.id for target in statement.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def collected(found: Sequence[ast.stmt], names: Sequence[str]) -> bool:
    """Tell whether pytest would run it: a test function, alone or in a Test class, or a state machine."""
    if not all(name.startswith("Test") for name in names[:-1]):
        return False
    if names[-1] == "runTest":
        return isinstance(found[-1], ast.Assign)
    return names[-1].startswith("test") and isinstance(found[-1], ast.FunctionDef | ast.AsyncFunctionDef)


def marks(node: ast.stmt) -> list[str]:
    return [ast.unparse(mark) for mark in getattr(node, "decorator_list", [])]


def test_the_page_of_clauses_is_true() -> None:
    page = (ROOT / "docs" / "clauses.md").read_text(encoding="utf-8")

    assert faults_of(page, ROOT) == []


# The checker is worth what it catches, so it is shown a sound page with one thing spoiled at a time.

CODE = """
LIMIT = 5
NAMED: int = 1

class Booking:
    def cancel(self): ...

def change_deadline_at(): ...
"""

TESTS = """
import pytest
from machines import ShopMachine

def test_plain(): ...

async def test_async(): ...

@pytest.mark.parametrize("zone", ["Asia/Tokyo", "a::b"])
def test_zones(zone): ...

class TestDeadline:
    def test_inside(self): ...

class Untested:
    def test_never_collected(self): ...

TestShop = ShopMachine.TestCase

def opening_hours(): ...

@pytest.mark.skip(reason="later")
def test_skipped(): ...

@pytest.mark.skipif(True, reason="no browser")
def test_skipped_somewhere(): ...

@pytest.mark.skip
class TestSkipped:
    def test_inside(self): ...

@pytest.mark.xfail
def test_expected_to_fail(): ...
"""

SOUND = [Row(clause) for clause in CLAUSES]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small project that the rows may name."""
    for path, text in (
        ("models/deadline.py", CODE),
        ("worker/wording/code/sms.ja.txt", "認証コード"),
        ("tests/models/test_deadline.py", TESTS),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return tmp_path


def page_of(rows: Iterable[Row]) -> str:
    lines = [HEADER, ["---"] * len(HEADER)]
    lines += [[row.clause, row.phrase, row.duty, row.enforced_in, row.tests] for row in rows]
    return "# Clauses\n\n| Column | Meaning |\n|---|---|\n| B1 | not a clause's row |\n\n" + "".join(
        f"| {' | '.join(cells)} |\n" for cells in lines
    )


def with_b1(**columns: str) -> list[Row]:
    return [replace(SOUND[0], **columns), *SOUND[1:]]


def test_a_sound_page_has_no_faults(root: Path) -> None:
    assert faults_of(page_of(SOUND), root) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        pytest.param(SOUND[:11] + SOUND[12:], "B12: stands in the table 0 times", id="missing"),
        pytest.param(SOUND[:-1], "D73: stands in the table 0 times", id="the last one missing"),
        pytest.param([*SOUND, Row("D73")], "D73: stands in the table 2 times", id="doubled"),
        pytest.param([*SOUND, Row("D74")], "D74: there is no such clause", id="invented"),
        pytest.param([SOUND[1], SOUND[0], *SOUND[2:]], "B1: stands after B2", id="out of order"),
        pytest.param([*SOUND[47:], *SOUND[:47]], "B1: stands after D73", id="tables exchanged"),
    ],
)
def test_a_clause_out_of_its_place_is_caught(root: Path, rows: list[Row], fault: str) -> None:
    assert faults_of(page_of(rows), root) == [fault]


def test_an_empty_page_misses_every_clause(root: Path) -> None:
    assert len(faults_of("# Clauses\n", root)) == len(CLAUSES)


def test_a_row_behind_a_gap_in_its_table_is_missed(root: Path) -> None:
    page = page_of(SOUND).replace("| D73 |", "\n| D73 |")

    assert faults_of(page, root) == ["D73: stands in the table 0 times"]


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        pytest.param({"phrase": ""}, "quotes no phrase of the source", id="no phrase"),
        pytest.param({"phrase": "until the day before"}, "quotes no phrase of the source", id="translated"),
        pytest.param({"duty": "…"}, "has no duty", id="no duty"),
        pytest.param({"tests": ""}, "Tests is empty", id="no tests and no reason"),
        pytest.param({"enforced_in": ""}, "Enforced in is empty", id="enforced nowhere, for no reason"),
        pytest.param({"tests": "not yet:"}, "Tests: 'not yet' gives no reason", id="empty reason"),
        pytest.param({"tests": "not yet: -"}, "Tests: 'not yet' gives no reason", id="a dash for a reason"),
        pytest.param(
            {"enforced_in": "`models/deadline.py`; not yet:"},
            "Enforced in: 'not yet' gives no reason",
            id="empty reason after a name",
        ),
        pytest.param(
            {"tests": "not yet"},
            "Tests is neither names in backticks nor a reason: 'not yet'",
            id="no colon, no reason",
        ),
        pytest.param(
            {"tests": "tests/models/test_deadline.py::test_plain"},
            "Tests is neither names in backticks nor a reason: 'tests/models/test_deadline.py::test_plain'",
            id="a name without backticks is not looked up, so it is refused",
        ),
        pytest.param(
            {"tests": "asks nothing of software: a promise between people"},
            "'asks nothing of software' in one column, something else in the other",
            id="asks nothing, and is yet to be built",
        ),
    ],
)
def test_a_row_that_says_too_little_is_caught(root: Path, columns: dict[str, str], fault: str) -> None:
    assert faults_of(page_of(with_b1(**columns)), root) == [f"B1: {fault}"]


def test_a_bar_inside_a_cell_is_caught(root: Path) -> None:
    assert "B1: a row has 5 columns, this one has 6" in faults_of(page_of(with_b1(duty="This | that")), root)


@pytest.mark.parametrize(
    "names",
    [
        "`models/deadline.py`",
        "`models/deadline.py::change_deadline_at`",
        "`models/deadline.py::Booking`",
        "`models/deadline.py::Booking.cancel`",
        "`models/deadline.py::LIMIT`, `models/deadline.py::NAMED`",
        "`worker/wording/code/sms.ja.txt`",
        "`models/deadline.py::Booking.cancel`; not yet: moving is not built yet",
    ],
)
def test_code_that_exists_may_be_named(root: Path, names: str) -> None:
    assert faults_of(page_of(with_b1(enforced_in=names)), root) == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param("models/gone.py", "there is no file models/gone.py", id="file gone"),
        pytest.param("models", "there is no file models", id="a room is too large to look in"),
        pytest.param("../secret.py", "there is no file ../secret.py", id="outside the project"),
        pytest.param("models/deadline.py::gone", "models/deadline.py defines no gone", id="function gone"),
        pytest.param(
            "models/deadline.py::Booking.gone", "models/deadline.py defines no Booking.gone", id="method gone"
        ),
        pytest.param(
            "models/deadline.py::cancel",
            "models/deadline.py defines no cancel",
            id="method without its class",
        ),
        pytest.param(
            "worker/wording/code/sms.ja.txt::code",
            "worker/wording/code/sms.ja.txt defines no code",
            id="a text defines nothing",
        ),
    ],
)
def test_code_that_does_not_exist_is_caught(root: Path, name: str, fault: str) -> None:
    assert faults_of(page_of(with_b1(enforced_in=f"`{name}`")), root) == [f"B1: Enforced in: {fault}"]


@pytest.mark.parametrize(
    "inside",
    [
        "test_plain",
        "test_async",
        "test_zones",
        "test_zones[Asia/Tokyo]",
        "test_zones[a::b]",
        "TestDeadline::test_inside",
        "TestShop::runTest",
        "test_skipped_somewhere",
    ],
)
def test_a_test_that_exists_may_be_named(root: Path, inside: str) -> None:
    page = page_of(with_b1(tests=f"`tests/models/test_deadline.py::{inside}`"))

    assert faults_of(page, root) == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(
            "tests/models/test_gone.py::test_plain",
            "there is no file tests/models/test_gone.py",
            id="file gone",
        ),
        pytest.param(
            "tests/models/test_deadline.py::test_gone",
            "tests/models/test_deadline.py has no test test_gone",
            id="test gone",
        ),
        pytest.param(
            "tests/models/test_deadline.py::TestDeadline::test_gone[x]",
            "tests/models/test_deadline.py has no test TestDeadline::test_gone",
            id="test in a class gone",
        ),
        pytest.param(
            "tests/models/test_deadline.py::test_inside",
            "tests/models/test_deadline.py has no test test_inside",
            id="the class left out",
        ),
        pytest.param(
            "tests/models/test_deadline.py::Untested::test_never_collected",
            "tests/models/test_deadline.py has no test Untested::test_never_collected",
            id="in a class that pytest does not look into",
        ),
        pytest.param(
            "tests/models/test_deadline.py::opening_hours",
            "tests/models/test_deadline.py has no test opening_hours",
            id="a function that is no test",
        ),
        pytest.param(
            "tests/models/test_deadline.py",
            "tests/models/test_deadline.py is not the id of a test",
            id="a whole file",
        ),
        pytest.param(
            "models/deadline.py::change_deadline_at",
            "models/deadline.py::change_deadline_at is not the id of a test",
            id="code",
        ),
        pytest.param(
            "tests/models/test_deadline.py::test_skipped",
            "tests/models/test_deadline.py::test_skipped never has to pass",
            id="skipped",
        ),
        pytest.param(
            "tests/models/test_deadline.py::TestSkipped::test_inside",
            "tests/models/test_deadline.py::TestSkipped::test_inside never has to pass",
            id="in a class that is skipped",
        ),
        pytest.param(
            "tests/models/test_deadline.py::test_expected_to_fail",
            "tests/models/test_deadline.py::test_expected_to_fail never has to pass",
            id="expected to fail",
        ),
    ],
)
def test_a_dead_test_is_caught(root: Path, name: str, fault: str) -> None:
    assert faults_of(page_of(with_b1(tests=f"`{name}`")), root) == [f"B1: Tests: {fault}"]


def test_one_dead_name_among_good_ones_is_caught(root: Path) -> None:
    alive = "`tests/models/test_deadline.py::test_plain`"
    dead = "`tests/models/test_deadline.py::test_gone`"

    faults = faults_of(page_of(with_b1(tests=f"{alive}, {dead}, {alive}; not yet: the rest")), root)

    assert faults == ["B1: Tests: tests/models/test_deadline.py has no test test_gone"]


def test_a_clause_may_ask_nothing_of_software(root: Path) -> None:
    reason = "asks nothing of software: a promise between people"

    assert faults_of(page_of(with_b1(enforced_in=reason, tests=reason)), root) == []


def test_what_asks_nothing_of_software_names_no_code(root: Path) -> None:
    reason = "asks nothing of software: a promise between people"

    faults = faults_of(page_of(with_b1(enforced_in=f"`models/deadline.py`; {reason}", tests=reason)), root)

    assert faults == ["B1: 'asks nothing of software' in one column, something else in the other"]


def test_every_fault_is_told_at_once(root: Path) -> None:
    rows = with_b1(duty="", tests="not yet:")[:-1]

    assert len(faults_of(page_of(rows), root)) == 3
