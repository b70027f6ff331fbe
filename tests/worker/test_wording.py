"""Every message says what it must, in both languages, in the room it has, and nothing that it must not."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError

from models.booking import Cause, Status
from models.customer import Channel
from models.deadline import END_OF_THE_DAY_BEFORE, DeadlinePolicy
from models.message import NATURES, OF_PEOPLE, Kind
from models.segments import Encoding, count, has_astral
from tests.worker.case_notices import case_words
from worker.wording import (
    CASE_KINDS,
    CUSTOMER_KINDS,
    FOLDER,
    KINDS,
    LANGUAGES,
    SHOP_KINDS,
    BookingWords,
    DayListEntry,
    DayListWords,
    MissedCallWords,
    PeopleWords,
    Rendered,
    ShopNoticeWords,
    WordingMissingError,
    calendar_words,
    channels,
    dates,
    placeholders,
    render,
    topic_words,
)
from worker.wording.budgets import BUDGETS, over_budget

TOKYO = ZoneInfo("Asia/Tokyo")
PARIS = ZoneInfo("Europe/Paris")
SANTIAGO = ZoneInfo("America/Santiago")

START = datetime(2025, 11, 23, 5, tzinfo=UTC)  # 14:00 in Tokyo
DEADLINE = datetime(2025, 11, 22, 15, tzinfo=UTC)  # the end of the day before, there
EVE = datetime(2025, 11, 22, 9, tzinfo=UTC)  # 18:00, there

SHOPS = ["FRED", "ATTACHMENT", "LAUTREAMONT", "QUEENS COURT", "VICKY"]
HOST = "go.example.jp"
CALL_URL = f"https://{HOST}/c/{'Ca11' * 10}"
PAGE_URL = f"https://{HOST}/b/{'Pa9-' * 10}"
STAFF_URL = f"https://{HOST}/c/{'5ta_' * 10}"

NOT_WHILE_A_CHANGE_IS_POSSIBLE = {
    Kind.BOOKING_CONFIRMED_SAME_DAY: "it was completed after the deadline",
    Kind.BOOKING_CHANGED_FINAL: "the new slot's deadline is past",
    Kind.BOOKING_REMINDER_DAY: "it is due at the deadline at the soonest",
    Kind.BOOKING_LATE: "the call has begun by the clock",
    Kind.VERIFICATION_CODE: "it is for no booking",
    Kind.CUSTOMER_REQUEST: "it is for no booking",
    Kind.CALL_MISSED: "it is for no booking",
}
POSSIBLY_CHANGEABLE = [kind for kind in CUSTOMER_KINDS if Status.CONFIRMED in (NATURES[kind].true_while or Status)]
STILL_CHANGEABLE = [kind for kind in POSSIBLY_CHANGEABLE if kind not in NOT_WHILE_A_CHANGE_IS_POSSIBLE]
TELL_OF_SOMETHING_ELSE = {Kind.TERMS_CHANGED, Kind.INQUIRY_HANDED_OVER}
"""They lead to the booking page, which says until when."""
CODES_ALONE = ["verification_code"]
WITHOUT_A_TIME = [*CODES_ALONE, "customer_request"]
CONFIRMATIONS = ["booking_confirmed", "booking_confirmed_same_day"]


def _has_link(kind: str, language: str) -> bool:
    return any(word.endswith("_url") for word in placeholders(kind, "sms", language))


EVERY_FILE = [(kind, channel, language) for kind in KINDS for channel in channels(kind) for language in LANGUAGES]
EVERY_SMS = [each for each in EVERY_FILE if each[1] == "sms"]
WITH_LINKS = sorted({kind for kind, channel, language in EVERY_SMS if _has_link(kind, language)})
EVERY_MAIL = [each for each in EVERY_FILE if each[1] == "mail"]
EVERY_BRANDED_MAIL = [each for each in EVERY_MAIL if each[0] not in CASE_KINDS]
EVERY_CUSTOMER_MAIL = [each for each in EVERY_MAIL if each[0] in CUSTOMER_KINDS]
EVERY_SHOP_MAIL = [each for each in EVERY_MAIL if each[0] in SHOP_KINDS]

every_text = pytest.mark.parametrize(
    "path", sorted(FOLDER.rglob("*.txt")), ids=lambda path: str(path.relative_to(FOLDER))
)


def booking_words(language: str, *, shop: str = "QUEENS COURT", customer_zone: ZoneInfo | None = None) -> BookingWords:
    return BookingWords.of(
        language=language,
        zone=TOKYO,
        now=EVE,
        starts_at=START,
        old_starts_at=START - timedelta(days=2),
        deadline_at=DEADLINE,
        customer_zone=customer_zone,
        shop_short=shop,
        shop_name=f"{shop} Kobe",
        reference="K7M2-94QX",
        code="482913",
        code_minutes=10,
        page_host=HOST,
        call_url=CALL_URL,
        page_url=PAGE_URL,
        rebook_url=f"https://{HOST}/s/queens-court",
        notice_url="https://www.example.jp/news/maintenance",
        entry_minutes=10,
        device_check_url=f"https://{HOST}/check",
        contact_url="https://contact.example.jp/form",
        privacy_url="https://brand.example.jp/privacy",
        terms_url=f"https://{HOST}/terms/2021-09-28",
        provider_terms_url="https://provider.example.com/tos",
        provider_name="Example Video Inc.",
        upcoming_at=START - timedelta(days=1),
        upcoming_terms_url=f"https://{HOST}/terms/2025-11-22",
    )


ABOUT_CALLS = {Kind.SHOP_CALL_MISSED, Kind.SHOP_CALLS_UNANSWERED}


def missed_call_words(language: str, *, end_reason: str = "no_answer") -> MissedCallWords:
    return MissedCallWords.of(
        language=language,
        zone=TOKYO,
        requested_at=START,
        waited_seconds=60,
        end_reason=end_reason,
        escalate_after=3,
        shop_name="QUEENS COURT Kobe",
        contact_url="https://contact.example.jp/form",
    )


def people_words(language: str) -> PeopleWords:
    return PeopleWords(
        shop_short="QUEENS COURT",
        shop_name="QUEENS COURT Kobe",
        contact_url="https://contact.example.jp/form",
        privacy_url="https://brand.example.jp/privacy",
        terms_url=f"https://{HOST}/terms/2021-09-28",
        provider_terms_url="https://provider.example.com/tos",
        provider_name="Example Video Inc.",
        reference="K7M2-94QX",
        when_long=dates.long(START, TOKYO, language),
        inquiry_id="0197e3a2-8100-7b10-8c44-1a0f5a0f4922",
        topic=topic_words("video_call", language),
        handed_to="Example Video Inc.",
        lines=("The sound is gone.", "It was fine before."),
        text="Please tell us which device you use.",
        page_url=PAGE_URL,
    )


def words_for(kind: str, language: str) -> Mapping[str, object]:
    if kind in OF_PEOPLE:
        return people_words(language).words()
    if kind in ABOUT_CALLS:
        return missed_call_words(language).words()
    if kind in CUSTOMER_KINDS:
        return booking_words(language).words()
    if kind in CASE_KINDS:
        return case_words(language).words()
    if kind in {"shop_day_list", "shop_day_fixed"}:
        return day_words(language, bookings=2).words()
    return ShopNoticeWords.of(
        language=language,
        zone=TOKYO,
        starts_at=START,
        old_starts_at=START - timedelta(days=2),
        shop_name="QUEENS COURT Kobe",
        reference="K7M2-94QX",
        channel="mail",
        cause="customer",
        absent="shop",
        talked_minutes=18,
        staff_call_url=STAFF_URL,
        contact_url="https://contact.example.jp/form",
    ).words()


def day_words(language: str, *, bookings: int) -> DayListWords:
    entries = tuple(
        DayListEntry.of(
            zone=TOKYO,
            starts_at=START + timedelta(hours=hour),
            reference=f"REF-{hour}",
            staff_call_url=f"{STAFF_URL}{hour}",
        )
        for hour in range(bookings)
    )
    return DayListWords.of(
        language=language,
        zone=TOKYO,
        on=date(2025, 11, 23),
        shop_name="QUEENS COURT Kobe",
        bookings=entries,
        contact_url="https://contact.example.jp/form",
    )


def message(kind: str, channel: str, language: str) -> Rendered:
    return render(kind, channel=channel, language=language, words=words_for(kind, language))


class Anchors(HTMLParser):
    """Reads where a page's links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.targets += [value for name, value in attrs if name == "href" and value]


