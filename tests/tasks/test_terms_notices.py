"""Customers with open bookings hear of new terms before they hold: each once, however much is repeated (B46)."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from uuid import UUID

import pytest
from sqlalchemy import select

from models.booking import Status
from models.customer import Channel
from models.job import Name
from models.message import Kind, Message, State
from models.terms import Party, TermsNotice
from tests.tasks.conftest import Workshop
from tests.worker.desk import DEADLINE, NOW, OTHER_SLOT, SLOT, phone, postgresql_only, sqlite_only
from worker import links, terms
from worker.links import LinkRole

EFFECTIVE = NOW + timedelta(days=30)


def given(version: str = "2030-07-03", **changes: object) -> terms.Given:
    plain: dict[str, object] = {
        "document_id": "platform-terms",
        "version": version,
        "url": f"https://www.example.jp/terms/platform-terms/{version}",
        "sha256": "0" * 64,
        "effective_at": EFFECTIVE,
        "party": Party.PLATFORM,
        "provider": None,
    }
    return terms.Given(**(plain | changes))  # type: ignore[arg-type]  # a table of its fields


@pytest.fixture
def publish(shop_floor: Workshop) -> Callable[..., None]:
    def act(version: str = "2030-07-03", **changes: object) -> None:
        # Whoever booked before has heard so.
        shop_floor.work()
        with shop_floor.database.transaction() as session:
            terms.publish(session, given(version, **changes), by="operator", now=shop_floor.time.at)
        shop_floor.work()

    return act


Publish = Callable[..., None]


def notices(floor: Workshop) -> list[UUID]:
    with floor.database.snapshot() as session:
        return list(session.scalars(select(TermsNotice.customer_id)))


def told(floor: Workshop) -> int:
    with floor.database.snapshot() as session:
        return sum(each.told for each in terms.standing(session))


def test_whoever_has_an_open_booking_is_told_by_the_channel_they_proved(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.confirm(number=12)
    shop_floor.confirm(number=0, email="hanako@example.jp")

    publish()

    told = shop_floor.messages(Kind.TERMS_CHANGED)
    assert sorted(message.channel for message in told) == [Channel.MAIL, Channel.SMS]
    assert shop_floor.delivered(Kind.TERMS_CHANGED) == 2


@sqlite_only
def test_the_notice_says_from_when_and_leads_to_the_booking_page(shop_floor: Workshop, publish: Publish) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()

    publish()

    text = shop_floor.last_text(phone(12))
    assert "7/3" in text
    assert links.token(LinkRole.BOOKING_PAGE, booking_id) in text


@sqlite_only
def test_a_mail_names_the_new_text_itself(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.confirm(number=0, email="hanako@example.jp")
    shop_floor.work()

    publish()

    assert given().url in shop_floor.last_text("hanako@example.jp")


def test_a_customer_with_two_bookings_is_told_once(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.confirm(starts_at=SLOT)
    shop_floor.confirm(starts_at=OTHER_SLOT)

    publish()

    assert len(shop_floor.messages(Kind.TERMS_CHANGED)) == len(notices(shop_floor)) == 1


@pytest.mark.parametrize("ended", ["cancelled", "in the call"])
def test_whoever_loses_one_booking_before_the_notice_goes_is_told_for_the_other(
    shop_floor: Workshop, publish: Publish, ended: str
) -> None:
    first = shop_floor.confirm(starts_at=SLOT)
    shop_floor.confirm(starts_at=OTHER_SLOT)
    shop_floor.work()
    shop_floor.time.move_to(NOW + timedelta(hours=12))  # 22:00 in Tokyo

    publish()
    if ended == "cancelled":
        shop_floor.cancel(first, shop_floor.time.at)
    else:
        with shop_floor.locked(first) as (_, booking):
            booking.status = Status.IN_CALL
    shop_floor.time.advance(hours=11)
    shop_floor.work()

    assert shop_floor.delivered(Kind.TERMS_CHANGED) == 1


def test_whoever_had_no_open_booking_left_is_not_counted_as_told_and_is_told_with_the_next(
    shop_floor: Workshop, publish: Publish
) -> None:
    first = shop_floor.confirm()
    shop_floor.work()
    shop_floor.time.move_to(NOW + timedelta(hours=12))
    publish()
    shop_floor.cancel(first, shop_floor.time.at)
    shop_floor.time.advance(hours=11)
    shop_floor.work()
    told_before = told(shop_floor)

    shop_floor.confirm(shop_floor.time.at, starts_at=OTHER_SLOT)
    shop_floor.work()

    assert (told_before, told(shop_floor)) == (0, 1)
    assert shop_floor.delivered(Kind.TERMS_CHANGED) == 1


@postgresql_only
def test_whoever_books_while_their_notice_is_being_voided_is_told_anew(shop_floor: Workshop, publish: Publish) -> None:
    first = shop_floor.confirm()
    shop_floor.work()
    shop_floor.time.move_to(NOW + timedelta(hours=12))
    publish()
    shop_floor.cancel(first, shop_floor.time.at)
    shop_floor.time.advance(hours=11)
    second = shop_floor.hold(shop_floor.time.at, starts_at=OTHER_SLOT)
    [notice] = shop_floor.messages(Kind.TERMS_CHANGED)
    with shop_floor.database.transaction() as session:
        # The delivery has seen no open booking, and voids ...
        message = session.get_one(Message, notice.id, with_for_update=True)
        assert not message.is_wanted(now=shop_floor.time.at, subject=None)
        # ... while the code is entered and its job runs.
        shop_floor.enter(second, at=shop_floor.time.at)
        confirming = Thread(target=shop_floor.perform, args=(Name.CONFIRM_BOOKING,))
        confirming.start()
        confirming.join(timeout=1)
    confirming.join()
    shop_floor.time.advance(hours=2)
    shop_floor.work()

    assert shop_floor.states(Kind.TERMS_CHANGED)[0] == State.VOIDED
    assert shop_floor.delivered(Kind.TERMS_CHANGED) == 1


def test_an_announcement_that_is_made_again_tells_nobody_twice(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.confirm()

    publish()
    publish()
    shop_floor.perform(Name.ANNOUNCE_TERMS)

    assert len(shop_floor.messages(Kind.TERMS_CHANGED)) == 1


def test_each_version_is_told_for_itself(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.confirm()

    publish("2030-07-03")
    publish("2030-08-01", effective_at=EFFECTIVE + timedelta(days=29))

    assert len(shop_floor.messages(Kind.TERMS_CHANGED)) == 2


@sqlite_only
def test_whoever_books_while_a_version_waits_to_hold_is_told_as_well(shop_floor: Workshop, publish: Publish) -> None:
    publish()
    shop_floor.confirm()

    shop_floor.work()

    assert shop_floor.delivered(Kind.TERMS_CHANGED) == 1


@sqlite_only
def test_once_it_holds_nobody_is_told_that_it_will(shop_floor: Workshop, publish: Publish) -> None:
    publish(effective_at=NOW + timedelta(days=1))
    shop_floor.time.move_to(NOW + timedelta(days=1))

    shop_floor.confirm(shop_floor.time.at, starts_at=OTHER_SLOT)
    shop_floor.work()

    assert shop_floor.messages(Kind.TERMS_CHANGED) == []


@sqlite_only
def test_who_only_holds_or_has_cancelled_is_not_told(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.hold()
    booking_id = shop_floor.confirm(number=13)
    shop_floor.cancel(booking_id)

    publish()

    assert shop_floor.messages(Kind.TERMS_CHANGED) == []


@sqlite_only
def test_another_providers_terms_concern_nobody_here(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.confirm()

    publish(document_id="provider-terms-other", party=Party.PROVIDER, provider="other")

    assert shop_floor.messages(Kind.TERMS_CHANGED) == []


@sqlite_only
def test_nobody_is_rung_up_at_night_for_it(shop_floor: Workshop, publish: Publish) -> None:
    shop_floor.confirm(starts_at=OTHER_SLOT)
    shop_floor.work()
    shop_floor.time.move_to(DEADLINE + timedelta(hours=1))  # 01:00 in Tokyo

    publish()
    by_night = shop_floor.states(Kind.TERMS_CHANGED)
    shop_floor.time.advance(hours=8)
    shop_floor.work()

    assert by_night == [State.QUEUED]
    assert shop_floor.delivered(Kind.TERMS_CHANGED) == 1


@sqlite_only
def test_every_page_of_bookings_is_looked_at(
    shop_floor: Workshop, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "PAGE", 2)
    for number in range(5):
        shop_floor.confirm(number=number + 20, starts_at=SLOT + timedelta(minutes=20 * number))

    publish()

    assert len(notices(shop_floor)) == 5
    with shop_floor.database.snapshot() as session:
        [standing] = [each for each in terms.standing(session) if each.announcement is not None]
    assert standing.announcement is not None
    assert (standing.told, standing.announcement.told, standing.announcement.ended_at is not None) == (5, 5, True)
    assert sum(standing.states.values()) == 5
