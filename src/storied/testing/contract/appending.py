"""Facts about appending: positions, order, atomicity, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from storied.errors import Conflict
from storied.store.port import EventStore
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, notes, positions, stored, unless
from storied.testing.waiting import turns

RACERS = 64


class AppendingFacts(OpensStores):
    """What an append does to the log."""

    async def test_a_new_store_is_empty(self, tmp_path: Path) -> None:
        """The head of a log without events is 0, and there is nothing to read."""
        async with self.open_store(tmp_path) as store:
            assert (await store.head(), await stored(store)) == (0, [])

    async def test_the_first_event_stands_at_position_1(self, tmp_path: Path) -> None:
        """Positions count from 1."""
        async with self.open_store(tmp_path) as store:
            await store.append([event()])
            assert positions(await stored(store)) == [1]

    async def test_the_receipt_says_where_the_events_are(self, tmp_path: Path) -> None:
        """A receipt holds the first and the last position and the number of events."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(4))
            receipt = await store.append(events(3))
            assert (receipt.first, receipt.position, receipt.count) == (5, 7, 3)

    async def test_the_head_is_the_position_of_the_last_event(self, tmp_path: Path) -> None:
        """The head moves with every append, by its number of events."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            await store.append(events(5))
            assert await store.head() == 7

    async def test_events_stand_in_the_order_given(self, tmp_path: Path) -> None:
        """The order of the list is the order in the log."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(50))
            assert notes(await stored(store)) == list(range(1, 51))

    async def test_appends_stand_in_the_order_made(self, tmp_path: Path) -> None:
        """What is appended after an answer stands beyond what the answer spoke of."""
        async with self.open_store(tmp_path) as store:
            for number in range(20):
                await store.append([event(note=number)])
            assert notes(await stored(store)) == list(range(20))

    async def test_an_acknowledged_append_is_read_at_once(self, tmp_path: Path) -> None:
        """Nobody waits to read what they were told is stored."""
        async with self.open_store(tmp_path) as store:
            for number in range(20):
                receipt = await store.append([event(note=number)])
                assert notes(await store.read(after=receipt.position - 1).list()) == [number]

    async def test_an_append_larger_than_any_page_is_stored_whole(self, tmp_path: Path) -> None:
        """One append may hold thousands of events; they are contiguous, in order, and all there."""
        async with self.open_store(tmp_path) as store:
            receipt = await store.append(events(3000))
            records = await stored(store)
            assert (receipt.first, positions(records)) == (1, list(range(1, 3001)))

    async def test_equal_events_appended_twice_are_stored_twice(self, tmp_path: Path) -> None:
        """Without an append id of the caller's nothing is taken for a repeat."""
        async with self.open_store(tmp_path) as store:
            same = event(note="again")
            first = await store.append([same])
            second = await store.append([event(note="again")])
            assert (first.append_id != second.append_id, notes(await stored(store))) == (True, ["again", "again"])

    async def test_concurrent_appends_use_every_position_once(self, tmp_path: Path) -> None:
        """Whoever appends at the same time as others leaves no gap and takes no place twice."""
        async with self.open_store(tmp_path) as store:
            receipts = await asyncio.gather(*(store.append(events(3)) for _ in range(RACERS)))
            taken = [position for r in receipts for position in range(r.first, r.position + 1)]
            assert sorted(taken) == positions(await stored(store)) == list(range(1, 3 * RACERS + 1))

    async def test_the_events_of_one_append_are_contiguous(self, tmp_path: Path) -> None:
        """No event of another append comes in between, however many append at once."""
        async with self.open_store(tmp_path) as store:
            await asyncio.gather(*(store.append([event(note=who) for _ in range(3)]) for who in range(RACERS)))
            found = notes(await stored(store))
            assert [found[at : at + 3] for at in range(0, len(found), 3)] == [[who] * 3 for who in found[::3]]

    async def test_each_of_many_writers_finds_its_events_in_its_order(self, tmp_path: Path) -> None:
        """A writer's later append never overtakes its earlier one."""

        async def write(store: EventStore, who: str) -> None:
            for number in range(10):
                await store.append([event("Noted", f"writer:{who}", note=number)])

        async with self.open_store(tmp_path) as store:
            await asyncio.gather(*(write(store, f"w-{n}") for n in range(16)))
            records = await stored(store)
            for n in range(16):
                assert notes([r for r in records if r.tags == (f"writer:w-{n}",)]) == list(range(10))

    async def test_a_refused_append_uses_no_position(self, tmp_path: Path) -> None:
        """The event after a refusal stands right after the event before it."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            with pytest.raises(Conflict):
                await store.append(events(5), condition=unless(tags=["account:a"]))
            assert (await store.append([event()])).position == 2

    async def test_a_refused_append_stores_none_of_its_events(self, tmp_path: Path) -> None:
        """All or nothing: the log is what it was before."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            before = await stored(store)
            with pytest.raises(Conflict):
                await store.append(events(5), condition=unless(tags=["account:a"]))
            assert (await stored(store), await store.head()) == (before, 1)

    async def test_refusals_between_concurrent_appends_leave_no_gap(self, tmp_path: Path) -> None:
        """Appends that are refused together with others that are stored use nothing up."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            refused = unless(tags=["account:a"])
            outcomes = await asyncio.gather(
                *(store.append(events(2), condition=refused if n % 2 else None) for n in range(RACERS)),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == RACERS // 2
            assert positions(await stored(store)) == list(range(1, RACERS + 2))

    async def test_stored_events_stay_as_they_are(self, tmp_path: Path) -> None:
        """The past reads the same, to the byte, before and after more is appended."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Noted", "a:1", "b:2", note=n, actor="anna") for n in range(30)])
            before = await stored(store)
            await store.append([event("Noted", "a:1", note=n) for n in range(30)])
            assert await store.read(until=30).list() == before

    @pytest.mark.parametrize("patience", [0, 1, 2, 3, 5, 8])
    async def test_a_cancelled_append_repeated_by_its_id_is_stored_once(self, tmp_path: Path, patience: int) -> None:
        """Wherever the cancellation strikes, repeating the append makes sure of it and never doubles it."""
        async with self.open_store(tmp_path) as store:
            task = asyncio.ensure_future(store.append([event(note="once")], append_id="one"))
            await turns(patience)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            receipt = await store.append([event(note="once")], append_id="one")
            assert (notes(await stored(store)), receipt.position) == (["once"], 1)

    async def test_a_cancelled_append_does_not_disturb_its_neighbours(self, tmp_path: Path) -> None:
        """Others that append at the same time get their receipts, and their events are where those say."""
        async with self.open_store(tmp_path) as store:
            tasks = [asyncio.ensure_future(store.append([event(note=n)], append_id=f"a-{n}")) for n in range(RACERS)]
            await turns(1)
            for task in tasks[::2]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            records = {r.position: r.payload for r in await stored(store)}
            assert sorted(records) == list(range(1, len(records) + 1))
            for n, outcome in enumerate(outcomes):
                if n % 2 or not isinstance(outcome, asyncio.CancelledError):
                    assert not isinstance(outcome, BaseException)
                    assert records[outcome.position] == {"note": n}
