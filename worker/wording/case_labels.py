"""What papers, their flaws, missing facts, fees and disclosed fields are called, in both languages, as data.

The keys are values of the models' own enums. It refuses to know a case: what is said to somebody stands in the files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PaperLabel:
    """How one paper is asked for.

    Attributes:
        label: its name, and whether original or copy.
        of_representative: the same for a shop, whose representative sends papers of a private person (D31).
        notes: what it must be; `{months}` is how old it may be.
    """

    label: str
    of_representative: str
    notes: tuple[str, ...] = ()


_PAPERS_JA = {
    # D32, D33, A8
    "certificate_of_residence": PaperLabel(
        "住民票の写し(原本)",
        "代表者個人の住民票の写し(原本)",
        (
            "コピー不可。役所で発行された書面が「住民票の写し」です。",
            "当社に到着する時点で、発行から{months}か月以内のもの。",
            "マイナンバー(個人番号)および本籍の記載のないもの。",
        ),
    ),
    # D34, D35, A21
    "licence_or_passport": PaperLabel(
        "住民票と同じ住所の記載のある運転免許証またはパスポートのコピー",
        "住民票と同じ住所の記載のある、代表者個人の運転免許証またはパスポートのコピー",
        (
            "運転免許証は、住所の変更が裏面に記載されている場合、両面のコピー。",
            "パスポートは、住所の記入のある所持人記入欄のコピーも必要です。本籍は、見えないように隠してください。",
            "2020年2月4日以降に申請されたパスポートには住所欄がないため、使用できません。",
            "いずれも所持していない場合は、その旨を記した書面を添えて、健康保険証または年金手帳のコピー。",
            "健康保険証・年金手帳の保険者番号、記号・番号、QRコード、基礎年金番号は、見えないように隠してください。",
        ),
    ),
    # D36
    "pledge": PaperLabel(
        "誓約書(原本)",
        "代表者個人の誓約書(原本)",
        (
            "当社がご案内した誓約書の文面(PDF)を印刷し、署名・捺印をしたもの。",
            "捺印には、印鑑登録証明書の印鑑をご使用ください。",
        ),
    ),
    # D37, A8
    "seal_certificate": PaperLabel(
        "誓約書に捺印した印鑑の印鑑登録証明書(原本)",
        "代表者個人の、誓約書に捺印した印鑑の印鑑登録証明書(原本)",
        (
            "コピー不可。当社に到着する時点で、発行から{months}か月以内のもの。",
            "氏名・住所が、住民票の写しと一致するもの。",
        ),
    ),
    # D31, A8
    "representative_tie": PaperLabel(
        "ショップの代表者であることを確認できる書面",
        "ショップの代表者であることを確認できる書面",
        (
            "登記事項証明書(当社に到着する時点で、発行から{months}か月以内のもの)など。",
            "マイナンバー(個人番号)の記載がある場合は、見えないように隠してください。",
        ),
    ),
    # D28
    "other": PaperLabel("その他当社が求める書面", "その他当社が求める書面"),
}

_PAPERS_EN = {
    "certificate_of_residence": PaperLabel(
        "Certificate of residence (juminhyo no utsushi), original",
        "The representative's own certificate of residence (juminhyo no utsushi), original",
        (
            "No photocopy: we need the paper that the municipal office issued.",
            "Issued no more than {months} months before it reaches us.",
            "Without My Number (individual number) and without registered domicile (honseki).",
        ),
    ),
    "licence_or_passport": PaperLabel(
        "Copy of a driving licence or passport that shows the same address as the certificate of residence",
        "Copy of the representative's own driving licence or passport that shows the same address as the certificate"
        " of residence",
        (
            "Driving licence: both sides, if a change of address is written on the back.",
            "Passport: also the page on which you have written your address. Please cover the registered domicile.",
            "Passports applied for on or after February 4, 2020 have no address page and cannot be used.",
            "If you possess neither: a written statement of it, and a copy of a health insurance card or pension book.",
            "Please cover insurance numbers, QR code and basic pension number on these.",
        ),
    ),
    "pledge": PaperLabel(
        "Pledge, original",
        "The representative's own pledge, original",
        (
            "Please print the text of the pledge (PDF) that we gave you, sign it and put your seal on it.",
            "Please use the seal of the seal certificate.",
        ),
    ),
    "seal_certificate": PaperLabel(
        "Seal certificate (inkan toroku shomeisho) of the seal on the pledge, original",
        "The representative's own seal certificate (inkan toroku shomeisho) of the seal on the pledge, original",
        (
            "No photocopy. Issued no more than {months} months before it reaches us.",
            "With the same name and address as the certificate of residence.",
        ),
    ),
    "representative_tie": PaperLabel(
        "A paper that shows that you represent the shop",
        "A paper that shows that you represent the shop",
        (
            "Such as a certificate of registered matters, issued no more than {months} months before it reaches us.",
            "If My Number (individual number) stands on it, please cover it.",
        ),
    ),
    "other": PaperLabel("Another paper that we ask for", "Another paper that we ask for"),
}

PAPERS: Mapping[str, Mapping[str, PaperLabel]] = MappingProxyType({"ja": _PAPERS_JA, "en": _PAPERS_EN})
"""Language → `ItemKind` → how it is asked for (D28 to D37, A8, A21, S10)."""

FLAWS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ja": {
            "missing": "書面の不足、または必要事項の記入漏れがあります。",
            "wrong_kind": "ご案内した書類とは異なる書類です。",
            "outdated": "発行から所定の期間を過ぎているか、有効期限が切れています。",
            "copy_not_allowed": "コピーは不可です。原本をご提出ください。",
            "address_differs": "住所が一致しません。",
            "name_differs": "氏名が一致しません。",
            "seal_differs": "印影が印鑑登録証明書と一致しません。",
            "not_signed": "署名がありません。",
            "not_sealed": "捺印がありません。",
            "old_pledge": "誓約書の文面が、ご案内したものと異なるか、古い版です。",
            "illegible": "判読できない箇所があります。",
            "forbidden_data_visible": "マイナンバー、本籍、保険証の番号など、お預かりできない事項が見えています。",
        },
        "en": {
            "missing": "A paper, or an entry on it, is missing.",
            "wrong_kind": "It is not the paper that we asked for.",
            "outdated": "It was issued too long ago, or has expired.",
            "copy_not_allowed": "A copy is not accepted. Please send the original.",
            "address_differs": "The address does not match.",
            "name_differs": "The name does not match.",
            "seal_differs": "The seal does not match the seal certificate.",
            "not_signed": "The signature is missing.",
            "not_sealed": "The seal is missing.",
            "old_pledge": "The text of the pledge is not the one that we gave you, or an old version of it.",
            "illegible": "Part of it cannot be read.",
            "forbidden_data_visible": "My Number, registered domicile, an insurance number or the like, which we cannot"
            " accept, can be read.",
        },
    }
)
"""Language → `Flaw` → what is wrong. Saying so is no reason of refusal (A10)."""

FACTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ja": {
            "nickname": "申請者本人のニックネーム",
            "name": "申請者本人の氏名",
            "transaction_number": "取引番号",
            "counterparty_nickname": "取引相手のニックネーム",
            "item_number": "商品番号",
            "item_name": "商品名",
            "won_on": "落札日",
            "circumstances": "お取引の状況について(メッセージ送信機能を用いて連絡された内容など)",
            "reason": "情報開示を申請する理由",
            "consents": "規定の各号の内容への同意",
        },
        "en": {
            "nickname": "Your own nickname",
            "name": "Your own name",
            "transaction_number": "Transaction number",
            "counterparty_nickname": "Nickname of the other party",
            "item_number": "Item number",
            "item_name": "Item name",
            "won_on": "Date of the winning bid",
            "circumstances": "Circumstances of the transaction (such as what you wrote by the message function)",
            "reason": "Why you apply for disclosure",
            "consents": "Your consent to each section of the rule",
        },
    }
)
"""Language → what the form asks for (D64, D70 to D73) → its name."""

FEES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ja": {
            "postage": "情報開示の通知にかかる郵送料",
            "expenses": "開示のために必要かつ合理的な実費",
            "postage_due": "ご提出いただいた書類の郵便料金の不足分",
        },
        "en": {
            "postage": "Postage of the notice of disclosure",
            "expenses": "Necessary and reasonable expenses of the disclosure",
            "postage_due": "Postage due on papers that you sent us",
        },
    }
)
"""Language → line of an invoice (D41, D42) → its name."""

FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ja": {
            "name": "氏名",
            "kana": "氏名のフリガナ",
            "postal_code": "郵便番号",
            "address": "住所",
        },
        "en": {
            "name": "Name",
            "kana": "Name in kana",
            "postal_code": "Postal code",
            "address": "Address",
        },
    }
)
"""Language → field that stage 2 may disclose (A16) → the category that N11 names."""
