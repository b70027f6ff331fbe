"""What happens to every request before anything looks at it: a size limit, an id, the instant of receipt, a log line.

The log line carries the route's pattern, never the path: paths carry tokens.
"""

import logging
import re
import time
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, database_problem, response
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.logs import request_id

_log = logging.getLogger("api.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
LARGEST_BODY = 1 << 20
"""Bytes. A batch of SendGrid's events is the largest thing that ever arrives."""


class Arrivals:
    """ASGI middleware; must be the outermost, so that the instant of receipt is the instant of receipt."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        given = Headers(scope=scope).get("x-request-id", "")
        current = given if _REQUEST_ID.fullmatch(given) else str(new_id(unix_ms()))
        token = request_id.set(current)
        status = 500
        seen = 0
        answering = False

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                # FastAPI makes a 400 of whatever else reading a body raises.
                raise HTTPException(413, f"A request may have {LARGEST_BODY} bytes at most.")
            return message

        async def marked(message: Message) -> None:
            nonlocal status, answering
            answering = True
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = current
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            scope.setdefault("state", {})["received_at"] = clock().now()
            _check_path(scope["path"])
            await self._app(scope, limited, marked)
        except Problem as problem:
            await response(problem)(scope, receive, marked)
        except Exception as error:
            if answering:
                raise
            # Answered here and not by the framework's own outermost layer, where the request has no id any more.
            await response(database_problem(error))(scope, receive, marked)
        finally:
            route = scope.get("route")
            _log.info(
                "request",
                extra={
                    "method": scope["method"],
                    "route": getattr(route, "path", "unrouted"),
                    "status": status,
                    "milliseconds": round((time.monotonic() - began) * 1000, 1),
                    "caller_id": scope["state"].get("caller_id"),
                },
            )
            request_id.reset(token)


def _check_path(path: str) -> None:
    if "\0" in path:
        # It names nothing, and PostgreSQL would fail over looking for it.
        raise Problem(404, "not_found", "Not Found")


async def _received_at(request: Request) -> datetime:
    at: datetime = request.state.received_at
    return at


ReceivedAt = Annotated[datetime, Depends(_received_at)]
"""The instant at which the request arrived; deadlines are judged by it, however long a lock is waited for."""
