"""The end of the service on real rows: nothing new from its first instant on, and an end for all that is still open."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from models.disclosure import DisclosureCase, State
from models.errors import ServiceEnded
from models.job import Name
from models.message import Kind, Message
from models.message import State as MessageState
from tasks.disclosure import owe_service_end
from tests.conftest import StoppedTime
from tests.tasks.case_clauses import owed_jobs
from tests.tasks.case_office import APPLICANT, COUNTERPARTY, COUNTERPARTY_MAIL, Office
from tests.tasks.conftest import Workshop
from tests.tasks.stumbling import do
from tests.worker import marketplace
from worker import jobs
from worker.settings import settings

MOMENT = timedelta(microseconds=1)
ENDS_AT = datetime(2016, 10, 30, 15, tzinfo=UTC)
"""Monday, 31 October 2016, 00:00 in Tokyo (D1, D3)."""
WOUND_UP_AT = datetime(2017, 1, 28, 15, tzinfo=UTC)
"""Ninety days later (A1)."""
WON_ON = date(2016, 8, 1)
LONG_AGO = datetime(2014, 4, 1, 3, tzinfo=UTC)


@pytest.fixture
def its_end(environment: pytest.MonkeyPatch) -> None:
    """The policy with the end that the source announces."""
    environment.setenv("CASE_POLICY", '{"preset": "end-of-2016"}')


@pytest.fixture
def office(its_end: None, shop_floor: Workshop, time: StoppedTime) -> Office:
    """The office in October 2016, with a trade whose message window has closed."""
    time.move_to(datetime(2016, 10, 3, 1, tzinfo=UTC))
    with shop_floor.database.transaction() as session:
        for member in (APPLICANT, COUNTERPARTY):
            marketplace.a_member(
                session, member, registered_at=LONG_AGO, changed_at=LONG_AGO, received_at=time.at - timedelta(days=60)
            )
        marketplace.a_trade(
            session,
            received_at=time.at,
            won_on=WON_ON,
            completed_at=datetime(2016, 8, 20, 3, tzinfo=UTC),
            message_window_opens_at=datetime(2016, 8, 1, 12, tzinfo=UTC),
            message_window_closes_at=datetime(2016, 9, 10, 15, tzinfo=UTC),
        )
    return Office(shop_floor)


def asked(office: Office) -> UUID:
    return office.receive(won_on=WON_ON)


def screened(office: Office) -> UUID:
    case_id = asked(office)
    office.confirm(case_id)
    return case_id


def negotiating(office: Office) -> UUID:
    case_id = screened(office)
    office.decide(case_id)
    assert office.state(case_id) is State.NEGOTIATING
    return case_id


def come(office: Office, at: datetime) -> None:
    office.shop.time.move_to(at)
    office.shop.work()


def test_a_form_is_taken_until_the_last_instant_of_the_day_before(office: Office) -> None:
    come(office, ENDS_AT - MOMENT)

    assert office.state(asked(office)) is State.RECEIVED


def test_from_the_first_instant_of_the_day_on_no_form_is_taken(office: Office) -> None:
    come(office, ENDS_AT)

    with pytest.raises(ServiceEnded):
        asked(office)


def test_what_was_not_confirmed_when_the_service_ends_ends_with_it_and_nobody_is_told(office: Office) -> None:
    come(office, ENDS_AT - timedelta(hours=2))
    case_id = asked(office)

    office.shop.time.move_to(ENDS_AT)
    with pytest.raises(ServiceEnded):
        office.confirm(case_id)
    office.shop.perform(Name.END_SERVICE)

    assert office.state(case_id) is State.SERVICE_ENDED
    assert office.kinds(case_id) == [Kind.CASE_CONFIRM_ADDRESS]


def test_a_link_that_was_not_sent_yet_ends_with_the_form_it_was_for(office: Office) -> None:
    come(office, ENDS_AT - timedelta(hours=2))
    asleep = Office(replace(office.shop, work=lambda: 0))
    case_id = asked(asleep)
    do(office.shop, Name.RECEIVE_APPLICATION)
    [link] = office.notices(case_id)

    office.shop.time.move_to(ENDS_AT)
    for name in (Name.END_SERVICE, Name.PURGE_CASE, Name.DELIVER_MESSAGE):
        assert office.shop.perform(name) == [jobs.Outcome.DONE]

    with office.shop.database.snapshot() as session:
        assert session.get(DisclosureCase, case_id) is None
        assert session.get_one(Message, link.id).state is MessageState.FAILED


def test_an_end_that_is_fixed_while_a_case_waits_reaches_it(office: Office, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CASE_POLICY", "{}")
    settings.cache_clear()
    case_id, form_id = negotiating(office), asked(office)
    environment.setenv("CASE_POLICY", '{"preset": "end-of-2016"}')
    settings.cache_clear()

    owe_service_end()
    owe_service_end()
    come(office, WOUND_UP_AT)

    assert office.state(case_id) is State.SERVICE_ENDED
    with office.shop.database.snapshot() as session:
        assert session.get(DisclosureCase, form_id) is None


def test_what_awaits_the_end_already_is_owed_it_once(office: Office) -> None:
    screened(office)

    owe_service_end()

    assert len(owed_jobs(office, Name.END_SERVICE)) == 1


def test_a_case_under_way_goes_on_but_stage_2_is_refused(office: Office) -> None:
    case_id = screened(office)

    come(office, ENDS_AT + timedelta(days=1))
    office.decide(case_id)

    assert office.state(case_id) is State.NEGOTIATING
    with pytest.raises(ServiceEnded):
        office.ask_for_stage_2(case_id)


def test_what_is_still_open_when_all_is_wound_up_ends_and_both_sides_are_told(office: Office) -> None:
    come(office, ENDS_AT - timedelta(hours=1))
    case_id = screened(office)

    come(office, WOUND_UP_AT - MOMENT)
    assert office.state(case_id) is State.SCREENING
    come(office, WOUND_UP_AT)

    assert office.state(case_id) is State.SERVICE_ENDED
    assert office.kinds(case_id)[-2:] == [Kind.CASE_SERVICE_ENDED, Kind.CASE_CLOSED_TOLD]
    assert office.work(case_id) == set()
    assert office.delivered_twice() == {}


def test_a_letter_that_is_being_released_is_posted_all_the_same(office: Office) -> None:
    case_id = negotiating(office)
    office.ask_for_stage_2(case_id)
    office.all_papers(case_id)
    office.opinion(case_id)
    office.accept_all(case_id)
    office.decide(case_id)
    office.pay(case_id)

    come(office, WOUND_UP_AT + timedelta(days=1))
    assert office.state(case_id) is State.RELEASING
    office.print_letter(case_id)
    office.post_letter(case_id)

    assert office.state(case_id) is State.DISCLOSED


def test_an_address_that_reached_one_side_only_reaches_the_other_before_the_case_ends(office: Office) -> None:
    case_id = screened(office)
    office.shop.carrier.script("refuse_400", to=COUNTERPARTY_MAIL, channel="mail")
    office.decide(case_id)

    come(office, WOUND_UP_AT)
    assert office.state(case_id) is State.EXCHANGING
    assert office.work(case_id) == {"finish_exchange"}
    office.deem_arrived(case_id, Kind.CASE_ADDRESS_TO_COUNTERPARTY)

    assert office.state(case_id) is State.SERVICE_ENDED
    assert office.case(case_id).is_mutual
    assert office.work(case_id) == set()


def test_a_held_case_ends_when_it_is_let_go(office: Office) -> None:
    case_id = negotiating(office)
    office.hold(case_id)

    come(office, WOUND_UP_AT + timedelta(days=30))
    assert office.state(case_id) is State.NEGOTIATING
    office.resume(case_id)

    assert office.state(case_id) is State.SERVICE_ENDED
