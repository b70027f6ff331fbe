"""The course of a case in people's hands: its money, its time, its notices. Each says why."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy.orm import Session

from api.case_desk import PREFIX, TAGS, Deed, Reasoned, done_by, works
from api.problems import Problem
from api.resources import CountableInstant, shown
from models.disclosure import DisclosureCase
from models.errors import KnownAlready, StaleRevision
from models.message import Message
from models.notice import Notice
from models.roles import Operation
from worker.cases import ending, exchanging, paying

router = APIRouter(prefix=f"{PREFIX}/cases/{{case_id}}", tags=[*TAGS])


class Paid(Reasoned):
    """Money that came in."""

    model_config = shown(
        {
            "number": "B-2030-0042",
            "amount_yen": 1600,
            "paid_at": "2030-07-20T01:00:00Z",
            "reason": "on the bank's statement",
        }
    )

    number: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", description="The bank's: recorded twice it is one payment."
    )
    amount_yen: int = Field(ge=1, le=10_000_000)
    paid_at: CountableInstant = Field(description="When it came in; the deadline is judged by it.")


class MoreTime(Reasoned):
    """Until when, and on which state of the case that was decided."""

    model_config = shown({"until": "2030-08-01T15:00:00Z", "version": 7, "reason": "the office of Mihon was closed"})

    until: CountableInstant = Field(description="The new exclusive end; later than the present one.")
    version: int = Field(ge=1, le=2_000_000_000, description="Of the case that was looked at.")


@router.post("/payments", **works("known_already", title="Record a payment"))
def record_payment(
    case_id: UUID, body: Paid, deed: Annotated[Deed, Depends(done_by(Operation.RECORD_PAYMENT))]
) -> JSONResponse:
    """Write down money that came in, for whatever state the case is in. Enough, in time, sets the release off (A11)."""
    if body.paid_at > deed.at:
        fault = {"pointer": "/paid_at", "detail": "this is yet to come"}
        raise Problem(422, "invalid_request", "A payment is recorded when it is there.", errors=[fault])

    def act(session: Session, case: DisclosureCase) -> None:
        is_new = paying.record(
            session,
            case,
            body.number,
            body.amount_yen,
            paid_at=body.paid_at,
            by=deed.by,
            reason=body.reason,
            now=deed.at,
        )
        if not is_new:
            raise KnownAlready(case_id=case.id)

    return deed.on(case_id, body, act)


@router.post("/extend", **works("stale_revision", title="Give more time"))
def extend(case_id: UUID, body: MoreTime, deed: Annotated[Deed, Depends(done_by(Operation.EXTEND))]) -> JSONResponse:
    """Give the applicant more time (A9)."""

    def act(session: Session, case: DisclosureCase) -> None:
        if body.version != case.version:
            raise StaleRevision(case_id=case.id)
        ending.extend(session, case, body.until, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post("/hold", **works("case_held", title="Hold a case"))
def hold(case_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.HOLD))]) -> JSONResponse:
    """Freeze a case's timers, its decisions and its purge; never a release that is under way."""

    def act(session: Session, case: DisclosureCase) -> None:
        ending.hold(session, case, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post("/resume", **works(title="End a hold"))
def resume(case_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.RESUME))]) -> JSONResponse:
    """Let everything run again with the time it had left; what came meanwhile counts."""

    def act(session: Session, case: DisclosureCase) -> None:
        ending.resume(session, case, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post(
    "/notices/{notice_id}/deem-arrived",
    **works("notice_not_found", "known_already", title="Record that a notice has arrived"),
)
def deem_arrived(
    case_id: UUID, notice_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.DEEM_ARRIVED))]
) -> JSONResponse:
    """Record that a notice has arrived, or counts as having arrived (D54)."""

    def act(session: Session, case: DisclosureCase) -> None:
        message = _notice(session, case, notice_id)
        if not exchanging.deem_arrived(session, case, message, by=deed.by, reason=body.reason, now=deed.at):
            raise KnownAlready(case_id=case.id, message_id=message.id)

    return deed.on(case_id, body, act)


@router.post(
    "/notices/{notice_id}/again",
    **works("notice_not_found", "known_already", title="Send a notice again"),
)
def notify_again(
    case_id: UUID, notice_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.NOTIFY_AGAIN))]
) -> JSONResponse:
    """Write a notice anew, to the address that is registered now, once; no clock starts again (A22)."""

    def act(session: Session, case: DisclosureCase) -> None:
        message = _notice(session, case, notice_id)
        ending.notify_again(session, case, message, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


def _notice(session: Session, case: DisclosureCase, notice_id: UUID) -> Message:
    notice = session.get(Notice, notice_id)
    if notice is None or notice.case_id != case.id:
        raise Problem(404, "notice_not_found", "The case has no such notice.")
    return session.get_one(Message, notice_id)
