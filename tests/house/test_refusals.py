"""Holds every refusal to a reason, a stable code, a place in the tree and an answer of the API."""

import re
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from api.problems import REFUSALS, problem_of
from models import contact, errors
from models.errors import Refusal

MODULES = (errors, contact)


def all_below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for below in kind.__subclasses__():
        yield below
        yield from all_below(below)


# Tests elsewhere may define some of their own.
KINDS = sorted(
    {kind for kind in all_below(Refusal) if kind.__module__.partition(".")[0] in {"models", "worker", "api", "tasks"}},
    key=lambda kind: kind.__qualname__,
)


def drawn(tree: str) -> dict[str, int]:
    """Return the names of a drawn tree, each with its depth."""
    found = re.findall(r"^([│├└─ ]*)([A-Z]\w+) {2,}\S", tree, re.MULTILINE)
    return {name: len(stem) // 4 for stem, name in found}


def depth(kind: type[Refusal]) -> int:
    return kind.__mro__.index(Refusal)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_refusal_says_why_the_domain_refuses(kind: type[Refusal]) -> None:
    assert vars(kind)["__doc__"].strip().endswith(".")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_refusal_has_a_problem_of_its_own_or_of_its_kind(kind: type[Refusal]) -> None:
    problem = problem_of(kind())

    assert HTTPStatus.BAD_REQUEST <= problem.status < HTTPStatus.INTERNAL_SERVER_ERROR
    assert problem.code == kind.code
    assert problem.detail.endswith(".")


def test_every_code_is_given_once_and_for_ever() -> None:
    codes = Counter(vars(kind)["code"] for kind in [Refusal, *KINDS])

    assert {code: count for code, count in codes.items() if count > 1} == {}
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)] == []


def test_the_tree_at_the_top_of_the_errors_is_the_tree() -> None:
    assert drawn(errors.__doc__ or "") == {"Refusal": 0} | {kind.__name__: depth(kind) for kind in KINDS}


def test_no_mapping_is_left_of_a_refusal_that_is_gone() -> None:
    assert set(REFUSALS) <= set(KINDS)


# The readers are shown what they must catch.


def test_a_refusal_without_a_mapping_does_not_pass() -> None:
    class Unheard(Refusal):
        """Nobody mapped it."""

        code = "unheard"

    with pytest.raises(StopIteration):
        problem_of(Unheard())


def test_a_drawn_tree_is_read_with_its_depths() -> None:
    tree = "Refusal     the request\n├── Closed   over\n└── Contact     bad\n    ├── Phone   no number\n"

    assert drawn(tree) == {"Refusal": 0, "Closed": 1, "Contact": 1, "Phone": 2}
