"""Whom a case's link lets in, and how its bearer does something there. It admits; it decides nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from fastapi import Request, Response
from sqlalchemy.orm import Session

from api.pages.failing import LinkUnknown
from api.pages.reader import Reader
from models.disclosure import DisclosureCase, Party, State
from models.errors import (
    CaseHeld,
    DeadlinePassed,
    IllegalMove,
    NotReady,
    Refusal,
    ServiceEnded,
    TooManyRequests,
)
from worker import links
from worker.cases import noticing, parties
from worker.cases.moving import policy
from worker.cases.parties import May, what_may
from worker.database import database
from worker.links import CaseLinkRole

REFUSED, TOO_MANY = 409, 429
SAID: Mapping[type[Refusal], str] = MappingProxyType(
    {
        IllegalMove: "case_refused.illegal_move",
        DeadlinePassed: "case_refused.deadline_passed",
        ServiceEnded: "case_refused.service_ended",
        CaseHeld: "case_refused.held",
        NotReady: "case_refused.illegal_move",
        TooManyRequests: "case_refused.too_many",
    }
)
"""Refusals after which a party needs to see how the case stands."""


@dataclass(frozen=True)
class Visit:
    """One party on its page, in the caller's transaction.

    Attributes:
        token: of the link that proved who it is; part of each address of its pages.
        now: when the request arrived.
        may: what it can do.
    """

    session: Session
    case: DisclosureCase
    party: Party
    token: str
    now: datetime
    reader: Reader

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"/case/{self.token}"

    @property
    def may(self) -> list[May]:
        """What it can do now."""
        return what_may(self.case, self.party, now=self.now)


def visiting(request: Request, session: Session, token: str, now: datetime, *, lock: bool = False) -> Visit:
    """Return the visit of whoever bears a link to a case page.

    Raises:
        LinkUnknown: it is not ours, or old, or opens nothing that this side was told of.
    """
    bearer = parties.bearer(session, token, lock=lock)
    if bearer is None or bearer.role is not CaseLinkRole.PAGE:
        raise LinkUnknown
    case, party = bearer.case, bearer.party
    if case.confirmed_at is None or (party is Party.COUNTERPARTY and case.told_counterparty_at is None):
        raise LinkUnknown
    # The case's language is the applicant's, and no business of the other side's.
    reader = Reader.of(request, usual=case.language if party is Party.APPLICANT else None)
    return Visit(session, case, party, token, now, reader)


def acting(
    request: Request,
    token: str,
    now: datetime,
    operation: May,
    act: Callable[[Visit], object],
    *,
    refused: Callable[[Refusal], Response],
    done: Callable[[Visit], Response],
) -> Response:
    """Do something to a case, locked, in one transaction.

    Args:
        request: what asks for it.
        token: of the link.
        now: when it arrived.
        operation: what is done; whoever's it is not meets a link that opens nothing.
        act: does it.
        refused: what is answered when it may not happen; nothing has.
        done: what is answered afterwards.
    """
    try:
        with database().transaction() as session:
            visit = visiting(request, session, token, now, lock=True)
            if visit.party not in _WHOSE[operation]:
                raise LinkUnknown
            act(visit)
            return done(visit)
    except Refusal as refusal:
        return refused(refusal)


def why_not(visit: Visit, operation: May) -> str:
    """Return the words for what a side cannot do now."""
    case, now = visit.case, visit.now
    if operation in _NEW and policy().service_has_ended(now):
        return SAID[ServiceEnded]
    if case.held_at is not None:
        return SAID[CaseHeld]
    if operation is _TIMED.get(case.state) and case.deadline_at is not None and now >= case.deadline_at:
        return SAID[DeadlinePassed]
    return SAID[IllegalMove]


def page_path(session: Session, case: DisclosureCase, party: Party) -> str:
    """Return the path of the page of a side whose registered address is proven."""
    bound = noticing.bound_to(noticing.reader(session, case, party))
    return f"/case/{links.case_token(CaseLinkRole.PAGE, case.id, party, bound)}"


def said_of(refusal: Refusal) -> tuple[str, int]:
    """Return the words and the status for what may not happen.

    Raises:
        Refusal: itself, if no party can meet it here.
    """
    if type(refusal) not in SAID:
        raise refusal
    return SAID[type(refusal)], TOO_MANY if isinstance(refusal, TooManyRequests) else REFUSED


_NEW = frozenset({May.STAGE_2, May.CROSS_APPLICATION})
_TIMED: Mapping[State, May] = MappingProxyType({State.INTAKE_DEFICIENT: May.FACTS, State.NEGOTIATING: May.STAGE_2})
_BOTH = frozenset(Party)
_WHOSE: Mapping[May, frozenset[Party]] = MappingProxyType(
    {
        May.WITHDRAW: frozenset({Party.APPLICANT}),
        May.FACTS: frozenset({Party.APPLICANT}),
        May.STAGE_2: frozenset({Party.APPLICANT}),
        May.SETTLE: frozenset({Party.APPLICANT}),
        May.DOCUMENTS: frozenset({Party.APPLICANT}),
        May.OPINION: frozenset({Party.COUNTERPARTY}),
        May.CROSS_APPLICATION: frozenset({Party.COUNTERPARTY}),
        May.MISUSE_REPORTS: _BOTH,
    }
)
