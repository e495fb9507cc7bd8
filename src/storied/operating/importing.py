"""Importing an export: the log comes back as it was, batch by batch, and goes on where an earlier import stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NoReturn, Protocol

import msgspec

from storied.errors import InvalidInput
from storied.operating.lines import End, Header, Line, bad_line, parse_line
from storied.operating.walking import Progress, no_progress
from storied.store.appending import Stored
from storied.store.port import EventStore
from storied.store.records import Recorded
from storied.store.restoring import Restorable, other_content


class RestorableStore(EventStore, Restorable, Protocol):
    """An event store into which a log can be brought back."""


class Imported(msgspec.Struct, frozen=True):
    """What an import did: the log, its head, and of its events those that it stored and those that were there."""

    identity: str
    head: int
    stored: int
    known: int
    appends: int


async def import_lines(
    store: RestorableStore, batches: AsyncIterator[list[bytes]], progress: Progress = no_progress
) -> Imported:
    """Brings the lines of an export into the store, which is empty or holds the beginning of the same log.

    Each batch is stored whole and durably, or not at all; after an interruption the same lines go on where it stopped.
    Raises `InvalidInput`: ``bad-line``, which names the line, at the first that is damaged or out of its place;
    ``other-content`` when the store holds another log, or a longer one.
    """
    importing = _Importing(store)
    number = 0
    async for lines in batches:
        for line in lines:
            number += 1
            try:
                await importing.take(parse_line(line))
            except InvalidInput as error:
                if error.code == "bad-line":
                    _refuse(number, error, await store.head())
                raise
        await importing.store()
        progress("events", importing.position, importing.head)
    if importing.ended is None:
        _refuse(number + 1, bad_line("the export ends here, before its last line"), await store.head())
    return Imported(store.identity, importing.position, importing.stored, importing.known, importing.appends)


class _Importing:
    """Where an import is: what it has seen, and the batch that is not stored yet."""

    def __init__(self, store: RestorableStore) -> None:
        self._store = store
        self._header: Header | None = None
        self._begun = 0
        self._events: list[Recorded] = []
        self._known: list[Recorded] = []
        self._remembered: list[Stored] = []
        self._recorded_us = -(2**63)
        self.ended: End | None = None
        self.position = self.stored = self.known = self.appends = 0

    @property
    def head(self) -> int:
        """The last position that the export has."""
        return self._header.head if self._header else 0

    async def take(self, line: Line) -> None:
        """Puts the line into the batch. Raises `InvalidInput` for a line out of its place."""
        if isinstance(line, Header):
            await self._begin(line)
        elif self._header is None:
            raise bad_line("an export begins with its header")
        elif self.ended is not None:
            raise bad_line("there is more behind the last line")
        elif isinstance(line, Recorded):
            self._take_event(line)
        elif isinstance(line, Stored):
            if line.receipt.position != self.position or not 0 <= line.receipt.count <= self.position:
                raise bad_line(f"append {line.receipt.append_id} does not stand behind its last event")
            self._remembered.append(line)
            self.appends += 1
        else:
            self._end(line)

    async def store(self) -> None:
        """Compares the batch with what the store has, and stores the rest of it."""
        if self._known:
            first, last = self._known[0].position, self._known[-1].position
            mine = await self._store.read(after=first - 1, until=last).list()
            if mine != self._known:
                different = next((t for m, t in zip(mine, self._known, strict=False) if m != t), self._known[-1])
                raise other_content(f"event {different.position} differs")
        if self._events or self._remembered:
            await self._store.restore(self._events, self._remembered)
        self.known += len(self._known)
        self.stored += len(self._events)
        self._known, self._events, self._remembered = [], [], []

    async def _begin(self, header: Header) -> None:
        if self._header is not None:
            raise bad_line("there is a second header")
        await self._store.adopt(header.identity)
        self._begun = await self._store.head()
        if self._begun > header.head:
            raise other_content(f"it goes on to position {self._begun}, the export ends at {header.head}")
        self._header = header

    def _take_event(self, record: Recorded) -> None:
        if record.position != self.position + 1 or record.position > self.head:
            raise bad_line(f"event {record.position} stands where event {self.position + 1} should be")
        if record.recorded_us < self._recorded_us:
            raise bad_line(f"event {record.position} was recorded before the event ahead of it")
        self.position, self._recorded_us = record.position, record.recorded_us
        (self._known if record.position <= self._begun else self._events).append(record)

    def _end(self, line: End) -> None:
        if (line.end, line.appends) != (self.position, self.appends) or line.end != self.head:
            raise bad_line(
                f"it speaks of {line.end} events and {line.appends} appends, and there were {self.position} and "
                f"{self.appends}"
            )
        self.ended = line


def _refuse(number: int, error: InvalidInput, head: int) -> NoReturn:
    raise InvalidInput(
        f"line {number}: {error.message}. The store holds the log up to position {head}, and nothing beyond. Import "
        "the whole export, as it was written, to go on.",
        code=error.code,
    ) from error
