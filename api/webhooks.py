"""Endpoints of webhooks over HTTP: a calling system manages its own, sees what became of each delivery, asks again.

A key sees its own endpoints only, and these hear only of the shops that the key covers (B36).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from pydantic import ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.access import needs
from api.answers import (
    DeliveryAccepted,
    DeliveryList,
    DeliveryShown,
    EndpointList,
    EndpointShown,
    EndpointWithSecret,
    ResendAccepted,
    ResendShown,
)
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.problems import Problem
from api.resources import CountableInstant, Given, PlainText, instant
from models.access import ApiKey, Scope
from models.webhook import (
    KEPT,
    MOST_ENDPOINTS,
    MOST_SECRETS,
    Cause,
    DisabledBecause,
    EventType,
    State,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookResend,
)
from worker.database import database
from worker.webhooks import deliveries, endpoints
from worker.webhooks.addresses import LONGEST_URL, Refused, target_of

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"])

Manager = Annotated[ApiKey, Depends(needs(Scope.WEBHOOKS))]
SentOnce = Annotated[Submission, Depends(submitted(Scope.WEBHOOKS, key_required=True))]
Sent = Annotated[Submission, Depends(submitted(Scope.WEBHOOKS))]

_REFUSED_BECAUSE = {
    "url_too_long": f"A URL may have {LONGEST_URL} characters.",
    "url_malformed": "This is not a URL in ASCII; write other letters percent-encoded, or as `xn--`.",
    "url_not_https": "Webhooks go to https only.",
    "url_with_credentials": "A URL with a user or a password is refused; verify our signature instead.",
    "url_with_fragment": "A fragment never reaches a server.",
    "port_refused": "Use port 443, or one from 1024.",
    "address_refused": "Webhooks go to public addresses only.",
}


class EndpointRequest(Given):
    """`POST /v1/webhook-endpoints`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://hooks.example.com/toritsugi", "types": ["booking.confirmed"]}]}
    )

    url: str = Field(max_length=LONGEST_URL, examples=["https://hooks.example.com/toritsugi"])
    label: PlainText = Field("", max_length=100, description="A name of your own for it; never personal data.")
    types: list[EventType] | None = Field(None, min_length=1, description="Which events; all when absent.")


class EndpointChange(Given):
    """`PATCH …/{id}`: what is absent stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True}]})

    url: str | None = Field(None, max_length=LONGEST_URL)
    label: PlainText | None = Field(None, max_length=100)
    types: list[EventType] | None = Field(None, min_length=1, description="null for all.")
    enabled: bool | None = Field(
        None, description="false: call it no more. true: begin again, also after 410 or five days of failures."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one of `url`, `label`, `types` and `enabled`")
        unset = [name for name in self.model_fields_set - {"types"} if getattr(self, name) is None]
        if unset:
            raise ValueError(f"null means nothing for {', '.join(sorted(unset))}")
        return self


class ResendRequest(Given):
    """`POST …/{id}/resend`: one event, or the events of a span of time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"from": "2026-11-30T00:00:00Z", "to": "2026-12-01T00:00:00Z"},
                {"event_id": "0197e3a2-7a00-7b30-8d77-4d3f8d3f7c33"},
            ]
        }
    )

    event_id: UUID | None = Field(None, description="The `webhook-id` of one event.")
    from_at: CountableInstant | None = Field(None, alias="from", description="Events from this instant on …")
    until_at: CountableInstant | None = Field(None, alias="to", description="… and before this one.")
    include_delivered: bool = Field(
        default=False, description="Of a span, also those that the endpoint has taken already."
    )

    @model_validator(mode="after")
    def _one_or_a_span(self) -> Self:
        span = (self.from_at, self.until_at)
        if (self.event_id is None) == (span == (None, None)) or span.count(None) == 1:
            raise ValueError("give either `event_id`, or both `from` and `to`")
        if self.from_at is not None and self.until_at is not None and self.from_at >= self.until_at:
            raise ValueError("`from` must be before `to`")
        return self


