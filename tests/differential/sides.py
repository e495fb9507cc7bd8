"""The two stores that one history is played on, and how each is closed, dropped and opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from storied.domain.times import Clock
from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite.store import SqliteStore


class Side(Protocol):
    """One store with its life cycle."""

    store: Any

    def __init__(self, clock: Clock, place: Path) -> None: ...

    async def open(self) -> None:
        """Opens the store, with what it held before."""

    async def drop(self) -> None:
        """Forgets the handle without closing it, as a crash of its owner does."""

    async def end(self) -> None:
        """Lets go of every handle there ever was."""


class MemorySide:
    """A store in memory. What it held is carried over by hand when it opens again."""

    kind: type[MemoryStore] = MemoryStore
    store: Any

    def __init__(self, clock: Clock, place: Path) -> None:
        self._clock = clock
        self.store = None

    async def open(self) -> None:
        """Opens a store with the former one's log."""
        before, self.store = self.store, self.kind(self._clock)
        if before is not None:
            for held in ("identity", "_log", "_by_tag", "_by_type", "_appends"):
                setattr(self.store, held, getattr(before, held))

    async def drop(self) -> None:
        """There is no handle apart from the store."""

    async def end(self) -> None:
        """Closes the store."""
        await self.store.aclose()


class SqliteSide:
    """A store in a file."""

    store: Any

    def __init__(self, clock: Clock, place: Path) -> None:
        self._clock, self._path = clock, place / "log.db"
        self._dropped: list[SqliteStore] = []

    async def open(self) -> None:
        """Opens the file."""
        self.store = await SqliteStore.open(self._path, clock=self._clock)

    async def drop(self) -> None:
        """Leaves the handle, with its threads and its connections, to itself."""
        self._dropped.append(self.store)

    async def end(self) -> None:
        """Closes the store and every handle that was dropped."""
        for store in [self.store, *self._dropped]:
            await store.aclose()
