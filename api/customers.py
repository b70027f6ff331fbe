"""Single customers over HTTP, for operators: find, look, ask, hand out, erase; and what shops keep (B31, B36, B37).

What only looks is a POST as well: that somebody looked is written down, and GET changes nothing.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field, field_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.access import covered, needs, unbound
from api.arrivals import ReceivedAt
from api.description import CONTACT_REFUSED, says
from api.idempotency import Answer, Submission, submitted
from api.operators import ShopAsked, Why, actor_of
from api.people_answers import (
    AuditShown,
    CustomerFound,
    ErasureShown,
    ExportShown,
    RequestShown,
    RetentionShown,
    TrailShown,
)
from api.problems import Problem
from api.resources import ContactGiven, PlainText, instant, shown
from models.access import ApiKey, Scope
from models.audit import CaseEvent
from models.customer import Channel, Customer, Erased
from models.inquiry import LONGEST_REQUEST
from models.shop import Shop
from worker import auditing
from worker.customers import Contact
from worker.database import database
from worker.people import erasing, looking, retention
from worker.seals import Unreadable

router = APIRouter(prefix="/v1", tags=["people"])

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
SentByOperator = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]
_LINK = re.compile(r"\w\.[a-z]{2,}|[a-z0-9]\u3002[a-z]{2,}|\d(\.\d+){3}", re.IGNORECASE)
"""What a phone makes a link of, once full-width signs are as others: a name of a host, or an address."""
_KEPT_NOWHERE = {"Cache-Control": "no-store"}


class Search(Why):
    """Whom somebody looks for."""

    model_config = shown(
        {"shop": "fred", "contact": {"phone": "090-0000-0012"}, "reason": "お客様からのお電話によるご依頼"}
    )

    shop: str = Field(max_length=64, pattern=r"^[a-z][a-z0-9-]*$", examples=["fred"])
    contact: ContactGiven


class RequestForHelp(Why):
    """What a customer is asked."""

    model_config = shown(
        {"text": "通話の不具合について、ご利用の端末をお知らせください。", "reason": "障害 2026-31 の調査"}
    )

    text: PlainText = Field(
        min_length=3,
        max_length=LONGEST_REQUEST,
        description="One line, sent as it is; no links.",
        examples=["通話の不具合について、ご利用の端末をお知らせください。"],
    )

    @field_validator("text")
    @classmethod
    def _one_line_without_links(cls, text: str) -> str:
        if "\n" in text or "\t" in text or "://" in text or _LINK.search(unicodedata.normalize("NFKC", text)):
            raise ValueError("one line, and no links: who gets it must not learn to follow them")
        return text


class AuditWanted(Why):
    """Which part of which chain."""

    model_config = shown({"shop": "fred", "since": 1, "limit": 100, "reason": "四半期の点検"})

    shop: str | None = Field(
        max_length=64, pattern=r"^[a-z][a-z0-9-]*$", description="null: what concerned no one shop.", examples=["fred"]
    )
    since: int = Field(default=1, ge=1, le=2**31 - 1, description="The number of the first event.")
    limit: int = Field(default=100, ge=1, le=500)


@router.post(
    "/customers/find",
    **says(200, CustomerFound, "shop_closed", "too_many_requests", *CONTACT_REFUSED, title="Find a customer"),
)
def find(body: Search, caller: Operator, received_at: ReceivedAt) -> JSONResponse:
    """Return which of the shop's customers has this contact. Audited, whether there is one or not."""
    covered(caller, body.shop)
    phone, email = body.contact.phone, body.contact.email
    contact = Contact.parse(Channel.SMS if phone is not None else Channel.MAIL, phone or email or "")

    def act(session: Session) -> dict[str, Any]:
        if session.get(Shop, body.shop) is None:
            raise Problem(404, "shop_closed", "There is no such shop, or it takes no bookings.")
        by = actor_of(caller)
        found = looking.find(session, body.shop, contact, by=by, reason=body.reason, now=received_at)
        return {"customer": str(found.id) if found else None}

    return _told(act)


@router.post(
    "/customers/{customer_id}/trail",
    **says(200, TrailShown, "customer_not_found", "too_many_requests", title="Read a customer's trail"),
)
def trail(customer_id: UUID, body: Why, caller: Operator, received_at: ReceivedAt) -> JSONResponse:
    """Return what happened with a customer: bookings, calls, messages, consents, events. Audited with its reason."""

    def act(session: Session) -> dict[str, Any]:
        customer = visible_customer(caller, session.get(Customer, customer_id))
        return looking.trail(session, customer, by=actor_of(caller), reason=body.reason, now=received_at)

    return _told(act)


