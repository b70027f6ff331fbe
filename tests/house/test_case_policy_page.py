"""docs/cases.md says of every rule of disclosure cases what the code says."""

import json
import re
from dataclasses import fields
from pathlib import Path

from models.case_policy import CasePolicy

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| `([a-z_0-9]+)` \| `([^`]+)` \| .+ \|$", re.MULTILINE)


def told() -> dict[str, object]:
    """Return rule → default, as the page has them."""
    return {name: json.loads(default) for name, default in _ROW.findall((ROOT / "docs" / "cases.md").read_text())}


def test_the_page_knows_every_rule_and_its_default() -> None:
    made = CasePolicy()

    defaults = {each.name: getattr(made, each.name) for each in fields(CasePolicy)}

    assert told() == {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}


def test_what_the_page_says_can_be_set() -> None:
    assert CasePolicy.parse(told()) == CasePolicy()
