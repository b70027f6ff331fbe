"""Lines: where Japanese may be broken and where not."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.printing.lines import NEVER_FIRST, NEVER_LAST, _pieces, broken

# fmt: off
ATOMS = [
    "あ", "漢", "字", "、", "。", "」", "「", "(", ")", "ー", "っ", "々", "〒", "100-0001", "abc", "e-mail",
    "Nguyễn", "12,345", " ", "　", "……", "――", "\U000f03b8", "𠮷", "!",
]
# fmt: on
texts = st.lists(st.sampled_from(ATOMS), max_size=60).map("".join)


def width(text: str) -> float:
    """Half a unit for what is Latin, one for the rest."""
    return sum(0.5 if each.isascii() else 1.0 for each in text)


def without_spaces(text: str) -> str:
    return text.replace(" ", "").replace("　", "")


@pytest.mark.parametrize(
    ("text", "room", "lines", "why"),
    [
        ("申請します。", 6, ["申請します。"], "it fits"),
        ("申請します。", 5, ["申請しま", "す。"], "a stop does not begin a line"),
        ("申請(書類)等", 3, ["申請", "(書類)", "等"], "a bracket opens beside its word and closes beside it"),
        ("これは「それ」", 4, ["これは", "「それ」"], "an opening bracket does not end a line"),
        ("ショップ", 3, ["ショッ", "プ"], "small kana do not begin a line"),
        ("ルビーの", 2, ["ル", "ビー", "の"], "nor does a long vowel"),
        ("年々々増", 2, ["年々", "々増"], "what cannot stay together is broken anywhere"),
        ("番地100-0001です", 5, ["番地", "100-0001で", "す"], "a number stays whole"),
        ("名はNguyễn様", 4, ["名は", "Nguyễn", "様"], "and so does a name with accents"),
        ("abcdefgh", 2, ["abcd", "efgh"], "a word that is wider than the line is broken anywhere"),
        ("あい うえ", 2, ["あい", "うえ"], "a space at a line's end is left off"),
        ("　字下げの行", 4, ["　字下げ", "の行"], "one that opens a paragraph is kept"),
        ("では……あ", 3, ["では", "……あ"], "an ellipsis stays whole"),
        ("", 5, [""], "nothing is one empty line"),
    ],
)
def test_a_text_is_broken_as_japanese_is(text: str, room: float, lines: list[str], why: str) -> None:
    assert broken(text, room, width) == lines, why


@given(texts, st.integers(1, 30))
def test_no_line_is_wider_than_its_room(text: str, room: int) -> None:
    assert all(width(line) <= room for line in broken(text, room, width))


@given(texts, st.integers(1, 30))
def test_no_character_is_lost_or_moved(text: str, room: int) -> None:
    assert without_spaces("".join(broken(text, room, width))) == without_spaces(text)


@given(texts, st.integers(8, 30))
def test_no_line_begins_or_ends_as_it_must_not(text: str, room: int) -> None:
    assume(all(width(piece) <= room for piece in _pieces(text)))

    lines = broken(text, room, width)

    assert not [line for line in lines[1:] if line[:1] in NEVER_FIRST and line]
    assert not [line for line in lines[:-1] if line[-1:] in NEVER_LAST and line]


def test_a_room_too_narrow_for_one_character_is_refused() -> None:
    with pytest.raises(ValueError, match="narrower"):
        broken("あ", 0.5, width)
