"""The page behind the link that proves the registered address: with its button a form becomes a case, once (D68).

It shows what was typed and nothing that the registry knows: whether such a transaction exists is not told here.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.case_asking import REFUSED, page_path
from api.pages.case_showing import show_case
from api.pages.case_telling import service_told
from api.pages.failing import CasePageRoute, LinkUnknown
from api.pages.reader import Reader
from api.pages.showing import see_other
from models.disclosure import DisclosureCase, State
from models.errors import AlreadyOpen, DeadlinePassed, IllegalMove, ServiceEnded
from worker.cases import applying, noticing, parties
from worker.cases.moving import policy
from worker.database import database
from worker.links import CaseLinkRole
from worker.wording import dates

router = APIRouter(route_class=CasePageRoute)
_ZONE = ZoneInfo(dates.TOKYO)


@router.api_route("/case/confirm/{token}", methods=["GET", "HEAD"])
def ask(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask whether the application is the reader's own; what was confirmed before leads to its page."""
    with database().snapshot() as session:
        bearer = _bearer(session, token, now=received_at)
        if bearer.case.confirmed_at is not None:
            return _to_page(request, session, bearer)
        return _ask(request, session, bearer, token, now=received_at)


@router.post("/case/confirm/{token}")
def confirm(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Make a case of the form. A second tap changes nothing and leads to its page."""
    try:
        with database().transaction() as session:
            bearer = _bearer(session, token, now=received_at, lock=True)
            is_first = bearer.case.confirmed_at is None
            applying.confirm(session, bearer.case, received_at=received_at)
            return _to_page(request, session, bearer, done="confirmed" if is_first else "")
    except AlreadyOpen:
        with database().snapshot() as session:
            bearer = _bearer(session, token, now=received_at)
            open_case = applying.standing_beside(session, bearer.case)
            if open_case is None:
                # It has come to its end this very moment: the same button works now.
                return _ask(request, session, bearer, token, now=received_at, status=REFUSED)
            return _to_page(request, session, parties.Bearer(open_case, bearer.party, bearer.role), done="open")
    except (DeadlinePassed, ServiceEnded, IllegalMove):
        with database().snapshot() as session:
            return _ask(
                request, session, _bearer(session, token, now=received_at), token, now=received_at, status=REFUSED
            )


def _bearer(session: Session, token: str, *, now: datetime, lock: bool = False) -> parties.Bearer:
    bearer = parties.bearer(session, token, lock=lock)
    if bearer is None or bearer.role is not CaseLinkRole.CONFIRM:
        raise LinkUnknown
    # What it was for is done, so it is no second key to the case for longer than it takes to tap twice (S13).
    life = timedelta(hours=policy().confirm_hours)
    if bearer.case.confirmed_at is not None and now >= bearer.case.filed_at + life:
        raise LinkUnknown
    return bearer


def _ask(
    request: Request, session: Session, bearer: parties.Bearer, token: str, *, now: datetime, status: int = 200
) -> Response:
    case, reader = bearer.case, Reader.of(request, usual=bearer.case.language)
    until = "" if case.deadline_at is None else dates.deadline_long(case.deadline_at, _ZONE, reader.language)
    return show_case(
        request,
        "case_confirm",
        reader,
        status=status,
        path=f"/case/confirm/{token}",
        state=_state(case, now),
        transaction_number=noticing.transaction_of(session, case, bearer.party),
        reference=case.reference,
        until=until,
        service=service_told(now, reader.language),
    )


def _state(case: DisclosureCase, now: datetime) -> str:
    """Return whether it can be confirmed, or why not any more."""
    if case.state is State.SERVICE_ENDED or policy().service_has_ended(now):
        return "service_ended"
    in_time = case.deadline_at is None or now < case.deadline_at
    return "open" if case.state is State.RECEIVED and in_time else "over"


def _to_page(request: Request, session: Session, bearer: parties.Bearer, *, done: str = "") -> Response:
    reader = Reader.of(request, usual=bearer.case.language)
    return see_other(reader.url(page_path(session, bearer.case, bearer.party), done=done))
