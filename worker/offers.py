"""What a shop offers at present, read from its rows: menus, and the people who serve where slots are by staff (B11).

It reads; what an offer means is the model's to say, and what is free the claims'.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.errors import MenuUnknown
from models.menu import Menu, Offer, SlotsBy, length_of
from models.shop import Shop
from models.staff import StaffMember


def menus_of(session: Session, shop: Shop) -> Sequence[Menu]:
    """Return the menus that a shop offers, in its order."""
    return session.scalars(
        select(Menu).where(Menu.shop_id == shop.id, Menu.enabled).order_by(Menu.position, Menu.id)
    ).all()


def offer_of(session: Session, shop: Shop, menu_id: str | None = None) -> Offer:
    """Return what may be booked under a menu; where none is named, under the shop's first.

    Raises:
        MenuUnknown: the shop offers no such menu.
    """
    menus = menus_of(session, shop)
    if menu_id is None:
        return _offer(session, shop, menus[0] if menus else None)
    menu = next((each for each in menus if each.id == menu_id), None)
    if menu is None:
        raise MenuUnknown(shop_id=shop.id)
    return _offer(session, shop, menu)


def offer_for(session: Session, shop: Shop, booking: Booking) -> Offer:
    """Return what the booking may be changed into: calls of its own menu, and of its own length, as it was promised.

    Its menu may be gone since, or last longer or shorter; so may the calls of a shop without menus.
    """
    menu = session.get(Menu, (shop.id, booking.menu_id)) if booking.menu_id else None
    offer = _offer(session, shop, menu)
    length = length_of(booking.starts_at, booking.ends_at)
    return offer if length == offer.calendar.slot_minutes else offer.lasting(length)


def _offer(session: Session, shop: Shop, menu: Menu | None) -> Offer:
    return Offer.of(shop, menu, staff_of(session, shop) if shop.slots_by == SlotsBy.STAFF else ())


def staff_of(session: Session, shop: Shop) -> Sequence[StaffMember]:
    """Return a shop's people, in the order of their seats."""
    query = select(StaffMember).where(StaffMember.shop_id == shop.id)
    return session.scalars(query.order_by(StaffMember.seat, StaffMember.id)).all()