# The files


def test_every_kind_of_message_has_words() -> None:
    assert set(KINDS) == set(Kind)


def test_there_is_a_folder_for_every_kind_and_a_kind_for_every_folder() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}

    assert folders == {*KINDS, "guideline"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_holds_every_language_of_its_channels_and_nothing_else(kind: str) -> None:
    files = {path.name for path in (FOLDER / kind).iterdir()}

    forms = [*channels(kind), *(["sms_plain"] if kind in WITH_LINKS else [])]
    assert files == {f"{form}.{language}.txt" for form in forms for language in LANGUAGES}


@pytest.mark.parametrize("kind", KINDS)
def test_both_languages_want_the_same_words(kind: str) -> None:
    for channel in channels(kind):
        assert placeholders(kind, channel, "ja") == placeholders(kind, channel, "en")


def test_the_calendar_entry_wants_the_same_words_in_both_languages() -> None:
    wanted = [
        set(re.findall(r"{{ (\w+) }}", (FOLDER / f"calendar.{language}.txt").read_text(encoding="utf-8")))
        for language in LANGUAGES
    ]

    assert wanted[0] == wanted[1]


def test_every_word_that_a_booking_offers_is_said_somewhere() -> None:
    offered = set(booking_words("ja").words())

    said = {word for kind, channel, language in EVERY_FILE for word in placeholders(kind, channel, language)}

    assert offered <= said


@every_text
def test_a_file_decides_nothing(path: Path) -> None:
    commands = re.findall(r"{%-?\s*(\w+)", path.read_text(encoding="utf-8"))

    assert set(commands) <= {"for", "else", "endfor"}


@every_text
def test_a_link_in_a_file_is_followed_by_white_space_so_that_nobody_guesses_where_it_ends(path: Path) -> None:
    assert not re.search(r"_url }}(?!\s)", path.read_text(encoding="utf-8"))


@every_text
def test_no_file_has_a_character_of_two_units(path: Path) -> None:
    assert not has_astral(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_FILE)
def test_no_message_advertises(kind: str, channel: str, language: str) -> None:
    # A coupon or a word of new arrivals would make it an advertisement, which needs consent and a way to opt out.
    text = message(kind, channel, language).text.lower()

    assert not any(
        word in text for word in ["新着", "クーポン", "キャンペーン", "おすすめ", "coupon", "campaign", "new in"]
    )


@pytest.mark.parametrize(
    ("absent", "language", "why", "told"),
    [
        ("customer", "ja", "お客様の入室がありませんでした", "お客様へのご案内はお送りしません。"),
        ("customer", "en", "the customer did not join", "The customer is not written to."),
        ("shop", "ja", "お客様がお待ちの間、ショップの方が入室していませんでした", "お詫びと再予約のご案内"),
        ("shop", "en", "nobody of the shop was in the call while the customer waited", "is sent an apology"),
        ("both", "ja", "お客様・ショップともに入室がありませんでした", "お客様へのご案内はお送りしません。"),
        ("both", "en", "neither the customer nor the shop joined", "The customer is not written to."),
        ("each_other", "ja", "お客様とショップの入室の時間が合いませんでした", "お客様へのご案内はお送りしません。"),
        ("each_other", "en", "the customer and the shop missed each other", "The customer is not written to."),
    ],
)
def test_a_notice_of_a_call_that_was_not_held_says_why_and_what_the_customer_is_told(
    absent: str, language: str, why: str, told: str
) -> None:
    words = ShopNoticeWords.of(
        language=language,
        zone=TOKYO,
        starts_at=START,
        shop_name="VICKY",
        reference="K7M2-94QX",
        channel="sms",
        absent=absent,
        contact_url="https://contact.example.jp/form",
    ).words()

    text = render("shop_no_show", channel="mail", language=language, words=words).text

    assert f": {why}\n" in text
    assert told in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notice_of_a_call_that_is_over_says_how_long_it_was(language: str) -> None:
    assert ": 18" in message("shop_call_ended", "mail", language).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("end_reason", "is_told"),
    [
        ("no_answer", True),
        ("hung_up", False),
        ("caller_gone", False),
        ("never_entered", False),
        ("connection", False),
    ],
)
def test_a_notice_of_a_missed_call_says_that_the_caller_is_told_only_where_it_is_so(
    end_reason: str, language: str, *, is_told: bool
) -> None:
    words = missed_call_words(language, end_reason=end_reason).words()

    text = render("shop_call_missed", channel="mail", language=language, words=words).text

    told, untold = {
        "ja": ("連絡先を残されたお客様には、ご予約のご案内をお送りします。", "お客様へのご案内はお送りしません。"),
        "en": ("A customer who left a contact is told how to book.", "The customer is not written to."),
    }[language]
    assert (told in text, untold in text) == (is_told, not is_told)


