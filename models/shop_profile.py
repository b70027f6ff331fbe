"""A shop's whole profile as its own system tells it: what may stand in it, and what is wrong with it, field by field.

It judges the document alone; rows, other shops and the lengths of messages are the reader's to look at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from models.calendar import Calendar, RuleError, check_number, zone_named
from models.contact import normalise_email
from models.deadline import DeadlinePolicy
from models.errors import ContactRefused
from models.fair_use import FairUse
from models.menu import MOST_MENUS, SlotsBy

MOST_STAFF = 200

Profile = Mapping[str, Any]
"""A profile in its JSON form; `EXAMPLE` shows every part of it."""


@dataclass(frozen=True)
class Setting:
    """A number, or a switch, that a shop may set for itself.

    Attributes:
        least, most: the span of a number; None for a switch.
        about: what it decides, in a few words.
    """

    least: int | None
    most: int | None
    about: str

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self.least is None


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "code_minutes": Setting(1, 30, "Life of a code, and of the hold that waits for it."),
        "hold_cap_minutes": Setting(1, 60, "The longest life of a hold, resends included."),
        "entry_opens_minutes": Setting(0, 120, "How long before its start a call may be entered."),
        "entry_closes_minutes": Setting(0, 120, "How long after its end a call may still be entered."),
        "max_changes": Setting(0, 50, "How often a customer may change one booking."),
        "takes_calls": Setting(None, None, "Whether calls at once are taken, besides bookings."),
        "ring_seconds": Setting(10, 180, "How long a call at once rings."),
        "connect_seconds": Setting(10, 180, "How long an answered call waits for both sides."),
        "longest_call_minutes": Setting(5, 480, "How long a call at once may take."),
        "escalate_after": Setting(1, 50, "After how many unanswered calls in a row somebody is alarmed."),
        "sends_thanks": Setting(None, None, "Whether customers are thanked after a call."),
        "contact_days": Setting(1, 3650, "How long a customer's data is kept after their last booking."),
        "trail_days": Setting(1, 7300, "How long a booking's trail is kept; longer than the contact."),
    }
)
"""What stands under `settings`: columns of the shop's row. One that is left out goes back to its default."""

EXAMPLE: Profile = MappingProxyType(
    {
        "name": {"ja": "FRED 銀座本店", "en": "FRED Ginza"},
        "short_name": "FRED",
        "enabled": True,
        "language": "ja",
        "zone": "Asia/Tokyo",
        "calendar": {
            "weekly": {"1": [["11:00", "20:00"]], "2": [["11:00", "20:00"]], "6": [["10:00", "20:00"]]},
            "exceptions": {"2027-01-01": []},
            "holidays": {"country": "JP", "hours": "closed"},
            "slot_minutes": 30,
            "seats": 2,
            "accept_from_days": 30,
            "accept_until_minutes": 60,
        },
        "deadline": {"days_before": 1, "at": "24:00"},
        "slots_by": "staff",
        "staff": [
            {"id": "hana", "name": {"ja": "花", "en": "Hana"}, "hours": None},
            {
                "id": "sora",
                "name": {"ja": "空", "en": "Sora"},
                "hours": {"1": [["13:00", "20:00"]], "6": [["10:00", "15:00"]]},
            },
        ],
        "menus": [
            {"id": "question", "name": {"ja": "ご質問", "en": "A question"}, "minutes": 20},
            {
                "id": "fitting",
                "name": {"ja": "サイズのご相談", "en": "Sizes"},
                "minutes": 45,
                "buffer_after_minutes": 10,
            },
        ],
        "documents": {
            "page": "https://fred.example.jp/",
            "booking_page": None,
            "privacy": "https://fred.example.jp/privacy",
            "contact": "https://fred.example.jp/contact",
        },
        "notice_email": "staff@fred.example.jp",
        "catalogue_url": "https://catalogue.fred.example.jp/items",
        "fair_use": {},
        "settings": {"code_minutes": 10, "max_changes": 5},
    }
)


