"""The staff page and an open call page as a browser without scripts meets them: who is let in, what the buttons do."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select

from models.booking import Side, Status
from models.call import Status as CallStatus
from models.call_fact import ConductReport
from models.job import Name
from models.message import Kind
from models.staff import PresenceState
from tests.api.test_pages import everything
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import MINUTE, SLOT, Desk, sqlite_only
from tests.worker.floor import Floor
from worker import links, presence
from worker.database import Database
from worker.in_call import entering, reporting
from worker.links import LinkRole, token
from worker.messages import tell_customer
from worker.video import RoomUnavailable
from worker.video.jitsi import Jitsi

pytestmark = sqlite_only

SHOP = "queens-court"
MIDNIGHT = datetime(2030, 6, 4, 15, tzinfo=UTC)
"""In Tokyo, at the end of the day of `SLOT`."""
CUSTOMER, STAFF = Side.CUSTOMER, Side.STAFF


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    Floor(seeded).hire("hana", "ken")
    Floor(seeded).hire("mari", shop="fred")
    return Desk(seeded)


@pytest.fixture
def booked(desk: Desk, time: StoppedTime) -> UUID:
    """A booked call that begins now."""
    booking_id = desk.confirm(name="山田花子", memo="赤いワンピース")
    time.move_to(SLOT)
    return booking_id


def browser_of(shop: str, staff: str) -> TestClient:
    """Return the browser of somebody who has opened their link."""
    browser = a_browser()
    assert browser.post(f"/staff/{links.staff_token(shop, staff, 0)}").status_code == 303
    return browser


def a_browser() -> TestClient:
    return TestClient(one_app(), client=("192.0.2.7", 50000), follow_redirects=False)


@pytest.fixture
def hana(desk: Desk) -> TestClient:
    return browser_of(SHOP, "hana")


def proof_of(browser: TestClient) -> str:
    found = re.search(r'data-proof="([0-9a-f]+)"', browser.get("/staff").text)
    assert found
    return found[1]


def press(browser: TestClient, deed: str, **fields: object) -> Response:
    """Press one of the page's buttons."""
    body = {"proof": proof_of(browser), **{name: str(value) for name, value in fields.items()}}
    return browser.post(f"/staff/do/{deed}", data=body)


# Who is let in


def test_a_link_asks_before_it_lets_in_and_looking_changes_nothing(desk: Desk) -> None:
    browser, before = a_browser(), everything(desk.database)

    page = browser.get(f"/staff/{links.staff_token(SHOP, 'hana', 0)}")

    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert everything(desk.database) == before


def test_the_cookie_is_for_no_script_and_no_other_site(desk: Desk) -> None:
    answer = a_browser().post(f"/staff/{links.staff_token(SHOP, 'hana', 0)}")

    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/staff"))


@pytest.mark.parametrize("path", ["/staff", "/staff/state.json", "/staff/report", "/staff/nonsense"])
def test_whoever_has_no_link_finds_nothing(desk: Desk, path: str) -> None:
    assert a_browser().get(path).status_code == 404


def test_a_revoked_link_ends_what_is_open(desk: Desk, hana: TestClient) -> None:
    with desk.database.transaction() as session:
        presence.member(session, SHOP, "hana").revoke_links()

    assert hana.get("/staff").status_code == 404


def test_a_form_that_our_page_did_not_write_does_nothing(desk: Desk, hana: TestClient) -> None:
    answer = hana.post("/staff/do/presence", data={"proof": "0" * 32, "state": "idle"})

    assert answer.status_code == 404
    with desk.database.snapshot() as session:
        assert presence.of(session, SHOP, "hana") is None


def test_a_proof_that_is_no_ascii_does_nothing(desk: Desk, hana: TestClient) -> None:
    assert hana.post("/staff/do/presence", data={"proof": "証", "state": "idle"}).status_code == 404


def test_the_proof_of_one_is_none_of_another(desk: Desk, hana: TestClient) -> None:
    theirs = proof_of(browser_of(SHOP, "ken"))

    assert hana.post("/staff/do/presence", data={"proof": theirs, "state": "idle"}).status_code == 404