# What every SMS keeps to


@pytest.mark.parametrize("kind", CUSTOMER_KINDS)
def test_every_japanese_sms_begins_with_the_brand(kind: str) -> None:
    assert message(kind, "sms", "ja").text.startswith("【QUEENS COURT】")


@pytest.mark.parametrize("kind", CUSTOMER_KINDS)
def test_every_english_sms_begins_with_the_brand(kind: str) -> None:
    assert message(kind, "sms", "en").text.startswith("QUEENS COURT")


@pytest.mark.parametrize("kind", CUSTOMER_KINDS)
def test_an_english_sms_needs_nothing_but_the_gsm_alphabet(kind: str) -> None:
    assert count(message(kind, "sms", "en").text).encoding is Encoding.GSM7


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_SMS)
def test_an_sms_has_neither_subject_nor_page(kind: str, channel: str, language: str) -> None:
    sms = message(kind, channel, language)

    assert (sms.subject, sms.html) == (None, None)


def plain(kind: str, language: str) -> Rendered:
    return render(kind, channel="sms", language=language, words=words_for(kind, language), with_urls=False)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", CUSTOMER_KINDS)
def test_for_a_route_that_drops_urls_an_sms_says_it_without(kind: str, language: str) -> None:
    assert "http" not in plain(kind, language).text
    assert HOST not in plain(kind, language).text.replace(f"@{HOST} #", "")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", CUSTOMER_KINDS)
