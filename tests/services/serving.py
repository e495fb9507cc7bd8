"""A real server on a socket, in the test's own event loop, and a real client for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn


@asynccontextmanager
async def served(
    application: Any, *, lifespan: str = "auto", protocol: Any = "auto", idle: int = 5
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which uvicorn serves on a free port, by a protocol of its own or another."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            application,
            http=protocol,
            log_level="error",
            lifespan=lifespan,  # type: ignore[arg-type]
            ws="none",
            access_log=False,
            timeout_keep_alive=idle,
        )
        server = _Quiet(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                if serving.done():
                    serving.result()
                    raise AssertionError("the server did not start")
                await asyncio.sleep(0.005)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            await serving


class _Quiet(uvicorn.Server):
    """A server that leaves the signals to the test runner."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are captured."""
        yield
