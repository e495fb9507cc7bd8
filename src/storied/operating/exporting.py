"""Exporting a store: everything it holds as lines of JSON, in flat memory, while others go on writing.

The same store gives the same bytes, whatever engine it is on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from storied.errors import StoreCorrupt
from storied.operating.lines import append_line, end_line, event_line, header_line
from storied.operating.walking import Progress, no_progress, walk
from storied.store.appending import receipt_checksum
from storied.store.auditing import AuditableStore, Remembered
from storied.store.records import Recorded, digest_of


class Exported(msgspec.Struct, frozen=True):
    """What an export holds: the log's identity and head, how many appends it remembers, and its size in bytes."""

    identity: str
    head: int
    appends: int
    bytes: int


async def export(store: AuditableStore, write: Callable[[bytes], object], progress: Progress = no_progress) -> Exported:
    """Hands the lines of the whole store, as it is now, to *write*, some at a time.

    Raises `StoreCorrupt` at an event that does not fit its digest: what is exported can be imported.
    """
    head = await store.head()
    async with aclosing(store.remembered(head)) as remembered:
        writing = _Writing(write, remembered)
        await writing.begin(store.identity, head)
        async for records in walk(store, head):
            for record in records:
                await writing.event(record)
            writing.flush()
            progress("events", writing.events, head)
        return await writing.end(store.identity, head)


class _Writing:
    """The lines of one export, in their order."""

    def __init__(self, write: Callable[[bytes], object], remembered: AsyncGenerator[Remembered, None]) -> None:
        self._write, self._remembered = write, remembered
        self._next: Remembered | None = None
        self._lines: list[bytes] = []
        self.events = self._appends = self._size = 0

    async def begin(self, identity: str, head: int) -> None:
        self._lines.append(header_line(identity, head))
        self._next = await anext(self._remembered, None)
        await self._appends_at(0)

    async def event(self, record: Recorded) -> None:
        if record.position != self.events + 1 or digest_of(record) != record.digest:
            raise StoreCorrupt(
                f"event {self.events + 1} is missing or not what its digest says; nothing from there on is exported. "
                "Verify the store.",
                position=self.events + 1,
            )
        self._lines.append(event_line(record))
        self.events += 1
        await self._appends_at(record.position)

    def flush(self) -> None:
        """Hands over what is ready."""
        text = b"".join(self._lines)
        self._lines.clear()
        self._size += len(text)
        self._write(text)

    async def end(self, identity: str, head: int) -> Exported:
        if self.events != head:
            raise StoreCorrupt(f"event {self.events + 1} is missing. Verify the store.", position=self.events + 1)
        self._lines.append(end_line(head, self._appends))
        self.flush()
        return Exported(identity, head, self._appends, self._size)

    async def _appends_at(self, position: int) -> None:
        while self._next is not None and self._next.stored.receipt.position == position:
            stored = self._next.stored
            if self._next.checksum not in (None, receipt_checksum(stored)):
                raise StoreCorrupt(
                    f"what is remembered of append {stored.receipt.append_id} was changed. Verify the store.",
                    position=position,
                )
            self._lines.append(append_line(stored))
            self._appends += 1
            self._next = await anext(self._remembered, None)
