"""The shapes of the terms: a version that is published, what became of telling of it, and what was agreed to."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, model_validator
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from api.resources import CountableInstant, Given, PlainText, shown
from models.terms import Party

_BOOKING_ID = "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_DOCUMENT: JsonDict = {
    "id": "platform-terms",
    "version": "2027-04-01",
    "url": "https://www.example.jp/terms/platform-terms/2027-04-01",
    "sha256": _SHA256,
    "effective_at": "2027-03-31T15:00:00Z",
    "party": "platform",
    "provider": None,
}
_ACCEPTED: JsonDict = {
    "id": "platform-terms",
    "version": "2021-09-28",
    "url": "https://www.example.jp/terms/platform-terms/2021-09-28",
    "sha256": _SHA256,
    "accepted_at": "2026-11-28T03:01:12Z",
    "channel": "sms",
    "request_id": "0197e3a2-5d00-7b20-9d33-0b1f4b1f3822",
}
_GOVERNS: JsonDict = {
    "id": "platform-terms",
    "version": "2027-04-01",
    "url": "https://www.example.jp/terms/platform-terms/2027-04-01",
    "sha256": _SHA256,
    "at": "2027-04-02T05:00:00Z",
}

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=[_SHA256])]


class TermsGiven(Given):
    """`POST /v1/terms`: exactly one of `text` and `sha256`."""

    model_config = shown(
        _DOCUMENT, {**{name: value for name, value in _DOCUMENT.items() if name != "sha256"}, "text": "第1条 …"}
    )

    id: str = Field(
        max_length=64, pattern=r"^[a-z][a-z0-9-]*$", description="The document over all its versions (B47)."
    )
    version: str = Field(max_length=32, pattern=r"^[A-Za-z0-9._-]+$", examples=["2027-04-01"])
    url: str = Field(max_length=500, pattern=r"^https?://[!-~]+$", description="Where customers read this version.")
    text: PlainText | None = Field(
        None, min_length=1, max_length=500_000, description="The text itself; only its SHA-256 in UTF-8 is kept."
    )
    sha256: Sha256 | None = None
    effective_at: CountableInstant = Field(description="From when it holds: a day ahead at least (B46).")
    party: Party
    provider: str | None = Field(
        None, max_length=40, pattern=r"^[a-z][a-z0-9-]*$", description="Whose, if it is a provider's of video calls."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.text is None) == (self.sha256 is None):
            raise ValueError("give exactly one of `text` and `sha256`")
        if (self.party is Party.PROVIDER) != (self.provider is not None):
            raise ValueError("name a `provider` for a provider's document, and for no other")
        return self


class TermsShown(BaseModel):
    """One version of a document."""

    model_config = shown(_DOCUMENT)

    id: str
    version: str
    url: str
    sha256: Sha256
    effective_at: AwareDatetime
    party: Party
    provider: str | None


class TermsLine(TermsShown):
    """One version, and what became of telling of it."""

    model_config = shown(
        {
            **_DOCUMENT,
            "governs": False,
            "announced": "under_way",
            "told": 120,
            "messages": {"delivered": 118, "sent": 2},
        }
    )

    governs: bool = Field(description="Whether it is the version that governs now.")
    announced: Literal["never", "under_way", "done"] | SkipJsonSchema[None] = Field(
        None,
        description="Whether all customers with open bookings were looked at. Whoever books later is told as well. "
        "This and the counts are for operators of all shops.",
    )
    told: int | SkipJsonSchema[None] = Field(
        None, ge=0, description="Customers who were told, or will be in the morning; each once."
    )
    messages: dict[str, int] | SkipJsonSchema[None] = Field(
        None, description="How many of those messages are in which state."
    )


class TermsList(BaseModel):
    """All versions of all documents, the latest to hold first."""

    model_config = shown(
        {"documents": [{**_DOCUMENT, "governs": False, "announced": "done", "told": 0, "messages": {}}]}
    )

    documents: list[TermsLine]


class AcceptedShown(BaseModel):
    """That a customer agreed to one version of one document (B35)."""

    model_config = shown(_ACCEPTED)

    id: str
    version: str
    url: str
    sha256: Sha256
    accepted_at: AwareDatetime
    channel: str
    request_id: str


class GovernsShown(BaseModel):
    """That one version governs, or governed, the call (B45)."""

    model_config = shown(_GOVERNS)

    id: str
    version: str
    url: str
    sha256: Sha256
    at: AwareDatetime = Field(description="The instant that decides.")


class ConsentsShown(BaseModel):
    """What a customer agreed to for a booking, and which versions govern the call."""

    model_config = shown({"booking": _BOOKING_ID, "accepted": [_ACCEPTED], "governing": [_GOVERNS], "has_begun": True})

    booking: UUID
    accepted: list[AcceptedShown] = Field(description="When the booking was completed; empty before.")
    governing: list[GovernsShown] = Field(
        description="As recorded when the call began; before that, the versions that will govern at its start."
    )
    has_begun: bool
