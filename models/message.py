"""A message and the attempts to send it. One table of moves; facts from a vendor never raise and never go backwards.

Knows kinds, states and what a vendor's answer means; knows no vendor, no words and no address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, enum_of
from models.booking import Booking, Status
from models.call import Call
from models.customer import Channel
from models.disclosure import DisclosureCase, Party
from models.disclosure import State as CaseState
from models.errors import IllegalMove
from models.job import Queue


class Kind(StrEnum):
    """Every kind of message, named as the folder of its words is."""

    BOOKING_CODE = "booking_code"
    VERIFICATION_CODE = "verification_code"
    BOOKING_CONFIRMED = "booking_confirmed"
    BOOKING_CONFIRMED_SAME_DAY = "booking_confirmed_same_day"
    BOOKING_CHANGED = "booking_changed"
    BOOKING_CHANGED_FINAL = "booking_changed_final"
    BOOKING_MOVED = "booking_moved"
    BOOKING_CANCELLED = "booking_cancelled"
    BOOKING_WITHDRAWN = "booking_withdrawn"
    BOOKING_REMINDER_EVE = "booking_reminder_eve"
    BOOKING_REMINDER_DAY = "booking_reminder_day"
    BOOKING_LATE = "booking_late"
    BOOKING_SHOP_ABSENT = "booking_shop_absent"
    BOOKING_THANKS = "booking_thanks"
    SUSPENSION_ANNOUNCED = "suspension_announced"
    SUSPENSION_UNDONE = "suspension_undone"
    TERMS_CHANGED = "terms_changed"
    INQUIRY_HANDED_OVER = "inquiry_handed_over"
    CUSTOMER_REQUEST = "customer_request"
    SHOP_INQUIRY = "shop_inquiry"
    PROVIDER_INQUIRY = "provider_inquiry"
    SHOP_BOOKING_NEW = "shop_booking_new"
    SHOP_BOOKING_CHANGED = "shop_booking_changed"
    SHOP_BOOKING_CANCELLED = "shop_booking_cancelled"
    SHOP_DAY_LIST = "shop_day_list"
    SHOP_DAY_FIXED = "shop_day_fixed"
    SHOP_CUSTOMER_UNREACHABLE = "shop_customer_unreachable"
    SHOP_IS_LATE = "shop_is_late"
    SHOP_NO_SHOW = "shop_no_show"
    SHOP_CALL_ENDED = "shop_call_ended"
    CALL_MISSED = "call_missed"
    SHOP_CALL_MISSED = "shop_call_missed"
    SHOP_CALLS_UNANSWERED = "shop_calls_unanswered"
    CASE_CONFIRM_ADDRESS = "case_confirm_address"
    CASE_OPENED = "case_opened"
    CASE_TOLD = "case_told"
    CASE_INTAKE_DEFICIENT = "case_intake_deficient"
    CASE_ADDRESS_TO_APPLICANT = "case_address_to_applicant"
    CASE_ADDRESS_TO_COUNTERPARTY = "case_address_to_counterparty"
    CASE_NEGOTIATION_REMINDER = "case_negotiation_reminder"
    CASE_PAPERS_WANTED = "case_papers_wanted"
    CASE_STAGE_2_TOLD = "case_stage_2_told"
    CASE_PAPERS_REMINDER = "case_papers_reminder"
    CASE_PAPERS_DEFICIENT = "case_papers_deficient"
    CASE_INVOICE = "case_invoice"
    CASE_INVOICE_REMINDER = "case_invoice_reminder"
    CASE_POSTED = "case_posted"
    CASE_DISCLOSED_TOLD = "case_disclosed_told"
    CASE_REFUSED = "case_refused"
    CASE_CLOSED = "case_closed"
    CASE_CLOSED_TOLD = "case_closed_told"
    CASE_SERVICE_ENDED = "case_service_ended"


OF_PEOPLE = frozenset({Kind.INQUIRY_HANDED_OVER, Kind.CUSTOMER_REQUEST, Kind.SHOP_INQUIRY, Kind.PROVIDER_INQUIRY})
"""What is said of an inquiry, or asked of a customer; its text is opened when it is sent (B31, B34)."""

OF_SUSPENSIONS = frozenset({Kind.SUSPENSION_ANNOUNCED, Kind.SUSPENSION_UNDONE})
"""What is true only while a suspension takes the booking's time away, or none does (B41)."""

