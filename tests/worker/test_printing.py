"""The papers that go by post: what stands on them, where, and what can be learnt from the file besides."""

import hashlib
import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest

from tests.worker.paper_reader import Area, forms, metadata, outside_the_pages, picture, read, read_in
from tests.worker.papers import (
    AT_REGISTRATION,
    AT_THE_TRADE,
    LETTER,
    LONG,
    NOW,
    OPERATOR,
    PLEDGE,
    SOCIETY,
    TARO,
    a_letter,
    a_pledge,
)
from worker.printing.column import Align, Column, Type
from worker.printing.letter import Disclosed, LetterKind, letter
from worker.printing.lines import NEVER_FIRST
from worker.printing.page import Rule, Sheet, Text, bind
from worker.printing.pledge import CURRENT_VERSION, pledge, pledge_hash, pledge_text
from worker.printing.postal import (
    ALWAYS_SHOWN,
    EVER_SHOWN,
    AddressCopy,
    Addressee,
    AddressTooLongError,
    post_code,
    set_addressee,
)
from worker.printing.printed import Printed, Proofs
from worker.printing.typeface import typeface
from worker.printing.wording import FOLDER, NoSuchWordingError, wording

THREE = (AT_REGISTRATION, AT_THE_TRADE, NOW)
BODY = Type(10, 6)


def of_kind(kind: LetterKind) -> Printed:
    return a_letter() if kind is LetterKind.PARTY else to(SOCIETY)


def to(addressee: Addressee) -> Printed:
    """Return the letter to one of the three, each of which is printed once."""
    if addressee is SOCIETY:
        return a_letter(addressee=SOCIETY, kind=LetterKind.ORGANISATION)
    return a_letter(addressee=LONG, disclosed=THREE) if addressee is LONG else a_letter()


def run_together(pages: list[str]) -> str:
    return re.sub(r"[\n 　]", "", "".join(pages))


# The letter.


def test_a_letter_names_its_sender_its_addressee_its_numbers_and_its_day() -> None:
    (page,) = read(a_letter().pdf)

    for said in (
        "2016年8月20日",
        "受付番号 D-2016-000123",
        "通知番号 L-2016-000045",
        OPERATOR.name,
        "〒100-0000",
        *OPERATOR.address_lines,
        OPERATOR.contact_url,
        "〒104-0000",
        *TARO.address_lines,
        "山田 太郎　様",
        "通　知　書",
        "取引番号 10012345678",
        "商品名 限定版 ワイヤレスイヤホン(ブラック)",
    ):
        assert f"{said}\n" in page


def test_a_letter_says_what_is_disclosed_and_of_when() -> None:
    (page,) = read(a_letter().pdf)

    assert AT_REGISTRATION.as_of in page
    for label, value in AT_REGISTRATION.fields:
        assert f"{label} {value}\n" in page


def test_a_letter_says_all_dated_data_in_the_order_of_time() -> None:
    said = run_together(read(a_letter(disclosed=THREE).pdf))

    places = [
        said.index(run_together([each]))
        for each in ("(1) " + THREE[0].as_of, "(2) " + THREE[1].as_of, "(3) " + NOW.as_of)
    ]
    assert places == sorted(places)
    assert all(run_together([value]) in said for dated in THREE for _, value in dated.fields)


def test_a_table_that_begins_on_a_sheet_ends_on_it_under_its_own_heading() -> None:
    pages = read(a_letter(disclosed=THREE).pdf)

    assert len(pages) == 2
    for dated in THREE:
        (page,) = [page for page in pages if dated.as_of in page]
        assert all(run_together([value]) in run_together([page]) for _, value in dated.fields)


def test_every_sheet_names_the_case_the_letter_and_its_place_among_the_sheets() -> None:
    printed = a_letter(disclosed=THREE)

    feet = [page.strip().splitlines()[-1] for page in read(printed.pdf)]

    assert printed.sheets == 2
    assert feet == [f"受付番号 D-2016-000123　通知番号 L-2016-000045 {number} / 2" for number in (1, 2)]


def test_only_data_of_several_times_are_explained_as_such() -> None:
    explained = "時点により異なるため"

    assert explained not in run_together(read(a_letter().pdf))
    assert explained in run_together(read(a_letter(disclosed=THREE).pdf))


