"""Holds the API's own description to what a stranger needs: each operation said in a sentence, and shown by example."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from api import (
    answers,
    call_answers,
    case_answers,
    case_views,
    in_call_answers,
    shop_answers,
    suspension_answers,
    terms_answers,
    usage_answers,
)
from api.messages import Decision
from api.problems import codes
from api.resources import Given
from api.webhooks import _REFUSED_BECAUSE
from models.errors import Refusal
from tests.one_app import one_app

ROOT = Path(__file__).parents[2]

OUT = {
    answers.__name__,
    call_answers.__name__,
    case_answers.__name__,
    case_views.__name__,
    in_call_answers.__name__,
    shop_answers.__name__,
    terms_answers.__name__,
    suspension_answers.__name__,
    usage_answers.__name__,
}
"""Where the shapes stand that go out."""

METHODS = ("get", "put", "post", "delete", "patch")


def subclasses(of: type[Any]) -> list[type[Any]]:
    return [each for direct in of.__subclasses__() for each in (direct, *subclasses(direct))]


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
    made: dict[str, Any] = one_app().openapi()
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


def test_every_answer_but_a_success_is_a_problem_with_its_codes(description: dict[str, Any]) -> None:
    for name, operation in operations(description):
        problems = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        assert {"500", "503"} <= set(problems), name
        for status, answer in problems.items():
            assert list(answer["content"]) == ["application/problem+json"], f"{name} {status}"
            codes_of_it = answer["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"][
                "enum"
            ]
            assert {codes()[code][0] for code in codes_of_it} == {int(status)}, f"{name} {status}"


def test_every_answer_names_its_request(description: dict[str, Any]) -> None:
    assert [
        f"{name} {status}"
        for name, operation in operations(description)
        for status, answer in operation["responses"].items()
        if "X-Request-Id" not in answer["headers"]
    ] == []


def test_whatever_needs_a_key_says_so(description: dict[str, Any]) -> None:
    open_to_all = {name for name, operation in operations(description) if not operation["security"]}

    # Health is for whoever watches; vendors prove themselves by their signatures.
    assert {name.split()[1].split("/")[-1] for name in open_to_all} == {
        "healthz",
        "readyz",
        "sendgrid",
        "{attempt_id}",
        "{provider}",
    }


def test_every_name_of_a_shape_is_a_clients_word(description: dict[str, Any]) -> None:
    assert {"HTTPValidationError", "ValidationError"}.isdisjoint(description["components"]["schemas"])


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "#/components/(\w+)/([^"]+)"', json.dumps(description)))

    assert [f"{kind}/{name}" for kind, name in references if name not in description["components"][kind]] == []


@pytest.mark.parametrize(
    "shape",
    [each for each in subclasses(BaseModel) if each.__module__ in OUT],
    ids=lambda shape: shape.__name__,
)
def test_every_example_of_an_answer_is_one(shape: type[BaseModel]) -> None:
    for example in shape.model_json_schema().get("examples", []):
        shape.model_validate(example)


@pytest.mark.parametrize(
    "shape", [each for each in subclasses(Given) if each is not Decision], ids=lambda shape: shape.__name__
)
def test_every_example_of_a_request_is_one(shape: type[BaseModel]) -> None:
    examples = shape.model_json_schema()["examples"]

    assert examples
    for example in examples:
        shape.model_validate(example)


def test_every_problem_that_the_api_can_give_is_in_the_table() -> None:
    known = codes()

    assert [
        f"{file}: {status} {code}"
        for file, status, code in problems_given()
        if code not in known or known[code][0] != status
    ] == []


def test_the_table_has_no_problem_that_is_not_given() -> None:
    given = {code for _, _, code in problems_given()}
    said_elsewhere = {
        *(kind.code for kind in subclasses(Refusal)),
        *_REFUSED_BECAUSE,
        # The framework's own refusals, and the request's faults.
        *("malformed_json", "invalid_request", "method_not_allowed", "too_large", "unsupported_media_type"),
    }

    assert set(codes()) - given - said_elsewhere == set()


def problems_given() -> Iterator[tuple[str, int, str]]:
    """Yield file, status and code of every problem that is spelt out."""
    for file in sorted((ROOT / "api").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="Problem"),
                    args=[ast.Constant(value=int(status)), ast.Constant(value=str(code)), *_],
                ):
                    yield file.name, status, code


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