@router.post(
    "",
    **says(201, EndpointWithSecret, "too_many_endpoints", *_REFUSED_BECAUSE, title="Add an endpoint", location=True),
)
def add(body: EndpointRequest, sent: SentOnce) -> JSONResponse:
    """Add an endpoint. The answer holds its secret; only this request, repeated with its key, shows it again."""
    _check_url(body.url)

    def act(session: Session) -> Answer:
        if endpoints.owned_count(session, sent.caller.id) >= MOST_ENDPOINTS:
            detail = f"A key may have {MOST_ENDPOINTS} endpoints. Delete one that is not needed."
            raise Problem(409, "too_many_endpoints", detail)
        endpoint, secret = endpoints.add(
            session,
            api_key_id=sent.caller.id,
            url=body.url,
            label=body.label,
            types=body.types,
            now=sent.received_at,
        )
        out = {**_endpoint_out(endpoint), "secret": secret}
        return Answer(out, 201, {"Location": _path(endpoint)})

    return sent.answer(body, act)


@router.get("", **says(200, EndpointList, title="List endpoints"))
def show_all(caller: Manager) -> dict[str, Any]:
    """Return the caller's endpoints."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.api_key_id == caller.id).order_by(WebhookEndpoint.id)
    with database().snapshot() as session:
        return {"endpoints": [_endpoint_out(endpoint) for endpoint in session.scalars(query)]}


@router.get("/{endpoint_id}", **says(200, EndpointShown, "endpoint_not_found", title="Read an endpoint"))
def show(endpoint_id: UUID, caller: Manager) -> dict[str, Any]:
    """Return one endpoint: whether it is called, and since when it fails."""
    with database().snapshot() as session:
        return _endpoint_out(_own(caller, session.get(WebhookEndpoint, endpoint_id)))


@router.patch(
    "/{endpoint_id}",
    **says(200, EndpointShown, "endpoint_not_found", *_REFUSED_BECAUSE, title="Change an endpoint"),
)
def change(endpoint_id: UUID, body: EndpointChange, sent: Sent) -> JSONResponse:
    """Change an endpoint, switch it off, or on again. What happened meanwhile comes with `resend`, not by itself."""
    if body.url is not None:
        _check_url(body.url)

    def act(session: Session) -> Answer:
        endpoint = _own(sent.caller, endpoints.locked(session, endpoint_id))
        if body.url is not None:
            endpoint.url = body.url
        if body.label is not None:
            endpoint.label = body.label
        if "types" in body.model_fields_set:
            endpoint.types = list(body.types) if body.types is not None else None
        if body.enabled is True:
            endpoint.enable()
        if body.enabled is False:
            endpoint.disable(DisabledBecause.OWNER, at=sent.received_at)
        return Answer(_endpoint_out(endpoint))

    return sent.answer(body, act)


@router.delete("/{endpoint_id}", **says(204, None, "endpoint_not_found", title="Delete an endpoint"))
def remove(endpoint_id: UUID, caller: Manager) -> Response:
    """Delete an endpoint, its secrets and its log. A call under way may still arrive."""
    with database().transaction() as session:
        endpoints.remove(session, _own(caller, session.get(WebhookEndpoint, endpoint_id, with_for_update=True)))
    return Response(status_code=204)


@router.post(
    "/{endpoint_id}/rotate-secret",
    **says(200, EndpointWithSecret, "endpoint_not_found", "too_many_secrets", title="Make a new secret"),
)
def rotate_secret(endpoint_id: UUID, sent: SentOnce) -> JSONResponse:
    """Make a new secret. For 24 hours both it and the old one sign every call, so that nothing is missed."""

    def act(session: Session) -> Answer:
        endpoint = _own(sent.caller, endpoints.locked(session, endpoint_id))
        if endpoints.secrets_count(session, endpoint.id, now=sent.received_at) >= MOST_SECRETS:
            detail = f"{MOST_SECRETS} secrets sign already. Wait until one of them has lived its 24 hours."
            raise Problem(409, "too_many_secrets", detail)
        secret = endpoints.rotate(session, endpoint, now=sent.received_at)
        return Answer({**_endpoint_out(endpoint), "secret": secret})

    return sent.answer(None, act)


@router.post(
    "/{endpoint_id}/test",
    **says(202, DeliveryAccepted, "endpoint_not_found", title="Send a test event", location=True),
)
def send_test(endpoint_id: UUID, sent: Sent) -> JSONResponse:
    """Send a `webhook.test` event: one attempt, also to an endpoint that is off. `Location` shows the outcome."""

    def act(session: Session) -> Answer:
        endpoint = _own(sent.caller, endpoints.locked(session, endpoint_id))
        return _accepted(endpoint, deliveries.owe_test(session, endpoint, now=sent.received_at))

    return sent.answer(None, act)


@router.post(
    "/{endpoint_id}/resend",
    **says(
        202,
        ResendAccepted,
        "endpoint_not_found",
        "event_not_found",
        "endpoint_disabled",
        title="Send events again",
        location=True,
    ),
)
def resend(endpoint_id: UUID, body: ResendRequest, sent: Sent) -> JSONResponse:
    """Send one event once more, or those of a span of time; events are kept for 30 days. The `webhook-id` stays."""

    def act(session: Session) -> Answer:
        endpoint = _own(sent.caller, endpoints.locked(session, endpoint_id))
        if endpoint.disabled_at is not None:
            raise Problem(409, "endpoint_disabled", "The endpoint is switched off. Switch it on first.")
        if body.event_id is not None:
            event = session.get(WebhookEvent, body.event_id)
            if event is None or not endpoint.may_see(event, sent.caller):
                raise Problem(404, "event_not_found", "There is no such event, or it is older than 30 days.")
            return _accepted(endpoint, deliveries.owe(session, endpoint, event, Cause.RESEND, now=sent.received_at))
        span = deliveries.owe_span(
            session,
            endpoint,
            from_at=max(body.from_at or sent.received_at, sent.received_at - KEPT),
            until_at=body.until_at or sent.received_at,
            include_delivered=body.include_delivered,
            now=sent.received_at,
        )
        return Answer(_resend_out(span), 202, {"Location": f"{_path(endpoint)}/resends/{span.id}"})

    return sent.answer(body, act)


@router.get(
    "/{endpoint_id}/resends/{resend_id}",
    **says(200, ResendShown, "endpoint_not_found", "resend_not_found", title="Read a resend"),
)
def show_resend(endpoint_id: UUID, resend_id: UUID, caller: Manager) -> dict[str, Any]:
    """Return how far the resending of a span has come."""
    with database().snapshot() as session:
        endpoint = _own(caller, session.get(WebhookEndpoint, endpoint_id))
        span = session.get(WebhookResend, resend_id)
        if span is None or span.endpoint_id != endpoint.id:
            raise Problem(404, "resend_not_found", "There is no such resend.")
        return _resend_out(span)


@router.get("/{endpoint_id}/deliveries", **says(200, DeliveryList, "endpoint_not_found", title="List deliveries"))
def show_deliveries(
    endpoint_id: UUID,
    caller: Manager,
    state: Annotated[State | None, Query()] = None,
    before: Annotated[UUID | None, Query(description="The last delivery of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Return what became of each event, the newest first, with every attempt."""
    with database().snapshot() as session:
        endpoint = _own(caller, session.get(WebhookEndpoint, endpoint_id))
        query = (
            select(WebhookDelivery, WebhookEvent)
            .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
            .where(WebhookDelivery.endpoint_id == endpoint.id)
            .order_by(WebhookDelivery.id.desc())
            .limit(limit)
        )
        query = query.where(WebhookDelivery.state == state) if state is not None else query
        query = query.where(WebhookDelivery.id < before) if before is not None else query
        found = [(delivery, event) for delivery, event in session.execute(query)]
        out = _deliveries_out(session, found)
    return {"deliveries": out, "next_before": out[-1]["id"] if len(out) == limit else None}


