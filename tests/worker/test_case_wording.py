"""Every notice of a disclosure case says what it must, in both languages, and nothing that its reader may not know."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta

import pytest
from jinja2 import UndefinedError

from models.case_policy import FIELDS as DISCLOSABLE
from models.case_policy import CasePolicy
from models.fee import lines_for
from models.message import Kind
from models.paper import Flaw, ItemKind
from tests.worker.case_notices import (
    CONFIRM_URL,
    CONTACT_URL,
    DEADLINE_AT,
    OTHER_EMAIL,
    PAGE_URL,
    REFERENCE,
    SECRETS,
    WRITTEN_AT,
    case_words,
)
from worker.wording import (
    CASE_KINDS,
    FOLDER,
    LANGUAGES,
    CaseWords,
    FeeEntry,
    FlawedPaperEntry,
    PaperEntry,
    Rendered,
    WordingMissingError,
    channels,
    placeholders,
    render,
)
from worker.wording.case_labels import FACTS, FEES, FIELDS, FLAWS, PAPERS

HEAD = frozenset({"operator_name", "contact_url", "reference", "written_on"})
"""What every notice says: who writes, how to answer, which case, which day."""

MAY_SAY = {
    Kind.CASE_CONFIRM_ADDRESS: {"confirm_url", "expires", "transaction_number"},
    Kind.CASE_OPENED: {"page_url"},
    Kind.CASE_TOLD: {"page_url", "transaction_number"},
    Kind.CASE_INTAKE_DEFICIENT: {"page_url", "missing_facts", "deadline"},
    Kind.CASE_ADDRESS_TO_APPLICANT: {"other_email"},
    Kind.CASE_ADDRESS_TO_COUNTERPARTY: {"other_email"},
    Kind.CASE_NEGOTIATION_REMINDER: {"page_url", "deadline"},
    Kind.CASE_PAPERS_WANTED: {"page_url", "papers", "post_address", "deadline"},
    Kind.CASE_STAGE_2_TOLD: {"page_url", "transaction_number", "opinion_deadlines", "cross_deadline"},
    Kind.CASE_PAPERS_REMINDER: {"page_url", "papers", "deadline"},
    Kind.CASE_PAPERS_DEFICIENT: {"page_url", "flawed_papers", "deadline"},
    Kind.CASE_INVOICE: {"page_url", "fees", "total", "pay_to", "payment_reference", "deadline"},
    Kind.CASE_INVOICE_REMINDER: {"page_url", "fees", "total", "pay_to", "payment_reference", "deadline"},
    Kind.CASE_POSTED: {"posted_on", "tracking_number"},
    Kind.CASE_DISCLOSED_TOLD: {"disclosed"},
    Kind.CASE_REFUSED: set[str](),
    Kind.CASE_CLOSED: set[str](),
    Kind.CASE_CLOSED_TOLD: set[str](),
    Kind.CASE_SERVICE_ENDED: set[str](),
}
"""Kind → what its reader learns besides the head, and must."""

TO_COUNTERPARTY = [
    Kind.CASE_TOLD,
    Kind.CASE_ADDRESS_TO_COUNTERPARTY,
    Kind.CASE_STAGE_2_TOLD,
    Kind.CASE_DISCLOSED_TOLD,
    Kind.CASE_CLOSED_TOLD,
]
EXCHANGE = [Kind.CASE_ADDRESS_TO_APPLICANT, Kind.CASE_ADDRESS_TO_COUNTERPARTY]
FIXED = [Kind.CASE_REFUSED, Kind.CASE_CLOSED, Kind.CASE_CLOSED_TOLD, Kind.CASE_SERVICE_ENDED]
WITH_DEADLINE = [kind for kind, words in MAY_SAY.items() if "deadline" in words]

ASKED = {
    "nickname",
    "name",
    "transaction_number",
    "counterparty_nickname",
    "item_number",
    "item_name",
    "won_on",
    "circumstances",
    "reason",
    "consents",
}
"""What the form asks for (D64, D70 to D73)."""

EVERY_NOTICE = [(kind, language) for kind in CASE_KINDS for language in LANGUAGES]
every_notice = pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
in_both_languages = pytest.mark.parametrize("language", LANGUAGES)

CLAUSES = {
    "D9": (
        "直接連絡をとり、警察等公的機関への届出や訴訟等、トラブル解決のために必要かつ合理的な手段をご検討ください",
        "consider the necessary and reasonable means of resolving the trouble, such as a report to the police",
        {*EXCHANGE, Kind.CASE_POSTED},
    ),
    "D10": (
        "トラブル解決以外の目的に使用すること",
        "for any purpose other than resolving the trouble",
        {*EXCHANGE, Kind.CASE_OPENED, Kind.CASE_POSTED, Kind.CASE_DISCLOSED_TOLD},
    ),
    "D10: misuse can be reported": (
        "目的外の使用にお気づきの場合は、お問い合わせフォームより",
        "If you notice any other use, please tell us by the contact form",
        {*EXCHANGE, Kind.CASE_POSTED, Kind.CASE_DISCLOSED_TOLD},
    ),
    "D20, D21": (
        "同時に、お客様のe-mailアドレスを同じ方法にて開示いたします",
        "is disclosed to the other party at the same time and in the same way",
        set(EXCHANGE),
    ),
    "D25": (
        "開示の必要性および開示する情報については、当社にて状況に応じた判断を行います",
        "Whether disclosure is necessary, and what is disclosed, is for us to judge",
        {Kind.CASE_NEGOTIATION_REMINDER, Kind.CASE_PAPERS_WANTED, Kind.CASE_STAGE_2_TOLD},
    ),
    "D29": (
        "一度提出された書類は、理由を問わず返還いたしかねます",
        "Papers once submitted are not returned, whatever the reason",
        {
            Kind.CASE_OPENED,
            Kind.CASE_NEGOTIATION_REMINDER,
            Kind.CASE_PAPERS_WANTED,
            Kind.CASE_PAPERS_REMINDER,
            Kind.CASE_PAPERS_DEFICIENT,
            Kind.CASE_INVOICE,
            Kind.CASE_INVOICE_REMINDER,
        },
    ),
    "D38": (
        "申請を受けると同時に、取引の相手方にもその旨を通知します",
        "we notify the other party of the transaction",
        {Kind.CASE_OPENED, Kind.CASE_PAPERS_WANTED},
    ),
    "D39": (
        "同様に手続き・審査を経たうえで、情報を開示するものとします",
        "goes through the same procedure and review before information is disclosed",
        {Kind.CASE_OPENED, Kind.CASE_TOLD, Kind.CASE_STAGE_2_TOLD},
    ),
    "D39: the right to apply": (
        "お客様からも、同じお取引について情報開示を申請いただけます",
        "You too may apply for disclosure concerning the same transaction",
        {Kind.CASE_TOLD, Kind.CASE_STAGE_2_TOLD},
    ),
    "D40": (
        "結果として情報開示の時期が同時となることを保証するものではありません",
        "we do not guarantee that both disclosures take place at the same time",
        {Kind.CASE_OPENED, Kind.CASE_TOLD, Kind.CASE_PAPERS_WANTED, Kind.CASE_STAGE_2_TOLD},
    ),
    "D41": (
        "郵送料の他、開示のために必要かつ合理的な実費をご負担いただきます",
        "such other expenses as are necessary and reasonable for the disclosure",
        {Kind.CASE_OPENED, Kind.CASE_NEGOTIATION_REMINDER, Kind.CASE_PAPERS_WANTED, Kind.CASE_INVOICE},
    ),
    "D42": (
        "申請の際に必要となる資料の取得に係る費用、および当社へ送付する際の郵送料等は、全て申請者の負担となります",
        "and of sending them to us, is borne wholly by the applicant",
        {
            Kind.CASE_OPENED,
            Kind.CASE_NEGOTIATION_REMINDER,
            Kind.CASE_PAPERS_WANTED,
            Kind.CASE_PAPERS_DEFICIENT,
        },
    ),
    "D44": (
        "申請をいただいても、開示できかねる場合があります",
        "There are cases in which we cannot disclose even though you have applied",
        {Kind.CASE_OPENED, Kind.CASE_PAPERS_WANTED},
    ),
    "D51": (
        "開示した情報の真正性を保証しません",
        "We do not guarantee that the information disclosed is genuine",
        {*EXCHANGE, Kind.CASE_POSTED},
    ),
    "D52": (
        "にて連絡が取れない場合でも、当社は一切責任を負いません",
        "We bear no responsibility even if nobody can be reached",
        {*EXCHANGE, Kind.CASE_POSTED},
    ),
    "D53": (
        "情報開示により発生するいかなる損害についても、当社は一切責任を負いません",
        "We bear no responsibility for any damage whatsoever",
        {Kind.CASE_POSTED},
    ),
    "D54": (
        "当社へ登録済みのe-mailアドレスに通知を行ったとき、当該通知は通常到達すべきときに到達したものとみなします",
        "it is deemed to have arrived at the time at which it should normally have arrived",
        {
            Kind.CASE_TOLD,
            Kind.CASE_INTAKE_DEFICIENT,
            Kind.CASE_PAPERS_WANTED,
            Kind.CASE_STAGE_2_TOLD,
            Kind.CASE_PAPERS_DEFICIENT,
            Kind.CASE_INVOICE,
        },
    ),
    "D69": (
        "お電話・来訪によるお問い合わせは一切お受けいたしかねます",
        "We cannot accept inquiries by telephone or visits",
        set(CASE_KINDS),
    ),
    "S10": (
        "マイナンバー(個人番号)、本籍、健康保険証の保険者番号および記号・番号、基礎年金番号は、お預かりできません",
        "We cannot accept My Number (individual number), registered domicile (honseki), health insurance numbers",
        {Kind.CASE_PAPERS_WANTED, Kind.CASE_PAPERS_DEFICIENT},
    ),
}
"""Clause → how it is said in Japanese, in English, and by which notices, no others."""


def said_words(language: str) -> Mapping[str, object]:
    return {**case_words(language).words(), **SECRETS}


def notice(kind: str, language: str, **changed: object) -> Rendered:
    return render(kind, channel="mail", language=language, words={**said_words(language), **changed})


def whole(mail: Rendered) -> str:
    return f"{mail.subject}\n{mail.text}\n{mail.html}"


def body(mail: Rendered) -> str:
    """Return a mail's text without its head and its footer."""
    return mail.text.partition("\n\n")[2].partition("\n\n" + "-" * 32)[0]


