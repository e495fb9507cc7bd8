"""A decision stands or falls with what it was based on, and is taken again when that has changed."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from storied import App, Command, Conflict, Entity, Event, Id, Query, QueryItem, Rejected, on
from storied.commands.execute import ATTEMPTS, Request
from storied.commands.turns import Turns
from storied.engines.memory.store import MemoryStore
from storied.testing.waiting import eventually
from tests.commands.bank import (
    Account,
    Deposit,
    Deposited,
    Numbers,
    Open,
    Opened,
    Rename,
    Renamed,
    Transfer,
    Transferred,
    bank,
)
from tests.commands.racing import InBetween, executor

RACERS = 64


class Subscribed(Event):
    course: Id
    student: Id


class Course(Entity):
    seats: int = 10

    @on
    def subscribed(self, event: Subscribed) -> None:
        self.seats -= 1


class Student(Entity):
    courses: int = 0

    @on
    def subscribed(self, event: Subscribed) -> None:
        self.courses += 1


class Subscribe(Command):
    course: str
    student: str


school = App("school")


@school.command()
def subscribe(command: Subscribe, course: Course, student: Student) -> Subscribed:
    """A course has ten seats, a student takes three courses."""
    if not course.seats:
        raise Rejected("course-full")
    if student.courses >= 3:
        raise Rejected("too-many-courses")
    return Subscribed(course=command.course, student=command.student)


async def _condition_of(command: Command) -> tuple[Query, int]:
    """What an append of the command is conditional on, after three events."""
    store = InBetween(MemoryStore())
    for name in "abc":
        await executor(bank, store).execute(Deposit(account=name, amount=9), Request())
    store.conditions.clear()
    await executor(bank, store).execute(command, Request())
    [condition] = store.conditions
    return condition.query, condition.after


async def test_the_condition_is_the_entitys_types_on_its_stream() -> None:
    """What an account folds, under its tag, after the position read."""
    assert await _condition_of(Deposit(account="a", amount=1)) == (
        Query((QueryItem(("Deposited", "Opened", "Transferred"), ("account:a",)),)),
        3,
    )


async def test_the_condition_of_two_entities_is_the_union() -> None:
    """A transfer depends on both accounts."""
    types = ("Deposited", "Opened", "Transferred")
    query, _ = await _condition_of(Transfer(source="a", target="b", amount=1))
    assert set(query.items) == {QueryItem(types, ("account:a",)), QueryItem(types, ("account:b",))}


async def test_the_condition_of_one_entity_named_twice_is_one_item() -> None:
    """A transfer to oneself depends on one account."""
    query, _ = await _condition_of(Transfer(source="a", target="a", amount=1))
    assert len(query.items) == 1


async def test_the_condition_of_an_entity_without_an_id_has_no_tag() -> None:
    """Numbers depend on every account that was opened."""
    query, _ = await _condition_of(Open(account="z"))
    assert QueryItem(("Opened",)) in query.items


INSIDE: dict[str, tuple[Event, bool]] = {
    "another stream": (Deposited(account="b", amount=1), False),
    "another type on the stream": (Renamed(account="a", name="x"), False),
    "the type on the stream": (Deposited(account="a", amount=1), True),
    "another of its types on the stream": (Opened(account="a"), True),
    "a type on the stream through another field": (Transferred(source="b", target="a", amount=1), True),
}


@pytest.mark.parametrize("what", INSIDE)
async def test_only_what_was_decided_on_conflicts(what: str) -> None:
    """An event in between makes the decision be taken again if, and only if, it lies in the boundary."""
    event, inside = INSIDE[what]
    store = InBetween(MemoryStore(), event)
    await executor(bank, store).execute(Deposit(account="a", amount=1), Request())
    assert len(store.conditions) == (2 if inside else 1)


async def test_a_command_without_entities_never_conflicts() -> None:
    """Nothing was read, so nothing can have changed."""
    store = InBetween(MemoryStore(), Deposited(account="a", amount=1))
    await executor(_announcing(), store).execute(Announce(account="a"), Request())
    assert (await store.head(), store.conditions) == (2, [])


class Announce(Command):
    account: str


def _announcing() -> App:
    app = App("announcing")

    @app.command()
    def announce(command: Announce) -> Renamed:
        return Renamed(account=command.account, name="announced")

    return app


async def test_after_a_conflict_the_decision_is_taken_on_what_is_now_true() -> None:
    """Money that somebody else took in between is not spent again."""
    memory = MemoryStore()
    await executor(bank, memory).execute(Deposit(account="a", amount=5), Request())
    store = InBetween(memory, Transferred(source="a", target="b", amount=4))
    with pytest.raises(Rejected) as caught:
        await executor(bank, store).execute(Transfer(source="a", target="b", amount=3), Request())
    assert caught.value.data == {"balance": 1, "to": 4}


async def test_a_command_that_loses_every_race_is_a_conflict() -> None:
    """After the last attempt the caller hears who was quicker, and nothing of the command is stored."""
    store = InBetween(MemoryStore(), *(Deposited(account="a", amount=1) for _ in range(ATTEMPTS)))
    with pytest.raises(Conflict, match="account:a"):
        await executor(bank, store).execute(Rename(account="a", name="x"), Request())
    assert len(store.conditions) == ATTEMPTS == await store.head()


async def test_a_counter_counts_every_concurrent_command(url: str) -> None:
    """64 at once on one entity: each is decided on what the others left, and none is lost."""
    async with bank.open(url) as shop:
        receipts = await asyncio.gather(*(shop.execute(Open(account=f"a-{n}")) for n in range(RACERS)))
        numbers = [record.payload async for record in shop.store.read()]
        assert [event["number"] for event in numbers if isinstance(event, dict)] == list(range(1, RACERS + 1))
        assert sorted(receipt.position for receipt in receipts) == list(range(1, RACERS + 1))


async def test_a_crowd_on_one_entity_gets_through(url: str) -> None:
    """Many more than a command has attempts: those who lost queue up, so that nobody loses every time."""
    crowd = 10 * ATTEMPTS
    async with bank.open(url) as shop:
        await asyncio.gather(*(shop.execute(Deposit(account="a", amount=1)) for _ in range(crowd)))
        assert (await shop.state(Account, "a")).balance == crowd


async def test_nobody_waits_for_ever_on_a_busy_entity(url: str) -> None:
    """Who comes later does not overtake those who queue, however many go on coming."""
    callers, overtaken, done = 16, [], 0
    async with bank.open(url) as shop:

        async def caller() -> None:
            nonlocal done
            for _ in range(60):
                before = done
                await shop.execute(Deposit(account="a", amount=1))
                overtaken.append(done - before)
                done += 1

        await asyncio.gather(*(caller() for _ in range(callers)))
    assert max(overtaken) < 2 * callers


async def test_crossing_commands_do_not_wait_for_each_other_for_ever(url: str) -> None:
    """Transfers in both directions between the same accounts all come to an end."""
    async with bank.open(url) as shop:
        await shop.record(Deposited(account="a", amount=100), Deposited(account="b", amount=100))
        pairs = [("a", "b"), ("b", "a")] * 50
        await asyncio.gather(*(shop.execute(Transfer(source=s, target=t, amount=1)) for s, t in pairs))
        assert [(await shop.state(Account, name)).balance for name in "ab"] == [100, 100]


async def test_a_cancelled_command_lets_the_next_one_have_its_turn(url: str) -> None:
    """Callers that give up hold nobody up."""
    async with bank.open(url) as shop:
        tasks = [asyncio.create_task(shop.execute(Deposit(account="a", amount=1))) for _ in range(RACERS)]
        await eventually(lambda: any(task.done() for task in tasks))
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [outcome for outcome in outcomes[1::2] if isinstance(outcome, BaseException)]


async def test_a_rule_over_two_entities_holds_under_concurrency(url: str) -> None:
    """Of 64 students who want ten seats at once exactly ten get one, each of them a different one."""
    async with school.open(url) as shop:
        outcomes = await asyncio.gather(
            *(shop.execute(Subscribe(course="c", student=f"s-{n}")) for n in range(RACERS)), return_exceptions=True
        )
        refused = [outcome.code for outcome in outcomes if isinstance(outcome, Rejected)]
        assert refused == ["course-full"] * (RACERS - 10)
        assert (await shop.state(Course, "c")).seats == 0
        assert await shop.store.head() == 10


async def test_the_second_entity_of_a_rule_holds_as_well(url: str) -> None:
    """A student who wants ten courses at once gets three."""
    async with school.open(url) as shop:
        outcomes = await asyncio.gather(
            *(shop.execute(Subscribe(course=f"c-{n}", student="s")) for n in range(10)), return_exceptions=True
        )
        assert sum(isinstance(outcome, Rejected) for outcome in outcomes) == 7
        assert (await shop.state(Student, "s")).courses == 3


async def test_transfers_conserve_money_and_overdraw_nobody(url: str) -> None:
    """64 transfers at once between five accounts: the sum stays, and no account is ever below nothing."""
    chance = random.Random(7)
    names = [f"a-{n}" for n in range(5)]
    async with bank.open(url) as shop:
        await asyncio.gather(*(shop.execute(Deposit(account=name, amount=10)) for name in names))
        pairs = [chance.sample(names, 2) for _ in range(RACERS)]
        await asyncio.gather(
            *(shop.execute(Transfer(source=s, target=t, amount=chance.randint(1, 6))) for s, t in pairs),
            return_exceptions=True,
        )
        for position in range(5, await shop.store.head() + 1):
            balances = [(await shop.state(Account, name, at=position)).balance for name in names]
            assert min(balances) >= 0
            assert sum(balances) == 50


async def test_two_opened_apps_share_one_counter(tmp_path: Path) -> None:
    """Commands that come through two opened apps on one file are decided one after another, too."""
    url = f"sqlite:///{tmp_path}/bank.db"
    async with bank.open(url) as one, bank.open(url) as two:
        await asyncio.gather(*((one, two)[n % 2].execute(Open(account=f"a-{n}")) for n in range(32)))
        assert (await one.state(Numbers)).last == 32


async def test_a_turn_that_is_over_is_nobodys() -> None:
    """Nor is one that was given up while it was waited for."""
    turns, item = Turns(), QueryItem(tags=("account:a",))

    async def wait() -> None:
        async with turns.take([item]):
            pass

    async with turns.take([item]):
        waiting = [asyncio.create_task(wait()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        assert turns.are_taken([item])
    assert turns.are_taken([item])  # the other one has it now
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not turns.are_taken([item])
