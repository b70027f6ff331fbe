"""What a case page tells each side, in words: where the case stands, what is awaited and until when.

Dates, papers, flaws and fees are named as in the notices. The other side's data is not read here, nor is any reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from api.pages.case_asking import Visit, page_path
from models.disclosure import TERMINAL, DisclosureCase, Party, Path, State
from models.paper import Standing
from worker.cases import applying, noticing, papers
from worker.cases.moving import policy
from worker.seals import Unreadable
from worker.settings import settings
from worker.wording.case_labels import FACTS
from worker.wording.case_words import CaseWords, amount_in_words, day_in_words, deadline_in_words

_WANTS_PAPERS = frozenset({State.AWAITING_DOCUMENTS, State.DOCUMENTS_DEFICIENT})
_SHOWS_PAPERS = _WANTS_PAPERS | {State.REVIEWING}


@dataclass(frozen=True)
class Step:
    """One step of a case's way.

    Attributes:
        name: how the words call it.
        standing: "done", "now" or "ahead".
        on: the day on which it was reached, where there is one.
    """

    name: str
    standing: str
    on: str | None


@dataclass(frozen=True, repr=False)
class PaperTold:
    """One paper of the list: what it must be, where it stands, what is wrong with it."""

    label: str
    notes: tuple[str, ...]
    standing: Standing
    flaws: tuple[str, ...]


_STEPS: Mapping[Path, tuple[tuple[str, frozenset[State], str], ...]] = MappingProxyType(
    {
        Path.PARTY: (
            ("accepted", frozenset(), "confirmed_at"),
            ("review", frozenset({State.SCREENING, State.INTAKE_DEFICIENT}), ""),
            ("addresses", frozenset({State.EXCHANGING, State.NEGOTIATING}), "released_at"),
            ("papers", _WANTS_PAPERS, "stage_2_at"),
            ("second_review", frozenset({State.REVIEWING}), ""),
            ("fee", frozenset({State.AWAITING_FEE}), ""),
            ("letter", frozenset({State.RELEASING}), "dispatched_at"),
        ),
        Path.RIGHTS_HOLDER: (
            ("accepted", frozenset(), "confirmed_at"),
            ("review", frozenset({State.SCREENING, State.INTAKE_DEFICIENT}), ""),
            ("letter", frozenset({State.RELEASING}), "dispatched_at"),
        ),
    }
)
"""Path → its steps in order: name, the states in which it is under way, the column that says when it was reached."""


def told_to_applicant(visit: Visit) -> dict[str, Any]:
    """Return what the applicant's page says."""
    case, language, now = visit.case, visit.reader.language, visit.now
    deadline_at = answer_until(case)
    told: dict[str, Any] = {
        **told_to_both(visit),
        "state": case.state.value,
        "is_open": case.is_open,
        "is_held": case.is_open and case.held_at is not None,
        "deadline": deadline_in_words(deadline_at, language) if deadline_at else None,
        "is_late": deadline_at is not None and now >= deadline_at and case.held_at is None,
        "steps": list(_steps(case, language)),
        "papers": list(_papers(visit)) if case.state in _SHOWS_PAPERS else [],
        "wants_papers": case.state in _WANTS_PAPERS,
        "missing": [],
        "paid": None,
    }
    match case.state:
        case State.INTAKE_DEFICIENT:
            told["missing"] = [FACTS[language][fact] for fact in noticing.missing_facts(visit.session, case)]
        case State.AWAITING_DOCUMENTS | State.DOCUMENTS_DEFICIENT:
            told["words"] = _words(visit, post_address=noticing.post_address())
        case State.AWAITING_FEE:
            told["words"] = _words(visit, **noticing.invoice_words(visit.session, case, language))
            told["paid"] = amount_in_words(case.paid_yen, language) if case.paid_yen else None
        case State.DISCLOSED:
            told["words"] = _words(visit, **noticing.posted_words(visit.session, case))
    return told


