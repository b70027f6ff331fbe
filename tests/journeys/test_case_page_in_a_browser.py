"""The case pages in a real browser, by the links that were mailed: from the confirmed address to the withdrawal."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from models.disclosure import State
from models.message import Kind
from tests.journeys.browser import (
    ON_SQLITE,
    PHONE_SCREEN,
    follow,
    in_a_browser,
    served,
    tab_to,
)
from tests.journeys.looking import Eyes
from tests.tasks import conftest as at_work
from tests.tasks.case_office import APPLICANT_MAIL, COUNTERPARTY_MAIL, Office
from tests.tasks.conftest import Workshop
from worker.embedded import free_port
from worker.settings import settings

pytestmark = in_a_browser

# What the tasks' tests have at hand: a vendor's sandbox, and workers that do what is due.
carrier, receiver, shop_floor = at_work.carrier, at_work.receiver, at_work.shop_floor
receiver_of_the_tasks, sandbox_of_the_tasks = at_work.receiver_of_the_tasks, at_work.sandbox_of_the_tasks


@pytest.fixture
def office(environment: pytest.MonkeyPatch, shop_floor: Workshop) -> Iterator[Office]:
    """The office, with its pages on a port. The clock stands as `time` puts it."""
    port = free_port()
    environment.setenv("PUBLIC_URL", f"http://127.0.0.1:{port}")
    settings.cache_clear()
    with served(port):
        yield Office(shop_floor)


def link_to(office: Office, mailbox: str, page: str = "case") -> str:
    """Return the link in the last mail to somebody that has one to such a page."""
    pattern = re.compile(rf"{re.escape(settings().public_url)}/{page}/[\w-]{{48}}\b")
    links = [link for mail in office.mails(mailbox) for link in pattern.findall(mail["text"])]
    return str(links[-1])


def heading(page: Page, text: str) -> None:
    """See the page's heading."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_a_case_goes_from_the_mailed_link_to_its_withdrawal_without_scripts(
    office: Office, open_context: Callable[..., BrowserContext]
) -> None:
    def phone(**options: Any) -> Page:
        return open_context(viewport=PHONE_SCREEN, java_script_enabled=False, **options).new_page()

    applicant, other = phone(locale="ja-JP"), phone(locale="en-GB")
    office.feed()
    case_id = office.receive()

    applicant.goto(link_to(office, APPLICANT_MAIL, "case/confirm"))
    expect(applicant.get_by_text("T-2030-0001")).to_be_visible()
    applicant.get_by_role("button", name="本人の申請として進める").click()
    heading(applicant, "ご申請の内容を審査しています")
    expect(applicant.get_by_role("status")).to_have_text("申請を受け付けました。")
    office.shop.work()
    other.goto(link_to(office, COUNTERPARTY_MAIL))
    heading(other, "About your transaction")
    expect(other.get_by_role("link", name="State your opinion")).to_have_count(0)

    office.decide(case_id)
    applicant.goto(link_to(office, APPLICANT_MAIL))
    heading(applicant, "双方のe-mailアドレスを開示しました")
    applicant.get_by_role("link", name="氏名、住所等の開示を申請する").click()
    applicant.get_by_label("e-mailでの協議の経過").fill("三度書きましたが、返事がありません。")
    applicant.get_by_label("訴訟等の手段により解決する必要がある理由").fill("少額訴訟を起こすため。")
    applicant.get_by_role("button", name="この内容で申請する").click()
    expect(applicant.get_by_role("alert")).to_contain_text("書類が返還されないことの確認")
    applicant.get_by_label("一度提出した書類は").check()
    applicant.get_by_role("button", name="この内容で申請する").click()
    heading(applicant, "書類をお送りください")
    office.shop.work()

    # The date on the page is the date in the notice.
    applicant.reload()
    [notice] = [mail for mail in office.mails(APPLICANT_MAIL) if "書類ご提出のお願い" in mail["subject"]]
    deadline = re.search(r"ご提出期限\(当社必着\): (.+)", notice["text"])
    assert deadline is not None
    expect(applicant.get_by_role("definition").filter(has_text=deadline[1])).to_be_visible()
    with applicant.expect_download() as download:
        applicant.get_by_role("link", name="誓約書の文面(PDF)を保存する").click()
    assert download.value.suggested_filename == f"pledge-{office.case(case_id).reference}.pdf"

    other.goto(link_to(office, COUNTERPARTY_MAIL))
    other.get_by_role("link", name="State your opinion").click()
    other.get_by_label("Your opinion on the application").fill("The watch was not broken.")
    other.get_by_role("button", name="Send").click()
    expect(other.get_by_role("status")).to_have_text("We have received your opinion.")

    applicant.get_by_role("link", name="申請を取り下げる").click()
    applicant.get_by_role("button", name="取下げを確定する").click()
    heading(applicant, "申請は取り下げられました")
    office.shop.work()
    other.reload()
    heading(other, "The procedure has ended")
    assert office.state(case_id) is State.WITHDRAWN
    assert office.kinds(case_id)[-2:] == [Kind.CASE_CLOSED, Kind.CASE_CLOSED_TOLD]


@ON_SQLITE
def test_the_other_side_applies_in_turn_by_keyboard_alone(office: Office, page: Page) -> None:
    case_id = office.screened()
    page.goto(link_to(office, COUNTERPARTY_MAIL))

    follow(page, "main a.button")
    for number in "1234":
        tab_to(page, f"#consent_{number}")
        page.keyboard.press("Space")
    for field, text in {
        "nickname": "nick-mseller",
        "name": "見本 mseller",
        "counterparty_nickname": "nick-mbuyer",
        "item_number": "I-1024",
        "item_name": "見本の腕時計",
        "situation": "The price was not paid.",
        "reason": "To be paid.",
    }.items():
        tab_to(page, f"#{field}")
        page.keyboard.type(text)
    follow(page, "button.primary")
    # The summary of what is wrong has the focus; its link leads to the field.
    expect(page.get_by_role("alert")).to_be_focused()
    tab_to(page, ".notice a")
    page.keyboard.press("Enter")
    page.keyboard.type("04202030")
    follow(page, "button.primary")

    heading(page, "We are reviewing your application")
    office.shop.work()
    own_id = office.case(case_id).crossed_with_id
    assert own_id is not None
    assert office.case(own_id).is_eligible


@ON_SQLITE
def test_every_case_page_serves_every_reader(office: Office, page: Page) -> None:
    eyes = Eyes(page, "")
    office.feed()
    case_id = office.receive()
    eyes.see(link_to(office, APPLICANT_MAIL, "case/confirm"))
    office.confirm(case_id)
    office.decide(case_id)
    applicant, other = link_to(office, APPLICANT_MAIL), link_to(office, COUNTERPARTY_MAIL)
    eyes.see(applicant, f"{applicant}/stage-2", f"{applicant}/settle")
    eyes.see(f"{applicant}/stage-2", press="button.primary")
    office.ask_for_stage_2(case_id)
    eyes.see(applicant, f"{applicant}/withdraw", f"{applicant}/misuse-reports", f"{applicant}/opinion")
    eyes.see(other, f"{other}/opinion", f"{other}/cross-application")
    eyes.see(f"{other}/cross-application", press="button.primary")
    office.all_papers(case_id)
    office.opinion(case_id)
    office.accept_all(case_id)
    office.decide(case_id)
    eyes.see(applicant)
    office.pay(case_id)
    office.print_letter(case_id)
    office.post_letter(case_id)
    eyes.see(applicant, other)

    assert eyes.faults == []
