"""With ``seen=`` the caller's own expectation is part of the condition: exact, whatever is kept or races."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storied import App, Command, InvalidCommand, InvalidQuery, Rejected
from storied.errors import Outdated
from tests.commands.bank import Account, Deposit, Deposited, Open, Renamed, Transfer, bank


async def test_what_was_seen_and_is_still_true_is_stored(url: str) -> None:
    """The position of the last change is enough, and so is any later one."""
    async with bank.open(url) as shop:
        first = await shop.execute(Deposit(account="a", amount=5))
        await shop.execute(Deposit(account="b", amount=5))
        receipt = await shop.execute(Deposit(account="a", amount=1), seen=first.position)
        assert (await shop.execute(Deposit(account="a", amount=1), seen=receipt.position)).position == 4


async def test_what_came_in_between_is_told(url: str) -> None:
    """Each event with its place, its type and who did it; nothing is stored."""
    async with bank.open(url) as shop:
        first = await shop.execute(Deposit(account="a", amount=5))
        await shop.execute(Deposit(account="b", amount=5), actor="ben")
        await shop.execute(Deposit(account="a", amount=7), actor="anna")
        with pytest.raises(Outdated, match="you had seen everything up to 1, but 3 Deposited came in between") as told:
            await shop.execute(Deposit(account="a", amount=1), seen=first.position)
        assert told.value.between == ((3, "Deposited", ("account:a",), "anna"),)
        assert (told.value.seen, told.value.more, told.value.position) == (1, False, 3)
        assert await shop.store.head() == 3


async def test_only_what_the_command_rests_on_counts(url: str) -> None:
    """An event on the same stream that the entity does not read changes nothing for the decision."""
    async with bank.open(url) as shop:
        first = await shop.execute(Deposit(account="a", amount=5))
        await shop.record(Renamed(account="a", name="Anna"), Deposited(account="b", amount=1))
        assert (await shop.execute(Deposit(account="a", amount=1), seen=first.position)).count == 1


async def test_every_entity_of_the_decision_counts(url: str) -> None:
    """A transfer is outdated by what happens to either account."""
    async with bank.open(url) as shop:
        first = await shop.record(Deposited(account="a", amount=5), Deposited(account="b", amount=5))
        await shop.record(Deposited(account="b", amount=1))
        with pytest.raises(Outdated):
            await shop.execute(Transfer(source="a", target="b", amount=1), seen=first.position)
        assert (await shop.execute(Transfer(source="a", target="b", amount=1), seen=3)).count == 1


async def test_zero_says_that_nothing_has_happened_yet(url: str) -> None:
    """So a command may insist on being the first."""
    async with bank.open(url) as shop:
        assert (await shop.execute(Deposit(account="a", amount=5), seen=0)).count == 1
        with pytest.raises(Outdated):
            await shop.execute(Deposit(account="a", amount=5), seen=0)


async def test_an_expectation_goes_before_a_rule(url: str) -> None:
    """Who looked at something old is told that, and not what the rules say to what is new."""
    async with bank.open(url) as shop:
        first = await shop.execute(Deposit(account="a", amount=5))
        with pytest.raises(Rejected):
            await shop.execute(Transfer(source="a", target="b", amount=50), seen=first.position)
        await shop.execute(Deposit(account="a", amount=5))
        with pytest.raises(Outdated):
            await shop.execute(Transfer(source="a", target="b", amount=50), seen=first.position)


async def test_a_decision_that_changes_nothing_is_checked_too(url: str) -> None:
    """That nothing has to change was decided on what the caller had not seen."""
    app = App("idle")

    class Touch(Command):
        account: str

    @app.command()
    def touch(command: Touch, account: Account) -> None:
        return None

    async with app.open(url) as shop:
        await shop.record(Deposited(account="a", amount=5))
        assert (await shop.execute(Touch(account="a"), seen=1)).count == 0
        for command_id in (None, "c-1"):
            with pytest.raises(Outdated):
                await shop.execute(Touch(account="a"), seen=0, command_id=command_id)


async def test_a_repeat_is_answered_whatever_has_happened_since(url: str) -> None:
    """The first answer stands: its own event is nothing that came in between."""
    async with bank.open(url) as shop:
        first = await shop.execute(Deposit(account="a", amount=5), seen=0, command_id="c-1")
        await shop.execute(Deposit(account="a", amount=5))
        assert await shop.execute(Deposit(account="a", amount=5), seen=0, command_id="c-1") == first


async def test_a_position_that_the_log_has_not_reached_is_refused(url: str) -> None:
    """Nobody can have seen it, and it must not pass for one that is up to date."""
    async with bank.open(url) as shop:
        await shop.execute(Deposit(account="a", amount=5))
        with pytest.raises(InvalidQuery) as refused:
            await shop.execute(Deposit(account="a", amount=5), seen=2)
        assert refused.value.code == "future-position"
        assert await shop.store.head() == 1


@pytest.mark.parametrize("seen", [-1, 2**63, True, 1.0, "1"])
async def test_what_is_no_position_is_refused(seen: int) -> None:
    """Before anything is decided."""
    async with bank.open("memory://") as shop:
        with pytest.raises(InvalidQuery):
            await shop.execute(Deposit(account="a", amount=5), seen=seen)


async def test_a_command_that_rests_on_nothing_cannot_be_outdated(url: str) -> None:
    """A comparison that would always hold is refused, so that nobody relies on it."""
    app = App("notes")

    class Note(Command):
        account: str

    @app.command()
    def note(command: Note) -> Deposited:
        return Deposited(account=command.account, amount=1)

    async with app.open(url) as shop:
        await shop.execute(Note(account="a"))
        with pytest.raises(InvalidCommand) as refused:
            await shop.execute(Note(account="a"), seen=1)
        assert refused.value.code == "nothing-to-compare"
        assert await shop.store.head() == 1


class Maybe(Command):
    account: str | None = None


class Several(Command):
    account: list[str] = []


@pytest.mark.parametrize("command", [Maybe(), Several()])
async def test_a_command_that_names_no_entity_rests_on_nothing(url: str, command: Command) -> None:
    """Its handler would load one, but this command gives no id: each of many at once is refused."""
    app = App("maybe")

    @app.command()
    def one(command: Maybe, account: Account | None) -> Deposited:
        return Deposited(account="a", amount=1)

    @app.command()
    def several(command: Several, account: list[Account]) -> Deposited:
        return Deposited(account="a", amount=1)

    async with app.open(url) as shop:
        await shop.execute(command)
        ended = await asyncio.gather(*(shop.execute(command, seen=1) for _ in range(20)), return_exceptions=True)
        assert {one.code for one in ended if isinstance(one, InvalidCommand)} == {"nothing-to-compare"}
        assert await shop.store.head() == 1


async def test_no_more_than_twenty_events_are_told(url: str) -> None:
    """And that there are others."""
    async with bank.open(url) as shop:
        await shop.record(*(Deposited(account="a", amount=1) for _ in range(21)))
        with pytest.raises(Outdated) as told:
            await shop.execute(Deposit(account="a", amount=1), seen=0)
        assert (len(told.value.between), told.value.more) == (20, True)
        with pytest.raises(Outdated) as told:
            await shop.execute(Deposit(account="a", amount=1), seen=1)
        assert (len(told.value.between), told.value.more) == (20, False)


async def test_of_many_who_saw_the_same_one_is_stored(url: str) -> None:
    """The others are told at once, and none of them is decided again behind its caller's back."""
    async with bank.open(url) as shop:
        first = await shop.execute(Deposit(account="a", amount=1))
        racing = (shop.execute(Deposit(account="a", amount=1), seen=first.position) for _ in range(50))
        ended = await asyncio.gather(*racing, return_exceptions=True)
        assert sum(isinstance(one, Outdated) for one in ended) == 49
        assert (await shop.state(Account, "a")).balance == 2


