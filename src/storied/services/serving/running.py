"""Running: a service behind uvicorn in this process, until it is told to stop; then it ends what it has begun.

On the first SIGTERM or SIGINT the service is no longer ready, streams end so that clients connect elsewhere, nobody
new is taken, whoever has connected is answered, and only then the store is closed. A second signal ends the process at
once; what was acknowledged is on the disk. Needs the extra ``services``.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from types import FrameType
from typing import Any

import uvicorn

from storied.services.gate import Gate
from storied.services.service import Service
from storied.services.serving.closing import take_nobody_new, those_who_wait
from storied.services.serving.listening import BACKLOG, listen
from storied.services.serving.stopping import SIGNALS, end_at_once, tell_stopping
from storied.services.serving.supervising import EMPTIED, SERVES, Parent
from storied.services.serving.wire import Connection, connection_class
from storied.services.web.http import Receive, Scope, Send

log = logging.getLogger("storied.services")

HANDSHAKE_SECONDS = 0.25
"""How long a client that has begun to connect may take to end it, once nobody new is taken."""


Started = Callable[["Server"], None]


class Server(uvicorn.Server):
    """A server of one service, which drains before it goes. With a *parent* it shares its socket with others."""

    def __init__(self, service: Service[Any], gate: Gate, started: Started, parent: Parent | None = None) -> None:
        settings = gate.settings
        super().__init__(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                http=connection_class(gate),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=ceil(settings.idle_seconds),
                timeout_graceful_shutdown=ceil(settings.drain_seconds),
            )
        )
        self._service, self._gate, self._tell, self._parent = service, gate, started, parent
        self.signalled = False
        """Whether it was a signal that stopped it."""

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection. A request that is cancelled at the end of the drain has its answer by then."""
        try:
            await self._service(scope, receive, send)
        except asyncio.CancelledError:
            if not self.should_exit:
                raise

    def stop(self) -> None:
        """Begins to drain. Called again, it ends the process at once; with a parent that is for the parent to do."""
        if self.should_exit and self._parent is None:
            end_at_once()
        self.should_exit = self._gate.draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        self.signalled = True
        if self._parent is None:
            tell_stopping(sig, again=self.should_exit)
        self.stop()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stop the server while the block runs, and are done with it afterwards."""
        before = {one: signal.signal(one, self.handle_exit) for one in SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Requests are taken, and whoever waits for that is told. Raises `StoreUnavailable`."""
        await self.on_tick(0)  # sets the date that stands in answers, also where nothing follows but the shutdown
        for holding in sockets or []:
            listen(holding)
        await super().startup(sockets)
        if self._parent is not None:
            self._parent.tell(SERVES)
        self._tell(self)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end, then nobody new is taken, and whoever has connected is answered."""
        await asyncio.sleep(self._gate.settings.drain_delay)
        for connection in self.server_state.connections:
            connection.shutdown()
        self._service.drain()
        if self._parent is None or self._parent.stops_all():
            await self._empty(sockets or [])
        await super().shutdown(sockets)

    async def _empty(self, sockets: list[socket.socket]) -> None:
        """Nobody waits in these sockets any more, and nobody is going to."""
        for listening in sockets:
            take_nobody_new(listening)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        own = [listening.dup() for listening in sockets]
        for server in self.servers:
            server.close()  # from here on only the lines below take from the queue
        for listening in own:
            with listening:
                for one in those_who_wait(listening):
                    await asyncio.get_running_loop().connect_accepted_socket(self._connection, one)
        if self._parent is not None:
            self._parent.tell(EMPTIED)

    def _connection(self) -> Connection:
        kind = self.config.http_protocol_class
        return kind(self.config, self.server_state, self.lifespan.state)  # type: ignore[return-value, call-arg]  # ours


async def serve(
    service: Service[Any], gate: Gate, holding: socket.socket, *, started: Started, parent: Parent | None = None
) -> None:
    """Serves until a signal says to stop, and has then answered everything that it had taken.

    Nobody is taken before the service is open; then *started* is called. With a *parent* the others that share the
    socket take what waits in it, unless all are being stopped. Raises what opening the service raises, and
    `StoreUnavailable` when another took the address meanwhile.
    """
    server = Server(service, gate, started, parent)
    async with service:
        await server.serve(sockets=[holding])
    if server.signalled and parent is None:
        log.info("stopped")


async def turn_away(service: Service[Any], gate: Gate, listening: socket.socket) -> None:
    """Tells whoever waits in the socket that the service, which is not open, is closing; nobody else can tell them."""
    await service.aclose()
    server = Server(service, gate, lambda _: None)
    server.stop()
    await server.serve(sockets=[listening])
