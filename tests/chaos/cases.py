"""Disclosure cases in every state, and the parties and people who lead each of them on, come what may.

They act in this process, as the API does in its own: each deed is one transaction. Nobody here looks at what became of
a message; a deed that is refused, or of which nobody knows whether it was committed, is looked at again later.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from random import Random  # noqa: TID251 - the same seed must play the same storm again
from typing import Any, cast
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.decision import RefusalReason, Verdict
from models.disclosure import TERMINAL, DisclosureCase, Path, State
from models.errors import Refusal
from models.message import Kind, Message
from models.notice import Notice
from models.paper import DocumentItem, Flaw, ItemKind, Standing
from tests.chaos.adversary import Weather
from tests.chaos.scene import Scene
from tests.tasks.case_office import CHECKER, INTAKE, LEGAL, MAKER, Office
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from worker import auditing
from worker.cases import applying, deciding, ending, papers, posting, releases
from worker.cases.moving import locked
from worker.clock import Clock
from worker.database import Database

_AT_ONCE = 6
_SLICE = 150
"""So many are prepared within an hour: fewer than releases go out in one."""
_PATIENCE_SECONDS = 900.0
_HELD_FOR = timedelta(days=2)
_ADDRESSES = (Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY)


@dataclass(frozen=True)
class Plan:
    """Where the storm finds a case, and what its parties and people then make of it, if its deadlines let them."""

    begins: State
    ends: State
    path: Path = Path.PARTY
    is_held: bool = False


PLANS: Sequence[Plan] = (
    Plan(State.RECEIVED, State.LAPSED),
    Plan(State.RECEIVED, State.DISCLOSED),
    Plan(State.SCREENING, State.REFUSED),
    Plan(State.SCREENING, State.DISCLOSED),
    Plan(State.SCREENING, State.WITHDRAWN),
    Plan(State.INTAKE_DEFICIENT, State.EXPIRED),
    Plan(State.INTAKE_DEFICIENT, State.SETTLED),
    Plan(State.EXCHANGING, State.DISCLOSED),
    Plan(State.EXCHANGING, State.SETTLED),
    Plan(State.EXCHANGING, State.DISCLOSED),
    Plan(State.NEGOTIATING, State.WITHDRAWN),
    Plan(State.NEGOTIATING, State.DISCLOSED, is_held=True),
    Plan(State.AWAITING_DOCUMENTS, State.EXPIRED),
    Plan(State.AWAITING_DOCUMENTS, State.DISCLOSED),
    Plan(State.REVIEWING, State.REFUSED),
    Plan(State.REVIEWING, State.DISCLOSED, is_held=True),
    Plan(State.DOCUMENTS_DEFICIENT, State.EXPIRED),
    Plan(State.DOCUMENTS_DEFICIENT, State.DISCLOSED),
    Plan(State.AWAITING_FEE, State.EXPIRED),
    Plan(State.AWAITING_FEE, State.DISCLOSED),
    Plan(State.RELEASING, State.DISCLOSED),
    Plan(State.RELEASING, State.DISCLOSED),
    Plan(State.SCREENING, State.DISCLOSED, path=Path.RIGHTS_HOLDER),
    Plan(State.RELEASING, State.DISCLOSED, path=Path.RIGHTS_HOLDER),
)


@dataclass
class Subject:
    """One case and its plan."""

    number: int
    plan: Plan
    office: Office
    case_id: UUID

    @property
    def buyer(self) -> str:
        """The applicant's registered address; on the other path the organisation's."""
        holder = self.plan.path is Path.RIGHTS_HOLDER
        return f"o{self.number}@example.com" if holder else f"b{self.number}@example.jp"

    @property
    def seller(self) -> str:
        """The counterparty's."""
        return f"s{self.number}@example.jp"


@dataclass(frozen=True)
class _Counter:
    """What an office needs of a workshop; its workers are the stack's."""

    database: Database
    clock: Clock

    @property
    def time(self) -> "_Counter":
        """Business time."""
        return self

    @property
    def at(self) -> datetime:
        """Now."""
        return self.clock.now()

    def work(self) -> int:
        """Nothing: it is done elsewhere."""
        return 0


