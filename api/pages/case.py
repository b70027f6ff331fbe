"""The case page: how it stands, what is awaited and until when, for each side what is its own; withdrawing, settling.

The other side is never named, and nothing tells why a case was refused (D50, A13). Forms are in `case_forms`.
"""

from datetime import datetime

from fastapi import APIRouter, Request, Response

from api.arrivals import ReceivedAt
from api.pages.case_asking import Visit, acting, said_of, visiting
from api.pages.case_showing import show_case
from api.pages.case_telling import told_to_applicant, told_to_both, told_to_counterparty
from api.pages.failing import CasePageRoute, LinkUnknown
from api.pages.showing import page_headers, see_other
from models.disclosure import Party
from models.errors import Refusal
from worker.cases import ending, printed
from worker.cases.parties import May
from worker.database import database

router = APIRouter(route_class=CasePageRoute)
_DONE = {"confirmed", "withdrawn", "settled", "facts", "stage-2", "opinion", "misuse-reports", "crossed", "open"}
"""What `?done=` may say: what its bearer has just done."""


@router.api_route("/case/{token}", methods=["GET", "HEAD"])
def look(request: Request, token: str, received_at: ReceivedAt, done: str = "") -> Response:
    """Show the case as it stands."""
    return case_page(request, token, received_at, done=done)


@router.api_route("/case/{token}/pledge.pdf", methods=["GET", "HEAD"])
def pledge(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Return the pledge (誓約書) in the version that the case was given, while its papers are awaited (D36)."""
    with database().snapshot() as session:
        visit = visiting(request, session, token, received_at)
        if visit.party is not Party.APPLICANT or May.DOCUMENTS not in visit.may:
            raise LinkUnknown
        document = printed.pledge_of(session, visit.case)
        name = f"pledge-{visit.case.reference}.pdf"
    return Response(
        document,
        media_type="application/pdf",
        headers={**page_headers(), "Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.api_route("/case/{token}/withdraw", methods=["GET", "HEAD"])
def consider_withdrawing(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask whether the application is to be withdrawn."""
    return _sure(request, token, received_at, May.WITHDRAW)


@router.post("/case/{token}/withdraw")
def withdraw(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Withdraw; what is withdrawn already stays so. Papers are not given back (D29)."""
    return _end(request, token, received_at, May.WITHDRAW)


@router.api_route("/case/{token}/settle", methods=["GET", "HEAD"])
def consider_settling(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask whether the parties came to terms."""
    return _sure(request, token, received_at, May.SETTLE)


@router.post("/case/{token}/settle")
def settle(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """End a case whose parties came to terms."""
    return _end(request, token, received_at, May.SETTLE)


def case_page(
    request: Request, token: str, now: datetime, *, done: str = "", said: str | None = None, status: int = 200
) -> Response:
    """Show a case to whoever bears the link.

    Args:
        request: what is answered.
        token: of the link.
        now: when it arrived.
        done: what its bearer has just done, one of a few words.
        said: words for what could not be done.
        status: HTTP status.

    Raises:
        LinkUnknown: the link opens nothing.
    """
    with database().snapshot() as session:
        visit = visiting(request, session, token, now)
        is_applicant = visit.party is Party.APPLICANT
        return show_case(
            request,
            "case" if is_applicant else "case_told",
            visit.reader,
            status=status,
            here=None if request.method in {"GET", "HEAD"} else visit.path,
            said=said,
            done=done.replace("-", "_") if done in _DONE else None,
            **(told_to_applicant(visit) if is_applicant else told_to_counterparty(visit)),
        )


def refused(request: Request, token: str, now: datetime, refusal: Refusal) -> Response:
    """Say that something could not be done, and how the case stands."""
    said, status = said_of(refusal)
    return case_page(request, token, now, said=said, status=status)


def led_back(visit: Visit, done: str) -> Response:
    """Lead whoever has done something to their page."""
    return see_other(visit.reader.url(visit.path, done=done))


def _sure(request: Request, token: str, now: datetime, operation: May) -> Response:
    with database().snapshot() as session:
        visit = visiting(request, session, token, now)
        if operation in visit.may:
            return show_case(request, "case_sure", visit.reader, operation=operation.value, **told_to_both(visit))
    return case_page(request, token, now)


def _end(request: Request, token: str, now: datetime, operation: May) -> Response:
    def act(visit: Visit) -> None:
        end = ending.withdraw if operation is May.WITHDRAW else ending.settle
        end(visit.session, visit.case, received_at=now)

    return acting(
        request,
        token,
        now,
        operation,
        act,
        refused=lambda refusal: refused(request, token, now, refusal),
        done=lambda visit: led_back(visit, "withdrawn" if operation is May.WITHDRAW else "settled"),
    )
