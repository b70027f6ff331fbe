"""The block list: who is refused, where, until when, and that nobody can read whom (B38)."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from models.block import Because, Block
from models.booking import Status
from models.customer import Channel
from models.errors import KnownAlready, ProhibitedUse
from models.shop import Shop
from tests.conftest import StoppedTime
from tests.worker.desk import (
    MINUTE,
    MOMENT,
    NOW,
    OTHER_SLOT,
    SLOT,
    Desk,
    at_once,
    phone,
    postgresql_only,
    sqlite_only,
)
from worker import auditing, blocking
from worker import settings as settings_module
from worker.customers import Contact
from worker.database import Database
from worker.seals import Shredded

TANAKA = Contact(Channel.SMS, phone(12))
MAILBOX = Contact(Channel.MAIL, "Tanaka@example.jp")
WORDS = "canary: 大声で怒鳴った"


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def block(desk: Desk, contact: Contact = TANAKA, *, shop: str | None = "fred") -> UUID:
    with desk.database.transaction() as session:
        return blocking.block(
            session,
            contact,
            Because.DEFAMATION,
            WORDS,
            shop_id=shop,
            report_id=None,
            by="person:sato",
            now=NOW,
        ).id


def lift(desk: Desk, block_id: UUID) -> None:
    with desk.database.transaction() as session:
        blocking.lift(session, session.get_one(Block, block_id), "謝罪があった", by="person:ito", now=NOW)


def is_refused(desk: Desk, contact: Contact = TANAKA, *, shop: str = "fred") -> bool:
    with desk.database.snapshot() as session:
        try:
            blocking.check(session, shop, contact, now=NOW)
        except ProhibitedUse:
            return True
        return False


@sqlite_only
def test_a_contact_on_the_list_gets_no_hold_and_is_told_where_to_ask(desk: Desk) -> None:
    block(desk)

    with pytest.raises(ProhibitedUse) as refused:
        desk.hold(shop="fred")

    assert set(refused.value.facts) == {"shop_id", "contact_url"}
    assert desk.bookings() == []


@sqlite_only
def test_a_block_of_one_shop_is_none_at_another(desk: Desk) -> None:
    block(desk)

    assert not is_refused(desk, shop="vicky")


@sqlite_only
def test_a_block_of_all_shops_holds_at_each(desk: Desk) -> None:
    block(desk, shop=None)

    assert is_refused(desk, shop="vicky")
    assert is_refused(desk, shop="fred")


@sqlite_only
def test_a_mailbox_is_blocked_however_it_is_capitalised(desk: Desk) -> None:
    block(desk, MAILBOX)

    assert is_refused(desk, Contact(Channel.MAIL, "tanaka@example.jp"))


@sqlite_only
def test_somebody_else_is_served(desk: Desk) -> None:
    block(desk)

    assert not is_refused(desk, Contact(Channel.SMS, phone(13)))


@sqlite_only
def test_a_booking_that_stands_is_left_to_people(desk: Desk) -> None:
    booking_id = desk.confirm(shop="fred")

    block(desk)

    assert desk.booking(booking_id).status is Status.CONFIRMED


@sqlite_only
def test_whom_it_is_about_stands_nowhere_in_the_row(desk: Desk) -> None:
    desk.hold(shop="fred")
    block(desk)

    with desk.database.snapshot() as session:
        row = session.scalars(select(Block)).one()
        said = repr(vars(row))
        words = blocking.words_of(session, row)

    assert phone(12) not in said
    assert "canary" not in said
    assert words == WORDS


@sqlite_only
def test_a_contact_is_put_on_a_list_once(desk: Desk) -> None:
    first = block(desk)

    with pytest.raises(KnownAlready) as refused:
        block(desk)

    assert refused.value.facts == {"block_id": first}


@postgresql_only
def test_two_operators_at_once_put_it_there_once(desk: Desk) -> None:
    results = at_once(lambda: block(desk), lambda: block(desk))

    [made] = [result for result in results if isinstance(result, UUID)]
    [refused] = [result for result in results if isinstance(result, KnownAlready)]
    assert refused.facts == {"block_id": made}


@sqlite_only
def test_the_second_contact_is_asked_about_as_well(desk: Desk) -> None:
    block(desk, MAILBOX)

    with pytest.raises(ProhibitedUse):
        desk.hold(shop="fred", second_contact=MAILBOX)


@sqlite_only
@pytest.mark.parametrize("whom", [TANAKA, MAILBOX], ids=["the contact", "the second one"])
def test_who_is_blocked_after_the_hold_gets_no_booking_of_it(desk: Desk, whom: Contact) -> None:
    booking_id = desk.hold(shop="fred", second_contact=MAILBOX)
    block(desk, whom)

    with pytest.raises(ProhibitedUse):
        desk.enter(booking_id)
    with pytest.raises(ProhibitedUse):
        desk.resend(booking_id, NOW + 2 * MINUTE)

    assert desk.booking(booking_id).status is Status.HELD


@sqlite_only
def test_who_is_blocked_after_booking_moves_it_nowhere(desk: Desk) -> None:
    booking_id = desk.confirm(shop="fred")
    block(desk)

    with pytest.raises(ProhibitedUse):
        desk.change(booking_id)

    assert desk.booking(booking_id).starts_at == SLOT


@sqlite_only
def test_the_words_go_with_the_trails_of_the_shop_once_it_is_lifted(
    desk: Desk, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> None:
    block_id, standing = block(desk), block(desk, shop=None)
    lift(desk, block_id)
    with desk.database.snapshot() as session:
        time.move_to(NOW + timedelta(days=session.get_one(Shop, "fred").trail_days))

    do_due_jobs()

    with desk.database.snapshot() as session:
        assert blocking.words_of(session, session.get_one(Block, standing)) == WORDS
        with pytest.raises(Shredded):
            blocking.words_of(session, session.get_one(Block, block_id))


@sqlite_only
def test_a_lifted_block_refuses_nobody_and_may_be_made_anew(desk: Desk) -> None:
    lift(desk, block(desk))
    is_served = not is_refused(desk)

    block(desk)

    assert is_served
    assert is_refused(desk)


@sqlite_only
def test_blocking_and_lifting_stand_in_the_shops_chain_with_who_and_why(desk: Desk) -> None:
    block_id = block(desk)
    lift(desk, block_id)

    with desk.database.snapshot() as session:
        events = auditing.trail(session, auditing.chain_of_shop("fred"))
        told = [(event.kind, event.actor, auditing.reason_of(session, event)) for event in events]

    assert told == [("contact_blocked", "person:sato", WORDS), ("block_lifted", "person:ito", "謝罪があった")]


@sqlite_only
def test_lifting_twice_is_lifting_once(desk: Desk) -> None:
    block_id = block(desk)
    lift(desk, block_id)

    lift(desk, block_id)

    with desk.database.snapshot() as session:
        assert len(auditing.trail(session, auditing.chain_of_shop("fred"))) == 2


@sqlite_only
def test_what_was_asked_before_it_stands(desk: Desk) -> None:
    block(desk)

    booking_id = desk.hold(NOW - MOMENT, shop="fred", starts_at=OTHER_SLOT)

    assert desk.booking(booking_id).status is Status.HELD


@sqlite_only
def test_a_changed_secret_key_unblocks_nobody(desk: Desk, environment: pytest.MonkeyPatch) -> None:
    block(desk)
    before = settings_module.settings().secret_key.get_secret_value()

    environment.setenv("SECRET_KEY", "another-secret-" * 4)
    environment.setenv("SECRET_KEY_PREVIOUS", before)
    settings_module.settings.cache_clear()

    assert is_refused(desk)
