"""A handler is given the entities, the context and what else it asks for, and its events are stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from storied import App, Command, Context, DefinitionError, Entity, Event, Id, Rejected, on
from storied.commands.execute import Request
from storied.testing.clocks import ManualClock
from tests.commands.bank import (
    Account,
    Audit,
    Audited,
    Collect,
    Deposit,
    Deposited,
    Numbers,
    Open,
    Tip,
    Transfer,
    bank,
)
from tests.commands.racing import InBetween, executor


class Noted(Event):
    topic: Id
    text: str


class Note(Command):
    topic: str


class Greeting:
    def __init__(self, text: str) -> None:
        self.text = text


async def test_an_entity_is_bound_by_its_parameters_name(url: str) -> None:
    """The id comes from the command's field that is called like the parameter."""
    async with bank.open(url) as shop:
        await shop.execute(Deposit(account="a", amount=5))
        await shop.execute(Deposit(account="b", amount=7))
        assert (await shop.state(Account, "a")).balance == 5


async def test_two_entities_of_one_type_are_told_apart(url: str) -> None:
    """Source and target each get the account of their own field."""
    async with bank.open(url) as shop:
        await shop.execute(Deposit(account="a", amount=5))
        await shop.execute(Deposit(account="b", amount=1))
        await shop.execute(Transfer(source="a", target="b", amount=3))
        assert [(await shop.state(Account, name)).balance for name in "ab"] == [2, 4]


async def test_one_entity_under_two_parameters_is_the_same(url: str) -> None:
    """A transfer to oneself sees one account and changes nothing of its balance."""
    async with bank.open(url) as shop:
        await shop.execute(Deposit(account="a", amount=5))
        await shop.execute(Transfer(source="a", target="a", amount=3))
        assert (await shop.state(Account, "a")).balance == 5


async def test_a_list_of_entities_comes_in_the_order_of_its_ids(url: str) -> None:
    """Each id of the field is loaded, in the field's order."""
    async with bank.open(url) as shop:
        for name, amount in (("a", 1), ("b", 2), ("c", 3)):
            await shop.execute(Deposit(account=name, amount=amount))
        await shop.execute(Collect(accounts=["c", "a"], target="b"))
        moved = [record.payload async for record in shop.store.read(after=3)]
        assert [event["source"] for event in moved if isinstance(event, dict)] == ["c", "a"]


async def test_an_empty_list_of_entities_is_empty(url: str) -> None:
    """No id, no entity, and the handler decides on that."""
    async with bank.open(url) as shop:
        assert (await shop.execute(Collect(accounts=[], target="b"))).count == 0


async def test_an_optional_entity_is_none_without_an_id(url: str) -> None:
    """A field that is None loads nothing."""
    async with bank.open(url) as shop:
        assert (await shop.execute(Tip())).count == 0


async def test_an_optional_entity_is_there_with_an_id(url: str) -> None:
    """A field that is set loads the entity."""
    async with bank.open(url) as shop:
        await shop.execute(Tip(account="a", amount=2))
        assert (await shop.state(Account, "a")).balance == 2


async def test_an_entity_without_an_id_folds_every_event_of_its_types(url: str) -> None:
    """Numbers go up over all accounts."""
    async with bank.open(url) as shop:
        for name in "abc":
            await shop.execute(Open(account=name))
        assert (await shop.state(Numbers)).last == 3


async def test_a_field_with_several_ids_wants_a_list_of_entities() -> None:
    """One entity cannot stand for several ids: the handler is told, and no entity is made up."""
    app = App("lists")

    class Close(Command):
        account: list[str]

    @app.command()
    def close(command: Close, account: Account) -> None:
        raise AssertionError("decided on an account that does not exist")

    async with app.open("memory://") as shop:
        with pytest.raises(DefinitionError, match=r"list\[Account\]"):
            await shop.execute(Close(account=["a", "b"]))


async def test_a_field_with_one_id_wants_one_entity() -> None:
    """A text is one id, not several of one letter each."""
    app = App("letters")

    class Close(Command):
        account: str

    @app.command()
    def close(command: Close, account: list[Account]) -> None:
        raise AssertionError("decided on accounts that do not exist")

    async with app.open("memory://") as shop:
        with pytest.raises(DefinitionError, match="asks for several"):
            await shop.execute(Close(account="ab"))


@pytest.mark.parametrize(("ids", "loaded"), [(None, []), (["a", "b"], ["a", "b"])])
async def test_a_list_of_entities_may_be_optional(ids: list[str] | None, loaded: list[str]) -> None:
    """Several ids or None: each id is an entity of its own, and None is none of them."""
    app, seen = App("optional"), []

    class Close(Command):
        accounts: list[str] | None = None

    @app.command()
    def close(command: Close, accounts: list[Account] | None) -> None:
        seen.extend([account.id for account in accounts or []])

    async with app.open("memory://") as shop:
        await shop.execute(Close(accounts=ids))
    assert seen == loaded


async def test_the_context_tells_time_and_actor(url: str) -> None:
    """Now is the clock's, the actor is who executes."""
    clock = ManualClock(datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC))
    async with bank.open(url, clock=clock) as shop:
        await shop.execute(Audit(account="a"), actor="anna")
        [record] = await shop.history("account:a").list()
        assert isinstance(record.payload, dict)
        assert (record.payload["at"], record.payload["actor"]) == ("2024-05-06T07:08:09Z", "anna")


