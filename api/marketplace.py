"""What the marketplace feeds: members, transactions, organisations. It is written and never read back.

The same body twice is one revision, so a feeder may send everything again at any time.
"""

from datetime import date, datetime
from typing import Annotated, Any, Self, TypeAlias

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, Field, model_validator
from sqlalchemy.orm import Session

from api.access import needs, unbound
from api.answers import EntryFed, EntryShown, MessagesFed
from api.arrivals import ReceivedAt
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.problems import Problem, problem_of
from api.resources import Given, PlainText, instant, shown
from models.access import ApiKey, Scope
from models.errors import ContactRefused, MemberUnknown, NicknameTaken, Refusal
from models.marketplace import (
    Member,
    MemberKind,
    MemberStatus,
    Organisation,
    OrganisationKind,
    Trade,
    TradeSide,
    name_form,
)
from worker import registry
from worker.cases import retention
from worker.database import database

router = APIRouter(prefix="/v1", tags=["marketplace"])
MOST_MESSAGES = 100
_EARLIEST, _LATEST = date(1970, 1, 1), date(2200, 1, 1)

Feeder = Annotated[ApiKey, Depends(needs(Scope.MARKETPLACE_WRITE))]
Fed = Annotated[Submission, Depends(submitted(Scope.MARKETPLACE_WRITE))]

_Entry: TypeAlias = Member | Trade | Organisation


def _id(longest: int, example: str, description: str) -> Any:
    return Path(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{longest - 1}}}$", description=description, examples=[example])


MemberId = Annotated[str, _id(64, "m-1024", "The marketplace's own id. No personal data: it stands in addresses.")]
Number = Annotated[str, _id(40, "T-2030-0001", "The marketplace's own number of the transaction (取引番号).")]
OrganisationId = Annotated[str, _id(64, "o-12", "Your own id for it.")]


def _worded(text: str) -> str:
    if not name_form(text):
        raise ValueError("say something")
    return text.strip()


def _on_calendar(day: date) -> date:
    if not _EARLIEST < day < _LATEST:
        raise ValueError(f"give a day between {_EARLIEST} and {_LATEST}")
    return day


def _on_record(at: datetime) -> datetime:
    # Near the ends of time the same instant cannot be named in another zone.
    _on_calendar(at.date())
    return at


Words = Annotated[PlainText, AfterValidator(_worded)]
InstantOnRecord = Annotated[AwareDatetime, AfterValidator(_on_record)]
DayOnRecord = Annotated[date, AfterValidator(_on_calendar)]
Party = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class MemberRequest(Given):
    """`PUT /v1/members/{member_id}`: all that is registered of the member."""

    model_config = shown(
        {
            "kind": "individual",
            "status": "active",
            "protected_address": False,
            "nickname": "hana_1024",
            "name": "見本 花子",
            "kana": "ミホン ハナコ",
            "postal_code": "999-0001",
            "address": "見本県見本市見本町1-2-3",
            "email": "hanako@example.jp",
            "registered_at": "2028-04-01T03:00:00Z",
            "changed_at": "2030-05-02T01:30:00Z",
        },
        {
            "kind": "shop",
            "status": "active",
            "protected_address": False,
            "nickname": "mihon_shop",
            "name": "見本商店",
            "kana": "ミホンショウテン",
            "postal_code": "999-0002",
            "address": "見本県見本市見本町4-5-6",
            "email": "shop@example.jp",
            "representative": "見本 太郎",
            "representative_kana": "ミホン タロウ",
            "registered_at": "2028-04-01T03:00:00Z",
        },
    )

    kind: MemberKind = Field(description="A shop's papers are its representative's (D31).")
    status: MemberStatus = Field(description="Who has left keeps on record what was registered last.")
    protected_address: bool = Field(description="The address is under protection, as from a stalker.")
    nickname: Words = Field(min_length=1, max_length=50, description="Unique among active members.")
    name: Words = Field(min_length=1, max_length=100, description="Of the person or the shop.")
    kana: Words = Field(min_length=1, max_length=100)
    postal_code: Words = Field(min_length=1, max_length=16)
    address: Words = Field(min_length=1, max_length=300)
    email: PlainText = Field(min_length=1, max_length=254, description="The registered address.")
    representative: Words | None = Field(
        None, min_length=1, max_length=100, description="Of a shop: who stands for it."
    )
    representative_kana: Words | None = Field(None, min_length=1, max_length=100)
    registered_at: InstantOnRecord = Field(description="When the member joined.")
    changed_at: InstantOnRecord | None = Field(
        None,
        description="Since when this is so. Without it, or with one to come: since now. One that is earlier than the "
        "latest known joins the history, and what is registered now stays.",
    )

    @model_validator(mode="after")
    def _stands_for_itself(self) -> Self:
        if (self.kind is MemberKind.SHOP) != (self.representative is not None):
            raise ValueError("a shop has a `representative`, and nobody else has")
        if (self.representative is None) != (self.representative_kana is None):
            raise ValueError("`representative` and `representative_kana` come together")
        return self

    def given(self) -> registry.MemberGiven:
        """Return it as the registry takes it."""
        told = self.model_dump(exclude={"kind", "status", "protected_address", "registered_at", "changed_at"})
        return registry.MemberGiven(
            kind=self.kind,
            status=self.status,
            protected_address=self.protected_address,
            registered_at=self.registered_at,
            registered=registry.Registered(**told),
            changed_at=self.changed_at,
        )


