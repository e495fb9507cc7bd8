"""Contents of the log: read ahead of whoever asks, and in slices that are never too large to join."""

from pathlib import Path

import pytest

from storied.engines.sqlite import paging
from storied.engines.sqlite.store import SqliteStore
from storied.store.codec import new_event
from storied.store.query import Query


async def _grow(store: SqliteStore, sizes: list[int]) -> None:
    await store.append([new_event("Noted", {"text": "x" * size}, tags=("note:1",)) for size in sizes])


@pytest.mark.parametrize("query", [Query(), Query.of(tags=["note:1"])], ids=["everything", "a stream"])
async def test_what_is_appended_between_two_pages_is_in_the_second(tmp_path: Path, query: Query) -> None:
    """Half a page read ahead is no page: more may come before it is asked for."""
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await _grow(store, [1] * 4)
        seen: list[int] = []
        async for page in store.read(query).contents(3):
            seen += page.positions
            if len(seen) == 3:
                await store.head()  # by then half a page was read ahead
                await _grow(store, [1] * 2)
        assert seen == [1, 2, 3, 4, 5, 6]
    finally:
        await store.aclose()


async def test_a_page_read_ahead_serves_once_and_only_the_question_it_was_read_for(tmp_path: Path) -> None:
    """Two readers in turns, on one lane."""
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await _grow(store, [1] * 8)
        one = store.read().contents(2)
        other = store.read(Query.of(tags=["note:1"]), after=1).contents(2)
        seen: dict[str, list[int]] = {"one": [], "other": []}
        for _ in range(3):
            seen["one"] += (await anext(one)).positions
            await store.head()
            seen["other"] += (await anext(other)).positions
            await store.head()
        assert seen == {"one": [1, 2, 3, 4, 5, 6], "other": [2, 3, 4, 5, 6, 7]}
    finally:
        await store.aclose()


async def test_a_slice_too_large_to_join_is_read_in_smaller_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small events say nothing of how large the next are."""
    monkeypatch.setattr(paging, "MOST_BYTES", 5000)
    store = await SqliteStore.open(tmp_path / "log.db")
    sizes = [10] * 40 + [4000] * 10 + [10] * 40
    try:
        await _grow(store, sizes)
        pages = [page async for page in store.read().contents()]
        assert [len(text) - len('{"text":""}') for page in pages for text in page.payloads] == sizes
        backwards = [page async for page in store.read(backwards=True).contents(7)]
        assert [position for page in backwards for position in page.positions] == list(range(len(sizes), 0, -1))
    finally:
        await store.aclose()
