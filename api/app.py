"""The ASGI app: routers, middleware, problems, and the relay that hands over what requests owe."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import (
    bookings,
    case_course,
    case_decisions,
    case_letters,
    case_papers,
    case_work,
    cases,
    description,
    health,
    jobs,
    marketplace,
    messages,
    pages,
    problems,
    receipts,
    shops,
    verifications,
    webhooks,
)
from api.arrivals import Arrivals
from worker import logs
from worker.jobs.relay import relay
from worker.settings import settings
from worker.startup import check_message_lengths

_DESCRIPTION = """Books video calls with a shop's staff and does the background work that follows.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Every answer carries `X-Request-Id`."""


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - FastAPI's own signature
    check_message_lengths()
    relay().enable()
    yield


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
        *(shops, bookings, verifications, messages, jobs, webhooks, cases, *case_work_parts),
        *(marketplace, receipts, health, pages),
    ):
        app.include_router(part.router)
    description.install(app)
    app.add_middleware(Arrivals)
    return app