@router.post(
    "/customers/{customer_id}/export",
    **says(200, ExportShown, "customer_not_found", "too_many_requests", title="Export a customer's data"),
)
def export(customer_id: UUID, body: Why, caller: Operator, received_at: ReceivedAt) -> JSONResponse:
    """Return everything that is kept of a customer, opened, to be handed to that customer. Audited with its reason."""

    def act(session: Session) -> dict[str, Any]:
        customer = visible_customer(caller, session.get(Customer, customer_id))
        return looking.export(session, customer, by=actor_of(caller), reason=body.reason, now=received_at)

    return _told(act)


@router.post(
    "/customers/{customer_id}/requests",
    **says(
        201, RequestShown, "customer_not_found", "illegal_move", "too_many_requests", title="Ask a customer for help"
    ),
)
def ask(customer_id: UUID, body: RequestForHelp, sent: SentByOperator) -> JSONResponse:
    """Send the customer one message, by the contact that is known, in the daytime. Audited with its reason."""

    def act(session: Session) -> Answer:
        customer = visible_customer(sent.caller, session.get(Customer, customer_id))
        by, now = actor_of(sent.caller), sent.received_at
        asked = looking.ask(session, customer, body.text, by=by, reason=body.reason, now=now)
        return Answer({"id": str(asked.id), "customer": str(customer_id), "at": instant(asked.at)}, 201)

    return sent.answer(body, act)


@router.post(
    "/customers/{customer_id}/erase",
    **says(200, ErasureShown, "customer_not_found", "still_open", title="Erase a customer's data"),
)
def erase(customer_id: UUID, body: Why, sent: SentByOperator) -> JSONResponse:
    """Forget everything personal of a customer, for ever. Refused while something of theirs is open. Audited."""

    def act(session: Session) -> Answer:
        customer = visible_customer(sent.caller, session.get(Customer, customer_id, with_for_update=True))
        by, now = actor_of(sent.caller), sent.received_at
        erasing.erase(session, customer, Erased.ASKED, by=by, reason=body.reason, now=now)
        return Answer(
            {
                "customer": str(customer_id),
                "erased_at": instant(customer.erased_at),
                "erased_because": customer.erased_because,
            }
        )

    return sent.answer(body, act)


@router.get("/retention", **says(200, RetentionShown, "shop_closed", title="See what is kept"))
def kept(caller: Operator, received_at: ReceivedAt, shop: ShopAsked = None) -> dict[str, Any]:
    """Count what each shop keeps, what is due to go, and what is gone."""
    query = select(Shop).order_by(Shop.id)
    if shop is not None:
        covered(caller, shop)
        query = query.where(Shop.id == shop)
    elif caller.shops is not None:
        query = query.where(Shop.id.in_(caller.shops))
    with database().snapshot() as session:
        reports = [retention.report(session, each, now=received_at) for each in session.scalars(query).all()]
        return {"shops": [vars(each) for each in reports]}


@router.post("/audit/read", **says(200, AuditShown, "shop_closed", title="Read what operators did"))
def read_audit(body: AuditWanted, caller: Operator, received_at: ReceivedAt) -> JSONResponse:
    """Return a part of a shop's audit chain with the reasons opened. Reading it is an event of it, too."""
    if body.shop is None:
        unbound(caller)
    else:
        covered(caller, body.shop)
    chain = auditing.chain_of_shop(body.shop)

    def act(session: Session) -> dict[str, Any]:
        if body.shop is not None and session.get(Shop, body.shop) is None:
            raise Problem(404, "shop_closed", "There is no such shop, or it takes no bookings.")
        by = actor_of(caller)
        auditing.append(session, chain, "audit_read", at=received_at, actor=by, reason=body.reason, since=body.since)
        session.flush()
        query = select(CaseEvent).where(CaseEvent.case_id == chain, CaseEvent.number >= body.since)
        events = session.scalars(query.order_by(CaseEvent.number).limit(body.limit)).all()
        return {"shop": body.shop, "events": [_event_out(session, each) for each in events]}

    return _told(act)


def visible_customer(caller: ApiKey, customer: Customer | None) -> Customer:
    """Return the customer if the caller may see their shop (B36).

    Raises:
        Problem: 404.
    """
    if customer is None or not caller.covers(customer.shop_id):
        raise Problem(404, "customer_not_found", "There is no such customer, or the key does not cover their shop.")
    return customer


def _told(act: Callable[[Session], dict[str, Any]]) -> JSONResponse:
    """Answer once it is committed that somebody looked. No copy is kept under an idempotency key, nor anywhere."""
    return JSONResponse(database().transact(act), headers=_KEPT_NOWHERE)


def _event_out(session: Session, event: CaseEvent) -> dict[str, Any]:
    try:
        reason = auditing.reason_of(session, event)
    except Unreadable:
        reason = None
    return {
        "number": event.number,
        "at": instant(event.at),
        "kind": event.kind,
        "actor": event.actor,
        "facts": event.facts,
        "reason": reason,
    }
