"""The shop page: choose a time, leave a contact, get a code (B10 to B14). For shops without a form of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import parsed_instant
from api.pages.failing import PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, see_other, show
from api.pages.week import Chooser, choice, is_free, others_free, start_text, week
from api.resources import BookingRequest
from models.customer import Channel
from models.errors import ContactRefused, SlotTaken, SlotUnknown
from models.shop import Shop
from worker import bookings
from worker.customers import Contact
from worker.database import database
from worker.links import LinkRole, token
from worker.wording import dates

router = APIRouter(route_class=PageRoute)
_FIELDS = ("phone", "email", "name", "memo")
_NOBODY = "::"


@dataclass(frozen=True)
class Origin:
    """What the customer came from: items and a page (B5, B6). It travels through the pages as it came."""

    item: Sequence[str] = ()
    entry_point: str = ""
    source_url: str = ""

    def query(self) -> dict[str, str | list[str]]:
        """Return it as part of an address."""
        return {"item": list(self.item), "entry_point": self.entry_point, "source_url": self.source_url}


@dataclass(frozen=True, repr=False)
class Filled:
    """The form as the customer left it; it is shown again as it was when something is wrong. It does not print."""

    channel: str = "sms"
    phone: str = ""
    email: str = ""
    second_email: str = ""
    name: str = ""
    memo: str = ""
    origin: Origin = field(default_factory=Origin)


@router.api_route("/s/{shop_id}", methods=["GET", "HEAD"])
def calendar(
    request: Request,
    shop_id: str,
    received_at: ReceivedAt,
    *,
    item: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    entry_point: str = "",
    source_url: str = "",
) -> Response:
    """Show a week of free slots, `?from=` a day on."""
    origin = Origin(item, entry_point, source_url)
    with database().snapshot() as session:
        shop = bookings.shop_open(session, shop_id)
        reader = Reader.of(request, otherwise=shop.language)
        chooser = Chooser(
            week_url=lambda query: reader.url(f"/s/{shop.id}", {**origin.query(), **query}) + "#times",
            slot_url=lambda start: reader.url(f"/s/{shop.id}/book", {**origin.query(), "start": start}),
        )
        asked = request.query_params
        shown = week(
            session, shop, reader, chooser, first=asked.get("from", ""), day=asked.get("day", ""), now=received_at
        )
        frame = Frame.of(session, shop, now=received_at)
        return show(request, "shop", frame, reader=reader, is_private=False, week=shown)


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
) -> Response:
    """Ask for a contact for one slot; who could have it meanwhile is told others."""
    filled = Filled(origin=Origin(item, entry_point, source_url))
    with database().snapshot() as session:
        shop = bookings.shop_open(session, shop_id)
        reader = Reader.of(request, otherwise=shop.language)
        starts_at = parsed_instant(start)
        if starts_at is None:
            return see_other(reader.url(f"/s/{shop.id}", filled.origin.query()))
        errors = {} if is_free(session, shop, starts_at, now=received_at) else {"start": "errors.slot_gone"}
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
) -> Response:
    """Hold the slot and owe a code; sent twice, it leads to the same booking."""
    chosen = channel or ("mail" if email and not phone else "sms")
    # A browser ends the lines of a text area with CR LF.
    origin = Origin(item, entry_point, source_url)
    filled = Filled(chosen, phone, email, second_email, name, memo.replace("\r\n", "\n"), origin)
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
        except (SlotTaken, SlotUnknown):
            errors, status = {"start": "errors.slot_gone"}, 409
    with database().snapshot() as session:
        return _form(
            request, session, shop, reader, filled, starts_at=starts_at, errors=errors, now=received_at, status=status
        )


def _wish(
    request: Request, shop: Shop, starts_at: datetime, filled: Filled, language: str
) -> tuple[bookings.Wish | None, dict[str, str]]:
    """Return what the customer asks for, or which fields are wrong and the words that say why."""
    errors: dict[str, str] = {}
    by_mail = filled.channel == "mail"
    where, typed = ("email", filled.email) if by_mail else ("phone", filled.phone)
    contact = _contact(Channel.MAIL if by_mail else Channel.SMS, typed, errors, where)
    second = None if by_mail else _contact(Channel.MAIL, filled.second_email, errors, "second_email")
    if contact is None and not errors.get(where):
        errors = {where: f"errors.{where}_missing"} | errors
    address = _address(request)
    body: dict[str, Any] = {
        "shop": shop.id,
        "starts_at": starts_at,
        "contact": {where: contact.address if contact else ""},
        "customer_ip": address or _NOBODY,
        "name": filled.name.strip() or None,
        "memo": filled.memo.strip() or None,
        "item_codes": list(filled.origin.item),
        "entry_point": filled.origin.entry_point or None,
        "source_url": filled.origin.source_url or None,
    }
    try:
        asked = BookingRequest.model_validate(body)
    except ValidationError as error:
        wrong = {str(fault["loc"][0]) for fault in error.errors(include_input=False, include_url=False)}
        errors |= {each: f"errors.{each}_invalid" for each in ("name", "memo") if each in wrong}
        if not errors:
            # What the customer came from helps staff; that it cannot be read is no reason to refuse a booking (B21).
            asked = BookingRequest.model_validate({**body, "item_codes": [], "entry_point": None, "source_url": None})
    if errors or contact is None:
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
            customer_ip=address,
        ),
        {},
    )


def _contact(channel: Channel, typed: str, errors: dict[str, str], field_: str) -> Contact | None:
    """Return what was typed into a field; None if it is empty or wrong, which `errors` then says."""
    if not typed.strip():
        return None
    try:
        return Contact.parse(channel, typed)
    except ContactRefused as refusal:
        errors[field_] = f"errors.{refusal.code}"
        return None


def _form(
    request: Request,
    session: Session,
    shop: Shop,
    reader: Reader,
    filled: Filled,
    *,
    starts_at: datetime,
    errors: dict[str, str],
    now: datetime,
    status: int = 200,
) -> Response:
    others = others_free(session, shop, starts_at, now=now) if "start" in errors else []
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
        errors=errors,
        others=[choice(slot, shop, reader) for slot in others],
    )


def _address(request: Request) -> str | None:
    """Return the customer's own address, if the connection has one."""
    try:
        return str(ip_address(request.client.host)) if request.client else None
    except ValueError:
        return None
