"""What a command has stored is learnt without reading it; and what is known so is what the log says."""

from __future__ import annotations

from typing import Any

import pytest

from storied import App, Command, Entity, Event, Id, Rejected, on
from storied.commands.execute import Request
from storied.engines.memory.store import MemoryStore
from tests.commands.racing import executor


class Put(Event):
    purse: Id
    amount: int


class Purse(Entity):
    total: int = 0
    last: Any = None

    @on
    def put(self, event: Put) -> None:
        self.total += event.amount
        self.last = (event.amount,)


class Coin(Entity, tag="purse"):
    count: int = 0

    @on
    def put(self, event: Put) -> None:
        self.count += 1


class Fill(Command):
    purse: Id
    amounts: list[int]


class Share(Command):
    one: Id
    other: Id
    amount: int


class Weigh(Command):
    purse: Id


class Match(Command):
    one: Id
    other: Id


app = App("purses")


@app.command()
def fill(command: Fill, purse: Coin) -> list[Put]:
    """Puts in what there is, a coin each, up to five in all."""
    if purse.count + len(command.amounts) > 5:
        raise Rejected("full", f"there are {purse.count}")
    return [Put(purse=command.purse, amount=amount) for amount in command.amounts]


@app.command()
def share(command: Share, one: Coin, other: Coin) -> list[Put]:
    """Puts a coin into each of two."""
    return [Put(purse=coin.id, amount=command.amount) for coin in (one, other)]


@app.command()
def weigh(command: Weigh, purse: Purse) -> Put:
    """Puts in as much as there is, if the fold's own tuple is there."""
    if purse.last is not None and not isinstance(purse.last, tuple):
        raise Rejected("spoilt", f"{purse.last!r} is not what the fold made")
    return Put(purse=command.purse, amount=purse.total)


@app.command()
def match(command: Match, one: Coin, other: Coin) -> Put:
    """Puts in as many as both have, if they have any."""
    if not (one.count and other.count):
        raise Rejected("empty", f"there are {one.count} and {other.count}")
    return Put(purse=command.one, amount=one.count * 10 + other.count)


async def test_each_of_several_events_is_learnt_once() -> None:
    """Whether the next command rests on what was learnt, or reads on because somebody else came in between."""
    store = MemoryStore()
    one, other = executor(app, store), executor(app, store)
    await one.execute(Fill(purse="p", amounts=[1, 1]), Request())
    await one.execute(Fill(purse="p", amounts=[1]), Request())
    await other.execute(Fill(purse="p", amounts=[1]), Request())
    with pytest.raises(Rejected, match="there are 4"):
        await one.execute(Fill(purse="p", amounts=[1, 1]), Request())
    assert (await one.execute(Fill(purse="p", amounts=[1]), Request())).position == 5


async def test_each_entity_learns_its_own_events() -> None:
    """Of a command that stores events of two, neither is told of the other's."""
    commands = executor(app, MemoryStore())
    await commands.execute(Share(one="a", other="b", amount=1), Request())
    for purse in ("a", "b"):
        await commands.execute(Fill(purse=purse, amounts=[1, 1, 1, 1]), Request())
        with pytest.raises(Rejected, match="there are 5"):
            await commands.execute(Fill(purse=purse, amounts=[1]), Request())


async def test_what_would_come_back_otherwise_is_not_kept() -> None:
    """A handler gets what the fold made, however often it is asked."""
    commands = executor(app, MemoryStore())
    for position in range(1, 4):
        assert (await commands.execute(Weigh(purse="p"), Request())).position == position


async def test_who_has_seen_more_than_is_known_here_does_not_vouch_for_it() -> None:
    """The decision is taken on all that happened, and not on what was learnt before somebody else came."""
    store = MemoryStore()
    one, other = executor(app, store), executor(app, store)
    await one.execute(Fill(purse="p", amounts=[1, 1, 1]), Request())
    receipt = await other.execute(Fill(purse="p", amounts=[1]), Request())
    with pytest.raises(Rejected, match="there are 4"):
        await one.execute(Fill(purse="p", amounts=[1, 1]), Request(seen=receipt.position))
    assert (await one.execute(Fill(purse="p", amounts=[1]), Request(seen=receipt.position))).position == 5


@pytest.mark.parametrize("changed", ["a", "b"])
async def test_each_of_several_entities_is_known_up_to_its_own_position(changed: str) -> None:
    """What happened to either since is noticed, and read, although one is known further than the other."""
    store = MemoryStore()
    one, other = executor(app, store), executor(app, store)
    await one.execute(Fill(purse="a", amounts=[1]), Request())
    await other.execute(Fill(purse="a", amounts=[1] if changed == "a" else []), Request())
    await one.execute(Fill(purse="b", amounts=[1]), Request())
    await other.execute(Fill(purse="b", amounts=[1] if changed == "b" else []), Request())
    receipt = await one.execute(Match(one="a", other="b"), Request())
    [put] = await store.read(after=receipt.position - 1).list()
    assert put.payload == {"purse": "a", "amount": 21 if changed == "a" else 12}


async def test_no_refusal_rests_on_what_one_of_several_was_like() -> None:
    """Where one is taken as it was known and the other is read, both are read before anything is refused."""
    store = MemoryStore()
    one, other = executor(app, store), executor(app, store)
    with pytest.raises(Rejected, match="there are 0 and 0"):
        await one.execute(Match(one="a", other="a"), Request())
    await other.execute(Fill(purse="a", amounts=[1]), Request())
    await other.execute(Fill(purse="b", amounts=[1]), Request())
    assert (await one.execute(Match(one="a", other="b"), Request())).position == 3
