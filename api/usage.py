"""What a shop's calls and messages have cost the platform, in numbers alone; customers pay nothing (B28)."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.access import covered, needs
from api.arrivals import ReceivedAt
from api.description import says
from api.problems import Problem
from api.resources import instant
from api.usage_answers import UsageShown
from models.access import ApiKey, Scope
from models.calendar import FIRST_DAY, LAST_DAY, local_date
from models.shop import Shop
from worker import usage
from worker.database import database
from worker.usage import Calls

router = APIRouter(prefix="/v1/usage", tags=["usage"])


@router.get("", **says(200, UsageShown, "shop_closed", "invalid_window", title="Read a shop's usage"))
def show(
    caller: Annotated[ApiKey, Depends(needs(Scope.OPERATOR))],
    received_at: ReceivedAt,
    shop: Annotated[str, Query(description="The shop.", max_length=64, pattern=r"^[a-z][a-z0-9-]*$")],
    month: Annotated[
        str | None,
        Query(
            description="Such as `2026-11`, by the shop's calendar; the present one.",
            pattern=r"^\d{4}-(0[1-9]|1[0-2])$",
        ),
    ] = None,
) -> dict[str, Any]:
    """Return call minutes and SMS segments of one shop's month. For the platform: no customer is ever charged."""
    covered(caller, shop)
    with database().snapshot() as session:
        found = session.get(Shop, shop)
        if found is None:
            raise Problem(404, "shop_closed", "There is no such shop.")
        wanted = _first_of(month) if month else local_date(received_at, found.zone)
        used = usage.of_month(session, found, wanted)
    return {
        "shop": shop,
        "month": f"{wanted.year:04}-{wanted.month:02}",
        "begins_at": instant(used.begins_at),
        "ends_at": instant(used.ends_at),
        "booked_calls": _calls(used.booked),
        "calls_at_once": _calls(used.at_once),
        "sms": {"messages": used.sms, "segments": used.sms_segments},
        "mail": {"messages": used.mails},
    }


def _first_of(month: str) -> date:
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        first = date.min
    if not FIRST_DAY <= first <= LAST_DAY.replace(month=1, day=1):
        raise Problem(
            422,
            "invalid_window",
            f"Ask for a month between {FIRST_DAY} and {LAST_DAY}.",
            errors=[{"pointer": "/query/month", "detail": "out of range"}],
        )
    return first


def _calls(calls: Calls) -> dict[str, int]:
    return {"count": calls.count, "minutes": calls.minutes, "seconds": calls.seconds}
