"""What came of the cases: the vendor's ledger, the rows and the trails held against each other and against the plans.

It reads and judges. What is wrong becomes a sentence with ids in it, never an address.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.audit import CaseEvent, CaseStub
from models.decision import Stage
from models.disclosure import MOVES, TERMINAL, WAITS_FOR_US, DisclosureCase, Party, Path, State
from models.job import Name
from models.message import Kind, Message
from models.message import State as MessageState
from models.notice import Notice
from models.release import Release
from models.work import Work, WorkItem
from tests.chaos import verdict
from tests.chaos.cases import Cases, Subject
from tests.chaos.customers import Promises
from tests.chaos.scene import Scene
from worker import auditing

_MAILBOX = re.compile(r"[\w.-]+@example\.(?:jp|com)\b")
_ADDRESSES = {Kind.CASE_ADDRESS_TO_APPLICANT: Party.APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY: Party.COUNTERPARTY}
_COURTESIES = frozenset(
    {
        Kind.CASE_CONFIRM_ADDRESS,
        Kind.CASE_NEGOTIATION_REMINDER,
        Kind.CASE_PAPERS_REMINDER,
        Kind.CASE_INVOICE_REMINDER,
    }
)
_UNSENT = frozenset({MessageState.FAILED, MessageState.EXPIRED, MessageState.UNDELIVERED})
_BY_A_DEADLINE = frozenset({State.SETTLED, State.EXPIRED})
_SAID: Mapping[str, tuple[Kind, Kind | None]] = {
    "screened": (Kind.CASE_OPENED, None),
    "incomplete": (Kind.CASE_INTAKE_DEFICIENT, None),
    "addresses_released": (Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY),
    "stage_2_applied": (Kind.CASE_PAPERS_WANTED, Kind.CASE_STAGE_2_TOLD),
    "papers_deficient": (Kind.CASE_PAPERS_DEFICIENT, None),
    "disclosure_decided": (Kind.CASE_INVOICE, None),
    "letter_posted": (Kind.CASE_POSTED, Kind.CASE_DISCLOSED_TOLD),
    "refused": (Kind.CASE_REFUSED, Kind.CASE_CLOSED_TOLD),
    "withdrawn": (Kind.CASE_CLOSED, Kind.CASE_CLOSED_TOLD),
    "settled": (Kind.CASE_CLOSED, Kind.CASE_CLOSED_TOLD),
    "ran_out": (Kind.CASE_CLOSED, Kind.CASE_CLOSED_TOLD),
}
"""What an event of the trail makes necessary to be said: to the applicant, and to a counterparty that was told."""
_ONCE_A_CASE = frozenset({"screened"})


@dataclass
class Found:
    """Everything there is to judge by, read once.

    Attributes:
        all: what any storm is judged by: messages, ledger, jobs.
        letters: what the vendor took, with recipient and text.
        audit: what is not as it was written, by the trail's own verification.
    """

    all: verdict.Found
    subjects: Sequence[Subject]
    cases: Mapping[UUID, DisclosureCase]
    purged: frozenset[UUID]
    notices: Mapping[UUID, Notice]
    releases: Sequence[Release]
    work: Sequence[WorkItem]
    events: Sequence[CaseEvent]
    letters: Sequence[Mapping[str, Any]]
    audit: Sequence[str]

    @cached_property
    def subject_of(self) -> Mapping[UUID, Subject]:
        """The cases' plans."""
        return {subject.case_id: subject for subject in self.subjects}

    @cached_property
    def trails(self) -> Mapping[UUID, list[CaseEvent]]:
        """What happened to each case, in order."""
        found: dict[UUID, list[CaseEvent]] = {}
        for event in self.events:
            found.setdefault(event.case_id, []).append(event)
        return found

    @cached_property
    def messages_of(self) -> Mapping[UUID, list[Message]]:
        """What was said about each case, also of one that is purged."""
        found: dict[UUID, list[Message]] = {}
        for message in self.all.messages.values():
            found.setdefault(UUID(message.once_key.split(":")[1]), []).append(message)
        return found

    def has_work(self, case_id: UUID, *works: Work) -> bool:
        """Whether any of this is on somebody's list; of any kind, if none is named."""
        return any(
            item.case_id == case_id and item.closed_at is None and (not works or item.work in works)
            for item in self.work
        )


