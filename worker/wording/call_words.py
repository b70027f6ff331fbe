"""The words of messages about a call at once: to the caller who reached nobody, and to the shop that missed it.

It knows what is said of a call; it refuses to know rows, and who called.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo

from worker.wording import dates
from worker.wording.words import CustomerWords, SaysItsWords

# Not worth a file each: no sentence, only a name within one.
_REASONS = {
    "ja": {
        "hung_up": "お客様が呼び出しを終了されました",
        "caller_gone": "お客様が画面を閉じられました",
        "no_answer": "応答がありませんでした",
        "never_entered": "応答後、通話が始まりませんでした",
        "connection": "応答後、接続できませんでした",
    },
    "en": {
        "hung_up": "the customer hung up",
        "caller_gone": "the customer closed the page",
        "no_answer": "nobody answered",
        "never_entered": "it was answered, but the call did not begin",
        "connection": "it was answered, but no connection could be made",
    },
}
# Only whom nobody answered is told (M11): who hung up, or could not connect, was answered or did not wait.
_TOLD = {
    "ja": {
        True: "連絡先を残されたお客様には、ご予約のご案内をお送りします。",
        False: "お客様へのご案内はお送りしません。",
    },
    "en": {
        True: "A customer who left a contact is told how to book.",
        False: "The customer is not written to.",
    },
}
_NOBODY_ANSWERED = "no_answer"


@dataclass(frozen=True, repr=False, kw_only=True)
class CallWords(CustomerWords):
    """What M11 says to a caller whom nobody answered; the fields mean what they mean in `BookingWords`."""

    when: str
    when_long: str
    rebook_url: str

    @classmethod
    def of(cls, *, language: str, zone: ZoneInfo, requested_at: datetime, **plain: str) -> Self:
        """Format when the call was asked for, in the shop's zone; everything else is a field of the same name.

        Raises:
            ValueError: `requested_at` is naive.
        """
        return cls(
            when=dates.short(requested_at, zone, language), when_long=dates.long(requested_at, zone, language), **plain
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class MissedCallWords(SaysItsWords):
    """What S10, and the alarm after several in a row, say to the shop: nothing of the caller."""

    shop_name: str
    when: str
    when_long: str
    waited_seconds: int
    """How long the caller waited."""
    reason: str
    """Why nothing came of it."""
    told: str
    """Whether the caller is told how to book, in a sentence."""
    in_a_row: int
    """After how many such calls in a row the alarm is raised."""
    contact_url: str
    """Our contact form, clause B30."""

    @classmethod
    def of(
        cls,
        *,
        language: str,
        zone: ZoneInfo,
        requested_at: datetime,
        waited_seconds: int,
        end_reason: str,
        escalate_after: int,
        shop_name: str,
        contact_url: str,
    ) -> Self:
        """Format when the call was asked for, in the shop's zone, and name the reason in its language.

        Raises:
            KeyError: there is no such language or reason.
            ValueError: `requested_at` is naive.
        """
        return cls(
            shop_name=shop_name,
            when=dates.short(requested_at, zone, language),
            when_long=dates.long(requested_at, zone, language),
            waited_seconds=waited_seconds,
            reason=_REASONS[language][end_reason],
            told=_TOLD[language][end_reason == _NOBODY_ANSWERED],
            in_a_row=escalate_after,
            contact_url=contact_url,
        )
