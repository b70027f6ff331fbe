"""Shops and their free slots (B1, B10 to B12)."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from api.access import covered, needs
from api.answers import ShopList, SlotList
from api.arrivals import ReceivedAt
from api.description import says
from api.resources import shop_out, slot_out, stop_out
from api.windows import check_day, check_window
from models.access import ApiKey, Scope
from models.calendar import local_date
from models.shop import Shop
from worker import bookings, slots, suspending
from worker.database import database
from worker.offers import offer_of

router = APIRouter(prefix="/v1/shops", tags=["shops"])

Reader = Annotated[ApiKey, Depends(needs(Scope.SHOPS_READ))]


@router.get("", **says(200, ShopList, title="List shops"))
def list_shops(caller: Reader) -> dict[str, Any]:
    """Return the shops that take bookings, as far as the key may see them."""
    with database().snapshot() as session:
        shops = session.scalars(select(Shop).where(Shop.enabled).order_by(Shop.id)).all()
        return {"shops": [shop_out(shop) for shop in shops if caller.covers(shop.id)]}


@router.get(
    "/{shop_id}/slots",
    **says(200, SlotList, "shop_closed", "menu_unknown", "invalid_window", "window_too_long", title="List free slots"),
)
def list_slots(
    shop_id: str,
    caller: Reader,
    received_at: ReceivedAt,
    *,
    from_: Annotated[date | None, Query(alias="from", description="First day, in the shop's zone; today.")] = None,
    to: Annotated[date | None, Query(description="Last day, inclusive; a week later.")] = None,
    menu: Annotated[
        str | None,
        Query(description="One of the shop's menus; its first.", max_length=64, pattern=r"^[a-z][a-z0-9-]*$"),
    ] = None,
) -> dict[str, Any]:
    """Return the slots that can be booked now, in order. 62 days at most."""
    covered(caller, shop_id)
    with database().snapshot() as session:
        shop = bookings.shop_open(session, shop_id)
        first = from_ or local_date(received_at, shop.zone)
        check_day("from", first)
        last = to or first + timedelta(days=6)
        check_day("to", last)
        check_window(first, last)
        offer = offer_of(session, shop, menu)
        stop = suspending.running(session, shop.id, at=received_at)
        free = slots.free_slots(session, shop, first, last + timedelta(days=1), now=received_at, offer=offer)
        return {
            "shop": shop.id,
            "menu": offer.menu_id,
            "zone": shop.zone,
            "from": first.isoformat(),
            "to": last.isoformat(),
            "slots": [slot_out(slot) for slot in free],
            **({"suspended": stop_out(stop)} if stop is not None else {}),
        }
