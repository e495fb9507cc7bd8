"""Lines from a file that may block for ever, such as a pipe, without holding up the event loop or its end.

They are read in a thread of their own that nobody has to wait for: a task that waits for lines can be cancelled.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from queue import SimpleQueue
from typing import BinaryIO

LINES = 2000
CHARACTERS = 4 * 1024 * 1024
"""What is read at once, whichever comes first."""
LONGEST_LINE = 32 * 1024 * 1024
"""More than any event can need."""


async def batches_of_lines(file: BinaryIO) -> AsyncIterator[list[bytes]]:
    """The lines of the file, each with its end, some at a time. A line longer than any can be comes in parts."""
    loop = asyncio.get_running_loop()
    wanted: SimpleQueue[asyncio.Future[list[bytes]] | None] = SimpleQueue()

    def work() -> None:
        while (future := wanted.get()) is not None:
            try:
                lines, error = _take(file), None
            except Exception as raised:  # whoever waits for lines has to hear of it
                lines, error = [], raised
            try:
                loop.call_soon_threadsafe(_settle, future, lines, error)
            except RuntimeError:  # the loop is gone, and with it everyone who waited
                return

    threading.Thread(target=work, name="storied-lines", daemon=True).start()
    try:
        while True:
            future: asyncio.Future[list[bytes]] = loop.create_future()
            wanted.put(future)
            lines = await future
            if not lines:
                return
            yield lines
    finally:
        wanted.put(None)


def _take(file: BinaryIO) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    while len(lines) < LINES and size < CHARACTERS:
        line = file.readline(LONGEST_LINE)
        if not line:
            break
        lines.append(line)
        size += len(line)
    return lines


def _settle(future: asyncio.Future[list[bytes]], lines: list[bytes], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(lines)
    else:
        future.set_exception(error)
