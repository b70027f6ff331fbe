"""The shapes that the API speaks: what comes in, validated; what goes out, without what only we should know."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyAddress,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from sqlalchemy.orm import Session

from models.booking import Booking, EntryPoint, Side, Status, VisitPurpose
from models.calendar import FIRST_DAY, LAST_DAY, Slot
from models.shop import Shop
from models.suspension import Suspension
from models.verification import COOL_DOWN, MOST_RESENDS, Verification
from worker import links, suspending
from worker.settings import settings


def instant(at: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC, to the millisecond where it has any."""
    if at is None:
        return None
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
_NOT_TEXT = re.compile(rf"[{_CONTROL}\ud800-\udfff]")
"""Control characters, which PostgreSQL refuses, a terminal obeys or which turn the text around them about, and halves
of characters, which nothing encodes."""


def is_plain_text(text: str) -> bool:
    """Whether a text holds no control characters besides tab and line feed, and no halves of characters."""
    return _NOT_TEXT.search(text) is None


def _plain_text(text: str) -> str:
    if not is_plain_text(text):
        raise ValueError("control characters and lone surrogates are not allowed")
    return text


PlainText = Annotated[str, AfterValidator(_plain_text), Field(json_schema_extra={"pattern": rf"^[^{_CONTROL}]*$"})]


def _address(given: object) -> object:
    # The library also takes numbers, and whatever may stand behind a `%`.
    if not isinstance(given, str) or "%" in given:
        raise ValueError("give an IPv4 or IPv6 address")
    return given


CustomerIp = Annotated[
    IPvAnyAddress,
    BeforeValidator(_address),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]


def _countable(at: datetime) -> datetime:
    # Near the ends of time the next day, or the same instant in another zone, cannot be named.
    if not FIRST_DAY < at.date() < LAST_DAY:
        raise ValueError(f"give an instant between {FIRST_DAY} and {LAST_DAY}")
    return at


CountableInstant = Annotated[AwareDatetime, AfterValidator(_countable)]


def shown(*examples: JsonDict) -> ConfigDict:
    """Return a configuration that refuses unknown members and shows what the body may look like."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})


class Given(BaseModel):
    """A body that comes in: unknown members are errors, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class ContactGiven(Given):
    """Exactly one of phone and e-mail (B13)."""

    model_config = shown({"phone": "090-0000-0012"}, {"email": "hanako@example.jp"})

    phone: PlainText | None = Field(
        None, max_length=40, examples=["090-0000-0012"], description="A mobile number, as the customer typed it."
    )
    email: PlainText | None = Field(None, max_length=254, examples=["hanako@example.jp"])

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.phone is None) == (self.email is None):
            raise ValueError("give exactly one of `phone` and `email`")
        return self


class SecondContactGiven(Given):
    """A mailbox beside the phone number, for links that an SMS cannot carry."""

    model_config = shown({"email": "hanako@example.jp"})

    email: PlainText = Field(max_length=254, examples=["hanako@example.jp"])


class BookingRequest(Given):
    """`POST /v1/bookings`."""

    model_config = shown(
        {
            "shop": "fred",
            "starts_at": "2026-12-01T05:00:00Z",
            "contact": {"phone": "090-0000-0012"},
            "customer_ip": "192.0.2.10",
            "language": "ja",
            "memo": "婚約指輪を見たいです。",
            "item_codes": ["R-1024"],
        },
        {
            "shop": "fred",
            "starts_at": "2026-12-01T05:00:00Z",
            "contact": {"phone": "090-0000-0012"},
            "second_contact": {"email": "hanako@example.jp"},
            "customer_ip": "192.0.2.10",
        },
    )

    shop: str = Field(max_length=64, pattern=r"^[a-z][a-z0-9-]*$", examples=["fred"])
    starts_at: CountableInstant = Field(
        description="The start of a free slot; any offset, the instant counts.", examples=["2026-12-01T05:00:00Z"]
    )
    contact: ContactGiven
    second_contact: SecondContactGiven | None = Field(
        None,
        # A request without it must be the same, under its idempotency key, as before there was such a member.
        exclude_if=lambda given: given is None,
        description="Beside a `phone` only. It gets no code, and only what an SMS cannot carry: the messages with "
        "links, where the SMS go by a route that drops those, and a message that was filtered or lost on its way.",
    )
    customer_ip: CustomerIp = Field(
        description="The customer's own address, for limits; kept only as an HMAC.", examples=["192.0.2.10"]
    )
    language: Literal["ja", "en"] | None = Field(None, description="Of messages and pages; the shop's when absent.")
    name: PlainText | None = Field(None, max_length=100, description="What staff may call the customer.")
    memo: PlainText | None = Field(None, max_length=1000, description="What the customer wants to talk about (B3).")
    menu: str | None = Field(
        None,
        max_length=64,
        pattern=r"^[a-z][a-z0-9-]*$",
        exclude_if=lambda given: given is None,
        description="One of the shop's menus; its first when absent.",
    )
    purpose: VisitPurpose | None = Field(
        None, exclude_if=lambda given: given is None, description="What the customer wants, in a word (B3)."
    )
    item_codes: list[Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]] = Field(
        default_factory=list, max_length=20, description="Items the customer came from (B5)."
    )
    entry_point: EntryPoint | None = Field(None, description="The page the customer came from (B6).")
    source_url: PlainText | None = Field(None, max_length=500, description="Its address (B6).")

    @field_validator("second_contact")
    @classmethod
    def _beside_a_phone(cls, given: SecondContactGiven | None, others: ValidationInfo) -> SecondContactGiven | None:
        contact = others.data.get("contact")
        # What is never used is not asked for.
        if given is not None and contact is not None and contact.phone is None:
            raise ValueError("give it beside a `phone` only: to an `email` everything goes anyway")
        return given


