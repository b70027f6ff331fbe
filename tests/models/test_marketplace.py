"""Names however they were typed, sides of a trade, the instant a trade stands for, and until when one may ask."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from models.marketplace import (
    Member,
    MemberKind,
    MemberSnapshot,
    MemberStatus,
    Organisation,
    OrganisationKind,
    Trade,
    TradeSide,
    name_form,
    nickname_form,
    number_form,
)

SELLER, BUYER, STRANGER = UUID(int=1), UUID(int=2), UUID(int=3)
AT = datetime(2030, 5, 10, 3, tzinfo=UTC)


def trade(completed_at: datetime | None = AT) -> Trade:
    return Trade(
        seller_id=SELLER,
        buyer_id=BUYER,
        item_number="I-1024",
        item_name="見本の腕時計",
        won_on=date(2030, 4, 20),
        completed_at=completed_at,
        anonymous_shipping=True,
        payment_service=True,
        message_window_opens_at=AT,
        message_window_closes_at=AT + timedelta(days=14),
    )


def snapshot(status: MemberStatus, taken_at: datetime = AT) -> MemberSnapshot:
    return MemberSnapshot(
        id=UUID(int=9),
        taken_at=taken_at,
        kind=MemberKind.INDIVIDUAL,
        status=status,
        protected_address=True,
        registered_at=AT,
    )


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("見本 花子", id="with a space"),
        pytest.param("見本　花子", id="with a wide space"),
        pytest.param(" 見本花子 ", id="with spaces around it"),
        pytest.param("見本\u200b花子", id="with something invisible, as copied from a page"),
        pytest.param("見本花\U000e0100子", id="with a character's variant"),
    ],
)
def test_a_name_is_the_same_however_it_is_spaced(typed: str) -> None:
    assert name_form(typed) == name_form("見本花子")


@pytest.mark.parametrize(("one", "other"), [("ﾐﾎﾝ ﾊﾅｺ", "ミホンハナコ"), ("ＭＩＨＯＮ Hanako", "Mihon HANAKO")])
def test_a_name_is_the_same_in_wide_and_narrow_letters_and_either_case(one: str, other: str) -> None:
    assert name_form(one) == name_form(other)


def test_two_names_stay_two() -> None:
    assert name_form("見本花子") != name_form("見本華子")


@pytest.mark.parametrize("typed", ["ｈａｎａ_1", " hana_1 ", "hana_1\u200b"])
def test_a_nickname_is_the_same_however_wide_it_is_typed(typed: str) -> None:
    assert nickname_form(typed) == "hana_1"


def test_nicknames_may_differ_by_their_case_alone() -> None:
    assert nickname_form("Hana") != nickname_form("hana")


@pytest.mark.parametrize(
    "typed", ["T-2030-0001", "Ｔ－２０３０－０００１", "T‐2030−0001", "Tー2030ー0001", " T-2030-0001\n"]
)
def test_a_number_is_the_same_with_every_sort_of_hyphen(typed: str) -> None:
    assert number_form(typed) == "T-2030-0001"


def test_a_trade_stands_for_the_instant_of_its_completion() -> None:
    """D43."""
    assert trade().as_of == AT


def test_a_trade_that_is_not_completed_stands_for_the_end_of_the_day_it_was_won_in_japan() -> None:
    """D43."""
    assert trade(completed_at=None).as_of == datetime(2030, 4, 20, 15, tzinfo=UTC)


def test_each_party_is_on_its_side_and_a_stranger_on_none() -> None:
    """D7."""
    it = trade()

    assert [it.side_of(who) for who in (SELLER, BUYER, STRANGER)] == [TradeSide.SELLER, TradeSide.BUYER, None]


@pytest.mark.parametrize("side", list(TradeSide))
def test_across_from_each_side_is_the_other_member(side: TradeSide) -> None:
    it = trade()

    assert {it.member_on(side), it.member_on(side.other)} == {SELLER, BUYER}
    assert side.other.other is side


def test_the_facts_of_a_trade_do_not_depend_on_the_zone_they_were_told_in() -> None:
    tokyo = AT.astimezone(tz=None)

    assert trade(completed_at=tokyo).facts() == trade().facts()


def test_who_leaves_keeps_the_instant_of_leaving() -> None:
    """A20."""
    member = Member()
    member.take(snapshot(MemberStatus.ACTIVE))

    member.take(snapshot(MemberStatus.LEFT, AT + timedelta(days=1)))
    member.take(snapshot(MemberStatus.LEFT, AT + timedelta(days=2)))

    assert (member.is_active, member.left_at) == (False, AT + timedelta(days=1))


def test_who_comes_back_has_not_left() -> None:
    member = Member()
    member.take(snapshot(MemberStatus.LEFT))

    member.take(snapshot(MemberStatus.ACTIVE, AT + timedelta(days=1)))

    assert (member.is_active, member.left_at) == (True, None)


@pytest.mark.parametrize(
    ("day", "may_ask"),
    [
        pytest.param(date(2029, 3, 31), False, id="the day before"),
        pytest.param(date(2029, 4, 1), True, id="the first day"),
        pytest.param(date(2030, 3, 31), True, id="the last day"),
        pytest.param(date(2030, 4, 1), False, id="the exclusive end"),
    ],
)
def test_an_organisation_may_ask_from_its_first_day_to_its_last(day: date, may_ask: bool) -> None:
    """D56, D57."""
    body = Organisation(valid_from=date(2029, 4, 1), valid_until=date(2030, 4, 1))

    assert body.is_valid_on(day) is may_ask


def test_an_organisation_without_an_end_may_ask_until_further_notice() -> None:
    body = Organisation(kind=OrganisationKind.ACCREDITED, valid_from=date(2029, 4, 1), valid_until=None)

    assert body.is_valid_on(date(2150, 1, 1))
