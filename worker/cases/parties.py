"""Who of the parties is asking, proven by the link mailed to the registered address (D19, D68), and what it can do.

What is offered is what the models would not refuse; they are asked again when it is done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from models.disclosure import MOVES, DisclosureCase, Party, Path, State
from worker import links
from worker.cases import noticing
from worker.cases.moving import locked, policy


class May(StrEnum):
    """What a party can do with a case, by the last part of the operation's path and of the page's."""

    WITHDRAW = "withdraw"
    FACTS = "facts"
    STAGE_2 = "stage-2"
    SETTLE = "settle"
    DOCUMENTS = "documents"
    """Send papers, by post."""
    OPINION = "opinion"
    CROSS_APPLICATION = "cross-application"
    MISUSE_REPORTS = "misuse-reports"


@dataclass(frozen=True)
class Bearer:
    """Who bears a genuine link: which case, which side, and what the link is for."""

    case: DisclosureCase
    party: Party
    role: links.CaseLinkRole


def bearer(session: Session, token: str, *, lock: bool = False) -> Bearer | None:
    """Return who bears a link; None if it is not ours, the case is gone, or another address is registered since.

    Args:
        session: the caller's transaction.
        token: the 48 characters of the link.
        lock: whether the case is locked for a change.
    """
    link = links.read_case(token)
    if link is None:
        return None
    case = locked(session, link.case_id) if lock else session.get(DisclosureCase, link.case_id)
    # Before it is a case there is no page of it; whom the form names is not even looked at.
    if case is None or (link.role is links.CaseLinkRole.PAGE and case.confirmed_at is None):
        return None
    try:
        who = noticing.reader(session, case, link.party)
    except LookupError:
        return None
    return Bearer(case, link.party, link.role) if link.proves(noticing.bound_to(who)) else None


def what_may(case: DisclosureCase, party: Party, *, now: datetime) -> list[May]:
    """Return what one side can do with a case now."""
    return list(_of_applicant(case, now) if party is Party.APPLICANT else _of_counterparty(case, now))


def _of_applicant(case: DisclosureCase, now: datetime) -> Iterator[May]:
    runs = case.held_at is None
    in_time = runs and case.deadline_at is not None and now < case.deadline_at
    if State.WITHDRAWN in MOVES[case.state]:
        yield May.WITHDRAW
    if case.state is State.INTAKE_DEFICIENT and in_time:
        yield May.FACTS
    if case.state is State.NEGOTIATING and in_time and not policy().service_has_ended(now):
        yield May.STAGE_2
    if case.state is State.NEGOTIATING and runs:
        yield May.SETTLE
    if case.state in {State.AWAITING_DOCUMENTS, State.DOCUMENTS_DEFICIENT}:
        yield May.DOCUMENTS
    if case.released_at is not None:
        yield May.MISUSE_REPORTS


def _of_counterparty(case: DisclosureCase, now: datetime) -> Iterator[May]:
    if case.is_open and case.told_counterparty_at is not None and case.path is Path.PARTY:
        # Nobody has asked for more than the addresses before stage 2; an opinion of that would not be kept.
        if case.stage_2_at is not None and case.opinion_at is None:
            yield May.OPINION
        if not policy().service_has_ended(now):
            yield May.CROSS_APPLICATION
    if case.released_at is not None:
        yield May.MISUSE_REPORTS
