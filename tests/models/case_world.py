"""A case and all that touches it: small enough to be copied, and moved by nothing but the real model.

Beside the model's rows a world keeps its own account of what happened: who was told, which mails went out, what money
came in. A property is judged by that account, or the model would be believed about itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state

import models
from models.base import Base
from models.case_policy import CasePolicy
from models.decision import Decision, RefusalReason, Stage, Verdict, digest_of
from models.disclosure import DisclosureCase, Party, Path, State
from models.fee import lines_for
from models.paper import DocumentItem, Flaw, ItemKind, Standing, all_good, all_there

CASE, OTHER_CASE = UUID(int=0x0192F3A0_1111_7222_8333_444455556666), UUID(int=0x0192F3A0_1111_7222_8333_444455556667)
BUYER, SELLER, TRADE, ORGANISATION = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
DECISION, RELEASE, PAPER = UUID(int=5), UUID(int=6), UUID(int=7)
FILED_AT = datetime(2030, 6, 3, 3, tzinfo=UTC)  # a Monday, noon in Japan
MAKER, REVIEWER, CHECKER = "person:maker", "person:reviewer", "person:checker"


class Phase(IntEnum):
    """How far the service's end has come."""

    RUNNING = 0
    ENDED = 1
    WOUND_UP = 2


_ENDED = CasePolicy(most_deficiency_rounds=1, service_ends_on=date(2016, 10, 31))
POLICIES = {
    Phase.RUNNING: CasePolicy(most_deficiency_rounds=1),
    Phase.ENDED: replace(_ENDED, wind_down_days=100_000),
    Phase.WOUND_UP: _ENDED,
}
"""One round of questions instead of two keeps the space small."""
FEE = sum(line["yen"] for line in lines_for(POLICIES[Phase.RUNNING]))

PROPOSED_IN: Mapping[State, frozenset[Stage]] = {
    State.SCREENING: frozenset({Stage.ADDRESSES, Stage.HOLDER}),
    State.REVIEWING: frozenset({Stage.PARTICULARS, Stage.ADDRESSES}),
}
TURNS_A_LEAF = frozenset(
    {State.INTAKE_DEFICIENT, State.NEGOTIATING, State.AWAITING_DOCUMENTS, State.DOCUMENTS_DEFICIENT}
)

Row = TypeVar("Row", bound=Base)


def copied(row: Row) -> Row:
    """Return a transient row with the same values in its columns."""
    copy = type(row)()
    vars(copy).update(values_of(row))
    return copy


def values_of(row: Base) -> dict[str, Any]:
    """Return what stands in those of a row's columns that hold anything."""
    return {name: value for name, value in vars(row).items() if name != "_sa_instance_state"}


def write(*rows: Base) -> None:
    """Write rows into an empty database with all tables, where its constraints judge them.

    Raises:
        IntegrityError: one of them refuses.
    """
    for model in iter_modules(models.__path__, "models."):
        import_module(model.name)  # a table points at others
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(rows)
        session.flush()
    engine.dispose()


def a_case(state: State = State.RECEIVED, *, path: Path = Path.PARTY, **columns: Any) -> DisclosureCase:
    """Return a case as it stands after the form came in; columns may say otherwise."""
    plain: dict[str, Any] = {
        "id": CASE,
        "path": path,
        "state": state,
        "version": 1,
        "language": "ja",
        "applicant_id": BUYER if path is Path.PARTY else None,
        "organisation_id": None if path is Path.PARTY else ORGANISATION,
        "counterparty_id": SELLER,
        "trade_id": TRADE,
        "filed_at": FILED_AT,
        "filed_by": "applicant",
        "state_since_at": FILED_AT,
        "deadline_at": FILED_AT + timedelta(hours=24) if state is State.RECEIVED else None,
        "needs_legal": False,
        "intake_rounds": 0,
        "paper_rounds": 0,
        "fee_yen": 0,
        "paid_yen": 0,
    }
    return DisclosureCase(**(plain | columns))


def a_decision(
    case: DisclosureCase,
    stage: Stage = Stage.ADDRESSES,
    verdict: Verdict = Verdict.DISCLOSE,
    **columns: Any,
) -> Decision:
    """Return a proposal about a case as it stands; columns may say otherwise."""
    refusal = RefusalReason.OTHER if verdict is Verdict.REFUSE else None
    content = columns.pop("content", {"fields": ["name", "address"]})
    plain: dict[str, Any] = {
        "id": DECISION,
        "case_id": case.id,
        "case_version": case.version,
        "stage": stage,
        "verdict": verdict,
        "refusal": refusal,
        "content": content,
        "digest": digest_of(case.id, stage, verdict, refusal, content),
        "proposed_by": MAKER,
        "proposed_at": FILED_AT,
        "reviewed_by": REVIEWER if stage is Stage.PARTICULARS else None,
        "open_key": case.id,
    }
    return Decision(**(plain | columns))


