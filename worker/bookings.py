"""The booking's transactions, for API, pages and tasks alike: lock, ask the model, write claims, timers and jobs.

Each takes the caller's session and commits nothing. What follows from a move is enqueued here, beside it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.booking import HOLD_GRACE, Booking, Cause, EntryPoint, Released, Status, VisitPurpose
from models.calendar import Slot
from models.deadline import (
    LEAST_NOTICE_OF_MOVE,
    change_deadline,
    day_reminder_at,
    deadline_after_move,
    eve_reminder_at,
)
from models.errors import (
    CodeExhausted,
    HoldEnded,
    IllegalMove,
    Refusal,
    ShopClosed,
    SlotTaken,
    SlotUnknown,
    TooManyRequests,
)
from models.job import Name
from models.menu import Offer
from models.shop import Shop
from models.suspension import Suspension
from models.terms import TermsDocument, consents_to, governing
from models.verification import Purpose, Verification
from models.webhook import EventType
from worker import blocking, fairness, items, offers, presence, shop_gate, slots, suspending, verifications
from worker.chance import new_id
from worker.clock import unix_ms
from worker.customers import Contact, customer_at
from worker.derived_keys import fingerprint
from worker.jobs import drop_timers, enqueue
from worker.logs import request_id
from worker.messages import void_unsent
from worker.networks import network_digest
from worker.recipients import seal_second_contact, second_contact_of
from worker.seals import Place, Unreadable, seal
from worker.video import rooms, video_provider
from worker.webhooks import tell_of_booking

_LOOK_AGAIN_BEFORE = timedelta(minutes=20)


@dataclass(frozen=True, repr=False)
class Wish:
    """What a customer asks for. Contacts, name, memo and source are personal and do not print."""

    shop_id: str
    starts_at: datetime
    contact: Contact
    language: str
    second_contact: Contact | None = None
    name: str | None = None
    memo: str | None = None
    source_url: str | None = None
    entry_point: EntryPoint | None = None
    item_codes: Sequence[str] = field(default=())
    customer_ip: str | None = None
    caller: str = "pages"
    menu_id: str | None = None
    purpose: VisitPurpose | None = None


def shop_open(session: Session, shop_id: str) -> Shop:
    """Return a shop that takes part.

    Raises:
        ShopClosed: it is not in the registry, or disabled (B1).
    """
    shop = session.get(Shop, shop_id)
    if shop is None or not shop.enabled:
        raise ShopClosed
    return shop


def _open_at_the_gate(session: Session, shop_id: str) -> Shop:
    """Return a shop that takes part, as `shop_open` does, by the rules in force until this transaction has ended."""
    _at_the_gate(session, shop_id)
    return shop_open(session, shop_id)


def _at_the_gate(session: Session, shop_id: str) -> Shop | None:
    shop_gate.pass_through(session, shop_id)
    # As it is committed now: the row may have been read before the gate was passed.
    return session.get(Shop, shop_id, populate_existing=True)


def locked(session: Session, booking_id: UUID) -> Booking | None:
    """Return the booking as it is committed now, locked until the end of the transaction."""
    return session.get(Booking, booking_id, with_for_update=True, populate_existing=True)


def hold(session: Session, wish: Wish, *, received_at: datetime) -> Booking:
    """Hold the slot for the customer and owe a code; a double submit gets the hold it already has.

    Raises:
        ShopClosed: see `shop_open`.
        MenuUnknown: the shop offers no such menu.
        SlotUnknown: the calendar has no such slot, or it is not open for acceptance.
        SlotTaken: all seats are claimed.
        ProhibitedUse: one of the contacts is on the block list (B38).
        Suspended: the service stands still, or will at that time (B40, B41).
        TooManyOpenBookings: the customer has as many as the shop allows (B39).
        TooManyRequests: a cap on codes or holds is reached, or the customer has cancelled too often lately (B39).
    """
    shop = _open_at_the_gate(session, wish.shop_id)
    offer = offers.offer_of(session, shop, wish.menu_id)
    slot = _bookable(shop, offer, wish.starts_at, received_at)
    suspending.check(session, shop.id, at=received_at)
    suspending.check_slot(session, shop.id, slot.starts_at, slot.ends_at)
    fairness.admit_hold(session, shop, network=wish.customer_ip, now=received_at)
    blocking.check(session, shop.id, wish.contact, wish.second_contact, now=received_at)
    customer = customer_at(session, shop.id, wish.contact, now=received_at)
    live_index = _live_index(customer.id, slot)
    if (same := _live(session, live_index, received_at)) is not None:
        return _if_theirs(session, same, wish)
    fairness.admit_customer(session, shop, customer.id, now=received_at)
    _give_up_older(session, customer.id, wish, now=received_at)
    booking_id = new_id(unix_ms())
    verification = verifications.begin(
        session,
        shop,
        customer,
        wish.contact,
        language=wish.language,
        received_at=received_at,
        network=wish.customer_ip,
        caller=wish.caller,
        booking_id=booking_id,
    )
    booking = Booking(
        id=booking_id,
        shop_id=shop.id,
        customer_id=customer.id,
        channel=wish.contact.channel,
        language=wish.language,
        status=Status.HELD,
        revision=1,
        seat=0,
        **_times(shop, slot),
        most_changes=shop.max_changes,
        live_index=live_index,
        created_at=received_at,
        hold_expires_at=verification.expires_at,
        entry_point=wish.entry_point,
        purpose=wish.purpose,
        menu_id=offer.menu_id,
        item_codes=list(wish.item_codes),
        customer_ip_index=network_digest(wish.customer_ip),
        sealed_name=_sealed(session, customer.id, booking_id, "sealed_name", wish.name),
        sealed_memo=_sealed(session, customer.id, booking_id, "sealed_memo", wish.memo),
        sealed_source_url=_sealed(session, customer.id, booking_id, "sealed_source_url", wish.source_url),
        sealed_second_contact=seal_second_contact(session, customer.id, booking_id, wish.second_contact)
        if wish.second_contact
        else None,
    )
    try:
        with session.begin_nested():
            session.add_all([booking, verification])
    except IntegrityError:
        # The same customer's other request for this slot was a moment faster.
        if (same := _live(session, live_index, received_at)) is not None:
            return _if_theirs(session, same, wish)
        raise
    _release_expired(session, shop, offer, slot, now=received_at)
    seat = slots.claim(session, shop, slot, booking_id, hold_expires_at=booking.hold_expires_at, offer=offer)
    if seat is None:
        raise SlotTaken(shop_id=shop.id, starts_at=slot.starts_at)
    booking.seat = seat
    booking.note("held", at=received_at, actor="customer")
    verifications.owe_code(session, verification)
    _set_hold_timer(session, booking)
    items.owe_look_up(session, shop, booking.item_codes, booking.id)
    tell_of_booking(session, EventType.BOOKING_HELD, booking, now=received_at)
    return booking


def resend_code(session: Session, booking: Booking, *, received_at: datetime) -> Verification:
    """Owe the code once more, or a new one with a hold as long.

    Raises:
        IllegalMove: the booking is not held.
        HoldEnded, ResendTooSoon, ResendTooOften: see `Verification.resend`.
        Suspended: the service stands still, or will at that time (B40).
        ProhibitedUse: one of the contacts was put on the block list since (B38).
    """
    if booking.status is not Status.HELD:
        raise IllegalMove(booking_id=booking.id, booking_status=booking.status)
    suspending.refuse(_stopped(session, booking, received_at))
    blocking.check_booking(session, booking, now=received_at)
    shop = session.get_one(Shop, booking.shop_id)
    verification = locked_verification(session, booking)
    life = timedelta(minutes=shop.code_minutes)
    verifications.send_again(session, verification, life=life, received_at=received_at)
    booking.extend_hold(verification.expires_at, at=received_at)
    if not slots.keep(session, booking.id, until=booking.hold_expires_at):
        raise HoldEnded(booking_id=booking.id)
    drop_timers(session, booking.id)
    _set_hold_timer(session, booking)
    return verification


def enter_code(session: Session, booking: Booking, given: str, *, received_at: datetime) -> Refusal | None:
    """Judge a code. Returns a refusal instead of raising it: what was counted must be committed with it.

    Returns:
        None when the booking is complete, now or before; else CodeWrong, CodeExhausted, HoldEnded, TooManyRequests,
        or Suspended, and then the hold is released.

    Raises:
        ProhibitedUse: one of the contacts was put on the block list since (B38); nothing was compared.
        IllegalMove: the booking is past being completed and this is not the code that completed it.
    """
    verification = locked_verification(session, booking)
    if booking.status is not Status.HELD:
        return _replayed(session, booking, verification, given, received_at)
    if (stop := _stopped(session, booking, received_at)) is not None:
        release(session, booking, Released.SUSPENDED, now=received_at)
        return suspending.refusal(stop)
    blocking.check_booking(session, booking, now=received_at)
    refusal = verifications.judge(session, verification, given, received_at=received_at)
    if refusal is not None:
        if isinstance(refusal, CodeExhausted):
            release(session, booking, Released.ATTEMPTS, now=received_at)
        return refusal
    if not slots.keep(session, booking.id, until=None):
        verification.verified_at = None
        return HoldEnded(booking_id=booking.id)
    booking.complete(received_at=received_at)
    booking.provider = video_provider().name
    _stamp_consent(session, booking, at=received_at)
    drop_timers(session, booking.id)
    _set_timers(session, booking, now=received_at)
    enqueue(session, Name.CONFIRM_BOOKING, booking_id=booking.id, revision=booking.revision)
    tell_of_booking(session, EventType.BOOKING_CONFIRMED, booking, now=received_at)
    return None


def change(
    session: Session,
    booking: Booking,
    *,
    starts_at: datetime,
    received_at: datetime,
    expected_revision: int,
    knows_it_is_final: bool,
) -> None:
    """Move the booking to another slot, or leave everything as it is; a wish that comes again finds it granted.

    Raises:
        ShopClosed, SlotUnknown, SlotTaken, Suspended: the new slot cannot be had.
        ProhibitedUse: one of the contacts was put on the block list since (B38).
        StaleRevision, WindowClosed, TooManyChanges, ConfirmationNeeded, IllegalMove: see `Booking.change`.
    """
    if _changed_so_already(booking, starts_at, expected_revision):
        return
    is_displaced = suspending.displaced(session, booking, at=received_at) is not None
    booking.check_changeable(received_at=received_at, expected_revision=expected_revision, is_displaced=is_displaced)
    shop = _open_at_the_gate(session, booking.shop_id)
    blocking.check_booking(session, booking, now=received_at)
    offer = offers.offer_for(session, shop, booking)
    slot = _bookable(shop, offer, starts_at, received_at)
    suspending.check_slot(session, shop.id, slot.starts_at, slot.ends_at, provider=booking.provider)
    before = booking.starts_at
    if slot.starts_at == before:
        raise SlotTaken(shop_id=shop.id, starts_at=slot.starts_at, yours=True)
    live_index = _live_index(booking.customer_id, slot)
    if _live(session, live_index, received_at) is not None:
        raise SlotTaken(shop_id=shop.id, starts_at=slot.starts_at, yours=True)
    _release_expired(session, shop, offer, slot, now=received_at)
    with _other_seat(session, shop, offer, slot, booking) as seat:
        booking.change(
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            seat=seat,
            deadline_at=change_deadline(slot.starts_at, booking.shop_zone, shop.deadline_policy),
            received_at=received_at,
            expected_revision=expected_revision,
            knows_it_is_final=knows_it_is_final,
            live_index=live_index,
            is_displaced=is_displaced,
        )
    _after_another_time(session, booking, Name.ANNOUNCE_CHANGE, before, now=received_at)
    tell_of_booking(session, EventType.BOOKING_CHANGED, booking, now=received_at)


def move(
    session: Session,
    booking: Booking,
    *,
    starts_at: datetime,
    expected_revision: int,
    now: datetime,
    actor: str,
    reason: str,
) -> None:
    """Move the booking to another slot on the shop's side, also after the deadline; asked again, it finds it done.

    The shop may give a slot that customers can no longer, or not yet, book, but none that is less than an hour ahead.
    The customer is told with an apology, and may change or cancel anew: see `models.deadline.deadline_after_move`.

    Raises:
        SlotUnknown: the calendar has no such slot, or it is too near.
        SlotTaken: all seats are claimed, or it is the booking's own time.
        StaleRevision, TooManyChanges, IllegalMove: see `Booking.move`.
    """
    if _changed_so_already(booking, starts_at, expected_revision):
        return
    shop = _at_the_gate(session, booking.shop_id)
    if shop is None:
        raise SlotUnknown(shop_id=booking.shop_id, starts_at=starts_at)
    offer = offers.offer_for(session, shop, booking)
    slot = offer.slot_at(starts_at)
    if slot is None or slot.starts_at < now + LEAST_NOTICE_OF_MOVE:
        raise SlotUnknown(shop_id=shop.id, starts_at=starts_at)
    suspending.check_slot(session, shop.id, slot.starts_at, slot.ends_at, provider=booking.provider)
    before = booking.starts_at
    live_index = _live_index(booking.customer_id, slot)
    if booking.status is Status.CONFIRMED and (slot.starts_at == before or _live(session, live_index, now) is not None):
        raise SlotTaken(shop_id=shop.id, starts_at=slot.starts_at, yours=True)
    _release_expired(session, shop, offer, slot, now=now)
    with _other_seat(session, shop, offer, slot, booking) as seat:
        booking.move(
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            seat=seat,
            deadline_at=deadline_after_move(slot.starts_at, booking.shop_zone, shop.deadline_policy, moved_at=now),
            live_index=live_index,
            expected_revision=expected_revision,
            at=now,
            actor=actor,
            reason=reason,
        )
    _after_another_time(session, booking, Name.ANNOUNCE_MOVE, before, now=now)
    tell_of_booking(session, EventType.BOOKING_MOVED, booking, now=now)


def cancel(session: Session, booking: Booking, *, received_at: datetime, expected_revision: int) -> None:
    """Cancel at the customer's wish; what is cancelled already stays as it was cancelled.

    Raises:
        StaleRevision, WindowClosed, IllegalMove: see `Booking.cancel`.
    """
    if booking.status is Status.CANCELLED:
        return
    is_displaced = suspending.displaced(session, booking, at=received_at) is not None
    booking.cancel(received_at=received_at, expected_revision=expected_revision, is_displaced=is_displaced)
    _after_cancellation(session, booking, now=received_at)


def withdraw(session: Session, booking: Booking, cause: Cause, *, now: datetime, actor: str, reason: str) -> None:
    """Cancel on the shop's side; what is cancelled already stays as it was cancelled.

    Raises:
        IllegalMove: see `Booking.withdraw`.
    """
    if booking.status is Status.CANCELLED:
        return
    booking.withdraw(cause, at=now, actor=actor, reason=reason)
    _after_cancellation(session, booking, now=now)


def give_up(session: Session, booking: Booking, *, now: datetime) -> None:
    """End a hold at the customer's wish, before there is a booking (B15); what is over or complete stays as it is."""
    if booking.status is Status.HELD:
        release(session, booking, Released.ABANDONED, now=now)


