"""The shapes that go out, each with an example. They describe: answers leave as they are made, and tests compare."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from api.call_answers import CallShown
from api.case_answers import CaseNow
from api.resources import shown
from api.shop_answers import ConflictShown
from api.suspension_answers import StopShown
from models.booking import Cause, Released, Status, VisitPurpose
from models.call import Refused
from models.call import Status as CallStatus
from models.customer import Channel
from models.disclosure import State as CaseState
from models.message import Kind, State, WhenUnknown
from models.paper import Standing
from models.roles import Operation, Role
from models.webhook import Cause as DeliveryCause
from models.webhook import DisabledBecause, EventType
from models.webhook import State as DeliveryState
from models.work import Work

Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]

_BOOKING_ID = "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911"
_REQUEST_ID = "0197e3a2-5d00-7b20-9d33-0b1f4b1f3822"
_MESSAGE_ID = "0197e3a2-6a00-7d40-8f11-2d3f2d3f1622"
_ENDPOINT_ID = "0197e3a2-6f00-7c10-8a55-2b1f6b1f5a11"
_DELIVERY_ID = "0197e3a2-7b10-7d20-9c66-3c2f7c2f6b22"
_EVENT_ID = "0197e3a2-7a00-7b30-8d77-4d3f8d3f7c33"

_SHOP: JsonDict = {
    "id": "fred",
    "name": {"ja": "FRED 銀座本店", "en": "FRED Ginza"},
    "short_name": "FRED",
    "zone": "Asia/Tokyo",
    "slot_minutes": 30,
    "page_url": "https://fred.example.jp/",
    "booking_page_url": "https://toritsugi.example.jp/s/fred",
    "privacy_url": "https://fred.example.jp/privacy",
    "contact_url": "https://fred.example.jp/contact",
}
_SLOT: JsonDict = {"starts_at": "2026-12-01T05:00:00Z", "ends_at": "2026-12-01T05:30:00Z"}
_CODE: JsonDict = {
    "expires_at": "2026-11-28T03:10:00Z",
    "attempts_left": 5,
    "resends_left": 3,
    "resend_at": "2026-11-28T03:01:00Z",
    "page_host": "toritsugi.example.jp",
}
_BOOKING: JsonDict = {
    "id": _BOOKING_ID,
    "reference": "5A0F-4911",
    "shop": "fred",
    "status": "held",
    "revision": 1,
    "starts_at": "2026-12-01T05:00:00Z",
    "ends_at": "2026-12-01T05:30:00Z",
    "zone": "Asia/Tokyo",
    "menu": None,
    "purpose": None,
    "channel": "sms",
    "language": "ja",
    "change_deadline_at": "2026-11-30T15:00:00Z",
    "can_change": False,
    "confirmed_at": None,
    "released_because": None,
    "cancelled_by": None,
    "contact_url": "https://fred.example.jp/contact",
    "hold_expires_at": "2026-11-28T03:10:00Z",
    "code": _CODE,
}
_CONFIRMED: JsonDict = {
    **{name: value for name, value in _BOOKING.items() if name not in {"hold_expires_at", "code"}},
    "status": "confirmed",
    "can_change": True,
    "confirmed_at": "2026-11-28T03:01:12Z",
    "call_url": "https://toritsugi.example.jp/c/AZfjol4AehCMRBoPWg9JEQEB",
    "booking_page_url": "https://toritsugi.example.jp/b/AZfjol4AehCMRBoPWg9JEQIB",
    "entry_opens_at": "2026-12-01T04:50:00Z",
    "entry_closes_at": "2026-12-01T05:45:00Z",
}
_MESSAGE: JsonDict = {
    "id": _MESSAGE_ID,
    "kind": "booking_confirmed",
    "channel": "sms",
    "shop": "fred",
    "booking": _BOOKING_ID,
    "case": None,
    "to": "customer",
    "state": "unknown",
    "because": "timed_out",
    "created_at": "2026-11-28T03:01:12Z",
    "expires_at": "2026-12-01T05:45:00Z",
    "when_unknown": "a_person_decides",
    "attempts": [
        {
            "id": "0197e3a2-6a10-7e50-9f00-3e4f3e4f2733",
            "vendor": "twilio",
            "started_at": "2026-11-28T03:01:13Z",
            "answer": "unknown",
            "code": "timed_out",
            "reference": None,
        }
    ],
}
_ENDPOINT: JsonDict = {
    "id": _ENDPOINT_ID,
    "url": "https://hooks.example.com/toritsugi",
    "label": "our site",
    "types": ["booking.confirmed", "booking.cancelled"],
    "enabled": True,
    "created_at": "2026-12-01T03:00:00Z",
    "disabled_at": None,
    "disabled_because": None,
    "failing_since": None,
    "failures": 0,
    "paused_until": None,
}
_DELIVERY: JsonDict = {
    "id": _DELIVERY_ID,
    "event_id": _EVENT_ID,
    "type": "booking.confirmed",
    "occurred_at": "2026-12-01T03:00:12Z",
    "cause": "event",
    "state": "waiting",
    "because": None,
    "next_attempt_at": "2026-12-01T03:00:18Z",
    "ended_at": None,
    "attempts": [
        {
            "number": 1,
            "started_at": "2026-12-01T03:00:12Z",
            "ended_at": "2026-12-01T03:00:13Z",
            "status": 500,
            "error": None,
        }
    ],
}
_ACCEPTED: JsonDict = {"delivery_id": _DELIVERY_ID, "event_id": _EVENT_ID, "state": "waiting"}
_RESEND: JsonDict = {
    "id": "0197e3a2-8c20-7e40-8e88-5e4f9e4f8d44",
    "from": "2026-11-30T00:00:00Z",
    "to": "2026-12-01T00:00:00Z",
    "include_delivered": False,
    "found": 12,
    "ended_at": "2026-12-01T03:05:00Z",
}

_ENTRY: JsonDict = {"id": "m-1024", "revision": 1, "updated_at": "2030-06-03T01:00:00Z"}


class Names(BaseModel):
    """A shop's full name."""

    model_config = shown({"ja": "FRED 銀座本店", "en": "FRED Ginza"})

    ja: str
    en: str


