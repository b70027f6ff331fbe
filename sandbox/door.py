"""The front door: how the server listens, and how it breaks off in ways that HTTP has no answer for.

It knows sockets and uvicorn's inside, and nothing of vendors. Only here is a connection cut, or the listening socket
shut.
"""

import asyncio
import logging
import socket
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)


class Door:
    """The listening socket and the open connections of one server."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._reopening: asyncio.Task[None] | None = None

    def listen(self) -> socket.socket:
        """Bind the socket.

        Raises:
            OSError: the port is taken, or may not be used.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # Named as TCP, or asyncio leaves Nagle on, and each answer waits 40 ms for an acknowledgement.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self._host, self._port))
        # With port 0 the kernel has chosen one; it must be the same after an absence.
        self._port = int(listening.getsockname()[1])
        return listening

    @property
    def address(self) -> str:
        """The server's own address, as a URL."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def hang(self, server: uvicorn.Server) -> None:
        """Make the server known that listens here."""
        self._server = server

    def cut(self, request: Request) -> None:
        """End the connection a request came on, at once and without a word."""
        if self._server is None:
            return
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, H11Protocol) and connection.client == request.scope["client"]:
                connection.transport.abort()

    def leave(self, seconds: float) -> None:
        """Refuse every connection for some seconds. The request that asked for this is still answered."""
        if self._reopening is None or self._reopening.done():
            self._reopening = asyncio.get_running_loop().create_task(self._be_away(seconds))

    async def _be_away(self, seconds: float) -> None:
        server = self._server
        if server is None:
            return
        # Let the answer to the request that asked for this leave first.
        await asyncio.sleep(0.05)
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            if isinstance(connection, H11Protocol):
                connection.transport.abort()
        await asyncio.sleep(seconds)
        if not server.should_exit:
            await self._return(server)

    async def _return(self, server: uvicorn.Server) -> None:
        loop = asyncio.get_running_loop()
        try:
            server.servers = [await loop.create_server(lambda: _protocol(server), sock=self.listen())]
        except OSError:
            # Better no sandbox than one that nobody can reach.
            log.critical("the port was taken while the sandbox was away")
            server.should_exit = True


def _protocol(server: uvicorn.Server) -> H11Protocol:
    return H11Protocol(config=server.config, server_state=server.server_state, app_state=dict(server.lifespan.state))


class Unanswered(Response):
    """No answer at all: the connection has been cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Wait until the server has seen that the connection is gone."""
        await _until_gone(receive)


class BrokenOff(Response):
    """An answer that promises its whole length and ends half-way, with the connection."""

    def __init__(self, whole: Response, *, door: Door, request: Request) -> None:
        super().__init__(status_code=whole.status_code)
        self._whole = whole
        self._door = door
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the head and half of the body, then cut."""
        body = bytes(self._whole.body)
        await send(
            {"type": "http.response.start", "status": self._whole.status_code, "headers": self._whole.raw_headers}
        )
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        # Once the half has left: an abort would throw away what is still in the buffer.
        await asyncio.sleep(0.05)
        self._door.cut(self._request)
        await _until_gone(receive)


async def _until_gone(receive: Receive) -> None:
    message: dict[str, Any] = {}
    while message.get("type") != "http.disconnect":
        message = dict(await receive())
