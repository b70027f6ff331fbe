"""The registry that the marketplace feeds: writing members, trades and organisations, and finding them again.

Each change is a dated snapshot, the same again writes nothing. Personal data are sealed here, opened here, and found
by blind index. What a disclosure case makes of them is not known here.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import date, datetime
from hmac import compare_digest
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.calendar import aware
from models.contact import normalise_email
from models.errors import MemberUnknown, NicknameTaken, PartiesFixed
from models.job import Name
from models.marketplace import (
    Member,
    MemberKind,
    MemberSnapshot,
    MemberStatus,
    Organisation,
    OrganisationKind,
    OrganisationSnapshot,
    Trade,
    TradeMessage,
    TradeSide,
    TradeSnapshot,
    When,
    name_form,
    nickname_form,
    number_form,
)
from models.period import end_of_months
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.derived_keys import authenticated, fingerprint, valid
from worker.jobs import enqueue
from worker.seals import Place, Shredded, Tampered, seal, shred, unseal
from worker.settings import settings

_log = logging.getLogger(__name__)
_NICKNAME = "member-nickname"
_LONGEST_LOG = 200
_Known = TypeVar("_Known", Member, Organisation)
_Snapshot: TypeAlias = MemberSnapshot | OrganisationSnapshot


@dataclass(frozen=True, repr=False)
class Registered:
    """What is registered of a member as of one snapshot, opened. It does not print itself."""

    nickname: str
    name: str
    kana: str
    postal_code: str
    address: str
    email: str
    representative: str | None = None
    representative_kana: str | None = None


@dataclass(frozen=True, repr=False)
class MemberGiven:
    """A member as the marketplace says they are. It does not print itself.

    Attributes:
        changed_at: since when it is so; None, or an instant to come, means since we were told.
    """

    kind: MemberKind
    status: MemberStatus
    protected_address: bool
    registered_at: datetime
    registered: Registered
    changed_at: datetime | None = None


@dataclass(frozen=True)
class TradeGiven:
    """A trade as the marketplace says it is; its parties by the marketplace's own ids."""

    seller: str
    buyer: str
    item_number: str
    item_name: str
    won_on: date
    completed_at: datetime | None
    anonymous_shipping: bool
    payment_service: bool
    message_window_opens_at: datetime
    message_window_closes_at: datetime


@dataclass(frozen=True)
class MessageGiven:
    """The fact that one party wrote to the other."""

    external_id: str
    sent_by: TradeSide
    sent_at: datetime


@dataclass(frozen=True, repr=False)
class OrganisationContact:
    """Where an organisation is written to, opened. It does not print itself."""

    email: str
    postal_code: str
    postal_address: str
    addressee: str


@dataclass(frozen=True, repr=False)
class OrganisationGiven:
    """An organisation as our operators entered it."""

    kind: OrganisationKind
    name: str
    contact: OrganisationContact
    valid_from: date
    valid_until: date | None = None
    accredited_by: str | None = None
    contract_reference: str | None = None
    judged_by: str | None = None
    judged_at: datetime | None = None


# Members


def put_member(session: Session, external_id: str, given: MemberGiven, *, received_at: datetime) -> tuple[Member, bool]:
    """Write down what is registered of a member; say whether that was anything new.

    What was so earlier than what we know already joins the history and does not become what is registered now.

    Raises:
        EmailInvalid: the address cannot be written to.
        NicknameTaken: another member who is registered now bears the nickname.
    """
    given = _in_form(given, received_at)
    known = member_by_external_id(session, external_id)
    if known is None:
        made = _enter_member(session, external_id, given, received_at)
        if made is not None:
            return made, True
        # Somebody else was faster, with this member or with this nickname.
        known = member_by_external_id(session, external_id)
        if known is None:
            raise NicknameTaken
    elif _is_registered_now(session, known, given):
        # Without a lock: on PostgreSQL a lock is a write.
        return known, False
    member = session.get_one(Member, known.id, with_for_update=True, populate_existing=True)
    return member, _change_member(session, member, given, received_at)


def erase_member(session: Session, member: Member, *, received_at: datetime) -> None:
    """Make all that was ever registered of a member unreadable, by deleting the key. The caller holds the row's lock.

    Ids and dates stay, for the transactions and records that name them. Once erased, a member may be put anew.
    """
    member.forget(at=received_at)
    shred(session, member.id)


