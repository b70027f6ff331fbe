"""Writing down what other systems are told, in the transaction of the move itself. It knows thin facts and no endpoint.

Nothing personal is ever told: ids, states, revisions and instants. Who wants more asks the API, with a key.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking, Side
from models.call import Call
from models.disclosure import DisclosureCase
from models.job import Name, Queue
from models.message import Message
from models.message import State as MessageState
from models.suspension import Suspension
from models.webhook import LARGEST_BODY_BYTES, EventType, WebhookEndpoint, WebhookEvent
from worker.chance import new_id
from worker.clock import unix_ms
from worker.jobs import enqueue

Fact = str | int | UUID | datetime | None

MESSAGE_EVENTS: Mapping[MessageState, EventType] = MappingProxyType(
    {
        MessageState.DELIVERED: EventType.MESSAGE_DELIVERED,
        MessageState.UNDELIVERED: EventType.MESSAGE_UNDELIVERED,
        MessageState.EXPIRED: EventType.MESSAGE_UNDELIVERED,
        MessageState.FAILED: EventType.MESSAGE_FAILED,
        MessageState.UNKNOWN: EventType.MESSAGE_UNKNOWN,
    }
)

URGENT_EVENTS = frozenset({EventType.CALL_RINGING, EventType.CALL_ANSWERED, EventType.CALL_MISSED})
"""What a phone at the shop rings by: also that it need not ring any more."""


def emit(
    session: Session, type_: EventType, *, shop_id: str | None, data: Mapping[str, Fact], now: datetime
) -> UUID | None:
    """Write an event, and owe it to whoever wants it, in the caller's transaction.

    Where there is no endpoint at all it writes nothing; that costs one look at an empty table. Nothing is remembered
    between transactions, since a remembered "nobody" would lose the first events of a new endpoint. A disabled
    endpoint counts: what happened meanwhile can be sent to it once it is enabled. Who is told exactly is found out by
    a job, so that a move takes no longer for many endpoints than for one.

    Args:
        session: the transaction of the move that is told.
        type_: which.
        shop_id: whose it is; keys that do not cover the shop never hear of it (B36). None: of no shop.
        data: thin facts; instants become RFC 3339.
        now: when it happened.

    Returns:
        The event's id, or None if there is nobody to tell.

    Raises:
        ValueError: the body would be larger than receivers must take.
    """
    # What the caller has not finished yet must not be flushed by this look.
    with session.no_autoflush:
        if session.scalars(select(WebhookEndpoint.id).limit(1)).first() is None:
            return None
    event = write(session, type_, shop_id=shop_id, data=data, now=now)
    enqueue(session, Name.FAN_OUT_WEBHOOK, queue=queue_of(type_), event_id=event.id)
    return event.id


def queue_of(type_: EventType) -> Queue:
    """Return where an event is handed on: what rings, or stops to, goes past every flood of anything else."""
    return Queue.CALLS if type_ in URGENT_EVENTS else Queue.WEBHOOKS


def write(
    session: Session, type_: EventType, *, shop_id: str | None, data: Mapping[str, Fact], now: datetime
) -> WebhookEvent:
    """Write an event without telling anybody.

    Raises:
        ValueError: the body would be larger than receivers must take.
    """
    event = WebhookEvent(
        id=new_id(unix_ms()),
        type=type_,
        shop_id=shop_id,
        data={key: _plain(value) for key, value in data.items()},
        occurred_at=now,
    )
    if len(body_of(event)) >= LARGEST_BODY_BYTES:
        raise ValueError(f"a {type_} event has {LARGEST_BODY_BYTES} bytes or more")
    session.add(event)
    return event


def body_of(event: WebhookEvent) -> bytes:
    """Return what is sent: the same bytes at every attempt.

    Source: Standard Webhooks 1.0.0, "Payload structure".
    """
    body = {"type": event.type, "timestamp": instant(event.occurred_at), "data": event.data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def tell_of_booking(session: Session, type_: EventType, booking: Booking, *, now: datetime) -> None:
    """Tell that a booking moved."""
    emit(
        session,
        type_,
        shop_id=booking.shop_id,
        data={
            "booking_id": booking.id,
            "shop": booking.shop_id,
            "status": booking.status,
            "revision": booking.revision,
            "starts_at": booking.starts_at,
            "ends_at": booking.ends_at,
            "released_because": booking.released_because,
            "cancelled_by": booking.cancelled_by,
            "absent": booking.absent,
        },
        now=now,
    )


def tell_of_entry(session: Session, booking: Booking, side: Side, *, now: datetime) -> None:
    """Tell that one side entered the call."""
    emit(
        session,
        EventType.CALL_ENTERED,
        shop_id=booking.shop_id,
        data={
            "booking_id": booking.id,
            "shop": booking.shop_id,
            "status": booking.status,
            "revision": booking.revision,
            "side": side,
        },
        now=now,
    )


def tell_of_call(session: Session, type_: EventType, call: Call, *, now: datetime) -> None:
    """Tell how a call at once goes on: ringing, answered, missed, ended. Who called is never told."""
    emit(
        session,
        type_,
        shop_id=call.shop_id,
        data={
            "call_id": call.id,
            "shop": call.shop_id,
            "status": call.status,
            "requested_at": call.requested_at,
            "rings_until": call.rings_until,
            "staff": call.staff_id,
            "waited_seconds": call.waited_seconds,
            "talked_seconds": call.talked_seconds,
            "end_reason": call.end_reason,
            "failed_side": call.failed_side,
        },
        now=now,
    )


def tell_of_call_entry(session: Session, call: Call, side: Side, *, now: datetime) -> None:
    """Tell that one side entered a call at once."""
    data: Mapping[str, Fact] = {"call_id": call.id, "shop": call.shop_id, "status": call.status, "side": side}
    emit(session, EventType.CALL_ENTERED, shop_id=call.shop_id, data=data, now=now)


def tell_of_case(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Tell that a case moved: which, and where it stands. Neither who nor why (D50)."""
    emit(
        session,
        EventType.CASE_MOVED,
        shop_id=None,
        data={
            "case_id": case.id,
            "reference": case.reference,
            "state": case.state,
            "version": case.version,
            "deadline_at": case.deadline_at,
        },
        now=now,
    )