def texts(value: object) -> Iterator[str]:
    """Yield the texts that a word puts into a notice."""
    match value:
        case str():
            yield value
        case tuple():
            for entry in value:
                yield from texts(entry)
        case PaperEntry():
            yield value.label
        case FlawedPaperEntry():
            yield from (value.label, *value.flaws)
        case FeeEntry():
            yield f"{value.label}: {value.amount}"
        case _:
            raise TypeError(type(value))


# What each notice shows of a case in which everything is there


@every_notice
def test_a_notice_shows_what_its_reader_must_learn_and_nothing_else(kind: Kind, language: str) -> None:
    page = notice(kind, language).text

    shown = {word for word, value in said_words(language).items() if any(text in page for text in texts(value))}

    assert shown == HEAD | MAY_SAY[kind]


@every_notice
def test_no_part_of_a_notice_shows_what_no_party_may_read(kind: Kind, language: str) -> None:
    assert "canary" not in whole(notice(kind, language))


@every_notice
def test_every_entry_of_a_list_is_shown(kind: Kind, language: str) -> None:
    page = notice(kind, language).text
    words = said_words(language)

    owed = [text for word in MAY_SAY[kind] for text in texts(words[word])]

    assert [text for text in owed if text not in page] == []


@every_notice
def test_a_file_wants_no_word_beyond_those_of_its_table(kind: Kind, language: str) -> None:
    wanted = {word.partition(".")[0] for word in placeholders(kind, "mail", language)}

    lists = {"paper", "fee"}  # the entries of a list, by the name they have inside it
    assert wanted - lists == HEAD | MAY_SAY[kind]