@pytest.mark.parametrize("kind", LetterKind)
@pytest.mark.parametrize(
    ("clause", "said"),
    [
        ("D9", "警察等公的機関への届出や訴訟等、"),
        ("D9", "必要かつ合理的な手段をご検討ください"),
        ("D10", "以外の目的に使用することは、一切禁止とさせていただきます"),
        ("D51", "開示した情報の真正性を保証いたしません"),
        ("D52", "連絡が取れない場合でも、当社は一切責任を負いません"),
        ("D53", "いかなる損害についても、当社は一切責任を負いません"),
    ],
)
def test_a_letter_says_what_every_disclosure_must(kind: LetterKind, clause: str, said: str) -> None:
    assert said in run_together(read(of_kind(kind).pdf)), clause


def test_a_right_holder_is_told_of_the_seller_and_a_party_of_its_counterparty() -> None:
    organisation = run_together(read(of_kind(LetterKind.ORGANISATION).pdf))
    party = run_together(read(a_letter().pdf))

    assert "出品者の情報" in organisation
    assert "取引相手" not in organisation
    assert "取引相手の情報" in party
    assert "出品者" not in party


@pytest.mark.parametrize("name", ["letter.party", "letter.organisation"])
def test_a_letter_vouches_for_nothing(name: str) -> None:
    vouching = "確認済|確認した|確認いたしました|証明|認証|相違な|正確|本人確認|間違いな|verified"

    assert not re.search(vouching, wording(name).text + run_together(read(a_letter(disclosed=THREE).pdf)))


def test_a_letter_offers_no_telephone() -> None:
    assert not re.search(r"電話|TEL|Tel|FAX", run_together(read(a_letter().pdf)))


def test_a_letter_that_would_disclose_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        letter(replace(LETTER, disclosed=(Disclosed("開示時点", ()),)))


def test_a_sender_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match="sender"):
        letter(replace(LETTER, sender=replace(OPERATOR, address_lines=("見本",) * 12)))


def test_a_letter_never_ends_on_a_sheet_of_its_own_without_its_notes() -> None:
    last = read(a_letter(disclosed=THREE).pdf)[-1]

    assert "3. ご注意" in last
    assert last.index("(5) この情報開示により") < last.index("以上")


def test_no_line_of_a_letter_begins_as_it_must_not() -> None:
    item = "とても長い商品名、「しかも」かっこ(かっこ)や句読点、そして数字1,234やショップ名が入っている。" * 4

    lines = "\n".join(read(a_letter(item_name=item, disclosed=THREE).pdf)).splitlines()

    # A row's first line is read together with its label, a note's with its number.
    assert [line for line in lines if line[:1] in NEVER_FIRST and line] == []


# Its window.


@pytest.mark.parametrize("addressee", [TARO, LONG, SOCIETY])
def test_the_whole_address_shows_in_the_window_however_the_sheet_slips(addressee: Addressee) -> None:
    shown = run_together([read_in(to(addressee).pdf, Area(*ALWAYS_SHOWN))])

    parts = [post_code(addressee.postal_code), *addressee.address_lines, addressee.organisation or ""]
    assert shown == run_together([*parts, addressee.name, addressee.honorific])


@pytest.mark.parametrize("addressee", [TARO, LONG, SOCIETY])
def test_nothing_but_the_address_can_ever_show_in_the_window(addressee: Addressee) -> None:
    pdf = to(addressee).pdf

    assert read_in(pdf, Area(*EVER_SHOWN)).split() == read_in(pdf, Area(*ALWAYS_SHOWN)).split()


def test_an_address_that_fits_is_set_with_its_lines_whole() -> None:
    lines = read_in(to(SOCIETY).pdf, Area(*ALWAYS_SHOWN)).splitlines()

    assert lines == ["〒105-0000", "東京都港区虎ノ門0-0-0", "一般社団法人見本権利者団体　御中"]


def test_the_honorific_never_stands_alone() -> None:
    for length in range(12, 40):
        name = "あ" * length
        last = read_in_marks(Addressee(name, "1000000", ("見本市0-0",)))[-1]

        assert re.fullmatch(r"あ+　様", last), length


def test_an_address_that_is_too_long_for_the_window_asks_for_another_envelope() -> None:
    printed = a_letter(addressee=replace(TARO, address_lines=("見本" * 70, "見本" * 20)))

    assert printed.by_hand == ("addressee",)