def is_superseded(session: Session, member: Member, given: MemberGiven) -> bool:
    """Whether a later change of the member is known than the one given, so that it is history."""
    current = session.get_one(MemberSnapshot, member.snapshot_id)
    return given.changed_at is not None and given.changed_at < current.taken_at


def member_by_external_id(session: Session, external_id: str) -> Member | None:
    """Return the member that the marketplace calls so."""
    return session.scalars(_by_external_id(Member, external_id)).one_or_none()


def member_by_nickname(session: Session, text: str) -> Member | None:
    """Return the member who bears this nickname; of several, who is registered now, else who left last."""
    query = (
        select(Member)
        .where(Member.nickname_index.in_(_nickname_indexes(text)))
        .order_by(Member.status, Member.left_at.desc(), Member.id)
    )
    return session.scalars(query.limit(1)).one_or_none()


def nickname_matches(session: Session, member: Member, text: str) -> bool:
    """Whether the member bears this nickname or ever bore it: a party knows the one of their trade (D71)."""
    wanted = nickname_form(text)
    snapshots = session.scalars(select(MemberSnapshot).where(MemberSnapshot.member_id == member.id))
    found = [_equal(nickname_form(registered(session, each).nickname), wanted) for each in snapshots]
    return any(found)


def name_matches(session: Session, member: Member, text: str) -> bool:
    """Whether the member is registered under this name; a shop under its own or its representative's (D70, D31)."""
    here = registered(session, session.get_one(MemberSnapshot, member.snapshot_id))
    wanted = name_form(text)
    found = [_equal(name_form(name), wanted) for name in (here.name, here.representative) if name]
    return any(found)


def registered(session: Session, snapshot: MemberSnapshot) -> Registered:
    """Open what a snapshot holds.

    Raises:
        Shredded: the member's key was deleted.
    """
    return Registered(**_opened(session, snapshot, Registered))


def email_of(session: Session, party: Member | Organisation) -> str:
    """Open the registered address of a member or an organisation, at the last moment before it is used (D19).

    Raises:
        Shredded: the key was deleted.
    """
    if isinstance(party, Organisation):
        return contact_of(session, party).email
    snapshot = session.get_one(MemberSnapshot, party.snapshot_id)
    return unseal(session, _place(snapshot, "sealed_email"), snapshot.sealed_email)


def snapshots_of(session: Session, member: Member, trade: Trade, *, now: datetime) -> Mapping[When, MemberSnapshot]:
    """Return what was registered of a member when they joined, at the trade, and now; often all one (D43).

    Of the trade there is none if all that is known is of later. "When they joined" is the earliest that is known; its
    `taken_at` says of when that is.
    """
    oldest_first = select(MemberSnapshot).order_by(MemberSnapshot.taken_at, MemberSnapshot.revision)
    first = session.scalars(oldest_first.where(MemberSnapshot.member_id == member.id).limit(1)).one()
    found = {
        When.REGISTRATION: first,
        When.TRADE: _in_force(session, member.id, trade.as_of),
        When.NOW: _in_force(session, member.id, now) or session.get_one(MemberSnapshot, member.snapshot_id),
    }
    return {when: snapshot for when, snapshot in found.items() if snapshot is not None}


# Trades


def put_trade(session: Session, number: str, given: TradeGiven, *, received_at: datetime) -> tuple[Trade, bool]:
    """Write down what is known of a trade; say whether that was anything new. The last who says it is believed.

    Raises:
        MemberUnknown: a party is not in the registry.
        PartiesFixed: it is known as a trade of others.
    """
    facts = _facts_given(session, given)
    known = trade_by_number(session, number)
    if known is None:
        made = _enter_trade(session, number_form(number), facts, received_at)
        if made is not None:
            return made, True
        known = session.scalars(select(Trade).where(Trade.number == number_form(number))).one()
    elif known.facts() == Trade(**facts).facts():
        return known, False
    trade = session.get_one(Trade, known.id, with_for_update=True, populate_existing=True)
    return trade, _change_trade(session, trade, facts, received_at)


