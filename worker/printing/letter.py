"""The letter of stage 2 (通知書): what is disclosed, of which day, to whom, and what it may be used for.

It prints values as they are registered and vouches for none of them (D51). It refuses to know which may be disclosed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from worker.printing.column import Align, Column, Row, Type, number_sheets
from worker.printing.page import Sheet, bind
from worker.printing.postal import AddressCopy, Addressee, Sender, mark_folds, post_code, set_addressee
from worker.printing.printed import Printed, Proofs
from worker.printing.wording import day_in_words, wording

_LEFT, _RIGHT = 22.0, 188.0
_TITLE_TOP, _TOP_AGAIN, _BOTTOM, _FOOT = 66.0, 20.0, 279.0, 282.0
_SENDER_LEFT, _SENDER_TOP = 117.0, 14.0
_TITLE, _BODY, _SMALL = Type(17, 9), Type(10.5, 6.2), Type(9.5, 5.4)
_SENDER, _ADDRESS, _FORM = Type(10.5, 5.2), Type(9, 4.5), Type(8, 4)
_LABELS = 32.0


class LetterKind(StrEnum):
    """To whom a letter speaks: a party of the transaction, or an organisation that acts for a right holder (D56)."""

    PARTY = "party"
    ORGANISATION = "organisation"


@dataclass(frozen=True, repr=False)
class Disclosed:
    """What was registered at one time (D43).

    Attributes:
        as_of: when, in words: "ご登録時(2015年4月1日)".
        fields: what it is called and what it is: ("氏名", "…"). In this order.
    """

    as_of: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, repr=False)
class LetterWords:
    """What one letter says. It does not print itself.

    Attributes:
        reference: the case's number.
        serial: this letter's own, given once.
        issued_on: the date on it, in Japan.
        disclosed: one for each time whose registered data differ, in the order of time.
    """

    kind: LetterKind
    reference: str
    serial: str
    issued_on: date
    sender: Sender
    addressee: Addressee
    transaction_number: str
    item_name: str
    disclosed: tuple[Disclosed, ...]


def letter(words: LetterWords) -> Printed:
    """Return the letter. Equal words give equal bytes.

    Raises:
        AddressTooLongError: the address would reach into the letter. One that is only too long for the window is set
            below it, and `by_hand` says so.
        ValueError: there is nothing to disclose, or a value is longer than a sheet, or the sender than its place.

    Source: clauses D9, D10, D24, D41, D43, D51, D52, D53.
    """
    if not any(each.fields for each in words.disclosed):
        raise ValueError("a letter that discloses nothing")
    proofs = Proofs()
    said = wording(f"letter.{words.kind}")
    column = Column(_LEFT, _RIGHT, _TITLE_TOP, _TOP_AGAIN, _BOTTOM)
    _head(column.sheet, words, proofs)
    column.paragraph("　".join(said.title), _TITLE, align=Align.CENTRE)
    column.space(5)
    column.paragraph(f"　{said.opening}", _BODY)
    column.space(2)
    column.paragraph("記", _BODY, align=Align.CENTRE)
    column.space(1)
    _transaction(column, words, proofs)
    _disclosed(column, words, proofs)
    _notes(column, said.clauses)
    number_sheets(column.sheets, "　".join(_numbers(words, proofs)), left=_LEFT, right=_RIGHT, top=_FOOT)
    return proofs.done(bind(column.sheets, title=said.title, dated=words.issued_on), len(column.sheets))


def _numbers(words: LetterWords, proofs: Proofs) -> tuple[str, str]:
    reference = proofs.text("reference", words.reference, "受付番号")
    serial = proofs.text("serial", words.serial, "通知番号")
    return f"受付番号 {reference}", f"通知番号 {serial}"


def _head(sheet: Sheet, words: LetterWords, proofs: Proofs) -> None:
    to = words.addressee
    shown = set_addressee(
        sheet,
        AddressCopy(
            code=proofs.copy("addressee.postal_code", post_code(to.postal_code), "宛先の郵便番号"),
            lines=tuple(proofs.copy("addressee.address", line, "宛先") for line in to.address_lines),
            organisation=proofs.copy("addressee.organisation", to.organisation, "宛名") if to.organisation else None,
            name=proofs.copy("addressee.name", to.name, "宛名"),
            honorific=proofs.copy("addressee.honorific", to.honorific, "宛名"),
        ),
    )
    if not shown:
        proofs.by_hand.append("addressee")
    mark_folds(sheet)
    right = Column(_SENDER_LEFT, _RIGHT, _SENDER_TOP, _SENDER_TOP, _TITLE_TOP, sheets=[sheet])
    for line in (day_in_words(words.issued_on), *_numbers(words, proofs)):
        right.paragraph(line, _SMALL, align=Align.RIGHT)
    right.space(4)
    for line, face in _sender(words.sender, proofs):
        right.paragraph(line, face, align=Align.LEFT)
    if len(right.sheets) > 1:
        raise ValueError("the sender does not fit above the letter")


def _sender(sender: Sender, proofs: Proofs) -> Iterator[tuple[str, Type]]:
    yield proofs.text("sender.name", sender.name, "差出人"), _SENDER
    yield proofs.text("sender.postal_code", post_code(sender.postal_code), "差出人"), _ADDRESS
    for line in sender.address_lines:
        yield proofs.text("sender.address", line, "差出人"), _ADDRESS
    yield "お問い合わせフォーム:", _FORM
    yield proofs.text("sender.contact_url", sender.contact_url, "差出人"), _FORM


def _heading(column: Column, text: str, *, follows: float) -> None:
    column.space(3)
    column.keep(_BODY.pitch + 1 + follows)
    column.paragraph(text, _BODY, align=Align.LEFT)
    column.space(1)


def _transaction(column: Column, words: LetterWords, proofs: Proofs) -> None:
    number = proofs.text("transaction_number", words.transaction_number, "取引番号")
    rows = [("取引番号", number), ("商品名", proofs.text("item_name", words.item_name, "商品名"))]
    _heading(column, "1. 対象の取引", follows=_height(column, rows))
    column.table(rows, _BODY, label_width=_LABELS)


def _disclosed(column: Column, words: LetterWords, proofs: Proofs) -> None:
    of_several_times = len(words.disclosed) > 1
    explained = "当社に登録されている情報を、登録されたとおりに記載しています。" + (
        "登録された情報が時点により異なるため、次の各時点のものを記載しています。" if of_several_times else ""
    )
    tables = [
        (proofs.text("disclosed.as_of", each.as_of, "時点"), list(_rows(number, each, proofs)))
        for number, each in enumerate(words.disclosed, start=1)
    ]
    _heading(column, "2. 開示する情報", follows=3 * _BODY.pitch + _height(column, tables[0][1]))
    column.paragraph(explained, _SMALL)
    for number, (as_of, rows) in enumerate(tables, start=1):
        column.space(2)
        column.keep(_BODY.pitch + 0.5 + _height(column, rows))
        label = f"({number}) {as_of}" if of_several_times else as_of
        column.paragraph(label, _BODY, align=Align.LEFT)
        column.space(0.5)
        column.table(rows, _BODY, label_width=_LABELS)
    if note := proofs.note():
        column.space(1.5)
        column.paragraph(note, _SMALL)


def _rows(number: int, disclosed: Disclosed, proofs: Proofs) -> Iterator[Row]:
    for label, value in disclosed.fields:
        name = f"disclosed.{number}.{label}"
        yield proofs.text(name, label, "項目名"), proofs.text(name, value, f"({number}) {label}")


def _height(column: Column, rows: list[Row]) -> float:
    return column.height_of_table(rows, _BODY, label_width=_LABELS)


def _notes(column: Column, clauses: tuple[str, ...]) -> None:
    """Set what the recipient must know, together and with the words that end the letter."""
    inset, gap = 8.0, 2.0
    height = sum(column.height_of_paragraph(clause, _SMALL, inset=inset) for clause in clauses)
    _heading(column, "3. ご注意", follows=height + gap + _BODY.pitch)
    for number, clause in enumerate(clauses, start=1):
        column.paragraph(clause, _SMALL, inset=inset, label=f"({number})")
    column.space(gap)
    column.paragraph("以上", _BODY, align=Align.RIGHT)
