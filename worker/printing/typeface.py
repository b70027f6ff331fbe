"""The one typeface of our papers: which characters it can print, and how wide each is.

It never lets a character vanish: what it cannot print is shown as 〓 and reported. It refuses to know lines and pages.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

FILE = Path(__file__).parent / "fonts" / "NotoSerifJP-Regular.otf"
"""Noto Serif JP 2.003, as its makers published it: notofonts/noto-cjk, tag Serif2.003, Serif/SubsetOTF/JP. Its licence,
the SIL Open Font License 1.1, lies beside it."""

SHA256 = "2c9a12dbd4f2408c4610c7ee84a108b62d7236c3775baed618c64d9cb44b2f04"

GETA = "〓"
"""What Japanese printers have always set for a character they had no type for."""

MM_PER_POINT = 25.4 / 72

# Variants chosen by a selector get a code of their own while a page is set: one character, one code. Unicode will never
# assign these (plane 15), and a text that brings one along is not printed as if it were ours.
_FIRST_STAND_IN = 0xF0000
_SELECTORS = frozenset({*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)})

# The format of a font's table of variants (OpenType, `cmap`).
_VARIATION_SEQUENCES = 14
_BASE_AND_SELECTOR = 2

# Controls and invisible formatting, what Unicode has not assigned, private use: nothing of it can be seen on paper.
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, repr=False)
class Lack:
    """A character that the typeface does not have. It does not print itself: it may be part of somebody's name.

    Attributes:
        shown: what stands on the paper instead: 〓, or the plain character where only its variant is missing.
        codes: the code points that were asked for.
    """

    shown: str
    codes: tuple[int, ...]

    @property
    def code(self) -> str:
        """The character as a clerk can look it up: "U+20BB7", "U+9089 U+E011F"."""
        return " ".join(f"U+{code:04X}" for code in self.codes)


@dataclass(frozen=True, repr=False)
class Copy:
    """A text as it can be set: one code for each visible character, and what it lacks."""

    text: str
    lacks: tuple[Lack, ...]


class Typeface:
    """Noto Serif JP, read once.

    Attributes:
        stand_ins: the code that stands for a variant while a page is set, and the variant's glyph.
    """

    def __init__(self, file: Path = FILE) -> None:
        with TTFont(file, lazy=True) as font:
            self._plain: dict[int, str] = font.getBestCmap()
            self._variants: dict[tuple[int, int], str | None] = {
                (base, selector): glyph
                for table in font["cmap"].tables
                if table.format == _VARIATION_SEQUENCES
                for selector, pairs in table.uvsDict.items()
                for base, glyph in pairs
            }
            per_em: int = font["head"].unitsPerEm
            self._advance: dict[str, float] = {
                glyph: width / per_em for glyph, (width, _) in font["hmtx"].metrics.items()
            }
        own_glyph = sorted(variant for variant, glyph in self._variants.items() if glyph is not None)
        self._stand_in = {variant: chr(_FIRST_STAND_IN + n) for n, variant in enumerate(own_glyph)}
        self.stand_ins: dict[int, str] = {
            ord(code): str(self._variants[variant]) for variant, code in self._stand_in.items()
        }

    def copy(self, text: str) -> Copy:
        """Return `text` as this typeface can set it. Nothing is dropped, and nothing is replaced unreported.

        Letters with their accents apart (U+304B U+3099) are put together. Nothing else is normalised: U+798F and
        U+FA1B, both 福, are two characters in a family register.
        """
        shown: list[str] = []
        lacks: list[Lack] = []
        for cluster in _clusters(text):
            code = self._code_of(cluster)
            if code is None:
                only_the_variant = ord(cluster[-1]) in _SELECTORS and self._has(cluster[0])
                code = cluster[0] if only_the_variant else GETA
                lacks.append(Lack(shown=code, codes=tuple(map(ord, cluster))))
            shown.append(code)
        return Copy("".join(shown), tuple(lacks))

    def width(self, text: str, points: float) -> float:
        """Return how wide a line of a copy's text is, in millimetres, set in a size of `points`.

        Raises:
            KeyError: `text` was never made a copy, and has a character that the typeface lacks.
        """
        return sum(self._em(ord(each)) for each in text) * points * MM_PER_POINT

    def _em(self, code: int) -> float:
        return self._advance[self.stand_ins[code] if code in self.stand_ins else self._plain[code]]

    def _code_of(self, cluster: str) -> str | None:
        if len(cluster) == 1:
            return cluster if self._has(cluster) else None
        if len(cluster) == _BASE_AND_SELECTOR and (variant := (ord(cluster[0]), ord(cluster[1]))) in self._variants:
            # A variant without a glyph of its own is the plain character.
            return self._stand_in.get(variant, cluster[0])
        return None

    def _has(self, character: str) -> bool:
        return (
            ord(character) in self._plain
            and unicodedata.category(character) not in _UNSEEN
            and not unicodedata.category(character).startswith("M")
        )


def _clusters(text: str) -> Iterator[str]:
    """Part a text where a reader would: a character keeps its selector, and its accents."""
    held = ""
    for character in text:
        belongs = ord(character) in _SELECTORS or unicodedata.category(character).startswith("M")
        if held and not belongs:
            yield held
            held = ""
        held += character
        if len(held) > 1 and len(joined := unicodedata.normalize("NFC", held)) == 1:
            held = joined
    if held:
        yield held


@cache
def typeface() -> Typeface:
    """Return the process's typeface; reading it takes a moment and some twenty megabytes."""
    return Typeface()
