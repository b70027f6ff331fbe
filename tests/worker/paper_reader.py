"""Reads a printed paper the way others would: a reader shows its pages, a curious one takes its file apart.

It knows PDF and none of our code.
"""

import re
import zlib
from contextlib import closing
from dataclasses import dataclass

import pypdfium2

MM = 72 / 25.4
A4_HEIGHT = 297.0


@dataclass(frozen=True)
class Area:
    """A rectangle in millimetres from the sheet's upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


def read(pdf: bytes) -> list[str]:
    """Return what can be read on each page, line by line from the top."""
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        return [_text(document, number, None) for number in range(len(document))]


def read_in(pdf: bytes, area: Area) -> str:
    """Return what can be read in a part of the first page."""
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        return _text(document, 0, area)


def picture(pdf: bytes, page: int = 0) -> bytes:
    """Return a page's pixels."""
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        return bytes(document[page].render(scale=1, grayscale=True).buffer)


def metadata(pdf: bytes) -> dict[str, str]:
    """Return what the file says about itself."""
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        said: dict[str, str] = document.get_metadata_dict(skip_empty=True)
        return said


def outside_the_pages(pdf: bytes) -> bytes:
    """Return all of a file but the content of its pages, with what is compressed unpacked."""
    contents = {int(number) for number in re.findall(rb"/Contents (\d+) 0 R", pdf)}
    parts: list[bytes] = []
    at = 0
    for found in re.finditer(rb"\n(\d+) 0 obj\n((?:(?!endobj).)*?)\nstream\n", pdf, re.DOTALL):
        length = re.search(rb"/Length (\d+)", found[2])
        assert length is not None
        stream = pdf[found.end() : found.end() + int(length[1])]
        parts.append(pdf[at : found.end()])
        if int(found[1]) not in contents:
            parts.append(zlib.decompress(stream) if b"/FlateDecode" in found[2] else stream)
        at = found.end() + len(stream)
    return b"".join([*parts, pdf[at:]])


def forms(text: str) -> list[bytes]:
    """Return the ways in which a text may stand in a file in plain sight."""
    wide = text.encode("utf-16-be")
    return [text.encode(), wide, text.encode("utf-16-le"), wide.hex().encode(), wide.hex().upper().encode()]


def _text(document: pypdfium2.PdfDocument, page: int, area: Area | None) -> str:
    text = document[page].get_textpage()
    if area is None:
        found: str = text.get_text_bounded()
    else:
        found = text.get_text_bounded(
            left=area.left * MM,
            top=(A4_HEIGHT - area.top) * MM,
            right=area.right * MM,
            bottom=(A4_HEIGHT - area.bottom) * MM,
        )
    return found.replace("\r\n", "\n")
