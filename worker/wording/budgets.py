"""How many segments each SMS may cost, checked at start for the longest shop names and the configured host.

It knows prices in segments, not in yen; what a breach leads to (a refusal, a warning) is the caller's affair.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from models.inquiry import LONGEST_REQUEST
from models.message import Kind
from models.segments import count
from worker.wording import CUSTOMER_KINDS, LANGUAGES, render
from worker.wording.dates import TOKYO
from worker.wording.words import BookingWords, Words

BUDGETS = MappingProxyType(
    {
        (Kind.BOOKING_CODE, "ja"): 1,
        (Kind.BOOKING_CODE, "en"): 1,
        (Kind.VERIFICATION_CODE, "ja"): 1,
        (Kind.VERIFICATION_CODE, "en"): 1,
        (Kind.BOOKING_CONFIRMED, "ja"): 3,
        (Kind.BOOKING_CONFIRMED, "en"): 2,
        (Kind.BOOKING_CONFIRMED_SAME_DAY, "ja"): 3,
        (Kind.BOOKING_CONFIRMED_SAME_DAY, "en"): 2,
        (Kind.BOOKING_CHANGED, "ja"): 3,
        (Kind.BOOKING_CHANGED, "en"): 2,
        (Kind.BOOKING_CHANGED_FINAL, "ja"): 3,
        (Kind.BOOKING_CHANGED_FINAL, "en"): 2,
        (Kind.BOOKING_MOVED, "ja"): 3,
        (Kind.BOOKING_MOVED, "en"): 2,
        (Kind.BOOKING_CANCELLED, "ja"): 1,
        (Kind.BOOKING_CANCELLED, "en"): 1,
        (Kind.BOOKING_WITHDRAWN, "ja"): 2,
        (Kind.BOOKING_WITHDRAWN, "en"): 2,
        (Kind.BOOKING_REMINDER_EVE, "ja"): 2,
        (Kind.BOOKING_REMINDER_EVE, "en"): 2,
        (Kind.BOOKING_REMINDER_DAY, "ja"): 2,
        (Kind.BOOKING_REMINDER_DAY, "en"): 1,
        (Kind.TERMS_CHANGED, "ja"): 2,
        (Kind.TERMS_CHANGED, "en"): 2,
        (Kind.INQUIRY_HANDED_OVER, "ja"): 2,
        (Kind.INQUIRY_HANDED_OVER, "en"): 1,
        (Kind.CUSTOMER_REQUEST, "ja"): 3,
        (Kind.CUSTOMER_REQUEST, "en"): 3,
        (Kind.SUSPENSION_ANNOUNCED, "ja"): 2,
        (Kind.SUSPENSION_ANNOUNCED, "en"): 2,
        (Kind.SUSPENSION_UNDONE, "ja"): 2,
        (Kind.SUSPENSION_UNDONE, "en"): 2,
        (Kind.BOOKING_LATE, "ja"): 2,
        (Kind.BOOKING_LATE, "en"): 1,
        (Kind.BOOKING_SHOP_ABSENT, "ja"): 2,
        (Kind.BOOKING_SHOP_ABSENT, "en"): 1,
        (Kind.BOOKING_THANKS, "ja"): 2,
        (Kind.BOOKING_THANKS, "en"): 1,
        (Kind.CALL_MISSED, "ja"): 2,
        (Kind.CALL_MISSED, "en"): 1,
    }
)
"""(kind, language) → the most segments its SMS may have."""

# What a customer is asked is an operator's own words, as long as they may be and in any script.
_WIDEST_OF_PEOPLE: Words = {"handed_to": "MMMMMMMMMMMMMMMMMMMM", "text": "あ" * LONGEST_REQUEST}
_TOKEN = "x" * 40  # as long as the token of a call or booking page link
# The widest of each: two digits everywhere, and a deadline at midnight or within a day.
_WIDEST_START = datetime(2025, 12, 31, 14, 30, tzinfo=UTC)  # 23:30 in Tokyo
_DEADLINES = (
    datetime(2025, 12, 30, 15, tzinfo=UTC),
    datetime(2025, 12, 30, 9, 30, tzinfo=UTC),
)
# Seen from these, the start is today, tomorrow or neither, and the deadline may be today.
_NOWS = (
    datetime(2025, 12, 31, 14, 0, tzinfo=UTC),
    datetime(2025, 12, 30, 9, 0, tzinfo=UTC),
    datetime(2025, 12, 24, 9, 0, tzinfo=UTC),
)


@dataclass(frozen=True)
class OverBudget:
    """One SMS that costs more than it may, at its longest."""

    kind: Kind
    language: str
    shop_short: str
    segments: int
    budget: int
    units: int
    encoding: str


def over_budget(public_host: str, shop_shorts: Iterable[str], zone: ZoneInfo | None = None) -> list[OverBudget]:
    """Render every SMS at its longest and return what is over its budget; nothing means all is well.

    Args:
        public_host: the host in every link, e.g. "go.example.jp".
        shop_shorts: the shops' short names for SMS.
        zone: the zone of the shops, Asia/Tokyo unless told; elsewhere each time bears its zone.
    """
    there = zone or ZoneInfo(TOKYO)
    return [
        worst
        for shop in shop_shorts
        for kind in CUSTOMER_KINDS
        for language in LANGUAGES
        if (worst := _longest(kind, language, shop, public_host, there)).segments > worst.budget
    ]


def _longest(kind: Kind, language: str, shop: str, host: str, zone: ZoneInfo) -> OverBudget:
    counts = [
        count(render(kind, channel="sms", language=language, words=words).text)
        for words in _wide_words(language, shop, host, zone)
    ]
    worst = max(counts, key=lambda each: (each.segments, each.units))
    return OverBudget(
        kind=kind,
        language=language,
        shop_short=shop,
        segments=worst.segments,
        budget=BUDGETS[kind, language],
        units=worst.units,
        encoding=worst.encoding,
    )


def _wide_words(language: str, shop: str, host: str, zone: ZoneInfo) -> Iterator[Words]:
    for now in _NOWS:
        for deadline_at in _DEADLINES:
            yield (
                BookingWords.of(
                    language=language,
                    zone=zone,
                    now=now,
                    starts_at=_WIDEST_START,
                    old_starts_at=_WIDEST_START,
                    deadline_at=deadline_at,
                    upcoming_at=_WIDEST_START,
                    upcoming_terms_url="",
                    shop_short=shop,
                    shop_name=shop,
                    reference="",
                    code="000000",
                    code_minutes=10,
                    page_host=host.partition(":")[0],
                    call_url=f"https://{host}/c/{_TOKEN}",
                    page_url=f"https://{host}/b/{_TOKEN}",
                    rebook_url=f"https://{host}/s/{shop.lower().replace(' ', '-')}",
                    entry_minutes=10,
                    device_check_url="",
                    contact_url="",
                    privacy_url="",
                    terms_url="",
                    provider_terms_url="",
                    provider_name="",
                ).words()
                | _WIDEST_OF_PEOPLE
            )
