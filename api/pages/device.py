"""The device check: which browsers serve, whether camera and microphone answer (B26). It records and sends nothing."""

from fastapi import APIRouter, Request, Response

from api.arrivals import ReceivedAt
from api.pages.failing import PageRoute
from api.pages.reader import Reader
from api.pages.showing import Frame, show
from models.shop import Shop
from worker.database import database

router = APIRouter(route_class=PageRoute)


@router.api_route("/device-check", methods=["GET", "HEAD"])
def check(request: Request, received_at: ReceivedAt, shop: str = "") -> Response:
    """Show the check; `?shop=` frames it for one shop."""
    with database().snapshot() as session:
        frame = Frame.of(session, session.get(Shop, shop), now=received_at)
    reader = Reader.of(request, otherwise=frame.shop.language if frame.shop else "ja")
    return show(request, "device", frame, reader=reader, is_private=False, needs_camera=True)
