"""Proofs of a contact: begun, sent again, checked; for a booking, or alone for another system.

The caller commits whatever is returned: a try that was counted stays counted.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.customer import Customer
from models.errors import CodeExhausted, CodeWrong, HoldEnded, Refusal, TooManyRequests
from models.job import Name
from models.shop import Shop
from models.verification import Purpose, Verification
from worker import codes, guards
from worker.chance import new_id
from worker.clock import unix_ms
from worker.customers import Contact
from worker.jobs import enqueue


def begin(
    session: Session,
    shop: Shop,
    customer: Customer,
    contact: Contact,
    *,
    language: str,
    received_at: datetime,
    network: str | None,
    caller: str,
    booking_id: UUID | None = None,
    page_host: str | None = None,
) -> Verification:
    """Return a new proof, its first code counted; the caller adds it and owes the code with `owe_code`.

    Args:
        session: the request's transaction.
        shop: in whose name the code is sent.
        customer: whose contact it is.
        contact: the contact itself.
        language: of the message.
        received_at: when the request came.
        network: the customer's own address.
        caller: the API key's id, or "pages".
        booking_id: what is proven for, or None for a proof that stands alone.
        page_host: where the code is asked for, if not on our pages.

    Raises:
        TooManyRequests: a cap on codes is reached.
    """
    asker = guards.Asker.of(contact, network=network, caller=caller, shop=shop.id)
    guards.admit_send(session, asker, now=received_at)
    verification_id = new_id(unix_ms())
    alone = booking_id is None
    return Verification.begin(
        now=received_at,
        life=timedelta(minutes=shop.code_minutes),
        cap=timedelta(minutes=shop.hold_cap_minutes),
        id=verification_id,
        purpose=Purpose.ALONE if alone else Purpose.BOOKING,
        subject_id=booking_id or verification_id,
        customer_id=customer.id,
        api_key_id=caller if alone else None,
        language=language,
        contact_digest=asker.contact,
        prefix_digest=asker.prefix,
        network_digest=asker.network,
        page_host=page_host,
        channel=contact.channel,
    )


def owe_code(session: Session, verification: Verification) -> None:
    """Owe the code that was just counted."""
    enqueue(session, Name.DISPATCH_CODE, verification_id=verification.id, number=verification.sends)


def send_again(session: Session, verification: Verification, *, life: timedelta, received_at: datetime) -> None:
    """Owe the code once more, or a new one.

    Raises:
        HoldEnded, ResendTooSoon, ResendTooOften: see `Verification.resend`.
        TooManyRequests: a cap on codes is reached.
    """
    verification.resend(received_at=received_at, life=life)
    guards.admit_resend(session, verification, now=received_at)
    owe_code(session, verification)


def judge(session: Session, verification: Verification, given: str, *, received_at: datetime) -> Refusal | None:
    """Count a try, then compare; None if the code is right.

    Returns:
        CodeWrong, CodeExhausted, HoldEnded or TooManyRequests, as values: what was counted must be committed with them.
    """
    if verification.verified_at is not None:
        return judge_again(verification, given)
    try:
        guards.admit_try(session, verification, now=received_at)
        verification.count_attempt(received_at=received_at)
    except (HoldEnded, CodeExhausted, TooManyRequests) as refusal:
        return refusal
    if codes.matches(verification, given):
        verification.verified_at = received_at
        guards.entered(session, verification, now=received_at)
        return None
    guards.failed(session, verification, now=received_at)
    if verification.is_exhausted:
        return CodeExhausted(verification_id=verification.id)
    return CodeWrong(verification_id=verification.id, attempts_left=verification.attempts_left)


def judge_again(verification: Verification, given: str) -> Refusal | None:
    """The right code again gets the answer it had; tries are counted here too, or they could be made without end."""
    if verification.is_exhausted:
        return CodeExhausted(verification_id=verification.id)
    if codes.matches(verification, given):
        return None
    verification.attempts += 1
    return CodeWrong(verification_id=verification.id)


def locked(session: Session, verification_id: UUID) -> Verification | None:
    """Return a proof, locked."""
    query = select(Verification).where(Verification.id == verification_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()
