"""The pages say that the service stands still, until when, and where to read why (B40 to B42)."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from models.booking import Released, Status
from models.suspension import Reach, Treatment
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import DEADLINE, MINUTE, NOW, OTHER_SLOT, SLOT, Desk, sqlite_only
from tests.worker.stopping import BEGINS, NOTICE, Operator, at_once, plan
from worker.database import Database
from worker.links import LinkRole, token

pytestmark = sqlite_only

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    return Desk(seeded)


@pytest.fixture
def operator(desk: Desk) -> Operator:
    return Operator(desk)


@pytest.fixture
def browser(seeded: Database, time: StoppedTime) -> TestClient:
    return TestClient(one_app(), client=("192.0.2.7", 50000), follow_redirects=False)


def page_of(booking_id: UUID) -> str:
    return f"/b/{token(LinkRole.BOOKING_PAGE, booking_id)}"


def pages_of(booking_id: UUID) -> list[str]:
    return ["/s/queens-court", page_of(booking_id), f"/c/{token(LinkRole.CUSTOMER_CALL, booking_id, 1)}"]


def said(browser: TestClient, address: str) -> str:
    return re.sub(r"\s+", " ", browser.get(address, params={"lang": "en"}).text)


def test_every_page_of_a_shop_names_the_notice_and_the_end_while_it_runs(
    browser: TestClient, desk: Desk, operator: Operator
) -> None:
    booking_id = desk.confirm(starts_at=OTHER_SLOT)
    operator.suspend(at_once(ends_at=NOW + 2 * HOUR))

    for address in pages_of(booking_id):
        text = said(browser, address)
        assert "The service is suspended just now." in text, address
        assert "Monday, June 3, 2030, 12:00 (Japan time)" in text, address
        assert f'href="{NOTICE}"' in text, address


def test_while_nobody_knows_the_end_none_is_named(browser: TestClient, operator: Operator) -> None:
    operator.suspend(at_once(ends_at=None, treatment=Treatment.KEEP))

    assert "We expect to be back" not in said(browser, "/s/queens-court")


def test_while_it_runs_no_time_is_offered(browser: TestClient, operator: Operator) -> None:
    operator.suspend(at_once())

    assert "/book?start=" not in said(browser, "/s/queens-court?day=2030-06-06")


def test_the_pages_speak_of_a_planned_one_once_notice_is_given(
    browser: TestClient, operator: Operator, time: StoppedTime
) -> None:
    operator.suspend(plan(notice_at=NOW + HOUR))
    before = said(browser, "/s/queens-court")
    time.move_to(NOW + HOUR)

    after = said(browser, "/s/queens-court")

    assert NOTICE not in before
    assert "suspended from Tuesday, June 4, 2030, 11:00 (Japan time) until Tuesday, June 4, 2030, 15:00" in after


def test_the_pages_of_another_shop_say_nothing(browser: TestClient, operator: Operator) -> None:
    operator.suspend(at_once(reach=Reach.SHOP, shop_id="fred"))

    assert NOTICE not in said(browser, "/s/queens-court")


def test_the_pages_say_nothing_any_more_when_its_time_is_over_even_if_its_timer_is_late(
    browser: TestClient, operator: Operator, time: StoppedTime
) -> None:
    operator.suspend(at_once(ends_at=NOW + HOUR))
    time.move_to(NOW + HOUR)

    assert NOTICE not in said(browser, "/s/queens-court")


def test_a_form_that_is_sent_meanwhile_is_refused_with_the_notice(browser: TestClient, operator: Operator) -> None:
    operator.suspend(at_once())

    page = browser.post(
        "/s/queens-court/book?lang=en",
        data={"start": OTHER_SLOT.isoformat(), "channel": "sms", "phone": "090-0000-0012"},
    )

    assert page.status_code == 409
    assert "The service is suspended, so this time cannot be booked." in page.text
    assert NOTICE in page.text


def test_a_code_that_is_entered_meanwhile_is_answered_with_why(
    browser: TestClient, desk: Desk, operator: Operator
) -> None:
    held = desk.hold(starts_at=OTHER_SLOT)
    operator.suspend(at_once())

    page = browser.post(f"/v/{token(LinkRole.CODE_PAGE, held)}?lang=en", data={"code": desk.code(held)})

    assert page.status_code == 409
    assert "The service was suspended, so your request could not be taken." in page.text
    assert desk.booking(held).released_because is Released.SUSPENDED


def test_a_displaced_booking_says_until_when_another_time_can_be_chosen_even_after_the_deadline(
    browser: TestClient, desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    booking_id = desk.confirm()
    operator.suspend(plan())
    time.move_to(DEADLINE + MINUTE)

    page = said(browser, page_of(booking_id))

    assert "You can choose another time until Tuesday, June 4, 2030, 11:00 (Japan time)" in page
    assert f"{page_of(booking_id)}/change" in page


def test_a_displaced_booking_names_one_deadline(browser: TestClient, desk: Desk, operator: Operator) -> None:
    booking_id = desk.confirm()
    operator.suspend(plan())

    page = said(browser, page_of(booking_id))

    assert page.count("until Tuesday, June 4, 2030, 11:00 (Japan time)") == 2
    assert "Monday, June 3, 2030, 24:00" not in page


def test_a_displaced_booking_is_moved_on_the_page_after_the_deadline(
    browser: TestClient, desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    booking_id = desk.confirm()
    operator.suspend(plan())
    time.move_to(DEADLINE + MINUTE)

    offered = browser.get(f"{page_of(booking_id)}/change")
    moved = browser.post(f"{page_of(booking_id)}/change", data={"start": OTHER_SLOT.isoformat(), "revision": "1"})

    assert (offered.status_code, moved.status_code) == (200, 303)
    assert desk.booking(booking_id).starts_at == OTHER_SLOT


def test_nobody_moves_into_it_on_the_page(browser: TestClient, desk: Desk, operator: Operator) -> None:
    booking_id = desk.confirm(starts_at=OTHER_SLOT)
    operator.suspend(plan())

    page = browser.post(f"{page_of(booking_id)}/change?lang=en", data={"start": SLOT.isoformat(), "revision": "1"})

    assert page.status_code == 409
    assert "The service is suspended at that time. Your booking is unchanged." in page.text


def test_a_displaced_booking_is_cancelled_on_the_page_after_the_deadline(
    browser: TestClient, desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    booking_id = desk.confirm()
    operator.suspend(plan())
    time.move_to(DEADLINE + MINUTE)

    asked = browser.get(f"{page_of(booking_id)}/cancel?lang=en")
    browser.post(f"{page_of(booking_id)}/cancel", data={"revision": "1"})

    assert asked.status_code == 200
    assert desk.booking(booking_id).status is Status.CANCELLED


def test_a_kept_booking_says_that_it_stands(browser: TestClient, desk: Desk, operator: Operator) -> None:
    booking_id = desk.confirm()
    operator.suspend(plan(treatment=Treatment.KEEP))

    assert "The service stops at this time, but your booking stands." in said(browser, page_of(booking_id))


def test_a_booking_that_a_late_worker_has_not_cancelled_yet_does_not_say_that_it_stands(
    browser: TestClient, desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    booking_id = desk.confirm()
    operator.suspend(plan())
    time.move_to(BEGINS)

    page = said(browser, page_of(booking_id))

    assert "your booking stands" not in page
    assert f"{page_of(booking_id)}/change" not in page