CODES = frozenset({Kind.BOOKING_CODE, Kind.VERIFICATION_CODE})
"""What somebody waits for at a screen: it goes before everything else."""


class WhenUnknown(StrEnum):
    """What is done when nobody can find out whether a message was sent."""

    ASK_AGAIN = "ask_again"
    """The customer asks for another."""
    A_PERSON_DECIDES = "a_person_decides"
    AT_MOST_ONCE = "at_most_once"
    """It is better not sent than sent twice."""


@dataclass(frozen=True)
class Nature:
    """What is particular to a kind.

    Attributes:
        queue: where its delivery is done; a flood of one must not delay another.
        true_while: the states of its booking or case in which the message still tells the truth; None: always.
        bound_to_revision: whether a change of the booking makes it untrue.
        keeps_quiet: whether it waits for the morning rather than ring at night.
        of_any_booking: whether it is of no booking in particular, and true while any of the customer's is in
            `true_while`; which one it names is chosen when it is sent.
    """

    queue: Queue
    when_unknown: WhenUnknown
    true_while: frozenset[Status] | frozenset[CaseState] | None = None
    bound_to_revision: bool = False
    keeps_quiet: bool = False
    of_any_booking: bool = False


_LIVE = frozenset({Status.CONFIRMED, Status.IN_CALL})
_ANSWER = Nature(Queue.BOOKINGS, WhenUnknown.A_PERSON_DECIDES, _LIVE, bound_to_revision=True)
_ENDING = Nature(Queue.BOOKINGS, WhenUnknown.A_PERSON_DECIDES, frozenset({Status.CANCELLED}))
_NOTICE = Nature(Queue.DELIVERY, WhenUnknown.AT_MOST_ONCE)
# It holds the staff's call URL, which a booking has only while it lives; of its end the shop is told by another notice.
_NOTICE_OF_CALL = Nature(Queue.DELIVERY, WhenUnknown.AT_MOST_ONCE, _LIVE)

# What the law calls a notice: somebody has to know whether it went out.
_CASE = Nature(Queue.DISCLOSURE, WhenUnknown.A_PERSON_DECIDES)


def _case_in(*states: CaseState, when_unknown: WhenUnknown = WhenUnknown.A_PERSON_DECIDES) -> Nature:
    return Nature(Queue.DISCLOSURE, when_unknown, frozenset(states))


