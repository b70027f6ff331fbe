"""The words that the files in this folder may use, each with its meaning.

It knows what is said of a booking and in which form; it refuses to know rows, sessions and where a link comes from.
"""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Self
from zoneinfo import ZoneInfo

from worker.wording import dates

Words = dict[str, object]

# The words of a message hold codes, links and names, so none of these classes prints what it carries.


@dataclass(frozen=True, repr=False)
class SaysItsWords:
    """Hands its words to a file: only those that are there, so that a file that wants another one fails loudly."""

    def words(self) -> Words:
        """Return word → value, without the absent ones."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in values if value is not None}


@dataclass(frozen=True, repr=False, kw_only=True)
class CustomerWords(SaysItsWords):
    """What every message to a customer says, its mail at the foot: who the shop is, where to ask, and what governs."""

    shop_short: str
    """The shop's short name, for SMS and subjects."""
    shop_name: str
    """The shop's full name, for mails."""
    contact_url: str
    """The contact form, clause B30."""
    privacy_url: str
    """The brand's own privacy policy, clause B36."""
    terms_url: str
    """Our terms, clause B27."""
    provider_terms_url: str
    """The video provider's terms, clause B27."""
    provider_name: str
    """Who operates the call, clause B29."""


@dataclass(frozen=True, repr=False, kw_only=True)
class BookingWords(CustomerWords):
    """What messages about a booking say to the customer. Times are formatted already; `of` does it.

    Links are whole URLs. A word that a kind does not use may stay absent.
    """

    reference: str
    """The booking number that a person can read out."""
    when: str
    when_long: str
    soon: str
    """The time as seen from the moment of sending: 「明日11/23(日)14:00」."""
    late_bookings: str
    """What bookings are called that are made when their deadline is past: 「当日のご予約」."""
    code: str | None = None
    code_minutes: int | None = None
    """How many minutes the code is still good for, at the moment of sending."""
    page_host: str | None = None
    """The host of the page that asks for the code, without scheme and port."""
    call_url: str | None = None
    page_url: str | None = None
    entry_minutes: int | None = None
    """How many minutes before the start the call page lets the customer in."""
    device_check_url: str | None = None
    """Where camera, microphone and browser can be tried, clause B26."""
    deadline: str | None = None
    """Until when change and cancel are possible: 「11/22中まで」, clause B20."""
    deadline_soon: str | None = None
    """The same as seen from the moment of sending: 「本日中」."""
    deadline_long: str | None = None
    old_when_long: str | None = None
    """The time before a change (M3)."""
    rebook_url: str | None = None
    """The shop's own booking page, clause B12."""
    notice_url: str | None = None
    """The public page that explains a suspension, clause B42."""
    upcoming_from: str | None = None
    """From when a new version of the terms holds, clause B46."""
    upcoming_from_long: str | None = None
    upcoming_terms_url: str | None = None

    @classmethod
    def of(
        cls,
        *,
        language: str,
        zone: ZoneInfo,
        now: datetime,
        starts_at: datetime,
        shop_short: str,
        shop_name: str,
        reference: str,
        contact_url: str,
        privacy_url: str,
        terms_url: str,
        provider_terms_url: str,
        provider_name: str,
        deadline_at: datetime | None = None,
        old_starts_at: datetime | None = None,
        customer_zone: ZoneInfo | None = None,
        code: str | None = None,
        code_minutes: int | None = None,
        page_host: str | None = None,
        call_url: str | None = None,
        page_url: str | None = None,
        entry_minutes: int | None = None,
        device_check_url: str | None = None,
        rebook_url: str | None = None,
        notice_url: str | None = None,
        upcoming_at: datetime | None = None,
        upcoming_terms_url: str | None = None,
    ) -> Self:
        """Format the times of a booking and put them beside its other words.

        `now`, the instant of sending, decides 「本日」, 「明日」 and 「当日」 only. `deadline_at` is the exclusive end
        that the booking keeps, `old_starts_at` the start before a change. Where `customer_zone` is another zone than
        the shop's, mails say both times. Everything else is a field of the same name.

        Raises:
            ValueError: an instant is naive.
        """
        also = customer_zone
        return cls(
            when=dates.short(starts_at, zone, language),
            when_long=dates.long(starts_at, zone, language, also=also),
            soon=dates.soon(starts_at, zone, language, now=now),
            late_bookings=dates.late_bookings(starts_at, zone, language, now=now),
            deadline=dates.deadline(deadline_at, zone, language) if deadline_at else None,
            deadline_soon=dates.deadline_soon(deadline_at, zone, language, now=now) if deadline_at else None,
            deadline_long=dates.deadline_long(deadline_at, zone, language, also=also) if deadline_at else None,
            old_when_long=dates.long(old_starts_at, zone, language, also=also) if old_starts_at else None,
            shop_short=shop_short,
            shop_name=shop_name,
            reference=reference,
            contact_url=contact_url,
            privacy_url=privacy_url,
            terms_url=terms_url,
            provider_terms_url=provider_terms_url,
            provider_name=provider_name,
            code=code,
            code_minutes=code_minutes,
            page_host=page_host,
            call_url=call_url,
            page_url=page_url,
            entry_minutes=entry_minutes,
            device_check_url=device_check_url,
            rebook_url=rebook_url,
            notice_url=notice_url,
            upcoming_from=dates.short(upcoming_at, zone, language) if upcoming_at else None,
            upcoming_from_long=dates.long(upcoming_at, zone, language, also=also) if upcoming_at else None,
            upcoming_terms_url=upcoming_terms_url,
        )


