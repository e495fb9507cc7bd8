"""Facts about looking over a log: streams by part of their name, and the log in numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol, get_args

import pytest

from storied.errors import InvalidQuery, StoreClosed
from storied.store.port import EventStore
from storied.store.searching import MAX_STREAMS, Stream, StreamOrder, StreamQuery, StreamSearch
from storied.testing.clocks import ManualClock
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events


class SearchableStore(EventStore, StreamSearch, Protocol):
    """An event store that can be looked over too."""


def tags(streams: list[Stream]) -> list[str]:
    """The streams' names."""
    return [stream.tag for stream in streams]


class Searching(OpensStores):
    """Facts that need a store which can be looked over."""

    @asynccontextmanager
    async def searchable(self, place: Path, clock: ManualClock | None = None) -> AsyncIterator[SearchableStore]:
        """The engine's store, once it is seen to offer the search."""
        async with self.open_store(place, clock or ManualClock()) as store:
            assert isinstance(store, StreamSearch)
            yield store


class StreamSearchFacts(Searching):
    """Which streams there are."""

    async def test_an_empty_store_has_no_stream(self, tmp_path: Path) -> None:
        """Nothing was appended, or nothing with a tag."""
        async with self.searchable(tmp_path) as store:
            assert await store.streams() == []
            await store.append(events(3))
            assert await store.streams() == []

    async def test_a_stream_is_told_in_numbers(self, tmp_path: Path) -> None:
        """How many events, where the first and the last stand, what the last is and when it was recorded."""
        clock = ManualClock()
        async with self.searchable(tmp_path, clock) as store:
            await store.append([event("Placed", "order:1", "customer:9"), event("Noted")])
            then = clock.advance(timedelta(seconds=90))
            await store.append([event("Paid", "order:1")])
            [customer, order] = await store.streams()
            assert (customer.tag, customer.events, customer.first, customer.last) == ("customer:9", 1, 1, 1)
            assert (order.tag, order.events, order.first, order.last) == ("order:1", 2, 1, 3)
            assert (order.last_type, order.last_recorded_at) == ("Paid", then)

    async def test_a_part_of_the_name_is_enough(self, tmp_path: Path) -> None:
        """It may stand anywhere in the tag, and its case does not matter, beyond ASCII either."""
        async with self.searchable(tmp_path) as store:
            await store.append([event("Noted", "order:Müller-1", "order:x_2", "product:muller")])
            assert tags(await store.streams(StreamQuery("MÜLLER"))) == ["order:Müller-1"]
            assert tags(await store.streams(StreamQuery("r:"))) == ["order:Müller-1", "order:x_2"]
            assert tags(await store.streams(StreamQuery("x_"))) == ["order:x_2"]
            assert tags(await store.streams(StreamQuery("%"))) == []

    async def test_by_name_means_by_code_point(self, tmp_path: Path) -> None:
        """The order is that of the tags' characters, whatever the engine's collation."""
        names = ["a:ä", "a:z", "A:b", "a:1", "a:10", "a:2", "b:🦊", "b:\uffee"]
        async with self.searchable(tmp_path) as store:
            await store.append([event("Noted", *names)])
            assert tags(await store.streams()) == sorted(names)

    async def test_by_name_a_page_goes_on_behind_a_tag(self, tmp_path: Path) -> None:
        """Page after page gives every stream once."""
        async with self.searchable(tmp_path) as store:
            await store.append([event("Noted", f"a:{number:02}") for number in range(25)])
            seen: list[str] = []
            while page := tags(await store.streams(StreamQuery(limit=10, after=seen[-1] if seen else ""))):
                seen += page
            assert seen == [f"a:{number:02}" for number in range(25)]

    async def test_the_most_recent_come_first(self, tmp_path: Path) -> None:
        """By last event; streams with the same last event come by name."""
        async with self.searchable(tmp_path) as store:
            await store.append([event("Noted", "a:1"), event("Noted", "a:2"), event("Noted", "a:1", "a:0")])
            assert tags(await store.streams(StreamQuery(order="recent"))) == ["a:0", "a:1", "a:2"]
            assert tags(await store.streams(StreamQuery(order="recent", limit=1))) == ["a:0"]

    async def test_the_most_eventful_come_first(self, tmp_path: Path) -> None:
        """By number of events; streams of one length come by name."""
        async with self.searchable(tmp_path) as store:
            await store.append([event("Noted", "a:1", "a:2"), event("Noted", "a:2"), event("Noted", "a:0")])
            assert tags(await store.streams(StreamQuery(order="events"))) == ["a:2", "a:0", "a:1"]
            assert tags(await store.streams(StreamQuery("a:", order="events", limit=2))) == ["a:2", "a:0"]

    @pytest.mark.parametrize("order", get_args(StreamOrder))
    async def test_many_streams_are_found_in_any_order(self, tmp_path: Path, order: StreamOrder) -> None:
        """More streams than an engine looks at once lead to the same answer as a few."""
        async with self.searchable(tmp_path) as store:
            await store.append([event("Noted", f"a:{number:04}", "all:1") for number in range(1300)])
            found = await store.streams(StreamQuery(order=order, limit=MAX_STREAMS))
            assert len(found) == len(set(tags(found))) == 1301
            assert next(stream.events for stream in found if stream.tag == "all:1") == 1300
            last = await store.streams(StreamQuery("1299", order=order))
            assert [(stream.first, stream.last) for stream in last] == [(1300, 1300)]

    @pytest.mark.parametrize(
        "settings",
        [
            {"limit": 0},
            {"limit": MAX_STREAMS + 1},
            {"limit": True},
            {"order": "size"},
            {"part": 1},
            {"order": "recent", "after": "a:1"},
        ],
    )
    def test_an_impossible_search_is_refused(self, settings: dict[str, object]) -> None:
        """What cannot be asked is said to be so, with the remedy."""
        with pytest.raises(InvalidQuery):
            StreamQuery(**settings)  # type: ignore[arg-type]  # wrong on purpose

    async def test_a_closed_store_finds_nothing(self, tmp_path: Path) -> None:
        """It says that it is closed."""
        async with self.searchable(tmp_path) as store:
            await store.append(events(1, "Noted", "a:1"))
            await store.aclose()
            with pytest.raises(StoreClosed):
                await store.streams()
            with pytest.raises(StoreClosed):
                await store.measure()