def test_what_is_said_without_urls_costs_no_more_and_begins_alike(kind: str, language: str) -> None:
    with_urls, without = message(kind, "sms", language).text, plain(kind, language).text

    assert without[:12] == with_urls[:12]
    assert count(without).segments <= BUDGETS[Kind(kind), language]


@pytest.mark.parametrize("kind", CUSTOMER_KINDS)
def test_without_urls_an_english_sms_still_needs_nothing_but_the_gsm_alphabet(kind: str) -> None:
    assert count(plain(kind, "en").text).encoding is Encoding.GSM7


def test_every_sms_has_a_budget() -> None:
    assert set(BUDGETS) == {(kind, language) for kind, _, language in EVERY_SMS}


def test_no_sms_is_over_its_budget_for_the_longest_shop_name_and_the_widest_date() -> None:
    assert over_budget(HOST, SHOPS) == []


def test_a_host_that_is_too_long_is_found_at_start() -> None:
    host = "video-concierge-bookings.example.jp"

    found = over_budget(host, ["FRED"])

    assert ("booking_confirmed", "ja") in {(each.kind, each.language) for each in found}


def test_a_shop_name_that_is_too_long_is_found_at_start() -> None:
    found = over_budget(HOST, ["VICKY", "QUEENS COURT(クイーンズコート)"])

    assert {each.shop_short for each in found} == {"QUEENS COURT(クイーンズコート)"}


@pytest.mark.parametrize("shop", SHOPS)
def test_a_japanese_code_fits_into_seventy_units(shop: str) -> None:
    words = booking_words("ja", shop=shop).words()

    assert count(render("booking_code", channel="sms", language="ja", words=words).text).units <= 70


# M1: the code


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_last_line_of_a_code_is_the_one_that_phones_fill_in(language: str) -> None:
    text = message("booking_code", "sms", language).text

    assert text.split("\n")[-1] == "@go.example.jp #482913"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_by_sms_bears_no_link(language: str) -> None:
    # Carriers block texts with links; a booking must be possible for those customers too.
    assert "://" not in message("booking_code", "sms", language).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_codes_subject_does_not_show_the_code(language: str) -> None:
    # Subjects stand on locked screens and in the vendor's activity list.
    assert "482913" not in (message("booking_code", "mail", language).subject or "")


def test_a_word_with_a_line_break_is_refused_because_it_could_forge_the_last_line() -> None:
    words = {**words_for("booking_code", "ja"), "shop_short": "VICKY\n@evil.example.com #000000"}

    with pytest.raises(ValueError, match="the word shop_short"):
        render("booking_code", channel="sms", language="ja", words=words)


# M2 to M7: links and deadlines


@pytest.mark.parametrize("kind", CONFIRMATIONS)
@pytest.mark.parametrize("channel", ["sms", "mail"])
def test_a_japanese_confirmation_names_both_links_in_the_words_of_the_service(kind: str, channel: str) -> None:
    text = message(kind, channel, "ja").text

    assert re.search(rf"通話用URL\s{re.escape(CALL_URL)}\s", text)
    assert re.search(rf"予約ページURL\s{re.escape(PAGE_URL)}\s", text)


def test_no_exception_is_made_of_a_message_that_needs_none() -> None:
    assert set(NOT_WHILE_A_CHANGE_IS_POSSIBLE) <= set(POSSIBLY_CHANGEABLE)