def test_the_words_of_a_case_are_those_that_some_notice_says() -> None:
    assert {each.name for each in fields(CaseWords)} == HEAD.union(*MAY_SAY.values())


def test_the_table_of_notices_leaves_none_out() -> None:
    assert set(MAY_SAY) == set(CASE_KINDS)


@every_notice
def test_the_other_sides_address_stands_in_the_exchange_alone(kind: Kind, language: str) -> None:
    assert (OTHER_EMAIL in whole(notice(kind, language))) == (kind in EXCHANGE)


@in_both_languages
@pytest.mark.parametrize("kind", TO_COUNTERPARTY)
def test_no_notice_to_the_counterparty_speaks_of_the_applicants_papers(kind: Kind, language: str) -> None:
    labels = [paper.label for paper in PAPERS[language].values()]
    wording = {"ja": ["住民票", "誓約書", "書類", "印鑑"], "en": ["certificate", "pledge", "papers", "seal"]}[language]

    text = notice(kind, language).text

    assert not any(word in text for word in [*labels, *wording])


# What each notice must say, and which must not


@in_both_languages
@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_is_said_by_the_notices_that_owe_it_and_by_no_other(clause: str, language: str) -> None:
    japanese, english, owed = CLAUSES[clause]
    phrase = japanese if language == "ja" else english

    saying = {kind for kind in CASE_KINDS if phrase.lower() in notice(kind, language).text.lower()}

    assert saying == owed


