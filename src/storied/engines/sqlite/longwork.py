"""Long work on a connection of its own, in a thread of its own, that ends soon when its task is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import apsw

T = TypeVar("T")
STEPS = 100_000
"""Steps of SQLite's machine between two looks at whether to stop: some milliseconds."""


class Stop(threading.Event):
    """Set when the work is no longer wanted."""

    def watch(self, connection: apsw.Connection) -> None:
        """Makes statements of the connection end with `apsw.InterruptError` once this is set."""
        connection.set_progress_handler(self.is_set, STEPS)


async def long_work(work: Callable[[Stop], T]) -> T:
    """What *work* returns. When the task is cancelled it sets the `Stop` and waits until the work has ended."""
    stop = Stop()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # whatever it says, nobody waits for it
        raise