@pytest.mark.parametrize("kind", STILL_CHANGEABLE)
@pytest.mark.parametrize("channel", ["sms", "mail"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_while_a_change_is_possible_every_message_bears_the_booking_page(
    kind: str, channel: str, language: str
) -> None:
    assert PAGE_URL in message(kind, channel, language).text


@pytest.mark.parametrize(
    ("kind", "language", "deadline"),
    [
        ("booking_confirmed", "ja", "変更・取消は11/22中まで"),
        ("booking_confirmed", "en", "change/cancel until Nov 22 24:00 JST"),
        ("booking_changed", "ja", "変更・取消は11/22中まで"),
        ("booking_changed", "en", "Change/cancel until Nov 22 24:00 JST"),
        ("booking_reminder_eve", "ja", "変更・キャンセルは本日中"),
        ("booking_reminder_eve", "en", "Change/cancel until 24:00 JST today"),
    ],
)
def test_while_a_change_is_possible_the_sms_says_until_when(kind: str, language: str, deadline: str) -> None:
    assert deadline in message(kind, "sms", language).text


@pytest.mark.parametrize("kind", [each for each in STILL_CHANGEABLE if each not in TELL_OF_SOMETHING_ELSE])
@pytest.mark.parametrize(
    ("language", "deadline"),
    [
        ("ja", "2025年11月22日(土)24:00まで(日本時間)"),
        ("en", "until Saturday, November 22, 2025, 24:00 (Japan time)"),
    ],
)
def test_while_a_change_is_possible_the_mail_says_until_when_and_where(kind: str, language: str, deadline: str) -> None:
    assert deadline in message(kind, "mail", language).text


@pytest.mark.parametrize(
    ("kind", "language", "refusal"),
    [
        ("booking_confirmed_same_day", "ja", "変更・取消ができません"),
        ("booking_confirmed_same_day", "en", "cannot be changed or cancelled"),
        ("booking_changed_final", "ja", "以後の変更・取消はできません"),
        ("booking_changed_final", "en", "No further change or cancellation"),
    ],
)
def test_where_no_change_is_possible_the_sms_says_so(kind: str, language: str, refusal: str) -> None:
    assert refusal in message(kind, "sms", language).text


@pytest.mark.parametrize(
    ("now", "language", "called"),
    [
        (START - timedelta(hours=5), "ja", "当日のご予約は"),
        (START - timedelta(hours=5), "en", "Same-day bookings cannot"),
        (START - timedelta(days=2), "ja", "期限後のご予約は"),
        (START - timedelta(days=2), "en", "Bookings made after the deadline cannot"),
    ],
)
def test_a_booking_past_its_deadline_is_called_same_day_only_where_it_is(
    now: datetime, language: str, called: str
) -> None:
    late = dates.late_bookings(START, TOKYO, language, now=now)
    words = {**words_for("booking_confirmed_same_day", language), "late_bookings": late}

    assert called in render("booking_confirmed_same_day", channel="sms", language=language, words=words).text


@pytest.mark.parametrize("kind", ["booking_changed", "booking_changed_final"])
@pytest.mark.parametrize(("language", "void"), [("ja", "旧URLは無効"), ("en", "earlier call URL is void")])
def test_a_change_says_that_the_earlier_call_link_is_void(kind: str, language: str, void: str) -> None:
    assert void in message(kind, "sms", language).text


@pytest.mark.parametrize("kind", ["booking_changed", "booking_changed_final", "shop_booking_changed"])
def test_a_change_by_mail_says_the_old_time_and_the_new(kind: str) -> None:
    text = message(kind, "mail", "ja").text

    assert "変更前: 2025年11月21日(金)14:00(日本時間)" in text
    assert "変更後: 2025年11月23日(日)14:00(日本時間)" in text


@pytest.mark.parametrize("kind", ["booking_confirmed", "booking_confirmed_same_day"])
@pytest.mark.parametrize(("language", "notice"), [("ja", "セール品や在庫わずか"), ("en", "on sale or low in stock")])
def test_a_confirmation_by_mail_says_that_some_questions_stay_open(kind: str, language: str, notice: str) -> None:
    assert notice in message(kind, "mail", language).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_confirmation_by_mail_links_the_device_check(language: str) -> None:
    assert f"https://{HOST}/check" in message("booking_confirmed", "mail", language).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_withdrawn_booking_is_offered_again(language: str) -> None:
    assert f"https://{HOST}/s/queens-court" in message("booking_withdrawn", "sms", language).text


def test_a_reminder_sent_on_the_day_before_a_call_after_midnight_does_not_say_today() -> None:
    starts_at = datetime(2025, 11, 22, 15, 10, tzinfo=UTC)  # 00:10 on the 23rd in Tokyo

    soon = dates.soon(starts_at, TOKYO, "ja", now=starts_at - timedelta(minutes=30))

    assert soon == "明日11/23(日)00:10"


@pytest.mark.parametrize("kind", [kind for kind, nature in NATURES.items() if nature.keeps_quiet])
def test_what_may_wait_for_the_morning_says_today_of_no_day_by_itself(kind: str) -> None:
    # A word that is filled in at the moment of sending may.
    said = "".join(path.read_text(encoding="utf-8") for path in (FOLDER / kind).iterdir())

    assert not re.search("本日|今日|昨日|明日|today|yesterday|tomorrow", said)


# What every mail keeps to


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_BRANDED_MAIL)
def test_a_mails_subject_begins_with_the_brand(kind: str, channel: str, language: str) -> None:
    subject = message(kind, channel, language).subject or ""

    assert subject.startswith("【QUEENS COURT Kobe】" if language == "ja" else "[QUEENS COURT Kobe] ")


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_MAIL)
def test_every_mail_links_the_contact_form(kind: str, channel: str, language: str) -> None:
    assert "https://contact.example.jp/form" in message(kind, channel, language).text


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_CUSTOMER_MAIL)
@pytest.mark.parametrize(
    "link",
    [
        "https://brand.example.jp/privacy",
        f"https://{HOST}/terms/2021-09-28",
        "https://provider.example.com/tos",
    ],
)
def test_every_mail_to_a_customer_links_the_brands_privacy_policy_and_both_terms(
    kind: str, channel: str, language: str, link: str
) -> None:
    assert link in message(kind, channel, language).text


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_CUSTOMER_MAIL)
def test_every_mail_to_a_customer_says_who_operates_the_call(kind: str, channel: str, language: str) -> None:
    operated = {
        "ja": "Example Video Inc.が運営・提供しています",
        "en": "operated and provided by Example Video Inc., not by",
    }

    assert operated[language] in message(kind, channel, language).text


