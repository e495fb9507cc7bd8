"""The sides of an app as processes of their own, started from the command line as an operator starts them."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from tests.structure.modules import ROOT


class Side:
    """One process: a service, or the worker that keeps the views. It may be killed, and started again."""

    def __init__(self, app: str, store: Path, *verb: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._serves = verb[0] == "serve"
        self._arguments = (*verb, app, "--store", str(store))
        if self._serves:
            self._arguments += ("--port", str(self.port), "--quiet")
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Runs, and answers if it serves."""
        program = "import sys; from storied.cli.main import main; sys.exit(main())"
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, *self._arguments), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
        )
        if not self._serves:
            return
        async with httpx.AsyncClient(base_url=self.url) as client:
            while True:
                try:
                    await client.get("/livez")
                except httpx.TransportError:
                    assert self.process.returncode is None, "the process ended"
                    await asyncio.sleep(0.02)
                else:
                    return

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends, one way or the other."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            await self.process.wait()

    async def restart(self) -> None:
        """Is killed without a word, and started again."""
        await self.stop(signal.SIGKILL)
        await self.start()


@asynccontextmanager
async def apart(app: str, store: Path) -> AsyncIterator[tuple[Side, Side, Side]]:
    """The command service, the query service and the worker of the app, each a process of its own."""
    sides = (
        Side(app, store, "serve", "--commands"),
        Side(app, store, "serve", "--queries"),
        Side(app, store, "work"),
    )
    async with AsyncExitStack() as stack:
        for side in sides:
            stack.push_async_callback(side.stop)
            await side.start()
        yield sides
