"""Messages for operators: what became of each, and the decision about those whose outcome nobody could find out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.access import needs, unbound
from api.answers import LiftShown, MessageList, MessageShown, ShareShown
from api.description import CONTACT_REFUSED, says
from api.idempotency import Answer, Submission, submitted
from api.problems import Problem, problem_of
from api.resources import Given, PlainText, instant, shown
from models.access import ApiKey, Scope
from models.customer import Channel
from models.errors import ContactRefused
from models.job import Name
from models.message import Attempt, Message, MessageDecision, State
from worker import carriers, suppressions
from worker.customers import Contact
from worker.database import database
from worker.jobs import enqueue
from worker.messages import message_moved

router = APIRouter(prefix="/v1", tags=["messages"])

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
SentByOperator = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]


class Decision(Given):
    """Why a person decides so."""

    model_config = shown({"reason": "asked the carrier"})

    reason: PlainText = Field(
        min_length=3, max_length=200, description="No personal data.", examples=["asked the carrier"]
    )


class Closing(Decision):
    """How a message is closed."""

    model_config = shown({"reason": "asked the carrier", "arrived": True})

    arrived: bool = Field(default=False, description="Whether it is known to have arrived.")


class Lifting(Decision):
    """Which address may be sent to again."""

    model_config = shown({"reason": "the mailbox was full", "channel": "mail", "address": "hanako@example.jp"})

    channel: Channel
    address: PlainText = Field(max_length=254, examples=["hanako@example.jp"])


class Share(Decision):
    """What part of its channel an account carries."""

    model_config = shown(
        {"reason": "the other account is slow", "share": 70}, {"reason": "both are well", "share": None}
    )

    share: float | None = Field(
        ge=0, le=1000, allow_inf_nan=False, description="null gives the account back to its drift."
    )


@router.get("/messages", **says(200, MessageList, title="List messages"))
def list_messages(
    caller: Operator,
    state: Annotated[State, Query(description="Which messages.")] = State.UNKNOWN,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List messages in a state, oldest first. `unknown` are those that wait for a person."""
    query = select(Message).where(Message.state == state).order_by(Message.created_at).limit(limit)
    if caller.shops is not None:
        query = query.where(Message.shop_id.in_(caller.shops))
    with database().snapshot() as session:
        return {"messages": [_out(session, message) for message in session.scalars(query)]}


@router.get("/messages/{message_id}", **says(200, MessageShown, "message_not_found", title="Read a message"))
def show(message_id: UUID, caller: Operator) -> dict[str, Any]:
    """Return one message with its attempts: never its text or address."""
    with database().snapshot() as session:
        return _out(session, _visible(caller, session.get(Message, message_id)))


@router.post(
    "/messages/{message_id}/resend",
    **says(200, MessageShown, "message_not_found", "illegal_move", title="Send an unknown message again"),
)
def resend(message_id: UUID, body: Decision, sent: SentByOperator) -> JSONResponse:
    """Decide that an unknown message was not sent: it is sent again, once."""

    def act(session: Session) -> Answer:
        message = _locked(session, sent, message_id)
        message.decide_to_resend()
        enqueue(session, Name.DELIVER_MESSAGE, queue=message.nature.queue, message_id=message.id)
        _note(session, message, "resend", body.reason, sent)
        return Answer(_out(session, message))

    return sent.answer(body, act)


@router.post(
    "/messages/{message_id}/close",
    **says(200, MessageShown, "message_not_found", "illegal_move", title="Close an unknown message"),
)
def close(message_id: UUID, body: Closing, sent: SentByOperator) -> JSONResponse:
    """Decide that an unknown message arrived, or that it is let be: it is not sent again."""

    def act(session: Session) -> Answer:
        message = _locked(session, sent, message_id)
        before = message.state
        message.decide_to_close(arrived=body.arrived, now=sent.received_at)
        message_moved(session, message, before, now=sent.received_at)
        _note(session, message, "close", body.reason, sent)
        return Answer(_out(session, message))

    return sent.answer(body, act)


@router.post("/suppressions/lift", **says(200, LiftShown, *CONTACT_REFUSED, title="Lift a suppression"))
def lift(body: Lifting, sent: SentByOperator) -> JSONResponse:
    """Let an address be sent to again that was silenced by a bounce, a STOP or the like. It holds for all shops."""
    unbound(sent.caller)

    def act(session: Session) -> Answer:
        try:
            contact = Contact.parse(body.channel, body.address)
        except ContactRefused as refusal:
            problem = problem_of(refusal)
            problem.errors = [{"pointer": "/address", "detail": problem.detail}]
            raise problem from None
        lifted = suppressions.lift(
            session,
            body.channel,
            contact.address,
            by=f"key:{sent.caller.id}",
            because=body.reason,
            now=sent.received_at,
        )
        return Answer({"lifted": lifted})

    return sent.answer(body, act)


@router.post("/carriers/{name}/share", **says(200, ShareShown, "carrier_not_found", title="Fix a share"))
def fix_share(name: str, body: Share, sent: SentByOperator) -> JSONResponse:
    """Override an account's share of its channel; null gives it back to its drift. All shops share the accounts."""
    unbound(sent.caller)

    def act(session: Session) -> Answer:
        carrier = carriers.fix_share(session, name, body.share, now=sent.received_at, why=body.reason)
        if carrier is None:
            raise Problem(404, "carrier_not_found", "There is no account of that name, or it has sent nothing yet.")
        return Answer({"name": carrier.name, "share": carrier.weight, "fixed": carrier.fixed_share is not None})

    return sent.answer(body, act)


def _visible(caller: ApiKey, message: Message | None) -> Message:
    if message is None or not caller.covers(message.shop_id):
        raise Problem(404, "message_not_found", "There is no such message.")
    return message


def _locked(session: Session, sent: Submission, message_id: UUID) -> Message:
    return _visible(sent.caller, session.get(Message, message_id, with_for_update=True))


def _note(session: Session, message: Message, decision: str, reason: str, sent: Submission) -> None:
    session.add(
        MessageDecision(
            message_id=message.id,
            decision=decision,
            reason=reason,
            decided_by=f"key:{sent.caller.id}",
            decided_at=sent.received_at,
        )
    )


def _out(session: Session, message: Message) -> dict[str, Any]:
    attempts = session.scalars(
        select(Attempt).where(Attempt.message_id == message.id).order_by(Attempt.started_at)
    ).all()
    return {
        "id": str(message.id),
        "kind": message.kind,
        "channel": message.channel,
        "shop": message.shop_id,
        "booking": str(message.booking_id) if message.booking_id else None,
        "case": str(message.case_id) if message.case_id else None,
        "to": message.party or ("customer" if message.customer_id else "shop"),
        "state": message.state,
        "because": message.because,
        "created_at": instant(message.created_at),
        "expires_at": instant(message.expires_at),
        "when_unknown": message.nature.when_unknown,
        "attempts": [
            {
                "id": str(attempt.id),
                "vendor": attempt.vendor,
                "started_at": instant(attempt.started_at),
                "answer": attempt.answer,
                "code": attempt.code,
                "reference": attempt.reference,
            }
            for attempt in attempts
        ],
    }