class TransactionRequest(Given):
    """`PUT /v1/transactions/{number}`: all that is known of the transaction."""

    model_config = shown(
        {
            "seller": "m-1024",
            "buyer": "m-2048",
            "item_number": "I-1024",
            "item_name": "見本の腕時計",
            "won_on": "2030-04-20",
            "completed_at": "2030-05-10T03:00:00Z",
            "anonymous_shipping": True,
            "payment_service": True,
            "message_window_opens_at": "2030-04-20T12:00:00Z",
            "message_window_closes_at": "2030-05-24T15:00:00Z",
        }
    )

    seller: Party = Field(description="The id of a member that is known. The parties never change.")
    buyer: Party = Field(description="Likewise.")
    item_number: Words = Field(min_length=1, max_length=40, description="商品番号.")
    item_name: Words = Field(min_length=1, max_length=200, description="商品名.")
    won_on: DayOnRecord = Field(description="The day of the winning bid in Japan (落札日).")
    completed_at: InstantOnRecord | None = Field(None, description="null while it is not completed.")
    anonymous_shipping: bool = Field(description="Whether neither learned the other's name from the parcel.")
    payment_service: bool = Field(description="Whether it was paid by way of the marketplace.")
    message_window_opens_at: InstantOnRecord = Field(description="From when the parties could write to each other.")
    message_window_closes_at: InstantOnRecord = Field(description="The last instant at which they can.")

    @model_validator(mode="after")
    def _between_two(self) -> Self:
        if self.seller == self.buyer:
            raise ValueError("`seller` and `buyer` are two members")
        if self.message_window_closes_at < self.message_window_opens_at:
            raise ValueError("`message_window_closes_at` is before `message_window_opens_at`")
        return self


class MessageFact(Given):
    """That one party wrote to the other, and when; never what."""

    model_config = shown({"id": "x-77", "sent_by": "buyer", "sent_at": "2030-05-12T09:00:00Z"})

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Unique within the transaction.")
    sent_by: TradeSide
    sent_at: InstantOnRecord


class MessagesRequest(Given):
    """`POST /v1/transactions/{number}/messages`."""

    model_config = shown({"messages": [{"id": "x-77", "sent_by": "buyer", "sent_at": "2030-05-12T09:00:00Z"}]})

    messages: list[MessageFact] = Field(min_length=1, max_length=MOST_MESSAGES)


