"""A view in several versions of its code, and a process of its own that runs one.

Every document carries the version of the code that made it, and the counts of all documents add up to the position at
which they stand: so an answer that mixes two editions, or shows half of one, gives itself away.

``python -m tests.projections.tallies FILE VERSION CHUNK [before|after|until:N]`` keeps the view of that version up to
date until it dies. With a last word it stands still before, or after, it puts what it has built into the live one's
place, or once it has built up to position N, so that it is not done before it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from storied import App, Event, Id, OpenApp, View, on
from storied.engines.sqlite.documents import SqliteDocuments
from storied.projections import applying
from storied.store.documents import Checkpoint, Table
from storied.testing.waiting import eventually

ITEMS = 100


class Counted(Event):
    item: Id
    amount: int = 1


def counted(count: int, start: int = 0) -> list[Counted]:
    """So many events, spread over the items."""
    return [Counted(item=f"i-{n % ITEMS}") for n in range(start, start + count)]


def tallies(version: int) -> tuple[App, Any]:
    """An app with the view as that version of the code has it."""
    app = App("tallies")

    @app.view()
    class Tally(View, indexes=["version"]):
        item: Id
        version: int = 0
        count: int = 0

        @on
        def counted(self, event: Counted) -> None:
            self.version = version
            self.count += event.amount

    return app, Tally


async def seen(opened: OpenApp, view: Any, after: int | None = None) -> tuple[int, int]:
    """The version and the position of what readers are given, which is of one version and whole."""
    found = await opened.find(view, limit=1000, after=after)
    [version] = {document.version for document in found}
    assert sum(document.count for document in found) == found.position
    counts = await opened.count(view, by="version")
    assert len(counts) == 1
    assert sum(counts.values()) == len(found) == ITEMS
    return version, found.position


def stand_still(where: str) -> None:
    """Makes this process say the word, and wait, when it comes to that place."""
    promote, commit = SqliteDocuments.promote, SqliteDocuments.commit

    async def committing(self: SqliteDocuments, table: Table, *arguments: Any, **named: Any) -> None:
        await commit(self, table, *arguments, **named)
        if where.startswith("until:") and named["checkpoint"].position >= int(where.removeprefix("until:")):
            await _say(where)

    async def promoting(self: SqliteDocuments, table: Table, expected: Checkpoint) -> None:
        if where == "after":
            await promote(self, table, expected)
        await _say(where)

    SqliteDocuments.commit = committing  # type: ignore[method-assign]  # a process made to be killed
    SqliteDocuments.promote = promoting  # type: ignore[method-assign]  # the same


@contextmanager
def held_back(only: str = "") -> Iterator[asyncio.Event]:
    """While the block runs, nothing takes a live edition's place before the event is set; or *only* this code's."""
    promote, gate = SqliteDocuments.promote, asyncio.Event()

    async def gated(self: SqliteDocuments, table: Table, expected: Checkpoint) -> None:
        if not only or table.fingerprint == only:
            await gate.wait()
        await promote(self, table, expected)

    SqliteDocuments.promote = gated  # type: ignore[method-assign]  # put back below
    try:
        yield gate
    finally:
        SqliteDocuments.promote = promote  # type: ignore[method-assign]


async def run(file: str, version: int) -> None:
    """Keeps the view up to date until the process dies."""
    app, _ = tallies(version)
    async with app.open(f"sqlite:///{file}"):
        await _say("open")


async def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
    await eventually(lambda: False, timeout=60)


def main(words: Sequence[str]) -> None:
    """Runs the version in chunks of the size that are given."""
    file, version, chunk, *where = words
    applying.CHUNK = int(chunk)
    for word in where:
        stand_still(word)
    asyncio.run(run(file, int(version)))


if __name__ == "__main__":
    main(sys.argv[1:])
