"""Facts about subscribing: what is stored, then what comes, without a seam."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from storied.errors import StoreClosed
from storied.store.port import EventStore
from storied.store.query import Query
from storied.store.reading import PAGE
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, positions
from storied.testing.waiting import eventually, take, turns


async def write(store: EventStore, count: int, type: str = "Noted") -> None:
    """Appends that many events, one after the other."""
    for number in range(count):
        await store.append([event(type, note=number)])


class SubscriptionFacts(OpensStores):
    """What `subscribe` gives."""

    async def test_it_gives_what_is_stored(self, tmp_path: Path) -> None:
        """A subscription begins with the past."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(5))
            assert positions(await take(store.subscribe(), 5)) == [1, 2, 3, 4, 5]

    async def test_it_goes_on_with_what_comes(self, tmp_path: Path) -> None:
        """Events appended while it waits arrive."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            seen = asyncio.ensure_future(take(store.subscribe(), 6))
            await turns(5)
            await store.append(events(3))
            await store.append(events(1))
            assert positions(await seen) == [1, 2, 3, 4, 5, 6]

    async def test_it_waits_on_an_empty_log(self, tmp_path: Path) -> None:
        """The very first event arrives at who was there before it."""
        async with self.open_store(tmp_path) as store:
            seen = asyncio.ensure_future(take(store.subscribe(), 1))
            await turns(5)
            await store.append([event()])
            assert positions(await seen) == [1]

    async def test_it_starts_beyond_after(self, tmp_path: Path) -> None:
        """The position that its reader has seen is left out."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(5))
            assert positions(await take(store.subscribe(after=3), 2)) == [4, 5]

    async def test_it_may_start_beyond_the_head(self, tmp_path: Path) -> None:
        """A subscription from a position not reached yet skips what comes up to it."""
        async with self.open_store(tmp_path) as store:
            seen = asyncio.ensure_future(take(store.subscribe(after=4), 2))
            await turns(5)
            await write(store, 6)
            assert positions(await seen) == [5, 6]

    async def test_there_is_no_seam_between_past_and_present(self, tmp_path: Path) -> None:
        """While it catches up with thousands of events more are appended: each comes once, in order."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2 * PAGE + 10))
            total = 2 * PAGE + 10 + 150
            seen, *_ = await asyncio.gather(take(store.subscribe(), total), write(store, 50), write(store, 100))
            assert positions(seen) == list(range(1, total + 1))

    async def test_there_is_no_seam_for_a_slow_reader(self, tmp_path: Path) -> None:
        """A reader that lets others append between any two events misses none and sees none twice."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(10))
            seen: list[int] = []
            async with asyncio.timeout(10):
                async for record in store.subscribe():
                    seen.append(record.position)
                    if len(seen) == 100:
                        break
                    if len(seen) % 3 == 0:
                        await store.append(events(4))
            assert seen == list(range(1, 101))

    async def test_a_reader_that_stops_goes_on_from_where_it_was(self, tmp_path: Path) -> None:
        """With the last position seen as `after`, the next subscription continues without gap or double."""
        async with self.open_store(tmp_path) as store:
            writing = asyncio.ensure_future(write(store, 60))
            seen: list[int] = []
            while len(seen) < 60:
                seen += positions(
                    await take(store.subscribe(after=seen[-1] if seen else 0), 7 if len(seen) < 56 else 4)
                )
            await writing
            assert seen == list(range(1, 61))

    async def test_every_subscriber_sees_everything(self, tmp_path: Path) -> None:
        """Subscribers do not take events from each other, wherever each begins."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(10))
            readers = [asyncio.ensure_future(take(store.subscribe(after=n), 50 - n)) for n in range(12)]
            await write(store, 40)
            seen = await asyncio.gather(*readers)
            assert [positions(each) for each in seen] == [list(range(n + 1, 51)) for n in range(12)]

    async def test_a_filter_lets_through_what_matches(self, tmp_path: Path) -> None:
        """Past or present, only the events that the query asks for arrive."""
        async with self.open_store(tmp_path) as store:
            query = Query.of(types=["Paid"]) | Query.of(tags=["vip:v"])
            await store.append([event("Paid"), event("Noted"), event("Noted", "vip:v")])
            seen = asyncio.ensure_future(take(store.subscribe(query), 4))
            await turns(5)
            await store.append([event("Noted"), event("Paid")])
            await store.append([event("Noted")])
            await store.append([event("Noted", "vip:v")])
            assert positions(await seen) == [1, 3, 5, 7]

    async def test_subscribers_with_different_filters_share_the_work(self, tmp_path: Path) -> None:
        """Each gets its own, and together they get everything."""
        async with self.open_store(tmp_path) as store:
            readers = [
                asyncio.ensure_future(take(store.subscribe(Query.of(types=[type])), 20)) for type in ("A", "B", "C")
            ]
            await asyncio.gather(*(write(store, 20, type) for type in ("A", "B", "C")))
            seen = await asyncio.gather(*readers)
            assert [{record.type for record in each} for each in seen] == [{"A"}, {"B"}, {"C"}]
            assert sorted(p for each in seen for p in positions(each)) == list(range(1, 61))

    async def test_a_page_without_a_match_says_that_the_log_went_on(self, tmp_path: Path) -> None:
        """The checkpoint of a filtered reader moves over what it does not want."""
        async with self.open_store(tmp_path) as store:
            through = 0

            async def follow() -> None:
                nonlocal through
                async for page in store.subscribe(Query.of(types=["Never"])).pages():
                    assert page.events == []
                    through = page.through

            following = asyncio.ensure_future(follow())
            await store.append(events(500))
            await eventually(lambda: through == 500)
            await write(store, 3)
            await eventually(lambda: through == 503)
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def test_a_page_is_as_large_as_asked(self, tmp_path: Path) -> None:
        """No page holds more events than its reader wants at once, and none is skipped for it."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(10))
            pages = await take(store.subscribe().pages(4), 3)
            assert [positions(page.events) for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]

    async def test_each_iteration_starts_at_after(self, tmp_path: Path) -> None:
        """A subscription is a description; iterating it twice gives the same twice."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(4))
            subscription = store.subscribe(after=1)
            assert await take(subscription, 3) == await take(subscription, 3)

    async def test_a_cancelled_wait_leaves_no_trace(self, tmp_path: Path) -> None:
        """Who waits for the next event can be stopped, and the store goes on for the others."""
        async with self.open_store(tmp_path) as store:
            waiting = asyncio.ensure_future(take(store.subscribe(), 1))
            other = asyncio.ensure_future(take(store.subscribe(), 2))
            await turns(5)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await store.append(events(2))
            assert positions(await other) == [1, 2]

    async def test_an_idle_reader_does_not_hold_up_appends(self, tmp_path: Path) -> None:
        """A subscriber that has stopped in the middle of a page costs the writers nothing."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(10))
            async with contextlib.aclosing(aiter(store.subscribe())) as idle:  # type: ignore[type-var]  # a generator
                await anext(idle)
                await store.append(events(10))
                assert await store.head() == 20

    async def test_it_ends_when_the_store_is_closed(self, tmp_path: Path) -> None:
        """Who waits for the next event is told that there will be none."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            readers = [asyncio.ensure_future(take(store.subscribe(), 3)) for _ in range(3)]
            await turns(20)
            await store.aclose()
            outcomes = await asyncio.gather(*readers, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [StoreClosed] * 3
