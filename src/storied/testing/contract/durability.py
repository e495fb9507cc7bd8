"""Facts about engines whose log outlives the handle: closed and opened again, and opened twice at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storied.errors import AppendIdReused, Conflict, StoreClosed
from storied.store.query import Query
from storied.store.records import Receipt, digest_of
from storied.testing.clocks import ManualClock
from storied.testing.contract.digests import varied
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, notes, positions, stored, unless
from storied.testing.waiting import take, turns


class ReopeningFacts(OpensStores):
    """What a log still knows when it is opened again."""

    async def test_the_records_are_the_same(self, tmp_path: Path) -> None:
        """Every event is there again, to the byte, and its digest holds."""
        async with self.open_store(tmp_path) as store:
            await store.append(varied())
            before = await stored(store)
        async with self.open_store(tmp_path) as store:
            after = await stored(store)
            assert after == before
            assert all(record.digest == digest_of(record) for record in after)

    async def test_the_identity_is_the_same(self, tmp_path: Path) -> None:
        """It is the same log."""
        async with self.open_store(tmp_path) as store:
            before = store.identity
        async with self.open_store(tmp_path) as store:
            assert store.identity == before

    async def test_positions_go_on(self, tmp_path: Path) -> None:
        """The next event stands right after the last one, whatever was refused in between."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(3, "Opened", "account:a"))
            with pytest.raises(Conflict):
                await store.append(events(3), condition=unless(tags=["account:a"]))
        async with self.open_store(tmp_path) as store:
            assert await store.head() == 3
            assert (await store.append([event()])).position == 4

    async def test_queries_find_the_same(self, tmp_path: Path) -> None:
        """Streams and types are found as before."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a"), event("Noted"), event("Closed", "account:a", "owner:o")])
        async with self.open_store(tmp_path) as store:
            assert positions(await stored(store, Query.of(tags=["account:a"]))) == [1, 3]
            assert positions(await stored(store, Query.of(types=["Noted"]) | Query.of(tags=["owner:o"]))) == [2, 3]

    async def test_conditions_see_what_was_stored_before(self, tmp_path: Path) -> None:
        """A condition speaks of the whole log, not of this handle's part of it."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a", actor="anna")])
        async with self.open_store(tmp_path) as store:
            with pytest.raises(Conflict) as caught:
                await store.append([event()], condition=unless(types=["Opened"], tags=["account:a"]))
            assert (caught.value.position, caught.value.actor) == (1, "anna")

    async def test_receipts_are_remembered(self, tmp_path: Path) -> None:
        """An append is known by its id, with events or without."""
        async with self.open_store(tmp_path) as store:
            one = await store.append(events(2), append_id="one", fingerprint=b"request")
            none = await store.append([], append_id="none")
            await store.append([event()])
        async with self.open_store(tmp_path) as store:
            assert (await store.receipt("one", b"request"), await store.receipt("none")) == (one, none)

    async def test_a_repeat_is_known(self, tmp_path: Path) -> None:
        """What was answered before the end may be asked again after it, and is stored once."""
        async with self.open_store(tmp_path) as store:
            first = await store.append(events(2), append_id="one")
        async with self.open_store(tmp_path) as store:
            assert await store.append(events(2), append_id="one") == first
            assert await store.head() == 2

    async def test_another_content_under_a_known_id_is_refused(self, tmp_path: Path) -> None:
        """The id is taken for good."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2), append_id="one")
        async with self.open_store(tmp_path) as store:
            with pytest.raises(AppendIdReused):
                await store.append(events(3), append_id="one")

    async def test_recorded_at_never_goes_back(self, tmp_path: Path) -> None:
        """A store opened under an earlier clock goes on at the time of its last event."""
        start = datetime(2024, 1, 1, tzinfo=UTC)
        async with self.open_store(tmp_path, ManualClock(start)) as store:
            await store.append([event()])
        async with self.open_store(tmp_path, ManualClock(start - timedelta(days=1))) as store:
            await store.append([event()])
            assert [record.recorded_at for record in await stored(store)] == [start, start]

    async def test_a_subscription_goes_on_from_its_position(self, tmp_path: Path) -> None:
        """A position seen before the end is a place to go on from after it."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(3))
            assert positions(await take(store.subscribe(), 2)) == [1, 2]
        async with self.open_store(tmp_path) as store:
            await store.append(events(1))
            assert positions(await take(store.subscribe(after=2), 2)) == [3, 4]

    @pytest.mark.parametrize("patience", [0, 1, 2, 5])
    async def test_closing_keeps_exactly_what_was_acknowledged(self, tmp_path: Path, patience: int) -> None:
        """Appends on their way when the store is closed are there if they got a receipt, and only then."""
        async with self.open_store(tmp_path) as store:
            tasks = [asyncio.ensure_future(store.append([event(note=n)])) for n in range(40)]
            await turns(patience)
            await store.aclose()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        acknowledged = {outcome.position: n for n, outcome in enumerate(outcomes) if isinstance(outcome, Receipt)}
        async with self.open_store(tmp_path) as store:
            records = await stored(store)
            assert dict(zip(positions(records), notes(records), strict=True)) == acknowledged


