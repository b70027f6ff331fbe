"""The registry: each change a dated snapshot, the same again nothing, and nobody's data readable at rest."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from time import sleep
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from models.contact import EmailInvalid
from models.errors import MemberUnknown, NicknameTaken, PartiesFixed
from models.job import Job, Name
from models.marketplace import (
    Member,
    MemberKind,
    MemberSnapshot,
    MemberStatus,
    Organisation,
    OrganisationKind,
    OrganisationSnapshot,
    Trade,
    TradeMessage,
    TradeSide,
    TradeSnapshot,
    When,
)
from tests.conftest import StoppedTime
from tests.worker.desk import at_once, postgresql_only, sqlite_only
from tests.worker.marketplace import (
    BUYER,
    COMPLETED_AT,
    FED_AT,
    NUMBER,
    REGISTERED_AT,
    SELLER,
    WINDOW_CLOSES_AT,
    WINDOW_OPENS_AT,
    a_change,
    a_member,
    a_trade,
    an_organisation,
    given,
    personal,
    trade_given,
    wrote,
)
from worker import registry, seals
from worker.database import Database
from worker.seals import Shredded
from worker.settings import settings

DAY = timedelta(days=1)
LATER = FED_AT + DAY


@pytest.fixture(autouse=True)
def _(time: StoppedTime) -> None:
    """Sealing asks the clock when a key is made."""


def fed(database: Database, *acts: Any) -> Any:
    """Do each in a transaction of its own; return what the last returned."""
    done = None
    for act in acts:
        with database.transaction() as session:
            done = act(session)
    return done


def all_of(database: Database, table: Any) -> list[Any]:
    with database.snapshot() as session:
        return list(session.scalars(select(table).order_by(table.revision, table.id)))


def owed(database: Database) -> list[str]:
    with database.snapshot() as session:
        return [job.args["member_id"] for job in session.scalars(select(Job).where(Job.name == Name.MEMBER_CHANGED))]


@contextmanager
def writes(database: Database) -> Iterator[list[str]]:
    """Collect every statement of the block that is more than reading."""
    seen: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("SELECT") or "FOR UPDATE" in statement:
            seen.append(statement)

    event.listen(database.writing_engine, "before_cursor_execute", listen)
    try:
        yield seen
    finally:
        event.remove(database.writing_engine, "before_cursor_execute", listen)


# Members


def test_what_is_registered_is_opened_as_it_was_given(database: Database) -> None:
    member = fed(database, lambda s: a_member(s, mark="hanako", email="hanako@EXAMPLE.jp"))

    with database.snapshot() as session:
        here = registry.registered(session, session.get_one(MemberSnapshot, member.snapshot_id))

    assert vars(here) == personal("hanako")


@sqlite_only
def test_a_shop_is_registered_with_its_representative(database: Database) -> None:
    """D31."""
    member = fed(database, lambda s: a_member(s, mark="shop", kind=MemberKind.SHOP))

    with database.snapshot() as session:
        here = registry.registered(session, session.get_one(MemberSnapshot, member.snapshot_id))

    assert (here.representative, here.representative_kana) == ("代表 shop", "ダイヒョウ shop")


def test_no_personal_data_stand_readable_in_any_table(database: Database) -> None:
    """S1."""
    fed(
        database,
        lambda s: a_member(s, mark="canary", kind=MemberKind.SHOP),
        lambda s: an_organisation(s, mark="canary"),
        a_trade,
        lambda s: a_change(s, mark="canary", kind=MemberKind.SHOP, address="canary street", received_at=LATER),
    )

    with database.snapshot() as session:
        tables = [Member, MemberSnapshot, Trade, TradeSnapshot, Organisation, OrganisationSnapshot, Job]
        rows = [row for table in tables for row in session.execute(select(table.__table__)).all()]

    assert rows
    assert "canary" not in repr(rows)
    assert "見本県" not in repr(rows)


@sqlite_only
def test_what_was_given_does_not_print_itself(database: Database) -> None:
    told = given("canary")

    assert "canary" not in repr(told) + repr(told.registered)


def test_the_same_again_writes_nothing(database: Database) -> None:
    fed(database, a_member)

    with writes(database) as seen:
        fed(database, lambda s: a_member(s, received_at=LATER), lambda s: a_change(s, received_at=LATER))

    assert [statement for statement in seen if not statement.startswith("BEGIN")] == []
    [member] = all_of(database, Member)
    assert (member.revision, member.updated_at) == (1, FED_AT)


@sqlite_only
def test_the_same_in_another_zone_and_with_another_spelling_of_the_domain_is_the_same(database: Database) -> None:
    fed(database, lambda s: a_member(s, mark="hanako"))
    zoned = REGISTERED_AT.astimezone(tz=None)

    member = fed(database, lambda s: a_member(s, mark="hanako", email="hanako@Example.JP", registered_at=zoned))

    assert member.revision == 1


@pytest.mark.parametrize(
    "change",
    [
        {"nickname": "another"},
        {"name": "別名 花子"},
        {"kana": "ベツメイ ハナコ"},
        {"postal_code": "999-0009"},
        {"address": "見本県別見本市9-9"},
        {"email": "another@example.jp"},
        {"protected_address": True},
        {"status": MemberStatus.LEFT},
        {"registered_at": REGISTERED_AT + DAY},
        {"kind": MemberKind.SHOP},
    ],
    ids=lambda change: next(iter(change)),
)
@sqlite_only
def test_every_change_is_a_snapshot_of_its_own(database: Database, change: dict[str, Any]) -> None:
    """D43."""
    fed(database, a_member)

    member = fed(database, lambda s: a_change(s, received_at=LATER, **change))

    assert [(each.revision, each.taken_at) for each in all_of(database, MemberSnapshot)] == [
        (1, REGISTERED_AT),
        (2, LATER),
    ]
    assert (member.revision, member.updated_at) == (2, LATER)


def test_a_snapshot_is_never_altered(database: Database) -> None:
    """D43."""
    fed(database, a_member)
    with database.snapshot() as session:
        before = session.execute(select(MemberSnapshot.__table__)).one()

    fed(database, lambda s: a_change(s, received_at=LATER, email="another@example.jp", name="別名"))

    with database.snapshot() as session:
        first = select(MemberSnapshot.__table__).where(MemberSnapshot.revision == 1)
        assert session.execute(first).one() == before


def test_a_change_is_owed_to_the_cases_and_an_entry_is_not(database: Database) -> None:
    member = fed(database, a_member)
    assert owed(database) == []

    fed(database, lambda s: a_change(s, received_at=LATER, address="別の住所"))

    assert owed(database) == [str(member.id)]


@sqlite_only
def test_a_change_bears_the_date_that_the_marketplace_gives_it(database: Database) -> None:
    fed(database, a_member)

    fed(database, lambda s: a_member(s, received_at=LATER, name="別名", changed_at=FED_AT))

    assert all_of(database, MemberSnapshot)[-1].taken_at == FED_AT


@sqlite_only
@pytest.mark.parametrize("changed_at", [None, LATER + DAY], ids=["no date", "a date to come"])
def test_a_change_without_a_date_that_is_past_bears_that_of_its_receipt(
    database: Database, changed_at: datetime | None
) -> None:
    fed(database, lambda s: a_member(s, received_at=LATER, changed_at=changed_at))

    assert [each.taken_at for each in all_of(database, MemberSnapshot)] == [LATER]


@sqlite_only
def test_a_change_told_by_a_host_whose_clock_is_behind_is_of_now_all_the_same(database: Database) -> None:
    fed(database, lambda s: a_change(s, received_at=LATER))

    member = fed(database, lambda s: a_change(s, received_at=LATER - timedelta(seconds=1), name="別名"))

    with database.snapshot() as session:
        assert registry.name_matches(session, member, "別名")


def test_what_was_so_earlier_joins_the_history_and_is_not_what_is_registered_now(database: Database) -> None:
    """D43: told late or out of order."""
    fed(database, lambda s: a_member(s, mark="now", received_at=FED_AT, changed_at=FED_AT))

    member = fed(database, lambda s: a_member(s, mark="then", received_at=LATER, changed_at=COMPLETED_AT))

    with database.snapshot() as session:
        assert registry.email_of(session, member) == "now@example.jp"
        assert registry.member_by_nickname(session, "nick-then") is None
    assert [each.taken_at for each in all_of(database, MemberSnapshot)] == [FED_AT, COMPLETED_AT]
    assert owed(database) == [str(member.id)]


@sqlite_only
def test_a_history_that_is_told_again_writes_nothing(database: Database) -> None:
    history = [
        lambda s, n=n: a_member(s, mark=f"mark{n}", received_at=LATER, changed_at=REGISTERED_AT + n * DAY)
        for n in range(4)
    ]
    fed(database, *history)

    member = fed(database, *history)

    assert member.revision == 4
    with database.snapshot() as session:
        assert registry.email_of(session, member) == "mark3@example.jp"


@sqlite_only
def test_what_is_given_knows_whether_something_later_is_known(database: Database) -> None:
    member = fed(database, lambda s: a_member(s, received_at=FED_AT, changed_at=FED_AT))

    with database.snapshot() as session:
        assert registry.is_superseded(session, member, given("x", changed_at=COMPLETED_AT))
        assert not registry.is_superseded(session, member, given("x", changed_at=FED_AT))
        assert not registry.is_superseded(session, member, given("x", changed_at=None))


def test_an_address_that_never_changed_is_as_old_as_the_member(database: Database) -> None:
    """A19."""
    fed(database, a_member)

    member = fed(database, lambda s: a_change(s, received_at=LATER, address="別の住所"))

    assert member.email_changed_at == REGISTERED_AT


def test_an_address_that_changed_is_as_old_as_its_change(database: Database) -> None:
    """A19."""
    fed(database, a_member, lambda s: a_change(s, received_at=LATER, email="another@example.jp"))

    member = fed(database, lambda s: a_change(s, received_at=LATER + DAY, email="another@example.jp", name="別名"))

    assert member.email_changed_at == LATER


@sqlite_only
def test_an_address_that_changed_back_changed_all_the_same(database: Database) -> None:
    """A19."""
    fed(database, a_member, lambda s: a_change(s, received_at=LATER, email="another@example.jp"))

    member = fed(database, lambda s: a_change(s, received_at=LATER + DAY))

    assert member.email_changed_at == LATER + DAY


@sqlite_only
def test_a_history_told_late_tells_when_the_address_changed(database: Database) -> None:
    """A19."""
    fed(database, lambda s: a_member(s, mark="now", received_at=FED_AT, changed_at=FED_AT))

    member = fed(database, lambda s: a_member(s, mark="then", received_at=LATER, changed_at=COMPLETED_AT))

    assert member.email_changed_at == FED_AT


def test_who_has_left_keeps_what_was_registered(database: Database) -> None:
    """A20."""
    fed(database, lambda s: a_member(s, mark="hanako"))

    member = fed(database, lambda s: a_change(s, mark="hanako", received_at=LATER, status=MemberStatus.LEFT))

    with database.snapshot() as session:
        assert registry.email_of(session, member) == "hanako@example.jp"
    assert (member.status, member.left_at) == (MemberStatus.LEFT, LATER)


@sqlite_only
def test_an_address_that_cannot_be_written_to_is_refused(database: Database) -> None:
    with pytest.raises(EmailInvalid):
        fed(database, lambda s: a_member(s, email="no address"))

    assert all_of(database, Member) == []


# Finding members


@sqlite_only
@pytest.mark.parametrize("typed", ["nick-hanako", " ｎｉｃｋ－ｈａｎａｋｏ "])
def test_a_member_is_found_by_nickname(database: Database, typed: str) -> None:
    """D70."""
    member = fed(database, lambda s: a_member(s, mark="hanako"))

    with database.snapshot() as session:
        found = registry.member_by_nickname(session, typed)

    assert found is not None
    assert found.id == member.id


@sqlite_only
def test_nobody_is_found_by_a_nickname_that_was_given_up(database: Database) -> None:
    fed(database, lambda s: a_member(s, mark="hanako"), lambda s: a_change(s, nickname="new", received_at=LATER))

    with database.snapshot() as session:
        assert registry.member_by_nickname(session, "nick-hanako") is None
        assert registry.member_by_nickname(session, "new") is not None


def test_a_nickname_that_another_member_bears_is_refused_at_entry_and_at_a_change(database: Database) -> None:
    fed(database, lambda s: a_member(s, SELLER, mark="hanako"), lambda s: a_member(s, BUYER, mark="taro"))

    with pytest.raises(NicknameTaken):
        fed(database, lambda s: a_member(s, "m-third", nickname="nick-hanako"))
    with pytest.raises(NicknameTaken):
        fed(database, lambda s: a_change(s, BUYER, mark="taro", nickname="nick-hanako", received_at=LATER))

    assert [member.revision for member in all_of(database, Member)] == [1, 1]


def test_the_nickname_of_who_has_left_may_be_taken_and_then_finds_who_took_it(database: Database) -> None:
    left = fed(database, lambda s: a_member(s, SELLER, mark="hanako", status=MemberStatus.LEFT))
    with database.snapshot() as session:
        found = registry.member_by_nickname(session, "nick-hanako")
        assert found is not None
        assert found.id == left.id

    taker = fed(database, lambda s: a_member(s, BUYER, nickname="nick-hanako"))

    with database.snapshot() as session:
        found = registry.member_by_nickname(session, "nick-hanako")
    assert found is not None
    assert found.id == taker.id


@sqlite_only
def test_of_two_who_left_one_nickname_behind_who_left_last_is_found(database: Database) -> None:
    fed(
        database,
        lambda s: a_member(s, SELLER, nickname="one"),
        lambda s: a_change(s, SELLER, nickname="one", status=MemberStatus.LEFT, received_at=LATER),
        lambda s: a_member(s, BUYER, nickname="one", received_at=LATER + DAY),
    )
    last = fed(
        database, lambda s: a_change(s, BUYER, nickname="one", status=MemberStatus.LEFT, received_at=LATER + 2 * DAY)
    )

    with database.snapshot() as session:
        found = registry.member_by_nickname(session, "one")

    assert found is not None
    assert found.id == last.id


@sqlite_only
def test_a_party_is_known_by_the_nickname_of_then_and_of_now_and_by_no_other(database: Database) -> None:
    """D71."""
    fed(database, lambda s: a_member(s, mark="hanako"))
    member = fed(database, lambda s: a_change(s, nickname="new", received_at=LATER))

    with database.snapshot() as session:
        found = [registry.nickname_matches(session, member, text) for text in ("nick-hanako", "new", "other")]

    assert found == [True, True, False]


@sqlite_only
@pytest.mark.parametrize(
    ("typed", "matches"),
    [("見本 hanako", True), ("見本ＨＡＮＡＫＯ", True), ("見本", False), ("ミホン hanako", False), ("", False)],
)
def test_a_name_matches_however_it_is_spaced(database: Database, typed: str, matches: bool) -> None:
    """D70."""
    member = fed(database, lambda s: a_member(s, mark="hanako"))

    with database.snapshot() as session:
        assert registry.name_matches(session, member, typed) is matches


@sqlite_only
@pytest.mark.parametrize("typed", ["見本shop", "代表 shop"], ids=["its own name", "its representative's"])
def test_a_shop_is_known_by_its_own_name_and_its_representatives(database: Database, typed: str) -> None:
    """D31, D70."""
    member = fed(database, lambda s: a_member(s, mark="shop", kind=MemberKind.SHOP))

    with database.snapshot() as session:
        assert registry.name_matches(session, member, typed)


@sqlite_only
def test_a_name_that_was_given_up_matches_no_more(database: Database) -> None:
    fed(database, lambda s: a_member(s, mark="hanako"))
    member = fed(database, lambda s: a_change(s, mark="hanako", name="別名", received_at=LATER))

    with database.snapshot() as session:
        assert not registry.name_matches(session, member, "見本 hanako")


# Keys


def test_a_member_whose_key_was_deleted_is_readable_nowhere(database: Database) -> None:
    """S2."""
    member = fed(database, a_member, lambda s: a_change(s, received_at=LATER, name="別名"))

    fed(database, lambda s: seals.shred(s, member.id))

    with database.snapshot() as session:
        for snapshot in session.scalars(select(MemberSnapshot)):
            with pytest.raises(Shredded):
                registry.registered(session, snapshot)


@sqlite_only
def test_a_member_who_was_shredded_and_is_told_of_again_has_a_new_beginning(database: Database) -> None:
    fed(database, a_member, lambda s: a_change(s, received_at=LATER, mark="new"))
    member = all_of(database, Member)[0]
    fed(database, lambda s: seals.shred(s, member.id))

    member = fed(database, lambda s: a_change(s, received_at=LATER + DAY, mark="again"))

    with database.snapshot() as session:
        assert registry.email_of(session, member) == "again@example.jp"
    assert member.email_changed_at == LATER + DAY


@sqlite_only
def test_after_a_change_of_secret_keys_members_are_found_under_both_and_no_nickname_is_taken_twice(
    database: Database, environment: pytest.MonkeyPatch
) -> None:
    member = fed(database, lambda s: a_member(s, mark="hanako"))
    environment.setenv("SECRET_KEY_PREVIOUS", settings().secret_key.get_secret_value())
    environment.setenv("SECRET_KEY", "another secret " * 4)
    settings.cache_clear()

    with database.snapshot() as session:
        found = registry.member_by_nickname(session, "nick-hanako")
    assert found is not None
    assert found.id == member.id
    with pytest.raises(NicknameTaken):
        fed(database, lambda s: a_member(s, BUYER, nickname="nick-hanako"))


@sqlite_only
def test_after_a_change_of_secret_keys_the_same_again_renews_the_index_and_is_no_change(
    database: Database, environment: pytest.MonkeyPatch
) -> None:
    fed(database, lambda s: a_member(s, mark="hanako"), an_organisation)
    environment.setenv("SECRET_KEY", "another secret " * 4)
    settings.cache_clear()
    with database.snapshot() as session:
        assert registry.member_by_nickname(session, "nick-hanako") is None

    member, body = fed(database, lambda s: (a_member(s, mark="hanako"), an_organisation(s)))

    assert (member.revision, body.revision) == (1, 1)
    with database.snapshot() as session:
        assert registry.member_by_nickname(session, "nick-hanako") is not None


# Trades


def test_a_trade_is_found_however_its_number_is_typed(database: Database) -> None:
    """D71."""
    trade = fed(database, a_trade)

    with database.snapshot() as session:
        found = registry.trade_by_number(session, "Ｔ－２０３０－０００１")

    assert found is not None
    assert found.id == trade.id


def test_a_trade_knows_its_parties(database: Database) -> None:
    """D7."""
    trade = fed(database, a_trade)

    with database.snapshot() as session:
        parties = [registry.member_by_external_id(session, each) for each in (SELLER, BUYER)]

    assert [trade.side_of(each.id) for each in parties if each] == [TradeSide.SELLER, TradeSide.BUYER]


def test_the_same_trade_again_writes_nothing(database: Database) -> None:
    fed(database, a_trade)

    with writes(database) as seen:
        fed(database, lambda s: a_trade(s, received_at=LATER, messages=0))

    assert [statement for statement in seen if not statement.startswith("BEGIN")] == []


@sqlite_only
@pytest.mark.parametrize(
    "change",
    [
        {"item_number": "I-2"},
        {"item_name": "別の見本"},
        {"won_on": date(2030, 4, 21)},
        {"completed_at": None},
        {"completed_at": COMPLETED_AT + DAY},
        {"anonymous_shipping": False},
        {"payment_service": False},
        {"message_window_opens_at": WINDOW_OPENS_AT + DAY},
        {"message_window_closes_at": WINDOW_CLOSES_AT + DAY},
    ],
    ids=str,
)
def test_every_change_of_a_trade_is_a_snapshot_of_its_own(database: Database, change: dict[str, Any]) -> None:
    first = fed(database, a_trade).facts()

    trade = fed(database, lambda s: a_trade(s, received_at=LATER, **change))

    kept = all_of(database, TradeSnapshot)
    assert [(each.revision, each.taken_at, each.facts) for each in kept] == [
        (1, FED_AT, first),
        (2, LATER, trade.facts()),
    ]
    assert (trade.revision, trade.updated_at) == (2, LATER)


@sqlite_only
@pytest.mark.parametrize(
    ("parties", "unknown"),
    [
        ({"seller": "m-none"}, ("seller",)),
        ({"buyer": "m-none"}, ("buyer",)),
        ({"seller": "m-none", "buyer": "m-nil"}, ("seller", "buyer")),
    ],
)
def test_a_trade_with_a_party_who_is_not_in_the_registry_is_refused(
    database: Database, parties: dict[str, str], unknown: tuple[str, ...]
) -> None:
    fed(database, a_member, lambda s: a_member(s, BUYER))
    told = trade_given(**parties)

    with pytest.raises(MemberUnknown) as refusal:
        fed(database, lambda s: registry.put_trade(s, NUMBER, told, received_at=FED_AT))

    assert refusal.value.sides == unknown


@sqlite_only
def test_whose_trade_it_was_never_changes(database: Database) -> None:
    """D7."""
    trade = fed(database, a_trade)

    with pytest.raises(PartiesFixed):
        fed(database, lambda s: a_trade(s, buyer="m-third", messages=0))

    assert fed(database, lambda s: registry.trade_by_number(s, NUMBER)).buyer_id == trade.buyer_id


# Messages as facts


def test_a_message_that_is_told_twice_is_one(database: Database) -> None:
    trade = fed(database, lambda s: a_trade(s, messages=0))

    new = [fed(database, lambda s: wrote(s, trade, TradeSide.BUYER, WINDOW_OPENS_AT)) for _ in range(2)]

    assert new == [1, 0]


@sqlite_only
def test_a_message_stays_as_it_was_first_told(database: Database) -> None:
    trade = fed(database, lambda s: a_trade(s, messages=0))
    first = registry.MessageGiven("x1", TradeSide.BUYER, WINDOW_OPENS_AT)

    for told in (first, replace(first, sent_by=TradeSide.SELLER)):
        fed(database, lambda s, told=told: registry.put_messages(s, trade, [told]))

    with database.snapshot() as session:
        assert session.scalars(select(TradeMessage.sent_by)).all() == [TradeSide.BUYER]


@sqlite_only
def test_two_trades_may_have_messages_of_the_same_id(database: Database) -> None:
    trades = [fed(database, lambda s, n=n: a_trade(s, f"T-{n}", messages=0)) for n in range(2)]

    new = [fed(database, lambda s, t=trade: wrote(s, t, TradeSide.BUYER, WINDOW_OPENS_AT)) for trade in trades]

    assert new == [1, 1]


@pytest.mark.parametrize(
    ("sent_at", "counts"),
    [
        pytest.param(WINDOW_OPENS_AT - timedelta(microseconds=1), 0, id="before the window"),
        pytest.param(WINDOW_OPENS_AT, 1, id="as it opens"),
        pytest.param(WINDOW_CLOSES_AT, 1, id="as it closes: it is over only after that (D12)"),
        pytest.param(WINDOW_CLOSES_AT + timedelta(microseconds=1), 0, id="after the window"),
    ],
)
@sqlite_only
def test_a_message_counts_inside_the_window(database: Database, sent_at: datetime, counts: int) -> None:
    """D13."""
    trade = fed(database, lambda s: a_trade(s, messages=0))
    fed(database, lambda s: wrote(s, trade, TradeSide.BUYER, sent_at))

    with database.snapshot() as session:
        assert registry.messages_by(session, trade, TradeSide.BUYER, before=FED_AT) == counts


def test_messages_count_for_who_wrote_them_and_only_those_before_the_application(database: Database) -> None:
    """D13."""
    trade = fed(database, lambda s: a_trade(s, messages=0))
    fed(database, lambda s: wrote(s, trade, TradeSide.BUYER, *(WINDOW_OPENS_AT + n * DAY for n in range(3))))

    with database.snapshot() as session:
        count = {
            side: registry.messages_by(session, trade, side, before=WINDOW_OPENS_AT + 2 * DAY) for side in TradeSide
        }

    assert count == {TradeSide.SELLER: 0, TradeSide.BUYER: 2}


# Snapshots as of


def as_of(database: Database, *, now: datetime = LATER + DAY) -> dict[When, str]:
    with database.snapshot() as session:
        trade, member = registry.trade_by_number(session, NUMBER), registry.member_by_external_id(session, SELLER)
        assert trade is not None
        assert member is not None
        found = registry.snapshots_of(session, member, trade, now=now)
        return {when: registry.registered(session, each).nickname for when, each in found.items()}


def test_the_three_dates_of_a_member_who_never_changed_are_one_snapshot(database: Database) -> None:
    """D43."""
    fed(database, lambda s: a_member(s, mark="one"), a_trade)

    assert as_of(database) == dict.fromkeys(When, "nick-one")


def test_each_of_the_three_dates_has_what_was_registered_then(database: Database) -> None:
    """D43."""
    fed(
        database,
        lambda s: a_member(s, mark="first"),
        lambda s: a_member(s, mark="then", changed_at=COMPLETED_AT),
        lambda s: a_member(s, mark="now", changed_at=COMPLETED_AT + timedelta(microseconds=1)),
        a_trade,
    )

    assert as_of(database) == {When.REGISTRATION: "nick-first", When.TRADE: "nick-then", When.NOW: "nick-now"}


@sqlite_only
def test_of_a_trade_that_is_older_than_all_that_is_known_there_is_no_snapshot(database: Database) -> None:
    """D43: nothing is labelled as of a day on which it was not known to be so."""
    fed(database, lambda s: a_member(s, mark="one", changed_at=None), a_trade)

    assert as_of(database) == {When.REGISTRATION: "nick-one", When.NOW: "nick-one"}


@sqlite_only
def test_now_is_the_instant_that_is_asked_for(database: Database) -> None:
    fed(
        database,
        lambda s: a_member(s, mark="one"),
        a_trade,
        lambda s: a_change(s, mark="two", received_at=LATER),
    )

    assert as_of(database, now=LATER - DAY / 2)[When.NOW] == "nick-one"
    assert as_of(database, now=LATER)[When.NOW] == "nick-two"


# Organisations


def test_an_organisation_is_written_to_where_it_is_registered(database: Database) -> None:
    """D56."""
    body = fed(database, lambda s: an_organisation(s, mark="obody"))

    with database.snapshot() as session:
        assert registry.email_of(session, body) == "obody@example.com"
        assert vars(registry.contact_of(session, body)) == {
            "email": "obody@example.com",
            "postal_code": "999-0002",
            "postal_address": "見本県見本市obody町4-5-6",
            "addressee": "法務部 obody",
        }


def test_the_same_organisation_again_writes_nothing(database: Database) -> None:
    fed(database, an_organisation)

    with writes(database) as seen:
        fed(database, lambda s: an_organisation(s, received_at=LATER))

    assert [statement for statement in seen if not statement.startswith("BEGIN")] == []


@sqlite_only
@pytest.mark.parametrize(
    "change",
    [
        {"name": "別の団体"},
        {"valid_until": date(2031, 4, 1)},
        {"email": "another@example.com"},
        {"postal_address": "別の住所"},
        {"kind": OrganisationKind.CONTRACTED},
    ],
    ids=str,
)
def test_every_change_of_an_organisation_is_a_snapshot_of_its_own(database: Database, change: dict[str, Any]) -> None:
    fed(database, an_organisation)

    body = fed(database, lambda s: an_organisation(s, received_at=LATER, **change))

    kept = all_of(database, OrganisationSnapshot)
    assert [(each.revision, each.taken_at) for each in kept] == [(1, FED_AT), (2, LATER)]
    assert (body.revision, body.snapshot_id, kept[1].facts) == (2, kept[1].id, body.facts())


@sqlite_only
def test_an_organisation_whose_key_was_deleted_can_be_written_to_no_more(database: Database) -> None:
    """S2."""
    body = fed(database, an_organisation)

    fed(database, lambda s: seals.shred(s, body.id))

    with database.snapshot() as session, pytest.raises(Shredded):
        registry.contact_of(session, body)


# At the same instant


def test_a_new_member_who_is_told_of_eight_times_at_once_is_one_member(database: Database) -> None:
    made = at_once(*[lambda: fed(database, a_member).id] * 8)

    assert len(set(made)) == 1
    assert len(all_of(database, MemberSnapshot)) == 1


@postgresql_only
def test_eight_changes_at_once_are_a_revision_each(database: Database) -> None:
    fed(database, a_member)

    done = at_once(
        *[
            lambda n=n: fed(database, lambda s: a_change(s, mark=f"mark{n}", received_at=LATER)).revision
            for n in range(8)
        ]
    )

    assert sorted(done) == list(range(2, 10))
    assert [each.revision for each in all_of(database, MemberSnapshot)] == list(range(1, 10))
    with database.snapshot() as session:
        [member] = session.scalars(select(Member)).all()
        newest = session.scalars(select(MemberSnapshot).where(MemberSnapshot.revision == 9)).one()
        assert member.snapshot_id == newest.id
        assert registry.member_by_nickname(session, registry.registered(session, newest).nickname) is not None


@postgresql_only
def test_one_change_that_is_told_eight_times_at_once_is_one_revision(database: Database) -> None:
    fed(database, a_member)

    done = at_once(*[lambda: fed(database, lambda s: a_change(s, mark="new", received_at=LATER)).revision] * 8)

    assert set(done) == {2}
    assert len(owed(database)) == 1


@postgresql_only
def test_of_those_who_take_one_nickname_at_once_one_bears_it(database: Database) -> None:
    fed(database, *[lambda s, n=n: a_member(s, f"m-{n}") for n in range(4)])

    done = at_once(
        *[
            lambda n=n: fed(database, lambda s: a_change(s, f"m-{n}", nickname="the one", received_at=LATER)).id
            for n in range(4)
        ],
        *[lambda n=n: fed(database, lambda s: a_member(s, f"m-new{n}", nickname="the one")).id for n in range(4)],
    )

    assert [type(each) for each in done].count(NicknameTaken) == 7
    with database.snapshot() as session:
        bearer = registry.member_by_nickname(session, "the one")
    assert bearer is not None
    assert bearer.id in done


@postgresql_only
def test_who_waits_for_another_to_take_a_nickname_is_refused_it(database: Database) -> None:
    fed(database, a_member, lambda s: a_member(s, BUYER))

    with ThreadPoolExecutor(1) as pool, database.transaction() as session:
        a_change(session, SELLER, nickname="the one", received_at=LATER)
        late = pool.submit(fed, database, lambda s: a_change(s, BUYER, nickname="the one", received_at=LATER))
        until_somebody_waits(database)

    assert isinstance(late.exception(), NicknameTaken)


def until_somebody_waits(database: Database) -> None:
    """Wait until a statement waits for a lock; the test's own time limit ends it."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with database.engine.connect() as connection:
        while not connection.scalar(waiting):
            connection.rollback()
            sleep(0.01)


