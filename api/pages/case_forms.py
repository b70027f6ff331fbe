"""The forms of a case page: what the form lacked, stage 2, an opinion, a report of misuse; each is a page of its own.

The first page shows the form, POST takes it or shows it again with what is wrong; so all of it works without scripts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel

from api.arrivals import ReceivedAt
from api.case_requests import FactsRequest, MisuseRequest, OpinionRequest, StageTwoRequest
from api.pages.case import case_page, led_back, refused
from api.pages.case_asking import REFUSED, Visit, acting, visiting, why_not
from api.pages.case_fields import FactsForm, Field, fact_fields, fields_of, filled_from, judged
from api.pages.case_showing import show_case
from api.pages.case_telling import answer_until, told_to_both
from api.pages.failing import CasePageRoute
from models.paper import items_for
from worker.cases import applying, forms, misuse, noticing
from worker.cases.parties import May
from worker.database import database
from worker.seals import Unreadable
from worker.wording.case_labels import PAPERS
from worker.wording.case_words import deadline_in_words

router = APIRouter(route_class=CasePageRoute)
_NOT_RIGHT = 422


@dataclass(frozen=True)
class Sheet:
    """One form.

    Attributes:
        operation: what it asks for; also the last part of its path.
        template: its page.
        body: what takes it.
        fields: what it consists of, for one visit.
        act: does what it asks for.
        told: what its page says besides.
        before: what was written before, to be mended.
    """

    operation: May
    template: str
    body: type[BaseModel]
    fields: Callable[[Visit], list[Field]]
    act: Callable[[Visit, Any], object]
    told: Callable[[Visit], Mapping[str, Any]] = lambda _: {}
    before: Callable[[Visit], Mapping[str, str]] = lambda _: {}


@router.api_route("/case/{token}/facts", methods=["GET", "HEAD"])
def ask_facts(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask for what the form lacked."""
    return _show(request, token, received_at, FACTS_SHEET)


@router.post("/case/{token}/facts")
def take_facts(request: Request, token: str, received_at: ReceivedAt, form: Annotated[FactsForm, Form()]) -> Response:
    """Take it (D66); a second tap leads to the page."""
    return _take(request, token, received_at, FACTS_SHEET, form.model_dump())


