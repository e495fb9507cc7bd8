"""Stores to check, copy and carry: with a history of every kind of append."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import apsw

from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite.store import SqliteStore
from storied.store.codec import new_event
from storied.store.port import EventStore
from storied.store.records import Metadata, NewEvent
from storied.testing.clocks import ManualClock

ODD_TAGS = ('quote:"', "colon:a:b", "umlaut:ä", "emoji:🦆", "brace:{}", "back:\\", "space:a b", "percent:%00")


def noted(number: int, size: int = 10) -> NewEvent:
    """An event whose payload holds what JSON can make difficult."""
    payload = {"note": f"note {number} " + "ü" * size, "amount": "9.90", "big": 2**62, "odd": '\\u0041 "\t\n\u2028\x7f'}
    tags = (f"note:{number}", f"kind:{number % 3}", *ODD_TAGS[number % 8 : number % 8 + 2])
    metadata = Metadata(
        actor=f"änna-{number}", headers={"a": "b\n"}, occurred_at=datetime(2020, 1, 1 + number % 28, tzinfo=UTC)
    )
    return new_event(f"Noted{number % 4}", payload, tags=tags, version=1 + number % 3, metadata=metadata)


async def fill(store: EventStore, events: int = 40) -> None:
    """A history: appends of one event, of several, of none, with a fingerprint and without, small and large."""
    await store.append([], append_id="before everything")
    number = 0
    while number < events:
        count = min(1 + number % 3, events - number)
        more = [noted(number + each, 2000 if number % 20 == 0 else 10) for each in range(count)]
        fingerprint = bytes([number % 256]) * 32 if number % 4 == 0 else None
        await store.append(more, append_id=f"append-{number}-ü" if number % 5 else None, fingerprint=fingerprint)
        number += count
    await store.append([], append_id="nothing to do", fingerprint=b"")
    await store.append([], append_id="a later nothing", fingerprint=b"x" * 32)


@asynccontextmanager
async def sqlite_store(path: Path) -> AsyncIterator[SqliteStore]:
    """The store in the file."""
    store = await SqliteStore.open(path)
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def memory_store() -> AsyncIterator[MemoryStore]:
    """A store in memory, whose clock goes on by itself."""
    store = MemoryStore(ManualClock(datetime(2021, 2, 3, 4, 5, 6, 789, tzinfo=UTC)))
    try:
        yield store
    finally:
        await store.aclose()


async def filled_file(path: Path, events: int = 40) -> None:
    """A file with a history, closed, with nothing left beside it."""
    async with sqlite_store(path) as store:
        await fill(store, events)


def tamper(path: Path, *statements: str) -> None:
    """A hand that knows SQL has changed the file, past the triggers."""
    connection = apsw.Connection(str(path))
    for name in (
        "event_update",
        "event_delete",
        "event_tag_update",
        "event_tag_delete",
        "append_update",
        "append_delete",
    ):
        sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).get
        connection.execute(f"DROP TRIGGER {name}")
        statements = (*statements, str(sql))
    for statement in statements:
        connection.execute(statement)
    connection.close()
