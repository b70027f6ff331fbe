"""LiveKit's RoomService over Twirp, its tokens and its webhooks; and a page in the place of LiveKit Meet.

Shapes follow LiveKit's protocol definitions, where `auto_create` is off: a room is there from `CreateRoom` until
`DeleteRoom`. Who is in a room is played by `/_video/join` and `/_video/leave`, by tests or on the page. Rooms live in
memory, as in a server that was started again.
"""

import asyncio
import base64
import hashlib
import json
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from time import sleep
from typing import Annotated, Any, Literal

import jwt
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from sandbox import chance
from sandbox.answers import Desk
from sandbox.door import Unanswered
from sandbox.line import Line

log = logging.getLogger(__name__)

LEEWAY_SECONDS = 60
WEBHOOK_TOKEN_SECONDS = 300
RETRIES = 3
SLOW_SECONDS = 30.0
NAME_LENGTH = 256
"""Longest name of a room that a server takes unless told otherwise."""


@dataclass(frozen=True)
class Problem:
    """One of Twirp's errors, with the HTTP status that its specification gives it."""

    code: str
    status: int
    message: str

    def answer(self) -> Response:
        """Return the error as LiveKit answers it."""
        return JSONResponse({"code": self.code, "msg": self.message}, status_code=self.status)


UNAUTHENTICATED = Problem("unauthenticated", 401, "invalid token")
FORBIDDEN = Problem("permission_denied", 403, "permissions denied")
NO_SUCH_ROOM = Problem("not_found", 404, "requested room does not exist")
NO_ROUTE = Problem("bad_route", 404, "no handler for path")
MALFORMED = Problem("malformed", 400, "the json request could not be decoded")
_PLAYED = {
    "refuse_500": Problem("internal", 500, "internal error"),
    "refuse_503": Problem("unavailable", 503, "unavailable"),
    "refuse_429": Problem("resource_exhausted", 429, "limit exceeded"),
}


@dataclass
class Participant:
    """Somebody in a room."""

    sid: str
    identity: str
    name: str
    joined_at: float
    permission: Mapping[str, bool]

    def shown(self, *, state: str, camel: bool, reason: str | None = None) -> dict[str, Any]:
        """Return `ParticipantInfo` as JSON."""
        full = {
            "sid": self.sid,
            "identity": self.identity,
            "name": self.name,
            "state": state,
            "joined_at": str(int(self.joined_at)),
            "joined_at_ms": str(int(self.joined_at * 1000)),
            "permission": {_named(key, camel=camel): value for key, value in self.permission.items()},
            "is_publisher": True,
        }
        if reason:
            full["disconnect_reason"] = reason
        return {_named(key, camel=camel): value for key, value in full.items()}


@dataclass
class Room:
    """One room."""

    sid: str
    name: str
    empty_timeout: int
    departure_timeout: int
    made_at: float
    participants: dict[str, Participant] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """Return `Room` as a Twirp server answers it: its own names, defaults spelt out, 64-bit numbers as text."""
        return {
            "sid": self.sid,
            "name": self.name,
            "empty_timeout": self.empty_timeout,
            "departure_timeout": self.departure_timeout,
            "max_participants": 0,
            "creation_time": str(int(self.made_at)),
            "creation_time_ms": str(int(self.made_at * 1000)),
            "turn_password": "",
            "enabled_codecs": [{"mime": "audio/opus", "fmtp_line": ""}, {"mime": "video/VP8", "fmtp_line": ""}],
            "metadata": "",
            "num_participants": len(self.participants),
            "num_publishers": len(self.participants),
            "active_recording": False,
        }

    def told(self) -> dict[str, Any]:
        """Return `Room` as a webhook tells it: JSON's own names, and no defaults."""
        return {_named(key, camel=True): value for key, value in self.shown().items() if value}


