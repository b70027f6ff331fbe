"""The five shops that a new database starts with, and the development copies of the terms.

Hours, addresses and terms are made up so that each shop exercises another corner of the calendar; only the shops'
names are real. It knows the rows, not whether they are already there.
"""

from datetime import date
from hashlib import sha256
from importlib import resources
from typing import Any

from models.calendar import local_instant
from models.shop import Shop
from models.staff import StaffMember
from models.terms import Party, TermsDocument

ZONE = "Asia/Tokyo"
PROVIDERS = ("jitsi", "jitsi-jwt", "livekit")


def _every_day(*hours: list[str]) -> dict[str, list[list[str]]]:
    return {weekday: list(hours) for weekday in "1234567"}


# A single shop: one seat, hourly calls, closed on Wednesdays unless that is a holiday, no booking for today.
_FRED = {
    "weekly": _every_day(["11:00", "20:00"]) | {"3": []},
    "exceptions": {"2026-12-31": [["11:00", "17:00"]], "2027-01-01": [], "2027-01-02": []},
    "holidays": {"country": "JP", "hours": [["11:00", "18:00"]]},
    "slot_minutes": 60,
    "seats": 1,
    "accept_from_days": 30,
    "accept_until_minutes": 180,
    "same_day": False,
}

# A lunch break, two seats, and ten minutes to tidy up after each call.
_ATTACHMENT = {
    "weekly": _every_day(["12:00", "15:00"], ["16:00", "20:00"]),
    "exceptions": {"2027-01-01": []},
    "holidays": {"country": "JP", "hours": "as_usual"},
    "slot_minutes": 30,
    "seats": 2,
    "buffer_after_minutes": 10,
    "accept_from_days": 14,
    "accept_until_minutes": 60,
    "same_day": True,
}

# Closed at weekends and on holidays, with a quarter of an hour to prepare a fitting.
_LAUTREAMONT = {
    "weekly": {weekday: [["10:30", "18:30"]] for weekday in "12345"} | {"6": [], "7": []},
    "exceptions": {"2026-12-29": [], "2026-12-30": [], "2026-12-31": []},
    "holidays": {"country": "JP", "hours": "closed"},
    "slot_minutes": 45,
    "seats": 2,
    "buffer_before_minutes": 15,
    "accept_from_days": 60,
    "accept_until_minutes": 24 * 60,
    "same_day": False,
}

# The largest: four seats, short calls, longer hours at weekends.
_QUEENS_COURT = {
    "weekly": _every_day(["10:00", "20:00"]) | {"6": [["10:00", "21:00"]], "7": [["10:00", "21:00"]]},
    "exceptions": {"2027-01-01": [], "2027-01-02": [["09:00", "21:00"]]},
    "holidays": {"country": "JP", "hours": [["10:00", "21:00"]]},
    "slot_minutes": 20,
    "seats": 4,
    "buffer_before_minutes": 5,
    "buffer_after_minutes": 5,
    "accept_from_days": 45,
    "accept_until_minutes": 30,
    "same_day": True,
}

# Calls until midnight, and after it at the weekend: a booking at 00:30 has its deadline thirty minutes before.
_VICKY = {
    "weekly": _every_day(["14:00", "24:00"])
    | {"6": [["00:00", "01:00"], ["12:00", "24:00"]], "7": [["00:00", "01:00"], ["12:00", "22:00"]]},
    "holidays": {"country": "JP", "hours": "as_usual"},
    "slot_minutes": 30,
    "seats": 3,
    "buffer_after_minutes": 5,
    "accept_from_days": 21,
    "accept_until_minutes": 15,
    "same_day": True,
}


def seed_rows() -> list[Shop | TermsDocument]:
    """Return new, unsaved rows: our document, one of each provider, and five shops.

    The hashes are those of the files in `terms/`.
    """
    return [
        _terms("platform-terms", "2021-09-28", party=Party.PLATFORM),
        *(
            _terms(f"provider-terms-{provider}", "development-1", party=Party.PROVIDER, provider=provider)
            for provider in PROVIDERS
        ),
        _shop("fred", "FRED", "FRED", _FRED),
        _shop("attachment", "ATTACHMENT", "ATTACHMENT", _ATTACHMENT, max_changes=3),
        _shop("lautreamont", "LAUTREAMONT", "LAUTREAMONT", _LAUTREAMONT),
        _shop("queens-court", "QUEENS COURT(クイーンズコート)", "QUEENS COURT", _QUEENS_COURT),
        _shop("vicky", "VICKY(ビッキー)", "VICKY", _VICKY),
    ]


def _shop(slug: str, name_ja: str, name: str, calendar: dict[str, Any], **more: int) -> Shop:
    return Shop(
        id=slug,
        name_ja=name_ja,
        name_en=name,
        short_name=name,
        zone=ZONE,
        calendar_rules=calendar,
        page_url=f"https://{slug}.example.jp/",
        privacy_url=f"https://{slug}.example.jp/privacy",
        contact_url=f"https://www.example.jp/contact/{slug}",
        notice_email=f"staff@{slug}.example.jp",
        **more,
    )


def staff_rows() -> list[StaffMember]:
    """Return two people for each shop, for development: a shop's own system feeds its real ones."""
    shops = [row for row in seed_rows() if isinstance(row, Shop)]
    return [
        StaffMember(shop_id=shop.id, id=slug, name_ja=name_ja, name_en=name_en)
        for shop in shops
        for slug, name_ja, name_en in (("sakura", "さくら", "Sakura"), ("kaede", "かえで", "Kaede"))
    ]


def _terms(slug: str, version: str, *, party: Party, provider: str | None = None) -> TermsDocument:
    text = resources.files("worker").joinpath("terms", f"{slug}-{version}.ja.txt").read_bytes()
    return TermsDocument(
        id=slug,
        version=version,
        url=f"https://www.example.jp/terms/{slug}/{version}",
        sha256=sha256(text).hexdigest(),
        effective_at=_ENACTED_AT,
        party=party,
        provider=provider,
    )


_ENACTED_AT = local_instant(date(2021, 9, 28), 0, ZONE)

__all__ = ["seed_rows", "staff_rows"]