def an_approved_decision(
    case: DisclosureCase, stage: Stage = Stage.ADDRESSES, verdict: Verdict = Verdict.DISCLOSE, **columns: Any
) -> Decision:
    """Return a decision about a case as it stands that two people made, the second of the legal department."""
    decision = a_decision(case, stage, verdict, **columns)
    decision.approve(by=CHECKER, digest=decision.digest, at=FILED_AT, as_legal=True)
    return decision


def an_item(kind: ItemKind = ItemKind.PLEDGE, standing: Standing = Standing.AWAITED, **columns: Any) -> DocumentItem:
    """Return one item of the list of papers."""
    plain: dict[str, Any] = {"id": UUID(int=8), "case_id": CASE, "position": 1, "kind": kind, "standing": standing}
    return DocumentItem(**(plain | {"flaws": []} | columns))


@dataclass
class World:
    """A case, the decision about it, the papers it wants, the time, and our own account.

    Attributes:
        now: only its order to the case's deadlines counts.
        phase: of the service's end; it stands apart from `now`, so that every order of the two is seen.
        decision: the one that is open, or the last one approved.
        told: the other side was told of the case.
        mails: who was sent the other's address.
        is_mutual: both have the other's address, be it by another case.
        heard: the other side stated its opinion on stage 2.
        money: what came in, in time.
        changed: what was approved is no longer what is registered.
        posted: the letter was.
    """

    case: DisclosureCase
    items: list[DocumentItem] = field(default_factory=list)
    decision: Decision | None = None
    now: datetime = FILED_AT
    phase: Phase = Phase.RUNNING
    told: bool = False
    mails: frozenset[Party] = frozenset()
    is_mutual: bool = False
    heard: bool = False
    money: int = 0
    changed: bool = False
    posted: bool = False

    @property
    def policy(self) -> CasePolicy:
        """What holds in this phase."""
        return POLICIES[self.phase]

    @property
    def decision_stands(self) -> bool:
        """Whether the decision is about the case as it is, or was and has set off what it decided."""
        if self.decision is None or self.decision.voided_at is not None:
            return False
        return self.decision.case_version == self.case.version or self.case.state not in PROPOSED_IN

    def tidy(self) -> None:
        """Void a proposal that the case has left behind, and forget a decision that has done its work.

        An approval of a disclosure that no longer fits is kept: somebody may try to use it.
        """
        if self.decision is None or self.decision_stands:
            worn = self.case.state in TURNS_A_LEAF
        else:
            worn = self.decision.approved_at is None or self.decision.verdict is Verdict.REFUSE
        if worn:
            self.decision = None

    def is_as(self, before: "World") -> bool:
        """Whether nothing has happened to this copy."""
        if self._account() != before._account() or len(self._rows()) != len(before._rows()):
            return False
        # SQLAlchemy marks a row to which anything was assigned; only then its columns are compared.
        return all(
            not instance_state(row).modified or values_of(row) == values_of(was)
            for row, was in zip(self._rows(), before._rows(), strict=True)
        )

    def _rows(self) -> list[Base]:
        return [self.case, *self.items, *([] if self.decision is None else [self.decision])]

    def _account(self) -> tuple[object, ...]:
        return (
            self.now,
            self.phase,
            self.told,
            self.mails,
            self.is_mutual,
            self.heard,
            self.money,
            self.changed,
            self.posted,
        )

    def copy(self) -> "World":
        """Return another that nothing which happens to this one touches."""
        return replace(
            self,
            case=copied(self.case),
            items=[copied(item) for item in self.items],
            decision=None if self.decision is None else copied(self.decision),
        )

    def instants(self) -> list[datetime]:
        """Return, in order, the instants ahead at which something begins to be judged differently."""
        ahead = {self.case.deadline_at, self.case.run_out_at, self.case.opinion_due_at} - {None}
        return sorted(at for at in ahead if at is not None and at > self.now)

    def key(self) -> tuple[object, ...]:
        """Return what tells configurations apart: which instants are past instead of instants, no version, no counter.

        Rounds of questions are forgotten with the part of the case that counts them, and an end is told apart by what
        it is judged by.
        """
        case, decision = self.case, self.decision
        account = (
            case.path,
            case.state,
            self.told,
            self.is_mutual or self.mails,
            self.heard,
            self.money >= FEE,
            self.changed,
            self.posted,
            tuple(sorted(item.standing for item in self.items)),
            decision and (decision.verdict, self.decision_stands and (decision.stage, decision.approved_by)),
            decision and case.needs_legal and decision.as_legal,
        )
        if not case.is_open:
            return account
        return (
            *account,
            self.phase if case.state in {State.RECEIVED, State.NEGOTIATING} else self.phase is Phase.WOUND_UP,
            case.held_at is not None,
            case.is_eligible,
            case.needs_legal,
            case.told_counterparty_at is not None,
            case.intake_rounds if case.released_at is None else None,
            case.paper_rounds,
            case.released_at is not None,
            case.applicant_reached_at is not None,
            case.counterparty_reached_at is not None,
            case.stage_2_at is not None,
            case.opinion_at is not None,
            case.opinion_at is None and self._is_past(case.opinion_due_at),
            case.dispatched_at is not None,
            self._is_past(case.deadline_at),
            self._is_past(case.run_out_at),
        )

    def _is_past(self, at: datetime | None) -> bool | None:
        return None if at is None else at <= self.now


