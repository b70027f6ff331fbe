"""Suspensions for operators: look whom one would concern, plan it, undo or lift it (B40 to B44)."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.access import covered, needs, unbound
from api.arrivals import ReceivedAt
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.problems import Problem
from api.resources import CountableInstant, Given, PlainText, instant, shown
from api.suspension_answers import PreviewShown, SuspensionList, SuspensionShown, TreatedList
from models.access import ApiKey, Scope
from models.booking import Booking
from models.shop import Shop
from models.suspension import (
    LIVE,
    Outcome,
    Reach,
    Status,
    SuspendedBooking,
    Suspension,
    SuspensionEvent,
    Treatment,
)
from worker import suspensions
from worker.database import database
from worker.settings import VideoChoice
from worker.suspensions import Plan

router = APIRouter(prefix="/v1/suspensions", tags=["suspensions"])

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
SentByOperator = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]
Decided = Annotated[Submission, Depends(submitted(Scope.OPERATOR, key_required=True))]

_MOST_SHOWN = 100


class SuspensionRequest(Given):
    """What is to stand still, from when until when, and what becomes of bookings inside."""

    model_config = shown(
        {
            "reach": "global",
            "treatment": "cancel",
            "starts_at": "2026-12-01T00:00:00Z",
            "ends_at": "2026-12-01T09:00:00Z",
            "notice_at": "2026-11-28T03:00:00Z",
            "notice_url": "https://www.example.jp/news/maintenance",
            "reason": "maintenance 42",
        },
        {
            "reach": "shop",
            "shop": "fred",
            "without_notice_because": "an outage",
            "notice_url": "https://www.example.jp/news/outage",
            "reason": "incident 7",
        },
    )

    reach: Reach = Field(description="Everybody, one shop, or whoever is carried by one provider of calls.")
    shop: PlainText | None = Field(None, max_length=64, description="With reach `shop`.")
    provider: VideoChoice | None = Field(None, description="With reach `provider`.")
    treatment: Treatment = Field(
        Treatment.KEEP,
        description="What becomes of confirmed bookings inside: `keep`; `cancel` when it begins; `move`: each is "
        "cancelled an hour before its time unless its customer has chosen another one. A call that would be under way "
        "when it begins is cancelled an hour before its time in either case, if notice was given by then; with later "
        "notice, at once.",
    )
    starts_at: CountableInstant | None = Field(None, description="Absent: at once.")
    ends_at: CountableInstant | None = Field(None, description="An exclusive end; absent: until it is lifted.")
    notice_at: CountableInstant | None = Field(
        None, description="When those affected are told before it begins; at once unless given."
    )
    without_notice_because: PlainText | None = Field(
        None, min_length=3, max_length=200, description="Why nobody can be told beforehand (B42). No personal data."
    )
    notice_url: str = Field(
        max_length=500, pattern=r"^https://[!-~]+$", description="The public page that explains it."
    )
    reason: PlainText = Field(min_length=3, max_length=200, description="No personal data.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.reach is Reach.SHOP) != (self.shop is not None):
            raise ValueError("give `shop` with the reach `shop`, and only then")
        if (self.reach is Reach.PROVIDER) != (self.provider is not None):
            raise ValueError("give `provider` with the reach `provider`, and only then")
        if self.treatment is not Treatment.KEEP and self.ends_at is None:
            raise ValueError("give `ends_at`: bookings are kept while nobody knows the end")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("`ends_at` must be after `starts_at`")
        return self

    @model_validator(mode="after")
    def _told_or_not(self) -> Self:
        if self.notice_at is not None and self.without_notice_because is not None:
            raise ValueError("give `notice_at` or `without_notice_because`, not both")
        if self.starts_at is None and self.without_notice_because is None:
            raise ValueError("what begins at once cannot be told of before: give `without_notice_because`")
        if self.notice_at is not None and self.starts_at is not None and self.notice_at >= self.starts_at:
            raise ValueError("`notice_at` must be before `starts_at`")
        return self

    def plan(self, received_at: datetime) -> Plan:
        """Return what is decided.

        Raises:
            Problem: 422 if it would begin or end in the past.
        """
        for name, at in (("starts_at", self.starts_at), ("ends_at", self.ends_at)):
            if at is not None and at <= received_at:
                detail = f"`{name}` is past."
                raise Problem(422, "invalid_request", detail, errors=[{"pointer": f"/{name}", "detail": "past"}])
        told = max(self.notice_at or received_at, received_at) if self.without_notice_because is None else None
        return Plan(
            reach=self.reach,
            shop_id=self.shop,
            provider=self.provider,
            treatment=self.treatment,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            notice_at=told,
            without_notice_because=self.without_notice_because,
            notice_url=self.notice_url,
            reason=self.reason,
        )


class Ending(Given):
    """Why it is undone, or lifted."""

    model_config = shown({"reason": "the provider is back"})

    reason: PlainText = Field(min_length=3, max_length=200, description="No personal data.")


@router.post("/preview", **says(200, PreviewShown, "shop_closed", title="Look whom a suspension would concern"))
def preview(body: SuspensionRequest, caller: Operator, received_at: ReceivedAt) -> dict[str, Any]:
    """Return the holds and bookings that this suspension would concern now. Nothing is decided by it."""
    wish = body.plan(received_at)
    with database().snapshot() as session:
        _may_decide(session, caller, body.shop)
        stop = wish.drawn_up(received_at=received_at)
        found = suspensions.concerned(session, stop, now=received_at, most=_MOST_SHOWN)
        kept = stop.treatment is Treatment.KEEP
        return {
            "holds": found.holds,
            "bookings": found.bookings,
            "first": [
                _booking_out(each) | {"move_until": None if kept else instant(stop.move_until(each.starts_at))}
                for each in found.first
            ],
        }


@router.post("", **says(201, SuspensionShown, "shop_closed", title="Suspend the service", location=True))
def suspend(body: SuspensionRequest, sent: Decided) -> JSONResponse:
    """Suspend the service, at once or from an instant on: new requests are refused, holds released (B40, B41)."""

    def act(session: Session) -> Answer:
        _may_decide(session, sent.caller, body.shop)
        stop = suspensions.plan(
            session, body.plan(sent.received_at), received_at=sent.received_at, actor=f"key:{sent.caller.id}"
        )
        return Answer(_out(session, stop, sent.caller), 201, {"Location": f"/v1/suspensions/{stop.id}"})

    return sent.answer(body, act)


@router.get("", **says(200, SuspensionList, title="List suspensions"))
def list_suspensions(
    caller: Operator,
    status: Annotated[Status | None, Query(description="Absent: those that run or are planned.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """List suspensions, the last to begin first."""
    query = select(Suspension).order_by(Suspension.starts_at.desc(), Suspension.id).limit(limit)
    query = query.where(Suspension.status.in_(LIVE if status is None else {status}))
    if caller.shops is not None:
        query = query.where((Suspension.reach != Reach.SHOP) | Suspension.shop_id.in_(caller.shops))
    with database().snapshot() as session:
        return {"suspensions": [_out(session, stop, caller) for stop in session.scalars(query)]}


@router.get("/{suspension_id}", **says(200, SuspensionShown, "suspension_not_found", title="Read a suspension"))
def show(suspension_id: UUID, caller: Operator) -> dict[str, Any]:
    """Return one suspension with its trail, and how many bookings it found."""
    with database().snapshot() as session:
        return _out(session, _visible(caller, session.get(Suspension, suspension_id)), caller)


@router.get(
    "/{suspension_id}/bookings",
    **says(200, TreatedList, "suspension_not_found", title="List the bookings of a suspension"),
)
def list_bookings(
    suspension_id: UUID,
    caller: Operator,
    after: Annotated[UUID | None, Query(description="The last booking of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List the bookings that it found, and what became of each, as far as the key may see their shops."""
    with database().snapshot() as session:
        _visible(caller, session.get(Suspension, suspension_id))
        query = (
            select(Booking, SuspendedBooking)
            .join(SuspendedBooking, SuspendedBooking.booking_id == Booking.id)
            .where(SuspendedBooking.suspension_id == suspension_id)
            .order_by(Booking.id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Booking.id > after)
        if caller.shops is not None:
            query = query.where(Booking.shop_id.in_(caller.shops))
        found = session.execute(query).all()
        return {
            "bookings": [
                _booking_out(booking) | {"outcome": treated.outcome, "told_at": instant(treated.told_at)}
                for booking, treated in found
            ],
            "after": str(found[-1][0].id) if len(found) == limit else None,
        }


@router.post(
    "/{suspension_id}/undo",
    **says(200, SuspensionShown, "suspension_not_found", "illegal_move", title="Undo a planned suspension"),
)
def undo(suspension_id: UUID, body: Ending, sent: SentByOperator) -> JSONResponse:
    """Take it back before it begins. Whoever was told of it is told that the booking stands."""

    def act(session: Session) -> Answer:
        stop = _locked(session, sent, suspension_id)
        suspensions.undo(session, stop, at=sent.received_at, actor=f"key:{sent.caller.id}", reason=body.reason)
        return Answer(_out(session, stop, sent.caller))

    return sent.answer(body, act)


@router.post(
    "/{suspension_id}/lift",
    **says(200, SuspensionShown, "suspension_not_found", "illegal_move", title="Lift a suspension"),
)
def lift(suspension_id: UUID, body: Ending, sent: SentByOperator) -> JSONResponse:
    """End it before its end. What it cancelled stays cancelled; whoever still waited keeps the booking and is told."""

    def act(session: Session) -> Answer:
        stop = _locked(session, sent, suspension_id)
        suspensions.lift(session, stop, at=sent.received_at, actor=f"key:{sent.caller.id}", reason=body.reason)
        return Answer(_out(session, stop, sent.caller))

    return sent.answer(body, act)


def _may_decide(session: Session, caller: ApiKey, shop_id: str | None) -> None:
    """Refuse a key what lies outside its partition: another shop, or all of them (B36)."""
    if shop_id is None:
        unbound(caller)
        return
    covered(caller, shop_id)
    if session.get(Shop, shop_id) is None:
        raise Problem(404, "shop_closed", "There is no such shop.")


def _visible(caller: ApiKey, stop: Suspension | None) -> Suspension:
    if stop is None or (stop.reach is Reach.SHOP and not caller.covers(stop.shop_id)):
        raise Problem(404, "suspension_not_found", "There is no such suspension.")
    return stop


def _locked(session: Session, sent: Submission, suspension_id: UUID) -> Suspension:
    stop = _visible(sent.caller, suspensions.locked(session, suspension_id))
    _may_decide(session, sent.caller, stop.shop_id)
    return stop


def _out(session: Session, stop: Suspension, caller: ApiKey) -> dict[str, Any]:
    session.flush()
    counts = dict.fromkeys(Outcome, 0)
    query = select(SuspendedBooking.outcome, func.count()).where(SuspendedBooking.suspension_id == stop.id)
    if caller.shops is not None:
        # One that concerns everybody found bookings of other shops as well (B36).
        query = query.join(Booking, Booking.id == SuspendedBooking.booking_id).where(Booking.shop_id.in_(caller.shops))
    for outcome, count in session.execute(query.group_by(SuspendedBooking.outcome)):
        if outcome is not None:
            counts[outcome] = count
    events = session.scalars(
        select(SuspensionEvent).where(SuspensionEvent.suspension_id == stop.id).order_by(SuspensionEvent.id)
    )
    return {
        "id": str(stop.id),
        "reach": stop.reach,
        "shop": stop.shop_id,
        "provider": stop.provider,
        "status": stop.status,
        "treatment": stop.treatment,
        "starts_at": instant(stop.starts_at),
        "ends_at": instant(stop.ends_at),
        "prior_notice": stop.prior_notice,
        "notice_at": instant(stop.notice_at),
        "without_notice_because": stop.without_notice_because,
        "notice_url": stop.notice_url,
        "reason": stop.reason,
        "created_at": instant(stop.created_at),
        "ended_at": instant(stop.ended_at),
        "bookings": {outcome.value: count for outcome, count in counts.items()},
        "events": [{"at": instant(each.at), "kind": each.kind, "by": each.actor} for each in events],
    }


def _booking_out(booking: Booking) -> dict[str, Any]:
    return {
        "id": str(booking.id),
        "reference": booking.reference,
        "shop": booking.shop_id,
        "status": booking.status,
        "starts_at": instant(booking.starts_at),
        "ends_at": instant(booking.ends_at),
    }
