"""Holds every table of moves whole: each state stands in it, can be reached, and leads to an end.

What the moves mean is for the tests of the models.
"""

import ast
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MODELS = [import_module(f"models.{path.stem}") for path in sorted((ROOT / "models").glob("[a-z]*.py"))]
TABLES = [(type(next(iter(model.MOVES))), model.MOVES, model.TERMINAL) for model in MODELS if hasattr(model, "MOVES")]
"""The states, their moves, and the ends, of each model that has any."""

table = pytest.mark.parametrize(("states", "moves", "ends"), TABLES, ids=[states.__module__ for states, *_ in TABLES])

MOVED_BY_METHODS = frozenset({"state", "status"})
AN_HTTP_STATUS = "api/idempotency.py"
"""Keeps an answer's status, which is a number and moves nowhere."""


def within_reach(first: StrEnum, moves: Mapping[StrEnum, frozenset[StrEnum]]) -> set[StrEnum]:
    """Return the states that moves lead to, the first one included."""
    reached, open_ends = {first}, [first]
    while open_ends:
        for onward in moves.get(open_ends.pop(), frozenset()) - reached:
            reached.add(onward)
            open_ends.append(onward)
    return reached


def assignments(text: str) -> Iterator[int]:
    """Return the lines in which somebody sets the state of another object than itself."""
    for node in ast.walk(ast.parse(text)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            match target:
                case ast.Attribute(value=ast.Name(id="self")):
                    pass
                case ast.Attribute(attr=name, lineno=line) if name in MOVED_BY_METHODS:
                    yield line
                case _:
                    pass


@table
def test_every_state_stands_in_the_table_and_the_table_knows_no_other(
    states: type[StrEnum],
    moves: Mapping[StrEnum, frozenset[StrEnum]],
    ends: frozenset[StrEnum],
) -> None:
    assert set(moves) == set(states)
    assert frozenset().union(*moves.values()) <= set(states)


@table
def test_no_arrow_leaves_an_end(
    states: type[StrEnum],
    moves: Mapping[StrEnum, frozenset[StrEnum]],
    ends: frozenset[StrEnum],
) -> None:
    assert ends
    assert {state for state in states if not moves[state]} == ends


@table
def test_every_state_can_be_reached_from_the_first(
    states: type[StrEnum],
    moves: Mapping[StrEnum, frozenset[StrEnum]],
    ends: frozenset[StrEnum],
) -> None:
    assert within_reach(next(iter(states)), moves) == set(states)


@table
def test_an_end_is_within_reach_of_every_state(
    states: type[StrEnum],
    moves: Mapping[StrEnum, frozenset[StrEnum]],
    ends: frozenset[StrEnum],
) -> None:
    assert [state for state in states if not within_reach(state, moves) & ends] == []


def test_nobody_sets_the_state_of_something_else() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for room in ("api", "worker", "tasks", "models")
        for path in sorted((ROOT / room).rglob("*.py"))
        if path != ROOT / AN_HTTP_STATUS
        for line in assignments(path.read_text(encoding="utf-8"))
    ]

    assert found == []


def test_bookings_and_messages_are_among_them() -> None:
    assert {"models.booking", "models.message"} <= {states.__module__ for states, *_ in TABLES}


# Each check is shown what it must catch.


class _Lamp(StrEnum):
    OFF = "off"
    ON = "on"
    BROKEN = "broken"


def test_a_state_out_of_reach_is_found() -> None:
    moves: dict[StrEnum, frozenset[StrEnum]] = {_Lamp.OFF: frozenset({_Lamp.ON}), _Lamp.ON: frozenset({_Lamp.OFF})}

    assert within_reach(_Lamp.OFF, moves) == {_Lamp.OFF, _Lamp.ON}


@pytest.mark.parametrize("line", ["booking.status = x", "message.state: str = x", "rows[0].state = x"])
def test_a_state_set_from_outside_is_found(line: str) -> None:
    assert list(assignments(line)) == [1]


def test_a_model_may_move_itself() -> None:
    assert list(assignments("self.status = to\nrequest.state.received_at = now")) == []