class CodeGiven(Given):
    """`POST …/code`."""

    model_config = shown({"code": "482913"})

    code: str = Field(max_length=20, examples=["482913"])


class ChangeRequest(Given):
    """`POST …/change`."""

    model_config = shown({"starts_at": "2026-12-02T05:00:00Z", "expected_revision": 1})

    starts_at: CountableInstant = Field(description="The start of a free slot.", examples=["2026-12-02T05:00:00Z"])
    expected_revision: int = Field(ge=1, le=255, description="The revision the customer decided on.")
    accept_final: bool = Field(
        default=False, description="The customer knows that the new time cannot be changed or cancelled any more."
    )


class CancelRequest(Given):
    """`POST …/cancel`."""

    model_config = shown({"expected_revision": 1})

    expected_revision: int = Field(ge=1, le=255, description="The revision the customer decided on.")


class MoveRequest(Given):
    """`POST …/move`."""

    model_config = shown({"starts_at": "2026-12-02T05:00:00Z", "expected_revision": 1, "reason": "staff_ill"})

    starts_at: CountableInstant = Field(
        description="The start of a free slot of the shop's, an hour ahead at least.", examples=["2026-12-02T05:00:00Z"]
    )
    expected_revision: int = Field(ge=1, le=255, description="The revision that the shop decided on.")
    reason: str = Field(
        pattern=r"^[a-z][a-z0-9_]{2,39}$",
        description="A code of your own; never personal data.",
        examples=["staff_ill"],
    )


class WithdrawRequest(Given):
    """`POST …/withdraw`."""

    model_config = shown({"reason": "staff_ill"})

    reason: str = Field(
        pattern=r"^[a-z][a-z0-9_]{2,39}$",
        description="A code of your own; never personal data.",
        examples=["staff_ill"],
    )


def shop_out(shop: Shop) -> dict[str, Any]:
    """Return a shop as callers see it."""
    return {
        "id": shop.id,
        "name": {"ja": shop.name_ja, "en": shop.name_en},
        "short_name": shop.short_name,
        "zone": shop.zone,
        "slot_minutes": shop.calendar.slot_minutes,
        "page_url": shop.page_url,
        "booking_page_url": links.shop_page_url(shop),
        "privacy_url": shop.privacy_url,
        "contact_url": shop.contact_url,
    }


def slot_out(slot: Slot) -> dict[str, Any]:
    """Return a slot."""
    return {"starts_at": instant(slot.starts_at), "ends_at": instant(slot.ends_at)}


def code_out(verification: Verification) -> dict[str, Any]:
    """Return what a form needs that asks for a code: never the code."""
    return {
        "expires_at": instant(verification.expires_at),
        "attempts_left": verification.attempts_left,
        "resends_left": max(0, MOST_RESENDS + 1 - verification.sends),
        "resend_at": instant(verification.last_sent_at + COOL_DOWN),
        "page_host": verification.page_host or settings().public_host,
    }


def stop_out(stop: Suspension) -> dict[str, Any]:
    """Return a suspension as a customer is told of it."""
    return {"notice_url": stop.notice_url, "ends_at": instant(stop.ends_at)}


def booking_out(
    session: Session, booking: Booking, verification: Verification | None, *, now: datetime
) -> dict[str, Any]:
    """Return a booking: never a contact, a name or a code; its links once it is confirmed (B16, B19)."""
    shop = session.get_one(Shop, booking.shop_id)
    live = booking.status in {Status.CONFIRMED, Status.IN_CALL}
    out: dict[str, Any] = {
        "id": str(booking.id),
        "reference": booking.reference,
        "shop": booking.shop_id,
        "status": booking.status,
        "revision": booking.revision,
        "starts_at": instant(booking.starts_at),
        "ends_at": instant(booking.ends_at),
        "zone": booking.shop_zone,
        "menu": booking.menu_id,
        "purpose": booking.purpose,
        "channel": booking.channel,
        "language": booking.language,
        "change_deadline_at": instant(booking.change_deadline_at),
        "can_change": suspending.can_change(session, booking, now),
        "confirmed_at": instant(booking.confirmed_at),
        "released_because": booking.released_because,
        "cancelled_by": booking.cancelled_by,
        "contact_url": shop.contact_url,
    }
    if booking.status is Status.HELD and verification is not None:
        out["hold_expires_at"] = instant(booking.hold_expires_at)
        out["code"] = code_out(verification)
    if live:
        out["call_url"] = links.call_url(booking, Side.CUSTOMER)
        out["booking_page_url"] = links.booking_page_url(booking)
        out["entry_opens_at"] = instant(booking.entry_opens_at)
        out["entry_closes_at"] = instant(booking.entry_closes_at)
    return out
