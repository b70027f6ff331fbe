"""The shapes that go out about customers, blocks, inquiries and retention, each with an example."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from api.resources import shown
from models.block import Because
from models.booking import Cause, Ended, EntryPoint, Released
from models.booking import Status as BookingStatus
from models.call import Status as CallStatus
from models.customer import Channel, Erased
from models.inquiry import Recipient, State, Topic
from models.message import Kind
from models.message import State as MessageState

_CUSTOMER_ID = "0197e3a2-5e00-7a10-8c44-1a0f5a0f4900"
_BOOKING_ID = "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911"
_INQUIRY_ID = "0197e3a2-8100-7b10-8c44-1a0f5a0f4922"
_REQUEST_ID = "0197e3a2-8200-7b10-8c44-1a0f5a0f4933"
_BLOCK_ID = "0197e3a2-8300-7b10-8c44-1a0f5a0f4944"

_INQUIRY: JsonDict = {
    "id": _INQUIRY_ID,
    "shop": "fred",
    "booking": _BOOKING_ID,
    "reference": "5A0F-4911",
    "topic": "video_call",
    "state": "handed_over",
    "recipient": "provider",
    "provider": "jitsi",
    "received_at": "2026-12-01T06:00:00Z",
    "handed_over_at": "2026-12-01T06:00:01Z",
    "answered_at": None,
    "contact_url": "https://fred.example.jp/contact",
}
_BLOCK: JsonDict = {
    "id": _BLOCK_ID,
    "shop": "fred",
    "because": "defamation",
    "article": "第8条(2)",
    "report": None,
    "created_at": "2026-12-02T01:00:00Z",
    "by": "person:sato",
    "lifted_at": None,
    "lifted_by": None,
}
_CUSTOMER: JsonDict = {
    "id": _CUSTOMER_ID,
    "shop": "fred",
    "channel": "sms",
    "created_at": "2026-11-28T03:00:00Z",
    "erased_at": None,
    "erased_because": None,
}
_BOOKING: JsonDict = {
    "id": _BOOKING_ID,
    "reference": "5A0F-4911",
    "status": "completed",
    "revision": 1,
    "language": "ja",
    "starts_at": "2026-12-01T05:00:00Z",
    "ends_at": "2026-12-01T05:30:00Z",
    "shop_zone": "Asia/Tokyo",
    "created_at": "2026-11-28T03:00:00Z",
    "confirmed_at": "2026-11-28T03:01:12Z",
    "ended_at": "2026-12-01T05:31:00Z",
    "released_because": None,
    "cancelled_by": None,
    "absent": None,
    "ended_because": "both_left",
    "displaced_at": None,
    "customer_entered_at": "2026-12-01T05:00:10Z",
    "staff_entered_at": "2026-12-01T04:59:50Z",
    "call_began_at": "2026-12-01T05:00:10Z",
    "customer_left_at": "2026-12-01T05:28:00Z",
    "staff_left_at": "2026-12-01T05:28:04Z",
    "staff_id": "hana",
    "entry_point": "shop_page",
    "menu_id": None,
    "item_codes": ["R-1024"],
    "purpose": None,
    "provider": "jitsi",
    "events": [
        {
            "at": "2026-11-28T03:01:12Z",
            "kind": "confirmed",
            "actor": "customer",
            "status": "confirmed",
            "facts": {},
        }
    ],
    "consents": [
        {
            "document_id": "platform-terms",
            "version": "2021-09-28",
            "url": "https://toritsugi.example.jp/terms/2021-09-28",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "accepted_at": "2026-11-28T03:01:12Z",
            "channel": "sms",
            "request_id": "0197e3a2-5d00-7b20-9d33-0b1f4b1f3822",
        }
    ],
    "governing": [
        {
            "document_id": "platform-terms",
            "version": "2021-09-28",
            "url": "https://toritsugi.example.jp/terms/2021-09-28",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "governs_at": "2026-12-01T05:00:10Z",
        }
    ],
    "call_facts": [],
}
_MESSAGE: JsonDict = {
    "id": "0197e3a2-6a00-7d40-8f11-2d3f2d3f1622",
    "kind": "booking_confirmed",
    "channel": "sms",
    "booking_id": _BOOKING_ID,
    "call_id": None,
    "state": "delivered",
    "because": None,
    "created_at": "2026-11-28T03:01:12Z",
    "ended_at": "2026-11-28T03:01:20Z",
    "to": "customer",
}
_REST: JsonDict = {
    "calls": [],
    "messages": [_MESSAGE],
    "verifications": [],
    "conduct_reports": [],
    "terms_notices": [],
    "blocks": [],
}


_INNER = ConfigDict(extra="forbid")


class InquiryShown(BaseModel):
    """An inquiry and who has it; what it says is opened by `POST …/open`."""

    model_config = shown(_INQUIRY)

    id: UUID
    shop: str
    booking: UUID
    reference: str = Field(description="The booking's number, as a person reads it out.")
    topic: Topic
    state: State
    recipient: Recipient | None = Field(description="Who answers it.")
    provider: str | None = Field(description="Which provider of video calls, if it is that.")
    received_at: AwareDatetime
    handed_over_at: AwareDatetime | None
    answered_at: AwareDatetime | None
    contact_url: str


class InquiryList(BaseModel):
    """Inquiries, the oldest first."""

    model_config = shown({"inquiries": [_INQUIRY], "after": None})

    inquiries: list[InquiryShown]
    after: UUID | None = Field(description="Ask for what comes after this one; null: that is all.")


class InquiryOpened(BaseModel):
    """What a customer wrote."""

    model_config = shown({"id": _INQUIRY_ID, "text": "音が聞こえません。"})

    id: UUID
    text: str | None = Field(description="null once the customer was erased.")


class BlockShown(BaseModel):
    """A contact that is not served; which contact nobody can read."""

    model_config = shown(_BLOCK)

    id: UUID
    shop: str | None = Field(description="null: no shop serves it.")
    because: Because
    article: str = Field(description="Where the terms of use prohibit it.")
    report: UUID | None = Field(description="The conduct report that led to it.")
    created_at: AwareDatetime
    by: str
    lifted_at: AwareDatetime | None
    lifted_by: str | None


class BlockList(BaseModel):
    """Blocks, the newest first."""

    model_config = shown({"blocks": [_BLOCK]})

    blocks: list[BlockShown]


class CustomerFound(BaseModel):
    """Which customer of the shop has the contact."""

    model_config = shown({"customer": _CUSTOMER_ID})

    customer: UUID | None = Field(description="null: the shop knows nobody with this contact (any more).")


class EventOf(BaseModel):
    """One line of a trail."""

    model_config = _INNER

    at: AwareDatetime
    kind: str
    actor: str
    status: str
    facts: dict[str, Any] = Field(description="Ids, numbers and instants.")


class ConsentOf(BaseModel):
    """What was agreed to."""

    model_config = _INNER

    document_id: str
    version: str
    url: str
    sha256: str
    accepted_at: AwareDatetime
    channel: str
    request_id: str


class GovernedOf(BaseModel):
    """Which terms governed the call when it began (B45)."""

    model_config = _INNER

    document_id: str
    version: str
    url: str
    sha256: str
    governs_at: AwareDatetime


class NoticeOf(BaseModel):
    """By which message the customer was told of a new version of the terms (B46)."""

    model_config = _INNER

    document_id: str
    version: str
    message_id: UUID
    at: AwareDatetime


class BlockOf(BaseModel):
    """That the contact is, or was, on the block list (B38); what the operator wrote is another person's."""

    model_config = _INNER

    id: UUID
    shop: str | None = Field(description="null: on that of all shops.")
    because: Because
    created_at: AwareDatetime
    lifted_at: AwareDatetime | None


