"""Every event says who, why and in what connection; a handler does not have to pass it along."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from storied import InvalidEvent, InvalidInput, OpenApp
from storied.store.records import Metadata, Recorded
from storied.testing.clocks import ManualClock
from tests.commands.bank import Collect, Deposit, Deposited, bank

THEN = datetime(2018, 3, 4, tzinfo=UTC)


async def _last(shop: OpenApp) -> Recorded:
    [record] = await shop.store.read(backwards=True, limit=1).list()
    return record


def _deposits(*accounts: str) -> list[Deposited]:
    return [Deposited(account=account, amount=1) for account in accounts]


async def test_metadata_is_on_the_event(url: str) -> None:
    """Actor, command, correlation, causation, headers and time of occurrence, as they were given."""
    async with bank.open(url) as shop:
        await shop.execute(
            Deposit(account="a", amount=1),
            actor="anna",
            command_id="c-1",
            correlation="r-1",
            causation="e-1",
            occurred_at=THEN,
            headers={"ip": "::1"},
        )
        assert (await _last(shop)).metadata == Metadata(
            actor="anna", command="Deposit", correlation="r-1", causation="e-1", occurred_at=THEN, headers={"ip": "::1"}
        )


async def test_metadata_is_on_each_event_of_a_command(url: str) -> None:
    """Several events of one command say the same."""
    async with bank.open(url) as shop:
        await shop.record(*_deposits("a", "b"))
        await shop.execute(Collect(accounts=["a", "b"], target="c"), actor="anna")
        records = await shop.store.read(after=2).list()
        assert [record.actor for record in records] == ["anna", "anna"]
        assert records[0].metadata == records[1].metadata


async def test_a_command_correlates_with_itself(url: str) -> None:
    """Without a correlation and a causation both are the command's id, which is also the receipt's."""
    async with bank.open(url) as shop:
        receipt = await shop.execute(Deposit(account="a", amount=1))
        metadata = (await _last(shop)).metadata
        assert metadata.correlation == metadata.causation == receipt.append_id


async def test_recorded_and_occurred_are_two_times(url: str) -> None:
    """When the store learned it, and when it happened; the same where nobody says otherwise."""
    clock = ManualClock()
    async with bank.open(url, clock=clock) as shop:
        await shop.execute(Deposit(account="a", amount=1), occurred_at=THEN)
        late = await _last(shop)
        await shop.execute(Deposit(account="a", amount=1))
        now = await _last(shop)
        assert (late.recorded_at, late.occurred_at) == (clock.now, THEN)
        assert now.recorded_at == now.occurred_at == clock.now


async def test_a_time_of_occurrence_keeps_its_moment(url: str) -> None:
    """A time in another zone is the same moment."""
    then = datetime(2018, 3, 4, 5, tzinfo=timezone(timedelta(hours=5)))
    async with bank.open(url) as shop:
        await shop.execute(Deposit(account="a", amount=1), occurred_at=then)
        assert (await _last(shop)).occurred_at == THEN


async def test_headers_may_be_any_mapping(url: str) -> None:
    """Headers that came with a context can be handed on as they are."""
    async with bank.open(url) as shop:
        await shop.execute(Deposit(account="a", amount=1), headers=MappingProxyType({"k": "v"}))
        assert (await _last(shop)).metadata.headers == {"k": "v"}
        await shop.record(*_deposits("b"), headers=MappingProxyType({"k": "w"}))
        assert (await _last(shop)).metadata.headers == {"k": "w"}


WRONG: dict[str, dict[str, Any]] = {
    "an actor that is no text": {"actor": 7},
    "a header that is no text": {"headers": {"n": 1}},
    "a time without a zone": {"occurred_at": datetime(2018, 1, 1)},
    "a correlation that is no text": {"correlation": 7},
}


@pytest.mark.parametrize("what", WRONG)
async def test_metadata_of_the_wrong_type_is_refused(url: str, what: str) -> None:
    """What is not of its declared type is invalid input, and nothing is stored."""
    async with bank.open(url) as shop:
        with pytest.raises(InvalidInput) as caught:
            await shop.execute(Deposit(account="a", amount=1), **WRONG[what])
        assert isinstance(caught.value, InvalidEvent)
        assert caught.value.code == "invalid-metadata"
        assert await shop.store.head() == 0
