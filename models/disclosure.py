"""A disclosure case from the form to its end: the table of moves, its guards, its deadlines. Clauses D1 to D73.

Judges by the instants and the policy it is given. It knows no message, no registry's contents and no person's data;
what two people decided comes as a `Decision` (models/decision.py), and stands here only once it is approved.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, enum_of
from models.case_policy import CasePolicy
from models.decision import Decision, Stage, Verdict
from models.errors import CaseHeld, DeadlinePassed, IllegalMove, NotReady, ServiceEnded
from models.period import business_days_after, end_of_days


class Path(StrEnum):
    """Who asks."""

    PARTY = "party"
    RIGHTS_HOLDER = "rights_holder"
    """An accredited organisation or a contracted holder of rights, about a seller (D56 to D63)."""


class Party(StrEnum):
    """The two sides of a case."""

    APPLICANT = "applicant"
    COUNTERPARTY = "counterparty"


class State(StrEnum):
    """Where a case stands."""

    RECEIVED = "received"
    """A form came in; it is a case once the registered address confirms it (D68)."""
    SCREENING = "screening"
    INTAKE_DEFICIENT = "intake_deficient"
    EXCHANGING = "exchanging"
    NEGOTIATING = "negotiating"
    AWAITING_DOCUMENTS = "awaiting_documents"
    REVIEWING = "reviewing"
    DOCUMENTS_DEFICIENT = "documents_deficient"
    AWAITING_FEE = "awaiting_fee"
    RELEASING = "releasing"
    DISCLOSED = "disclosed"
    SETTLED = "settled"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    SERVICE_ENDED = "service_ended"


_WAY_OUT = frozenset({State.REFUSED, State.WITHDRAWN, State.SERVICE_ENDED})
MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.RECEIVED: frozenset({State.SCREENING, State.LAPSED, State.SERVICE_ENDED}),
        State.SCREENING: frozenset({State.INTAKE_DEFICIENT, State.EXCHANGING, State.NEGOTIATING, State.RELEASING})
        | _WAY_OUT,
        State.INTAKE_DEFICIENT: frozenset({State.SCREENING, State.EXPIRED}) | _WAY_OUT,
        # A release that has begun is finished on both sides: nothing but its own end, or its not having begun.
        State.EXCHANGING: frozenset({State.NEGOTIATING, State.SCREENING}),
        State.NEGOTIATING: frozenset({State.AWAITING_DOCUMENTS, State.SETTLED}) | _WAY_OUT,
        State.AWAITING_DOCUMENTS: frozenset({State.REVIEWING, State.EXPIRED}) | _WAY_OUT,
        State.REVIEWING: frozenset({State.DOCUMENTS_DEFICIENT, State.AWAITING_FEE}) | _WAY_OUT,
        State.DOCUMENTS_DEFICIENT: frozenset({State.REVIEWING, State.EXPIRED}) | _WAY_OUT,
        State.AWAITING_FEE: frozenset({State.RELEASING, State.REVIEWING, State.EXPIRED}) | _WAY_OUT,
        State.RELEASING: frozenset({State.DISCLOSED}),
        State.DISCLOSED: frozenset(),
        State.SETTLED: frozenset(),
        State.REFUSED: frozenset(),
        State.WITHDRAWN: frozenset(),
        State.EXPIRED: frozenset(),
        State.LAPSED: frozenset(),
        State.SERVICE_ENDED: frozenset(),
    }
)
"""Every move there is. From a terminal state there is no way out but the purge."""

TERMINAL = frozenset(state for state, onward in MOVES.items() if not onward)
RELEASES = frozenset({State.EXCHANGING, State.RELEASING})
WAITS_FOR_US = frozenset({State.SCREENING, State.REVIEWING}) | RELEASES
"""States without a deadline: the work stands on somebody's list, and an alert is due when it lies too long."""
AFTER_STAGE_1 = frozenset(
    {
        State.NEGOTIATING,
        State.AWAITING_DOCUMENTS,
        State.REVIEWING,
        State.DOCUMENTS_DEFICIENT,
        State.AWAITING_FEE,
    }
)

