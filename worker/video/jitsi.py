"""Rooms on a Jitsi server. A room is a name: whoever knows it is in, so the name must be beyond guessing.

Jitsi makes a room when the first person enters and forgets it when the last one leaves; nothing has to be ordered.
"""

import base64
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from models.booking import Side
from worker.derived_keys import authenticated, derived
from worker.settings import settings

_NAME_BYTES = 20


class Jitsi:
    """A Jitsi server under VIDEO_URL, without accounts.

    Source: https://jitsi.github.io/handbook/docs/user-guide/user-guide-advanced (a room is the path of a URL).
    """

    name: Final = "jitsi"
    display_name: Final = "Jitsi Meet"
    terms_document_id: Final = "provider-terms-jitsi"

    @property
    def origins(self) -> tuple[str, ...]:
        """The server's own origin."""
        parts = urlsplit(settings().video_url)
        return (f"{parts.scheme}://{parts.netloc}",)

    def room_url(self, call_id: UUID, revision: int, side: Side) -> str:  # noqa: ARG002 - Jitsi knows no sides
        """Return the room's address: 160 bits of HMAC over booking and revision, in lower case and digits.

        Both sides get the same. Letters are of one case, because Jitsi folds names to lower case.
        """
        secret = authenticated(derived("video rooms"), call_id.bytes, str(revision))[:_NAME_BYTES]
        return f"{settings().video_url.rstrip('/')}/toritsugi-{base64.b32encode(secret).decode().lower()}"
