"""The pledge (誓約書) that an applicant prints, signs, seals and sends back (D36): a fixed text, known by its hash.

Nothing of the applicant stands on it before it is signed. It refuses to know who applies.
"""

from dataclasses import dataclass
from datetime import date

from worker.printing.column import Align, Column, Type, number_sheets
from worker.printing.page import Ring, Rule, bind
from worker.printing.postal import Sender, post_code
from worker.printing.printed import Printed, Proofs
from worker.printing.typeface import MM_PER_POINT
from worker.printing.wording import day_in_words, wording

CURRENT_VERSION = "1"
"""The version that applicants are given now. A published text is never changed: other words are another version."""

_LEFT, _RIGHT = 25.0, 185.0
_TOP, _BOTTOM, _FOOT = 17.0, 279.0, 282.0
_TITLE, _RECEIVER, _BODY, _SMALL, _HASH = Type(17, 9), Type(11, 7), Type(10, 5.3), Type(8.5, 4.6), Type(7, 3)
_LABELS, _BLANK_PITCH, _SEAL_RADIUS = 40.0, 10.0, 8.0


@dataclass(frozen=True, repr=False)
class PledgeWords:
    """What one pledge says besides its text.

    Attributes:
        reference: the case's number.
        version: of the text, such as "1".
        issued_on: when it was handed out, in Japan.
        receiver: whom the pledge is given to and sent to.
        of_a_shop: the signer is a shop's representative and names the shop (D31).
    """

    reference: str
    version: str
    issued_on: date
    transaction_number: str
    receiver: Sender
    of_a_shop: bool = False


def pledge_text(version: str) -> str:
    """Return the text of a version, as it is hashed.

    Raises:
        NoSuchWordingError: no such version was published.
    """
    return wording(f"pledge-{version}").text


def pledge_hash(version: str) -> str:
    """Return the SHA-256 of a version's text, 64 hexadecimal digits. It stands on the paper.

    Raises:
        NoSuchWordingError: no such version was published.
    """
    return wording(f"pledge-{version}").sha256


def pledge(words: PledgeWords) -> Printed:
    """Return the pledge, on one sheet. Equal words give equal bytes.

    Raises:
        NoSuchWordingError: no such version was published.

    Source: clauses D10, D29, D36, D51 to D55.
    """
    said = wording(f"pledge-{words.version}")
    proofs = Proofs()
    column = Column(_LEFT, _RIGHT, _TOP, _TOP, _BOTTOM)
    column.paragraph("　".join(said.title), _TITLE, align=Align.CENTRE)
    column.space(3)
    receiver = proofs.text("receiver.name", words.receiver.name, "宛名")
    column.paragraph(f"{receiver}　御中", _RECEIVER, align=Align.LEFT)
    column.space(2)
    column.paragraph(f"　{said.opening}", _BODY)
    column.space(1.5)
    for number, clause in enumerate(said.clauses, start=1):
        column.paragraph(clause, _BODY, inset=8, label=f"{number}.")
        column.space(0.6)
    reference = proofs.text("reference", words.reference, "受付番号")
    transaction = proofs.text("transaction_number", words.transaction_number, "取引番号")
    column.paragraph("記", _BODY, align=Align.CENTRE)
    column.space(0.5)
    column.table([("受付番号", reference), ("取引番号", transaction)], _BODY, label_width=_LABELS)
    column.space(1)
    column.paragraph("以上", _BODY, align=Align.RIGHT)
    _form(column, words, proofs)
    foot = f"受付番号 {reference}　誓約書 第{words.version}版　{day_in_words(words.issued_on)}発行"
    number_sheets(column.sheets, foot, left=_LEFT, right=_RIGHT, top=_FOOT)
    column.sheet.write(f"文面のSHA-256: {said.sha256}", left=_LEFT, top=_FOOT + 5.5, points=_HASH.points)
    return proofs.done(bind(column.sheets, title=said.title, dated=words.issued_on), len(column.sheets))


def _form(column: Column, words: PledgeWords, proofs: Proofs) -> None:
    """Set what is filled in by hand: date, address, name and seal."""
    column.space(2)
    column.paragraph("記入日　　　　　　　年　　　　月　　　　日", _BODY, align=Align.LEFT)
    blanks = ["住所(住民票のとおり)", "", *(["ショップ名"] if words.of_a_shop else [])]
    for label in blanks:
        _blank(column, label, _RIGHT)
    column.space(5)
    _blank(column, "代表者氏名(自署)" if words.of_a_shop else "氏名(自署)", _RIGHT - 2 * _SEAL_RADIUS - 6)
    _seal(column)
    column.space(4)
    to = words.receiver
    code = proofs.text("receiver.postal_code", post_code(to.postal_code), "送付先")
    address = "　".join(proofs.text("receiver.address", line, "送付先") for line in to.address_lines)
    column.paragraph(
        "印は、提出される印鑑登録証明書の印影と同じものを、朱肉を用いて押してください。", _SMALL, align=Align.LEFT
    )
    receiver = proofs.text("receiver.name", to.name, "送付先")
    column.paragraph(f"{code}　{address}　{receiver}", _SMALL, align=Align.LEFT, inset=13, label="送付先:")
    if note := proofs.note():
        column.paragraph(note, _SMALL)


def _blank(column: Column, label: str, right: float) -> None:
    column.keep(_BLANK_PITCH)
    em = _BODY.points * MM_PER_POINT
    column.sheet.write(label, left=_LEFT, top=column.y + _BLANK_PITCH - em - 1, points=_BODY.points)
    column.y += _BLANK_PITCH
    column.sheet.marks.append(Rule(_LEFT + _LABELS, column.y, right, column.y))


def _seal(column: Column) -> None:
    """Set the ring for the seal beside the last blank."""
    centre, middle = _RIGHT - _SEAL_RADIUS - 1, column.y - _SEAL_RADIUS + 2
    em = _SMALL.points * MM_PER_POINT
    column.sheet.marks.append(Ring(centre, middle, _SEAL_RADIUS, thickness=0.1))
    column.sheet.write("印", left=centre - em / 2, top=middle - em / 2, points=_SMALL.points)
