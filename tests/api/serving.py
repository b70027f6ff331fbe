"""The API behind a real socket, in a thread of the test's own process: it reads the test's clock and database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from fastapi import FastAPI

_PATIENCE_SECONDS = 30.0


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Yield the address at which the app answers. It has no lifespan: what it owes stays in the database."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    try:
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while not server.started:
            assert time.monotonic() < give_up_at, "the API did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
