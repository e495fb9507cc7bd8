"""Stopping: a process that is told to stop by a signal, once to end what it has begun, twice to end at once.

While it starts it has begun nothing, and ends at once. That is the system's default, too, but not for the first process
of a container: that one is never told, and goes on to serve until it is killed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger("storied.services")


def end_when_told() -> None:
    """From now on SIGTERM ends the process at once, in good order, until something else is said about the signal."""
    signal.signal(signal.SIGTERM, lambda *_: end_at_once(0))


async def until_told() -> None:
    """Returns when a signal says to stop; the next one ends the process at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(number: signal.Signals) -> None:
        tell_stopping(number, again=told.is_set())
        if told.is_set():
            end_at_once()
        told.set()

    for one in SIGNALS:
        loop.add_signal_handler(one, tell, one)
    await told.wait()


def tell_stopping(number: int, *, again: bool) -> None:
    """Logs that a signal says to stop."""
    how = "everything ends at once" if again else "what has begun is ended first"
    log.info("told to stop by %s; %s", signal.Signals(number).name, how)


def end_at_once(code: int = 1) -> None:
    """Ends the process as it stands; what was acknowledged is on the disk."""
    sys.stderr.flush()
    os._exit(code)
