"""Looking over the log: streams by part of their name, and how much there is, from seeks and short counts.

Every piece is one short job on the reading lane, so that other readers get in between.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from storied.engines.sqlite.statements import statements
from storied.store.searching import LogFacts, Stream, StreamQuery, best

TAGS_AT_ONCE = 500
COUNTED_AT_ONCE = 20_000
"""What one job looks at: some milliseconds."""

_SQL = statements("searching.sql")
Submit = Callable[[Callable[[apsw.Connection], Any]], Awaitable[Any]]
Ranked = tuple[str, int]
"""A tag, and what it is ordered by."""


async def find_streams(submit: Submit, wanted: StreamQuery) -> list[Stream]:
    """The streams asked for, in their order. *submit* runs a function of the connection on the reading lane."""
    found = [await _stream(submit, tag) for tag in await _matching_tags(submit, wanted)]
    return best(found, wanted.order)


async def measure(submit: Submit, head: int, path: Path) -> LogFacts:
    """How much the log in the file at *path* holds."""
    types: dict[str, int] = {}
    name = await submit(partial(_next_type, after=""))
    while name is not None:
        types[name], _ = await _count(submit, "count_type", name)
        name = await submit(partial(_next_type, after=name))
    first, last = await submit(lambda connection: connection.execute(_SQL["ends"]).fetchone())
    return LogFacts(f"SQLite {apsw.sqlite_lib_version()}", head, types, first, last, bytes_on_disk(path))


def bytes_on_disk(path: Path) -> int:
    """The size of the database and of what SQLite keeps beside it."""
    files = (path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))
    size = 0
    for file in files:
        with suppress(FileNotFoundError):  # what lies beside the database comes and goes
            size += file.stat().st_size
    return size


async def _matching_tags(submit: Submit, wanted: StreamQuery) -> list[str]:
    """The tags of the streams asked for. By name it stops when there are enough; otherwise every tag is looked at."""
    matches, counting = wanted.matcher(), wanted.order == "events"
    found: list[Ranked] = []
    after: str | None = wanted.after
    while after is not None and (wanted.order != "name" or len(found) < wanted.limit):
        look = partial(_look, after=after, matches=matches, counting=counting)
        more, after = await submit(look)
        if counting and more and more[-1][1] >= COUNTED_AT_ONCE:
            tag, _ = more.pop()
            more.append((tag, (await _count(submit, "count_tag", tag))[0]))
        found += more
        if wanted.order != "name":
            found = heapq.nsmallest(wanted.limit, found, key=lambda ranked: (-ranked[1], ranked[0]))
    return [tag for tag, _ in found[: wanted.limit]]


def _look(
    connection: apsw.Connection, after: str, matches: Callable[[str], bool], counting: bool
) -> tuple[list[Ranked], str | None]:
    """Some matching tags beyond *after*, ranked by last position (or count), and where to go on; None at the end.

    When *counting* it ends early at a stream that is long, whose count then goes no further than `COUNTED_AT_ONCE`.
    """
    tags: list[Any] = connection.execute(_SQL["next_tags"], (after, TAGS_AT_ONCE)).fetchall()
    found: list[Ranked] = []
    counted = 0
    for tag, last in tags:
        if not matches(tag):
            continue
        rank = _count_some(connection, "count_tag", tag, 0)[0] if counting else last
        found.append((tag, rank))
        if counting:
            counted += rank
            if counted >= COUNTED_AT_ONCE:
                return found, tag
    return found, tags[-1][0] if len(tags) == TAGS_AT_ONCE else None


async def _stream(submit: Submit, tag: str) -> Stream:
    events, last = await _count(submit, "count_tag", tag)
    first, last_type, recorded_us = await submit(
        lambda connection: connection.execute(_SQL["stream_facts"], (tag, last)).fetchone()
    )
    return Stream(tag, events, first, last, last_type, recorded_us)


async def _count(submit: Submit, statement: str, name: str) -> tuple[int, int]:
    """How many events the stream (or type) has, and the last position that was counted."""
    total, position = 0, 0
    while True:
        some = partial(_count_some, statement=statement, name=name, after=position)
        count, last = await submit(some)
        total, position = total + count, last or position
        if count < COUNTED_AT_ONCE:
            return total, position


def _next_type(connection: apsw.Connection, after: str) -> Any:
    return connection.execute(_SQL["next_type"], (after,)).get


def _count_some(connection: apsw.Connection, statement: str, name: str, after: int) -> tuple[int, int | None]:
    row: Any = connection.execute(_SQL[statement], (name, after, COUNTED_AT_ONCE)).fetchone()
    return row[0], row[1]