class Rooms:
    """All rooms, and what the server tells of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings = desk.settings
        self._lock = threading.RLock()
        self._rooms: dict[str, Room] = {}
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.calls: list[str] = []
        self.posted: list[dict[str, Any]] = []
        self.faults: deque[str] = deque()
        threading.Thread(target=self._post_events, name="livekit-webhooks", daemon=True).start()

    def claims_of(self, token: str) -> dict[str, Any] | None:
        """Return what a token says, or None if LiveKit would not believe it now."""
        options: Any = {"require": ["iss", "exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims = jwt.decode(
                token,
                self._settings.livekit_secret,
                algorithms=["HS256"],
                issuer=self._settings.livekit_key,
                options=options,
            )
            in_time = (
                int(claims.get("nbf", 0)) - LEEWAY_SECONDS
                <= self._desk.clock.now()
                <= int(claims["exp"]) + LEEWAY_SECONDS
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return claims if in_time else None

    def create(self, wanted: Mapping[str, Any]) -> Room | Problem:
        """Make a room, or return the one of that name."""
        name = wanted.get("name")
        if not isinstance(name, str) or not name or len(name) > NAME_LENGTH:
            return Problem("invalid_argument", 400, "name is required, or too long")
        with self._lock:
            if name not in self._rooms:
                made = Room(
                    sid=chance.hex_sid("RM_")[:15],
                    name=name,
                    empty_timeout=int(wanted.get("empty_timeout", 300)),
                    departure_timeout=int(wanted.get("departure_timeout", 20)),
                    made_at=self._desk.clock.now(),
                )
                self._rooms[name] = made
                self._tell("room_started", made)
            return self._rooms[name]

    def delete(self, name: str) -> Problem | None:
        """Disconnect everybody in a room, and forget it."""
        with self._lock:
            room = self._rooms.pop(name, None)
            if room is None:
                return NO_SUCH_ROOM
            for who in list(room.participants.values()):
                self._out(room, who, "ROOM_DELETED")
            self._tell("room_finished", room)
        return None

    def listed(self, name: str) -> list[dict[str, Any]]:
        """Return who is in a room; nobody is in one that is not there."""
        with self._lock:
            room = self._rooms.get(name)
            return [who.shown(state="ACTIVE", camel=False) for who in room.participants.values()] if room else []

    def join(self, token: str) -> Participant | Problem:
        """Let a client with this token into its room, as the server's socket does."""
        claims = self.claims_of(token)
        grants = (claims or {}).get("video", {})
        if claims is None or not claims.get("sub"):
            return UNAUTHENTICATED
        if not grants.get("roomJoin"):
            return FORBIDDEN
        with self._lock:
            room = self._rooms.get(str(grants.get("room", "")))
            if room is None:
                return NO_SUCH_ROOM
            for who in [each for each in room.participants.values() if each.identity == claims["sub"]]:
                self._out(room, who, "DUPLICATE_IDENTITY")
            who = Participant(
                sid=chance.hex_sid("PA_")[:15],
                identity=str(claims["sub"]),
                name=str(claims.get("name", "")),
                joined_at=self._desk.clock.now(),
                permission={
                    "can_subscribe": bool(grants.get("canSubscribe", True)),
                    "can_publish": bool(grants.get("canPublish", True)),
                    "can_publish_data": bool(grants.get("canPublishData", True)),
                },
            )
            room.participants[who.sid] = who
            self._tell("participant_joined", room, who.shown(state="ACTIVE", camel=True))
        return who

    def leave(self, participant: str, reason: str) -> Problem | None:
        """Let somebody go, for one of LiveKit's reasons."""
        with self._lock:
            for room in self._rooms.values():
                if participant in room.participants:
                    self._out(room, room.participants[participant], reason)
                    return None
        return Problem("not_found", 404, "participant does not exist")

    def abort(self, token: str) -> Problem | None:
        """Tell of a client that had a good token and never got through."""
        claims = self.claims_of(token)
        if claims is None:
            return UNAUTHENTICATED
        with self._lock:
            room = self._rooms.get(str(claims.get("video", {}).get("room", "")))
            if room is None:
                return NO_SUCH_ROOM
            who = Participant(chance.hex_sid("PA_")[:15], str(claims.get("sub")), "", self._desk.clock.now(), {})
            self._tell("participant_connection_aborted", room, who.shown(state="DISCONNECTED", camel=True))
        return None

    def all(self) -> list[Room]:
        """Return the rooms that there are."""
        with self._lock:
            return list(self._rooms.values())

    def forget(self) -> None:
        """Have no rooms, no faults and nothing to tell of either."""
        with self._lock:
            self._rooms.clear()
            self.calls.clear()
            self.posted.clear()
            self.faults.clear()

    def _out(self, room: Room, who: Participant, reason: str) -> None:
        room.participants.pop(who.sid, None)
        self._tell("participant_left", room, who.shown(state="DISCONNECTED", camel=True, reason=reason))

    def _tell(self, event: str, room: Room, participant: Mapping[str, Any] | None = None) -> None:
        told: dict[str, Any] = {"event": event, "room": room.told()}
        if participant is not None:
            told["participant"] = dict(participant)
        told |= {"id": chance.hex_sid("EV_")[:15], "createdAt": str(int(self._desk.clock.now()))}
        self._events.put(told)

    def _post_events(self) -> None:
        # One after the other, as LiveKit does for one room.
        line = Line()
        while True:
            event = self._events.get()
            try:
                self._post(line, event)
            except Exception:
                # A thread that died would leave every later event untold.
                log.exception("a webhook could not be posted")

    def _post(self, line: Line, event: dict[str, Any]) -> None:
        url = self._settings.livekit_webhook_url
        body = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        outcome = "nobody is told"
        for _ in range(1 + RETRIES if url else 0):
            outcome, kind = line.post(str(url), body, self.webhook_headers(body))
            if kind not in {"5xx", "ct", "rt"}:
                break
            sleep(self._settings.retry_seconds)
        self.posted.append({"event": event, "outcome": outcome})

    def webhook_headers(self, body: bytes) -> dict[str, str]:
        """Return the headers that a webhook's body is posted with.

        Source: https://github.com/livekit/protocol, `webhook/url_notifier.go`.
        """
        claims = {
            "iss": self._settings.livekit_key,
            "exp": int(self._desk.clock.now()) + WEBHOOK_TOKEN_SECONDS,
            "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        }
        return {
            "Authorization": jwt.encode(claims, self._settings.livekit_secret, algorithm="HS256"),
            "Content-Type": "application/webhook+json",
            "User-Agent": "LiveKit",
        }


FaultKind = Literal["refuse_500", "refuse_503", "refuse_429", "cut", "slow", "junk"]


class Joining(BaseModel):
    """A client that connects with a token."""

    model_config = ConfigDict(extra="forbid")

    token: str


class Leaving(BaseModel):
    """A participant that goes, and LiveKit's reason."""

    model_config = ConfigDict(extra="forbid")

    participant: str
    reason: str = "CLIENT_INITIATED"


class Faults(BaseModel):
    """What the next requests to the RoomService meet, in their order."""

    model_config = ConfigDict(extra="forbid")

    kinds: list[FaultKind] = Field(min_length=1, max_length=100)


def routes(desk: Desk) -> APIRouter:
    """Return LiveKit's routes, the page, and those by which its clients are played."""
    router = APIRouter()
    rooms = Rooms(desk)
    _serve(router, rooms, desk)
    _play(router, rooms)
    _meet(router, rooms)
    return router


def _serve(router: APIRouter, rooms: Rooms, desk: Desk) -> None:
    methods: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Response]]] = {
        "CreateRoom": ("roomCreate", lambda asked: _answered(rooms.create(asked))),
        "DeleteRoom": ("roomCreate", lambda asked: _emptied(rooms.delete(str(asked.get("room", ""))))),
        "ListRooms": ("roomList", lambda _: JSONResponse({"rooms": [room.shown() for room in rooms.all()]})),
        "ListParticipants": (
            "roomAdmin",
            lambda asked: JSONResponse({"participants": rooms.listed(str(asked.get("room", "")))}),
        ),
    }

    @router.post("/twirp/livekit.RoomService/{method}")
    async def call(method: str, request: Request) -> Response:
        rooms.calls.append(method)
        if method not in methods:
            return NO_ROUTE.answer()
        if rooms.faults:
            met = await _met(rooms.faults.popleft(), desk, request)
            if met is not None:
                return met
        grant, answer = methods[method]
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        claims = rooms.claims_of(token) if scheme == "Bearer" else None
        if claims is None:
            return UNAUTHENTICATED.answer()
        try:
            asked = json.loads(await request.body())
        except ValueError:
            return MALFORMED.answer()
        if not isinstance(asked, dict):
            return MALFORMED.answer()
        granted = claims.get("video", {})
        # An administrator's token is for one room.
        is_elsewhere = grant == "roomAdmin" and granted.get("room") != asked.get("room")
        return FORBIDDEN.answer() if is_elsewhere or not granted.get(grant) else answer(asked)