@pytest.mark.parametrize("deed", ["enter", "nudge", "end"])
def test_what_is_of_another_shop_does_not_exist(desk: Desk, booked: UUID, deed: str) -> None:
    mari = browser_of("fred", "mari")

    assert press(mari, deed, booking=booked).status_code == 404
    assert "山田花子" not in mari.get("/staff").text


def test_a_buttons_address_leads_back_to_the_page(hana: TestClient) -> None:
    assert hana.get("/staff/do/enter").headers["location"] == "/staff"


def test_the_page_may_not_be_framed_kept_or_run_scripts_of_others(hana: TestClient) -> None:
    page = hana.get("/staff")

    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"


# What it shows


def test_the_day_is_shown_with_what_the_customer_wrote(hana: TestClient, desk: Desk, booked: UUID) -> None:
    page = hana.get("/staff").text

    assert desk.booking(booked).reference in page
    assert "山田花子" in page
    assert "赤いワンピース" in page


def test_looking_changes_nothing(hana: TestClient, desk: Desk, booked: UUID) -> None:
    before = everything(desk.database)

    for path in ("/staff", "/staff/state.json", f"/staff/report?booking={booked}"):
        assert hana.get(path).status_code == 200

    assert everything(desk.database) == before


def test_the_page_is_there_in_both_languages(hana: TestClient, booked: UUID) -> None:
    assert "Today&#39;s bookings" in hana.get("/staff?lang=en").text
    assert "本日のご予約" in hana.get("/staff?lang=ja").text


def test_a_script_sees_when_the_page_is_out_of_date(hana: TestClient, desk: Desk, booked: UUID) -> None:
    before = hana.get("/staff/state.json").json()
    with desk.locked(booked) as (session, booking):
        entering.enter(session, booking, CUSTOMER, now=SLOT)

    after = hana.get("/staff/state.json").json()

    assert before["version"] != after["version"]
    assert f'data-version="{after["version"]}"' in hana.get("/staff").text


def test_a_booked_call_that_goes_on_at_midnight_stays_on_the_page(
    hana: TestClient, desk: Desk, booked: UUID, time: StoppedTime
) -> None:
    with desk.locked(booked) as (_, booking):
        booking.starts_at, booking.ends_at = MIDNIGHT - 10 * MINUTE, MIDNIGHT + 10 * MINUTE
        booking.entry_opens_at, booking.entry_closes_at = MIDNIGHT - 20 * MINUTE, MIDNIGHT + 25 * MINUTE
    time.move_to(MIDNIGHT)

    assert desk.booking(booked).reference in hana.get("/staff").text
    time.move_to(MIDNIGHT + 25 * MINUTE)
    assert desk.booking(booked).reference not in hana.get("/staff").text


def test_a_call_at_once_that_goes_on_at_midnight_stays_on_the_page(
    hana: TestClient, desk: Desk, ringing: UUID, time: StoppedTime
) -> None:
    press(hana, "answer", call=ringing)

    time.move_to(MIDNIGHT)

    assert f'name="call" value="{ringing}"' in hana.get("/staff").text


# Being there, and answering


def test_the_switch_says_that_somebody_is_there(hana: TestClient, desk: Desk, time: StoppedTime) -> None:
    press(hana, "presence", state="idle")
    assert 'data-presence="idle"' in hana.get("/staff").text

    time.advance(seconds=45)

    page = hana.get("/staff").text
    assert 'data-presence="away"' in page
    # By this a page that never fell silent knows that it may go on.
    assert 'data-said="idle"' in page


def test_a_heartbeat_is_answered_with_nothing(hana: TestClient) -> None:
    assert press(hana, "presence", state="idle", quiet=1).status_code == 204


@pytest.mark.parametrize("said", ["idle", "busy", "away"])
def test_a_heartbeat_keeps_alive_what_was_said_and_says_nothing_itself(
    hana: TestClient, time: StoppedTime, *, said: str
) -> None:
    """Clause B7."""
    press(hana, "presence", state=said)
    time.advance(seconds=45)

    press(hana, "presence", quiet=1)

    assert f'data-presence="{said}"' in hana.get("/staff").text


def test_whoever_says_that_they_are_busy_can_say_otherwise(hana: TestClient) -> None:
    press(hana, "presence", state="busy")

    assert 'name="state" value="idle"' in hana.get("/staff").text


