"""The booking page: see, change, cancel, until the deadline; afterwards it says whom to ask (B18 to B20, B30)."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import Times, admitted, confirmed_once, found, parsed_instant, rebook_url, told
from api.pages.failing import PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, see_other, show
from api.pages.week import Chooser, is_free, start_text, week
from models.booking import Booking, Side, Status
from models.calendar import Slot
from models.deadline import change_deadline
from models.errors import (
    ConfirmationNeeded,
    IllegalMove,
    ProhibitedUse,
    Refusal,
    SlotTaken,
    SlotUnknown,
    StaleRevision,
    Suspended,
    TooManyChanges,
    WindowClosed,
)
from models.shop import Shop
from models.suspension import Treatment
from models.terms import TermsDocument
from worker import bookings, links, suspending, terms
from worker.database import database
from worker.links import LinkRole
from worker.offers import offer_for
from worker.wording import dates

router = APIRouter(route_class=PageRoute)
_LIVE = frozenset({Status.CONFIRMED, Status.IN_CALL})
_CONFLICT = 409
_SAID: Mapping[type[Refusal], str] = MappingProxyType(
    {
        IllegalMove: "refused.illegal_move",
        StaleRevision: "refused.stale_revision",
        WindowClosed: "refused.window_closed",
        TooManyChanges: "refused.too_many_changes",
        ProhibitedUse: "refused.prohibited_use",
    }
)
"""Refusals after which the present state of the booking is what the customer needs to see."""


@router.api_route("/b/{token}", methods=["GET", "HEAD"])
def look(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Show the booking as it stands."""
    return _booking_page(request, token, received_at)


@router.api_route("/b/{token}/change", methods=["GET", "HEAD"])
def choose(request: Request, token: str, received_at: ReceivedAt, start: str = "") -> Response:
    """Offer other times; with `?start=`, ask whether this one is meant."""
    starts_at = parsed_instant(start)
    if starts_at is None:
        return _calendar(request, token, received_at)
    return _confirmation(request, token, received_at, starts_at)


@router.post("/b/{token}/change")
def change(
    request: Request,
    token: str,
    received_at: ReceivedAt,
    *,
    start: Annotated[str, Form()] = "",
    revision: Annotated[int, Form()] = 0,
    final: Annotated[str, Form()] = "",
) -> Response:
    """Move the booking, or leave it as it is and say why."""
    link = admitted(token, LinkRole.BOOKING_PAGE)
    starts_at = parsed_instant(start)
    if starts_at is None:
        return _calendar(request, token, received_at)

    def act(session: Session) -> Booking:
        booking = found(bookings.locked(session, link.subject_id))
        bookings.change(
            session,
            booking,
            starts_at=starts_at,
            received_at=received_at,
            expected_revision=revision,
            knows_it_is_final=final == "yes",
        )
        return booking

    try:
        booking = database().transact(act)
    except (SlotTaken, SlotUnknown) as refusal:
        yours = "refused.slot_yours" if refusal.facts.get("yours") else "refused.slot_gone"
        return _calendar(request, token, received_at, said=yours, status=_CONFLICT)
    except Suspended:
        return _calendar(request, token, received_at, said="refused.suspended", status=_CONFLICT)
    except ConfirmationNeeded:
        return _confirmation(request, token, received_at, starts_at, error="errors.final_missing", status=422)
    except tuple(_SAID) as refusal:
        return _booking_page(request, token, received_at, said=_SAID[type(refusal)], status=_CONFLICT)
    return see_other(Reader.of(request, usual=booking.language).url(f"/b/{token}", changed="1"))