def read(scene: Scene, cases: Cases) -> Found:
    """Read the rows, the trails and the ledger."""
    with scene.database.snapshot() as session:
        report = auditing.verify(session)
    with scene.database.snapshot() as session:
        return Found(
            all=verdict.read(scene, Promises()),
            subjects=cases.subjects,
            cases={case.id: case for case in session.scalars(select(DisclosureCase))},
            purged=frozenset(session.scalars(select(CaseStub.case_id))),
            notices={notice.message_id: notice for notice in session.scalars(select(Notice))},
            releases=session.scalars(select(Release)).all(),
            work=session.scalars(select(WorkItem)).all(),
            events=session.scalars(select(CaseEvent).order_by(CaseEvent.case_id, CaseEvent.number)).all(),
            letters=[
                dict(row)
                for row in scene.ledger_rows("SELECT message, recipient, text, delivered_at FROM letter ORDER BY id")
            ],
            audit=[str(finding) for finding in report.findings],
        )


def violations(found: Found) -> list[str]:
    """Return everything that should not be, as sentences; empty when all is as it should be."""
    return [
        *verdict.violations(found.all),
        *_stands(found),
        *_releases(found),
        *_said(found),
        *_sent_to(found),
        *_moved(found),
        *(f"the audit trail is not sound: {finding}" for finding in found.audit),
    ]


def unfinished(found: Found) -> list[str]:
    """Return which exchanges are not finished and on nobody's list."""
    return [
        f"the exchange of case {case.id} is not finished, and nobody knows"
        for case in found.cases.values()
        if case.state is State.EXCHANGING and not found.has_work(case.id, Work.FINISH_EXCHANGE)
    ]


def states(found: Found) -> Counter[str]:
    """Return how many cases stand where."""
    counted = Counter(str(case.state) for case in found.cases.values())
    counted["purged"] = len(found.purged)
    return counted


def as_planned(found: Found) -> int:
    """Return how many came to the end that their parties and people led them to."""
    return sum(_end_of(found, subject) is subject.plan.ends for subject in found.subjects)


def _end_of(found: Found, subject: Subject) -> State | None:
    if subject.case_id in found.purged:
        return State.LAPSED
    case = found.cases.get(subject.case_id)
    return None if case is None else case.state


def _stands(found: Found) -> Iterator[str]:
    """Each case came to an end that its plan or a deadline leads to, or somebody or a timer will go on with it."""
    timers = {
        (job.name, UUID(job.args["case_id"]), job.args["revision"])
        for job in found.all.jobs
        if job.name in {Name.RUN_OUT, Name.RAISE_ALERT}
    }
    for subject in found.subjects:
        state = _end_of(found, subject)
        if state is None:
            yield f"case {subject.case_id} is gone, and no stub tells why"
            continue
        allowed = {subject.plan.ends} | _BY_A_DEADLINE
        allowed |= {State.LAPSED} if subject.plan.begins is State.RECEIVED else set()
        if state in TERMINAL and state not in allowed:
            yield f"case {subject.case_id} ended as {state}; it was led to {subject.plan.ends}"
        case = found.cases.get(subject.case_id)
        if case is None or not case.is_open or case.held_at is not None:
            continue
        timer = Name.RAISE_ALERT if state in WAITS_FOR_US else Name.RUN_OUT
        is_on_a_list = state in WAITS_FOR_US and found.has_work(case.id)
        if not is_on_a_list and (timer, case.id, case.version) not in timers:
            yield f"case {case.id} waits in {state} without a timer, and nobody knows"


