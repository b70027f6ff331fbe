"""Which papers an applicant sends, what each must be, and what is found wrong with one (D27 to D37, A8, A21).

Papers come by post and are recorded, never uploaded and never given back (D29). There is no place here for a personal
number, an insurance number or a registered domicile: those are masked on the paper and written nowhere (S10).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, enum_of
from models.calendar import local_date
from models.case_policy import CasePolicy
from models.errors import IllegalMove
from models.period import JAPAN, last_day_of_months

ADDRESS_PAGE_ENDED = date(2020, 2, 4)
"""Passports applied for from this day on have no page for an address and so cannot prove one (A21, D34)."""


class ItemKind(StrEnum):
    """What is asked for."""

    CERTIFICATE_OF_RESIDENCE = "certificate_of_residence"
    """住民票の写し: the paper that the office issued (D32, D33)."""
    LICENCE_OR_PASSPORT = "licence_or_passport"
    """A copy, with the same address as the certificate (D34); the alternatives of D35 count as this item."""
    PLEDGE = "pledge"
    """誓約書 in the wording that was issued, signed and sealed (D36)."""
    SEAL_CERTIFICATE = "seal_certificate"
    """印鑑登録証明書 of the seal on the pledge (D37)."""
    REPRESENTATIVE_TIE = "representative_tie"
    """What ties a representative to the shop (D31)."""
    OTHER = "other"
    """What we ask for besides (D28)."""


class PaperKind(StrEnum):
    """What came."""

    CERTIFICATE_OF_RESIDENCE = "certificate_of_residence"
    DRIVING_LICENCE = "driving_licence"
    PASSPORT = "passport"
    HEALTH_INSURANCE_CARD = "health_insurance_card"
    PENSION_BOOK = "pension_book"
    PLEDGE = "pledge"
    SEAL_CERTIFICATE = "seal_certificate"
    COMPANY_REGISTER = "company_register"
    OTHER = "other"


class Flaw(StrEnum):
    """What is wrong with a paper. It is told to the applicant: saying what is missing is no reason of refusal (A10)."""

    MISSING = "missing"
    WRONG_KIND = "wrong_kind"
    OUTDATED = "outdated"
    COPY_NOT_ALLOWED = "copy_not_allowed"
    ADDRESS_DIFFERS = "address_differs"
    NAME_DIFFERS = "name_differs"
    SEAL_DIFFERS = "seal_differs"
    NOT_SIGNED = "not_signed"
    NOT_SEALED = "not_sealed"
    OLD_PLEDGE = "old_pledge"
    ILLEGIBLE = "illegible"
    FORBIDDEN_DATA_VISIBLE = "forbidden_data_visible"


class Standing(StrEnum):
    """Where an item stands."""

    AWAITED = "awaited"
    ARRIVED = "arrived"
    ACCEPTED = "accepted"
    DEFICIENT = "deficient"
    WAIVED = "waived"


SATISFIES: Mapping[ItemKind, frozenset[PaperKind]] = MappingProxyType(
    {
        ItemKind.CERTIFICATE_OF_RESIDENCE: frozenset({PaperKind.CERTIFICATE_OF_RESIDENCE}),
        ItemKind.LICENCE_OR_PASSPORT: frozenset(
            {
                PaperKind.DRIVING_LICENCE,
                PaperKind.PASSPORT,
                PaperKind.HEALTH_INSURANCE_CARD,
                PaperKind.PENSION_BOOK,
            }
        ),
        ItemKind.PLEDGE: frozenset({PaperKind.PLEDGE}),
        ItemKind.SEAL_CERTIFICATE: frozenset({PaperKind.SEAL_CERTIFICATE}),
        ItemKind.REPRESENTATIVE_TIE: frozenset({PaperKind.COMPANY_REGISTER, PaperKind.OTHER}),
        ItemKind.OTHER: frozenset(PaperKind),
    }
)

ALTERNATIVES = frozenset({PaperKind.HEALTH_INSURANCE_CARD, PaperKind.PENSION_BOOK})
"""Taken only with the statement that there is neither a licence nor a passport (D35)."""

ORIGINALS = frozenset({ItemKind.CERTIFICATE_OF_RESIDENCE, ItemKind.PLEDGE, ItemKind.SEAL_CERTIFICATE})
"""A copy never completes these (D33)."""

DATED = frozenset({PaperKind.CERTIFICATE_OF_RESIDENCE, PaperKind.SEAL_CERTIFICATE, PaperKind.COMPANY_REGISTER})
"""Certificates that must be fresh when they arrive (A8)."""

_INDIVIDUAL = (
    ItemKind.CERTIFICATE_OF_RESIDENCE,
    ItemKind.LICENCE_OR_PASSPORT,
    ItemKind.PLEDGE,
    ItemKind.SEAL_CERTIFICATE,
)


def items_for(*, is_shop: bool) -> tuple[ItemKind, ...]:
    """Return what an applicant sends: four papers (D30); a shop its representative's, and what ties the two (D31)."""
    return (*_INDIVIDUAL, ItemKind.REPRESENTATIVE_TIE) if is_shop else _INDIVIDUAL


