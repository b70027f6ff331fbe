"""What the parties wrote, sealed under the case's key: the form, the statements for stage 2, the opinion."""

import json
from collections.abc import Mapping

from sqlalchemy.orm import Session

from models.disclosure import DisclosureCase
from worker.seals import Place, seal, unseal


def sealed(session: Session, case: DisclosureCase, column: str, written: Mapping[str, str]) -> bytes:
    """Seal what somebody wrote for a column of the case."""
    return seal(session, _place(case, column), json.dumps(dict(written), ensure_ascii=False))


def form_of(session: Session, case: DisclosureCase) -> dict[str, str]:
    """Open the form.

    Raises:
        Unreadable: the case's data was shredded.
    """
    return _opened(session, case, "sealed_form") or {}


def stage_2_of(session: Session, case: DisclosureCase) -> dict[str, str] | None:
    """Open what was stated for stage 2, if it was reached."""
    return _opened(session, case, "sealed_stage_2")


def opinion_of(session: Session, case: DisclosureCase) -> str | None:
    """Open the counterparty's opinion, if there is one."""
    opened = _opened(session, case, "sealed_opinion")
    return None if opened is None else opened["opinion"]


def _opened(session: Session, case: DisclosureCase, column: str) -> dict[str, str] | None:
    ciphertext: bytes | None = getattr(case, column)
    if ciphertext is None:
        return None
    opened: dict[str, str] = json.loads(unseal(session, _place(case, column), ciphertext))
    return opened


def _place(case: DisclosureCase, column: str) -> Place:
    return Place(case.id, "disclosure_cases", column, case.id)
