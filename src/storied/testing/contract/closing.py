"""Facts about closing: what was accepted is finished, and afterwards every verb says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from storied.errors import StoreClosed
from storied.store.port import EventStore
from storied.store.records import Receipt
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events
from storied.testing.waiting import take, turns

VERBS: dict[str, Callable[[EventStore], Awaitable[object]]] = {
    "append": lambda store: store.append([event()]),
    "append of nothing": lambda store: store.append([], append_id="one"),
    "read": lambda store: store.read().list(),
    "read backwards": lambda store: store.read(limit=1, backwards=True).list(),
    "subscribe": lambda store: take(store.subscribe(), 1),
    "subscribe beyond the head": lambda store: take(store.subscribe(after=99), 1),
    "head": lambda store: store.head(),
    "receipt": lambda store: store.receipt("one"),
}


class ClosingFacts(OpensStores):
    """What is left of a store that was closed."""

    @pytest.mark.parametrize("verb", VERBS)
    async def test_every_verb_says_that_the_store_is_closed(self, tmp_path: Path, verb: str) -> None:
        """Nothing hangs and nothing is answered from what is no longer held."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            await store.aclose()
            with pytest.raises(StoreClosed):
                await VERBS[verb](store)

    async def test_closing_again_does_nothing(self, tmp_path: Path) -> None:
        """Closing is idempotent, one after the other and at the same time."""
        async with self.open_store(tmp_path) as store:
            await store.append([event()])
            await asyncio.gather(store.aclose(), store.aclose())
            await store.aclose()

    async def test_a_store_that_was_never_used_can_be_closed(self, tmp_path: Path) -> None:
        """Opening and closing is all it takes."""
        async with self.open_store(tmp_path) as store:
            await store.aclose()

    @pytest.mark.parametrize("patience", [0, 1, 2, 5])
    async def test_appends_on_their_way_are_finished_or_refused(self, tmp_path: Path, patience: int) -> None:
        """Whoever appends while the store is closed gets a receipt or is told that nothing was stored."""
        async with self.open_store(tmp_path) as store:
            tasks = [asyncio.ensure_future(store.append([event(note=n)])) for n in range(40)]
            await turns(patience)
            await store.aclose()
            async with asyncio.timeout(10):
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {Receipt, StoreClosed}

    async def test_a_reading_on_its_way_ends(self, tmp_path: Path) -> None:
        """A reader who goes on after the store was closed is told so at the next page."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(4))
            pages = aiter(store.read().pages(2))
            assert len((await anext(pages)).events) == 2
            await store.aclose()
            with pytest.raises(StoreClosed):
                await anext(pages)
