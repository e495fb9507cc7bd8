"""Facts are recorded without a decision: all or none, with the times and actors that they bring."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storied import AppendIdReused, DefinitionError, Fact, InvalidEvent, InvalidInput
from storied.testing.clocks import ManualClock
from tests.commands.bank import Account, Deposited, bank

THEN = datetime(2018, 3, 4, tzinfo=UTC)


async def test_facts_are_stored_in_the_order_given(url: str) -> None:
    """One receipt for all of them, and state that knows them."""
    async with bank.open(url) as shop:
        receipt = await shop.record(Deposited(account="a", amount=1), Fact(Deposited(account="a", amount=2)))
        assert (receipt.first, receipt.position, receipt.count) == (1, 2, 2)
        assert [(await shop.state(Account, "a", at=n)).balance for n in (0, 1, 2)] == [0, 1, 3]


async def test_a_fact_says_when_it_occurred_and_by_whom(url: str) -> None:
    """What a fact says of itself comes before what is said of all."""
    clock = ManualClock()
    event = Deposited(account="a", amount=1)
    async with bank.open(url, clock=clock) as shop:
        await shop.record(Fact(event, THEN, "bert"), Fact(event, THEN), event, actor="anna")
        records = await shop.store.read().list()
        assert [record.actor for record in records] == ["bert", "anna", "anna"]
        assert [record.occurred_at for record in records] == [THEN, THEN, clock.now]


async def test_recorded_facts_name_no_command(url: str) -> None:
    """Nobody decided them; correlation and headers are kept."""
    async with bank.open(url) as shop:
        await shop.record(Deposited(account="a", amount=1), correlation="import-1", headers={"file": "a.csv"})
        [record] = await shop.store.read().list()
        assert (record.metadata.command, record.metadata.causation) == (None, None)
        assert (record.metadata.correlation, record.metadata.headers) == ("import-1", {"file": "a.csv"})


async def test_a_repeat_gives_the_first_receipt(url: str) -> None:
    """The same facts under the same id are stored once."""
    async with bank.open(url) as shop:
        first = await shop.record(Deposited(account="a", amount=1), append_id="line-1")
        assert await shop.record(Deposited(account="a", amount=1), append_id="line-1") == first
        assert await shop.store.head() == 1


async def test_other_facts_under_the_id_are_an_error(url: str) -> None:
    """The id stands for what it stored first, the time of occurrence included."""
    async with bank.open(url) as shop:
        await shop.record(Deposited(account="a", amount=1), append_id="line-1")
        with pytest.raises(AppendIdReused):
            await shop.record(Fact(Deposited(account="a", amount=1), THEN), append_id="line-1")


async def test_one_invalid_fact_keeps_all_out(url: str) -> None:
    """Nothing is half-written."""
    async with bank.open(url) as shop:
        with pytest.raises(InvalidEvent):
            await shop.record(
                Deposited(account="a", amount=1), Fact(Deposited(account="a", amount=1), datetime(2018, 1, 1))
            )
        assert await shop.store.head() == 0


async def test_recording_nothing_is_refused() -> None:
    """Without a fact there is nothing to store."""
    async with bank.open("memory://") as shop:
        with pytest.raises(InvalidInput) as caught:
            await shop.record()
        assert caught.value.code == "empty-append"


async def test_what_is_no_event_is_refused() -> None:
    """Only events are facts."""
    async with bank.open("memory://") as shop:
        with pytest.raises(DefinitionError):
            await shop.record({"account": "a"})  # type: ignore[arg-type]  # what is tested
