"""Who is calling: a bearer key, its scopes and the shops it may see. Secrets are compared by hash."""

import hmac
import re
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import Problem
from models.access import ApiKey, Scope
from models.booking import Booking
from models.roles import ROLES, Operation, Role, may
from worker.cases.moving import Actor
from worker.database import database

_KEY = re.compile(r"tk_([a-z0-9-]{1,40})_([A-Za-z0-9_-]{43})")
_bearer = HTTPBearer(auto_error=False, description="`Authorization: Bearer tk_…`; made by `python -m worker keys`.")


def _caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> ApiKey:
    if credentials is None:
        raise _unknown("Send an API key: `Authorization: Bearer tk_…`.")
    parts = _KEY.fullmatch(credentials.credentials)
    if parts is None:
        raise _unknown("This is not an API key.")
    with database().snapshot() as session:
        key = session.get(ApiKey, parts[1])
    # The comparison is made in any case, so that the time it takes tells nothing.
    matches = hmac.compare_digest(key.secret_sha256 if key else "", sha256(parts[2].encode()).hexdigest())
    if key is None or not matches or key.revoked_at is not None:
        raise _unknown("This API key is unknown or was revoked.")
    request.state.caller_id = key.id
    return key


def _unknown(detail: str) -> Problem:
    return Problem(401, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})


def needs(scope: Scope) -> Callable[[ApiKey], Awaitable[ApiKey]]:
    """Return a dependency that admits callers with this scope."""

    async def admit(caller: Annotated[ApiKey, Depends(_caller)]) -> ApiKey:
        if not caller.allows(scope):
            raise Problem(403, "forbidden", f"This key lacks the scope `{scope}`.")
        return caller

    return admit


def needs_role(operation: Operation) -> Callable[..., Awaitable[Actor]]:
    """Return a dependency that admits people who may do this, by the one table of roles; it gives who they are (S5)."""

    async def admit(caller: Annotated[ApiKey, Depends(needs(Scope.CASES_WORK))]) -> Actor:
        # Cases are of no shop.
        unbound(caller)
        if caller.person is None:
            raise Problem(403, "person_missing", "This is a system's key; people's work takes a person's own.")
        roles = frozenset(caller.roles or ())
        if not may(roles, operation):
            raise role_missing(operation, ROLES[operation])
        return Actor(f"person:{caller.person}", roles)

    return admit


def role_missing(operation: Operation, roles: Iterable[Role]) -> Problem:
    """Return the problem of somebody who bears none of the roles that this takes."""
    named = [role for role in Role if role in set(roles)]
    detail = f"This takes one of the roles: {', '.join(named)}."
    return Problem(403, "role_missing", detail, extra={"operation": operation, "roles": named})


def covered(caller: ApiKey, shop_id: str) -> None:
    """Refuse a shop outside the key's partition, as if it did not exist (B36).

    Raises:
        Problem: 404.
    """
    if not caller.covers(shop_id):
        raise Problem(404, "shop_closed", "There is no such shop, or it takes no bookings.")


def unbound(caller: ApiKey) -> None:
    """Refuse a key that is bound to some shops what concerns all of them.

    Raises:
        Problem: 403.
    """
    if caller.shops is not None:
        raise Problem(403, "forbidden", "This concerns all shops; it takes a key that is bound to none.")


async def of_all_shops(caller: Annotated[ApiKey, Depends(_caller)]) -> None:
    """Admit keys that are bound to no shop, as a dependency: what these operations concern is of none."""
    unbound(caller)


def visible(caller: ApiKey, booking: Booking | None) -> Booking:
    """Return the booking if the caller may see it.

    Raises:
        Problem: 404 if it does not exist or belongs to another shop.
    """
    if booking is None or not caller.covers(booking.shop_id):
        raise Problem(404, "booking_not_found", "There is no such booking.")
    return booking
