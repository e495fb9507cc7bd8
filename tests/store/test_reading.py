"""Readings and subscriptions over a source that counts what it is asked."""

import asyncio
from typing import Any

import pytest

from storied.engines.memory.store import MemoryStore
from storied.errors import InvalidQuery, StoreCorrupt
from storied.store.query import Query
from storied.store.reading import Page, Reading, Span, Subscription
from storied.store.records import NewEvent
from storied.testing.waiting import eventually, take, turns


class CountingStore(MemoryStore):
    """A memory store that remembers the spans it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Span] = []

    async def page(self, query: Query, span: Span) -> Page:
        """One page, and a note of it."""
        self.asked.append(span)
        return await super().page(query, span)


async def filled(count: int) -> CountingStore:
    """A store of that many events."""
    store = CountingStore()
    await store.append([NewEvent("Noted", "{}") for _ in range(count)])
    return store


async def test_a_reading_asks_no_more_than_it_needs() -> None:
    """A page that is not full is the last one."""
    store = await filled(5)
    assert len([page async for page in store.read().pages(2)]) == 3
    assert [(span.after, span.limit) for span in store.asked] == [(0, 2), (2, 2), (4, 2)]


async def test_a_reading_asks_for_no_more_than_its_limit() -> None:
    """The last page is asked for as short as the limit makes it."""
    store = await filled(5)
    assert [page async for page in store.read(limit=3).pages(2)][-1].events[0].position == 3
    assert [span.limit for span in store.asked] == [2, 1]


async def test_a_reading_of_nothing_asks_nothing() -> None:
    """A limit of 0 is answered without the store."""
    store = await filled(5)
    assert await store.read(limit=0).list() == []
    assert store.asked == []


async def test_a_reading_backwards_moves_its_end() -> None:
    """Each page ends below the one before."""
    store = await filled(5)
    assert len(await store.read(backwards=True).list()) == 5
    store.asked.clear()
    assert len([page async for page in store.read(after=1, backwards=True).pages(2)]) == 3
    assert [(span.after, span.until) for span in store.asked] == [(1, None), (1, 3), (1, 1)]


async def test_a_waiting_subscription_asks_nothing() -> None:
    """Waiting costs no busy loop: one question when it caught up, one when something came."""
    store = await filled(3)
    seen = asyncio.ensure_future(take(store.subscribe(), 4))
    await eventually(lambda: store.asked)
    await turns(100)
    assert len(store.asked) == 1
    await store.append([NewEvent("Noted", "{}")])
    assert [record.position for record in await seen] == [1, 2, 3, 4]
    assert len(store.asked) == 2


async def test_a_subscription_asks_on_while_pages_are_full() -> None:
    """It does not wait for news before it has read what is there."""
    store = await filled(6)
    assert [len(page.events) for page in await take(store.subscribe().pages(2), 3)] == [2, 2, 2]


@pytest.mark.parametrize("backwards", [None, 1, "yes"])
async def test_a_direction_is_true_or_false(backwards: Any) -> None:
    """Anything else is a mistake."""
    store = await filled(1)
    with pytest.raises(InvalidQuery, match="backwards"):
        store.read(backwards=backwards)


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", 2**63])
async def test_bad_bounds_are_refused_before_anything_is_read(value: Any) -> None:
    """The mistake shows where it was made, not at the first page."""
    store = await filled(1)
    for span, limit in ((Span(after=value), None), (Span(until=value), None), (Span(), value)):
        with pytest.raises(InvalidQuery):
            Reading(store, Query(), span, limit)
    with pytest.raises(InvalidQuery):
        Subscription(store, Query(), value)


class Stuck(MemoryStore):
    """An engine whose pages never move on, although it says that there is more."""

    async def page(self, query: Query, span: Span) -> Page:
        """Nothing, ever."""
        return Page([], span.after)


async def test_a_subscription_of_an_engine_that_never_moves_on_ends() -> None:
    """It says so with a remedy, instead of asking for ever without a pause."""
    store = Stuck()
    await store.append([NewEvent("A", "{}")])
    with pytest.raises(StoreCorrupt, match="Verify the store"):
        async for _ in store.subscribe():
            pass
