"""Queries: which events, by type and by tag, as the Dynamic Consistency Boundary specification words it.

A query is a list of items joined by OR; no item at all means every event. An item matches an event whose type is one
of its types (when it names any) and that carries all of its tags. See https://dcb.events/specification/.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from storied.domain.events import Event, event_spec
from storied.domain.showing import shown
from storied.domain.tags import check_tag
from storied.errors import InvalidEvent, InvalidQuery

TypeName = str | type[Event]


class QueryItem(msgspec.Struct, frozen=True, gc=False):
    """One alternative: any of `types` (all when empty) AND all of `tags`. Each once, in code point order."""

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        types, tags = self.types, self.tags
        if types.__class__ is tuple and tags.__class__ is tuple and len(tags) == 1 and _is_canonical(types):
            check_query_tag(tags[0])  # the shape that every entity is loaded by, checked as cheaply as can be
            return
        given: tuple[object, object] = (types, tags)
        if not all(isinstance(names, tuple) for names in given):
            raise InvalidQuery("types and tags are tuples. Write types=('OrderPlaced',), tags=('order:o-1',).")
        if not self.types and not self.tags:
            raise InvalidQuery(
                "a query item names at least one type or tag. For every event leave the items out: Query()."
            )
        for name in self.types:
            if not isinstance(name, str) or not name or not name.isprintable():
                raise InvalidQuery(
                    f"{shown(name)} is not the name of an event type. Give the class, or its name in the store."
                )
        for tag in self.tags:
            check_query_tag(tag)
        canonical = tuple(sorted(set(types)))
        msgspec.structs.force_setattr(self, "types", canonical)
        msgspec.structs.force_setattr(self, "tags", tuple(sorted(set(tags))))
        if len(_canonical_types) < MOST_REMEMBERED:
            _canonical_types.add(canonical)

    def matches(self, type: str, tags: Iterable[str]) -> bool:
        """Whether an event of this type with these tags is meant."""
        return (not self.types or type in self.types) and all(tag in tags for tag in self.tags)


def _is_canonical(types: tuple[str, ...]) -> bool:
    try:
        return types in _canonical_types
    except TypeError:  # something in it cannot be a name
        return False


_canonical_types: set[tuple[str, ...]] = {()}
"""Type lists that were checked before and stand in their order."""
MOST_REMEMBERED = 10_000


def check_query_tag(tag: str) -> None:
    """Passes a well-formed tag. Raises `InvalidQuery` with the code that `check_tag` gives."""
    try:
        check_tag(tag)
    except InvalidEvent as error:
        raise InvalidQuery(error.message, code=error.code) from None


class Query(msgspec.Struct, frozen=True, gc=False):
    """Which events: those that any of `items` matches, or every event when there is none."""

    items: tuple[QueryItem, ...] = ()

    def __post_init__(self) -> None:
        items = self.items
        if items.__class__ is tuple:
            for item in items:
                if item.__class__ is not QueryItem:
                    break
            else:
                return
        raise InvalidQuery(f"{shown(items)} is not a tuple of query items. Write Query.of(types=[…], tags=[…]).")

    @classmethod
    def of(cls, *, types: Iterable[TypeName] = (), tags: Iterable[str] = ()) -> Self:
        """A query of one item: events of any of *types* (classes or names) that carry all of *tags*.

        With neither it asks for every event. Raises `InvalidQuery` for a malformed type or tag.
        """
        if isinstance(types, (str, bytes, type)) or isinstance(tags, (str, bytes)):
            raise _no_lists()
        try:
            given, wanted = tuple(types), tuple(tags)
        except TypeError:
            raise _no_lists() from None
        names: tuple[str, ...] = ()
        for one in given:
            names += type_names(one)
        return cls((QueryItem(names, wanted),)) if names or wanted else cls()

    @property
    def all(self) -> bool:
        """Whether it asks for every event."""
        return not self.items

    def __or__(self, other: Query) -> Query:
        """Events that either of the two asks for."""
        if self.all or other.all:
            return Query()
        return Query(tuple(dict.fromkeys((*self.items, *other.items))))

    def matches(self, type: str, tags: Iterable[str]) -> bool:
        """Whether an event of this type with these tags is asked for."""
        return not self.items or any(item.matches(type, tags) for item in self.items)


class AppendCondition(msgspec.Struct, frozen=True, gc=False):
    """The append fails if an event that `query` matches lies beyond position `after`."""

    query: Query
    after: int = 0

    def __post_init__(self) -> None:
        if self.query.__class__ is Query and self.after.__class__ is int and 0 <= self.after < 2**63:
            return
        check_query(self.query)
        check_position("after", self.after)


def _no_lists() -> InvalidQuery:
    return InvalidQuery("types and tags are lists. Write types=[OrderPlaced], tags=['order:o-1'].")


def check_query(query: object) -> None:
    """Passes a `Query`. Raises `InvalidQuery`."""
    if not isinstance(query, Query):
        raise InvalidQuery(f"{shown(query)} is not a query. Write Query.of(types=[…], tags=[…]).")


def check_position(name: str, value: object) -> None:
    """Passes a whole number from 0 to 2^63-1. Raises `InvalidQuery`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise InvalidQuery(
            f"{name}={shown(value)} is not a whole number from 0. Give one below 2^63.",
            value=value,
            detail="it is a whole number from 0",
        )


def type_names(given: TypeName) -> tuple[str, ...]:
    """The names in the store, today's and former, of an event class; a name stands for itself."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, type):
        raise InvalidQuery(f"{shown(given)} is not an event type. Give the class, or its name in the store.")
    return event_spec(given).names
