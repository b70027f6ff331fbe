"""The shapes of what is told of calls, conduct reports and staff links, each with an example."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field
from pydantic.config import JsonDict

from api.resources import shown
from models.call import FailedSide
from models.call_fact import Category, FactKind, State

_BOOKING_ID = "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911"
_FACT: JsonDict = {
    "kind": "failed",
    "side": "customer",
    "source": "page",
    "revision": 1,
    "room": None,
    "participant": None,
    "error": "device",
    "at": "2026-12-01T05:01:00Z",
    "received_at": "2026-12-01T05:01:00Z",
}
_REPORT: JsonDict = {
    "id": "0197e3a2-9d30-7f50-8b99-6f5fa05f9e77",
    "shop": "fred",
    "booking_id": _BOOKING_ID,
    "call_id": None,
    "customer_id": "0197e3a2-5e00-7a10-8c44-1a0f5a0f4912",
    "staff": "hana",
    "category": "abuse",
    "state": "new",
    "at": "2026-12-01T05:20:00Z",
    "seen_at": None,
}


class CallFactShown(BaseModel):
    """One thing that was told of a call."""

    model_config = shown(_FACT)

    kind: FactKind
    side: FailedSide = Field(description="Whose it is; for a failure, on which side.")
    source: str = Field(description="`page`, or the provider that told it.")
    revision: int | None = Field(description="The booking's; null for a call at once.")
    room: str | None = Field(description="The provider's own id of the room.")
    participant: str | None = Field(description="The provider's own id of the participant.")
    error: str | None = Field(description="A code, never a text.")
    at: AwareDatetime = Field(description="When it happened, as its source says.")
    received_at: AwareDatetime


class CallFactList(BaseModel):
    """What was told of one call, in the order in which it happened. Evidence alone: nothing of a call is recorded."""

    model_config = shown({"facts": [_FACT]})

    facts: list[CallFactShown]


class ConductReportShown(BaseModel):
    """That staff reported a customer's conduct, without their words."""

    model_config = shown(_REPORT)

    id: UUID
    shop: str
    booking_id: UUID | None = Field(description="The booked call, or null.")
    call_id: UUID | None = Field(description="The call at once, or null.")
    customer_id: UUID | None = Field(description="Null for a call at once whose caller left no contact.")
    staff: str | None = Field(description="Who reports, if they are known.")
    category: Category
    state: State
    at: AwareDatetime
    seen_at: AwareDatetime | None = Field(description="When an operator first opened it.")


class ConductReportList(BaseModel):
    """Conduct reports, the newest first."""

    model_config = shown({"reports": [_REPORT]})

    reports: list[ConductReportShown]


class ConductReportOpened(BaseModel):
    """What staff wrote."""

    model_config = shown({"id": "0197e3a2-9d30-7f50-8b99-6f5fa05f9e77", "text": "大声で怒鳴られ、通話を終了しました。"})

    id: UUID
    text: str | None = Field(description="null once the customer's data was erased.")


class StaffLinkShown(BaseModel):
    """A link to the staff page of one member of a shop's staff. Whoever has it is that member."""

    model_config = shown(
        {
            "shop": "fred",
            "staff": "hana",
            "generation": 0,
            "url": "https://go.example.jp/staff/GAAAAABmcmVkL2hhbmFQcm9vZlByb29mUHJvb2Y",
        }
    )

    shop: str
    staff: str
    generation: int = Field(description="Links of an earlier generation open nothing.")
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]


class StaffLinksRevoked(BaseModel):
    """That all links to one staff page that were out open nothing any more."""

    model_config = shown({"shop": "fred", "staff": "hana", "generation": 1})

    shop: str
    staff: str
    generation: int
