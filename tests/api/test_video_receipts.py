"""What a provider of video calls reports, believed by signature and kept as evidence; and the page in front of it."""

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import jwt
import pytest
from sqlalchemy import select
from sqlalchemy.orm import class_mapper

from models.booking import Booking
from models.call import FailedSide
from models.call_fact import CallFact, FactKind
from models.job import Job, Name
from models.video_room import VideoRoom
from tests.api.calling import SLOT, Caller, at
from tests.api.video_webhooks import signed
from tests.conftest import StoppedTime
from tests.sandbox.protocol_definitions import faults_of
from tests.worker.desk import NOBODY_LISTENS
from worker import video
from worker.database import Database
from worker.links import LinkRole, token
from worker.settings import Environment, VideoChoice, settings
from worker.video import RoomUnavailable
from worker.video.livekit import LiveKit

BEGINS_AT = at(SLOT)
PATH = "/v1/receipts/video/livekit"
_numbers = count(1)


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what is asked for here, no database decides."""
    file = tmp_path / "toritsugi.db"
    file.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{file}"


class Keeping:
    """A provider's rooms, kept by nobody: what was opened and closed."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.is_away = False

    def open_room(self, name: str, **_: Any) -> str:
        """Have the room, unless nobody is there."""
        if self.is_away:
            raise RoomUnavailable("unavailable")
        self.opened.append(name)
        return "RM_123"


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch) -> Keeping:
    made = Keeping()
    monkeypatch.setattr(LiveKit, "open_room", made.open_room)
    return made


@pytest.fixture(autouse=True)
def livekit(environment: pytest.MonkeyPatch, keeping: Keeping) -> None:
    """Calls are carried by LiveKit; nobody carries a message."""
    for name, value in {
        "VIDEO_PROVIDER": "livekit",
        "LIVEKIT_URL": "https://toritsugi.livekit.cloud",
        "LIVEKIT_MEET_URL": "https://meet.example.jp",
        "TWILIO_API_URL": NOBODY_LISTENS,
        "SENDGRID_API_URL": NOBODY_LISTENS,
    }.items():
        environment.setenv(name, value)


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def booking_id(caller: Caller) -> UUID:
    """A booking whose call can be entered now."""
    made = caller.booked()
    caller.time.move_to(BEGINS_AT - timedelta(minutes=5))
    return made


def tap(caller: Caller, booking_id: UUID, role: LinkRole = LinkRole.CUSTOMER_CALL) -> Any:
    return caller.http.post(f"/c/{token(role, booking_id, 1)}/enter", follow_redirects=False)


def event(kind: str, caller: Caller, *, identity: str = "customer", sid: str = "PA_1", **more: Any) -> dict[str, Any]:
    """Return an event about the only room, told as of now."""
    with caller.database.snapshot() as session:
        name = session.scalars(select(VideoRoom.name)).one()
    said = {
        "event": kind,
        "room": {"sid": "RM_123", "name": name},
        "participant": {"sid": sid, "identity": identity, **more},
        "id": f"EV_{next(_numbers)}",
        "createdAt": str(int(caller.time.at.timestamp())),
    }
    assert faults_of(said, "WebhookEvent") == []
    return said


def tell(caller: Caller, told: Any, *, secret: str | None = None) -> int:
    """Post a webhook as LiveKit does; return the status."""
    body = json.dumps(told).encode()
    return int(caller.http.post(PATH, content=body, headers=signed(body, secret=secret)).status_code)


def facts(caller: Caller, source: str = "livekit") -> Sequence[CallFact]:
    with caller.database.snapshot() as session:
        return session.scalars(select(CallFact).where(CallFact.source == source).order_by(CallFact.at)).all()


def closings(caller: Caller) -> list[Job]:
    return [job for job in caller.jobs(Name.CLOSE_ROOM) if job.due_at is not None and job.due_at <= caller.time.at]


# Evidence