def release(session: Session, booking: Booking, because: Released, *, now: datetime) -> None:
    """End a hold without a booking, and give its slot back.

    Raises:
        IllegalMove: it is not held.
    """
    booking.release(because, at=now)
    slots.free(session, booking.id)
    drop_timers(session, booking.id)
    void_unsent(session, booking, now=now)
    tell_of_booking(session, EventType.BOOKING_RELEASED, booking, now=now)


def verification_of(session: Session, booking: Booking) -> Verification:
    """Return the proof that the booking's hold waits for, to look at."""
    return session.scalars(_proof_of(booking)).one()


def locked_verification(session: Session, booking: Booking) -> Verification:
    """Return the proof that the booking's hold waits for, locked, as it is committed now."""
    query = _proof_of(booking).with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one()


def _proof_of(booking: Booking) -> Select[Verification]:
    return select(Verification).where(Verification.purpose == Purpose.BOOKING, Verification.subject_id == booking.id)


@contextmanager
def _other_seat(session: Session, shop: Shop, offer: Offer, slot: Slot, booking: Booking) -> Iterator[int]:
    """Exchange the booking's ticks for those of another slot; if they are taken, or the move refused, all is undone."""
    with session.begin_nested():
        # The booking's own ticks must not stand in its way.
        slots.free(session, booking.id)
        seat = slots.claim(session, shop, slot, booking.id, hold_expires_at=None, offer=offer)
        if seat is None:
            raise SlotTaken(shop_id=shop.id, starts_at=slot.starts_at)
        yield seat


