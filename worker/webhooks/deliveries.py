"""Who is owed which event, and one attempt's claim and record. It asks the model and makes no call itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models.access import ApiKey
from models.job import Name, Queue
from models.webhook import (
    KEPT,
    LOST,
    URGENT_FOR,
    Cause,
    EventType,
    Heard,
    State,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookResend,
)
from worker.chance import first_id, jitter, new_id
from worker.clock import unix_ms
from worker.jobs import drop_timers, enqueue
from worker.webhooks import endpoints
from worker.webhooks.events import URGENT_EVENTS, body_of, queue_of, write
from worker.webhooks.posting import RESOLVER_SECONDS, SECONDS, URGENT_SECONDS

LEASE = timedelta(seconds=SECONDS + RESOLVER_SECONDS + 5)
PAGE = 100


@dataclass(frozen=True, repr=False)
class Plan:
    """One call that was claimed. It does not print itself: it holds a URL and secrets."""

    delivery_id: UUID
    attempt_id: UUID
    endpoint_id: UUID
    event_id: UUID
    url: str
    body: bytes
    seconds: float
    secrets: tuple[str, ...]


def fan_out(session: Session, event_id: UUID, *, now: datetime) -> int:
    """Owe an event to every endpoint that wants it; return to how many."""
    event = session.get(WebhookEvent, event_id)
    if event is None:
        return 0
    pairs = session.execute(
        select(WebhookEndpoint, ApiKey)
        .join(ApiKey, ApiKey.id == WebhookEndpoint.api_key_id)
        .where(WebhookEndpoint.disabled_at.is_(None))
        .order_by(WebhookEndpoint.id)
    )
    wanting = [endpoint for endpoint, key in pairs if endpoint.wants(event, key)]
    for endpoint in wanting:
        owe(session, endpoint, event, Cause.EVENT, now=now)
    return len(wanting)


def owe(
    session: Session, endpoint: WebhookEndpoint, event: WebhookEvent, cause: Cause, *, now: datetime
) -> WebhookDelivery:
    """Owe one event to one endpoint, at once."""
    delivery = WebhookDelivery(
        id=new_id(unix_ms()),
        endpoint_id=endpoint.id,
        event_id=event.id,
        cause=cause,
        state=State.WAITING,
        tries=0,
        created_at=now,
        next_attempt_at=now,
    )
    session.add(delivery)
    _owe_attempt(session, delivery)
    return delivery


def owe_test(session: Session, endpoint: WebhookEndpoint, *, now: datetime) -> WebhookDelivery:
    """Owe a test event to one endpoint, also a disabled one."""
    event = write(session, EventType.TEST, shop_id=None, data={"endpoint_id": endpoint.id}, now=now)
    session.flush()
    return owe(session, endpoint, event, Cause.TEST, now=now)


def owe_span(
    session: Session,
    endpoint: WebhookEndpoint,
    *,
    from_at: datetime,
    until_at: datetime,
    include_delivered: bool,
    now: datetime,
) -> WebhookResend:
    """Owe the events of a span of time once more; jobs write the deliveries, a page each."""
    resend = WebhookResend(
        id=new_id(unix_ms()),
        endpoint_id=endpoint.id,
        from_at=from_at,
        until_at=until_at,
        include_delivered=include_delivered,
        found=0,
        created_at=now,
    )
    session.add(resend)
    enqueue(session, Name.RESEND_WEBHOOKS, resend_id=resend.id)
    return resend


def resend_page(session: Session, resend_id: UUID, *, now: datetime) -> None:
    """Owe the next page of a span's events, and the page after it if there may be one.

    What waits for the endpoint already is not owed twice.
    """
    resend = session.get(WebhookResend, resend_id, with_for_update=True)
    if resend is None or resend.ended_at is not None:
        return
    endpoint = session.get_one(WebhookEndpoint, resend.endpoint_id)
    key = session.get_one(ApiKey, endpoint.api_key_id)
    query = (
        select(WebhookEvent)
        .where(WebhookEvent.occurred_at >= resend.from_at, WebhookEvent.occurred_at < resend.until_at)
        .order_by(WebhookEvent.id)
        .limit(PAGE)
    )
    if resend.after_event_id is not None:
        query = query.where(WebhookEvent.id > resend.after_event_id)
    page = session.scalars(query).all()
    settled = _settled(session, endpoint.id, [event.id for event in page], with_delivered=not resend.include_delivered)
    wanted = [event for event in page if event.id not in settled and endpoint.wants(event, key)]
    for event in wanted:
        owe(session, endpoint, event, Cause.RESEND, now=now)
    if page:
        resend.advance(page[-1].id, len(wanted))
    if len(page) < PAGE:
        resend.end(now=now)
    else:
        enqueue(session, Name.RESEND_WEBHOOKS, resend_id=resend.id)


def claim(session: Session, delivery_id: UUID, number: int, *, now: datetime) -> Plan | None:
    """Open an attempt, or say that there is none to make: it is done, stopped, or put off."""
    endpoint, delivery = _locked(session, delivery_id)
    if endpoint is None or delivery is None or not delivery.is_due_as(number):
        return None
    is_test = delivery.cause is Cause.TEST
    key = session.get_one(ApiKey, endpoint.api_key_id)
    if key.revoked_at is not None:
        delivery.stop("key_revoked", now=now)
        return None
    if endpoint.disabled_at is not None and not is_test:
        delivery.stop("endpoint_disabled", now=now)
        return None
    event = session.get_one(WebhookEvent, delivery.event_id)
    is_urgent = _queue_of(delivery, event) is Queue.CALLS
    under_way = _under_way(session, endpoint.id, now, is_urgent=is_urgent)
    if not is_test and (later := endpoint.room_at(now, under_way, jitter=jitter(1.0), is_urgent=is_urgent)):
        delivery.put_off(later)
        _owe_attempt(session, delivery)
        return None
    delivery.begin()
    attempt = WebhookAttempt(
        id=new_id(unix_ms()),
        delivery_id=delivery.id,
        endpoint_id=endpoint.id,
        number=number,
        started_at=now,
    )
    session.add(attempt)
    ring = tuple(endpoints.secrets(session, endpoint.id, now=now))
    seconds = URGENT_SECONDS if is_urgent else SECONDS
    return Plan(delivery.id, attempt.id, endpoint.id, event.id, endpoint.url, body_of(event), seconds, ring)


def record(session: Session, plan: Plan, heard: Heard, *, now: datetime) -> bool:
    """Write down what came of an attempt, and owe the next one if it is due; say whether this disabled the endpoint."""
    endpoint, delivery = _locked(session, plan.delivery_id)
    if endpoint is None or delivery is None:
        return False
    was_enabled = endpoint.disabled_at is None
    attempt = session.get_one(WebhookAttempt, plan.attempt_id)
    is_late = attempt.ended_at is not None
    attempt.record(heard, now=now)
    if delivery.cause is not Cause.TEST or heard.is_success or heard.is_gone:
        endpoint.learn(heard, now=now)
    if is_late:
        delivery.learn_late(heard, now=now)
    else:
        _go_on(session, delivery, heard, now=now)
    _let_in(session, endpoint.id)
    return was_enabled and endpoint.disabled_at is not None


def lose(session: Session, delivery_id: UUID, number: int, *, now: datetime) -> None:
    """Give up waiting for an attempt whose process died. It says nothing of the receiver, and is made again."""
    _, delivery = _locked(session, delivery_id)
    if delivery is None or delivery.state is not State.CALLING or delivery.tries != number:
        return
    open_ones = select(WebhookAttempt).where(
        WebhookAttempt.delivery_id == delivery_id, WebhookAttempt.ended_at.is_(None)
    )
    for attempt in session.scalars(open_ones):
        attempt.record(LOST, now=now)
    _go_on(session, delivery, LOST, now=now)


def forget_old(session: Session, *, now: datetime) -> None:
    """Delete a few events whose time is over, with their deliveries. Each new event removes more than one old one."""
    old = (
        select(WebhookEvent.id)
        .where(WebhookEvent.occurred_at < now - KEPT)
        .order_by(WebhookEvent.occurred_at)
        .limit(10)
        .with_for_update(skip_locked=True)
    )
    session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(session.scalars(old).all())))


def _go_on(session: Session, delivery: WebhookDelivery, heard: Heard, *, now: datetime) -> None:
    delivery.record(heard, now=now, jitter=jitter(1.0))
    if delivery.state is State.WAITING:
        _owe_attempt(session, delivery)


def _let_in(session: Session, endpoint_id: UUID) -> None:
    """Let the next go that only wanted for room, if it is one that rings: the second it was put off by is long."""
    waits = (
        select(WebhookDelivery)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.id >= first_id(unix_ms() - URGENT_FOR // timedelta(milliseconds=1)),
            WebhookDelivery.state == State.WAITING,
            WebhookDelivery.tries == 0,
            WebhookDelivery.next_attempt_at > WebhookDelivery.created_at,
            WebhookEvent.type.in_(URGENT_EVENTS),
        )
        .order_by(WebhookDelivery.id)
        .limit(1)
    )
    for delivery in session.scalars(waits):
        delivery.take_up()
        drop_timers(session, delivery.id)
        _owe_attempt(session, delivery)


def _owe_attempt(session: Session, delivery: WebhookDelivery) -> None:
    event = session.get_one(WebhookEvent, delivery.event_id)
    enqueue(
        session,
        Name.DELIVER_WEBHOOK,
        due_at=delivery.next_attempt_at,
        timer_of=delivery.id if delivery.is_put_off else None,
        queue=_queue_of(delivery, event),
        delivery_id=delivery.id,
        number=delivery.tries + 1,
    )


def _queue_of(delivery: WebhookDelivery, event: WebhookEvent) -> Queue:
    # Only what was never put off is in a hurry: a ringing that is told late rings no more.
    return queue_of(event.type) if delivery.tries == 0 and not delivery.is_put_off else Queue.WEBHOOKS


def _locked(session: Session, delivery_id: UUID) -> tuple[WebhookEndpoint | None, WebhookDelivery | None]:
    endpoint_id = session.scalars(
        select(WebhookDelivery.endpoint_id).where(WebhookDelivery.id == delivery_id)
    ).one_or_none()
    endpoint = endpoints.locked(session, endpoint_id) if endpoint_id else None
    # The endpoint may have been deleted while we waited, and its deliveries with it.
    delivery = session.get(WebhookDelivery, delivery_id, with_for_update=True, populate_existing=True)
    return endpoint, delivery


def _under_way(session: Session, endpoint_id: UUID, now: datetime, *, is_urgent: bool) -> list[datetime]:
    query = select(WebhookAttempt.started_at).where(
        WebhookAttempt.endpoint_id == endpoint_id,
        WebhookAttempt.ended_at.is_(None),
        # What a killed process left open must not block the endpoint until it is found.
        WebhookAttempt.started_at > now - LEASE,
    )
    if is_urgent:
        of_calls = select(WebhookDelivery.id).join(WebhookEvent).where(WebhookEvent.type.in_(URGENT_EVENTS))
        query = query.where(WebhookAttempt.number == 1, WebhookAttempt.delivery_id.in_(of_calls))
    return list(session.scalars(query))


def _settled(session: Session, endpoint_id: UUID, event_ids: list[UUID], *, with_delivered: bool) -> set[UUID]:
    states = [State.WAITING, State.CALLING, *([State.DELIVERED] if with_delivered else [])]
    query = select(WebhookDelivery.event_id).where(
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.event_id.in_(event_ids),
        WebhookDelivery.state.in_(states),
    )
    return set(session.scalars(query))