@router.api_route("/b/{token}/cancel", methods=["GET", "HEAD"])
def consider(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask whether the booking is to be cancelled."""
    link = admitted(token, LinkRole.BOOKING_PAGE)
    with database().snapshot() as session:
        booking = found(session.get(Booking, link.subject_id))
        if not suspending.can_change(session, booking, received_at):
            return _booking_page(request, token, received_at)
        return _show(request, session, booking, token, "cancel", now=received_at)


@router.post("/b/{token}/cancel")
def cancel(request: Request, token: str, received_at: ReceivedAt, revision: Annotated[int, Form()] = 0) -> Response:
    """Cancel; what is cancelled already stays so."""
    link = admitted(token, LinkRole.BOOKING_PAGE)
    try:
        with database().transaction() as session:
            booking = found(bookings.locked(session, link.subject_id))
            bookings.cancel(session, booking, received_at=received_at, expected_revision=revision)
    except tuple(_SAID) as refusal:
        return _booking_page(request, token, received_at, said=_SAID[type(refusal)], status=_CONFLICT)
    return see_other(Reader.of(request, usual=booking.language).url(f"/b/{token}"))


def _booking_page(
    request: Request, token: str, now: datetime, *, said: str | None = None, status: int = 200
) -> Response:
    link = admitted(token, LinkRole.BOOKING_PAGE)
    with database().snapshot() as session:
        booking = confirmed_once(session.get(Booking, link.subject_id))
        is_live = booking.status in _LIVE and now < booking.entry_closes_at
        return _show(
            request,
            session,
            booking,
            token,
            "booking",
            now=now,
            status=status,
            said=said,
            state="live" if is_live else "over" if booking.status in _LIVE else booking.status,
            may_cancel=suspending.can_change(session, booking, now),
            may_change=_changes_refused(session, booking, now) is None,
            **_stopped(session, booking, Reader.of(request, usual=booking.language), now),
            is_late=booking.confirmed_at is not None and booking.confirmed_at >= booking.change_deadline_at,
            just_done=is_live and request.query_params.get("done") == "1",
            just_changed=is_live and request.query_params.get("changed") == "1",
            call_url=links.call_url(booking, Side.CUSTOMER) if is_live else None,
            page_url=links.booking_page_url(booking),
            name=told(session, booking, "sealed_name"),
            memo=told(session, booking, "sealed_memo"),
            upcoming=_upcoming(session, booking, now) if is_live else [],
        )


def _upcoming(session: Session, booking: Booking, now: datetime) -> list[tuple[TermsDocument, str]]:
    """Return the versions of the terms that will hold, with from when, in words (B46)."""
    zone, language = ZoneInfo(booking.shop_zone), booking.language
    coming = terms.upcoming(session, now=now, provider=booking.provider)
    return [(each, dates.long(each.effective_at, zone, language)) for each in coming]


def _calendar(request: Request, token: str, now: datetime, *, said: str | None = None, status: int = 200) -> Response:
    link = admitted(token, LinkRole.BOOKING_PAGE)
    with database().snapshot() as session:
        booking = found(session.get(Booking, link.subject_id))
        if (refused := _changes_refused(session, booking, now)) is not None:
            return _booking_page(request, token, now, said=refused, status=_CONFLICT)
        shop = session.get_one(Shop, booking.shop_id)
        reader = Reader.of(request, usual=booking.language)
        chooser = Chooser(
            week_url=lambda query: reader.url(f"/b/{token}/change", query) + "#times",
            slot_url=lambda start: reader.url(f"/b/{token}/change", start=start),
        )
        asked = request.query_params
        shown = week(
            session,
            shop,
            reader,
            chooser,
            first=asked.get("from", ""),
            day=asked.get("day", ""),
            now=now,
            without=booking.starts_at,
            offer=offer_for(session, shop, booking),
        )
        return _show(request, session, booking, token, "change", now=now, status=status, said=said, week=shown)


def _confirmation(
    request: Request,
    token: str,
    now: datetime,
    starts_at: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> Response:
    link = admitted(token, LinkRole.BOOKING_PAGE)
    with database().snapshot() as session:
        booking = found(session.get(Booking, link.subject_id))
        if (refused := _changes_refused(session, booking, now)) is not None:
            return _booking_page(request, token, now, said=refused, status=_CONFLICT)
        shop = session.get_one(Shop, booking.shop_id)
        reader = Reader.of(request, usual=booking.language)
        # Its own buffers may lie in the new slot's way here; the transaction that moves the booking knows better.
        offer = offer_for(session, shop, booking)
        slot = offer.slot_at(starts_at)
        own = Slot(booking.starts_at, booking.ends_at)
        beside = slot is not None and not set(offer.calendar.ticks(slot)).isdisjoint(offer.calendar.ticks(own))
        if slot is None or not (beside or is_free(session, shop, starts_at, now=now, offer=offer)):
            return _calendar(request, token, now, said="refused.slot_gone", status=_CONFLICT)
        zone = ZoneInfo(booking.shop_zone)
        deadline_at = change_deadline(slot.starts_at, booking.shop_zone, shop.deadline_policy)
        return _show(
            request,
            session,
            booking,
            token,
            "change_confirm",
            now=now,
            status=status,
            error=error,
            start=start_text(slot.starts_at),
            new_when=dates.long(slot.starts_at, zone, reader.language),
            new_deadline=dates.deadline_long(deadline_at, zone, reader.language),
            is_final=now >= deadline_at,
        )


def _stopped(session: Session, booking: Booking, reader: Reader, now: datetime) -> dict[str, Any]:
    """Return what a suspension means for the booking: until when another time has to be chosen, or that it stands.

    Nothing before those affected are told (B42).
    """
    over = suspending.over(session, booking.shop_id, booking.starts_at, booking.ends_at, provider=booking.provider)
    stop = suspending.displaced(session, booking, at=now)
    zone, until = ZoneInfo(booking.shop_zone), None
    if stop is not None:
        until = dates.deadline_long(stop.move_until(booking.starts_at), zone, reader.language)
    is_kept = stop is None and over is not None and over.treatment is Treatment.KEEP and over.is_told(now)
    return {"move_until": until, "is_kept": is_kept}


def _changes_refused(session: Session, booking: Booking, now: datetime) -> str | None:
    """Return the words that say why no change is possible, whatever the new time."""
    is_displaced = suspending.displaced(session, booking, at=now) is not None
    try:
        booking.check_changeable(received_at=now, expected_revision=booking.revision, is_displaced=is_displaced)
    except tuple(_SAID) as refusal:
        return _SAID[type(refusal)]
    return None


def _show(
    request: Request, session: Session, booking: Booking, token: str, template: str, *, now: datetime, **values: Any
) -> Response:
    shop = session.get_one(Shop, booking.shop_id)
    reader = Reader.of(request, usual=booking.language)
    return show(
        request,
        template,
        Frame.of(session, shop, now=now, provider=booking.provider),
        reader=reader,
        here=None if request.method in {"GET", "HEAD"} else f"/b/{token}",
        booking=booking,
        times=Times.of(booking, reader),
        path=f"/b/{token}",
        rebook=rebook_url(shop, reader),
        **values,
    )
