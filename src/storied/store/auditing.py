"""Looking behind a log: what an engine keeps beside the events, so that it can be held against them.

Nothing here is needed to use a store; it serves whoever checks one, or moves one elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from storied.store.appending import Stored
from storied.store.port import EventStore


class TagRow(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the tag index: the event of this `type` at this `position` carries this `tag`."""

    tag: str
    position: int
    type: str


class Remembered(msgspec.Struct, frozen=True):
    """What the store remembers of an append, and the checksum it was stored with (None where there is none)."""

    stored: Stored
    checksum: int | None = None


@runtime_checkable
class Auditable(Protocol):
    """A store that lets itself be checked. Each verb speaks of positions up to a head that was asked for before."""

    async def structure(self) -> list[str]:
        """What is wrong with the engine's own files, a sentence each; nothing when they are sound.

        Takes time in proportion to the files; holds up nobody.
        """
        ...

    async def unindexed(self, rows: Sequence[TagRow]) -> list[TagRow]:
        """Those of the rows that the tag index lacks."""
        ...

    async def count_rows(self, until: int) -> int:
        """How many entries the tag index has for positions up to *until*."""
        ...

    def strays(self, until: int) -> AsyncGenerator[TagRow, None]:
        """The entries of the tag index, for positions up to *until*, that no event asks for; by tag and position."""
        ...

    def remembered(self, until: int, after: int = -1) -> AsyncGenerator[Remembered, None]:
        """What is remembered of appends at positions up to *until*, by position and id; those beyond *after* only."""
        ...


class AuditableStore(EventStore, Auditable, Protocol):
    """An event store that lets itself be checked."""
