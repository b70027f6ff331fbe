"""A shop fed by its own system: the rows behind its profile, version by version, and what a change would strand.

Each takes the caller's session and commits nothing. A change never moves, cancels or tells anybody anything: bookings
that stand were promised, and whoever feeds the change sees them first (B10, B11, B23).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import count, islice
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.booking import TERMINAL, Booking
from models.calendar import Calendar, zone_named
from models.errors import ConflictsStand, VersionStale
from models.menu import Menu, Offer, SlotsBy, by_seats, by_staff
from models.shop import Shop
from models.shop_profile import SETTINGS, Profile, canonical, differences, faults_of
from models.shop_version import Conflict, Rules, ShopVersion, conflicts_of, without_people
from models.staff import StaffMember
from worker import shop_gate
from worker.offers import staff_of
from worker.settings import settings
from worker.webhooks import addresses
from worker.wording.budgets import over_budget

SHOWN_CONFLICTS = 100
"""So many stand in one answer."""
_DIGITS = 16


class ProfileFaultyError(ValueError):
    """The profile is of the right shape and still wrong. `faults`: JSON pointers, each with what is wrong there."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(", ".join(pointer for pointer, _ in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Stranded:
    """A booking that stands and would not be made under certain rules; it is kept as it was promised.

    Attributes:
        because: why; under new rules, of what is no reason under those in force.
    """

    booking: Booking
    because: Sequence[Conflict]


@dataclass(frozen=True)
class Preview:
    """What a profile would change, had it been fed.

    Attributes:
        version: the version it would replace; 0 before the first.
        changes: JSON pointers to what differs; empty if it says nothing new.
        stranded: the standing bookings that it would not allow, and the rules in force would, in the order in which
            they were made.
    """

    version: int
    changes: Sequence[str]
    stranded: Sequence[Stranded]

    @property
    def digest(self) -> str | None:
        """What accepts exactly these bookings, at exactly these times, for exactly these reasons; None if none are."""
        said = "\n".join(sorted(_said(each) for each in self.stranded))
        return sha256(said.encode()).hexdigest()[:_DIGITS] if said else None


@dataclass(frozen=True)
class Fed:
    """What became of a profile that was fed.

    Attributes:
        version: the version in force now.
        at: since when; None for a shop that was never fed.
        is_new: whether there was no such shop before.
        changes: as in `Preview`.
        kept: how many standing bookings stay that it strands.
    """

    version: int
    at: datetime | None
    is_new: bool
    changes: Sequence[str]
    kept: int


def checked(profile: Profile) -> dict[str, Any]:
    """Return a profile in its one form.

    Raises:
        ProfileFaultyError: with everything that is wrong with it.
    """
    faults = [*faults_of(profile), *_faults_here(profile)]
    if faults:
        raise ProfileFaultyError(faults)
    return canonical(profile)


def profile_of(session: Session, shop: Shop) -> dict[str, Any]:
    """Return a shop's profile as its rows say it."""
    menus = session.scalars(select(Menu).where(Menu.shop_id == shop.id, Menu.enabled).order_by(Menu.position)).all()
    staff = sorted((each for each in staff_of(session, shop) if each.enabled), key=lambda each: each.id)
    return {
        "name": {"ja": shop.name_ja, "en": shop.name_en},
        "short_name": shop.short_name,
        "enabled": shop.enabled,
        "language": shop.language,
        "zone": shop.zone,
        "calendar": shop.calendar.dump(),
        "deadline": shop.deadline_policy.dump(),
        "fair_use": shop.fair_use.dump(),
        "slots_by": shop.slots_by,
        "staff": [
            {
                "id": each.id,
                "name": {"ja": each.name_ja, "en": each.name_en},
                "hours": Calendar.parse({"weekly": each.hours, "slot_minutes": 5}, zone="UTC").dump()["weekly"]
                if each.hours is not None
                else None,
            }
            for each in staff
        ],
        "menus": [
            {
                "id": each.id,
                "name": {"ja": each.name_ja, "en": each.name_en},
                "minutes": each.minutes,
                "buffer_before_minutes": each.buffer_before_minutes,
                "buffer_after_minutes": each.buffer_after_minutes,
            }
            for each in menus
        ],
        "documents": {
            "page": shop.page_url,
            "booking_page": shop.booking_page_url,
            "privacy": shop.privacy_url,
            "contact": shop.contact_url,
        },
        "notice_email": shop.notice_email,
        "catalogue_url": shop.catalogue_url,
        "settings": {name: getattr(shop, name) for name in SETTINGS},
    }


