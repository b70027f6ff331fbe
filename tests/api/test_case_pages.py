"""The case pages as a browser without JavaScript meets them: what each side is offered and told, and what never."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import select

from api.pages.reader import words
from models.audit import CaseEvent
from models.decision import RefusalReason, Verdict
from models.disclosure import TERMINAL, DisclosureCase, Party, State
from models.disclosure import Path as CasePath
from models.marketplace import MemberKind
from models.paper import Flaw, ItemKind
from tests.api.case_guests import (
    APPLICANT,
    COUNTERPARTY,
    Album,
    Guests,
    awaiting_fee,
    awaiting_papers,
    cross_form,
    incomplete,
    pages_of_all_states,
)
from tests.conftest import StoppedTime
from tests.tasks.case_office import ACCOUNTING
from tests.worker import marketplace
from worker.cases import forms, guideline, misuse, paying
from worker.database import Database
from worker.settings import settings
from worker.wording import FOLDER
from worker.wording.case_labels import FLAWS, PAPERS
from worker.wording.case_words import deadline_in_words

STAGE_2 = {"attempts": "三度書きました。", "necessity": "訴訟のため。", "knows_no_return": "yes"}
STATES = [state for state in State if state not in {State.RECEIVED, State.LAPSED, State.SERVICE_ENDED}]
ENDS = [state for state in STATES if state in TERMINAL]
MARKS = (
    "mbuyer",
    "mseller",
    "見本の腕時計",
    "situationcanary",
    "reasoncanary",
    "attemptscanary",
    "necessitycanary",
    "opinioncanary",
    "notecanary",
    "kimura",
    "sato",
    "rules_broken",
)
"""What stands in every name, address and reason of a played case, and in the names of those who decided."""

every_state = pytest.mark.parametrize("state", STATES, ids=str)


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One of the two is enough: what the databases decide is tested where the operations are."""
    file = tmp_path / "toritsugi.db"
    file.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{file}"


@pytest.fixture(scope="module")
def album(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Album]:
    """Every page of every state."""
    with pages_of_all_states(sqlite_template, tmp_path_factory.mktemp("album")) as album:
        yield album


@pytest.fixture
def guests(album: Album, database: Database, time: StoppedTime) -> Guests:
    """Both parties, before an office where nothing has happened yet."""
    return Guests.of(database, time)