def _after_another_time(session: Session, booking: Booking, tell: Name, before: datetime, *, now: datetime) -> None:
    drop_timers(session, booking.id)
    _set_timers(session, booking, now=now)
    rooms.owe_closing(session, booking, now=now)
    presence.release(session, booking.shop_id, booking.id)
    void_unsent(session, booking, now=now)
    enqueue(session, tell, booking_id=booking.id, revision=booking.revision, before=int(before.timestamp()))


def _after_cancellation(session: Session, booking: Booking, *, now: datetime) -> None:
    slots.free(session, booking.id)
    drop_timers(session, booking.id)
    rooms.owe_closing(session, booking, now=now)
    presence.release(session, booking.shop_id, booking.id)
    void_unsent(session, booking, now=now)
    enqueue(session, Name.ANNOUNCE_CANCELLATION, booking_id=booking.id, revision=booking.revision)
    tell_of_booking(session, EventType.BOOKING_CANCELLED, booking, now=now)


def _stopped(session: Session, booking: Booking, at: datetime) -> Suspension | None:
    """Return the suspension that keeps a hold from becoming a booking; none begins until this transaction has ended."""
    suspending.pass_gate(session)
    shop_id = booking.shop_id
    return suspending.running(session, shop_id, at=at) or suspending.over(
        session, shop_id, booking.starts_at, booking.ends_at
    )


