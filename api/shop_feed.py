"""Shops fed by their own systems: the profile as a whole, previewed before it counts, and kept version by version."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.access import covered, needs
from api.arrivals import ReceivedAt
from api.description import says
from api.idempotency import Answer, Explain, Submission, submitted
from api.problems import Problem, problem_of
from api.resources import instant
from api.shop_answers import (
    ConflictList,
    MenuList,
    OneVersion,
    ProfileFed,
    ProfileGiven,
    ProfilePreview,
    ProfileShown,
    VersionList,
)
from models.access import ApiKey, Scope
from models.errors import ConflictsStand, Refusal
from models.shop import Shop
from models.shop_version import ShopVersion
from worker import bookings, shop_feed
from worker.database import database
from worker.offers import menus_of

router = APIRouter(prefix="/v1/shops", tags=["shops"])

_ETAG = re.compile(r'"?([0-9]{1,9})"?')

ShopId = Annotated[str, Path(max_length=64, pattern=r"^[a-z][a-z0-9-]*$", examples=["fred"])]
Reader = Annotated[ApiKey, Depends(needs(Scope.SHOPS_READ))]
Feeder = Annotated[ApiKey, Depends(needs(Scope.SHOPS_WRITE))]
Fed = Annotated[Submission, Depends(submitted(Scope.SHOPS_WRITE))]
Match = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The version that the change was made from, as the `ETag` says it; absent for a new shop.",
        examples=['"3"'],
    ),
]

After = Annotated[UUID | None, Query(description="The last booking of the page before.")]

_FEEDING = says(
    200,
    ProfileFed,
    "version_missing",
    "version_stale",
    "conflicts_stand",
    title="Feed a shop's profile",
    location=False,
)
_FEEDING["responses"][201] = {"model": ProfileFed, "description": "The shop is new."}


@router.put("/{shop_id}", **_FEEDING)
def put_profile(
    shop_id: ShopId,
    body: ProfileGiven,
    sent: Fed,
    *,
    if_match: Match = None,
    accept_conflicts: Annotated[
        str | None,
        Query(
            max_length=64,
            pattern=r"^[0-9a-f]+$",
            description="The `conflicts_digest` of the standing bookings that were seen: exactly these stay.",
            examples=["9f86d081884c7d65"],
        ),
    ] = None,
) -> JSONResponse:
    """Say all that a shop is. What stands is moved by nothing; a profile that says nothing new changes nothing.

    409 `conflicts_stand` with the standing bookings that would not be made any more, unless exactly they are accepted.
    """
    covered(sent.caller, shop_id)
    profile = _checked(body)
    read_version = _version(if_match)
    # The same key with another version, or with what was accepted since, is another request.
    request = replace(sent, target=f"{sent.target} {read_version} {accept_conflicts}")

    def act(session: Session) -> Answer:
        if read_version is None and (known := session.get(Shop, shop_id)) is not None and _says_news(session, known):
            raise Problem(428, "version_missing", "The shop is there: name the version you read, as `If-Match`.")
        fed = shop_feed.feed(
            session,
            shop_id,
            profile,
            read_version=read_version,
            accepted=accept_conflicts,
            by=sent.caller.id,
            now=sent.received_at,
        )
        body = {
            "shop": shop_id,
            "version": fed.version,
            "at": instant(fed.at),
            "changes": list(fed.changes),
            "kept_conflicts": fed.kept,
        }
        return Answer(body, 201 if fed.is_new else 200, {"ETag": f'"{fed.version}"'})

    def _says_news(session: Session, shop: Shop) -> bool:
        return bool(shop_feed.preview(session, shop, profile, now=sent.received_at).changes)

    return request.answer(body, act, explain=_explain(shop_id, profile, sent.received_at))


@router.post("/{shop_id}/preview", **says(200, ProfilePreview, title="Preview a shop's profile"))
def preview_profile(
    shop_id: ShopId, body: ProfileGiven, caller: Feeder, received_at: ReceivedAt, after: After = None
) -> dict[str, Any]:
    """Say what a profile would change and which standing bookings it would not allow. Nothing is changed."""
    covered(caller, shop_id)
    profile = _checked(body)
    with database().snapshot() as session:
        seen = shop_feed.preview(session, session.get(Shop, shop_id), profile, now=received_at)
        return {
            "shop": shop_id,
            "version": seen.version,
            "changes": list(seen.changes),
            "conflicts_found": len(seen.stranded),
            "conflicts_digest": seen.digest,
            **_page([each for each in seen.stranded if after is None or each.booking.id > after]),
        }


@router.get(
    "/{shop_id}/conflicts", **says(200, ConflictList, "shop_closed", title="List what stands against a profile")
)
def list_conflicts(
    shop_id: ShopId,
    caller: Feeder,
    received_at: ReceivedAt,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List the standing bookings that the profile in force would not allow, whoever kept them and when."""
    with database().snapshot() as session:
        shop = _known(session, caller, shop_id)
        # One more than is shown tells whether there are more.
        found = shop_feed.standing_against(session, shop, after=after, most=limit + 1, now=received_at)
        return {"shop": shop.id, "version": shop.profile_version, **_page(found, limit)}


