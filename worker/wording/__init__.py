"""The words of every message, as files: one folder per kind, one file per channel and language.

It knows how a file becomes a text, a subject and a page; it refuses to know who receives it and whether it is sent.
A kind's folder name is the message's kind for ever. In a mail's file the first line is the subject; a footer follows
every mail. Files hold no conditions: what differs is another kind.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, nodes, select_autoescape

from models.customer import Channel
from models.message import Kind
from worker.wording.call_words import CallWords, MissedCallWords
from worker.wording.case_words import CaseWords, FeeEntry, FlawedPaperEntry, PaperEntry
from worker.wording.words import (
    BookingWords,
    CodeWords,
    DayListEntry,
    DayListWords,
    PeopleWords,
    ShopNoticeWords,
    topic_words,
)

__all__ = [
    "CASE_KINDS",
    "CUSTOMER_KINDS",
    "KINDS",
    "LANGUAGES",
    "PROVIDER_KINDS",
    "SHOP_KINDS",
    "BookingWords",
    "CalendarWords",
    "CallWords",
    "CaseWords",
    "CodeWords",
    "DayListEntry",
    "DayListWords",
    "FeeEntry",
    "FlawedPaperEntry",
    "MissedCallWords",
    "PaperEntry",
    "PeopleWords",
    "Rendered",
    "ShopNoticeWords",
    "WordingMissingError",
    "calendar_words",
    "channels",
    "loses_urls",
    "placeholders",
    "render",
    "topic_words",
]

LANGUAGES = ("ja", "en")

CUSTOMER_KINDS = (
    Kind.BOOKING_CODE,  # M1
    Kind.VERIFICATION_CODE,  # a code for another system's own purpose
    Kind.BOOKING_CONFIRMED,  # M2
    Kind.BOOKING_CONFIRMED_SAME_DAY,  # M2b: the deadline was past when the booking was completed
    Kind.BOOKING_CHANGED,  # M3
    Kind.BOOKING_CHANGED_FINAL,  # M3 when the new slot's deadline is past already
    Kind.BOOKING_MOVED,  # the shop chose another time
    Kind.BOOKING_CANCELLED,  # M4
    Kind.BOOKING_WITHDRAWN,  # M5: by the shop or a suspension
    Kind.BOOKING_REMINDER_EVE,  # M6
    Kind.BOOKING_REMINDER_DAY,  # M7
    Kind.TERMS_CHANGED,  # before a new version of the terms holds (B46)
    Kind.SUSPENSION_ANNOUNCED,  # the service will stop at the booking's time (B42)
    Kind.SUSPENSION_UNDONE,  # it will not, after all
    Kind.BOOKING_LATE,  # M8: the shop is there and waits
    Kind.BOOKING_SHOP_ABSENT,  # M9
    Kind.BOOKING_THANKS,  # M10: only where the shop wishes it
    Kind.INQUIRY_HANDED_OVER,  # to whom an inquiry went (B34)
    Kind.CUSTOMER_REQUEST,  # an operator asks for cooperation (B31)
    Kind.CALL_MISSED,  # M11: nobody answered a call at once
)
SHOP_KINDS = (
    Kind.SHOP_BOOKING_NEW,  # S1
    Kind.SHOP_BOOKING_CHANGED,  # S2
    Kind.SHOP_BOOKING_CANCELLED,  # S3
    Kind.SHOP_DAY_LIST,  # S4: tomorrow's bookings
    Kind.SHOP_DAY_FIXED,  # S5: no customer can change these any more
    Kind.SHOP_IS_LATE,  # S6: the customer is there and waits
    Kind.SHOP_NO_SHOW,  # S7
    Kind.SHOP_CALL_ENDED,  # S8
    Kind.SHOP_CUSTOMER_UNREACHABLE,  # messages to a customer do not arrive
    Kind.SHOP_INQUIRY,  # a customer has a question; not what it says (B34)
    Kind.SHOP_CALL_MISSED,  # S10
    Kind.SHOP_CALLS_UNANSWERED,  # several in a row
)
PROVIDER_KINDS = (Kind.PROVIDER_INQUIRY,)  # the same to whoever operates the calls, with what it says
CASE_KINDS = (
    Kind.CASE_CONFIRM_ADDRESS,  # N1: to the registered address, before there is a case
    Kind.CASE_OPENED,  # N2
    Kind.CASE_TOLD,  # N3: to the counterparty
    Kind.CASE_INTAKE_DEFICIENT,  # N4
    Kind.CASE_ADDRESS_TO_APPLICANT,  # N5a
    Kind.CASE_ADDRESS_TO_COUNTERPARTY,  # N5b: word for word its twin (D21)
    Kind.CASE_NEGOTIATION_REMINDER,
    Kind.CASE_PAPERS_WANTED,  # N6
    Kind.CASE_STAGE_2_TOLD,  # N7: to the counterparty
    Kind.CASE_PAPERS_REMINDER,
    Kind.CASE_PAPERS_DEFICIENT,  # N8
    Kind.CASE_INVOICE,  # N9
    Kind.CASE_INVOICE_REMINDER,
    Kind.CASE_POSTED,  # N10
    Kind.CASE_DISCLOSED_TOLD,  # N11: to the counterparty
    Kind.CASE_REFUSED,  # N12: one fixed text (D50)
    Kind.CASE_CLOSED,  # N13
    Kind.CASE_CLOSED_TOLD,  # N14: to a counterparty that had been told
    Kind.CASE_SERVICE_ENDED,  # N15
)
KINDS = CUSTOMER_KINDS + SHOP_KINDS + PROVIDER_KINDS + CASE_KINDS

FOLDER = Path(__file__).parent

_RULE = "-" * 32
_FOOTERS = {
    **dict.fromkeys(CUSTOMER_KINDS, "customer"),
    **dict.fromkeys(SHOP_KINDS, "shop"),
    **dict.fromkeys(PROVIDER_KINDS, "provider"),
    **dict.fromkeys(CASE_KINDS, "case"),
}
_BUTTONS = {
    "confirm_url": {"ja": "e-mailアドレスを確認する", "en": "Confirm the e-mail address"},
    "call_url": {"ja": "通話ページを開く", "en": "Open the call page"},
    "staff_call_url": {"ja": "通話ページを開く(スタッフ用)", "en": "Open the call page (staff)"},
}
# A file puts white space after every URL, so nothing has to be guessed about where one ends.
_URL = re.compile(r"(https?://\S+)")
# Unicode's categories of control characters and of line and paragraph separators.
_CONTROL = frozenset({"Cc", "Zl", "Zp"})


class WordingMissingError(LookupError):
    """There is no file for this kind, channel and language: the caller named a message that does not exist."""


@dataclass(frozen=True, repr=False)
class Rendered:
    """A message as the vendor gets it. It does not print itself: it may hold a code and links that open a booking."""

    subject: str | None
    """None for an SMS."""
    text: str
    html: str | None
    """None for an SMS."""


@dataclass(frozen=True, repr=False)
class CalendarWords:
    """What a booking is called in the customer's calendar; the description holds the call URL."""

    summary: str
    description: str


