"""The words that the notices of disclosure cases, N1 to N15, may use, each with its meaning.

It has no place for a party's name, postal address or reason, so that no file can say one: its only personal data is
the mail address that stage 1 discloses. Times are Japan's. It refuses to know rows and where a link comes from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

from models.calendar import local_date
from models.deadline import is_end_of_day
from models.period import last_day_before
from worker.wording import dates
from worker.wording.case_labels import FACTS, FEES, FIELDS, FLAWS, PAPERS
from worker.wording.words import SaysItsWords

T = TypeVar("T")

_ZONE = ZoneInfo(dates.TOKYO)

# Not worth a file each: no sentence, only a form within one.
_AMOUNTS = {"ja": "{:,}円", "en": "JPY {:,}"}
_LAST_DAYS = {"ja": "{}まで(日本時間)", "en": "the end of {} (Japan time)"}
_OWN_DEADLINES = {"ja": "この書面のご提出期限: {}", "en": "Deadline for this paper: {}"}
_WISHES = {"ja": "{}({})", "en": "{} ({})"}


@dataclass(frozen=True, repr=False, kw_only=True)
class PaperEntry:
    """One paper that is asked for."""

    label: str
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        kind: str,
        *,
        language: str,
        of_representative: bool = False,
        months: int = 3,
        wish: str | None = None,
        deadline_at: datetime | None = None,
    ) -> Self:
        """Name a paper and what it must be.

        Args:
            kind: an `ItemKind`, or its value.
            language: "ja" or "en".
            of_representative: the applicant is a shop, whose representative sends papers of a private person (D31).
            months: how old a certificate may be when it arrives (A8).
            wish: what another paper is to be, in the words of the person who asks for it (D28).
            deadline_at: its own exclusive end, where it has one (D28).

        Raises:
            KeyError: there is no such paper or language.
        """
        asked = PAPERS[language][kind]
        label = _label(kind, language, of_representative=of_representative, wish=wish)
        notes = tuple(note.format(months=months) for note in asked.notes)
        own = (_OWN_DEADLINES[language].format(deadline_in_words(deadline_at, language)),) if deadline_at else ()
        return cls(label=label, notes=notes + own)


@dataclass(frozen=True, repr=False, kw_only=True)
class FlawedPaperEntry:
    """One paper with what is wrong with it."""

    label: str
    flaws: tuple[str, ...]

    @classmethod
    def of(
        cls,
        kind: str,
        flaws: Sequence[str],
        *,
        language: str,
        of_representative: bool = False,
        wish: str | None = None,
    ) -> Self:
        """Name a paper and its flaws, each a `Flaw` or its value; the rest is as in `PaperEntry.of`.

        Raises:
            KeyError: there is no such paper, flaw or language.
        """
        return cls(
            label=_label(kind, language, of_representative=of_representative, wish=wish),
            flaws=tuple(FLAWS[language][flaw] for flaw in flaws),
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class FeeEntry:
    """One line of an invoice."""

    label: str
    amount: str
    yen: int

    @classmethod
    def of(cls, kind: str, yen: int, *, language: str) -> Self:
        """Name a line, one of `FEES`, and its amount in yen.

        Raises:
            KeyError: there is no such line or language.
        """
        return cls(label=FEES[language][kind], amount=amount_in_words(yen, language), yen=yen)


@dataclass(frozen=True, repr=False, kw_only=True)
class CaseWords(SaysItsWords):
    """What notices N1 to N15 say. Dates are formatted already; `of` does it.

    Links are whole URLs. A word that a kind does not use may stay absent.
    """

    operator_name: str
    contact_url: str
    """The contact form, the only way to reach us (D65, D69)."""
    reference: str
    """The case number; the only word that a subject may bear (S15)."""
    written_on: str
    """The day of the notice; the files say whose calendar it is."""
    page_url: str | None = None
    """The reader's own case page: each side has another one."""
    confirm_url: str | None = None
    """N1: where the registered address is proven (D68)."""
    expires: str | None = None
    """N1: until when that link serves."""
    transaction_number: str | None = None
    """The marketplace's own, as the registry has it."""
    deadline: str | None = None
    """The last day for what the notice asks of its reader."""
    opinion_deadlines: tuple[str, ...] | None = None
    """N7: the last day for an opinion; empty where none is asked for (A12)."""
    cross_deadline: str | None = None
    """N7: the last day on which the counterparty's own application is in time (A17)."""
    other_email: str | None = None
    """N5: the registered address of the other side, the only personal data in any notice (D17)."""
    missing_facts: tuple[str, ...] | None = None
    papers: tuple[PaperEntry, ...] | None = None
    flawed_papers: tuple[FlawedPaperEntry, ...] | None = None
    post_address: tuple[str, ...] | None = None
    """Where papers go, line by line."""
    fees: tuple[FeeEntry, ...] | None = None
    total: str | None = None
    pay_to: tuple[str, ...] | None = None
    """How an invoice is paid, line by line."""
    payment_reference: str | None = None
    posted_on: str | None = None
    """N10: the day on which the letter was posted."""
    tracking_number: str | None = None
    disclosed: tuple[str, ...] | None = None
    """N11: the categories, never the values."""

    @classmethod
    def of(
        cls,
        *,
        language: str,
        operator_name: str,
        contact_url: str,
        reference: str,
        written_at: datetime,
        page_url: str | None = None,
        confirm_url: str | None = None,
        expires_at: datetime | None = None,
        transaction_number: str | None = None,
        deadline_at: datetime | None = None,
        opinion_deadlines_at: Sequence[datetime] | None = None,
        cross_deadline_at: datetime | None = None,
        other_email: str | None = None,
        missing_facts: Sequence[str] | None = None,
        papers: Sequence[PaperEntry] | None = None,
        flawed_papers: Sequence[FlawedPaperEntry] | None = None,
        post_address: Sequence[str] | None = None,
        fees: Sequence[FeeEntry] | None = None,
        pay_to: Sequence[str] | None = None,
        payment_reference: str | None = None,
        posted_at: datetime | None = None,
        tracking_number: str | None = None,
        disclosed: Sequence[str] | None = None,
    ) -> Self:
        """Format the instants, name what is listed, add up the fees.

        `written_at` gives the notice its date; the message's own instant keeps a second attempt from saying another.
        Deadlines are exclusive ends: the end of a day is said as that day, any other instant with its time.
        `opinion_deadlines_at` holds one, or none where no opinion is asked for; if it is absent, N7 fails.
        `missing_facts` are keys of `FACTS`, `disclosed` keys of `FIELDS`. Everything else is a field of the same name.

        Raises:
            KeyError: there is no such language, fact or field.
            ValueError: an instant is naive.
        """
        return cls(
            operator_name=operator_name,
            contact_url=contact_url,
            reference=reference,
            written_on=day_in_words(written_at, language),
            page_url=page_url,
            confirm_url=confirm_url,
            expires=dates.deadline_long(expires_at, _ZONE, language) if expires_at else None,
            transaction_number=transaction_number,
            deadline=deadline_in_words(deadline_at, language) if deadline_at else None,
            opinion_deadlines=None
            if opinion_deadlines_at is None
            else tuple(deadline_in_words(each, language) for each in opinion_deadlines_at),
            cross_deadline=deadline_in_words(cross_deadline_at, language) if cross_deadline_at else None,
            other_email=other_email,
            missing_facts=_named(FACTS[language], missing_facts),
            papers=_listed(papers),
            flawed_papers=_listed(flawed_papers),
            post_address=_listed(post_address),
            fees=_listed(fees),
            total=None if fees is None else amount_in_words(sum(fee.yen for fee in fees), language),
            pay_to=_listed(pay_to),
            payment_reference=payment_reference,
            posted_on=day_in_words(posted_at, language) if posted_at else None,
            tracking_number=tracking_number,
            disclosed=_named(FIELDS[language], disclosed),
        )


def day_in_words(at: datetime, language: str) -> str:
    """Return the day of an instant in Japan."""
    return dates.day(local_date(at, dates.TOKYO), language)


def deadline_in_words(at: datetime, language: str) -> str:
    """Return an exclusive end as notices say it: the last day, or the instant if it lies within a day."""
    # An end within a day is said with its time, or the notice would promise the rest of that day.
    if not is_end_of_day(at, dates.TOKYO):
        return dates.deadline_long(at, _ZONE, language)
    return _LAST_DAYS[language].format(dates.day(last_day_before(at), language))


def amount_in_words(yen: int, language: str) -> str:
    """Return a sum of money."""
    return _AMOUNTS[language].format(yen)


def _label(kind: str, language: str, *, of_representative: bool, wish: str | None) -> str:
    asked = PAPERS[language][kind]
    label = asked.of_representative if of_representative else asked.label
    return label if wish is None else _WISHES[language].format(label, wish)


def _named(names: Mapping[str, str], keys: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if keys is None else tuple(names[key] for key in keys)


def _listed(entries: Sequence[T] | None) -> tuple[T, ...] | None:
    return None if entries is None else tuple(entries)
