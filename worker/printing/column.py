"""A column of paragraphs and tables that fills as many sheets as it needs, from top to bottom.

It knows lines, gaps and what must stay together; it refuses to know what the words mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from worker.printing.lines import broken
from worker.printing.page import Rule, Sheet
from worker.printing.typeface import MM_PER_POINT, typeface

# A line is spread to the edge only by so many ems: more would show.
_MOST_SPREAD = 2.0
# Between a table's rules and its words.
_PADDING = 1.5
_FOOT_POINTS = 8.0


class Align(Enum):
    """Where a line stands between the edges; JUSTIFIED spreads all lines of a paragraph but its last."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"
    JUSTIFIED = "justified"


@dataclass(frozen=True)
class Type:
    """How something is set: the size of the type in points, and how high a line is in millimetres."""

    points: float
    pitch: float

    def width(self, text: str) -> float:
        """Return how wide a copy's text is, in millimetres."""
        return typeface().width(text, self.points)


Row = tuple[str, str]
"""A label and a value, both a copy's text."""


@dataclass
class Column:
    """A column of text. What it sets is always a copy's text.

    Attributes:
        left: its left edge.
        right: its right edge.
        top: where it begins on the first sheet.
        top_again: where it begins on the others.
        bottom: where it ends on each.
        y: how far the current sheet is filled.
    """

    left: float
    right: float
    top: float
    top_again: float
    bottom: float
    sheets: list[Sheet] = field(default_factory=lambda: [Sheet()])

    def __post_init__(self) -> None:
        self.y = self.top
        self._ruled: tuple[int, float] | None = None

    @property
    def sheet(self) -> Sheet:
        """The sheet that is being filled."""
        return self.sheets[-1]

    def space(self, height: float) -> None:
        """Leave a gap, which the edge between two sheets swallows."""
        if self.y > self.top_again or len(self.sheets) == 1:
            self.y += height

    def keep(self, height: float) -> None:
        """Begin another sheet unless `height` is left on this one, or not even a whole sheet would hold it."""
        if self.y + height > self.bottom and height <= self.bottom - self.top_again:
            self.sheets.append(Sheet())
            self.y = self.top_again

    def paragraph(
        self, text: str, face: Type, *, align: Align = Align.JUSTIFIED, inset: float = 0.0, label: str = ""
    ) -> None:
        """Set a paragraph, whole on one sheet if one can hold it.

        Args:
            text: its words.
            face: how it is set.
            align: where its lines stand.
            inset: what is left free at its left.
            label: what hangs in that space before its first line, such as "(1)".
        """
        lines = self._lines(text, face, inset)
        self.keep(len(lines) * face.pitch)
        self.keep(face.pitch)
        if label:
            self.sheet.write(label, left=self.left, top=self.y, points=face.points, pitch=face.pitch)
        for line in lines[:-1]:
            self._line(line, face, align, inset)
        self._line(lines[-1], face, Align.LEFT if align is Align.JUSTIFIED else align, inset)

    def height_of_paragraph(self, text: str, face: Type, *, inset: float = 0.0) -> float:
        """Return how high a paragraph would be."""
        return len(self._lines(text, face, inset)) * face.pitch

    def _lines(self, text: str, face: Type, inset: float) -> list[str]:
        return broken(text, self.right - self.left - inset, face.width)

    def _line(self, line: str, face: Type, align: Align, inset: float) -> None:
        self.keep(face.pitch)
        slack = self.right - self.left - inset - face.width(line)
        left, spread = self.left + inset, 0.0
        match align:
            case Align.CENTRE:
                left += slack / 2
            case Align.RIGHT:
                left += slack
            case Align.JUSTIFIED if len(line) > 1 and slack / MM_PER_POINT <= _MOST_SPREAD * face.points:
                spread = slack / MM_PER_POINT / (len(line) - 1)
            case _:
                pass
        self.sheet.write(line, left=left, top=self.y, points=face.points, pitch=face.pitch, spread=spread)
        self.y += face.pitch

    def table(self, rows: Sequence[Row], face: Type, *, label_width: float) -> None:
        """Set ruled rows; each stays whole.

        Raises:
            ValueError: a row is higher than a sheet. Nothing is cut off.
        """
        for row in rows:
            height = self._height_of_row(row, face, label_width)
            if height > self.bottom - self.top_again:
                raise ValueError("a row is higher than a sheet")
            self.keep(height)
            self._box(height, label_width)
            for lines, left in zip(self._cells(row, face, label_width), (0, label_width), strict=True):
                for number, line in enumerate(lines):
                    top = self.y + _PADDING + number * face.pitch
                    self.sheet.write(
                        line, left=self.left + left + _PADDING, top=top, points=face.points, pitch=face.pitch
                    )
            self.y += height

    def height_of_table(self, rows: Sequence[Row], face: Type, *, label_width: float) -> float:
        """Return how high a table would be."""
        return sum(self._height_of_row(row, face, label_width) for row in rows)

    def _height_of_row(self, row: Row, face: Type, label_width: float) -> float:
        return max(map(len, self._cells(row, face, label_width))) * face.pitch + 2 * _PADDING

    def _cells(self, row: Row, face: Type, label_width: float) -> tuple[list[str], list[str]]:
        label, value = row
        value_width = self.right - self.left - label_width
        return (
            broken(label, label_width - 2 * _PADDING, face.width),
            broken(value, value_width - 2 * _PADDING, face.width),
        )

    def _box(self, height: float, label_width: float) -> None:
        top, bottom = self.y, self.y + height
        # The rule between two rows is one, not two on top of each other.
        if self._ruled != (len(self.sheets), top):
            self.sheet.marks.append(Rule(self.left, top, self.right, top))
        self.sheet.marks.append(Rule(self.left, bottom, self.right, bottom))
        self._ruled = (len(self.sheets), bottom)
        for x in (self.left, self.left + label_width, self.right):
            self.sheet.marks.append(Rule(x, top, x, bottom))


def number_sheets(sheets: Sequence[Sheet], foot: str, *, left: float, right: float, top: float) -> None:
    """Set a foot under each sheet: `foot`, a copy's text, at the left and which sheet of how many at the right."""
    for number, sheet in enumerate(sheets, start=1):
        sheet.marks.append(Rule(left, top, right, top, thickness=0.1))
        sheet.write(foot, left=left, top=top + 1.5, points=_FOOT_POINTS)
        count = f"{number} / {len(sheets)}"
        count_left = right - typeface().width(count, _FOOT_POINTS)
        sheet.write(count, left=count_left, top=top + 1.5, points=_FOOT_POINTS)