class Cases:
    """All of them.

    Attributes:
        refused: deeds that were refused, by code: somebody or a deadline was first.
        uncertain: how often the database went away in the middle of a deed.
    """

    def __init__(self, scene: Scene, weather: Weather, *, count: int, seed: int) -> None:
        self.subjects: list[Subject] = []
        self.refused: Counter[str] = Counter()
        self.uncertain = 0
        self._scene = scene
        self._weather = weather
        self._count = count
        self._seed = seed
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._act, args=(place,), name=f"people-{place}", daemon=True)
            for place in range(_AT_ONCE)
        ]

    # Before the storm

    def prepare(self) -> None:
        """File all of them, and lead each, in calm weather, to where the storm is to find it."""
        plans = list(enumerate(islice(cycle(PLANS), self._count)))
        for first in range(0, self._count, _SLICE):
            slice_of_plans = plans[first : first + _SLICE]
            self._lead([self._filed(*each) for each in slice_of_plans if each[1].begins is not State.EXCHANGING])
            if first + _SLICE < self._count:
                self._scene.clock.advance(timedelta(minutes=61))
        # Addresses that are to be exchanged wait until the storm is there.
        self._turn(stop=True)
        self._lead([self._filed(*each) for each in plans if each[1].begins is State.EXCHANGING])

    def _filed(self, number: int, plan: Plan) -> Subject:
        now = self._scene.clock.now()
        with self._scene.database.transaction() as session:
            _feed(session, number, plan, now=now)
        office = Office(cast(Workshop, _Counter(self._scene.database, self._scene.clock)))
        subject = Subject(number, plan, office, office.receive(**_form(number, plan, _won_on(now))))
        self.subjects.append(subject)
        return subject

    def _lead(self, subjects: Sequence[Subject]) -> None:
        """Lead them to the states in which they begin."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        waiting = list(subjects)
        while waiting := [each for each in waiting if each.office.state(each.case_id) is not each.plan.begins]:
            if time.monotonic() > give_up:
                stuck = [f"{each.case_id} in {each.office.state(each.case_id)}, {each.plan}" for each in waiting[:5]]
                raise TimeoutError(f"{len(waiting)} are not where the storm is to find them: {stuck}, {self.refused}")
            for each in waiting:
                self._one_step(each, until=each.plan.begins)
            time.sleep(0.1)

    def _turn(self, *, stop: bool) -> None:
        """Stop all releases, or let them go on."""
        with self._scene.database.transaction() as session:
            turned = releases.last_turn(session)
            if (turned is not None and turned.stopped) is not stop:
                turn = releases.stop if stop else releases.resume
                turn(session, by=LEGAL, reason="a storm is coming", now=self._scene.clock.now())

    # In the storm

    def start(self) -> None:
        """Let everybody act until the weather is over."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until everybody has put down what they had in hand."""
        for thread in self._threads:
            thread.join()

    def _act(self, place: int) -> None:
        dice = Random(f"{self._seed}:people:{place}")  # noqa: S311 - not for secrets
        own = self.subjects[place::_AT_ONCE]
        while place == 0 and not self._tried(self._resume):
            self._weather.over.wait(0.5)
        while own and not self._weather.over.wait(0.02):
            if not self._tried(partial(self._one_step, dice.choice(own))):
                self._weather.over.wait(0.5)

    def _resume(self) -> None:
        self._turn(stop=False)

    def _tried(self, act: Callable[[], object]) -> bool:
        """Do something that the weather may prevent; False if nobody knows whether it was done."""
        try:
            act()
        except (DBAPIError, OSError):
            with self._lock:
                self.uncertain += 1
            return False
        return True

    # After the storm

    def mend(self) -> int:
        """Let people see to every exchange that is not finished; return how many there were."""
        mended = 0
        for subject in self.subjects:
            office = subject.office
            case = _case(office, subject.case_id)
            if case is None or case.state is not State.EXCHANGING:
                continue
            for message in office.notices(subject.case_id):
                if message.kind in _ADDRESSES and not _counts_as_arrived(office, message):
                    office.deem_arrived(subject.case_id, message.kind)
            mended += 1
        return mended

    # One step

    def _one_step(self, subject: Subject, *, until: State | None = None) -> None:
        """Let whoever's turn it is do one thing; nothing once the case is in the state `until`."""
        case = _case(subject.office, subject.case_id)
        if case is None or case.state in TERMINAL or case.state is until:
            return
        try:
            _step(subject, case)
        except Refusal as refusal:
            with self._lock:
                self.refused[refusal.code] += 1


