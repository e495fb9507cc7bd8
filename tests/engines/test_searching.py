"""Both engines can be looked over, and the SQLite one keeps its reading lane free meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from storied.domain.times import Clock, utc_now
from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite.store import SqliteStore
from storied.store.codec import new_event
from storied.store.searching import StreamQuery
from storied.testing.contract import StreamSearchContract


class TestMemorySearch(StreamSearchContract):
    """Every fact, on a store in this process's memory."""

    @asynccontextmanager
    async def open_store(self, place: Path, clock: Clock = utc_now) -> AsyncIterator[MemoryStore]:
        """A new store: *place* means nothing to it."""
        store = MemoryStore(clock)
        try:
            yield store
        finally:
            await store.aclose()


class TestSqliteSearch(StreamSearchContract):
    """Every fact, on a database file."""

    @asynccontextmanager
    async def open_store(self, place: Path, clock: Clock = utc_now) -> AsyncIterator[SqliteStore]:
        """The store in the file ``log.db`` at *place*."""
        store = await SqliteStore.open(place / "log.db", clock=clock)
        try:
            yield store
        finally:
            await store.aclose()


@pytest.mark.parametrize("order", ["recent", "events"])
async def test_a_search_over_many_streams_lets_readers_in_between(tmp_path: Path, order: str) -> None:
    """While 100,000 tags and a stream of 100,000 events are looked at, other reads are answered again and again."""
    store = await SqliteStore.open(tmp_path / "log.db", synchronous="normal")
    try:
        for start in range(0, 100_000, 10_000):
            numbers = range(start, start + 10_000)
            await store.append([new_event("Noted", {}, tags=(f"order:{number}", "all:1")) for number in numbers])
        search = asyncio.create_task(store.streams(StreamQuery(order=order, limit=3)))  # type: ignore[arg-type]  # one of the literals
        reads = 0
        while not search.done():
            assert await store.head() == 100_000
            reads += 1
        assert (await search)[0].tag == "all:1"
        assert reads > 50
    finally:
        await store.aclose()


async def test_a_stream_that_is_counted_in_pieces_is_counted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream may have fewer events than are counted at once, as many, or more."""
    monkeypatch.setattr("storied.engines.sqlite.searching.COUNTED_AT_ONCE", 10)
    monkeypatch.setattr("storied.engines.sqlite.searching.TAGS_AT_ONCE", 2)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        for length in (9, 10, 11, 20, 25):
            await store.append([new_event(f"T{length}", {}, tags=(f"a:{length}",)) for _ in range(length)])
        found = await store.streams(StreamQuery(order="events"))
        assert [(stream.tag, stream.events) for stream in found] == [(f"a:{n}", n) for n in (25, 20, 11, 10, 9)]
        assert (await store.measure()).types == {f"T{n}": n for n in (10, 11, 20, 25, 9)}
    finally:
        await store.aclose()
