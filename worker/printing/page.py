"""Sheets of A4 with marks on them, and their binding into a PDF.

It knows millimetres, and that equal marks make equal bytes. It refuses to know lines and what the words mean.
"""

import logging
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from worker.printing.typeface import FILE, MM_PER_POINT, typeface

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.fonts import TTFFont

WIDTH, HEIGHT = 210.0, 297.0
"""A4, in millimetres, as is everything here but a size of type, which is in points."""

_TOKYO = ZoneInfo("Asia/Tokyo")
_FAMILY = "mincho"
# The em box of Japanese type: so much of it stands above the baseline.
_ABOVE_BASELINE = 0.88

# Both write about glyphs: fontTools names every one that a paper uses, fpdf quotes characters that it misses. A name
# could be read from them, so neither speaks, whoever sets up logging.
for _chatty in ("fontTools", "fpdf"):
    logging.getLogger(_chatty).setLevel(logging.ERROR)


@dataclass(frozen=True, repr=False)
class Text:
    """A run of a copy's text. It does not print itself.

    Attributes:
        left: where it begins.
        baseline: what it stands on, from the top of the sheet.
        points: its size.
        spread: what is added after each of its characters, in points.
    """

    left: float
    baseline: float
    text: str
    points: float
    spread: float = 0.0


@dataclass(frozen=True)
class Rule:
    """A straight line, and how thick it is."""

    left: float
    top: float
    right: float
    bottom: float
    thickness: float = 0.2


@dataclass(frozen=True)
class Ring:
    """A circle, such as the place for a seal."""

    centre: float
    middle: float
    radius: float
    thickness: float = 0.2


Mark = Text | Rule | Ring


@dataclass
class Sheet:
    """One side of A4 and the marks on it."""

    marks: list[Mark] = field(default_factory=list)

    def write(
        self, text: str, *, left: float, top: float, points: float, pitch: float | None = None, spread: float = 0.0
    ) -> None:
        """Set one line of a copy's text, in the middle of a line that begins at `top` and is `pitch` high.

        Without a pitch it is as high as the type.
        """
        em = points * MM_PER_POINT
        baseline = top + ((em if pitch is None else pitch) - em) / 2 + _ABOVE_BASELINE * em
        self.marks.append(Text(left, baseline, text, points, spread))


def bind(sheets: Sequence[Sheet], *, title: str, dated: date) -> bytes:
    """Return the sheets as a PDF. Equal sheets, title and date give equal bytes.

    Args:
        sheets: in their order.
        title: goes into the metadata and into a window's frame, so it names the kind of paper and nobody.
        dated: stands in the metadata as midnight in Tokyo.

    Raises:
        LookupError: a mark has a character that was never made a copy; printing goes no further than that.
    """
    # A quarter of what a process takes to start; most never print.
    from fpdf import FPDF, ViewerPreferences
    from fpdf.fonts import TTFFont

    pdf = FPDF(format="A4", unit="mm")
    pdf.set_margin(0)
    pdf.set_auto_page_break(auto=False)
    pdf.set_title(title)
    pdf.set_lang("ja")
    pdf.set_creation_date(datetime.combine(dated, time(), _TOKYO))
    # A sheet that is shrunk to fit no longer meets its envelope's window.
    pdf.viewer_preferences = ViewerPreferences(print_scaling="None", display_doc_title=True)
    pdf.add_font(_FAMILY, fname=FILE)
    font = pdf.fonts[_FAMILY]
    if not isinstance(font, TTFFont):
        raise TypeError("the typeface is no OpenType font")
    # fpdf leaves the file open.
    with closing(font.ttfont):
        texts = [mark.text for sheet in sheets for mark in sheet.marks if isinstance(mark, Text)]
        _choose_glyphs(font, set().union(*texts))
        for sheet in sheets:
            pdf.add_page()
            for mark in sheet.marks:
                _draw(pdf, mark)
        return bytes(pdf.output())


def _choose_glyphs(font: "TTFFont", characters: AbstractSet[str]) -> None:
    """Take the glyphs into the PDF in the order of their codes; in the order of use the list would spell out names."""
    for code, glyph in typeface().stand_ins.items():
        if chr(code) in characters:
            font.cmap[code] = glyph
            font.glyph_ids[code] = font.ttfont.getGlyphID(glyph)
            font.cw[code] = round(typeface().width(chr(code), 1 / MM_PER_POINT) * 1000)
    if any(ord(character) not in font.cmap for character in characters):
        raise LookupError("a character came to the press that the typeface lacks")
    font.encode_text("".join(sorted(characters)))


def _draw(pdf: "FPDF", mark: Mark) -> None:
    match mark:
        case Text():
            pdf.set_font(_FAMILY, size=mark.points)
            pdf.set_char_spacing(mark.spread)
            pdf.text(mark.left, mark.baseline, mark.text)
        case Rule():
            pdf.set_line_width(mark.thickness)
            pdf.line(mark.left, mark.top, mark.right, mark.bottom)
        case Ring():
            pdf.set_line_width(mark.thickness)
            pdf.circle(mark.centre, mark.middle, mark.radius)