NATURES: Mapping[Kind, Nature] = MappingProxyType(
    {
        Kind.BOOKING_CODE: Nature(Queue.CODES, WhenUnknown.ASK_AGAIN, frozenset({Status.HELD})),
        Kind.VERIFICATION_CODE: Nature(Queue.CODES, WhenUnknown.ASK_AGAIN),
        Kind.BOOKING_CONFIRMED: _ANSWER,
        Kind.BOOKING_CONFIRMED_SAME_DAY: _ANSWER,
        Kind.BOOKING_CHANGED: _ANSWER,
        Kind.BOOKING_CHANGED_FINAL: _ANSWER,
        Kind.BOOKING_MOVED: _ANSWER,
        Kind.BOOKING_CANCELLED: _ENDING,
        Kind.BOOKING_WITHDRAWN: _ENDING,
        Kind.BOOKING_REMINDER_EVE: Nature(
            Queue.DELIVERY,
            WhenUnknown.AT_MOST_ONCE,
            frozenset({Status.CONFIRMED}),
            bound_to_revision=True,
            keeps_quiet=True,
        ),
        Kind.BOOKING_REMINDER_DAY: Nature(Queue.BOOKINGS, WhenUnknown.AT_MOST_ONCE, _LIVE, bound_to_revision=True),
        # Somebody waits in the call meanwhile, at whatever hour it was booked for.
        Kind.BOOKING_LATE: Nature(
            Queue.BOOKINGS, WhenUnknown.AT_MOST_ONCE, frozenset({Status.CONFIRMED}), bound_to_revision=True
        ),
        Kind.BOOKING_SHOP_ABSENT: Nature(
            Queue.BOOKINGS, WhenUnknown.A_PERSON_DECIDES, frozenset({Status.NO_SHOW}), bound_to_revision=True
        ),
        Kind.BOOKING_THANKS: Nature(
            Queue.DELIVERY,
            WhenUnknown.AT_MOST_ONCE,
            frozenset({Status.COMPLETED}),
            bound_to_revision=True,
            keeps_quiet=True,
        ),
        Kind.TERMS_CHANGED: Nature(
            Queue.DELIVERY, WhenUnknown.A_PERSON_DECIDES, _LIVE, keeps_quiet=True, of_any_booking=True
        ),
        # At any hour: they bear a time by which the customer has to act. When they are written is an operator's choice.
        Kind.SUSPENSION_ANNOUNCED: Nature(
            Queue.DELIVERY, WhenUnknown.A_PERSON_DECIDES, frozenset({Status.CONFIRMED}), bound_to_revision=True
        ),
        Kind.SUSPENSION_UNDONE: Nature(
            Queue.DELIVERY, WhenUnknown.A_PERSON_DECIDES, frozenset({Status.CONFIRMED}), bound_to_revision=True
        ),
        Kind.INQUIRY_HANDED_OVER: Nature(Queue.DELIVERY, WhenUnknown.AT_MOST_ONCE, keeps_quiet=True),
        Kind.CUSTOMER_REQUEST: Nature(Queue.DELIVERY, WhenUnknown.A_PERSON_DECIDES, keeps_quiet=True),
        # Somebody waits for an answer: whether it reached who is to give one is for a person to find out.
        Kind.SHOP_INQUIRY: Nature(Queue.DELIVERY, WhenUnknown.A_PERSON_DECIDES),
        Kind.PROVIDER_INQUIRY: Nature(Queue.DELIVERY, WhenUnknown.A_PERSON_DECIDES),
        Kind.SHOP_BOOKING_NEW: _NOTICE_OF_CALL,
        Kind.SHOP_BOOKING_CHANGED: _NOTICE_OF_CALL,
        Kind.SHOP_BOOKING_CANCELLED: _NOTICE,
        Kind.SHOP_DAY_LIST: _NOTICE,
        Kind.SHOP_DAY_FIXED: _NOTICE,
        Kind.SHOP_CUSTOMER_UNREACHABLE: _NOTICE,
        Kind.SHOP_IS_LATE: Nature(
            Queue.BOOKINGS, WhenUnknown.AT_MOST_ONCE, frozenset({Status.CONFIRMED}), bound_to_revision=True
        ),
        Kind.SHOP_NO_SHOW: _NOTICE,
        Kind.SHOP_CALL_ENDED: _NOTICE,
        Kind.CALL_MISSED: Nature(Queue.BOOKINGS, WhenUnknown.AT_MOST_ONCE),
        Kind.SHOP_CALL_MISSED: _NOTICE,
        Kind.SHOP_CALLS_UNANSWERED: Nature(Queue.BOOKINGS, WhenUnknown.AT_MOST_ONCE),
        Kind.CASE_CONFIRM_ADDRESS: _case_in(CaseState.RECEIVED, when_unknown=WhenUnknown.ASK_AGAIN),
        Kind.CASE_OPENED: _CASE,
        Kind.CASE_TOLD: _CASE,
        Kind.CASE_INTAKE_DEFICIENT: _case_in(CaseState.INTAKE_DEFICIENT),
        # A release that has begun is finished on both sides, whatever becomes of the case.
        Kind.CASE_ADDRESS_TO_APPLICANT: _CASE,
        Kind.CASE_ADDRESS_TO_COUNTERPARTY: _CASE,
        Kind.CASE_NEGOTIATION_REMINDER: _case_in(CaseState.NEGOTIATING, when_unknown=WhenUnknown.AT_MOST_ONCE),
        Kind.CASE_PAPERS_WANTED: _case_in(CaseState.AWAITING_DOCUMENTS),
        Kind.CASE_STAGE_2_TOLD: _CASE,
        Kind.CASE_PAPERS_REMINDER: _case_in(
            CaseState.AWAITING_DOCUMENTS, CaseState.DOCUMENTS_DEFICIENT, when_unknown=WhenUnknown.AT_MOST_ONCE
        ),
        Kind.CASE_PAPERS_DEFICIENT: _case_in(CaseState.DOCUMENTS_DEFICIENT),
        Kind.CASE_INVOICE: _case_in(CaseState.AWAITING_FEE),
        Kind.CASE_INVOICE_REMINDER: _case_in(CaseState.AWAITING_FEE, when_unknown=WhenUnknown.AT_MOST_ONCE),
        Kind.CASE_POSTED: _CASE,
        Kind.CASE_DISCLOSED_TOLD: _CASE,
        Kind.CASE_REFUSED: _CASE,
        Kind.CASE_CLOSED: _CASE,
        Kind.CASE_CLOSED_TOLD: _CASE,
        Kind.CASE_SERVICE_ENDED: _CASE,
    }
)


