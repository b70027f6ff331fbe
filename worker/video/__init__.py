"""The port to whoever carries the video call. It knows that there is a room, not what happens in it (B2, B25).

A room is entered through `worker/video/rooms.py`, which knows calls and rows. A provider's own file knows its client,
its tokens, its codes and its signature, and refuses to know calls, pages and the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.booking import Side
from models.call_fact import FactKind
from worker.settings import Settings, VideoChoice, settings


class RoomUnavailable(Exception):  # noqa: N818 - it reports what a provider said, as the port's own word
    """The provider did not do what was asked of it, or nobody knows whether it did; asking again does no harm.

    Attributes:
        code: why, as a code of at most 64 characters; never the provider's text.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code[:64]


@dataclass(frozen=True)
class RoomFact:
    """One thing that a provider told of a room, its signature checked, without personal data (B33).

    Attributes:
        room_name: ours; `room_id`, `participant_id` are the provider's own.
        kind: joined, left or failed; None for what concerns the room alone, such as that it is over.
        side: whose; None if nobody's, or of a participant whom we let in by no entry.
        error: the provider's code, if it is about something that went wrong.
        fact_key: the same for the same fact told twice; at most 150 characters.
        at: when it happened, by the provider's clock.
    """

    provider: str
    room_name: str
    room_id: str | None
    kind: FactKind | None
    side: Side | None
    participant_id: str | None
    error: str | None
    fact_key: str
    at: datetime


class VideoProvider(Protocol):
    """A provider of video calls. Everything it is asked twice it does once."""

    @property
    def name(self) -> str:
        """As rows, suspensions and documents name it."""

    @property
    def display_name(self) -> str:
        """As messages and pages name who operates the call (B29)."""

    @property
    def origins(self) -> tuple[str, ...]:
        """Where its rooms are, such as `https://meet.jit.si`: browsers let our form lead only to origins we name."""

    @property
    def terms_document_id(self) -> str:
        """Its own terms, which a customer accepts besides ours (B27)."""

    @property
    def keeps_rooms(self) -> bool:
        """Whether its rooms are ordered before somebody enters, and closed when the time is over."""

    def open_room(self, name: str, *, closes_at: datetime, now: datetime) -> str | None:
        """Have a room of this name, made or there already, and return the provider's id of it, if it has any.

        Args:
            name: ours, of at most 100 lower-case letters, digits and hyphens.
            closes_at: exclusive end of the call; without anybody in it the room need not be kept longer.
            now: business time.

        Raises:
            RoomUnavailable: it cannot be entered now.
        """

    def entry_url(self, name: str, side: Side, *, closes_at: datetime, now: datetime) -> str:
        """Return where one side enters the room: made at the tap, never stored, no longer good than until `closes_at`.

        Args:
            name: the room's.
            side: who enters; both sides of one call meet.
            closes_at: exclusive end of the entry.
            now: business time.
        """

    def close_room(self, name: str) -> None:
        """Put out whoever is inside and let nobody in any more; a room that is not there is closed.

        Raises:
            RoomUnavailable: it may still be there.
        """

    def who_is_in(self, name: str, *, now: datetime) -> list[RoomFact] | None:
        """Return a joining of each who is in the room now and got through to it; None if this provider cannot tell.

        A room that is not there has nobody in it. The joining of one participant has the same key however often it is
        asked for, and names them as webhooks do, so that their leaving is told of the same participant.

        Args:
            name: the room's.
            now: business time; for when somebody joined, where the provider does not say.

        Raises:
            RoomUnavailable: it was not heard; whoever asks may ask again.
        """

    def read_facts(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[RoomFact] | None:
        """Return what a webhook says; None if this provider did not sign it just now.

        Args:
            body: the raw bytes that were signed.
            headers: with names in lower case.
            now: by the system's own clock, for the signature's age.
        """


def video_provider() -> VideoProvider:
    """Return the provider of new calls."""
    return _made(settings().video_provider, settings())


def provider_named(name: str | None) -> VideoProvider:
    """Return the provider that a call is on record with; the configured one if there is none of that name.

    A customer agreed to the terms of one provider (B27). After another is configured, what was booked before stays
    with the first for as long as its settings are there.
    """
    chosen = settings()
    is_set = {VideoChoice.JITSI_JWT: chosen.has_jitsi_jwt, VideoChoice.LIVEKIT: chosen.has_livekit}
    if name in set(VideoChoice) and not is_set.get(VideoChoice(name), True):
        return video_provider()
    return _made(VideoChoice(name), chosen) if name in set(VideoChoice) else video_provider()


def _made(choice: VideoChoice, chosen: Settings) -> VideoProvider:
    # Late, or the port and its providers would import each other.
    from worker.video.jitsi import Jitsi
    from worker.video.jitsi_jwt import JitsiJwt
    from worker.video.livekit import LiveKit

    match choice:
        case VideoChoice.JITSI:
            return Jitsi(chosen)
        case VideoChoice.JITSI_JWT:
            return JitsiJwt(chosen)
        case VideoChoice.LIVEKIT:
            return LiveKit(chosen)


__all__ = ["RoomFact", "RoomUnavailable", "VideoProvider", "provider_named", "video_provider"]
