"""Both parties of a case before its pages, and every state that a case can be brought to.

The office plays without a vendor; the parties' browsers run no scripts and follow no redirect by themselves.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select

from models.base import Base
from models.decision import RefusalReason, Verdict
from models.disclosure import Party, State
from models.paper import Flaw, ItemKind
from tests.api.case_people import Backroom
from tests.conftest import StoppedTime, forget_process_state
from tests.one_app import one_app
from tests.tasks.case_office import INTAKE, Office
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from worker import clock as clock_module
from worker import links
from worker.cases import ending, guideline, noticing
from worker.database import Database, database
from worker.links import CaseLinkRole

APPLICANT, COUNTERPARTY = Party.APPLICANT, Party.COUNTERPARTY


@dataclass(frozen=True)
class Guests:
    """Both parties, each with the links that were mailed to it."""

    office: Office
    backroom: Backroom
    http: TestClient

    @classmethod
    def of(cls, database: Database, time: StoppedTime) -> "Guests":
        """Return them, before an office where nothing has happened yet."""
        import_module("tasks.disclosure")
        backroom = Backroom(database, time)
        http = TestClient(one_app(), client=("192.0.2.9", 50000), follow_redirects=False)
        return cls(Office(cast(Workshop, backroom)), backroom, http)

    def page(self, case_id: UUID, party: Party = APPLICANT) -> str:
        """Return the path of one side's page."""
        return self._link(CaseLinkRole.PAGE, case_id, party)

    def confirming(self, case_id: UUID) -> str:
        """Return the path on which the registered address is confirmed."""
        return self._link(CaseLinkRole.CONFIRM, case_id, APPLICANT)

    def look(self, case_id: UUID, party: Party = APPLICANT, part: str = "", *, language: str = "ja") -> Response:
        """Open a page of a case."""
        return self.http.get(self.page(case_id, party) + part, params={"lang": language})

    def send(self, case_id: UUID, party: Party, part: str, *, language: str = "ja", **fields: str) -> Response:
        """Send a form of a case's page."""
        return self.http.post(self.page(case_id, party) + part, params={"lang": language}, data=fields)

    def offered(self, case_id: UUID, party: Party) -> set[str]:
        """Return what one side's page offers, by the last part of each address."""
        return set(
            re.findall(rf'(?:href|action)="{self.page(case_id, party)}/([^"?]+)', self.look(case_id, party).text)
        )

    def everything(self) -> dict[str, list[Any]]:
        """Return every row of every table."""
        with self.backroom.database.snapshot() as session:
            return {
                table.name: sorted(map(repr, session.execute(select(table)).all()))
                for table in Base.metadata.sorted_tables
            }

    def _link(self, role: CaseLinkRole, case_id: UUID, party: Party) -> str:
        with self.backroom.database.snapshot() as session:
            case = self.office.case(case_id)
            token = links.case_token(role, case_id, party, noticing.bound_to(noticing.reader(session, case, party)))
        return f"/case/confirm/{token}" if role is CaseLinkRole.CONFIRM else f"/case/{token}"


def cross_form(language: str = "ja", **changes: str) -> dict[str, str]:
    """Return a cross-application of the seller as its form sends it, with changes."""
    consents = {f"consent_{each.number}": each.sha256 for each in guideline.sections(language)}
    return {
        "nickname": "nick-mseller",
        "name": "見本 mseller",
        "transaction_number": "T-2030-0001",
        "counterparty_nickname": "nick-mbuyer",
        "item_number": "I-1024",
        "item_name": "見本の腕時計",
        "won_on": "2030-04-20",
        "situation": "代金が支払われていません。",
        "reason": "支払いを求めるため。",
        **consents,
        **changes,
    }


def incomplete(guests: Guests, *missing: str) -> UUID:
    """Return a case whose form lacks something: the day, unless told."""
    case_id = guests.office.screened()
    find_incomplete(guests, case_id, *missing)
    return case_id


def find_incomplete(guests: Guests, case_id: UUID, *missing: str) -> None:
    """Let the office ask for what the form lacks."""
    with guests.backroom.database.transaction() as session:
        case = guests.office._locked(session, case_id)
        asked = list(missing or ["won_on"])
        ending.mark_incomplete(session, case, asked, by=INTAKE, reason="a look", now=guests.office.now)
    guests.backroom.work()


