"""A whole disclosure case, from the form to the posted letter: two parties, a marketplace, the people of the house.

Parties read their mail and tap what is in it; people work through the API, each with a key of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from models.calendar import local_date
from models.paper import Flaw, ItemKind, PaperKind
from models.period import JAPAN
from worker.cases.printed import PLEDGE_VERSION
from worker.chance import token_bytes
from worker.commands.demo.telling import Place, Telling, found_in, in_tokyo, instant
from worker.commands.up import say

INTAKE, REVIEWER, MAKER, CHECKER, MAIL_ROOM = "ono", "mori", "kimura", "sato", "abe"
"""The people of development who act here."""
_OK, _SEE_OTHER = 200, 303
_NOT_ALLOWED, _CONFLICT = 403, 409
_PAPERS: Mapping[ItemKind, PaperKind] = {
    ItemKind.CERTIFICATE_OF_RESIDENCE: PaperKind.CERTIFICATE_OF_RESIDENCE,
    ItemKind.LICENCE_OR_PASSPORT: PaperKind.DRIVING_LICENCE,
    ItemKind.PLEDGE: PaperKind.PLEDGE,
    ItemKind.SEAL_CERTIFICATE: PaperKind.SEAL_CERTIFICATE,
}
_JUDGED = {"negotiated": True, "legal_interest": True, "no_other_way": True}


@dataclass(frozen=True)
class Party:
    """A member of the marketplace. There is nobody of that name."""

    id: str
    nickname: str
    name: str
    kana: str
    postal_code: str
    address: str
    email: str


@dataclass(frozen=True)
class Cast:
    """Who plays, and what they say."""

    buyer: Party
    seller: Party
    number: str
    item_name: str = "見本の腕時計"
    situation: str = "届いた品が壊れていたので、メッセージで三度ご連絡しましたが、お返事がありません。"
    reason: str = "返金を求めるため。"
    attempts: str = "開示されたアドレスに三度書きましたが、お返事がありません。"
    necessity: str = "訴訟を起こすため、氏名と住所が必要です。"
    opinion: str = "品は壊れていませんでした。開示に同意しません。"
    because: str = "looked at all of it"
    """What the house's people give as their reason."""
    customer_ip: str = "192.0.2.10"


def new_cast() -> Cast:
    """Return people who were never here before."""
    mark = token_bytes(3).hex()
    hanako = Party(
        f"m-hanako-{mark}",
        f"hanako_{mark}",
        "見本 花子",
        "ミホン ハナコ",
        "100-0001",
        "東京都千代田区見本町一丁目2番3号 見本荘101",
        f"hanako-{mark}@example.jp",
    )
    taro = Party(
        f"m-taro-{mark}",
        f"taro_{mark}",
        "例示 太郎",
        "レイジ タロウ",
        "530-0001",
        "大阪府大阪市北区例示町4-5-6",
        f"taro-{mark}@example.com",
    )
    return Cast(hanako, taro, f"T-{mark}")


@dataclass
class Seen:
    """What the parties have been given so far.

    Attributes:
        won_on: when the buyer won the item.
        case_id: of the case, and `reference`, its number.
        confirm: the page on which the applicant's address is confirmed.
        page: the applicant's case page; `told_page`: the counterparty's.
    """

    won_on: str = ""
    case_id: str = ""
    reference: str = ""
    confirm: str = ""
    page: str = ""
    told_page: str = ""
    papers: int = field(default=0)