def window_outlasts_eligibility(trade: Trade) -> bool:
    """Whether no application can ever be made: the parties can write to each other until the months are over (A3)."""
    if trade.completed_at is None:
        return False
    rules = settings().case_rules
    eligible_until = end_of_months(
        trade.completed_at, rules.eligible_months, rest_days_extend=rules.eligible_extends_over_rest_days
    )
    return rules.window_outlasts_eligibility(trade.message_window_closes_at, eligible_until)


def trade_by_number(session: Session, text: str) -> Trade | None:
    """Return the trade with this number, however it was typed."""
    return session.scalars(select(Trade).where(Trade.number == number_form(text))).one_or_none()


def put_messages(session: Session, trade: Trade, given: Sequence[MessageGiven]) -> int:
    """Write down that the parties wrote to each other; return how many of the messages are new.

    What is known by its id already stays as it was first told.
    """
    if not given:
        return 0
    rows = [
        {
            "id": new_id(unix_ms()),
            "trade_id": trade.id,
            "external_id": each.external_id,
            "sent_by": each.sent_by,
            "sent_at": each.sent_at,
        }
        # In one order, so that two who tell the same at once wait for each other and never both.
        for each in sorted(given, key=lambda each: each.external_id)
    ]
    written = insert_new(session, TradeMessage).values(rows).on_conflict_do_nothing().returning(TradeMessage.id)
    new = len(session.scalars(written).all())
    if new:
        enqueue(session, Name.TRADE_CHANGED, trade_id=trade.id)
    return new


def messages_by(session: Session, trade: Trade, side: TradeSide, *, before: datetime) -> int:
    """Count what one party wrote to the other inside the message window, and before an instant (D13)."""
    count = (
        select(func.count())
        .select_from(TradeMessage)
        .where(
            TradeMessage.trade_id == trade.id,
            TradeMessage.sent_by == side,
            TradeMessage.sent_at >= trade.message_window_opens_at,
            TradeMessage.sent_at <= trade.message_window_closes_at,
            TradeMessage.sent_at < before,
        )
    )
    return session.scalars(count).one()


def message_log(session: Session, trade: Trade, *, before: datetime) -> list[TradeMessage]:
    """Return who wrote to the other when, the oldest first: what lies beside an application (D72); 200 at most."""
    log = select(TradeMessage).where(TradeMessage.trade_id == trade.id, TradeMessage.sent_at < before)
    return list(session.scalars(log.order_by(TradeMessage.sent_at, TradeMessage.id).limit(_LONGEST_LOG)))


# Organisations


def put_organisation(
    session: Session, external_id: str, given: OrganisationGiven, *, received_at: datetime
) -> tuple[Organisation, bool]:
    """Write down what is known of an organisation; say whether that was anything new. The last who says it is believed.

    Raises:
        EmailInvalid: the address cannot be written to.
    """
    given = replace(given, contact=replace(given.contact, email=normalise_email(given.contact.email)))
    known = organisation_by_external_id(session, external_id)
    if known is None:
        made = _enter_organisation(session, external_id, given, received_at)
        if made is not None:
            return made, True
        known = session.scalars(_by_external_id(Organisation, external_id)).one()
    elif compare_digest(known.content_digest, _organisation_indexes(given)["content_digest"]):
        return known, False
    organisation = session.get_one(Organisation, known.id, with_for_update=True, populate_existing=True)
    return organisation, _change_organisation(session, organisation, given, received_at)


def organisation_by_external_id(session: Session, external_id: str) -> Organisation | None:
    """Return the organisation that our operators call so."""
    return session.scalars(_by_external_id(Organisation, external_id)).one_or_none()


def contact_of(session: Session, organisation: Organisation, *, snapshot_id: UUID | None = None) -> OrganisationContact:
    """Open where an organisation is written to now, or was by one of its snapshots.

    Raises:
        Shredded: the organisation's key was deleted.
    """
    snapshot = session.get_one(OrganisationSnapshot, snapshot_id or organisation.snapshot_id)
    return OrganisationContact(**_opened(session, snapshot, OrganisationContact))


# Writing them


