"""The port to whoever carries the video call. It knows that there is a room, not what happens in it (B2, B25)."""

from functools import cache
from typing import Protocol
from uuid import UUID

from models.booking import Side


class VideoProvider(Protocol):
    """A provider of video calls."""

    @property
    def name(self) -> str:
        """As rows and documents name it."""

    @property
    def display_name(self) -> str:
        """As messages and pages name who operates the call (B29)."""

    @property
    def origins(self) -> tuple[str, ...]:
        """Where its rooms are, such as `https://meet.jit.si`: browsers let our form lead only to origins we name."""

    @property
    def terms_document_id(self) -> str:
        """Its own terms, which a customer accepts besides ours (B27)."""

    def room_url(self, call_id: UUID, revision: int, side: Side) -> str:
        """Return where one side enters the room, made at the tap and never stored.

        Args:
            call_id: the booking's id.
            revision: the booking's; a change of the booking makes another room.
            side: who enters; both sides of one call meet.
        """


@cache
def video_provider() -> VideoProvider:
    """Return the configured provider."""
    # Late, or the port and its first provider would import each other.
    from worker.video.jitsi import Jitsi

    return Jitsi()


__all__ = ["VideoProvider", "video_provider"]
