"""The shapes in which a shop's profile comes in and goes out, its versions, and what a change would strand."""

from copy import deepcopy
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from api.resources import Given, PlainText, is_plain_text, shown
from models.booking import Status
from models.menu import SlotsBy
from models.shop import Shop
from models.shop_profile import EXAMPLE, SETTINGS, Setting
from models.shop_version import Conflict, without_people

_URL = r"^https?://[!-~]+$"
_ID = r"^[a-z][a-z0-9-]*$"
_EXAMPLE: JsonDict = deepcopy(dict(EXAMPLE))
_BOOKING_ID = "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911"
_MORE = "Ask for what comes after this one; null: that is all."
_CONFLICT: JsonDict = {
    "booking": _BOOKING_ID,
    "reference": "5A0F-4911",
    "status": "confirmed",
    "starts_at": "2026-12-01T05:00:00Z",
    "ends_at": "2026-12-01T05:30:00Z",
    "because": ["outside_hours"],
}


def _all_plain(given: dict[str, Any]) -> dict[str, Any]:
    """Refuse what nothing encodes, and what PostgreSQL stores in no document: names and texts at any depth."""
    rest: list[object] = [given]
    while rest:
        match rest.pop():
            case str(text) if not is_plain_text(text):
                raise ValueError("control characters and lone surrogates are not allowed")
            case dict(members):
                rest += [*members.keys(), *members.values()]
            case list(entries):
                rest += entries
    return given


Rules = Annotated[dict[str, Any], AfterValidator(_all_plain)]
"""Members of the shop's own naming, which are read after the request's shape was found good."""


class Names(Given):
    """A name in both languages."""

    model_config = shown({"ja": "花", "en": "Hana"})

    ja: PlainText = Field(min_length=1, max_length=100)
    en: PlainText = Field(min_length=1, max_length=100)


class StaffGiven(Given):
    """Somebody who takes calls. Whoever is left out takes none any more; their seat stays theirs if they come back."""

    model_config = shown({"id": "sora", "name": {"ja": "空", "en": "Sora"}, "hours": {"1": [["13:00", "20:00"]]}})

    id: str = Field(max_length=64, pattern=_ID)
    name: Names
    hours: Rules | None = Field(
        None, description="Their weekly hours in the form of the calendar's `weekly`; the shop's own when absent."
    )


class MenuGiven(Given):
    """A kind of call that can be booked. One that is left out is offered no more; its bookings stand."""

    model_config = shown({"id": "fitting", "name": {"ja": "サイズのご相談", "en": "Sizes"}, "minutes": 45})

    id: str = Field(max_length=64, pattern=_ID)
    name: Names
    minutes: int = Field(ge=5, le=1440, description="A multiple of five.")
    buffer_before_minutes: int | None = Field(None, ge=0, le=1440, description="The calendar's own when absent.")
    buffer_after_minutes: int | None = Field(None, ge=0, le=1440, description="The calendar's own when absent.")


class Documents(Given):
    """Where customers read about the shop, and ask."""

    model_config = shown(deepcopy(EXAMPLE["documents"]))

    page: str = Field(max_length=500, pattern=_URL, description="The shop's own page.")
    booking_page: str | None = Field(
        None, max_length=500, pattern=_URL, description="Where one books with the shop (B12); ours when absent."
    )
    privacy: str = Field(max_length=500, pattern=_URL, description="The brand's privacy policy (B36).")
    contact: str = Field(max_length=500, pattern=_URL, description="The form for inquiries (B30).")


def _setting(name: str, setting: Setting) -> Any:
    default = Shop.default_of(name)
    if setting.is_switch:
        return bool, Field(default=default, description=setting.about)
    return int, Field(default=default, ge=setting.least, le=setting.most, description=setting.about)


# One field for each line of the table, so that a new setting of a shop is one line there.
SettingsGiven: type[Given] = create_model(
    "ShopSettings",
    __base__=Given,
    __doc__="What a shop decides for itself. One that is left out goes back to its default.",
    __module__=__name__,
    **{name: _setting(name, setting) for name, setting in SETTINGS.items()},
)
SettingsGiven.model_config = shown(deepcopy(EXAMPLE["settings"]))
SettingsGiven.model_rebuild(force=True)


class ProfileGiven(Given):
    """`PUT /v1/shops/{shop_id}`: the shop's whole profile (B11, B12, B23)."""

    model_config = shown(_EXAMPLE)

    name: Names = Field(description="The full name.")
    short_name: PlainText = Field(
        min_length=1, max_length=20, pattern=r"^[ -~]+$", description="The name in SMS, in ASCII: every letter costs."
    )
    enabled: bool = Field(default=True, description="Whether the shop takes part at all (B1).")
    language: Literal["ja", "en"] = Field("ja", description="Of messages, when a request names none.")
    zone: str = Field("Asia/Tokyo", max_length=64, description="IANA name; all hours are on its clock.")
    calendar: Rules = Field(
        description="Hours, exceptions, holidays, length of calls, seats, buffers, and from when until when bookings "
        "are taken; see docs/shops.md.",
        examples=[deepcopy(EXAMPLE["calendar"])],
    )
    deadline: Rules = Field(
        default_factory=lambda: {"days_before": 1, "at": "24:00"},
        description="Until when customers may change and cancel: `days_before` with `at`, or `hours_before`.",
    )
    slots_by: SlotsBy = Field(SlotsBy.SEATS, description="Whether slots are on equal seats or with members of staff.")
    staff: list[StaffGiven] = Field(default_factory=list, max_length=200)
    menus: list[MenuGiven] = Field(default_factory=list, max_length=20, description="The first is the usual one.")
    documents: Documents
    notice_email: PlainText = Field(max_length=254, description="Where the shop's staff receive notices.")
    catalogue_url: str | None = Field(
        None,
        max_length=300,
        description="Where items are looked up after a booking (B21); see docs/shops.md. What is asked has to follow.",
    )
    fair_use: Rules = Field(
        default_factory=dict, description="How much one contact or network may ask for (B39); see docs/shops.md."
    )
    settings: SettingsGiven = Field(default_factory=SettingsGiven)


