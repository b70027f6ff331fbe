"""The bodies that disclosure cases are asked with (D70 to D73). What is not called optional is mandatory (D66)."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.config import JsonDict

from api.resources import CountableInstant, CustomerIp, Given, PlainText, shown
from models.disclosure import Path
from models.paper import ItemKind
from worker.cases.applying import Form, StageTwo

_EARLIEST, _LATEST = date(1970, 1, 1), date(2200, 1, 1)
_EXAMPLE_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("say something")
    return text.strip()


def _on_calendar(day: date) -> date:
    if not _EARLIEST < day < _LATEST:
        raise ValueError(f"give a day between {_EARLIEST} and {_LATEST}")
    return day


Said = Annotated[PlainText, AfterValidator(_said)]
Day = Annotated[date, AfterValidator(_on_calendar)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
_CONSENTS: JsonDict = dict.fromkeys(("1", "2", "3", "4"), _EXAMPLE_DIGEST)


_EXAMPLE: JsonDict = {
    "transaction_number": "T-2030-0001",
    "counterparty_nickname": "mihon_shop",
    "item_number": "I-1024",
    "item_name": "見本の腕時計",
    "won_on": "2030-04-20",
    "situation": "届いた品が壊れていたので、メッセージで三度ご連絡しました。",
    "reason": "返金を求めるため。",
    "consents": _CONSENTS,
    "language": "ja",
}


class GuidelineAsked(Given):
    """The query of `GET /v1/disclosure-guideline`."""

    model_config = shown({"language": "ja"})

    language: Literal["ja", "en"] = Field("ja", description="Of the text.")


class _About(Given):
    """What every form says of the transaction (D71 to D73), and what was agreed to (D64)."""

    model_config = shown(_EXAMPLE)

    transaction_number: Number = Field(description="取引番号.", examples=["T-2030-0001"])
    counterparty_nickname: Said = Field(min_length=1, max_length=50, examples=["mihon_shop"])
    item_number: Said = Field(min_length=1, max_length=40, description="商品番号.", examples=["I-1024"])
    item_name: Said = Field(min_length=1, max_length=200, examples=["見本の腕時計"])
    won_on: Day = Field(description="落札日, in Japan.", examples=["2030-04-20"])
    situation: Said = Field(min_length=1, max_length=4000, description="お取引の状況, with what was written (D72).")
    reason: Said = Field(min_length=1, max_length=4000, description="申請する理由 (D73).")
    consents: dict[Literal["1", "2", "3", "4"], Digest] = Field(
        description="For each section of the guideline, the `sha256` of the text that was agreed to."
    )
    language: Literal["ja", "en"] = Field("ja", description="Of notices and pages.")

    def _shared(self) -> dict[str, object]:
        return {
            "language": self.language,
            "transaction_number": self.transaction_number,
            "counterparty_nickname": self.counterparty_nickname,
            "item_number": self.item_number,
            "item_name": self.item_name,
            "won_on": self.won_on,
            "situation": self.situation,
            "reason": self.reason,
            "consents": {str(number): digest for number, digest in self.consents.items()},
        }


class CaseRequest(_About):
    """`POST /v1/disclosure-cases`: by a party of the transaction, or by an organisation (D56)."""

    model_config = shown(
        {"path": "party", "nickname": "hana_1024", "name": "見本 花子", "customer_ip": "192.0.2.10", **_EXAMPLE},
        {
            "path": "rights_holder",
            "organisation": "o-12",
            "attestation": "権利侵害品であることを確認しました。",
            "customer_ip": "192.0.2.11",
            **_EXAMPLE,
        },
    )

    path: Path = Field(Path.PARTY, description="Who asks.")
    nickname: Said | None = Field(None, min_length=1, max_length=50, description="A party's own (D70).")
    name: Said | None = Field(None, min_length=1, max_length=100, description="A party's own name (D70).")
    organisation: Number | None = Field(None, description="On the other path, who asks, by your id for it.")
    attestation: Said | None = Field(None, min_length=1, max_length=4000, description="What it attests (D59).")
    customer_ip: CustomerIp = Field(description="The applicant's own address, for limits; kept only as an HMAC.")

    @model_validator(mode="after")
    def _says_who_asks(self) -> Self:
        by_party = self.path is Path.PARTY
        if by_party != (self.nickname is not None and self.name is not None) or (
            by_party and (self.organisation is not None or self.attestation is not None)
        ):
            raise ValueError("a party gives `nickname` and `name`; an organisation `organisation` and `attestation`")
        if by_party == (self.organisation is not None and self.attestation is not None):
            raise ValueError("a party gives `nickname` and `name`; an organisation `organisation` and `attestation`")
        return self

    def form(self) -> Form:
        """Return it as the case takes it."""
        return Form(
            path=self.path,
            nickname=self.nickname,
            name=self.name,
            organisation=self.organisation,
            attestation=self.attestation,
            network=str(self.customer_ip),
            **self._shared(),  # type: ignore[arg-type]  # one member each, as Form names them
        )


class CrossRequest(_About):
    """`POST …/cross-application`: the counterparty applies in turn (D39); its address is proven by its link."""

    model_config = shown(
        {"nickname": "mihon_shop", "name": "見本商店", **_EXAMPLE, "counterparty_nickname": "hana_1024"}
    )

    nickname: Said = Field(min_length=1, max_length=50)
    name: Said = Field(min_length=1, max_length=100)

    def form(self) -> Form:
        """Return it as the case takes it."""
        return Form(
            path=Path.PARTY,
            nickname=self.nickname,
            name=self.name,
            **self._shared(),  # type: ignore[arg-type]  # one member each, as Form names them
        )


class FactsRequest(Given):
    """`POST …/facts`: what was missing in the form. All are optional; what is given replaces what was there."""

    model_config = shown({"situation": "届いた品が壊れていたので、五月一日と三日にご連絡しました。"})

    name: Said | None = Field(None, min_length=1, max_length=100)
    counterparty_nickname: Said | None = Field(None, min_length=1, max_length=50)
    item_number: Said | None = Field(None, min_length=1, max_length=40)
    item_name: Said | None = Field(None, min_length=1, max_length=200)
    won_on: Day | None = None
    situation: Said | None = Field(None, min_length=1, max_length=4000)
    reason: Said | None = Field(None, min_length=1, max_length=4000)

    def facts(self) -> dict[str, str]:
        """Return what was given."""
        return {name: str(value) for name, value in self.model_dump(exclude_none=True).items()}


class StageTwoRequest(Given):
    """`POST …/stage-2`."""

    model_config = shown(
        {
            "attempts": "開示されたアドレスに三度書きましたが、返事がありません。",
            "necessity": "訴訟を起こすため。",
            "knows_no_return": True,
        }
    )

    attempts: Said = Field(min_length=1, max_length=4000, description="How you tried to come to terms by mail (D22).")
    necessity: Said = Field(min_length=1, max_length=4000, description="Why more is needed (D23).")
    knows_no_return: bool = Field(description="The applicant knows that papers are not given back (D29).")

    def wish(self) -> StageTwo:
        """Return it as the case takes it."""
        return StageTwo(self.attempts, self.necessity, self.knows_no_return)


class OpinionRequest(Given):
    """`POST …/opinion`."""

    model_config = shown({"opinion": "開示に同意しません。品は壊れていませんでした。"})

    opinion: Said = Field(min_length=1, max_length=4000)


class MisuseRequest(Given):
    """`POST …/misuse-reports`."""

    model_config = shown({"report": "開示されたアドレスに広告が届きます。"})

    report: Said = Field(min_length=1, max_length=400, description="What what was disclosed was used for (D10).")


class DocumentsRequest(Given):
    """`POST …/documents`: papers that are on their way by post. They are never uploaded."""

    model_config = shown({"kinds": ["certificate_of_residence", "pledge"], "posted_on": "2030-07-01"})

    kinds: list[ItemKind] = Field(min_length=1, max_length=10)
    posted_on: Day


class PaymentRequest(Given):
    """`POST …/payments`: money that came in."""

    model_config = shown({"payment_id": "pay-20300701-17", "amount_yen": 1600, "paid_at": "2030-07-01T03:00:00Z"})

    payment_id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$",
        description="The bank's: told twice, it counts once.",
    )
    amount_yen: int = Field(ge=1, le=10_000_000)
    paid_at: CountableInstant = Field(description="When it came in; the deadline is judged by it.")
