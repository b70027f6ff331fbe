"""The signed head of each day: what all chains looked like when it was made, in one digest that names the one before.

A head speaks of everything until `made_at`, not of one day; a day that nobody signed is covered by the next.
"""

import json
import logging
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Date, Select, and_, exists, func, insert, literal, or_, select, text, union_all
from sqlalchemy.orm import Session, aliased

from models.audit import BEGINNING, CaseChain, CaseStub, DailyHead, Fold, HeadLeaf, head_statement
from models.calendar import local_date
from models.job import Job, Name
from models.period import JAPAN
from worker.auditing import signing
from worker.jobs import enqueue

_log = logging.getLogger(__name__)

_PAGE = 1_000
_MOST_ALARMS = 100


def head_is_owed(session: Session, *, now: datetime) -> bool:
    """Owe the head of the day that was over last in Japan, unless it is signed or owed; return whether it was."""
    day = local_date(now, JAPAN) - timedelta(days=1)
    signed = session.scalars(select(DailyHead.day).where(DailyHead.day >= day).limit(1)).one_or_none()
    owed = session.scalars(select(Job).where(Job.name == Name.SIGN_DAY)).all()
    if signed is not None or day.toordinal() in {job.args["day"] for job in owed}:
        return False
    enqueue(session, Name.SIGN_DAY, day=day.toordinal())
    return True


def sign_day(session: Session, day: date, *, now: datetime) -> DailyHead | None:
    """Sign how all chains stand now, as the head of `day`; None if that day, or a later one, has its head.

    Chains that are shorter than, or other than, what a head says of them are left as that head has them, and logged:
    `verify` will say more.
    """
    if session.get_bind().dialect.name == "postgresql":
        # Whoever signs waits here for whoever is signing; nobody else writes to this table, and reading goes on.
        session.execute(text("LOCK TABLE daily_heads IN SHARE ROW EXCLUSIVE MODE"))
    last = session.scalars(select(DailyHead).order_by(DailyHead.day.desc()).limit(1)).one_or_none()
    if last is not None and last.day >= day:
        return None
    _warn_of_contradictions(session)
    session.execute(insert(HeadLeaf).from_select(["case_id", "day", "length", "before", "head", "purged"], _moved(day)))
    fold = Fold(BEGINNING if last is None else last.digest, day)
    leaves = select(HeadLeaf.case_id, HeadLeaf.length, HeadLeaf.before, HeadLeaf.head, HeadLeaf.purged)
    leaves = leaves.where(HeadLeaf.day == day).order_by(HeadLeaf.case_id)
    for leaf in session.execute(leaves, execution_options={"yield_per": _PAGE}).mappings():
        fold.take(**leaf)
    head = DailyHead(
        day=day,
        made_at=now,
        cases=fold.cases + (last.cases if last else 0),
        events=fold.events + (last.events if last else 0),
        stubs=fold.stubs + (last.stubs if last else 0),
        leaves=fold.leaves,
        previous_digest=BEGINNING if last is None else last.digest,
        digest=fold.digest(),
        key_id=signing.key_id(),
    )
    head.signature = signing.sign(_statement(head))
    session.add(head)
    session.flush()
    return head


def exported(head: DailyHead) -> str:
    """Return a head as a line of JSON, to be kept where nobody here can write.

    Who has the public key verifies it without us: take `signature` out, write the rest as canonical JSON (keys sorted,
    no spaces, ASCII), and verify the signature (Ed25519, hexadecimal) over these bytes.
    """
    whole = _statement(head) | {"signature": head.signature}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _statement(head: DailyHead) -> dict[str, Any]:
    return head_statement(
        day=head.day,
        made_at=head.made_at,
        cases=head.cases,
        events=head.events,
        stubs=head.stubs,
        leaves=head.leaves,
        previous_digest=head.previous_digest,
        digest=head.digest,
        key_id=head.key_id,
    )


_STANDING = union_all(
    select(CaseChain.case_id, CaseChain.length, CaseChain.head, literal(value=False).label("purged")),
    select(CaseStub.case_id, CaseStub.length, CaseStub.head, literal(value=True).label("purged")),
).subquery("standing")
"""How each chain stands, or stood when it was purged."""

_LEAF = aliased(HeadLeaf, name="leaf")
_OLDER = aliased(HeadLeaf, name="older")
_IS_ITS_LAST_LEAF = and_(
    _LEAF.case_id == _STANDING.c.case_id,
    _LEAF.day == select(func.max(_OLDER.day)).where(_OLDER.case_id == _STANDING.c.case_id).scalar_subquery(),
)


def _moved(day: date) -> Select[Any]:
    """Return the leaves of the day: one statement, so that on PostgreSQL too they are of one instant."""
    return (
        select(
            _STANDING.c.case_id,
            literal(day, Date),
            _STANDING.c.length,
            func.coalesce(_LEAF.length, 0),
            _STANDING.c.head,
            _STANDING.c.purged,
        )
        .join_from(_STANDING, _LEAF, _IS_ITS_LAST_LEAF, isouter=True)
        .where(
            or_(
                _LEAF.case_id.is_(None),
                _STANDING.c.length > _LEAF.length,
                and_(_STANDING.c.purged, _LEAF.purged.is_(False)),
            )
        )
    )


def _warn_of_contradictions(session: Session) -> None:
    shorter_or_other = select(_STANDING.c.case_id).join_from(_STANDING, _LEAF, _IS_ITS_LAST_LEAF)
    shorter_or_other = shorter_or_other.where(
        or_(
            _STANDING.c.length < _LEAF.length,
            and_(_STANDING.c.length == _LEAF.length, _STANDING.c.head != _LEAF.head),
        )
    )
    gone = select(HeadLeaf.case_id).where(~exists().where(_STANDING.c.case_id == HeadLeaf.case_id)).distinct()
    for case_id in session.scalars(union_all(shorter_or_other, gone).limit(_MOST_ALARMS)).all():
        _log.error("a case's trail contradicts its signed head", extra={"case_id": str(case_id)})


__all__ = ["exported", "head_is_owed", "sign_day"]