Event = Callable[[World], object]


# The form and the checks


def confirm(world: World) -> None:
    world.case.confirm(at=world.now, live_key="trade:buyer:party", policy=world.policy)


def screened(*, eligible: bool, needs_legal: bool = False) -> Event:
    return lambda world: world.case.screened(eligible=eligible, needs_legal=needs_legal)


def tell(world: World) -> None:
    world.told = world.case.tell_counterparty(at=world.now) or world.told


def miss(world: World) -> None:
    world.case.miss(at=world.now, policy=world.policy)


def resubmit(world: World) -> None:
    world.case.resubmit(at=world.now, policy=world.policy)


# Decisions


def propose(stage: Stage, verdict: Verdict) -> Event:
    """One proposal at a time, as the unique open key of the table holds."""

    def happen(world: World) -> None:
        proposable = PROPOSED_IN.get(world.case.state, frozenset())
        if stage in proposable and (world.decision is None or world.decision.approved_at is not None):
            world.decision = a_decision(world.case, stage, verdict)

    return happen


def approve(by: str, *, as_legal: bool = False) -> Event:
    def happen(world: World) -> None:
        if world.decision is not None and (by != REVIEWER or world.decision.reviewed_by is not None):
            world.decision.approve(by=by, digest=world.decision.digest, at=world.now, as_legal=as_legal)

    return happen


def act_on(move: Callable[[World, Decision], object]) -> Event:
    """Use the decision there is, if the model lets it pass."""

    def happen(world: World) -> None:
        if world.decision is not None:
            move(world, world.decision)

    return happen


def exchange(world: World, decision: Decision) -> None:
    world.case.exchange(decision, at=world.now, policy=world.policy)


def charge(world: World, decision: Decision) -> None:
    world.case.charge(decision, papers_good=all_good(world.items), fee_yen=FEE, at=world.now, policy=world.policy)


def release_to_holder(world: World, decision: Decision) -> None:
    world.case.release_to_holder(decision, at=world.now, policy=world.policy)


def refuse(world: World, decision: Decision) -> None:
    world.case.refuse(decision, at=world.now, policy=world.policy)


def find_changed(world: World) -> None:
    """The registry tells of a change; from then on the approval is worth nothing."""
    world.changed = world.changed or world.case.state is State.AWAITING_FEE
    if world.case.void_decision(at=world.now, policy=world.policy) and world.decision is not None:
        world.decision.void(at=world.now)
        world.changed = False


# Stage 1


def stop_exchange(world: World) -> None:
    world.case.stop_exchange(at=world.now, policy=world.policy)


def release_addresses(world: World) -> None:
    world.case.release_addresses(RELEASE, at=world.now)


def reach(party: Party) -> Event:
    """A vendor accepted the mail to one side; only a release makes it sendable."""

    def happen(world: World) -> None:
        if world.case.released_at is not None and world.case.path is Path.PARTY and not world.is_mutual:
            world.mails |= {party}
            world.is_mutual = len(world.mails) == len(Party)
        world.case.reach(party, at=world.now, policy=world.policy)

    return happen


def settle(world: World) -> None:
    world.case.settle(at=world.now, policy=world.policy)


