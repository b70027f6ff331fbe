"""開始: a call at once is asked for, judged, and rings all who are idle (B4, B8, B35). Or it is refused, and recorded.

Whether somebody is free is judged twice: at a glance, so that a crowd is told at once, and again behind a lock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import EntryPoint, VisitPurpose
from models.call import CALLER_GONE_AFTER, LIVE, SAME_PRESS, Call, CallDesk, CallRing, Refused
from models.customer import Customer
from models.errors import ProhibitedUse, ShopClosed, TermsNotAccepted
from models.job import Name
from models.shop import Shop
from models.terms import TermsDocument, consents_to, governing
from models.webhook import EventType
from worker import blocking, fairness, items, suspending
from worker.calls import availability
from worker.chance import new_id
from worker.clock import unix_ms
from worker.customers import Contact, customer_at
from worker.database import insert_new
from worker.derived_keys import fingerprint
from worker.jobs import enqueue
from worker.logs import request_id
from worker.networks import network_digest
from worker.seals import Place, seal
from worker.video import video_provider
from worker.webhooks import tell_of_call

TIMER_GRACE = timedelta(seconds=12)
"""How much later than its end a call's timer comes: what was received in the last moment may still wait for a lock.

Longer than any lock is waited for. People see the ring end in time: pages and availability judge by `rings_until`.
"""


@dataclass(frozen=True, repr=False)
class Wish:
    """What a caller asks for. Contact, name, memo and source are personal and do not print.

    Attributes:
        accepted: id and version of each document that the caller agreed to by pressing 開始.
        contact: where to tell of a missed call, if the caller wants that; it is not proven.
        caller: the API key's id, or "pages".
        form: what tells one form from another: sent twice, it is one call as long as that goes on.
    """

    shop_id: str
    language: str
    accepted: Collection[tuple[str, str]]
    contact: Contact | None = None
    name: str | None = None
    memo: str | None = None
    source_url: str | None = None
    entry_point: EntryPoint | None = None
    purpose: VisitPurpose | None = None
    item_codes: Sequence[str] = field(default=())
    customer_ip: str | None = None
    caller: str = "pages"
    form: str | None = None


def shop_called(session: Session, shop_id: str) -> Shop:
    """Return a shop that takes part (B1).

    Raises:
        ShopClosed: it is not in the registry, or disabled.
    """
    shop = session.get(Shop, shop_id)
    if shop is None or not shop.enabled:
        raise ShopClosed
    return shop


def documents(session: Session, *, at: datetime) -> Sequence[TermsDocument]:
    """Return the documents that a call asked for at this instant falls under: ours and the provider's (B27)."""
    return governing(session.scalars(select(TermsDocument)).all(), at, provider=video_provider().name)


def ask(session: Session, wish: Wish, *, received_at: datetime) -> Call:
    """Return the call, ringing or refused: a refusal is committed too, so that the shop knows what it missed.

    Of a refused call nothing personal is kept, and nobody agreed to anything.

    Raises:
        ShopClosed: see `shop_called`.
        TermsNotAccepted: a document that governs was not named in its present version (B35).
        TooManyRequests: the network asks too often (B39).
    """
    shop = shop_called(session, wish.shop_id)
    if (same := _asked_before(session, wish, now=received_at)) is not None:
        return same
    agreed_to = documents(session, at=received_at)
    _check_accepted(agreed_to, wish.accepted)
    fairness.admit_call(session, shop, network=wish.customer_ip, now=received_at)
    because = _refused(session, shop, wish, now=received_at)
    if because is None:
        # From here on nothing that is counted changes under us: no suspension begins, and no other call is judged.
        suspending.pass_gate(session)
        desk(session, shop.id)
        if (same := _asked_before(session, wish, now=received_at)) is not None:
            return same
        because = availability.REFUSED.get(availability.of(session, shop, now=received_at).because)
    if because is not None:
        # Whoever presses twice meets their own ring: the second press has waited for the first.
        return _asked_before(session, wish, now=received_at) or _refuse(session, wish, because, at=received_at)
    return _ring(session, shop, wish, agreed_to, at=received_at)


def desk(session: Session, shop_id: str) -> CallDesk:
    """Return the shop's desk, locked until the end of the transaction; made on first use."""
    session.execute(insert_new(session, CallDesk).values(shop_id=shop_id, missed_in_a_row=0).on_conflict_do_nothing())
    return session.get_one(CallDesk, shop_id, with_for_update=True, populate_existing=True)


def locked(session: Session, call_id: UUID) -> Call | None:
    """Return the call as it is committed now, locked until the end of the transaction."""
    return session.get(Call, call_id, with_for_update=True, populate_existing=True)


def ringing_at(session: Session, shop_id: str, *, now: datetime) -> Sequence[Call]:
    """Return the calls that ring at a shop, the longest waiting first."""
    query = select(Call).where(*availability.is_ringing(shop_id, now))
    return session.scalars(query.order_by(Call.requested_at, Call.id)).all()