class ShopShown(BaseModel):
    """A shop as callers see it (B1)."""

    model_config = shown(_SHOP)

    id: str = Field(description="Part of addresses; it never changes.")
    name: Names
    short_name: str = Field(description="As it stands in SMS.")
    zone: str = Field(description="IANA name of the zone of all its hours and deadlines.")
    slot_minutes: int = Field(ge=5, description="How long a call may take.")
    page_url: Url
    booking_page_url: Url = Field(description="Where a customer books: the shop's own page, or ours.")
    privacy_url: Url
    contact_url: Url = Field(description="Where to ask once nothing can be changed any more (B30).")


class ShopList(BaseModel):
    """The shops that take bookings."""

    model_config = shown({"shops": [_SHOP]})

    shops: list[ShopShown]


class SlotShown(BaseModel):
    """A time at which a call may be booked."""

    model_config = shown(_SLOT)

    starts_at: AwareDatetime
    ends_at: AwareDatetime


class SlotList(BaseModel):
    """The free slots of some days."""

    model_config = shown(
        {"shop": "fred", "menu": None, "zone": "Asia/Tokyo", "from": "2026-12-01", "to": "2026-12-07", "slots": [_SLOT]}
    )

    shop: str
    menu: str | None = Field(description="Whose calls they are as long as; null where the shop has no menus.")
    zone: str
    first_day: str = Field(alias="from", json_schema_extra={"format": "date"}, description="In the shop's zone.")
    last_day: str = Field(alias="to", json_schema_extra={"format": "date"}, description="Inclusive.")
    slots: list[SlotShown] = Field(description="In order; none that a suspension falls into.")
    suspended: StopShown | SkipJsonSchema[None] = Field(
        None,
        description="Only while the service is suspended: bookings can still be changed to these times, none be made.",
    )


class CodeShown(BaseModel):
    """What a form needs that asks for a code: never the code."""

    model_config = shown(_CODE)

    expires_at: AwareDatetime = Field(description="An exclusive end.")
    attempts_left: int = Field(ge=0)
    resends_left: int = Field(ge=0)
    resend_at: AwareDatetime = Field(description="From when the code may be sent again.")
    page_host: str = Field(description="The host that the message binds the code to, so that phones fill it in there.")