def world_after(*moves: Event, path: Path = Path.PARTY, **columns: Any) -> World:
    """Return where the model's own moves lead from a form."""
    world = World(a_case(path=path, **columns))
    for move in moves:
        move(world)
    return world


def _decided(stage: Stage, move: Callable[[World, Decision], object]) -> Event:
    def happen(world: World) -> None:
        move(world, an_approved_decision(world.case, stage))

    return happen


OPENED: tuple[Event, ...] = (confirm, screened(eligible=True), tell)
DECIDED = (*OPENED, _decided(Stage.ADDRESSES, exchange))
RELEASED = (*DECIDED, release_addresses)
EXCHANGED = (*RELEASED, reach(Party.APPLICANT), reach(Party.COUNTERPARTY))


def dispatch(world: World) -> None:
    world.case.dispatch(at=world.now)
    world.posted = True


def close(world: World) -> None:
    world.case.close(at=world.now, policy=world.policy)


def _other(*moves: Event) -> DisclosureCase:
    return world_after(*moves, id=OTHER_CASE, applicant_id=SELLER, counterparty_id=BUYER).case


_of_a_holder = world_after(
    confirm,
    screened(eligible=True),
    _decided(Stage.HOLDER, release_to_holder),
    dispatch,
    close,
    path=Path.RIGHTS_HOLDER,
    id=OTHER_CASE,
)

OTHERS: Mapping[str, tuple[DisclosureCase, bool]] = {
    "open": (_other(*OPENED), False),
    "decided": (_other(*DECIDED), False),
    "one-sided": (_other(*RELEASED, reach(Party.APPLICANT)), False),
    "exchanged": (_other(*EXCHANGED), True),
    "of a holder": (_of_a_holder.case, False),
}
"""Cases of the other side, and whether both have the other's address by it."""


def begin_after(which: str) -> Event:
    other, is_mutual = OTHERS[which]

    def happen(world: World) -> None:
        world.case.begin_after(other, at=world.now, policy=world.policy)
        world.is_mutual = is_mutual

    return happen


# Stage 2


def apply_for_stage_2(world: World) -> None:
    world.case.apply_for_stage_2(at=world.now, policy=world.policy)
    tell(world)
    world.items = [
        an_item(ItemKind.CERTIFICATE_OF_RESIDENCE, position=1),
        an_item(ItemKind.PLEDGE, position=2),
    ]


def receive_paper(position: int, *flaws: Flaw) -> Event:
    def happen(world: World) -> None:
        if world.items and world.case.is_open:
            world.items[position].arrive(PAPER, flaws)
            count_papers(world)

    return happen


def count_papers(world: World) -> None:
    """The mail room writes down what came in time, if need be a day later."""
    deadline = world.case.deadline_at
    in_time = world.now if deadline is None else min(world.now, deadline - timedelta(seconds=1))
    if all_there(world.items):
        world.case.complete_papers(arrived_at=in_time, at=world.now, policy=world.policy)


def count_late_papers(world: World) -> None:
    if all_there(world.items):
        world.case.complete_papers(arrived_at=world.now, at=world.now, policy=world.policy)


def accept_item(position: int) -> Event:
    def happen(world: World) -> None:
        if world.case.state is State.REVIEWING:
            world.items[position].accept()

    return happen


def find_flawed(position: int) -> Event:
    def happen(world: World) -> None:
        if world.case.state is State.REVIEWING:
            world.items[position].find([Flaw.SEAL_DIFFERS])

    return happen


def find_papers_deficient(world: World) -> None:
    world.case.find_papers_deficient(at=world.now, policy=world.policy)


def state_opinion(world: World) -> None:
    if world.told:
        world.case.take_opinion(at=world.now)
        world.heard = world.heard or world.case.stage_2_at is not None


def pay(yen: int) -> Event:
    """Money comes in; what comes after the deadline is not counted."""

    def happen(world: World) -> None:
        case = world.case
        if case.state is State.AWAITING_FEE and (case.deadline_at is None or world.now < case.deadline_at):
            world.money = max(world.money, yen)
            count_money(world)

    return happen


def count_money(world: World) -> None:
    world.case.pay(world.money, at=world.now, policy=world.policy)


# Ways out, time, and what freezes it


def withdraw(world: World) -> None:
    world.case.withdraw(at=world.now, policy=world.policy)


def run_out(world: World) -> None:
    world.case.run_out(now=world.now, version=world.case.version, policy=world.policy)