def test_ids_are_the_same_when_the_decision_is_taken_again() -> None:
    """A context made again gives the same ids in the same order, each a UUIDv7 of its own."""
    context = Context(now=datetime(2024, 1, 1, tzinfo=UTC), command_id="c-1")
    first = [context.new_id() for _ in range(3)]
    again = context.again()
    assert [again.new_id() for _ in range(3)] == first
    assert len(set(first)) == 3
    assert {UUID(made).version for made in first} == {7}


def test_ids_differ_between_commands() -> None:
    """Another command makes other ids at the same time."""
    now = datetime(2024, 1, 1, tzinfo=UTC)
    assert Context(now=now, command_id="c-1").new_id() != Context(now=now, command_id="c-2").new_id()


async def test_a_retried_decision_makes_the_ids_it_made_before(url: str) -> None:
    """A decision that lost its race is taken again with the same time and the same ids."""
    app, made = App("again"), []
    clock = ManualClock()

    @app.command()
    def audit(command: Audit, account: Account, context: Context) -> Audited:
        clock.advance(timedelta(seconds=1))
        made.append((context.now, context.new_id(), context.new_id()))
        return Audited(account=command.account, ids=list(made[-1][1:]), at=context.now, actor=None)

    async with app.open(url, clock=clock) as shop:
        await shop.record(Deposited(account="a", amount=1))
        raced = InBetween(shop.store, Deposited(account="a", amount=1))
        await executor(app, raced, clock).execute(Audit(account="a"), Request())
    assert len(made) == 2
    assert made[0] == made[1]


async def test_rejected_passes_through_as_it_was_raised(url: str) -> None:
    """Code, message and data are the handler's, and nothing is stored."""
    async with bank.open(url) as shop:
        with pytest.raises(Rejected) as caught:
            await shop.execute(Deposit(account="a", amount=-1))
        assert (caught.value.code, str(caught.value)) == ("no-amount", "-1 is nothing to deposit")
        assert caught.value.data == {"amount": -1, "limits": [1, None]}
        assert await shop.store.head() == 0


async def _factory() -> Greeting:
    return Greeting("async")


@pytest.mark.parametrize(
    ("given", "text"), [(Greeting("value"), "value"), (lambda: Greeting("factory"), "factory"), (_factory, "async")]
)
async def test_what_else_a_handler_asks_for_is_injected_by_type(given: Any, text: str) -> None:
    """A value, what a function makes, or what an async function makes."""
    app = App("greetings")
    app.provide(Greeting, given)

    @app.command()
    def note(command: Note, greeting: Greeting) -> Noted:
        return Noted(topic=command.topic, text=greeting.text)

    async with app.open("memory://") as shop:
        await shop.execute(Note(topic="t"))
        [record] = await shop.history("topic:t").list()
        assert record.payload == {"topic": "t", "text": text}


async def test_what_nothing_provides_is_found_when_the_app_opens() -> None:
    """A handler that asks for what nobody gives is a definition error, naming handler, parameter and type."""
    app = App("greetings")

    @app.command()
    def note(command: Note, greeting: Greeting) -> None: ...

    with pytest.raises(DefinitionError, match=r"note asks for greeting: Greeting, which nothing provides"):
        async with app.open("memory://"):
            pass


class Topic(Entity):
    texts: tuple[str, ...] = ()

    @on
    def noted(self, event: Noted) -> None:
        self.texts = (*self.texts, event.text)


def _generated(topic: str) -> Iterator[Noted]:
    yield Noted(topic=topic, text="one")
    yield Noted(topic=topic, text="two")


RETURNS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "nothing": (lambda topic: None, ()),
    "one": (lambda topic: Noted(topic=topic, text="one"), ("one",)),
    "a list": (lambda topic: list(_generated(topic)), ("one", "two")),
    "a tuple": (lambda topic: tuple(_generated(topic)), ("one", "two")),
    "a generator": (_generated, ("one", "two")),
    "an empty list": (lambda topic: [], ()),
}


def _noting(make: Any) -> App:
    app = App("notes")

    @app.command()
    def note(command: Note, topic: Topic) -> Any:
        return make(command.topic)

    return app


@pytest.mark.parametrize("kind", RETURNS)
async def test_a_handler_returns_any_number_of_events(url: str, kind: str) -> None:
    """Nothing, one, several or a generator of events: they are stored together, in order."""
    make, texts = RETURNS[kind]
    async with _noting(make).open(url) as shop:
        receipt = await shop.execute(Note(topic="t"))
        assert (receipt.count, receipt.position) == (len(texts), len(texts))
        assert (await shop.state(Topic, "t")).texts == texts


@pytest.mark.parametrize(
    "wrong", ["text", 7, [None], {"a": 1}, [Noted(topic="t", text="x"), 7], Noted, Note(topic="t")]
)
async def test_a_handler_that_returns_something_else_is_told(wrong: Any) -> None:
    """What is no event is a definition error, and nothing is stored."""
    async with _noting(lambda topic: wrong).open("memory://") as shop:
        with pytest.raises(DefinitionError, match="Return an event, several, or None"):
            await shop.execute(Note(topic="t"))
        assert await shop.store.head() == 0


async def test_the_receipt_of_nothing_names_the_position_decided_on(url: str) -> None:
    """A decision that changed nothing says what it has seen, so that it can be waited for."""
    async with bank.open(url) as shop:
        await shop.execute(Open(account="a"))
        receipt = await shop.execute(Open(account="a"))
        assert (receipt.position, receipt.count) == (1, 0)