def _in_form(given: MemberGiven, received_at: datetime) -> MemberGiven:
    """Return what is given with its address normalised, and dated only by what is past."""
    dated = given.changed_at is not None and given.changed_at <= received_at
    return replace(
        given,
        registered=replace(given.registered, email=normalise_email(given.registered.email)),
        changed_at=given.changed_at if dated else None,
    )


def _enter_member(session: Session, external_id: str, given: MemberGiven, received_at: datetime) -> Member | None:
    """Write down a member who is new; None if the id or the nickname is not."""
    _check_nickname(session, given, of=external_id)
    at = given.changed_at or received_at
    member_id, snapshot_id = new_id(unix_ms()), new_id(unix_ms())
    is_first = _is_first(
        session,
        Member,
        id=member_id,
        external_id=external_id,
        kind=given.kind,
        status=given.status,
        protected_address=given.protected_address,
        snapshot_id=snapshot_id,
        registered_at=given.registered_at,
        left_at=at if given.status is MemberStatus.LEFT else None,
        email_changed_at=given.registered_at,
        revision=1,
        updated_at=received_at,
        **_indexes(given),
    )
    if not is_first:
        return None
    member = session.get_one(Member, member_id)
    session.add(_member_snapshot(session, member, given, id_=snapshot_id, at=at))
    return member


def _change_member(session: Session, member: Member, given: MemberGiven, received_at: datetime) -> bool:
    """Add a snapshot to a locked member if something new is given, and say so."""
    current = session.get_one(MemberSnapshot, member.snapshot_id)
    # What bears no date is of now, even if this host's clock is a moment behind another's.
    at = given.changed_at or max(received_at, current.taken_at)
    is_latest = at >= current.taken_at
    before = current if is_latest else _in_force(session, member.id, at)
    if before is not None and _content(session, before) == _content_given(given):
        if is_latest:
            # The index may be of the SECRET_KEY before.
            _find_by(member, given)
        return False
    if is_latest:
        _check_nickname(session, given, of=member.external_id)
    member.revision += 1
    member.updated_at = received_at
    snapshot = _member_snapshot(session, member, given, id_=new_id(unix_ms()), at=at)
    try:
        with session.begin_nested():
            session.add(snapshot)
            if is_latest:
                member.take(snapshot)
                _find_by(member, given)
    except IntegrityError:
        # Somebody took the nickname since we looked.
        raise NicknameTaken from None
    member.email_changed_at = _address_since(session, member)
    enqueue(session, Name.MEMBER_CHANGED, member_id=member.id)
    return True


def _is_registered_now(session: Session, member: Member, given: MemberGiven) -> bool:
    """Whether exactly this is registered now, as far as can be told without opening anything."""
    if not compare_digest(member.content_digest, _indexes(given)["content_digest"]):
        return False
    return given.changed_at is None or not is_superseded(session, member, given)


def _check_nickname(session: Session, given: MemberGiven, *, of: str) -> None:
    """Refuse a nickname that another than this member bears, also if it was indexed under the SECRET_KEY before.

    The member is told by the marketplace's own id, for it may be written down by somebody else at this very moment.
    """
    if given.status is MemberStatus.LEFT:
        return
    bearers = select(Member.external_id).where(
        Member.nickname_index.in_(_nickname_indexes(given.registered.nickname)),
        Member.status == MemberStatus.ACTIVE,
    )
    if any(bearer != of for bearer in session.scalars(bearers)):
        raise NicknameTaken


def _find_by(member: Member, given: MemberGiven) -> None:
    for name, value in _indexes(given).items():
        setattr(member, name, value)


def _indexes(given: MemberGiven) -> dict[str, str]:
    here = given.registered
    return {
        "nickname_index": fingerprint(_NICKNAME, nickname_form(here.nickname)),
        "name_index": fingerprint("member-name", name_form(here.name)),
        "email_index": fingerprint("member-email", here.email),
        "content_digest": fingerprint("member-content", *_said(_content_given(given))),
    }


def _nickname_indexes(text: str) -> list[str]:
    return [authenticated(key, nickname_form(text)).hex() for key in valid(_NICKNAME)]


def _member_snapshot(
    session: Session, member: Member, given: MemberGiven, *, id_: UUID, at: datetime
) -> MemberSnapshot:
    snapshot = MemberSnapshot(
        id=id_,
        member_id=member.id,
        taken_at=at,
        revision=member.revision,
        kind=given.kind,
        status=given.status,
        protected_address=given.protected_address,
        registered_at=given.registered_at,
    )
    _seal_into(session, snapshot, given.registered)
    return snapshot