def test_the_longest_that_a_registry_takes_still_makes_a_letter() -> None:
    longest = Addressee("名" * 100, "1000000", ("見" * 300,), organisation="社" * 200)

    assert a_letter(addressee=longest).by_hand == ("addressee",)


def test_what_is_no_address_any_more_is_refused() -> None:
    with pytest.raises(AddressTooLongError):
        letter(replace(LETTER, addressee=replace(TARO, address_lines=("見本" * 1_000,))))


@pytest.mark.parametrize(
    ("code", "set_as"), [("1000000", "〒100-0000"), ("100-0000", "〒100-0000"), (" SW1A ", "〒SW1A")]
)
def test_a_postal_code_is_set_with_its_hyphen(code: str, set_as: str) -> None:
    assert post_code(code) == set_as


# Characters that the typeface lacks.


def test_a_letter_shows_where_a_character_is_lacking_and_says_which_was_meant() -> None:
    emoji = replace(AT_REGISTRATION, fields=(("氏名", "王 莹"), ("住所", "見本市渡邉\U000e011f荘")))

    printed = a_letter(disclosed=(emoji,), item_name="きらきら😀の石")

    said = run_together(read(printed.pdf))
    assert "氏名王〓" in said
    assert "渡邉荘" in said
    assert "商品名「〓」U+1F600、(1)氏名「〓」U+83B9、(1)住所「邉」U+9089U+E011F" in said
    assert printed.by_hand == ("item_name", "disclosed.1.氏名", "disclosed.1.住所")


def test_a_letter_that_lacks_nothing_says_nothing_of_it() -> None:
    assert "〓" not in run_together(read(a_letter().pdf))
    assert a_letter().by_hand == ()


def test_a_variant_looks_different_on_the_paper() -> None:
    hooked, plain = (replace(LETTER, item_name=f"{kuzu}城") for kuzu in ("葛\U000e0100", "葛"))

    assert picture(letter(hooked).pdf) != picture(letter(plain).pdf)


def test_a_character_that_nobody_made_a_copy_of_does_not_reach_the_paper() -> None:
    sheet = Sheet([Text(20, 20, "渡辺😀", 10)])

    with pytest.raises(LookupError) as refused:
        bind([sheet], title="通知書", dated=date(2016, 8, 20))
    assert "渡" not in str(refused.value)


@pytest.mark.parametrize("file", sorted(FOLDER.iterdir()), ids=lambda file: str(file.name))
def test_our_own_words_lack_nothing(file: os.PathLike[str]) -> None:
    said = wording(os.fspath(file).rpartition("/")[2].removesuffix(".ja.txt"))

    assert typeface().copy("".join([said.title, said.opening, *said.clauses])).lacks == ()


# The file.


def test_equal_words_make_equal_bytes() -> None:
    assert letter(LETTER).pdf == a_letter().pdf
    assert pledge(PLEDGE).pdf == a_pledge().pdf


def test_papers_that_are_printed_at_once_do_not_mix() -> None:
    with ThreadPoolExecutor(3) as threads:
        printed = list(threads.map(letter, [LETTER, replace(LETTER, disclosed=THREE), LETTER]))

    assert [each.pdf for each in printed] == [a_letter().pdf, a_letter(disclosed=THREE).pdf, a_letter().pdf]


