"""Disclosure cases for other systems: filing a form, telling facts, and what a party asks for by its link.

Who files learns that the form was taken, and nothing else: whom it names is found out afterwards, by a job (S12).
"""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.access import needs, of_all_shops
from api.arrivals import ReceivedAt
from api.case_requests import (
    CaseRequest,
    CrossRequest,
    DocumentsRequest,
    FactsRequest,
    GuidelineAsked,
    MisuseRequest,
    OpinionRequest,
    PaymentRequest,
    StageTwoRequest,
)
from api.case_views import CaseShown, FactKept, Guideline, PartyView, case_out, party_out
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.problems import Problem
from api.resources import instant
from models.access import ApiKey, Scope
from models.disclosure import DisclosureCase, Party
from worker.cases import applying, ending, guideline, misuse, parties, paying
from worker.cases.moving import Actor, locked, note, policy
from worker.database import database
from worker.links import CaseLinkRole

router = APIRouter(prefix="/v1", tags=["disclosure-cases"], dependencies=[Depends(of_all_shops)])

Reader = Annotated[ApiKey, Depends(needs(Scope.CASES_READ))]
Filed = Annotated[Submission, Depends(submitted(Scope.CASES_WRITE, key_required=True))]
Sent = Annotated[Submission, Depends(submitted(Scope.CASES_WRITE))]
SentByAccounts = Annotated[Submission, Depends(submitted(Scope.CASES_PAY))]
Link = Annotated[
    str | None,
    Header(
        alias="Case-Link",
        max_length=100,
        description="The last part of the case page's address, as it was mailed to the registered address: it proves "
        "which party asks (D68).",
    ),
]
ProvenLink = Annotated[
    str,
    Header(
        alias="Case-Link",
        max_length=100,
        description="The last part of the case page's address, as it was mailed to the registered address.",
    ),
]


@router.get("/disclosure-guideline", **says(200, Guideline, title="Read the guideline"))
def read_guideline(_: Reader, asked: Annotated[GuidelineAsked, Query()]) -> dict[str, Any]:
    """Return what an applicant agrees to. A form names the digest of each section (D64)."""
    language = asked.language
    found = [{"number": each.number, "text": each.text, "sha256": each.sha256} for each in guideline.sections(language)]
    return {"language": language, "sections": found, "service_ends_at": instant(policy().service_end_at)}


@router.post(
    "/disclosure-cases",
    **says(
        202,
        CaseShown,
        "service_ended",
        "consent_missing",
        "too_many_requests",
        title="File an application",
        location=True,
    ),
)
def file(body: CaseRequest, sent: Filed) -> JSONResponse:
    """Take a form. The registered address it belongs to, if there is one, gets a link that makes a case of it (D68).

    The answer is the same whether or not anything that the form names exists.
    """

    def act(session: Session) -> Answer:
        case = applying.receive(session, body.form(), received_at=sent.received_at, caller=sent.caller.id)
        return Answer(case_out(case), 202, {"Location": f"/v1/disclosure-cases/{case.id}"})

    return sent.answer(body, act)


@router.get("/disclosure-cases/{case_id}", **says(200, CaseShown, "case_not_found", title="Read where a case stands"))
def show(case_id: UUID, _: Reader) -> dict[str, Any]:
    """Return where a case stands. A form that nobody confirmed is gone after a day."""
    with database().snapshot() as session:
        return case_out(_known(session.get(DisclosureCase, case_id)))


@router.get(
    "/disclosure-cases/{case_id}/view",
    **says(200, PartyView, "case_not_found", "case_link_invalid", title="Read a case as a party"),
)
def view(case_id: UUID, _: Reader, received_at: ReceivedAt, link: ProvenLink) -> dict[str, Any]:
    """Return what the party that bears the link may see, and what it can do."""
    with database().snapshot() as session:
        case = _known(session.get(DisclosureCase, case_id))
        bearer = _bearer(session, case, link)
        return party_out(session, case, bearer.party, now=received_at)


@router.post(
    "/disclosure-cases/{case_id}/documents",
    **says(202, FactKept, "case_not_found", title="Announce papers"),
)
def announce_documents(case_id: UUID, body: DocumentsRequest, sent: Sent) -> JSONResponse:
    """Keep that papers are on their way. They come by post; the mail room records them when they are there (D33)."""

    def act(session: Session) -> Answer:
        case = _known(locked(session, case_id))
        note(
            session,
            case,
            "papers_announced",
            now=sent.received_at,
            actor=_key(sent),
            kinds=[kind.value for kind in body.kinds],
            posted_on=body.posted_on,
        )
        return Answer({"new": True}, 202)

    return sent.answer(body, act)


@router.post("/disclosure-cases/{case_id}/payments", **says(202, FactKept, "case_not_found", title="Tell of a payment"))
def tell_payment(case_id: UUID, body: PaymentRequest, sent: SentByAccounts) -> JSONResponse:
    """Keep a payment, early or late; told twice, it counts once. What is enough and in time sets the letter off."""

    def act(session: Session) -> Answer:
        case = _known(locked(session, case_id))
        new = paying.record(
            session,
            case,
            body.payment_id,
            body.amount_yen,
            paid_at=min(body.paid_at, sent.received_at),
            by=_key(sent),
            now=sent.received_at,
        )
        return Answer({"new": new}, 202)

    return sent.answer(body, act)


_ASKED = ("case_not_found", "case_link_invalid", "illegal_move", "case_held")