@router.get("/{shop_id}", **says(200, ProfileShown, "shop_closed", title="Read a shop's profile"))
def show_profile(shop_id: ShopId, caller: Feeder) -> JSONResponse:
    """Return the profile that is in force, switched off or not, with its version as `ETag`."""
    with database().snapshot() as session:
        shop = _known(session, caller, shop_id)
        body = {"shop": shop.id, "version": shop.profile_version, "profile": shop_feed.profile_of(session, shop)}
        return Answer(body, headers={"ETag": f'"{shop.profile_version}"'}).response()


@router.get("/{shop_id}/versions", **says(200, VersionList, "shop_closed", title="List a shop's versions"))
def list_versions(shop_id: ShopId, caller: Feeder) -> dict[str, Any]:
    """Return who fed the shop and when, the newest first."""
    with database().snapshot() as session:
        shop = _known(session, caller, shop_id)
        versions = [_line(version) for version in shop_feed.versions_of(session, shop)]
        return {"shop": shop.id, "version": shop.profile_version, "versions": versions}


@router.get(
    "/{shop_id}/versions/{version_number}",
    **says(200, OneVersion, "shop_closed", "version_not_found", title="Read one version of a shop"),
)
def show_version(
    shop_id: ShopId, version_number: Annotated[int, Path(ge=1, le=999_999_999, examples=[4])], caller: Feeder
) -> dict[str, Any]:
    """Return a version as it was fed, without the names of people and the mailbox."""
    with database().snapshot() as session:
        shop = _known(session, caller, shop_id)
        version = session.get(ShopVersion, (shop.id, version_number))
        if version is None:
            raise Problem(404, "version_not_found", "The shop has no such version.")
        return _line(version) | {"profile": version.profile}


@router.get("/{shop_id}/menus", **says(200, MenuList, "shop_closed", title="List a shop's menus"))
def list_menus(shop_id: ShopId, caller: Reader) -> dict[str, Any]:
    """Return the kinds of calls that can be booked, in the shop's order. The first is meant where none is named."""
    covered(caller, shop_id)
    with database().snapshot() as session:
        shop = bookings.shop_open(session, shop_id)
        menus = [
            {"id": menu.id, "name": {"ja": menu.name_ja, "en": menu.name_en}, "minutes": menu.minutes}
            for menu in menus_of(session, shop)
        ]
        return {"shop": shop.id, "menus": menus}


def _known(session: Session, caller: ApiKey, shop_id: str) -> Shop:
    covered(caller, shop_id)
    shop = session.get(Shop, shop_id)
    if shop is None:
        raise Problem(404, "shop_closed", "There is no such shop, or it takes no bookings.")
    return shop


def _checked(body: ProfileGiven) -> dict[str, Any]:
    try:
        return shop_feed.checked(body.model_dump(mode="json"))
    except shop_feed.ProfileFaultyError as error:
        faults = [{"pointer": pointer, "detail": detail} for pointer, detail in error.faults]
        raise Problem(422, "invalid_request", "The profile has faults; see `errors`.", errors=faults) from None


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    parts = _ETAG.fullmatch(if_match.strip())
    if parts is None:
        fault = {"pointer": "/header/If-Match", "detail": "is no version of a shop"}
        raise Problem(422, "invalid_request", "The request has faults; see `errors`.", errors=[fault])
    return int(parts[1])


def _line(version: ShopVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "at": instant(version.at),
        "by": version.by,
        "kept_conflicts": version.accepted_conflicts,
    }


def _page(stranded: Sequence[shop_feed.Stranded], most: int | None = None) -> dict[str, Any]:
    shown = stranded[: most or shop_feed.SHOWN_CONFLICTS]
    return {
        "conflicts": _conflicts(shown),
        "after": str(shown[-1].booking.id) if len(shown) < len(stranded) else None,
    }


def _conflicts(stranded: Sequence[shop_feed.Stranded]) -> list[dict[str, Any]]:
    return [
        {
            "booking": str(each.booking.id),
            "reference": each.booking.reference,
            "status": each.booking.status,
            "starts_at": instant(each.booking.starts_at),
            "ends_at": instant(each.booking.ends_at),
            "because": list(each.because),
        }
        for each in stranded
    ]


def _explain(shop_id: str, profile: dict[str, Any], now: datetime) -> Explain:
    """Return what explains a refusal with the bookings that the feeder has to look at."""

    def explain(session: Session, refusal: Refusal) -> Problem:
        problem = problem_of(refusal, received_at=now)
        if isinstance(refusal, ConflictsStand):
            session.expire_all()
            seen = shop_feed.preview(session, session.get(Shop, shop_id), profile, now=now)
            problem.extra["conflicts_found"] = len(seen.stranded)
            problem.extra["conflicts_digest"] = seen.digest
            problem.extra["conflicts"] = _conflicts(seen.stranded[: shop_feed.SHOWN_CONFLICTS])
        return problem

    return explain
