"""Folding: records into the state they make, by a table from type name to methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar

from storied.domain.dispatch import Handler
from storied.domain.entities import Entity, EntitySpec
from storied.domain.events import Event, event_spec
from storied.store.codec import EventTypes
from storied.store.query import Query
from storied.store.reading import PAGE, Contents, PageSource, Reading, Span
from storied.store.records import Recorded

Method = tuple[Callable[..., Any], bool]
S = TypeVar("S")


class Fold:
    """How one entity class changes with each event type it handles."""

    def __init__(self, handlers: Mapping[type[Event], tuple[Handler, ...]]) -> None:
        self._types = EventTypes(handlers)
        self._table: dict[str, tuple[Method, ...]] = {}
        self._methods: dict[type[Event], tuple[Method, ...]] = {}
        self.takes_records = any(handler.takes_record for several in handlers.values() for handler in several)
        """Whether any method wants the record beside the event, so that contents are not enough."""
        for event, several in handlers.items():
            methods = tuple((handler.method, handler.takes_record) for handler in several)
            self._methods[event] = methods
            self._table.update(dict.fromkeys(event_spec(event).names, methods))

    def apply(self, state: S, records: Iterable[Recorded]) -> S:
        """*state*, changed by each record that it handles; the others pass. Raises `DecodeError`."""
        table, records = self._table, list(records)
        for record, event in zip(records, self._types.decode_records(records), strict=True):
            if event is not None:
                for method, takes_record in table[record.type]:
                    if takes_record:
                        method(state, event, record)
                    else:
                        method(state, event)
        return state

    def apply_contents(self, state: S, contents: Contents) -> S:
        """As `apply`, for a fold that takes no records."""
        table = self._table
        for name, event in zip(contents.types, self._types.decode_contents(contents), strict=True):
            if event is not None:
                for method, _ in table[name]:
                    method(state, event)
        return state

    def apply_events(self, state: object, events: Iterable[Event]) -> bool:
        """Changes *state* by events that are not records yet; False, and nothing done, when one needs its record."""
        steps = [(method, event) for event in events for method in self._methods.get(type(event), ())]
        if self.takes_records and any(takes_record for (_, takes_record), _ in steps):
            return False
        for (method, _), event in steps:
            method(state, event)
        return True


async def folded(fold: Fold, state: object, reading: Reading, size: int = PAGE) -> AsyncIterator[tuple[int, int]]:
    """Changes *state* by what is read, page by page: how many events each had, and the position it speaks up to.

    Raises `DecodeError`.
    """
    if fold.takes_records:
        async for page in reading.pages(size):
            fold.apply(state, page.events)
            yield len(page), page.through
    else:
        async for contents in reading.contents(size):
            fold.apply_contents(state, contents)
            yield len(contents), contents.through


async def fold_page(fold: Fold, state: object, source: PageSource, query: Query, span: Span) -> tuple[int, bool]:
    """Changes *state* by one page: the position it speaks up to, and whether it is full. Raises `DecodeError`."""
    if fold.takes_records:
        page = await source.page(query, span)
        fold.apply(state, page.events)
        return page.through, len(page) >= span.limit
    contents = await source.contents(query, span)
    fold.apply_contents(state, contents)
    return contents.through, contents.cut or len(contents) >= span.limit


_folds: dict[type[Entity], Fold] = {}


def fold_of(spec: EntitySpec) -> Fold:
    """The entity class's fold, made once."""
    fold = _folds.get(spec.cls)
    if fold is None:
        fold = _folds[spec.cls] = Fold(spec.handlers)
    return fold


def new_entity(spec: EntitySpec, entity_id: str | None) -> Entity:
    """The entity as it is before its first event."""
    return spec.cls(id=entity_id or "")