@router.post(
    "/disclosure-cases/{case_id}/facts",
    **says(200, PartyView, *_ASKED, "deadline_passed", title="Send what was missing"),
)
def send_facts(case_id: UUID, body: FactsRequest, sent: Sent, link: ProvenLink) -> JSONResponse:
    """Take what the form lacked (D66)."""

    def act(session: Session, case: DisclosureCase) -> None:
        applying.resubmit(session, case, body.facts(), received_at=sent.received_at)

    return sent.answer(body, _by(Party.APPLICANT, case_id, link, sent, act))


@router.post(
    "/disclosure-cases/{case_id}/stage-2",
    **says(
        200,
        PartyView,
        *_ASKED,
        "deadline_passed",
        "service_ended",
        "case_not_ready",
        title="Apply for stage 2",
    ),
)
def apply_for_stage_2(case_id: UUID, body: StageTwoRequest, sent: Sent, link: ProvenLink) -> JSONResponse:
    """Ask for what a lawsuit needs (D22, D23). Both sides are told at once; papers are asked for by mail."""

    def act(session: Session, case: DisclosureCase) -> None:
        applying.apply_for_stage_2(session, case, body.wish(), received_at=sent.received_at)

    return sent.answer(body, _by(Party.APPLICANT, case_id, link, sent, act))


@router.post("/disclosure-cases/{case_id}/settle", **says(200, PartyView, *_ASKED, title="Say that it is settled"))
def settle(case_id: UUID, sent: Sent, link: ProvenLink) -> JSONResponse:
    """End a case whose parties came to terms."""

    def act(session: Session, case: DisclosureCase) -> None:
        ending.settle(session, case, received_at=sent.received_at)

    return sent.answer(None, _by(Party.APPLICANT, case_id, link, sent, act))


@router.post("/disclosure-cases/{case_id}/withdraw", **says(200, PartyView, *_ASKED, title="Withdraw"))
def withdraw(case_id: UUID, sent: Sent, link: ProvenLink) -> JSONResponse:
    """End a case at the applicant's wish, unless a release has begun. Papers are not given back (D29)."""

    def act(session: Session, case: DisclosureCase) -> None:
        ending.withdraw(session, case, received_at=sent.received_at)

    return sent.answer(None, _by(Party.APPLICANT, case_id, link, sent, act))


@router.post("/disclosure-cases/{case_id}/opinion", **says(200, PartyView, *_ASKED, title="State an opinion"))
def give_opinion(case_id: UUID, body: OpinionRequest, sent: Sent, link: ProvenLink) -> JSONResponse:
    """Keep the counterparty's opinion (A12). The first one counts; later, a release need not have waited for it."""

    def act(session: Session, case: DisclosureCase) -> None:
        applying.give_opinion(session, case, body.opinion, received_at=sent.received_at)

    return sent.answer(body, _by(Party.COUNTERPARTY, case_id, link, sent, act))


@router.post(
    "/disclosure-cases/{case_id}/cross-application",
    **says(
        202,
        CaseShown,
        *_ASKED,
        "service_ended",
        "consent_missing",
        "case_already_open",
        "too_many_requests",
        title="Apply in turn",
        location=True,
    ),
)
def cross_apply(case_id: UUID, body: CrossRequest, sent: Sent, link: ProvenLink) -> JSONResponse:
    """Apply in turn, as the counterparty (D39): a case of its own, by the same procedure; neither waits (D40)."""

    def act(session: Session) -> Answer:
        case = _known(locked(session, case_id))
        _need(session, case, link, Party.COUNTERPARTY)
        crossed = applying.cross_apply(session, case, body.form(), received_at=sent.received_at)
        return Answer(case_out(crossed), 202, {"Location": f"/v1/disclosure-cases/{crossed.id}"})

    return sent.answer(body, act)


@router.post(
    "/disclosure-cases/{case_id}/misuse-reports",
    **says(
        202,
        FactKept,
        "case_not_found",
        "case_link_invalid",
        "illegal_move",
        "too_many_requests",
        title="Report a misuse",
    ),
)
def report_misuse(case_id: UUID, body: MisuseRequest, sent: Sent, link: ProvenLink) -> JSONResponse:
    """Report that what was disclosed is used for something else than settling the trouble (D10)."""

    def act(session: Session) -> Answer:
        case = _known(locked(session, case_id))
        bearer = _bearer(session, case, link)
        new = misuse.report(session, case, bearer.party, body.report, received_at=sent.received_at)
        return Answer({"new": new}, 202)

    return sent.answer(body, act)


def _by(
    party: Party, case_id: UUID, link: str, sent: Submission, act: Callable[[Session, DisclosureCase], None]
) -> Callable[[Session], Answer]:
    """Return what does something for one party that proved itself, and shows it the case as it stands then."""

    def whole(session: Session) -> Answer:
        case = _known(locked(session, case_id))
        _need(session, case, link, party)
        act(session, case)
        return Answer(party_out(session, case, party, now=sent.received_at))

    return whole


def _known(case: DisclosureCase | None) -> DisclosureCase:
    if case is None:
        raise Problem(404, "case_not_found", "There is no such case, or it was never confirmed.")
    return case


def _bearer(session: Session, case: DisclosureCase, token: str) -> parties.Bearer:
    found = parties.bearer(session, token)
    if found is None or found.case.id != case.id or found.role is not CaseLinkRole.PAGE:
        raise Problem(403, "case_link_invalid", "Send the `Case-Link` of this case, as it was mailed to this party.")
    return found


def _need(session: Session, case: DisclosureCase, token: str, party: Party) -> None:
    if _bearer(session, case, token).party is not party:
        raise Problem(403, "case_link_invalid", "Send the `Case-Link` of this case, as it was mailed to this party.")


def _key(sent: Submission) -> Actor:
    return Actor(f"key:{sent.caller.id}")
