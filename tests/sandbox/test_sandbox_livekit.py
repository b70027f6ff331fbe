"""LiveKit's half: held to LiveKit's published definitions, and driven as its clients drive it."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import jwt
import pytest

from tests.sandbox.protocol_definitions import definitions, faults_of
from tests.sandbox.sandbox_process import Receiver, RunningSandbox, receiving, until

_numbers = count(1)
KEY, SECRET = "key-of-the-tests", "secret-of-the-tests-with-32-bytes-or-more"


@pytest.fixture(scope="module")
def told() -> Iterator[Receiver]:
    """Where webhooks go."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def running(told: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """One sandbox for the module."""
    each = RunningSandbox(
        tmp_path_factory.mktemp("livekit") / "ledger.db",
        LIVEKIT_API_KEY=KEY,
        LIVEKIT_API_SECRET=SECRET,
        LIVEKIT_WEBHOOK_URL=f"{told.url}/webhook",
    )
    yield each
    each.stop()


@pytest.fixture
def livekit(running: RunningSandbox, told: Receiver) -> Iterator[RunningSandbox]:
    """The sandbox, with no rooms and nothing told."""
    told.posts.clear()
    yield running
    running.http.delete(f"{running.url}/_video", timeout=5)


@pytest.fixture
def room() -> str:
    """A room of the test's own."""
    return f"toritsugi-{next(_numbers)}-"


def token(*, secret: str = SECRET, lives_seconds: int = 60, **claims: Any) -> str:
    """Return a token, as LiveKit's own kits make it."""
    plain = {"iss": KEY, "exp": int(time.time()) + lives_seconds}  # noqa: TID251 - the sandbox has the system's time
    return jwt.encode({**plain, **claims}, secret, algorithm="HS256")


def call(livekit: RunningSandbox, method: str, bearer: str | None = None, **asked: Any) -> Any:
    grants = {"roomCreate": True, "roomList": True, "roomAdmin": True, "room": asked.get("room")}
    bearer = token(video=grants) if bearer is None else bearer
    headers = {"Authorization": f"Bearer {bearer}"}
    return livekit.http.post(
        f"{livekit.url}/twirp/livekit.RoomService/{method}", json=asked, headers=headers, timeout=5
    )


def entry(room: str, identity: str = "customer", **more: Any) -> str:
    return token(sub=identity, video={"roomJoin": True, "room": room}, **more)


def join(livekit: RunningSandbox, bearer: str) -> Any:
    return livekit.post("/_video/join", {"token": bearer})


def events(told: Receiver, room: str, least: int) -> list[dict[str, Any]]:
    """Return what was told of one room, once there is so much of it; the test before may still be told of."""
    until(lambda: len(told.about(room)) >= least)
    return [json.loads(post.body) for post in told.about(room)]


def as_answered(method: str, answer: Mapping[str, Any]) -> list[str]:
    return faults_of(answer, definitions().calls[method][1])


# What is published


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("CreateRoom", {"name": "toritsugi-x", "empty_timeout": 60}),
        ("ListRooms", {}),
        ("ListParticipants", {"room": "toritsugi-x"}),
        ("DeleteRoom", {"room": "toritsugi-x"}),
    ],
)
def test_an_answer_is_what_livekit_publishes(livekit: RunningSandbox, method: str, asked: dict[str, Any]) -> None:
    call(livekit, "CreateRoom", name="toritsugi-x")
    join(livekit, entry("toritsugi-x"))

    answer = call(livekit, method, **asked)

    assert answer.status_code == 200
    assert as_answered(method, answer.json()) == []


