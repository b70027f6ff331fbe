"""The caller's pages without JavaScript: the choice, 開始, waiting, one entry, and what is said when nobody answers."""

import html
import re
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from models.booking import EntryPoint, Side
from models.call import EndReason, FailedSide, Refused, Status
from models.call_fact import FactKind
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import sqlite_only
from tests.worker.floor import NIGHT, OPEN, SHOP, Floor
from worker import links
from worker.calls import ending
from worker.database import Database
from worker.in_call import facts
from worker.in_call.facts import Told
from worker.links import LinkRole, token

pytestmark = sqlite_only
PAGE = f"/s/{SHOP}/call"


@pytest.fixture
def browser(seeded: Database, time: StoppedTime) -> TestClient:
    time.move_to(OPEN)
    return TestClient(one_app(), client=("192.0.2.7", 50000), follow_redirects=False)


@pytest.fixture
def floor(browser: TestClient, seeded: Database) -> Floor:
    floor = Floor(seeded)
    floor.staff("hana")
    return floor


def fields(page: Response) -> dict[str, Any]:
    """Return what the page's form would send by itself."""
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    sent: dict[str, Any] = {}
    for name, value in hidden:
        sent.setdefault(name, []).append(html.unescape(value))
    return sent


def start(browser: TestClient, *, query: str = "", **typed: str) -> Response:
    """Open the page and press 開始."""
    return browser.post(PAGE, data=fields(browser.get(PAGE + query)) | typed)


def calling(browser: TestClient, **typed: str) -> tuple[str, UUID]:
    """Return the page on which the caller waits, and the call's id."""
    where = start(browser, **typed).headers["location"]
    link = links.read(where.rpartition("/")[2])
    assert link is not None
    return where, link.subject_id


def entry_of(page: Response) -> str:
    [action] = re.findall(r'action="(/n/[^"]+/enter)"', page.text)
    return str(action)


# The choice, B6 and B9


def test_the_shops_page_leads_to_the_choice(browser: TestClient, floor: Floor) -> None:
    page = browser.get(f"/s/{SHOP}?item=R-1&entry_point=product_page")

    assert f"{PAGE}?item=R-1&amp;entry_point=product_page" in page.text


def test_both_kinds_are_offered_and_terms_stand_before_the_button(browser: TestClient, floor: Floor) -> None:
    page = browser.get(PAGE)

    assert "対応可能" in page.text
    assert "ビデオ通話を予約する" in page.text
    assert page.text.index("利用規約") < page.text.index(">開始<")
    assert page.text.index("プライバシーポリシー") < page.text.index(">開始<")


def test_a_page_for_which_nobody_is_free_has_no_button_and_offers_a_booking(browser: TestClient) -> None:
    page = browser.get(PAGE)

    assert ">開始<" not in page.text
    # Nobody may be there at all: no reason is given that is not known.
    assert "おつなぎできるコンシェルジュがおりません" in page.text
    assert f'href="/s/{SHOP}"' in page.text


def test_a_closed_shop_says_when_it_opens(browser: TestClient, floor: Floor, time: StoppedTime) -> None:
    time.move_to(NIGHT)

    page = browser.get(PAGE)

    assert "営業時間外" in page.text
    assert re.search(r"次の営業は2030年6月4日\(火\) ?1[01]:00", page.text)


def test_looking_changes_nothing(browser: TestClient, floor: Floor) -> None:
    browser.get(PAGE)
    browser.head(PAGE)

    assert floor.calls() == []


# 開始, B8 and B35


def test_a_press_rings_and_leads_to_the_page_that_waits(browser: TestClient, floor: Floor) -> None:
    where, call_id = calling(browser)

    page = browser.get(where)

    assert "呼び出し中" in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert floor.call(call_id).status is Status.RINGING
    assert len(floor.agreed(call_id)) == 2
    assert {each.channel for each in floor.agreed(call_id)} == {"pages"}


def test_a_double_press_is_one_call(browser: TestClient, floor: Floor) -> None:
    sent = fields(browser.get(PAGE))

    first, second = browser.post(PAGE, data=sent), browser.post(PAGE, data=sent)

    assert first.headers["location"] == second.headers["location"]
    assert len(floor.calls()) == 1


def test_what_the_caller_came_from_is_kept(browser: TestClient, floor: Floor) -> None:
    start(browser, query="?item=R-1&item=R-2&entry_point=product_page", memo="サイズ", purpose="size")

    [call] = floor.calls()

    assert (call.item_codes, call.entry_point, call.purpose) == (["R-1", "R-2"], EntryPoint.PRODUCT_PAGE, "size")


def test_what_cannot_be_read_of_it_is_no_reason_to_refuse(browser: TestClient, floor: Floor) -> None:
    start(browser, query="?item=%3Cscript%3E&entry_point=elsewhere")

    [call] = floor.calls()

    assert (call.status, call.item_codes, call.entry_point) == (Status.RINGING, [], None)


