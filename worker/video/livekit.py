"""Rooms at LiveKit: made at the tap, entered with a token of ours, closed by us; its signed webhooks, its codes.

LiveKit Cloud is paid; the same server can be run by oneself. The project must not make rooms by itself (`auto_create`),
or a client that was put out could bring a closed room back.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jwt

from models.booking import Side
from models.call_fact import FactKind
from worker.clock import clock
from worker.settings import Settings
from worker.vendors.wire import NoAnswer, NotSent, Reply, Sender, Wire
from worker.video import RoomFact, RoomUnavailable

NAME: Final = "livekit"
READ_SECONDS: Final = 5.0
"""How long an answer may take. Somebody waits at the other end, and both calls may be made again."""
QUICK_SECONDS: Final = 2.0
"""What failed faster than this is tried once more. Somebody who has waited longer can press again, and no request of
the API is held up for longer than one slow answer takes."""
LEEWAY: Final = timedelta(seconds=60)
"""How far the clock of whoever signed a webhook may be from ours."""
CALL_TOKEN_LIFE: Final = timedelta(minutes=5)
SHORTEST_TIMEOUT_SECONDS: Final = 60

FACTS: Mapping[str, FactKind | None] = MappingProxyType(
    {
        "room_started": None,
        "room_finished": None,
        "participant_joined": FactKind.JOINED,
        "participant_left": FactKind.LEFT,
        "participant_connection_aborted": FactKind.FAILED,
        "track_published": None,
        "track_unpublished": None,
        "egress_started": None,
        "egress_updated": None,
        "egress_ended": None,
        "ingress_started": None,
        "ingress_ended": None,
        "agent_job_started": None,
        "agent_job_ended": None,
    }
)
"""What an event says of a side; None says nothing of one. An event that is not here says nothing either.

Source: https://github.com/livekit/protocol, `protobufs/livekit_webhook.proto`, `WebhookEvent.event`.
"""

REASONS: Mapping[str, bool] = MappingProxyType(
    {
        "UNKNOWN_REASON": False,
        "CLIENT_INITIATED": False,
        "DUPLICATE_IDENTITY": False,
        "SERVER_SHUTDOWN": True,
        "PARTICIPANT_REMOVED": False,
        "ROOM_DELETED": False,
        "STATE_MISMATCH": True,
        "JOIN_FAILURE": True,
        "MIGRATION": False,
        "SIGNAL_CLOSE": True,
        "ROOM_CLOSED": False,
        "USER_UNAVAILABLE": True,
        "USER_REJECTED": True,
        "SIP_TRUNK_FAILURE": True,
        "CONNECTION_TIMEOUT": True,
        "MEDIA_FAILURE": True,
        "AGENT_ERROR": True,
    }
)
"""Why somebody left, and whether that is an error worth keeping (B26, B33).

Source: https://github.com/livekit/protocol, `protobufs/livekit_models.proto`, `DisconnectReason`.
"""

_MAKES_ROOMS: Mapping[str, Any] = MappingProxyType({"roomCreate": True})
_GOT_THROUGH: Final = "ACTIVE"
"""The state from which on LiveKit tells by webhook that somebody joined: before it no media flows.

