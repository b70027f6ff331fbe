"""The shop page: choose a time, leave a contact, get a code (B10 to B14). For shops without a form of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import parsed_instant
from api.pages.failing import PageRoute
from api.pages.filling import Filled, Origin, address_of, contact_of, read
from api.pages.reader import Reader
from api.pages.showing import Frame, see_other, show
from api.pages.week import Chooser, choice, is_free, others_free, start_text, week
from api.problems import problem_of
from api.resources import BookingRequest
from models.booking import VisitPurpose
from models.customer import Channel
from models.errors import (
    MenuUnknown,
    ProhibitedUse,
    Refusal,
    SlotTaken,
    SlotUnknown,
    Suspended,
    TooManyOpenBookings,
    TooManyRequests,
)
from models.menu import Menu, Offer
from models.shop import Shop
from worker import bookings, fairness
from worker.database import database
from worker.links import LinkRole, token
from worker.offers import menus_of, offer_of
from worker.wording import dates

router = APIRouter(route_class=PageRoute)
_REFUSED: Mapping[type[Refusal], str] = MappingProxyType(
    {
        ProhibitedUse: "errors.prohibited_use",
        TooManyOpenBookings: "errors.too_many_open_bookings",
        TooManyRequests: "errors.too_many_requests",
    }
)
"""Refusals of whoever asks, and the words beside the contact that say so (B30, B38, B39)."""


@dataclass(frozen=True, repr=False, kw_only=True)
class BookFilled(Filled):
    """The form for a booking, which sends a code by one of two channels."""

    channel: str = "sms"
    second_email: str = ""


@router.api_route("/s/{shop_id}", methods=["GET", "HEAD"])
def calendar(
    request: Request,
    shop_id: str,
    received_at: ReceivedAt,
    *,
    item: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    entry_point: str = "",
    source_url: str = "",
    menu: str = "",
) -> Response:
    """Show a week of free slots, `?from=` a day on; where the shop has menus, of one of them."""
    with database().snapshot() as session:
        shop = bookings.shop_open(session, shop_id)
        reader = Reader.of(request, otherwise=shop.language)
        offer, menus = _offer(session, shop, menu), menus_of(session, shop)
        origin = Origin(item, entry_point, source_url, offer.menu_id or "")
        chooser = Chooser(
            week_url=lambda query: reader.url(f"/s/{shop.id}", {**origin.query(), **query}) + "#times",
            slot_url=lambda start: reader.url(f"/s/{shop.id}/book", {**origin.query(), "start": start}),
        )
        asked = request.query_params
        shown = week(
            session,
            shop,
            reader,
            chooser,
            first=asked.get("from", ""),
            day=asked.get("day", ""),
            now=received_at,
            offer=offer,
        )
        choices = [
            (each, reader.url(f"/s/{shop.id}", {**origin.query(), "menu": each.id}), each.id == offer.menu_id)
            for each in menus
        ]
        frame = Frame.of(session, shop, now=received_at)
        consult = reader.url(f"/s/{shop.id}/call", origin.query()) if shop.takes_calls else None
        return show(
            request,
            "shop",
            frame,
            reader=reader,
            is_private=False,
            week=shown,
            menus=choices,
            consult=consult,
            deadline=dates.policy(shop.deadline_policy, reader.language),
        )


@router.api_route("/s/{shop_id}/book", methods=["GET", "HEAD"])
def form(
    request: Request,
    shop_id: str,
    received_at: ReceivedAt,
    *,
    start: str = "",
    item: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    entry_point: str = "",
    source_url: str = "",
    menu: str = "",
) -> Response:
    """Ask for a contact for one slot; who could have it meanwhile is told others."""
    filled = BookFilled(origin=Origin(item, entry_point, source_url, menu))
    with database().snapshot() as session:
        shop = bookings.shop_open(session, shop_id)
        reader = Reader.of(request, otherwise=shop.language)
        starts_at = parsed_instant(start)
        if starts_at is None:
            return see_other(reader.url(f"/s/{shop.id}", filled.origin.query()))
        free = is_free(session, shop, starts_at, now=received_at, offer=_offer(session, shop, menu))
        errors = {} if free else {"start": "errors.slot_gone"}
        return _form(request, session, shop, reader, filled, starts_at=starts_at, errors=errors, now=received_at)


@router.post("/s/{shop_id}/book")
def hold(
    request: Request,
    shop_id: str,
    received_at: ReceivedAt,
    *,
    start: Annotated[str, Form()] = "",
    channel: Annotated[str, Form()] = "",
    phone: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    second_email: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    memo: Annotated[str, Form()] = "",
    item: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    entry_point: Annotated[str, Form()] = "",
    source_url: Annotated[str, Form()] = "",
    menu: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "",
) -> Response:
    """Hold the slot and owe a code; sent twice, it leads to the same booking."""
    chosen = channel or ("mail" if email and not phone else "sms")
    filled = BookFilled(
        channel=chosen,
        phone=phone,
        email=email,
        second_email=second_email,
        name=name,
        # A browser ends the lines of a text area with CR LF.
        memo=memo.replace("\r\n", "\n"),
        purpose=purpose,
        origin=Origin(item, entry_point, source_url, menu),
    )
    with database().snapshot() as session:
        shop = bookings.shop_open(session, shop_id)
        reader = Reader.of(request, otherwise=shop.language)
    starts_at = parsed_instant(start)
    if starts_at is None:
        return see_other(reader.url(f"/s/{shop.id}", filled.origin.query()))
    wish, errors = _wish(request, shop, starts_at, filled, reader.language)
    status = 422
    if wish is not None:
        try:
            with database().transaction() as session:
                booking = bookings.hold(session, wish, received_at=received_at)
                return see_other(reader.url(f"/v/{token(LinkRole.CODE_PAGE, booking.id)}"))
        except (SlotTaken, SlotUnknown, MenuUnknown):
            errors, status = {"start": "errors.slot_gone"}, 409
        except Suspended:
            errors, status = {"start": "errors.suspended"}, 409
        except tuple(_REFUSED) as refusal:
            where = "email" if chosen == "mail" else "phone"
            errors, status = {where: _REFUSED[type(refusal)]}, problem_of(refusal).status
            with database().transaction() as session:
                network = wish.customer_ip
                fairness.note_refusal(session, shop.id, refusal, network=network, now=received_at)
    with database().snapshot() as session:
        return _form(
            request, session, shop, reader, filled, starts_at=starts_at, errors=errors, now=received_at, status=status
        )


def _wish(
    request: Request, shop: Shop, starts_at: datetime, filled: BookFilled, language: str
) -> tuple[bookings.Wish | None, dict[str, str]]:
    """Return what the customer asks for, or which fields are wrong and the words that say why."""
    errors: dict[str, str] = {}
    by_mail = filled.channel == "mail"
    where, typed = ("email", filled.email) if by_mail else ("phone", filled.phone)
    contact = contact_of(Channel.MAIL if by_mail else Channel.SMS, typed, errors, where)
    second = None if by_mail else contact_of(Channel.MAIL, filled.second_email, errors, "second_email")
    if contact is None and not errors.get(where):
        errors = {where: f"errors.{where}_missing"} | errors
    given = {where: contact.address if contact else ""}
    asked = read(BookingRequest, request, shop, filled, errors, starts_at=starts_at, contact=given)
    if errors or contact is None or asked is None:
        return None, errors
    return (
        bookings.Wish(
            shop_id=shop.id,
            starts_at=starts_at,
            contact=contact,
            language=language,
            second_contact=second,
            name=asked.name,
            memo=asked.memo,
            source_url=asked.source_url,
            entry_point=asked.entry_point,
            item_codes=asked.item_codes,
            customer_ip=address_of(request),
            menu_id=filled.origin.menu or None,
            purpose=asked.purpose,
        ),
        {},
    )


def _form(
    request: Request,
    session: Session,
    shop: Shop,
    reader: Reader,
    filled: BookFilled,
    *,
    starts_at: datetime,
    errors: dict[str, str],
    now: datetime,
    status: int = 200,
) -> Response:
    offer = _offer(session, shop, filled.origin.menu)
    others = others_free(session, shop, starts_at, now=now, offer=offer) if "start" in errors else []
    menu = session.get(Menu, (shop.id, offer.menu_id)) if offer.menu_id else None
    return show(
        request,
        "book",
        Frame.of(session, shop, now=now),
        reader=reader,
        status=status,
        is_private=False,
        start=start_text(starts_at),
        when=dates.long(starts_at, ZoneInfo(shop.zone), reader.language),
        filled=filled,
        errors={field: reader.says(key) for field, key in errors.items()},
        purposes=list(VisitPurpose),
        menu=menu,
        others=[choice(slot, shop, reader) for slot in others],
    )


def _offer(session: Session, shop: Shop, menu: str) -> Offer:
    """Return what is offered under a menu; where it is gone, what the shop offers first."""
    try:
        return offer_of(session, shop, menu or None)
    except MenuUnknown:
        return offer_of(session, shop)
