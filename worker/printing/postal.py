"""Who sends a paper and to whom it goes, and the block of lines that shows in an envelope's window.

It knows the fold, the envelope and how a Japanese address is written; it refuses to know what the letter says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from worker.printing.lines import broken
from worker.printing.page import HEIGHT, WIDTH, Rule, Sheet
from worker.printing.typeface import MM_PER_POINT, Copy, typeface

ENVELOPE = (235.0, 120.0)
"""長形3号, used sideways, in millimetres. Its inside is a little smaller: seams."""
_SEAM = 1.0
PANEL = (WIDTH, HEIGHT / 3)
"""A4, folded in three with the print outside."""
WINDOW = (22.0, 12.0, 90.0, 45.0)
"""Left, top, width and height of the window that we assume, from the envelope's upper left corner. The post asks for at
least 80 × 45 mm. Makers differ by some millimetres: hold a first print against your own envelopes."""

_slip = (ENVELOPE[0] - 2 * _SEAM - PANEL[0], ENVELOPE[1] - 2 * _SEAM - PANEL[1])

ALWAYS_SHOWN = (
    WINDOW[0] - _SEAM,
    WINDOW[1] - _SEAM,
    WINDOW[0] - _SEAM + WINDOW[2] - _slip[0],
    WINDOW[1] - _SEAM + WINDOW[3] - _slip[1],
)
"""Left, top, right and bottom of what the window shows however the sheet slips in its envelope. The address must not
slip behind the edge (Japan Post, 窓付封筒, 定形郵便物・はがき作成のガイドライン)."""

EVER_SHOWN = (
    WINDOW[0] - _SEAM - _slip[0],
    WINDOW[1] - _SEAM - _slip[1],
    WINDOW[0] - _SEAM + WINDOW[2],
    WINDOW[1] - _SEAM + WINDOW[3],
)
"""What it shows at most. Only the address stands here: whoever handles the envelope can read it."""

# Points: the first sizes are tried with every line whole, the next with lines broken, the last with the address run
# together, in type that a machine still reads.
_WHOLE = (11.0, 10.5, 10.0, 9.5, 9.0)
_BROKEN = (*_WHOLE, 8.5, 8.0)
_RUN_TOGETHER = (9.0, 8.5, 8.0, 7.5, 7.0)
# The envelope is written by hand then; the sheet still says to whom it goes. The longest that a registry takes fits.
_FOR_THE_FILE = (6.0, 5.0, 4.0)
_NAME_TO_ADDRESS = 1.2
_LEADING, _LOOSEST_LEADING = 1.2, 1.5
_MARGIN = 1.0
_DIGITS_OF_A_POSTAL_CODE = re.compile(r"^(\d{3})-?(\d{4})$", re.ASCII)


class AddressTooLongError(ValueError):
    """An address would reach into the letter even in the smallest type: it is no address."""


@dataclass(frozen=True, repr=False)
class Sender:
    """Whoever runs the platform. Papers name no telephone: there is none for this (D69).

    Attributes:
        postal_code: with or without its hyphen.
        address_lines: from the prefecture to the building.
        contact_url: the contact form.
    """

    name: str
    postal_code: str
    address_lines: tuple[str, ...]
    contact_url: str


@dataclass(frozen=True, repr=False)
class Addressee:
    """Who gets a letter.

    Attributes:
        name: a person's, or an organisation's if no person is named.
        postal_code: with or without its hyphen.
        address_lines: from the prefecture to the building.
        organisation: a shop or an organisation that the person stands for.
        honorific: 様 for a person, 御中 for an organisation.
    """

    name: str
    postal_code: str
    address_lines: tuple[str, ...]
    organisation: str | None = None
    honorific: str = "様"


def post_code(code: str) -> str:
    """Return 〒 and the code, hyphenated where it is seven digits; any other is left as it is."""
    parts = _DIGITS_OF_A_POSTAL_CODE.match(code.strip())
    return f"〒{parts[1]}-{parts[2]}" if parts else f"〒{code.strip()}"


@dataclass(frozen=True, repr=False)
class AddressCopy:
    """An addressee as it can be set.

    Attributes:
        code: the postal code, with its 〒.
        lines: of the address, each broken further where it is long.
        organisation: on a line of its own, above the name.
        name: whose honorific follows it on the same line.
        honorific: 様 or 御中.
    """

    code: Copy
    lines: tuple[Copy, ...]
    organisation: Copy | None
    name: Copy
    honorific: Copy


@dataclass(frozen=True, repr=False)
class _Line:
    text: str
    points: float
    gap: float = 0.0
    """What is left free above it, in ems."""

    def height(self, leading: float) -> float:
        return (leading + self.gap) * self.points * MM_PER_POINT


def set_addressee(sheet: Sheet, to: AddressCopy) -> bool:
    """Set an address where the window shows it, and say whether all of it shows however the sheet slips.

    It is set as large as it can be without breaking its lines; else as large as fits; and where nothing fits, further
    down than what always shows, for an envelope without a window.

    Raises:
        AddressTooLongError: it is longer than that.
    """
    left, top, right, bottom = (
        edge + inwards * _MARGIN for edge, inwards in zip(ALWAYS_SHOWN, (1, 1, -1, -1), strict=True)
    )
    room, depth = right - left, bottom - top
    for lines in _blocks(to, room):
        if _height(lines, _LEADING) <= depth:
            leading = _leading(lines, depth)
            _set(sheet, lines, left, top + (depth - _height(lines, leading)) / 2, leading)
            return True
    for points in (_BROKEN[0], _RUN_TOGETHER[-1], *_FOR_THE_FILE):
        lines = _block(to, points, room)
        if top + _height(lines, _LEADING) <= EVER_SHOWN[3]:
            _set(sheet, lines, left, top, _LEADING)
            return False
    raise AddressTooLongError("an address does not fit above the letter")


def _blocks(to: AddressCopy, room: float) -> Iterator[list[_Line]]:
    """Return the ways to set an address, the best first."""
    fewest = len(to.lines) + (2 if to.organisation is None else 3)
    yield from (lines for points in _WHOLE if len(lines := _block(to, points, room)) == fewest)
    yield from (_block(to, points, room) for points in _BROKEN)
    together = replace(to, lines=(Copy("　".join(line.text for line in to.lines), ()),))
    yield from (_block(together, points, room, name_to_address=1.0) for points in _RUN_TOGETHER)


def _leading(lines: list[_Line], depth: float) -> float:
    """Return how loosely lines can be set that fit in `depth`."""
    return min(_LOOSEST_LEADING, (depth - _height(lines, 0)) / (_height(lines, 1) - _height(lines, 0)))


def _block(to: AddressCopy, points: float, room: float, *, name_to_address: float = _NAME_TO_ADDRESS) -> list[_Line]:
    larger = points * name_to_address

    def small(piece: str) -> float:
        return typeface().width(piece, points)

    def large(piece: str) -> float:
        return typeface().width(piece, larger)

    lines = [_Line(to.code.text, points)]
    lines += [_Line(line, points) for each in to.lines for line in broken(each.text, room, small)]
    above_name = 0.3
    if to.organisation is not None:
        first, *more = broken(to.organisation.text, room, small)
        lines += [_Line(first, points, above_name), *(_Line(line, points) for line in more)]
        above_name = 0.0
    *first_lines, last = broken(to.name.text, room, large)
    tail = f"　{to.honorific.text}"
    if large(last + tail) > room:
        # The honorific never stands alone: it takes the end of the name along.
        *more, last = broken(last, room - large(tail), large)
        first_lines += more
    first, *more = [*first_lines, last + tail]
    return [*lines, _Line(first, larger, above_name), *(_Line(line, larger) for line in more)]


def _height(lines: list[_Line], leading: float) -> float:
    return sum(line.height(leading) for line in lines)


def _set(sheet: Sheet, lines: list[_Line], left: float, top: float, leading: float) -> None:
    for line in lines:
        pitch = leading * line.points * MM_PER_POINT
        sheet.write(line.text, left=left, top=top + line.height(leading) - pitch, points=line.points, pitch=pitch)
        top += line.height(leading)


def mark_folds(sheet: Sheet) -> None:
    """Set a short rule at the left edge where the sheet is folded."""
    for third in (1, 2):
        sheet.marks.append(Rule(4, third * PANEL[1], 8, third * PANEL[1], thickness=0.1))