def test_every_webhook_is_what_livekit_publishes(livekit: RunningSandbox, told: Receiver, room: str) -> None:
    call(livekit, "CreateRoom", name=room)
    participant = join(livekit, entry(room)).json()["participant"]
    livekit.post("/_video/abort", {"token": entry(room, "staff")})
    livekit.post("/_video/leave", {"participant": participant, "reason": "SIGNAL_CLOSE"})
    call(livekit, "DeleteRoom", room=room)

    said = events(told, room, 5)

    assert [each["event"] for each in said] == [
        "room_started",
        "participant_joined",
        "participant_connection_aborted",
        "participant_left",
        "room_finished",
    ]
    assert [fault for each in said for fault in faults_of(each, "WebhookEvent")] == []


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"sid": "RM_1", "colour": "red"}, "Room.colour is not defined"),
        ({"creation_time": 1}, "Room.creation_time is no int64"),
        ({"num_participants": "1"}, "Room.num_participants is no uint32"),
        ({"enabledCodecs": [{"mime": 1}]}, "Room.enabledCodecs.mime is no string"),
    ],
)
def test_the_definitions_object_to_what_is_not_in_them(wrong: dict[str, Any], fault: str) -> None:
    assert faults_of(wrong, "Room") == [fault]


def test_the_definitions_object_to_a_word_that_an_enum_lacks() -> None:
    assert faults_of({"state": "ASLEEP"}, "ParticipantInfo") == ["ParticipantInfo.state is none of the enum"]


# Rooms


def test_a_room_is_made_once_however_often_it_is_asked_for(livekit: RunningSandbox, room: str) -> None:
    first, second = (call(livekit, "CreateRoom", name=room).json() for _ in range(2))

    assert first["sid"] == second["sid"]


def test_a_room_that_is_not_there_cannot_be_deleted(livekit: RunningSandbox, room: str) -> None:
    answer = call(livekit, "DeleteRoom", room="nowhere")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_deleting_a_room_puts_out_whoever_is_in_it(livekit: RunningSandbox, told: Receiver, room: str) -> None:
    call(livekit, "CreateRoom", name=room)
    join(livekit, entry(room))

    call(livekit, "DeleteRoom", room=room)

    assert events(told, room, 4)[2]["participant"]["disconnectReason"] == "ROOM_DELETED"
    assert join(livekit, entry(room)).status_code == 404


@pytest.mark.parametrize(
    ("bearer", "code"),
    [
        # Made when the test runs: a token lives for minutes only.
        (lambda: "nonsense", "unauthenticated"),
        (
            lambda: token(secret="another secret that is long enough for it", video={"roomCreate": True}),
            "unauthenticated",
        ),
        (lambda: token(lives_seconds=-3600, video={"roomCreate": True}), "unauthenticated"),
        (lambda: token(video={"roomJoin": True, "room": "toritsugi-x"}), "permission_denied"),
    ],
    ids=["no token", "another's", "too old", "an entry"],
)
def test_only_a_token_that_may_make_rooms_makes_one(
    livekit: RunningSandbox, bearer: Callable[[], str], code: str, room: str
) -> None:
    assert call(livekit, "CreateRoom", bearer(), name=room).json()["code"] == code


def test_an_unknown_method_has_no_route(livekit: RunningSandbox) -> None:
    assert call(livekit, "PaintRoom").json()["code"] == "bad_route"


# Who is in them


def test_nobody_enters_a_room_that_was_not_made(livekit: RunningSandbox) -> None:
    assert join(livekit, entry("nowhere")).status_code == 404


def test_whoever_is_in_a_room_is_listed_until_they_leave(livekit: RunningSandbox, room: str) -> None:
    call(livekit, "CreateRoom", name=room)
    first, second = (join(livekit, entry(room, side)).json()["participant"] for side in ("customer", "staff"))

    livekit.post("/_video/leave", {"participant": first})

    [listed] = call(livekit, "ListParticipants", room=room).json()["participants"]
    assert (listed["sid"], listed["identity"], listed["state"]) == (second, "staff", "ACTIVE")