@pytest.fixture
def policy(guests: Guests, environment: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let cases be handled by another policy."""

    def handled(rules: str) -> None:
        environment.setenv("CASE_POLICY", rules)
        settings.cache_clear()

    return handled


def plain(text: str) -> str:
    """Return what a page says, without what tells one case from another."""
    return re.sub(r"D[0-9A-Z]{4}-[0-9A-Z]{4}|[\w-]{48}|T-2030-\w+", "…", text)


def main_of(text: str) -> list[str]:
    """Return what stands in a page's middle, piece by piece."""
    middle = text.split("<main")[1].split("</main>", maxsplit=1)[0].split(">", 1)[1]
    return [piece for found in re.findall(r">([^<]+)<", f">{middle}") if (piece := found.strip())]


def deadline_of(case: DisclosureCase) -> str:
    """Return a case's deadline as notices say it."""
    assert case.deadline_at is not None
    return deadline_in_words(case.deadline_at, "ja")


# --- what is offered, and what is told ------------------------------------------------------------

OFFERED: dict[State, tuple[set[str], set[str]]] = {
    State.SCREENING: ({"withdraw"}, {"cross-application"}),
    State.INTAKE_DEFICIENT: ({"withdraw", "facts"}, {"cross-application"}),
    # A release that has begun is finished on both sides.
    State.EXCHANGING: ({"misuse-reports"}, {"cross-application", "misuse-reports"}),
    State.NEGOTIATING: (
        {"withdraw", "stage-2", "settle", "misuse-reports"},
        {"cross-application", "misuse-reports"},
    ),
    State.AWAITING_DOCUMENTS: (
        {"withdraw", "pledge.pdf", "misuse-reports"},
        {"opinion", "cross-application", "misuse-reports"},
    ),
    # The opinion has been given.
    State.REVIEWING: ({"withdraw", "misuse-reports"}, {"cross-application", "misuse-reports"}),
    State.DOCUMENTS_DEFICIENT: (
        {"withdraw", "pledge.pdf", "misuse-reports"},
        {"cross-application", "misuse-reports"},
    ),
    State.AWAITING_FEE: ({"withdraw", "misuse-reports"}, {"cross-application", "misuse-reports"}),
    State.RELEASING: ({"misuse-reports"}, {"cross-application", "misuse-reports"}),
    # What is over offers nothing but to say that what was disclosed is misused.
    **{state: ({"misuse-reports"}, {"misuse-reports"}) for state in ENDS},
}


@every_state
def test_each_side_is_offered_what_it_can_do_and_no_more(album: Album, state: State) -> None:
    assert (album.offered[state, APPLICANT], album.offered[state, COUNTERPARTY]) == OFFERED[state]


@every_state
def test_no_page_in_either_language_names_anybody_or_quotes_a_reason(album: Album, state: State) -> None:
    found = [
        (party.value, part, language, mark)
        for (where, party, part, language), text in album.pages.items()
        for mark in MARKS
        if where is state and mark in text
    ]

    assert found == []


@every_state
def test_the_other_side_sees_whether_a_case_is_open_and_nothing_of_its_state(album: Album, state: State) -> None:
    told = album.pages[state, COUNTERPARTY, "", "ja"]

    states = {
        said for key, said in words("ja").items() if key.startswith(("case_state.", "case_lead.", "case_awaits."))
    }
    assert set(main_of(told)) & states <= {"手続は終了しました"}
    assert ("手続は終了しました" in main_of(told)) == (state in TERMINAL)


def test_every_end_looks_the_same_to_the_other_side(album: Album) -> None:
    ends = {plain(album.pages[state, COUNTERPARTY, "", "ja"]) for state in ENDS}

    assert len(ends) == 1


@pytest.mark.parametrize("state", [state for state in STATES if state is not State.REFUSED], ids=str)
def test_the_applicant_is_told_how_it_stands(album: Album, state: State) -> None:
    for language in ("ja", "en"):
        told = main_of(album.pages[state, APPLICANT, "", language])

        assert words(language)[f"case_state.{state}"] in told


def test_a_refused_applicant_reads_the_one_fixed_text_and_nothing_of_the_way_so_far(album: Album) -> None:
    told = [plain(piece) for piece in main_of(album.pages[State.REFUSED, APPLICANT, "", "ja"])]

    assert told == [
        "お手続きについてのお知らせ",
        "今回は開示できません。理由についてはお答えできません。",
        "受付番号",
        "…",
        "取引番号",
        "…",
        "そのほかのお手続き",
        "目的外の使用を知らせる",
    ]


def test_a_refusal_looks_the_same_whatever_its_reason(guests: Guests) -> None:
    def refused(reason: RefusalReason) -> str:
        number = f"T-2030-{reason.value}"
        guests.office.feed(number=number)
        case_id = guests.office.receive(transaction_number=number)
        guests.office.confirm(case_id)
        guests.office.decide(case_id, Verdict.REFUSE, refusal=reason)
        return plain(guests.look(case_id).text)

    assert len({refused(reason) for reason in RefusalReason}) == 1


@pytest.mark.parametrize("language", ["ja", "en"])
def test_what_is_cautioned_is_worded_as_in_the_notices(language: str) -> None:
    notices = "".join(file.read_text(encoding="utf-8") for file in FOLDER.glob(f"case_*/mail.{language}.txt"))

    said = {key: text for key, text in words(language).items() if key.startswith("case_care.")}
    # Where a notice of another kind has a sentence more or less, each of ours stands in one.
    sentences = {part for text in said.values() for part in re.split(r"(?<=[。.]) ?", text) if part}
    assert {sentence for sentence in sentences if sentence not in notices} == set()
    assert words(language)["case_lead.refused"] in notices


def test_looking_changes_nothing(guests: Guests) -> None:
    case_id = awaiting_papers(guests)
    before = guests.everything()

    for party in Party:
        for part in ("", "/withdraw", "/settle", "/facts", "/stage-2", "/opinion", "/cross-application", "/pledge.pdf"):
            guests.look(case_id, party, part)
    guests.http.get(guests.confirming(case_id))

    assert guests.everything() == before


def test_no_page_is_kept_indexed_or_named_to_other_sites(guests: Guests) -> None:
    case_id = awaiting_papers(guests)

    for part in ("", "/pledge.pdf"):
        headers = guests.look(case_id, part=part).headers
        assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert headers["x-robots-tag"] == "noindex, nofollow"


def test_the_page_names_the_office_and_the_form_as_the_only_way_to_ask(guests: Guests) -> None:
    page = guests.look(guests.office.screened()).text

    assert settings().office_name in page
    assert settings().case_contact_url in page
    assert "お電話・来訪によるお問い合わせは一切お受けいたしかねます" in page
    assert "ビデオ" not in page


def test_the_other_side_is_not_shown_the_applicants_language(guests: Guests) -> None:
    case_id = guests.office.screened(language="en")

    told = guests.http.get(guests.page(case_id, COUNTERPARTY), headers={"Accept-Language": "ja"})

    assert told.headers["content-language"] == "ja"


# --- links ----------------------------------------------------------------------------------------


def test_no_link_that_opens_nothing_tells_whether_such_a_case_exists(guests: Guests) -> None:
    case_id = guests.office.screened()
    page, unconfirmed = guests.page(case_id), guests.page(guests.office.receive())
    tampered = page[:-1] + ("A" if page[-1] != "A" else "B")
    other_role = guests.confirming(case_id).replace("/confirm", "")
    paths = ["/case/nonsense", "/case/confirm/nonsense", tampered, unconfirmed, other_role, f"{page}/nonsense"]

    answers = [guests.http.get(path) for path in paths]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text.replace(path, "") for path, answer in zip(paths, answers, strict=True)}) == 1
    assert settings().case_contact_url in answers[0].text