async def _met(kind: str, desk: Desk, request: Request) -> Response | None:
    if kind == "cut":
        desk.door.cut(request)
        return Unanswered()
    if kind == "slow":
        await asyncio.sleep(SLOW_SECONDS)
        return None
    if kind == "junk":
        return HTMLResponse("<html><body><h1>It works!</h1></body></html>")
    return _PLAYED[kind].answer()


def _answered(made: Room | Problem) -> Response:
    return made.answer() if isinstance(made, Problem) else JSONResponse(made.shown())


def _emptied(problem: Problem | None) -> Response:
    return problem.answer() if problem else JSONResponse({})


def _play(router: APIRouter, rooms: Rooms) -> None:
    @router.post("/_video/join", status_code=201)
    def join(joining: Joining) -> Response:
        who = rooms.join(joining.token)
        return who.answer() if isinstance(who, Problem) else JSONResponse({"participant": who.sid}, status_code=201)

    @router.post("/_video/abort")
    def abort(joining: Joining) -> Response:
        problem = rooms.abort(joining.token)
        return problem.answer() if problem else Response(status_code=204)

    @router.post("/_video/leave")
    def leave(leaving: Leaving) -> Response:
        problem = rooms.leave(leaving.participant, leaving.reason)
        return problem.answer() if problem else Response(status_code=204)

    @router.post("/_video/faults", status_code=204)
    def play(faults: Faults) -> None:
        rooms.faults.extend(faults.kinds)

    @router.get("/_video")
    def look() -> dict[str, Any]:
        found = [
            {**room.shown(), "participants": [who.identity for who in room.participants.values()]}
            for room in rooms.all()
        ]
        return {"rooms": found, "calls": list(rooms.calls), "posted": list(rooms.posted)}

    @router.delete("/_video", status_code=204)
    def forget() -> None:
        rooms.forget()


