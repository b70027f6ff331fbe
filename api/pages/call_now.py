"""「ビデオ通話で相談」: the choice between now and later (B6, B9), 開始, and the page on which a caller waits (B8).

Everything works by buttons. A script asks more often, and tells by itself that the page is open, or was closed.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.calling_now import availability_of, fresh_for_a_second
from api.calls import CallRequest
from api.pages.asking import admitted, rebook_url
from api.pages.failing import LinkUnknown, PageRoute
from api.pages.filling import Filled, Origin, address_of, contact_of, read
from api.pages.reader import Reader
from api.pages.showing import Frame, page_headers, see_other, show
from api.problems import problem_of
from models.booking import Side, VisitPurpose
from models.call import Call, Refused, Status
from models.call_fact import FactKind, Symptom
from models.customer import Channel
from models.errors import EntryUsed, IllegalMove, TermsNotAccepted, TooManyRequests
from models.shop import Shop
from models.staff import StaffMember
from worker import links
from worker.calls import answering, availability, ending, ringing
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import database
from worker.in_call import entering, facts
from worker.in_call.facts import Told
from worker.links import Link, LinkRole
from worker.video import RoomUnavailable, provider_named, rooms
from worker.wording import dates

router = APIRouter(route_class=PageRoute)

ENTRIES = {LinkRole.CALL_NOW_CUSTOMER: Side.CUSTOMER, LinkRole.CALL_NOW_STAFF: Side.STAFF}
_NOTED = {Side.CUSTOMER: "calling.failed_noted", Side.STAFF: "calling.failed_noted_staff"}
"""What is answered to whoever could not connect. An entry opens once, so that nobody is told to enter again."""
_CONFLICT, _UNAVAILABLE, _INVALID, _FORBIDDEN = 409, 503, 422, 403
_OVER = {
    Status.ABANDONED: "abandoned",
    Status.UNANSWERED: "unanswered",
    Status.ENDED: "ended",
    Status.FAILED: "failed",
}


@router.api_route("/s/{shop_id}/availability.json", methods=["GET", "HEAD"])
def availability_now(request: Request, shop_id: str, received_at: ReceivedAt) -> Response:
    """Say whether the shop can be called now, for any page of the shop's: it may be kept for a second."""
    return fresh_for_a_second(request, availability_of(shop_id, now=received_at), is_public=True)


@router.api_route("/s/{shop_id}/call", methods=["GET", "HEAD"])
def choose(
    request: Request,
    shop_id: str,
    received_at: ReceivedAt,
    *,
    item: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    entry_point: str = "",
    source_url: str = "",
) -> Response:
    """Offer both kinds: a call now, if somebody is free, and a booking."""
    filled = Filled(origin=Origin(item, entry_point, source_url))
    with database().snapshot() as session:
        shop = ringing.shop_called(session, shop_id)
        reader = Reader.of(request, otherwise=shop.language)
        return _choice(request, session, shop, reader, filled, now=received_at)


@router.post("/s/{shop_id}/call")
def begin(
    request: Request,
    shop_id: str,
    received_at: ReceivedAt,
    *,
    accepted: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    form: Annotated[str, Form(max_length=64)] = "",
    phone: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    memo: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "",
    item: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    entry_point: Annotated[str, Form()] = "",
    source_url: Annotated[str, Form()] = "",
) -> Response:
    """開始: ring, and lead to the page on which the caller waits. The same form sent twice is one call."""
    filled = Filled(
        phone=phone,
        email=email,
        name=name,
        # A browser ends the lines of a text area with CR LF.
        memo=memo.replace("\r\n", "\n"),
        purpose=purpose,
        origin=Origin(item, entry_point, source_url),
    )
    with database().snapshot() as session:
        shop = ringing.shop_called(session, shop_id)
        reader = Reader.of(request, otherwise=shop.language)
    documents = {(id_, version) for id_, _, version in (each.partition("@") for each in accepted)}
    wish, errors = _wish(request, shop, filled, documents, form=form, language=reader.language)
    status = _INVALID
    headers: Mapping[str, str] | None = None
    if wish is not None:
        try:
            call = database().transact(lambda session: ringing.ask(session, wish, received_at=received_at))
        except TermsNotAccepted:
            errors = {"start": "call_now.terms_changed"}
        except TooManyRequests as refusal:
            problem = problem_of(refusal, received_at=received_at)
            errors, status, headers = {"start": "call_now.too_many"}, problem.status, problem.headers
        else:
            if call.status is not Status.REFUSED:
                return see_other(reader.url(f"/n/{links.token(LinkRole.CALLER_PAGE, call.id)}"))
            forbidden = call.refused_because is Refused.PROHIBITED_USE
            errors = {"start": "call_now.prohibited" if forbidden else "call_now.just_taken"}
            status = _FORBIDDEN if forbidden else _CONFLICT
    with database().snapshot() as session:
        return _choice(
            request, session, shop, reader, filled, now=received_at, errors=errors, status=status, headers=headers
        )