def test_a_link_is_void_once_another_address_is_registered(guests: Guests) -> None:
    case_id = guests.office.screened()
    page = guests.page(case_id)
    guests.backroom.time.advance(days=1)

    with guests.backroom.database.transaction() as session:
        marketplace.a_change(session, marketplace.BUYER, email="other@example.jp", received_at=guests.office.now)

    assert guests.http.get(page).status_code == 404


def test_the_other_side_has_no_page_before_it_is_told(guests: Guests) -> None:
    guests.office.feed(anonymous_shipping=False)
    case_id = guests.office.receive()
    guests.office.confirm(case_id)

    assert guests.look(case_id, COUNTERPARTY).status_code == 404


def test_a_side_cannot_do_what_is_the_others(guests: Guests) -> None:
    case_id = awaiting_papers(guests)

    answers = [
        guests.send(case_id, COUNTERPARTY, "/withdraw"),
        guests.send(case_id, COUNTERPARTY, "/stage-2", **STAGE_2),
        guests.send(case_id, APPLICANT, "/opinion", opinion="異議があります。"),
        guests.send(case_id, APPLICANT, "/cross-application", **cross_form()),
    ]

    assert {answer.status_code for answer in answers} <= {404, 409}
    case = guests.office.case(case_id)
    assert (case.state, case.opinion_at, case.crossed_with_id) == (State.AWAITING_DOCUMENTS, None, None)


# --- confirming -----------------------------------------------------------------------------------


def test_the_confirming_page_shows_what_was_typed_and_until_when(guests: Guests) -> None:
    guests.office.feed()
    case_id = guests.office.receive(transaction_number="T-2030-0001")

    page = main_of(guests.http.get(guests.confirming(case_id)).text)

    assert "T-2030-0001" in page
    assert "2030年6月4日(火)10:00まで(日本時間)" in page


