"""A whole case by way of the API: every operation of the parties and of people's work is done once, and succeeds."""

from typing import Any
from uuid import UUID

from httpx2 import Response

from models.disclosure import Party
from models.work import Work
from tests.api import case_filing
from tests.api.case_deeds import DEEDS
from tests.api.case_people import SECOND, People
from worker.cases import worklist

_BUYER = {
    "transaction_number": "T-life",
    "nickname": "nick-blife",
    "name": "見本 blife",
    "counterparty_nickname": "nick-slife",
}
_SELLER = {**_BUYER, "nickname": "nick-slife", "name": "見本 slife", "counterparty_nickname": "nick-blife"}
PAPERS = ("certificate_of_residence", "pledge", "seal_certificate")
_CASES = "/v1/disclosure-cases"
_BY_EVENT = {deed.event: deed for deed in DEEDS}


class Life:
    """One case, about a transaction of its own, and the people who handle it, each in their role."""

    def __init__(self, people: People) -> None:
        self._people, self._office = people, people.office
        self._office.feed(number="T-life", buyer="b-life", seller="s-life")
        self._people.caller.http.get("/v1/disclosure-guideline")
        filed = self._post("", case_filing.body(**_BUYER), headers={"Idempotency-Key": "a-life"})
        self.case_id = UUID(filed.json()["id"])
        self._people.backroom.work()
        self._office.confirm(self.case_id)

    def live(self) -> None:
        """Let it come to its end."""
        self._screen()
        self._negotiate()
        self._collect()
        self._decide()
        self._release()
        self._look()

    def _screen(self) -> None:
        self._people.see("wada", "", limit=1)
        self._people.see("abe", "/cases", reference=self._office.case(self.case_id).reference)
        self._do("incomplete")
        self._ask(Party.APPLICANT, "facts", {"situation": "五月一日にご連絡しました。"})
        self._do("proposed", "sent_back", "proposed")
        self._people.backroom.vendor_answers = False
        self._do("approved")
        self._people.backroom.work()
        for party in Party:
            notice = next(each["id"] for each in self._shown()["notices"] if each["kind"] == f"case_address_to_{party}")
            self._act("ono", f"/notices/{notice}/deem-arrived")
        self._people.backroom.vendor_answers = True

    def _negotiate(self) -> None:
        self._do("notified_again", "extended", "held", "resumed")
        self._people.change(
            self.case_id,
            lambda session, case: worklist.open_work(session, case, Work.LOOK_AT_PATTERN, now=self._office.now),
        )
        self._do("work_closed")
        self._ask(
            Party.APPLICANT, "stage-2", {"attempts": "三度書きました。", "necessity": "訴訟。", "knows_no_return": True}
        )
        crossed = self._ask(Party.COUNTERPARTY, "cross-application", case_filing.body(**_SELLER, customer_ip=None))
        self._crossed = UUID(crossed.json()["id"])

    def _collect(self) -> None:
        self._post(f"/{self.case_id}/documents", {"kinds": ["pledge"], "posted_on": "2030-06-03"})
        self._do("paper_wanted", "paper_recorded", "paper_moved")
        for kind in PAPERS:
            self._paper(kind)
        self._paper("other", item="other")
        self._people.backroom.work()
        self._do("papers_deficient")
        self._paper("pledge", number="R-pledge-2")
        self._people.backroom.work()
        self._ask(Party.COUNTERPARTY, "opinion", {"opinion": "同意しません。"})
        for item in self._shown()["items"]:
            self._act("mori", f"/items/{item['id']}/accept")

    def _decide(self) -> None:
        self._act("kimura", "/proposals", verdict="disclose", fields=["name", "address"], as_of=["now", "registration"])
        self._people.see("sato", f"/cases/{self.case_id}/letter/preview")
        self._do("approved")
        self._post(
            f"/{self.case_id}/payments", {"payment_id": "p-1", "amount_yen": 1, "paid_at": self._office.now.isoformat()}
        )
        self._do("paid")
        self._people.backroom.work()

    def _release(self) -> None:
        for turn in ("stop", "resume"):
            assert self._people.do("ito", f"/releases/{turn}").status_code == 200
        self._people.see("wada", "/releases")
        self._act("abe", "/letter/print")
        self._do("letter_spoiled")
        self._act("abe", "/letter/print")
        self._do("letter_posted")
        self._people.backroom.work()
        self._do("paper_shredded", "paper_destroyed")

    def _look(self) -> None:
        parts = ["form", "stage_2", "opinion", "parties", "notes", "wishes", "reasons"]
        self._act(SECOND, "/reveal", what=parts)
        self._act("endo", "/audit/reasons")
        self._people.see("endo", f"/cases/{self.case_id}/audit")
        self._people.see("endo", "/retention")
        for path in ("", "/view"):
            self._people.caller.http.get(f"{_CASES}/{self.case_id}{path}", headers=self._link(Party.APPLICANT))
        self._ask(Party.COUNTERPARTY, "misuse-reports", {"report": "広告が届きます。"})

    def end_otherwise(self) -> None:
        """Let the case that was opened in turn be settled, and a third one be withdrawn."""
        self.case_id = self._crossed
        self._ask(Party.APPLICANT, "settle")
        again = self._ask(Party.COUNTERPARTY, "cross-application", case_filing.body(**_BUYER, customer_ip=None))
        self.case_id = UUID(again.json()["id"])
        self._ask(Party.APPLICANT, "withdraw")

    def _post(self, path: str, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> Response:
        answer = self._people.caller.http.post(f"{_CASES}{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        self._people.backroom.work()
        return answer

    def _ask(self, party: Party, operation: str, body: dict[str, Any] | None = None) -> Response:
        return self._post(f"/{self.case_id}/{operation}", body, headers=self._link(party))

    def _link(self, party: Party) -> dict[str, str]:
        return {"Case-Link": self._people.link(self.case_id, party)}

    def _paper(self, kind: str, *, number: str | None = None, **more: Any) -> None:
        seen = {"kind": kind, "is_original": True, "issued_on": "2030-05-25", "shelf": "A-1", **more}
        self._act("abe", "/papers", number=number or f"R-{kind}", pledge_version="1", **seen)

    def _do(self, *events: str) -> None:
        for event in events:
            deed, shown = _BY_EVENT[event], self._shown()
            self._act(deed.who, deed.path(shown), **deed.body(shown))

    def _act(self, who: str, path: str, **body: Any) -> None:
        answer = self._people.do(who, f"/cases/{self.case_id}{path}", **body)
        assert answer.status_code == 200, answer.text

    def _shown(self) -> dict[str, Any]:
        return self._people.shown(self.case_id)
