"""What the API and the pages say alike of calls at once: whether a shop can be called, and why a call was refused."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from api.call_answers import availability_out
from api.problems import Problem, problem_of
from api.resources import instant
from models.call import Call, Refused
from models.errors import NotAvailable, ProhibitedUse
from models.shop import Shop
from worker import links, suspending
from worker.calls import availability, ringing
from worker.database import database

_NOT_MODIFIED = 304


def availability_of(shop_id: str, *, now: datetime) -> dict[str, Any]:
    """Return whether a shop can be called at `now`.

    Raises:
        ShopClosed: it is not in the registry, or disabled.
    """
    with database().snapshot() as session:
        shop = ringing.shop_called(session, shop_id)
        documents = list(ringing.documents(session, at=now))
        return availability_out(shop, availability.of(session, shop, now=now), documents)


def fresh_for_a_second(request: Request, body: dict[str, Any], *, is_public: bool) -> Response:
    """Return a body that caches may keep for a second, or 304 to whoever has it already (RFC 9110 §13.1.2)."""
    text = json.dumps(body, ensure_ascii=False, sort_keys=True).encode()
    tag = f'"{sha256(text).hexdigest()[:32]}"'
    whose = "public" if is_public else "private"
    headers = {"ETag": tag, "Cache-Control": f"{whose}, max-age=1"}
    if is_public:
        # A shop's own site asks from another origin.
        headers["Access-Control-Allow-Origin"] = "*"
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known:
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(text, media_type="application/json", headers=headers)


def refused(session: Session, shop: Shop, call: Call, *, now: datetime) -> Problem:
    """Return why a call was not begun, and where to book instead."""
    if call.refused_because is Refused.PROHIBITED_USE:
        return problem_of(ProhibitedUse(shop_id=shop.id, contact_url=shop.contact_url))
    stop = suspending.running(session, shop.id, at=now)
    problem = problem_of(NotAvailable(shop_id=shop.id, call_id=call.id, because=call.refused_because))
    problem.extra["booking_page_url"] = links.shop_page_url(shop)
    if call.refused_because is Refused.CLOSED:
        problem.extra["opens_at"] = instant(shop.calendar.next_opening(now))
    if stop is not None and call.refused_because is Refused.SUSPENDED:
        problem.extra |= {"notice_url": stop.notice_url, "ends_at": instant(stop.ends_at)}
    return problem
