"""Holds docs/shops.md to the code: every setting of a shop stands there with its default, and what it shows is true."""

import json
import re
from pathlib import Path

import pytest

from models.calendar import Calendar
from models.shop import Shop
from models.shop_profile import EXAMPLE, SETTINGS
from worker import items

PAGE = (Path(__file__).parents[2] / "docs" / "shops.md").read_text(encoding="utf-8")


def examples() -> list[str]:
    return re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_every_setting_stands_on_the_page_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE))

    assert {name: rows.get(name) for name in SETTINGS} == {name: json.dumps(Shop.default_of(name)) for name in SETTINGS}


@pytest.mark.parametrize("part", EXAMPLE)
def test_every_part_of_a_profile_is_explained(part: str) -> None:
    assert f"`{part}`" in PAGE


def test_the_calendar_that_is_shown_can_be_read() -> None:
    assert Calendar.parse(json.loads(examples()[0]), zone="Asia/Tokyo").seats == 2


def test_the_answer_of_a_catalogue_that_is_shown_is_understood() -> None:
    answer = items._read(examples()[1].encode())

    assert answer is not None
    assert answer["R-1024"]["on_sale"] is True