def channels(kind: str) -> tuple[Channel, ...]:
    """Return the channels that a kind is written for: customers have both, shops and parties are told by mail.

    A notice of a case is never an SMS (D69).
    """
    return (Channel.SMS, Channel.MAIL) if kind in CUSTOMER_KINDS else (Channel.MAIL,)


def render(kind: str, *, channel: str, language: str, words: Mapping[str, object], with_urls: bool = True) -> Rendered:
    """Fill a message's file with words.

    Args:
        kind: one of `KINDS`, as a `Kind` or as its value.
        channel: "sms" or "mail", as a `Channel` or as its value.
        language: "ja" or "en".
        words: what `words()` of the kind's own class returns: `BookingWords`, `CodeWords`, `ShopNoticeWords`,
            `DayListWords` or `CaseWords`.
        with_urls: False for an SMS route that does not carry them; `sms_plain.*.txt` says it without.

    Raises:
        WordingMissingError: the kind has no file for this channel and language.
        jinja2.UndefinedError: the file wants a word that is absent.
        ValueError: a word holds a line break or another control character; it could forge a header or the last line
            of an SMS, which phones trust. Named is the word, never its value.
    """
    template = _template(_file(kind, channel, language, with_urls=with_urls))
    _refuse_control_characters(words)
    filled = template.render(words)
    if channel == Channel.SMS:
        return Rendered(subject=None, text=filled, html=None)
    subject, _, body = filled.partition("\n\n")
    footer = _template(_footer(kind, language)).render(words)
    return Rendered(
        subject=subject,
        text=f"{body}\n\n{_RULE}\n{footer}\n",
        html=_page().render(
            language=language,
            subject=subject,
            sender=words["operator_name" if kind in CASE_KINDS else "shop_name"],
            body=list(_paragraphs(body, words, language)),
            footer=list(_paragraphs(footer, {}, language)),
        ),
    )


