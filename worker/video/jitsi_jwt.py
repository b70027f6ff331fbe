"""Rooms on one's own Jitsi server that lets nobody in without a token of ours: for one room, one side, one call's time.

The server has to be told to be so strict; docs/operations.md says how. Who is inside when the time is over stays until
leaving: Jitsi has nothing by which to close a room from outside.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import jwt

from models.booking import Side
from worker.settings import Settings
from worker.video import RoomFact

AUDIENCE: Final = "jitsi"


class JitsiJwt:
    """A Jitsi server under VIDEO_URL whose Prosody shares JITSI_APP_ID and JITSI_APP_SECRET with us.

    Source: https://github.com/jitsi/lib-jitsi-meet/blob/master/doc/tokens.md (claims, shared secret validation).
    """

    name: Final = "jitsi-jwt"
    display_name: Final = "Jitsi Meet"
    terms_document_id: Final = "provider-terms-jitsi-jwt"
    keeps_rooms: Final = False

    def __init__(self, chosen: Settings) -> None:
        self._url = chosen.video_url.rstrip("/")
        self._app_id = chosen.jitsi_app_id
        self._secret = chosen.jitsi_app_secret

    @property
    def origins(self) -> tuple[str, ...]:
        """The server's own origin."""
        parts = urlsplit(self._url)
        return (f"{parts.scheme}://{parts.netloc}",)

    def open_room(self, name: str, *, closes_at: datetime, now: datetime) -> None:
        """Do nothing: a room is there once somebody enters."""

    def entry_url(self, name: str, side: Side, *, closes_at: datetime, now: datetime) -> str:  # noqa: ARG002 - it is good from now on
        """Return the room's address with a token; staff are its moderators.

        Whoever reads the token learns the side and no more: no name, no booking.
        """
        claims = {
            "aud": AUDIENCE,
            "iss": self._app_id,
            "sub": urlsplit(self._url).hostname,
            "room": name,
            "exp": int(closes_at.timestamp()),
            # Two modules read the right to moderate from two places. Values are text, or the server throws them back.
            "context": {
                "user": {
                    "id": side.value,
                    "affiliation": "owner" if side is Side.STAFF else "member",
                    "moderator": "true" if side is Side.STAFF else "false",
                }
            },
        }
        token = jwt.encode(claims, self._secret.get_secret_value(), algorithm="HS256")
        return f"{self._url}/{name}?{urlencode({'jwt': token})}"

    def close_room(self, name: str) -> None:
        """Do nothing: nobody gets in any more, and the room is gone once the last one leaves."""

    def who_is_in(self, name: str, *, now: datetime) -> list[RoomFact] | None:  # noqa: ARG002 - it tells nothing
        """Know nothing: Jitsi tells nobody outside who is in a room."""
        return None

    def read_facts(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[RoomFact] | None:  # noqa: ARG002 - it tells nothing
        """Believe nothing: this server signs nothing."""
        return None