POLL_AFTER = timedelta(minutes=10)
"""A message without a final report is asked after so long: reports may be lost, and are repeated once at most."""


class State(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    EXPIRED = "expired"
    VOIDED = "voided"
    UNKNOWN = "unknown"


MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.QUEUED: frozenset({State.SENDING, State.EXPIRED, State.VOIDED, State.FAILED}),
        State.SENDING: frozenset(
            {
                State.QUEUED,
                State.SENT,
                State.FAILED,
                State.UNKNOWN,
                State.DELIVERED,
                State.UNDELIVERED,
                State.EXPIRED,
            }
        ),
        # A receipt or the vendor's list settles an unknown outcome; QUEUED only if it is proven that nothing was sent.
        State.UNKNOWN: frozenset(
            {State.QUEUED, State.SENT, State.FAILED, State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.VOIDED}
        ),
        # A vendor tells of messages whose time was over before they could be delivered.
        State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED, State.FAILED, State.EXPIRED, State.UNKNOWN}),
        State.DELIVERED: frozenset(),
        State.UNDELIVERED: frozenset(),
        State.FAILED: frozenset(),
        State.EXPIRED: frozenset(),
        State.VOIDED: frozenset(),
    }
)


@dataclass(frozen=True)
class Accepted:
    """The vendor took the message and will tell how it went."""

    reference: str


@dataclass(frozen=True)
class Refused:
    """Final for this recipient or this text.

    Attributes:
        code: the vendor's, as text, or our own word.
        suppress: the address itself is dead or unwilling; nothing should be sent to it again.
        operator: nothing about the message is wrong, but our account is; a person must see to it.
    """

    code: str
    suppress: bool = False
    operator: bool = False


@dataclass(frozen=True)
class TryLater:
    """Provably not sent.

    Attributes:
        after: what the vendor asked us to wait, or None to choose ourselves.
        operator: nothing about the message is wrong, but our account is; a person must see to it meanwhile.
    """

    code: str
    after: timedelta | None = None
    operator: bool = False


@dataclass(frozen=True)
class Unknown:
    """Maybe sent, maybe not. Nothing is sent again until it is known."""

    code: str


Answer = Accepted | Refused | TryLater | Unknown


Subject = Booking | DisclosureCase
"""What a message may be about."""


def _moved_on(subject: Subject | None) -> str:
    return "case_moved_on" if isinstance(subject, DisclosureCase) else "booking_moved_on"


