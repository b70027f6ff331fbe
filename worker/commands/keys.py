"""API keys of calling systems: made here, shown once, kept as a hash."""

import argparse
import base64
import re
from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.access import ApiKey, Scope
from models.shop import Shop
from worker.chance import token_bytes
from worker.clock import clock
from worker.database import database
from worker.derived_keys import derived
from worker.settings import Environment, settings

_DEVELOPMENT = "development"
_ID = re.compile(r"[a-z0-9-]{1,40}")


def make_key(session: Session, key_id: str, *, label: str, scopes: Sequence[Scope], shops: Sequence[str] | None) -> str:
    """Write the key's row and return the bearer token, which is shown this once.

    Raises:
        ValueError: a shop is unknown, or the id is in use.
    """
    return _write(session, key_id, _text(token_bytes(32)), label=label, scopes=scopes, shops=shops)


def development_key(session: Session) -> str:
    """Return the key that development has ready: all scopes, all shops, the same at every start.

    Raises:
        ValueError: this is production.
    """
    if settings().environment is Environment.PRODUCTION:
        raise ValueError("there is no development key in production; use `keys make`")
    secret = _text(derived("development-api-key"))
    if session.get(ApiKey, _DEVELOPMENT) is None:
        return _write(session, _DEVELOPMENT, secret, label="made by `make up`", scopes=list(Scope), shops=None)
    return _token(_DEVELOPMENT, secret)


def _write(
    session: Session, key_id: str, secret: str, *, label: str, scopes: Sequence[Scope], shops: Sequence[str] | None
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
    make.add_argument("--scope", action="append", required=True, choices=[str(scope) for scope in Scope])
    make.add_argument("--shop", action="append", help="a shop it may act for; none: all shops")
    actions.add_parser("list", help="list the keys, without their secrets")
    revoke = actions.add_parser("revoke", help="end a key at once")
    revoke.add_argument("id")
    actions.add_parser("dev", help="print development's ready key")
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
        return [development_key(session)]
    if chosen.action == "make":
        scopes = [Scope(scope) for scope in chosen.scope]
        return [make_key(session, chosen.id, label=chosen.label, scopes=scopes, shops=chosen.shop)]
    if chosen.action == "revoke":
        key = session.get(ApiKey, chosen.id)
        if key is None:
            raise ValueError(f"there is no key `{chosen.id}`")
        key.revoked_at = key.revoked_at or clock().now()
        return [f"{key.id} is revoked"]
    keys = session.scalars(select(ApiKey).order_by(ApiKey.id)).all()
    return [
        f"{key.id}\t{'revoked' if key.revoked_at else 'active'}\t{','.join(key.scopes)}\t"
        f"{','.join(key.shops) if key.shops is not None else 'all shops'}\t{key.label}"
        for key in keys
    ] or ["no keys yet; make one with `python -m worker keys make`"]