@every_notice
def test_nothing_that_is_disclosed_is_called_verified(kind: Kind, language: str) -> None:
    text = whole(notice(kind, language)).lower()

    assert not any(word in text for word in ["verified", "confirmed to be", "確認済", "検証", "本人確認", "認証済"])


@every_notice
def test_a_notice_names_no_telephone_and_invites_nobody(kind: Kind, language: str) -> None:
    text = whole(notice(kind, language)).lower()

    assert not re.search(r"tel:|電話番号|お電話ください|ご来訪ください|ご来社|phone number|call us|0120", text)


@every_notice
def test_the_only_way_to_us_is_the_contact_form(kind: Kind, language: str) -> None:
    said = {"ja": "お問い合わせフォーム", "en": "Contact form"}[language]

    assert said in notice(kind, language).text
    assert f"{CONTACT_URL}\n" in notice(kind, language).text


@every_notice
def test_a_notice_of_a_case_is_a_mail_and_never_an_sms(kind: Kind, language: str) -> None:
    assert channels(kind) == ("mail",)
    with pytest.raises(WordingMissingError):
        render(kind, channel="sms", language=language, words=said_words(language))


@every_notice
def test_no_notice_offers_to_give_papers_back(kind: Kind, language: str) -> None:
    text = notice(kind, language).text

    returned = re.findall(r"返還\S{0,8}|返却|お返し|return\w*", text)

    assert set(returned) <= {"返還いたしかねます。", "returned"}
    assert text.count("returned") == text.count("are not returned")


# Subjects


@every_notice
def test_a_subject_bears_the_case_number_and_no_other_word(kind: Kind, language: str) -> None:
    first = (FOLDER / kind / f"mail.{language}.txt").read_text(encoding="utf-8").partition("\n")[0]

    assert re.findall(r"{{ (\w+) }}", first) == ["reference"]


@every_notice
def test_a_subject_begins_with_the_case_number(kind: Kind, language: str) -> None:
    begins = {"ja": f"【受付番号 {REFERENCE}】", "en": f"[Case number {REFERENCE}] "}[language]

    assert (notice(kind, language).subject or "").startswith(begins)


@in_both_languages
def test_the_ends_of_a_case_cannot_be_told_apart_by_their_subjects(language: str) -> None:
    # Subjects stand on locked screens and in the vendor's activity list.
    assert len({notice(kind, language).subject for kind in FIXED}) == 1


# N1


@in_both_languages
def test_the_link_to_the_registered_address_says_until_when_it_serves(language: str) -> None:
    until = {
        "ja": "有効期限: 2030年6月2日(日)18:30まで(日本時間)",
        "en": "valid until Sunday, June 2, 2030, 18:30 (Japan time)",
    }

    assert until[language] in notice(Kind.CASE_CONFIRM_ADDRESS, language).text


@in_both_languages
def test_who_did_not_apply_is_told_to_ignore_the_link(language: str) -> None:
    ignore = {
        "ja": "お心当たりのない場合は、何もなさらず、このメールを破棄してください",
        "en": "please ignore this e-mail",
    }

    assert ignore[language] in notice(Kind.CASE_CONFIRM_ADDRESS, language).text