@router.api_route("/case/{token}/stage-2", methods=["GET", "HEAD"])
def ask_stage_2(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask what stage 2 needs to know, and say what it costs (D22 to D29, D41, D42)."""
    return _show(request, token, received_at, STAGE_2_SHEET)


@router.post("/case/{token}/stage-2")
def take_stage_2(
    request: Request,
    token: str,
    received_at: ReceivedAt,
    *,
    attempts: Annotated[str, Form()] = "",
    necessity: Annotated[str, Form()] = "",
    knows_no_return: Annotated[str, Form()] = "",
) -> Response:
    """Take the application for stage 2."""
    given = {"attempts": attempts, "necessity": necessity, "knows_no_return": knows_no_return}
    return _take(request, token, received_at, STAGE_2_SHEET, given)


@router.api_route("/case/{token}/opinion", methods=["GET", "HEAD"])
def ask_opinion(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask the counterparty for its opinion (A12)."""
    return _show(request, token, received_at, OPINION_SHEET)


@router.post("/case/{token}/opinion")
def take_opinion(
    request: Request, token: str, received_at: ReceivedAt, opinion: Annotated[str, Form()] = ""
) -> Response:
    """Keep it; the first one counts."""
    return _take(request, token, received_at, OPINION_SHEET, {"opinion": opinion})


@router.api_route("/case/{token}/misuse-reports", methods=["GET", "HEAD"])
def ask_misuse(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Ask what something disclosed was used for (D10)."""
    return _show(request, token, received_at, MISUSE_SHEET)


@router.post("/case/{token}/misuse-reports")
def take_misuse(request: Request, token: str, received_at: ReceivedAt, report: Annotated[str, Form()] = "") -> Response:
    """Keep the report; a person looks at it."""
    return _take(request, token, received_at, MISUSE_SHEET, {"report": report})


def _show(request: Request, token: str, now: datetime, sheet: Sheet) -> Response:
    with database().snapshot() as session:
        visit = visiting(request, session, token, now)
        if sheet.operation in visit.may:
            return _page(request, visit, sheet, sheet.before(visit), {})
    return case_page(request, token, now)


def _take(request: Request, token: str, now: datetime, sheet: Sheet, given: Mapping[str, str]) -> Response:
    filled = filled_from(given)
    with database().snapshot() as session:
        visit = visiting(request, session, token, now)
        if sheet.operation not in visit.may:
            return case_page(request, token, now, said=why_not(visit, sheet.operation), status=REFUSED)
        body, errors = _judged(visit, sheet, filled)
        if body is None:
            return _page(request, visit, sheet, filled, errors, status=_NOT_RIGHT)
    return acting(
        request,
        token,
        now,
        sheet.operation,
        lambda visit: sheet.act(visit, body),
        refused=lambda refusal: refused(request, token, now, refusal),
        done=lambda visit: led_back(visit, sheet.operation.value),
    )


def _judged(visit: Visit, sheet: Sheet, filled: Mapping[str, str]) -> tuple[BaseModel | None, dict[str, str]]:
    if sheet.operation is not May.STAGE_2:
        return judged(sheet.body, sheet.fields(visit), filled, visit.reader)
    body, errors = judged(sheet.body, sheet.fields(visit), filled, visit.reader, knows_no_return=True)
    if filled["knows_no_return"] != "yes":
        return None, {**errors, "knows_no_return": visit.reader.says("case_errors.no_return")}
    return body, errors


def _page(
    request: Request,
    visit: Visit,
    sheet: Sheet,
    filled: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    status: int = 200,
) -> Response:
    return show_case(
        request,
        sheet.template,
        visit.reader,
        status=status,
        action=f"{visit.path}/{sheet.operation}",
        fields=sheet.fields(visit),
        filled=filled,
        errors=errors,
        **told_to_both(visit),
        **sheet.told(visit),
    )


def _fact_fields(visit: Visit) -> list[Field]:
    return fact_fields(visit.reader, noticing.missing_facts(visit.session, visit.case))


def _facts_before(visit: Visit) -> Mapping[str, str]:
    """Return what the applicant wrote, of that what is asked for again."""
    try:
        written = forms.form_of(visit.session, visit.case)
    except Unreadable:
        return {}
    return {field.name: written.get(field.name, "") for field in _fact_fields(visit)}


def _until(visit: Visit) -> Mapping[str, Any]:
    until = answer_until(visit.case)
    return {"deadline": deadline_in_words(until, visit.reader.language) if until else None}


def _stage_2_told(visit: Visit) -> Mapping[str, Any]:
    is_shop = noticing.is_of_shop(visit.session, visit.case)
    labels = PAPERS[visit.reader.language]
    wanted = [labels[kind] for kind in items_for(is_shop=is_shop)]
    return {**_until(visit), "papers": [paper.of_representative if is_shop else paper.label for paper in wanted]}


def _opinion_told(visit: Visit) -> Mapping[str, Any]:
    until = visit.case.opinion_due_at
    return {
        "deadline": deadline_in_words(until, visit.reader.language) if until else None,
        "is_late": until is not None and visit.now >= until,
    }


def _own_fields(body: type[BaseModel], *names: str) -> Callable[[Visit], list[Field]]:
    def fields(visit: Visit) -> list[Field]:
        return fields_of(body, names, {name: visit.reader.says(f"case_form.{name}") for name in names})

    return fields


FACTS_SHEET = Sheet(
    May.FACTS,
    "case_facts",
    FactsRequest,
    _fact_fields,
    lambda visit, body: applying.resubmit(visit.session, visit.case, body.facts(), received_at=visit.now),
    told=_until,
    before=_facts_before,
)
STAGE_2_SHEET = Sheet(
    May.STAGE_2,
    "case_stage_2",
    StageTwoRequest,
    _own_fields(StageTwoRequest, "attempts", "necessity"),
    lambda visit, body: applying.apply_for_stage_2(visit.session, visit.case, body.wish(), received_at=visit.now),
    told=_stage_2_told,
)
OPINION_SHEET = Sheet(
    May.OPINION,
    "case_opinion",
    OpinionRequest,
    _own_fields(OpinionRequest, "opinion"),
    lambda visit, body: applying.give_opinion(visit.session, visit.case, body.opinion, received_at=visit.now),
    told=_opinion_told,
)
MISUSE_SHEET = Sheet(
    May.MISUSE_REPORTS,
    "case_misuse",
    MisuseRequest,
    _own_fields(MisuseRequest, "report"),
    lambda visit, body: misuse.report(visit.session, visit.case, visit.party, body.report, received_at=visit.now),
)