def _replayed(
    session: Session, booking: Booking, verification: Verification, given: str, at: datetime
) -> Refusal | None:
    """A code that comes again gets the outcome it had; nothing terminal revives."""
    if verification.verified_at is not None:
        return verifications.judge_again(verification, given)
    if booking.released_because is Released.SUSPENDED and (stop := _stopped(session, booking, at)) is not None:
        return suspending.refusal(stop)
    return CodeExhausted(booking_id=booking.id) if verification.is_exhausted else HoldEnded(booking_id=booking.id)


def _changed_so_already(booking: Booking, starts_at: datetime, expected_revision: int) -> bool:
    """Whether this very change was made before, whichever way it came; it is judged by no deadline a second time."""
    return (
        booking.status is Status.CONFIRMED
        and booking.revision == expected_revision + 1
        and booking.starts_at == starts_at
    )


def _bookable(shop: Shop, offer: Offer, starts_at: datetime, now: datetime) -> Slot:
    slot = offer.slot_at(starts_at)
    if slot is None or not offer.is_acceptable(slot, now):
        raise SlotUnknown(shop_id=shop.id, starts_at=starts_at)
    return slot


def _live(session: Session, live_index: str, now: datetime) -> Booking | None:
    """Return the customer's living booking of this very slot; a hold that ran out is released instead."""
    query = select(Booking).where(Booking.live_index == live_index).with_for_update()
    same = session.scalars(query).one_or_none()
    if same is not None and same.hold_is_over(now):
        release(session, same, Released.EXPIRED, now=now)
        session.flush()
        return None
    return same


