"""Pages of the log: what a reading lane does for the reads that arrived together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import starmap
from typing import Any

import msgspec

from storied.engines.sqlite.lane import Job, run_each
from storied.engines.sqlite.presence import PresentConnection
from storied.engines.sqlite.querying import (
    CONTENT,
    RECORD,
    SEPARATOR,
    Select,
    events_at,
    events_between,
    events_of_stream,
    packed,
    parts,
    position_selects,
)
from storied.engines.sqlite.statements import statements
from storied.engines.sqlite.tagging import Tail, checked_mark
from storied.errors import StoreCorrupt
from storied.store.query import Query
from storied.store.reading import Contents, Page, Span
from storied.store.records import Recorded

FIRST_SLICE = 64
"""Events of the first slice of a page's contents: at most so many are joined whose size nobody knows."""
SLICE_BYTES = 4 * 1024 * 1024
"""Of payloads in one of the slices that follow."""
PAGE_BYTES = 16 * 1024 * 1024
"""Of payloads in one page of contents."""

_SQL = statements("log.sql")


class LogConnection(PresentConnection):
    """A reading connection that remembers the head while it serves one batch of reads."""

    known: tuple[int, int | None, int | None] | None = None
    tail: Tail | None = None

    def ends(self) -> tuple[int, int | None, int | None]:
        """The head, as it is or was at an earlier read of the same batch, and the mark with its checksum."""
        if self.known is None:
            self.known = self.execute(_SQL["ends"]).fetchone()
        return self.known  # type: ignore[return-value]  # the statement gives one row

    def head(self) -> int:
        """The head, as it is or was at an earlier read of the same batch: all of them were asked before it."""
        return self.ends()[0]

    def tagged(self, *, overview: bool = False) -> int:
        """How far the tag index is complete, once the connection's tail has what is missing up to the head.

        For an *overview* the view `temp.entry` is there, too, which has both.
        Raises `StoreCorrupt` when the mark is damaged.
        """
        head, position, checksum = self.ends()
        mark = min(
            checked_mark(position, checksum), head
        )  # beyond the head only in a file that has lost its end, which shows what it has
        if mark == head and not (overview and self.tail is None):
            return mark
        if self.tail is None:
            self.tail = Tail(self)
        if not self.tail.covers(mark, head):
            self.pragma("query_only", 0)  # it also forbids temporary tables
            try:
                self.tail.cover(mark, head)
            finally:
                self.pragma("query_only", 1)
        return mark


Read = Callable[[LogConnection], Any]


def run_reads(connection: LogConnection, batch: list[Job[Read]]) -> None:
    """A reading lane's *run*: each read by itself, with one look for the head."""
    connection.known = None
    run_each(connection, batch)


def read_page(connection: LogConnection, query: Query, span: Span) -> Page:
    """One page of the log. The head is read first and bounds the rest, so the page is of one moment."""
    until = _until(connection, span)
    records: list[Recorded] = []
    for select in _selects(connection, RECORD, query, span, records):
        rows: Any = connection.execute(select.sql, select.parameters).fetchall()
        records += starmap(Recorded, rows)
    return Page(records, _through(span, until, [record.position for record in records[-1:]], len(records)))


def read_contents(connection: LogConnection, query: Query, span: Span) -> Contents:
    """The contents of one page, cut short when its payloads come to more than `PAGE_BYTES`.

    They come in slices, whose length follows from the size of the payloads so far: a slice is in memory twice.
    Raises `StoreCorrupt` for values that cannot have been stored.
    """
    until = _until(connection, span)
    columns = _Columns()
    left, asked = span, FIRST_SLICE
    while True:
        asked = min(asked, span.limit - len(columns.positions))
        count = _add_slice(connection, query, msgspec.structs.replace(left, limit=asked), columns)
        if count < asked or len(columns.positions) >= span.limit:
            return columns.contents(_through(span, until, columns.positions[-1:], len(columns.positions)))
        last = columns.positions[-1]
        if columns.size > PAGE_BYTES:
            return columns.contents(last - 1 if span.backwards else last, cut=True)
        left = (
            msgspec.structs.replace(left, until=last - 1)
            if span.backwards
            else msgspec.structs.replace(left, after=last)
        )
        asked = max(1, SLICE_BYTES * len(columns.positions) // max(1, columns.size))


class _Columns:
    """The columns of a page's contents while it is read, and the characters of its payloads."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.types: list[str] = []
        self.versions: list[int] = []
        self.payloads: list[str] = []
        self.size = 0

    def contents(self, through: int, *, cut: bool = False) -> Contents:
        """What was read, as a page that speaks up to *through*."""
        return Contents(self.positions, self.types, self.versions, self.payloads, through, cut)


def _add_slice(connection: LogConnection, query: Query, span: Span, columns: _Columns) -> int:
    """Adds the first contents of the span; how many there were."""
    found: list[int] = []
    for select in _selects(connection, CONTENT, query, span, found):
        positions, types, versions, payloads = _unpacked(connection, select)
        found += positions
        columns.types += types
        columns.versions += versions
        columns.payloads += payloads
        columns.size += sum(map(len, payloads))
    columns.positions += found
    return len(found)


def _until(connection: LogConnection, span: Span) -> int:
    head = connection.head()
    return head if span.until is None else min(span.until, head)


def _through(span: Span, until: int, last: list[int], count: int) -> int:
    if count == span.limit and count > 0:
        return last[0] - 1 if span.backwards else last[0]
    return span.after if span.backwards else max(until, span.after)


def _selects(connection: LogConnection, columns: str, query: Query, span: Span, found: Sized) -> Iterator[Select]:
    """The statements that give the span's events, one after the other, while fewer than wanted are *found*."""
    until = _until(connection, span)
    if span.limit <= 0 or until <= span.after:
        return
    items, backwards = query.items, span.backwards
    if not items:
        yield events_between(columns, span.after, until, span.limit, backwards=backwards)
        return
    for part in parts(span.after, until, connection.tagged(), backwards=backwards):
        limit = span.limit - len(found)
        if limit <= 0:
            return
        if len(items) == 1 and len(items[0].tags) == 1:
            yield events_of_stream(columns, items[0], part, limit, backwards=backwards)
        else:
            selects = position_selects(query, part, limit, backwards=backwards)
            positions = [row[0] for select in selects for row in connection.execute(select.sql, select.parameters)]
            if len(selects) > 1:
                positions = sorted(set(positions), reverse=backwards)[:limit]
            yield events_at(columns, positions)


def _unpacked(connection: LogConnection, select: Select) -> tuple[Iterable[int], list[str], Iterable[int], list[str]]:
    """The columns of the contents that the statement gives."""
    together = packed(select)
    row: Any = connection.execute(together.sql, together.parameters).fetchone()
    count, *texts = row
    if count == 0:
        return [], [], [], []
    positions, types, versions, payloads = (text.split(SEPARATOR) for text in texts)
    if not len(positions) == len(types) == len(versions) == len(payloads) == count:
        raise StoreCorrupt("an event holds a character that no stored text can have. Run storied verify.")
    return map(int, positions), types, map(int, versions), payloads