class BookingShown(BaseModel):
    """A booking: never a contact, a name or a code. Its links are there once it is confirmed (B16, B19)."""

    model_config = shown(_BOOKING, _CONFIRMED)

    id: UUID
    reference: str = Field(description="The number that a person reads out; it authorises nothing.")
    shop: str
    status: Status
    revision: int = Field(ge=1, description="1 at the hold, one more with each change.")
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    zone: str
    menu: str | None = Field(description="The shop's menu that was booked; null where it had none.")
    purpose: VisitPurpose | None
    channel: Channel
    language: Literal["ja", "en"]
    change_deadline_at: AwareDatetime = Field(
        description="Until when it may be changed or cancelled, exclusively (B20)."
    )
    can_change: bool = Field(description="Whether a change or cancellation received now is in time.")
    confirmed_at: AwareDatetime | None
    released_because: Released | None
    cancelled_by: Cause | None
    contact_url: Url
    hold_expires_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="While it is held.")
    code: CodeShown | SkipJsonSchema[None] = Field(None, description="While it is held.")
    call_url: Url | SkipJsonSchema[None] = Field(None, description="While it is confirmed.")
    booking_page_url: Url | SkipJsonSchema[None] = Field(None, description="While it is confirmed.")
    entry_opens_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="While it is confirmed.")
    entry_closes_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="While it is confirmed.")


class VerificationShown(BaseModel):
    """The proof of a contact: never the contact or the code."""

    model_config = shown(
        {
            "id": "0197e3a2-6500-7c30-9e22-1c2f3c2f2733",
            "status": "pending",
            "channel": "sms",
            "approved_at": None,
            "code": _CODE,
        }
    )

    id: UUID
    status: Literal["pending", "approved", "exhausted", "expired"]
    channel: Channel
    approved_at: AwareDatetime | None
    code: CodeShown


class AttemptShown(BaseModel):
    """One call to a vendor."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    vendor: str
    started_at: AwareDatetime
    answer: Literal["accepted", "refused", "try_later", "unknown"] | None = Field(description="null while it is made.")
    code: str | None
    reference: str | None = Field(description="The vendor's own id of the message.")


class MessageShown(BaseModel):
    """A message and what became of it: never its text or address."""

    model_config = shown(_MESSAGE)

    id: UUID
    kind: Kind
    channel: Channel
    shop: str | None = Field(description="null for the notices of a disclosure case.")
    booking: UUID | None
    case: UUID | None
    to: Literal["customer", "shop", "applicant", "counterparty"]
    state: State
    because: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime = Field(description="An exclusive end of its use.")
    when_unknown: WhenUnknown
    attempts: list[AttemptShown] = Field(description="In order.")


class MessageList(BaseModel):
    """Messages in one state, the oldest first."""

    model_config = shown({"messages": [_MESSAGE]})

    messages: list[MessageShown]


class LiftShown(BaseModel):
    """Whether the address was silenced at all."""

    model_config = shown({"lifted": True})

    lifted: bool


class ShareShown(BaseModel):
    """What part of its channel an account carries now."""

    model_config = shown({"name": "twilio", "share": 70.0, "fixed": True})

    name: str
    share: float = Field(ge=0)
    fixed: bool = Field(description="Whether a person fixed it; else it drifts.")


class JobShown(BaseModel):
    """A job that is owed."""

    model_config = shown(
        {
            "id": "0197e3a2-6900-7f60-8a99-4f5f4f5f3844",
            "name": "booking.confirm_booking",
            "queue": "bookings",
            "args": {"booking_id": _BOOKING_ID, "revision": 1},
            "state": "waiting",
            "due_at": "2026-11-28T03:01:12Z",
            "rings": 0,
            "failures": 0,
            "last_error": None,
        }
    )

    id: UUID
    name: str = Field(description="`noun.verb_object`.")
    queue: str
    args: dict[str, str | int | list[str] | None] = Field(description="Ids and numbers.")
    state: Literal["waiting", "handed_over", "parked"]
    due_at: AwareDatetime | None = Field(description="null for a link of a chain that waits for the one before it.")
    rings: int = Field(ge=0, description="How often a worker was told of it.")
    failures: int = Field(ge=0)
    last_error: str | None = Field(description="The error's class.")


class EndpointShown(BaseModel):
    """An endpoint of webhooks: whether it is called, and since when it fails."""

    model_config = shown(_ENDPOINT)

    id: UUID
    url: str
    label: str
    types: list[EventType] | None = Field(description="Which events; null for all.")
    enabled: bool
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None
    disabled_because: DisabledBecause | None
    failing_since: AwareDatetime | None
    failures: int = Field(ge=0, description="Since its last success.")
    paused_until: AwareDatetime | None = Field(description="No call is made before.")


class EndpointWithSecret(EndpointShown):
    """An endpoint with the secret that was just made for it; it is not shown again."""

    model_config = shown({**_ENDPOINT, "secret": "whsec_" + "A" * 43 + "="})

    secret: str = Field(pattern=r"^whsec_[A-Za-z0-9+/]+=*$")


class EndpointList(BaseModel):
    """The caller's endpoints."""

    model_config = shown({"endpoints": [_ENDPOINT]})

    endpoints: list[EndpointShown]


