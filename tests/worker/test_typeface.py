"""The typeface: names are printed as they are registered, and a character that it lacks is seen and said."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.printing.typeface import FILE, GETA, SHA256, typeface

KUZU_WITH_HOOK = "葛\U000e0100"


def shown(text: str) -> str:
    return typeface().copy(text).text


def codes(text: str) -> list[str]:
    return [lack.code for lack in typeface().copy(text).lacks]


def test_the_font_is_the_one_that_its_makers_published() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256


def test_the_font_s_licence_lies_beside_it() -> None:
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FILE.parent / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("髙橋 﨑子", "variants that are characters of their own"),
        ("𠮷田", "outside the basic plane"),
        ("土𡈽 橋槗𣘺 徳德 瀬瀨 浜濵 告吿", "old forms of frequent names"),
        ("①②㈱№", "marks of the trade"),
        ("福\ufa1b 神\ufa19", "compatibility characters stay apart from their twins"),
        ("ﾔﾏﾀﾞ ﾀﾛｳ", "narrow kana"),
        ("Nguyễn Thị Ánh", "Vietnamese names"),
        ("1-2-3〜4−5‐6ー7", "every dash of an address"),
    ],
)
def test_a_name_or_address_is_printed_as_it_is_written(text: str, why: str) -> None:
    assert (shown(text), codes(text)) == (text, []), why


def test_every_kanji_of_jis_x_0213_can_be_printed() -> None:
    rows = range(0xA1, 0xFF)
    pairs = [bytes([*plane, row, cell]) for plane in ((), (0x8F,)) for row in rows for cell in rows]
    kanji = {
        character
        for pair in pairs
        for character in pair.decode("euc_jis_2004", errors="ignore")
        if unicodedata.name(character, "").startswith("CJK")
    }

    assert len(kanji) > 10_000
    assert codes("".join(sorted(kanji))) == []


def test_a_variant_is_printed_in_its_own_form() -> None:
    copy = typeface().copy(KUZU_WITH_HOOK)

    assert copy.lacks == ()
    assert len(copy.text) == 1
    assert copy.text != "葛"
    assert typeface().stand_ins[ord(copy.text)]


def test_a_variant_that_is_the_plain_form_is_the_plain_character() -> None:
    assert (shown("葛\U000e0101"), codes("葛\U000e0101")) == ("葛", [])


def test_a_variant_that_the_font_lacks_is_printed_plain_and_reported() -> None:
    assert (shown("渡邉\U000e011f"), codes("渡邉\U000e011f")) == ("渡邉", ["U+9089 U+E011F"])


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("😀", "U+1F600", "an item's name"),
        ("莹", "U+83B9", "a Chinese name"),
        ("김", "U+AE40", "a Korean name"),
        ("ł", "U+0142", "a Polish name"),
        ("\u200b", "U+200B", "invisible, and yet in the register"),
        ("\t", "U+0009", "a control"),
        ("\n", "U+000A", "a line feed"),
        ("\ue000", "U+E000", "somebody's private character"),
        ("\U000f0000", "U+F0000", "nobody gets at our stand-ins from outside"),
        ("\u0378", "U+0378", "not assigned"),
    ],
)
def test_a_character_that_the_font_lacks_is_seen_on_the_paper_and_reported(text: str, code: str, why: str) -> None:
    assert (shown(f"山{text}"), codes(f"山{text}")) == (f"山{GETA}", [code]), why


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        ("\u0301", GETA, "U+0301"),
        ("\U000e0100", GETA, "U+E0100"),
        ("山\u0301", GETA, "U+5C71 U+0301"),
        ("山\U000e01ef", "山", "U+5C71 U+E01EF"),
        ("😀\ufe0f", GETA, "U+1F600 U+FE0F"),
    ],
)
def test_a_mark_without_its_letter_is_not_swallowed(text: str, expected: str, code: str) -> None:
    assert (shown(text), codes(text)) == (expected, [code])


@pytest.mark.parametrize(("apart", "together"), [("か\u3099", "が"), ("e\u0302\u0323", "ệ"), ("ハ\u309a", "パ")])
def test_a_letter_and_its_accent_are_put_together(apart: str, together: str) -> None:
    assert (shown(apart), codes(apart)) == (together, [])


@given(st.text())
def test_nothing_vanishes(text: str) -> None:
    copy = typeface().copy(text)
    marks = sum(unicodedata.category(each).startswith("M") for each in text)

    assert len(text) - marks <= len(copy.text) <= len(text)


@given(st.text())
def test_whatever_was_made_a_copy_can_be_set(text: str) -> None:
    copy = typeface().copy(text)

    assert typeface().width(copy.text, points=10) >= 0


def test_a_text_that_was_never_made_a_copy_has_no_width() -> None:
    with pytest.raises(KeyError):
        typeface().width("😀", points=10)


def test_a_copy_and_what_it_lacks_do_not_print_themselves() -> None:
    copy = typeface().copy("山😀")

    assert "山" not in repr(copy)
    assert "1F600" not in repr(copy.lacks)
    assert str(0x1F600) not in repr(copy.lacks)
