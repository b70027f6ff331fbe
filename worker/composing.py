"""From a message's row to what the vendor gets. Everything is read and opened at the last moment, nothing is kept.

Knows which words a kind needs and where they come from; whether the message is still true has been asked before.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking, Side, Status
from models.calendar import first_instant, zone_named
from models.call import Call, EndReason
from models.customer import Channel
from models.disclosure import DisclosureCase
from models.message import OF_PEOPLE, Kind, Message, Subject
from models.shop import Shop
from models.suspension import Suspension
from models.terms import Party, TermsDocument, governing
from models.verification import Verification
from worker import calendar_file, codes, links, recipients
from worker.bookings import verification_of
from worker.cases import noticing
from worker.people import saying
from worker.settings import settings
from worker.vendors import Attachment, OutgoingMail, OutgoingSms
from worker.video import provider_named, video_provider
from worker.wording import (
    BookingWords,
    CallWords,
    CodeWords,
    DayListEntry,
    DayListWords,
    MissedCallWords,
    Rendered,
    ShopNoticeWords,
    calendar_words,
    render,
)

_INVITES = frozenset(
    {
        Kind.BOOKING_CONFIRMED,
        Kind.BOOKING_CONFIRMED_SAME_DAY,
        Kind.BOOKING_CHANGED,
        Kind.BOOKING_CHANGED_FINAL,
        Kind.BOOKING_MOVED,
    }
)
_CANCELLATIONS = frozenset({Kind.BOOKING_CANCELLED, Kind.BOOKING_WITHDRAWN})
WITH_A_CALENDAR_FILE = _INVITES | _CANCELLATIONS
"""By mail these put the call into the customer's calendar, move it there, or take it out."""
_AT_ONCE = timedelta(seconds=5)
_DAY_LISTS = frozenset({Kind.SHOP_DAY_LIST, Kind.SHOP_DAY_FIXED})


def compose(
    session: Session, message: Message, subject: Subject | None, attempt_id: UUID, *, carrier: str, now: datetime
) -> OutgoingSms | OutgoingMail:
    """Return the message as the vendor gets it.

    Raises:
        Shredded: the customer's data was erased.
        LookupError: a row that it needs is gone.
    """
    if isinstance(subject, DisclosureCase):
        notice = noticing.compose(session, message, subject, now=now)
        return _mail(message, attempt_id, notice.address, notice.rendered, notice.attachments)
    booking, shop = subject, session.get_one(Shop, message.shop_id)
    address = recipients.address_for(session, message)
    files: tuple[Attachment, ...] = ()
    if message.kind in OF_PEOPLE:
        words = saying.words_for(session, message, shop, terms_urls(session, now))
    elif message.customer_id is None:
        words = _shop_words(session, message, booking, shop)
    else:
        words = _customer_words(session, message, booking, shop, now=now)
        if message.channel is Channel.MAIL and booking is not None:
            files = _calendar(message, booking, shop, address=address, words=words, now=now)
    rendered = render(
        message.kind,
        channel=message.channel.value,
        language=message.language,
        words=words,
        with_urls=carries_urls(message.channel, carrier),
    )
    if message.channel is Channel.SMS:
        left = int((message.expires_at - now).total_seconds())
        return OutgoingSms(attempt_id, message.id, address, rendered.text, valid_seconds=left)
    return _mail(message, attempt_id, address, rendered, files)


def carries_urls(channel: Channel, carrier: str) -> bool:
    """Whether texts may hold URLs: some SMS routes drop those that do."""
    return channel is Channel.MAIL or any(
        account.urls_ok for account in settings().sms_carriers if account.name == carrier
    )


def _mail(
    message: Message, attempt_id: UUID, to: str, rendered: Rendered, attachments: tuple[Attachment, ...]
) -> OutgoingMail:
    return OutgoingMail(
        attempt_id, message.id, to, rendered.subject or "", rendered.text, rendered.html or "", attachments
    )


def _customer_words(
    session: Session, message: Message, booking: Booking | None, shop: Shop, *, now: datetime
) -> Mapping[str, object]:
    if message.call_id is not None:
        return _call_words(session, message, shop, now=now)
    if booking is None:
        return _code_words(session, message, shop, now=now)
    return _booking_words(session, message, booking, shop, now=now)