class DeliveryAttempt(BaseModel):
    """One call to an endpoint."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(ge=1)
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    status: int | None = Field(description="HTTP status, if there was an answer.")
    error: str | None = Field(description="Why there was none, such as `timed_out`.")


class DeliveryShown(BaseModel):
    """What became of one event at one endpoint."""

    model_config = shown(_DELIVERY)

    id: UUID
    event_id: UUID = Field(description="The `webhook-id` of every attempt.")
    type: EventType
    occurred_at: AwareDatetime
    cause: DeliveryCause
    state: DeliveryState
    because: str | None
    next_attempt_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    attempts: list[DeliveryAttempt]


class DeliveryList(BaseModel):
    """A page of deliveries, the newest first."""

    model_config = shown({"deliveries": [_DELIVERY], "next_before": None})

    deliveries: list[DeliveryShown]
    next_before: UUID | None = Field(description="Give it as `before` to see the next page.")


class DeliveryAccepted(BaseModel):
    """A delivery that is owed now."""

    model_config = shown(_ACCEPTED)

    delivery_id: UUID
    event_id: UUID
    state: DeliveryState


class ResendShown(BaseModel):
    """How far the resending of a span has come."""

    model_config = shown(_RESEND)

    id: UUID
    from_at: AwareDatetime = Field(alias="from")
    until_at: AwareDatetime = Field(alias="to", description="An exclusive end.")
    include_delivered: bool
    found: int = Field(ge=0, description="Events that are sent again, so far.")
    ended_at: AwareDatetime | None


class ResendAccepted(RootModel[DeliveryAccepted | ResendShown]):
    """One event is a delivery; the events of a span are a resend of their own."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ACCEPTED, _RESEND]})


class EntryShown(BaseModel):
    """Something that was fed: how often and when it changed, and nothing of what it says."""

    model_config = shown(_ENTRY)

    id: str = Field(description="As it stands in the address.")
    revision: int = Field(ge=1, description="1 at first, one more with each change.")
    updated_at: AwareDatetime = Field(description="When it was last told anew.")


class EntryFed(EntryShown):
    """What became of something that was fed."""

    model_config = shown({**_ENTRY, "warnings": []})

    warnings: list[Literal["later_change_known", "window_outlasts_eligibility"]] = Field(
        description="What was accepted and should be looked at."
    )


class MessagesFed(BaseModel):
    """How many messages were told for the first time."""

    model_config = shown({"added": 1, "known_already": 0})

    added: int = Field(ge=0)
    known_already: int = Field(ge=0, description="They stay as they were first told.")


class Alive(BaseModel):
    """The process answers."""

    model_config = shown({"status": "ok"})

    status: Literal["ok"]


class Ready(BaseModel):
    """The process can do its work."""

    model_config = shown({"status": "ok", "skew_seconds": 0.012, "parked_jobs": 0})

    status: Literal["ok"]
    skew_seconds: float = Field(ge=0, description="How far the host's clock is off the database's.")
    parked_jobs: int = Field(ge=0, description="Jobs that wait for a person's decision.")


class Fault(BaseModel):
    """One thing that is wrong with a request. What was sent is not repeated: it may be personal data."""

    model_config = ConfigDict(extra="forbid")

    pointer: str = Field(
        description="A JSON pointer into the body, or `/query/…`, `/path/…`, `/header/…`.", examples=["/starts_at"]
    )
    detail: str


