"""Two operators act on one case at the same instant, fifty times over each operation, over real connections.

Fifty cases are played from the form to the shredded papers. At each step two people who may both do it do it at once:
one of them does it, the other is told that it is done and how the case stands now.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

import pytest
import requests
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.case_answers import CaseNow
from models.audit import CaseEvent
from models.decision import Decision
from models.disclosure import DisclosureCase, State
from models.message import Kind
from models.paper import ItemKind, Paper, PaperKind
from models.release import Letter
from models.roles import Role
from models.work import Work
from tests.api.case_deeds import DEEDS, JUDGED
from tests.api.case_people import People
from tests.api.serving import served
from tests.conftest import StoppedTime, forget_process_state
from tests.one_app import one_app
from tests.tasks.case_office import Office
from tests.worker.desk import NOW
from worker import auditing
from worker.cases import applying, printed, worklist
from worker.clock import Clock
from worker.database import database
from worker.embedded import PostgresServer
from worker.printing.printed import Printed

# Fifty lives of two dozen races each; on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(900)

LIVES = 50
BY_EVENT = {deed.event: deed for deed in DEEDS}
_OWN = "approved by who proposed it"

PAIRS: Mapping[str, tuple[str, str]] = {
    "intake": ("i1", "i2"),
    "maker": ("m1", "m2"),
    "checker": ("c1", "c2"),
    "legal": ("l1", "l2"),
    "reviewer": ("r1", "r2"),
    "mail_room": ("p1", "p2"),
    "accounting": ("a1", "a2"),
    "auditor": ("u1", "u2"),
}
"""Two people of each role. The makers are checkers as well: it is four eyes that keep them apart, not roles."""
ROLE_OF = {
    "ono": "intake",
    "kimura": "maker",
    "sato": "checker",
    "ito": "legal",
    "mori": "reviewer",
    "abe": "mail_room",
    "ueda": "accounting",
    "endo": "auditor",
}
"""Whose work each deed is, by the person who does it in the tests of the API."""


@dataclass(frozen=True)
class Race:
    """What two people were answered who did the same at once."""

    event: str
    people: tuple[str, str]
    answers: tuple[requests.Response, requests.Response]
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def statuses(self) -> list[int]:
        """Both, in order."""
        return sorted(answer.status_code for answer in self.answers)

    @property
    def winner(self) -> str:
        """Who did it."""
        return next(who for who, answer in zip(self.people, self.answers, strict=True) if answer.ok)

    @property
    def won(self) -> requests.Response:
        """What the winner was answered."""
        return next(answer for answer in self.answers if answer.ok)

    @property
    def lost(self) -> requests.Response:
        """What the other was."""
        return next(answer for answer in self.answers if not answer.ok)


def is_json(answer: requests.Response) -> bool:
    """Whether it is no letter."""
    return answer.headers["Content-Type"] == "application/json"


@dataclass
class House:
    """The house's people at their desks, each with a connection of their own."""

    people: People
    url: str
    prefix: str = ""
    races: list[Race] = field(default_factory=list)
    sessions: dict[str, requests.Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._together = Barrier(2)
        self._desks = ThreadPoolExecutor(2)
        for role, pair in PAIRS.items():
            for name in pair:
                roles = [Role(role), *([Role.CHECKER] if role == "maker" else [])]
                self.sessions[name] = requests.Session()
                self.sessions[name].headers.update(self.people.caller.person(name, *roles, key=f"{self.prefix}{name}"))

    def close(self) -> None:
        """Send everybody home."""
        self._desks.shutdown()
        for session in self.sessions.values():
            session.close()

    def ask(self, who: str, path: str, body: Mapping[str, Any]) -> requests.Response:
        """Let one person do something."""
        url, said = f"{self.url}/v1/case-work{path}", {"reason": "because", **body}
        return self.sessions[who].post(url, json=said, timeout=30)

    def shown(self, case_id: object) -> dict[str, Any]:
        """Return the case as somebody sees it who may see most of it."""
        answer = self.sessions["l1"].get(f"{self.url}/v1/case-work/cases/{case_id}", timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def at_once(self, event: str, pair: tuple[str, str], path: str, body: Mapping[str, Any]) -> Race:
        """Let two people do the same thing at the same instant."""

        def act(who: str) -> requests.Response:
            self._together.wait()
            return self.ask(who, path, body)

        one, other = self._desks.map(act, pair)
        return Race(event, pair, (one, other))

    def race(
        self, event: str, shown: Mapping[str, Any], pair: tuple[str, str] | None = None, *, kept_as: str | None = None
    ) -> dict[str, Any]:
        """Let two people do a deed to a case at once; return the case as it is then."""
        deed = BY_EVENT[event]
        chosen = pair or PAIRS[ROLE_OF[deed.who]]
        return self.race_on(kept_as or event, chosen, shown, deed.path(shown), deed.body(shown))

    def race_on(
        self, event: str, pair: tuple[str, str], shown: Mapping[str, Any], path: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Let two people race over a case, and keep what became of it."""
        race = self.at_once(event, pair, f"/cases/{shown['id']}{path}", body)
        told = race.won.json() if is_json(race.won) else self.shown(shown["id"])
        race.after.update(told)
        self.races.append(race)
        return dict(race.after)


@dataclass
class Life:
    """One case, from the form to its end."""

    house: House
    number: int

    @property
    def office(self) -> Office:
        """The office behind the API."""
        return self.house.people.office

    def live(self) -> None:
        """Race over each operation, in the order in which a case comes to them."""
        shown = self._screen()
        shown = self._decide_stage_1(shown)
        shown = self._negotiate(shown)
        shown = self._collect(shown)
        shown = self._decide_stage_2(shown)
        self._release(shown)
        self._shred()

    def _screen(self) -> dict[str, Any]:
        number, buyer, seller = f"T-{self.number}", f"b-{self.number}", f"s-{self.number}"
        self.office.feed(number=number, buyer=buyer, seller=seller)
        self._case_id = self.office.receive(
            transaction_number=number,
            nickname=f"nick-b{self.number}",
            name=f"見本 b{self.number}",
            counterparty_nickname=f"nick-s{self.number}",
            network=f"192.0.2.{self.number}",
        )
        self.office.confirm(self._case_id)
        self.house.race("incomplete", self._shown())
        self._behind(lambda session, case: applying.resubmit(session, case, {}, received_at=self.office.now))
        return self._shown()

    def _decide_stage_1(self, shown: dict[str, Any]) -> dict[str, Any]:
        shown = self.house.race("proposed", shown)
        shown = self.house.race("sent_back", shown)
        self._do("m1", "/proposals", verdict="disclose", judged=JUDGED, trouble="fraud")
        self.house.people.backroom.vendor_answers = False
        self.house.race("approved", self._shown())
        self.office.shop.work()
        for kind in (Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY):
            shown = self._shown()
            shown["notices"] = [each for each in shown["notices"] if each["kind"] == kind]
            shown = self.house.race("arrival_recorded", shown)
        self.house.people.backroom.vendor_answers = True
        assert shown["state"] == State.NEGOTIATING
        return shown

    def _negotiate(self, shown: dict[str, Any]) -> dict[str, Any]:
        for event in ("notified_again", "extended", "held", "resumed"):
            shown = self.house.race(event, shown)
        self._behind(lambda session, case: worklist.open_work(session, case, Work.LOOK_AT_PATTERN, now=self.office.now))
        self.house.race("work_closed", self._shown())
        self.office.ask_for_stage_2(self._case_id)
        return self._shown()

    def _collect(self, shown: dict[str, Any]) -> dict[str, Any]:
        shown = self.house.race("paper_wanted", shown)
        self.house.race("paper_recorded", shown)
        self._record("R-1", PaperKind.CERTIFICATE_OF_RESIDENCE)
        self._record("R-2", PaperKind.PLEDGE)
        self._record("R-3", PaperKind.SEAL_CERTIFICATE)
        self._record("R-4", PaperKind.OTHER, item=ItemKind.OTHER)
        self.office.shop.work()
        shown = self.house.race("paper_moved", self._shown())
        self.house.race("papers_deficient", shown)
        self._record("R-5", PaperKind.PLEDGE)
        self.office.shop.work()
        return self._shown()

    def _decide_stage_2(self, shown: dict[str, Any]) -> dict[str, Any]:
        shown = self.house.race("item_accepted", shown)
        for item in shown["items"][1:]:
            self._do("r1", f"/items/{item['id']}/accept")
        self.office.opinion(self._case_id)
        self._do("m1", "/proposals", verdict="disclose", fields=["name", "address"])
        # Who proposed is a checker as well, and tries to be first.
        shown = self.house.race("approved", self._shown(), ("c1", "m1"), kept_as=_OWN)
        self.house.race("paid", shown)
        self.office.shop.work()
        return self._shown()

    def _release(self, shown: dict[str, Any]) -> None:
        shown = self.house.race_on("letter_printed", PAIRS["mail_room"], shown, "/letter/print", {})
        self.house.race("letter_spoiled", shown)
        self._do("p1", "/letter/print")
        self.house.race("letter_posted", shown)
        self.office.shop.work()

    def _shred(self) -> None:
        shown = self.house.race("paper_shredded", self._shown())
        self.house.race("paper_destroyed", shown)

    def _record(self, number: str, kind: PaperKind, **more: Any) -> None:
        seen = {"number": number, "kind": kind, "is_original": True, "shelf": "A-1", "issued_on": "2030-05-25"}
        self._do("p1", "/papers", **seen, pledge_version="1" if kind is PaperKind.PLEDGE else None, **more)

    def _do(self, who: str, path: str, **body: Any) -> None:
        answer = self.house.ask(who, f"/cases/{self._case_id}{path}", body)
        assert answer.ok, answer.text

    def _shown(self) -> dict[str, Any]:
        return self.house.shown(self._case_id)

    def _behind(self, act: Callable[[Session, DisclosureCase], object]) -> None:
        self.house.people.change(self._case_id, act)
        self.office.shop.work()


def set_once(letter_of: Callable[..., Printed]) -> Callable[..., Printed]:
    """Set the first letter in type and hand it out for all: who may print it is raced over, not what it says."""
    first: list[Printed] = []

    def handed_out(*case: Any, **more: Any) -> Printed:
        if not first:
            first.append(letter_of(*case, **more))
        return first[0]

    return handed_out


@pytest.fixture(scope="module")
def people(postgres: PostgresServer) -> Iterator[People]:
    """A house on a PostgreSQL of its own, at ten in the morning."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ENVIRONMENT", "test")
        environment.setenv("DATABASE_URL", postgres.create_database("two_operators", template="template_toritsugi"))
        forget_process_state()
        stopped = StoppedTime(NOW)
        environment.setattr(Clock, "now", lambda _: stopped.at)
        environment.setattr(printed, "letter_of", set_once(printed.letter_of))
        yield People.of(database(), stopped)
        forget_process_state()
    postgres.drop_database("two_operators")


@pytest.fixture(scope="module")
def house(people: People) -> Iterator[House]:
    """The house, after fifty lives."""
    with served(one_app()) as url:
        house = House(people, url)
        for number in range(1, LIVES + 1):
            Life(house, number).live()
        yield house
        house.close()


RACED = [*BY_EVENT, "letter_printed"]
DONE_ALONE = {"proposed": 2, "approved": 1, "paper_recorded": 5, "item_accepted": 4, "letter_printed": 1}
"""How often a life comes to it without a race over it, or with a race of another kind."""


def races(house: House, event: str) -> list[Race]:
    return [race for race in house.races if race.event == event]


@pytest.mark.parametrize("event", RACED)
def test_one_of_two_does_it_and_the_other_is_refused(house: House, event: str) -> None:
    statuses = Counter(str(race.statuses) for race in races(house, event))

    assert list(statuses) == ["[200, 409]"]
    assert statuses.total() >= LIVES


@pytest.mark.parametrize("event", RACED)
def test_the_other_is_told_how_the_case_stands(house: House, event: str) -> None:
    told = [(race.lost.json()["case"], race.after) for race in races(house, event)]

    assert [case for case, _ in told] == [{name: after[name] for name in CaseNow.model_fields} for _, after in told]


@pytest.mark.parametrize("event", RACED)
def test_what_two_did_at_once_stands_in_the_trail_once(house: House, event: str) -> None:
    with house.people.caller.database.snapshot() as session:
        actors = Counter(session.scalars(select(CaseEvent.actor).where(CaseEvent.kind == event)))

    found = races(house, event)
    assert Counter(f"person:{race.winner}" for race in found) <= actors
    assert actors.total() == len(found) + LIVES * DONE_ALONE.get(event, 0)


def test_either_of_two_is_first_now_and_then(house: House) -> None:
    firsts = Counter(race.people.index(race.winner) for race in house.races)

    assert set(firsts) == {0, 1}


def test_who_proposed_is_refused_also_when_first(house: House) -> None:
    found = races(house, _OWN)

    assert Counter(race.winner for race in found) == {"c1": LIVES}
    assert {race.lost.json()["code"] for race in found} <= {"four_eyes", "illegal_move"}


def test_who_proposed_is_never_the_one_who_approves(house: House) -> None:
    with house.people.caller.database.snapshot() as session:
        decisions = session.scalars(select(Decision)).all()

    approved = [each for each in decisions if each.approved_by is not None]
    assert len(approved) == 2 * LIVES
    assert [each.id for each in approved if each.approved_by in {each.proposed_by, each.reviewed_by}] == []
    assert [each.id for each in approved if each.approved_by not in {"person:c1", "person:c2"}] == []


def test_each_decision_is_approved_once(house: House) -> None:
    with house.people.caller.database.snapshot() as session:
        approvals = Counter(
            facts["decision"] for facts in session.scalars(select(CaseEvent.facts).where(CaseEvent.kind == "approved"))
        )

    assert set(approvals.values()) == {1}


def test_nobody_witnesses_what_they_shredded(house: House) -> None:
    with house.people.caller.database.snapshot() as session:
        shredded = session.scalars(select(Paper).where(Paper.destroyed_at.is_not(None))).all()

    assert len(shredded) == LIVES
    assert {paper.destroyed_by for paper in shredded} <= {"person:p1", "person:p2"}
    assert {paper.destroyed_with for paper in shredded} <= {"person:u1", "person:u2"}


def test_every_case_comes_to_the_posted_letter(house: House) -> None:
    with house.people.caller.database.snapshot() as session:
        states = Counter(session.scalars(select(DisclosureCase.state)))
        posted = Counter(session.scalars(select(Letter.case_id).where(Letter.dispatched_at.is_not(None))))

    assert states == {State.DISCLOSED: LIVES}
    assert set(posted.values()) == {1}


def test_the_trails_are_whole(house: House) -> None:
    with house.people.caller.database.snapshot() as session:
        report = auditing.verify(session)

    assert report.is_green
    assert report.cases == LIVES


def test_the_switch_is_turned_by_one_of_two(people: People) -> None:
    with served(one_app()) as url:
        house = House(people, url, prefix="s")
        turns = [
            house.at_once(turn, ("l1", "l2"), f"/releases/{turn}", {})
            for _ in range(LIVES)
            for turn in ("stop", "resume")
        ]
        house.close()

    assert Counter(str(turn.statuses) for turn in turns) == {"[200, 409]": 2 * LIVES}
