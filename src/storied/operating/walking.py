"""Walking the whole log in flat memory: stretches of positions as long as their events are small."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from storied.store.port import EventStore
from storied.store.reading import PAGE
from storied.store.records import Recorded

STRETCH_CHARACTERS = 4 * 1024 * 1024
"""What the events of one stretch should hold together."""


Progress = Callable[[str, int, int | None], None]
"""Is told how far long work is: what is being done, how much of it, of how much (None when nobody knows). Be quick."""


def no_progress(doing: str, done: int, total: int | None) -> None:
    """Tells nobody."""


def next_size(size: int, characters: int) -> int:
    """How many positions to read next, when the last *size* of them held that many characters."""
    fitting = STRETCH_CHARACTERS * size // max(characters, 1)
    return max(1, min(fitting, 2 * size, PAGE))


def characters_in(records: Iterable[Recorded]) -> int:
    """How much the records hold."""
    return sum(len(record.data) + len(record.metadata_json) + len(record.tags_json) for record in records)


async def walk(store: EventStore, until: int, *, after: int = 0) -> AsyncIterator[list[Recorded]]:
    """The events beyond *after* and up to *until* in order, some at a time. Raises `StoreError`s as reading does."""
    size = 64
    while after < until:
        records = await store.read(after=after, until=min(after + size, until)).list()
        yield records
        after = min(after + size, until)
        size = next_size(size, characters_in(records))
