"""A client that appends as fast as it is answered, and writes down what it asks and is told.

Half of its appends carry a condition: that a stream, which it shares with the others, has not moved since it looked.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from chaos.checking import CONFLICT, STORED
from chaos.journal import Journal, Sent, Told, asked_again
from storied.domain.ids import new_id
from storied.engines.sqlite import store as engine
from storied.engines.sqlite import tagging
from storied.engines.sqlite.store import SqliteStore
from storied.errors import Conflict, StoriedError
from storied.store.codec import new_event
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query
from storied.store.records import NewEvent

STREAMS = 6
TASKS = 4


def as_in_a_crowd() -> None:
    """Makes happen to few what otherwise happens to many: to be called in a process of one's own."""
    tagging.SHORT, tagging.FEWEST = 0, 20  # tags are being moved into the index whenever something happens
    engine.HALVED_APPENDS = engine.HALVED_READS = 2  # some wait for an answer while another commit is under way


async def told(store: EventStore, journal: Journal, sent: Sent) -> str:
    """Appends, and writes down the outcome, which it returns."""
    journal.write(sent)
    return await asked(store, journal, sent)


async def asked(store: EventStore, journal: Journal, sent: Sent) -> str:
    """Appends what the journal has as sent, and writes down the outcome, which it returns."""
    try:
        receipt = await store.append(**asked_again(sent))
    except Conflict as error:
        journal.write(Told(sent.append_id, CONFLICT, position=error.position))
        return CONFLICT
    except StoriedError as error:
        journal.write(Told(sent.append_id, error.code))
        return error.code
    journal.write(Told(sent.append_id, STORED, receipt.first, receipt.position))
    return STORED


async def write(store: EventStore, journal: Journal, chance: random.Random, go_on: Callable[[str], bool]) -> None:
    """Appends until *go_on* is told an outcome that it takes for the last."""
    outcome, number = STORED, 0
    while go_on(outcome):
        number += 1
        stream = f"account:{chance.randrange(STREAMS)}"
        conditions: tuple[AppendCondition, ...] = ()
        if chance.random() < 0.5:
            query = Query.of(types=["Moved"], tags=[stream])
            last = await store.read(query, backwards=True, limit=1).list()
            conditions = (AppendCondition(query, last[0].position if last else 0),)
        outcome = await told(store, journal, Sent(new_id(), some_events(chance, stream, number), conditions))


async def write_together(path: Path, journal: Path, seed: int, go_on: Callable[[str], bool]) -> None:
    """Several such clients in one process, on one store."""
    notes = Journal(journal)
    store = await SqliteStore.open(path)
    try:
        await asyncio.gather(*(write(store, notes, random.Random(seed * TASKS + task), go_on) for task in range(TASKS)))
    finally:
        await store.aclose()
        notes.close()


def some_events(chance: random.Random, stream: str, number: int) -> tuple[NewEvent, ...]:
    """One to three events of a stream, of all sizes, the first of a type that conditions look at."""
    count = chance.choice([1, 1, 1, 3])
    filling = "x" * chance.choice([0, 0, 100, 5000])
    return tuple(
        new_event("Noted" if n else "Moved", {"number": number, "part": n, "filling": filling}, tags=(stream,))
        for n in range(count)
    )


def run_until_killed(path: str, journal: str, seed: int) -> None:
    """What a process does that somebody is going to kill."""
    as_in_a_crowd()
    asyncio.run(write_together(Path(path), Path(journal), seed, lambda _: True))
