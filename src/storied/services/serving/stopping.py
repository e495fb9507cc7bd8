"""Stopping: a process that is told to stop by a signal, once to end what it has begun, twice to end at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def until_told() -> None:
    """Returns when a signal says to stop; the next one ends the process at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        if told.is_set():
            end_at_once()
        told.set()

    for one in SIGNALS:
        loop.add_signal_handler(one, tell)
    await told.wait()


def end_at_once() -> None:
    """Ends the process as it stands; what was acknowledged is on the disk."""
    sys.stderr.flush()
    os._exit(1)
