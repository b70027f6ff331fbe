"""Problems as RFC 9457 says them, each with a stable code. One table maps the domain's refusals to them."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from models import errors
from worker.logs import request_id

_log = logging.getLogger(__name__)

TYPE = "https://toritsugi.example.jp/problems/"
MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An answer that is not what was asked for.

    Args:
        status: HTTP status.
        code: stable, machine-readable.
        detail: what happened and what to do, for a person.
        extra: further members; no personal data.
        headers: such as Retry-After.
        errors: `{"pointer", "detail"}` for each field at fault.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.extra, self.headers, self.errors = dict(extra or {}), dict(headers or {}), list(errors)

    def body(self) -> dict[str, Any]:
        """Return the members of the answer, RFC 9457's and ours."""
        members: dict[str, Any] = {
            "type": TYPE + self.code,
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id.get(),
        }
        if self.errors:
            members["errors"] = self.errors
        # What the problem is comes last: no fact may hide it.
        return {**self.extra, **members}


REFUSALS: Mapping[type[errors.Refusal], tuple[int, str]] = {
    errors.IllegalMove: (409, "The booking is no longer in a state in which this can be done."),
    errors.WindowClosed: (
        409,
        "Changes and cancellations were possible until the end of the day before. Please use the contact address.",
    ),
    errors.StaleRevision: (409, "The booking has changed since. Read it again and decide on what it says now."),
    errors.SlotTaken: (409, "This time has just been taken. Please choose one of the others."),
    errors.SlotUnknown: (409, "The shop takes no booking for this time. Please choose one of the others."),
    errors.ShopClosed: (404, "There is no such shop, or it takes no bookings."),
    errors.TooManyChanges: (409, "The booking was changed as often as the shop allows."),
    errors.ConfirmationNeeded: (
        409,
        "After this change nothing can be changed or cancelled. If that is meant, repeat it with `accept_final`.",
    ),
    errors.HoldEnded: (409, "The code has expired. Please start again; the time may still be free."),
    errors.CodeWrong: (422, "This is not the code that was sent."),
    errors.CodeExhausted: (409, "Too many wrong codes were entered. Please start again."),
    errors.ResendTooSoon: (429, "A code was sent a moment ago. Please wait before asking for another."),
    errors.ResendTooOften: (429, "The code was sent as often as it may be. Please start again later."),
    errors.TooManyRequests: (429, "There were too many requests of this kind. Please wait and try again."),
    errors.ContactRefused: (422, "Messages cannot be sent to this address."),
}
"""Status and sentence for each refusal; a subclass inherits its parent's."""


def problem_of(refusal: errors.Refusal, *, received_at: datetime | None = None) -> Problem:
    """Return the problem that says this refusal."""
    kind = next(kind for kind in type(refusal).__mro__ if kind in REFUSALS)
    status, detail = REFUSALS[kind]
    facts: dict[str, Any] = {
        key: value.isoformat() if isinstance(value, datetime) else str(value) for key, value in refusal.facts.items()
    }
    for number in ("revision", "attempts_left", "most_changes"):
        if number in refusal.facts:
            facts[number] = refusal.facts[number]
    headers = {}
    retry_at = refusal.facts.get("retry_at")
    if isinstance(retry_at, datetime) and received_at is not None:
        headers["Retry-After"] = str(max(1, round((retry_at - received_at).total_seconds())))
    pointed = [{"pointer": "/contact", "detail": detail}] if isinstance(refusal, errors.ContactRefused) else []
    return Problem(status, refusal.code, detail, extra=facts, headers=headers, errors=pointed)


def response(problem: Problem) -> JSONResponse:
    """Return the problem as `application/problem+json`."""
    return JSONResponse(problem.body(), status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def database_unavailable() -> Problem:
    """Return the problem of a database that is down: the one reason to refuse work as a whole."""
    detail = "The database cannot be reached, so nothing was accepted. Please send the same request again."
    return Problem(503, "database_unavailable", detail, headers={"Retry-After": "5"})


def fault(error: Exception) -> Problem:
    """Return the problem of an error that nobody foresaw. The log gets its class and places, nobody its text."""
    _log.error("request failed", exc_info=error)
    detail = "This is our fault, and nothing was accepted. The request id helps us find it."
    return Problem(500, "internal_error", detail)


def install(app: FastAPI) -> None:
    """Let every error that is foreseen leave as a problem; `Arrivals` sees to all others."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, problem: Problem) -> JSONResponse:  # noqa: ARG001
        return response(problem)

    @app.exception_handler(errors.Refusal)
    async def _refusal(request: Request, refusal: errors.Refusal) -> JSONResponse:
        return response(problem_of(refusal, received_at=getattr(request.state, "received_at", None)))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:  # noqa: ARG001
        # The value at fault is left out: it may be personal data.
        found = [{"pointer": _pointer(fault["loc"]), "detail": str(fault["msg"])} for fault in error.errors()]
        malformed = any(fault["type"] == "json_invalid" for fault in error.errors())
        code, status = ("malformed_json", 400) if malformed else ("invalid_request", 422)
        return response(Problem(status, code, "The request has faults; see `errors`.", errors=found))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:  # noqa: ARG001
        # The framework's own 400 says that a body could not be read at all.
        codes = {
            400: "malformed_json",
            404: "not_found",
            405: "method_not_allowed",
            413: "too_large",
            415: "unsupported_media_type",
        }
        code = codes.get(error.status_code, f"http_{error.status_code}")
        return response(Problem(error.status_code, code, str(error.detail), headers=error.headers))

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeoutError)
    async def _database(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return response(database_unavailable())


def _pointer(location: Sequence[int | str]) -> str:
    """Return a JSON pointer (RFC 6901) into the body, or `/query/…`, `/header/…` for what stands elsewhere."""
    parts = location[1:] if location and location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
