"""The sandbox as one HTTP application: all vendors, the ledger's own routes (`/_…`) and the inbox page.

The ledger's routes are for tests, benchmarks and people, never for the workers: a system that looked here could prove
nothing.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from sandbox import faults, inbox, livekit, sendgrid, twilio
from sandbox.answers import ELSEWHERE, Desk
from sandbox.carrier import Carrier
from sandbox.door import Door
from sandbox.ledger import Grouping, Ledger
from sandbox.receipts import PostOffice
from sandbox.settings import Settings
from sandbox.time import Clock, instant


def build(settings: Settings, door: Door) -> FastAPI:
    """Return the application. Its ledger is opened here, its threads start with the server."""
    clock = Clock(settings.database_url)
    ledger = Ledger(settings.ledger)
    carrier = Carrier(
        writers={"sms": twilio.callback_for, "mail": partial(sendgrid.event_for, url=settings.events_url)},
        receipt_seconds=settings.receipt_seconds,
    )
    office = PostOffice(settings=settings, clock=clock, ledger=ledger, carrier=carrier)
    desk = Desk(settings=settings, clock=clock, ledger=ledger, carrier=carrier, office=office, door=door)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        office.start()
        yield
        office.stop()

    app = FastAPI(title="Sandbox for Twilio, SendGrid and LiveKit", lifespan=lifespan, openapi_url=None)
    app.include_router(twilio.routes(desk))
    app.include_router(sendgrid.routes(desk))
    app.include_router(livekit.routes(desk))
    app.include_router(_ledger_routes(desk))
    app.include_router(_fault_routes(desk))
    app.include_router(_suppression_routes(desk))
    app.include_router(inbox.routes(desk))
    return app


class Stop(BaseModel):
    """A number whose owner has answered STOP."""

    model_config = ConfigDict(extra="forbid")

    to: str


class Suppression(BaseModel):
    """A mail address on the vendor's suppression list, and why."""

    model_config = ConfigDict(extra="forbid")

    email: str
    reason: str = "Bounced Address"


class Absence(BaseModel):
    """How long connections are refused."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(gt=0, le=24 * 60 * 60)


def _ledger_routes(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/_health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "now": _when(desk.clock.now()), **desk.ledger.totals()}

    @router.get("/_sent")
    async def sent(
        *,
        attempt: str | None = None,
        message: str | None = None,
        to: str | None = None,
        channel: faults.Channel | None = None,
        account: str | None = None,
        count: Grouping | None = None,
        undelivered: Annotated[bool, Query(description="also what was accepted and not delivered")] = False,
        before: int | None = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    ) -> dict[str, Any]:
        where = {
            "attempt": attempt,
            "message": message,
            "recipient": to.lower() if to else None,
            "channel": channel,
            "account": account,
        }
        if count:
            return {"counts": desk.ledger.delivery_counts(count, where=where)}
        entries = desk.ledger.newest(delivered=not undelivered, limit=limit, where=where, before=before)
        return {"sent": [_delivery(desk, entry) for entry in entries]}

    @router.delete("/_sent", status_code=204)
    async def forget() -> None:
        desk.ledger.empty()

    return router


def _fault_routes(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post("/_script", status_code=201)
    async def post_script(script: faults.Script) -> dict[str, Any]:
        return {"id": desk.ledger.add_script(script), "requests": script.length()}

    @router.get("/_script")
    async def scripts() -> dict[str, Any]:
        return {"scripts": desk.ledger.scripts()}

    @router.delete("/_script", status_code=204)
    async def drop_scripts() -> None:
        desk.ledger.drop_scripts()

    @router.get("/_played")
    async def played(attempt: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> dict[str, Any]:
        return {"counts": desk.ledger.played_counts(), "played": desk.ledger.played(attempt=attempt, limit=limit)}

    @router.post("/_away", status_code=202)
    async def be_away(absence: Absence) -> None:
        desk.ledger.note_kinds(["refuse_connect"], channel="", recipient="", attempt=None, now=desk.clock.now())
        desk.door.leave(absence.seconds)

    @router.get(ELSEWHERE)
    async def elsewhere() -> Response:
        """Answer 200 to whoever follows a redirect that nobody should follow."""
        return HTMLResponse("<html><body><h1>Moved here</h1></body></html>")

    return router


def _suppression_routes(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post("/_stop", status_code=204)
    async def stop(stopped: Stop) -> None:
        desk.ledger.bar(stopped.to, reason="STOP")

    @router.delete("/_stop", status_code=204)
    async def start(to: str) -> None:
        desk.ledger.lift(to)

    @router.post("/_suppress", status_code=204)
    async def suppress(suppression: Suppression) -> None:
        desk.ledger.bar(suppression.email, reason=suppression.reason)

    @router.delete("/_suppress", status_code=204)
    async def unsuppress(email: str) -> None:
        desk.ledger.lift(email)

    return router


def _delivery(desk: Desk, entry: Mapping[str, Any]) -> dict[str, Any]:
    details = entry["details"]
    return {
        "id": entry["id"],
        "sid": entry["sid"],
        "channel": entry["channel"],
        "account": entry["account"],
        "attempt": entry["attempt"],
        "message": entry["message"],
        "to": entry["recipient"],
        "from": entry["sender"],
        "text": entry["text"],
        "subject": details.get("subject"),
        "html": details.get("html"),
        "attachments": [_attachment(each) for each in details.get("attachments", [])],
        "headers": details.get("headers", {}),
        "custom_args": details.get("custom_args", {}),
        "categories": details.get("categories", []),
        "callback": details.get("callback"),
        "validity_seconds": details.get("validity_seconds"),
        "segments": entry["segments"],
        "status": entry["status"],
        "error_code": entry["error_code"],
        "accepted_at": _when(entry["accepted_at"]),
        "delivered_at": _when(entry["delivered_at"]),
        "play": entry["play"],
        "receipts": [
            {
                "says": receipt["says"],
                "tries": receipt["tries"],
                "due_at": _when(receipt["due_at"]),
                "ended_at": _when(receipt["ended_at"]),
                "outcome": receipt["outcome"],
            }
            for receipt in desk.ledger.receipts(entry["id"])
        ],
    }


def _attachment(attachment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "filename": attachment.get("filename"),
        "type": attachment.get("type"),
        "disposition": attachment.get("disposition"),
        # Calendars and texts are read as text; anything else keeps what can be shown of it.
        "content": base64.b64decode(attachment["content"]).decode("utf-8", "replace"),
    }


def _when(epoch_seconds: float | None) -> str | None:
    return None if epoch_seconds is None else instant(epoch_seconds).isoformat()