def preview(session: Session, shop: Shop | None, profile: Profile, *, now: datetime) -> Preview:
    """Say what a checked profile would change and which standing bookings it would strand; nothing is changed."""
    if shop is None:
        return Preview(0, ["/"], [])
    changes = list(differences(profile_of(session, shop), profile))
    stranded = list(_stranded(session, shop, profile, now=now)) if changes else []
    return Preview(shop.profile_version, changes, stranded)


def feed(
    session: Session,
    shop_id: str,
    profile: Profile,
    *,
    read_version: int | None,
    accepted: str | None,
    by: str,
    now: datetime,
) -> Fed:
    """Make a checked profile the shop's next version; one that says nothing new changes nothing.

    Args:
        session: the caller's transaction.
        shop_id: which; one that is not there yet is made.
        profile: what `checked` returned.
        read_version: the version that the change was made from; None for a shop that is not there yet.
        accepted: the digest of the stranded bookings that the feeder has seen; see `Preview`.
        by: the key that feeds.
        now: when.

    Raises:
        VersionStale: the shop is at another version.
        ConflictsStand: bookings would be stranded, and those that the feeder has seen are none or others.
    """
    shop_gate.close(session, shop_id)
    # No stronger than the change itself: what names the shop, such as a message, need not wait for the judging.
    shop = session.get(Shop, shop_id, with_for_update={"key_share": True}, populate_existing=True)
    seen = preview(session, shop, profile, now=now)
    if shop is not None and not seen.changes:
        # Also what comes again because its answer was lost.
        return Fed(shop.profile_version, _fed_at(session, shop), is_new=False, changes=(), kept=0)
    if read_version != (shop.profile_version if shop else None):
        raise VersionStale(shop_id=shop_id, version=shop.profile_version if shop else 0)
    if seen.stranded and accepted != seen.digest:
        raise ConflictsStand(shop_id=shop_id, conflicts_found=len(seen.stranded))
    is_new = shop is None
    if shop is None:
        shop = Shop(id=shop_id, **_columns(profile))
        try:
            with session.begin_nested():
                session.add(shop)
        except IntegrityError:
            # Somebody else made it this moment.
            raise VersionStale(shop_id=shop_id) from None
    else:
        for name, value in _columns(profile).items():
            setattr(shop, name, value)
    shop.profile_version += 1
    session.flush()
    _set_menus(session, shop, profile["menus"])
    _set_staff(session, shop, profile["staff"])
    session.add(
        ShopVersion(
            shop_id=shop.id,
            number=shop.profile_version,
            at=now,
            by=by,
            profile=without_people(profile),
            accepted_conflicts=len(seen.stranded),
        )
    )
    return Fed(shop.profile_version, now, is_new=is_new, changes=seen.changes, kept=len(seen.stranded))


def versions_of(session: Session, shop: Shop) -> Sequence[ShopVersion]:
    """Return a shop's versions, the newest first."""
    query = select(ShopVersion).where(ShopVersion.shop_id == shop.id).order_by(ShopVersion.number.desc())
    return session.scalars(query).all()


def standing_against(session: Session, shop: Shop, *, after: UUID | None, most: int, now: datetime) -> list[Stranded]:
    """Return the standing bookings that the profile in force would not allow: what was kept when it was fed, and since.

    Args:
        session: to look with.
        shop: whose they are.
        after: from the one behind this on, in the order in which they were made.
        most: how many at the most.
        now: when.
    """
    rules = _rules(session, shop, profile_of(session, shop))
    query = _standing(shop, now=now)
    if after is not None:
        query = query.where(Booking.id > after)
    judged = (Stranded(booking, conflicts_of(booking, rules)) for booking in session.scalars(query))
    return list(islice((each for each in judged if each.because), most))


def _said(each: Stranded) -> str:
    return f"{each.booking.id} {int(each.booking.starts_at.timestamp())} {' '.join(sorted(each.because))}"


