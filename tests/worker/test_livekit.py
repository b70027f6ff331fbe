"""LiveKit behind the port: what is asked of it, what its answers mean, what is believed of its webhooks."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from models.booking import Side
from models.call_fact import FactKind
from tests.conftest import StoppedTime
from tests.sandbox.protocol_definitions import FOLDER, definitions, faults_of
from worker.settings import Settings
from worker.vendors.wire import NoAnswer, NotSent, Reply
from worker.video import RoomFact, RoomUnavailable
from worker.video.livekit import FACTS, LEEWAY, NAME, REASONS, LiveKit

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests-with-32-bytes-or-more"
ROOM = "toritsugi-somewhere"
NOW = datetime(2030, 6, 6, 4, 55, tzinfo=UTC)
CLOSES_AT = NOW + timedelta(minutes=50)


@pytest.fixture(autouse=True)
def now(time: StoppedTime) -> None:
    """Business time stands where these tests say that it is."""
    time.move_to(NOW)


class Answering:
    """A wire that answers what it was told to, and keeps what was asked."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, Mapping[str, str], Any]] = []

    def send(self, method: str, url: str, *, headers: Mapping[str, str], **parts: Any) -> Reply:
        """Answer with the next."""
        assert method == "POST"
        self.asked.append((url, headers, json.loads(parts["data"])))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def said(status: int, body: Any) -> Reply:
    return Reply(status, {}, json.dumps(body).encode())


MADE = said(200, {"sid": "RM_123", "name": ROOM})


def listing(*participants: Any) -> Reply:
    return said(200, {"participants": list(participants)})


def one(identity: str = "customer", **more: Any) -> dict[str, Any]:
    """Return a participant as a Twirp server lists it."""
    joined_at = str(int(NOW.timestamp()) - 9)
    return {"sid": "PA_1", "identity": identity, "state": "ACTIVE", "joined_at": joined_at} | more


def livekit(*answers: Reply | Exception) -> tuple[LiveKit, Answering]:
    wire = Answering(*answers)
    chosen = Settings(
        livekit_url="https://toritsugi.livekit.cloud",
        livekit_meet_url="https://meet.example.jp",
        livekit_api_key=KEY,
        livekit_api_secret=SECRET,
    )
    return LiveKit(chosen, wire), wire


def opened(provider: LiveKit) -> str:
    return provider.open_room(ROOM, closes_at=CLOSES_AT, now=NOW)


def claims_in(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, SECRET, algorithms=["HS256"], issuer=KEY, options={"verify_exp": False}))


def entry(side: Side) -> dict[str, list[str]]:
    provider, _ = livekit()
    return parse_qs(urlsplit(provider.entry_url(ROOM, side, closes_at=CLOSES_AT, now=NOW)).query)


# What is asked


def test_whatever_is_asked_is_what_livekit_publishes() -> None:
    provider, wire = livekit(MADE, said(200, {}), listing())

    opened(provider)
    provider.close_room(ROOM)
    provider.who_is_in(ROOM, now=NOW)

    for url, _, asked in wire.asked:
        service, _, method = urlsplit(url).path.removeprefix("/twirp/").partition("/")
        assert service == "livekit.RoomService"
        assert faults_of(asked, definitions().calls[method][0]) == []


def test_an_empty_room_is_kept_for_as_long_as_the_call_may_last() -> None:
    provider, wire = livekit(MADE)

    opened(provider)

    assert wire.asked[0][2] == {"name": ROOM, "empty_timeout": 3000, "departure_timeout": 3000}


def test_what_may_make_rooms_lives_for_minutes_and_is_not_what_enters_them() -> None:
    provider, wire = livekit(MADE)

    opened(provider)

    assert claims_in(wire.asked[0][1]["Authorization"].removeprefix("Bearer "))["video"] == {"roomCreate": True}
    assert "roomCreate" not in claims_in(entry(Side.STAFF)["token"][0])["video"]


def test_who_is_in_a_room_is_asked_as_the_administrator_of_that_room_alone() -> None:
    provider, wire = livekit(listing())

    provider.who_is_in(ROOM, now=NOW)

    claims = claims_in(wire.asked[0][1]["Authorization"].removeprefix("Bearer "))
    assert claims["video"] == {"roomAdmin": True, "room": ROOM}


@pytest.mark.parametrize("side", Side)
def test_an_entry_is_for_one_room_one_side_and_the_calls_own_time(side: Side) -> None:
    claims = claims_in(entry(side)["token"][0])

    assert claims["exp"] == int(CLOSES_AT.timestamp())
    assert claims["sub"] == side
    assert (claims["video"]["room"], claims["video"]["roomJoin"]) == (ROOM, True)


def test_an_entry_leads_to_the_page_and_names_the_server_that_the_page_connects_to() -> None:
    provider, _ = livekit()
    url = provider.entry_url(ROOM, Side.CUSTOMER, closes_at=CLOSES_AT, now=NOW)

    assert url.startswith("https://meet.example.jp/custom?")
    assert entry(Side.CUSTOMER)["liveKitUrl"] == ["wss://toritsugi.livekit.cloud"]
    assert provider.origins == ("https://meet.example.jp",)


