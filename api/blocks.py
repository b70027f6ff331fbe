"""The block list over HTTP, for operators: put on, look, lift; each with a reason (B38)."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.access import covered, needs, unbound
from api.customers import visible_customer
from api.description import CONTACT_REFUSED, says
from api.idempotency import Answer, Submission, submitted
from api.operators import ShopAsked, Why, actor_of
from api.people_answers import BlockList, BlockShown
from api.problems import Problem
from api.resources import ContactGiven, instant, shown
from models.access import ApiKey, Scope
from models.block import PARAGRAPHS, Because, Block
from models.call_fact import ConductReport
from models.customer import Channel, Customer
from models.errors import IllegalMove
from models.shop import Shop
from worker import blocking
from worker.customers import Contact, address_of
from worker.database import database

router = APIRouter(prefix="/v1/blocks", tags=["people"])

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
SentByOperator = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]


class BlockRequest(Why):
    """Whom a shop, or no shop, is to serve any more."""

    model_config = shown(
        {
            "shop": "fred",
            "contact": {"phone": "090-0000-0012"},
            "because": "defamation",
            "reason": "スタッフへの暴言が続いたため",
        },
        {
            "shop": "fred",
            "customer": "0197e3a2-5e00-7a10-8c44-1a0f5a0f4900",
            "because": "obstruction",
            "report": "0197e3a2-8400-7b10-8c44-1a0f5a0f4955",
            "reason": "迷惑行為の報告による",
        },
    )

    shop: str | None = Field(
        max_length=64, pattern=r"^[a-z][a-z0-9-]*$", description="null: no shop serves it.", examples=["fred"]
    )
    contact: ContactGiven | None = None
    customer: UUID | None = Field(default=None, description="A customer instead, whose contact you need not know.")
    because: Because
    report: UUID | None = Field(default=None, description="The conduct report that led to it.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.contact is None) == (self.customer is None):
            raise ValueError("give exactly one of `contact` and `customer`")
        return self


@router.post(
    "",
    **says(
        201,
        BlockShown,
        "shop_closed",
        "customer_not_found",
        "report_not_found",
        "known_already",
        "illegal_move",
        *CONTACT_REFUSED,
        title="Block a contact",
        location=True,
    ),
)
def block(body: BlockRequest, sent: SentByOperator) -> JSONResponse:
    """Refuse a contact from now on, at one shop or at all. Bookings that stand are not touched; withdraw them if so."""
    _may_act_for(sent.caller, body.shop)

    def act(session: Session) -> Answer:
        _check_named(session, sent.caller, body)
        entered = blocking.block(
            session,
            _contact(session, sent.caller, body),
            body.because,
            body.reason,
            shop_id=body.shop,
            report_id=body.report,
            by=actor_of(sent.caller),
            now=sent.received_at,
        )
        return Answer(_out(entered), 201, {"Location": f"/v1/blocks/{entered.id}"})

    return sent.answer(body, act)


@router.get("", **says(200, BlockList, "shop_closed", title="List blocks"))
def list_blocks(
    caller: Operator,
    shop: ShopAsked = None,
    standing: Annotated[bool, Query(description="Only those that nobody has lifted.")] = True,  # noqa: FBT002 - a query
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List blocks, the newest first. Whose contact it is cannot be read from them."""
    query = select(Block).order_by(Block.created_at.desc(), Block.id.desc()).limit(limit)
    if shop is not None:
        covered(caller, shop)
        query = query.where(Block.shop_id == shop)
    elif caller.shops is not None:
        query = query.where(Block.shop_id.in_(caller.shops))
    if standing:
        query = query.where(Block.lifted_at.is_(None))
    with database().snapshot() as session:
        return {"blocks": [_out(each) for each in session.scalars(query)]}


@router.get("/{block_id}", **says(200, BlockShown, "block_not_found", title="Read a block"))
def show(block_id: UUID, caller: Operator) -> dict[str, Any]:
    """Return one block."""
    with database().snapshot() as session:
        return _out(_visible(caller, session.get(Block, block_id)))


@router.post("/{block_id}/lift", **says(200, BlockShown, "block_not_found", title="Lift a block"))
def lift(block_id: UUID, body: Why, sent: SentByOperator) -> JSONResponse:
    """Serve the contact again. What was lifted before stays as it was lifted."""

    def act(session: Session) -> Answer:
        blocked = _visible(sent.caller, session.get(Block, block_id, with_for_update=True))
        blocking.lift(session, blocked, body.reason, by=actor_of(sent.caller), now=sent.received_at)
        return Answer(_out(blocked))

    return sent.answer(body, act)


def _check_named(session: Session, caller: ApiKey, body: BlockRequest) -> None:
    if body.shop is not None and session.get(Shop, body.shop) is None:
        raise Problem(404, "shop_closed", "There is no such shop.")
    made = session.get(ConductReport, body.report) if body.report is not None else None
    is_of_another = made is not None and (body.shop not in {None, made.shop_id} or not caller.covers(made.shop_id))
    if body.report is not None and (made is None or is_of_another):
        raise Problem(404, "report_not_found", "There is no such conduct report, or it is another shop's.")


def _contact(session: Session, caller: ApiKey, body: BlockRequest) -> Contact:
    if body.customer is not None:
        customer = visible_customer(caller, session.get(Customer, body.customer))
        if customer.erased_at is not None:
            raise IllegalMove(customer_id=customer.id)
        return Contact(customer.channel, address_of(session, customer))
    phone, email = (body.contact.phone, body.contact.email) if body.contact else (None, None)
    return Contact.parse(Channel.SMS if phone is not None else Channel.MAIL, phone or email or "")


def _may_act_for(caller: ApiKey, shop: str | None) -> None:
    if shop is None:
        unbound(caller)
        return
    covered(caller, shop)


def _visible(caller: ApiKey, blocked: Block | None) -> Block:
    if blocked is None or not caller.covers(blocked.shop_id):
        raise Problem(404, "block_not_found", "There is no such block, or the key does not cover its shop.")
    return blocked


def _out(blocked: Block) -> dict[str, Any]:
    return {
        "id": str(blocked.id),
        "shop": blocked.shop_id,
        "because": blocked.because,
        "article": PARAGRAPHS[blocked.because],
        "report": str(blocked.report_id) if blocked.report_id else None,
        "created_at": instant(blocked.created_at),
        "by": blocked.by,
        "lifted_at": instant(blocked.lifted_at),
        "lifted_by": blocked.lifted_by,
    }
