"""Rooms on a Jitsi server. A room is a name: whoever knows it is in, so the name must be beyond guessing.

Jitsi makes a room when the first person enters and forgets it when the last one leaves; nothing has to be ordered, and
nothing can be closed. It is for development: a public server keeps nobody out after the call's time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from models.booking import Side
from worker.settings import Settings
from worker.video import RoomFact


class Jitsi:
    """A Jitsi server under VIDEO_URL, without accounts.

    Source: https://jitsi.github.io/handbook/docs/user-guide/user-guide-advanced (a room is the path of a URL).
    """

    name: Final = "jitsi"
    display_name: Final = "Jitsi Meet"
    terms_document_id: Final = "provider-terms-jitsi"
    keeps_rooms: Final = False

    def __init__(self, chosen: Settings) -> None:
        self._url = chosen.video_url.rstrip("/")

    @property
    def origins(self) -> tuple[str, ...]:
        """The server's own origin."""
        parts = urlsplit(self._url)
        return (f"{parts.scheme}://{parts.netloc}",)

    def open_room(self, name: str, *, closes_at: datetime, now: datetime) -> None:
        """Do nothing: a room is there once somebody enters."""

    def entry_url(self, name: str, side: Side, *, closes_at: datetime, now: datetime) -> str:  # noqa: ARG002 - Jitsi knows no sides and no times
        """Return the room's address, the same for both sides."""
        return f"{self._url}/{name}"

    def close_room(self, name: str) -> None:
        """Do nothing: a room is gone once the last one leaves."""

    def who_is_in(self, name: str, *, now: datetime) -> list[RoomFact] | None:  # noqa: ARG002 - it tells nothing
        """Know nothing: whoever has the name of a room may be in it."""
        return None

    def read_facts(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[RoomFact] | None:  # noqa: ARG002 - it tells nothing
        """Believe nothing: this server signs nothing."""
        return None
