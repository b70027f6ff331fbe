"""What the pages show of menus, purposes, items and new terms (B3, B11, B21, B22, B46)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from models.booking import Side
from models.item import CatalogueItem
from models.menu import Menu
from models.terms import Party
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import NOW, SLOT, sqlite_only
from worker import links, terms
from worker.database import Database

pytestmark = sqlite_only
SHOP = "queens-court"
JAPANESE = {"Accept-Language": "ja"}
START = "2030-06-04T03:00:00Z"


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def with_menus(caller: Caller, **minutes: int) -> None:
    with caller.database.transaction() as session:
        for position, (name, length) in enumerate(minutes.items()):
            session.add(
                Menu(
                    shop_id=SHOP,
                    id=name,
                    name_ja=f"「{name}」",
                    name_en=name,
                    minutes=length,
                    enabled=True,
                    position=position,
                )
            )


def page(caller: Caller, path: str, **query: str) -> str:
    answer = caller.http.get(path, params=query, headers=JAPANESE)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def press_hold(caller: Caller, **fields: str) -> Any:
    form = {"start": START, "channel": "mail", "email": "hanako@example.jp"} | fields
    return caller.http.post(f"/s/{SHOP}/book", data=form, headers=JAPANESE, follow_redirects=False)


def item(code: str, *, known: bool = True, name: str | None = None, **flags: bool) -> CatalogueItem:
    facts = {"on_sale": False, "low_stock": False} | flags
    return CatalogueItem(shop_id=SHOP, code=code, known=known, name=name, looked_up_at=NOW, **facts)


def call_page(caller: Caller, booking_id: UUID, side: Side = Side.STAFF) -> str:
    url = links.call_url(caller.booking(booking_id), side)
    return page(caller, "/c/" + url.rpartition("/")[2])


def test_where_there_is_a_choice_the_calendar_offers_it(caller: Caller) -> None:
    with_menus(caller, talk=20, fitting=60)

    shown = page(caller, f"/s/{SHOP}")

    assert "ご希望のメニュー" in shown
    assert f'href="/s/{SHOP}?menu=fitting"' in shown


@pytest.mark.parametrize("menus", [{}, {"talk": 20}])
def test_where_there_is_none_nothing_is_asked(caller: Caller, menus: dict[str, int]) -> None:
    with_menus(caller, **menus)

    assert "ご希望のメニュー" not in page(caller, f"/s/{SHOP}")


def test_the_calendar_shows_the_times_of_the_menu_that_was_chosen(caller: Caller) -> None:
    with_menus(caller, talk=20, fitting=60)

    shown = page(caller, f"/s/{SHOP}", menu="fitting", day="2030-06-04")

    assert "menu=fitting" in shown
    assert "T03%3A00%3A00Z" in shown
    assert "T03%3A20%3A00Z" not in shown


def test_a_menu_that_is_gone_leads_to_what_is_offered_first(caller: Caller) -> None:
    with_menus(caller, talk=20)

    assert "T03%3A20%3A00Z" in page(caller, f"/s/{SHOP}", menu="fitting", day="2030-06-04")


def test_the_form_says_what_was_chosen_and_how_long_it_takes(caller: Caller) -> None:
    with_menus(caller, talk=20, fitting=60)

    shown = page(caller, f"/s/{SHOP}/book", start=START, menu="fitting")

    assert "「fitting」" in shown
    assert "60分" in shown


def test_what_was_chosen_and_why_reaches_the_booking(caller: Caller) -> None:
    with_menus(caller, talk=20, fitting=60)

    answer = press_hold(caller, menu="fitting", purpose="size")

    [booking] = caller.bookings()
    assert answer.status_code == 303
    assert (booking.menu_id, booking.purpose) == ("fitting", "size")
    assert booking.ends_at - booking.starts_at == timedelta(minutes=60)


def test_a_purpose_that_is_no_word_of_ours_is_no_reason_to_refuse(caller: Caller) -> None:
    assert press_hold(caller, purpose="marriage").status_code == 303


def test_a_menu_that_went_meanwhile_is_answered_with_other_times(caller: Caller) -> None:
    with_menus(caller, talk=20)

    answer = press_hold(caller, menu="fitting")

    assert answer.status_code == 409
    assert caller.bookings() == []


def test_staff_see_menu_and_purpose_before_the_call(caller: Caller) -> None:
    with_menus(caller, talk=20, fitting=60)
    booking_id = caller.booked(menu="fitting", purpose="size")

    shown = call_page(caller, booking_id)

    assert "「fitting」" in shown
    assert "サイズ感を確認したい" in shown


def test_staff_see_which_items_are_on_sale_short_or_unknown(caller: Caller) -> None:
    booking_id = caller.booked(item_codes=["A-1", "B-2", "C-3"])
    with caller.database.transaction() as session:
        session.add_all(
            [
                item("A-1", on_sale=True),
                item("B-2", low_stock=True, name="<b>"),
                item("C-3", known=False),
            ]
        )

    shown = call_page(caller, booking_id)

    assert "A-1 <strong>セール品</strong>" in shown
    assert "&lt;b&gt; (B-2) <strong>在庫わずか</strong>" in shown
    assert "C-3 <strong>取扱いの確認できない商品です</strong>" in shown


def test_customers_are_shown_nothing_of_that(caller: Caller) -> None:
    booking_id = caller.booked(item_codes=["C-3"])
    with caller.database.transaction() as session:
        session.add(item("C-3", known=False))

    assert "C-3" not in call_page(caller, booking_id, Side.CUSTOMER)


def test_the_booking_page_says_which_terms_will_hold_and_from_when(caller: Caller) -> None:
    booking_id = caller.booked()
    url = "https://www.example.jp/terms/platform-terms/next"
    given = terms.Given("platform-terms", "next", url, "0" * 64, SLOT + timedelta(days=9), Party.PLATFORM, None)
    with caller.database.transaction() as session:
        terms.publish(session, given, by="operator", now=NOW)

    shown = page(caller, "/b/" + links.booking_page_url(caller.booking(booking_id)).rpartition("/")[2])

    assert "利用規約の改定" in shown
    assert url in shown
    assert "6月13日" in shown