# Not worth a file each: no sentence, only a name within one.
_CONTACTS = {
    "ja": {"sms": "SMS", "mail": "メール"},
    "en": {"sms": "SMS", "mail": "e-mail"},
}
_CAUSES = {
    "ja": {
        "customer": "お客様のお手続き",
        "shop": "ショップのお手続き",
        "suspension": "サービスの停止",
    },
    "en": {
        "customer": "cancelled by the customer",
        "shop": "cancelled by the shop",
        "suspension": "service suspended",
    },
}
_ABSENT = {
    "ja": {
        "customer": "お客様の入室がありませんでした",
        "shop": "お客様がお待ちの間、ショップの方が入室していませんでした",
        "both": "お客様・ショップともに入室がありませんでした",
        "each_other": "お客様とショップの入室の時間が合いませんでした",
    },
    "en": {
        "customer": "the customer did not join",
        "shop": "nobody of the shop was in the call while the customer waited",
        "both": "neither the customer nor the shop joined",
        "each_other": "the customer and the shop missed each other",
    },
}
_APOLOGY = {
    "ja": {True: "お客様には、お詫びと再予約のご案内をお送りします。", False: "お客様へのご案内はお送りしません。"},
    "en": {
        True: "The customer is sent an apology and the link to book again.",
        False: "The customer is not written to.",
    },
}


@dataclass(frozen=True, repr=False, kw_only=True)
class CodeWords(CustomerWords):
    """What a code says that belongs to no booking; the fields mean what they mean in `BookingWords`."""

    code: str
    code_minutes: int
    page_host: str


