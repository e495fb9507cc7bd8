"""Facts about append ids: the same again is answered as the first time, and something else is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storied.errors import AppendIdReused, Conflict
from storied.store.codec import new_event
from storied.store.records import Metadata, NewEvent, Receipt
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, notes, stored, unless

RACERS = 32


def first_content() -> list[NewEvent]:
    """What the append ``one`` stores; each call makes new event ids."""
    return [
        new_event("Paid", {"amount": 1}, tags=("order:o", "customer:c"), metadata=Metadata(actor="anna")),
        new_event("Closed", {}, tags=("order:o",), version=2),
    ]


def other_contents() -> dict[str, list[NewEvent]]:
    """What is not the same as `first_content`, by what differs."""
    paid, closed = first_content()
    anna = Metadata(actor="anna")
    return {
        "payload": [new_event("Paid", {"amount": 2}, tags=paid.tags, metadata=anna), closed],
        "type": [new_event("Repaid", {"amount": 1}, tags=paid.tags, metadata=anna), closed],
        "tags": [new_event("Paid", {"amount": 1}, tags=("order:o",), metadata=anna), closed],
        "metadata": [new_event("Paid", {"amount": 1}, tags=paid.tags, metadata=Metadata(actor="bert")), closed],
        "version": [paid, new_event("Closed", {}, tags=closed.tags, version=1)],
        "order": [closed, paid],
        "fewer": [paid],
        "more": [paid, closed, event()],
        "none": [],
    }


class RepeatFacts(OpensStores):
    """What an append id promises."""

    async def test_a_repeat_returns_the_first_receipt(self, tmp_path: Path) -> None:
        """Whoever asks again gets the answer that was lost; the events' ids may differ."""
        async with self.open_store(tmp_path) as store:
            first = await store.append(first_content(), append_id="one")
            assert await store.append(first_content(), append_id="one") == first

    async def test_a_repeats_receipt_is_not_new(self, tmp_path: Path) -> None:
        """Who is told that a receipt is new may rely on what it has sent itself, and on no earlier content."""
        async with self.open_store(tmp_path) as store:
            several = await asyncio.gather(*(store.append(first_content(), append_id="one") for _ in range(RACERS)))
            assert sum(receipt.new for receipt in several) <= 1
            assert not (await store.append(first_content(), append_id="one")).new
            told = await store.receipt("one")
            assert told is not None
            assert not told.new

    async def test_a_repeat_stores_nothing(self, tmp_path: Path) -> None:
        """The log holds the events once."""
        async with self.open_store(tmp_path) as store:
            await store.append(first_content(), append_id="one")
            before = await stored(store)
            await store.append(first_content(), append_id="one")
            assert await stored(store) == before

    async def test_a_repeat_is_known_after_other_events(self, tmp_path: Path) -> None:
        """However much came in between, the first receipt is returned."""
        async with self.open_store(tmp_path) as store:
            await store.append([event()])
            first = await store.append(first_content(), append_id="one")
            await store.append(events(20, "Paid", "order:o"), append_id="two")
            assert (await store.append(first_content(), append_id="one"), await store.head()) == (first, 23)

    async def test_a_repeat_is_known_though_its_condition_fails_now(self, tmp_path: Path) -> None:
        """Its own events are beyond `after` by now, and that is no conflict."""
        async with self.open_store(tmp_path) as store:
            condition = unless(tags=["order:o"])
            first = await store.append(first_content(), condition=condition, append_id="one")
            assert await store.append(first_content(), condition=condition, append_id="one") == first

    @pytest.mark.parametrize("difference", other_contents())
    async def test_an_id_with_other_content_is_refused(self, tmp_path: Path, difference: str) -> None:
        """Another payload, type, version, tag, actor, order or number of events is not the same append."""
        async with self.open_store(tmp_path) as store:
            await store.append(first_content(), append_id="one")
            with pytest.raises(AppendIdReused) as caught:
                await store.append(other_contents()[difference], append_id="one")
            assert (caught.value.append_id, caught.value.position, await store.head()) == ("one", 2, 2)

    async def test_the_same_fingerprint_is_a_repeat_whatever_the_events(self, tmp_path: Path) -> None:
        """A request decided anew may lead to other events; it is the request that is repeated."""
        async with self.open_store(tmp_path) as store:
            first = await store.append([event(note="then")], append_id="one", fingerprint=b"request")
            again = await store.append(events(3), append_id="one", fingerprint=b"request")
            assert (again, await store.head()) == (first, 1)

    async def test_another_fingerprint_is_refused_whatever_the_events(self, tmp_path: Path) -> None:
        """Another request under the same id is a mistake even if it leads to equal events."""
        async with self.open_store(tmp_path) as store:
            await store.append([event(note="same")], append_id="one", fingerprint=b"request")
            with pytest.raises(AppendIdReused):
                await store.append([event(note="same")], append_id="one", fingerprint=b"other")
            assert await store.head() == 1

    async def test_a_fingerprint_is_known_though_the_condition_fails_now(self, tmp_path: Path) -> None:
        """A repeated request is answered before it is judged."""
        async with self.open_store(tmp_path) as store:
            condition = unless(tags=["order:o"])
            first = await store.append(first_content(), condition=condition, append_id="one", fingerprint=b"r")
            assert await store.append([], condition=condition, append_id="one", fingerprint=b"r") == first

    async def test_an_append_of_nothing_remembers_its_id(self, tmp_path: Path) -> None:
        """A decision with nothing to store is remembered too; it uses no position."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            receipt = await store.append([], append_id="one")
            assert (receipt, await store.receipt("one")) == (Receipt("one", 2, 0), receipt)
            assert (await store.append([event()])).position == 3

    async def test_an_append_of_nothing_is_repeated_like_any(self, tmp_path: Path) -> None:
        """The position of its receipt is the head at the first time."""
        async with self.open_store(tmp_path) as store:
            first = await store.append([], append_id="one")
            await store.append(events(5))
            assert await store.append([], append_id="one") == first == Receipt("one", 0, 0)

    async def test_an_append_of_nothing_takes_its_id(self, tmp_path: Path) -> None:
        """With events, the id of an append of nothing says something else."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            await store.append([], append_id="one")
            with pytest.raises(AppendIdReused):
                await store.append(events(2), append_id="one")

    async def test_an_append_of_nothing_keeps_to_its_condition(self, tmp_path: Path) -> None:
        """That nothing is to be done may be true only of the past that was read."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            with pytest.raises(Conflict):
                await store.append([], condition=unless(tags=["account:a"]), append_id="one")
            assert await store.receipt("one") is None

    async def test_a_refused_append_leaves_its_id_free(self, tmp_path: Path) -> None:
        """After a conflict the same id may carry what was decided again."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Opened", "account:a")])
            with pytest.raises(Conflict):
                await store.append([event(note=1)], condition=unless(tags=["account:a"]), append_id="one")
            assert await store.receipt("one") is None
            assert await store.append([event(note=2)], append_id="one") == Receipt("one", 2, 1)

    async def test_the_receipt_is_there_to_be_asked_for(self, tmp_path: Path) -> None:
        """`receipt` gives what the append returned."""
        async with self.open_store(tmp_path) as store:
            await store.append([event()])
            first = await store.append(first_content(), append_id="one")
            await store.append([event()])
            assert await store.receipt("one") == first

    async def test_an_id_made_up_by_the_store_is_remembered(self, tmp_path: Path) -> None:
        """The id in a receipt can be asked for and repeated, whoever made it up."""
        async with self.open_store(tmp_path) as store:
            first = await store.append([event(note="x")])
            again = await store.append([event(note="x")], append_id=first.append_id)
            assert await store.receipt(first.append_id) == again == first

    async def test_an_unknown_id_has_no_receipt(self, tmp_path: Path) -> None:
        """None says that the store does not have the append."""
        async with self.open_store(tmp_path) as store:
            await store.append([event()], append_id="one")
            assert await store.receipt("two") is None

    async def test_a_receipt_is_given_for_its_fingerprint(self, tmp_path: Path) -> None:
        """Asking with the fingerprint it was stored with, or without any, gives the receipt."""
        async with self.open_store(tmp_path) as store:
            first = await store.append([event()], append_id="one", fingerprint=b"\x00\xff")
            assert await store.receipt("one", b"\x00\xff") == await store.receipt("one") == first

    async def test_a_receipt_is_refused_for_another_fingerprint(self, tmp_path: Path) -> None:
        """The id was used for another request."""
        async with self.open_store(tmp_path) as store:
            await store.append([event()], append_id="one", fingerprint=b"request")
            with pytest.raises(AppendIdReused):
                await store.receipt("one", b"other")

    async def test_ids_that_differ_a_little_are_different(self, tmp_path: Path) -> None:
        """Ids are compared character by character: case, accents and spaces count."""
        async with self.open_store(tmp_path) as store:
            ids = ["one", "One", "one ", "öne", "o\u0308ne", "on_", "on%"]
            receipts = [await store.append([event(note=i)], append_id=i) for i in ids]
            assert [await store.receipt(i) for i in ids] == receipts
            assert await store.head() == len(ids)

    async def test_repeats_at_the_same_time_are_stored_once(self, tmp_path: Path) -> None:
        """However many send the same append at once, all get one receipt."""
        async with self.open_store(tmp_path) as store:
            receipts = await asyncio.gather(
                *(store.append(first_content(), append_id="one", condition=unless()) for _ in range(RACERS))
            )
            assert receipts == [Receipt("one", 2, 2)] * RACERS
            assert await store.head() == 2

    async def test_one_of_many_contents_at_the_same_time_takes_the_id(self, tmp_path: Path) -> None:
        """Of different appends under one id one is stored, and the others are refused."""
        async with self.open_store(tmp_path) as store:
            outcomes = await asyncio.gather(
                *(store.append([event(note=n)], append_id="one") for n in range(RACERS)), return_exceptions=True
            )
            winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Receipt)]
            assert sum(isinstance(outcome, AppendIdReused) for outcome in outcomes) == RACERS - 1
            assert notes(await stored(store)) == winners