@pytest.mark.parametrize(
    ("kind", "channel", "language"), [each for each in EVERY_MAIL if each[0] not in WITHOUT_A_TIME]
)
def test_every_time_in_a_mail_names_its_zone(kind: str, channel: str, language: str) -> None:
    assert {"ja": "日本時間", "en": "Japan time"}[language] in message(kind, channel, language).text


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_MAIL)
def test_a_mails_page_links_every_address_of_its_text(kind: str, channel: str, language: str) -> None:
    mail = message(kind, channel, language)

    assert set(re.findall(r"https?://\S+", mail.text)) == set(Anchors(mail.html or "").targets)


def test_the_call_link_alone_is_also_a_button() -> None:
    targets = Anchors(message("booking_confirmed", "mail", "ja").html or "").targets

    assert [targets.count(CALL_URL), targets.count(PAGE_URL)] == [2, 1]


def test_a_word_cannot_bring_markup_into_a_page() -> None:
    words = {**words_for("booking_confirmed", "en"), "shop_name": "<img src=x onerror=alert(1)>"}

    html = render("booking_confirmed", channel="mail", language="en", words=words).html or ""

    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_a_script_address_is_text_and_no_link() -> None:
    words = {**words_for("booking_confirmed", "en"), "device_check_url": "javascript:alert(1)"}

    html = render("booking_confirmed", channel="mail", language="en", words=words).html or ""

    assert "javascript:alert(1)" not in Anchors(html).targets


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_customer_elsewhere_reads_both_times(language: str) -> None:
    words = booking_words(language, customer_zone=PARIS).words()

    text = render("booking_confirmed", channel="mail", language=language, words=words).text

    assert {"ja": "06:00(Paris時間、UTC+1)", "en": "06:00 (Paris time, UTC+1)"}[language] in text
    assert {"ja": "14:00(日本時間)", "en": "14:00 (Japan time)"}[language] in text


# What shops are told


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_SHOP_MAIL)
def test_a_shop_is_never_told_the_customers_links(kind: str, channel: str, language: str) -> None:
    assert not {"call_url", "page_url", "code"} & placeholders(kind, channel, language)


