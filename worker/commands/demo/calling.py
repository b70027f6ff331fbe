"""A call at once: from the press of 開始 to the end of the talk, over HTTP as a shop's own page would go it."""

from datetime import timedelta
from typing import Any

from worker.commands.demo.telling import Telling, in_tokyo, instant
from worker.commands.up import say

_SHOP = "queens-court"
_STAFF, _COLLEAGUE = "sakura", "kaede"
_OK, _SEE_OTHER = 200, 303


class CallAtOnce(Telling):
    """One customer who does not want to wait for an appointment."""

    def play(self) -> None:
        """Play all of it."""
        terms = self._find_it_open()
        self._find_nobody_there(terms)
        call = self._ring(terms)
        taken = self._answer(call)
        self._enter(taken)
        self._end(call)

    def _find_it_open(self) -> list[dict[str, str]]:
        say("A customer is on the page of QUEENS COURT, and wants advice now.")
        found = self._availability()
        if found["because"] == "closed":
            self.move_to(instant(found["opens_at"]) + timedelta(minutes=1))
            found = self._availability()
        self.told(f"it is {in_tokyo(self.place.clock.now())}, and the shop is open")
        return [{"id": each["id"], "version": each["version"]} for each in found["terms"]]

    def _find_nobody_there(self, terms: list[dict[str, str]]) -> None:
        refused = self._ask(terms, expect=409)
        self.check(refused["because"] == "all_busy", "nobody is at a desk, so nobody is rung")
        self.told(f"a booking is offered instead: {refused['booking_page_url']}")

    def _ring(self, terms: list[dict[str, str]]) -> dict[str, Any]:
        say("\nTwo members of the staff open their page.")
        for member in (_STAFF, _COLLEAGUE):
            self.ask("PUT", f"/v1/shops/{_SHOP}/staff/{member}/presence", {"state": "idle"})
        self.check(self._availability()["available"], "the shop can be called (対応可能)")
        call: dict[str, Any] = self._ask(terms, expect=201)
        self.check(self.page(call["page_url"]).status_code == _OK, "開始 is pressed, and it rings at both desks")
        return call

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        taken: dict[str, Any] = self.ask("POST", f"/v1/calls/{call['id']}/accept", {"staff": _STAFF})
        self.check(taken["status"] == "connected", f"{taken['staff']['name']['en']} takes it, the first one to press")
        late = self.ask("POST", f"/v1/calls/{call['id']}/accept", {"staff": _COLLEAGUE}, expect=409)
        self.check(late["code"] == "call_taken", "her colleague is told so")
        return taken

    def _enter(self, taken: dict[str, Any]) -> None:
        for who, url in (("the customer", taken["enter_url"]), ("Sakura", taken["staff_enter_url"])):
            entered = self.page(f"{url}/enter", {})
            self.check(entered.status_code == _SEE_OTHER, f"{who} enters the room, by a URL that works once")

    def _end(self, call: dict[str, Any]) -> None:
        self.move_to(self.place.clock.now() + timedelta(minutes=7))
        ended = self.ask("POST", f"/v1/calls/{call['id']}/end", {"by": "staff"})
        self.told(f"{ended['talked_seconds']} seconds later the talk is over")
        self.told(f"the call history says: {self._history(call)}")

    def _history(self, call: dict[str, Any]) -> str:
        lines: list[str] = self.ask("GET", "/v1/calls/history", query={"shop": _SHOP}).decode().splitlines()
        mine = [line for line in lines if call["id"] in line]
        self.check(len(mine) == 1, "it stands in the shop's call history, once")
        return mine[0]

    def _availability(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/v1/shops/{_SHOP}/availability")
        return found

    def _ask(self, terms: list[dict[str, str]], *, expect: int) -> dict[str, Any]:
        wish = {"shop": _SHOP, "accepted_terms": terms, "customer_ip": "192.0.2.1", "language": "ja"}
        answer: dict[str, Any] = self.ask("POST", "/v1/calls", wish, expect=expect)
        return answer
