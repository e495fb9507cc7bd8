"""The memory engine keeps the store's contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storied.domain.times import Clock, utc_now
from storied.engines.memory.store import MemoryStore
from storied.testing.contract import EventStoreContract


class TestMemoryStore(EventStoreContract):
    """Every fact, on a store in this process's memory."""

    @asynccontextmanager
    async def open_store(self, place: Path, clock: Clock = utc_now) -> AsyncIterator[MemoryStore]:
        """A new store: *place* means nothing to it."""
        store = MemoryStore(clock)
        try:
            yield store
        finally:
            await store.aclose()