class Disclosure(Telling):
    """One case. `letter` is where the printed letter is put, as a printer would put it on a tray."""

    def __init__(self, place: Place, *, cast: Cast | None = None, letter: Path | None = None) -> None:
        super().__init__(place)
        self.cast = cast or new_cast()
        self.letter = letter
        self.seen = Seen()

    def play(self) -> None:
        """Play all of it."""
        for step in self.steps:
            step()

    @property
    def steps(self) -> Sequence[Callable[[], None]]:
        """All of it, in its order."""
        return (
            self.feed,
            self.file,
            self.confirm,
            self.decide_stage_1,
            self.exchange,
            self.ask_for_more,
            self.send_papers,
            self.give_opinion,
            self.review,
            self.decide_stage_2,
            self.pay,
            self.post_letter,
            self.count,
        )

    def feed(self) -> None:
        """The marketplace tells of both members and their trade."""
        say("The marketplace tells of two members and of their trade, which was completed three weeks ago.")
        now = self.place.clock.now()
        won_at, closes_at = now - timedelta(days=40), now - timedelta(days=6)
        self.seen.won_on = _day(won_at)
        for party in (self.cast.buyer, self.cast.seller):
            registered = {key: value for key, value in asdict(party).items() if key != "id"}
            told = {"kind": "individual", "status": "active", "protected_address": False}
            joined = _text(now - timedelta(days=800))
            self.ask("PUT", f"/v1/members/{party.id}", {**told, **registered, "registered_at": joined}, expect=201)
        trade = {
            "seller": self.cast.seller.id,
            "buyer": self.cast.buyer.id,
            "item_number": "I-1024",
            "item_name": self.cast.item_name,
            "won_on": self.seen.won_on,
            "completed_at": _text(now - timedelta(days=21)),
            "anonymous_shipping": True,
            "payment_service": True,
            "message_window_opens_at": _text(won_at),
            "message_window_closes_at": _text(closes_at),
        }
        self.ask("PUT", f"/v1/transactions/{self.cast.number}", trade, expect=201)
        wrote = [
            {"id": f"x-{days}", "sent_by": "buyer", "sent_at": _text(now - timedelta(days=days))} for days in (9, 8, 7)
        ]
        added = self.ask("POST", f"/v1/transactions/{self.cast.number}/messages", {"messages": wrote})["added"]
        self.told(f"the buyer wrote {added} times before the messages were closed")

    def file(self) -> None:
        """The buyer files the form (D65 to D73)."""
        say("\nThe buyer fills in the form, and agrees to each section of the guideline.")
        sections = self.ask("GET", "/v1/disclosure-guideline")["sections"]
        form = {
            "nickname": self.cast.buyer.nickname,
            "name": self.cast.buyer.name,
            "transaction_number": self.cast.number,
            "counterparty_nickname": self.cast.seller.nickname,
            "item_number": "I-1024",
            "item_name": self.cast.item_name,
            "won_on": self.seen.won_on,
            "situation": self.cast.situation,
            "reason": self.cast.reason,
            "consents": {each["number"]: each["sha256"] for each in sections},
            "customer_ip": self.cast.customer_ip,
        }
        filed = self.ask("POST", "/v1/disclosure-cases", form, expect=202)
        self.seen.case_id, self.seen.reference = filed["id"], filed["reference"]
        self.told(f"it is {self.seen.reference}; whether any of it is known, the answer does not say")

    def confirm(self) -> None:
        """The registered address confirms; both sides are told (D38, D68)."""
        say("\nA link goes to the registered address, whatever was typed.")
        mail = self._mail(self.cast.buyer, "アドレスの確認")
        link = self.seen.confirm = found_in(mail["text"], r"(http\S+/case/confirm/\S+)")
        self.check(self.page(link).status_code == _OK, "its page opens, and changes nothing")
        confirmed = self.page(link, {})
        self.check(confirmed.status_code == _SEE_OTHER, "a tap on its button makes a case of the form")
        self._reaches("screening")
        opened = self._mail(self.cast.buyer, "ご申請の受付")
        self.seen.page = found_in(opened["text"], r"(http\S+/case/\S+)")
        told = self._mail(self.cast.seller, "お取引についてのお知らせ")
        self.check(self._names_nobody(told, self.cast.buyer), "the seller is told at the same time, and not who it is")

    def decide_stage_1(self) -> None:
        """Two people decide that addresses are exchanged."""
        say("\nTwo people look at it.")
        self._waits_for("screen")
        checks = self._case()["checks"]
        self.told(f"{sum(each['holds'] for each in checks)} of {len(checks)} automatic checks hold")
        self._decide({"verdict": "disclose", "judged": _JUDGED, "trouble": "breach_of_contract"})

    def exchange(self) -> None:
        """Both read the other's address (D20)."""
        say("\nBoth addresses go out, in one release.")
        to_buyer = self._mail(self.cast.buyer, "e-mailアドレスの開示")
        to_seller = self._mail(self.cast.seller, "e-mailアドレスの開示")
        self.check(self.cast.seller.email in to_buyer["text"], "the buyer reads the seller's address")
        self.check(self.cast.buyer.email in to_seller["text"], "the seller reads the buyer's")
        case = self._reaches("negotiating")
        releases = [event for event in case["timeline"] if event["kind"] == "addresses_released"]
        self.check(len(releases) == 1, "it was one release")

    def ask_for_more(self) -> None:
        """Time passes, and the buyer asks for particulars (D22, D23)."""
        say("\nThe clock moves by three weeks. The seller does not answer, and the buyer wants to sue.")
        self.move_to(self.place.clock.now() + timedelta(days=21))
        wish = {"attempts": self.cast.attempts, "necessity": self.cast.necessity, "knows_no_return": "yes"}
        asked = self.page(f"{self.seen.page}/stage-2", wish)
        self.check(asked.status_code == _SEE_OTHER, "the case page takes the application for stage 2")
        wanted = self._mail(self.cast.buyer, "書類ご提出のお願い")
        for line in wanted["text"].splitlines():
            if line.startswith(("ご提出期限", "1. ", "2. ", "3. ", "4. ")):
                self.told(line)
        told = self._mail(self.cast.seller, "重要なお知らせ")
        self.seen.told_page = found_in(told["text"], r"(http\S+/case/\S+)")
        self.check(self._names_nobody(told, self.cast.buyer), "the seller is told, and asked for an opinion")

    def send_papers(self) -> None:
        """Four papers come, of which one is deficient and comes again (D30 to D37)."""
        say("\nFour papers come by post, one by one. They are recorded, never uploaded, and never given back.")
        for item in _PAPERS:
            self._paper(item)
        case = self._reaches("reviewing")
        self._waits_for("review_papers")
        [pledge] = [each for each in case["items"] if each["kind"] == ItemKind.PLEDGE]
        found = {"found": [{"item": pledge["id"], "flaws": [Flaw.NOT_SEALED.value]}]}
        self.do(REVIEWER, "deficient", found)
        self.check(
            bool(self._mail(self.cast.buyer, "書類の不備")), "the pledge is not sealed, and the buyer is told so"
        )
        self.move_to(self.place.clock.now() + timedelta(days=3))
        self._paper(ItemKind.PLEDGE)
        self._reaches("reviewing")
        self.done("it comes again, sealed")

    def give_opinion(self) -> None:
        """The seller states an opinion (A12)."""
        say("\nThe seller states an opinion on its own page.")
        given = self.page(f"{self.seen.told_page}/opinion", {"opinion": self.cast.opinion})
        self.check(given.status_code == _SEE_OTHER, "it is kept, sealed, for those who decide")

    def review(self) -> None:
        """The reviewer accepts each paper."""
        say("\nThe reviewer compares the papers with each other and with what is registered.")
        self._waits_for("review_papers")
        for item in self._case()["items"]:
            self.do(REVIEWER, f"items/{item['id']}/accept")
        self.check(all(item["standing"] == "accepted" for item in self._case()["items"]), "all four are good")

    def decide_stage_2(self) -> None:
        """Two other people than the reviewer decide what is disclosed (D25)."""
        say("\nTwo people decide what is disclosed: no more than a lawsuit needs.")
        self._decide({"verdict": "disclose", "fields": ["name", "postal_code", "address"], "as_of": ["now"]})
        self._reaches("awaiting_fee")
        invoice = self._mail(self.cast.buyer, "費用のご請求")
        self.told(next(line for line in invoice["text"].splitlines() if line.startswith("お支払い期限")))

    def pay(self) -> None:
        """The fee comes in (D41)."""
        say("\nThe bank tells of the money.")
        case = self._case()
        paid = {
            "payment_id": f"pay-{case['id']}",
            "amount_yen": case["fee_yen"],
            "paid_at": _text(self.place.clock.now() - timedelta(minutes=1)),
        }
        self.ask("POST", f"/v1/disclosure-cases/{self.seen.case_id}/payments", paid, expect=202)
        self._reaches("releasing")
        self.done(f"{case['fee_yen']:,} yen, and the letter is made of what was approved")

    def post_letter(self) -> None:
        """The letter is printed and posted; both sides are told, the case is closed."""
        say("\nThe mail room prints the letter, once, and posts it.")
        self._waits_for("print_letter")
        letter: bytes = self.do(MAIL_ROOM, "letter/print")
        self.check(letter.startswith(b"%PDF-"), f"the letter has {len(letter):,} bytes")
        self.do(MAIL_ROOM, "letter/print", expect=_CONFLICT)
        self.done("it is not printed a second time")
        if self.letter is not None:
            self.letter.write_bytes(letter)
            self.told(f"look at it: {self.letter}")
        self.do(MAIL_ROOM, "letter/dispatch", {"tracking_number": "1234-5678-9012"})
        self.check("1234-5678-9012" in self._mail(self.cast.buyer, "通知書の発送")["text"], "the buyer is told")
        told = self._mail(self.cast.seller, "情報開示についてのお知らせ")
        self.check(self._names_nobody(told, self.cast.buyer), "the seller is told which kinds of data went out")
        self._reaches("disclosed")
        self.done(f"{self.seen.reference} is closed")

    def count(self) -> None:
        """Check that nobody was told anything twice, and say where the legs are seen."""
        say("\nThe vendor's own ledger:")
        self.each_came_once("mails", self.cast.buyer.email, self.cast.seller.email)
        self.told(f"its legs ran as chains; see case.screen_form and what follows it at {self.place.flower}/tasks")

    def _decide(self, proposal: Mapping[str, Any]) -> None:
        """Let one person propose, see that the same one cannot approve, and let another do it."""
        waiting = self.do(MAKER, "proposals", proposal)["proposal"]
        path, approval = f"proposals/{waiting['id']}/approve", {"digest": waiting["digest"]}
        self.do(MAKER, path, approval, expect=_NOT_ALLOWED)
        self.done(f"{MAKER} proposes, and may not approve")
        self.do(CHECKER, path, approval)
        self.done(f"{CHECKER} approves exactly what was proposed ({waiting['digest'][:12]}…)")

    def _paper(self, item: ItemKind) -> None:
        self.seen.papers += 1
        seen = {
            "number": f"P-{self.seen.reference}-{self.seen.papers}",
            "kind": _PAPERS[item],
            "item": item,
            "is_original": item is not ItemKind.LICENCE_OR_PASSPORT,
            "shelf": "A-1",
        }
        if item in {ItemKind.CERTIFICATE_OF_RESIDENCE, ItemKind.SEAL_CERTIFICATE}:
            seen["issued_on"] = _day(self.place.clock.now() - timedelta(days=10))
        if item is ItemKind.PLEDGE:
            seen["pledge_version"] = PLEDGE_VERSION
        self.do(MAIL_ROOM, "papers", seen)
        self.told(f"{item.replace('_', ' ')}: on shelf A-1")

    def do(self, who: str, deed: str, body: Mapping[str, Any] | None = None, *, expect: int = _OK) -> Any:
        """Let one of the people do something to the case, and say why."""
        path = f"/v1/case-work/cases/{self.seen.case_id}/{deed}"
        return self.ask("POST", path, {**(body or {}), "reason": self.cast.because}, by=who, expect=expect)

    def _case(self) -> dict[str, Any]:
        """Return the case as somebody who judges sees it."""
        case: dict[str, Any] = self.ask("GET", f"/v1/case-work/cases/{self.seen.case_id}", by=MAKER)
        return case

    def _reaches(self, state: str) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            case = self._case()
            return case if case["state"] == state else None

        case: dict[str, Any] = self.until(there, f"the state {state}")
        until = case["deadline_at"]
        self.told(f"{state}, until {in_tokyo(instant(until))}" if until else state)
        return case

    def _waits_for(self, work: str) -> None:
        """Wait until something stands on somebody's list."""

        def listed() -> bool:
            return any(each["work"] == work for each in self._case()["work"])

        self.until(listed, f"work of the kind {work}")

    def _mail(self, party: Party, word: str) -> dict[str, Any]:
        mail = self.read(party.email, self.seen.reference, word)
        self.told(f"{'buyer' if party is self.cast.buyer else 'seller'} reads: {mail['subject']}")
        return mail

    def _names_nobody(self, mail: Mapping[str, Any], party: Party) -> bool:
        secret = (party.name, party.kana, party.email, party.address, party.nickname)
        return not any(each in f"{mail['subject']}{mail['text']}{mail['html']}" for each in secret)


def _text(at: datetime) -> str:
    return at.isoformat()


def _day(at: datetime) -> str:
    return local_date(at, JAPAN).isoformat()