# What its answers mean


def test_a_room_that_was_made_is_known_by_the_providers_own_id() -> None:
    provider, _ = livekit(MADE)

    assert opened(provider) == "RM_123"


@pytest.mark.parametrize("failure", [NotSent(), NoAnswer(), said(503, {"code": "unavailable"}), said(500, "?")])
def test_making_a_room_is_tried_once_more_since_it_does_no_harm(failure: Reply | Exception) -> None:
    provider, _ = livekit(failure, MADE)

    assert opened(provider) == "RM_123"


def test_what_took_long_is_not_tried_again_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.video.livekit.QUICK_SECONDS", 0.0)
    provider, wire = livekit(NoAnswer(), MADE)

    with pytest.raises(RoomUnavailable):
        opened(provider)

    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([NotSent(), NotSent()], "not_sent"),
        ([NoAnswer(), NoAnswer()], "no_answer"),
        ([NotSent(), said(503, {"code": "unavailable"})], "unavailable"),
        ([said(401, {"code": "unauthenticated"})], "unauthenticated"),
        ([said(429, {"code": "resource_exhausted"})], "resource_exhausted"),
        ([said(404, "<html>")], "404"),  # somebody in between
        ([said(302, {})], "302"),
        ([said(200, {"name": ROOM})], "unreadable"),
        ([said(200, ["no room"])], "unreadable"),
        ([Reply(200, {}, b"It works!")], "unreadable"),
        ([said(200, {"sid": "<script>"})], "unreadable"),
        ([said(400, {"code": "a text with a name in it"})], "400"),
    ],
)
def test_whatever_else_comes_of_it_is_the_ports_own_error(answers: list[Reply | Exception], code: str) -> None:
    provider, wire = livekit(*answers)

    with pytest.raises(RoomUnavailable) as refused:
        opened(provider)

    assert refused.value.code == code
    assert len(wire.asked) == len(answers)


def test_a_room_that_is_not_there_is_closed() -> None:
    provider, _ = livekit(said(404, {"code": "not_found", "msg": "requested room does not exist"}))

    provider.close_room(ROOM)


@pytest.mark.parametrize("absence", [said(404, {"code": "bad_route"}), said(404, "<html>")])
def test_a_404_that_is_not_about_the_room_closes_nothing(absence: Reply) -> None:
    provider, _ = livekit(absence)

    with pytest.raises(RoomUnavailable):
        provider.close_room(ROOM)


def test_whoever_is_in_a_room_has_joined_it_as_a_webhook_would_have_told() -> None:
    assert faults_of(one(), "ParticipantInfo") == []
    provider, _ = livekit(listing(one()))

    seen = provider.who_is_in(ROOM, now=NOW)

    at = NOW - timedelta(seconds=9)
    assert seen == [RoomFact(NAME, ROOM, None, FactKind.JOINED, Side.CUSTOMER, "PA_1", None, "in:PA_1", at)]


@pytest.mark.parametrize("participant", [one(joined_at="soon"), one(joined_at=None)])
def test_who_is_seen_and_when_they_came_is_not_said_is_there_now(participant: dict[str, Any]) -> None:
    provider, _ = livekit(listing(participant))

    assert [fact.at for fact in provider.who_is_in(ROOM, now=NOW)] == [NOW]


@pytest.mark.parametrize("state", sorted(definitions().enums["ParticipantInfo.State"] - {"ACTIVE"}))
def test_who_did_not_get_through_to_a_room_is_not_in_it(state: str) -> None:
    provider, _ = livekit(listing(one(state=state), one("staff", sid="PA_2")))

    assert [fact.side for fact in provider.who_is_in(ROOM, now=NOW)] == [Side.STAFF]


def test_somebody_else_in_a_room_is_of_no_side() -> None:
    provider, _ = livekit(listing(one("a recorder")))

    assert [fact.side for fact in provider.who_is_in(ROOM, now=NOW)] == [None]


@pytest.mark.parametrize(
    "empty",
    [listing(), said(200, {}), said(404, {"code": "not_found"}), listing("nobody", one(sid="<script>"))],
    ids=["none", "left out", "no room", "nobody who can be told of"],
)
def test_nobody_is_in_an_empty_room(empty: Reply) -> None:
    provider, _ = livekit(empty)

    assert provider.who_is_in(ROOM, now=NOW) == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (NotSent(), "not_sent"),
        (NoAnswer(), "no_answer"),
        (said(503, {"code": "unavailable"}), "unavailable"),
        (said(403, {"code": "permission_denied"}), "permission_denied"),
        (said(404, "<html>"), "404"),
        (said(200, ["nobody"]), "unreadable"),
        (said(200, {"participants": "nobody"}), "unreadable"),
        (Reply(200, {}, b"It works!"), "unreadable"),
    ],
)
def test_a_room_that_could_not_be_looked_into_is_not_an_empty_one(answer: Reply | Exception, code: str) -> None:
    provider, wire = livekit(answer)

    with pytest.raises(RoomUnavailable) as refused:
        provider.who_is_in(ROOM, now=NOW)

    assert refused.value.code == code
    assert len(wire.asked) == 1