DEADLINES: Mapping[State, Callable[[CasePolicy, datetime], datetime]] = MappingProxyType(
    {
        State.INTAKE_DEFICIENT: lambda policy, arrived: end_of_days(arrived, policy.deficiency_days),
        State.NEGOTIATING: lambda policy, arrived: end_of_days(arrived, policy.negotiation_days),
        State.AWAITING_DOCUMENTS: lambda policy, arrived: end_of_days(arrived, policy.papers_days),
        State.DOCUMENTS_DEFICIENT: lambda policy, arrived: end_of_days(arrived, policy.deficiency_days),
        State.AWAITING_FEE: lambda policy, arrived: end_of_days(arrived, policy.fee_days),
    }
)
"""State → its exclusive end, from the instant at which the notice that opens it is deemed to have arrived (D54)."""

RUN_OUT: Mapping[State, State] = MappingProxyType(
    {
        State.RECEIVED: State.LAPSED,
        State.INTAKE_DEFICIENT: State.EXPIRED,
        State.NEGOTIATING: State.SETTLED,
        State.AWAITING_DOCUMENTS: State.EXPIRED,
        State.DOCUMENTS_DEFICIENT: State.EXPIRED,
        State.AWAITING_FEE: State.EXPIRED,
    }
)
"""Where a deadline that passes leads."""

WRITTEN_DOWN_LATER = frozenset({State.AWAITING_DOCUMENTS, State.DOCUMENTS_DEFICIENT, State.AWAITING_FEE})
"""Papers and payments are judged by when they came; the mail room and the bank tell of them the next business day."""

