"""The form behind the booking page by which a customer asks something about the booking (B30, B34)."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from api.arrivals import ReceivedAt
from api.pages.asking import Times, admitted, confirmed_once, found
from api.pages.failing import LinkUnknown, PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, see_other, show
from api.resources import is_plain_text
from models.booking import Booking
from models.errors import IllegalMove, TooManyRequests
from models.inquiry import LONGEST_INQUIRY, Topic
from models.shop import Shop
from worker import bookings, inquiries
from worker.database import database
from worker.links import LinkRole

router = APIRouter(route_class=PageRoute)
_INVALID, _TOO_MANY = 422, 429


@router.api_route("/b/{token}/ask", methods=["GET", "HEAD"])
def form(request: Request, token: str, received_at: ReceivedAt, sent: str = "") -> Response:
    """Ask what it is about."""
    return _form(request, token, received_at, is_sent=sent == "1")


@router.post("/b/{token}/ask")
def receive(
    request: Request,
    token: str,
    received_at: ReceivedAt,
    topic: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
) -> Response:
    """Take the inquiry; who answers it is told by a message."""
    link = admitted(token, LinkRole.BOOKING_PAGE)
    # A browser ends the lines of a text area with CR LF.
    said = text.replace("\r\n", "\n").strip()
    errors = _faults(topic, said)
    if errors:
        return _form(request, token, received_at, topic=topic, text=said, errors=errors, status=_INVALID)

    def act(session: Session) -> str:
        booking = found(bookings.locked(session, link.subject_id))
        reader = Reader.of(request, usual=booking.language)
        inquiries.receive(session, booking, Topic(topic), said, language=reader.language, received_at=received_at)
        return reader.url(f"/b/{token}/ask", sent="1")

    try:
        return see_other(database().transact(act))
    except IllegalMove:
        raise LinkUnknown from None
    except TooManyRequests:
        errors = {"text": "inquiry.too_many"}
        return _form(request, token, received_at, topic=topic, text=said, errors=errors, status=_TOO_MANY)


def _faults(topic: str, text: str) -> dict[str, str]:
    errors = {} if topic in set(Topic) else {"topic": "inquiry.topic_missing"}
    if not text:
        errors["text"] = "inquiry.text_missing"
    elif len(text) > LONGEST_INQUIRY or not is_plain_text(text):
        errors["text"] = "inquiry.text_invalid"
    return errors


def _form(
    request: Request,
    token: str,
    received_at: ReceivedAt,
    *,
    topic: str = Topic.BOOKING,
    text: str = "",
    errors: dict[str, str] | None = None,
    status: int = 200,
    is_sent: bool = False,
) -> Response:
    link = admitted(token, LinkRole.BOOKING_PAGE)
    with database().snapshot() as session:
        booking = confirmed_once(session.get(Booking, link.subject_id))
        reader = Reader.of(request, usual=booking.language)
        said = {field: reader.says(key) for field, key in (errors or {}).items()}
        values: dict[str, Any] = {"topic": topic, "text": text, "errors": said, "is_sent": is_sent}
        return show(
            request,
            "inquiry",
            Frame.of(session, session.get_one(Shop, booking.shop_id), now=received_at, provider=booking.provider),
            reader=reader,
            here=None if request.method in {"GET", "HEAD"} else f"/b/{token}/ask",
            status=status,
            booking=booking,
            times=Times.of(booking, reader),
            path=f"/b/{token}",
            topics=list(Topic),
            reaches_provider=inquiries.reaches_provider(),
            **values,
        )