class OrganisationRequest(Given):
    """`PUT /v1/organisations/{organisation_id}`: all that is known of the organisation."""

    model_config = shown(
        {
            "kind": "accredited",
            "name": "見本権利者団体",
            "email": "legal@example.com",
            "postal_code": "999-0003",
            "postal_address": "見本県見本市見本町7-8-9",
            "addressee": "見本権利者団体 法務部",
            "accredited_by": "見本ガイドライン協議会",
            "valid_from": "2029-04-01",
            "valid_until": "2032-04-01",
        },
        {
            "kind": "contracted",
            "name": "見本ブランド株式会社",
            "email": "brand@example.com",
            "postal_code": "999-0004",
            "postal_address": "見本県見本市見本町10-11",
            "addressee": "見本ブランド株式会社 知的財産部",
            "contract_reference": "C-2029-7",
            "judged_by": "legal-1",
            "judged_at": "2029-03-20T02:00:00Z",
            "valid_from": "2029-04-01",
        },
    )

    kind: OrganisationKind
    name: Words = Field(min_length=1, max_length=200)
    email: PlainText = Field(min_length=1, max_length=254, description="The registered address.")
    postal_code: Words = Field(min_length=1, max_length=16)
    postal_address: Words = Field(min_length=1, max_length=300, description="Where letters go.")
    addressee: Words = Field(min_length=1, max_length=100, description="Whom letters are addressed to.")
    accredited_by: Words | None = Field(
        None, min_length=1, max_length=200, description="Of an accredited one: by whom, under which guideline (D56)."
    )
    contract_reference: Words | None = Field(
        None, min_length=1, max_length=100, description="Of a contracted one: its contract (D57)."
    )
    judged_by: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9._-]{0,63}$",
        description="Of a contracted one: which of your people found it competent and proven (D57).",
    )
    judged_at: InstantOnRecord | None = Field(None, description="And when.")
    valid_from: DayOnRecord = Field(description="The first day on which it may ask.")
    valid_until: DayOnRecord | None = Field(
        None, description="The first day on which it may no more; null: until further notice."
    )

    @model_validator(mode="after")
    def _on_some_ground(self) -> Self:
        if self.kind is OrganisationKind.ACCREDITED and self.accredited_by is None:
            raise ValueError("an accredited organisation has `accredited_by`")
        judged = (self.contract_reference, self.judged_by, self.judged_at)
        if self.kind is OrganisationKind.CONTRACTED and None in judged:
            raise ValueError("a contracted organisation has `contract_reference`, `judged_by` and `judged_at`")
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ValueError("`valid_until` is after `valid_from`")
        return self

    def given(self) -> registry.OrganisationGiven:
        """Return it as the registry takes it."""
        names = ("email", "postal_code", "postal_address", "addressee")
        contact = registry.OrganisationContact(**{name: getattr(self, name) for name in names})
        return registry.OrganisationGiven(contact=contact, **self.model_dump(exclude=set(names)))


def _fed(*own_codes: str, title: str) -> dict[str, Any]:
    """Describe a PUT: 201 for what is new, else 200."""
    said = says(200, EntryFed, *own_codes, title=title)
    said["responses"][201] = said["responses"][200] | {"description": "It was not known before."}
    return said


@router.put("/members/{member_id}", **_fed("email_invalid", "nickname_taken", title="Feed a member"))
def put_member(member_id: MemberId, body: MemberRequest, sent: Fed) -> JSONResponse:
    """Say all that is registered of a member. Every change is kept with its date; the same again changes nothing.

    The answer warns if something later is known, so that what was said is history.
    """
    unbound(sent.caller)

    def act(session: Session) -> Answer:
        given = body.given()
        member, is_news = registry.put_member(session, member_id, given, received_at=sent.received_at)
        warnings = ["later_change_known"] if registry.is_superseded(session, member, given) else []
        return _answer(_out(member_id, member), warnings, is_new=is_news and member.revision == 1)

    return sent.answer(body, act, explain=_explain)


@router.get("/members/{member_id}", **says(200, EntryShown, "member_not_found", title="See when a member was fed"))
def show_member(member_id: MemberId, caller: Feeder) -> dict[str, Any]:
    """Return how often and when a member changed; nothing of what is registered."""
    unbound(caller)
    with database().snapshot() as session:
        member = registry.member_by_external_id(session, member_id)
        if member is None:
            raise Problem(404, "member_not_found", "There is no such member.")
        return _out(member_id, member)


@router.delete("/members/{member_id}", **says(204, None, "member_not_found", "party_of_case", title="Erase a member"))
def erase_member(member_id: MemberId, caller: Feeder, received_at: ReceivedAt) -> Response:
    """Erase all that was ever registered of a member: its key is deleted. Not while the member is in an open case.

    Again it changes nothing. The number of the member stays known, and the member can be fed anew.
    """
    unbound(caller)
    with database().transaction() as session:
        if not retention.erase_member(session, member_id, received_at=received_at):
            raise Problem(404, "member_not_found", "There is no such member.")
    return Response(status_code=204)