def _booking_words(
    session: Session, message: Message, booking: Booking, shop: Shop, *, now: datetime
) -> Mapping[str, object]:
    terms_url, provider_terms_url = terms_urls(session, now, provider=booking.provider)
    is_code = message.kind is Kind.BOOKING_CODE
    live = booking.status in {Status.CONFIRMED, Status.IN_CALL}
    before = message.facts.get("before")
    until = message.facts.get("until")
    stop = session.get(Suspension, UUID(said)) if (said := message.facts.get("suspension_id")) else None
    opens = (booking.starts_at - booking.entry_opens_at) / timedelta(minutes=1)
    return BookingWords.of(
        language=message.language,
        zone=zone_named(booking.shop_zone),
        now=now,
        starts_at=booking.starts_at,
        shop_short=shop.short_name,
        shop_name=shop.name(message.language),
        reference=booking.reference,
        contact_url=shop.contact_url,
        privacy_url=shop.privacy_url,
        terms_url=terms_url,
        provider_terms_url=provider_terms_url,
        provider_name=provider_named(booking.provider).display_name,
        # A suspension sets a time of its own, whatever the booking's deadline says.
        deadline_at=datetime.fromtimestamp(until, tz=booking.starts_at.tzinfo) if until else booking.change_deadline_at,
        old_starts_at=datetime.fromtimestamp(before, tz=booking.starts_at.tzinfo) if before else None,
        code=codes.code(verification_of(session, booking)) if is_code else None,
        code_minutes=_minutes_left(message, now) if is_code else None,
        page_host=settings().public_host,
        call_url=links.call_url(booking, Side.CUSTOMER) if live else None,
        page_url=links.booking_page_url(booking) if not is_code else None,
        entry_minutes=int(opens),
        device_check_url=links.device_check_url(),
        rebook_url=links.shop_page_url(shop),
        notice_url=stop.notice_url if stop else None,
        **_upcoming(session, message),
    ).words()


def _code_words(session: Session, message: Message, shop: Shop, *, now: datetime) -> Mapping[str, object]:
    """Return what a code says that is for no booking."""
    verification = session.get_one(Verification, UUID(message.facts["verification_id"]))
    terms_url, provider_terms_url = terms_urls(session, now)
    words: Mapping[str, object] = CodeWords(
        shop_short=shop.short_name,
        shop_name=shop.name(message.language),
        contact_url=shop.contact_url,
        privacy_url=shop.privacy_url,
        terms_url=terms_url,
        provider_terms_url=provider_terms_url,
        provider_name=video_provider().display_name,
        code=codes.code(verification),
        code_minutes=_minutes_left(message, now),
        page_host=verification.page_host or settings().public_host,
    ).words()
    return words


def _upcoming(session: Session, message: Message) -> Mapping[str, Any]:
    """Return what is said of the version of the terms that a message tells of."""
    if message.kind is not Kind.TERMS_CHANGED:
        return {}
    document = session.get_one(TermsDocument, (message.facts["document_id"], message.facts["version"]))
    return {"upcoming_at": document.effective_at, "upcoming_terms_url": document.url}


def _minutes_left(message: Message, now: datetime) -> int:
    # A code sent at once still says the whole ten minutes.
    return max(1, int((message.expires_at - now + _AT_ONCE) / timedelta(minutes=1)))


def _shop_words(session: Session, message: Message, booking: Booking | None, shop: Shop) -> Mapping[str, object]:
    if message.call_id is not None:
        return _missed_call_words(session, message, shop)
    return _day_words(session, message, shop) if message.kind in _DAY_LISTS else _notice_words(message, booking, shop)


def _missed_call_words(session: Session, message: Message, shop: Shop) -> Mapping[str, object]:
    call = session.get_one(Call, message.call_id)
    words: Mapping[str, object] = MissedCallWords.of(
        language=message.language,
        zone=zone_named(shop.zone),
        requested_at=call.requested_at,
        waited_seconds=call.waited_seconds or 0,
        end_reason=call.end_reason or EndReason.NO_ANSWER,
        escalate_after=shop.escalate_after,
        shop_name=shop.name(message.language),
        contact_url=shop.contact_url,
    ).words()
    return words