def _content_given(given: MemberGiven) -> tuple[Any, ...]:
    return (given.kind, given.status, given.protected_address, aware(given.registered_at), *astuple(given.registered))


def _content(session: Session, snapshot: MemberSnapshot) -> tuple[Any, ...] | None:
    """Open all that a snapshot says; None if nobody can any more, since the member was shredded and came again."""
    try:
        here = registered(session, snapshot)
    except (Shredded, Tampered):
        return None
    return (snapshot.kind, snapshot.status, snapshot.protected_address, snapshot.registered_at, *astuple(here))


def _address_since(session: Session, member: Member) -> datetime:
    """Return since when the registered address is the one it is (A19)."""
    newest_first = select(MemberSnapshot).order_by(MemberSnapshot.taken_at.desc(), MemberSnapshot.revision.desc())
    snapshots = session.scalars(newest_first.where(MemberSnapshot.member_id == member.id)).all()
    known = [(snapshot.taken_at, _address_in(session, snapshot)) for snapshot in snapshots]
    for (taken_at, address), (_, before) in pairwise(known):
        if address is None or address != before:
            return taken_at
    return member.registered_at


def _address_in(session: Session, snapshot: MemberSnapshot) -> str | None:
    try:
        return unseal(session, _place(snapshot, "sealed_email"), snapshot.sealed_email)
    except (Shredded, Tampered):
        return None


def _enter_trade(session: Session, number: str, facts: Mapping[str, Any], received_at: datetime) -> Trade | None:
    """Write down a trade that is new; None if it is not."""
    trade_id = new_id(unix_ms())
    if not _is_first(session, Trade, id=trade_id, number=number, revision=1, updated_at=received_at, **facts):
        return None
    trade = session.get_one(Trade, trade_id)
    _keep_trade(session, trade)
    return trade


def _change_trade(session: Session, trade: Trade, facts: Mapping[str, Any], received_at: datetime) -> bool:
    before = trade.facts()
    if (trade.seller_id, trade.buyer_id) != (facts["seller_id"], facts["buyer_id"]):
        raise PartiesFixed
    for name, value in facts.items():
        setattr(trade, name, value)
    if trade.facts() == before:
        return False
    trade.revision += 1
    trade.updated_at = received_at
    _keep_trade(session, trade)
    return True


def _facts_given(session: Session, given: TradeGiven) -> dict[str, Any]:
    """Return the columns that hold what is given, its parties by our own ids.

    Raises:
        MemberUnknown: a party is not in the registry.
    """
    query = select(Member.external_id, Member.id).where(Member.external_id.in_([given.seller, given.buyer]))
    known = {row.external_id: row.id for row in session.execute(query)}
    unknown = [side for side in TradeSide if getattr(given, side) not in known]
    if unknown:
        raise MemberUnknown(*unknown)
    facts = {name: value for name, value in vars(given).items() if name not in {"seller", "buyer"}}
    return {**facts, "seller_id": known[given.seller], "buyer_id": known[given.buyer]}


def _keep_trade(session: Session, trade: Trade) -> None:
    """Add the snapshot of a trade that is new or changed, and raise an alarm if nobody can ever apply (A3)."""
    session.add(
        TradeSnapshot(
            id=new_id(unix_ms()),
            trade_id=trade.id,
            taken_at=trade.updated_at,
            revision=trade.revision,
            facts=trade.facts(),
        )
    )
    enqueue(session, Name.TRADE_CHANGED, trade_id=trade.id)
    if window_outlasts_eligibility(trade):
        _log.error("a trade's message window outlasts its eligibility", extra={"trade_id": str(trade.id)})


def _enter_organisation(
    session: Session, external_id: str, given: OrganisationGiven, received_at: datetime
) -> Organisation | None:
    """Write down an organisation that is new; None if it is not."""
    organisation_id, snapshot_id = new_id(unix_ms()), new_id(unix_ms())
    is_first = _is_first(
        session,
        Organisation,
        id=organisation_id,
        external_id=external_id,
        snapshot_id=snapshot_id,
        revision=1,
        updated_at=received_at,
        **_organisation_facts(given),
        **_organisation_indexes(given),
    )
    if not is_first:
        return None
    organisation = session.get_one(Organisation, organisation_id)
    session.add(_organisation_snapshot(session, organisation, given, at=received_at))
    return organisation