def test_the_confirming_page_is_the_same_for_a_transaction_that_does_not_exist(guests: Guests) -> None:
    guests.office.feed()
    known, unknown = (guests.office.receive(transaction_number=number) for number in ("T-2030-0001", "T-2030-9999"))

    assert plain(guests.http.get(guests.confirming(known)).text) == plain(
        guests.http.get(guests.confirming(unknown)).text
    )


def test_the_button_makes_a_case_and_leads_to_its_page(guests: Guests) -> None:
    guests.office.feed()
    case_id = guests.office.receive()

    answer = guests.http.post(guests.confirming(case_id))

    assert guests.office.state(case_id) is State.SCREENING
    assert answer.status_code == 303
    assert "申請を受け付けました。" in main_of(guests.http.get(answer.headers["location"]).text)


def test_a_second_tap_changes_nothing_and_leads_to_the_page(guests: Guests) -> None:
    case_id = guests.office.screened()
    version = guests.office.case(case_id).version

    answers = [guests.http.post(guests.confirming(case_id)), guests.http.get(guests.confirming(case_id))]

    assert [answer.headers["location"] for answer in answers] == [guests.page(case_id)] * 2
    assert guests.office.case(case_id).version == version


def test_when_its_day_is_over_the_confirming_link_opens_nothing_any_more(guests: Guests) -> None:
    guests.office.feed()
    case_id = guests.office.receive()
    guests.http.post(guests.confirming(case_id))

    guests.backroom.time.advance(hours=24)
    answers = [guests.http.get(guests.confirming(case_id)), guests.http.post(guests.confirming(case_id))]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert guests.http.get(guests.page(case_id)).status_code == 200


def test_after_its_time_the_link_says_so_and_where_to_apply_again(guests: Guests) -> None:
    guests.office.feed()
    case_id = guests.office.receive()
    guests.backroom.time.advance(hours=24)

    answer = guests.http.post(guests.confirming(case_id))

    assert answer.status_code == 409
    assert "確認の期限が過ぎています" in main_of(answer.text)
    assert "<form" not in answer.text
    assert settings().case_contact_url in answer.text.split("<main")[1].split("</main>")[0]


def test_a_second_application_leads_to_the_open_one(guests: Guests) -> None:
    open_id = guests.office.screened()
    second_id = guests.office.receive()

    answer = guests.http.post(guests.confirming(second_id))

    assert answer.headers["location"] == f"{guests.page(open_id)}?done=open"
    assert guests.office.state(second_id) is State.RECEIVED


# --- the applicant --------------------------------------------------------------------------------


def test_what_the_form_lacked_is_asked_for_alone_and_as_it_was_written(guests: Guests) -> None:
    case_id = incomplete(guests, "circumstances", "won_on")

    page = guests.look(case_id, part="/facts").text

    assert re.findall(r'<(?:input type="\w+"|textarea) id="(\w+)"', page) == ["won_on", "situation"]
    assert 'value="2030-04-20"' in page
    assert deadline_of(guests.office.case(case_id)) in main_of(page)


def test_what_the_form_lacked_replaces_what_was_there(guests: Guests) -> None:
    case_id = incomplete(guests, "circumstances")

    guests.send(case_id, APPLICANT, "/facts", situation="五月一日と三日に書きました。")

    with guests.backroom.database.snapshot() as session:
        written = forms.form_of(session, guests.office.case(case_id))
    assert written["situation"] == "五月一日と三日に書きました。"
    assert guests.office.state(case_id) is State.SCREENING


def test_what_the_form_lacked_cannot_be_left_out(guests: Guests) -> None:
    case_id = incomplete(guests, "circumstances", "won_on")

    answer = guests.send(case_id, APPLICANT, "/facts", won_on="someday")

    assert answer.status_code == 422
    assert faults_in(answer) == {"won_on", "situation"}
    assert guests.office.state(case_id) is State.INTAKE_DEFICIENT


