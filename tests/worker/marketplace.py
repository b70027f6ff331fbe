"""A marketplace for tests: members, trades and organisations, fed as the API feeds them. Nobody in it is real.

Every piece of personal data has a mark in it, so that it can be looked for where it must not be.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from models.marketplace import Member, MemberKind, MemberStatus, Organisation, OrganisationKind, Trade, TradeSide
from worker.registry import (
    MemberGiven,
    MessageGiven,
    OrganisationContact,
    OrganisationGiven,
    Registered,
    TradeGiven,
    member_by_external_id,
    put_member,
    put_messages,
    put_organisation,
    put_trade,
)

FED_AT = datetime(2030, 6, 3, 1, tzinfo=UTC)
"""Where the fixture `time` stands: Monday, 10:00 in Tokyo. Everything is fed then unless a test says otherwise."""
REGISTERED_AT = datetime(2028, 4, 1, 3, tzinfo=UTC)
WON_ON = date(2030, 4, 20)
COMPLETED_AT = datetime(2030, 5, 10, 3, tzinfo=UTC)
WINDOW_OPENS_AT = datetime(2030, 4, 20, 12, tzinfo=UTC)
WINDOW_CLOSES_AT = datetime(2030, 5, 24, 15, tzinfo=UTC)
"""Ten days before `FED_AT`: an application may be made from then until three months after the completion."""

SELLER = "m-seller"
BUYER = "m-buyer"
NUMBER = "T-2030-0001"


def personal(mark: str, **changes: Any) -> dict[str, Any]:
    """Return personal data with a mark in each piece, such as `hanako`."""
    plain: dict[str, Any] = {
        "nickname": f"nick-{mark}",
        "name": f"見本 {mark}",
        "kana": f"ミホン {mark}",
        "postal_code": "999-0001",
        "address": f"見本県見本市{mark}町1-2-3",
        "email": f"{mark}@example.jp",
        "representative": None,
        "representative_kana": None,
    }
    return plain | changes


def given(mark: str, **changes: Any) -> MemberGiven:
    """Return a member as the marketplace says they are, with changes: of personal data, or of the rest."""
    rest: dict[str, Any] = {
        "kind": MemberKind.INDIVIDUAL,
        "status": MemberStatus.ACTIVE,
        "protected_address": False,
        "registered_at": REGISTERED_AT,
        "changed_at": REGISTERED_AT,
    }
    rest |= {name: changes.pop(name) for name in list(changes) if name in rest}
    if rest["kind"] is MemberKind.SHOP:
        changes = {"representative": f"代表 {mark}", "representative_kana": f"ダイヒョウ {mark}"} | changes
    return MemberGiven(registered=Registered(**personal(mark, **changes)), **rest)


def a_member(
    session: Session, external_id: str = SELLER, *, mark: str | None = None, received_at: datetime = FED_AT, **more: Any
) -> Member:
    """Feed a member, registered since `REGISTERED_AT`; return the row.

    Args:
        session: a writing transaction.
        external_id: the marketplace's own id.
        mark: what stands in each piece of personal data; the id in letters and digits unless given.
        received_at: when we are told.
        more: departures, such as `name=…`, `email=…`, `kind=MemberKind.SHOP`, `changed_at=…`.
    """
    mark = mark or "".join(filter(str.isalnum, external_id))
    return put_member(session, external_id, given(mark, **more), received_at=received_at)[0]


def a_change(
    session: Session, external_id: str = SELLER, *, mark: str | None = None, received_at: datetime, **more: Any
) -> Member:
    """Feed a member anew, with something that changed at `received_at` unless a date is given."""
    return a_member(session, external_id, mark=mark, received_at=received_at, **{"changed_at": None, **more})


def trade_given(**more: Any) -> TradeGiven:
    """Return a trade as the marketplace says it is, with departures."""
    facts: dict[str, Any] = {
        "seller": SELLER,
        "buyer": BUYER,
        "item_number": "I-1024",
        "item_name": "見本の腕時計",
        "won_on": WON_ON,
        "completed_at": COMPLETED_AT,
        "anonymous_shipping": True,
        "payment_service": True,
        "message_window_opens_at": WINDOW_OPENS_AT,
        "message_window_closes_at": WINDOW_CLOSES_AT,
    }
    return TradeGiven(**(facts | more))


def a_trade(
    session: Session,
    number: str = NUMBER,
    *,
    seller: str = SELLER,
    buyer: str = BUYER,
    received_at: datetime = FED_AT,
    messages: int = 1,
    **more: Any,
) -> Trade:
    """Feed a trade that was completed, whose message window has closed; its parties too, unless they are known.

    Args:
        session: a writing transaction.
        number: 取引番号.
        seller: the marketplace's own id.
        buyer: likewise.
        received_at: when we are told.
        messages: how many messages each party wrote to the other inside the window.
        more: departures, such as `completed_at=…`, `item_name=…`, `anonymous_shipping=False`.
    """
    for party in (seller, buyer):
        if member_by_external_id(session, party) is None:
            a_member(session, party, received_at=received_at)
    trade = put_trade(session, number, trade_given(seller=seller, buyer=buyer, **more), received_at=received_at)[0]
    for side in TradeSide:
        wrote(session, trade, side, *(trade.message_window_opens_at + timedelta(hours=n + 1) for n in range(messages)))
    return trade


def wrote(session: Session, trade: Trade, side: TradeSide, *at: datetime) -> int:
    """Feed that one party wrote to the other at these instants; return how many of the messages were new."""
    facts = [MessageGiven(f"{side}-{each.timestamp():.0f}", side, each) for each in at]
    return put_messages(session, trade, facts)


def an_organisation(
    session: Session,
    external_id: str = "o-body",
    *,
    kind: OrganisationKind = OrganisationKind.ACCREDITED,
    mark: str = "obody",
    received_at: datetime = FED_AT,
    **more: Any,
) -> Organisation:
    """Feed an organisation that may ask today; return the row.

    Args:
        session: a writing transaction.
        external_id: our operators' own id for it.
        kind: an accredited body, or a contracted rights holder.
        mark: what stands in each piece of its contact.
        received_at: when we are told.
        more: departures, such as `valid_until=…`, or `email=…`.
    """
    contact: dict[str, Any] = {
        "email": f"{mark}@example.com",
        "postal_code": "999-0002",
        "postal_address": f"見本県見本市{mark}町4-5-6",
        "addressee": f"法務部 {mark}",
    }
    contact |= {name: more.pop(name) for name in list(more) if name in contact}
    grounds: dict[str, Any] = {"accredited_by": "見本ガイドライン協議会"}
    if kind is OrganisationKind.CONTRACTED:
        grounds = {"contract_reference": "C-2029-7", "judged_by": "legal-1", "judged_at": REGISTERED_AT}
    rest = {"name": "見本権利者団体", "valid_from": date(2029, 4, 1), **grounds, **more}
    told = OrganisationGiven(kind=kind, contact=OrganisationContact(**contact), **rest)
    return put_organisation(session, external_id, told, received_at=received_at)[0]
