"""The automatic checks of an application, each kept with what it was judged by (D11). Nobody outside learns of them.

They refuse nothing: what does not hold is put before two people like everything else.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from models.calendar import local_date
from models.disclosure import CaseCheck, DisclosureCase, Party, Path
from models.marketplace import Member, Organisation, Trade, name_form, number_form
from models.message import Kind
from models.period import JAPAN, end_of_months
from models.work import Work
from worker import registry
from worker.cases import applying, forms, noticing
from worker.cases.moving import SYSTEM, note, policy
from worker.cases.worklist import open_work

_A_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Found:
    """What one check found.

    Attributes:
        clause: which condition.
        evidence: instants, numbers and words from closed lists.
    """

    clause: str
    holds: bool
    evidence: dict[str, Any]


def screen(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Check a case, write both notices that its acceptance makes necessary, in this one transaction (D38, A4)."""
    if case.trade_id is None:
        applying.find_trade_since(session, case)
    found = list(_holder_checks(session, case) if case.path is Path.RIGHTS_HOLDER else _party_checks(session, case))
    for each in found:
        session.add(
            CaseCheck(
                case_id=case.id,
                clause=each.clause,
                holds=each.holds,
                evidence=each.evidence,
                checked_by=SYSTEM.name,
                checked_at=now,
                policy=policy_digest(),
            )
        )
    eligible = all(each.holds for each in found)
    case.screened(eligible=eligible, needs_legal=is_protected(session, case))
    note(session, case, "screened", now=now, actor=SYSTEM, eligible=eligible)
    noticing.write(session, case, Party.APPLICANT, Kind.CASE_OPENED, now=now)
    if case.tell_counterparty(at=now):
        noticing.write(session, case, Party.COUNTERPARTY, Kind.CASE_TOLD, now=now)
    if case.counterparty_id and applying.cases_against(session, case, since=now - _A_YEAR) > policy().most_against_one:
        open_work(session, case, Work.LOOK_AT_PATTERN, now=now)


def policy_digest() -> str:
    """Return what stands for the rules in force: a check is judged by those of its day."""
    return sha256(repr(sorted(asdict(policy()).items())).encode()).hexdigest()[:32]


def _party_checks(session: Session, case: DisclosureCase) -> Iterator[Found]:
    form = forms.form_of(session, case)
    member = session.get(Member, case.applicant_id) if case.applicant_id else None
    trade = session.get(Trade, case.trade_id) if case.trade_id else None
    yield Found("D18", member is not None and member.is_active, {"registered": member is not None})
    is_theirs = (
        member is not None
        and registry.name_matches(session, member, form["name"])
        and registry.nickname_matches(session, member, form["nickname"])
    )
    yield Found("D70", is_theirs, {})
    yield Found("D7", trade is not None, {})
    if trade is None or member is None:
        return
    filed_at = applying.counts_as_filed_at(session, case)
    yield Found("D4", trade.anonymous_shipping, {"anonymous_shipping": trade.anonymous_shipping})
    yield from _transaction(session, case, trade, form)
    yield from _windows(session, trade, member, filed_at)
    earlier = applying.earlier_cases(session, case)
    yield Found("A15", earlier < policy().most_applications, {"earlier": earlier})


def _windows(session: Session, trade: Trade, member: Member, filed_at: datetime) -> Iterator[Found]:
    closes_at = trade.message_window_closes_at
    yield Found("D12", filed_at > closes_at, {"window_closes_at": closes_at.isoformat()})
    side = trade.side_of(member.id)
    written = 0 if side is None else registry.messages_by(session, trade, side, before=filed_at)
    log = [
        {"by": each.sent_by.value, "at": each.sent_at.isoformat()}
        for each in registry.message_log(session, trade, before=filed_at)
    ]
    yield Found("D13", written > 0, {"messages": written, "log": log})
    if trade.completed_at is None:
        yield Found("D14", holds=False, evidence={"completed_at": None})
        return
    until = end_of_months(
        trade.completed_at, policy().eligible_months, rest_days_extend=policy().eligible_extends_over_rest_days
    )
    yield Found("D14", filed_at < until, {"until": until.isoformat(), "filed_at": filed_at.isoformat()})


def _transaction(session: Session, case: DisclosureCase, trade: Trade, form: dict[str, str]) -> Iterator[Found]:
    """Compare all that the form says of the transaction with the registry (D71)."""
    other = session.get(Member, case.counterparty_id) if case.counterparty_id else None
    same = {
        "nickname": other is not None and registry.nickname_matches(session, other, form["counterparty_nickname"]),
        "number": number_form(form["transaction_number"]) == number_form(trade.number),
        "item_number": number_form(form["item_number"]) == number_form(trade.item_number),
        "item_name": name_form(form["item_name"]) == name_form(trade.item_name),
        "won_on": date.fromisoformat(form["won_on"]) == trade.won_on,
    }
    yield Found("D71", all(same.values()), same)


def _holder_checks(session: Session, case: DisclosureCase) -> Iterator[Found]:
    form = forms.form_of(session, case)
    organisation = session.get(Organisation, case.organisation_id) if case.organisation_id else None
    trade = session.get(Trade, case.trade_id) if case.trade_id else None
    today = local_date(case.filed_at, JAPAN)
    clause = "D56" if organisation is not None and organisation.accredited_by else "D57"
    yield Found(clause, organisation is not None and organisation.is_valid_on(today), {"on": today.isoformat()})
    yield Found("D59", bool(form.get("attestation")), {})
    yield Found("D60", trade is not None and case.counterparty_id == trade.seller_id, {})
    if trade is None:
        return
    yield Found("D58", trade.payment_service, {"payment_service": trade.payment_service})
    yield from _transaction(session, case, trade, form)


def is_protected(session: Session, case: DisclosureCase) -> bool:
    """Whether an address of either side is protected, so that the legal role decides (S16)."""
    sides = (case.applicant_id, case.counterparty_id)
    members = [session.get_one(Member, member_id) for member_id in sides if member_id is not None]
    return any(member.protected_address for member in members)