@router.api_route("/n/{token}", methods=["GET", "HEAD"])
def wait(request: Request, token: str, said: str = "") -> Response:
    """Show how the call stands: to the caller who waits, or to whoever holds an entry; `said` names what was told."""
    link = admitted(token, LinkRole.CALLER_PAGE, *ENTRIES)
    noted = _NOTED[ENTRIES.get(link.role, Side.CUSTOMER)] if said == "failed" else ""
    if link.role is LinkRole.CALLER_PAGE:
        return _waiting(request, token, noted=noted)
    return _entry(request, token, link, noted=noted)


@router.post("/n/{token}/seen")
def seen(token: str, received_at: ReceivedAt) -> JSONResponse:
    """Take the word of the page's script that the page is open, and say how the call stands."""
    link = admitted(token, LinkRole.CALLER_PAGE)

    def note(session: Session) -> str:
        call = _found(ringing.locked(session, link.subject_id))
        ringing.caller_seen(session, call, received_at=received_at)
        # What a provider says of the room, a page beside it that is still open does not contradict.
        if (
            call.status is Status.CONNECTED
            and call.customer_left_at is not None
            and facts.page_was_closed(session, call, Side.CUSTOMER)
        ):
            told = Told.by_page(call, FactKind.JOINED, Side.CUSTOMER, at=received_at)
            facts.record(session, call, told, received_at=received_at)
        return call.status_at(received_at)

    return JSONResponse({"status": database().transact(note)}, headers=page_headers())


@router.post("/n/{token}/left")
def left(token: str, received_at: ReceivedAt) -> Response:
    """Take the word of the page's script that the page was closed beside the room; the caller may come back."""
    link = admitted(token, LinkRole.CALLER_PAGE)

    def note(session: Session) -> None:
        call = _found(ringing.locked(session, link.subject_id))
        entering.close_page(session, call, Side.CUSTOMER, now=received_at)

    database().transact(note)
    return Response(status_code=204, headers=page_headers())


@router.post("/n/{token}/failed")
def failed(request: Request, token: str, received_at: ReceivedAt, problem: Annotated[Symptom, Form()]) -> Response:
    """Keep what does not work, with the side that it lies with (B26)."""
    link = admitted(token, LinkRole.CALLER_PAGE, *ENTRIES)
    side = ENTRIES.get(link.role, Side.CUSTOMER)

    def note(session: Session) -> None:
        call = _found(ringing.locked(session, link.subject_id))
        if call.status is Status.CONNECTED:
            entering.fail(session, call, side, problem, now=received_at)

    with suppress(TooManyRequests):
        database().transact(note)
    return see_other(Reader.of(request).url(f"/n/{token}", {"said": "failed"}))