@dataclass(frozen=True)
class Seen:
    """What the mail room sees on a paper.

    Attributes:
        is_original: issued by the office, or signed by hand; False for a copy.
        issued_on: the date on it, where it has one.
        applied_on: of a passport, when it was applied for, if that can be seen.
        pledge_version: the version printed on a pledge.
        states_neither: it came with the statement that there is neither licence nor passport (D35).
        forbidden_data_visible: a number that must be masked can be read (S10).
        address_equal: whether it has the same address as the certificate of residence (D34, D37); None: not compared.
        seal_matches: whether its seal is that of the seal certificate (D37); None: not compared.
    """

    kind: PaperKind
    is_original: bool
    issued_on: date | None = None
    applied_on: date | None = None
    pledge_version: str | None = None
    states_neither: bool = False
    forbidden_data_visible: bool = False
    address_equal: bool | None = None
    seal_matches: bool | None = None


def flaws_at_sight(
    item: ItemKind, seen: Seen, *, arrived_on: date, pledge: str | None, policy: CasePolicy
) -> list[Flaw]:
    """Return what a machine can find wrong with a paper when it arrives; a person looks at the rest.

    Args:
        item: what it came for.
        seen: what is on it.
        arrived_on: the day it reached our office, by which its age is judged (A8).
        pledge: the version of the pledge that this case was given.
        policy: how old it may be.
    """
    flaws: list[Flaw] = []
    if seen.kind not in SATISFIES[item] or _proves_no_address(item, seen):
        flaws.append(Flaw.WRONG_KIND)
    if item in ORIGINALS and not seen.is_original:
        flaws.append(Flaw.COPY_NOT_ALLOWED)
    if seen.kind in DATED and (seen.issued_on is None or _is_outdated(seen.issued_on, arrived_on, policy)):
        flaws.append(Flaw.OUTDATED)
    if seen.kind is PaperKind.PLEDGE and seen.pledge_version != pledge:
        flaws.append(Flaw.OLD_PLEDGE)
    if seen.forbidden_data_visible:
        flaws.append(Flaw.FORBIDDEN_DATA_VISIBLE)
    if seen.address_equal is False:
        flaws.append(Flaw.ADDRESS_DIFFERS)
    if seen.seal_matches is False:
        flaws.append(Flaw.SEAL_DIFFERS)
    return list(dict.fromkeys(flaws))


def _proves_no_address(item: ItemKind, seen: Seen) -> bool:
    """Whether a paper cannot stand where an address is to be proven, though it is of a kind that may (D35, A21)."""
    if item is not ItemKind.LICENCE_OR_PASSPORT:
        return False
    if seen.kind in ALTERNATIVES:
        return not seen.states_neither
    return seen.kind is PaperKind.PASSPORT and seen.applied_on is not None and seen.applied_on >= ADDRESS_PAGE_ENDED


def _is_outdated(issued_on: date, arrived_on: date, policy: CasePolicy) -> bool:
    return issued_on > arrived_on or arrived_on > last_day_of_months(issued_on, policy.certificate_months)