@in_both_languages
def test_the_link_to_confirm_is_also_a_button(language: str) -> None:
    html = notice(Kind.CASE_CONFIRM_ADDRESS, language).html or ""

    assert html.count(f'href="{CONFIRM_URL}"') == 2


# N5: the exchange


@in_both_languages
def test_both_sides_of_an_exchange_read_the_same_words(language: str) -> None:
    applicant, counterparty = (notice(kind, language) for kind in EXCHANGE)

    assert applicant == counterparty


@in_both_languages
def test_an_exchange_leads_nowhere_but_to_the_contact_form(language: str) -> None:
    for kind in EXCHANGE:
        assert set(re.findall(r"https?://\S+", notice(kind, language).text)) == {CONTACT_URL}


# N12 to N15: the ends


@in_both_languages
@pytest.mark.parametrize("kind", FIXED)
def test_the_end_of_a_case_varies_in_its_number_and_its_date_alone(kind: Kind, language: str) -> None:
    other = case_words(language, reference="D0000-0001", written_at=WRITTEN_AT + timedelta(days=40)).words()

    one, two = notice(kind, language), render(kind, channel="mail", language=language, words=other)

    def told_apart(mail: Rendered, words: Mapping[str, object]) -> str:
        return whole(mail).replace(str(words["reference"]), "#").replace(str(words["written_on"]), "#")

    assert told_apart(one, said_words(language)) == told_apart(two, other)


@pytest.mark.parametrize(
    ("kind", "language", "said"),
    [
        (Kind.CASE_REFUSED, "ja", "\n\n今回は開示できません。理由についてはお答えできません。\n\n"),
        (
            Kind.CASE_REFUSED,
            "en",
            "\n\nWe cannot disclose the information this time. We cannot answer any question about the reason.\n\n",
        ),
        (Kind.CASE_CLOSED, "ja", "手続は終了しました。"),
        (Kind.CASE_CLOSED, "en", "The procedure has ended."),
        (Kind.CASE_CLOSED_TOLD, "ja", "手続は終了しました。"),
        (Kind.CASE_CLOSED_TOLD, "en", "The procedure has ended."),
        (Kind.CASE_SERVICE_ENDED, "ja", "「匿名配送における取引相手との連絡方法」は、サービス終了に伴い、提供終了"),
        (Kind.CASE_SERVICE_ENDED, "ja", "なにとぞ、ご理解賜りますようお願い申し上げます"),
        (Kind.CASE_SERVICE_ENDED, "en", "As our service has ended"),
    ],
)
def test_the_end_of_a_case_is_said_in_fixed_words(kind: Kind, language: str, said: str) -> None:
    assert said in notice(kind, language).text


@in_both_languages
@pytest.mark.parametrize("kind", [Kind.CASE_CLOSED, Kind.CASE_CLOSED_TOLD, Kind.CASE_SERVICE_ENDED])
def test_a_neutral_end_tells_neither_outcome_nor_cause(kind: Kind, language: str) -> None:
    outcomes = {
        "ja": ["開示いたしました", "開示できません", "取り下げ", "期限", "理由", "不備", "解決", "審査"],
        "en": ["disclosed", "refus", "withdr", "deadline", "reason", "missing", "resolved", "review"],
    }

    said = body(notice(kind, language)).replace("disclosure", "")

    assert not any(word in said for word in outcomes[language])


@in_both_languages
def test_a_refusal_names_none_of_the_grounds(language: str) -> None:
    grounds = {
        "ja": ["規約", "違反", "対象", "資格", "手続", "書類", "不備", "不足", "妨げ", "適切", "審査"],
        "en": ["terms", "breach", "eligible", "qualif", "procedure", "papers", "missing", "appropriate", "review"],
    }

    assert not any(word in body(notice(Kind.CASE_REFUSED, language)) for word in grounds[language])


# Dates


@in_both_languages
@pytest.mark.parametrize("kind", WITH_DEADLINE)
def test_a_deadline_is_said_as_the_last_day_in_japan(kind: Kind, language: str) -> None:
    last = {"ja": ": 2030年6月30日(日)まで(日本時間)\n", "en": ": the end of Sunday, June 30, 2030 (Japan time)\n"}

    assert last[language] in notice(kind, language).text