class MeasureFacts(Searching):
    """How much there is."""

    async def test_an_empty_log_measures_nothing(self, tmp_path: Path) -> None:
        """No type, no time, head 0."""
        async with self.searchable(tmp_path) as store:
            facts = await store.measure()
            assert (facts.head, facts.events, facts.types) == (0, 0, {})
            assert (facts.first_recorded_us, facts.last_recorded_us) == (None, None)

    async def test_events_are_counted_by_type(self, tmp_path: Path) -> None:
        """Every type with its number of events, in the order of their names; together they reach the head."""
        async with self.searchable(tmp_path) as store:
            await store.append([*events(3, "Paid"), *events(2, "Noted"), *events(1, "Paid")])
            facts = await store.measure()
            assert list(facts.types.items()) == [("Noted", 2), ("Paid", 4)]
            assert facts.events == facts.head == 6

    async def test_the_first_and_last_times_are_told(self, tmp_path: Path) -> None:
        """They are the recording times of the first and the last event."""
        clock = ManualClock()
        async with self.searchable(tmp_path, clock) as store:
            await store.append(events(2))
            clock.advance(timedelta(days=1))
            await store.append(events(2))
            facts = await store.measure()
            records = await store.read().list()
            assert facts.first_recorded_us == records[0].recorded_us
            assert facts.last_recorded_us == records[-1].recorded_us


class StreamSearchContract(StreamSearchFacts, MeasureFacts):
    """What every store does that offers `StreamSearch`; subclass it as ``Test…`` and write `open_store`."""