def test_stage_2_is_applied_for_and_both_sides_are_told(guests: Guests) -> None:
    case_id = guests.office.negotiating()

    answer = guests.send(case_id, APPLICANT, "/stage-2", **STAGE_2)
    guests.backroom.work()

    assert answer.headers["location"] == f"{guests.page(case_id)}?done=stage-2&lang=ja"
    assert guests.office.state(case_id) is State.AWAITING_DOCUMENTS
    assert "opinion" in guests.offered(case_id, COUNTERPARTY)


@pytest.mark.parametrize(
    ("field", "value"),
    [("attempts", ""), ("attempts", "  \r\n"), ("necessity", "あ" * 4001), ("knows_no_return", "")],
)
def test_stage_2_is_not_applied_for_by_halves(guests: Guests, field: str, value: str) -> None:
    case_id = guests.office.negotiating()

    answer = guests.send(case_id, APPLICANT, "/stage-2", **{**STAGE_2, field: value})

    assert answer.status_code == 422
    assert faults_in(answer) == {field}
    assert guests.office.state(case_id) is State.NEGOTIATING


def test_stage_2_comes_too_late_on_the_day_after_the_deadline(guests: Guests) -> None:
    case_id = guests.office.negotiating()
    deadline_at = guests.office.case(case_id).deadline_at
    assert deadline_at is not None
    guests.backroom.time.move_to(deadline_at)

    answer = guests.send(case_id, APPLICANT, "/stage-2", **STAGE_2)

    assert answer.status_code == 409
    assert words("ja")["case_refused.deadline_passed"] in main_of(answer.text)
    assert guests.office.state(case_id) is State.NEGOTIATING


def test_a_second_tap_on_stage_2_says_how_the_case_stands(guests: Guests) -> None:
    case_id = awaiting_papers(guests)

    answer = guests.send(case_id, APPLICANT, "/stage-2", **STAGE_2)

    assert answer.status_code == 409
    assert "書類をお送りください" in main_of(answer.text)


def test_the_papers_are_named_as_in_the_notice_with_what_is_wrong_and_where_they_go(guests: Guests) -> None:
    case_id = awaiting_papers(guests)
    guests.office.paper(case_id, ItemKind.CERTIFICATE_OF_RESIDENCE, is_original=False)
    guests.office.paper(case_id, ItemKind.PLEDGE)

    page = guests.look(case_id).text

    for kind in ("certificate_of_residence", "licence_or_passport", "pledge", "seal_certificate"):
        assert PAPERS["ja"][kind].label in main_of(page)
    assert FLAWS["ja"][Flaw.COPY_NOT_ALLOWED] in main_of(page)
    assert main_of(page).count("届いています(確認前)") == 1
    assert f"〒{settings().office_postal_code}\n{settings().office_address}" in page
    assert deadline_of(guests.office.case(case_id)) in main_of(page)


def test_a_shop_is_asked_for_its_representatives_papers(guests: Guests) -> None:
    with guests.backroom.database.transaction() as session:
        marketplace.a_member(session, marketplace.BUYER, kind=MemberKind.SHOP)
    case_id = awaiting_papers(guests)

    page = main_of(guests.look(case_id).text)

    assert PAPERS["ja"]["certificate_of_residence"].of_representative in page
    assert PAPERS["ja"]["representative_tie"].label in page


def test_no_page_offers_to_give_papers_back(album: Album) -> None:
    said = {
        sentence
        for text in album.pages.values()
        for sentence in re.split(r"(?<=[。.])", " ".join(main_of(text)))
        if re.search("返還|返却|return(?!n)", sentence)
    }

    denied = re.compile("いたしかねます|されない|できません|not (?:returned|given)")
    assert said
    assert [sentence for sentence in said if not denied.search(sentence)] == []


def test_the_pledge_is_a_pdf_while_papers_are_awaited(guests: Guests) -> None:
    case_id = awaiting_papers(guests)

    answer = guests.look(case_id, part="/pledge.pdf")

    assert answer.headers["content-type"] == "application/pdf"
    assert guests.office.case(case_id).reference in answer.headers["content-disposition"]
    assert answer.content.startswith(b"%PDF-")