def told_to_counterparty(visit: Visit) -> dict[str, Any]:
    """Return what the other side's page says: that there is an application, or was; not whose, not why."""
    case, language = visit.case, visit.reader.language
    own = applying.counterpart(visit.session, case) if case.is_open else None
    opinion_until, cross_until = case.opinion_due_at, noticing.cross_deadline(case)
    shows_cross_until = case.stage_2_at is not None and cross_until is not None and visit.now < cross_until
    return {
        **told_to_both(visit),
        "is_open": case.is_open,
        "asks_for": "particulars" if case.stage_2_at is not None else "addresses",
        "was_released": case.released_at is not None,
        "opinion_on": day_in_words(case.opinion_at, language) if case.opinion_at else None,
        "opinion_until": deadline_in_words(opinion_until, language) if opinion_until else None,
        "opinion_is_late": opinion_until is not None and visit.now >= opinion_until,
        "cross_until": deadline_in_words(cross_until, language) if cross_until and shows_cross_until else None,
        "own_case": visit.reader.url(page_path(visit.session, own, Party.APPLICANT)) if own else None,
    }


def told_to_both(visit: Visit) -> dict[str, Any]:
    """Return what each page of a case says."""
    return {
        "path": visit.path,
        "reference": visit.case.reference,
        "transaction_number": transaction_of(visit),
        "may": {each.value for each in visit.may},
        "service": service_told(visit.now, visit.reader.language) if visit.case.is_open else None,
    }


def transaction_of(visit: Visit) -> str | None:
    """Return the transaction's number as this side knows it; None once it was shredded."""
    try:
        return noticing.transaction_of(visit.session, visit.case, visit.party)
    except Unreadable:
        return None


def answer_until(case: DisclosureCase) -> datetime | None:
    """Return the exclusive end of what is awaited; an application for stage 2 also ends with the service (D3)."""
    ends_at = policy().service_end_at
    if case.state is State.NEGOTIATING and case.deadline_at is not None and ends_at is not None:
        return min(case.deadline_at, ends_at)
    return case.deadline_at


def service_told(now: datetime, language: str) -> tuple[str, str] | None:
    """Return what is said of the service's end, and until when applications are taken; None if it has none (D1)."""
    rules = policy()
    if rules.service_end_at is None:
        return None
    said = "case_service.ended" if rules.service_has_ended(now) else "case_service.ends"
    return said, deadline_in_words(rules.service_end_at, language)


def _steps(case: DisclosureCase, language: str) -> Iterator[Step]:
    steps = _STEPS[case.path]
    if case.state in TERMINAL and case.state is not State.DISCLOSED:
        return
    here = next((place for place, (_, states, _) in enumerate(steps) if case.state in states), len(steps))
    for place, (name, _, column) in enumerate(steps):
        at = getattr(case, column) if column else None
        standing = "done" if place < here else "now" if place == here else "ahead"
        yield Step(name, standing, day_in_words(at, language) if at is not None else None)


def _papers(visit: Visit) -> Iterator[PaperTold]:
    session, case, language = visit.session, visit.case, visit.reader.language
    is_shop = noticing.is_of_shop(session, case)
    for item in papers.items_of(session, case):
        if item.standing is Standing.WAIVED:
            continue
        asked = noticing.asked_for(session, item, language=language, is_shop=is_shop)
        flaws: tuple[str, ...] = ()
        if item.standing is Standing.DEFICIENT:
            flaws = noticing.found_wrong(session, item, language=language, is_shop=is_shop).flaws
        yield PaperTold(asked.label, asked.notes, item.told_standing, flaws)


def _words(visit: Visit, **particulars: Any) -> CaseWords:
    configured = settings()
    return CaseWords.of(
        language=visit.reader.language,
        operator_name=configured.office_name,
        contact_url=configured.case_contact_url,
        reference=visit.case.reference,
        written_at=visit.now,
        **particulars,
    )