class FactOf(BaseModel):
    """What a provider, or a page, told of a call."""

    model_config = _INNER

    at: AwareDatetime
    kind: str
    side: str
    source: str
    room: str | None
    participant: str | None
    error: str | None


class _Told(BaseModel):
    """What the customer wrote, in an export."""

    model_config = _INNER

    name: str | None = Field(default=None, description="In an export only.")
    memo: str | None = Field(default=None, description="In an export only.")
    source_url: str | None = Field(default=None, description="In an export only.")
    events: list[EventOf]
    consents: list[ConsentOf]
    governing: list[GovernedOf]
    call_facts: list[FactOf]


class BookingOf(_Told):
    """A customer's booking."""

    id: UUID
    reference: str
    status: BookingStatus
    revision: int
    language: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    shop_zone: str
    created_at: AwareDatetime
    confirmed_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    released_because: Released | None
    cancelled_by: Cause | None
    absent: str | None
    ended_because: Ended | None
    displaced_at: AwareDatetime | None = Field(description="When its time was taken away by us.")
    customer_entered_at: AwareDatetime | None
    staff_entered_at: AwareDatetime | None
    call_began_at: AwareDatetime | None
    customer_left_at: AwareDatetime | None
    staff_left_at: AwareDatetime | None
    staff_id: str | None
    entry_point: EntryPoint | None
    menu_id: str | None
    item_codes: list[str]
    purpose: str | None
    provider: str | None
    second_contact: str | None = Field(default=None, description="In an export only.")


