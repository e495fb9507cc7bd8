"""Facts about append conditions: exactly the events that the query matches, exactly beyond `after`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storied.errors import Conflict
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.records import Receipt
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, unless


async def holds(store: EventStore, *conditions: AppendCondition) -> bool:
    """Whether an append on those conditions is stored."""
    try:
        await store.append([event("Probe", "probe:p")], condition=conditions)
    except Conflict:
        return False
    return True


class ConditionFacts(OpensStores):
    """When an append is refused, and when it is not."""

    async def test_a_condition_that_nothing_matches_holds(self, tmp_path: Path) -> None:
        """On types and tags that nobody stored there is nothing to conflict with."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            assert await holds(store, unless(types=["Closed"], tags=["account:z"]))

    async def test_a_matching_event_refuses_the_append(self, tmp_path: Path) -> None:
        """An event of that type with that tag beyond `after` is a conflict."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            assert not await holds(store, unless(types=["Opened"], tags=["account:a"]))

    async def test_the_tag_with_another_type_is_no_conflict(self, tmp_path: Path) -> None:
        """Types AND tags: the right tag alone does not match."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Renamed", "account:a")])
            assert await holds(store, unless(types=["Opened", "Closed"], tags=["account:a"]))

    async def test_the_type_with_another_tag_is_no_conflict(self, tmp_path: Path) -> None:
        """Types AND tags: the right type alone does not match."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:b")])
            assert await holds(store, unless(types=["Opened"], tags=["account:a"]))

    async def test_type_and_tag_on_two_events_are_no_conflict(self, tmp_path: Path) -> None:
        """One event has to match all of an item; two that match half of it each do not."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:b"), event("Renamed", "account:a")])
            assert await holds(store, unless(types=["Opened"], tags=["account:a"]))

    async def test_any_of_the_types_is_a_conflict(self, tmp_path: Path) -> None:
        """The types of an item are alternatives."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Closed", "account:a")])
            assert not await holds(store, unless(types=["Opened", "Closed"], tags=["account:a"]))

    async def test_some_of_the_tags_are_no_conflict(self, tmp_path: Path) -> None:
        """The tags of an item are demanded together."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Joined", "course:c"), event("Joined", "student:s")])
            assert await holds(store, unless(types=["Joined"], tags=["course:c", "student:s"]))

    async def test_all_of_the_tags_among_others_are_a_conflict(self, tmp_path: Path) -> None:
        """An event may carry more tags than the item demands."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Joined", "course:c", "student:s", "term:t")])
            assert not await holds(store, unless(types=["Joined"], tags=["course:c", "student:s"]))

    @pytest.mark.parametrize("tag", ["course:c", "student:s", "term:t"])
    async def test_each_tag_of_an_event_is_a_conflict(self, tmp_path: Path, tag: str) -> None:
        """An event is in the stream of each of its tags."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Joined", "course:c", "student:s", "term:t")])
            assert not await holds(store, unless(tags=[tag]))

    async def test_any_item_is_a_conflict(self, tmp_path: Path) -> None:
        """The items of a query are alternatives, whatever their shapes."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            query = Query.of(types=["Closed"]) | Query.of(tags=["account:z"]) | Query.of(types=["Opened"])
            assert not await holds(store, AppendCondition(query))

    async def test_a_condition_on_types_alone_sees_every_stream(self, tmp_path: Path) -> None:
        """Without tags the type is enough, with tags or without on the event."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            assert not await holds(store, unless(types=["Opened"]))

    async def test_a_condition_on_every_event_sees_any(self, tmp_path: Path) -> None:
        """A query without items matches every event, also one that carries no tag."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened")])
            assert not await holds(store, AppendCondition(Query()))

    async def test_a_condition_on_every_event_at_the_head_holds(self, tmp_path: Path) -> None:
        """Nothing lies beyond the head."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(3))
            assert await holds(store, AppendCondition(Query(), after=3))

    async def test_an_event_at_after_is_no_conflict(self, tmp_path: Path) -> None:
        """`after` is the position decided at: what stands there was known."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(3, "Opened", "account:a"))
            assert await holds(store, unless(tags=["account:a"], after=3))

    async def test_an_event_just_beyond_after_is_a_conflict(self, tmp_path: Path) -> None:
        """The very next position counts."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(3, "Opened", "account:a"))
            assert not await holds(store, unless(tags=["account:a"], after=2))

    async def test_a_condition_beyond_the_head_holds(self, tmp_path: Path) -> None:
        """No event lies beyond a position that the log has not reached."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(3, "Opened", "account:a"))
            assert await holds(store, unless(tags=["account:a"], after=2**63 - 1))

    async def test_the_own_events_are_no_conflict(self, tmp_path: Path) -> None:
        """A condition speaks of the log before the append."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2, "Opened", "account:a"), condition=unless(tags=["account:a"]))
            assert await store.head() == 2

    async def test_all_of_several_conditions_have_to_hold(self, tmp_path: Path) -> None:
        """One that fails is enough, wherever it stands among those that hold."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a"), event("Opened", "account:b")])
            good, bad = unless(tags=["account:a"], after=1), unless(tags=["account:b"], after=1)
            assert not await holds(store, good, bad)
            assert not await holds(store, bad, good)

    async def test_several_conditions_have_each_their_own_after(self, tmp_path: Path) -> None:
        """Two entities may have been read at different positions."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a"), event("Opened", "account:b")])
            assert await holds(store, unless(tags=["account:a"], after=1), unless(tags=["account:b"], after=2))

    async def test_no_condition_in_a_list_holds(self, tmp_path: Path) -> None:
        """An empty list demands nothing."""
        async with self.open_store(tmp_path) as store:
            assert await holds(store)

    async def test_a_conflict_tells_the_first_event_in_between(self, tmp_path: Path) -> None:
        """The refusal names the first match beyond `after`: where, what, about what, and who."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a", actor="anna")])
            await store.append([event("Opened", "account:z", actor="zoe")])
            await store.append([event("Paid", "account:a", "invoice:i", actor="bert")])
            await store.append([event("Closed", "account:a", actor="carl")])
            with pytest.raises(Conflict) as caught:
                await store.append([event()], condition=unless(tags=["account:a"], after=1))
            error = caught.value
            assert (error.after, error.position, error.type, error.tags, error.actor) == (
                1,
                3,
                "Paid",
                ("account:a",),
                "bert",
            )

    async def test_the_first_event_in_between_is_first_over_all_items(self, tmp_path: Path) -> None:
        """The items are looked at together, not one after the other."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Start"), event("Second", "b:1"), event("Third", "a:1"), event("First", "c:1")])
            query = Query.of(tags=["a:1"]) | Query.of(types=["First"]) | Query.of(tags=["b:1"])
            with pytest.raises(Conflict) as caught:
                await store.append([event()], condition=AppendCondition(query, after=1))
            assert caught.value.position == 2

    async def test_the_first_event_in_between_is_first_over_hundreds_of_items(self, tmp_path: Path) -> None:
        """However an engine splits so many."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("T999", "account:a"), event("T0", "account:a"), event("T500", "account:a")])
            query = Query(tuple(QueryItem((f"T{number}",), ("account:a",)) for number in range(1000)))
            with pytest.raises(Conflict) as caught:
                await store.append([event()], condition=AppendCondition(query))
            assert (caught.value.position, caught.value.type) == (1, "T999")

    async def test_the_first_event_in_between_is_first_of_all_events(self, tmp_path: Path) -> None:
        """Where the query is for every event, the next one behind `after`."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(4))
            with pytest.raises(Conflict) as caught:
                await store.append([event()], condition=AppendCondition(Query(), after=1))
            assert caught.value.position == 2

    async def test_one_of_several_items_is_enough_among_appends_at_the_same_time(self, tmp_path: Path) -> None:
        """What was asked for a moment before counts as what is stored."""
        async with self.open_store(tmp_path) as store:
            for number in range(5):
                mine, other = f"mine:{number}", f"other:{number}"
                query = Query.of(tags=[mine]) | Query.of(tags=[other])
                stored, refused = await asyncio.gather(
                    store.append([event("Opened", other)]),
                    store.append([event("Opened", mine)], condition=AppendCondition(query)),
                    return_exceptions=True,
                )
                assert isinstance(stored, Receipt)
                assert isinstance(refused, Conflict)
                assert refused.position == stored.position

    async def test_appends_at_the_same_time_keep_to_what_is_beyond_after(self, tmp_path: Path) -> None:
        """A condition that begins behind them all is refused by none of them."""
        async with self.open_store(tmp_path) as store:
            receipts = await asyncio.gather(
                store.append([event("Opened", "account:a")]),
                store.append([event("Paid", "account:a")], condition=unless(tags=["account:a"], after=1)),
                store.append([event("Paid", "account:a")], condition=unless(tags=["account:a"], after=9)),
            )
            assert [receipt.position for receipt in receipts] == [1, 2, 3]

    async def test_a_conflict_is_over_once_it_is_decided_again(self, tmp_path: Path) -> None:
        """With `after` at what was read meanwhile, the same condition holds."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            with pytest.raises(Conflict) as caught:
                await store.append([event()], condition=unless(tags=["account:a"]))
            assert await holds(store, unless(tags=["account:a"], after=caught.value.position))

    async def test_a_plain_append_counts_like_a_conditional_one(self, tmp_path: Path) -> None:
        """Conditional and plain appends share one order: a condition sees either kind."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")], condition=unless(tags=["account:a"]))
            await store.append([event("Paid", "account:a")])
            assert not await holds(store, unless(tags=["account:a"], after=1))