@every_notice
def test_a_notice_is_dated_by_japans_calendar(kind: Kind, language: str) -> None:
    dated = {"ja": "日付(日本時間): 2030年6月1日(土)\n", "en": "Date (Japan time): Saturday, June 1, 2030\n"}

    assert notice(kind, language).text.startswith(dated[language])


@every_notice
def test_every_date_of_a_notice_stands_on_a_line_that_names_its_zone(kind: Kind, language: str) -> None:
    date, zone = {"ja": (r"20\d\d年", "日本時間"), "en": (r", 20\d\d\b", "Japan time")}[language]
    law = {"ja": "申請されたパスポート", "en": "Passports applied for"}[language]

    dated = [line for line in notice(kind, language).text.splitlines() if re.search(date, line) and law not in line]

    assert dated
    assert all(zone in line for line in dated)


@in_both_languages
def test_a_letter_was_posted_on_a_day_in_japan(language: str) -> None:
    day = {"ja": "発送日(日本時間): 2030年8月2日(金)", "en": "Posted on (Japan time): Friday, August 2, 2030"}

    assert day[language] in notice(Kind.CASE_POSTED, language).text


@in_both_languages
def test_a_deadline_within_a_day_is_said_with_its_time(language: str) -> None:
    words = CaseWords.of(
        language=language,
        operator_name="Example Market",
        contact_url=CONTACT_URL,
        reference=REFERENCE,
        written_at=WRITTEN_AT,
        deadline_at=DEADLINE_AT - timedelta(hours=6),
    )

    assert "18:00" in (words.deadline or "")


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        case_words("ja", written_at=datetime(2030, 6, 1))  # noqa: DTZ001 - the very thing that is refused


# N7: the opinion


@pytest.mark.parametrize(
    ("language", "opinion", "cross"),
    [
        ("ja", "ご意見の提出期限: 2030年7月10日(水)まで", "申請の期限: 2030年7月20日(土)まで"),
        ("en", "for your opinion: the end of Wednesday, July 10", "for your application: the end of Saturday, July 20"),
    ],
)
def test_the_counterparty_is_told_until_when_it_may_answer_and_apply(language: str, opinion: str, cross: str) -> None:
    text = notice(Kind.CASE_STAGE_2_TOLD, language).text

    assert opinion in text
    assert cross in text
    assert f"{PAGE_URL}\n" in text


@pytest.mark.parametrize(("language", "opinion"), [("ja", "ご意見"), ("en", "opinion")])
def test_where_no_opinion_is_asked_for_none_is_spoken_of(language: str, opinion: str) -> None:
    text = notice(Kind.CASE_STAGE_2_TOLD, language, opinion_deadlines=()).text

    assert opinion not in text


@in_both_languages
def test_an_opinion_is_not_left_out_because_its_deadline_was_forgotten(language: str) -> None:
    words = {name: value for name, value in said_words(language).items() if name != "opinion_deadlines"}

    with pytest.raises(UndefinedError, match="opinion_deadlines"):
        render(Kind.CASE_STAGE_2_TOLD, channel="mail", language=language, words=words)


# Lists


@in_both_languages
def test_papers_are_numbered_and_each_is_a_paragraph_with_its_notes(language: str) -> None:
    text = notice(Kind.CASE_PAPERS_WANTED, language).text
    mark = {"ja": "・", "en": "- "}[language]

    for number, paper in enumerate(case_words(language).papers or (), start=1):
        lines = [f"{number}. {paper.label}", *(f"{mark}{note}" for note in paper.notes)]
        assert "\n" + "\n".join(lines) + "\n\n" in text


@in_both_languages
def test_flaws_stand_below_the_paper_that_has_them(language: str) -> None:
    text = notice(Kind.CASE_PAPERS_DEFICIENT, language).text
    mark = {"ja": "・", "en": "- "}[language]

    for number, paper in enumerate(case_words(language).flawed_papers or (), start=1):
        lines = [f"{number}. {paper.label}", *(f"{mark}{flaw}" for flaw in paper.flaws)]
        assert "\n" + "\n".join(lines) + "\n\n" in text