@router.get(
    "/{endpoint_id}/deliveries/{delivery_id}",
    **says(200, DeliveryShown, "endpoint_not_found", "delivery_not_found", title="Read a delivery"),
)
def show_delivery(endpoint_id: UUID, delivery_id: UUID, caller: Manager) -> dict[str, Any]:
    """Return what became of one delivery."""
    with database().snapshot() as session:
        endpoint = _own(caller, session.get(WebhookEndpoint, endpoint_id))
        delivery = session.get(WebhookDelivery, delivery_id)
        if delivery is None or delivery.endpoint_id != endpoint.id:
            raise Problem(404, "delivery_not_found", "There is no such delivery, or it is older than 30 days.")
        return _deliveries_out(session, [(delivery, session.get_one(WebhookEvent, delivery.event_id))])[0]


def _own(caller: ApiKey, endpoint: WebhookEndpoint | None) -> WebhookEndpoint:
    if endpoint is None or endpoint.api_key_id != caller.id:
        raise Problem(404, "endpoint_not_found", "This key has no such endpoint.")
    return endpoint


def _check_url(url: str) -> None:
    """Refuse at once what no attempt would call. A name is resolved only then, by whoever makes the attempt."""
    try:
        target_of(url)
    except Refused as refused:
        detail = _REFUSED_BECAUSE[refused.reason]
        pointed = [{"pointer": "/url", "detail": detail}]
        raise Problem(422, refused.reason, detail, errors=pointed) from None


