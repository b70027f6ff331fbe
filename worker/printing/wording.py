"""The words that are the same on every paper of a kind, as files, and the hash that tells one version from another.

A file is paragraphs with an empty line between them; the first is the title, the second opens the paper. It refuses to
know whose paper it is: there is nothing to fill in.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "words"


class NoSuchWordingError(LookupError):
    """There is no file of that name: whoever asks named a paper or a version that was never published."""


@dataclass(frozen=True)
class Wording:
    """One file of words.

    Attributes:
        text: the file, as it is hashed.
        title: what kind of paper it is.
        opening: the paragraph under the title.
        clauses: the paragraphs after it, without their numbers.
    """

    text: str
    title: str
    opening: str
    clauses: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The hash of the text in UTF-8, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def wording(name: str) -> Wording:
    """Return the words of a file, such as "pledge-1" for `pledge-1.ja.txt`.

    Raises:
        NoSuchWordingError: there is no such file.
    """
    file = FOLDER / f"{name}.ja.txt"
    if file.parent != FOLDER or not file.is_file():
        raise NoSuchWordingError(f"no wording of this name among {len(list(FOLDER.iterdir()))}")
    text = file.read_text(encoding="utf-8")
    title, opening, *clauses = (" ".join(each.split("\n")) for each in text.strip().split("\n\n"))
    return Wording(text, title, opening, tuple(re.sub(r"^\d+\. ", "", each) for each in clauses))


def day_in_words(day: date) -> str:
    """Return 2030年6月1日."""
    return f"{day.year}年{day.month}月{day.day}日"
