"""The block list: contacts put on it, taken off it, and refused. Knows hashes of contacts; judges nobody (B38)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.block import Because, Block
from models.booking import Booking
from models.customer import Channel, Customer
from models.errors import KnownAlready, ProhibitedUse
from models.shop import Shop
from worker.chance import new_id
from worker.clock import unix_ms
from worker.customers import Contact, address_of
from worker.derived_keys import authenticated, valid
from worker.people import keeping
from worker.people.noting import note
from worker.recipients import second_contact_of
from worker.seals import Place, seal, unseal

_LABEL = "blocked-contact"


def check(session: Session, shop_id: str, *contacts: Contact | None, now: datetime) -> None:
    """Refuse contacts of which this shop, or every shop, does not serve one.

    Args:
        session: the request's transaction, or a snapshot.
        shop_id: whose customer it would be.
        contacts: whose customer it would be, normalised; None is nobody's.
        now: when the request was received; a block counts from its own instant on.

    Raises:
        ProhibitedUse: one is blocked. The refusal says neither why nor since when, only where to ask.

    Source: clause B38, 第8条(1)(2)(4)(5).
    """
    for contact in filter(None, contacts):
        if _standing(session, contact, shop_id, None, at=now) is not None:
            shop = session.get(Shop, shop_id)
            raise ProhibitedUse(shop_id=shop_id, contact_url=shop.contact_url if shop else None)


def check_booking(session: Session, booking: Booking, *, now: datetime) -> None:
    """Refuse to go on with a booking if one of its contacts was put on the list since it was held.

    Raises:
        ProhibitedUse: as `check`.
    """
    first = Contact(booking.channel, address_of(session, session.get_one(Customer, booking.customer_id)))
    second = second_contact_of(session, booking)
    mailbox = Contact(Channel.MAIL, second) if second is not None else None
    check(session, booking.shop_id, first, mailbox, now=now)


def block(
    session: Session,
    contact: Contact,
    because: Because,
    words: str,
    *,
    shop_id: str | None,
    report_id: UUID | None,
    by: str,
    now: datetime,
) -> Block:
    """Put a contact on the list of one shop, or of all; bookings that stand are withdrawn by people, if at all.

    Args:
        session: the operator's request.
        contact: normalised.
        because: which prohibition.
        words: the operator's own, up to 400 characters; sealed.
        shop_id: whose list; None for every shop's.
        report_id: the conduct report that led to it.
        by: `person:<name>` or `key:<id>`.
        now: business time.

    Raises:
        KnownAlready: it is on that list; `block_id` names the block.
    """
    if (known := _standing(session, contact, shop_id, at=now)) is not None:
        raise KnownAlready(block_id=known.id)
    block_id, contact_hash = new_id(unix_ms()), _hashes(contact)[0]
    entered = Block(
        id=block_id,
        shop_id=shop_id,
        contact_hash=contact_hash,
        because=because,
        report_id=report_id,
        sealed_words=seal(session, _place(block_id), words),
        created_at=now,
        by=by,
        live_key=Block.key(shop_id, contact_hash),
    )
    try:
        with session.begin_nested():
            session.add(entered)
    except IntegrityError:
        # Another operator was a moment faster, whatever the two clocks say.
        same = select(Block.id).where(Block.live_key == Block.key(shop_id, contact_hash))
        raise KnownAlready(block_id=session.scalars(same).one_or_none()) from None
    _note(session, entered, "contact_blocked", words, now=now, by=by, because=because, report_id=report_id)
    session.flush()
    return entered


def lift(session: Session, blocked: Block, reason: str, *, by: str, now: datetime) -> None:
    """Take a contact off the list, with a reason; what was lifted before stays as it was lifted.

    The words of both, sealed for the block, go when the shop's trails of today do.
    """
    if blocked.lift(now=now, by=by):
        _note(session, blocked, "block_lifted", reason, now=now, by=by)
        keeping.shred_with_trails(session, blocked.id, blocked.shop_id, now=now)


def words_of(session: Session, blocked: Block) -> str:
    """Return why it was blocked, in the operator's own words.

    Raises:
        Unreadable: its key is gone, or it was tampered with.
    """
    return unseal(session, _place(blocked.id), blocked.sealed_words)


def blocks_of(session: Session, shop_id: str, contact: Contact) -> Sequence[Block]:
    """Return what ever stood on this shop's list, or on that of all, about a contact, the oldest first."""
    query = select(Block).where(
        Block.contact_hash.in_(_hashes(contact)), or_(Block.shop_id.is_(None), Block.shop_id == shop_id)
    )
    return session.scalars(query.order_by(Block.created_at, Block.id)).all()


def _standing(session: Session, contact: Contact, *shop_ids: str | None, at: datetime) -> Block | None:
    keys = [Block.key(shop_id, hashed) for shop_id in shop_ids for hashed in _hashes(contact)]
    query = select(Block).where(Block.live_key.in_(keys), Block.created_at <= at).limit(1)
    return session.scalars(query).one_or_none()


def _hashes(contact: Contact) -> list[str]:
    """Return the contact's hash under the present key, then under the one before: a rotation must unblock nobody.

    A mailbox is blocked however its name is capitalised: hardly any server tells the two apart.
    """
    said = contact.address.casefold()
    return [authenticated(key, contact.channel, said).hex() for key in valid(_LABEL)]


def _note(session: Session, blocked: Block, kind: str, reason: str, *, now: datetime, by: str, **facts: object) -> None:
    about = {"block_id": blocked.id, **facts}
    note(session, blocked.shop_id, kind, by=by, reason=reason, sealed_for=blocked.id, now=now, **about)


def _place(block_id: UUID) -> Place:
    return Place(block_id, "blocks", "sealed_words", block_id)


__all__ = ["block", "blocks_of", "check", "check_booking", "lift", "words_of"]
