"""The sandbox's one source of chance: identifiers that look as the vendors' do. It knows nothing of their meaning."""

import base64
import random  # noqa: TID251 - the one place in this room that draws randomness
import secrets  # noqa: TID251 - likewise

# Ids need to be unique and nothing more; asking the kernel for each would be felt under load.
_ids = random.Random(secrets.randbits(256))  # noqa: S311 - see above; what must not be guessed uses `secrets`


def hex_sid(prefix: str) -> str:
    """Return a Twilio SID: two letters and 32 hex digits."""
    return f"{prefix}{_ids.getrandbits(128):032x}"


def token() -> str:
    """Return 22 URL-safe characters, the length of SendGrid's message and event ids."""
    return base64.urlsafe_b64encode(_ids.randbytes(16)).rstrip(b"=").decode()


def nonce() -> str:
    """Return something that nobody can guess."""
    return secrets.token_urlsafe(16)
