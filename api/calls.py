"""Calls at once over HTTP: whether a shop can be called, asking for a call, taking it, ending it (B4, B7, B8, B35)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy.orm import Session

from api.access import covered, needs
from api.arrivals import ReceivedAt
from api.call_answers import AvailabilityShown, CallShown, CallTakenShown, call_out, taken_out
from api.calling_now import availability_of, fresh_for_a_second, refused
from api.description import CONTACT_REFUSED, says
from api.idempotency import Answer, Explain, Submission, submitted
from api.problems import Problem, problem_of
from api.resources import ContactGiven, CustomerIp, Given, PlainText, shown
from models.access import ApiKey, Scope
from models.booking import EntryPoint, Side, VisitPurpose
from models.call import Call, Status
from models.customer import Channel
from models.errors import Refusal
from worker.calls import answering, ending, ringing
from worker.customers import Contact
from worker.database import database

router = APIRouter(prefix="/v1", tags=["calls"])

ShopReader = Annotated[ApiKey, Depends(needs(Scope.SHOPS_READ))]
Caller = Annotated[ApiKey, Depends(needs(Scope.CALLS_WRITE))]
Asked = Annotated[Submission, Depends(submitted(Scope.CALLS_WRITE, key_required=True))]
Sent = Annotated[Submission, Depends(submitted(Scope.CALLS_WRITE))]

_STAFF_ID = r"^[a-z][a-z0-9-]*$"


class TermsAccepted(Given):
    """One document that the customer agreed to by pressing 開始."""

    model_config = shown({"id": "platform-terms", "version": "2021-09-28"})

    id: str = Field(max_length=64, examples=["platform-terms"])
    version: str = Field(max_length=32, examples=["2021-09-28"])


class CallRequest(Given):
    """`POST /v1/calls`."""

    model_config = shown(
        {
            "shop": "fred",
            "accepted_terms": [
                {"id": "platform-terms", "version": "2021-09-28"},
                {"id": "provider-terms-jitsi", "version": "development-1"},
            ],
            "customer_ip": "192.0.2.10",
            "contact": {"phone": "090-0000-0012"},
            "language": "ja",
            "purpose": "size",
            "item_codes": ["R-1024"],
        }
    )

    shop: str = Field(max_length=64, pattern=r"^[a-z][a-z0-9-]*$", examples=["fred"])
    accepted_terms: list[TermsAccepted] = Field(
        min_length=1,
        max_length=10,
        description="Both documents that govern now, as the shop's availability names them (B27, B35).",
    )
    customer_ip: CustomerIp = Field(
        description="The customer's own address, for limits; kept only as an HMAC.", examples=["192.0.2.10"]
    )
    contact: ContactGiven | None = Field(
        None, description="Where to tell of a call that nobody answers, if the customer wants that. It gets no code."
    )
    language: Literal["ja", "en"] | None = Field(None, description="Of messages and pages; the shop's when absent.")
    name: PlainText | None = Field(None, max_length=100, description="What staff may call the customer.")
    memo: PlainText | None = Field(None, max_length=1000, description="What the customer wants to talk about (B3).")
    purpose: VisitPurpose | None = Field(None, description="What the customer wants, in a word (B3).")
    item_codes: list[Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]] = Field(
        default_factory=list, max_length=20, description="Items the customer came from (B5)."
    )
    entry_point: EntryPoint | None = Field(None, description="The page the customer came from (B6).")
    source_url: PlainText | None = Field(None, max_length=500, description="Its address (B6).")


class AcceptRequest(Given):
    """`POST …/accept`."""

    model_config = shown({"staff": "hana"})

    staff: str = Field(max_length=64, pattern=_STAFF_ID, examples=["hana"])


class EndRequest(Given):
    """`POST …/end`."""

    model_config = shown({"by": "staff"})

    by: Side = Field(Side.STAFF, description="Who ends it.")


@router.get(
    "/shops/{shop_id}/availability",
    **says(200, AvailabilityShown, "shop_closed", title="Whether a shop can be called now"),
)
def availability(shop_id: str, request: Request, caller: ShopReader, received_at: ReceivedAt) -> Response:
    """Say whether a call would ring now (対応可能), or why not. Caches may keep it for a second; it has an `ETag`."""
    covered(caller, shop_id)
    return fresh_for_a_second(request, availability_of(shop_id, now=received_at), is_public=False)


@router.post(
    "/calls",
    **says(
        201,
        CallShown,
        "shop_closed",
        "not_available",
        "prohibited_use",
        "terms_not_accepted",
        "too_many_requests",
        *CONTACT_REFUSED,
        title="Call at once",
        location=True,
    ),
)
def ask(body: CallRequest, sent: Asked) -> JSONResponse:
    """Ring all idle staff of a shop. To ask is to agree to both governing documents, which must be named (B35).

    201 with the ringing call; 409 `not_available` says why nobody is rung, and where to book instead.
    """
    covered(sent.caller, body.shop)

    def act(session: Session) -> Answer:
        shop = ringing.shop_called(session, body.shop)
        wish = ringing.Wish(
            shop_id=shop.id,
            language=body.language or shop.language,
            accepted={(each.id, each.version) for each in body.accepted_terms},
            contact=_contact(body.contact),
            name=body.name,
            memo=body.memo,
            source_url=body.source_url,
            entry_point=body.entry_point,
            purpose=body.purpose,
            item_codes=body.item_codes,
            customer_ip=str(body.customer_ip),
            caller=sent.caller.id,
        )
        call = ringing.ask(session, wish, received_at=sent.received_at)
        if call.status is Status.REFUSED:
            # Returned, not raised: the refusal that was recorded must be committed.
            problem = refused(session, shop, call, now=sent.received_at)
            return Answer(problem.body(), problem.status, problem.headers)
        return Answer(call_out(session, call, now=sent.received_at), 201, {"Location": f"/v1/calls/{call.id}"})

    return sent.answer(body, act)


@router.get("/calls/{call_id}", **says(200, CallShown, "call_not_found", title="Read a call at once"))
def show(call_id: UUID, caller: Caller, received_at: ReceivedAt) -> JSONResponse:
    """Return the call as it stands. Ask every second or two while it rings, or listen to webhooks."""
    with database().snapshot() as session:
        call = _visible(caller, session.get(Call, call_id))
        return Answer(call_out(session, call, now=received_at)).response()


@router.post(
    "/calls/{call_id}/accept",
    **says(
        200,
        CallTakenShown,
        "call_not_found",
        "staff_unknown",
        "staff_busy",
        "call_taken",
        "ring_over",
        title="Take a call",
    ),
)
def accept(call_id: UUID, body: AcceptRequest, sent: Sent) -> JSONResponse:
    """Take a ringing call for a member of the staff. The first one has it; the same again returns the same."""

    def act(session: Session) -> Answer:
        call = _visible(sent.caller, ringing.locked(session, call_id))
        answering.accept(session, call, body.staff, sent.received_at)
        return Answer(taken_out(session, call, now=sent.received_at))

    return sent.answer(body, act, explain=_state_at(call_id, sent.received_at))


@router.post("/calls/{call_id}/hang-up", **says(200, CallShown, "call_not_found", "illegal_move", title="Hang up"))
def hang_up(call_id: UUID, sent: Sent) -> JSONResponse:
    """The caller hangs up: nobody is rung any longer. A second time returns what the first did."""

    def act(session: Session) -> Answer:
        call = _visible(sent.caller, ringing.locked(session, call_id))
        ending.hang_up(session, call, received_at=sent.received_at)
        return Answer(call_out(session, call, now=sent.received_at))

    return sent.answer(None, act, explain=_state_at(call_id, sent.received_at))


@router.post("/calls/{call_id}/end", **says(200, CallShown, "call_not_found", "illegal_move", title="End a call"))
def end(call_id: UUID, body: EndRequest, sent: Sent) -> JSONResponse:
    """End an answered call; whoever answered is free again. A second time returns what the first did."""

    def act(session: Session) -> Answer:
        call = _visible(sent.caller, ringing.locked(session, call_id))
        ending.end(session, call, by=body.by, now=sent.received_at)
        return Answer(call_out(session, call, now=sent.received_at))

    return sent.answer(body, act, explain=_state_at(call_id, sent.received_at))


def _contact(given: ContactGiven | None) -> Contact | None:
    if given is None:
        return None
    channel = Channel.SMS if given.phone is not None else Channel.MAIL
    return Contact.parse(channel, given.phone or given.email or "")


def _visible(caller: ApiKey, call: Call | None) -> Call:
    if call is None or not caller.covers(call.shop_id):
        raise Problem(404, "call_not_found", "There is no such call, or the key does not cover its shop.")
    return call


def _state_at(call_id: UUID, now: datetime) -> Explain:
    """Return what explains a refusal with the call as it stands at `now`."""

    def explain(session: Session, refusal: Refusal) -> Problem:
        session.expire_all()
        problem = problem_of(refusal)
        problem.extra["call"] = call_out(session, session.get_one(Call, call_id), now=now)
        return problem

    return explain