class CallOf(_Told):
    """A customer's call at once."""

    id: UUID
    status: CallStatus
    refused_because: str | None
    language: str
    requested_at: AwareDatetime
    answered_at: AwareDatetime | None
    customer_entered_at: AwareDatetime | None
    staff_entered_at: AwareDatetime | None
    customer_left_at: AwareDatetime | None
    staff_left_at: AwareDatetime | None
    staff_id: str | None
    ended_at: AwareDatetime | None
    end_reason: str | None
    failed_side: str | None
    entry_point: EntryPoint | None
    item_codes: list[str]
    purpose: str | None
    provider: str | None


class MessageOf(BaseModel):
    """A message to the customer, or to the shop about them: never its text or address."""

    model_config = _INNER

    id: UUID
    kind: Kind
    channel: Channel
    booking_id: UUID | None
    call_id: UUID | None
    state: MessageState
    because: str | None
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    to: Literal["customer", "shop"]


class VerificationOf(BaseModel):
    """A proof of the contact."""

    model_config = _INNER

    id: UUID
    purpose: str
    channel: Channel
    sends: int
    attempts: int
    last_sent_at: AwareDatetime
    verified_at: AwareDatetime | None


class InquiryOf(BaseModel):
    """A customer's inquiry."""

    model_config = _INNER

    id: UUID
    booking_id: UUID
    topic: Topic
    state: State
    recipient: Recipient | None
    provider: str | None
    received_at: AwareDatetime
    answered_at: AwareDatetime | None
    text: str | None = Field(default=None, description="In an export only.")


class RequestOf(BaseModel):
    """What the customer was asked."""

    model_config = _INNER

    id: UUID
    at: AwareDatetime
    text: str | None = Field(default=None, description="In an export only.")


class ReportOf(BaseModel):
    """That staff reported something of a call; its words are another person's."""

    model_config = _INNER

    id: UUID
    booking_id: UUID | None
    call_id: UUID | None
    category: str
    state: str
    at: AwareDatetime


class CustomerOf(BaseModel):
    """The customer as the shop knows them."""

    model_config = _INNER

    id: UUID
    shop: str
    channel: Channel
    created_at: AwareDatetime
    erased_at: AwareDatetime | None
    erased_because: Erased | None
    contact: str | None = Field(default=None, description="In an export only.")


class TrailShown(BaseModel):
    """What happened with one customer at one shop. Nothing that is sealed, and no address."""

    model_config = shown(
        {
            "customer": _CUSTOMER,
            "bookings": [_BOOKING],
            **_REST,
            "inquiries": [],
            "requests": [{"id": _REQUEST_ID, "at": "2026-12-02T01:00:00Z"}],
        }
    )

    customer: CustomerOf
    bookings: list[BookingOf]
    calls: list[CallOf]
    messages: list[MessageOf]
    verifications: list[VerificationOf]
    inquiries: list[InquiryOf]
    requests: list[RequestOf]
    conduct_reports: list[ReportOf]
    terms_notices: list[NoticeOf]
    blocks: list[BlockOf]


