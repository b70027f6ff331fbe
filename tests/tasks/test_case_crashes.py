"""A case whose workers die, come twice and come in any order ends as one whose workers do not; nobody is told twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from models.audit import CaseEvent
from models.disclosure import Party, State
from models.job import Name
from models.message import Kind, Message
from models.message import State as MessageState
from models.paper import Flaw, ItemKind
from models.release import Release
from tests.tasks import stumbling
from tests.tasks.case_office import APPLICANT_MAIL, COUNTERPARTY, COUNTERPARTY_MAIL, LEGAL, Office
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from worker import auditing, jobs
from worker.cases import releases

WAYS = [stumbling.everything_twice, stumbling.dying_over_each, stumbling.whatever_comes_first]
TO_APPLICANT = [
    Kind.CASE_CONFIRM_ADDRESS,
    Kind.CASE_OPENED,
    Kind.CASE_ADDRESS_TO_APPLICANT,
    Kind.CASE_PAPERS_WANTED,
    Kind.CASE_PAPERS_DEFICIENT,
    Kind.CASE_INVOICE,
    Kind.CASE_POSTED,
]
TO_COUNTERPARTY = [
    Kind.CASE_TOLD,
    Kind.CASE_ADDRESS_TO_COUNTERPARTY,
    Kind.CASE_STAGE_2_TOLD,
    Kind.CASE_DISCLOSED_TOLD,
]


@pytest.fixture
def office(shop_floor: Workshop) -> Office:
    """The office, with careful workers."""
    return Office(shop_floor)


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def stumbling_office(request: pytest.FixtureRequest, shop_floor: Workshop, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The office, with workers that stumble in one way."""
    way: Callable[[Workshop, pytest.MonkeyPatch], stumbling.Work] = request.param
    return Office(replace(shop_floor, work=way(shop_floor, monkeypatch)))


def play(office: Office) -> UUID:
    """Play a whole case, with a deficient pledge, to the posted letter."""
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    office.all_papers(case_id)
    office.find_deficient(case_id, ItemKind.PLEDGE, Flaw.NOT_SEALED)
    office.paper(case_id, ItemKind.PLEDGE)
    office.opinion(case_id)
    office.accept_all(case_id)
    office.decide(case_id)
    office.pay(case_id)
    office.print_letter(case_id)
    office.post_letter(case_id)
    return case_id


def test_a_whole_case_ends_the_same_however_its_workers_stumble(stumbling_office: Office) -> None:
    case_id = play(stumbling_office)

    assert stumbling_office.state(case_id) is State.DISCLOSED
    assert Counter(stumbling_office.kinds(case_id)) == Counter(TO_APPLICANT + TO_COUNTERPARTY)
    assert len(stumbling_office.mails(APPLICANT_MAIL)) == len(TO_APPLICANT)
    assert len(stumbling_office.mails(COUNTERPARTY_MAIL)) == len(TO_COUNTERPARTY)
    assert stumbling_office.work(case_id) == set()
    with stumbling_office.shop.database.snapshot() as session:
        assert auditing.verify(session).is_green
        # Stage 1 and the letter.
        assert len(session.scalars(select(Release).where(Release.case_id == case_id)).all()) == 2
        events = Counter(session.scalars(select(CaseEvent.kind).where(CaseEvent.case_id == case_id)))
    once = {"confirmed", "addresses_released", "both_reached", "papers_listed", "fee_paid", "letter_rendered"}
    assert {events[kind] for kind in once} == {1}


OPENING = (Name.SCREEN_CASE, Name.NOTIFY_APPLICANT, Name.NOTIFY_COUNTERPARTY, Name.AWAIT_DECISION)


@pytest.fixture
def unattended(shop_floor: Workshop) -> Office:
    """The same office while no worker runs: what people and parties do is owed, and nothing of it is done."""
    return Office(replace(shop_floor, work=lambda: 0))


def begun(office: Office, unattended: Office, *links: Name) -> UUID:
    """Return a case that was confirmed, and whose worker died after these links."""
    office.feed()
    case_id = office.receive()
    unattended.confirm(case_id)
    stumbling.do(office.shop, *links)
    return case_id


def test_a_link_that_is_rung_before_its_turn_waits_for_it(office: Office, unattended: Office) -> None:
    case_id = begun(office, unattended)

    assert office.shop.perform(Name.NOTIFY_COUNTERPARTY) == [jobs.Outcome.SKIPPED]
    office.shop.work()

    assert len(office.mails(COUNTERPARTY_MAIL)) == 1
    assert office.work(case_id) == {"screen"}


@pytest.mark.parametrize("done", range(len(OPENING) + 1))
def test_a_withdrawal_between_two_links_tells_the_counterparty_both_or_nothing(
    office: Office, unattended: Office, done: int
) -> None:
    case_id = begun(office, unattended, *OPENING[:done])

    unattended.withdraw(case_id)
    office.shop.work()

    assert office.state(case_id) is State.WITHDRAWN
    assert office.work(case_id) == set()
    told = [message.kind for message in office.notices(case_id) if message.party is Party.COUNTERPARTY]
    assert told == ([Kind.CASE_TOLD, Kind.CASE_CLOSED_TOLD] if done else [])
    assert len(office.mails(COUNTERPARTY_MAIL)) == len(told)
    assert office.kinds(case_id).count(Kind.CASE_CLOSED) == 1
    assert office.delivered_twice() == {}