def test_nobody_else_and_at_no_other_time_gets_a_pledge(guests: Guests) -> None:
    early = guests.office.negotiating()
    at_once = guests.look(early, part="/pledge.pdf")
    guests.office.ask_for_stage_2(early)

    assert at_once.status_code == 404
    assert guests.look(early, COUNTERPARTY, "/pledge.pdf").status_code == 404


def test_the_invoice_says_how_much_until_when_and_how_to_pay(guests: Guests) -> None:
    case_id = awaiting_fee(guests)
    with guests.backroom.database.transaction() as session:
        case = guests.office._locked(session, case_id)
        paying.record(session, case, "B-1", 100, paid_at=guests.office.now, by=ACCOUNTING, now=guests.office.now)

    page = guests.look(case_id).text

    assert {"1,600円", "100円", guests.office.case(case_id).reference} <= set(main_of(page))
    assert deadline_of(guests.office.case(case_id)) in main_of(page)
    assert settings().payment_account in page


@pytest.mark.parametrize(("part", "state"), [("/withdraw", State.WITHDRAWN), ("/settle", State.SETTLED)])
def test_a_case_is_ended_after_being_asked_and_a_second_tap_changes_nothing(
    guests: Guests, part: str, state: State
) -> None:
    case_id = guests.office.negotiating()
    asked = guests.look(case_id, part=part)

    answers = [guests.send(case_id, APPLICANT, part) for _ in range(2)]

    assert f'<form method="post" action="{guests.page(case_id)}{part}' in asked.text
    assert guests.office.state(case_id) is state
    assert {answer.status_code for answer in answers} == {303}


def test_a_release_that_has_begun_is_not_withdrawn_from(guests: Guests) -> None:
    case_id = guests.office.releasing()

    answer = guests.send(case_id, APPLICANT, "/withdraw")

    assert answer.status_code == 409
    assert "通知書の発送を準備しています" in main_of(answer.text)
    assert guests.office.state(case_id) is State.RELEASING


def test_a_case_on_hold_says_so_and_can_be_withdrawn_from_alone(guests: Guests) -> None:
    case_id = guests.office.negotiating()
    guests.office.hold(case_id)

    refused = guests.send(case_id, APPLICANT, "/stage-2", **STAGE_2)

    assert words("ja")["case.held"] in main_of(guests.look(case_id).text)
    assert words("ja")["case_refused.held"] in main_of(refused.text)
    assert guests.offered(case_id, APPLICANT) == {"withdraw", "misuse-reports"}
    assert refused.status_code == 409


def test_a_holder_of_rights_sees_its_own_way_and_the_seller_has_no_page(guests: Guests) -> None:
    guests.office.feed()
    with guests.backroom.database.transaction() as session:
        marketplace.an_organisation(session)
    case_id = guests.office.receive(
        path=CasePath.RIGHTS_HOLDER,
        organisation="o-body",
        attestation="権利侵害品であることを確認しました。",
        nickname=None,
        name=None,
    )

    guests.http.post(guests.confirming(case_id))
    guests.backroom.work()

    steps = re.findall(r'<li class="(?:done|now|ahead)"[^>]*>\s*<span>([^<]+)', guests.look(case_id).text)
    assert steps == ["申請の受付", "当社による審査", "通知書の発送"]
    assert guests.offered(case_id, APPLICANT) == {"withdraw"}
    assert guests.look(case_id, COUNTERPARTY).status_code == 404


# --- the other side -------------------------------------------------------------------------------


def test_an_opinion_is_kept_sealed_and_the_first_one_counts(guests: Guests) -> None:
    case_id = awaiting_papers(guests)

    guests.send(case_id, COUNTERPARTY, "/opinion", opinion="異議があります。")
    second = guests.send(case_id, COUNTERPARTY, "/opinion", opinion="やはりありません。")

    with guests.backroom.database.snapshot() as session:
        assert forms.opinion_of(session, guests.office.case(case_id)) == "異議があります。"
    assert second.status_code == 409
    assert "2030年6月3日(月)に受け付けました。" in main_of(second.text)


