"""What the marketplace told us: members, trades, their messages as facts, organisations; each change a dated snapshot.

Judges names, dates and sides. Personal data stand in snapshots, sealed; nothing here can open them, and a snapshot is
never altered.
"""

import re
import unicodedata
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, enum_of
from models.calendar import aware, local_instant
from models.period import JAPAN

_MIDNIGHT = 24 * 60
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−ーｰ"), "-")
"""What people type for a hyphen with a Japanese input method on."""
_INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
"""Zero-width characters and the selectors of a character's variant, which choose a shape and not another name."""


class MemberKind(StrEnum):
    """Who a member is; the papers of stage 2 depend on it (D30, D31)."""

    INDIVIDUAL = "individual"
    SHOP = "shop"
    """Stands for itself through its representative, a person."""


class MemberStatus(StrEnum):
    """Whether a member is registered now (D18)."""

    ACTIVE = "active"
    LEFT = "left"
    """Nobody applies any more who has left; what was registered stays on record (A20)."""


class TradeSide(StrEnum):
    """Which of the two a party of a trade is."""

    SELLER = "seller"
    BUYER = "buyer"

    @property
    def other(self) -> "TradeSide":
        """The one across."""
        return TradeSide.BUYER if self is TradeSide.SELLER else TradeSide.SELLER


class OrganisationKind(StrEnum):
    """On what ground an organisation may ask for a seller's contact."""

    ACCREDITED = "accredited"
    """A body that a guideline accredits, 信頼性確認団体 (D56)."""
    CONTRACTED = "contracted"
    """A rights holder judged competent and bound by a contract (D57)."""


class When(StrEnum):
    """As of when registered data are disclosed (D43)."""

    REGISTRATION = "registration"
    TRADE = "trade"
    NOW = "now"


