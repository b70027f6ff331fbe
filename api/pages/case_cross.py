"""The cross-application's page: the other side applies in turn (D39), by the whole form and the whole guideline.

It asks for all that the first form asked for (D64, D70 to D73) and fills in nothing of the other side's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated, Self

from fastapi import APIRouter, Form, Request, Response

from api.arrivals import ReceivedAt
from api.case_requests import CrossRequest
from api.pages.case import case_page, led_back, refused
from api.pages.case_asking import REFUSED, Visit, acting, page_path, visiting, why_not
from api.pages.case_fields import CrossForm, cross_fields, filled_from, judged
from api.pages.case_showing import show_case
from api.pages.case_telling import told_to_counterparty, transaction_of
from api.pages.failing import CasePageRoute
from api.pages.showing import see_other
from models.disclosure import Party
from models.errors import AlreadyOpen, ConsentMissing, Refusal
from worker.cases import applying, guideline
from worker.cases.parties import May
from worker.database import database

router = APIRouter(route_class=CasePageRoute)
_NOT_RIGHT = 422
_MARKS = ("・", "- ")


@dataclass(frozen=True)
class Shown:
    """A section of the guideline as a page shows it.

    Attributes:
        blocks: paragraphs and lists in their order: whether it is a list, and its lines.
    """

    number: str
    sha256: str
    title: str
    blocks: list[tuple[bool, list[str]]]

    @classmethod
    def of(cls, section: guideline.Section) -> Self:
        """Read the section's text: its first line is its title, lines with a mark are a list."""
        title, *lines = section.text.strip().split("\n")
        listed = [(line.startswith(_MARKS), line) for line in lines if line]
        blocks = [
            (is_list, [line.removeprefix("・").removeprefix("- ") for _, line in group])
            for is_list, group in groupby(listed, key=lambda each: each[0])
        ]
        return cls(section.number, section.sha256, title, blocks)


@router.api_route("/case/{token}/cross-application", methods=["GET", "HEAD"])
def ask(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Show the form; who has applied in turn already is led to that case."""
    with database().snapshot() as session:
        visit = visiting(request, session, token, received_at)
        if May.CROSS_APPLICATION in visit.may:
            if (own := _own_page(visit)) is not None:
                return own
            return _page(request, visit, {"transaction_number": transaction_of(visit) or ""}, {}, {})
    return case_page(request, token, received_at)


@router.post("/case/{token}/cross-application")
def apply(request: Request, token: str, received_at: ReceivedAt, form: Annotated[CrossForm, Form()]) -> Response:
    """Take the form as a case of its own; its address is proven by the link (D68)."""
    filled, given = filled_from(form.model_dump()), form.consents()
    with database().snapshot() as session:
        visit = visiting(request, session, token, received_at)
        if May.CROSS_APPLICATION not in visit.may:
            return case_page(request, token, received_at, said=why_not(visit, May.CROSS_APPLICATION), status=REFUSED)
        body, errors = _judged(visit, filled, given)
        if body is None:
            return _page(request, visit, filled, given, errors, status=_NOT_RIGHT)
    return acting(
        request,
        token,
        received_at,
        May.CROSS_APPLICATION,
        lambda visit: applying.cross_apply(visit.session, visit.case, body.form(), received_at=received_at),
        refused=lambda refusal: _refused(request, token, received_at, refusal),
        done=lambda visit: _own_page(visit, done="crossed") or led_back(visit, "crossed"),
    )


def _judged(
    visit: Visit, filled: Mapping[str, str], given: Mapping[str, str]
) -> tuple[CrossRequest | None, dict[str, str]]:
    language = visit.reader.language
    # A digest of another wording is none: the bodies take any digest, so it must look like one.
    consents = {each.number: each.sha256 for each in guideline.sections(language)}
    lacking = {
        f"consent_{number}": visit.reader.says("case_errors.consent", number=number)
        for number, digest in consents.items()
        if given[number] != digest
    }
    body, errors = judged(
        CrossRequest, cross_fields(visit.reader), filled, visit.reader, consents=consents, language=language
    )
    return (None, {**lacking, **errors}) if lacking or errors else (body, {})


def _page(
    request: Request,
    visit: Visit,
    filled: Mapping[str, str],
    given: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    status: int = 200,
) -> Response:
    sections = guideline.sections(visit.reader.language)
    return show_case(
        request,
        "case_cross",
        visit.reader,
        status=status,
        action=f"{visit.path}/{May.CROSS_APPLICATION}",
        sections=[Shown.of(each) for each in sections],
        agreed={each.number for each in sections if given.get(each.number) == each.sha256},
        fields=cross_fields(visit.reader),
        filled=filled,
        errors=errors,
        **told_to_counterparty(visit),
    )


def _own_page(visit: Visit, *, done: str = "open") -> Response | None:
    """Lead to the case in which this side is the applicant, if there is one."""
    own = applying.counterpart(visit.session, visit.case)
    if own is None:
        return None
    return see_other(visit.reader.url(page_path(visit.session, own, Party.APPLICANT), done=done))


def _refused(request: Request, token: str, now: datetime, refusal: Refusal) -> Response:
    if isinstance(refusal, AlreadyOpen | ConsentMissing):
        # Another tap was first, or the guideline was reworded in between: the form's own page knows what to do.
        return ask(request, token, now)
    return refused(request, token, now, refusal)
