"""What the API hands out of a shop's usage, by shape and example."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class CallsUsed(BaseModel):
    """Calls that both sides were in."""

    model_config = ConfigDict(extra="forbid")

    count: int
    minutes: int = Field(description="Each call by itself, rounded up to the next whole minute, as providers bill.")
    seconds: int


class SmsUsed(BaseModel):
    """SMS that a vendor took, or may have taken."""

    model_config = ConfigDict(extra="forbid")

    messages: int
    segments: int = Field(description="The parts they were sent and are paid in.")


class MailUsed(BaseModel):
    """Mails that a vendor took, or may have taken."""

    model_config = ConfigDict(extra="forbid")

    messages: int


class UsageShown(BaseModel):
    """What one shop has used in one month, by the shop's calendar."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "shop": "fred",
                    "month": "2026-11",
                    "begins_at": "2026-10-31T15:00:00Z",
                    "ends_at": "2026-11-30T15:00:00Z",
                    "booked_calls": {"count": 41, "minutes": 812, "seconds": 47310},
                    "calls_at_once": {"count": 12, "minutes": 95, "seconds": 5322},
                    "sms": {"messages": 230, "segments": 505},
                    "mail": {"messages": 88},
                }
            ]
        },
    )

    shop: str
    month: str
    begins_at: AwareDatetime
    ends_at: AwareDatetime = Field(description="Exclusive.")
    booked_calls: CallsUsed
    calls_at_once: CallsUsed
    sms: SmsUsed
    mail: MailUsed
