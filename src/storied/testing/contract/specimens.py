"""Events made up for the facts, and short ways to ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from storied.store.codec import new_event
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query
from storied.store.records import Metadata, NewEvent, Recorded


def event(type: str = "Noted", *tags: str, note: object = "", actor: str | None = None) -> NewEvent:
    """An event of that type with those tags; *note* is its payload, *actor* who did it."""
    return new_event(type, {"note": note}, tags=tags, metadata=Metadata(actor=actor))


def events(count: int, type: str = "Noted", *tags: str) -> list[NewEvent]:
    """That many events, told apart by their notes 1, 2, 3 …"""
    return [event(type, *tags, note=number) for number in range(1, count + 1)]


def unless(*, types: Sequence[str] = (), tags: Sequence[str] = (), after: int = 0) -> AppendCondition:
    """The condition that no such event lies beyond *after*."""
    return AppendCondition(Query.of(types=types, tags=tags), after=after)


def positions(records: Sequence[Recorded]) -> list[int]:
    """Where the records stand."""
    return [record.position for record in records]


def notes(records: Sequence[Recorded]) -> list[object]:
    """The notes of events made by `event`."""
    return [record.payload["note"] for record in records if isinstance(record.payload, dict)]


async def stored(store: EventStore, query: Query = Query()) -> list[Recorded]:  # noqa: B008 - an immutable value
    """Every event that the query asks for, as the store has it now."""
    return await store.read(query).list()
