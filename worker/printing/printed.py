"""What a printer hands back: the paper, and what on it somebody must complete by hand.

It keeps no value, so that the list of what is to be done may stand in a log, an audit event or a work item.
"""

from dataclasses import dataclass, field

from worker.printing.typeface import Copy, Lack, typeface


@dataclass(frozen=True, repr=False)
class Printed:
    """A paper as PDF. It does not print itself.

    Attributes:
        pdf: the file.
        sheets: how many sheets of A4 it has, for the postage.
        by_hand: what needs a pen before the paper goes out. "addressee.name" and the like are values in which the
            typeface lacks a character; the paper shows 〓 there and says which was meant. "addressee" is an address
            that is too long for the window: an envelope without one is needed. Whoever prints opens a work item.
    """

    pdf: bytes
    sheets: int
    by_hand: tuple[str, ...] = ()


@dataclass(repr=False)
class Proofs:
    """Makes copies of the values of one paper, and remembers what they lack."""

    lacks: list[tuple[str, Lack]] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)

    def copy(self, name: str, value: str, called: str) -> Copy:
        """Return the copy of a value.

        Args:
            name: which value, for whoever must complete it; never personal data.
            value: what is to be printed.
            called: which value, for the reader of the paper.
        """
        copy = typeface().copy(value)
        if copy.lacks:
            self.lacks += ((called, lack) for lack in copy.lacks)
            self.by_hand.append(name)
        return copy

    def text(self, name: str, value: str, called: str) -> str:
        """Return the copy's text alone."""
        return self.copy(name, value, called).text

    def note(self) -> str | None:
        """Return what the paper says of characters that it lacks, so that none is lost; None where it lacks none."""
        if not self.lacks:
            return None
        each = "、".join(dict.fromkeys(f"{called}「{lack.shown}」{lack.code}" for called, lack in self.lacks))
        return f"※ 印刷用の書体に字形のない文字は、「〓」または通用の字体で示しています(Unicodeの番号): {each}"

    def done(self, pdf: bytes, sheets: int) -> Printed:
        """Return the paper with what is left to do."""
        return Printed(pdf, sheets, tuple(dict.fromkeys(self.by_hand)))
