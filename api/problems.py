"""Problems as RFC 9457 says them, each with a stable code. One table maps the domain's refusals to them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.contacts import contact_url
from models import errors
from worker.database import database
from worker.logs import request_id

_log = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
"""What a database raises that is away or busy, and that it helps to ask again."""

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
    errors.IllegalMove: (409, "It is no longer in a state in which this can be done."),
    errors.WindowClosed: (
        409,
        "Changes and cancellations were possible until `change_deadline_at`. Please use the contact address.",
    ),
    errors.DeadlinePassed: (409, "The time for this is over."),
    errors.StaleRevision: (409, "It has changed since. Read it again and decide on what it says now."),
    errors.SlotTaken: (409, "This time has just been taken. Please choose one of the others."),
    errors.SlotUnknown: (409, "The shop takes no booking for this time. Please choose one of the others."),
    errors.MenuUnknown: (409, "The shop offers no such menu. `GET /v1/shops/{shop}/menus` lists those it has."),
    errors.ConflictsStand: (
        409,
        (
            "Bookings stand that the new rules would not allow; `conflicts` names them. They would stay as they were "
            "promised. If that is meant, repeat it with their `conflicts_digest` as `accept_conflicts`."
        ),
    ),
    errors.VersionStale: (412, "The shop is at another version than the one you read. Read it again."),
    errors.TermsTooSoon: (422, "A new version holds a day from now at the soonest: customers are told beforehand."),
    errors.TermsPublished: (
        409,
        "This version, or its document, is published with another text, address, date or owner.",
    ),
    errors.ShopClosed: (404, "There is no such shop, or it takes no bookings."),
    errors.Suspended: (409, "The service is suspended; `notice_url` explains why, `ends_at` says until when."),
    errors.TooManyChanges: (409, "The booking was changed as often as it may be."),
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
    errors.MemberUnknown: (422, "This party is not in the registry. Feed the member first."),
    errors.NicknameTaken: (409, "Another active member bears this nickname. Feed that member's change first."),
    errors.PartyOfCase: (409, "An open case needs this. Erase the member once the case is over."),
    errors.PartiesFixed: (409, "The parties of a transaction never change."),
    errors.ServiceEnded: (403, "The disclosure service has ended; no application can be taken any more."),
    errors.NotReady: (409, "Something that must come first has not come; `lacks` names it."),
    errors.CaseHeld: (409, "The case is on hold. It can go on once the hold is ended."),
    errors.FourEyes: (409, "Another person must approve: not who proposed it, nor who reviewed the papers."),
    errors.OwnCase: (403, "You are a party of this case; somebody else must handle it."),
    errors.KnownAlready: (409, "Somebody has written this down, or done it, before."),
    errors.ReleasesStopped: (409, "All releases are stopped until the legal department lets them go on."),
    errors.AlreadyOpen: (409, "There is an open case about this transaction already."),
    errors.ConsentMissing: (
        422,
        "Agree to each section of the guideline by the digest of its present text; `sections` names those that lack.",
    ),
    errors.NotAvailable: (409, "Nobody can take a call now; `because` says why. `booking_page_url` is where to book."),
    errors.CallTaken: (409, "Somebody else has taken this call."),
    errors.RingOver: (409, "This call rings no more."),
    errors.StaffBusy: (409, "This member of the staff is in another call."),
    errors.StaffUnknown: (404, "The shop has no such member of the staff, or they take no calls."),
    errors.EntryUsed: (409, "This entry was used before; it opens the room one time."),
    errors.TermsNotAccepted: (
        422,
        "Name each document that governs in `accepted_terms`; `documents` are those that lack.",
    ),
    errors.ContactRefused: (422, "Messages cannot be sent to this address."),
    errors.ProhibitedUse: (403, "The shop cannot offer its service here. `contact_url` is where to ask."),
    errors.TooManyOpenBookings: (409, "There are as many open bookings for this contact as the shop allows."),
    errors.StillOpen: (409, "Something of this customer's is still open; end it first. `open` names what."),
}
"""Status and sentence for each refusal; a subclass inherits its parent's."""