@pytest.fixture
def ringing(desk: Desk, time: StoppedTime) -> UUID:
    """A call at once that rings."""
    time.move_to(SLOT)
    for staff in ("hana", "ken"):
        Floor(desk.database).beat(staff, at=SLOT)
    return Floor(desk.database).ask(SLOT).id


def test_a_call_that_rings_is_answered_and_leads_to_the_room(hana: TestClient, desk: Desk, ringing: UUID) -> None:
    assert hana.get("/staff/state.json").json()["ringing"] == 1

    answer = press(hana, "answer", call=ringing)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://")
    call = Floor(desk.database).call(ringing)
    assert (call.status, call.staff_id, call.staff_entered_at) == (CallStatus.CONNECTED, "hana", SLOT)


@pytest.mark.parametrize("is_in_call", [False, True])
def test_a_page_is_silent_for_whoever_is_away_or_in_a_call(
    hana: TestClient, desk: Desk, ringing: UUID, booked: UUID, *, is_in_call: bool
) -> None:
    """Clause B8."""
    if is_in_call:
        press(hana, "enter", booking=booked)
    else:
        press(hana, "presence", state="away")

    assert hana.get("/staff/state.json").json()["ringing"] == 0
    page = hana.get("/staff").text
    assert 'data-ringing="0"' in page
    # They may see it, and take it after all.
    assert f'name="call" value="{ringing}"' in page


def test_whoever_is_second_is_told_so(hana: TestClient, desk: Desk, ringing: UUID) -> None:
    Floor(desk.database).accept(ringing, "ken", at=SLOT)

    answer = press(hana, "answer", call=ringing)

    assert answer.status_code == 409
    assert "ほかのスタッフが対応済みです" in answer.text