@every_notice
def test_paragraphs_are_one_empty_line_apart(kind: Kind, language: str) -> None:
    assert "\n\n\n" not in notice(kind, language).text


@pytest.mark.parametrize(("language", "total"), [("ja", "合計: 1,667円\n"), ("en", "Total: JPY 1,667\n")])
def test_an_invoice_adds_up_its_lines(language: str, total: str) -> None:
    assert total in notice(Kind.CASE_INVOICE, language).text


@in_both_languages
def test_an_item_of_its_own_bears_its_own_deadline(language: str) -> None:
    own = {"ja": "この書面のご提出期限: 2030年7月25日(木)まで", "en": "this paper: the end of Thursday, July 25, 2030"}
    text = notice(Kind.CASE_PAPERS_WANTED, language).text

    assert own[language] in text
    assert "(wished-for paper)" in text


@pytest.mark.parametrize(
    ("kind", "phrases"),
    [
        (
            "certificate_of_residence",
            ["原本", "コピー不可", "発行から3か月以内", "マイナンバー", "本籍の記載のない"],
        ),
        (
            "licence_or_passport",
            ["住民票と同じ住所", "コピー", "2020年2月4日以降", "保険証または年金手帳", "QRコード"],
        ),
        ("pledge", ["原本", "署名・捺印"]),
        ("seal_certificate", ["原本", "コピー不可", "発行から3か月以内"]),
        ("representative_tie", ["代表者", "マイナンバー"]),
    ],
)
def test_a_paper_is_asked_for_with_all_that_it_must_be(kind: str, phrases: list[str]) -> None:
    paper = PaperEntry.of(kind, language="ja")

    said = "\n".join((paper.label, *paper.notes))

    assert [phrase for phrase in phrases if phrase not in said] == []


@pytest.mark.parametrize(("language", "months"), [("ja", "発行から6か月以内"), ("en", "no more than 6 months")])
def test_how_old_a_certificate_may_be_is_the_policys(language: str, months: str) -> None:
    paper = PaperEntry.of("seal_certificate", language=language, months=6)

    assert any(months in note for note in paper.notes)


@pytest.mark.parametrize(("language", "whose"), [("ja", "代表者"), ("en", "represent")])
def test_a_shops_papers_are_its_representatives(language: str, whose: str) -> None:
    asked = [item for item in ItemKind if item is not ItemKind.OTHER]

    labels = [PaperEntry.of(item, language=language, of_representative=True).label for item in asked]

    assert [label for label in labels if whose not in label] == []


@in_both_languages
@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        (PAPERS, set(ItemKind)),
        (FLAWS, set(Flaw)),
        (FIELDS, set(DISCLOSABLE)),
        (FACTS, ASKED),
        (FEES, {line["label"] for line in lines_for(CasePolicy(), postage_due_yen=[84])}),
    ],
    ids=["papers", "flaws", "fields", "facts", "fees"],
)
def test_everything_that_can_be_listed_has_a_name(
    labels: Mapping[str, Mapping[str, object]], keys: set[str], language: str
) -> None:
    assert set(labels[language]) == keys


@in_both_languages
@pytest.mark.parametrize("labels", [FLAWS, FACTS, FEES, FIELDS], ids=["flaws", "facts", "fees", "fields"])
def test_no_two_things_have_the_same_name(labels: Mapping[str, Mapping[str, str]], language: str) -> None:
    assert len(set(labels[language].values())) == len(labels[language])


def test_a_line_break_inside_a_list_is_refused_too() -> None:
    forged = (PaperEntry.of("other", language="ja", wish="x\nhttps://evil.example.com"),)

    with pytest.raises(ValueError, match="the word papers"):
        notice(Kind.CASE_PAPERS_WANTED, "ja", papers=forged)


@pytest.mark.parametrize(
    "thing",
    [
        case_words("ja"),
        notice(Kind.CASE_ADDRESS_TO_APPLICANT, "ja"),
        PaperEntry.of("other", language="ja", wish=OTHER_EMAIL),
        FlawedPaperEntry.of("other", (), language="ja", wish=OTHER_EMAIL),
    ],
)
def test_what_a_notice_is_made_of_does_not_print_what_it_carries(thing: object) -> None:
    assert OTHER_EMAIL not in f"{thing} {thing!r}"
