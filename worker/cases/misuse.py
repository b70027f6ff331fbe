"""What is done with the word that something disclosed is used for more than settling the trouble (D10).

It looks into nothing: that is a person's work, which it puts on the list.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from models.disclosure import DisclosureCase, Party
from models.errors import IllegalMove, TooManyRequests
from models.limit import Cap
from models.work import Work
from worker import limits
from worker.cases.moving import Actor, note
from worker.cases.worklist import open_work

CAP = Cap(10, timedelta(days=1))
"""Reports of one side in one case: each is kept in its trail."""


def report(session: Session, case: DisclosureCase, party: Party, text: str, *, received_at: datetime) -> bool:
    """Keep what a party reports, sealed, and let a person look; False if that waits for a person already.

    Raises:
        IllegalMove: nothing was disclosed.
        TooManyRequests: this side reported a great deal today.
    """
    if case.released_at is None:
        raise IllegalMove(case_id=case.id)
    key = f"misuse:{case.id}:{party}"
    if limits.count(session, key, CAP, now=received_at) > CAP.most:
        _, ends_at = limits.counted(session, key, now=received_at)
        raise TooManyRequests(retry_at=ends_at)
    note(session, case, "misuse_reported", now=received_at, actor=Actor(party), reason=text)
    return open_work(session, case, Work.LOOK_AT_MISUSE, now=received_at)
