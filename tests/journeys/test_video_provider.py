"""A call at the provider that the sandbox plays, from the tap to the end, by real processes and over HTTP both ways."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select

from models.booking import Booking, Status
from models.call_fact import CallFact, FactKind
from models.video_room import VideoRoom
from tests.journeys.conftest import Running
from worker.clock import Clock

PHONE = "+819000000012"
STAFF = "staff@queens-court.example.jp"


@pytest.fixture(scope="module")
def running(run_stack: Callable[..., AbstractContextManager[Running]]) -> Iterator[Running]:
    """A stack whose calls LiveKit carries."""
    with run_stack("sqlite", one_worker=True, without=("flower",), settings={"VIDEO_PROVIDER": "livekit"}) as stack:
        yield stack


def booked(running: Running, until: Callable[..., Any]) -> dict[str, Any]:
    """Book a call; return what the API says of it."""
    slot = running.slots("queens-court")[0]
    held = running.ask("/v1/bookings", running.wish("queens-court", slot, phone=PHONE)).json()
    code = until(lambda: running.code_sent_to(PHONE), "the code arrived")
    done = running.ask(f"/v1/bookings/{held['id']}/code", {"code": code})
    assert done.status_code == 200, done.text
    return dict(done.json())


def move_to(running: Running, at: datetime) -> None:
    """Move everybody's time forward; every process has seen it a second later."""
    clock = Clock(running.database.engine)
    clock.advance(at - clock.now())


def rooms_there(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{running.inbox}/_video", timeout=30).json()["rooms"]
    return found


def room_of(running: Running) -> VideoRoom:
    with running.database.snapshot() as session:
        return session.scalars(select(VideoRoom)).one()


def facts_told(running: Running) -> list[CallFact]:
    query = select(CallFact).where(CallFact.source == "livekit").order_by(CallFact.at, CallFact.id)
    with running.database.snapshot() as session:
        return list(session.scalars(query))


def test_a_call_is_entered_at_the_tap_told_of_by_webhooks_and_closed_at_the_end(
    running: Running, until: Callable[..., Any]
) -> None:
    booking = booked(running, until)
    assert rooms_there(running) == []
    move_to(running, datetime.fromisoformat(booking["starts_at"]) - timedelta(minutes=5))
    links = [booking["call_url"], until(lambda: staff_link(running), "the shop was told")]

    tokens = [until(lambda link=link: token_behind(link), "the call could be entered") for link in links]
    joined = [requests.post(f"{running.inbox}/_video/join", json={"token": each}, timeout=30) for each in tokens]
    assert [answer.status_code for answer in joined] == [201, 201]
    told = until(lambda: len(found := facts_told(running)) == 2 and found, "both were told of")
    assert {(fact.kind, fact.side.value) for fact in told} == {
        (FactKind.JOINED, "customer"),
        (FactKind.JOINED, "staff"),
    }
    with running.database.snapshot() as session:
        assert session.scalars(select(Booking)).one().status is Status.IN_CALL

    move_to(running, room_of(running).closes_at)
    until(lambda: rooms_there(running) == [], "the room was closed")
    again = requests.post(f"{running.inbox}/_video/join", json={"token": tokens[0]}, timeout=30)
    assert again.status_code in {401, 404}
    left = until(lambda: [each for each in facts_told(running) if each.kind is FactKind.LEFT][1:], "both had left")
    assert left
    until(lambda: room_of(running).closed_at, "the closing was on record")


def staff_link(running: Running) -> str | None:
    """Return the staff's link, as the notice to the shop bears it."""
    texts = [letter["text"] for letter in running.sent(to=STAFF)]
    found = [link for text in texts for link in re.findall(r"https?://\S+/c/[\w-]+", text)]
    return found[0] if found else None


def token_behind(link: str) -> str | None:
    """Tap a link; return the token that the provider's page is given, once the page lets one in."""
    answer = requests.post(f"{link}/enter", timeout=30, allow_redirects=False)
    if answer.status_code != 303:
        return None
    return parse_qs(urlsplit(answer.headers["location"]).query)["token"][0]
