"""What a page says when it cannot be shown: a page again, never JSON, with whom to ask (B30, D65)."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.pages.case_showing import show_case
from api.pages.reader import Reader
from api.pages.showing import Frame, show
from api.problems import AWAY, Problem, problem_of
from models.errors import Refusal
from models.shop import Shop
from worker.database import database

_log = logging.getLogger("api.pages")
_NOT_FOUND, _UNAVAILABLE = 404, 503
_SAID = {_NOT_FOUND: "not_found", _UNAVAILABLE: "unavailable", 413: "too_large", 422: "not_understood"}
"""Which words a status has; all others share the general ones."""


class LinkUnknown(Problem):
    """The token in the address is not ours, or what it opened is not there (any more)."""

    def __init__(self) -> None:
        super().__init__(_NOT_FOUND, "link_unknown", "This link opens nothing.")


class PageRoute(APIRoute):
    """A route whose errors leave as pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the usual handler with a page for whatever it raises."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except (Problem, Refusal) as refusal:
                problem = refusal if isinstance(refusal, Problem) else problem_of(refusal)
                status, headers = problem.status, problem.headers
            except RequestValidationError:
                status, headers = 422, {}
            except HTTPException as error:
                status, headers = error.status_code, dict(error.headers or {})
            except AWAY:
                _log.warning("the database is away or busy", exc_info=True)
                status, headers = _UNAVAILABLE, {"Retry-After": "5"}
            except Exception:  # noqa: BLE001 - the customer gets a page; the log gets the class and the places
                # The text of an exception may quote what a customer wrote; the log's formatter leaves it out.
                _log.exception("a page failed")
                status, headers = 500, {}
            return await run_in_threadpool(self.failed, request, status, headers)

        return handled

    def failed(self, request: Request, status: int, headers: dict[str, str]) -> Response:
        """Return the page that says so."""
        return _page(request, status, headers)


class CasePageRoute(PageRoute):
    """The same for pages of disclosure cases, which name the office, and no shop."""

    def failed(self, request: Request, status: int, headers: dict[str, str]) -> Response:
        """Return the page that says so. Of a link that opens nothing it says the same whatever the cause."""
        said = _SAID.get(status, "general")
        return show_case(request, "case_failure", Reader.of(request), status=status, headers=headers, said=said)


def _page(request: Request, status: int, headers: dict[str, str]) -> Response:
    # While the database is away, the contacts that this process has shown before are the best there is.
    frame = Frame.remembered(request.path_params.get("shop_id", ""))
    if status != _UNAVAILABLE:
        try:
            with database().snapshot() as session:
                shop = session.get(Shop, request.path_params.get("shop_id", ""))
                frame = Frame.of(session, shop, now=request.state.received_at)
        except AWAY:
            status, headers = _UNAVAILABLE, {"Retry-After": "5"}
    # Somebody may wait by it to be answered. What a form has sent is theirs to send again.
    comes_back = status == _UNAVAILABLE and request.method == "GET"
    said = _SAID.get(status, "general")
    if comes_back:
        said = "comes_back"
    elif status == _NOT_FOUND and "shop_id" in request.path_params:
        said = "shop_closed"
    reader = Reader.of(request, otherwise=frame.shop.language if frame.shop else "ja")
    return show(
        request,
        "failure",
        frame,
        reader=reader,
        status=status,
        headers=headers,
        polls=comes_back,
        said=said,
        comes_back=comes_back,
    )
