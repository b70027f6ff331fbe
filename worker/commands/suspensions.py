"""Suspending the service: look whom it would concern, decide, undo, lift. A client of the API.

Answers 0 if it is done, 1 if the API refused, 2 for wrong use, 3 if the API cannot be reached.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import requests

from worker.chance import new_id
from worker.clock import unix_ms
from worker.commands.client import Api, api, run

_PATH = "/v1/suspensions"
_TRIES = 3
PAGE = 500
_BODY = (
    "shop",
    "provider",
    "treatment",
    "starts_at",
    "ends_at",
    "notice_at",
    "without_notice_because",
    "notice_url",
    "reason",
)


def main(arguments: Sequence[str]) -> int:
    """Run `suspensions list|show|bookings|preview|plan|undo|lift`."""
    chosen, there = _parser().parse_args(arguments), api()
    return run(there, lambda: _said(there, chosen))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker suspensions",
        description=f"{__doc__} Set TORITSUGI_API_KEY to an operator's key; TORITSUGI_URL if not the public one.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="list those that run or are planned")
    listing.add_argument("--status", choices=["planned", "running", "ended", "undone", "lifted"], help="those instead")
    actions.add_parser("show", help="one with its trail").add_argument("id")
    actions.add_parser("bookings", help="what became of the bookings that it found").add_argument("id")
    for name, about in (
        ("preview", "look whom it would concern; nothing is decided"),
        ("plan", "decide: at once, or with --starts-at"),
    ):
        _add_plan(actions.add_parser(name, help=about))
    for name, about in (("undo", "take back what has not begun"), ("lift", "end what runs")):
        ending = actions.add_parser(name, help=about)
        ending.add_argument("id")
        ending.add_argument("--reason", required=True, help="why; no personal data")
    return parser


def _add_plan(plan: argparse.ArgumentParser) -> None:
    reach = plan.add_mutually_exclusive_group(required=True)
    reach.add_argument("--global", dest="everywhere", action="store_true", help="everything stands still")
    reach.add_argument("--shop", help="one shop")
    reach.add_argument("--provider", help="whatever one provider of calls carries")
    plan.add_argument("--treatment", choices=["keep", "cancel", "move"], default="keep", help="of confirmed bookings")
    plan.add_argument("--starts-at", help="such as 2026-12-01T09:00:00+09:00; at once unless given")
    plan.add_argument("--ends-at", help="an exclusive end; until it is lifted unless given")
    plan.add_argument("--notice-at", help="when those affected are told; at once unless given")
    plan.add_argument("--without-notice-because", help="why nobody can be told beforehand")
    plan.add_argument("--notice-url", required=True, help="the public page that explains it")
    plan.add_argument("--reason", required=True, help="a code or a reference; no personal data")
    plan.add_argument("--key", help="a name for this decision: sent again with the same name it stops nothing twice")


def _said(there: Api, chosen: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the answer, and of the pages that follow it."""
    body = _ask(there, chosen).json()
    yield from _shown(chosen.action, body)
    while after := body.get("after"):
        body = _ask(there, chosen, after=after).json()
        yield from map(_booking, body["bookings"])


def _ask(there: Api, chosen: argparse.Namespace, *, after: str | None = None) -> requests.Response:
    match chosen.action:
        case "list":
            return there.ask("GET", _PATH, params={"status": chosen.status} if chosen.status else {})
        case "show":
            return there.ask("GET", f"{_PATH}/{chosen.id}")
        case "bookings":
            return there.ask("GET", f"{_PATH}/{chosen.id}/bookings", params={"limit": PAGE, "after": after})
        case "undo" | "lift":
            path, body = f"{_PATH}/{chosen.id}/{chosen.action}", {"reason": chosen.reason}
        case _:
            path, body = f"{_PATH}/preview" if chosen.action == "preview" else _PATH, _plan(chosen)
    key = getattr(chosen, "key", None) or str(new_id(unix_ms()))
    return there.ask("POST", path, tries=_TRIES, json=body, headers={"Idempotency-Key": key})


def _plan(chosen: argparse.Namespace) -> dict[str, Any]:
    reach = "shop" if chosen.shop else "provider" if chosen.provider else "global"
    given = {name: getattr(chosen, name) for name in _BODY}
    return {"reach": reach} | {name: value for name, value in given.items() if value is not None}


def _shown(action: str, body: Mapping[str, Any]) -> Iterable[str]:
    match action:
        case "list":
            lines = [_line(each) for each in body["suspensions"]]
        case "bookings" | "preview":
            found = body["bookings" if action == "bookings" else "first"]
            lines = [_booking(each) for each in found]
            if action == "preview":
                lines.insert(0, f"{body['bookings']} bookings inside; {body['holds']} holds, released if it began now")
        case _:
            lines = [json.dumps(body, indent=2, ensure_ascii=False)]
    return lines or ["none"]


def _line(stop: Mapping[str, Any]) -> str:
    whom = stop["shop"] or stop["provider"] or "everything"
    span = f"{stop['starts_at']} to {stop['ends_at'] or 'its lifting'}"
    return f"{stop['id']}  {stop['status']}  {whom}  {span}  {stop['treatment']}  {stop['reason']}"


def _booking(booking: Mapping[str, Any]) -> str:
    became = booking.get("outcome") or (f"until {until}" if (until := booking.get("move_until")) else "kept")
    return f"{booking['id']}  {booking['reference']}  {booking['shop']}  {booking['starts_at']}  {became}"
