"""Nobody handles a case of their own (S6): whose key says which member they are is kept from that member's cases.

It knows persons by the name on their keys, since one person may have several. Whoever has no account at the
marketplace, or has not told of it, is not known to be a party.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.access import ApiKey
from models.disclosure import DisclosureCase
from models.errors import OwnCase
from models.marketplace import Member
from worker.cases.moving import Actor


def check_interests(session: Session, case: DisclosureCase, by: Actor) -> None:
    """Refuse a person who is a party of the case, by whichever of their keys it was ever told.

    Raises:
        OwnCase: they are.
    """
    person = by.name.removeprefix("person:")
    own = select(ApiKey.member).where(ApiKey.person == person, ApiKey.member.is_not(None))
    parties = [party for party in (case.applicant_id, case.counterparty_id) if party is not None]
    is_party = select(Member.id).where(Member.id.in_(parties), Member.external_id.in_(own))
    if session.scalars(is_party.limit(1)).first() is not None:
        raise OwnCase(case_id=case.id)
