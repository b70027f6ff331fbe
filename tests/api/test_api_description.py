"""The API's own description: every operation in it, told in words, with examples for what goes in."""

from typing import Any

import pytest

from tests.one_app import one_app

DESCRIPTION: dict[str, Any] = one_app().openapi()
OPERATIONS = [
    pytest.param(operation, id=f"{method.upper()} {path}")
    for path, item in DESCRIPTION["paths"].items()
    for method, operation in item.items()
]
OURS = [
    pytest.param(operation, id=f"{method.upper()} {path}")
    for path, item in DESCRIPTION["paths"].items()
    if path.startswith(("/v1/bookings", "/v1/shops", "/v1/jobs"))
    for method, operation in item.items()
]


def schema_of(reference: str) -> dict[str, Any]:
    found: dict[str, Any] = DESCRIPTION["components"]["schemas"][reference.rpartition("/")[2]]
    return found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/v1/shops"),
        ("get", "/v1/shops/{shop_id}/slots"),
        ("post", "/v1/bookings"),
        ("get", "/v1/bookings/{booking_id}"),
        ("post", "/v1/bookings/{booking_id}/code"),
        ("post", "/v1/bookings/{booking_id}/code/resend"),
        ("post", "/v1/bookings/{booking_id}/change"),
        ("post", "/v1/bookings/{booking_id}/cancel"),
        ("post", "/v1/bookings/{booking_id}/withdraw"),
        ("get", "/v1/jobs/{job_id}"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    ],
)
def test_what_callers_are_promised_is_there(method: str, path: str) -> None:
    assert method in DESCRIPTION["paths"][path]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_told_in_words(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation.get("description", "").strip()


def test_no_two_operations_share_an_id() -> None:
    ids = [operation["operationId"] for item in DESCRIPTION["paths"].values() for operation in item.values()]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("operation", OURS)
def test_every_operation_of_callers_wants_a_key(operation: dict[str, Any]) -> None:
    assert operation["security"]


def test_there_is_no_way_to_owe_just_any_job() -> None:
    assert not any(
        method != "get" for path, item in DESCRIPTION["paths"].items() if path.startswith("/v1/jobs") for method in item
    )


@pytest.mark.parametrize("name", ["BookingRequest", "ChangeRequest", "CancelRequest", "CodeGiven", "WithdrawRequest"])
def test_a_body_admits_no_member_that_is_not_described(name: str) -> None:
    assert schema_of(name)["additionalProperties"] is False


@pytest.mark.parametrize("name", ["BookingRequest", "ChangeRequest", "CodeGiven", "WithdrawRequest"])
def test_what_a_body_requires_is_shown_by_an_example(name: str) -> None:
    schema = schema_of(name)

    for member in schema["required"]:
        told = schema["properties"][member]
        assert "examples" in told or "$ref" in told or "description" in told, member


def test_no_example_names_a_real_person_or_number() -> None:
    text = str(DESCRIPTION)

    assert "090-0000-00" in text
    assert "@gmail" not in text
    assert "@docomo" not in text


def test_the_idempotency_key_is_described_with_how_long_it_is_kept() -> None:
    [key] = [
        parameter
        for parameter in DESCRIPTION["paths"]["/v1/bookings"]["post"]["parameters"]
        if parameter["name"] == "Idempotency-Key"
    ]

    assert "24 hours" in key["description"]