def test_another_process_makes_the_same_bytes() -> None:
    script = (
        "import hashlib; from tests.worker.papers import a_letter;print(hashlib.sha256(a_letter().pdf).hexdigest())"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == hashlib.sha256(a_letter().pdf).hexdigest()


def test_other_words_make_other_bytes() -> None:
    assert a_letter(disclosed=THREE).pdf != a_letter().pdf


@pytest.mark.parametrize(("paper", "title"), [(a_letter, "通知書"), (a_pledge, "誓約書")])
def test_a_file_says_of_itself_what_kind_it_is_and_of_which_day_and_no_more(paper: type, title: str) -> None:
    said = metadata(paper().pdf)

    assert said.keys() == {"Title", "CreationDate"}
    assert said["Title"] == title
    assert said["CreationDate"].endswith("000000+09'00'")


def test_no_personal_data_are_in_a_file_outside_its_pages() -> None:
    printed = to(LONG)
    personal = [LETTER.reference, LETTER.serial, LETTER.transaction_number, LONG.name, *LONG.address_lines]
    personal += [value for dated in THREE for _, value in dated.fields]
    pieces = {piece for value in personal for piece in re.split(r"[ ・]", value) if len(piece) > 2}

    rest = outside_the_pages(printed.pdf)

    assert len(pieces) > 20
    assert not [piece for piece in pieces for form in forms(piece) if form in rest]


def test_the_pages_themselves_are_what_was_left_out() -> None:
    pdf = a_letter().pdf

    rest = outside_the_pages(pdf)
    assert b"begincmap" in rest
    assert not re.search(rb"BT [\d.]+ [\d.]+ Td", rest)


def test_the_list_of_glyphs_is_in_the_order_of_codes_and_spells_nothing() -> None:
    listed = re.findall(rb"<[0-9A-F]{4}> <([0-9A-F]{4})>\n", outside_the_pages(a_letter().pdf))

    # NUL and the space have places of their own; FFFF ends the range of codes.
    codes = [code for code in (int(each, 16) for each in listed) if 0x20 < code < 0xFFFF]
    assert len(codes) > 100
    assert codes == sorted(codes)


def test_a_letter_is_printed_in_its_own_size_so_that_it_meets_its_window() -> None:
    assert b"/PrintScaling /None" in a_letter().pdf


def test_printing_leaves_no_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    letter(replace(LETTER, item_name="王 莹 😀"))

    assert [(record.name, record.getMessage()) for record in caplog.records] == []


def test_words_and_papers_do_not_print_themselves() -> None:
    shown = "".join(
        map(repr, (LETTER, TARO, AT_REGISTRATION, OPERATOR, PLEDGE, a_letter(), Proofs(), Text(0, 0, "髙橋", 9)))
    )

    assert not re.search("山田|髙橋|銀座|トリツギ|D-2016", shown)


# The pledge.


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        ("D6", "正当な権利を行使するため"),
        ("D10", "当該トラブルを解決する目的にのみ使用し、それ以外の目的には一切使用しません"),
        ("D27", "申請書類および提出書類の内容はすべて真実であり、虚偽はありません"),
        ("D29", "一度提出した書類が、理由を問わず返還されない"),
        ("D38", "この申請が取引相手に通知されること"),
        ("D40", "その時期が同時とは限らない"),
        ("D41", "郵送料その他開示のために必要かつ合理的な実費"),
        ("D42", "資料の取得および送付にかかる費用を、すべて負担"),
        ("D50", "その理由について回答を受けられない"),
        ("D51", "開示した情報の真正性を保証しない"),
        ("D52", "連絡が取れない場合でも一切責任を負わない"),
        ("D53", "いかなる損害についても、一切責任を負わない"),
        ("D54", "通常到達すべきときに到達したものとみなされる"),
        ("D55", "異議なく承諾します"),
    ],
)
def test_a_pledge_says_what_is_pledged_and_accepted(clause: str, said: str) -> None:
    assert said in run_together(read(a_pledge().pdf)), clause


def test_a_pledge_has_places_for_date_address_name_and_seal() -> None:
    said = run_together(read(a_pledge().pdf))

    assert re.search(r"記入日年月日住所\(住民票のとおり\)氏名\(自署\)印", said)


def test_a_shop_s_representative_signs_for_the_shop() -> None:
    said = run_together(read(a_pledge(of_a_shop=True).pdf))

    assert "ショップ名代表者氏名(自署)印" in said


def test_a_pledge_names_its_case_its_transaction_and_whom_it_is_given_to() -> None:
    said = run_together(read(a_pledge().pdf))

    assert "受付番号D-2016-000123取引番号10012345678" in said
    assert "株式会社トリツギ開示窓口御中" in said
    assert "送付先:〒100-0000東京都千代田区千代田0-0-0取次ビルディング10階" in said


def test_a_pledge_names_its_version_and_the_hash_of_its_text() -> None:
    said = run_together(read(a_pledge().pdf))

    assert "誓約書第1版2016年8月1日発行" in said
    assert f"文面のSHA-256:{hashlib.sha256(pledge_text('1').encode()).hexdigest()}" in said


def test_a_published_pledge_never_changes() -> None:
    """A new text is a new version; this list only grows."""
    assert {version: pledge_hash(version) for version in (CURRENT_VERSION,)} == {
        "1": "1f80f505f0959f49acde88cdb550f326f0c096b15f21af5f2377acf818168370",
    }