class SharingFacts(OpensStores):
    """What two handles on one log see of each other."""

    async def test_two_handles_are_one_log(self, tmp_path: Path) -> None:
        """Both tell the same identity."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            assert one.identity == other.identity

    async def test_each_handle_reads_what_the_other_stored(self, tmp_path: Path) -> None:
        """What one acknowledged, the other finds at once."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            await one.append([event(note="one")])
            assert (notes(await stored(other)), await other.head()) == (["one"], 1)
            await other.append([event(note="other")])
            assert (notes(await stored(one)), await one.head()) == (["one", "other"], 2)

    async def test_a_condition_sees_what_the_other_handle_stored(self, tmp_path: Path) -> None:
        """No handle decides on a past that it remembers itself."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            await one.append([event("Opened", "account:a")])
            await other.append([event("Paid", "account:a")])
            with pytest.raises(Conflict) as caught:
                await one.append([event()], condition=unless(tags=["account:a"], after=1))
            assert caught.value.position == 2

    async def test_exactly_one_of_many_racers_over_two_handles_wins(self, tmp_path: Path) -> None:
        """A condition is exact whoever else writes to the log."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            outcomes = await asyncio.gather(
                *(
                    store.append([event("Opened", "account:a")], condition=unless(tags=["account:a"]))
                    for store in [one, other] * 16
                ),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 1
            assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 31

    async def test_concurrent_appends_over_two_handles_leave_no_gap(self, tmp_path: Path) -> None:
        """Positions are handed out once, over all handles."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            receipts = await asyncio.gather(*(store.append(events(3)) for store in [one, other] * 16))
            taken = sorted(position for r in receipts for position in range(r.first, r.position + 1))
            assert taken == list(range(1, 97)) == positions(await stored(one))

    async def test_a_repeat_through_the_other_handle_is_known(self, tmp_path: Path) -> None:
        """Who lost the answer may ask anywhere."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            first = await one.append(events(2), append_id="one")
            assert await other.receipt("one") == first
            assert await other.append(events(2), append_id="one") == first

    async def test_repeats_over_two_handles_at_the_same_time_are_stored_once(self, tmp_path: Path) -> None:
        """However many send the same append to either handle, all get one receipt."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            receipts = await asyncio.gather(*(s.append(events(2), append_id="one") for s in [one, other] * 8))
            assert receipts == [Receipt("one", 2, 2)] * 16

    async def test_recorded_at_never_goes_back_over_two_handles(self, tmp_path: Path) -> None:
        """A handle whose clock is behind does not turn the log's time back."""
        start = datetime(2024, 1, 1, tzinfo=UTC)
        ahead, behind = ManualClock(start), ManualClock(start - timedelta(hours=1))
        async with self.open_store(tmp_path, ahead) as one, self.open_store(tmp_path, behind) as other:
            await other.append([event()])
            await one.append([event()])
            await other.append([event()])
            found = [record.recorded_at for record in await stored(one)]
            assert found == [start - timedelta(hours=1), start, start]

    async def test_a_subscription_sees_what_the_other_handle_stores(self, tmp_path: Path) -> None:
        """Events of others arrive while a subscriber waits, each once and in order."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            seen = asyncio.ensure_future(take(one.subscribe(), 30))
            await turns(5)
            for store in [other, one, other] * 10:
                await store.append([event()])
            assert positions(await seen) == list(range(1, 31))

    async def test_closing_one_handle_leaves_the_other(self, tmp_path: Path) -> None:
        """Handles share the log and nothing else."""
        async with self.open_store(tmp_path) as one, self.open_store(tmp_path) as other:
            await one.append([event()])
            await one.aclose()
            assert (await other.append([event()])).position == 2
            with pytest.raises(StoreClosed):
                await one.head()
