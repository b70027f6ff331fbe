"""Heartbeats of a shop's staff (B7): who is there and can be rung. A closed laptop is found out within 45 seconds."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field

from api.access import covered, needs
from api.arrivals import ReceivedAt
from api.call_answers import PresenceShown
from api.description import says
from api.resources import Given, instant, shown
from models.access import ApiKey, Scope
from models.staff import FRESH_FOR, PresenceState
from worker import presence
from worker.calls import ringing
from worker.database import database

router = APIRouter(prefix="/v1/shops", tags=["calls"])
Caller = Annotated[ApiKey, Depends(needs(Scope.CALLS_WRITE))]


class Beat(Given):
    """`PUT …/presence`."""

    model_config = shown({"state": "idle"}, {})

    state: PresenceState | None = Field(
        None,
        description="What they say of themselves: `idle` for whoever can be rung. It holds until they say otherwise, "
        "through calls too. Without it a heartbeat only says that they are still there.",
    )


@router.put(
    "/{shop_id}/staff/{staff_id}/presence",
    **says(200, PresenceShown, "shop_closed", "staff_unknown", title="Send a heartbeat"),
)
def beat(shop_id: str, staff_id: str, body: Beat, caller: Caller, received_at: ReceivedAt) -> JSONResponse:
    """Say that somebody is there, every 15 seconds or so, and how it is when that changes.

    Whoever is in a call is `busy` until its end, and then what they said last. Whoever has said nothing yet is `away`.
    """
    covered(caller, shop_id)
    with database().transaction() as session:
        shop = ringing.shop_called(session, shop_id)
        stands = presence.beat(session, shop.id, staff_id, body.state, received_at)
    fresh_until = instant(received_at + FRESH_FOR)
    return JSONResponse({"shop": shop_id, "staff": staff_id, "state": stands, "fresh_until": fresh_until})