class ProblemShown(BaseModel):
    """An answer that is not what was asked for (RFC 9457), with a stable `code`."""

    model_config = shown(
        {
            "type": "https://toritsugi.example.jp/problems/slot_taken",
            "title": "Slot taken",
            "status": 409,
            "detail": "This time has just been taken. Please choose one of the others.",
            "code": "slot_taken",
            "request_id": _REQUEST_ID,
            "shop_id": "fred",
            "starts_at": "2026-12-01T05:00:00+00:00",
            "contact_url": "https://fred.example.jp/contact",
            "free_slots": [_SLOT],
        }
    )

    type: Url
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What happened and what to do, for a person.")
    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="For programs.")
    request_id: str
    errors: list[Fault] | SkipJsonSchema[None] = Field(None, description="Each fault of the request.")
    free_slots: list[SlotShown] | SkipJsonSchema[None] = Field(None, description="What can be had instead.")
    booking: BookingShown | SkipJsonSchema[None] = Field(None, description="The booking as it stands now.")
    document_id: str | SkipJsonSchema[None] = None
    earliest_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="From when on it would be possible.")
    conflicts: list[ConflictShown] | SkipJsonSchema[None] = Field(
        None, description="Standing bookings that new rules would not allow; the first hundred, the rest by a preview."
    )
    conflicts_found: int | SkipJsonSchema[None] = Field(None, description="How many there are.")
    conflicts_digest: str | SkipJsonSchema[None] = Field(None, description="What accepts exactly these.")
    version: int | str | SkipJsonSchema[None] = Field(None, description="The version that is in force.")
    contact_url: Url | SkipJsonSchema[None] = Field(None, description="Where to ask, if it concerns a shop.")
    notice_url: Url | SkipJsonSchema[None] = Field(None, description="The page that explains a suspension.")
    ends_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="An exclusive end, as far as it is known.")
    suspension_id: UUID | SkipJsonSchema[None] = None
    suspension_status: str | SkipJsonSchema[None] = None
    shop_id: str | SkipJsonSchema[None] = None
    block_id: UUID | SkipJsonSchema[None] = None
    customer_id: UUID | SkipJsonSchema[None] = None
    inquiry_id: UUID | SkipJsonSchema[None] = None
    inquiry_state: str | SkipJsonSchema[None] = None
    most: int | SkipJsonSchema[None] = Field(None, description="How many there may be.")
    open: str | SkipJsonSchema[None] = Field(None, description="What is still open: ids, with spaces between.")
    booking_id: UUID | SkipJsonSchema[None] = None
    booking_status: Status | SkipJsonSchema[None] = None
    verification_id: UUID | SkipJsonSchema[None] = None
    case_id: UUID | SkipJsonSchema[None] = None
    case_state: CaseState | SkipJsonSchema[None] = Field(None, description="Where the case stands now.")
    case: CaseNow | SkipJsonSchema[None] = Field(None, description="The case as it stands now, for people's work.")
    lacks: str | SkipJsonSchema[None] = Field(None, description="What must come first.")
    sections: str | SkipJsonSchema[None] = Field(None, description="Which sections were not agreed to.")
    decision_id: UUID | SkipJsonSchema[None] = None
    digest: str | SkipJsonSchema[None] = Field(None, description="Of what is proposed now.")
    item_id: UUID | SkipJsonSchema[None] = None
    paper_id: UUID | SkipJsonSchema[None] = None
    letter_id: UUID | SkipJsonSchema[None] = None
    standing: Standing | SkipJsonSchema[None] = Field(None, description="Where the item stands now.")
    work: Work | SkipJsonSchema[None] = None
    operation: Operation | SkipJsonSchema[None] = Field(None, description="What the person may not do.")
    roles: list[Role] | SkipJsonSchema[None] = Field(None, description="The roles one of which it takes.")
    stopped: bool | SkipJsonSchema[None] = Field(None, description="Whether releases are to be stopped.")
    stopped_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="Since when releases are stopped.")
    message_id: UUID | SkipJsonSchema[None] = None
    call_id: UUID | SkipJsonSchema[None] = None
    call_status: CallStatus | SkipJsonSchema[None] = Field(None, description="Where the call stands now.")
    call: CallShown | SkipJsonSchema[None] = Field(None, description="The call at once as it stands now.")
    because: Refused | SkipJsonSchema[None] = Field(None, description="Why nobody can be called.")
    booking_page_url: Url | SkipJsonSchema[None] = Field(None, description="Where to book instead.")
    opens_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="When the shop opens next.")
    documents: str | SkipJsonSchema[None] = Field(None, description="`id@version` of each that was not agreed to.")
    message_state: State | SkipJsonSchema[None] = None
    starts_at: AwareDatetime | SkipJsonSchema[None] = Field(None, description="The slot that was asked for.")
    yours: bool | SkipJsonSchema[None] = Field(None, description="The slot is taken by this very customer.")
    revision: int | SkipJsonSchema[None] = Field(None, description="The booking's present one.")
    change_deadline_at: AwareDatetime | SkipJsonSchema[None] = None
    most_changes: int | SkipJsonSchema[None] = None
    attempts_left: int | SkipJsonSchema[None] = None
    retry_at: AwareDatetime | SkipJsonSchema[None] = None
