"""The SQLite engine keeps the store's contract, in a file that outlives the handle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storied.domain.times import Clock, utc_now
from storied.engines.sqlite.store import SqliteStore
from storied.testing.contract import DurableStoreContract


class TestSqliteStore(DurableStoreContract):
    """Every fact, on a database file."""

    @asynccontextmanager
    async def open_store(self, place: Path, clock: Clock = utc_now) -> AsyncIterator[SqliteStore]:
        """The store in the file ``log.db`` at *place*."""
        store = await SqliteStore.open(place / "log.db", clock=clock)
        try:
            yield store
        finally:
            await store.aclose()
