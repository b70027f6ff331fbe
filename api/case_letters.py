"""The letter of stage 2 in the mail room's hands (D41): looked at, printed once, spoiled, posted."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy.orm import Session

from api.access import needs_role
from api.case_answers import LetterPreview
from api.case_desk import PREFIX, TAGS, Deed, Reasoned, done_by, looked_at_by, reads, the_case, works
from api.resources import instant, shown
from models.disclosure import DisclosureCase
from models.errors import KnownAlready
from models.roles import Operation
from worker.cases import posting, previewing
from worker.cases.moving import Actor
from worker.database import database

router = APIRouter(prefix=f"{PREFIX}/cases/{{case_id}}/letter", tags=[*TAGS])

_RELEASE_REFUSED = ("releases_stopped", "too_many_requests")


class Dispatched(Reasoned):
    """Under which number the letter was posted."""

    model_config = shown({"tracking_number": "1234-5678-9012", "reason": "handed in at the counter"})

    tracking_number: str = Field(
        pattern=r"^[A-Za-z0-9-]{4,40}$", description="The post's own.", examples=["1234-5678-9012"]
    )


class Pdf(Response):
    """A document."""

    media_type = "application/pdf"


def _prints() -> dict[str, Any]:
    described = works(*_RELEASE_REFUSED, title="Print the letter")
    described["responses"][200] = {
        "description": "The letter.",
        "content": {
            "application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.7 …"},
        },
    }
    return {**described, "response_class": Pdf}


@router.get("/preview", **reads(LetterPreview, "case_not_ready", title="Preview the letter"))
def preview_letter(
    case_id: UUID,
    by: Annotated[Actor, Depends(needs_role(Operation.PREVIEW_LETTER))],
) -> dict[str, Any]:
    """Show what the letter would hold and whom it would go to, without a value of either; nothing is printed (S17)."""
    with database().snapshot() as session:
        found = previewing.preview(session, the_case(session, session.get(DisclosureCase, case_id), by))
    return {
        "decision": str(found.decision.id),
        "stage": found.decision.stage,
        "digest": found.decision.digest,
        "is_approved": found.decision.approved_at is not None,
        "fields": [{"name": name, "label": label} for name, label in found.fields],
        "as_of": [{"when": when, "label": label, "taken_at": instant(at)} for when, label, at in found.as_of],
        "addressee": found.addressee,
        "unchanged": found.is_unchanged,
        "serial": found.serial,
        "printed_at": instant(found.printed_at),
    }


@router.post("/print", **_prints())
def print_letter(
    case_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(looked_at_by(Operation.PRINT_LETTER))]
) -> Response:
    """Hand out the letter, once. If it is lost on the way, or fails in printing, spoil it: another is made.

    There is no idempotency key: a letter that were kept to be handed out again could be printed twice.
    """
    printed: list[bytes] = []

    def act(session: Session, case: DisclosureCase) -> dict[str, Any]:
        printed.append(posting.print_once(session, case, by=deed.by, reason=body.reason, now=deed.at))
        return {}

    answer = deed.looking(case_id, act)
    if not printed:
        return answer
    names = {"Content-Disposition": f'attachment; filename="letter-{case_id}.pdf"'}
    return Pdf(printed[0], headers=names)


@router.post("/spoil", **works(title="Spoil a printed letter"))
def spoil_letter(
    case_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.SPOIL_LETTER))]
) -> JSONResponse:
    """Write down that a print failed and was shredded; another letter is made of the same decision."""

    def act(session: Session, case: DisclosureCase) -> None:
        posting.spoil(session, case, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post("/dispatch", **works("known_already", title="Record that the letter was posted"))
def record_dispatch(
    case_id: UUID, body: Dispatched, deed: Annotated[Deed, Depends(done_by(Operation.RECORD_DISPATCH))]
) -> JSONResponse:
    """Write down that the letter was posted. Both sides are told, and the case is closed."""

    def act(session: Session, case: DisclosureCase) -> None:
        is_new = posting.record_dispatch(
            session, case, body.tracking_number, by=deed.by, reason=body.reason, now=deed.at
        )
        if not is_new:
            raise KnownAlready(case_id=case.id)

    return deed.on(case_id, body, act)
