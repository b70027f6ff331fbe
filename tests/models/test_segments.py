"""What a text costs as SMS."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.segments import GSM_BASIC, GSM_EXTENSION, Encoding, Segments, count, has_astral

GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("", Segments(GSM7, 0, 0), "nothing is sent"),
        ("a" * 160, Segments(GSM7, 160, 1), "a full single SMS"),
        ("a" * 161, Segments(GSM7, 161, 2), "one more"),
        ("a" * 306, Segments(GSM7, 306, 2), "two full parts of 153"),
        ("a" * 307, Segments(GSM7, 307, 3), "one more"),
        ("€" * 80, Segments(GSM7, 160, 1), "the extension table takes two units a character"),
        ("a" * 159 + "€", Segments(GSM7, 161, 2), "the euro sign does not fit"),
        ("a" * 152 + "€" + "a" * 152, Segments(GSM7, 306, 3), "an escape is not cut from its character"),
        ("line\r\nline", Segments(GSM7, 10, 1), "line ends are in the alphabet"),
        ("ÄÖÑÜ§àäöñü@£$Δ", Segments(GSM7, 14, 1), "so are these"),
        ("tab\t", Segments(UCS2, 4, 1), "a tab is not"),
        ("`", Segments(UCS2, 1, 1), "nor a backtick"),
        ("ç", Segments(UCS2, 1, 1), "nor a small c with cedilla, though the capital is"),
        ("あ" * 70, Segments(UCS2, 70, 1), "a full single SMS in Japanese"),
        ("あ" * 71, Segments(UCS2, 71, 2), "one more"),
        ("あ" * 132, Segments(UCS2, 132, 2), "two full parts of 66"),
        ("あ" * 133, Segments(UCS2, 133, 3), "one more; with the 67 of other carriers it would be two"),
        ("a" * 69 + "あ", Segments(UCS2, 70, 1), "one Japanese character puts all into UCS-2"),
        ("€" + "あ", Segments(UCS2, 2, 1), "in UCS-2 the euro sign is one unit"),
        ("😀" * 35, Segments(UCS2, 70, 1), "an emoji is two units"),
        ("😀" * 36, Segments(UCS2, 72, 2), "and so the text is too long"),
        ("あ" * 65 + "😀" + "あ" * 65, Segments(UCS2, 132, 3), "an emoji is not cut in two"),
        ("𠮷野", Segments(UCS2, 3, 1), "a rare kanji is two units"),
        ("e\u0301", Segments(UCS2, 2, 1), "an accent of its own is a unit of its own"),
    ],
)
def test_a_text_is_counted_as_the_strictest_carrier_does(text: str, expected: Segments, why: str) -> None:
    assert count(text) == expected, why


def test_the_longest_japanese_code_message_is_one_segment() -> None:
    text = "【QUEENS COURT】認証コード:482913\n10分以内に画面で入力してください。\n@vc.example.jp #482913"

    assert count(text).segments == 1


def test_the_english_code_message_is_one_segment() -> None:
    text = "VICKY video concierge: your code is 482913. Valid 10 min.\n@vc.example.jp #482913"

    assert count(text) == Segments(GSM7, 80, 1)


def test_the_alphabet_has_as_many_characters_as_the_standard() -> None:
    # 128 places, one of which is the escape to the extension table.
    assert (len(GSM_BASIC), len(GSM_EXTENSION), GSM_BASIC & GSM_EXTENSION) == (127, 10, frozenset())


@given(st.text(st.characters(codec="utf-16")))
@settings(deadline=None)
def test_units_of_ucs2_are_those_of_utf16(text: str) -> None:
    counted = count(text + "あ")

    assert counted.units == len((text + "あ").encode("utf-16-le")) // 2


@given(st.text(st.characters(codec="utf-16")), st.text(st.characters(codec="utf-16"), min_size=1))
@settings(deadline=None)
def test_a_longer_text_never_costs_less(text: str, more: str) -> None:
    assert count(text * 9).segments <= count(text * 9 + more).segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("ABC", False), ("予約完了", False), ("ok 😀", True), ("𠮷", True), ("\uffff", False)],
)
def test_characters_of_two_units_are_found(text: str, expected: bool) -> None:
    assert has_astral(text) is expected