@pytest.mark.parametrize("done", range(len(OPENING) + 1))
def test_a_hold_between_two_links_leaves_nothing_behind(office: Office, unattended: Office, done: int) -> None:
    case_id = begun(office, unattended, *OPENING[:done])

    unattended.hold(case_id)
    office.shop.work()
    office.shop.time.advance(days=40)
    office.shop.work()
    office.resume(case_id)
    office.decide(case_id)

    assert office.state(case_id) is State.NEGOTIATING
    assert office.work(case_id) == set()


def test_a_case_whose_first_link_cannot_be_done_comes_to_a_person_in_the_end(
    office: Office, unattended: Office
) -> None:
    case_id = begun(office, unattended)

    office.shop.time.advance(days=7)
    assert office.shop.perform(Name.RAISE_ALERT) == [jobs.Outcome.DONE]

    assert office.work(case_id) == {"screen"}


def test_an_address_that_changes_between_two_links_is_not_written_to_and_neither_is_the_other(
    office: Office, unattended: Office
) -> None:
    case_id = office.screened()
    unattended.decide(case_id)
    stumbling.do(office.shop, Name.CHECK_EXCHANGE)

    with office.shop.database.transaction() as session:
        marketplace.a_change(session, COUNTERPARTY, email="moved@example.jp", received_at=office.now)
    office.shop.work()

    assert office.state(case_id) is State.SCREENING
    assert office.work(case_id) == {"screen", "mend_exchange"}
    assert Kind.CASE_ADDRESS_TO_APPLICANT not in office.kinds(case_id)
    assert Kind.CASE_ADDRESS_TO_COUNTERPARTY not in office.kinds(case_id)


def test_a_release_that_is_stopped_between_two_links_goes_on_when_releases_do(
    office: Office, unattended: Office
) -> None:
    case_id = office.screened()
    unattended.decide(case_id)
    stumbling.do(office.shop, Name.CHECK_EXCHANGE)
    with office.shop.database.transaction() as session:
        releases.stop(session, by=LEGAL, reason="something is wrong", now=office.now)
    office.shop.work()
    assert office.case(case_id).released_at is None

    with office.shop.database.transaction() as session:
        releases.resume(session, by=LEGAL, reason="nothing was", now=office.now)
    office.shop.work()

    assert office.state(case_id) is State.NEGOTIATING
    assert office.delivered_twice() == {}


def test_a_side_that_cannot_be_reached_is_a_persons_work_until_its_arrival_is_recorded(office: Office) -> None:
    case_id = office.screened()
    office.shop.carrier.script("refuse_400", to=COUNTERPARTY_MAIL, channel="mail")

    office.decide(case_id)
    assert office.state(case_id) is State.EXCHANGING
    assert office.work(case_id) == {"finish_exchange"}
    office.shop.time.advance(days=3)
    office.shop.work()
    assert office.state(case_id) is State.EXCHANGING
    office.deem_arrived(case_id, Kind.CASE_ADDRESS_TO_COUNTERPARTY)

    assert office.state(case_id) is State.NEGOTIATING
    assert office.work(case_id) == set()


def test_an_address_whose_sending_nobody_knows_of_is_not_sent_again_but_looked_at(office: Office) -> None:
    case_id = office.screened()
    office.shop.carrier.script("accept_then_cut", to=COUNTERPARTY_MAIL, channel="mail")

    office.decide(case_id)
    for _ in range(4):
        office.shop.time.advance(minutes=20)
        office.shop.work()
    assert office.notice(case_id, Kind.CASE_ADDRESS_TO_COUNTERPARTY).state is MessageState.UNKNOWN
    assert office.state(case_id) is State.EXCHANGING
    assert office.work(case_id) == {"finish_exchange"}
    office.deem_arrived(case_id, Kind.CASE_ADDRESS_TO_COUNTERPARTY)

    assert office.state(case_id) is State.NEGOTIATING
    assert office.delivered_twice() == {}


def test_a_link_whose_fate_nobody_knows_may_outlive_the_form_it_was_for(office: Office) -> None:
    office.feed()
    office.shop.carrier.script("accept_then_cut", to=APPLICANT_MAIL, channel="mail")
    case_id = office.receive()
    [link] = office.notices(case_id)

    office.shop.time.advance(hours=25)
    for name in (Name.RUN_OUT, Name.PURGE_CASE, Name.SETTLE_MESSAGE):
        assert office.shop.perform(name) == [jobs.Outcome.DONE]

    with office.shop.database.snapshot() as session:
        assert session.get_one(Message, link.id).state is MessageState.FAILED
