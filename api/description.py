"""The API's own description (OpenAPI 3.1). An operation says what is its own; what all share is derived, not repeated.

Knows which problems there are and what they mean; knows no rule that leads to one.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from api.answers import ProblemShown
from api.problems import MEDIA_TYPE, Problem, codes
from models.webhook import KEPT as _WEBHOOKS_KEPT

_CODES_KEY = "x-codes"
KEY_REQUIRED = "x-required"
"""How the idempotency key's parameter says that it must be sent; a missing one is a problem of ours, not a 422."""
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_EXAMPLE_ID = "0197e3a2-5d00-7b20-9d33-0b1f4b1f3822"

CONTACT_REFUSED = ("phone_invalid", "phone_not_mobile", "phone_country_not_served", "email_invalid")
"""What can be wrong with a contact that is well-formed as JSON."""

_KEY_SCHEMA = {
    "type": "string",
    "pattern": r'^"?[\x21\x23-\x7e]{1,200}"?$',
    "examples": ['"0b8f1e36-6f0e-4c0e-9a53-2f1f6b1f5a11"'],
}
_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's id: yours, if you sent a sound one. It is in every line of our logs.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "examples": [_EXAMPLE_ID]},
    },
    "Location": {
        "description": "Where to see what was made, or what becomes of it.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference", "examples": [f"/v1/bookings/{_EXAMPLE_ID}"]},
    },
    "Retry-After": {
        "description": "After how many seconds it is worth trying again.",
        "schema": {"type": "integer", "minimum": 1, "examples": [60]},
    },
    "Idempotent-Replayed": {
        "description": "`true` on an answer that was given before to the same request.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}},
}
_WORTH_WAITING = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_KEPT = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals are kept under an idempotency key, like any other answer."""
_TAGS = {
    "shops": "Shops and their free slots.",
    "terms": "What customers agree to, version by version.",
    "bookings": "From the hold to the call: hold, enter the code, change, cancel.",
    "suspensions": "For operators: stopping the service, at once or from an instant on.",
    "calls": "Calls at once: whether a shop can be called, ringing, answering, ending; who is there.",
    "people": "For operators: inquiries, one customer's data, the block list, what is kept how long.",
    "verifications": "Proving a contact for a purpose of your own.",
    "disclosure-cases": "From the form to the letter: file, tell facts, and what a party asks for by its link.",
    "case-work": "For the people who handle disclosure cases: each operation takes a role, and a reason.",
    "messages": "For operators: what became of messages, and what a person decides about them.",
    "jobs": "For operators: what the database owes.",
    "webhooks": f"Being told of what happens. Events are kept for {_WEBHOOKS_KEPT.days} days.",
    "marketplace": "What the marketplace feeds: members, transactions, organisations. Nothing of it is read back.",
    "conduct": "What staff report of a call's conduct, and operators read.",
    "usage": "For the platform: what a shop's calls and messages have cost.",
    "receipts": "Where vendors report; nobody else can call these.",
    "health": "For whoever watches the process.",
}


def says(
    status: int, shape: type[BaseModel] | None, *own_codes: str, title: str, location: bool = False
) -> dict[str, Any]:
    """Return the arguments of a route's decorator that describe it.

    Args:
        status: of its success.
        shape: what its success looks like; None if it has no body.
        own_codes: the problems that are its own. Those that all operations of its form share are added by themselves.
        title: what it does, in a few words.
        location: whether its success names a place.

    Raises:
        KeyError: there is no such problem.
    """
    known = codes()
    success: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if shape is not None:
        success |= {"model": shape, "description": (shape.__doc__ or "").strip()}
    if location:
        success["headers"] = {"Location": _ref("headers", "Location")}
    responses: dict[int, dict[str, Any]] = {status: success}
    for code in own_codes:
        answer = responses.setdefault(known[code][0], {"model": ProblemShown, _CODES_KEY: []})
        answer[_CODES_KEY].append(code)
    return {"status_code": status, "response_model": None, "responses": responses, "summary": title}


def install(app: FastAPI) -> None:
    """Let the app describe itself whole."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        description = made()
        # FastAPI makes it once and keeps it, until another route is added.
        if "tags" not in description:
            _complete(description)
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _complete(description: dict[str, Any]) -> None:
    components = description.setdefault("components", {})
    components["headers"] = deepcopy(dict(_HEADERS))
    components["examples"] = dict(_examples())
    # FastAPI's own answer to faults, which leave as problems here.
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    description["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    for operation in _operations(description):
        _require_key(operation)
        operation.setdefault("security", [])
        own = {code for answer in operation["responses"].values() for code in answer.pop(_CODES_KEY, ())}
        for status, found in _by_status({*own, *_shared(operation)}).items():
            operation["responses"][str(status)] = _problem(status, found)
        for status, answer in operation["responses"].items():
            headers = answer.setdefault("headers", {})
            headers.update({name: _ref("headers", name) for name in _headers(operation, HTTPStatus(int(status)))})
        operation["responses"] = dict(sorted(operation["responses"].items()))


def _operations(description: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for item in description["paths"].values():
        yield from (operation for method, operation in item.items() if method in _METHODS)


def _key_of(operation: Mapping[str, Any]) -> dict[str, Any] | None:
    parameters: list[dict[str, Any]] = operation.get("parameters", [])
    return next((each for each in parameters if each["name"] == "Idempotency-Key"), None)


def _require_key(operation: Mapping[str, Any]) -> None:
    key = _key_of(operation)
    if key is not None:
        key["required"] = bool(key["schema"].pop(KEY_REQUIRED, False))
        key["schema"] = deepcopy(_KEY_SCHEMA)


def _shared(operation: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems that every operation of this form may give."""
    yield from ("internal_error", "database_unavailable")
    if operation["security"]:
        yield from ("unauthenticated", "forbidden")
    if operation.get("parameters") or "requestBody" in operation:
        yield "invalid_request"
    if any(each["in"] == "path" for each in operation.get("parameters", [])):
        yield "not_found"
    if "requestBody" in operation:
        yield "too_large"
        if operation["security"]:
            yield "malformed_json"
    key = _key_of(operation)
    if key is not None:
        yield from ("idempotency_key_malformed", "idempotency_key_reused", "request_in_progress")
        if key["required"]:
            yield "idempotency_key_missing"


def _by_status(found: Iterable[str]) -> dict[int, list[str]]:
    sorted_: dict[int, list[str]] = {}
    known = codes()
    for code in sorted(found):
        sorted_.setdefault(known[code][0], []).append(code)
    return sorted_


def _problem(status: int, found: list[str]) -> dict[str, Any]:
    known = codes()
    said = "\n".join(f"- `{code}`: {known[code][1]}" for code in found)
    schema = {
        "allOf": [
            _ref("schemas", ProblemShown.__name__),
            {"properties": {"status": {"const": status}, "code": {"enum": found}}},
        ]
    }
    examples = {code: _ref("examples", code) for code in found}
    return {
        "description": f"{HTTPStatus(status).phrase}\n\n{said}",
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def _examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for code, (status, meaning) in sorted(codes().items()):
        body = Problem(status, code, meaning).body() | {"request_id": _EXAMPLE_ID}
        yield code, {"summary": body["title"], "value": body}


def _headers(operation: Mapping[str, Any], status: HTTPStatus) -> Iterator[str]:
    yield "X-Request-Id"
    if status is HTTPStatus.UNAUTHORIZED:
        yield "WWW-Authenticate"
    if status in _WORTH_WAITING:
        yield "Retry-After"
    # The others are given before the key is looked at.
    if _key_of(operation) is not None and (status < HTTPStatus.BAD_REQUEST or status in _KEPT):
        yield "Idempotent-Replayed"


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