SENDING_TAKES = timedelta(minutes=1)
"""A call to a vendor is over within this; a deadline that a message states allows for it."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans("ILO", "110")
_REFERENCE = re.compile(r"D([0-9A-HJKMNP-TV-Z]{8})")


class DisclosureCase(Base):
    """One application by one side of one transaction, on one path.

    Attributes:
        version: one more with each move, extension and hold; timers and proposals of an older one are void.
        applicant_id, counterparty_id, trade_id: None until the form is matched with the registry, or if it cannot be.
        filed_at: when the form came; confirmed_at: when the registered address was proven (D68).
        is_eligible: what the automatic checks found; None while they have not run.
        told_counterparty_at: since when the other side is told (D38); on the rights holders' path not before it (D62).
        release_id: the one release under which both addresses went out (D20); released_at: its instant.
        stage_2_told_at: when the counterparty's notice of stage 2 was first about to be sent.
        opinion_due_at: exclusive end of the counterparty's window (A12).
        held_at: a hold is an overlay that freezes timers and the purge, not a state.
        live_key: names transaction, applicant and path while the case is open: at most one is.
    """

    __tablename__ = "disclosure_cases"
    __table_args__ = (
        CheckConstraint("version >= 1", name="version_counts"),
        CheckConstraint(
            "path <> 'rights_holder' OR told_counterparty_at IS NULL OR released_at IS NOT NULL",
            name="sellers_are_not_told_before",
        ),
        CheckConstraint("fee_yen >= 0 AND paid_yen >= 0", name="money_is_counted_up"),
        Index("ix_disclosure_cases_state", "state", "state_since_at"),
        Index("ix_disclosure_cases_trade", "trade_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    path: Mapped[Path] = mapped_column(enum_of(Path))
    state: Mapped[State] = mapped_column(enum_of(State))
    version: Mapped[int] = mapped_column(Integer)
    language: Mapped[str] = mapped_column(String(8))
    applicant_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"), index=True)
    counterparty_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"), index=True)
    organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    trade_id: Mapped[UUID | None] = mapped_column(ForeignKey("trades.id"))
    crossed_with_id: Mapped[UUID | None] = mapped_column(ForeignKey("disclosure_cases.id"))
    live_key: Mapped[str | None] = mapped_column(String(120), unique=True)
    filed_at: Mapped[datetime]
    filed_by: Mapped[str] = mapped_column(String(64))
    confirmed_at: Mapped[datetime | None]
    state_since_at: Mapped[datetime]
    deadline_at: Mapped[datetime | None]
    held_at: Mapped[datetime | None]
    is_eligible: Mapped[bool | None]
    needs_legal: Mapped[bool] = mapped_column(default=False)
    told_counterparty_at: Mapped[datetime | None]
    intake_rounds: Mapped[int] = mapped_column(Integer, default=0)
    paper_rounds: Mapped[int] = mapped_column(Integer, default=0)
    decision_id: Mapped[UUID | None]
    release_id: Mapped[UUID | None]
    released_at: Mapped[datetime | None]
    applicant_reached_at: Mapped[datetime | None]
    counterparty_reached_at: Mapped[datetime | None]
    stage_2_at: Mapped[datetime | None]
    pledge_version: Mapped[str | None] = mapped_column(String(20))
    stage_2_told_at: Mapped[datetime | None]
    opinion_due_at: Mapped[datetime | None]
    opinion_at: Mapped[datetime | None]
    fee_yen: Mapped[int] = mapped_column(Integer, default=0)
    paid_yen: Mapped[int] = mapped_column(Integer, default=0)
    dispatched_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    consents: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    sealed_form: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_stage_2: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_opinion: Mapped[bytes | None] = mapped_column(LargeBinary)

    @property
    def reference(self) -> str:
        """The case number (受付番号) that notices and papers bear. It names a case, it authorises nothing."""
        value = self.id.int & (1 << 40) - 1
        letters = "".join(_ALPHABET[value >> shift & 31] for shift in range(35, -1, -5))
        return f"D{letters[:4]}-{letters[4:]}"

    @property
    def is_open(self) -> bool:
        """Whether it has not come to an end."""
        return self.state not in TERMINAL

    @property
    def is_mutual(self) -> bool:
        """Whether each side has the other's address."""
        return self.applicant_reached_at is not None and self.counterparty_reached_at is not None

    def member_of(self, party: Party) -> UUID | None:
        """Return which member stands on a side."""
        return self.applicant_id if party is Party.APPLICANT else self.counterparty_id

    # The form and the checks

    def confirm(self, *, at: datetime, live_key: str, policy: CasePolicy) -> None:
        """The registered address proved that the application is its own (D68).

        Raises:
            IllegalMove: it was confirmed before, or has lapsed.
            DeadlinePassed: the link's life is over.
            ServiceEnded: the service ended meanwhile; what is unconfirmed at its end, ends (A2).
        """
        self._need(State.RECEIVED)
        if policy.service_has_ended(at):
            raise ServiceEnded(case_id=self.id)
        if self.deadline_at is not None and at >= self.deadline_at:
            raise DeadlinePassed(case_id=self.id)
        self.confirmed_at = at
        self.live_key = live_key
        self._move(State.SCREENING, at=at, policy=policy)

    def screened(self, *, eligible: bool, needs_legal: bool) -> None:
        """The automatic checks ran. What they found is not told to anybody outside (D11)."""
        if self.state is not State.SCREENING:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self.is_eligible = eligible
        self.needs_legal = needs_legal or self.path is Path.RIGHTS_HOLDER

    def tell_counterparty(self, *, at: datetime) -> bool:
        """Whether the other side is told of an application now; from then on it was (D38).

        Never before a release on the rights holders' path, whatever is configured (D62), nor when the case is over.
        """
        if self.path is Path.RIGHTS_HOLDER or self.counterparty_id is None or not self.is_eligible or not self.is_open:
            return False
        self.told_counterparty_at = self.told_counterparty_at or at
        return True

    def miss(self, *, at: datetime, policy: CasePolicy) -> None:
        """Ask the applicant for what the form lacks, twice at most (A10).

        Raises:
            IllegalMove: it is not being screened.
            NotReady: it was asked often enough.
        """
        self._need(State.SCREENING)
        if self.intake_rounds >= policy.most_deficiency_rounds:
            raise NotReady(case_id=self.id, lacks="rounds")
        self.intake_rounds += 1
        self._move(State.INTAKE_DEFICIENT, at=at, policy=policy)

    def resubmit(self, *, at: datetime, policy: CasePolicy) -> None:
        """The applicant sent what was missing.

        Raises:
            IllegalMove: nothing was asked for.
            DeadlinePassed: it came too late.
        """
        self._need(State.INTAKE_DEFICIENT)
        self._in_time(at)
        self.is_eligible = None
        self._move(State.SCREENING, at=at, policy=policy)

    # Stage 1

    def exchange(self, decision: Decision, *, at: datetime, policy: CasePolicy) -> None:
        """Two people decided that both addresses are disclosed.

        Raises:
            IllegalMove: it is not being screened, or this is not its path.
            NotReady: the decision is not approved or not of this, the case is not eligible, or the other side untold.
        """
        self._need(State.SCREENING)
        self._decided(decision, Stage.ADDRESSES, Verdict.DISCLOSE)
        if self.path is not Path.PARTY:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self._ready(eligible=bool(self.is_eligible), prior_notice=self.told_counterparty_at is not None)
        self.decision_id = decision.id
        self._move(State.EXCHANGING, at=at, policy=policy)

    def stop_exchange(self, *, at: datetime, policy: CasePolicy) -> None:
        """An address cannot be written to as it stands; nothing was sent yet, and nothing is sent to either side.

        Raises:
            IllegalMove: the release has begun, or there is none.
        """
        self._need(State.EXCHANGING)
        if self.released_at is not None:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self.decision_id = None
        self._move(State.SCREENING, at=at, policy=policy)

    def release_addresses(self, release_id: UUID, *, at: datetime) -> bool:
        """Both addresses go out under one release (D20); False if they did already.

        Raises:
            IllegalMove: nothing was decided.
        """
        self._need(State.EXCHANGING)
        if self.released_at is not None:
            return False
        self.release_id, self.released_at = release_id, at
        return True

    def reach(self, party: Party, *, at: datetime, policy: CasePolicy) -> bool:
        """The address of the other was accepted on its way to one side; True if both sides have it now.

        A fact: it may come twice and in any order, and never raises.
        """
        if self.state is not State.EXCHANGING or self.released_at is None:
            return False
        if party is Party.APPLICANT:
            self.applicant_reached_at = self.applicant_reached_at or at
        else:
            self.counterparty_reached_at = self.counterparty_reached_at or at
        if self.applicant_reached_at is None or self.counterparty_reached_at is None:
            return False
        self._move(State.NEGOTIATING, at=max(self.applicant_reached_at, self.counterparty_reached_at), policy=policy)
        return True

    def begin_after(self, other: "DisclosureCase", *, at: datetime, policy: CasePolicy) -> None:
        """A cross-application whose stage 1 was mutual already begins behind it, on the same release (A18).

        Raises:
            IllegalMove: it has begun, or the other is not the other side's, or both did not get the other's address.
            NotReady: it is not eligible.
        """
        self._need(State.SCREENING)
        sides = (other.path, other.trade_id, other.applicant_id, other.counterparty_id)
        if sides != (Path.PARTY, self.trade_id, self.counterparty_id, self.applicant_id) or not other.is_mutual:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self._ready(eligible=bool(self.is_eligible))
        self.release_id, self.released_at = other.release_id, other.released_at
        self.applicant_reached_at = other.counterparty_reached_at
        self.counterparty_reached_at = other.applicant_reached_at
        self._move(State.NEGOTIATING, at=at, policy=policy)

    def settle(self, *, at: datetime, policy: CasePolicy) -> None:
        """The parties came to terms, or nobody asked for more in time.

        Raises:
            IllegalMove: they are not negotiating.
        """
        self._need(State.NEGOTIATING)
        self._move(State.SETTLED, at=at, policy=policy)

    # Stage 2

    def apply_for_stage_2(self, *, at: datetime, policy: CasePolicy) -> None:
        """The applicant asks for what a lawsuit needs (D22, D23, D26).

        Raises:
            IllegalMove: stage 1 is not behind it.
            DeadlinePassed: the time for it is over.
            ServiceEnded: nothing new is taken any more (D3).
        """
        self._need(State.NEGOTIATING)
        if policy.service_has_ended(at):
            raise ServiceEnded(case_id=self.id)
        self._in_time(at)
        self.stage_2_at = at
        if policy.opinion_days:
            self.opinion_due_at = end_of_days(at + timedelta(hours=policy.arrival_hours), policy.opinion_days)
        self._move(State.AWAITING_DOCUMENTS, at=at, policy=policy)

    def complete_papers(self, *, arrived_at: datetime, at: datetime, policy: CasePolicy) -> bool:
        """All papers are there: they are reviewed. A fact; False if nothing waits for them, or the last came too late.

        What counts is when it arrived, not when the mail room wrote it down.
        """
        if self.state not in {State.AWAITING_DOCUMENTS, State.DOCUMENTS_DEFICIENT} or self.held_at is not None:
            return False
        if self.deadline_at is not None and arrived_at >= self.deadline_at:
            return False
        self._move(State.REVIEWING, at=at, policy=policy)
        return True

    def find_papers_deficient(self, *, at: datetime, policy: CasePolicy) -> None:
        """Ask for papers once more, twice at most (A10).

        Raises:
            IllegalMove: they are not being reviewed.
            NotReady: it was asked often enough.
        """
        self._need(State.REVIEWING)
        if self.paper_rounds >= policy.most_deficiency_rounds:
            raise NotReady(case_id=self.id, lacks="rounds")
        self.paper_rounds += 1
        self._move(State.DOCUMENTS_DEFICIENT, at=at, policy=policy)

    def take_opinion(self, *, at: datetime) -> bool:
        """The counterparty stated its opinion. Late, it is kept and shown, but nothing waited for it.

        False if it did before, or if nobody has asked for more than the addresses: that opinion was of something else.
        """
        if self.opinion_at is not None or self.stage_2_at is None:
            return False
        self.opinion_at = at
        return True

    def opinion_is_heard(self, now: datetime) -> bool:
        """Whether the other side was heard, or had its time (A12)."""
        return self.opinion_due_at is None or self.opinion_at is not None or now >= self.opinion_due_at

    def charge(self, decision: Decision, *, papers_good: bool, fee_yen: int, at: datetime, policy: CasePolicy) -> None:
        """Two people decided what is disclosed; it is disclosed when it is paid (A11).

        Raises:
            IllegalMove: it is not being reviewed.
            NotReady: it names what is lacking.
        """
        self._need(State.REVIEWING)
        self._decided(decision, Stage.PARTICULARS, Verdict.DISCLOSE)
        self._ready(
            stage_1=self.released_at is not None,
            prior_notice=self.told_counterparty_at is not None,
            papers=papers_good,
            opinion=self.opinion_is_heard(at),
        )
        self.decision_id = decision.id
        self.fee_yen = fee_yen
        self._move(State.AWAITING_FEE, at=at, policy=policy)

    def pay(self, total_yen: int, *, at: datetime, policy: CasePolicy) -> bool:
        """So much has come in by the deadline, all payments together; True if that sets the release off.

        A fact: it never raises.
        """
        self.paid_yen = total_yen
        if self.state is not State.AWAITING_FEE or self.held_at is not None or total_yen < self.fee_yen:
            return False
        self._move(State.RELEASING, at=at, policy=policy)
        return True

    def void_decision(self, *, at: datetime, policy: CasePolicy) -> bool:
        """What was approved has changed before it was released: it is reviewed again. False if nothing was approved.

        A fact, and so also under a hold: when that ends, the approval would be of something that is no more.
        """
        if self.state is not State.AWAITING_FEE:
            return False
        self.decision_id = None
        self._set(State.REVIEWING, at=at, policy=policy)
        return True

    def release_to_holder(self, decision: Decision, *, at: datetime, policy: CasePolicy) -> None:
        """Two people, one of them of the legal department, decided for a holder of rights (D56 to D63).

        Raises:
            IllegalMove: it is not being screened, or this is not its path.
            NotReady: the decision is not approved or not of this, the case is not eligible, or the seller was told.
        """
        self._need(State.SCREENING)
        if self.path is not Path.RIGHTS_HOLDER:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self._decided(decision, Stage.HOLDER, Verdict.DISCLOSE)
        self._ready(eligible=bool(self.is_eligible), no_prior_notice=self.told_counterparty_at is None)
        self.decision_id = decision.id
        self._move(State.RELEASING, at=at, policy=policy)

    def dispatch(self, *, at: datetime) -> bool:
        """The letter was posted; False if that is known already.

        Raises:
            IllegalMove: there is nothing to post.
        """
        self._need(State.RELEASING)
        if self.dispatched_at is not None:
            return False
        self.dispatched_at = at
        if self.path is Path.RIGHTS_HOLDER:
            self.released_at = at
        return True

    def close(self, *, at: datetime, policy: CasePolicy) -> bool:
        """The release is complete; False while it is not, or if the case was closed before."""
        if self.state is not State.RELEASING or self.dispatched_at is None:
            return False
        self._move(State.DISCLOSED, at=at, policy=policy)
        return True

    # Ways out

    def refuse(self, decision: Decision, *, at: datetime, policy: CasePolicy) -> None:
        """Two people decided that nothing is disclosed; why is told to nobody (D44, D50).

        Raises:
            IllegalMove: a release has begun, or the case is over.
            NotReady: the decision is not approved, or says something else.
        """
        if self.state is State.RECEIVED or State.REFUSED not in MOVES[self.state]:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self._need_no_hold()
        self._decided(decision, None, Verdict.REFUSE)
        self.decision_id = decision.id
        self._move(State.REFUSED, at=at, policy=policy)

    def withdraw(self, *, at: datetime, policy: CasePolicy) -> None:
        """The applicant wants it no more; papers that came are not given back (D29).

        Raises:
            IllegalMove: a release has begun, or the case is over or not begun.
        """
        self._move(State.WITHDRAWN, at=at, policy=policy)

    def run_out(self, *, now: datetime, version: int, policy: CasePolicy) -> bool:
        """Its deadline has passed; False if the timer was set for an older version, or is early, or a hold stops it."""
        if self.version != version or self.held_at is not None or self.state not in RUN_OUT:
            return False
        if self.run_out_at is None or now < self.run_out_at:
            return False
        if policy.is_winding_up(now) and self.state is not State.RECEIVED:
            # What was cut short by the end of the service ends as that, and is told so.
            return False
        self._move(RUN_OUT[self.state], at=now, policy=policy)
        return True

    def end_service(self, *, now: datetime, policy: CasePolicy) -> bool:
        """The service has ended: a form ends at once, an open case when the winding-up is over; never a release."""
        over = policy.service_has_ended(now) if self.state is State.RECEIVED else policy.is_winding_up(now)
        if not over or self.held_at is not None or State.SERVICE_ENDED not in MOVES[self.state]:
            return False
        self._move(State.SERVICE_ENDED, at=now, policy=policy)
        return True

    # Deadlines and holds

    @property
    def run_out_at(self) -> datetime | None:
        """When it is looked at whether the deadline was kept: what was in time may be written down a little later."""
        if self.deadline_at is None or self.state not in WRITTEN_DOWN_LATER:
            return self.deadline_at
        return business_days_after(self.deadline_at, 1)

    def announce(self, *, at: datetime, policy: CasePolicy) -> bool:
        """The notice that opens this state is about to be sent: its deadline runs from when that will have arrived.

        The date in the notice is read afterwards. It never moves back, and True means it moved.
        """
        reckon = DEADLINES.get(self.state)
        if reckon is None or self.held_at is not None:
            return False
        arrives = at + SENDING_TAKES + timedelta(hours=policy.arrival_hours)
        deadline = _before_the_end(reckon(policy, arrives), at, policy)
        if self.deadline_at is not None and deadline <= self.deadline_at:
            return False
        self.deadline_at = deadline
        self.version += 1
        return True

    def announce_opinion(self, *, at: datetime, policy: CasePolicy) -> bool:
        """The same of the counterparty's window for an opinion, when its notice is about to be sent."""
        self.stage_2_told_at = self.stage_2_told_at or at
        if self.opinion_due_at is None or self.opinion_at is not None:
            return False
        due = end_of_days(at + SENDING_TAKES + timedelta(hours=policy.arrival_hours), policy.opinion_days)
        if due <= self.opinion_due_at:
            return False
        self.opinion_due_at = due
        return True

    def extend(self, until: datetime, *, now: datetime) -> None:
        """Give more time, as a person decided (A9).

        Raises:
            IllegalMove: nothing runs here, it has run out, or that would be less time than there is.
        """
        if self.deadline_at is None or self.held_at is not None or now >= self.deadline_at or until <= self.deadline_at:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self.deadline_at = until
        self.version += 1

    def hold(self, *, at: datetime) -> None:
        """Freeze its timers and its purge.

        Raises:
            CaseHeld: it is held already.
            IllegalMove: a release is under way, which is finished on both sides; or it is no case yet.
        """
        if self.held_at is not None:
            raise CaseHeld(case_id=self.id)
        if self.state in RELEASES or self.state is State.RECEIVED:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self.held_at = at
        self.version += 1

    def resume(self, *, at: datetime) -> None:
        """End a hold: what ran goes on with the time it had left, rounded up to whole days.

        Raises:
            IllegalMove: it is not held.
        """
        if self.held_at is None:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        frozen = at - self.held_at
        whole_days = timedelta(days=-(-frozen // timedelta(days=1)))
        if self.deadline_at is not None and self.deadline_at > self.held_at:
            self.deadline_at += whole_days
        if self.opinion_due_at is not None and self.opinion_due_at > self.held_at:
            self.opinion_due_at += whole_days
        self.held_at = None
        self.version += 1

    def _decided(self, decision: Decision, stage: Stage | None, verdict: Verdict) -> None:
        fits = decision.case_id == self.id and decision.verdict is verdict and stage in {None, decision.stage}
        self._ready(decision=fits and decision.binds(self.version, needs_legal=self.needs_legal))

    def _ready(self, **guards: bool) -> None:
        lacking = [name for name, holds in guards.items() if not holds]
        if lacking:
            raise NotReady(case_id=self.id, lacks=",".join(lacking))

    def _in_time(self, at: datetime) -> None:
        if self.deadline_at is not None and at >= self.deadline_at:
            raise DeadlinePassed(case_id=self.id)

    def _need(self, state: State) -> None:
        if self.state is not state:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        self._need_no_hold()

    def _need_no_hold(self) -> None:
        if self.held_at is not None:
            raise CaseHeld(case_id=self.id)

    def _move(self, to: State, *, at: datetime, policy: CasePolicy) -> None:
        if to not in MOVES[self.state]:
            raise IllegalMove(case_id=self.id, case_state=self.state)
        if to is not State.WITHDRAWN:
            self._need_no_hold()
        self._set(to, at=at, policy=policy)

    def _set(self, to: State, *, at: datetime, policy: CasePolicy) -> None:
        self.state, self.state_since_at = to, at
        self.version += 1
        reckon = DEADLINES.get(to)
        arrives = at + timedelta(hours=policy.arrival_hours)
        self.deadline_at = None if reckon is None else _before_the_end(reckon(policy, arrives), at, policy)
        if to in TERMINAL:
            self.ended_at = at
            self.live_key = None


def tail_of(reference: str) -> str | None:
    """Return the last ten hexadecimal digits of the ids that a case number names, however it was typed; or None."""
    letters = _REFERENCE.fullmatch(re.sub(r"[\s-]", "", reference.upper()).translate(_MISREAD))
    if letters is None:
        return None
    value = 0
    for letter in letters[1]:
        value = value << 5 | _ALPHABET.index(letter)
    return f"{value:010x}"


def _before_the_end(deadline: datetime, at: datetime, policy: CasePolicy) -> datetime:
    """Return the deadline, or the end of the winding-up if that comes first: no notice promises what will not be."""
    ends_at = policy.wind_down_until
    return min(deadline, ends_at) if ends_at is not None and at < ends_at else deadline


class CaseCheck(Base):
    """One automatic or human check of a condition, with what it was judged by (D11). Never shown to the parties."""

    __tablename__ = "case_checks"
    __table_args__ = (Index("ix_case_checks_case", "case_id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"))
    clause: Mapped[str] = mapped_column(String(8))
    holds: Mapped[bool]
    evidence: Mapped[dict[str, object]] = mapped_column(Json, default=dict)
    checked_by: Mapped[str] = mapped_column(String(64))
    checked_at: Mapped[datetime]
    policy: Mapped[str] = mapped_column(String(64))