def _step(subject: Subject, case: DisclosureCase) -> None:
    plan, office = subject.plan, subject.office
    if case.held_at is not None:
        if office.now >= case.held_at + _HELD_FOR:
            office.resume(case.id)
        return
    has_begun = case.state is plan.begins
    if has_begun and plan.is_held and not _was(office, case, "held"):
        office.hold(case.id)
        return
    if has_begun and plan.ends is State.WITHDRAWN:
        office.withdraw(case.id)
        return
    step = _STEPS.get(case.state)
    if step is not None:
        step(subject, case)


def _from_received(subject: Subject, case: DisclosureCase) -> None:
    # There is no link to tap before it was found out whom the form names.
    is_matched = case.applicant_id is not None or case.organisation_id is not None
    if is_matched and subject.plan.ends is not State.LAPSED:
        subject.office.confirm(case.id)


def _from_screening(subject: Subject, case: DisclosureCase) -> None:
    plan, office = subject.plan, subject.office
    if not case.is_eligible:
        return
    if plan.begins is State.INTAKE_DEFICIENT and not case.intake_rounds:
        with office.shop.database.transaction() as session:
            incomplete = _locked(session, case.id)
            ending.mark_incomplete(session, incomplete, ["circumstances"], by=INTAKE, reason="no dates", now=office.now)
        return
    refused = plan.ends is State.REFUSED and plan.begins is State.SCREENING
    _decide(subject, case, Verdict.REFUSE if refused else Verdict.DISCLOSE)


def _from_intake_deficient(subject: Subject, case: DisclosureCase) -> None:
    office = subject.office
    if subject.plan.ends is not State.EXPIRED:
        with office.shop.database.transaction() as session:
            facts = {"situation": "五月一日にご連絡しました。"}
            applying.resubmit(session, _locked(session, case.id), facts, received_at=office.now)


def _from_negotiating(subject: Subject, case: DisclosureCase) -> None:
    if subject.plan.ends is not State.SETTLED:
        subject.office.ask_for_stage_2(case.id)


def _from_awaiting_documents(subject: Subject, case: DisclosureCase) -> None:
    is_its_end = subject.plan == Plan(State.AWAITING_DOCUMENTS, State.EXPIRED)
    _send_one_paper(subject, case, but_one=is_its_end)


def _from_documents_deficient(subject: Subject, case: DisclosureCase) -> None:
    if subject.plan.ends is not State.EXPIRED or subject.plan.begins is not State.DOCUMENTS_DEFICIENT:
        _send_one_paper(subject, case)


def _from_reviewing(subject: Subject, case: DisclosureCase) -> None:
    plan, office = subject.plan, subject.office
    items = _items(office, case)
    is_silent = subject.number % 3 == 0 and plan.begins not in {State.AWAITING_FEE, State.RELEASING}
    if case.opinion_at is None and not is_silent:
        office.opinion(case.id)
    elif plan.begins is State.DOCUMENTS_DEFICIENT and not case.paper_rounds:
        office.find_deficient(case.id, ItemKind.PLEDGE, Flaw.NOT_SEALED)
    elif plan == Plan(State.REVIEWING, State.REFUSED):
        _decide(subject, case, Verdict.REFUSE)
    elif any(item.standing is Standing.ARRIVED for item in items):
        office.accept_all(case.id)
    else:
        _decide(subject, case, Verdict.DISCLOSE)


def _from_awaiting_fee(subject: Subject, case: DisclosureCase) -> None:
    if subject.plan != Plan(State.AWAITING_FEE, State.EXPIRED):
        half = case.fee_yen // 2
        for number, yen in (("B-1", half), ("B-1", half), ("B-2", case.fee_yen - half)):
            subject.office.pay(case.id, yen, number=number)


def _from_releasing(subject: Subject, case: DisclosureCase) -> None:
    office = subject.office
    with office.shop.database.snapshot() as session:
        letter = posting.standing(session, case)
    if letter is not None and letter.printed_at is None:
        office.print_letter(case.id)
    elif letter is not None and case.dispatched_at is None:
        office.post_letter(case.id)