class Member(Base):
    """A member of the marketplace, as far as it can be said without personal data.

    Attributes:
        external_id: the marketplace's own id.
        protected_address: the address is under protection, as from a stalker; such a case takes the legal role (S16).
        nickname_index, name_index, email_index: blind indexes of what is registered now.
        content_digest: HMAC of all that is registered now, so that the same again is seen to be the same unopened.
        snapshot_id: what is registered now.
        registered_at: when the member joined, by the marketplace.
        left_at: when they left, if they have.
        email_changed_at: since when the registered address is the one it is; `registered_at` if it never was another
            (A19).
        revision: how many snapshots there are.
        updated_at: when we were last told something new.
    """

    __tablename__ = "members"
    __table_args__ = (
        # Who has left may have left a nickname behind that somebody else takes.
        Index(
            "ix_members_nickname_in_use",
            "nickname_index",
            unique=True,
            sqlite_where=text("status = 'active'"),
            postgresql_where=text("status = 'active'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[MemberKind] = mapped_column(enum_of(MemberKind))
    status: Mapped[MemberStatus] = mapped_column(enum_of(MemberStatus))
    protected_address: Mapped[bool]
    nickname_index: Mapped[str] = mapped_column(String(64), index=True)
    name_index: Mapped[str] = mapped_column(String(64), index=True)
    email_index: Mapped[str] = mapped_column(String(64), index=True)
    content_digest: Mapped[str] = mapped_column(String(64))
    snapshot_id: Mapped[UUID]
    registered_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    email_changed_at: Mapped[datetime]
    revision: Mapped[int]
    updated_at: Mapped[datetime]

    @property
    def is_active(self) -> bool:
        """Whether the member is registered now; only then may they apply (D18)."""
        return self.status is MemberStatus.ACTIVE

    def forget(self, *, at: datetime) -> None:
        """What was registered is erased: they have left, and no name or address finds them any more."""
        self.status, self.left_at, self.updated_at = MemberStatus.LEFT, self.left_at or at, at
        self.nickname_index = self.name_index = self.email_index = self.content_digest = f"erased:{self.id}"

    def take(self, snapshot: "MemberSnapshot") -> None:
        """Let a snapshot be what is registered now."""
        left = snapshot.status is MemberStatus.LEFT
        self.left_at = (self.left_at or snapshot.taken_at) if left else None
        self.snapshot_id = snapshot.id
        self.kind, self.status = snapshot.kind, snapshot.status
        self.protected_address, self.registered_at = snapshot.protected_address, snapshot.registered_at


class MemberSnapshot(Base):
    """All that was registered of a member from an instant on. Written once.

    Attributes:
        taken_at: since when it was so: the marketplace's own word, else when we were told.
        revision: in which order we were told, which need not be the order in which it happened.
    """

    __tablename__ = "member_snapshots"
    __table_args__ = (
        UniqueConstraint("member_id", "revision"),
        Index("ix_member_snapshots_in_time", "member_id", "taken_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    taken_at: Mapped[datetime]
    revision: Mapped[int]
    kind: Mapped[MemberKind] = mapped_column(enum_of(MemberKind))
    status: Mapped[MemberStatus] = mapped_column(enum_of(MemberStatus))
    protected_address: Mapped[bool]
    registered_at: Mapped[datetime]
    sealed_nickname: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_name: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_kana: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_postal_code: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_address: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_email: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_representative: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_representative_kana: Mapped[bytes | None] = mapped_column(LargeBinary)


class Trade(Base):
    """A trade between two members (取引); API and documents call it a transaction.

    Attributes:
        number: 取引番号, the marketplace's own.
        won_on: the day of the winning bid in Japan (落札日).
        completed_at: when it was completed, if it is; the months for an application run from it (D14).
        anonymous_shipping: neither learned the other's name from the parcel (D4).
        payment_service: paid by way of the marketplace (D58).
        message_window_opens_at, message_window_closes_at: while the two can write to each other (D5); at the close
            itself they still can (D12).
    """

    __tablename__ = "trades"
    __table_args__ = (
        CheckConstraint("seller_id <> buyer_id", name="two_parties"),
        CheckConstraint("message_window_opens_at <= message_window_closes_at", name="window_runs_forward"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(40), unique=True)
    item_number: Mapped[str] = mapped_column(String(40))
    item_name: Mapped[str] = mapped_column(String(200))
    won_on: Mapped[date]
    completed_at: Mapped[datetime | None]
    anonymous_shipping: Mapped[bool]
    payment_service: Mapped[bool]
    message_window_opens_at: Mapped[datetime]
    message_window_closes_at: Mapped[datetime]
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"), index=True)
    buyer_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"), index=True)
    revision: Mapped[int]
    updated_at: Mapped[datetime]

    @property
    def as_of(self) -> datetime:
        """The instant that "at the time of the trade" means: its completion, or else the end of the day it was won."""
        return self.completed_at or local_instant(self.won_on, _MIDNIGHT, JAPAN)

    def member_on(self, side: TradeSide) -> UUID:
        """Return who is on that side."""
        return self.seller_id if side is TradeSide.SELLER else self.buyer_id

    def side_of(self, member_id: UUID) -> TradeSide | None:
        """Return on which side a member is; None for somebody else, who may ask for nothing (D7)."""
        return next((side for side in TradeSide if self.member_on(side) == member_id), None)

    def facts(self) -> dict[str, Any]:
        """Return all that is known of it, as a snapshot keeps it."""
        return {
            "item_number": self.item_number,
            "item_name": self.item_name,
            "won_on": self.won_on.isoformat(),
            "completed_at": aware(self.completed_at).isoformat() if self.completed_at else None,
            "anonymous_shipping": self.anonymous_shipping,
            "payment_service": self.payment_service,
            "message_window_opens_at": aware(self.message_window_opens_at).isoformat(),
            "message_window_closes_at": aware(self.message_window_closes_at).isoformat(),
            "seller_id": str(self.seller_id),
            "buyer_id": str(self.buyer_id),
        }


class TradeSnapshot(Base):
    """What was known of a trade from an instant on. Written once."""

    __tablename__ = "trade_snapshots"
    __table_args__ = (UniqueConstraint("trade_id", "revision"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    trade_id: Mapped[UUID] = mapped_column(ForeignKey("trades.id"))
    taken_at: Mapped[datetime]
    revision: Mapped[int]
    facts: Mapped[dict[str, Any]] = mapped_column(Json)


class TradeMessage(Base):
    """That one party wrote to the other through the marketplace, and when; never what (D13).

    Attributes:
        external_id: the marketplace's own id, unique within the trade.
    """

    __tablename__ = "trade_messages"
    __table_args__ = (UniqueConstraint("trade_id", "external_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    trade_id: Mapped[UUID] = mapped_column(ForeignKey("trades.id"))
    external_id: Mapped[str] = mapped_column(String(64))
    sent_by: Mapped[TradeSide] = mapped_column(enum_of(TradeSide))
    sent_at: Mapped[datetime]


class Organisation(Base):
    """Who may ask for a seller's contact without being a party: an accredited body or a contracted rights holder.

    Attributes:
        external_id: our operators' own id for it.
        name: an organisation's name is no personal data.
        email_index: blind index of its registered address.
        content_digest: HMAC of all that is registered now.
        snapshot_id: where its sealed contact stands.
        accredited_by: by whom, under which guideline (D56).
        contract_reference: of the contract (D57).
        judged_by, judged_at: which of our people found it competent and proven, and when (D57).
        valid_from: the first day on which it may ask.
        valid_until: the first day on which it may no more, an exclusive end; None: until further notice.
    """

    __tablename__ = "organisations"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_from < valid_until", name="valid_for_a_while"),
        CheckConstraint("kind <> 'accredited' OR accredited_by IS NOT NULL", name="accredited_by_somebody"),
        CheckConstraint(
            "kind <> 'contracted' OR (contract_reference IS NOT NULL AND judged_by IS NOT NULL"
            " AND judged_at IS NOT NULL)",
            name="judged_and_contracted",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[OrganisationKind] = mapped_column(enum_of(OrganisationKind))
    name: Mapped[str] = mapped_column(String(200))
    email_index: Mapped[str] = mapped_column(String(64), index=True)
    content_digest: Mapped[str] = mapped_column(String(64))
    snapshot_id: Mapped[UUID]
    accredited_by: Mapped[str | None] = mapped_column(String(200))
    contract_reference: Mapped[str | None] = mapped_column(String(100))
    judged_by: Mapped[str | None] = mapped_column(String(64))
    judged_at: Mapped[datetime | None]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    revision: Mapped[int]
    updated_at: Mapped[datetime]

    def is_valid_on(self, day: date) -> bool:
        """Whether it may ask on this day, a date in Japan (D56, D57)."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def facts(self) -> dict[str, Any]:
        """Return what is known of it without its contact, as a snapshot keeps it."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "accredited_by": self.accredited_by,
            "contract_reference": self.contract_reference,
            "judged_by": self.judged_by,
            "judged_at": aware(self.judged_at).isoformat() if self.judged_at else None,
            "valid_from": self.valid_from.isoformat(),
            "valid_until": self.valid_until.isoformat() if self.valid_until else None,
        }


class OrganisationSnapshot(Base):
    """What was known of an organisation from an instant on, its contact sealed. Written once."""

    __tablename__ = "organisation_snapshots"
    __table_args__ = (UniqueConstraint("organisation_id", "revision"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    taken_at: Mapped[datetime]
    revision: Mapped[int]
    facts: Mapped[dict[str, Any]] = mapped_column(Json)
    sealed_email: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_postal_code: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_postal_address: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_addressee: Mapped[bytes] = mapped_column(LargeBinary)


def nickname_form(text: str) -> str:
    """Return a nickname in the one form in which nicknames are compared: NFKC, nothing invisible, nothing around it.

    Letters keep their case: two nicknames may differ by nothing else.
    """
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).strip()


def name_form(text: str) -> str:
    """Return a name in the one form in which names are compared: NFKC, without spaces, in lower case.

    How a name is spaced, and whether its letters are wide or narrow, is the keyboard's doing.
    """
    return "".join(unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).split()).casefold()


def number_form(text: str) -> str:
    """Return a number of a trade or an item as the marketplace writes it, however it was typed."""
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_DASHES).strip()
