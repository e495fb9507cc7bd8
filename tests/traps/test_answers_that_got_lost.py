"""Retrying: an answer that never came is asked for again, and the first answer comes back."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from storied.errors import AppendIdReused
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query
from storied.store.records import Receipt
from storied.testing.contract.specimens import event, stored, unless
from storied.testing.waiting import turns
from tests.traps.stores import Opens, on_both_engines


@on_both_engines
async def test_a_retry_after_a_lost_answer_is_no_conflict(tmp_path: Path, opens: Opens) -> None:
    """The append's own event does not refute its condition; without the id it would."""
    never = unless(types=["Opened"], tags=["account:a"])
    async with opens(tmp_path) as store:
        lost = await store.append([event("Opened", "account:a")], condition=never, append_id="open-a")
        await store.append([event("Moved", "account:a")])
        assert await store.append([event("Opened", "account:a")], condition=never, append_id="open-a") == lost
        assert await store.head() == 2


@on_both_engines
async def test_a_retry_while_the_first_is_under_way_is_stored_once(tmp_path: Path, opens: Opens) -> None:
    """Sixteen impatient clients with one id share one receipt, in one commit or in several."""
    never = unless(types=["Opened"], tags=["account:a"])
    async with opens(tmp_path) as store:

        async def ask(patience: int) -> Receipt:
            await turns(patience)
            return await store.append([event("Opened", "account:a")], condition=never, append_id="open-a")

        receipts = await asyncio.gather(*(ask(n) for n in range(16)))
        assert receipts == [receipts[0]] * 16
        assert await store.head() == 1


@on_both_engines
async def test_of_two_contents_under_one_id_at_once_one_is_refused(tmp_path: Path, opens: Opens) -> None:
    """The first is stored; the other is told so, and is not."""
    async with opens(tmp_path) as store:
        first, second = await asyncio.gather(
            store.append([event(note="one")], append_id="same"),
            store.append([event(note="other")], append_id="same"),
            return_exceptions=True,
        )
        assert isinstance(first, Receipt)
        assert isinstance(second, AppendIdReused)
        assert len(await stored(store)) == 1


@on_both_engines
@pytest.mark.parametrize("patience", range(8))
async def test_a_cancelled_append_is_made_sure_of_by_its_id(tmp_path: Path, opens: Opens, patience: int) -> None:
    """With a condition that its own event would refute, wherever the cancellation strikes."""
    async with opens(tmp_path) as store:
        receipt = await cancelled_then_repeated(store, patience)
        assert (receipt.position, await store.head()) == (1, 1)


async def cancelled_then_repeated(store: EventStore, patience: int) -> Receipt:
    """The receipt of an append that was cancelled after so many turns of the loop, and asked for again."""
    condition = AppendCondition(Query.of(tags=["account:a"]))
    task = asyncio.ensure_future(store.append([event("Opened", "account:a")], condition=condition, append_id="id"))
    await turns(patience)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return await store.append([event("Opened", "account:a")], condition=condition, append_id="id")