class ConflictShown(BaseModel):
    """A booking that stands and would not be made under the rules in question."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_CONFLICT]})

    booking: UUID
    reference: str
    status: Status
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    because: list[Conflict]


class ProfilePreview(BaseModel):
    """What a profile would change. Nothing was changed."""

    model_config = shown(
        {
            "shop": "fred",
            "version": 3,
            "changes": ["/calendar/seats"],
            "conflicts_found": 1,
            "conflicts_digest": "9f86d081884c7d65",
            "conflicts": [_CONFLICT],
            "after": None,
        }
    )

    shop: str
    version: int = Field(ge=0, description="The version that it would replace; 0 before the first.")
    changes: list[str] = Field(description="JSON pointers to what differs.")
    conflicts_found: int = Field(ge=0, description="Those that the rules in force would allow.")
    conflicts_digest: str | None = Field(description="For `accept_conflicts`; null if there are none.")
    conflicts: list[ConflictShown] = Field(description="A hundred at a time, in the order in which they were made.")
    after: UUID | None = Field(description=_MORE)


class ConflictList(BaseModel):
    """What stands against the profile in force, in the order in which the bookings were made."""

    model_config = shown({"shop": "fred", "version": 4, "conflicts": [_CONFLICT], "after": None})

    shop: str
    version: int = Field(ge=0)
    conflicts: list[ConflictShown]
    after: UUID | None = Field(description=_MORE)


class ProfileFed(BaseModel):
    """The version in force after a profile was fed."""

    model_config = shown(
        {
            "shop": "fred",
            "version": 4,
            "at": "2026-11-28T03:00:00Z",
            "changes": ["/calendar/seats"],
            "kept_conflicts": 1,
        }
    )

    shop: str
    version: int = Field(ge=0)
    at: AwareDatetime | None = Field(description="Since when; null for a shop that was never fed.")
    changes: list[str] = Field(description="JSON pointers to what changed; empty if it said nothing new.")
    kept_conflicts: int = Field(
        ge=0,
        description="Standing bookings that stay as they were promised, which the rules before would have allowed and "
        "the new ones would not.",
    )


class ProfileShown(BaseModel):
    """A shop's profile as it is in force: what may be fed again."""

    model_config = shown({"shop": "fred", "version": 4, "profile": _EXAMPLE})

    shop: str
    version: int = Field(ge=0, description="For `If-Match`.")
    profile: dict[str, Any]


class VersionLine(BaseModel):
    """One version of a profile."""

    model_config = shown({"version": 4, "at": "2026-11-28T03:00:00Z", "by": "fred-pos", "kept_conflicts": 0})

    version: int = Field(ge=1)
    at: AwareDatetime
    by: str = Field(description="The key that fed it.")
    kept_conflicts: int = Field(ge=0)
    profile: dict[str, Any] | SkipJsonSchema[None] = Field(
        None, description="As it was, without the names of people and the mailbox."
    )


class VersionList(BaseModel):
    """A shop's versions, the newest first."""

    model_config = shown(
        {
            "shop": "fred",
            "version": 4,
            "versions": [{"version": 4, "at": "2026-11-28T03:00:00Z", "by": "fred-pos", "kept_conflicts": 0}],
        }
    )

    shop: str
    version: int = Field(ge=0)
    versions: list[VersionLine]


class OneVersion(VersionLine):
    """One version of a profile, whole."""

    model_config = shown(
        {
            "version": 4,
            "at": "2026-11-28T03:00:00Z",
            "by": "fred-pos",
            "kept_conflicts": 0,
            "profile": without_people(_EXAMPLE),
        }
    )


class MenuShown(BaseModel):
    """A kind of call that can be booked."""

    model_config = shown({"id": "fitting", "name": {"ja": "サイズのご相談", "en": "Sizes"}, "minutes": 45})

    id: str
    name: dict[str, str]
    minutes: int = Field(ge=5)


class MenuList(BaseModel):
    """A shop's menus in its order; empty if it has one kind of call alone."""

    model_config = shown(
        {
            "shop": "fred",
            "menus": [{"id": "fitting", "name": {"ja": "サイズのご相談", "en": "Sizes"}, "minutes": 45}],
        }
    )

    shop: str
    menus: list[MenuShown]
