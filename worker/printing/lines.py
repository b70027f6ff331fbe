"""Breaks a text into lines as Japanese is broken: where one may not begin, where one may not end (禁則処理).

It knows characters and the width that it is told; it refuses to know type, pages and what a text means.
"""

import re
from collections.abc import Callable

# JIS X 4051, 行頭禁則: closing marks, stops, small kana, repetition marks.
NEVER_FIRST = frozenset(
    "、。,.，．・:;：；?!？！‼⁇⁈⁉ヽヾゝゞ々〻ー゛゜ﾞﾟ"
    "」』】〉》〕〗〙）］｝〟’”»)]}｣､｡･ｰ"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿｧｨｩｪｫｯｬｭｮ"
    "‐゠–〜～-％%‰℃°′″"
)
# JIS X 4051, 行末禁則: opening marks, and signs that belong to what follows them.
NEVER_LAST = frozenset("「『【〈《〔〖〘（［｛〝‘“«([{｢〒¥￥$＄£￡№#＃")

# A word, number, date or address in Latin letters stays whole, and so does a doubled dash or ellipsis.
_LATIN = "A-Za-z0-9À-ɏḀ-ỿ"
_ATOM = re.compile(rf"[{_LATIN}][{_LATIN}_.,:/@+&=~%#'’?!-]*|―+|…+|‥+|.", re.DOTALL)
_SPACES = " 　"


def broken(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """Return the lines of `text`, each at most `room` wide; joined, they are the text but for spaces at their ends.

    A piece that is wider than `room` is broken anywhere rather than run over the edge. An empty text is one empty line.

    Args:
        text: what to break.
        room: the width of a line, in the unit of `width`.
        width: how wide a piece of text is.

    Raises:
        ValueError: a single character is wider than `room`.
    """
    lines = [""]
    for piece in _pieces(text):
        if width((lines[-1] + piece).rstrip(_SPACES)) <= room:
            lines[-1] += piece
            continue
        if lines[-1].strip(_SPACES):
            lines.append("")
        lines[-1:] = _cut(piece.lstrip(_SPACES), room, width)
    return [line.rstrip(_SPACES) for line in lines]


def _pieces(text: str) -> list[str]:
    """Return what must not be parted: what may not end a line goes with the next, what may not begin one, before."""
    pieces: list[str] = []
    for atom in _ATOM.findall(text):
        if pieces and pieces[-1].rstrip(_SPACES)[-1:] in NEVER_LAST:
            pieces[-1] += atom
        elif pieces and atom[0] in NEVER_FIRST:
            # Through spaces too: what follows them would begin the line that they are taken off.
            while len(pieces) > 1 and not pieces[-1].strip(_SPACES):
                spaces = pieces.pop()
                pieces[-1] += spaces
            pieces[-1] += atom
        else:
            pieces.append(atom)
    return pieces


def _cut(piece: str, room: float, width: Callable[[str], float]) -> list[str]:
    parts = [""]
    for character in piece:
        if width(character) > room:
            raise ValueError("a line is narrower than one of its characters")
        if width(parts[-1] + character) > room:
            parts.append("")
        parts[-1] += character
    return parts