def _faults_here(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield what only this installation can say: the addresses that it calls, and what its messages have room for."""
    if profile["catalogue_url"] is not None:
        try:
            addresses.target_of(profile["catalogue_url"])
        except addresses.Refused as refused:
            yield "/catalogue_url", f"cannot be called: {refused.reason}"
    try:
        zone = zone_named(profile["zone"])
    except ValueError:
        return
    usual = {(each.kind, each.language) for each in over_budget(settings().public_host, ["FRED"], zone)}
    over = over_budget(settings().public_host, [profile["short_name"]], zone)
    # A host that is too long for any name is not the shop's fault.
    if any((each.kind, each.language) not in usual for each in over):
        yield "/short_name", "makes messages longer than they may be"


def _stranded(session: Session, shop: Shop, profile: Profile, *, now: datetime) -> Iterator[Stranded]:
    before = _rules(session, shop, profile_of(session, shop))
    after = _rules(session, shop, profile)
    for booking in session.scalars(_standing(shop, now=now)):
        # What was accepted once, or changed by hand, is no news: nobody could feed the shop any more.
        known = conflicts_of(booking, before)
        if because := [each for each in conflicts_of(booking, after) if each not in known]:
            yield Stranded(booking, because)


def _standing(shop: Shop, *, now: datetime) -> Select[Booking]:
    return (
        select(Booking)
        .where(Booking.shop_id == shop.id, Booking.ends_at > now, Booking.status.not_in(TERMINAL))
        .order_by(Booking.id)
    )


def _rules(session: Session, shop: Shop, profile: Profile) -> Rules:
    calendar = Calendar.parse(profile["calendar"], zone=profile["zone"])
    seats = by_seats(calendar)
    if profile["slots_by"] == SlotsBy.STAFF:
        numbers = _seat_numbers(staff_of(session, shop), profile["staff"])
        people = [
            StaffMember(shop_id=shop.id, id=each["id"], hours=each["hours"], seat=numbers[each["id"]])
            for each in profile["staff"]
        ]
        seats = by_staff(calendar, people)
    menus = frozenset(each["id"] for each in profile["menus"])
    return Rules(profile["enabled"], Offer(calendar, None, seats), menus)


def _seat_numbers(known: Sequence[StaffMember], staff: Sequence[Profile]) -> dict[str, int]:
    """Return everybody's seat: theirs for ever once they have one, for bookings stand on it; the next number else."""
    numbers = {each.id: each.seat for each in known if each.seat is not None}
    free = count(max(numbers.values(), default=0) + 1)
    for each in staff:
        if each["id"] not in numbers:
            numbers[each["id"]] = next(free)
    return numbers


def _columns(profile: Profile) -> dict[str, Any]:
    documents = profile["documents"]
    return {
        "name_ja": profile["name"]["ja"],
        "name_en": profile["name"]["en"],
        "short_name": profile["short_name"],
        "enabled": profile["enabled"],
        "language": profile["language"],
        "zone": profile["zone"],
        "calendar_rules": profile["calendar"],
        "deadline_rules": profile["deadline"],
        "fair_use_rules": profile["fair_use"],
        "slots_by": profile["slots_by"],
        "page_url": documents["page"],
        "booking_page_url": documents["booking_page"],
        "privacy_url": documents["privacy"],
        "contact_url": documents["contact"],
        "notice_email": profile["notice_email"],
        "catalogue_url": profile["catalogue_url"],
        **profile["settings"],
    }


def _set_menus(session: Session, shop: Shop, menus: Sequence[Profile]) -> None:
    known = {each.id: each for each in session.scalars(select(Menu).where(Menu.shop_id == shop.id))}
    for row in known.values():
        row.enabled = False
    for position, each in enumerate(menus):
        row = known.get(each["id"]) or Menu(shop_id=shop.id, id=each["id"])
        row.name_ja, row.name_en = each["name"]["ja"], each["name"]["en"]
        row.minutes = each["minutes"]
        row.buffer_before_minutes, row.buffer_after_minutes = (
            each["buffer_before_minutes"],
            each["buffer_after_minutes"],
        )
        row.enabled, row.position = True, position
        session.add(row)


def _set_staff(session: Session, shop: Shop, staff: Sequence[Profile]) -> None:
    """Bring a shop's people up to date; whoever is left out takes no calls any more, and their links are void."""
    known = {each.id: each for each in staff_of(session, shop)}
    numbers = _seat_numbers(list(known.values()), staff)
    serving = {each["id"] for each in staff}
    for row in known.values():
        if row.enabled and row.id not in serving:
            row.enabled = False
            row.revoke_links()
    for each in staff:
        row = known.get(each["id"]) or StaffMember(shop_id=shop.id, id=each["id"])
        row.name_ja, row.name_en = each["name"]["ja"], each["name"]["en"]
        row.hours, row.seat, row.enabled = each["hours"], numbers[each["id"]], True
        session.add(row)


def _fed_at(session: Session, shop: Shop) -> datetime | None:
    version = session.get(ShopVersion, (shop.id, shop.profile_version))
    return version.at if version else None
