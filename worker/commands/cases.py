"""Disclosure cases for the people who handle them. A client of the API, so that roles are held in one place.

A case is named by its number (D0B1F-4B1F) or its id; a paper by its number, an item by its place in the list, anything
else by the beginning of its id. Every deed says why (`--reason`), which is kept sealed.

Give your own key as TORITSUGI_API_KEY or with --key; the API's address as TORITSUGI_URL or with --api, if it is not the
public one. In development: TORITSUGI_API_KEY=$(python -m worker keys dev --person kimura).

Answers 0 if it is done, 1 if the API refused, 2 for wrong use, 3 if the API cannot be reached.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import requests

from models.decision import RefusalReason, Trouble, Verdict
from models.marketplace import When
from models.paper import Flaw, ItemKind, PaperKind
from models.period import JAPAN
from models.roles import Role
from models.work import Work
from worker.chance import new_id
from worker.clock import unix_ms
from worker.commands import case_lines
from worker.commands.client import Api, RefusedError, Said, WrongUseError, api, refusal, run

_TRIES = 3
_LEAST_DIGEST = 8
_MISSING = ("name", "counterparty_nickname", "item_number", "item_name", "won_on", "circumstances", "reason")
_PARTS = ("form", "stage_2", "opinion", "parties", "notes", "wishes", "reasons")
_FIELDS = ("name", "kana", "postal_code", "address")


@dataclass(frozen=True)
class Client:
    """What the API says of cases to one person."""

    api: Api

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read something."""
        answer = self._ask("GET", path, params={name: value for name, value in query.items() if value is not None})
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """Do something, once, however often the network makes us ask."""
        given = {name: value for name, value in body.items() if value is not None}
        return self._ask("POST", path, json=given, headers={"Idempotency-Key": str(new_id(unix_ms()))})

    def case(self, named: str) -> dict[str, Any]:
        """Return the case that somebody names by number or id."""
        return self.get(f"/cases/{self.id_of(named)}")

    def id_of(self, named: str) -> str:
        """Return the id of the case that somebody names."""
        try:
            return str(UUID(named))
        except ValueError:
            found = self.get("/cases", reference=named)["cases"]
        if len(found) != 1:
            raise WrongUseError(f"{len(found)} cases bear the number {named}")
        return str(found[0]["id"])

    def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        # What is not kept under an idempotency key (a look, a letter) is asked for once.
        tries = 1 if path.endswith(("/reveal", "/print", "/reasons")) else _TRIES
        return self.api.ask(method, f"/v1/case-work{path}", tries=tries, **request)


Act = Callable[[Client, argparse.Namespace], Iterable[str]]


def main(arguments: Sequence[str]) -> int:
    """Run `cases <action>`."""
    chosen = _parser().parse_args(arguments)
    there, act = api(url=chosen.api, key=chosen.key), chosen.act
    return run(there, lambda: act(Client(there), chosen), refused_as=_refusal)


def _refusal(problem: Said) -> Iterable[str]:
    yield from refusal(problem)
    if problem.get("lacks"):
        yield f"  lacks: {problem['lacks']}"
    if "case" in problem:
        yield "as it stands now:"
        yield from (f"  {line}" for line in case_lines.of_now(problem["case"]))


# What is read


