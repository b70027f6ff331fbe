"""What a letter would hold and whom it would go to, before anything is printed: labels and kinds, no value (S17)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.decision import Decision, Stage, Verdict
from models.disclosure import DisclosureCase
from models.errors import NotReady
from models.marketplace import Member, MemberKind, MemberSnapshot, When
from models.release import Letter
from worker.cases import deciding, posting, voiding
from worker.cases.printed import AS_OF, LABELS


@dataclass(frozen=True)
class Preview:
    """A letter without its contents.

    Attributes:
        fields: name and label of each value that it would hold.
        as_of: of which dates, with label and the instant since when that was registered.
        addressee: "individual", "shop" or "organisation".
        is_unchanged: whether addressee and data are still registered as they were decided on.
        serial: of the letter that stands, or would be made.
    """

    decision: Decision
    fields: tuple[tuple[str, str], ...]
    as_of: tuple[tuple[When, str, datetime], ...]
    addressee: str
    is_unchanged: bool
    serial: int
    printed_at: datetime | None


def preview(session: Session, case: DisclosureCase) -> Preview:
    """Return what the letter of the decision that stands, or is proposed, would be.

    Raises:
        NotReady: no letter follows from anything that was proposed.
    """
    decided = session.get(Decision, case.decision_id) if case.decision_id else None
    decision = next(filter(_leads_to_a_letter, (deciding.standing(session, case), decided)), None)
    if decision is None:
        raise NotReady(case_id=case.id, lacks="decision")
    content, letter = decision.content, posting.standing(session, case)
    made = session.scalars(select(func.count()).where(Letter.case_id == case.id)).one()
    snapshots = [(When(name), UUID(found)) for name, found in content["snapshots"].items()]
    return Preview(
        decision=decision,
        fields=tuple((name, LABELS[name]) for name in content["fields"]),
        as_of=tuple(
            (when, AS_OF[when], session.get_one(MemberSnapshot, snapshot_id).taken_at)
            for when, snapshot_id in sorted(snapshots, key=lambda found: list(When).index(found[0]))
        ),
        addressee=_addressee(session, content["addressee"]),
        is_unchanged=voiding.is_unchanged(session, case, decision),
        serial=letter.serial if letter is not None else made + 1,
        printed_at=None if letter is None else letter.printed_at,
    )


def _leads_to_a_letter(decision: Decision | None) -> bool:
    return decision is not None and decision.stage is not Stage.ADDRESSES and decision.verdict is Verdict.DISCLOSE


def _addressee(session: Session, addressee: dict[str, str]) -> str:
    if "organisation" in addressee:
        return "organisation"
    member = session.get_one(Member, UUID(addressee["member"]))
    return "shop" if member.kind is MemberKind.SHOP else "individual"
