"""What an applicant agrees to says what it must, in both languages, and is named by the hash of its very words."""

import hashlib
from dataclasses import fields

import pytest

from models.errors import ConsentMissing
from worker.cases import applying, guideline
from worker.wording import FOLDER, LANGUAGES

SAYS = {
    "D4": ("1", "匿名配送を利用した取引", "sent by anonymous shipping"),
    "D12": ("1", "メッセージの送受信ができる期間を過ぎていること", "could exchange messages is over"),
    "D13": ("1", "交渉を行っていること", "in order to settle the trouble"),
    "D14": ("1", "取引の完了から3か月以内", "No more than three months"),
    "D15": ("1", "正当な法的利益を害するトラブル", "harms a legitimate legal interest"),
    "D16": ("1", "匿名性を尊重する方法では", "by means that respect anonymity"),
    "D10": ("2", "トラブルの解決以外の目的に使うことはできません", "nothing but settling the trouble"),
    "D18": ("2", "会員ご本人に限ります", "may apply, in person"),
    "D19": ("2", "ご登録済みのe-mailアドレス宛にのみ", "to the registered mail address only"),
    "D20": ("2", "同時に、同じ方法で", "At the same time and in the same way"),
    "D29": ("2", "理由を問わず返却できません", "not given back, for whatever reason"),
    "D40": ("2", "同時になることは保証できません", "do not promise that both disclosures happen"),
    "D41": ("2", "郵送料その他の実費は、申請者のご負担", "Postage and other actual costs"),
    "D43": ("2", "異なる場合、それらすべてを開示", "all of it may be disclosed"),
    "D50": ("3", "理由については、お答えできません", "do not answer questions about the reason"),
    "D51": ("4", "真正であることは保証しません", "do not guarantee that what is disclosed is true"),
    "D52": ("4", "連絡が取れない場合も、当社は責任を負いません", "nobody can be reached"),
    "D53": ("4", "いかなる損害についても、当社は責任を負いません", "not liable for any damage"),
    "D54": ("4", "通常到達すべきときに到達したものとみなし", "deemed to have arrived"),
    "D55": ("4", "異議なく承諾する", "accepts this without objection"),
    "D62": ("4", "事前の通知なく、出品者の連絡先を開示", "without prior notice"),
}
"""Clause → the section that says it, in Japanese and in English."""


@pytest.mark.parametrize("clause", SAYS)
def test_what_is_agreed_to_says_what_the_clause_asks(clause: str) -> None:
    section, japanese, english = SAYS[clause]

    said = {language: guideline.sections(language)[int(section) - 1] for language in LANGUAGES}

    assert said["ja"].number == said["en"].number == section
    assert japanese in said["ja"].text
    assert english in said["en"].text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_section_is_named_by_the_hash_of_its_file(language: str) -> None:
    for section in guideline.sections(language):
        file = FOLDER / "guideline" / f"{section.number}.{language}.txt"
        assert section.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("language", LANGUAGES)
def test_consent_to_all_sections_in_ones_own_language_is_consent(language: str) -> None:
    guideline.check_consents({each.number: each.sha256 for each in guideline.sections(language)}, language)


def test_consent_to_the_words_of_another_language_is_none() -> None:
    english = {each.number: each.sha256 for each in guideline.sections("en")}

    with pytest.raises(ConsentMissing) as refusal:
        guideline.check_consents(english, "ja")

    assert refusal.value.facts["sections"] == "1,2,3,4"


def test_a_form_has_no_place_for_an_address_to_write_to() -> None:
    named = {each.name for kind in (applying.Form, applying.StageTwo) for each in fields(kind)}

    assert {"nickname", "situation", "attempts"} <= named
    assert not [name for name in named if any(word in name for word in ("mail", "address", "phone", "contact"))]