def _if_theirs(session: Session, same: Booking, wish: Wish) -> Booking:
    """Return a hold to whoever made it. To anybody else the slot is taken, like any other.

    A number and a time are easily typed, and with a hold come the power to give it up and the question whether that
    number has a booking here. What is confirmed is reached by the links in its messages alone. Whoever enters the code
    must be the one who named the second contact, or the links would go to a stranger: if two differ there is none.

    Raises:
        SlotTaken: it is confirmed, or was held from another network.
    """
    if same.status is Status.HELD and _from_same_network(same, wish):
        if not _names_the_same_second_contact(session, same, wish):
            same.sealed_second_contact = None
        return same
    raise SlotTaken(shop_id=same.shop_id, starts_at=same.starts_at)


def _give_up_older(session: Session, customer_id: UUID, wish: Wish, *, now: datetime) -> None:
    """Let a customer's new hold take the place of the one before: a contact holds one slot of a shop at a time (B39).

    Raises:
        TooManyRequests: another network holds one for this contact, and it lasts until `retry_at`. To take that away
            a stranger would only have to type the number.
    """
    for older in fairness.open_holds(session, customer_id):
        if older.hold_is_over(now):
            release(session, older, Released.EXPIRED, now=now)
        elif _from_same_network(older, wish):
            release(session, older, Released.ABANDONED, now=now)
        else:
            raise TooManyRequests(shop_id=older.shop_id, retry_at=older.hold_expires_at)
    session.flush()