async def test_those_who_saw_nothing_do_not_disturb_those_who_did(url: str) -> None:
    """A race that is lost to what the caller had not to see is taken again, as any other."""
    async with bank.open(url) as shop:
        racing = (shop.execute(Deposit(account=f"a-{n % 2}", amount=1)) for n in range(40))
        await asyncio.gather(*racing)
        head = await shop.store.head()
        both = await asyncio.gather(*(shop.execute(Deposit(account=f"a-{n}", amount=1), seen=head) for n in range(2)))
        assert sorted(receipt.position for receipt in both) == [41, 42]


async def test_another_process_s_event_outdates_what_is_kept(tmp_path: Path) -> None:
    """An entity kept warm in one process knows nothing of it; the condition does."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with bank.open(url) as one, bank.open(url) as other:
        first = await one.execute(Deposit(account="a", amount=5))
        between = await other.execute(Deposit(account="a", amount=5))
        with pytest.raises(Outdated):
            await one.execute(Deposit(account="a", amount=5), seen=first.position)
        assert (await one.execute(Deposit(account="a", amount=5), seen=between.position)).count == 1


class Step:
    """What one step of a random history does."""

    def __init__(self, account: str, seen_back: int | None, by_other: bool) -> None:
        self.account, self.seen_back, self.by_other = account, seen_back, by_other

    def __repr__(self) -> str:
        return f"Step({self.account!r}, {self.seen_back}, {self.by_other})"


steps = st.lists(
    st.builds(Step, st.sampled_from("ab"), st.none() | st.integers(0, 4), st.booleans()), min_size=1, max_size=25
)


@settings(max_examples=150, deadline=None)
@given(steps)
async def test_no_stale_caller_is_accepted_and_no_other_is_refused(history: list[Step]) -> None:
    """Whoever wrote last, and whatever is kept: a plain list of positions says what has to come out."""
    async with bank.open("memory://") as shop:
        last = {"a": 0, "b": 0}
        head = 0
        for step in history:
            if step.by_other:  # past the keeper: the kept entity does not know of it
                await shop.record(Deposited(account=step.account, amount=1))
                head += 1
                last[step.account] = head
                continue
            seen = None if step.seen_back is None else max(0, head - step.seen_back)
            command = Deposit(account=step.account, amount=1)
            if seen is None or last[step.account] <= seen:
                receipt = await shop.execute(command, seen=seen)
                head = last[step.account] = receipt.position
            else:
                with pytest.raises(Outdated):
                    await shop.execute(command, seen=seen)


async def test_an_entity_without_id_counts_too(url: str) -> None:
    """It is made of events by their type alone, whoever they are about."""
    async with bank.open(url) as shop:
        first = await shop.execute(Open(account="a"))
        await shop.execute(Open(account="b"))
        with pytest.raises(Outdated):
            await shop.execute(Open(account="c"), seen=first.position)
