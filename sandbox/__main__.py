"""`python -m sandbox`: reads the environment, opens the ledger and serves until it is told to stop."""

import contextlib
import logging
import os
import sqlite3
import sys

import uvicorn

from sandbox.app import build
from sandbox.door import Door
from sandbox.settings import BadSetting, read

REFUSED = 2
# The thread that answers gives the interpreter away at each send; by default it would wait 5 ms to get it back from
# the threads that post receipts.
SWITCH_SECONDS = 0.0005
GRACE_SECONDS = 3


def main() -> int:
    """Serve, and return the exit code: 2 where the environment does not let the sandbox start."""
    sys.setswitchinterval(SWITCH_SECONDS)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = read(os.environ)
    except BadSetting as wrong:
        return _refuse(str(wrong))
    door = Door(settings.host, settings.port)
    try:
        listening = door.listen()
    except OSError as wrong:
        return _refuse(f"cannot listen on {settings.host}:{settings.port} ({wrong.strerror}); set SANDBOX_PORT.")
    try:
        app = build(settings, door)
    except (OSError, sqlite3.Error) as wrong:
        return _refuse(f"cannot open the ledger {settings.ledger} ({wrong}); set SANDBOX_LEDGER.")
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        log_level="warning",
        # Paths and queries carry phone numbers.
        access_log=False,
        # Fewer idle connections that end just as the next request is written.
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    door.hang(server)
    print(f"sandbox: inbox at {door.address}/", flush=True)  # noqa: T201 - a command speaks to its terminal
    # uvicorn ends in good order first, then raises the signal again.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0


def _refuse(why: str) -> int:
    print(f"sandbox: {why}", file=sys.stderr)  # noqa: T201 - a command speaks to its terminal
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
