"""The terms that customers agree to: publishing a version, and proof of which text was accepted (B27, B35, B45f)."""

from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.access import needs, unbound, visible
from api.arrivals import ReceivedAt
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.resources import instant
from api.terms_answers import ConsentsShown, TermsGiven, TermsList, TermsShown
from models.access import ApiKey, Scope
from models.booking import Booking
from models.terms import TermsDocument, governing
from worker import terms
from worker.database import database
from worker.video import video_provider

router = APIRouter(prefix="/v1")

Reader = Annotated[ApiKey, Depends(needs(Scope.SHOPS_READ))]
Witness = Annotated[ApiKey, Depends(needs(Scope.BOOKINGS_READ))]
Publisher = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]

_PUBLISHING = says(200, TermsShown, "terms_published", "terms_too_soon", title="Publish a version of the terms")
_PUBLISHING["responses"][201] = {"model": TermsShown, "description": "The version is new."}


@router.post("/terms", tags=["terms"], **_PUBLISHING)
def publish(body: TermsGiven, sent: Publisher) -> JSONResponse:
    """Publish a version that will hold from its instant on. The same again changes nothing.

    Customers with open bookings are told beforehand, each once (B46). The later version then governs (B45).
    """
    unbound(sent.caller)

    def act(session: Session) -> Answer:
        given = terms.Given(
            document_id=body.id,
            version=body.version,
            url=body.url,
            sha256=body.sha256 or sha256((body.text or "").encode()).hexdigest(),
            effective_at=body.effective_at,
            party=body.party,
            provider=body.provider,
        )
        document, is_new = terms.publish(session, given, by=sent.caller.id, now=sent.received_at)
        return Answer(_document(document), 201 if is_new else 200)

    return sent.answer(body, act)


@router.get("/terms", tags=["terms"], **says(200, TermsList, title="List the terms"))
def list_terms(caller: Reader, received_at: ReceivedAt) -> dict[str, Any]:
    """Return all versions of all documents, and which of them govern now.

    To operators of all shops also how many customers were told of each.
    """
    counts = caller.shops is None and caller.allows(Scope.OPERATOR)
    with database().snapshot() as session:
        documents = terms.versions(session)
        now_governing = {(each.id, each.version) for each in governing(documents, received_at)}
        told = {each.document: _told(each) for each in terms.standing(session)} if counts else {}
        return {
            "documents": [
                _document(each) | {"governs": (each.id, each.version) in now_governing} | told.get(each, {})
                for each in documents
            ]
        }


@router.get(
    "/bookings/{booking_id}/consents",
    tags=["bookings"],
    **says(200, ConsentsShown, "booking_not_found", title="Prove what was agreed to"),
)
def show_consents(booking_id: UUID, caller: Witness) -> dict[str, Any]:
    """Return which texts the customer agreed to, by hash and address, and which versions govern the call."""
    with database().snapshot() as session:
        booking = visible(caller, session.get(Booking, booking_id))
        recorded = terms.recorded_for(session, booking.id)
        return {
            "booking": str(booking.id),
            "accepted": [
                {
                    "id": each.document_id,
                    "version": each.version,
                    "url": each.url,
                    "sha256": each.sha256,
                    "accepted_at": instant(each.accepted_at),
                    "channel": each.channel,
                    "request_id": each.request_id,
                }
                for each in terms.consents_of(session, booking.id)
            ],
            "governing": [
                {
                    "id": each.document_id,
                    "version": each.version,
                    "url": each.url,
                    "sha256": each.sha256,
                    "at": instant(each.governs_at),
                }
                for each in recorded
            ]
            or _foreseen(session, booking),
            "has_begun": bool(recorded),
        }


def _foreseen(session: Session, booking: Booking) -> list[dict[str, Any]]:
    """Return which versions will govern a call that has not begun, as far as they are published."""
    documents = session.scalars(select(TermsDocument)).all()
    provider = booking.provider or video_provider().name
    return [
        {
            "id": each.id,
            "version": each.version,
            "url": each.url,
            "sha256": each.sha256,
            "at": instant(booking.starts_at),
        }
        for each in governing(documents, booking.starts_at, provider=provider)
    ]


def _told(standing: terms.Standing) -> dict[str, Any]:
    announcement = standing.announcement
    announced = "never" if announcement is None else "done" if announcement.ended_at else "under_way"
    return {"announced": announced, "told": standing.told, "messages": standing.states}


def _document(document: TermsDocument) -> dict[str, Any]:
    return {
        "id": document.id,
        "version": document.version,
        "url": document.url,
        "sha256": document.sha256,
        "effective_at": instant(document.effective_at),
        "party": document.party,
        "provider": document.provider,
    }
