"""`on` marks what folds which event; what it cannot mean is refused with the way to say it."""

from typing import Any

import pytest

from storied.domain.dispatch import find_handlers, on
from storied.domain.events import Event
from storied.errors import DefinitionError


class Opened(Event):
    pass


class Paid(Event):
    pass


class Closed(Event):
    pass


def handled(cls: type) -> dict[str, list[str]]:
    """The names of the methods, by the name of the event."""
    return {event.__name__: [h.method.__name__ for h in hs] for event, hs in find_handlers(cls).items()}


def test_the_annotation_says_which_event() -> None:
    """The method's name says nothing."""

    class Fold:
        @on
        def anything(self, event: Opened) -> None: ...

    assert handled(Fold) == {"Opened": ["anything"]}


def test_a_union_handles_each_of_its_events() -> None:
    """One method may fold several."""

    class Fold:
        @on
        def done(self, event: Paid | Closed) -> None: ...

    assert handled(Fold) == {"Paid": ["done"], "Closed": ["done"]}


def test_several_methods_may_handle_one_event() -> None:
    """In the order they were written."""

    class Fold:
        @on
        def second(self, event: Paid) -> None: ...

        @on
        def first(self, event: Paid) -> None: ...

    assert handled(Fold) == {"Paid": ["second", "first"]}


def test_methods_of_base_classes_count() -> None:
    """One that is written again takes the other's place."""

    class Base:
        @on
        def opened(self, event: Opened) -> None: ...

        @on
        def paid(self, event: Paid) -> None: ...

    class Fold(Base):
        @on
        def paid(self, event: Closed) -> None: ...  # type: ignore[override]

    assert handled(Fold) == {"Opened": ["opened"], "Closed": ["paid"]}


def test_a_method_without_the_mark_takes_the_marked_one_s_place() -> None:
    """A subclass may stop handling an event by overriding its method."""

    class Base:
        @on
        def paid(self, event: Paid) -> None: ...

    class Fold(Base):
        def paid(self, event: Paid) -> None: ...

    assert handled(Fold) == {}


def test_a_second_parameter_takes_the_record() -> None:
    """Handlers that want the position or the time ask for it."""

    class Fold:
        @on
        def plain(self, event: Paid) -> None: ...

        @on
        def timed(self, event: Closed, record: Any) -> None: ...

    table = find_handlers(Fold)
    assert [table[event][0].takes_record for event in (Paid, Closed)] == [False, True]


def test_events_of_the_enclosing_function_are_found() -> None:
    """A model may live inside a test."""

    class Local(Event):
        pass

    class Fold:
        @on
        def local(self, event: "Local") -> None: ...

    assert handled(Fold) == {"Local": ["local"]}


@pytest.mark.parametrize("hint", [int, Event, "Paid | int", None, list[Paid]])
def test_the_annotation_has_to_be_an_event(hint: Any) -> None:
    """Or a union of events; the error shows how to write it."""

    def method(self: Any, event: Any) -> None: ...

    method.__annotations__["event"] = hint
    fold = type("Fold", (), {"method": on(method)})
    with pytest.raises(DefinitionError, match="event: SomeEvent"):
        find_handlers(fold)


def test_a_method_without_an_annotation_is_refused() -> None:
    """Nobody could tell what it folds."""

    class Fold:
        @on
        def paid(self, event):  # type: ignore[no-untyped-def]
            ...

    with pytest.raises(DefinitionError, match=r"Fold\.paid"):
        find_handlers(Fold)


def test_a_method_takes_an_event_and_maybe_its_record() -> None:
    """Not nothing, and no third thing."""

    class Nothing:
        @on
        def paid(self) -> None: ...

    class Much:
        @on
        def paid(self, event: Paid, record: Any, more: Any) -> None: ...

    for fold in (Nothing, Much):
        with pytest.raises(DefinitionError, match="parameters"):
            find_handlers(fold)


def test_documents_are_found_in_one_way() -> None:
    """By key or by an indexed field, not by both."""
    with pytest.raises(DefinitionError, match="not both"):
        on(key="order", where="customer")


def test_a_marked_method_can_still_be_called() -> None:
    """The mark leaves the function as it is, for its tests."""

    class Fold:
        @on
        def paid(self, event: Paid) -> str:
            return "paid"

    assert Fold().paid(Paid()) == "paid"