def _change_organisation(
    session: Session, organisation: Organisation, given: OrganisationGiven, received_at: datetime
) -> bool:
    facts = _organisation_facts(given)
    is_new = organisation.facts() != Organisation(**facts).facts() or not _is_contact(session, organisation, given)
    for name, value in {**facts, **_organisation_indexes(given)}.items():
        setattr(organisation, name, value)
    if is_new:
        organisation.revision += 1
        organisation.updated_at = received_at
        organisation.snapshot_id = new_id(unix_ms())
        session.add(_organisation_snapshot(session, organisation, given, at=received_at))
    return is_new


def _is_contact(session: Session, organisation: Organisation, given: OrganisationGiven) -> bool:
    try:
        return astuple(contact_of(session, organisation)) == astuple(given.contact)
    except (Shredded, Tampered):
        return False


def _organisation_facts(given: OrganisationGiven) -> dict[str, Any]:
    return {name: value for name, value in vars(given).items() if name != "contact"}


def _organisation_indexes(given: OrganisationGiven) -> dict[str, str]:
    facts = Organisation(**_organisation_facts(given)).facts()
    return {
        "email_index": fingerprint("organisation-email", given.contact.email),
        "content_digest": fingerprint("organisation-content", *_said([*facts.values(), *astuple(given.contact)])),
    }


def _organisation_snapshot(
    session: Session, organisation: Organisation, given: OrganisationGiven, *, at: datetime
) -> OrganisationSnapshot:
    snapshot = OrganisationSnapshot(
        id=organisation.snapshot_id,
        organisation_id=organisation.id,
        taken_at=at,
        revision=organisation.revision,
        facts=organisation.facts(),
    )
    _seal_into(session, snapshot, given.contact)
    return snapshot


# Rows and seals


def _by_external_id(table: type[_Known], external_id: str) -> Select[_Known]:
    return select(table).where(table.external_id == external_id)


def _is_first(session: Session, table: type[Member | Trade | Organisation], **row: Any) -> bool:
    """Insert a row unless one of its unique values is there already, and say whether it was inserted."""
    insert = insert_new(session, table).values(**row).on_conflict_do_nothing().returning(table.id)
    return session.scalars(insert).one_or_none() is not None


def _in_force(session: Session, member_id: UUID, at: datetime) -> MemberSnapshot | None:
    """Return what was registered of a member at an instant; of two that began together, the one we were told later."""
    newest_first = select(MemberSnapshot).order_by(MemberSnapshot.taken_at.desc(), MemberSnapshot.revision.desc())
    then = newest_first.where(MemberSnapshot.member_id == member_id, MemberSnapshot.taken_at <= at)
    return session.scalars(then.limit(1)).one_or_none()


def _seal_into(session: Session, snapshot: _Snapshot, opened: Registered | OrganisationContact) -> None:
    for name, text in vars(opened).items():
        column = f"sealed_{name}"
        setattr(snapshot, column, None if text is None else seal(session, _place(snapshot, column), text))


def _opened(session: Session, snapshot: _Snapshot, names: type[Registered | OrganisationContact]) -> dict[str, Any]:
    columns = {each.name: f"sealed_{each.name}" for each in fields(names)}
    sealed = {name: (_place(snapshot, column), getattr(snapshot, column)) for name, column in columns.items()}
    return {name: None if raw is None else unseal(session, place, raw) for name, (place, raw) in sealed.items()}


def _place(snapshot: _Snapshot, column: str) -> Place:
    subject = snapshot.member_id if isinstance(snapshot, MemberSnapshot) else snapshot.organisation_id
    return Place(subject, snapshot.__tablename__, column, snapshot.id)


def _said(content: Iterable[object]) -> list[str]:
    """Return values as texts in which nothing and an empty text differ."""
    return ["" if value is None else f"={value}" for value in content]


def _equal(one: str, other: str) -> bool:
    return compare_digest(one.encode(), other.encode())