def _list(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    query = {"role": chosen.role, "work": chosen.work, "after": chosen.after}
    flags = {"mine": chosen.mine or None, "overdue": chosen.overdue or None}
    return case_lines.of_work(client.get("", **query, **flags))


def _show(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    return case_lines.of_case(client.case(chosen.case))


def _reveal(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    body = {"what": chosen.what, "reason": chosen.reason}
    return case_lines.of_revealed(client.post(f"/cases/{client.id_of(chosen.case)}/reveal", body).json())


def _audit(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    path = f"/cases/{client.id_of(chosen.case)}/audit"
    if chosen.reason:
        return case_lines.of_revealed(client.post(f"{path}/reasons", {"reason": chosen.reason}).json())
    return case_lines.of_audit(client.get(path))


def _preview(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    return case_lines.of_preview(client.get(f"/cases/{client.id_of(chosen.case)}/letter/preview"))


# What is done


def _deed(path: str, body: Callable[[argparse.Namespace], Mapping[str, Any]] = lambda _: {}) -> Act:
    """Return what does something to a case that needs nothing looked up."""

    def act(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
        given = {"reason": chosen.reason, **body(chosen)}
        return case_lines.of_now(client.post(f"/cases/{client.id_of(chosen.case)}{path}", given).json())

    return act


def _deed_on(among: str, path: str, body: Callable[[argparse.Namespace], Mapping[str, Any]] = lambda _: {}) -> Act:
    """Return what does something to a part of a case, named as people name it."""

    def act(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
        case = client.case(chosen.case)
        part = _picked(case[among], chosen.part)
        given = {"reason": chosen.reason, **body(chosen)}
        return case_lines.of_now(client.post(f"/cases/{case['id']}{path.format(part['id'])}", given).json())

    return act


def _picked(parts: Sequence[Mapping[str, Any]], named: str) -> Mapping[str, Any]:
    exact = [part for part in parts if named in {str(part.get("number")), str(part.get("position"))}]
    found = exact or [part for part in parts if part["id"].startswith(named)]
    if len(found) != 1:
        raise WrongUseError(f"{len(found)} of them are named {named}")
    return found[0]


def _proposed(chosen: argparse.Namespace) -> Mapping[str, Any]:
    judged = {"negotiated": chosen.negotiated, "legal_interest": chosen.legal_interest}
    return {
        "verdict": chosen.verdict,
        "judged": {**judged, "no_other_way": chosen.no_other_way} if chosen.trouble else None,
        "trouble": chosen.trouble,
        "fields": chosen.field,
        "as_of": chosen.as_of,
        "refusal": chosen.ground,
        "note": chosen.note,
    }


def _decide(path: str) -> Act:
    """Return what does something to the proposal whose digest somebody names."""

    def act(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
        if len(chosen.digest) < _LEAST_DIGEST:
            raise WrongUseError(f"name {_LEAST_DIGEST} digits of the digest that you looked at, or more")
        case = client.case(chosen.case)
        waiting = case["proposal"]
        if waiting is None or not waiting["digest"].startswith(chosen.digest):
            raise WrongUseError("no proposal with this digest waits; look again")
        body = {"reason": chosen.reason, **({"digest": waiting["digest"]} if path == "approve" else {})}
        return case_lines.of_now(client.post(f"/cases/{case['id']}/proposals/{waiting['id']}/{path}", body).json())

    return act


def _paper(chosen: argparse.Namespace) -> Mapping[str, Any]:
    return {
        "number": chosen.number,
        "kind": chosen.kind,
        "is_original": chosen.original,
        "issued_on": chosen.issued_on,
        "applied_on": chosen.applied_on,
        "pledge_version": chosen.pledge_version,
        "states_neither": chosen.states_neither,
        "forbidden_data_visible": chosen.forbidden_data,
        "address_equal": chosen.address_equal,
        "seal_matches": chosen.seal_matches,
        "shelf": chosen.shelf,
        "item": chosen.item,
        "arrived_at": _instant(chosen.arrived_at),
        "postage_due_yen": chosen.postage_due,
    }


def _deficient(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    case = client.case(chosen.case)
    found = [{"item": _picked(case["items"], place)["id"], "flaws": flaws} for place, flaws in chosen.found]
    body = {"reason": chosen.reason, "found": found}
    return case_lines.of_now(client.post(f"/cases/{case['id']}/deficient", body).json())


def _found(text: str) -> tuple[str, list[str]]:
    """Read what is wrong with one item, such as `3:not_sealed,too_old`."""
    place, _, flaws = text.partition(":")
    named = flaws.split(",")
    if not place or not set(named) <= set(Flaw):
        raise argparse.ArgumentTypeError(f"{text!r} is not PLACE:FLAW[,FLAW…]; flaws are {', '.join(_words(Flaw))}")
    return place, named


def _ask(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    case = client.case(chosen.case)
    until = None if chosen.until is None else _end_of(chosen.until)
    body = {"reason": chosen.reason, "wish": chosen.wish, "position": len(case["items"]) + 1, "until": until}
    return case_lines.of_now(client.post(f"/cases/{case['id']}/items", body).json())


def _extend(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    case = client.case(chosen.case)
    body = {"reason": chosen.reason, "until": _end_of(chosen.until), "version": case["version"]}
    return case_lines.of_now(client.post(f"/cases/{case['id']}/extend", body).json())


def _end_of(day: date) -> str:
    """Return the exclusive end of a day that is named as the last one, in Japan."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(JAPAN)).isoformat()


def _print(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
    try:
        # Made first: a letter is handed out once, so nothing may be in its way.
        file = chosen.to.open("xb")
    except OSError as error:
        raise WrongUseError(f"{chosen.to} cannot be made: {error.strerror}") from None
    with file:
        chosen.to.chmod(0o600)
        try:
            path = f"/cases/{client.id_of(chosen.case)}/letter/print"
            file.write(client.post(path, {"reason": chosen.reason}).content)
        except (RefusedError, WrongUseError, requests.RequestException):
            chosen.to.unlink()
            raise
    yield f"the letter is in {chosen.to}; print it once, then delete the file"


def _switch(turn: str) -> Act:
    def act(client: Client, chosen: argparse.Namespace) -> Iterable[str]:
        return case_lines.of_switch(client.post(f"/releases/{turn}", {"reason": chosen.reason}).json())

    return act


def _retention(client: Client, chosen: argparse.Namespace) -> Iterable[str]:  # noqa: ARG001 - as all of them
    return case_lines.of_retention(client.get("/retention"))


def _releases(client: Client, chosen: argparse.Namespace) -> Iterable[str]:  # noqa: ARG001 - as all of them
    return case_lines.of_switch(client.get("/releases"))


def _instant(text: str | None) -> str | None:
    """Return an instant as the API takes it; a time without a zone is Japan's."""
    if text is None:
        return None
    given = datetime.fromisoformat(text)
    return (given if given.tzinfo else given.replace(tzinfo=ZoneInfo(JAPAN))).isoformat()


# The command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker cases", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--key", help="your own key; better as TORITSUGI_API_KEY, which no list of processes shows")
    parser.add_argument("--api", help="the API's address")
    actions = _Actions(parser.add_subparsers(dest="action", required=True, metavar="action"))
    _add_reading(actions)
    _add_deciding(actions)
    _add_papers(actions)
    _add_course(actions)
    return parser


def _words(kind: type[StrEnum]) -> list[str]:
    return [each.value for each in kind]


class _Actions:
    """The actions of the command, each with what it does."""

    def __init__(self, actions: Any) -> None:
        self._actions = actions

    def add(self, name: str, act: Act, about: str, *, case: bool = True, reason: bool = True, part: str = "") -> Any:
        """Add one; return its parser."""
        made = self._actions.add_parser(name, help=about, description=about)
        made.set_defaults(act=act)
        if case:
            made.add_argument("case", help="its number, or its id")
        if part:
            made.add_argument("part", help=part, metavar=part.rsplit(maxsplit=1)[-1])
        if reason:
            made.add_argument("--reason", required=True, help="why, in your own words; it is kept sealed")
        return made


def _add_reading(actions: _Actions) -> None:
    listing = actions.add("list", _list, "what waits for a person, the oldest first", case=False, reason=False)
    listing.add_argument("--role", choices=_words(Role), metavar="ROLE")
    listing.add_argument("--work", choices=_words(Work), metavar="WORK")
    listing.add_argument("--mine", action="store_true", help="only what your own roles do")
    listing.add_argument("--overdue", action="store_true", help="only what lies longer than it should")
    listing.add_argument("--after", help="go on behind a page")
    actions.add("show", _show, "one case whole, with its timeline; nothing sealed is opened", reason=False)
    reveal = actions.add("reveal", _reveal, "open what is sealed; the look is written down")
    reveal.add_argument("--what", action="append", required=True, choices=_PARTS)
    audit = actions.add("audit", _audit, "a case's trail; with --reason, the reasons in it are opened", reason=False)
    audit.add_argument("--reason", help="why the reasons are opened")


def _add_deciding(actions: _Actions) -> None:
    incomplete = actions.add(
        "incomplete",
        _deed("/incomplete", lambda chosen: {"missing": chosen.missing}),
        "ask the applicant for what the form lacks",
    )
    incomplete.add_argument("--missing", action="append", required=True, choices=_MISSING)
    propose = actions.add("propose", _deed("/proposals", _proposed), "propose a decision; another person approves")
    propose.add_argument("verdict", choices=_words(Verdict))
    propose.add_argument("--trouble", choices=_words(Trouble), help="stage 1: what happened (D15)")
    for name, about in (
        ("negotiated", "D13: the messages were negotiation about this trouble"),
        ("legal-interest", "D15: it harms a legitimate legal interest"),
        ("no-other-way", "D16: a way that respects anonymity does not solve it"),
    ):
        propose.add_argument(f"--{name}", action="store_true", help=f"stage 1, {about}")
    propose.add_argument("--field", action="append", choices=_FIELDS, help="stage 2: what is disclosed (D24)")
    propose.add_argument("--as-of", action="append", choices=_words(When), help="stage 2: of which dates (D43)")
    propose.add_argument("--ground", choices=_words(RefusalReason), help="of a refusal; it stays among us (D50)")
    propose.add_argument("--note", help="for the approver, if there is more to say than the reason")
    for name, path, about in (
        ("approve", "approve", "approve what another person proposed, as you looked at it"),
        ("send-back", "send-back", "send a proposal back"),
    ):
        made = actions.add(name, _decide(path), about)
        made.add_argument("digest", help="of the proposal that you looked at; its first digits do")


def _add_papers(actions: _Actions) -> None:
    paper = actions.add("paper", _deed("/papers", _paper), "record a paper that came by post")
    paper.add_argument("number", help="the mail room's own, written on the paper")
    paper.add_argument("kind", choices=_words(PaperKind), metavar="kind", help=", ".join(_words(PaperKind)))
    paper.add_argument("--original", action=argparse.BooleanOptionalAction, required=True, help="as issued or signed")
    paper.add_argument("--shelf", required=True)
    paper.add_argument("--item", choices=_words(ItemKind), help="what it came for, if that is known")
    for name in ("--issued-on", "--applied-on"):
        paper.add_argument(name, metavar="DAY")
    paper.add_argument("--pledge-version")
    paper.add_argument("--address-equal", action=argparse.BooleanOptionalAction, help="to the certificate's (D34)")
    paper.add_argument("--seal-matches", action=argparse.BooleanOptionalAction, help="the seal certificate's (D37)")
    paper.add_argument("--states-neither", action="store_true", help="with a statement that there is neither (D35)")
    paper.add_argument("--forbidden-data", action="store_true", help="a number that must be masked can be read (S10)")
    paper.add_argument("--arrived-at", metavar="TIME", help="in Japan, if no zone is said; else it is now")
    paper.add_argument("--postage-due", type=int, default=0, metavar="YEN")
    move = actions.add(
        "move",
        _deed_on("papers", "/papers/{}/move", lambda chosen: {"from_shelf": chosen.taken, "to_shelf": chosen.put}),
        "write down where a paper lies now",
        part="number or id of the paper",
    )
    move.add_argument("--from", dest="taken", required=True, metavar="SHELF")
    move.add_argument("--to", dest="put", required=True, metavar="SHELF")
    for name, path, about in (
        ("destroy", "/papers/{}/destroy", "write down that a paper was shredded; a second person witnesses it"),
        ("witness", "/papers/{}/destroy/witness", "confirm, as the second person, that a paper was shredded"),
    ):
        actions.add(name, _deed_on("papers", path), about, part="number or id of the paper")
    actions.add(
        "accept", _deed_on("items", "/items/{}/accept"), "accept a paper", part="place in the list, of the item"
    )
    deficient = actions.add("deficient", _deficient, "find papers wanting, all that are in one notice")
    deficient.add_argument(
        "found",
        nargs="+",
        type=_found,
        metavar="PLACE:FLAW[,FLAW]",
        help=f"place in the list, of the item, and what is wrong with it: {', '.join(_words(Flaw))}",
    )
    ask = actions.add("ask", _ask, "ask the applicant for another paper besides")
    ask.add_argument("wish", help="as the applicant is asked for it")
    ask.add_argument("--until", type=date.fromisoformat, metavar="DAY", help="the last day for it, in Japan")


def _add_course(actions: _Actions) -> None:
    pay = actions.add("pay", _deed("/payments", _paid), "record a payment")
    pay.add_argument("number", help="the bank's own")
    pay.add_argument("yen", type=int)
    pay.add_argument("--paid-at", required=True, metavar="TIME", help="when it came in; in Japan, if no zone is said")
    actions.add(
        "preview", _preview, "what the letter would hold and whom it would go to, without a value", reason=False
    )
    made = actions.add("print", _print, "fetch the letter, once")
    made.add_argument("--to", type=Path, required=True, metavar="FILE", help="a new file")
    actions.add("spoil", _deed("/letter/spoil"), "a print failed or was lost, and was shredded: make another")
    dispatch = actions.add("dispatch", _deed("/letter/dispatch", _dispatched), "record that the letter was posted")
    dispatch.add_argument("tracking_number")
    extend = actions.add("extend", _extend, "give the applicant more time")
    extend.add_argument("--until", type=date.fromisoformat, required=True, metavar="DAY", help="the last day, in Japan")
    actions.add("hold", _deed("/hold"), "freeze timers, decisions and purge")
    actions.add("resume", _deed("/resume"), "end a hold")
    for name, path, about in (
        ("deem-arrived", "/notices/{}/deem-arrived", "record that a notice has arrived"),
        ("again", "/notices/{}/again", "send a notice again, to the address that is registered now"),
    ):
        actions.add(name, _deed_on("notices", path), about, part="id of the notice")
    actions.add(
        "close", _deed_on("work", "/work/{}/close"), "take off the list what you looked into", part="id of the work"
    )
    actions.add("retention", _retention, "what is kept of cases, and what has gone", case=False, reason=False)
    actions.add("releases", _releases, "whether releases go out", case=False, reason=False)
    actions.add("stop-releases", _switch("stop"), "let no address and no letter out from now on", case=False)
    actions.add("resume-releases", _switch("resume"), "let them out again", case=False)


def _paid(chosen: argparse.Namespace) -> Mapping[str, Any]:
    return {"number": chosen.number, "amount_yen": chosen.yen, "paid_at": _instant(chosen.paid_at)}


def _dispatched(chosen: argparse.Namespace) -> Mapping[str, Any]:
    return {"tracking_number": chosen.tracking_number}