def awaiting_papers(guests: Guests) -> UUID:
    """Return a case that waits for its papers, and for the other side's opinion."""
    case_id = guests.office.negotiating()
    guests.office.ask_for_stage_2(case_id)
    return case_id


def awaiting_fee(guests: Guests) -> UUID:
    """Return a case that waits for money."""
    case_id = guests.office.reviewing()
    guests.office.accept_all(case_id)
    guests.office.decide(case_id)
    return case_id


# All pages of all states


@dataclass(frozen=True)
class Album:
    """Every page of every state, as each side sees it in each language.

    Attributes:
        pages: state, side, part of the path, language → the page.
        offered: state, side → what its page offers.
    """

    pages: dict[tuple[State, Party, str, str], str]
    offered: dict[tuple[State, Party], set[str]]

    def keep(self, guests: Guests, case_id: UUID, state: State) -> None:
        """Look at all pages of a case in a state."""
        assert guests.office.state(case_id) is state
        for party in Party:
            offered = self.offered[state, party] = guests.offered(case_id, party)
            for part in ("", *(f"/{each}" for each in sorted(offered) if each != "pledge.pdf")):
                for language in ("ja", "en"):
                    shown = guests.look(case_id, party, part, language=language)
                    assert shown.status_code == 200
                    self.pages[state, party, part, language] = shown.text


def album_of(guests: Guests) -> Album:
    """Play a case through all states, and four others to their ends."""
    office, album = guests.office, Album({}, {})
    case_id = office.screened()
    album.keep(guests, case_id, State.SCREENING)
    find_incomplete(guests, case_id)
    album.keep(guests, case_id, State.INTAKE_DEFICIENT)
    guests.send(case_id, APPLICANT, "/facts", won_on="2030-04-20")
    guests.backroom.work()
    guests.backroom.vendor_answers = False
    office.decide(case_id)
    album.keep(guests, case_id, State.EXCHANGING)
    guests.backroom.vendor_answers = True
    guests.backroom._take_notices()
    guests.backroom.work()
    album.keep(guests, case_id, State.NEGOTIATING)
    office.ask_for_stage_2(case_id)
    album.keep(guests, case_id, State.AWAITING_DOCUMENTS)
    office.all_papers(case_id)
    office.opinion(case_id)
    album.keep(guests, case_id, State.REVIEWING)
    office.find_deficient(case_id, ItemKind.PLEDGE, Flaw.NOT_SEALED)
    album.keep(guests, case_id, State.DOCUMENTS_DEFICIENT)
    office.paper(case_id, ItemKind.PLEDGE)
    office.accept_all(case_id)
    office.decide(case_id, note="notecanary")
    album.keep(guests, case_id, State.AWAITING_FEE)
    office.pay(case_id)
    album.keep(guests, case_id, State.RELEASING)
    office.print_letter(case_id)
    office.post_letter(case_id)
    album.keep(guests, case_id, State.DISCLOSED)
    for state in (State.SETTLED, State.WITHDRAWN, State.REFUSED, State.EXPIRED):
        album.keep(guests, _ended(guests, state), state)
    return album


def _ended(guests: Guests, state: State) -> UUID:
    """Return a case of another transaction whose addresses were exchanged, brought to an end."""
    office, number = guests.office, f"T-2030-{state.value}"
    office.feed(number=number)
    case_id = office.receive(transaction_number=number)
    office.confirm(case_id)
    office.decide(case_id)
    if state is State.SETTLED:
        guests.send(case_id, APPLICANT, "/settle")
    elif state is State.WITHDRAWN:
        guests.send(case_id, APPLICANT, "/withdraw")
    elif state is State.REFUSED:
        office.decide(case_id, Verdict.REFUSE, refusal=RefusalReason.RULES_BROKEN, note="notecanary")
    else:
        office.ask_for_stage_2(case_id)
        guests.backroom.time.advance(days=40)
    guests.backroom.work()
    return case_id


@contextmanager
def pages_of_all_states(template: Path, folder: Path) -> Iterator[Album]:
    """Play all of it on a database of its own, once for many tests that only read."""
    file = folder / "album.db"
    file.write_bytes(template.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        forget_process_state()
        stopped = StoppedTime(marketplace.FED_AT)
        patch.setattr(clock_module.Clock, "now", lambda _: stopped.at)
        patch.setenv("ENVIRONMENT", "test")
        patch.setenv("DATABASE_URL", f"sqlite:///{file}")
        yield album_of(Guests.of(database(), stopped))
        forget_process_state()
