"""Reading on: subscriptions that neither stick nor skip, and pages that cut nothing off."""

import asyncio
from pathlib import Path
from typing import Annotated

import pytest

from storied import App, Command, Entity, Event, Id, Tag, on
from storied.store.port import EventStore
from storied.store.query import Query
from storied.store.reading import PAGE
from storied.testing.contract.specimens import event, events, positions, stored
from storied.testing.waiting import take, turns
from tests.traps.stores import Opens, on_both_engines


@on_both_engines
async def test_a_filtered_subscription_moves_on_over_what_does_not_match(tmp_path: Path, opens: Opens) -> None:
    """A stretch of thousands without a match is passed at once, and what a page says it saw is where to go on."""
    async with opens(tmp_path) as store:
        await store.append(events(3 * PAGE))
        pages = store.subscribe(Query.of(types=["Rare"])).pages()
        page = await anext(pages)
        assert (page.events, page.through) == ([], 3 * PAGE)
        await store.append([event("Rare")])
        resumed = store.subscribe(Query.of(types=["Rare"]), after=page.through)
        assert positions(await take(resumed, 1)) == [3 * PAGE + 1]
        await pages.aclose()


@on_both_engines
async def test_a_waiting_filtered_subscription_hears_of_what_does_not_match(tmp_path: Path, opens: Opens) -> None:
    """Its position goes on while it waits, so that its checkpoint never stays behind a busy log."""
    async with opens(tmp_path) as store:
        pages = store.subscribe(Query.of(types=["Rare"])).pages()
        for number in range(1, 6):
            waiting = asyncio.ensure_future(anext(pages))
            await turns(2)
            await store.append([event("Common")])
            assert (await waiting).through == number
        await pages.aclose()


@on_both_engines
async def test_the_hand_over_from_stored_to_new_events_has_no_seam(tmp_path: Path, opens: Opens) -> None:
    """Subscribers that start at any moment of a busy log are given the whole of it, each event once."""

    async def write(store: EventStore) -> None:
        for number in range(120):
            await store.append(events(1 + number % 4, "Noted", "account:a"))

    async with opens(tmp_path) as store:
        writing = asyncio.ensure_future(write(store))
        taking = []
        for _ in range(12):
            await turns(3)
            taking.append(asyncio.ensure_future(take(store.subscribe(), 300)))
        await writing
        log = await stored(store)
        assert [await each for each in taking] == [log] * 12


@on_both_engines
async def test_a_subscription_by_single_events_crosses_every_page_boundary(tmp_path: Path, opens: Opens) -> None:
    """Pages of one, two and three events, full ones at the very end of the log among them, lose nothing."""
    async with opens(tmp_path) as store:
        await store.append([event("Noted" if n % 2 else "Other", note=n) for n in range(12)])
        for size in (1, 2, 3, 6, 12):
            for query, count in ((Query(), 12), (Query.of(types=["Noted"]), 6)):
                found: list[int] = []
                async for page in store.subscribe(query).pages(size):
                    found += positions(page.events)
                    if page.through == 12 or len(found) == count:
                        break
                assert found == positions(await stored(store, query))


CounterId = Annotated[str, Tag("counter")]


class Linked(Event):
    """Two counters have met."""

    first: CounterId
    second: CounterId


class Counter(Entity):
    """How often a counter met another."""

    count: int = 0

    @on
    def linked(self, event: Linked) -> None:
        """Once more."""
        self.count += 1


class Compare(Command):
    """Looks at four counters at once."""

    one: Id
    two: Id
    three: Id
    four: Id


class Compared(Event):
    """What the four counters were."""

    counts: list[int]


app = App("counting")


@app.command()
def compare(command: Compare, one: Counter, two: Counter, three: Counter, four: Counter) -> Compared:
    """Tells what the counters are."""
    return Compared(counts=[one.count, two.count, three.count, four.count])


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/log.db"])
async def test_an_entity_longer_than_a_page_is_loaded_whole(tmp_path: Path, url: str) -> None:
    """The state of an entity of thousands of events is not that of its first thousand."""
    async with app.open(url.format(tmp_path)) as counting:
        await counting.record(*[Linked(first="a", second="b")] * (3 * PAGE))
        assert (await counting.state(Counter, "a")).count == 3 * PAGE


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/log.db"])
async def test_an_event_of_two_of_four_entities_is_applied_once_to_each(tmp_path: Path, url: str) -> None:
    """Entities that are loaded together are what they would be alone."""
    async with app.open(url.format(tmp_path)) as counting:
        await counting.record(Linked(first="a", second="b"), Linked(first="b", second="c"))
        await counting.execute(Compare(one="a", two="b", three="c", four="d"))
        (record,) = await counting.store.read(Query.of(types=[Compared])).list()
        assert record.payload == {"counts": [1, 2, 1, 0]}
