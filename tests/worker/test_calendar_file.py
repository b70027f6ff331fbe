"""A booking enters, moves in and leaves a calendar under one identity."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from worker.calendar_file import (
    CANCELLATION_CONTENT_TYPE,
    INVITE_CONTENT_TYPE,
    Entry,
    Mailbox,
    cancellation,
    invite,
)

CALL_URL = f"https://go.example.jp/c/{'Ca11' * 10}"
NOW = datetime(2025, 11, 20, 3, 0, 0, 123456, tzinfo=UTC)
START = datetime(2025, 11, 23, 14, tzinfo=ZoneInfo("Asia/Tokyo"))
ENTRY = Entry(
    booking_id=UUID("0190b5a2-7c3e-7d11-9a64-3f2b1c0d9e8f"),
    host="go.example.jp",
    revision=3,
    starts_at=START,
    ends_at=START + timedelta(minutes=30),
    summary="VICKY オンライン接客(ビデオ通話)",
    description=f"通話用URL\n{CALL_URL}\n\nカンマ, セミコロン; 円記号\\",
    organizer=Mailbox("booking@example.jp", "VICKY"),
    attendee=Mailbox("hanako@example.com"),
)


def parsed(file: bytes) -> tuple[Any, Any]:
    """Return calendar and event as another program reads them."""
    calendar = Calendar.from_ical(file)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def invited(entry: Entry = ENTRY) -> bytes:
    return invite(entry, now=NOW, call_url=CALL_URL)


def test_an_invitation_says_when_in_utc() -> None:
    _, event = parsed(invited())

    assert event["DTSTART"].to_ical() == b"20251123T050000Z"
    assert event["DTEND"].to_ical() == b"20251123T053000Z"
    assert event["DTSTAMP"].to_ical() == b"20251120T030000Z"


def test_an_invitation_asks_to_be_entered() -> None:
    calendar, event = parsed(invited())

    assert (calendar["METHOD"], event["STATUS"]) == ("REQUEST", "CONFIRMED")
    assert "method=REQUEST" in INVITE_CONTENT_TYPE


def test_a_cancellation_asks_to_be_removed() -> None:
    calendar, event = parsed(cancellation(ENTRY, now=NOW))

    assert (calendar["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert "method=CANCEL" in CANCELLATION_CONTENT_TYPE


def test_a_cancellation_leaves_no_alarm_behind() -> None:
    calendar, _ = parsed(cancellation(ENTRY, now=NOW))

    assert calendar.walk("VALARM") == []


def test_an_invitation_reminds_when_the_call_page_opens() -> None:
    calendar, _ = parsed(invite(ENTRY, now=NOW, call_url=CALL_URL, alarm_minutes=10))

    (alarm,) = calendar.walk("VALARM")

    assert alarm["TRIGGER"].to_ical() == b"-PT10M"


def test_a_booking_keeps_its_identity_through_change_and_cancellation() -> None:
    moved = replace(ENTRY, revision=4, starts_at=START + timedelta(days=1), ends_at=START + timedelta(days=1, hours=1))

    identities = {str(parsed(file)[1]["UID"]) for file in [invited(), invited(moved), cancellation(moved, now=NOW)]}

    assert identities == {"0190b5a2-7c3e-7d11-9a64-3f2b1c0d9e8f@go.example.jp"}


def test_an_invitations_sequence_is_the_bookings_revision() -> None:
    _, event = parsed(invited())

    assert event["SEQUENCE"] == 3


def test_a_cancellation_is_newer_than_the_invitation_it_takes_back() -> None:
    _, invitation = parsed(invited())

    _, event = parsed(cancellation(ENTRY, now=NOW))

    assert event["SEQUENCE"] == invitation["SEQUENCE"] + 1


def test_the_call_link_is_where_calendars_make_it_tappable() -> None:
    _, event = parsed(invited())

    assert (event["LOCATION"], event["URL"]) == (CALL_URL, CALL_URL)
    assert CALL_URL in event["DESCRIPTION"]


def test_a_cancellation_bears_no_call_link_to_tap() -> None:
    _, event = parsed(cancellation(ENTRY, now=NOW))

    assert "URL" not in event
    assert "LOCATION" not in event


def test_words_come_back_as_they_went_in() -> None:
    _, event = parsed(invited())

    assert event["SUMMARY"] == ENTRY.summary
    assert event["DESCRIPTION"] == ENTRY.description


def test_sender_and_customer_are_named_and_no_answer_is_asked_for() -> None:
    _, event = parsed(invited())

    assert (event["ORGANIZER"], event["ORGANIZER"].params["CN"]) == ("mailto:booking@example.jp", "VICKY")
    assert (event["ATTENDEE"], event["ATTENDEE"].params["RSVP"]) == ("mailto:hanako@example.com", "FALSE")


@pytest.mark.parametrize("file", [invited(), cancellation(ENTRY, now=NOW)], ids=["invitation", "cancellation"])
def test_lines_end_and_fold_as_the_standard_says(file: bytes) -> None:
    lines = file.split(b"\r\n")

    assert lines[-1] == b""
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) <= 75


def test_the_same_booking_at_the_same_instant_gives_the_same_bytes() -> None:
    assert invited() == invited()


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        replace(ENTRY, starts_at=START.replace(tzinfo=None))


def test_a_call_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        replace(ENTRY, ends_at=START)


def test_an_entry_does_not_print_its_customer() -> None:
    assert "hanako" not in f"{ENTRY!r} {ENTRY.attendee!r}"