@postgresql_only
def test_a_trade_and_its_messages_that_are_told_at_once_are_told_once(database: Database) -> None:
    fed(database, a_member, lambda s: a_member(s, BUYER))

    done = at_once(*[lambda: fed(database, lambda s: a_trade(s, messages=3)).id] * 6)

    assert len(set(done)) == 1
    with database.snapshot() as session:
        assert session.scalars(select(func.count()).select_from(TradeMessage)).one() == 6


@postgresql_only
def test_an_organisation_that_is_told_of_at_once_is_one(database: Database) -> None:
    done = at_once(*[lambda: fed(database, an_organisation).id] * 6)

    assert len(set(done)) == 1


# The database itself


@sqlite_only
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE trades SET buyer_id = seller_id", id="a trade with oneself"),
        pytest.param("UPDATE organisations SET accredited_by = NULL", id="a body that nobody accredits (D56)"),
        pytest.param("UPDATE organisations SET kind = 'contracted'", id="a rights holder without a contract (D57)"),
    ],
)
def test_the_database_itself_refuses(database: Database, statement: str) -> None:
    fed(database, a_trade, an_organisation)

    with pytest.raises(Exception, match="CHECK constraint failed"), database.transaction() as session:
        session.execute(text(statement))


def test_the_builders_furnish_a_trade_that_can_be_applied_for(database: Database) -> None:
    """Others stand on them."""
    trade: Trade = fed(database, a_trade)

    with database.snapshot() as session:
        count = [registry.messages_by(session, trade, side, before=FED_AT) for side in TradeSide]

    assert count == [1, 1]
    assert trade.message_window_closes_at < FED_AT
