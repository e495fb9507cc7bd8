"""An entity says which stream it folds; one that cannot start or fold is refused."""

from typing import Any

import pytest

from storied.domain.dispatch import on
from storied.domain.entities import Entity, entity_spec, snake_case
from storied.domain.events import Event
from storied.errors import DefinitionError, InvalidEvent


class Opened(Event, formerly="Begun"):
    pass


class Closed(Event):
    pass


class BankAccount(Entity):
    open: bool = False

    @on
    def opened(self, event: Opened) -> None:
        self.open = True

    @on
    def closed(self, event: Closed) -> None:
        self.open = False


class Numbers(Entity, tag=None):
    last: int = 0

    @on
    def opened(self, event: Opened) -> None:
        self.last += 1


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Order", "order"),
        ("OrderLine", "order_line"),
        ("HTTPServer", "http_server"),
        ("Sha256Sum", "sha256_sum"),
        ("A", "a"),
    ],
)
def test_a_class_name_in_snake_case(name: str, snake: str) -> None:
    """Words are parted where a capital begins one, abbreviations stay whole."""
    assert snake_case(name) == snake


def test_the_stream_is_named_after_the_class() -> None:
    """In snake case, with the id as the value."""
    assert entity_spec(BankAccount).tags("a-1") == ("bank_account:a-1",)


def test_the_stream_s_name_can_be_given() -> None:
    """Where events tag their id otherwise."""

    class Konto(Entity, tag="account"):
        pass

    assert entity_spec(Konto).tags("a-1") == ("account:a-1",)


def test_an_entity_without_a_tag_folds_by_type_alone() -> None:
    """It needs no id, and has none."""
    assert entity_spec(Numbers).tags(None) == ()


def test_an_entity_asks_for_the_types_it_handles() -> None:
    """Under every name they were stored."""
    assert entity_spec(BankAccount).types() == ("Begun", "Closed", "Opened")


def test_an_entity_with_a_tag_needs_an_id() -> None:
    """There is no stream without one."""
    with pytest.raises(DefinitionError, match="needs an id"):
        entity_spec(BankAccount).tags(None)


@pytest.mark.parametrize("entity_id", ["", "a\nb", "x" * 300])
def test_an_id_that_cannot_be_a_tag_is_refused(entity_id: str) -> None:
    """No event could carry it."""
    with pytest.raises(InvalidEvent):
        entity_spec(BankAccount).tags(entity_id)


@pytest.mark.parametrize("tag", ["", "a\nb", "x" * 300])
def test_a_tag_that_cannot_name_a_stream_is_refused(tag: str) -> None:
    """At the definition."""
    with pytest.raises(DefinitionError, match="short printable name"):

        class Odd(Entity, tag=tag):
            pass


def test_every_field_has_a_first_value() -> None:
    """The error names those that have none, and only those."""
    with pytest.raises(DefinitionError, match="so b, d needs a default"):

        class Odd(Entity):
            a: int = 0
            b: int
            c: list[int] = []
            d: str


def test_an_entity_that_handles_nothing_is_refused() -> None:
    """Its state would never change."""

    class Idle(Entity):
        pass

    with pytest.raises(DefinitionError, match="handles no event"):
        entity_spec(Idle).types()


@pytest.mark.parametrize("cls", [Entity, int, Opened])
def test_what_is_not_an_entity_has_no_spec(cls: Any) -> None:
    """`Entity` itself is none either."""
    with pytest.raises(DefinitionError, match=r"Derive it from storied\.Entity"):
        entity_spec(cls)


def test_entities_do_not_share_their_first_values() -> None:
    """A list that one fills is empty in the next."""

    class Basket(Entity):
        items: list[str] = []

    Basket().items.append("x")
    assert Basket().items == []
