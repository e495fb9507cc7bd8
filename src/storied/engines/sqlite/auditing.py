"""Looking behind a log in SQLite: its pages, its tag index, and what it remembers of appends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from storied.engines.sqlite.connection import open_reader, unavailable
from storied.engines.sqlite.longwork import Stop, long_work
from storied.engines.sqlite.presence import PresentConnection
from storied.engines.sqlite.statements import statements
from storied.engines.sqlite.tagging import checked_mark
from storied.errors import StoreCorrupt
from storied.store.appending import Stored
from storied.store.auditing import Remembered, TagRow
from storied.store.records import Receipt

ROWS = 4096
"""Entries of the tag index looked at by one job on the reading lane."""

_SQL, _LOG = statements("auditing.sql"), statements("log.sql")
_tags = msgspec.json.Decoder(list[str])
T = TypeVar("T")
Submit = Callable[[Callable[[apsw.Connection], Any]], Awaitable[Any]]


async def structure(path: Path) -> list[str]:
    """What SQLite finds wrong with the file, and what is not as the schema says."""

    def check(stop: Stop) -> list[str]:
        with closing(open_reader(path, PresentConnection)) as connection:
            stop.watch(connection)
            try:
                connection.execute("BEGIN")
                rows: list[Any] = connection.execute("PRAGMA integrity_check").fetchall()
                return [text for (text,) in rows if text != "ok"] + _foreign_objects(connection) + _mark(connection)
            except apsw.InterruptError:
                raise
            except (apsw.Error, UnicodeDecodeError) as error:
                return [f"SQLite cannot read it to the end: {error}"]

    return await _patiently(path, check)


def unindexed(connection: apsw.Connection, rows: Sequence[TagRow]) -> list[TagRow]:
    """Those of the rows that the tag index lacks."""
    found: list[Any] = connection.execute(_SQL["unindexed"], (msgspec.json.encode(rows).decode(),)).fetchall()
    return [rows[place] for (place,) in found]


async def count_rows(path: Path, until: int) -> int:
    """How many entries the tag index has for positions up to *until*."""

    def count(stop: Stop) -> int:
        with closing(open_reader(path, PresentConnection)) as connection:
            stop.watch(connection)
            found: int = connection.execute(_SQL["count_rows"], (until,)).get
            return found

    return await _patiently(path, count)


async def strays(submit: Submit, until: int) -> AsyncGenerator[TagRow, None]:
    """The entries of the tag index that no event asks for; *submit* runs a function on the reading lane."""
    edge = ("", 0)
    while True:
        rows = await submit(_looking(edge, until))
        for tag, position, type, event_type, event_tags in rows:
            if type != event_type or tag not in _tags_of(event_tags):
                yield TagRow(tag, position, type)
        if len(rows) < ROWS:
            return
        edge = rows[-1][:2]


async def remembered(path: Path, until: int, after: int) -> AsyncGenerator[Remembered, None]:
    """What is remembered of appends, by position and id: sorted once, into a temporary file."""

    def begin(stop: Stop) -> apsw.Connection:
        connection: apsw.Connection = open_reader(path, PresentConnection)
        try:
            stop.watch(connection)
            connection.pragma("query_only", 0)  # it also forbids temporary tables
            connection.pragma("temp_store", 1)  # in a file: there may be more than fits the memory
            connection.pragma("cache_size", -8192)
            connection.execute(_SQL["sort_appends"], (after, until))
            connection.set_progress_handler(None)
        except BaseException:
            connection.close()
            raise
        return connection

    connection = await _patiently(path, begin)
    try:
        last = 0
        while rows := await _patiently(path, _next_appends(connection, last)):
            for _, append_id, position, count, fingerprint, checksum in rows:
                yield Remembered(Stored(Receipt(append_id, position, count), fingerprint), checksum)
            last = rows[-1][0]
    finally:
        connection.close()


def _next_appends(connection: apsw.Connection, last: int) -> Callable[[Stop], list[Any]]:
    return lambda _: connection.execute(_SQL["some_appends"], (last,)).fetchall()


def _looking(edge: tuple[str, int], until: int) -> Callable[[apsw.Connection], Any]:
    return lambda connection: connection.execute(_SQL["some_rows"], (*edge, until, ROWS)).fetchall()


def _tags_of(text: str | None) -> list[str]:
    try:
        return _tags.decode(text or "[]")
    except msgspec.MsgspecError:  # told where the event is looked at
        return []


def _foreign_objects(connection: apsw.Connection) -> list[str]:
    """Tables, indexes and triggers that differ from those of a new file."""
    with closing(apsw.Connection(":memory:")) as fresh:
        fresh.execute(_LOG["schema"])
        fresh.execute(_LOG["add_checksum"])
        fresh.execute(_LOG["add_mark"])
        expected, found = _objects(fresh), _objects(connection)
    return [
        f"the {type} {name} is {'missing' if (type, name) not in found else 'not as storied makes it'}"
        for type, name in sorted(expected)
        if found.get((type, name)) != expected[type, name]
    ]


def _mark(connection: apsw.Connection) -> list[str]:
    """What is wrong with what says how far the tag index is complete."""
    head, position, checksum = connection.execute(_LOG["ends"]).fetchone()  # type: ignore[misc]  # as written there
    try:
        mark = checked_mark(position, checksum)
    except StoreCorrupt as error:
        return [error.message]
    return [f"the tag index is said to be complete up to {mark}, but the log ends at {head}"] if mark > head else []


def _objects(connection: apsw.Connection) -> dict[tuple[str, str], tuple[str, str]]:
    rows: Any = connection.execute(_SQL["objects"])
    return {(type, name): (table, sql) for type, name, table, sql in rows}


async def _patiently(path: Path, work: Callable[[Stop], T]) -> T:
    try:
        return await long_work(work)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise unavailable(path, error) from error
