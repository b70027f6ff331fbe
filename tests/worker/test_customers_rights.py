"""Finding, looking, asking, handing out and forgetting one customer of one shop: all of it audited (B31, B36)."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.base import Base
from models.block import Because
from models.booking import Status
from models.call_fact import Category
from models.customer import Channel, Customer, DataKey, Erased
from models.errors import IllegalMove, StillOpen, TooManyRequests
from models.inquiry import ANSWERED_WITHIN, Inquiry, Topic
from models.menu import Menu
from models.message import Kind, State
from models.shop import Shop
from models.terms import TermsDocument
from tests.conftest import StoppedTime
from tests.worker.desk import MINUTE, MOMENT, NOW, OTHER_SLOT, SLOT, Desk, at_once, phone, postgresql_only, sqlite_only
from worker import auditing, blocking, bookings, inquiries, terms
from worker.customers import Contact, address_of
from worker.database import Database
from worker.in_call import reporting
from worker.messages import tell_customer, tell_person
from worker.people import erasing, keeping, looking, record, retention
from worker.seals import Place, Shredded, seal, unseal
from worker.settings import settings

SHOP = "queens-court"
REASON = "お電話でのご依頼"
BY = "person:sato"
CANARIES = ("山田花子", "canary memo", "shop.example.jp/canary", "reserve@example.jp", "canary question", phone(12))
LATER = SLOT + timedelta(days=1)


class Killed(Exception):  # noqa: N818 - it is what happened to the process
    """The process died here."""


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def book(desk: Desk, **more: Any) -> UUID:
    """Book with everything a customer can say, and ask something about it."""
    reserve = Contact(Channel.MAIL, "reserve@example.jp")
    said = {"name": "山田花子", "memo": "canary memo", "source_url": "https://shop.example.jp/canary"}
    booking_id = desk.confirm(shop=SHOP, second_contact=reserve, **(said | more))
    with desk.locked(booking_id) as (session, booking):
        inquiries.receive(session, booking, Topic.ITEM, "canary question", language="ja", received_at=NOW)
    return booking_id


def customer_of(desk: Desk, booking_id: UUID) -> UUID:
    return desk.booking(booking_id).customer_id


def finish(desk: Desk, booking_id: UUID) -> None:
    """Let the booking end and its inquiries be answered."""
    with desk.locked(booking_id) as (session, booking):
        if booking.status is Status.CONFIRMED:
            bookings.cancel(session, booking, received_at=NOW + MINUTE, expected_revision=1)
        for inquiry_id in inquiries.open_of(session, booking.customer_id, now=NOW):
            inquiry = inquiries.locked(session, inquiry_id)
            assert inquiry is not None
            inquiries.route(session, inquiry, now=NOW)
            inquiries.answered(session, inquiry, by=BY, reason=REASON, now=NOW)


def act(desk: Desk, what: Any, customer_id: UUID, *more: Any, now: Any = LATER) -> Any:
    with desk.database.transaction() as session:
        return what(session, session.get_one(Customer, customer_id), *more, by=BY, reason=REASON, now=now)


def erase(desk: Desk, customer_id: UUID, *, now: Any = LATER) -> bool:
    done: bool = act(desk, erasing.erase, customer_id, Erased.ASKED, now=now)
    return done


def chain(desk: Desk) -> list[tuple[str, str]]:
    with desk.database.snapshot() as session:
        return [(event.kind, event.actor) for event in auditing.trail(session, auditing.chain_of_shop(SHOP))]


def everything(desk: Desk) -> str:
    """Return all rows of all tables as text, once the counts of the day are gone."""
    retention.forget_counts(desk.database, now=LATER + timedelta(days=2))
    with desk.database.snapshot() as session:
        return repr([session.execute(select(table)).all() for table in Base.metadata.sorted_tables])


def digests(desk: Desk, booking_id: UUID) -> set[str]:
    """Return by what a booking's customer could be told again though nobody can read it."""
    booking, proof = desk.booking(booking_id), desk.verification(booking_id)
    index = Contact(Channel.SMS, phone(12)).index(SHOP)
    known = {index, booking.customer_ip_index, proof.contact_digest, proof.network_digest}
    return {each for each in known if each}


# Find and look


