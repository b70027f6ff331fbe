"""A shop's row: its calendar and rules as values, and the five shops of the seed (B1, B11, B12, B23)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from models.base import Base
from models.calendar import Calendar, RuleError
from models.deadline import END_OF_THE_DAY_BEFORE, DeadlinePolicy
from models.segments import Encoding, count
from models.shop import Shop
from models.terms import TermsDocument, governing
from worker.shops_seed import seed_rows

TERMS = Path(__file__).parents[2] / "worker" / "terms"
RULES: dict[str, Any] = {"weekly": {"1": [["10:00", "12:00"]]}, "slot_minutes": 30, "accept_from_days": 7}

SEED = {row.id: row for row in seed_rows()}
SHOPS = [row for row in SEED.values() if isinstance(row, Shop)]
DOCUMENTS = [row for row in SEED.values() if isinstance(row, TermsDocument)]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def shop(**columns: Any) -> Shop:
    plain: dict[str, Any] = {
        "id": "queens-court",
        "name_ja": "QUEENS COURT(クイーンズコート)",
        "name_en": "QUEENS COURT",
        "short_name": "QUEENS COURT",
        "calendar_rules": RULES,
        "page_url": "https://queens-court.example.jp/",
        "privacy_url": "https://queens-court.example.jp/privacy",
        "contact_url": "https://www.example.jp/contact/queens-court",
        "notice_email": "staff@queens-court.example.jp",
    }
    return Shop(**(plain | columns))


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    tables = [Base.metadata.tables[name] for name in ("shops", "terms_documents")]
    Base.metadata.create_all(engine, tables=tables)
    with Session(engine) as session:
        yield session
    engine.dispose()


def test_a_shop_that_is_not_yet_stored_already_has_its_defaults() -> None:
    new = shop()

    assert (
        new.enabled,
        new.language,
        new.zone,
        new.code_minutes,
        new.hold_cap_minutes,
        new.entry_opens_minutes,
        new.entry_closes_minutes,
        new.max_changes,
    ) == (True, "ja", "Asia/Tokyo", 10, 20, 10, 15, 5)


def test_a_shop_closes_changes_at_the_end_of_the_day_before_unless_it_says_otherwise() -> None:
    assert shop().deadline_policy == END_OF_THE_DAY_BEFORE


def test_a_shop_may_have_a_deadline_of_its_own() -> None:
    assert shop(deadline_rules={"hours_before": 3}).deadline_policy == DeadlinePolicy(hours_before=3)


def test_two_shops_do_not_share_their_default_rules() -> None:
    one, other = shop(), shop()

    one.deadline_rules["at"] = "12:00"

    assert other.deadline_policy == END_OF_THE_DAY_BEFORE


def test_a_shops_calendar_is_on_its_own_clock() -> None:
    assert shop(zone="Europe/Paris").calendar == Calendar.parse(RULES, zone="Europe/Paris")


def test_a_calendar_is_read_once_for_all_rows_that_say_the_same() -> None:
    assert shop().calendar is shop(id="vicky").calendar


def test_a_shop_with_new_rules_has_a_new_calendar() -> None:
    changed = shop()
    before = changed.calendar

    changed.calendar_rules = RULES | {"seats": 3}

    assert (before.seats, changed.calendar.seats) == (1, 3)


@pytest.mark.parametrize(
    ("columns", "pointer"),
    [
        ({"zone": "Asia/Atlantis"}, "/zone"),
        ({"calendar_rules": RULES | {"seats": 0}}, "/seats"),
        ({"deadline_rules": {"days_before": 0, "at": "24:00"}}, "/days_before"),
    ],
)
def test_rules_that_cannot_be_read_are_stopped_at_the_door(columns: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        shop(**columns)

    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("columns", "now", "expected", "why"),
    [
        ({}, "2026-11-24T12:00+09:00", True, "next Monday has slots"),
        ({"enabled": False}, "2026-11-24T12:00+09:00", False, "it takes no part"),
        ({"calendar_rules": RULES | {"weekly": {}}}, "2026-11-24T12:00+09:00", False, "it is never open"),
        (
            {"calendar_rules": RULES | {"accept_from_days": 1}},
            "2026-11-24T12:00+09:00",
            False,
            "acceptance for Monday is not open yet",
        ),
    ],
)
def test_a_shop_is_open_to_bookings_when_a_slot_can_be_booked_now(
    columns: dict[str, Any], now: str, expected: bool, why: str
) -> None:
    assert shop(**columns).open_to_bookings(at(now)) is expected, why


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, "https://go.example.jp/s/queens-court"),
        ("https://queens-court.example.jp/book", "https://queens-court.example.jp/book"),
    ],
)
def test_a_customer_books_on_the_shops_page_or_else_on_ours(own: str | None, expected: str) -> None:
    assert shop(booking_page_url=own).booking_page("https://go.example.jp/") == expected


@pytest.mark.parametrize(("language", "name"), [("ja", "QUEENS COURT(クイーンズコート)"), ("en", "QUEENS COURT")])
def test_a_shop_has_a_name_in_each_language(language: str, name: str) -> None:
    assert shop().name(language) == name


def test_a_stored_shop_comes_back_with_its_rules(session: Session) -> None:
    session.add(shop())
    session.commit()
    session.expunge_all()

    found = session.get_one(Shop, "queens-court")

    assert (found.calendar, found.deadline_policy) == (shop().calendar, END_OF_THE_DAY_BEFORE)


def test_every_change_counts_the_version_up(session: Session) -> None:
    row = shop()
    session.add(row)
    session.commit()

    row.max_changes = 1
    session.commit()

    assert row.version == 2


def test_a_change_to_a_row_that_somebody_else_changed_meanwhile_is_refused(session: Session) -> None:
    row = shop()
    session.add(row)
    session.flush()
    somebody_else = update(Shop).values(version=Shop.version + 1)
    session.execute(somebody_else, execution_options={"synchronize_session": False})

    row.max_changes = 1

    with pytest.raises(StaleDataError):
        session.flush()


# --- the seed --------------------------------------------------------------------------------------


def test_the_seed_has_the_five_shops_of_the_page() -> None:
    assert {each.short_name for each in SHOPS} == {"FRED", "ATTACHMENT", "LAUTREAMONT", "QUEENS COURT", "VICKY"}


def test_each_shop_of_the_seed_has_a_calendar_of_its_own() -> None:
    assert len({each.calendar for each in SHOPS}) == len(SHOPS)


@pytest.mark.parametrize("field", ["weekly", "slot_minutes", "buffers"])
def test_the_shops_of_the_seed_differ_in(field: str) -> None:
    def of(calendar: Calendar) -> object:
        buffers = (calendar.buffer_before_minutes, calendar.buffer_after_minutes)
        return buffers if field == "buffers" else getattr(calendar, field)

    assert len({of(each.calendar) for each in SHOPS}) >= len(SHOPS) - 1


@pytest.mark.parametrize("day", [date(2026, 11, 20) + timedelta(days=n) for n in range(0, 60, 7)])
@pytest.mark.parametrize("each", SHOPS, ids=lambda each: each.id)
def test_every_shop_of_the_seed_can_be_booked_on_any_day(each: Shop, day: date) -> None:
    assert each.open_to_bookings(datetime(day.year, day.month, day.day, 3, tzinfo=UTC))


@pytest.mark.parametrize("each", SHOPS, ids=lambda each: each.id)
def test_the_short_name_for_sms_is_plain_ascii(each: Shop) -> None:
    assert (count(each.short_name).encoding, each.short_name.isascii()) == (Encoding.GSM7, True)


@pytest.mark.parametrize("each", SHOPS, ids=lambda each: each.id)
def test_the_addresses_of_the_seed_lead_nowhere_real(each: Shop) -> None:
    urls = [each.page_url, each.privacy_url, each.contact_url, f"https://{each.notice_email.partition('@')[2]}/"]

    assert all(".example.jp/" in url for url in urls)


@pytest.mark.parametrize("each", DOCUMENTS, ids=lambda each: each.id)
def test_a_document_of_the_seed_bears_the_hash_of_its_text(each: TermsDocument) -> None:
    text = (TERMS / f"{each.id}-{each.version}.ja.txt").read_bytes()

    assert each.sha256 == sha256(text).hexdigest()


@pytest.mark.parametrize("each", DOCUMENTS, ids=lambda each: each.id)
def test_a_document_of_the_seed_says_that_it_is_not_the_real_one(each: TermsDocument) -> None:
    text = (TERMS / f"{each.id}-{each.version}.ja.txt").read_text(encoding="utf-8")

    assert "本物の規約ではありません" in text


def test_the_seeds_two_documents_govern_from_the_day_of_enactment() -> None:
    found = governing(DOCUMENTS, at("2021-09-28T00:00+09:00"), provider="jitsi")

    assert [(each.id, each.version) for each in found] == [
        ("platform-terms", "2021-09-28"),
        ("provider-terms-jitsi", "development-1"),
    ]


def test_the_seed_can_be_stored(session: Session) -> None:
    session.add_all(seed_rows())
    session.commit()

    assert session.get_one(Shop, "vicky").version == 1
