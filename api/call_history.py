"""The history of a shop's calls, booked and at once, as a table for a spreadsheet."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from api.access import covered, needs
from api.arrivals import ReceivedAt
from api.description import says
from api.problems import Problem
from api.windows import check_day, check_window
from models.access import ApiKey, Scope
from models.calendar import FIRST_DAY, first_instant, local_date
from models.shop import Shop
from worker.database import database
from worker.in_call import history

router = APIRouter(prefix="/v1/calls", tags=["calls"])

_EXAMPLE = (
    f"{','.join(history.COLUMNS)}\r\n"
    "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911,booked,0197e3a2-5e00-7a10-8c44-1a0f5a0f4912,hana,"
    "2026-12-01T05:00:00+00:00,answered,12,2026-12-01T05:00:12+00:00,1080,both_left\r\n"
)


def _described() -> dict[str, Any]:
    made = says(200, None, "shop_closed", "invalid_window", "window_too_long", title="Export the history of calls")
    content = {"text/csv": {"schema": {"type": "string"}, "example": _EXAMPLE}}
    made["responses"][200] |= {"description": "One line for each call, the oldest first.", "content": content}
    return made


@router.get("/history", response_class=StreamingResponse, **_described())
def export(
    caller: Annotated[ApiKey, Depends(needs(Scope.BOOKINGS_READ))],
    received_at: ReceivedAt,
    shop: Annotated[str, Query(description="The shop.", max_length=64)],
    from_: Annotated[date | None, Query(alias="from", description="First day, in the shop's zone; a week ago.")] = None,
    to: Annotated[date | None, Query(description="Last day, inclusive; today.")] = None,
) -> StreamingResponse:
    """Return who waited how long, who answered and how long they talked: ids, instants and numbers. 62 days at most.

    No cell begins with a character that a spreadsheet takes for a formula.
    """
    covered(caller, shop)
    with database().snapshot() as session:
        found = session.get(Shop, shop)
        if found is None:
            raise Problem(404, "shop_closed", "There is no such shop.")
        zone = found.zone
    last = to or local_date(received_at, zone)
    check_day("to", last)
    first = from_ or max(FIRST_DAY, last - timedelta(days=6))
    check_day("from", first)
    check_window(first, last)
    of = history.lines(shop, first_instant(first, zone), first_instant(last + timedelta(days=1), zone))
    return StreamingResponse(
        history.as_csv(of),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="calls-{shop}-{first}-{last}.csv"',
            "Cache-Control": "no-store",
        },
    )