def test_a_colleague_cannot_use_the_entry_of_whoever_answered(desk: Desk, ringing: UUID) -> None:
    Floor(desk.database).accept(ringing, "hana", at=SLOT)

    answer = press(browser_of(SHOP, "ken"), "enter", call=ringing)

    assert answer.status_code == 409
    assert Floor(desk.database).call(ringing).staff_entered_at is None


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the provider have no room for anybody, until this is empty."""
    because = ["unavailable"]

    def refuse(*_: object, **__: object) -> None:
        if because:
            raise RoomUnavailable(because[0])

    monkeypatch.setattr(Jitsi, "open_room", refuse)
    return because


@pytest.mark.parametrize("entry", ["answer", "enter"])
def test_an_entry_that_led_to_no_room_is_not_used(
    hana: TestClient, desk: Desk, ringing: UUID, time: StoppedTime, away: list[str], *, entry: str
) -> None:
    if entry == "enter":
        Floor(desk.database).accept(ringing, "hana", at=SLOT)
    assert press(hana, entry, call=ringing).status_code == 503
    assert Floor(desk.database).call(ringing).staff_entered_at is None
    away.clear()
    time.advance(seconds=20)

    assert press(hana, "enter", call=ringing).status_code == 303

    assert Floor(desk.database).call(ringing).staff_entered_at == time.at


def test_a_booked_call_whose_room_never_opened_was_no_call(
    hana: TestClient, desk: Desk, booked: UUID, away: list[str]
) -> None:
    statuses = press(hana, "enter", booking=booked).status_code, a_browser().post(f"{call_of_side(booked)}/enter")

    assert (statuses[0], statuses[1].status_code) == (503, 503)
    booking = desk.booking(booked)
    assert (booking.status, booking.customer_entered_at, booking.staff_entered_at) == (Status.CONFIRMED, None, None)
    with desk.database.snapshot() as session:
        assert not presence.is_in(session, SHOP, "hana", booked)


def test_staff_end_a_call_at_once(hana: TestClient, desk: Desk, ringing: UUID) -> None:
    """Clause B32."""
    press(hana, "answer", call=ringing)

    assert press(hana, "end", call=ringing).status_code == 303

    assert Floor(desk.database).call(ringing).status is CallStatus.ENDED
    with desk.database.snapshot() as session:
        there = presence.of(session, SHOP, "hana")
        assert there is not None
        assert there.state is PresenceState.IDLE


# Booked calls


def test_staff_enter_a_booked_call_from_their_page(hana: TestClient, desk: Desk, booked: UUID) -> None:
    answer = press(hana, "enter", booking=booked)

    assert answer.status_code == 303
    booking = desk.booking(booked)
    assert (booking.staff_entered_at, booking.staff_id) == (SLOT, "hana")


def test_outside_its_window_nobody_enters(hana: TestClient, desk: Desk, booked: UUID, time: StoppedTime) -> None:
    time.move_to(SLOT + 35 * MINUTE)

    assert press(hana, "enter", booking=booked).status_code == 409
    assert desk.booking(booked).staff_entered_at is None


def test_whoever_waited_in_vain_leaves_and_enters_another_call(hana: TestClient, desk: Desk, booked: UUID) -> None:
    other = desk.confirm(number=13)
    press(hana, "enter", booking=booked)
    refused = press(hana, "enter", booking=other)
    assert (refused.status_code, "ほかの通話に対応中です" in refused.text) == (409, True)

    press(hana, "leave", booking=booked)

    assert press(hana, "enter", booking=other).status_code == 303
    assert desk.booking(other).staff_id == "hana"


def test_a_colleague_frees_nobody_who_waits(hana: TestClient, desk: Desk, booked: UUID) -> None:
    press(hana, "enter", booking=booked)
    ken = browser_of(SHOP, "ken")
    assert "/staff/do/leave" in hana.get("/staff").text
    assert "/staff/do/leave" not in ken.get("/staff").text

    press(ken, "leave", booking=booked)

    assert desk.booking(booked).is_there(STAFF)
    with desk.database.snapshot() as session:
        assert presence.is_in(session, SHOP, "hana", booked)


def test_a_colleague_does_not_take_over_a_booked_call_that_somebody_is_in(
    hana: TestClient, desk: Desk, booked: UUID
) -> None:
    ken = browser_of(SHOP, "ken")
    press(hana, "enter", booking=booked)

    answer = press(ken, "enter", booking=booked)

    assert answer.status_code == 409
    assert "ほかのスタッフが対応済みです" in answer.text
    assert desk.booking(booked).staff_id == "hana"


def test_a_colleague_takes_over_from_whoever_is_heard_of_no_more_and_leaves_for_themselves_alone(
    hana: TestClient, desk: Desk, booked: UUID, time: StoppedTime
) -> None:
    ken = browser_of(SHOP, "ken")
    press(hana, "enter", booking=booked)
    time.advance(seconds=45)

    assert press(ken, "enter", booking=booked).status_code == 303

    assert desk.booking(booked).staff_id == "ken"
    with desk.database.snapshot() as session:
        in_it = {name for name in ("hana", "ken") if presence.is_in(session, SHOP, name, booked)}
    assert in_it == {"ken"}


def test_whoever_was_let_in_and_never_came_can_leave(hana: TestClient, desk: Desk, booked: UUID) -> None:
    # What is committed when the process dies while the provider is asked for a room.
    with desk.locked(booked) as (session, booking):
        entering.admit(session, booking, now=SLOT, staff_id="hana")
    assert "/staff/do/leave" in hana.get("/staff").text

    press(hana, "leave", booking=booked)

    with desk.database.snapshot() as session:
        assert not presence.is_in(session, SHOP, "hana", booked)


def test_staff_have_the_customer_told_that_they_wait(hana: TestClient, desk: Desk, booked: UUID) -> None:
    where = press(hana, "nudge", booking=booked).headers["location"]

    page = hana.get(where).text
    assert "お客様へのお知らせをお送りします" in page
    # It is said once: a page that loads itself anew is the plain one.
    assert '<meta http-equiv="refresh" content="10;url=/staff">' in page
    assert desk.owed(Name.NUDGE_AS_WISHED) == [Name.NUDGE_AS_WISHED]
    assert "nudged" in desk.trail(booked)


def test_what_the_customer_has_been_told_is_not_promised_again(hana: TestClient, desk: Desk, booked: UUID) -> None:
    with desk.locked(booked) as (session, booking):
        tell_customer(session, booking, Kind.BOOKING_LATE, now=SLOT, expires_at=SLOT + 30 * MINUTE)

    pressed = hana.get(press(hana, "nudge", booking=booked).headers["location"]).text

    assert "すでにお送りしています" in pressed
    assert "/staff/do/nudge" not in pressed
    assert desk.owed(Name.NUDGE_AS_WISHED) == []
    assert "nudged" not in desk.trail(booked)


def test_staff_end_a_booked_call(hana: TestClient, desk: Desk, booked: UUID) -> None:
    """Clause B32."""
    with desk.locked(booked) as (session, booking):
        entering.enter(session, booking, CUSTOMER, now=SLOT)
    press(hana, "enter", booking=booked)

    press(hana, "end", booking=booked)

    assert desk.booking(booked).status is Status.COMPLETED


def test_any_of_the_shop_may_end_a_booked_call_and_a_call_at_once_only_who_took_it(
    desk: Desk, booked: UUID, ringing: UUID
) -> None:
    """Clause B32."""
    ken = browser_of(SHOP, "ken")
    Floor(desk.database).accept(ringing, "hana", at=SLOT)
    for side in Side:
        come(desk, booked, side)

    at_once, of_the_shop = press(ken, "end", call=ringing), press(ken, "end", booking=booked)

    assert (at_once.status_code, Floor(desk.database).call(ringing).status) == (409, CallStatus.CONNECTED)
    assert (of_the_shop.status_code, desk.booking(booked).status) == (303, Status.COMPLETED)


# Conduct reports


def test_a_form_that_is_sent_twice_is_one_report(hana: TestClient, desk: Desk, booked: UUID) -> None:
    found = re.search(r'name="form" value="([^"]+)"', hana.get(f"/staff/report?booking={booked}").text)
    assert found
    form = {"proof": proof_of(hana), "booking": str(booked), "category": "abuse", "text": "x", "form": found[1]}

    answers = [hana.post("/staff/report", data=each) for each in (form, form, form | {"form": "another"})]

    assert [answer.headers["location"] for answer in answers] == ["/staff?done=reported"] * 3
    with desk.database.snapshot() as session:
        assert len(session.scalars(select(ConductReport)).all()) == 2


def test_a_report_is_filed_from_the_page(hana: TestClient, desk: Desk, booked: UUID) -> None:
    """Clause B32."""
    form = {"proof": proof_of(hana), "booking": str(booked), "category": "abuse", "text": "canary words"}

    answer = hana.post("/staff/report", data=form)

    assert answer.headers["location"] == "/staff?done=reported"
    with desk.database.snapshot() as session:
        made = session.scalars(select(ConductReport)).one()
        assert (made.staff_id, made.booking_id, reporting.text_of(session, made)) == ("hana", booked, "canary words")


def test_a_report_that_is_begun_stays_one_in_the_other_language(hana: TestClient, booked: UUID) -> None:
    form = {"proof": proof_of(hana), "booking": str(booked), "category": "abuse", "text": ""}

    begun, corrected = hana.get(f"/staff/report?booking={booked}"), hana.post("/staff/report", data=form)

    for page in (begun, corrected):
        assert f'href="/staff/report?booking={booked}&amp;lang=en"' in page.text


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001])
def test_a_report_without_words_or_with_too_many_is_asked_for_again(
    hana: TestClient, desk: Desk, booked: UUID, text: str
) -> None:
    form = {"proof": proof_of(hana), "booking": str(booked), "category": "harassment", "text": text}

    answer = hana.post("/staff/report", data=form)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    with desk.database.snapshot() as session:
        assert session.scalars(select(ConductReport)).all() == []


# An open call page


def call_of_side(booking_id: UUID, side: Side = CUSTOMER) -> str:
    role = LinkRole.CUSTOMER_CALL if side is CUSTOMER else LinkRole.STAFF_CALL
    return f"/c/{token(role, booking_id, 1)}"


def come(desk: Desk, booking_id: UUID, side: Side, at: datetime = SLOT) -> None:
    with desk.locked(booking_id) as (session, booking):
        entering.enter(session, booking, side, now=at)


def test_a_customer_who_waits_for_the_shop_is_asked_to_wait(desk: Desk, booked: UUID) -> None:
    browser = a_browser()
    browser.post(f"{call_of_side(booked)}/enter")

    assert "このままお待ちください" in browser.get(call_of_side(booked)).text


def test_each_side_is_told_that_the_other_waits(desk: Desk, booked: UUID) -> None:
    come(desk, booked, STAFF)

    assert "スタッフが通話でお待ちしております" in a_browser().get(call_of_side(booked)).text


def test_a_side_leaves_by_its_button_and_comes_back_by_the_other(desk: Desk, booked: UUID) -> None:
    browser, page = a_browser(), call_of_side(booked)
    browser.post(f"{page}/enter")

    assert browser.post(f"{page}/leave").headers["location"] == page
    assert not desk.booking(booked).is_there(CUSTOMER)

    browser.post(f"{page}/enter")
    assert desk.booking(booked).is_there(CUSTOMER)


def test_a_page_that_is_closed_tells_so_and_one_loaded_anew_takes_it_back(desk: Desk, booked: UUID) -> None:
    browser, page = a_browser(), call_of_side(booked)
    browser.post(f"{page}/enter")
    come(desk, booked, STAFF)

    assert browser.post(f"{page}/leave?quiet=1").status_code == 204
    assert not desk.booking(booked).is_there(CUSTOMER)
    assert browser.post(f"{page}/back").status_code == 204
    assert desk.booking(booked).is_there(CUSTOMER)


def test_a_page_that_is_closed_while_its_side_waits_is_no_leaving(desk: Desk, booked: UUID) -> None:
    browser, page = a_browser(), call_of_side(booked)
    browser.post(f"{page}/enter")

    browser.post(f"{page}/leave?quiet=1")

    assert desk.booking(booked).is_there(CUSTOMER)


def test_whoever_never_entered_does_not_enter_by_coming_back(desk: Desk, booked: UUID) -> None:
    a_browser().post(f"{call_of_side(booked)}/back")

    assert desk.booking(booked).customer_entered_at is None


def test_a_script_asks_how_things_stand_and_changes_nothing(desk: Desk, booked: UUID) -> None:
    come(desk, booked, STAFF)
    before = everything(desk.database)

    said = a_browser().get(f"{call_of_side(booked)}/state.json").json()

    assert said == {"state": "open", "there": False, "other": True}
    assert everything(desk.database) == before


def test_what_does_not_work_is_told_by_the_page_and_kept_with_its_side(desk: Desk, booked: UUID) -> None:
    """Clause B26."""
    browser = a_browser()

    answer = browser.post(f"{call_of_side(booked)}/failed", data={"problem": "device"})

    # Whoever loads the answer anew tells nothing again.
    assert answer.status_code == 303
    assert "記録しました" in browser.get(answer.headers["location"]).text
    assert "connection_failed" in desk.trail(booked)


def test_nonsense_is_no_problem_that_we_know(desk: Desk, booked: UUID) -> None:
    assert a_browser().post(f"{call_of_side(booked)}/failed", data={"problem": "canary"}).status_code == 422


def test_staff_end_the_call_from_its_page_and_a_customer_cannot(desk: Desk, booked: UUID) -> None:
    come(desk, booked, CUSTOMER)
    come(desk, booked, STAFF)

    assert a_browser().post(f"{call_of_side(booked)}/end").status_code == 404
    assert desk.booking(booked).status is Status.IN_CALL
    assert a_browser().post(f"{call_of_side(booked, STAFF)}/end").status_code == 303
    assert desk.booking(booked).status is Status.COMPLETED


@pytest.mark.parametrize("button", ["enter", "leave", "failed", "end"])
def test_the_address_of_a_call_pages_button_leads_back_to_it(desk: Desk, booked: UUID, button: str) -> None:
    page = call_of_side(booked)

    assert a_browser().get(f"{page}/{button}").headers["location"] == page


def test_the_link_of_an_earlier_time_ends_nothing(desk: Desk, time: StoppedTime) -> None:
    booking_id = desk.confirm()
    desk.change(booking_id)
    time.move_to(desk.booking(booking_id).starts_at)
    for side in Side:
        come(desk, booking_id, side, time.at)

    answer = a_browser().post(f"{call_of_side(booking_id, STAFF)}/end")

    assert (answer.status_code, desk.booking(booking_id).status) == (409, Status.IN_CALL)


def test_the_link_of_an_earlier_time_leaves_nothing(desk: Desk, time: StoppedTime) -> None:
    booking_id = desk.confirm()
    desk.change(booking_id)
    time.move_to(desk.booking(booking_id).starts_at)
    with desk.locked(booking_id) as (session, booking):
        entering.enter(session, booking, CUSTOMER, now=time.at)

    a_browser().post(f"{call_of_side(booking_id)}/leave")

    assert desk.booking(booking_id).is_there(CUSTOMER)
