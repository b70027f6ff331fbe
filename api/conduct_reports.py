"""Conduct reports over HTTP: filed by a shop's system, opened by operators, who decide what follows (B32, B38)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy.orm import Session

from api.access import needs, visible
from api.arrivals import ReceivedAt
from api.call_facts import visible_call
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.in_call_answers import ConductReportList, ConductReportOpened, ConductReportShown
from api.operators import Why, actor_of
from api.problems import Problem
from api.resources import Given, PlainText, instant, shown
from models.access import ApiKey, Scope
from models.call_fact import Category, ConductReport, State
from worker import bookings, presence
from worker.calls import ringing
from worker.database import database
from worker.in_call import reporting
from worker.in_call.facts import Subject

router = APIRouter(prefix="/v1", tags=["conduct"])

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
OfBooking = Annotated[Submission, Depends(submitted(Scope.BOOKINGS_WRITE))]
OfCall = Annotated[Submission, Depends(submitted(Scope.CALLS_WRITE))]


class ReportGiven(Given):
    """What happened in a call."""

    model_config = shown({"category": "abuse", "text": "大声で怒鳴られ、通話を終了しました。", "staff": "hana"})

    category: Category
    text: PlainText = Field(min_length=1, max_length=reporting.LONGEST_TEXT, description="In the reporter's own words.")
    staff: str | None = Field(
        None, max_length=64, pattern=r"^[a-z][a-z0-9-]*$", description="Who reports, if they are one of the staff."
    )


@router.post(
    "/bookings/{booking_id}/conduct-reports",
    **says(201, ConductReportShown, "booking_not_found", "staff_unknown", "illegal_move", title="Report a booked call"),
)
def report_booking(booking_id: UUID, body: ReportGiven, sent: OfBooking) -> JSONResponse:
    """File a report of a customer's conduct for the operators. It is sealed, and nothing follows by itself."""

    def act(session: Session) -> Answer:
        return _reported(session, visible(sent.caller, bookings.locked(session, booking_id)), body, sent)

    return sent.answer(body, act)


@router.post(
    "/calls/{call_id}/conduct-reports",
    **says(201, ConductReportShown, "call_not_found", "staff_unknown", "illegal_move", title="Report a call at once"),
)
def report_call(call_id: UUID, body: ReportGiven, sent: OfCall) -> JSONResponse:
    """File a report of a caller's conduct for the operators. It is sealed, and nothing follows by itself."""

    def act(session: Session) -> Answer:
        return _reported(session, visible_call(sent.caller, ringing.locked(session, call_id)), body, sent)

    return sent.answer(body, act)


@router.get("/conduct-reports", **says(200, ConductReportList, title="List conduct reports"))
def list_reports(
    caller: Operator,
    state: Annotated[State | None, Query(description="In this state alone.")] = None,
    after: Annotated[UUID | None, Query(description="The last report of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """List reports of the shops that the key covers, the newest first, without their words."""
    with database().snapshot() as session:
        found = reporting.reports(session, shops=caller.shops, state=state, after=after, most=limit)
        return {"reports": [_out(each) for each in found]}


@router.get(
    "/conduct-reports/{report_id}", **says(200, ConductReportShown, "report_not_found", title="Read a conduct report")
)
def show(report_id: UUID, caller: Operator) -> dict[str, Any]:
    """Return one report without its words."""
    with database().snapshot() as session:
        return _out(_visible(caller, session.get(ConductReport, report_id)))


@router.post(
    "/conduct-reports/{report_id}/open",
    **says(200, ConductReportOpened, "report_not_found", title="Open a conduct report"),
)
def open_text(report_id: UUID, body: Why, caller: Operator, received_at: ReceivedAt) -> JSONResponse:
    """Return what staff wrote, and take the report off the list of new ones. Audited with its reason.

    What to do about the customer is decided elsewhere, such as by `POST /v1/blocks`.
    """

    def act(session: Session) -> dict[str, Any]:
        made = _visible(caller, session.get(ConductReport, report_id, with_for_update=True))
        said = reporting.opened(session, made, by=actor_of(caller), reason=body.reason, now=received_at)
        return {"id": str(report_id), "text": said}

    return JSONResponse(database().transact(act), headers={"Cache-Control": "no-store"})


def _reported(session: Session, subject: Subject, body: ReportGiven, sent: Submission) -> Answer:
    if body.staff is not None:
        presence.member(session, subject.shop_id, body.staff)
    made = reporting.report(
        session,
        subject,
        body.category,
        body.text,
        staff_id=body.staff,
        actor=f"key:{sent.caller.id}",
        now=sent.received_at,
    )
    return Answer(_out(made), status=201)


def _visible(caller: ApiKey, made: ConductReport | None) -> ConductReport:
    if made is None or not caller.covers(made.shop_id):
        raise Problem(404, "report_not_found", "There is no such conduct report.")
    return made


def _out(made: ConductReport) -> dict[str, Any]:
    return {
        "id": str(made.id),
        "shop": made.shop_id,
        "booking_id": str(made.booking_id) if made.booking_id else None,
        "call_id": str(made.call_id) if made.call_id else None,
        "customer_id": str(made.customer_id) if made.customer_id else None,
        "staff": made.staff_id,
        "category": made.category,
        "state": made.state,
        "at": instant(made.at),
        "seen_at": instant(made.seen_at) if made.seen_at else None,
    }