class Message(Base):
    """One SMS or mail that somebody is owed.

    Attributes:
        shop_id: whose message it is; None for the notices of a case.
        customer_id: whom it goes to; None for a notice to the shop or of a case. The address is read when it is sent.
        call_id: the call at once that it is about.
        case_id, party: the case it belongs to, and which side it goes to.
        revision: the booking's, when the message was written.
        facts: what its words need besides the rows: instants and numbers, never personal data.
        once_key: at most one message bears it: what makes "one confirmation per revision" true in the database.
        expires_at: exclusive end of its use; afterwards it is not sent.
        next_poll_at: when the vendor is asked, if no report has told how it ended.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_booking", "booking_id"),
        Index(
            "ix_messages_case",
            "case_id",
            postgresql_where=text("case_id IS NOT NULL"),
            sqlite_where=text("case_id IS NOT NULL"),
        ),
        Index(
            "ix_messages_queued",
            "channel",
            "shop_id",
            postgresql_where=text("state = 'queued'"),
            sqlite_where=text("state = 'queued'"),
        ),
        Index(
            "ix_messages_unknown",
            "created_at",
            postgresql_where=text("state = 'unknown'"),
            sqlite_where=text("state = 'unknown'"),
        ),
        Index(
            "ix_messages_to_poll",
            "next_poll_at",
            postgresql_where=text("next_poll_at IS NOT NULL"),
            sqlite_where=text("next_poll_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(enum_of(Kind))
    channel: Mapped[Channel] = mapped_column(enum_of(Channel))
    language: Mapped[str] = mapped_column(String(8))
    shop_id: Mapped[str | None] = mapped_column(ForeignKey("shops.id"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"), index=True)
    booking_id: Mapped[UUID | None] = mapped_column(ForeignKey("bookings.id"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey(Call.id), index=True)
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("disclosure_cases.id"))
    party: Mapped[Party | None] = mapped_column(enum_of(Party))
    revision: Mapped[int | None]
    facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    once_key: Mapped[str] = mapped_column(String(120), unique=True)
    state: Mapped[State] = mapped_column(enum_of(State))
    because: Mapped[str | None] = mapped_column(String(64))
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    next_poll_at: Mapped[datetime | None]

    @property
    def nature(self) -> Nature:
        """What is particular to its kind."""
        return NATURES[self.kind]

    def is_true_of(self, subject: Subject | None) -> bool:
        """Whether it still tells the truth; asked under lock in the moment before it is sent."""
        nature = self.nature
        if subject is None:
            return not nature.of_any_booking
        if isinstance(subject, DisclosureCase):
            return nature.true_while is None or subject.state in nature.true_while
        return (nature.true_while is None or subject.status in nature.true_while) and not (
            nature.bound_to_revision and subject.revision != self.revision
        )

    def is_wanted(self, *, now: datetime, subject: Subject | None, is_overtaken: bool = False) -> bool:
        """Whether it is still to be sent; if it is queued and no longer helps, it ends here, as voided or expired.

        `is_overtaken`: it stopped to be true for a reason that its subject does not show.
        """
        if self.state is not State.QUEUED:
            return False
        if is_overtaken or not self.is_true_of(subject):
            self._end(State.VOIDED, now, _moved_on(subject))
            return False
        if now >= self.expires_at:
            self._end(State.EXPIRED, now, "too_late_to_help")
            return False
        return True

    def begin(self) -> None:
        """Claim it for sending.

        Raises:
            IllegalMove: it is not queued.
        """
        self._move(State.SENDING)
        self.tries += 1

    def give_up(self, because: str, *, now: datetime) -> None:
        """End it unsent, for a reason that lies with us or with the address.

        Raises:
            IllegalMove: it is not queued or unknown.
        """
        self._end(State.FAILED, now, because)

    def void(self, *, now: datetime) -> None:
        """The booking moved on before it was sent. What is being sent just now cannot be recalled."""
        if self.state is State.QUEUED:
            self._end(State.VOIDED, now, "booking_moved_on")

    def record(self, answer: Answer, *, now: datetime) -> None:
        """Apply a vendor's answer. A receipt may have come first; what is known already is not unlearnt."""
        if self.state not in {State.SENDING, State.UNKNOWN}:
            return
        match answer:
            case Accepted():
                self._move(State.SENT)
                self.because = None
                self.next_poll_at = now + POLL_AFTER
            case Refused(code=code):
                self._end(State.FAILED, now, code)
            case TryLater(code=code):
                self._move(State.QUEUED)
                self.because = code
            case Unknown(code=code) if self.state is State.SENDING:
                self._move(State.UNKNOWN)
                self.because = code
            case Unknown():
                pass

    def learn(self, fact: State, *, now: datetime, because: str | None = None) -> bool:
        """Apply a fact from a receipt if it advances the state; say whether it did.

        Facts come twice, late and out of order, so one that no longer fits is not an error.
        """
        if fact not in MOVES[self.state] or fact in {State.QUEUED, State.UNKNOWN}:
            return False
        if fact in TERMINAL:
            self.next_poll_at = None
            self._end(fact, now, because)
        else:
            # Also where it was not the call's own answer that said so, or a report that is lost is never asked for.
            self._move(fact)
            self.because = because
            self.next_poll_at = now + POLL_AFTER
        return True

    def never_reported(self) -> None:
        """No report came and none will: the vendor lost the message after taking it, or the reports of it."""
        self.next_poll_at = None
        if self.state is State.SENT:
            self._move(State.UNKNOWN)
            self.because = "never_reported"

    def settle_unfound(self, *, now: datetime) -> bool:
        """Nobody can find out whether it was sent: do what its kind says. True if a person has to decide.

        It is not sent again by itself in any case: what is a code is asked for again, what is a reminder was sent at
        most once, and the rest is on a person's list.
        """
        if self.state is not State.UNKNOWN:
            return False
        if self.nature.when_unknown is WhenUnknown.A_PERSON_DECIDES:
            return True
        self._end(State.FAILED, now, "never_known")
        return False

    def decide_to_resend(self) -> None:
        """A person decided that it was not sent: it may be tried again.

        Raises:
            IllegalMove: its outcome is not unknown.
        """
        if self.state is not State.UNKNOWN:
            raise IllegalMove(message_id=self.id, message_state=self.state)
        self._move(State.QUEUED)

    def decide_to_close(self, *, arrived: bool, now: datetime) -> None:
        """A person found out, or lets it be: it is not sent again.

        Raises:
            IllegalMove: its outcome is not unknown.
        """
        if self.state is not State.UNKNOWN:
            raise IllegalMove(message_id=self.id, message_state=self.state)
        self._end(State.DELIVERED if arrived else State.FAILED, now, "a_person_decided")

    def _end(self, to: State, now: datetime, because: str | None) -> None:
        self._move(to)
        self.ended_at = now
        self.because = because

    def _move(self, to: State) -> None:
        if to not in MOVES[self.state]:
            raise IllegalMove(message_id=self.id, message_state=self.state)
        self.state = to


