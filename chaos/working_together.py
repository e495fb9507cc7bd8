"""What each of several processes does that share one file: write, race, or watch; all of it goes into the journal."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from chaos.journal import Journal, Sent, saw
from chaos.writing import STREAMS, told, write_together
from storied.domain.ids import new_id
from storied.engines.sqlite.store import SqliteStore
from storied.store.codec import new_event
from storied.store.query import AppendCondition, Query

DONE = "Done"


def write_so_many(path: str, journal: str, seed: int, each: int) -> None:
    """Appends so many times in each of some tasks, then says that it is done."""
    asyncio.run(_write_so_many(Path(path), Path(journal), seed, each))


async def _write_so_many(path: Path, journal: Path, seed: int, each: int) -> None:
    left = iter(range(each * 4))
    await write_together(path, journal, seed, lambda _: next(left, None) is not None)
    store, notes = await SqliteStore.open(path), Journal(journal)
    await told(store, notes, Sent(new_id(), (new_event(DONE, {}),), ()))
    await store.aclose()


def watch_until(path: str, journal: str, name: str, done: int) -> None:
    """Subscribes from the first position until so many writers are done."""
    asyncio.run(_watch_until(Path(path), Path(journal), name, done))


async def _watch_until(path: Path, journal: Path, name: str, done: int) -> None:
    store, notes = await SqliteStore.open(path), Journal(journal)
    async for page in store.subscribe().pages(random.randrange(1, 50)):
        notes.write(saw(name, page.events))
        done -= sum(record.type == DONE for record in page.events)
        if not done:
            break
    await store.aclose()


def race_for(path: str, journal: str, races: int) -> None:
    """Tries to be the first of each race, in a random order."""
    asyncio.run(_race_for(Path(path), Path(journal), races))


async def _race_for(path: Path, journal: Path, races: int) -> None:
    store, notes = await SqliteStore.open(path), Journal(journal)
    for race in random.sample(range(races), races):
        condition = AppendCondition(Query.of(types=["Won"], tags=[f"race:{race}"]))
        event = new_event("Won", {"lane": race % STREAMS}, tags=(f"race:{race}",))
        await told(store, notes, Sent(new_id(), (event,), (condition,)))
    await store.aclose()
