"""The same request twice has one effect and one answer. The key is kept in the transaction of the effect itself.

Source: draft-ietf-httpapi-idempotency-key-header-07 (expired, not an RFC).
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.access import needs
from api.arrivals import ReceivedAt
from api.contacts import contact_url
from api.description import KEY_REQUIRED
from api.problems import MEDIA_TYPE, Problem, problem_of
from models.access import KEPT, ApiKey, IdempotentRequest, Scope
from models.errors import Refusal
from worker.database import database, insert_new, mark_commit_actions
from worker.derived_keys import fingerprint
from worker.seals import seal_for_ourselves, unseal_for_ourselves

_KEY = re.compile(r'"?([\x21\x23-\x7e]{1,200})"?')


def _key_header(*, required: bool) -> Any:
    return Header(
        alias="Idempotency-Key",
        description="A string of your own, unique per request, kept for 24 hours. The same key with the same request "
        "gets the same answer; with another request 422.",
        json_schema_extra={KEY_REQUIRED: required},
    )


@dataclass(frozen=True)
class Answer:
    """What a request is answered with."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, *, replayed: bool = False) -> JSONResponse:
        """Return it as JSON; problems keep their own media type."""
        media_type = MEDIA_TYPE if self.status >= 400 else "application/json"  # noqa: PLR2004 - HTTP's own line
        headers = {**self.headers, **({"Idempotent-Replayed": "true"} if replayed else {})}
        return JSONResponse(dict(self.body), status_code=self.status, headers=headers, media_type=media_type)


Explain = Callable[[Session, Refusal], Problem]


def parse_key(text: str | None, *, required: bool) -> str | None:
    """Return the key, with or without the quotes of a structured field.

    Raises:
        Problem: 400 if it is missing where it is required, or malformed.
    """
    if text is None:
        if required:
            raise Problem(400, "idempotency_key_missing", "Send an `Idempotency-Key` of your own with this request.")
        return None
    parts = _KEY.fullmatch(text.strip())
    if parts is None:
        raise Problem(400, "idempotency_key_malformed", "An `Idempotency-Key` has 1 to 200 visible ASCII characters.")
    return parts[1]


@dataclass(frozen=True)
class Submission:
    """A request that changes something: who sent it, when it arrived, and the key under which it may come again."""

    caller: ApiKey
    received_at: datetime
    target: str
    key: str | None

    def answer(
        self, body: BaseModel | None, act: Callable[[Session], Answer], *, explain: Explain | None = None
    ) -> JSONResponse:
        """Run `act` in a transaction and answer; if it comes again with its key, it gets the first one's answer.

        A refusal undoes what `act` did, and is kept as the answer like any other.

        Raises:
            Problem: 422 if the key was used for another request, 409 if that is being answered just now.
            sqlalchemy.exc.DBAPIError: nothing was committed, the key included.
        """
        canonical = json.dumps(body.model_dump(mode="json") if body else {}, sort_keys=True)
        digest = fingerprint("idempotency", self.target, canonical)
        # Two that want what the other gives up wait for each other, until PostgreSQL takes one back: it begins anew.
        return database().transact(lambda session: self._answer(session, digest, body, act, explain))

    def _answer(
        self,
        session: Session,
        digest: str,
        body: BaseModel | None,
        act: Callable[[Session], Answer],
        explain: Explain | None,
    ) -> JSONResponse:
        if self.key is None:
            return self._attempt(session, body, act, explain).response()
        known = _begin(session, self.caller, self.key, digest, self.received_at)
        if known is not None:
            return known.response(replayed=True)
        answer = self._attempt(session, body, act, explain)
        _keep(session, self.caller, self.key, answer)
        return answer.response()

    def _attempt(
        self, session: Session, body: BaseModel | None, act: Callable[[Session], Answer], explain: Explain | None
    ) -> Answer:
        forget_hooks = mark_commit_actions(session)
        try:
            with session.begin_nested():
                return act(session)
        except Refusal as refusal:
            forget_hooks()
            problem = explain(session, refusal) if explain else problem_of(refusal, received_at=self.received_at)
            path = self.target.partition(" ")[2].partition(" ")[0]
            if (asked_at := contact_url(session, refusal, path=path, body=body)) is not None:
                problem.extra.setdefault("contact_url", asked_at)
            return Answer(problem.body(), problem.status, problem.headers)


def submitted(scope: Scope, *, key_required: bool = False) -> Callable[..., Awaitable[Submission]]:
    """Return a dependency that admits callers with this scope and reads their idempotency key."""

    async def read(
        request: Request,
        caller: Annotated[ApiKey, Depends(needs(scope))],
        received_at: ReceivedAt,
        key: Annotated[str | None, _key_header(required=key_required)] = None,
    ) -> Submission:
        # Who proves to be another party asks something else.
        link = request.headers.get("Case-Link")
        proof = f" {fingerprint('case-link', link)}" if link else ""
        target = f"{request.method} {request.url.path}{proof}"
        return Submission(caller, received_at, target, parse_key(key, required=key_required))

    return read


def _begin(session: Session, caller: ApiKey, key: str, digest: str, now: datetime) -> Answer | None:
    """Write the key down, or return the answer it has already."""
    if session.get_bind().dialect.name == "postgresql":
        # SQLite admits one writer, so there a request under way is simply waited for.
        lock = func.hashtextextended(f"{caller.id}:{key}", 0)
        if not session.scalars(select(func.pg_try_advisory_xact_lock(lock))).one():
            raise Problem(
                409, "request_in_progress", "The same request is being answered just now.", headers={"Retry-After": "1"}
            )
    session.execute(
        delete(IdempotentRequest).where(
            IdempotentRequest.api_key_id == caller.id,
            IdempotentRequest.key == key,
            IdempotentRequest.created_at < now - KEPT,
        )
    )
    written = session.scalars(
        insert_new(session, IdempotentRequest)
        .values(api_key_id=caller.id, key=key, digest=digest, headers={}, created_at=now)
        .on_conflict_do_nothing()
        .returning(IdempotentRequest.key)
    ).one_or_none()
    if written is not None:
        return None
    known = session.get_one(IdempotentRequest, (caller.id, key))
    if known.digest != digest:
        raise Problem(422, "idempotency_key_reused", "This `Idempotency-Key` was used for another request.")
    return _kept(known)


def _keep(session: Session, caller: ApiKey, key: str, answer: Answer) -> None:
    row = session.get_one(IdempotentRequest, (caller.id, key))
    row.status = answer.status
    row.headers = dict(answer.headers)
    row.sealed_answer = seal_for_ourselves("idempotent-answers", f"{caller.id}:{key}", json.dumps(answer.body))


def _kept(row: IdempotentRequest) -> Answer:
    opened = unseal_for_ourselves("idempotent-answers", f"{row.api_key_id}:{row.key}", row.sealed_answer or b"")
    return Answer(json.loads(opened), row.status or 200, row.headers)