def test_neither_the_error_nor_what_it_came_from_quotes_a_token() -> None:
    provider, _ = livekit(NoAnswer(), NoAnswer())

    with pytest.raises(RoomUnavailable) as refused:
        opened(provider)

    assert str(refused.value) == "no_answer"
    assert refused.value.__cause__ is None


# What is believed of its webhooks


def event(**changes: Any) -> dict[str, Any]:
    plain = {
        "event": "participant_joined",
        "room": {"sid": "RM_123", "name": ROOM},
        "participant": {"sid": "PA_1", "identity": "customer", "state": "ACTIVE"},
        "id": "EV_1",
        "createdAt": str(int(NOW.timestamp())),
    }
    return plain | changes


def signed(body: bytes, *, secret: str = SECRET, at: datetime = NOW, **claims: Any) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    plain = {"iss": KEY, "exp": int((at + timedelta(minutes=5)).timestamp()), "sha256": digest}
    return {"authorization": jwt.encode({**plain, **claims}, secret, algorithm="HS256")}


def heard(told: Any, headers: Mapping[str, str] | None = None, *, now: datetime = NOW) -> list[RoomFact] | None:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    provider, _ = livekit()
    return provider.read_facts(body, signed(body) if headers is None else headers, now=now)


def test_a_webhook_says_who_joined_which_room_and_when() -> None:
    assert faults_of(event(), "WebhookEvent") == []
    assert heard(event()) == [
        RoomFact(NAME, ROOM, "RM_123", FactKind.JOINED, Side.CUSTOMER, "PA_1", None, "EV_1", NOW),
    ]


BODY = json.dumps(event()).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "nonsense"},
        signed(BODY, secret="another secret that is long enough for it"),
        signed(b"another body"),
        signed(BODY, iss="another key"),
        signed(BODY, sha256=None),
        signed(BODY, exp="soon"),
        signed(BODY, at=NOW - timedelta(minutes=5) - LEEWAY),
        {"authorization": entry(Side.CUSTOMER)["token"][0]},  # signed with the same secret, and in a customer's hands
        {"authorization": jwt.encode({"iss": KEY, "exp": 2**40}, "", algorithm="none")},
    ],
    ids=["none", "nonsense", "secret", "body", "key", "no hash", "no time", "old", "an entry", "unsigned"],
)
def test_what_is_not_signed_for_these_bytes_just_now_is_not_believed(headers: Mapping[str, str]) -> None:
    assert heard(BODY, headers) is None


@pytest.mark.parametrize(
    ("reason", "kind", "error"),
    [
        ("CLIENT_INITIATED", FactKind.LEFT, None),
        ("DUPLICATE_IDENTITY", FactKind.LEFT, None),
        ("ROOM_DELETED", FactKind.LEFT, None),
        ("MEDIA_FAILURE", FactKind.LEFT, "MEDIA_FAILURE"),
        ("CONNECTION_TIMEOUT", FactKind.LEFT, "CONNECTION_TIMEOUT"),
        ("JOIN_FAILURE", FactKind.FAILED, "JOIN_FAILURE"),
        ("A_NEW_ONE", FactKind.LEFT, "A_NEW_ONE"),
    ],
)
def test_why_somebody_left_is_kept_where_it_is_an_error(reason: str, kind: FactKind, error: str | None) -> None:
    who = {"sid": "PA_1", "identity": "staff", "disconnectReason": reason}

    [fact] = heard(event(event="participant_left", participant=who)) or []

    assert (fact.kind, fact.side, fact.error) == (kind, Side.STAFF, error)


def test_a_connection_that_never_came_up_is_a_failure_of_its_side() -> None:
    [fact] = heard(event(event="participant_connection_aborted")) or []

    assert (fact.kind, fact.side, fact.error) == (FactKind.FAILED, Side.CUSTOMER, "connection_aborted")


def test_somebody_whom_we_let_in_by_no_entry_is_of_no_side() -> None:
    [fact] = heard(event(participant={"sid": "PA_9", "identity": "a recorder"})) or []

    assert fact.side is None


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", json.dumps(event(createdAt="soon")).encode(), b'{"room": 1}'])
def test_a_webhook_that_cannot_be_read_says_nothing(body: bytes) -> None:
    assert heard(body) == []


def test_every_reason_that_livekit_publishes_has_its_meaning() -> None:
    assert set(REASONS) == definitions().enums["DisconnectReason"]


def test_every_event_that_livekit_publishes_has_its_meaning() -> None:
    # The definition lists them in a remark, as the field is a text.
    text = (FOLDER / "livekit_webhook.proto").read_text()
    remark = text[text.index("// one of") : text.index("string event")]

    published = {word.strip(" ,\n") for word in remark.replace("//", "").removeprefix(" one of").split(",")}
    assert set(FACTS) == published