class DocumentItem(Base):
    """One paper that a case waits for, or has.

    Attributes:
        position: its place in the list that the applicant was given; an item asked for later comes behind.
        statement: for OTHER, what is asked for, sealed: it is written by a person.
        deadline_at: an item's own exclusive end, if it was asked for besides (D28).
        paper_id: the paper that stands for it now.
    """

    __tablename__ = "document_items"
    __table_args__ = (UniqueConstraint("case_id", "position"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"))
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[ItemKind] = mapped_column(enum_of(ItemKind))
    sealed_wish: Mapped[bytes | None] = mapped_column(LargeBinary)
    standing: Mapped[Standing] = mapped_column(enum_of(Standing))
    flaws: Mapped[list[str]] = mapped_column(Json, default=list)
    deadline_at: Mapped[datetime | None]
    paper_id: Mapped[UUID | None]

    def arrive(self, paper_id: UUID, flaws: Sequence[Flaw]) -> None:
        """A paper came for it. A paper is a fact: it never raises; a good one that came before stands."""
        if self.standing in {Standing.ACCEPTED, Standing.WAIVED} or (flaws and self.is_there):
            return
        self.paper_id = paper_id
        self.flaws = [str(flaw) for flaw in flaws]
        self.standing = Standing.DEFICIENT if flaws else Standing.ARRIVED

    def accept(self) -> None:
        """A reviewer looked at it and found it good.

        Raises:
            IllegalMove: there is no paper, or something was found wrong with it.
        """
        if self.standing is Standing.ACCEPTED:
            return
        if self.standing is not Standing.ARRIVED:
            raise IllegalMove(item_id=self.id, standing=self.standing)
        self.standing = Standing.ACCEPTED

    def find(self, flaws: Sequence[Flaw]) -> None:
        """A reviewer found something wrong.

        Raises:
            IllegalMove: nothing was named.
        """
        if not flaws:
            raise IllegalMove(item_id=self.id, standing=self.standing)
        self.flaws = [str(flaw) for flaw in dict.fromkeys(flaws)]
        self.standing = Standing.DEFICIENT

    @property
    def is_there(self) -> bool:
        """Whether there is a paper for it with which nothing is wrong at sight."""
        return self.standing in {Standing.ARRIVED, Standing.ACCEPTED, Standing.WAIVED}

    @property
    def told_standing(self) -> Standing:
        """Where it stands for the applicant: what a reviewer found good is no reason to guess at others (D11, D50)."""
        return Standing.ARRIVED if self.standing is Standing.ACCEPTED else self.standing

    @property
    def is_good(self) -> bool:
        """Whether a reviewer accepted it, or it was waived."""
        return self.standing in {Standing.ACCEPTED, Standing.WAIVED}


class Paper(Base):
    """A paper that came by post, whether or not anything waited for it. It is a fact: it is never unmade.

    Attributes:
        once_key: the mail room's own number on it: recorded twice it is one paper.
        shelf: where it lies; moves are events.
        postage_due_yen: what we paid for it on arrival, to be charged (D42).
        destroyed_by, destroyed_with: the two persons who shredded it (S9, S11); each says so with a key of their own.
    """

    __tablename__ = "papers"
    __table_args__ = (
        UniqueConstraint("case_id", "once_key"),
        CheckConstraint(
            "destroyed_at IS NULL OR (destroyed_by IS NOT NULL AND destroyed_with IS NOT NULL"
            " AND destroyed_by <> destroyed_with)",
            name="two_persons_destroy",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"), index=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("document_items.id"))
    once_key: Mapped[str] = mapped_column(String(64))
    kind: Mapped[PaperKind] = mapped_column(enum_of(PaperKind))
    is_original: Mapped[bool]
    issued_on: Mapped[date | None]
    applied_on: Mapped[date | None]
    pledge_version: Mapped[str | None] = mapped_column(String(20))
    states_neither: Mapped[bool]
    forbidden_data_visible: Mapped[bool]
    address_equal: Mapped[bool | None]
    seal_matches: Mapped[bool | None]
    arrived_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(64))
    shelf: Mapped[str] = mapped_column(String(40))
    postage_due_yen: Mapped[int] = mapped_column(Integer, default=0)
    destroyed_at: Mapped[datetime | None]
    destroyed_by: Mapped[str | None] = mapped_column(String(64))
    destroyed_with: Mapped[str | None] = mapped_column(String(64))

    @property
    def arrived_on(self) -> date:
        """The day on which it came, in Japan."""
        return local_date(self.arrived_at, JAPAN)

    @property
    def seen(self) -> Seen:
        """What the mail room saw on it."""
        return Seen(
            self.kind,
            self.is_original,
            self.issued_on,
            self.applied_on,
            self.pledge_version,
            self.states_neither,
            self.forbidden_data_visible,
            self.address_equal,
            self.seal_matches,
        )


def all_there(items: Iterable[DocumentItem]) -> bool:
    """Whether every item has its paper; an empty list waits for nothing and so is nobody's complete set."""
    listed = list(items)
    return bool(listed) and all(item.is_there for item in listed)


def all_good(items: Iterable[DocumentItem]) -> bool:
    """Whether a reviewer accepted every item."""
    listed = list(items)
    return bool(listed) and all(item.is_good for item in listed)
