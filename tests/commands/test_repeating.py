"""A command id makes a repeat answer with the first receipt, whatever has happened since."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from storied import (
    App,
    AppendIdReused,
    Command,
    DefinitionError,
    Entity,
    Event,
    Id,
    InvalidInput,
    Rejected,
    StoreUnavailable,
    on,
)
from storied.commands.execute import Executor, Request
from storied.commands.repeating import checked, command_fingerprint
from storied.domain.commands import CommandMeta
from storied.errors import StoreClosed
from storied.store.port import EventStore
from tests.commands.bank import Account, Deposit, Open, Tip, bank
from tests.commands.racing import executor


class Paid(Event):
    bill: Id


class Bill(Entity):
    paid: bool = False

    @on
    def was_paid(self, event: Paid) -> None:
        self.paid = True


class Pay(Command):
    bill: str


class Watched:
    """A store whose verbs are counted, and that takes no appends while `full`."""

    def __init__(self, store: EventStore) -> None:
        self.store, self.asked, self.full = store, Counter[str](), False
        self.forgets = False

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.store, verb)

    async def append(self, *given: Any, **named: Any) -> Any:
        """Refuses while it is full."""
        self.asked["append"] += 1
        if self.full:
            raise StoreUnavailable("the disk is full. Make room.")
        return await self.store.append(*given, **named)

    def read(self, *given: Any, **named: Any) -> Any:
        """Counts."""
        self.asked["read"] += 1
        return self.store.read(*given, **named)

    async def contents(self, *given: Any) -> Any:
        """Counts."""
        self.asked["contents"] += 1
        return await self.store.contents(*given)

    async def receipt(self, *given: Any, **named: Any) -> Any:
        """Counts."""
        self.asked["receipt"] += 1
        if self.forgets:
            raise StoreClosed
        return await self.store.receipt(*given, **named)


def _asking(store: EventStore, app: App = bank) -> tuple[Watched, Executor]:
    watched: Any = Watched(store)
    return watched, executor(app, watched)


class Gate:
    """What a handler waits for, on the way from looking up its id to deciding."""


def _bills() -> App:
    app = App("bills")

    @app.command()
    def pay(command: Pay, bill: Bill) -> Paid:
        if bill.paid:
            raise Rejected("paid-already")
        return Paid(bill=command.bill)

    return app


async def test_a_repeat_gives_the_first_receipt(url: str) -> None:
    """The same command under the same id stores nothing again."""
    async with bank.open(url) as shop:
        first = await shop.execute(Deposit(account="a", amount=5), command_id="c-1")
        await shop.execute(Deposit(account="a", amount=1))
        assert await shop.execute(Deposit(account="a", amount=5), command_id="c-1") == first
        assert (await shop.state(Account, "a")).balance == 6


async def test_the_receipt_carries_the_command_id(url: str) -> None:
    """The append's id is the command's."""
    async with bank.open(url) as shop:
        receipt = await shop.execute(Deposit(account="a", amount=5), command_id="c-1")
        assert (receipt.append_id, receipt.position, receipt.count, receipt.first) == ("c-1", 1, 1, 1)


async def test_a_repeat_is_answered_although_it_would_now_be_rejected(url: str) -> None:
    """What was done once is not refused the second time."""
    async with _bills().open(url) as shop:
        first = await shop.execute(Pay(bill="b"), command_id="c-1")
        assert await shop.execute(Pay(bill="b"), command_id="c-1") == first


async def test_a_repeat_that_is_overtaken_by_the_first_is_answered_too(url: str) -> None:
    """The first finishes after the repeat has looked for it and before the repeat decides: no rejection."""
    app = App("gated")
    passed, waiting = asyncio.Event(), asyncio.Event()
    callers = iter(["repeat", "first"])

    async def gate() -> Gate:
        if next(callers) == "repeat":
            waiting.set()
            await passed.wait()
        return Gate()

    app.provide(Gate, gate)

    @app.command()
    def pay(command: Pay, bill: Bill, gate: Gate) -> Paid:
        if bill.paid:
            raise Rejected("paid-already")
        return Paid(bill=command.bill)

    async with app.open(url) as shop:
        repeat = asyncio.create_task(shop.execute(Pay(bill="b"), command_id="c-1"))
        await waiting.wait()
        first = await shop.execute(Pay(bill="b"), command_id="c-1")
        passed.set()
        assert await repeat == first


async def test_a_rejected_command_may_be_tried_again_under_its_id(url: str) -> None:
    """A refusal is not remembered: it stored nothing."""
    async with bank.open(url) as shop:
        with pytest.raises(Rejected):
            await shop.execute(Deposit(account="a", amount=0), command_id="c-1")
        assert (await shop.execute(Deposit(account="a", amount=5), command_id="c-1")).count == 1


@pytest.mark.parametrize(
    "other",
    [
        Deposit(account="a", amount=6),
        Deposit(account="b", amount=5),
        Tip(account="a"),
        Tip(account="a", amount=5),  # which says the same, under another name
    ],
)
async def test_another_command_under_the_id_is_an_error(url: str, other: Command) -> None:
    """Neither other content nor another kind of command passes for a repeat, and nothing is stored."""
    async with bank.open(url) as shop:
        await shop.execute(Deposit(account="a", amount=5), command_id="c-1")
        with pytest.raises(AppendIdReused):
            await shop.execute(other, command_id="c-1")
        assert await shop.store.head() == 1


class Line(msgspec.Struct, tag="line"):
    text: str


class LongerLine(msgspec.Struct, tag="line"):
    text: str
    size: Decimal = Decimal(0)
    marks: list[str] = []


class Before:
    """What was deployed first."""

    class Print(Command):
        bill: str
        lines: list[Line]
        by_name: dict[str, Line]


class Longer:
    """The same with more to say."""

    class Print(Command):
        copies: int = 1
        bill: str
        lines: list[LongerLine]
        by_name: dict[str, LongerLine]
        note: str | None = None
        marks: list[str] = []


class Renamed:
    """The same under another name in the code."""

    class Reprint(Command, name="Print"):
        bill: str
        lines: list[Line]
        by_name: dict[str, Line]


PRINT = Before.Print(bill="b", lines=[Line("x")], by_name={"y": Line("z")})
LONGER = Longer.Print(bill="b", lines=[LongerLine("x", size=Decimal("0.0"))], by_name={"y": LongerLine("z")})


def _printer(cls: Any) -> App:
    app = App("printer")

    @app.command()
    def take(command: cls) -> Paid:
        return Paid(bill="b")

    return app


@pytest.mark.parametrize("later", [LONGER, Renamed.Reprint(bill="b", lines=PRINT.lines, by_name=PRINT.by_name)])
async def test_a_repeat_by_newer_code_gives_the_first_receipt(tmp_path: Path, later: Command) -> None:
    """Fields that hold their defaults say nothing, at any depth, and ``name=`` keeps the name of a class."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with _printer(Before.Print).open(url) as shop:
        first = await shop.execute(PRINT, command_id="c-1")
    async with _printer(type(later)).open(url) as shop:
        assert await shop.execute(later, command_id="c-1") == first