def _path(endpoint: WebhookEndpoint) -> str:
    return f"{router.prefix}/{endpoint.id}"


def _accepted(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> Answer:
    out = {"delivery_id": str(delivery.id), "event_id": str(delivery.event_id), "state": delivery.state}
    return Answer(out, 202, {"Location": f"{_path(endpoint)}/deliveries/{delivery.id}"})


def _endpoint_out(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "label": endpoint.label,
        "types": endpoint.types,
        "enabled": endpoint.disabled_at is None,
        "created_at": instant(endpoint.created_at),
        "disabled_at": instant(endpoint.disabled_at),
        "disabled_because": endpoint.disabled_because,
        "failing_since": instant(endpoint.failing_since),
        "failures": endpoint.failures,
        "paused_until": instant(endpoint.paused_until),
    }


def _resend_out(span: WebhookResend) -> dict[str, Any]:
    return {
        "id": str(span.id),
        "from": instant(span.from_at),
        "to": instant(span.until_at),
        "include_delivered": span.include_delivered,
        "found": span.found,
        "ended_at": instant(span.ended_at),
    }


def _deliveries_out(session: Session, found: Sequence[tuple[WebhookDelivery, WebhookEvent]]) -> list[dict[str, Any]]:
    ids = [delivery.id for delivery, _ in found]
    query = select(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(ids)).order_by(WebhookAttempt.id)
    attempts: dict[UUID, list[dict[str, Any]]] = {delivery_id: [] for delivery_id in ids}
    for attempt in session.scalars(query):
        attempts[attempt.delivery_id].append(_attempt_out(attempt))
    return [
        {
            "id": str(delivery.id),
            "event_id": str(event.id),
            "type": event.type,
            "occurred_at": instant(event.occurred_at),
            "cause": delivery.cause,
            "state": delivery.state,
            "because": delivery.because,
            "next_attempt_at": instant(delivery.next_attempt_at),
            "ended_at": instant(delivery.ended_at),
            "attempts": attempts[delivery.id],
        }
        for delivery, event in found
    ]


def _attempt_out(attempt: WebhookAttempt) -> dict[str, int | str | datetime | None]:
    return {
        "number": attempt.number,
        "started_at": instant(attempt.started_at),
        "ended_at": instant(attempt.ended_at),
        "status": attempt.status,
        "error": attempt.error,
    }
