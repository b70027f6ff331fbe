"""API keys of calling systems and of people: made here, shown once, kept as a hash.

A person's key bears the person's name and roles. Four eyes compare names, so one person has one name on all their keys.
"""

import argparse
import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.access import ApiKey, Scope
from models.roles import Role
from models.shop import Shop
from worker.chance import token_bytes
from worker.clock import clock
from worker.database import database
from worker.derived_keys import derived
from worker.settings import Environment, settings

_DEVELOPMENT = "development"
_ID = re.compile(r"[a-z0-9-]{1,40}")
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,39}")

PEOPLE: Mapping[str, Role] = MappingProxyType(
    {
        "ono": Role.INTAKE,
        "mori": Role.REVIEWER,
        "kimura": Role.MAKER,
        "sato": Role.CHECKER,
        "ito": Role.LEGAL,
        "abe": Role.MAIL_ROOM,
        "ueda": Role.ACCOUNTING,
        "endo": Role.AUDITOR,
        "wada": Role.ADMIN,
    }
)
"""The people of development, one for each role. There is nobody of that name."""


@dataclass(frozen=True)
class Person:
    """Whose key it is.

    Attributes:
        name: small letters, digits, `.`, `_` and `-`, beginning with a letter: what trails and four eyes know them by.
        roles: what they may do with disclosure cases.
        member: who they are at the marketplace, by its own id, if they have an account there.
    """

    name: str
    roles: tuple[Role, ...]
    member: str | None = None

    def __post_init__(self) -> None:
        """Refuse a name that might be two people's, and a person who may do nothing.

        Raises:
            ValueError: it says which.
        """
        if not _NAME.fullmatch(self.name):
            raise ValueError("a person's name has up to 40 small letters, digits, `.`, `_` and `-`, a letter first")
        if not self.roles:
            raise ValueError("a person bears at least one role")


def make_key(
    session: Session,
    key_id: str,
    *,
    label: str,
    scopes: Sequence[Scope],
    shops: Sequence[str] | None,
    person: Person | None = None,
) -> str:
    """Write the key's row and return the bearer token, which is shown this once.

    Raises:
        ValueError: a shop is unknown, or the id is in use.
    """
    secret = _text(token_bytes(32))
    return _write(session, key_id, secret, label=label, scopes=scopes, shops=shops, person=person)


def development_key(session: Session) -> str:
    """Return the key that development has ready: all scopes, all shops, the same at every start.

    Raises:
        ValueError: this is production.
    """
    if settings().environment is Environment.PRODUCTION:
        raise ValueError("there is no development key in production; use `keys make`")
    secret = _text(derived("development-api-key"))
    made_before = session.get(ApiKey, _DEVELOPMENT)
    if made_before is None:
        return _write(session, _DEVELOPMENT, secret, label="made by `make up`", scopes=list(Scope), shops=None)
    # By an older release, perhaps, which knew fewer scopes.
    made_before.scopes = list(Scope)
    return _token(_DEVELOPMENT, secret)


def person_key(session: Session, name: str) -> str:
    """Return the key that development has ready for one of its people, the same at every start.

    Raises:
        ValueError: this is production, or there is nobody of that name.
    """
    if settings().environment is Environment.PRODUCTION:
        raise ValueError("there are no development keys in production; use `keys make --person`")
    if name not in PEOPLE:
        raise ValueError(f"development's people are {', '.join(PEOPLE)}")
    key_id, secret = f"{_DEVELOPMENT}-{name}", _text(derived(f"development-api-key of {name}"))
    if session.get(ApiKey, key_id) is not None:
        return _token(key_id, secret)
    person = Person(name, (PEOPLE[name],))
    label = "made for development"
    return _write(session, key_id, secret, label=label, scopes=[Scope.CASES_WORK], shops=None, person=person)