def test_a_purpose_that_is_none_of_ours_takes_along_nothing_of_what_the_caller_came_from(
    browser: TestClient, floor: Floor
) -> None:
    start(browser, query="?item=R-1", purpose="of another form")

    [call] = floor.calls()

    assert (call.purpose, call.item_codes) == (None, ["R-1"])


def test_a_number_that_gets_no_sms_is_said_where_it_stands(browser: TestClient, floor: Floor) -> None:
    page = start(browser, phone="03-0000-0000")

    assert page.status_code == 422
    assert 'id="phone-fault"' in page.text
    assert floor.calls() == []


def test_terms_that_changed_meanwhile_are_shown_before_anybody_is_rung(browser: TestClient, floor: Floor) -> None:
    sent = fields(browser.get(PAGE)) | {"accepted": ["platform-terms@1999-01-01"]}

    page = browser.post(PAGE, data=sent)

    assert page.status_code == 422
    assert "規約が新しくなりました" in page.text
    assert floor.calls() == []


def test_a_network_that_asks_too_often_is_told_when_to_try_again_and_where_to_book(
    browser: TestClient, floor: Floor
) -> None:
    floor.set_shop(SHOP, fair_use_rules={"calls_per_network": 1})
    where, _ = calling(browser)
    browser.post(f"{where}/hang-up")

    page = start(browser)

    assert (page.status_code, int(page.headers["retry-after"]) > 0) == (429, True)
    assert "しばらくしてから" in page.text
    assert f'href="/s/{SHOP}"' in page.text
    assert len(floor.calls()) == 1


def test_the_form_says_that_who_leaves_a_contact_may_be_written_to_about_more_than_a_missed_call(
    browser: TestClient, floor: Floor
) -> None:
    """B31: an operator may ask whoever called, too."""
    assert "サービスのご利用について、ご連絡を差し上げる場合もございます。" in browser.get(PAGE).text


def test_whoever_was_a_moment_too_late_is_told_and_counted(browser: TestClient, floor: Floor) -> None:
    sent = fields(browser.get(PAGE))
    floor.ask()

    page = browser.post(PAGE, data=sent)

    assert page.status_code == 409
    assert "日時のご予約をご利用ください" in page.text
    assert [call.refused_because for call in floor.calls()] == [None, Refused.ALL_BUSY]


# Waiting


def test_the_script_is_told_how_the_call_stands(browser: TestClient, floor: Floor) -> None:
    where, call_id = calling(browser)

    before = browser.post(f"{where}/seen").json()
    floor.accept(call_id, "hana")
    after = browser.post(f"{where}/seen").json()

    assert (before, after) == ({"status": "ringing"}, {"status": "connected"})
    assert floor.call(call_id).caller_seen_at == OPEN


def test_hanging_up_is_a_button(browser: TestClient, floor: Floor) -> None:
    where, call_id = calling(browser)

    assert browser.get(f"{where}/hang-up").status_code == 303
    assert floor.call(call_id).status is Status.RINGING
    browser.post(f"{where}/hang-up")

    assert floor.call(call_id).status is Status.ABANDONED
    assert "ビデオ通話を予約する" in browser.get(where).text


def test_a_call_that_nobody_answers_offers_a_booking(browser: TestClient, floor: Floor, time: StoppedTime) -> None:
    where, call_id = calling(browser)
    time.advance(seconds=61)
    with floor.the(call_id) as (session, call):
        ending.ring_over(session, call, now=time.at)

    page = browser.get(where)

    assert "ただいま対応できません" in page.text
    assert f'href="/s/{SHOP}"' in page.text


# Entering


def test_an_answer_shows_a_button_that_opens_the_room_once(
    browser: TestClient, floor: Floor, time: StoppedTime
) -> None:
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    action = entry_of(browser.get(where))

    room = browser.post(action)
    time.advance(seconds=6)
    again = browser.post(action)

    assert (room.status_code, again.status_code) == (303, 409)
    assert "meet.jit.si" in room.headers["location"]
    assert "使用済み" in again.text


def test_a_press_that_comes_twice_leads_to_the_same_room(browser: TestClient, floor: Floor) -> None:
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    action = entry_of(browser.get(where))

    assert browser.post(action).headers["location"] == browser.post(action).headers["location"]


def test_both_sides_meet(browser: TestClient, floor: Floor) -> None:
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    staff = f"/n/{token(LinkRole.CALL_NOW_STAFF, call_id)}/enter"

    rooms = {browser.post(action).headers["location"] for action in (entry_of(browser.get(where)), staff)}

    assert len(rooms) == 1
    assert floor.call(call_id).talk_began_at is not None


def test_an_entry_opens_nothing_before_an_answer(browser: TestClient, floor: Floor) -> None:
    _, call_id = calling(browser)

    answer = browser.post(f"/n/{token(LinkRole.CALL_NOW_CUSTOMER, call_id)}/enter")

    assert answer.status_code == 409
    assert floor.call(call_id).customer_entered_at is None


