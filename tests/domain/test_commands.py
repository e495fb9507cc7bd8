"""A handler says which command it takes and what it needs; what cannot be called is refused."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from storied.domain.commands import Command, CommandHandler, Context
from storied.domain.dispatch import on
from storied.domain.entities import Entity
from storied.domain.events import Event
from storied.errors import DefinitionError, Rejected

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


class Moved(Event):
    amount: int = 0


class Noted(Event):
    pass


class Account(Entity):
    balance: int = 0

    @on
    def moved(self, event: Moved) -> None:
        self.balance += event.amount


class Numbers(Entity, tag=None):
    @on
    def moved(self, event: Moved) -> None: ...


class Rates:
    pass


class Transfer(Command):
    source: str
    target: str | None = None
    others: list[str] = []
    amount: int = 1


def context(**given: Any) -> Context:
    """The context of a command called ``c-1``."""
    return Context(**{"now": NOW, "command_id": "c-1", **given})


def decided(function: Callable[..., Any]) -> tuple[Event, ...]:
    """What a handler without needs decides."""
    return CommandHandler(function).decide(Transfer(source="a"), {}, context(), {})


def test_a_command_takes_no_unknown_field() -> None:
    """A misspelt field is not a default."""
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode('{"source":"a","taget":"b"}', type=Transfer)


def test_the_boundary_is_every_entity_asked_for() -> None:
    """Each by the command's field of its name; a list by each of its ids; one without a tag by none."""

    def transfer(
        command: Transfer, source: Account, target: Account | None, others: list[Account], numbers: Numbers
    ) -> None: ...

    boundary = CommandHandler(transfer).boundary(Transfer(source="a", target="b", others=["d", "c"]))
    assert [(one.parameter, one.spec.cls, one.entity_id) for one in boundary] == [
        ("source", Account, "a"),
        ("target", Account, "b"),
        ("others", Account, "d"),
        ("others", Account, "c"),
        ("numbers", Numbers, None),
    ]


def test_an_absent_id_loads_nothing() -> None:
    """An optional entity is then None."""
    seen: list[Any] = []

    def transfer(command: Transfer, target: Account | None) -> None:
        seen.append(target)

    handler = CommandHandler(transfer)
    assert handler.boundary(Transfer(source="a")) == ()
    handler.decide(Transfer(source="a"), {}, context(), {})
    assert seen == [None]


def test_a_handler_is_called_with_what_it_asks_for() -> None:
    """Entities, several of them, the context, and what is provided by type."""
    seen: dict[str, Any] = {}

    def transfer(command: Transfer, source: Account, others: list[Account], about: Context, rates: Rates) -> None:
        seen.update(command=command, source=source, others=others, about=about, rates=rates)

    one, two, three = Account(id="a"), Account(id="b"), Account(id="c")
    command, about, rates = Transfer(source="a", others=["b", "c"]), context(), Rates()
    CommandHandler(transfer).decide(command, {"source": [one], "others": [two, three]}, about, {Rates: rates})
    assert seen == {"command": command, "source": one, "others": [two, three], "about": about, "rates": rates}


def one(command: Transfer) -> Moved:
    """One event."""
    return Moved()


def several(command: Transfer) -> list[Moved | Noted]:
    """A list of two."""
    return [Moved(), Noted()]


def a_tuple(command: Transfer) -> tuple[Moved, ...]:
    """A tuple of two."""
    return (Moved(), Moved())


def a_generator(command: Transfer) -> Iterator[Moved]:
    """Two, one by one."""
    yield Moved()
    yield Moved()


def nothing(command: Transfer) -> None:
    """No event."""
    return


@pytest.mark.parametrize(
    ("function", "events", "returns"),
    [
        (one, (Moved(),), (Moved,)),
        (several, (Moved(), Noted()), (Moved, Noted)),
        (a_tuple, (Moved(), Moved()), (Moved,)),
        (a_generator, (Moved(), Moved()), (Moved,)),
        (nothing, (), ()),
    ],
)
def test_a_handler_returns_one_event_several_or_none(
    function: Callable[..., Any], events: tuple[Event, ...], returns: tuple[type[Event], ...]
) -> None:
    """In any shape, and the annotation says which may come."""
    assert (decided(function), CommandHandler(function).returns) == (events, returns)