def caller_seen(session: Session, call: Call, *, received_at: datetime) -> None:
    """Note that the caller's page is open. From the first time on it is missed when it falls silent."""
    is_first = call.caller_seen_at is None
    call.caller_seen(received_at=received_at)
    if is_first and call.caller_seen_at is not None:
        check_caller_later(session, call, seen_at=call.caller_seen_at, now=call.caller_seen_at)


def check_caller_later(session: Session, call: Call, *, seen_at: datetime, now: datetime) -> None:
    """Owe a look at whether the caller is still there; never at once, for then it would be owed again and again."""
    due_at = max(seen_at + CALLER_GONE_AFTER, now) + TIMER_GRACE
    enqueue(session, Name.CHECK_CALLER, due_at=due_at, timer_of=call.id, call_id=call.id)


def _asked_before(session: Session, wish: Wish, *, now: datetime) -> Call | None:
    """Return the call that this very form has made, while that goes on; after it the form makes another one."""
    same, _ = _of_form(session, wish, now=now)
    return same


def _of_form(session: Session, wish: Wish, *, now: datetime) -> tuple[Call | None, str | None]:
    if not wish.form:
        return None, None
    key = fingerprint("call-form", wish.shop_id, wish.form)
    while (same := session.scalars(select(Call).where(Call.once_key == key)).one_or_none()) is not None:
        if same.status_at(now) in LIVE or now < same.requested_at + SAME_PRESS:
            return same, key
        # Of the call that is over nothing is written, so that nobody waits for its lock behind the desk's.
        key = fingerprint("call-form", wish.shop_id, wish.form, str(same.id))
    return None, key


def _check_accepted(governing_now: Sequence[TermsDocument], accepted: Collection[tuple[str, str]]) -> None:
    missing = [each for each in governing_now if (each.id, each.version) not in accepted]
    if missing:
        raise TermsNotAccepted(documents=",".join(f"{each.id}@{each.version}" for each in missing))


def _refused(session: Session, shop: Shop, wish: Wish, *, now: datetime) -> Refused | None:
    """Look without a lock: most of a crowd goes away here."""
    try:
        if wish.contact is not None:
            blocking.check(session, shop.id, wish.contact, now=now)
    except ProhibitedUse as refusal:
        fairness.note_refusal(session, shop.id, refusal, network=wish.customer_ip, now=now)
        return Refused.PROHIBITED_USE
    return availability.REFUSED.get(availability.of(session, shop, now=now).because)


def _refuse(session: Session, wish: Wish, because: Refused, *, at: datetime) -> Call:
    call = Call(
        id=new_id(unix_ms()),
        shop_id=wish.shop_id,
        language=wish.language,
        requested_at=at,
        entry_point=wish.entry_point,
        caller=wish.caller,
    )
    session.add(call)
    call.refuse(because, at=at)
    return call


def _ring(session: Session, shop: Shop, wish: Wish, agreed_to: Sequence[TermsDocument], *, at: datetime) -> Call:
    customer = customer_at(session, shop.id, wish.contact, now=at) if wish.contact else None
    call = _call(session, wish, customer, at=at)
    session.add(call)
    call.ring(for_=timedelta(seconds=shop.ring_seconds), at=at)
    session.flush()
    idle = availability.idle_staff(session, shop.id, now=at)
    session.add_all(CallRing(call_id=call.id, staff_id=staff_id, rung_at=at) for staff_id in idle)
    session.add_all(
        consents_to(
            agreed_to,
            call_id=call.id,
            accepted_at=at,
            channel="pages" if wish.caller == "pages" else "api",
            request_id=request_id.get() or "",
        )
    )
    ends_at = (call.rings_until or at) + TIMER_GRACE
    enqueue(session, Name.END_RINGING, due_at=ends_at, timer_of=call.id, call_id=call.id)
    items.owe_look_up(session, shop, call.item_codes, call.id)
    tell_of_call(session, EventType.CALL_RINGING, call, now=at)
    return call


def _call(session: Session, wish: Wish, customer: Customer | None, *, at: datetime) -> Call:
    call_id = new_id(unix_ms())
    _, once_key = _of_form(session, wish, now=at)
    subject = customer.id if customer else call_id

    def sealed(column: str, text: str | None) -> bytes | None:
        return seal(session, Place(subject, "calls", column, call_id), text) if text else None

    return Call(
        id=call_id,
        shop_id=wish.shop_id,
        customer_id=customer.id if customer else None,
        channel=wish.contact.channel if wish.contact else None,
        language=wish.language,
        requested_at=at,
        entry_point=wish.entry_point,
        purpose=wish.purpose,
        item_codes=list(wish.item_codes),
        sealed_name=sealed("sealed_name", wish.name),
        sealed_memo=sealed("sealed_memo", wish.memo),
        sealed_source_url=sealed("sealed_source_url", wish.source_url),
        customer_ip_index=network_digest(wish.customer_ip),
        provider=video_provider().name,
        caller=wish.caller,
        once_key=once_key,
    )
