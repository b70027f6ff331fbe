"""Messages whose outcome nobody could find out, and what a person decides about them. A client of the API.

Answers 0 if it is done, 1 if the API refused, 2 for wrong use, 3 if the API cannot be reached.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests

from worker.commands.client import Api, api, run


def main(arguments: Sequence[str]) -> int:
    """Run `messages list|show|resend|close`, `messages lift`, `messages share`."""
    parser = argparse.ArgumentParser(
        prog="python -m worker messages",
        description=f"{__doc__} Set TORITSUGI_API_KEY to an operator's key; TORITSUGI_URL if not the public one.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="list messages, oldest first")
    listing.add_argument("--state", default="unknown")
    actions.add_parser("show", help="one message with its attempts").add_argument("id")
    resend = actions.add_parser("resend", help="it was not sent: send it again, once")
    close = actions.add_parser("close", help="it arrived, or let it be: do not send it again")
    close.add_argument("--arrived", action="store_true")
    for decision in (resend, close):
        decision.add_argument("id")
        decision.add_argument("--reason", required=True, help="why; no personal data")
    lift = actions.add_parser("lift", help="let a silenced address be sent to again")
    lift.add_argument("channel", choices=["sms", "mail"])
    lift.add_argument("address")
    lift.add_argument("--reason", required=True)
    share = actions.add_parser("share", help="override an account's share of its channel")
    share.add_argument("account")
    share.add_argument("share", help="a number, or `drift` to give it back")
    share.add_argument("--reason", required=True)
    chosen = parser.parse_args(arguments)
    there = api()
    return run(there, lambda: _shown(chosen.action, _ask(there, chosen).json()))


def _ask(there: Api, chosen: argparse.Namespace) -> requests.Response:
    if chosen.action == "list":
        return there.ask("GET", "/v1/messages", params={"state": chosen.state})
    if chosen.action == "show":
        return there.ask("GET", f"/v1/messages/{chosen.id}")
    path, body = _decision(chosen)
    return there.ask("POST", path, json=body)


def _decision(chosen: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
    reason = {"reason": chosen.reason}
    if chosen.action == "resend":
        return f"/v1/messages/{chosen.id}/resend", reason
    if chosen.action == "close":
        return f"/v1/messages/{chosen.id}/close", {**reason, "arrived": chosen.arrived}
    if chosen.action == "lift":
        return "/v1/suppressions/lift", {**reason, "channel": chosen.channel, "address": chosen.address}
    share = None if chosen.share == "drift" else float(chosen.share)
    return f"/v1/carriers/{chosen.account}/share", {**reason, "share": share}


def _shown(action: str, body: Mapping[str, Any]) -> Iterator[str]:
    if action != "list":
        yield json.dumps(body, indent=2, ensure_ascii=False)
        return
    for each in body["messages"]:
        yield (
            f"{each['id']}  {each['kind']}  {each['channel']}  {each['state']}  {each['because'] or ''}  "
            f"since {each['created_at']}  policy {each['when_unknown']}".rstrip()
        )
    if not body["messages"]:
        yield "none"
