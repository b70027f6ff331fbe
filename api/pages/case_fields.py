"""The fields of a case page's forms: what they are called, how long they may be, and what is wrong in one.

What is taken is said once, by the bodies that other systems send (api/case_requests.py); here stand the words for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.case_requests import CrossRequest, FactsRequest
from api.pages.reader import Reader
from models.marketplace import number_form
from worker.cases.guideline import SECTIONS
from worker.wording.case_labels import FACTS

_Body = TypeVar("_Body", bound=BaseModel)
_NUMBERS = frozenset({"transaction_number", "item_number"})
_LONG = frozenset({"situation", "reason", "attempts", "necessity", "opinion", "report"})
_FACT_OF = {"situation": "circumstances"}
"""Where a body's member and the fact that notices name are called differently."""
_LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        kind: "line", "text" (several lines) or "date".
        most: characters.
        hint: words below the label, if there are any.
    """

    name: str
    label: str
    kind: str
    most: int
    hint: str | None = None
    autocomplete: str = "off"


class FactsForm(BaseModel):
    """What a browser posts of the facts of an application, as typed; `judged` says what is wrong with it."""

    name: str = ""
    counterparty_nickname: str = ""
    item_number: str = ""
    item_name: str = ""
    won_on: str = ""
    situation: str = ""
    reason: str = ""


class CrossForm(FactsForm):
    """What a browser posts of an application in turn: all that the first form asked for, and each section's tick."""

    nickname: str = ""
    transaction_number: str = ""
    consent_1: str = ""
    consent_2: str = ""
    consent_3: str = ""
    consent_4: str = ""

    def consents(self) -> dict[str, str]:
        """Return the digest that was agreed to of each section, or ""."""
        ticks = (self.consent_1, self.consent_2, self.consent_3, self.consent_4)
        return dict(zip(SECTIONS, ticks, strict=True))


def fields_of(body: type[BaseModel], names: Iterable[str], labels: Mapping[str, str]) -> list[Field]:
    """Return fields for members of a body, in the order given."""
    return [Field(name, labels[name], _kind(name), _longest(body, name)) for name in names]


def cross_fields(reader: Reader) -> list[Field]:
    """Return all that D70 to D73 ask of whoever applies in turn."""
    names = ("nickname", "name", "transaction_number", "counterparty_nickname", "item_number", "item_name", "won_on")
    fields = fields_of(CrossRequest, (*names, "situation", "reason"), _fact_labels(reader))
    return [_hinted(field, reader) for field in fields]


def fact_fields(reader: Reader, missing: Sequence[str]) -> list[Field]:
    """Return fields for what the form lacks, named by keys of `FACTS`."""
    wanted = [name for name in FactsRequest.model_fields if _FACT_OF.get(name, name) in missing]
    return [_hinted(field, reader) for field in fields_of(FactsRequest, wanted, _fact_labels(reader))]


def filled_from(given: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed, as it is judged: without what only a browser or a keyboard puts there."""
    # A browser ends the lines of a text area with CR LF.
    plain = {name: text.replace("\r\n", "\n").strip() for name, text in given.items()}
    return {name: number_form(text) if name in _NUMBERS else text for name, text in plain.items()}


def judged(
    body: type[_Body], fields: Sequence[Field], filled: Mapping[str, str], reader: Reader, **more: Any
) -> tuple[_Body | None, dict[str, str]]:
    """Return the body that a form makes, or for each field that is wrong the words that say why.

    Args:
        body: the shape that takes it.
        fields: of the form; all are mandatory (D66).
        filled: what was typed.
        reader: for whom the words are.
        more: members of the body that are no fields.
    """
    errors = {field.name: _missing(field, reader) for field in fields if not filled.get(field.name)}
    try:
        made = body.model_validate({**more, **{field.name: filled.get(field.name, "") for field in fields}})
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        wrong = {str(part) for fault in faults for part in fault["loc"][:1]}
        for field in fields:
            if field.name in wrong:
                errors.setdefault(field.name, _fault(field, filled[field.name], reader))
        if not errors:
            raise
        return None, _in_order(errors, fields)
    return (None, _in_order(errors, fields)) if errors else (made, {})


def _in_order(errors: Mapping[str, str], fields: Sequence[Field]) -> dict[str, str]:
    return {field.name: errors[field.name] for field in fields if field.name in errors}


def _missing(field: Field, reader: Reader) -> str:
    return reader.says("case_errors.missing", label=field.label)


def _fault(field: Field, text: str, reader: Reader) -> str:
    if len(text) > field.most:
        return reader.says("case_errors.too_long", label=field.label, most=f"{field.most:,}")
    if field.kind == "date":
        return reader.says("case_errors.date", label=field.label)
    if field.name in _NUMBERS:
        return reader.says("case_errors.number", label=field.label)
    return reader.says("case_errors.unreadable", label=field.label)


def _hinted(field: Field, reader: Reader) -> Field:
    hints = {"won_on": "won_on", "situation": "situation", "reason": "reason"}
    hinted = replace(field, autocomplete="name") if field.name == "name" else field
    return replace(hinted, hint=reader.says(f"case_hints.{hints[field.name]}")) if field.name in hints else hinted


def _fact_labels(reader: Reader) -> Mapping[str, str]:
    facts = FACTS[reader.language]
    return {**facts, **{name: facts[fact] for name, fact in _FACT_OF.items()}}


def _kind(name: str) -> str:
    return "text" if name in _LONG else "date" if name == "won_on" else "line"


def _longest(body: type[BaseModel], name: str) -> int:
    """Return the length that the body allows."""
    limits = (getattr(rule, "max_length", None) for rule in body.model_fields[name].metadata)
    return next((most for most in limits if most is not None), _LONGEST_NUMBER)
