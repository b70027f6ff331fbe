"""An office that handles disclosure cases at a test's pace: its people, a marketplace's members, and the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.decision import Decision, Verdict
from models.disclosure import DisclosureCase, Path, State
from models.marketplace import When
from models.message import Kind, Message
from models.paper import Flaw, ItemKind, PaperKind, Seen
from models.roles import Role
from models.work import WorkItem
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from worker.cases import (
    applying,
    deciding,
    ending,
    exchanging,
    guideline,
    papers,
    paying,
    posting,
)
from worker.cases.moving import Actor, locked

APPLICANT, COUNTERPARTY = "m-buyer", "m-seller"
APPLICANT_MAIL, COUNTERPARTY_MAIL = "mbuyer@example.jp", "mseller@example.jp"


def person(name: str, *roles: Role) -> Actor:
    """Return somebody of the house."""
    return Actor(f"person:{name}", frozenset(roles))


MAKER = person("kimura", Role.MAKER)
CHECKER = person("sato", Role.CHECKER)
LEGAL = person("ito", Role.LEGAL)
REVIEWER = person("mori", Role.REVIEWER)
MAIL_ROOM = person("abe", Role.MAIL_ROOM)
ACCOUNTING = person("ueda", Role.ACCOUNTING)
INTAKE = person("ono", Role.INTAKE)

PAPERS: Mapping[ItemKind, PaperKind] = {
    ItemKind.CERTIFICATE_OF_RESIDENCE: PaperKind.CERTIFICATE_OF_RESIDENCE,
    ItemKind.LICENCE_OR_PASSPORT: PaperKind.DRIVING_LICENCE,
    ItemKind.PLEDGE: PaperKind.PLEDGE,
    ItemKind.SEAL_CERTIFICATE: PaperKind.SEAL_CERTIFICATE,
}


def form(**more: Any) -> applying.Form:
    """Return a form that fits the marketplace's default transaction, with departures."""
    language = more.get("language", "ja")
    whole: dict[str, Any] = {
        "path": Path.PARTY,
        "language": language,
        "transaction_number": marketplace.NUMBER,
        "counterparty_nickname": "nick-mseller",
        "item_number": "I-1024",
        "item_name": "見本の腕時計",
        "won_on": marketplace.WON_ON,
        "situation": "届いた品が壊れていたことをメッセージで伝えました。situationcanary",
        "reason": "返金を求めるため。reasoncanary",
        "consents": {each.number: each.sha256 for each in guideline.sections(language)},
        "nickname": "nick-mbuyer",
        "name": "見本 mbuyer",
        "network": "192.0.2.7",
    }
    return applying.Form(**(whole | more))