@pytest.mark.parametrize("kind", ["shop_booking_new", "shop_booking_changed"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shop_gets_the_booking_number_and_the_staffs_call_link(kind: str, language: str) -> None:
    text = message(kind, "mail", language).text

    assert "K7M2-94QX" in text
    assert f"{STAFF_URL}\n" in text


@pytest.mark.parametrize(
    ("channel", "language", "said"),
    [
        ("sms", "ja", "連絡手段: SMS\n"),
        ("mail", "ja", "連絡手段: メール\n"),
        ("sms", "en", "reached by: SMS\n"),
        ("mail", "en", "reached by: e-mail\n"),
    ],
)
def test_a_shop_is_told_how_the_customer_is_reached(channel: str, language: str, said: str) -> None:
    words = ShopNoticeWords.of(
        language=language,
        zone=TOKYO,
        starts_at=START,
        shop_name="VICKY",
        reference="K7M2-94QX",
        channel=channel,
        staff_call_url=STAFF_URL,
        contact_url="https://contact.example.jp/form",
    ).words()

    assert said in render("shop_booking_new", channel="mail", language=language, words=words).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("cause", Cause)
def test_a_shop_is_told_why_a_booking_ended(cause: Cause, language: str) -> None:
    words = ShopNoticeWords.of(
        language=language,
        zone=TOKYO,
        starts_at=START,
        shop_name="VICKY",
        reference="K7M2-94QX",
        channel=Channel.SMS,
        cause=cause,
        contact_url="https://contact.example.jp/form",
    ).words()

    text = render("shop_booking_cancelled", channel="mail", language=language, words=words).text

    assert f": {words['cause']}\n" in text


@pytest.mark.parametrize("kind", ["shop_day_list", "shop_day_fixed"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_days_list_gives_time_number_and_staff_link_of_each_booking(kind: str, language: str) -> None:
    text = message(kind, "mail", language).text

    rows = re.findall(r"^(\d\d:\d\d) .*(REF-\d)\n.*?(https://\S+)$", text, re.MULTILINE)

    assert rows == [("14:00", "REF-0", f"{STAFF_URL}0"), ("15:00", "REF-1", f"{STAFF_URL}1")]


@pytest.mark.parametrize("kind", ["shop_day_list", "shop_day_fixed"])
@pytest.mark.parametrize(
    ("language", "nothing"), [("ja", "この日のご予約はありません。"), ("en", "There are no bookings on this day.")]
)
def test_a_day_without_bookings_is_said_and_not_left_empty(kind: str, language: str, nothing: str) -> None:
    words = day_words(language, bookings=0).words()

    text = render(kind, channel="mail", language=language, words=words).text

    assert f"\n\n{nothing}\n\n" in text


# How a message is asked for


@pytest.mark.parametrize(
    ("kind", "channel", "language", "why"),
    [
        ("booking_lost", "sms", "ja", "no such kind"),
        ("../booking_code", "sms", "ja", "a kind is not a path"),
        ("shop_booking_new", "sms", "ja", "shops are told by mail"),
        ("booking_code", "sms", "fr", "no such language"),
    ],
)
def test_a_message_that_does_not_exist_cannot_be_asked_for(kind: str, channel: str, language: str, why: str) -> None:
    with pytest.raises(WordingMissingError):
        render(kind, channel=channel, language=language, words={})


def test_a_missing_word_is_an_error_and_not_a_gap() -> None:
    words = {name: value for name, value in words_for("booking_confirmed", "ja").items() if name != "call_url"}

    with pytest.raises(UndefinedError, match="call_url"):
        render("booking_confirmed", channel="sms", language="ja", words=words)


def test_a_word_that_a_booking_does_not_have_counts_as_missing() -> None:
    without = BookingWords.of(
        language="ja",
        zone=TOKYO,
        now=EVE,
        starts_at=START,
        shop_short="VICKY",
        shop_name="VICKY",
        reference="K7M2-94QX",
        contact_url="",
        privacy_url="",
        terms_url="",
        provider_terms_url="",
        provider_name="",
    )

    with pytest.raises(UndefinedError):
        render("booking_reminder_day", channel="sms", language="ja", words=without.words())


@pytest.mark.parametrize("thing", [booking_words("ja"), message("booking_code", "sms", "ja")])
def test_words_and_messages_do_not_print_what_they_carry(thing: object) -> None:
    printed = f"{thing} {thing!r}"

    assert not any(secret in printed for secret in ["482913", CALL_URL, PAGE_URL])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_calendar_entry_bears_both_links(language: str) -> None:
    entry = calendar_words(language, booking_words(language).words())

    assert entry.summary.startswith("QUEENS COURT Kobe")
    assert CALL_URL in entry.description
    assert PAGE_URL in entry.description


# Dates


@pytest.mark.parametrize(
    ("at", "zone", "language", "said"),
    [
        (START, TOKYO, "ja", "11/23(日)14:00"),
        (START, TOKYO, "en", "Nov 23 14:00 JST"),
        (START, PARIS, "ja", "11/23(日)06:00 CET"),
        (datetime(2025, 7, 1, 12, tzinfo=UTC), PARIS, "en", "Jul 1 14:00 CEST"),
        (START, SANTIAGO, "en", "Nov 23 02:00 Santiago time"),  # its own mark is "-03"
        (START, ZoneInfo("UTC"), "en", "Nov 23 05:00 UTC"),
        (datetime(2025, 12, 31, 15, tzinfo=UTC), TOKYO, "ja", "1/1(木)00:00"),
    ],
)
def test_a_short_time_stands_in_the_shops_zone(at: datetime, zone: ZoneInfo, language: str, said: str) -> None:
    assert dates.short(at, zone, language) == said


@pytest.mark.parametrize(
    ("at", "zone", "language", "said"),
    [
        (START, TOKYO, "ja", "2025年11月23日(日)14:00(日本時間)"),
        (START, TOKYO, "en", "Sunday, November 23, 2025, 14:00 (Japan time)"),
        (START, SANTIAGO, "ja", "2025年11月23日(日)02:00(Santiago時間、UTC-3)"),
        (START, ZoneInfo("America/New_York"), "en", "Sunday, November 23, 2025, 00:00 (New York time, UTC-5)"),
        (START, ZoneInfo("Asia/Kolkata"), "en", "Sunday, November 23, 2025, 10:30 (Kolkata time, UTC+5:30)"),
    ],
)
def test_a_long_time_bears_its_year_and_its_zone(at: datetime, zone: ZoneInfo, language: str, said: str) -> None:
    assert dates.long(at, zone, language) == said


def test_an_hour_that_comes_twice_is_told_apart() -> None:
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)  # 02:30 in Paris, and again an hour later

    assert dates.long(first, PARIS, "en") != dates.long(first + timedelta(hours=1), PARIS, "en")


@pytest.mark.parametrize(
    ("at", "zone", "language", "said"),
    [
        (DEADLINE, TOKYO, "ja", "11/22中まで"),
        (DEADLINE, TOKYO, "en", "until Nov 22 24:00 JST"),
        (datetime(2025, 12, 31, 15, tzinfo=UTC), TOKYO, "ja", "12/31中まで"),
        (datetime(2025, 11, 22, 9, 30, tzinfo=UTC), TOKYO, "ja", "11/22 18:30まで"),
        (datetime(2025, 11, 22, 9, 30, tzinfo=UTC), TOKYO, "en", "until Nov 22 18:30 JST"),
        (datetime(2025, 11, 22, 23, tzinfo=UTC), PARIS, "ja", "11/22中 CETまで"),
        # Santiago's clocks skip from 24:00 on September 5 to 01:00 on the 6th.
        (datetime(2026, 9, 6, 4, tzinfo=UTC), SANTIAGO, "en", "until Sep 5 24:00 Santiago time"),
        # ... and fall back from 24:00 on April 4 to 23:00, so that this hour comes twice and its second end counts.
        (datetime(2026, 4, 5, 4, tzinfo=UTC), SANTIAGO, "en", "until Apr 4 24:00 Santiago time"),
    ],
)
def test_a_deadline_at_the_end_of_a_day_is_said_as_that_day(
    at: datetime, zone: ZoneInfo, language: str, said: str
) -> None:
    assert dates.deadline(at, zone, language) == said


@pytest.mark.parametrize(
    ("at", "now", "language", "said"),
    [
        (DEADLINE, EVE, "ja", "本日中"),
        (DEADLINE, EVE, "en", "until 24:00 JST today"),
        (DEADLINE, EVE - timedelta(days=1), "ja", "11/22中まで"),
        (EVE + timedelta(minutes=30), EVE, "ja", "本日18:30まで"),
        (EVE + timedelta(minutes=30), EVE, "en", "until 18:30 JST today"),
    ],
)
def test_a_reminder_says_today_only_where_it_is_true(at: datetime, now: datetime, language: str, said: str) -> None:
    assert dates.deadline_soon(at, TOKYO, language, now=now) == said


@pytest.mark.parametrize(
    ("now", "language", "said"),
    [
        (START - timedelta(minutes=30), "ja", "本日14:00"),
        (START - timedelta(minutes=30), "en", "today at 14:00 JST"),
        (EVE, "ja", "明日11/23(日)14:00"),
        (EVE, "en", "tomorrow, Nov 23 14:00 JST"),
        (EVE - timedelta(days=2), "ja", "11/23(日)14:00"),
        (EVE - timedelta(days=2), "en", "on Nov 23 14:00 JST"),
    ],
)
def test_a_reminder_speaks_from_the_day_it_is_sent(now: datetime, language: str, said: str) -> None:
    assert dates.soon(START, TOKYO, language, now=now) == said


@pytest.mark.parametrize(
    ("policy", "language", "said"),
    [
        (END_OF_THE_DAY_BEFORE, "ja", "予約日前日まで"),
        (END_OF_THE_DAY_BEFORE, "en", "until the end of the day before"),
        (DeadlinePolicy(days_before=3, at="24:00"), "ja", "予約日の3日前まで"),
        (DeadlinePolicy(days_before=3, at="24:00"), "en", "until the end of the day 3 days before"),
        (DeadlinePolicy(days_before=1, at="18:00"), "ja", "予約日前日の18:00まで"),
        (DeadlinePolicy(days_before=1, at="18:00"), "en", "until 18:00 on the day before"),
        (DeadlinePolicy(days_before=2, at="12:30"), "ja", "予約日の2日前の12:30まで"),
        (DeadlinePolicy(days_before=2, at="12:30"), "en", "until 12:30 on the day 2 days before"),
        (DeadlinePolicy(hours_before=72), "ja", "ご予約の開始72時間前まで"),
        (DeadlinePolicy(hours_before=72), "en", "until 72 hours before it starts"),
        (DeadlinePolicy(hours_before=1), "en", "until 1 hour before it starts"),
    ],
)
def test_a_shops_rule_for_deadlines_is_said_as_it_is(policy: DeadlinePolicy, language: str, said: str) -> None:
    assert dates.policy(policy, language) == said


def test_a_deadline_is_given_in_the_customers_zone_too() -> None:
    said = dates.deadline_long(DEADLINE, TOKYO, "en", also=PARIS)

    assert said == (
        "until Saturday, November 22, 2025, 24:00 (Japan time)"
        " / until Saturday, November 22, 2025, 16:00 (Paris time, UTC+1)"
    )


def test_a_customer_in_the_shops_own_zone_reads_one_time() -> None:
    assert dates.long(START, TOKYO, "ja", also=ZoneInfo("Asia/Tokyo")) == dates.long(START, TOKYO, "ja")


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        dates.short(datetime(2025, 11, 23, 14), TOKYO, "ja")  # noqa: DTZ001 - the very thing that is refused
