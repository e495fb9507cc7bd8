"""Facts about conditions under concurrency: of those who decided on the same past, one wins."""

from __future__ import annotations

import asyncio
from pathlib import Path

from storied.errors import Conflict
from storied.store.query import AppendCondition, Query
from storied.store.records import Receipt
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, notes, stored, unless

RACERS = 64


class RacingFacts(OpensStores):
    """What happens when many append at once."""

    async def test_exactly_one_of_many_racers_wins(self, tmp_path: Path) -> None:
        """Of all who append on the same condition at the same time, one is stored and the others are refused."""
        async with self.open_store(tmp_path) as store:
            outcomes = await asyncio.gather(
                *(
                    store.append([event("Opened", "account:a", note=n)], condition=unless(tags=["account:a"]))
                    for n in range(RACERS)
                ),
                return_exceptions=True,
            )
            winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Receipt)]
            assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == RACERS - 1
            assert notes(await stored(store)) == winners

    async def test_exactly_one_of_many_racers_on_different_streams_wins_by_type(self, tmp_path: Path) -> None:
        """A condition on a type makes those conflict who share no tag."""
        async with self.open_store(tmp_path) as store:
            outcomes = await asyncio.gather(
                *(
                    store.append([event("Numbered", f"invoice:{n}")], condition=unless(types=["Numbered"]))
                    for n in range(RACERS)
                ),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 1

    async def test_racers_on_different_streams_all_win(self, tmp_path: Path) -> None:
        """Who decides about something else is not refused."""
        async with self.open_store(tmp_path) as store:
            await asyncio.gather(
                *(
                    store.append(
                        [event("Opened", f"account:{n}")], condition=unless(types=["Opened"], tags=[f"account:{n}"])
                    )
                    for n in range(RACERS)
                )
            )
            assert await store.head() == RACERS

    async def test_plain_appends_race_in_the_same_order(self, tmp_path: Path) -> None:
        """A conditional append is stored only where no plain one stands before it."""
        async with self.open_store(tmp_path) as store:
            outcomes = await asyncio.gather(
                *(
                    store.append([event("Opened")], condition=AppendCondition(Query()) if n % 2 else None)
                    for n in range(RACERS)
                ),
                return_exceptions=True,
            )
            conditional = [outcome.position for outcome in outcomes[1::2] if isinstance(outcome, Receipt)]
            assert conditional in ([], [1])
            assert await store.head() == RACERS // 2 + len(conditional)

    async def test_a_counter_kept_by_condition_and_retry_misses_none(self, tmp_path: Path) -> None:
        """Writers who read, decide and append on condition, and try again when refused, count without a double."""
        async with self.open_store(tmp_path) as store:
            query = Query.of(tags=["counter:c"])

            async def count() -> None:
                while True:
                    seen = await store.read(query).list()
                    after = seen[-1].position if seen else 0
                    try:
                        await store.append(
                            [event("Counted", "counter:c", note=len(seen) + 1)], condition=AppendCondition(query, after)
                        )
                    except Conflict:
                        continue
                    return

            async with asyncio.timeout(30):
                await asyncio.gather(*(count() for _ in range(24)))
            assert notes(await stored(store)) == list(range(1, 25))

    async def test_a_transfer_between_two_streams_is_one_decision(self, tmp_path: Path) -> None:
        """Racers whose conditions overlap in one stream only conflict there."""
        async with self.open_store(tmp_path) as store:
            pairs = [("account:a", "account:b"), ("account:b", "account:c"), ("account:c", "account:a")]
            outcomes = await asyncio.gather(
                *(
                    store.append(
                        [event("Moved", *pair, note=n)], condition=[unless(tags=[pair[0]]), unless(tags=[pair[1]])]
                    )
                    for n, pair in enumerate(pairs * 8)
                ),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 1

    async def test_conditions_on_thousands_of_items_are_exact(self, tmp_path: Path) -> None:
        """2,000 items in one condition are each looked at."""
        async with self.open_store(tmp_path) as store:
            query = Query.of(tags=["item:0"])
            for n in range(1, 2000):
                query = Query((*query.items, *Query.of(tags=[f"item:{n}"], types=["Sold"]).items))
            await store.append([event("Sold", "item:2000"), event("Returned", "item:1999")])
            await store.append([event("Probe")], condition=AppendCondition(query))
            await store.append([event("Sold", "item:1999")])
            (outcome,) = await asyncio.gather(
                store.append([event("Probe")], condition=AppendCondition(query)), return_exceptions=True
            )
            assert isinstance(outcome, Conflict)
            assert (outcome.position, outcome.tags) == (4, ("item:1999",))