def _from_same_network(booking: Booking, wish: Wish) -> bool:
    network = network_digest(wish.customer_ip)
    return network is not None and network == booking.customer_ip_index


def _names_the_same_second_contact(session: Session, same: Booking, wish: Wish) -> bool:
    named = wish.second_contact.address if wish.second_contact else None
    try:
        return second_contact_of(session, same) == named
    except Unreadable:
        return False


def _release_expired(session: Session, shop: Shop, offer: Offer, slot: Slot, *, now: datetime) -> None:
    """Release the holds that ran out on this slot, so that a dead beat never blocks it."""
    for booking in slots.held_no_longer(session, shop, slot, now=now, offer=offer):
        if booking.hold_is_over(now):
            release(session, booking, Released.EXPIRED, now=now)
    session.flush()


def _live_index(customer_id: UUID, slot: Slot) -> str:
    return fingerprint("live-booking", customer_id.bytes, slot.starts_at.isoformat())


def _times(shop: Shop, slot: Slot) -> dict[str, Any]:
    return {
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "shop_zone": shop.zone,
        "change_deadline_at": change_deadline(slot.starts_at, shop.zone, shop.deadline_policy),
        "entry_opens_at": slot.starts_at - timedelta(minutes=shop.entry_opens_minutes),
        "entry_closes_at": slot.ends_at + timedelta(minutes=shop.entry_closes_minutes),
    }


def _sealed(session: Session, subject: UUID, booking_id: UUID, column: str, text: str | None) -> bytes | None:
    return seal(session, Place(subject, "bookings", column, booking_id), text) if text else None


def _set_hold_timer(session: Session, booking: Booking) -> None:
    # A code received in the last moment may still be waiting for a lock: it gets as long as the claims do.
    ends_at = booking.hold_expires_at + HOLD_GRACE
    enqueue(session, Name.END_HOLD, due_at=ends_at, timer_of=booking.id, booking_id=booking.id)


def _set_timers(session: Session, booking: Booking, *, now: datetime) -> None:
    """Set what is due for this revision: two reminders, the closing of the window, the end (B17, B20)."""
    deadline = booking.change_deadline_at
    timers = {
        Name.CLOSE_CANCELLATION_WINDOW: max(deadline, now),
        Name.END_BOOKING: booking.entry_closes_at,
    }
    # A reminder whose moment is past already has nothing to remind of: the confirmation has just said it.
    eve, day = (
        eve_reminder_at(booking.starts_at, booking.shop_zone, deadline),
        day_reminder_at(booking.starts_at, deadline),
    )
    timers |= {Name.REMIND_ON_EVE: eve} if eve > now else {}
    timers |= {Name.REMIND_ON_DAY: day} if day > now else {}
    for name, due_at in timers.items():
        enqueue(session, name, due_at=due_at, timer_of=booking.id, booking_id=booking.id, revision=booking.revision)
    if booking.item_codes and (look_at := booking.starts_at - _LOOK_AGAIN_BEFORE) > now:
        # What is on sale or running short may have changed since the booking; staff read it before the call.
        shop = session.get_one(Shop, booking.shop_id)
        items.owe_look_up(session, shop, booking.item_codes, booking.id, due_at=look_at, timer_of=booking.id)


def _stamp_consent(session: Session, booking: Booking, *, at: datetime) -> None:
    """Record which texts the customer agreed to by completing the booking: ours and the provider's (B27, B35).

    They are those that the form showed, at the hold. A version that holds since, while the code was under way, nobody
    was shown; it governs the call all the same (B45).
    """
    documents = session.scalars(select(TermsDocument)).all()
    session.add_all(
        consents_to(
            governing(documents, booking.created_at, provider=booking.provider),
            booking_id=booking.id,
            accepted_at=at,
            channel=booking.channel,
            request_id=request_id.get() or "",
        )
    )