def test_until_when_an_opinion_is_awaited_is_said_and_that_it_is_late(guests: Guests) -> None:
    case_id = awaiting_papers(guests)
    due_at = guests.office.case(case_id).opinion_due_at
    assert due_at is not None

    in_time = main_of(guests.look(case_id, COUNTERPARTY).text)
    guests.backroom.time.move_to(due_at)
    late = main_of(guests.look(case_id, COUNTERPARTY).text)

    said = words("ja")["case_told.opinion_late"]
    assert deadline_in_words(due_at, "ja") in in_time
    assert (said in in_time, said in late) == (False, True)


def test_the_other_side_applies_in_turn_by_a_case_of_its_own(guests: Guests) -> None:
    case_id = guests.office.negotiating()

    answer = guests.send(case_id, COUNTERPARTY, "/cross-application", **cross_form())
    guests.backroom.work()

    own_id = guests.office.case(case_id).crossed_with_id
    assert own_id is not None
    assert answer.headers["location"] == f"{guests.page(own_id)}?done=crossed&lang=ja"
    assert guests.office.case(own_id).consents == {each.number: each.sha256 for each in guideline.sections("ja")}
    # Stage 1 was mutual already.
    assert guests.office.state(own_id) is State.NEGOTIATING


def test_whoever_has_applied_in_turn_is_led_to_that_case(guests: Guests) -> None:
    case_id = guests.office.screened()
    guests.send(case_id, COUNTERPARTY, "/cross-application", **cross_form())
    own_id = guests.office.case(case_id).crossed_with_id
    assert own_id is not None

    again = [
        guests.look(case_id, COUNTERPARTY, "/cross-application"),
        guests.send(case_id, COUNTERPARTY, "/cross-application", **cross_form()),
    ]

    assert {answer.headers["location"] for answer in again} == {f"{guests.page(own_id)}?done=open&lang=ja"}
    assert "cross-application" not in guests.offered(case_id, COUNTERPARTY)


@pytest.mark.parametrize(
    "field",
    [
        "nickname",
        "name",
        "transaction_number",
        "counterparty_nickname",
        "item_number",
        "item_name",
        "won_on",
        "situation",
        "reason",
        "consent_1",
        "consent_2",
        "consent_3",
        "consent_4",
    ],
)
def test_a_cross_application_lacks_nothing(guests: Guests, field: str) -> None:
    case_id = guests.office.screened()

    answer = guests.send(case_id, COUNTERPARTY, "/cross-application", **cross_form(**{field: ""}))

    assert answer.status_code == 422
    assert faults_in(answer) == {field}
    assert guests.office.case(case_id).crossed_with_id is None


def test_what_was_typed_is_kept_when_something_else_is_wrong(guests: Guests) -> None:
    case_id = guests.office.screened()

    answer = guests.send(case_id, COUNTERPARTY, "/cross-application", **cross_form(item_number="", item_name="<b>"))

    assert faults_in(answer) == {"item_number"}
    assert "代金が支払われていません。" in answer.text
    assert 'value="&lt;b&gt;"' in answer.text
    assert answer.text.count(" checked") == 4


def test_consent_is_to_the_wording_that_was_shown(guests: Guests) -> None:
    case_id = guests.office.screened()

    answer = guests.send(case_id, COUNTERPARTY, "/cross-application", language="en", **cross_form("ja"))

    assert faults_in(answer) == {"consent_1", "consent_2", "consent_3", "consent_4"}


def test_the_cross_application_shows_every_section_of_the_guideline(guests: Guests) -> None:
    case_id = guests.office.screened()

    page = "".join(main_of(guests.look(case_id, COUNTERPARTY, "/cross-application").text))

    for section in guideline.sections("ja"):
        shown = re.sub(r"\s|^・", "", section.text, flags=re.MULTILINE)
        assert shown in re.sub(r"\s", "", page)


# --- misuse, and the end of the service -----------------------------------------------------------


