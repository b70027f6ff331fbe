"""Stage 2 leaves the house by post: the letter from the approved digest, printed once, its dispatch recorded (D41)."""

import base64
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.decision import Decision
from models.disclosure import DisclosureCase, Party, Path, State
from models.errors import IllegalMove, NotReady
from models.job import Name
from models.marketplace import Member
from models.message import Kind
from models.release import Letter, Release
from models.roles import Role
from models.work import Work
from worker import auditing
from worker.cases import noticing, printed, releases, screening
from worker.cases.moving import SYSTEM, Actor, moved, note, policy
from worker.cases.worklist import close_work, open_work
from worker.chance import new_id
from worker.clock import unix_ms
from worker.jobs import Link, enqueue_chain
from worker.seals import Place, seal, unseal


def render(session: Session, case: DisclosureCase, *, now: datetime) -> Letter | None:
    """Make the letter from exactly what was approved; None if there is one, or nothing to make.

    Raises:
        IllegalMove: what was approved is not what stands in the decision any more.
    """
    if case.state is not State.RELEASING or standing(session, case) is not None:
        return None
    decision = session.get_one(Decision, case.decision_id)
    if decision.digest != decision.reckoned_digest() or decision.approved_at is None:
        raise IllegalMove(case_id=case.id, decision_id=decision.id)
    spoiled = session.scalars(select(func.count()).where(Letter.case_id == case.id)).one()
    serial = spoiled + 1
    document = printed.letter_of(session, case, decision, serial=serial, now=now)
    letter = Letter(
        id=new_id(unix_ms()),
        case_id=case.id,
        decision_id=decision.id,
        digest=decision.digest,
        serial=serial,
        sha256=printed.digest_of(document.pdf),
        by_hand=list(document.by_hand),
        rendered_at=now,
    )
    letter.sealed_pdf = seal(session, _place(letter), base64.b64encode(document.pdf).decode())
    session.add(letter)
    session.flush()
    note(
        session,
        case,
        "letter_rendered",
        now=now,
        actor=SYSTEM,
        letter=str(letter.id),
        serial=serial,
        by_hand=len(letter.by_hand),
    )
    return letter


def await_dispatch(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Put the letter on the mail room's list."""
    letter = standing(session, case)
    if case.state is State.RELEASING and letter is not None and letter.printed_at is None:
        open_work(session, case, Work.PRINT_LETTER, now=now)


def print_once(session: Session, case: DisclosureCase, *, by: Actor, reason: str, now: datetime) -> bytes:
    """Hand the letter to the printer, once. What is spoiled in printing is made anew under the next serial.

    Raises:
        IllegalMove: there is no letter, or it was printed.
        NotReady: an address came under protection since, and nobody of the legal role has seen it (S16).
        ReleasesStopped, TooManyRequests: see `releases.admit`.
    """
    letter = _need_letter(session, case)
    decision = session.get_one(Decision, letter.decision_id)
    if screening.is_protected(session, case) and not decision.as_legal and Role.LEGAL not in by.roles:
        raise NotReady(case_id=case.id, lacks="legal_role")
    letter.print_once(by=by.name, at=now)
    releases.admit(session, now=now)
    close_work(session, case, Work.PRINT_LETTER, by=by.name, now=now)
    open_work(session, case, Work.POST_LETTER, now=now)
    note(session, case, "letter_printed", now=now, actor=by, role=Role.MAIL_ROOM, reason=reason, letter=str(letter.id))
    return base64.b64decode(unseal(session, _place(letter), letter.sealed_pdf or b""))


def spoil(session: Session, case: DisclosureCase, *, by: Actor, reason: str, now: datetime) -> None:
    """The print failed and was shredded: another letter is made of the same decision.

    Raises:
        IllegalMove: it was not printed, or has been posted.
    """
    letter = _need_letter(session, case)
    letter.spoil(by=by.name, at=now)
    letter.sealed_pdf = None
    session.flush()
    close_work(session, case, Work.POST_LETTER, by=by.name, now=now)
    note(session, case, "letter_spoiled", now=now, actor=by, role=Role.MAIL_ROOM, reason=reason, letter=str(letter.id))
    render(session, case, now=now)
    await_dispatch(session, case, now=now)


def record_dispatch(
    session: Session,
    case: DisclosureCase,
    tracking_number: str,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
) -> bool:
    """Write down that the letter was posted, tell both sides, and close the case; False if that is known already.

    Raises:
        IllegalMove: there is no printed letter.
    """
    if case.state is State.DISCLOSED or case.dispatched_at is not None:
        return False
    letter = _need_letter(session, case)
    letter.dispatch(by=by.name, at=now, tracking_number=tracking_number)
    case.dispatch(at=now)
    decision = session.get_one(Decision, case.decision_id)
    made = Release(
        id=new_id(unix_ms()), case_id=case.id, decision_id=decision.id, stage=decision.stage, released_at=now
    )
    session.add(made)
    session.flush()
    fields = list(decision.content["fields"])
    auditing.record_disclosure(
        session,
        case_id=case.id,
        release_id=made.id,
        at=now,
        actor=by.name,
        whose_id=session.get_one(Member, case.counterparty_id).id,
        recipient_id=noticing.reader(session, case, Party.APPLICANT).id,
        fields=fields,
        stage=decision.stage,
        basis="guideline_4" if case.path is Path.RIGHTS_HOLDER else "guideline_2",
    )
    close_work(session, case, Work.POST_LETTER, by=by.name, now=now)
    noticing.write(session, case, Party.APPLICANT, Kind.CASE_POSTED, now=now)
    if _seller_is_told(case):
        noticing.write(session, case, Party.COUNTERPARTY, Kind.CASE_DISCLOSED_TOLD, now=now, fields=fields)
    role = Role.MAIL_ROOM
    note(session, case, "letter_posted", now=now, actor=by, role=role, reason=reason, letter=str(letter.id))
    enqueue_chain(
        session,
        *(
            Link(name, {"case_id": case.id})
            for name in (Name.NOTIFY_APPLICANT, Name.NOTIFY_COUNTERPARTY, Name.CLOSE_CASE)
        ),
    )
    return True


def close(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """The last link: the release is complete."""
    before = case.state
    if case.close(at=now, policy=policy()):
        moved(session, case, before, "disclosed", now=now, actor=SYSTEM)


def standing(session: Session, case: DisclosureCase) -> Letter | None:
    """Return the letter that is not spoiled."""
    return session.scalars(select(Letter).where(Letter.case_id == case.id, Letter.spoiled_at.is_(None))).one_or_none()


def _seller_is_told(case: DisclosureCase) -> bool:
    """A party that was told of the application learns the outcome (A13); a seller only if the policy says so (A14)."""
    return policy().seller_told_after if case.path is Path.RIGHTS_HOLDER else case.told_counterparty_at is not None


def _need_letter(session: Session, case: DisclosureCase) -> Letter:
    letter = standing(session, case)
    if case.state is not State.RELEASING or letter is None:
        raise IllegalMove(case_id=case.id, case_state=case.state)
    return letter


def _place(letter: Letter) -> Place:
    return Place(letter.case_id, "letters", "sealed_pdf", letter.id)