def _meet(router: APIRouter, rooms: Rooms) -> None:
    """Stand in for LiveKit Meet's `/custom` page: no picture and no sound, but somebody is in the room."""

    @router.get("/custom")
    def look(token: str = "", liveKitUrl: str = "") -> HTMLResponse:  # noqa: N803 - the page's own parameter
        claims = rooms.claims_of(token)
        if claims is None or not liveKitUrl:
            return _page("この入室リンクは使えません / This entry is not valid", "", status=403)
        fields = f'<input type="hidden" name="token" value="{escape(token, quote=True)}">'
        title = f"ビデオ通話(サンドボックス) / Video call (sandbox): {claims.get('name', '')}"
        return _page(title, f'<form method="post" action="/custom/join">{fields}<button>入る / Join</button></form>')

    @router.post("/custom/join")
    def join(token: Annotated[str, Form()]) -> Response:
        who = rooms.join(token)
        if isinstance(who, Problem):
            return _page("この通話はありません / There is no such call", "", status=who.status)
        return RedirectResponse(f"/custom/in/{who.sid}", status_code=303)

    @router.get("/custom/in/{participant}")
    def inside(participant: str) -> HTMLResponse:
        there = [room for room in rooms.all() if participant in room.participants]
        if not there:
            return _page("通話は終わりました / The call is over", "")
        names = ", ".join(who.name for who in there[0].participants.values())
        form = f'<form method="post" action="/custom/in/{escape(participant)}"><button>退出 / Leave</button></form>'
        return _page("通話中 / In the call", f"<p>{escape(names)}</p>{form}")

    @router.post("/custom/in/{participant}")
    def leave(participant: str) -> Response:
        rooms.leave(participant, "CLIENT_INITIATED")
        return RedirectResponse(f"/custom/in/{participant}", status_code=303)


def _page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    head = f'<!doctype html><html lang="ja"><meta charset="utf-8"><title>{escape(title)}</title>'
    return HTMLResponse(f"{head}<main><h1>{escape(title)}</h1>{body}</main></html>", status)


def _named(key: str, *, camel: bool) -> str:
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest) if camel else key