def refuse(command: Transfer) -> None:
    """Refuses everything."""
    raise Rejected("no-money", "account a is empty")


def test_a_refusal_is_passed_on() -> None:
    """As the handler raised it."""
    with pytest.raises(Rejected, match="account a is empty") as caught:
        decided(refuse)
    assert caught.value.code == "no-money"


@pytest.mark.parametrize(
    ("rejects", "declared"),
    [
        (None, None),
        ([], {}),
        ("no-money", {"no-money": "no money"}),
        (("no-money", "closed"), {"no-money": "no money", "closed": "closed"}),
        (iter(["closed"]), {"closed": "closed"}),
        ({"no-money": "the account is empty", "closed": ""}, {"no-money": "the account is empty", "closed": "closed"}),
    ],
)
def test_a_handler_may_say_by_which_codes_it_rejects(rejects: Any, declared: Any) -> None:
    """One, several, or each with a sentence; none at all is something else than not saying it."""
    assert CommandHandler(refuse, rejects=rejects).rejects == declared


@pytest.mark.parametrize("rejects", [[""], [7], {"no-money": 7}, {None: "empty"}], ids=repr)
def test_a_code_is_text(rejects: Any) -> None:
    """And so is its sentence; the error shows how to write them."""
    with pytest.raises(DefinitionError, match="order-not-payable"):
        CommandHandler(refuse, rejects=rejects)


@pytest.mark.parametrize("result", ["Moved", 7, [Moved(), "x"], {"a": 1}, Moved], ids=repr)
def test_only_events_are_returned(result: Any) -> None:
    """The error shows what came instead."""

    def transfer(command: Transfer) -> Any:
        return result

    with pytest.raises(DefinitionError, match="Return an event"):
        decided(transfer)


def without_parameters() -> None:
    """Takes nothing."""


def without_annotation(command) -> None:  # type: ignore[no-untyped-def]
    """Takes whatever comes."""


def with_another_first(account: Account, command: Transfer) -> None:
    """Takes an entity first."""


def with_any_command(command: Command) -> None:
    """Takes any command."""


@pytest.mark.parametrize(
    "function", [without_parameters, without_annotation, with_another_first, with_any_command], ids=lambda f: f.__name__
)
def test_a_handler_says_which_command_it_takes(function: Callable[..., Any]) -> None:
    """By the annotation of its first parameter."""
    with pytest.raises(DefinitionError, match="which command it takes"):
        CommandHandler(function)


def test_a_decision_does_no_io() -> None:
    """So a handler is no coroutine and no async generator."""

    async def later(command: Transfer) -> None: ...

    async def bit_by_bit(command: Transfer) -> Any:
        yield Moved()

    for function in (later, bit_by_bit):
        with pytest.raises(DefinitionError, match="is async"):
            CommandHandler(function)


def test_every_parameter_has_a_type() -> None:
    """Nothing else says what to pass."""

    def transfer(command: Transfer, source) -> None:  # type: ignore[no-untyped-def]
        ...

    with pytest.raises(DefinitionError, match=r"source of handler .* has no type"):
        CommandHandler(transfer)


def test_an_entity_takes_its_id_from_the_command() -> None:
    """From the field called like the parameter; the error says so."""

    def transfer(command: Transfer, account: Account) -> None: ...

    with pytest.raises(DefinitionError, match="no field 'account'"):
        CommandHandler(transfer)


def test_a_context_makes_the_same_ids_again() -> None:
    """A decision that is taken again is the same decision."""
    first = context(actor="anna", headers={"trace": "t"})
    made = [first.new_id() for _ in range(3)]
    again = first.again()
    assert [again.new_id() for _ in range(3)] == made
    assert (again.now, again.actor, dict(again.headers), again.correlation) == (NOW, "anna", {"trace": "t"}, "c-1")
    assert len({UUID(name).version for name in made} | set(made)) == 4


def test_another_command_makes_other_ids() -> None:
    """Even at the same time."""
    assert context().new_id() != context(command_id="c-2").new_id()


def test_the_headers_of_a_context_cannot_be_changed() -> None:
    """What a decision knows is recorded; it does not change under way."""
    with pytest.raises(TypeError):
        context(headers={"a": "b"}).headers["a"] = "c"  # type: ignore[index]
