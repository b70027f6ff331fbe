"""What is kept of a case, and for how long: the form at once, papers by two persons, the record for years (S9)."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from models.audit import CaseEvent, CaseStub
from models.customer import DataKey
from models.disclosure import DisclosureCase, State
from models.errors import PartyOfCase
from models.message import Message
from models.paper import Paper
from tests.tasks.case_office import LEGAL, MAIL_ROOM, REVIEWER, Office
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from worker import registry
from worker.cases import ending, papers, retention, revealing
from worker.cases.moving import locked
from worker.cases.revealing import Part
from worker.seals import Shredded


@pytest.fixture
def office(shop_floor: Workshop) -> Office:
    """The office."""
    return Office(shop_floor)


def test_a_form_that_nobody_confirms_leaves_nothing_but_a_stub(office: Office) -> None:
    office.feed()
    case_id = office.receive()

    office.shop.time.advance(hours=25)
    office.shop.work()

    with office.shop.database.snapshot() as session:
        assert session.get(DisclosureCase, case_id) is None
        assert session.get(DataKey, case_id) is None
        assert session.scalars(select(CaseEvent).where(CaseEvent.case_id == case_id)).all() == []
        assert session.get_one(CaseStub, case_id).because == "unverified"


def _destroy_all(office: Office, case_id: object) -> None:
    with office.shop.database.transaction() as session:
        case = locked(session, case_id)  # type: ignore[arg-type]
        assert case is not None
        for paper in session.scalars(select(Paper).where(Paper.case_id == case_id)).all():
            papers.destroy(session, case, paper, by=MAIL_ROOM, reason="retention is over", now=office.now)
            papers.witness_destruction(session, case, paper, by=REVIEWER, reason="saw it", now=office.now)


def test_a_member_is_erased_once_no_case_needs_it(office: Office) -> None:
    case_id = office.negotiating()

    def erase() -> bool:
        with office.shop.database.transaction() as session:
            return retention.erase_member(session, marketplace.SELLER, received_at=office.now)

    with pytest.raises(PartyOfCase):
        erase()
    office.withdraw(case_id)

    assert erase()
    assert erase()
    with office.shop.database.snapshot() as session:
        member = registry.member_by_external_id(session, marketplace.SELLER)
        assert member is not None
        assert not member.is_active
        with pytest.raises(Shredded):
            registry.email_of(session, member)


def test_of_a_case_whose_one_side_is_erased_the_other_is_still_shown(office: Office) -> None:
    case_id = office.negotiating()
    office.withdraw(case_id)

    with office.shop.database.transaction() as session:
        retention.erase_member(session, marketplace.SELLER, received_at=office.now)
    with office.shop.database.transaction() as session:
        case = locked(session, case_id)
        assert case is not None
        opened = revealing.reveal(session, case, [Part.PARTIES], by=REVIEWER, reason="to see", now=office.now)

    assert sorted(side is None for side in opened["parties"].values()) == [False, True]


def test_papers_are_shredded_by_two_persons_before_the_record_goes(office: Office) -> None:
    case_id = office.releasing()
    office.print_letter(case_id)
    office.post_letter(case_id)
    assert office.state(case_id) is State.DISCLOSED

    office.shop.time.advance(days=92)
    office.shop.work()
    assert office.work(case_id) == {"destroy_papers"}
    office.shop.time.advance(days=4 * 366)
    office.shop.work()
    assert office.state(case_id) is State.DISCLOSED
    _destroy_all(office, case_id)
    assert office.work(case_id) == set()
    office.shop.time.advance(days=31)
    office.shop.work()

    with office.shop.database.snapshot() as session:
        assert session.get(DisclosureCase, case_id) is None
        assert session.get(DataKey, case_id) is None
        assert session.get_one(CaseStub, case_id).because == "case_record"
        assert session.scalars(select(Message).where(Message.case_id == case_id)).all() == []


def test_a_hold_stops_the_purge(office: Office) -> None:
    case_id = office.screened()
    office.withdraw(case_id)
    with office.shop.database.transaction() as session:
        case = locked(session, case_id)
        assert case is not None
        ending.hold(session, case, by=LEGAL, reason="a lawsuit", now=office.now)

    office.shop.time.at += timedelta(days=10 * 366)
    office.shop.work()

    assert office.state(case_id) is State.WITHDRAWN
