"""Feed a shop's profile from a file, look at it, or see its versions. A client of the API, like a shop's own system.

The file is what `show` prints, or the profile alone, as JSON; "-" reads it from standard input. `put` replaces the
version that was shown, or the one of `--if-version`, and no other: what somebody else fed since is not lost. Standing
bookings that the new rules would not allow are listed with a digest, and nothing is changed unless `--accept DIGEST`
says that exactly they were seen; they stay as they were promised, and `conflicts` lists them from then on.

Give a key with the scope `shops:write` as TORITSUGI_API_KEY or with --key; the API's address as TORITSUGI_URL or with
--api, if it is not the public one.

Answers 0 if it is done, 1 if the API refused, 2 for wrong use, 3 if the API cannot be reached.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from worker.commands.client import Api, Said, WrongUseError, api, refusal, run

_AT_ONCE = 500


@dataclass(frozen=True)
class Client:
    """What the API says of one shop to one key."""

    api: Api
    shop: str

    def ask(self, method: str, path: str = "", **request: Any) -> requests.Response:
        """Ask, and return the answer.

        Raises:
            RefusedError: the API refused.
        """
        return self.api.ask(method, f"/v1/shops/{quote(self.shop, safe='')}{path}", **request)

    def pages(self, method: str, path: str, **request: Any) -> Iterator[Mapping[str, Any]]:
        """Ask for one page of bookings after the other, and yield each answer."""
        query = request.pop("params", {})
        while True:
            answer = self.ask(method, path, params=query, **request).json()
            yield answer
            if answer["after"] is None:
                return
            query = {**query, "after": answer["after"]}


def main(arguments: Sequence[str]) -> int:
    """Run `shops <action>`."""
    chosen = _parser().parse_args(arguments)
    there = api(url=chosen.api, key=chosen.key)
    return run(there, lambda: chosen.act(Client(there, chosen.shop), chosen), refused_as=_refusal)


def _put(client: Client, chosen: argparse.Namespace) -> Iterator[str]:
    given = _given(chosen.file)
    version = chosen.if_version if chosen.if_version is not None else given.version_of(client.shop)
    # Of a shop that is there the API wants to know a version; it says so.
    headers = {"If-Match": f'"{version}"'} if version is not None else {}
    query = {"accept_conflicts": chosen.accept} if chosen.accept else {}
    fed = client.ask("PUT", json=given.profile, headers=headers, params=query).json()
    if not fed["changes"]:
        yield f"{fed['shop']} says this already: version {fed['version']}"
        return
    yield f"{fed['shop']} is at version {fed['version']}"
    yield from (f"  {pointer}" for pointer in fed["changes"])
    if fed["kept_conflicts"]:
        yield f"{fed['kept_conflicts']} bookings stand as they were promised"


def _preview(client: Client, chosen: argparse.Namespace) -> Iterator[str]:
    pages = list(client.pages("POST", "/preview", json=_given(chosen.file).profile))
    seen = pages[-1]
    yield from (f"  {pointer}" for pointer in seen["changes"])
    if not seen["changes"]:
        yield "nothing would change"
    yield f"{seen['conflicts_found']} standing bookings would not be made any more"
    yield from _conflicts((each for page in pages for each in page["conflicts"]), None)
    if len({page["conflicts_digest"] for page in pages}) == 1:
        yield from _conflicts((), seen["conflicts_digest"])
    else:
        # A digest accepts what it names, and of that something was not shown.
        yield "bookings came or went meanwhile: look again"


def _show(client: Client, _chosen: argparse.Namespace) -> Iterator[str]:
    yield json.dumps(client.ask("GET").json(), ensure_ascii=False, indent=2)


def _standing_against(client: Client, _chosen: argparse.Namespace) -> Iterator[str]:
    for page in client.pages("GET", "/conflicts", params={"limit": _AT_ONCE}):
        yield from _conflicts(page["conflicts"], None)


def _versions(client: Client, _chosen: argparse.Namespace) -> Iterator[str]:
    for each in client.ask("GET", "/versions").json()["versions"]:
        yield f"{each['version']:>4}  {each['at']}  {each['by']}  {each['kept_conflicts']} kept"


@dataclass(frozen=True)
class Given:
    """What a file says: a profile, and of which version of which shop it was made if that stands there."""

    profile: Any
    shop: str | None = None
    version: int | None = None

    def version_of(self, shop: str) -> int | None:
        """Return the version that it was made from; what was shown of another shop is no version of this one."""
        return self.version if shop == self.shop else None


def _given(file: str) -> Given:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        said = json.loads(text)
        is_shown = isinstance(said, dict) and "profile" in said
        return Given(said["profile"], said.get("shop"), said.get("version")) if is_shown else Given(said)
    except OSError as error:
        raise WrongUseError(f"{file} cannot be read ({type(error).__name__})") from None
    except ValueError:
        raise WrongUseError(f"{file} is not JSON") from None


def _conflicts(conflicts: Iterable[Mapping[str, Any]], digest: str | None) -> Iterator[str]:
    for each in conflicts:
        yield f"  {each['reference']}  {each['starts_at']}  {', '.join(each['because'])}"
    if digest:
        yield f"to keep them as they were promised: put with --accept {digest}"


def _refusal(problem: Said) -> Iterator[str]:
    yield from refusal(problem)
    if problem["code"] == "version_missing":
        yield "say which version it replaces: `show` prints it, `--if-version` takes it"
    shown = problem.get("conflicts", ())
    yield from _conflicts(shown, None)
    if (more := problem.get("conflicts_found", 0) - len(shown)) > 0:
        yield f"  and {more} more; `preview` lists them all"
    yield from _conflicts((), problem.get("conflicts_digest"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker shops", description=__doc__)
    parser.add_argument("--key", help="an API key with the scope shops:write")
    parser.add_argument("--api", help="the API's address")
    actions = parser.add_subparsers(required=True, metavar="action")
    for name, act, about, takes_file in (
        ("put", _put, "make a profile the shop's next version", True),
        ("preview", _preview, "say what a profile would change", True),
        ("show", _show, "print the profile that is in force, with its version", False),
        ("versions", _versions, "list who fed the shop and when", False),
        ("conflicts", _standing_against, "list the standing bookings that the profile in force would not allow", False),
    ):
        action = actions.add_parser(name, help=about)
        action.set_defaults(act=act)
        action.add_argument("shop", help="the shop's id, such as fred")
        if takes_file:
            action.add_argument("file", help='the profile as JSON; "-" is standard input')
        if name == "put":
            action.add_argument("--accept", metavar="DIGEST", help="exactly these standing bookings were seen")
            action.add_argument(
                "--if-version", type=int, metavar="N", help="the version that the profile was made from"
            )
    return parser
