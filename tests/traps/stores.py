"""Both engines for one test, and events to tell apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from storied.engines.opening import open_log
from storied.engines.sqlite.store import SqliteStore
from storied.store.port import EventStore

Opens: TypeAlias = Callable[[Path], AbstractAsyncContextManager[EventStore]]


@asynccontextmanager
async def memory(place: Path) -> AsyncIterator[EventStore]:
    """A store in memory."""
    async with open_log("memory://") as store:
        yield store


@asynccontextmanager
async def sqlite(place: Path) -> AsyncIterator[EventStore]:
    """A store in the file ``log.db`` at *place*."""
    store = await SqliteStore.open(place / "log.db")
    try:
        yield store
    finally:
        await store.aclose()


on_both_engines = pytest.mark.parametrize("opens", [memory, sqlite])
"""For tests with a parameter ``opens``."""
