"""Holds the API's own description to what a stranger needs: each operation said in a sentence, and shown by example."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.app import create_app

METHODS = ("get", "put", "post", "delete", "patch")


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def has_example(content: dict[str, Any], description: dict[str, Any]) -> bool:
    """Whether a body is shown: by the operation itself, or by the schema that it names."""
    schema = content.get("schema", {})
    named = schema.get("$ref", "").rpartition("/")[2]
    known = description.get("components", {}).get("schemas", {}).get(named, schema)
    return any("example" in place or "examples" in place for place in (content, schema, known))


def faults_of(name: str, operation: dict[str, Any], description: dict[str, Any]) -> Iterator[str]:
    """Say what a stranger would miss in one operation."""
    if not operation.get("summary"):
        yield f"{name} has no summary"
    if not operation.get("description", "").strip().endswith("."):
        yield f"{name} is not described in a sentence"
    if not operation.get("tags"):
        yield f"{name} stands in no group"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if not has_example(content, description):
            yield f"{name} shows no example of a request"
    successes = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    if not successes:
        yield f"{name} never succeeds"
    for answer in successes:
        for content in answer.get("content", {}).values():
            if not has_example(content, description):
                yield f"{name} shows no example of an answer"


@pytest.fixture
def description(environment: pytest.MonkeyPatch) -> dict[str, Any]:
    made: dict[str, Any] = create_app().openapi()
    return made


def test_every_operation_is_described_and_shown(description: dict[str, Any]) -> None:
    faults = [fault for name, operation in operations(description) for fault in faults_of(name, operation, description)]

    assert faults == []


def test_operations_are_named_once(description: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(description)]

    assert sorted(names) == sorted(set(names))


def test_what_a_caller_may_do_is_under_a_version(description: dict[str, Any]) -> None:
    assert {path for path in description["paths"] if not path.startswith("/v1/")} <= {"/healthz", "/readyz"}


def test_problems_are_not_described_as_the_frameworks_own(description: dict[str, Any]) -> None:
    # Faults of a request leave as problem+json; FastAPI would promise another form.
    assert [
        name
        for name, operation in operations(description)
        if "application/json" in operation["responses"].get("422", {}).get("content", {})
    ] == []


# The check is shown what it must catch.

SOUND = {
    "summary": "Hold a slot",
    "description": "Hold a slot for ten minutes.",
    "tags": ["bookings"],
    "requestBody": {"content": {"application/json": {"example": {"shop": "fred"}}}},
    "responses": {"201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Booking"}}}}},
}
SCHEMAS = {"components": {"schemas": {"Booking": {"examples": [{"id": "…"}]}}}}


def test_a_sound_operation_has_no_fault() -> None:
    assert list(faults_of("POST /v1/bookings", SOUND, SCHEMAS)) == []


@pytest.mark.parametrize(
    ("spoilt", "complaint"),
    [
        ({"summary": ""}, "no summary"),
        ({"description": "hold"}, "not described"),
        ({"tags": []}, "no group"),
        ({"requestBody": {"content": {"application/json": {}}}}, "example of a request"),
        ({"responses": {"200": {"content": {"application/json": {}}}}}, "example of an answer"),
        ({"responses": {"422": {}}}, "never succeeds"),
    ],
)
def test_what_a_stranger_would_miss_is_found(spoilt: dict[str, Any], complaint: str) -> None:
    faults = list(faults_of("POST /v1/bookings", {**SOUND, **spoilt}, SCHEMAS))

    assert [fault for fault in faults if complaint in fault]
