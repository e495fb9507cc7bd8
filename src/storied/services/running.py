"""Running: a service behind uvicorn in this process, until it is told to stop; then it ends what it has begun.

On the first SIGTERM or SIGINT the service is no longer ready, streams end so that clients connect elsewhere, no
connection is taken any more, requests under way are answered, and only then the store is closed. A second signal ends
the process at once; what was acknowledged is on the disk. Needs the extra ``services``.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from types import FrameType
from typing import Any

import msgspec
import uvicorn

from storied.errors import StoreUnavailable
from storied.services.gate import Gate
from storied.services.service import Service
from storied.services.stopping import SIGNALS, end_at_once
from storied.services.wire import connection_class

BACKLOG = 2048


class Address(msgspec.Struct, frozen=True):
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As a client writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; on a free port for port 0. Raises `StoreUnavailable`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise StoreUnavailable(
            f"nothing can listen at {host}:{port}: {error}. Free the port, or choose another with --port.",
            code="no-address",
        ) from error


def address_of(listening: socket.socket) -> Address:
    """Where the socket listens."""
    host, port = listening.getsockname()[:2]
    return Address(host, port)


Started = Callable[["Server"], None]


class Server(uvicorn.Server):
    """A server of one service, which drains before it goes."""

    def __init__(self, service: Service[Any], gate: Gate, started: Started) -> None:
        settings = gate.settings
        super().__init__(
            uvicorn.Config(
                service,
                http=connection_class(settings),
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
        self._service, self._gate, self._tell = service, gate, started

    def stop(self) -> None:
        """Begins to drain. Called again, it ends the process at once."""
        if self.should_exit:
            end_at_once()
        self.should_exit = self._gate.draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
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
        """Requests are taken, and whoever waits for that is told."""
        await super().startup(sockets)
        self._tell(self)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end, then nothing more is taken, and what was taken is answered."""
        await asyncio.sleep(self._gate.settings.drain_delay)
        self._service.drain()
        await super().shutdown(sockets)


async def serve(service: Service[Any], gate: Gate, listening: socket.socket, *, started: Started) -> None:
    """Serves until a signal says to stop, and has then answered everything that it had taken.

    *started* is called once requests are taken. Raises what opening the service raises.
    """
    async with service:
        await Server(service, gate, started).serve(sockets=[listening])
