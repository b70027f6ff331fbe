"""Holds the mutants of the clauses fit: each clause of the concierge has one, and it still fits code and tests.

Whether its tests catch it, `python -m tests.mutants` finds out; that takes minutes.
"""

import pytest

from tests.house.test_clauses import ASKS_NOTHING, ROOT, Row, rows_of
from tests.mutants.__main__ import mutated
from tests.mutants.mutant import Mutant
from tests.mutants.of_the_concierge import MUTANTS

ROWS = {row.clause: row for row in rows_of((ROOT / "docs/clauses.md").read_text(encoding="utf-8"))[0]}
OF_THE_CONCIERGE = [row for row in ROWS.values() if row.clause.startswith("B")]


@pytest.mark.parametrize("row", OF_THE_CONCIERGE, ids=lambda row: row.clause)
def test_each_clause_of_the_concierge_has_a_mutant_or_asks_nothing(row: Row) -> None:
    has_mutant = any(mutant.clause == row.clause for mutant in MUTANTS)

    assert has_mutant or row.tests.startswith(f"{ASKS_NOTHING}:")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.clause)
def test_a_mutant_fits_the_code(mutant: Mutant) -> None:
    whole = (ROOT / mutant.file).read_text(encoding="utf-8")

    assert mutated(mutant, whole) != whole


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.clause)
def test_a_mutants_tests_are_those_of_its_clause(mutant: Mutant) -> None:
    named = ROWS[mutant.clause].tests

    assert [test for test in mutant.tests if f"`{test}`" not in named] == []