@router.post("/n/{token}/hang-up")
def hang_up(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Hang up, before an answer or after it."""
    link = admitted(token, LinkRole.CALLER_PAGE)

    def end(session: Session) -> None:
        call = _found(ringing.locked(session, link.subject_id))
        ending.hang_up(session, call, received_at=received_at)

    database().transact(end)
    return see_other(Reader.of(request).url(f"/n/{token}"))


@router.post("/n/{token}/enter")
def enter(request: Request, token: str, received_at: ReceivedAt) -> Response:
    """Use an entry, one time, and hand over to the room."""
    link = admitted(token, *ENTRIES)
    side = ENTRIES[link.role]

    def admit(session: Session) -> rooms.Entry:
        call = _found(ringing.locked(session, link.subject_id))
        return answering.admit(session, call, side, now=received_at)

    try:
        return see_other(rooms.enter(database().transact(admit)))
    except (IllegalMove, EntryUsed):
        return _entry(request, token, link, status=_CONFLICT)
    except RoomUnavailable:
        return _entry(request, token, link, status=_UNAVAILABLE)


@router.api_route("/n/{token}/enter", methods=["GET", "HEAD"])
@router.api_route("/n/{token}/failed", methods=["GET", "HEAD"])
@router.api_route("/n/{token}/hang-up", methods=["GET", "HEAD"])
def look_again(request: Request, token: str) -> Response:
    """Lead whoever asks for a button's address back to the page."""
    return see_other(Reader.of(request).url(f"/n/{token}"))


def _found(call: Call | None) -> Call:
    if call is None or call.status is Status.REFUSED:
        raise LinkUnknown
    return call


def _wish(
    request: Request, shop: Shop, filled: Filled, documents: set[tuple[str, str]], *, form: str, language: str
) -> tuple[ringing.Wish | None, dict[str, str]]:
    """Return what the caller asks for, or which fields are wrong and the words that say why."""
    errors: dict[str, str] = {}
    by_phone, by_mail = (
        contact_of(channel, typed, errors, where)
        for channel, typed, where in (
            (Channel.SMS, filled.phone, "phone"),
            (Channel.MAIL, filled.email, "email"),
        )
    )
    # What is agreed to, the page says in its own form (`documents`).
    shown = [{"id": "shown", "version": "on the page"}]
    asked = read(CallRequest, request, shop, filled, errors, accepted_terms=shown)
    if errors or asked is None:
        return None, errors
    return (
        ringing.Wish(
            shop_id=shop.id,
            language=language,
            accepted=documents,
            contact=by_phone or by_mail,
            name=asked.name,
            memo=asked.memo,
            source_url=asked.source_url,
            entry_point=asked.entry_point,
            purpose=asked.purpose,
            item_codes=asked.item_codes,
            customer_ip=address_of(request),
            form=form or None,
        ),
        {},
    )


def _choice(
    request: Request,
    session: Session,
    shop: Shop,
    reader: Reader,
    filled: Filled,
    *,
    now: datetime,
    errors: dict[str, str] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    found = availability.of(session, shop, now=now)
    return show(
        request,
        "call_now",
        Frame.of(session, shop, now=now),
        reader=reader,
        status=status,
        is_private=False,
        headers=headers,
        found=found,
        opens=dates.long(found.opens_at, ZoneInfo(shop.zone), reader.language) if found.opens_at else None,
        stop=found.suspension,
        accepted=[f"{each.id}@{each.version}" for each in ringing.documents(session, at=now)],
        form=str(new_id(unix_ms())),
        purposes=tuple(VisitPurpose),
        filled=filled,
        errors={field: reader.says(key) for field, key in (errors or {}).items()},
        book=_book_url(shop, reader, filled.origin),
    )


def _book_url(shop: Shop, reader: Reader, origin: Origin) -> str:
    return shop.booking_page_url or reader.url(f"/s/{shop.id}", origin.query())


def _waiting(request: Request, token: str, *, noted: str = "") -> Response:
    link = admitted(token, LinkRole.CALLER_PAGE)
    now = request.state.received_at
    with database().snapshot() as session:
        call = _found(session.get(Call, link.subject_id))
        shop = session.get_one(Shop, call.shop_id)
        reader = Reader.of(request, usual=call.language)
        member = session.get(StaffMember, (call.shop_id, call.staff_id)) if call.staff_id else None
        is_live = call.status in {Status.RINGING, Status.CONNECTED}
        stands = call.status_at(now)
        return show(
            request,
            "call_now_wait",
            Frame.of(session, shop, now=now, provider=call.provider),
            reader=reader,
            here=f"/n/{token}",
            leads_to=provider_named(call.provider).origins,
            polls=is_live,
            is_live=is_live,
            call=call,
            stands=stands,
            said=_OVER.get(stands, stands.value),
            noted=noted,
            problems=tuple(Symptom),
            path=f"/n/{token}",
            entry=f"/n/{links.token(LinkRole.CALL_NOW_CUSTOMER, call.id)}",
            may_enter=call.may_enter(Side.CUSTOMER, now),
            who=member.name(reader.language) if member else None,
            again=reader.url(f"/s/{shop.id}/call"),
            rebook=rebook_url(shop, reader),
        )


def _entry(request: Request, token: str, link: Link, *, status: int = 200, noted: str = "") -> Response:
    side = ENTRIES[link.role]
    now = request.state.received_at
    with database().snapshot() as session:
        call = _found(session.get(Call, link.subject_id))
        shop = session.get_one(Shop, call.shop_id)
        reader = Reader.of(request, usual=shop.language if side is Side.STAFF else call.language)
        if call.status is Status.CONNECTED:
            state = "open" if call.may_enter(side, now) else "used" if call.entered_at(side) else "ended"
        else:
            state = "ended"
        return show(
            request,
            "call_now_entry",
            Frame.of(session, shop, now=now, provider=call.provider),
            reader=reader,
            status=status,
            here=f"/n/{token}",
            leads_to=provider_named(call.provider).origins,
            path=f"/n/{token}",
            state=state,
            is_away=status == _UNAVAILABLE,
            noted=noted,
            problems=tuple(Symptom),
            is_connected=call.status is Status.CONNECTED,
            is_staff=side is Side.STAFF,
            again=reader.url(f"/s/{shop.id}/call"),
            rebook=rebook_url(shop, reader),
        )


__all__ = ["router"]
