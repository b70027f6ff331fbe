"""The guideline that applicants agree to, section by section, and which wording of it they agreed to (D64, D55)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from models.errors import ConsentMissing
from worker.wording import FOLDER, LANGUAGES

SECTIONS = ("1", "2", "3", "4")
"""(1) eligible transactions, (2) what is disclosed and how, (3) refusal, (4) notes."""


@dataclass(frozen=True)
class Section:
    """One section in one language.

    Attributes:
        sha256: of the text; a consent names it.
    """

    number: str
    text: str

    @property
    def sha256(self) -> str:
        """What a consent to this wording names."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def sections(language: str) -> tuple[Section, ...]:
    """Return the guideline in one language."""
    folder = FOLDER / "guideline"
    return tuple(Section(each, (folder / f"{each}.{language}.txt").read_text(encoding="utf-8")) for each in SECTIONS)


def check_consents(consents: Mapping[str, str], language: str) -> None:
    """See that each section was agreed to, in the wording that is in force in that language.

    Raises:
        ConsentMissing: it names the sections.
    """
    if language not in LANGUAGES:
        raise ConsentMissing(sections=",".join(SECTIONS))
    missing = [each.number for each in sections(language) if consents.get(each.number) != each.sha256]
    if missing:
        raise ConsentMissing(sections=",".join(missing))
