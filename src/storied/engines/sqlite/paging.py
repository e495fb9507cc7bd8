"""Pages of the log: what a reading lane does for the reads that arrived together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import starmap
from typing import Any

import apsw

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
from storied.engines.sqlite.tagging import Tail
from storied.errors import StoreCorrupt
from storied.store.query import Query
from storied.store.reading import Contents, Page, Span
from storied.store.records import Recorded

_SQL = statements("log.sql")


class LogConnection(PresentConnection):
    """A reading connection that remembers the head while it serves one batch of reads."""

    known: tuple[int, int] | None = None
    tail: Tail | None = None

    def ends(self) -> tuple[int, int]:
        """The head, as it is or was at an earlier read of the same batch, and how far the tag index is complete."""
        if self.known is None:
            self.known = self.execute(_SQL["ends"]).fetchone()
        return self.known  # type: ignore[return-value]

    def head(self) -> int:
        """The head, as it is or was at an earlier read of the same batch: all of them were asked before it."""
        return self.ends()[0]

    def tagged(self) -> int:
        """How far the tag index is complete, once the connection's tail has what is missing up to the head."""
        head, mark = self.ends()
        mark = min(mark, head)  # beyond the head only in a file that has lost its end, which shows what it has
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
    """The contents of one page. Raises `StoreCorrupt` for values that cannot have been stored."""
    until = _until(connection, span)
    positions: list[int] = []
    types: list[str] = []
    versions: list[int] = []
    payloads: list[str] = []
    for select in _selects(connection, CONTENT, query, span, positions):
        more = _unpacked(connection, select)
        positions += more[0]
        types += more[1]
        versions += more[2]
        payloads += more[3]
    return Contents(positions, types, versions, payloads, _through(span, until, positions[-1:], len(positions)))


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
    row: Any
    try:
        together = packed(select)
        row = connection.execute(together.sql, together.parameters).fetchone()
    except apsw.TooBigError:  # more than SQLite puts into one text
        rows: Any = connection.execute(select.sql, select.parameters).fetchall()
        return tuple(zip(*rows, strict=True))  # type: ignore[return-value]  # of the columns asked for
    count, *texts = row
    if count == 0:
        return [], [], [], []
    positions, types, versions, payloads = (text.split(SEPARATOR) for text in texts)
    if not len(positions) == len(types) == len(versions) == len(payloads) == count:
        raise StoreCorrupt("an event holds a character that no stored text can have. Run storied verify.")
    return map(int, positions), types, map(int, versions), payloads