OTHERS: Mapping[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON."),
    "idempotency_key_missing": (400, "This request needs an `Idempotency-Key` of your own."),
    "idempotency_key_malformed": (400, "An `Idempotency-Key` has 1 to 200 visible ASCII characters."),
    "unauthenticated": (401, "The API key is missing, unknown or revoked."),
    "forbidden": (403, "The API key lacks the scope."),
    "person_missing": (403, "This is a system's key; people's work takes a person's own."),
    "role_missing": (403, "The key's person bears none of the roles that this takes; `roles` names them."),
    "bad_signature": (403, "The signature does not fit the request, or is too old."),
    "not_found": (404, "There is nothing at this address."),
    "version_not_found": (404, "The shop has no such version."),
    "version_missing": (428, "The shop is there: name the version you read, as `If-Match`."),
    "booking_not_found": (404, "There is no such booking, or the key does not cover its shop."),
    "report_not_found": (404, "There is no such conduct report, or the key does not cover its shop."),
    "call_not_found": (404, "There is no such call, or the key does not cover its shop."),
    "verification_not_found": (404, "This key has no such verification."),
    "message_not_found": (404, "There is no such message, or the key does not cover its shop."),
    "carrier_not_found": (404, "There is no account of that name, or it has sent nothing yet."),
    "customer_not_found": (404, "There is no such customer, or the key does not cover their shop."),
    "block_not_found": (404, "There is no such block, or the key does not cover its shop."),
    "inquiry_not_found": (404, "There is no such inquiry, or the key does not cover its shop."),
    "job_not_found": (404, "No such job is owed: it is done, or never was."),
    "suspension_not_found": (404, "There is no such suspension, or the key does not cover its shop."),
    "endpoint_not_found": (404, "This key has no such endpoint."),
    "event_not_found": (404, "There is no such event, or it is older than 30 days."),
    "delivery_not_found": (404, "There is no such delivery, or it is older than 30 days."),
    "resend_not_found": (404, "There is no such resend."),
    "case_not_found": (404, "There is no such case, or it was never confirmed."),
    "case_link_invalid": (403, "Send the `Case-Link` of this case, as it was mailed to this party."),
    "decision_not_found": (404, "The case has no such decision."),
    "item_not_found": (404, "The case's list has no such paper."),
    "paper_not_found": (404, "No such paper came for this case."),
    "notice_not_found": (404, "The case has no such notice."),
    "work_not_found": (404, "There is no such work about this case."),
    "member_not_found": (404, "There is no such member."),
    "transaction_not_found": (404, "There is no such transaction."),
    "organisation_not_found": (404, "There is no such organisation."),
    "method_not_allowed": (405, "`Allow` names what can be done here."),
    "request_in_progress": (409, "The same request is being answered just now."),
    "too_many_endpoints": (409, "The key has as many endpoints as it may have."),
    "too_many_secrets": (409, "As many secrets sign already as there may be at a time."),
    "endpoint_disabled": (409, "The endpoint is switched off."),
    "too_large": (413, "The body is larger than a mebibyte."),
    "unsupported_media_type": (415, "The body is of another type than this takes."),
    "invalid_request": (422, "The request has faults; `errors` points at each."),
    "idempotency_key_reused": (422, "The `Idempotency-Key` was used for another request."),
    "invalid_window": (422, "`to` is before `from`, or there is nothing to book in those years."),
    "window_too_long": (422, "The window has more than 62 days."),
    "url_too_long": (422, "The URL is too long."),
    "url_malformed": (422, "This is no URL in ASCII."),
    "url_not_https": (422, "Webhooks go to https only."),
    "url_with_credentials": (422, "The URL has a user or a password."),
    "url_with_fragment": (422, "The URL has a fragment."),
    "port_refused": (422, "The URL's port is neither 443 nor at least 1024."),
    "address_refused": (422, "The URL's address is not a public one."),
    "internal_error": (500, "A fault of ours; nothing was accepted."),
    "database_unavailable": (503, "The database cannot be reached; nothing was accepted."),
    "clock_skew": (503, "The host's clock is more than two seconds off the database's."),
    "schema_outdated": (503, "The database's schema is not this code's."),
}
"""Status and meaning of every code that is no refusal of the domain's, for the API's description."""


def codes() -> dict[str, tuple[int, str]]:
    """Return every code there is, with its status and what it means."""
    return {kind.code: REFUSALS[_said_as(kind)] for kind in _kinds(errors.Refusal)} | dict(OTHERS)


def problem_of(refusal: errors.Refusal, *, received_at: datetime | None = None) -> Problem:
    """Return the problem that says this refusal."""
    status, detail = REFUSALS[_said_as(type(refusal))]
    facts = {name: _plain(value) for name, value in refusal.facts.items() if value is not None}
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


def database_problem(error: Exception) -> Problem:
    """Return 503 for a database that is away or busy, which it helps to ask again; anything else is our own fault."""
    if not isinstance(error, AWAY):
        return fault(error)
    _log.warning("the database is away or busy", exc_info=error)
    return database_unavailable()


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
        problem = problem_of(refusal, received_at=getattr(request.state, "received_at", None))
        await run_in_threadpool(_name_contact, problem, refusal, request.url.path)
        return response(problem)

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
        return response(database_problem(error))


def _name_contact(problem: Problem, refusal: errors.Refusal, path: str) -> None:
    """Say where to ask, if the refusal concerns a shop and the database is there to tell (B30)."""
    try:
        with database().snapshot() as session:
            asked_at = contact_url(session, refusal, path=path, body=None)
    except AWAY:
        return
    if asked_at is not None:
        problem.extra.setdefault("contact_url", asked_at)


def _said_as(kind: type[errors.Refusal]) -> type[errors.Refusal]:
    return next(parent for parent in kind.__mro__ if parent in REFUSALS)


def _kinds(of: type[errors.Refusal]) -> Iterator[type[errors.Refusal]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _plain(fact: object) -> str | int | bool:
    if isinstance(fact, datetime):
        return fact.isoformat()
    return fact if isinstance(fact, int) else str(fact)


def _pointer(location: Sequence[int | str]) -> str:
    """Return a JSON pointer (RFC 6901) into the body, or `/query/…`, `/header/…` for what stands elsewhere."""
    parts = location[1:] if location and location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
