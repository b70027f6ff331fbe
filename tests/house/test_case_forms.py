"""What the API says of disclosure cases must never come to hold: another way in, an address, a file, a check."""

import json
from collections.abc import Iterator
from typing import Any

from api.case_views import CaseShown, PartyView
from tests.one_app import one_app


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the operations for systems and parties, with the bodies that they take."""
    description = one_app().openapi()
    for path, item in description["paths"].items():
        if path.startswith("/v1/disclosure-"):
            for method, operation in item.items():
                yield f"{method.upper()} {path}", operation | {"schemas": description["components"]["schemas"]}


def members(operation: dict[str, Any]) -> dict[str, Any]:
    """Return what the body of an operation may hold."""
    content = operation.get("requestBody", {}).get("content", {})
    named = content.get("application/json", {}).get("schema", {})
    found = json.dumps(named).split("#/components/schemas/")[1:]
    names = [each.split('"')[0] for each in found]
    return {name: member for each in names for name, member in operation["schemas"][each].get("properties", {}).items()}


def test_the_form_is_the_only_way_in() -> None:
    opening = {
        name for name, operation in operations() if "CaseShown" in json.dumps(operation["responses"].get("202", {}))
    }

    assert opening == {
        "POST /v1/disclosure-cases",
        "POST /v1/disclosure-cases/{case_id}/cross-application",
    }


def test_no_body_has_a_place_for_an_address_or_a_number_to_reach_somebody_by() -> None:
    named = {member for _, operation in operations() for member in members(operation)}

    assert {"nickname", "situation", "attempts", "opinion"} <= named
    # The applicant's network address is for limits, and kept as an HMAC.
    assert [
        each for each in named if any(word in each for word in ("mail", "phone", "tel", "address", "contact"))
    ] == []


def test_no_body_is_a_file() -> None:
    kinds = {kind for _, operation in operations() for kind in operation.get("requestBody", {}).get("content", {})}

    assert kinds == {"application/json"}


def test_neither_a_system_nor_a_party_is_shown_a_check_or_who_decided() -> None:
    shown = {*CaseShown.model_fields, *PartyView.model_fields}

    assert shown == {
        "id",
        "reference",
        "state",
        "version",
        "filed_at",
        "deadline_at",
        "party",
        "may",
        "papers",
        "opinion_due_at",
        "fee_yen",
        "paid_yen",
    }