def _write(
    session: Session,
    key_id: str,
    secret: str,
    *,
    label: str,
    scopes: Sequence[Scope],
    shops: Sequence[str] | None,
    person: Person | None = None,
) -> str:
    if not _ID.fullmatch(key_id):
        raise ValueError("a key's id has 1 to 40 small letters, digits and hyphens")
    if session.get(ApiKey, key_id) is not None:
        raise ValueError(f"there is a key `{key_id}` already; revoke it or choose another id")
    unknown = [shop for shop in shops or () if session.get(Shop, shop) is None]
    if unknown:
        raise ValueError(f"unknown shops: {', '.join(unknown)}")
    session.add(
        ApiKey(
            id=key_id,
            label=label,
            secret_sha256=sha256(secret.encode()).hexdigest(),
            scopes=[str(scope) for scope in scopes],
            shops=list(shops) if shops is not None else None,
            person=person.name if person else None,
            roles=[str(role) for role in person.roles] if person else None,
            member=person.member if person else None,
            created_at=clock().now(),
        )
    )
    return _token(key_id, secret)


def _token(key_id: str, secret: str) -> str:
    return f"tk_{key_id}_{secret}"


def _text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def main(arguments: Sequence[str]) -> int:
    """Run `keys make|list|revoke|dev`."""
    parser = argparse.ArgumentParser(prog="python -m worker keys", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    make = actions.add_parser("make", help="make a key and print it, once")
    make.add_argument("id", help="the caller's name: small letters, digits and hyphens")
    make.add_argument("--label", default="", help="whose it is")
    make.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=[str(scope) for scope in Scope],
        help="what it may do; a person's key has cases:work by itself",
    )
    make.add_argument("--shop", action="append", help="a shop it may act for; none: all shops")
    make.add_argument("--person", help="whose own key it is: the one name that trails and four eyes know them by")
    make.add_argument("--role", action="append", default=[], choices=[str(role) for role in Role], help="the person's")
    make.add_argument("--member", help="the person's own id at the marketplace: its cases are kept from them")
    actions.add_parser("list", help="list the keys, without their secrets")
    revoke = actions.add_parser("revoke", help="end a key at once")
    revoke.add_argument("id")
    dev = actions.add_parser("dev", help="print development's ready key")
    dev.add_argument("--person", choices=list(PEOPLE), help="the key of one of development's people instead")
    chosen = parser.parse_args(arguments)
    try:
        with database().transaction() as session:
            for line in _act(session, chosen):
                print(line)  # noqa: T201 - a command talks to its terminal
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    return 0


def _act(session: Session, chosen: argparse.Namespace) -> list[str]:
    if chosen.action == "dev":
        return [person_key(session, chosen.person) if chosen.person else development_key(session)]
    if chosen.action == "make":
        return [_made(session, chosen)]
    if chosen.action == "revoke":
        key = session.get(ApiKey, chosen.id)
        if key is None:
            raise ValueError(f"there is no key `{chosen.id}`")
        key.revoked_at = key.revoked_at or clock().now()
        return [f"{key.id} is revoked"]
    keys = session.scalars(select(ApiKey).order_by(ApiKey.id)).all()
    return [
        f"{key.id}\t{'revoked' if key.revoked_at else 'active'}\t{','.join(key.scopes)}\t"
        f"{','.join(key.shops) if key.shops is not None else 'all shops'}\t"
        f"{f'{key.person}: ' + ','.join(key.roles or ()) if key.person else 'a system'}\t{key.label}"
        for key in keys
    ] or ["no keys yet; make one with `python -m worker keys make`"]


def _made(session: Session, chosen: argparse.Namespace) -> str:
    scopes = [Scope(scope) for scope in chosen.scope]
    if chosen.person is None and (chosen.role or chosen.member):
        raise ValueError("roles and an account at the marketplace are a person's; say whose with --person")
    roles = tuple(Role(role) for role in chosen.role)
    person = None if chosen.person is None else Person(chosen.person, roles, chosen.member)
    if person is not None:
        scopes = list(dict.fromkeys([*scopes, Scope.CASES_WORK]))
    if not scopes:
        raise ValueError("a key without a scope opens nothing; give --scope")
    return make_key(session, chosen.id, label=chosen.label, scopes=scopes, shops=chosen.shop, person=person)