TERMINAL = frozenset(state for state, onward in MOVES.items() if not onward)


class Attempt(Base):
    """One call to a vendor. Its id travels with the call, so a signed receipt can name it even if the answer was lost.

    Attributes:
        answer: "accepted", "refused", "try_later" or "unknown"; None while the call is under way.
        reference: the vendor's id of the message.
        segments: in how many parts an SMS is paid (B28); None for a mail.
    """

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_vendor", "vendor", "started_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id"), index=True)
    vendor: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(String(16))
    code: Mapped[str | None] = mapped_column(String(64))
    reference: Mapped[str | None] = mapped_column(String(120), index=True)
    segments: Mapped[int | None]

    def record(self, answer: Answer, *, now: datetime) -> None:
        """Keep what the vendor said, or that nobody knows."""
        self.ended_at = now
        match answer:
            case Accepted(reference=reference):
                self.answer, self.reference = "accepted", reference
            case Refused(code=code):
                self.answer, self.code = "refused", code
            case TryLater(code=code):
                self.answer, self.code = "try_later", code
            case Unknown(code=code):
                self.answer, self.code = "unknown", code


class Receipt(Base):
    """One fact from a vendor, as it came, without its personal data. Stored first, applied afterwards.

    Attributes:
        once_key: vendor's event id, or what else tells one fact from another; a duplicate is not stored twice.
        status: the vendor's own word.
        fact: what it means for the message; None if it means nothing.
    """

    __tablename__ = "receipts"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    once_key: Mapped[str] = mapped_column(String(200), unique=True)
    vendor: Mapped[str] = mapped_column(String(32))
    attempt_id: Mapped[UUID | None] = mapped_column(index=True)
    reference: Mapped[str | None] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(40))
    fact: Mapped[State | None] = mapped_column(enum_of(State))
    code: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]


class MessageDecision(Base):
    """What a person decided about a message whose outcome nobody could find out, and why. Append-only."""

    __tablename__ = "message_decisions"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id"), index=True)
    decision: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(200))
    decided_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime]
