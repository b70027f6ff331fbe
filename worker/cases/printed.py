"""The two papers that we print, filled from a case: the pledge as it was issued, the letter as it was approved."""

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.calendar import local_date
from models.decision import Decision
from models.disclosure import DisclosureCase, Path
from models.marketplace import Member, MemberKind, MemberSnapshot, Organisation, OrganisationSnapshot, Trade, When
from models.period import JAPAN
from worker import registry
from worker.printing.letter import Disclosed, LetterKind, LetterWords, letter
from worker.printing.pledge import CURRENT_VERSION, PledgeWords, pledge
from worker.printing.postal import Addressee, Sender
from worker.printing.printed import Printed
from worker.printing.wording import day_in_words
from worker.settings import settings

PLEDGE_VERSION = CURRENT_VERSION
LABELS = {"name": "氏名", "kana": "フリガナ", "postal_code": "郵便番号", "address": "住所"}
AS_OF = {When.REGISTRATION: "ご登録時", When.TRADE: "お取引時", When.NOW: "現在"}


def pledge_of(session: Session, case: DisclosureCase) -> bytes:
    """Return the pledge (誓約書) in the version that the case was given (D36).

    Raises:
        LookupError: no pledge was issued.
    """
    if case.stage_2_at is None or case.applicant_id is None:
        raise LookupError("no pledge was issued in this case")
    trade = session.get_one(Trade, case.trade_id)
    words = PledgeWords(
        reference=case.reference,
        version=case.pledge_version or PLEDGE_VERSION,
        issued_on=local_date(case.stage_2_at, JAPAN),
        transaction_number=trade.number,
        receiver=_office(),
        of_a_shop=session.get_one(Member, case.applicant_id).kind is MemberKind.SHOP,
    )
    return pledge(words).pdf


def letter_of(session: Session, case: DisclosureCase, decision: Decision, *, serial: int, now: datetime) -> Printed:
    """Return the letter (通知書) with exactly the fields and snapshots that were approved (D24, D43).

    Raises:
        Unreadable: somebody's data was shredded.
    """
    trade = session.get_one(Trade, case.trade_id)
    content = decision.content
    shown = []
    for when in When:
        snapshot_id = content["snapshots"].get(when.value)
        if snapshot_id is not None:
            shown.append(_disclosed(session, when, UUID(snapshot_id), content["fields"]))
    words = LetterWords(
        kind=LetterKind.ORGANISATION if case.path is Path.RIGHTS_HOLDER else LetterKind.PARTY,
        reference=case.reference,
        serial=f"{case.reference}-{serial}",
        issued_on=local_date(now, JAPAN),
        sender=_office(),
        addressee=_addressee(session, content["addressee"]),
        transaction_number=trade.number,
        item_name=trade.item_name,
        disclosed=tuple(shown),
    )
    return letter(words)


def digest_of(document: bytes) -> str:
    """Return the SHA-256 of a document."""
    return hashlib.sha256(document).hexdigest()


def _disclosed(session: Session, when: When, snapshot_id: UUID, fields: list[str]) -> Disclosed:
    snapshot = session.get_one(MemberSnapshot, snapshot_id)
    registered = registry.registered(session, snapshot)
    as_of = f"{AS_OF[when]}({day_in_words(local_date(snapshot.taken_at, JAPAN))}登録)"
    return Disclosed(as_of=as_of, fields=tuple((LABELS[name], getattr(registered, name)) for name in fields))


def _addressee(session: Session, addressee: dict[str, str]) -> Addressee:
    """Return to whom it goes: as registered at the approval, and nowhere else."""
    if "organisation" in addressee:
        organisation = session.get_one(Organisation, UUID(addressee["organisation"]))
        snapshot = session.get_one(OrganisationSnapshot, UUID(addressee["snapshot"]))
        contact = registry.contact_of(session, organisation, snapshot_id=snapshot.id)
        return Addressee(
            name=contact.addressee,
            postal_code=contact.postal_code,
            address_lines=(contact.postal_address,),
            organisation=snapshot.facts["name"],
        )
    registered = registry.registered(session, session.get_one(MemberSnapshot, UUID(addressee["snapshot"])))
    return Addressee(
        name=registered.representative or registered.name,
        postal_code=registered.postal_code,
        address_lines=(registered.address,),
        organisation=registered.name if registered.representative else None,
    )


def _office() -> Sender:
    configured = settings()
    return Sender(
        name=configured.office_name,
        postal_code=configured.office_postal_code,
        address_lines=(configured.office_address,),
        contact_url=configured.case_contact_url,
    )