def faults_of(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield everything that is wrong with a profile of the right shape, each as a JSON pointer and what is wrong there.

    Names in `short_name`, lengths of texts and the forms of addresses are for whoever reads the request.
    """
    yield from _read("", lambda: zone_named(profile["zone"]))
    yield from _read("/calendar", lambda: Calendar.parse(profile["calendar"], zone="UTC"))
    yield from _read("/deadline", lambda: DeadlinePolicy.parse(profile["deadline"]))
    yield from _read("/fair_use", lambda: FairUse.parse(profile["fair_use"]))
    yield from _staff_faults(profile["staff"])
    yield from _menu_faults(profile["menus"])
    if profile["slots_by"] == SlotsBy.STAFF and not profile["staff"]:
        yield "/slots_by", "takes somebody in `staff`"
    settings = profile["settings"]
    if settings["hold_cap_minutes"] < settings["code_minutes"]:
        yield "/settings/hold_cap_minutes", "must not be less than `code_minutes`: a live code needs a live hold"
    if settings["trail_days"] <= settings["contact_days"]:
        yield "/settings/trail_days", "must be more than `contact_days`: a trail outlives the contact (B43)"
    try:
        normalise_email(profile["notice_email"])
    except ContactRefused:
        yield "/notice_email", "is no mail address"


def canonical(profile: Profile) -> dict[str, Any]:
    """Return a faultless profile in the one form in which equal profiles are equal."""
    return {
        **profile,
        "calendar": Calendar.parse(profile["calendar"], zone="UTC").dump(),
        "deadline": DeadlinePolicy.parse(profile["deadline"]).dump(),
        "fair_use": FairUse.parse(profile["fair_use"]).dump(),
        # People come in no order that means anything; menus do.
        "staff": sorted(
            ({**each, "hours": _weekly(each["hours"])} for each in profile["staff"]), key=lambda each: str(each["id"])
        ),
        "notice_email": normalise_email(profile["notice_email"]),
    }


def differences(before: Profile, after: Profile, pointer: str = "") -> Iterator[str]:
    """Yield JSON pointers to the least parts in which two profiles differ; of a list, what its entries' ids are of."""
    for name in sorted({*before, *after}):
        here, old, new = f"{pointer}/{name}", before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, here)
        elif isinstance(old, list) and isinstance(new, list) and _bear_ids(old) and _bear_ids(new):
            yield from differences(_by_id(old), _by_id(new), here)
            # The same entries in another order.
            if list(_by_id(old)) != list(_by_id(new)) and set(_by_id(old)) == set(_by_id(new)):
                yield here
        elif old != new:
            yield here


def _staff_faults(staff: Sequence[Profile]) -> Iterator[tuple[str, str]]:
    if len(staff) > MOST_STAFF:
        yield "/staff", f"has more than {MOST_STAFF} people"
    yield from _doubled(staff, "/staff")
    for index, each in enumerate(staff):
        if each["hours"] is not None:
            yield from _read(f"/staff/{index}/hours", lambda hours=each["hours"]: _weekly(hours), strip="/weekly")


def _menu_faults(menus: Sequence[Profile]) -> Iterator[tuple[str, str]]:
    if len(menus) > MOST_MENUS:
        yield "/menus", f"has more than {MOST_MENUS}"
    yield from _doubled(menus, "/menus")
    for index, each in enumerate(menus):
        for name, least in (("minutes", 5), ("buffer_before_minutes", 0), ("buffer_after_minutes", 0)):
            if each[name] is not None:
                yield from _read(
                    f"/menus/{index}",
                    lambda value=each[name], name=name, least=least: check_number(
                        value, f"/{name}", least=least, most=24 * 60, step=5
                    ),
                )


def _doubled(entries: Sequence[Profile], pointer: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for index, each in enumerate(entries):
        if each["id"] in seen:
            yield f"{pointer}/{index}/id", "stands here twice"
        seen.add(each["id"])


def _read(pointer: str, read: Any, *, strip: str = "") -> Iterator[tuple[str, str]]:
    try:
        read()
    except RuleError as error:
        yield pointer + (error.pointer.removeprefix(strip) if error.pointer != "/" else ""), error.problem


def _weekly(hours: object) -> Any:
    """Return somebody's weekly hours as they are kept: all seven days.

    Raises:
        RuleError: they cannot be read.
    """
    if hours is None:
        return None
    return Calendar.parse({"weekly": hours, "slot_minutes": 5}, zone="UTC").dump()["weekly"]


def _bear_ids(entries: Sequence[object]) -> bool:
    return all(isinstance(each, Mapping) and "id" in each for each in entries)


def _by_id(entries: Sequence[Profile]) -> dict[str, Profile]:
    return {each["id"]: each for each in entries}


__all__ = ["EXAMPLE", "MOST_STAFF", "SETTINGS", "Profile", "Setting", "canonical", "differences", "faults_of"]
