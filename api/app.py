"""The ASGI app: routers, middleware, problems, and the relay that hands over what requests owe."""

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from api import (
    blocks,
    bookings,
    call_facts,
    call_history,
    calls,
    case_course,
    case_decisions,
    case_letters,
    case_papers,
    case_work,
    cases,
    conduct_reports,
    customers,
    description,
    health,
    inquiries,
    jobs,
    marketplace,
    messages,
    pages,
    presence,
    problems,
    receipts,
    shop_feed,
    shops,
    staff_links,
    suspensions,
    terms,
    usage,
    verifications,
    webhooks,
)
from api.arrivals import Arrivals
from api.pages.showing import remember_shops
from worker import logs
from worker.database import database
from worker.jobs.relay import relay
from worker.settings import settings
from worker.startup import check_message_lengths, check_terms

_HAND_OVER_WITHIN_SECONDS = 2.0
_DESCRIPTION = """Books video calls with a shop's staff and does the background work that follows.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Every answer carries `X-Request-Id`."""


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - FastAPI's own signature
    check_message_lengths()
    check_terms()
    with suppress(*problems.AWAY), database().snapshot() as session:
        remember_shops(session)
    relay().enable()
    yield
    # What the last requests owe need not wait for the sweep.
    await to_thread(relay().close, within_seconds=_HAND_OVER_WITHIN_SECONDS)


def create_app() -> FastAPI:
    """Return the app; settings are checked here, so a wrong one keeps the process from starting."""
    logs.configure(settings().log_level)
    app = FastAPI(
        title="Toritsugi",
        version="0.1.0",
        description=_DESCRIPTION,
        lifespan=_running,
        redoc_url=None,
    )
    problems.install(app)
    case_work_parts = (case_work, case_decisions, case_papers, case_course, case_letters)
    for part in (
        *(
            shops,
            shop_feed,
            terms,
            suspensions,
            bookings,
            call_history,  # before the calls, whose ids its name would be taken for
            call_facts,
            conduct_reports,
            staff_links,
            calls,
            presence,
            verifications,
            inquiries,
            customers,
            blocks,
            messages,
            jobs,
            webhooks,
            cases,
            *case_work_parts,
        ),
        *(marketplace, usage, receipts, health, pages),
    ):
        app.include_router(part.router)
    description.install(app)
    app.add_middleware(Arrivals)
    return app