def _releases(found: Found) -> Iterator[str]:
    """Both addresses went out under each release, or a person has it; none went out without one."""
    by_key = {message.once_key: message for message in found.all.messages.values()}
    stage_1 = [release for release in found.releases if release.stage is Stage.ADDRESSES]
    for release in stage_1:
        pair = [by_key.get(f"{kind}:{release.case_id}:{release.id}") for kind in _ADDRESSES]
        if None in pair:
            yield f"release {release.id} has not written to both sides"
            continue
        came = [found.all.deliveries[str(message.id)] for message in pair if message is not None]
        if came == [1, 1] or found.has_work(release.case_id, Work.FINISH_EXCHANGE):
            continue
        recorded = any(event.kind == "arrival_recorded" for event in found.trails.get(release.case_id, ()))
        if not recorded:
            yield f"release {release.id} reached its sides {came} times, and no person has it or had it"
    written = {message.once_key for message in by_key.values() if message.kind in _ADDRESSES}
    released = {f"{kind}:{release.case_id}:{release.id}" for release in stage_1 for kind in _ADDRESSES}
    yield from (f"an address was sent without a release: {key}" for key in written - released)


def _said(found: Found) -> Iterator[str]:
    """All that the trail makes necessary was written once and released; what did not arrive is somebody's work."""
    for case_id, trail in found.trails.items():
        case = found.cases[case_id]
        happened = Counter(event.kind for event in trail)
        has = Counter(message.kind for message in found.messages_of.get(case_id, ()))
        for kind, (to_applicant, to_counterparty) in _SAID.items():
            if not happened[kind] or (kind == "ran_out" and case.state is State.LAPSED):
                continue
            times = 1 if kind in _ONCE_A_CASE else happened[kind]
            wanted = [to_applicant]
            if to_counterparty is not None and case.told_counterparty_at is not None:
                wanted.append(to_counterparty)
            yield from (
                f"case {case_id} was {kind} {happened[kind]} times, and has {has[each]} of {each}"
                for each in wanted
                if has[each] != times
            )
        if case.path is Path.PARTY and case.told_counterparty_at and has[Kind.CASE_TOLD] != 1:
            yield f"case {case_id} has {has[Kind.CASE_TOLD]} notices to the counterparty of its opening"
    for notice in found.notices.values():
        message = found.all.messages[notice.message_id]
        if notice.released_at is None:
            yield f"notice {message.kind} {message.id} was written and never released"
        elif message.state in _UNSENT and message.kind not in _COURTESIES and notice.undeliverable_at is None:
            yield f"notice {message.kind} {message.id} did not arrive, and nobody was told"


def _sent_to(found: Found) -> Iterator[str]:
    """Nothing went to anybody but the two sides, and no mailbox stands in a mail but the other's in its release."""
    for letter in found.letters:
        message = found.all.messages[UUID(letter["message"])]
        subject = found.subject_of[UUID(message.once_key.split(":")[1])]
        sides = {Party.APPLICANT: subject.buyer, Party.COUNTERPARTY: subject.seller}
        reader = _ADDRESSES.get(message.kind)
        named = set(_MAILBOX.findall(letter["text"]))
        other = {mailbox for party, mailbox in sides.items() if reader is not None and party is not reader}
        if letter["recipient"] not in sides.values():
            yield f"message {message.id} went to somebody who has nothing to do with the case"
        if reader is not None and letter["recipient"] != sides[reader]:
            yield f"message {message.id} went to the wrong side"
        if named != other:
            yield f"message {message.id} ({message.kind}) names {len(named)} mailboxes, and not those that it should"
        if subject.plan.path is Path.RIGHTS_HOLDER and letter["recipient"] == subject.seller:
            yield f"message {message.id} told a seller of a rights holder's case"


def _moved(found: Found) -> Iterator[str]:
    """Each trail is a way through the table of moves."""
    for case_id, trail in found.trails.items():
        stood = [State(str(event.facts["state"])) for event in trail if "state" in event.facts]
        yield from (
            f"case {case_id} went from {before} to {after}"
            for before, after in pairwise(stood)
            if before is not after and after not in MOVES[before]
        )
        if stood and stood[-1] is not found.cases[case_id].state:
            yield f"case {case_id} stands in {found.cases[case_id].state}, its trail ends in {stood[-1]}"