@pytest.mark.parametrize("role", [LinkRole.CALLER_PAGE, LinkRole.BOOKING_PAGE, LinkRole.STAFF_CALL])
def test_a_link_of_another_kind_opens_no_room(browser: TestClient, floor: Floor, role: LinkRole) -> None:
    _, call_id = calling(browser)
    floor.accept(call_id, "hana")

    assert browser.post(f"/n/{token(role, call_id)}/enter").status_code == 404
    assert floor.call(call_id).entered_at(Side.CUSTOMER) is None


def test_a_link_that_is_not_ours_opens_nothing(browser: TestClient, floor: Floor) -> None:
    where, _ = calling(browser)
    forged = where[:-1] + ("A" if where[-1] != "A" else "B")

    assert browser.get(forged).status_code == 404


def test_the_end_of_a_call_frees_whoever_answered(browser: TestClient, floor: Floor) -> None:
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    browser.post(entry_of(browser.get(where)))

    browser.post(f"{where}/hang-up")

    assert floor.call(call_id).end_reason is EndReason.CUSTOMER_ENDED
    assert floor.presence_of("hana").call_id is None
    assert "ありがとうございました" in browser.get(where).text


def test_a_page_that_is_closed_beside_the_room_is_known_and_may_come_back(
    browser: TestClient, floor: Floor, time: StoppedTime
) -> None:
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    browser.post(entry_of(browser.get(where)))

    browser.post(f"{where}/left")
    assert floor.call(call_id).customer_left_at == OPEN
    time.advance(seconds=1)
    browser.post(f"{where}/seen")

    assert floor.call(call_id).customer_left_at is None


def test_a_page_that_stays_open_beside_a_room_that_was_left_writes_nothing(browser: TestClient, floor: Floor) -> None:
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    browser.post(entry_of(browser.get(where)))
    with floor.the(call_id) as (session, call):
        for kind in (FactKind.JOINED, FactKind.LEFT):
            fact = Told(kind, FailedSide.CUSTOMER, "livekit", kind, OPEN, participant="PA1")
            facts.record(session, call, fact, received_at=OPEN)
    before = floor.course(call_id), floor.owed()

    for _ in range(3):
        browser.post(f"{where}/seen")

    assert floor.call(call_id).customer_left_at == OPEN
    assert (floor.course(call_id), floor.owed()) == before


def test_what_does_not_work_is_told_by_the_page_and_kept_with_its_side(browser: TestClient, floor: Floor) -> None:
    """Clause B26."""
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    assert f'action="{where}/failed"' in browser.get(where).text

    answer = browser.post(f"{where}/failed", data={"problem": "device"})
    staff = browser.post(f"/n/{token(LinkRole.CALL_NOW_STAFF, call_id)}/failed", data={"problem": "network"})

    # Whoever loads the answer anew tells nothing again.
    assert (answer.status_code, staff.status_code) == (303, 303)
    assert "記録しました" in browser.get(answer.headers["location"]).text
    assert "記録しました" in browser.get(staff.headers["location"]).text
    with floor.database.snapshot() as session:
        sides = {(fact.kind, fact.side) for fact in facts.facts_of(session, floor.call(call_id))}
    assert sides == {(FactKind.FAILED, FailedSide.CUSTOMER), (FactKind.FAILED, FailedSide.STAFF)}


@pytest.mark.parametrize("from_entry", [False, True])
def test_whoever_could_not_connect_is_not_told_to_enter_again_by_an_entry_that_opens_once(
    browser: TestClient, floor: Floor, *, from_entry: bool
) -> None:
    where, call_id = calling(browser)
    floor.accept(call_id, "hana")
    entry = entry_of(browser.get(where))
    browser.post(entry)

    told = browser.post(f"{entry.removesuffix('/enter') if from_entry else where}/failed", data={"problem": "room"})

    page = browser.get(told.headers["location"])
    assert "入室して" not in page.text
    assert "もう一度お呼び出しいただくか" in page.text


def test_a_ring_that_is_over_is_said_to_be_before_its_timer_comes(
    browser: TestClient, floor: Floor, time: StoppedTime
) -> None:
    where, _ = calling(browser)

    time.advance(seconds=60)

    assert browser.post(f"{where}/seen").json() == {"status": "unanswered"}
    assert "ただいま対応できません" in browser.get(where).text


@pytest.mark.parametrize(("language", "said"), [("ja", "呼び出し中"), ("en", "Calling")])
def test_the_page_speaks_both_languages(browser: TestClient, floor: Floor, language: str, said: str) -> None:
    where, _ = calling(browser)

    assert said in browser.get(f"{where}?lang={language}").text


def test_a_page_that_waits_may_speak_to_us_alone(browser: TestClient, floor: Floor) -> None:
    where, _ = calling(browser)

    policy = browser.get(where).headers["content-security-policy"]

    assert "connect-src 'self'" in policy
    assert "default-src 'none'" in policy