_STEPS: dict[State, Callable[[Subject, DisclosureCase], None]] = {
    State.RECEIVED: _from_received,
    State.SCREENING: _from_screening,
    State.INTAKE_DEFICIENT: _from_intake_deficient,
    State.NEGOTIATING: _from_negotiating,
    State.AWAITING_DOCUMENTS: _from_awaiting_documents,
    State.DOCUMENTS_DEFICIENT: _from_documents_deficient,
    State.REVIEWING: _from_reviewing,
    State.AWAITING_FEE: _from_awaiting_fee,
    State.RELEASING: _from_releasing,
}


def _decide(subject: Subject, case: DisclosureCase, verdict: Verdict) -> None:
    """Let one person propose; if that was done, let the other approve, or send back what is stale."""
    office = subject.office
    with office.shop.database.snapshot() as session:
        waiting = deciding.standing(session, case)
    if waiting is None:
        refusal = RefusalReason.OTHER if verdict is Verdict.REFUSE else None
        office.propose(case.id, verdict, by=MAKER, refusal=refusal)
    elif waiting.case_version == case.version:
        office.approve(case.id, waiting.id, by=LEGAL if case.needs_legal else CHECKER)
    else:
        with office.shop.database.transaction() as session:
            locked_case = _locked(session, case.id)
            standing = deciding.standing(session, locked_case)
            if standing is not None:
                deciding.send_back(session, locked_case, standing, by=CHECKER, reason="stale", now=office.now)


def _send_one_paper(subject: Subject, case: DisclosureCase, *, but_one: bool = False) -> None:
    office = subject.office
    wanted = [item.kind for item in _items(office, case) if not item.is_there]
    if len(wanted) > but_one:
        number = f"P-{wanted[0]}-{case.paper_rounds}"
        office.paper(case.id, wanted[0], number=number)


def _feed(session: Session, number: int, plan: Plan, *, now: datetime) -> None:
    joined = now - timedelta(days=800)
    for member in (f"s{number}", f"b{number}"):
        marketplace.a_member(session, member, registered_at=joined, changed_at=joined, received_at=now)
    if plan.path is Path.RIGHTS_HOLDER:
        name = f"o{number}"
        marketplace.an_organisation(session, name, mark=name, received_at=now, valid_from=joined.date())
    marketplace.a_trade(
        session,
        f"T-{number}",
        seller=f"s{number}",
        buyer=f"b{number}",
        received_at=now,
        won_on=_won_on(now),
        completed_at=now - timedelta(days=20),
        message_window_opens_at=now - timedelta(days=40),
        message_window_closes_at=now - timedelta(days=6),
    )


def _won_on(now: datetime) -> date:
    return (now - timedelta(days=40)).date()


def _form(number: int, plan: Plan, won_on: date) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "transaction_number": f"T-{number}",
        "counterparty_nickname": f"nick-s{number}",
        "won_on": won_on,
        "network": f"2001:db8:0:{number:x}::1",
    }
    if plan.path is Path.RIGHTS_HOLDER:
        asker = {"nickname": None, "name": None, "organisation": f"o{number}", "attestation": "確認しました。"}
        return {**shared, **asker, "path": plan.path}
    return {**shared, "nickname": f"nick-b{number}", "name": f"見本 b{number}"}


def _case(office: Office, case_id: UUID) -> DisclosureCase | None:
    with office.shop.database.snapshot() as session:
        return session.get(DisclosureCase, case_id)


def _locked(session: Session, case_id: UUID) -> DisclosureCase:
    case = locked(session, case_id)
    if case is None:
        raise LookupError("the case is gone")
    return case


def _was(office: Office, case: DisclosureCase, kind: str) -> bool:
    with office.shop.database.snapshot() as session:
        return any(event.kind == kind for event in auditing.trail(session, case.id))


def _items(office: Office, case: DisclosureCase) -> Sequence[DocumentItem]:
    with office.shop.database.snapshot() as session:
        return papers.items_of(session, case)


def _counts_as_arrived(office: Office, message: Message) -> bool:
    with office.shop.database.snapshot() as session:
        return session.get_one(Notice, message.id).deemed_arrived_at is not None