class ExportShown(TrailShown):
    """Everything that is kept of one customer at one shop, with what is sealed opened: it is the customer's own."""

    model_config = shown(
        {
            "customer": {**_CUSTOMER, "contact": "+819000000012"},
            "bookings": [
                {
                    **_BOOKING,
                    "name": "山田",
                    "memo": "婚約指輪を見たいです。",
                    "source_url": None,
                    "second_contact": None,
                }
            ],
            **_REST,
            "inquiries": [],
            "requests": [
                {"id": _REQUEST_ID, "at": "2026-12-02T01:00:00Z", "text": "通話中の画面の写真をお送りください。"}
            ],
        }
    )


class RequestShown(BaseModel):
    """The message that was owed to the customer."""

    model_config = shown({"id": _REQUEST_ID, "customer": _CUSTOMER_ID, "at": "2026-12-02T01:00:00Z"})

    id: UUID
    customer: UUID
    at: AwareDatetime


class ErasureShown(BaseModel):
    """Since when nothing personal of the customer is kept, and why."""

    model_config = shown({"customer": _CUSTOMER_ID, "erased_at": "2026-12-02T01:00:00Z", "erased_because": "asked"})

    customer: UUID
    erased_at: AwareDatetime
    erased_because: Erased


class RetentionOf(BaseModel):
    """How one shop stands with what it keeps."""

    model_config = _INNER

    shop: str
    contact_days: int = Field(description="How long a contact is kept after the customer's last booking or call.")
    trail_days: int = Field(description="How long a booking's or a call's trail is kept after its end.")
    kept: int = Field(ge=0, description="Customers whose contact is kept.")
    due: int = Field(
        ge=0, description="Customers, callers without a contact and trails whose time is over; they go within the hour."
    )
    erased: dict[str, int] = Field(description="Why → how many.")
    trails: int = Field(ge=0, description="Bookings and calls whose trail is kept.")
    trails_gone: int = Field(ge=0)
    inquiries_overdue: int = Field(
        ge=0, description="Handed over more than 30 days ago without an answer written down; they keep no contact."
    )


class RetentionShown(BaseModel):
    """What is kept and what is gone, by shop."""

    model_config = shown(
        {
            "shops": [
                {
                    "shop": "fred",
                    "contact_days": 90,
                    "trail_days": 1826,
                    "kept": 120,
                    "due": 0,
                    "erased": {"asked": 2, "retention": 310},
                    "trails": 402,
                    "trails_gone": 0,
                    "inquiries_overdue": 1,
                }
            ]
        }
    )

    shops: list[RetentionOf]


class AuditEventShown(BaseModel):
    """One thing that somebody did about a shop's customers. Its reason is sealed."""

    model_config = _INNER

    number: int = Field(ge=1)
    at: AwareDatetime
    kind: str
    actor: str
    facts: dict[str, Any]
    reason: str | None = Field(description="null if there is none, or it went with the customer it was about.")


class AuditShown(BaseModel):
    """A part of a shop's chain, the first first."""

    model_config = shown(
        {
            "shop": "fred",
            "events": [
                {
                    "number": 1,
                    "at": "2026-12-02T01:00:00Z",
                    "kind": "trail_shown",
                    "actor": "person:sato",
                    "facts": {"customer_id": _CUSTOMER_ID, "sealed_for": _CUSTOMER_ID},
                    "reason": "問い合わせへの対応",
                }
            ],
        }
    )

    shop: str | None
    events: list[AuditEventShown]


__all__ = [
    "AuditShown",
    "BlockList",
    "BlockShown",
    "CustomerFound",
    "ErasureShown",
    "ExportShown",
    "InquiryList",
    "InquiryOpened",
    "InquiryShown",
    "RequestShown",
    "RetentionShown",
    "TrailShown",
]