def test_the_words_on_the_paper_are_the_words_that_were_hashed() -> None:
    said = run_together(read(a_pledge().pdf))
    unnumbered = run_together([re.sub(r"(?m)^(\d+)\. ", r"\1.", pledge_text("1"))])

    assert unnumbered in said.replace(run_together([f"{OPERATOR.name}御中"]), "", 1)


@pytest.mark.parametrize("version", ["0", "99", "", "../letter.party", "1.ja.txt\0"])
def test_a_version_that_was_never_published_is_refused(version: str) -> None:
    with pytest.raises(NoSuchWordingError):
        pledge_hash(version)


@pytest.mark.parametrize("of_a_shop", [False, True])
def test_a_pledge_is_one_sheet_even_for_a_long_receiver(*, of_a_shop: bool) -> None:
    long = replace(OPERATOR, name="株式会社とてもながいなまえのうんえいがいしゃ" * 2, address_lines=LONG.address_lines)

    assert a_pledge(of_a_shop=of_a_shop, receiver=long).sheets == 1


# The column.


def column() -> Column:
    return Column(left=20, right=100, top=20, top_again=20, bottom=120)


def texts(sheet: Sheet) -> list[str]:
    return [mark.text for mark in sheet.marks if isinstance(mark, Text)]


def read_in_marks(addressee: Addressee) -> list[str]:
    sheet = Sheet()
    copy = typeface().copy
    set_addressee(
        sheet,
        AddressCopy(
            code=copy(addressee.postal_code),
            lines=tuple(map(copy, addressee.address_lines)),
            organisation=None,
            name=copy(addressee.name),
            honorific=copy(addressee.honorific),
        ),
    )
    return texts(sheet)


def test_a_row_that_does_not_fit_begins_another_sheet() -> None:
    filled = column()
    filled.space(90)

    filled.table([("名", "一"), ("所", "二")], BODY, label_width=20)

    assert [texts(sheet) for sheet in filled.sheets] == [["名", "一"], ["所", "二"]]


def test_a_table_is_closed_on_each_of_its_sheets() -> None:
    filled = column()
    filled.space(90)

    filled.table([("名", "一"), ("所", "二")], BODY, label_width=20)

    level = [
        [mark.top for mark in sheet.marks if isinstance(mark, Rule) and mark.top == mark.bottom]
        for sheet in filled.sheets
    ]
    assert level == [[110, 119], [20, 29]]


def test_two_rows_share_the_rule_between_them() -> None:
    filled = column()

    filled.table([("名", "一"), ("所", "二")], BODY, label_width=20)

    level = [mark.top for mark in filled.sheet.marks if isinstance(mark, Rule) and mark.top == mark.bottom]
    assert level == [20, 29, 38]


def test_a_value_that_is_longer_than_a_sheet_is_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match="higher than a sheet"):
        column().table([("名", "長" * 500)], BODY, label_width=20)


def test_a_paragraph_longer_than_a_sheet_goes_on_on_the_next() -> None:
    filled = column()

    filled.paragraph("長" * 500, BODY)

    assert "".join(text for sheet in filled.sheets for text in texts(sheet)) == "長" * 500
    assert len(filled.sheets) == 2


def test_every_line_but_the_last_of_a_paragraph_reaches_the_edge() -> None:
    filled = column()

    filled.paragraph("行末をそろえるために、字間を少しずつ広げて、右端まで届かせます。" * 3, BODY)

    lines = [mark for mark in filled.sheet.marks if isinstance(mark, Text)]
    ends = [mark.left + BODY.width(mark.text) + mark.spread * (len(mark.text) - 1) * 25.4 / 72 for mark in lines]
    assert ends[:-1] == pytest.approx([100] * (len(lines) - 1))
    assert lines[-1].spread == 0


@pytest.mark.parametrize(
    ("align", "left"), [(Align.LEFT, 20), (Align.CENTRE, 60 - 10 * 25.4 / 72), (Align.RIGHT, 100 - 20 * 25.4 / 72)]
)
def test_a_line_stands_where_it_is_told_to(align: Align, left: float) -> None:
    filled = column()

    filled.paragraph("以上", BODY, align=align)

    assert [mark.left for mark in filled.sheet.marks if isinstance(mark, Text)] == pytest.approx([left])