def test_nobody_is_in_a_room_that_is_not_there(livekit: RunningSandbox) -> None:
    answer = call(livekit, "ListParticipants", room="nowhere")

    assert (answer.status_code, answer.json()) == (200, {"participants": []})


@pytest.mark.parametrize(
    "grants",
    [{"roomCreate": True}, {"roomAdmin": True}, {"roomAdmin": True, "room": "another"}],
    ids=["makes rooms", "of no room", "of another room"],
)
def test_who_is_in_a_room_is_told_to_its_administrator_alone(
    livekit: RunningSandbox, room: str, grants: dict[str, Any]
) -> None:
    call(livekit, "CreateRoom", name=room)

    for bearer in (token(video=grants), entry(room)):
        assert call(livekit, "ListParticipants", bearer, room=room).json()["code"] == "permission_denied"


def test_nobody_enters_once_the_entrys_time_is_over(livekit: RunningSandbox, room: str) -> None:
    call(livekit, "CreateRoom", name=room)

    assert join(livekit, entry(room, lives_seconds=-3600)).status_code == 401


def test_a_second_device_takes_the_place_of_the_first(livekit: RunningSandbox, told: Receiver, room: str) -> None:
    call(livekit, "CreateRoom", name=room)
    first = join(livekit, entry(room)).json()["participant"]

    join(livekit, entry(room))

    left = events(told, room, 4)[2]
    assert left["participant"]["sid"] == first
    assert left["participant"]["disconnectReason"] == "DUPLICATE_IDENTITY"


def test_the_page_lets_a_person_in_and_out(livekit: RunningSandbox, room: str) -> None:
    call(livekit, "CreateRoom", name=room)
    page = livekit.http.get(f"{livekit.url}/custom", params={"token": entry(room), "liveKitUrl": "ws://x"}, timeout=5)

    inside = livekit.http.post(f"{livekit.url}/custom/join", data={"token": entry(room)}, timeout=5)
    outside = livekit.http.post(inside.url, timeout=5)

    assert "Join" in page.text
    assert "In the call" in inside.text
    assert "The call is over" in outside.text


def test_the_page_lets_nobody_in_without_a_good_token(livekit: RunningSandbox) -> None:
    answer = livekit.http.get(f"{livekit.url}/custom", params={"token": "x", "liveKitUrl": "ws://x"}, timeout=5)

    assert answer.status_code == 403


# What it tells


def test_a_webhook_is_signed_over_its_very_bytes(livekit: RunningSandbox, told: Receiver, room: str) -> None:
    call(livekit, "CreateRoom", name=room)
    events(told, room, 1)

    [post] = told.about(room)
    claims = jwt.decode(post.headers["Authorization"], SECRET, algorithms=["HS256"], issuer=KEY)
    assert base64.b64decode(claims["sha256"]) == hashlib.sha256(post.body).digest()
    assert post.headers["Content-Type"] == "application/webhook+json"


def test_a_webhook_that_met_a_server_error_is_posted_again(livekit: RunningSandbox, told: Receiver, room: str) -> None:
    told.answers.put(503)

    call(livekit, "CreateRoom", name=room)

    first, second = events(told, room, 2)
    assert first["id"] == second["id"]


def test_a_webhook_that_was_refused_is_not_posted_again(livekit: RunningSandbox, told: Receiver, room: str) -> None:
    told.answers.put(403)

    call(livekit, "CreateRoom", name=room)
    call(livekit, "CreateRoom", name=f"{room}another")

    assert len({each["id"] for each in events(told, room, 2)}) == 2


@pytest.mark.parametrize(("kind", "status"), [("refuse_500", 500), ("refuse_503", 503), ("refuse_429", 429)])
def test_a_fault_is_met_once(livekit: RunningSandbox, kind: str, status: int, room: str) -> None:
    livekit.post("/_video/faults", {"kinds": [kind]})

    assert [call(livekit, "CreateRoom", name=room).status_code for _ in range(2)] == [status, 200]