@pytest.mark.parametrize("party", list(Party), ids=str)
def test_a_misuse_is_reported_by_either_side_sealed_and_put_before_a_person(guests: Guests, party: Party) -> None:
    case_id = guests.office.negotiating()

    answer = guests.send(case_id, party, "/misuse-reports", report="広告が届きます。")

    with guests.backroom.database.snapshot() as session:
        kinds = session.scalars(select(CaseEvent.kind).where(CaseEvent.case_id == case_id)).all()
    assert answer.status_code == 303
    assert "misuse_reported" in kinds
    assert "look_at_misuse" in guests.office.work(case_id)


def test_reports_of_misuse_are_capped(guests: Guests) -> None:
    case_id = guests.office.negotiating()
    for _ in range(misuse.CAP.most):
        guests.send(case_id, APPLICANT, "/misuse-reports", report="広告が届きます。")

    answer = guests.send(case_id, APPLICANT, "/misuse-reports", report="広告が届きます。")

    assert answer.status_code == 429


def test_the_end_of_the_service_is_shown_before_it_comes(guests: Guests, policy: Callable[[str], None]) -> None:
    case_id = guests.office.negotiating()

    policy('{"service_ends_on": "2030-06-20"}')

    for party in Party:
        assert "2030年6月19日(水)まで(日本時間)" in guests.look(case_id, party).text


def test_stage_2_is_offered_no_longer_than_the_service(guests: Guests, policy: Callable[[str], None]) -> None:
    case_id = guests.office.negotiating()

    policy('{"service_ends_on": "2030-06-20"}')

    assert "2030年6月19日(水)まで(日本時間)" in main_of(guests.look(case_id).text)


def test_from_the_services_last_day_on_nothing_new_is_taken(guests: Guests, policy: Callable[[str], None]) -> None:
    case_id = guests.office.negotiating()
    form_id = guests.office.receive(transaction_number="T-2030-0002")

    policy('{"service_ends_on": "2030-06-04"}')
    guests.backroom.time.advance(hours=14)

    assert guests.offered(case_id, APPLICANT) == {"withdraw", "settle", "misuse-reports"}
    assert guests.offered(case_id, COUNTERPARTY) == {"misuse-reports"}
    answers = [
        guests.send(case_id, APPLICANT, "/stage-2", **STAGE_2),
        guests.send(case_id, COUNTERPARTY, "/cross-application", **cross_form()),
        guests.http.post(guests.confirming(form_id)),
    ]
    assert {answer.status_code for answer in answers} == {409}
    assert all("申請いただきましてもお受けできません" in answer.text for answer in answers)


def test_a_case_that_the_services_end_ended_says_so(guests: Guests, policy: Callable[[str], None]) -> None:
    policy('{"service_ends_on": "2030-06-20", "wind_down_days": 10}')
    case_id = guests.office.negotiating()

    guests.backroom.time.advance(days=30)
    guests.backroom.work()

    assert guests.office.state(case_id) is State.SERVICE_ENDED
    assert words("ja")["case_lead.service_ended"] in main_of(guests.look(case_id).text)
    assert main_of(guests.look(case_id, COUNTERPARTY).text)[0] == "手続は終了しました"


def test_a_deadline_that_has_passed_is_said_while_what_came_in_time_may_still_be_written_down(guests: Guests) -> None:
    case_id = awaiting_papers(guests)
    deadline_at = guests.office.case(case_id).deadline_at
    assert deadline_at is not None

    guests.backroom.time.move_to(deadline_at + timedelta(hours=1))

    assert words("ja")["case.late"] in main_of(guests.look(case_id).text)


def faults_in(answer: Response) -> set[str]:
    """Return the fields that a page says are wrong, each named in its summary and beside it."""
    summary = set(re.findall(r'<a href="#(\w+)">', answer.text)) - {"main"}
    beside = set(re.findall(r'class="fault" id="(\w+)-fault"', answer.text))
    marked = set(re.findall(r'id="(\w+)"[^>]* aria-invalid="true"', answer.text))
    assert summary == beside == marked
    return summary
