"""The shapes of calls at once that go out, each with an example: whether one can call, a call, who is there."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field
from pydantic.config import JsonDict
from sqlalchemy.orm import Session

from api.resources import instant, shown
from models.booking import Side
from models.call import Call, EndReason, FailedSide, Refused, Status
from models.shop import Shop
from models.staff import PresenceState, StaffMember
from models.terms import TermsDocument
from worker import links
from worker.calls.availability import Availability, Because

Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]

_CALL_ID = "0197e3a2-8c00-7d40-8f11-2d3f2d3f1622"
_TERMS: JsonDict = {
    "id": "platform-terms",
    "version": "2021-09-28",
    "url": "https://toritsugi.example.jp/terms/2021-09-28",
}
_AVAILABLE: JsonDict = {
    "shop": "fred",
    "available": True,
    "because": "open",
    "opens_at": None,
    "call_page_url": "https://toritsugi.example.jp/s/fred/call",
    "booking_page_url": "https://toritsugi.example.jp/s/fred",
    "terms": [
        _TERMS,
        {
            "id": "provider-terms-jitsi",
            "version": "development-1",
            "url": "https://toritsugi.example.jp/terms/provider-terms-jitsi/development-1",
        },
    ],
    "notice_url": None,
    "suspended_until": None,
}
_CALL: JsonDict = {
    "id": _CALL_ID,
    "shop": "fred",
    "status": "ringing",
    "language": "ja",
    "requested_at": "2026-12-01T05:00:00Z",
    "rings_until": "2026-12-01T05:01:00Z",
    "answered_at": None,
    "staff": None,
    "waited_seconds": None,
    "talked_seconds": 0,
    "ended_at": None,
    "end_reason": None,
    "failed_side": None,
    "refused_because": None,
    "page_url": "https://toritsugi.example.jp/n/F5fjolaMAH1AjxEtPy0_FiIq",
    "enter_url": None,
    "booking_page_url": "https://toritsugi.example.jp/s/fred",
}
_ANSWERED: JsonDict = {
    **_CALL,
    "status": "connected",
    "answered_at": "2026-12-01T05:00:12Z",
    "staff": {"id": "hana", "name": {"ja": "花", "en": "Hana"}},
    "waited_seconds": 12,
    "enter_url": "https://toritsugi.example.jp/n/FZfjolaMAH1AjxEtPy0_FiIq",
}


class TermsShown(BaseModel):
    """One document that whoever calls agrees to by calling."""

    model_config = shown(_TERMS)

    id: str
    version: str
    url: Url


class AvailabilityShown(BaseModel):
    """Whether a shop can be called now (対応可能), and what to do if not (B7)."""

    model_config = shown(
        _AVAILABLE, {**_AVAILABLE, "available": False, "because": "closed", "opens_at": "2026-12-02T02:00:00Z"}
    )

    shop: str
    available: bool
    because: Because
    opens_at: AwareDatetime | None = Field(description="When a closed shop opens next.")
    call_page_url: Url = Field(description="Where a customer presses 開始.")
    booking_page_url: Url = Field(description="What to offer instead.")
    terms: list[TermsShown] = Field(description="What a caller agrees to: name each in `accepted_terms` (B27, B35).")
    notice_url: Url | None = Field(description="Why the service is suspended.")
    suspended_until: AwareDatetime | None = Field(description="null while nobody knows.")


class StaffNames(BaseModel):
    """A name that customers may read."""

    model_config = shown({"ja": "花", "en": "Hana"})

    ja: str
    en: str


class StaffShown(BaseModel):
    """Who answered."""

    model_config = shown({"id": "hana", "name": {"ja": "花", "en": "Hana"}})

    id: str
    name: StaffNames


class CallShown(BaseModel):
    """A call at once: never a contact or a name of whoever calls."""

    model_config = shown(_CALL, _ANSWERED)

    id: UUID
    shop: str
    status: Status
    language: Literal["ja", "en"]
    requested_at: AwareDatetime
    rings_until: AwareDatetime | None = Field(description="An exclusive end.")
    answered_at: AwareDatetime | None
    staff: StaffShown | None
    waited_seconds: int | None = Field(ge=0, description="null while it rings.")
    talked_seconds: int = Field(ge=0, description="Of a call that is over.")
    ended_at: AwareDatetime | None
    end_reason: EndReason | None
    failed_side: FailedSide | None
    refused_because: Refused | None
    page_url: Url = Field(description="Where the caller waits, and enters.")
    enter_url: Url | None = Field(description="The customer's entry: it opens the room one time, for ten minutes.")
    booking_page_url: Url = Field(description="What to offer when nobody answers.")


class CallTakenShown(CallShown):
    """A call that was just taken, with the entry of whoever took it."""

    model_config = shown({**_ANSWERED, "staff_enter_url": "https://toritsugi.example.jp/n/FpfjolaMAH1AjxEtPy0_FiIq"})

    staff_enter_url: Url | None = Field(description="It opens the room one time, for ten minutes.")


class PresenceShown(BaseModel):
    """What a heartbeat made of somebody."""

    model_config = shown({"shop": "fred", "staff": "hana", "state": "idle", "fresh_until": "2026-12-01T05:00:45Z"})

    shop: str
    staff: str
    state: PresenceState = Field(description="`busy` in a call, else what they said last.")
    fresh_until: AwareDatetime = Field(description="By when to send the next one; every 15 seconds is well.")


def terms_out(document: TermsDocument) -> dict[str, str]:
    """Return a document that is to be agreed to."""
    return {"id": document.id, "version": document.version, "url": document.url}


def availability_out(shop: Shop, found: Availability, documents: list[TermsDocument]) -> dict[str, Any]:
    """Return whether a shop can be called; the same as long as nothing changes, so that its ETag is."""
    stop = found.suspension
    return {
        "shop": shop.id,
        "available": found.is_available,
        "because": found.because,
        "opens_at": instant(found.opens_at),
        "call_page_url": links.call_now_page_url(shop),
        "booking_page_url": links.shop_page_url(shop),
        "terms": [terms_out(document) for document in documents],
        "notice_url": stop.notice_url if stop else None,
        "suspended_until": instant(stop.ends_at) if stop else None,
    }


def call_out(session: Session, call: Call, *, now: datetime) -> dict[str, Any]:
    """Return a call as the system sees it that asked for it; a ring ends for it in time, whenever its timer comes."""
    rang_out = call.has_rung_out(now)
    shop = session.get_one(Shop, call.shop_id)
    member = session.get(StaffMember, (call.shop_id, call.staff_id)) if call.staff_id else None
    may_enter = call.status is Status.CONNECTED and call.customer_entered_at is None
    return {
        "id": str(call.id),
        "shop": call.shop_id,
        "status": call.status_at(now),
        "language": call.language,
        "requested_at": instant(call.requested_at),
        "rings_until": instant(call.rings_until),
        "answered_at": instant(call.answered_at),
        "staff": {"id": member.id, "name": {"ja": member.name_ja, "en": member.name_en}} if member else None,
        "waited_seconds": call.waited_seconds_at(now),
        "talked_seconds": call.talked_seconds,
        "ended_at": instant(call.rings_until if rang_out else call.ended_at),
        "end_reason": EndReason.NO_ANSWER if rang_out else call.end_reason,
        "failed_side": call.failed_side,
        "refused_because": call.refused_because,
        "page_url": links.caller_page_url(call.id),
        "enter_url": links.call_now_url(call.id, Side.CUSTOMER) if may_enter else None,
        "booking_page_url": links.shop_page_url(shop),
    }


def taken_out(session: Session, call: Call, *, now: datetime) -> dict[str, Any]:
    """Return a call as the member of the staff sees it who took it."""
    may_enter = call.status is Status.CONNECTED and call.staff_entered_at is None
    entry = links.call_now_url(call.id, Side.STAFF) if may_enter else None
    return {**call_out(session, call, now=now), "staff_enter_url": entry}
