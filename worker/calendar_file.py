"""A booking as a calendar file (iCalendar, RFC 5545 and 5546), so that it can enter and leave the customer's calendar.

It knows how calendars recognise a revision; it refuses to know the wording, which the caller brings along.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from icalendar import Alarm, Calendar, Event, vCalAddress, vDuration, vText, vUri

INVITE_CONTENT_TYPE: Final = "text/calendar; method=REQUEST; charset=utf-8"
INVITE_FILENAME: Final = "invite.ics"
CANCELLATION_CONTENT_TYPE: Final = "text/calendar; method=CANCEL; charset=utf-8"
CANCELLATION_FILENAME: Final = "cancel.ics"

_MAKER = "-//Toritsugi//Concierge//EN"


@dataclass(frozen=True, repr=False)
class Mailbox:
    """Who is written into the file; it does not print itself."""

    address: str
    name: str | None = None


@dataclass(frozen=True, repr=False, kw_only=True)
class Entry:
    """What both files say of a booking.

    Raises:
        ValueError: an instant is naive, or the end is not after the start.
    """

    booking_id: UUID
    host: str
    """Our public host; with the id it is the UID, `<booking_id>@<host>`, by which calendars find the entry again."""
    revision: int
    """The booking's revision."""
    starts_at: datetime
    ends_at: datetime
    """Exclusive. Both are written in UTC, so no table of zones has to travel along."""
    summary: str
    description: str
    """Plain text; may have several lines."""
    organizer: Mailbox
    """The sender's mailbox; the same in every file of a booking."""
    attendee: Mailbox
    """The customer's mailbox."""

    def __post_init__(self) -> None:
        if _utc(self.ends_at) <= _utc(self.starts_at):
            raise ValueError("a calendar entry ends after it starts")


def invite(entry: Entry, *, now: datetime, call_url: str, alarm_minutes: int = 10) -> bytes:
    """Return the file that enters a booking into a calendar, or moves it there after a change.

    Calendars take the highest SEQUENCE of a UID for the truth, so that is the booking's revision. Equal arguments give
    equal bytes.

    Args:
        entry: the booking.
        now: the instant of sending (DTSTAMP).
        call_url: the customer's call link, as location and URL, which calendars make tappable.
        alarm_minutes: how long before the start the calendar reminds.

    Raises:
        ValueError: `now` is naive.

    Source: RFC 5546 §3.2.2 (REQUEST), RFC 5545 §3.8.7.4 (SEQUENCE).
    """
    event = _event(entry, sequence=entry.revision, now=now)
    event.add("status", "CONFIRMED")
    event.add("transp", "OPAQUE")
    event["location"] = vText(call_url)
    event["url"] = vUri(call_url)
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", entry.summary)
    alarm["trigger"] = vDuration(-timedelta(minutes=alarm_minutes))
    event.add_component(alarm)
    return _file("REQUEST", event)


def cancellation(entry: Entry, *, now: datetime) -> bytes:
    """Return the file that takes a booking out of a calendar, alarm and all. Equal arguments give equal bytes.

    METHOD:REQUEST with STATUS:CANCELLED leaves entry and alarm standing in several calendars, so the method is CANCEL.
    Cancelling does not raise the booking's revision, yet calendars may ignore what is not newer than the invitation, so
    SEQUENCE is one above the revision. No invitation can follow: cancelled is final.

    Args:
        entry: the booking as last announced.
        now: the instant of sending (DTSTAMP).

    Raises:
        ValueError: `now` is naive.

    Source: RFC 5546 §3.2.5 (CANCEL).
    """
    event = _event(entry, sequence=entry.revision + 1, now=now)
    event.add("status", "CANCELLED")
    return _file("CANCEL", event)


def _event(entry: Entry, *, sequence: int, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"{entry.booking_id}@{entry.host}")
    event.add("sequence", sequence)
    event.add("dtstamp", _utc(now))
    event.add("dtstart", _utc(entry.starts_at))
    event.add("dtend", _utc(entry.ends_at))
    event.add("summary", entry.summary)
    event.add("description", entry.description)
    event["organizer"] = _party(entry.organizer)
    # Nobody waits for an answer: the customer booked, so the entry is accepted and no reply is asked for.
    event["attendee"] = _party(
        entry.attendee, CUTYPE="INDIVIDUAL", ROLE="REQ-PARTICIPANT", PARTSTAT="ACCEPTED", RSVP="FALSE"
    )
    return event


def _party(mailbox: Mailbox, **parameters: str) -> vCalAddress:
    party = vCalAddress(f"mailto:{mailbox.address}")
    if mailbox.name:
        party.params["CN"] = vText(mailbox.name)
    for name, value in parameters.items():
        party.params[name] = vText(value)
    return party


def _file(method: str, event: Event) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", _MAKER)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a naive datetime was refused: give it a zone")
    return at.astimezone(UTC).replace(microsecond=0)