def let_time_pass(world: World) -> None:
    world.now = next(iter(world.instants()), world.now)


def end_service(world: World) -> None:
    if world.case.held_at is None:
        world.phase = max(world.phase, Phase.ENDED)


def end_winding_down(world: World) -> None:
    if world.case.held_at is None:
        world.phase = Phase.WOUND_UP


def hear_of_the_end(world: World) -> None:
    world.case.end_service(now=world.now, policy=world.policy)


def hold(world: World) -> None:
    if world.phase is Phase.RUNNING:
        world.case.hold(at=world.now)


def resume(world: World) -> None:
    world.case.resume(at=world.now)


EVENTS: Mapping[str, Event] = {
    "the address is confirmed": confirm,
    "the checks find it eligible": screened(eligible=True),
    "the checks find it not eligible": screened(eligible=False),
    "the counterparty is told": tell,
    "something is missing": miss,
    "what was missing comes": resubmit,
    "the addresses are proposed": propose(Stage.ADDRESSES, Verdict.DISCLOSE),
    "the particulars are proposed": propose(Stage.PARTICULARS, Verdict.DISCLOSE),
    "the seller's data are proposed": propose(Stage.HOLDER, Verdict.DISCLOSE),
    "a refusal is proposed": propose(Stage.ADDRESSES, Verdict.REFUSE),
    "who proposed it approves": approve(MAKER),
    "who reviewed the papers approves": approve(REVIEWER, as_legal=True),
    "another approves": approve(CHECKER),
    "another of the legal department approves": approve(CHECKER, as_legal=True),
    "the exchange is decided": act_on(exchange),
    "the exchange is stopped": stop_exchange,
    "the addresses are released": release_addresses,
    "the applicant is reached": reach(Party.APPLICANT),
    "the counterparty is reached": reach(Party.COUNTERPARTY),
    "they settle": settle,
    **{f"it begins behind another that is {which}": begin_after(which) for which in OTHERS},
    "stage 2 is applied for": apply_for_stage_2,
    "a good certificate comes": receive_paper(0),
    "a flawed certificate comes": receive_paper(0, Flaw.OUTDATED),
    "a good pledge comes": receive_paper(1),
    "a flawed pledge comes": receive_paper(1, Flaw.OLD_PLEDGE),
    "the papers are counted": count_papers,
    "late papers are counted": count_late_papers,
    "the certificate is accepted": accept_item(0),
    "the pledge is accepted": accept_item(1),
    "the seal differs": find_flawed(1),
    "the papers are deficient": find_papers_deficient,
    "the counterparty states its opinion": state_opinion,
    "the disclosure is decided": act_on(charge),
    "too little is paid": pay(1),
    "the fee is paid": pay(FEE),
    "the money is counted": count_money,
    "what was approved changes": find_changed,
    "the release to a holder is decided": act_on(release_to_holder),
    "the letter is posted": dispatch,
    "the case is closed": close,
    "the refusal is decided": act_on(refuse),
    "the applicant withdraws": withdraw,
    "the deadline's timer rings": run_out,
    "time passes": let_time_pass,
    "the service ends": end_service,
    "the winding-down is over": end_winding_down,
    "the timer of the end rings": hear_of_the_end,
    "a hold begins": hold,
    "a hold ends": resume,
}

FACTS = frozenset(
    {
        "the counterparty is told",
        "the applicant is reached",
        "the counterparty is reached",
        "a good certificate comes",
        "a flawed certificate comes",
        "a good pledge comes",
        "a flawed pledge comes",
        "the papers are counted",
        "late papers are counted",
        "the counterparty states its opinion",
        "too little is paid",
        "the fee is paid",
        "the money is counted",
        "what was approved changes",
        "the case is closed",
        "the deadline's timer rings",
        "time passes",
        "the service ends",
        "the winding-down is over",
        "the timer of the end rings",
    }
)
"""What cannot be refused, because it has happened."""

NOT_RELIED_ON = frozenset(
    {
        "the applicant withdraws",
        "the service ends",
        "the winding-down is over",
        "the timer of the end rings",
    }
)
"""A case comes to an end without these."""


def relied_on(event: str, world: World) -> bool:
    """Whether an end is owed to this event: once the service is wound up, its timer ends what no deadline ends now."""
    is_the_end = event == "the timer of the end rings" and world.phase is Phase.WOUND_UP
    return is_the_end or event not in NOT_RELIED_ON


def beginnings() -> Iterable[World]:
    """Return a form of each path."""
    return [World(a_case(path=path)) for path in Path]