def tell_of_suspension(session: Session, stop: Suspension, *, now: datetime) -> None:
    """Tell that a suspension was planned, began, ended, was undone or lifted: whom it concerns, until when (B42)."""
    emit(
        session,
        EventType.SUSPENSION_CHANGED,
        shop_id=stop.shop_id,
        data={
            "suspension_id": stop.id,
            "status": stop.status.value,
            "reach": stop.reach.value,
            "shop": stop.shop_id,
            "provider": stop.provider,
            "treatment": stop.treatment.value,
            "starts_at": stop.starts_at,
            "ends_at": stop.ends_at,
            "notice_url": stop.notice_url,
        },
        now=now,
    )


def tell_of_message(session: Session, message: Message, before: MessageState, *, now: datetime) -> None:
    """Tell what became of a message, if it has just moved there; other states tell nobody anything.

    Args:
        session: the transaction of the move.
        message: as it stands now.
        before: its state before what may have moved it.
        now: when.
    """
    type_ = MESSAGE_EVENTS.get(message.state)
    # What a case's notices are about is for nobody but the case's own people.
    if type_ is None or message.state is before or message.shop_id is None:
        return
    emit(
        session,
        type_,
        shop_id=message.shop_id,
        data={
            "message_id": message.id,
            "shop": message.shop_id,
            "kind": message.kind,
            "channel": message.channel,
            "state": message.state,
            "reason": message.because,
            "booking_id": message.booking_id,
            "revision": message.revision,
        },
        now=now,
    )


def instant(at: datetime) -> str:
    """Return an instant as RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Fact) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    return str(value) if isinstance(value, UUID) else value
