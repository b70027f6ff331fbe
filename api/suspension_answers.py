"""The shapes of what is told of suspensions, each with an example. They describe: answers leave as they are made."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field
from pydantic.config import JsonDict

from api.resources import shown
from models.booking import Status as BookingStatus
from models.suspension import Outcome, Reach, Status, Treatment

Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]

_ID = "0197e3a2-9d30-7f50-8b99-6f5fa05f9e55"
_BOOKING_ID = "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911"
_FOUND: JsonDict = {
    "id": _BOOKING_ID,
    "reference": "5A0F-4911",
    "shop": "fred",
    "status": "confirmed",
    "starts_at": "2026-12-01T05:00:00Z",
    "ends_at": "2026-12-01T05:30:00Z",
    "move_until": "2026-12-01T00:00:00Z",
}
_TREATED: JsonDict = {
    "id": _BOOKING_ID,
    "reference": "5A0F-4911",
    "shop": "fred",
    "status": "cancelled",
    "starts_at": "2026-12-01T05:00:00Z",
    "ends_at": "2026-12-01T05:30:00Z",
    "outcome": "withdrawn",
    "told_at": "2026-11-28T03:00:00Z",
}
_SUSPENSION: JsonDict = {
    "id": _ID,
    "reach": "global",
    "shop": None,
    "provider": None,
    "status": "planned",
    "treatment": "cancel",
    "starts_at": "2026-12-01T00:00:00Z",
    "ends_at": "2026-12-01T09:00:00Z",
    "prior_notice": True,
    "notice_at": "2026-11-28T03:00:00Z",
    "without_notice_because": None,
    "notice_url": "https://www.example.jp/news/maintenance",
    "reason": "maintenance 42",
    "created_at": "2026-11-27T03:00:00Z",
    "ended_at": None,
    "bookings": {"told": 12, "kept": 0, "withdrawn": 0, "moved_away": 0, "untouched": 0},
    "events": [{"at": "2026-11-27T03:00:00Z", "kind": "planned", "by": "key:desk"}],
}


class StopShown(BaseModel):
    """A suspension as a customer is told of it."""

    model_config = shown({"notice_url": "https://www.example.jp/news/maintenance", "ends_at": "2026-12-01T09:00:00Z"})

    notice_url: Url = Field(description="The page that explains it.")
    ends_at: AwareDatetime | None = Field(description="An exclusive end; null while nobody knows it.")


class FoundBooking(BaseModel):
    """A booking that a suspension would concern."""

    model_config = shown(_FOUND)

    id: UUID
    reference: str
    shop: str
    status: BookingStatus
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    move_until: AwareDatetime | None = Field(
        description="Until when its customer may choose another time; then it is cancelled. Null: it is kept."
    )


class PreviewShown(BaseModel):
    """Whom a suspension would concern, if it were decided now (B40)."""

    model_config = shown({"holds": 2, "bookings": 1, "first": [_FOUND]})

    holds: int = Field(ge=0, description="Holds that would be released if it began now.")
    bookings: int = Field(ge=0, description="Confirmed bookings inside the interval.")
    first: list[FoundBooking] = Field(description="The first hundred of them, by their time.")


class EventShown(BaseModel):
    """One line of its trail (B43)."""

    model_config = shown({"at": "2026-11-27T03:00:00Z", "kind": "planned", "by": "key:desk"})

    at: AwareDatetime
    kind: str
    by: str


class OutcomesShown(BaseModel):
    """How many bookings it found, by what became of them, as far as the key may see their shops."""

    model_config = shown({"told": 12, "kept": 0, "withdrawn": 0, "moved_away": 0, "untouched": 0})

    told: int = Field(ge=0, description="Their customers know; nothing else has become of them yet.")
    kept: int = Field(ge=0, description="They stood: it keeps them, or their calls had begun.")
    withdrawn: int = Field(ge=0)
    moved_away: int = Field(ge=0, description="Moved or cancelled before it could touch them.")
    untouched: int = Field(ge=0, description="Told, and left alone after all.")


class SuspensionShown(BaseModel):
    """A suspension as it stands (B40 to B42)."""

    model_config = shown(_SUSPENSION)

    id: UUID
    reach: Reach
    shop: str | None
    provider: str | None
    status: Status
    treatment: Treatment
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = Field(description="An exclusive end; null: until it is lifted.")
    prior_notice: bool = Field(description="Whether those affected are told before it begins.")
    notice_at: AwareDatetime | None
    without_notice_because: str | None
    notice_url: Url
    reason: str
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    bookings: OutcomesShown
    events: list[EventShown] = Field(description="The oldest first.")


class SuspensionList(BaseModel):
    """Suspensions, the last to begin first."""

    model_config = shown({"suspensions": [_SUSPENSION]})

    suspensions: list[SuspensionShown]


class TreatedBooking(BaseModel):
    """A booking that a suspension found, and what became of it."""

    model_config = shown(_TREATED)

    id: UUID
    reference: str
    shop: str
    status: BookingStatus
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    outcome: Outcome | None
    told_at: AwareDatetime | None


class TreatedList(BaseModel):
    """The bookings that a suspension found, by their ids."""

    model_config = shown({"bookings": [_TREATED], "after": None})

    bookings: list[TreatedBooking]
    after: UUID | None = Field(description="Ask for what comes after this one; null: that is all.")
