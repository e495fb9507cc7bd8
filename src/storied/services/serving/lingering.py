"""Lingering: a connection that is closed so that its client can read what it was sent.

Who closes while the other side is still sending resets the connection, and with it goes the answer that was not read
yet. So nothing more is sent, what still comes is dropped, and the connection ends when the client has closed its side
or fallen silent, or when it has sent enough.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

SILENT_SECONDS = 2.0
"""How long a client whose connection is being closed may send nothing."""
STUCK_SECONDS = 60.0
"""How long it may take nothing of what it is being sent."""


class Lingering(asyncio.Transport):
    """A transport that lingers when it is closed, for so many seconds and bytes at most."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, *, seconds: float, limit: int) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._seconds, self._limit = seconds, limit
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._dropped = self._seen = 0
        self._unsent, self._moved = 0, 0.0
        self.lingers = False
        """Whether it is being closed, so that what comes is to be dropped."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport below tells it."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.lingers or self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends, unless it is being closed."""
        if not self.lingers:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Takes nothing from the client for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Takes again what the client sends."""
        self._transport.resume_reading()

    def abort(self) -> None:
        """Closes at once, whatever is under way."""
        self._transport.abort()

    def close(self) -> None:
        """Sends what is to be sent, and then its end; closes when the client has done so, or should have."""
        if self.is_closing():
            return
        self.lingers = True
        with suppress(OSError):  # the client has gone, which the transport finds out by itself
            self._transport.write_eof()
        self._transport.resume_reading()
        self._until = self._loop.time() + self._seconds
        self._timer = self._loop.call_later(SILENT_SECONDS, self._look)

    def end(self) -> None:
        """Closes without lingering: nothing is owed to the client."""
        self._transport.close()

    def drop(self, size: int) -> None:
        """So much came while it lingered."""
        self._dropped += size
        if self._dropped > self._limit:
            self._transport.pause_reading()  # which is silence

    def forget(self) -> None:
        """The connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now, unsent = self._loop.time(), self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._moved = unsent, now
        if unsent:
            self._until = now + self._seconds  # counts from when everything was sent
            over = now - self._moved > STUCK_SECONDS
        else:
            over = now >= self._until or self._dropped == self._seen
            self._seen = self._dropped
        if over:
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(SILENT_SECONDS, self._look)
