"""Letters and pledges as tests want them. Names are made up, and so are addresses: nobody lives at number 0."""

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from worker.printing.letter import Disclosed, LetterKind, LetterWords, letter
from worker.printing.pledge import PledgeWords, pledge
from worker.printing.postal import Addressee, Sender
from worker.printing.printed import Printed

OPERATOR = Sender(
    name="株式会社トリツギ 開示窓口",
    postal_code="1000000",
    address_lines=("東京都千代田区千代田0-0-0", "取次ビルディング10階"),
    contact_url="https://www.example.jp/contact/disclosure",
)
TARO = Addressee(name="山田 太郎", postal_code="104-0000", address_lines=("東京都中央区銀座0-0-0", "見本荘101号室"))
LONG = Addressee(
    name="シュヴァルツシルト エリーザベト 渡邊龍之介左衛門",
    postal_code="907-0000",
    address_lines=(
        "沖縄県八重山郡竹富町字南風見仲零千二百三十一番地の四",
        "グランドメゾン・ロイヤルパークサイド見本壱番館",
        "サウスタワー二千百三号室 山田太郎様方",
    ),
    organisation="有限会社ながいながい名前の見本ショップ・オークション事業部",
)
SOCIETY = Addressee(
    name="一般社団法人見本権利者団体",
    postal_code="105-0000",
    address_lines=("東京都港区虎ノ門0-0-0",),
    honorific="御中",
)

AT_REGISTRATION = Disclosed(
    "ご登録時(2015年4月1日)",
    (
        ("氏名", "髙橋 﨑子"),
        ("氏名(カナ)", "タカハシ サキコ"),
        ("郵便番号", "530-0000"),
        ("住所", "大阪府大阪市北区梅田0-0-0"),
    ),
)
AT_THE_TRADE = Disclosed(
    "お取引当時(2016年5月20日)",
    (
        ("氏名", "𠮷田 﨑子"),
        ("氏名(カナ)", "ヨシダ サキコ"),
        ("郵便番号", "600-0000"),
        ("住所", "京都府京都市下京区東塩小路町000番地 グランドメゾン見本壱番館 サウスタワー1203号室"),
    ),
)
NOW = Disclosed(
    "開示時点(2016年8月15日)",
    (
        ("氏名", "𠮷田 﨑子"),
        ("氏名(カナ)", "ヨシダ サキコ"),
        ("郵便番号", "060-0000"),
        ("住所", "北海道札幌市中央区北一条西0丁目"),
    ),
)

LETTER = LetterWords(
    kind=LetterKind.PARTY,
    reference="D-2016-000123",
    serial="L-2016-000045",
    issued_on=date(2016, 8, 20),
    sender=OPERATOR,
    addressee=TARO,
    transaction_number="10012345678",
    item_name="限定版 ワイヤレスイヤホン(ブラック)",
    disclosed=(AT_REGISTRATION,),
)
PLEDGE = PledgeWords(
    reference="D-2016-000123",
    version="1",
    issued_on=date(2016, 8, 1),
    transaction_number="10012345678",
    receiver=OPERATOR,
)


@cache
def a_letter(**other: Any) -> Printed:
    """Return the usual letter, with some of its words replaced; printed once for all tests of a run."""
    return letter(replace(LETTER, **other))


@cache
def a_pledge(**other: Any) -> Printed:
    """Return the usual pledge, with some of its words replaced; printed once for all tests of a run."""
    return pledge(replace(PLEDGE, **other))