async def test_the_log_has_the_name_that_a_class_keeps(url: str) -> None:
    """In the metadata of its events."""
    async with _printer(Renamed.Reprint).open(url) as shop:
        await shop.execute(Renamed.Reprint(bill="b", lines=[], by_name={}))
        assert [record.metadata.command async for record in shop.store.read()] == ["Print"]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 129, 7])
def test_a_name_that_the_log_cannot_have_is_refused(name: Any) -> None:
    """When the class is made."""
    with pytest.raises(DefinitionError):
        CommandMeta("Pay", (Command,), {}, name=name)


@pytest.mark.parametrize(
    "said", [{"copies": 2}, {"marks": ["m"]}, {"note": ""}, {"lines": [LongerLine("x", marks=["m"])]}]
)
async def test_a_field_that_differs_from_its_default_makes_another_command(tmp_path: Path, said: Any) -> None:
    """It says what the first one did not say."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with _printer(Before.Print).open(url) as shop:
        await shop.execute(PRINT, command_id="c-1")
    async with _printer(Longer.Print).open(url) as shop:
        with pytest.raises(AppendIdReused) as caught:
            await shop.execute(msgspec.structs.replace(LONGER, **said), command_id="c-1")
        assert caught.value.position == 1


async def test_an_id_that_recorded_facts_is_no_commands(url: str) -> None:
    """Commands and facts share one space of ids."""
    async with _bills().open(url) as shop:
        await shop.record(Paid(bill="b"), append_id="c-1")
        with pytest.raises(AppendIdReused):
            await shop.execute(Pay(bill="b"), command_id="c-1")


async def test_many_at_once_under_one_id_execute_once(url: str) -> None:
    """64 parallel repeats store one deposit and all get its receipt."""
    async with bank.open(url) as shop:
        receipts = await asyncio.gather(
            *(shop.execute(Deposit(account="a", amount=5), command_id="c-1") for _ in range(64))
        )
        assert len(set(receipts)) == 1
        assert (await shop.state(Account, "a")).balance == 5


async def test_many_at_once_under_one_id_are_none_of_them_rejected(url: str) -> None:
    """64 parallel payments of one bill under one id pay it once, and nobody hears that it was paid."""
    async with _bills().open(url) as shop:
        receipts = await asyncio.gather(*(shop.execute(Pay(bill="b"), command_id="c-1") for _ in range(64)))
        assert len(set(receipts)) == 1
        assert await shop.store.head() == 1


async def test_a_repeated_command_that_changed_nothing_stays_so(url: str) -> None:
    """Having decided on nothing is remembered as well: the repeat is not decided anew."""
    async with bank.open(url) as shop:
        await shop.execute(Open(account="a"))
        first = await shop.execute(Open(account="a"), command_id="c-1")
        await shop.execute(Deposit(account="a", amount=1))
        assert first.count == 0
        assert await shop.execute(Open(account="a"), command_id="c-1") == first


async def test_a_repeat_after_reopening_gives_the_first_receipt(tmp_path: Path) -> None:
    """The log remembers ids, not the process."""
    async with bank.open(f"sqlite:///{tmp_path}/bank.db") as shop:
        first = await shop.execute(Deposit(account="a", amount=5), command_id="c-1")
    async with bank.open(f"sqlite:///{tmp_path}/bank.db") as shop:
        assert await shop.execute(Deposit(account="a", amount=5), command_id="c-1") == first


async def test_a_first_command_under_an_id_costs_one_append(url: str) -> None:
    """Nothing is looked for beforehand, and what it stored is kept, so that the next one reads nothing."""
    async with bank.open(url) as shop:
        watched, commands = _asking(shop.store)
        for number in range(3):
            done = await commands.perform(Deposit(account="a", amount=5), Request(command_id=f"c-{number}"))
            assert done.events is not None
            assert [event.type for event in done.events] == ["Deposited"]
        assert watched.asked == {"append": 3, "contents": 1}


async def test_what_a_repeat_did_is_not_told_from_its_own_decision(url: str) -> None:
    """The repeat decides anew before the store knows it, on other facts; none of that is kept or told."""
    async with bank.open(url) as shop:
        _, commands = _asking(shop.store)
        await commands.perform(Deposit(account="a", amount=5), Request(command_id="c-1"))
        done = await commands.perform(Deposit(account="a", amount=5), Request(command_id="c-1"))
        assert (done.receipt.position, done.receipt.new, done.events) == (1, False, None)
        await commands.perform(Tip(account="a"), Request())
        assert (await shop.state(Account, "a")).balance == 6


@pytest.mark.parametrize("known_here", [True, False])
async def test_a_repeat_is_answered_while_nothing_can_be_stored(url: str, known_here: bool) -> None:
    """A full disk keeps nobody from reading what was stored."""
    async with bank.open(url) as shop:
        watched, commands = _asking(shop.store)
        request = Request(command_id="c-1")
        by: Callable[..., Any] = commands.execute if known_here else executor(bank, shop.store).execute
        first = await by(Deposit(account="a", amount=5), request)
        watched.full = True
        assert await commands.execute(Deposit(account="a", amount=5), request) == first
        with pytest.raises(AppendIdReused):
            await commands.execute(Deposit(account="a", amount=6), request)
        with pytest.raises(StoreUnavailable):
            await commands.execute(Deposit(account="a", amount=5), Request(command_id="c-2"))


async def test_why_nothing_could_be_stored_is_told_where_nobody_can_tell_a_repeat(url: str) -> None:
    """The failure of the question comes after that of the append, and says less."""
    async with bank.open(url) as shop:
        watched, commands = _asking(shop.store)
        watched.full = watched.forgets = True
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await commands.execute(Deposit(account="a", amount=5), Request(command_id="c-1"))


async def test_a_repeat_is_answered_although_its_provider_fails_now(url: str) -> None:
    """What was provided the first time is not wanted again."""
    app = App("provided")
    there = iter([Gate()])
    app.provide(Gate, lambda: next(there))

    @app.command()
    def pay(command: Pay, bill: Bill, gate: Gate) -> Paid:
        return Paid(bill=command.bill)

    async with app.open(url) as shop:
        first = await shop.execute(Pay(bill="b"), command_id="c-1")
        assert await shop.execute(Pay(bill="b"), command_id="c-1") == first


async def test_a_repeat_is_answered_although_its_events_could_not_be_stored_now(url: str) -> None:
    """The decision of a repeat counts for nothing, whatever becomes of it."""
    app = App("paid")

    @app.command()
    def pay(command: Pay, bill: Bill) -> Paid:
        return Paid(bill="" if bill.paid else command.bill)

    async with app.open(url) as shop:
        first = await shop.execute(Pay(bill="b"), command_id="c-1")
        assert await shop.execute(Pay(bill="b"), command_id="c-1") == first


@pytest.mark.parametrize("command_id", ["", "a\nb", "x" * 201])
async def test_an_id_that_cannot_name_an_append_is_refused(command_id: str) -> None:
    """Ids are short printable text."""
    async with bank.open("memory://") as shop:
        with pytest.raises(InvalidInput) as caught:
            await shop.execute(Deposit(account="a", amount=5), command_id=command_id)
        assert caught.value.code == "invalid-append-id"


class Flat(Command, name="Flat", rename={"size": "Größe", "at": "_at"}):
    name: str
    size: int
    at: datetime
    amount: Decimal | None
    of: UUID
    note: str = ""
    rate: Decimal = Decimal(0)
    count: int = 0


class Deep(Flat, rename={"size": "Größe", "at": "_at"}, name="Flat"):
    lines: list[Line] = []


@pytest.mark.parametrize(
    "said", [{}, {"note": "n"}, {"rate": Decimal("0.00")}, {"note": "n", "rate": Decimal(1), "count": 2}]
)
def test_a_flat_command_is_the_same_as_one_that_is_looked_into(said: dict[str, Any]) -> None:
    """A field with a default that holds others, added later, makes no other command of it."""
    given = {"name": "a", "size": 1, "at": datetime(2020, 1, 1, tzinfo=UTC), "amount": None, "of": UUID(int=1), **said}
    flat, deep = (cls(**given) for cls in (Flat, Deep))
    prints = {command_fingerprint(one, checked(one)) for one in (flat, deep)}
    names = {command_fingerprint(one, checked(one)) for one in (flat, msgspec.structs.replace(flat, name="b"))}
    assert (len(prints), len(names)) == (1, 2)