@dataclass(frozen=True, repr=False, kw_only=True)
class ShopNoticeWords(SaysItsWords):
    """What notices about one booking say to the shop: never the customer's number, address or name."""

    shop_name: str
    reference: str
    when: str
    when_long: str
    channel: str
    """How the customer is reached: "SMS" or 「メール」; never where."""
    contact_url: str
    """Our contact form, clause B30."""
    staff_call_url: str | None = None
    """The staff's own call link (S1, S2); it is not the customer's."""
    old_when_long: str | None = None
    """The time before a change (S2)."""
    cause: str | None = None
    """Whose wish or what circumstance ended the booking (S3), clause B44."""
    absent: str | None = None
    """Why the call was not held: who did not come to it (S7)."""
    told: str | None = None
    """Whether the customer is sent an apology (S7), in a sentence."""
    talked_minutes: int | None = None
    """How long the call was, in minutes begun (S8)."""

    @classmethod
    def of(
        cls,
        *,
        language: str,
        zone: ZoneInfo,
        starts_at: datetime,
        shop_name: str,
        reference: str,
        channel: str,
        contact_url: str,
        staff_call_url: str | None = None,
        old_starts_at: datetime | None = None,
        cause: str | None = None,
        absent: str | None = None,
        talked_minutes: int | None = None,
    ) -> Self:
        """Format the times of a booking in the shop's zone and name channel and cause in its language.

        `channel` is the customer's, "sms" or "mail"; `cause` is "customer", "shop" or "suspension"; `absent` is
        "customer", "shop", "both" or "each_other".

        Raises:
            KeyError: there is no such language, channel or cause.
            ValueError: an instant is naive.
        """
        return cls(
            shop_name=shop_name,
            reference=reference,
            when=dates.short(starts_at, zone, language),
            when_long=dates.long(starts_at, zone, language),
            channel=_CONTACTS[language][channel],
            contact_url=contact_url,
            staff_call_url=staff_call_url,
            old_when_long=dates.long(old_starts_at, zone, language) if old_starts_at else None,
            cause=_CAUSES[language][cause] if cause else None,
            absent=_ABSENT[language][absent] if absent else None,
            told=_APOLOGY[language][absent == "shop"] if absent else None,
            talked_minutes=talked_minutes,
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class DayListEntry:
    """One booking of a day's list."""

    time: str
    """The time of day in the shop's zone; day and zone stand above the list."""
    reference: str
    staff_call_url: str

    @classmethod
    def of(cls, *, zone: ZoneInfo, starts_at: datetime, reference: str, staff_call_url: str) -> Self:
        """Format the booking's time of day in the shop's zone."""
        return cls(time=dates.clock(starts_at, zone), reference=reference, staff_call_url=staff_call_url)


@dataclass(frozen=True, repr=False, kw_only=True)
class DayListWords(SaysItsWords):
    """What the lists S4 (tomorrow's bookings) and S5 (a day's bookings are fixed) say to the shop."""

    shop_name: str
    day: str
    zone: str
    count: int
    bookings: tuple[DayListEntry, ...]
    contact_url: str

    @classmethod
    def of(
        cls,
        *,
        language: str,
        zone: ZoneInfo,
        on: date,
        shop_name: str,
        bookings: tuple[DayListEntry, ...],
        contact_url: str,
    ) -> Self:
        """Name the day and the zone; the entries keep the order they are given in. None is allowed and said."""
        return cls(
            shop_name=shop_name,
            day=dates.day(on, language),
            zone=dates.zone_name(zone, language),
            count=len(bookings),
            bookings=bookings,
            contact_url=contact_url,
        )


_TOPICS = {
    "ja": {
        "item": "アイテム・ご購入について",
        "booking": "ご予約について",
        "service": "接客について",
        "video_call": "ビデオ通話について",
        "personal_data": "個人情報について",
        "other": "その他",
    },
    "en": {
        "item": "an item or a purchase",
        "booking": "the booking",
        "service": "the service",
        "video_call": "the video call",
        "personal_data": "personal data",
        "other": "something else",
    },
}


@dataclass(frozen=True, repr=False, kw_only=True)
class PeopleWords(CustomerWords):
    """What is said of an inquiry, to whom it goes and to the customer, and what a customer is asked (B31, B34)."""

    reference: str | None = None
    when_long: str | None = None
    inquiry_id: str | None = None
    topic: str | None = None
    """What an inquiry is about, in words."""
    handed_to: str | None = None
    """Who answers it: the shop's short name, or the provider's."""
    lines: tuple[str, ...] | None = None
    """What the customer wrote, for the provider."""
    text: str | None = None
    """What a customer is asked, in one line."""
    page_url: str | None = None
    """The customer's booking page (B19); only what goes to the customer has it."""


def topic_words(topic: str, language: str) -> str:
    """Return what an inquiry of this topic is about, in words.

    Raises:
        KeyError: there is no such topic or language.
    """
    return _TOPICS[language][topic]