Source: https://github.com/livekit/protocol, `protobufs/livekit_models.proto`, `ParticipantInfo.State`.
"""
_NEVER_IN = frozenset({"JOIN_FAILURE"})
_HTTP_OK, _HTTP_NOT_FOUND, _HTTP_SERVER_ERROR = 200, 404, 500
_TWIRP_CODE = re.compile(r"[a-z_]{1,40}")
_ID = re.compile(r"[\w-]{1,120}")
_NAMES = MappingProxyType({Side.CUSTOMER: "お客様 / Customer", Side.STAFF: "コンシェルジュ / Concierge"})


class LiveKit:
    """One LiveKit project, and the LiveKit Meet page that its rooms are entered by.

    Args:
        chosen: whose project.
        wire: what requests are made with; None makes one for each.

    Source: https://github.com/livekit/protocol, `protobufs/livekit_room.proto` (service RoomService, over Twirp).
    """

    name: Final = NAME
    display_name: Final = "LiveKit"
    terms_document_id: Final = "provider-terms-livekit"
    keeps_rooms: Final = True

    def __init__(self, chosen: Settings, wire: Sender | None = None) -> None:
        self._host = chosen.livekit_url.rstrip("/")
        self._meet_url = chosen.livekit_meet_url.rstrip("/")
        self._key = chosen.livekit_api_key
        self._secret = chosen.livekit_api_secret
        self._connect_seconds = chosen.vendor_connect_seconds
        self._wire = wire

    @property
    def origins(self) -> tuple[str, ...]:
        """The page's own origin."""
        parts = urlsplit(self._meet_url)
        return (f"{parts.scheme}://{parts.netloc}",)

    def open_room(self, name: str, *, closes_at: datetime, now: datetime) -> str:
        """Create the room, or find that it is there: creating is idempotent by name.

        An empty room is kept until the call's time is over, so that who drops out comes back to the same one.

        Raises:
            RoomUnavailable: LiveKit refused, or was not heard.
        """
        stays_seconds = max(SHORTEST_TIMEOUT_SECONDS, int((closes_at - now).total_seconds()))
        wanted = {"name": name, "empty_timeout": stays_seconds, "departure_timeout": stays_seconds}
        answer = self._call("CreateRoom", wanted).json
        room_id = answer.get("sid") if isinstance(answer, dict) else None
        if not isinstance(room_id, str) or not _ID.fullmatch(room_id):
            raise RoomUnavailable("unreadable")
        return room_id

    def entry_url(self, name: str, side: Side, *, closes_at: datetime, now: datetime) -> str:  # noqa: ARG002 - it is good from now on
        """Return the page with a token for this room and side.

        One side is one participant: who enters from a second device takes the place of the first. Nothing in the token
        names a person or lets its bearer make, list or administrate rooms.

        Source: https://docs.livekit.io/home/get-started/authentication/ (claims and video grants).
        """
        grants = {"roomJoin": True, "room": name, "canPublish": True, "canSubscribe": True, "canPublishData": True}
        claims = {"sub": side.value, "name": _NAMES[side], "exp": int(closes_at.timestamp()), "video": grants}
        return f"{self._meet_url}/custom?{urlencode({'liveKitUrl': self._socket_url, 'token': self._signed(claims)})}"

    def close_room(self, name: str) -> None:
        """Delete the room, which disconnects everybody in it; one that is not there is deleted.

        Raises:
            RoomUnavailable: LiveKit refused, or was not heard.
        """
        self._call("DeleteRoom", {"room": name}, absent_is_well=True)

    def who_is_in(self, name: str, *, now: datetime) -> list[RoomFact]:
        """Return a joining of each participant who is active, as `participant_joined` would have told it.

        It is asked one time, since whoever asks asks again.

        Raises:
            RoomUnavailable: LiveKit refused, or was not heard.
        """
        answer = self._once("ListParticipants", {"room": name}, grants={"roomAdmin": True, "room": name})
        if isinstance(answer, str):
            raise RoomUnavailable(answer)
        if _is_absence(answer):
            return []
        if answer.status != _HTTP_OK:
            raise RoomUnavailable(_code(answer))
        body = answer.json
        # In JSON an empty list may be left out.
        listed = body.get("participants", []) if isinstance(body, dict) else None
        if not isinstance(listed, list):
            raise RoomUnavailable("unreadable")
        found = (_presence(name, who, now=now) for who in listed if isinstance(who, dict))
        return [fact for fact in found if fact is not None]

    def read_facts(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[RoomFact] | None:
        """Return what one webhook says; None if it bears no token of our key that stands for these very bytes.

        Source: https://docs.livekit.io/home/server/webhooks/ (a JWT in `Authorization`, the body's hash in it).
        """
        if not self._is_genuine(body, headers.get("authorization", ""), now=now):
            return None
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            return []
        fact = _fact(event) if isinstance(event, dict) else None
        return [] if fact is None else [fact]

    def _is_genuine(self, body: bytes, token: str, *, now: datetime) -> bool:
        options: Any = {"require": ["iss", "exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims = jwt.decode(
                token.removeprefix("Bearer "),
                self._secret.get_secret_value(),
                algorithms=["HS256"],
                issuer=self._key,
                options=options,
            )
            told = base64.b64decode(str(claims.get("sha256", "")), validate=True)
            good_until = datetime.fromtimestamp(int(claims["exp"]), UTC)
        except (jwt.PyJWTError, binascii.Error, ValueError, TypeError, OverflowError, OSError):
            return False
        # An entry is signed with the same secret, and lives for hours: what has no hash of a body is no webhook.
        return hmac.compare_digest(told, hashlib.sha256(body).digest()) and now < good_until + LEEWAY

    @property
    def _socket_url(self) -> str:
        parts = urlsplit(self._host)
        return parts._replace(scheme={"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)).geturl()

    @property
    def _http_url(self) -> str:
        parts = urlsplit(self._host)
        return parts._replace(scheme={"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)).geturl()

    def _signed(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode({"iss": self._key, **claims}, self._secret.get_secret_value(), algorithm="HS256")

    def _call(self, method: str, message: Mapping[str, Any], *, absent_is_well: bool = False) -> Reply:
        """Make one call, once more if it was not heard or not done: rooms may be made and deleted twice."""
        began = monotonic()
        answer = self._once(method, message, grants=_MAKES_ROOMS)
        is_done = isinstance(answer, Reply) and answer.status < _HTTP_SERVER_ERROR
        if not is_done and monotonic() - began < QUICK_SECONDS:
            answer = self._once(method, message, grants=_MAKES_ROOMS)
        if isinstance(answer, str):
            raise RoomUnavailable(answer)
        if answer.status == _HTTP_OK or (absent_is_well and _is_absence(answer)):
            return answer
        raise RoomUnavailable(_code(answer))

    def _once(self, method: str, message: Mapping[str, Any], *, grants: Mapping[str, Any]) -> Reply | str:
        """Make one request; return the answer, or in one word why there is none."""
        # Business time, as in entries: the sandbox moves along with it.
        until = clock().now() + CALL_TOKEN_LIFE
        token = self._signed({"exp": int(until.timestamp()), "video": dict(grants)})
        wire = self._wire or Wire(connect_seconds=self._connect_seconds, read_seconds=READ_SECONDS)
        try:
            return wire.send(
                "POST",
                f"{self._http_url}/twirp/livekit.RoomService/{method}",
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                data=json.dumps(message).encode(),
            )
        except NotSent:
            return "not_sent"
        except NoAnswer:
            return "no_answer"
        finally:
            if isinstance(wire, Wire) and wire is not self._wire:
                wire.close()


def _code(reply: Reply) -> str:
    """Return Twirp's code of a refusal, or the bare status of one that is not LiveKit's own."""
    body = reply.json
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and _TWIRP_CODE.fullmatch(code) else str(reply.status)


def _is_absence(reply: Reply) -> bool:
    # A 404 of a proxy, or of a wrong path (`bad_route`), says nothing about the room.
    return reply.status == _HTTP_NOT_FOUND and _code(reply) == "not_found"


def _fact(event: Mapping[str, Any]) -> RoomFact | None:
    room, who = _part(event, "room"), _part(event, "participant")
    name, event_id, told_as = room.get("name"), event.get("id"), str(event.get("event"))
    at = _instant(event.get("createdAt", event.get("created_at")))
    if not isinstance(name, str) or not isinstance(event_id, str) or not _ID.fullmatch(event_id) or at is None:
        return None
    kind = FACTS.get(told_as)
    reason = str(who.get("disconnectReason", who.get("disconnect_reason", "")))
    if kind is FactKind.LEFT and reason in _NEVER_IN:
        kind = FactKind.FAILED
    error = reason if REASONS.get(reason, bool(reason)) else None
    return RoomFact(
        provider=NAME,
        room_name=name[:100],
        room_id=_id(room.get("sid")),
        kind=kind,
        side=_side(who),
        participant_id=_id(who.get("sid")),
        error=(error or ("connection_aborted" if kind is FactKind.FAILED else ""))[:64] or None,
        fact_key=event_id,
        at=at,
    )


def _presence(room_name: str, who: Mapping[str, Any], *, now: datetime) -> RoomFact | None:
    participant_id = _id(who.get("sid"))
    if who.get("state") != _GOT_THROUGH or participant_id is None:
        return None
    return RoomFact(
        provider=NAME,
        room_name=room_name,
        room_id=None,
        kind=FactKind.JOINED,
        side=_side(who),
        participant_id=participant_id,
        error=None,
        fact_key=f"in:{participant_id}",
        at=_instant(who.get("joined_at", who.get("joinedAt"))) or now,
    )


def _side(who: Mapping[str, Any]) -> Side | None:
    return next((side for side in Side if side == who.get("identity")), None)


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    return part if isinstance(part, dict) else {}


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _instant(value: object) -> datetime | None:
    # Seconds; 64-bit numbers travel as text.
    try:
        return datetime.fromtimestamp(int(str(value)), UTC)
    except (ValueError, OverflowError, OSError):
        return None