def test_in_production_nobody_signs_with_the_secret_that_everybody_knows(
    caller: Caller, booking_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    tap(caller, booking_id)
    said = event("participant_joined", caller)
    other = {"environment": Environment.PRODUCTION, "video_provider": VideoChoice.JITSI}
    real = settings().model_copy(update=other)
    monkeypatch.setattr(video, "settings", lambda: real)

    assert tell(caller, said) == 403
    assert facts(caller) == []


def test_the_providers_ids_of_room_and_participant_are_kept_with_the_call(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)

    assert tell(caller, event("participant_joined", caller)) == 204

    [fact] = facts(caller)
    assert (fact.booking_id, fact.kind, fact.side) == (booking_id, FactKind.JOINED, FailedSide.CUSTOMER)
    assert (fact.room, fact.participant) == ("RM_123", "PA_1")


def test_the_providers_errors_are_kept_with_the_call_and_its_side(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)

    tell(caller, event("participant_left", caller, identity="staff", disconnectReason="JOIN_FAILURE"))

    [fact] = facts(caller)
    assert (fact.kind, fact.side, fact.error) == (FactKind.FAILED, FailedSide.STAFF, "JOIN_FAILURE")


def test_an_event_that_comes_twice_is_kept_once(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)
    told = event("participant_joined", caller)

    assert [tell(caller, told) for _ in range(2)] == [204, 204]

    assert len(facts(caller)) == 1


def test_both_sides_joining_makes_it_a_call(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)

    for identity in ("customer", "staff"):
        tell(caller, event("participant_joined", caller, identity=identity))

    assert caller.booking(booking_id).status == "in_call"


@pytest.mark.parametrize(
    ("kind", "identity"),
    [("participant_joined", "a recorder"), ("room_finished", "customer"), ("track_published", "customer")],
)
def test_what_is_of_no_side_changes_nothing(caller: Caller, booking_id: UUID, kind: str, identity: str) -> None:
    tap(caller, booking_id)

    assert tell(caller, event(kind, caller, identity=identity)) == 204

    assert facts(caller) == []


def test_a_room_that_is_not_ours_changes_nothing(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)
    told = event("participant_joined", caller)

    assert tell(caller, told | {"room": {"sid": "RM_9", "name": "somebody-elses"}}) == 204

    assert facts(caller) == []


def test_a_room_that_the_booking_has_moved_away_from_says_nothing_of_it(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)
    with caller.database.transaction() as session:
        session.get_one(Booking, booking_id).revision = 2

    tell(caller, event("participant_left", caller))

    assert facts(caller) == []


def test_nothing_of_a_person_is_in_what_is_kept(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)

    tell(caller, event("participant_joined", caller, name="見本 花子", metadata="090-0000-0012"))

    [fact] = facts(caller)
    kept = [str(getattr(fact, column.name)) for column in class_mapper(CallFact).columns]
    assert [each for each in kept if "花子" in each or "0012" in each] == []


# Belief


def test_what_is_signed_with_another_key_is_refused(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)

    status = tell(caller, event("participant_joined", caller), secret="another secret that is long enough for it")

    assert status == 403
    assert facts(caller) == []


def test_a_customers_own_entry_signs_nothing(caller: Caller, booking_id: UUID) -> None:
    [entry] = parse_qs(urlsplit(tap(caller, booking_id).headers["location"]).query)["token"]

    answer = caller.http.post(PATH, json=event("participant_joined", caller), headers={"Authorization": entry})

    assert answer.status_code == 403


@pytest.mark.parametrize("provider", ["jitsi", "jitsi-jwt"])
def test_a_provider_that_signs_nothing_is_believed_nothing(
    caller: Caller, environment: pytest.MonkeyPatch, provider: str
) -> None:
    environment.setenv("JITSI_APP_ID", "toritsugi")
    environment.setenv("JITSI_APP_SECRET", "a secret that is long enough for its purpose")
    settings.cache_clear()

    assert caller.http.post(f"/v1/receipts/video/{provider}", content=b"{}").status_code == 403


# Who is still there


def test_whoever_enters_after_the_end_is_put_out(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)
    caller.time.move_to(caller.booking(booking_id).entry_closes_at)
    with caller.database.transaction() as session:
        session.scalars(select(VideoRoom)).one().close(at=caller.time.at)
        for owed in session.scalars(select(Job).where(Job.name == Name.CLOSE_ROOM)):
            session.delete(owed)

    tell(caller, event("participant_joined", caller))

    assert len(closings(caller)) == 1


def test_whoever_enters_in_time_stays(caller: Caller, booking_id: UUID) -> None:
    tap(caller, booking_id)

    tell(caller, event("participant_joined", caller))

    assert closings(caller) == []


# The page in front of it


def test_a_tap_leads_into_the_providers_room(caller: Caller, booking_id: UUID, keeping: Keeping) -> None:
    answer = tap(caller, booking_id)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://meet.example.jp/custom?")
    assert len(keeping.opened) == 1


def test_a_browser_may_be_led_to_the_provider(caller: Caller, booking_id: UUID) -> None:
    page = caller.http.get(f"/c/{token(LinkRole.CUSTOMER_CALL, booking_id, 1)}")

    assert "https://meet.example.jp" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("language", "words"), [("ja", "つながりませんでした"), ("en", "could not be reached")])
def test_while_the_provider_is_away_the_page_says_so_and_offers_to_try_again(
    caller: Caller, booking_id: UUID, keeping: Keeping, language: str, words: str
) -> None:
    keeping.is_away = True
    link = f"/c/{token(LinkRole.CUSTOMER_CALL, booking_id, 1)}/enter"

    answer = caller.http.post(link, params={"lang": language}, follow_redirects=False)

    assert answer.status_code == 503
    assert words in answer.text
    assert "/enter" in answer.text


def test_a_get_of_the_entry_makes_no_room(caller: Caller, booking_id: UUID, keeping: Keeping) -> None:
    caller.http.get(f"/c/{token(LinkRole.CUSTOMER_CALL, booking_id, 1)}/enter")

    assert keeping.opened == []


def test_no_recording_can_be_made_with_what_a_tap_gives(caller: Caller, booking_id: UUID) -> None:
    [entry] = parse_qs(urlsplit(tap(caller, booking_id, LinkRole.STAFF_CALL).headers["location"]).query)["token"]

    grants = jwt.decode(entry, options={"verify_signature": False})["video"]
    assert set(grants) == {"roomJoin", "room", "canPublish", "canSubscribe", "canPublishData"}


def test_there_is_no_place_for_a_recording() -> None:
    columns = [name for kept in (CallFact, VideoRoom) for name in class_mapper(kept).columns.keys()]  # noqa: SIM118 - no mapping

    assert [name for name in columns if any(word in name for word in ("sealed", "content", "text", "media"))] == []