def loses_urls(kind: str, *, channel: str, language: str) -> bool:
    """Whether a kind has a form of its own for a route that carries no URLs: whether it would have held any.

    Raises:
        WordingMissingError: the kind has no file for this channel and language.
    """
    return _file(kind, channel, language, with_urls=False) != _file(kind, channel, language)


def calendar_words(language: str, words: Mapping[str, object]) -> CalendarWords:
    """Fill the words of a booking's entry in the customer's calendar, from `BookingWords.words()`.

    Raises:
        WordingMissingError: there is no such language.
        jinja2.UndefinedError: the call URL or the booking page URL is absent.
        ValueError: a word holds a control character.
    """
    if language not in LANGUAGES:
        raise WordingMissingError(f"no calendar entry in {language}")
    _refuse_control_characters(words)
    summary, _, description = _template(f"calendar.{language}.txt").render(words).partition("\n\n")
    return CalendarWords(summary=summary, description=description)


def placeholders(kind: str, channel: str, language: str) -> frozenset[str]:
    """Return the words that a file wants, a mail's footer included; those of a list's entries as "booking.time".

    Raises:
        WordingMissingError: the kind has no file for this channel and language.
    """
    files = [_file(kind, channel, language)]
    if channel == Channel.MAIL:
        files.append(_footer(kind, language))
    return frozenset(name for file in files for name in _wanted(file))


def _file(kind: str, channel: str, language: str, *, with_urls: bool = True) -> str:
    if kind not in KINDS or channel not in channels(kind) or language not in LANGUAGES:
        raise WordingMissingError(f"no wording for {kind} by {channel} in {language}")
    # Kinds that hold no URL anyway have one form only.
    plain = f"{kind}/{channel}_plain.{language}.txt"
    if not with_urls and (FOLDER / plain).is_file():
        return plain
    return f"{kind}/{channel}.{language}.txt"


def _footer(kind: str, language: str) -> str:
    return f"footer.{_FOOTERS[Kind(kind)]}.{language}.txt"


@cache
def _environment() -> Environment:
    # Compiled once per process: wording changes with a release, not underneath a running worker.
    return Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"], default=False),
        auto_reload=False,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _template(file: str) -> Template:
    return _environment().get_template(file)


@cache
def _page() -> Template:
    return _environment().get_template("layout.html")


def _wanted(file: str) -> Iterator[str]:
    tree = _environment().parse((FOLDER / file).read_text(encoding="utf-8"))
    # "loop" is the template language's own: the number of a list's entry.
    looped = {"loop"} | {loop.target.name for loop in tree.find_all(nodes.For) if isinstance(loop.target, nodes.Name)}
    yield from (name.name for name in tree.find_all(nodes.Name) if name.ctx == "load" and name.name not in looped)
    for part in tree.find_all(nodes.Getattr):
        if isinstance(part.node, nodes.Name) and part.node.name != "loop":
            yield f"{part.node.name}.{part.attr}"


def _refuse_control_characters(words: Mapping[str, object]) -> None:
    for name, value in words.items():
        if any(unicodedata.category(letter) in _CONTROL for text in _texts(value) for letter in text):
            raise ValueError(f"the word {name} holds a line break or another control character")


def _texts(value: object) -> Iterator[str]:
    """Yield every text that a word holds, a list's entries and their fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _texts(getattr(value, each.name))


@dataclass(frozen=True, repr=False)
class _Piece:
    text: str
    url: bool = False


@dataclass(frozen=True, repr=False)
class _Line:
    pieces: list[_Piece]
    button: str | None = None
    """The label of a button, on a line that is nothing but the link to a call."""
    code: bool = False


def _paragraphs(text: str, words: Mapping[str, object], language: str) -> Iterator[list[_Line]]:
    """Cut plain text at its empty lines, for the one layout that all mails share."""
    labels = {words[name]: labels[language] for name, labels in _BUTTONS.items() if name in words}
    for paragraph in text.split("\n\n"):
        yield [
            _Line(
                pieces=[_Piece(piece, url=bool(_URL.fullmatch(piece))) for piece in _URL.split(line) if piece],
                button=labels.get(line),
                code=line == words.get("code"),
            )
            for line in paragraph.strip("\n").split("\n")
        ]
