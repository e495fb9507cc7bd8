"""`on`: which method folds which event, found once per class and kept as a table.

An ``@on`` method takes the event and, if it wants, the record beside it (its position, time and actor). The event's
class is read from the annotation; a union handles each of its classes.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

import msgspec

from storied.domain.events import Event
from storied.domain.hints import resolved_hints, visible_names
from storied.errors import DefinitionError

F = TypeVar("F", bound=Callable[..., Any])
Keys = str | Callable[[Any], "str | Iterable[str] | None"]
"""Where a view finds the keys in an event: a field's path, or a function."""


class On(msgspec.Struct, frozen=True):
    """What ``@on(…)`` was given."""

    key: Keys | None = None
    where: str | None = None
    create: bool = True
    names: dict[str, Any] = {}


class Handler(msgspec.Struct, frozen=True):
    """One method for one event class."""

    event: type[Event]
    method: Callable[..., Any]
    takes_record: bool
    on: On


@overload
def on(method: F) -> F: ...
@overload
def on(*, key: Keys | None = None, where: str | None = None, create: bool = True) -> Callable[[F], F]: ...
def on(
    method: F | None = None, *, key: Keys | None = None, where: str | None = None, create: bool = True
) -> F | Callable[[F], F]:
    """Marks a method of an `Entity` or a `View` as the one that folds the event it is annotated with.

    In a view, *key* says which documents the event changes: the path of a field (``"lines.seller"`` reaches into a
    list), or a function from the event to one key, several or none. Without it, it is the event's field that is
    called like the view's key. *where* names an indexed field of the view instead: every document whose value there
    equals the event's field of that name is changed. With ``create=False`` only documents that exist are changed.
    """
    if key is not None and where is not None:
        raise DefinitionError("@on takes key= or where=, not both. Say how to find the documents in one way.")
    names = visible_names(1)

    def mark(function: F) -> F:
        function.__storied_on__ = On(key, where, create, names)  # type: ignore[attr-defined]  # functions take attributes
        return function

    return mark if method is None else mark(method)


def find_handlers(cls: type) -> dict[type[Event], tuple[Handler, ...]]:
    """The ``@on`` methods of the class and its bases, by event class, in the order they were written.

    Raises `DefinitionError` when a method's annotation does not name an event, or it takes too many parameters.
    """
    methods: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        for name, item in vars(base).items():
            if hasattr(item, "__storied_on__"):
                methods[name] = item
            else:
                methods.pop(name, None)  # a method written again without @on handles nothing
    table: dict[type[Event], tuple[Handler, ...]] = {}
    for method in methods.values():
        for handler in _handlers_of(cls, method):
            table[handler.event] = (*table.get(handler.event, ()), handler)
    return table


def _handlers_of(cls: type, method: Any) -> list[Handler]:
    marked: On = method.__storied_on__
    parameters = list(inspect.signature(method).parameters.values())
    where = f"{cls.__name__}.{method.__name__}"
    if not 2 <= len(parameters) <= 3:
        raise DefinitionError(
            f"@on method {where} takes {len(parameters) - 1} parameters. Give it the event, or event and record."
        )
    hint = resolved_hints(method, marked.names).get(parameters[1].name)
    classes = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    for event in classes:
        if not (isinstance(event, type) and issubclass(event, Event) and event is not Event):
            raise DefinitionError(
                f"@on method {where} is annotated with {hint!r}, not with an event. "
                f"Write def {method.__name__}(self, event: SomeEvent)."
            )
    return [Handler(event, method, len(parameters) == 3, marked) for event in classes]