def _call_words(session: Session, message: Message, shop: Shop, *, now: datetime) -> Mapping[str, object]:
    call = session.get_one(Call, message.call_id)
    terms_url, provider_terms_url = terms_urls(session, now)
    words: Mapping[str, object] = CallWords.of(
        language=message.language,
        zone=zone_named(shop.zone),
        requested_at=call.requested_at,
        shop_short=shop.short_name,
        shop_name=shop.name(message.language),
        rebook_url=links.shop_page_url(shop),
        contact_url=shop.contact_url,
        privacy_url=shop.privacy_url,
        terms_url=terms_url,
        provider_terms_url=provider_terms_url,
        provider_name=video_provider().display_name,
    ).words()
    return words


def _notice_words(message: Message, booking: Booking | None, shop: Shop) -> Mapping[str, object]:
    if booking is None:
        raise LookupError("a notice about a booking without the booking")
    live = booking.status in {Status.CONFIRMED, Status.IN_CALL}
    before = message.facts.get("before")
    return ShopNoticeWords.of(
        language=message.language,
        zone=zone_named(booking.shop_zone),
        starts_at=booking.starts_at,
        shop_name=shop.name(message.language),
        reference=booking.reference,
        channel=message.facts.get("channel") or booking.channel.value,
        contact_url=shop.contact_url,
        staff_call_url=links.call_url(booking, Side.STAFF) if live else None,
        old_starts_at=datetime.fromtimestamp(before, tz=booking.starts_at.tzinfo) if before else None,
        cause=booking.cancelled_by.value if booking.cancelled_by else None,
        absent="each_other" if booking.missed_each_other else booking.absent,
        talked_minutes=math.ceil(booking.talked_seconds / 60) if booking.talked_until else None,
    ).words()


def _day_words(session: Session, message: Message, shop: Shop) -> Mapping[str, object]:
    """List the day as it stands at the moment of sending."""
    day = date.fromisoformat(message.facts["day"])
    zone = zone_named(shop.zone)
    begins, ends = first_instant(day, shop.zone), first_instant(day + timedelta(days=1), shop.zone)
    bookings = session.scalars(
        select(Booking)
        .where(
            Booking.shop_id == shop.id,
            Booking.starts_at >= begins,
            Booking.starts_at < ends,
            Booking.status.in_((Status.CONFIRMED, Status.IN_CALL)),
        )
        .order_by(Booking.starts_at, Booking.seat)
    ).all()
    entries = tuple(
        DayListEntry.of(
            zone=zone,
            starts_at=booking.starts_at,
            reference=booking.reference,
            staff_call_url=links.call_url(booking, Side.STAFF),
        )
        for booking in bookings
    )
    return DayListWords.of(
        language=message.language,
        zone=zone,
        on=day,
        shop_name=shop.name(message.language),
        bookings=entries,
        contact_url=shop.contact_url,
    ).words()


def terms_urls(session: Session, at: datetime, *, provider: str | None = None) -> tuple[str, str]:
    """Return where the governing terms stand: ours and the video provider's, that of new calls unless named (B27)."""
    documents = governing(session.scalars(select(TermsDocument)).all(), at, provider=provider_named(provider).name)
    by_party = {document.party: document.url for document in documents}
    return by_party[Party.PLATFORM], by_party[Party.PROVIDER]


def _calendar(
    message: Message, booking: Booking, shop: Shop, *, address: str, words: Mapping[str, object], now: datetime
) -> tuple[Attachment, ...]:
    if message.kind not in WITH_A_CALENDAR_FILE:
        return ()
    cancelled = message.kind in _CANCELLATIONS
    call_url = links.call_url(booking, Side.CUSTOMER)
    # A cancellation names the entry as it was announced; there the call link leads to a page that says so.
    said = calendar_words(message.language, {"call_url": call_url, **words})
    entry = calendar_file.Entry(
        booking_id=booking.id,
        host=urlsplit(settings().public_url).hostname or "localhost",
        revision=booking.revision,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        summary=said.summary,
        description=said.description,
        # One and the same in every file of a booking, whichever account carries it.
        organizer=calendar_file.Mailbox(settings().mail_carriers[0].sender, shop.name(message.language)),
        attendee=calendar_file.Mailbox(address),
    )
    if cancelled:
        content = calendar_file.cancellation(entry, now=now)
        return (Attachment(calendar_file.CANCELLATION_FILENAME, calendar_file.CANCELLATION_CONTENT_TYPE, content),)
    content = calendar_file.invite(entry, now=now, call_url=call_url)
    return (Attachment(calendar_file.INVITE_FILENAME, calendar_file.INVITE_CONTENT_TYPE, content),)