@dataclass
class Office:
    """The office. Each method does what its people or the parties do, and then all that is due."""

    shop: Workshop
    numbers: int = field(default=0)

    def feed(self, **trade: Any) -> None:
        """Let the marketplace feed both members and their transaction."""
        with self.shop.database.transaction() as session:
            marketplace.a_trade(session, **trade)

    def receive(self, **more: Any) -> UUID:
        """Take a form; return the case's id."""
        with self.shop.database.transaction() as session:
            case = applying.receive(session, form(**more), received_at=self.now, caller="tests")
        self.shop.work()
        return case.id

    def confirm(self, case_id: UUID) -> None:
        """Let the registered address confirm."""
        with self.shop.database.transaction() as session:
            applying.confirm(session, self._locked(session, case_id), received_at=self.now)
        self.shop.work()

    def propose(self, case_id: UUID, verdict: Verdict = Verdict.DISCLOSE, *, by: Actor = MAKER, **more: Any) -> UUID:
        """Let one person propose; return the decision's id."""
        proposal = deciding.Proposal(
            **{
                "verdict": verdict,
                "note": "a note",
                "answers": dict.fromkeys(deciding.HUMAN_CHECKS, True),
                "trouble": "breach_of_contract",
                "fields": ("name", "address", "postal_code"),
                "as_of": (When.NOW,),
                **more,
            }
        )
        with self.shop.database.transaction() as session:
            decision = deciding.propose(session, self._locked(session, case_id), proposal, by=by, now=self.now)
        return decision.id

    def approve(self, case_id: UUID, decision_id: UUID, *, by: Actor = CHECKER) -> None:
        """Let another person approve what was proposed."""
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            decision = session.get_one(Decision, decision_id, with_for_update=True)
            deciding.approve(session, case, decision, decision.digest, by=by, reason="looked at", now=self.now)
        self.shop.work()

    def decide(self, case_id: UUID, verdict: Verdict = Verdict.DISCLOSE, *, by: Actor = CHECKER, **more: Any) -> None:
        """Let two people decide."""
        self.approve(case_id, self.propose(case_id, verdict, **more), by=by)

    def ask_for_stage_2(self, case_id: UUID) -> None:
        """Let the applicant ask for particulars."""
        wish = applying.StageTwo("三度書きました。attemptscanary", "訴訟のため。necessitycanary", knows_no_return=True)
        with self.shop.database.transaction() as session:
            applying.apply_for_stage_2(session, self._locked(session, case_id), wish, received_at=self.now)
        self.shop.work()

    def opinion(self, case_id: UUID) -> None:
        """Let the counterparty state its opinion."""
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            applying.give_opinion(session, case, "異議があります。opinioncanary", received_at=self.now)
        self.shop.work()

    def paper(self, case_id: UUID, item: ItemKind, *, number: str | None = None, **seen: Any) -> None:
        """Let a paper arrive by post."""
        self.numbers += 1
        facts: dict[str, Any] = {
            "kind": PAPERS[item],
            "is_original": item is not ItemKind.LICENCE_OR_PASSPORT,
            "issued_on": self.today - timedelta(days=10),
            "pledge_version": "1" if item is ItemKind.PLEDGE else None,
        }
        arrived = papers.Arrived(
            number=number or f"P-{self.numbers}",
            seen=Seen(**(facts | seen)),
            arrived_at=self.now,
            shelf="A-1",
            item=item,
        )
        with self.shop.database.transaction() as session:
            papers.record(session, self._locked(session, case_id), arrived, by=MAIL_ROOM, now=self.now)
        self.shop.work()

    def all_papers(self, case_id: UUID) -> None:
        """Let all four arrive."""
        for item in PAPERS:
            self.paper(case_id, item)

    def accept_all(self, case_id: UUID) -> None:
        """Let the reviewer find every paper good."""
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            for item in papers.items_of(session, case):
                papers.accept(session, case, item, by=REVIEWER, reason="compared", now=self.now)

    def find_deficient(self, case_id: UUID, item: ItemKind, *flaws: Flaw) -> None:
        """Let the reviewer find one paper wanting."""
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            [wanting] = [each for each in papers.items_of(session, case) if each.kind is item]
            papers.find(session, case, {wanting.id: flaws}, by=REVIEWER, reason="compared", now=self.now)
        self.shop.work()

    def pay(self, case_id: UUID, yen: int | None = None, *, number: str | None = None) -> None:
        """Let money come in: all that is asked for, unless told."""
        self.numbers += 1
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            amount = case.fee_yen if yen is None else yen
            paying.record(
                session, case, number or f"B-{self.numbers}", amount, paid_at=self.now, by=ACCOUNTING, now=self.now
            )
        self.shop.work()

    def print_letter(self, case_id: UUID) -> bytes:
        """Let the mail room print the letter."""
        with self.shop.database.transaction() as session:
            return posting.print_once(
                session, self._locked(session, case_id), by=MAIL_ROOM, reason="to post it", now=self.now
            )

    def post_letter(self, case_id: UUID) -> None:
        """Let the mail room post it."""
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            posting.record_dispatch(session, case, "1234-5678-9012", by=MAIL_ROOM, now=self.now)
        self.shop.work()

    def withdraw(self, case_id: UUID) -> None:
        """Let the applicant withdraw."""
        with self.shop.database.transaction() as session:
            ending.withdraw(session, self._locked(session, case_id), received_at=self.now)
        self.shop.work()

    def hold(self, case_id: UUID) -> None:
        """Let the legal department freeze it."""
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            ending.hold(session, case, by=LEGAL, reason="a lawsuit", now=self.now)
        self.shop.work()

    def resume(self, case_id: UUID) -> None:
        """Let it go on."""
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            ending.resume(session, case, by=LEGAL, reason="it is over", now=self.now)
        self.shop.work()

    def deem_arrived(self, case_id: UUID, kind: Kind) -> None:
        """Let a person record that the notice of this kind counts as having arrived."""
        message_id = self.notice(case_id, kind).id
        with self.shop.database.transaction() as session:
            case = self._locked(session, case_id)
            message = session.get_one(Message, message_id)
            assert exchanging.deem_arrived(session, case, message, by=INTAKE, reason="they called", now=self.now)
        self.shop.work()

    # Short cuts

    def screened(self, **more: Any) -> UUID:
        """Return a case that waits for the first decision."""
        self.feed()
        case_id = self.receive(**more)
        self.confirm(case_id)
        return case_id

    def negotiating(self) -> UUID:
        """Return a case whose addresses were exchanged."""
        case_id = self.screened()
        self.decide(case_id)
        return case_id

    def reviewing(self) -> UUID:
        """Return a case whose papers are all there, and whose counterparty was heard."""
        case_id = self.negotiating()
        self.ask_for_stage_2(case_id)
        self.all_papers(case_id)
        self.opinion(case_id)
        return case_id

    def releasing(self) -> UUID:
        """Return a case whose letter waits for the mail room."""
        case_id = self.reviewing()
        self.accept_all(case_id)
        self.decide(case_id)
        self.pay(case_id)
        return case_id

    # What there is

    @property
    def now(self) -> datetime:
        """Business time."""
        return self.shop.time.at

    @property
    def today(self) -> date:
        """The date in Japan."""
        return (self.now + timedelta(hours=9)).date()

    def case(self, case_id: UUID) -> DisclosureCase:
        """Return the case as it stands."""
        with self.shop.database.snapshot() as session:
            return session.get_one(DisclosureCase, case_id)

    def state(self, case_id: UUID) -> State:
        """Return where it stands."""
        return self.case(case_id).state

    def notices(self, case_id: UUID) -> list[Message]:
        """Return all that was said about it, the oldest first."""
        with self.shop.database.snapshot() as session:
            query = select(Message).where(Message.case_id == case_id).order_by(Message.created_at, Message.id)
            return list(session.scalars(query))

    def notice(self, case_id: UUID, kind: Kind) -> Message:
        """Return the only one of this kind."""
        [only] = [message for message in self.notices(case_id) if message.kind is kind]
        return only

    def kinds(self, case_id: UUID) -> list[Kind]:
        """Return of what kinds that was."""
        return [message.kind for message in self.notices(case_id)]

    def work(self, case_id: UUID) -> set[str]:
        """Return what waits for a person."""
        with self.shop.database.snapshot() as session:
            query = select(WorkItem.work).where(WorkItem.case_id == case_id, WorkItem.closed_at.is_(None))
            return {work.value for work in session.scalars(query)}

    def mails(self, to: str) -> list[dict[str, Any]]:
        """Return what reached somebody, the oldest first, by the vendor's ledger."""
        self.shop.settled()
        return list(reversed(self.shop.carrier.sent(to=to, limit="1000")))

    def delivered_twice(self) -> dict[str, int]:
        """Return what the vendor delivered more than once."""
        self.shop.settled()
        return {message: count for message, count in self.shop.carrier.counts("message").items() if count > 1}

    def _locked(self, session: Any, case_id: UUID) -> DisclosureCase:
        case = locked(session, case_id)
        assert case is not None
        return case