@router.put("/transactions/{number}", **_fed("member_unknown", "parties_fixed", title="Feed a transaction"))
def put_transaction(number: Number, body: TransactionRequest, sent: Fed) -> JSONResponse:
    """Say all that is known of a transaction between two members. The same again changes nothing.

    The answer warns if no application can ever be made, since the parties can write to each other until it is too late.
    """
    unbound(sent.caller)

    def act(session: Session) -> Answer:
        given = registry.TradeGiven(**body.model_dump())
        trade, is_news = registry.put_trade(session, number, given, received_at=sent.received_at)
        warnings = ["window_outlasts_eligibility"] if registry.window_outlasts_eligibility(trade) else []
        return _answer(_out(number, trade), warnings, is_new=is_news and trade.revision == 1)

    return sent.answer(body, act, explain=_explain)


@router.get(
    "/transactions/{number}", **says(200, EntryShown, "transaction_not_found", title="See when a transaction was fed")
)
def show_transaction(number: Number, caller: Feeder) -> dict[str, Any]:
    """Return how often and when a transaction changed; nothing of what is known of it."""
    unbound(caller)
    with database().snapshot() as session:
        return _out(number, _trade(session, number))


@router.post(
    "/transactions/{number}/messages",
    **says(200, MessagesFed, "transaction_not_found", title="Feed messages as facts"),
)
def add_messages(number: Number, body: MessagesRequest, sent: Fed) -> JSONResponse:
    """Say that the parties wrote to each other, and when; never what. One that is known by its id stays as it is."""
    unbound(sent.caller)

    def act(session: Session) -> Answer:
        facts = [registry.MessageGiven(fact.id, fact.sent_by, fact.sent_at) for fact in body.messages]
        added = registry.put_messages(session, _trade(session, number), facts)
        return Answer({"added": added, "known_already": len(facts) - added})

    return sent.answer(body, act)


@router.put("/organisations/{organisation_id}", **_fed("email_invalid", title="Feed an organisation"))
def put_organisation(organisation_id: OrganisationId, body: OrganisationRequest, sent: Fed) -> JSONResponse:
    """Say all that is known of an accredited body or a contracted rights holder. The same again changes nothing."""
    unbound(sent.caller)

    def act(session: Session) -> Answer:
        organisation, is_news = registry.put_organisation(
            session, organisation_id, body.given(), received_at=sent.received_at
        )
        return _answer(_out(organisation_id, organisation), [], is_new=is_news and organisation.revision == 1)

    return sent.answer(body, act, explain=_explain)


@router.get(
    "/organisations/{organisation_id}",
    **says(200, EntryShown, "organisation_not_found", title="See when an organisation was fed"),
)
def show_organisation(organisation_id: OrganisationId, caller: Feeder) -> dict[str, Any]:
    """Return how often and when an organisation changed; nothing of what is known of it."""
    unbound(caller)
    with database().snapshot() as session:
        organisation = registry.organisation_by_external_id(session, organisation_id)
        if organisation is None:
            raise Problem(404, "organisation_not_found", "There is no such organisation.")
        return _out(organisation_id, organisation)


def _trade(session: Session, number: str) -> Trade:
    trade = registry.trade_by_number(session, number)
    if trade is None:
        raise Problem(404, "transaction_not_found", "There is no such transaction.")
    return trade


def _out(external_id: str, entry: _Entry) -> dict[str, Any]:
    return {"id": external_id, "revision": entry.revision, "updated_at": instant(entry.updated_at)}


def _answer(out: dict[str, Any], warnings: list[str], *, is_new: bool) -> Answer:
    return Answer(out | {"warnings": warnings}, 201 if is_new else 200)


def _explain(_session: Session, refusal: Refusal) -> Problem:
    """Point at the member of the body that is refused."""
    problem = problem_of(refusal)
    match refusal:
        case ContactRefused():
            pointers = ["/email"]
        case NicknameTaken():
            pointers = ["/nickname"]
        case MemberUnknown(sides=sides):
            pointers = [f"/{side}" for side in sides]
        case _:
            pointers = []
    problem.errors = [{"pointer": pointer, "detail": problem.detail} for pointer in pointers]
    return problem