@sqlite_only
def test_a_customer_is_found_by_contact_at_the_shop_that_knows_them(desk: Desk) -> None:
    customer_id = customer_of(desk, book(desk))
    contact = Contact(Channel.SMS, phone(12))

    with desk.database.transaction() as session:
        here = looking.find(session, SHOP, contact, by=BY, reason=REASON, now=NOW)
        there = looking.find(session, "fred", contact, by=BY, reason=REASON, now=NOW)

    assert (here.id if here else None, there) == (customer_id, None)


@sqlite_only
def test_that_nobody_was_found_is_written_down_too(desk: Desk) -> None:
    with desk.database.transaction() as session:
        looking.find(session, SHOP, Contact(Channel.SMS, phone(77)), by=BY, reason=REASON, now=NOW)

    assert chain(desk) == [("customer_looked_up", BY)]


@sqlite_only
def test_why_somebody_looked_in_vain_goes_with_the_trails_of_the_shop(
    desk: Desk, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> None:
    with desk.database.transaction() as session:
        looking.find(session, SHOP, Contact(Channel.SMS, phone(77)), by=BY, reason=REASON, now=NOW)
        days = session.get_one(Shop, SHOP).trail_days
    with desk.database.snapshot() as session:
        [event] = auditing.trail(session, auditing.chain_of_shop(SHOP))
        before = auditing.reason_of(session, event)

    time.move_to(NOW + timedelta(days=days))
    do_due_jobs()

    assert before == REASON
    with desk.database.snapshot() as session, pytest.raises(Shredded):
        auditing.reason_of(session, event)


@sqlite_only
def test_a_trail_tells_what_happened_and_opens_nothing(desk: Desk) -> None:
    booking_id = book(desk)

    told = act(desk, looking.trail, customer_of(desk, booking_id))

    [booking] = told["bookings"]
    assert [event["kind"] for event in booking["events"]] == desk.trail(booking_id)
    assert {consent["document_id"] for consent in booking["consents"]} >= {"platform-terms"}
    assert [inquiry["topic"] for inquiry in told["inquiries"]] == ["item"]
    assert not any(canary in json.dumps(told, ensure_ascii=False) for canary in CANARIES)


@sqlite_only
def test_an_export_holds_everything_that_is_kept_opened(desk: Desk) -> None:
    told = act(desk, looking.export, customer_of(desk, book(desk)))

    text = json.dumps(told, ensure_ascii=False)
    assert all(canary in text for canary in CANARIES)
    assert told["customer"]["contact"] == phone(12)


@sqlite_only
def test_an_export_says_what_was_booked_with_whom_and_which_terms_governed(desk: Desk) -> None:
    with desk.database.transaction() as session:
        session.add(
            Menu(shop_id=SHOP, id="fitting", name_ja="試着", name_en="Fitting", minutes=30, enabled=True, position=0)
        )
    booking_id = book(desk, menu_id="fitting")
    with desk.locked(booking_id) as (session, booking):
        booking.staff_id, booking.call_began_at = "hana", SLOT
        terms.record_governing(session, booking_id, at=SLOT)

    [told] = act(desk, looking.export, customer_of(desk, booking_id))["bookings"]

    assert (told["menu_id"], told["staff_id"], told["call_began_at"]) == ("fitting", "hana", "2030-06-04T03:00:00Z")
    assert {each["document_id"] for each in told["governing"]} >= {"platform-terms"}


@sqlite_only
def test_it_says_of_which_new_terms_they_were_told(desk: Desk) -> None:
    booking_id = book(desk)
    customer_id = customer_of(desk, booking_id)
    with desk.database.transaction() as session:
        customer, facts = session.get_one(Customer, customer_id), {"document_id": "platform-terms"}
        document = session.scalars(select(TermsDocument).where(TermsDocument.id == "platform-terms")).one()
        told_of = (document.id, document.version)
        message_id = tell_person(
            session, customer, Kind.TERMS_CHANGED, language="ja", now=NOW, expires_at=LATER, part="1", facts=facts
        )
        assert message_id is not None
        terms.note_telling(session, customer_id, document, message_id, now=NOW)

    [notice] = act(desk, looking.trail, customer_id)["terms_notices"]

    assert (notice["document_id"], notice["version"]) == told_of


@sqlite_only
@pytest.mark.parametrize("look", [looking.trail, looking.export])
def test_whoever_looks_sees_that_the_contact_is_or_was_blocked_and_why_but_not_the_words(desk: Desk, look: Any) -> None:
    customer_id = customer_of(desk, book(desk))
    contact, elsewhere = Contact(Channel.SMS, phone(12)), Contact(Channel.SMS, phone(13))
    with desk.database.transaction() as session:
        given: Any = {"report_id": None, "by": BY, "now": NOW}
        lifted = blocking.block(session, contact, Because.DEFAMATION, "canary memo", shop_id=None, **given)
        blocking.lift(session, lifted, "canary memo", by=BY, now=NOW)
        blocking.block(session, contact, Because.OBSTRUCTION, "canary words", shop_id=SHOP, **given)
        blocking.block(session, contact, Because.OBSTRUCTION, "of another shop", shop_id="fred", **given)
        blocking.block(session, elsewhere, Because.OBSTRUCTION, "of another contact", shop_id=SHOP, **given)

    told = act(desk, look, customer_id)

    seen = [(each["shop"], each["because"], each["lifted_at"] is None) for each in told["blocks"]]
    assert seen == [(None, "defamation", False), (SHOP, "obstruction", True)]
    assert "canary words" not in json.dumps(told)


@sqlite_only
def test_who_looked_and_why_is_in_the_chain_and_the_chain_is_sound(desk: Desk) -> None:
    customer_id = customer_of(desk, book(desk))

    act(desk, looking.trail, customer_id)
    act(desk, looking.export, customer_id)

    with desk.database.snapshot() as session:
        events = auditing.trail(session, auditing.chain_of_shop(SHOP))
        reasons = [auditing.reason_of(session, event) for event in events]
    with desk.database.snapshot() as session:
        report = auditing.verify(session)
    assert [event.kind for event in events] == ["trail_shown", "customer_exported"]
    assert (reasons, report.is_green) == ([REASON, REASON], True)


@sqlite_only
def test_nobody_looks_without_end(desk: Desk) -> None:
    customer_id = customer_of(desk, book(desk))
    for _ in range(looking.LOOKS.most):
        act(desk, looking.trail, customer_id)

    with pytest.raises(TooManyRequests):
        act(desk, looking.trail, customer_id)


# Ask


@sqlite_only
def test_a_request_is_one_message_to_that_customer(desk: Desk) -> None:
    customer_id = customer_of(desk, book(desk))

    act(desk, looking.ask, customer_id, "端末の機種をお知らせください。", now=NOW)

    [message] = desk.messages(Kind.CUSTOMER_REQUEST)
    assert (message.customer_id, message.channel, message.language) == (customer_id, Channel.SMS, "ja")
    assert "端末" not in repr(vars(message))
    assert ("customer_asked", BY) in chain(desk)


@sqlite_only
def test_a_customer_is_not_asked_again_and_again(desk: Desk) -> None:
    customer_id = customer_of(desk, book(desk))
    for _ in range(looking.REQUESTS.most):
        act(desk, looking.ask, customer_id, "端末の機種をお知らせください。", now=NOW)

    with pytest.raises(TooManyRequests):
        act(desk, looking.ask, customer_id, "端末の機種をお知らせください。", now=NOW)


# Forget


@sqlite_only
def test_nothing_personal_is_left_of_who_was_erased(desk: Desk) -> None:
    booking_id = book(desk, customer_ip="192.0.2.99")
    customer_id = customer_of(desk, booking_id)
    finish(desk, booking_id)
    traces, before = digests(desk, booking_id), everything(desk)

    erase(desk, customer_id)

    told = act(desk, looking.export, customer_id)
    after = everything(desk)
    assert not any(canary in json.dumps(told, ensure_ascii=False) for canary in CANARIES)
    assert told["customer"]["contact"] is None
    assert (len(traces), {each for each in traces if each not in before}) == (3, set())
    assert {each for each in (*traces, *CANARIES) if each in after} == set()
    with desk.database.snapshot() as session:
        assert session.get(DataKey, customer_id) is None


@sqlite_only
def test_what_was_typed_as_an_item_goes_as_well(desk: Desk) -> None:
    """Clauses B21, B36: anybody may type their number where an item's is asked for."""
    booking_id = book(desk, item_codes=["R-1024", "090-1234-5678"])
    customer_id = customer_of(desk, booking_id)
    finish(desk, booking_id)

    erase(desk, customer_id)

    assert desk.booking(booking_id).item_codes == []
    assert "090-1234-5678" not in everything(desk)


@sqlite_only
def test_a_report_that_comes_after_it_is_refused_and_makes_no_new_key(desk: Desk) -> None:
    booking_id = book(desk)
    customer_id = customer_of(desk, booking_id)
    finish(desk, booking_id)
    erase(desk, customer_id)

    with pytest.raises(IllegalMove), desk.locked(booking_id) as (session, booking):
        reporting.report(session, booking, Category.ABUSE, "canary", staff_id=None, actor="key:desk", now=LATER)

    with desk.database.snapshot() as session:
        assert session.get(DataKey, customer_id) is None
        with pytest.raises(Shredded):
            seal(session, Place(customer_id, "bookings", "sealed_memo", booking_id), "canary")


@sqlite_only
def test_with_a_keys_database_an_erasure_that_is_not_committed_leaves_the_contact_served(
    desk: Desk, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("KEYS_DATABASE_URL", f"sqlite:///{tmp_path}/keys.db")
    settings.cache_clear()
    booking_id = book(desk)
    customer_id = customer_of(desk, booking_id)
    finish(desk, booking_id)

    def erase_and_die(session: Session, customer: Customer, *more: Any, **given: Any) -> None:
        erasing.erase(session, customer, *more, **given)
        raise Killed

    with pytest.raises(Killed):
        act(desk, erase_and_die, customer_id, Erased.ASKED, now=NOW + 2 * MINUTE)

    again = desk.confirm(NOW + 3 * MINUTE, shop=SHOP, starts_at=OTHER_SLOT)
    with desk.database.snapshot() as session:
        customer = session.get_one(Customer, customer_of(desk, again))
        assert (customer.id, address_of(session, customer)) == (customer_id, phone(12))


@sqlite_only
def test_with_a_keys_database_the_key_goes_by_a_job_of_the_same_transaction(
    desk: Desk, do_due_jobs: Callable[[], int], environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("KEYS_DATABASE_URL", f"sqlite:///{tmp_path}/keys.db")
    settings.cache_clear()
    customer_id = UUID(int=0xCA11)
    place = Place(customer_id, "customers", "sealed_contact", customer_id)
    with desk.database.transaction() as session:
        sealed = seal(session, place, "canary")
        keeping.forget(session, customer_id)
        before = unseal(session, place, sealed)

    do_due_jobs()

    assert before == "canary"
    with desk.database.snapshot() as session, pytest.raises(Shredded):
        unseal(session, place, sealed)


@sqlite_only
def test_what_is_no_personal_data_stays(desk: Desk) -> None:
    booking_id = book(desk)
    finish(desk, booking_id)
    before = (desk.trail(booking_id), len(desk.consents(booking_id)), len(desk.messages()))

    erase(desk, customer_of(desk, booking_id))

    assert (desk.trail(booking_id), len(desk.consents(booking_id)), len(desk.messages())) == before


@sqlite_only
def test_erasing_twice_is_erasing_once(desk: Desk) -> None:
    booking_id = book(desk)
    customer_id = customer_of(desk, booking_id)
    finish(desk, booking_id)

    first, again = erase(desk, customer_id), erase(desk, customer_id)

    assert (first, again) == (True, False)
    assert [kind for kind, _ in chain(desk)].count("customer_erased") == 1


@sqlite_only
@pytest.mark.parametrize("is_confirmed", [True, False], ids=["confirmed", "held"])
def test_who_has_something_open_is_not_erased(desk: Desk, *, is_confirmed: bool) -> None:
    booking_id = desk.confirm(shop=SHOP) if is_confirmed else desk.hold(shop=SHOP)

    with pytest.raises(StillOpen) as refused:
        erase(desk, customer_of(desk, booking_id))

    assert refused.value.facts["open"] == str(booking_id)
    with desk.database.snapshot() as session:
        assert session.get(DataKey, customer_of(desk, booking_id)) is not None


@sqlite_only
def test_an_inquiry_that_waits_for_an_answer_keeps_the_customer(desk: Desk) -> None:
    booking_id = book(desk)
    desk.cancel(booking_id)

    with pytest.raises(StillOpen):
        erase(desk, customer_of(desk, booking_id))


@sqlite_only
def test_an_inquiry_that_nobody_marks_as_answered_keeps_nobody_for_ever(desk: Desk) -> None:
    booking_id = book(desk)
    desk.cancel(booking_id)
    with desk.database.transaction() as session:
        [inquiry_id] = inquiries.open_of(session, customer_of(desk, booking_id), now=NOW)
        inquiry = inquiries.locked(session, inquiry_id)
        assert inquiry is not None
        inquiries.route(session, inquiry, now=NOW)

    with pytest.raises(StillOpen):
        erase(desk, customer_of(desk, booking_id), now=NOW + ANSWERED_WITHIN - MOMENT)

    assert erase(desk, customer_of(desk, booking_id), now=NOW + ANSWERED_WITHIN)


@sqlite_only
def test_an_answer_may_be_written_down_after_the_customer_was_forgotten(desk: Desk) -> None:
    booking_id = book(desk)
    customer_id = customer_of(desk, booking_id)
    desk.cancel(booking_id)
    with desk.database.transaction() as session:
        [inquiry_id] = inquiries.open_of(session, customer_id, now=NOW)
        inquiries.route(session, session.get_one(Inquiry, inquiry_id), now=NOW)
    erase(desk, customer_id, now=NOW + ANSWERED_WITHIN)

    with desk.database.transaction() as session:
        inquiry = session.get_one(Inquiry, inquiry_id)
        inquiries.answered(session, inquiry, by=BY, reason=REASON, now=NOW + ANSWERED_WITHIN)

    assert chain(desk)[-1] == ("inquiry_answered", BY)
    with desk.database.snapshot() as session:
        assert session.get(DataKey, customer_id) is None


@sqlite_only
def test_a_message_that_waits_is_not_sent_any_more(desk: Desk) -> None:
    booking_id = book(desk)
    with desk.locked(booking_id) as (session, booking):
        tell_customer(session, booking, Kind.INQUIRY_HANDED_OVER, now=NOW, expires_at=LATER)
    finish(desk, booking_id)

    erase(desk, customer_of(desk, booking_id))

    waiting = desk.messages(Kind.INQUIRY_HANDED_OVER)
    assert {(message.state, message.because) for message in waiting} == {(State.FAILED, "erased")}


@sqlite_only
def test_the_same_contact_is_a_new_customer_afterwards(desk: Desk) -> None:
    booking_id = book(desk)
    finish(desk, booking_id)
    erase(desk, customer_of(desk, booking_id), now=NOW + 2 * MINUTE)

    another = desk.confirm(NOW + 3 * MINUTE, shop=SHOP, starts_at=OTHER_SLOT)

    assert customer_of(desk, another) != customer_of(desk, booking_id)


@sqlite_only
def test_another_shop_keeps_its_own_customer(desk: Desk) -> None:
    booking_id, elsewhere = book(desk), desk.confirm(shop="fred", name="山田花子")
    finish(desk, booking_id)

    erase(desk, customer_of(desk, booking_id))

    with desk.database.snapshot() as session:
        customer = session.get_one(Customer, customer_of(desk, elsewhere))
        assert record.whole(session, customer)["customer"]["contact"] == phone(12)


@sqlite_only
def test_who_was_erased_is_asked_nothing(desk: Desk) -> None:
    booking_id = book(desk)
    finish(desk, booking_id)
    erase(desk, customer_of(desk, booking_id))

    with pytest.raises(IllegalMove):
        act(desk, looking.ask, customer_of(desk, booking_id), "端末の機種をお知らせください。")


@sqlite_only
def test_reasons_about_a_customer_go_with_the_customer_and_the_events_stay(desk: Desk) -> None:
    booking_id = book(desk)
    customer_id = customer_of(desk, booking_id)
    act(desk, looking.trail, customer_id, now=NOW)
    finish(desk, booking_id)

    erase(desk, customer_id)

    with desk.database.snapshot() as session:
        first, *_, last = auditing.trail(session, auditing.chain_of_shop(SHOP))
        with pytest.raises(Shredded):
            auditing.reason_of(session, first)
        assert (last.kind, auditing.reason_of(session, last)) == ("customer_erased", REASON)
    with desk.database.snapshot() as session:
        assert auditing.verify(session).is_green


@postgresql_only
def test_who_books_while_being_erased_is_either_kept_or_new(desk: Desk) -> None:
    booking_id = book(desk)
    customer_id = customer_of(desk, booking_id)
    finish(desk, booking_id)

    at_once(lambda: erase(desk, customer_id), lambda: desk.hold(shop=SHOP, starts_at=OTHER_SLOT, name="山田花子"))

    [held] = [booking for booking in desk.bookings() if booking.status is Status.HELD]
    with desk.database.snapshot() as session:
        theirs = session.get_one(Customer, held.customer_id)
        keys = session.scalars(select(func.count()).where(DataKey.subject_id == theirs.id)).one()
    assert (theirs.erased_at, keys) == (None, 1)
