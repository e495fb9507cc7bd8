"""Pages of the log: what a reading lane does for the reads that arrived together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import starmap
from typing import Any

from storied.engines.sqlite.lane import Job, run_each
from storied.engines.sqlite.presence import PresentConnection
from storied.engines.sqlite.querying import Part, events_of_stream, parts, position_selects
from storied.engines.sqlite.statements import statements
from storied.engines.sqlite.tagging import Tail
from storied.store.query import Query
from storied.store.reading import Page, Span
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
    head = connection.head()
    until = head if span.until is None else min(span.until, head)
    records = _matching(connection, query, span, until) if span.limit > 0 and until > span.after else []
    full = len(records) == span.limit and span.limit > 0
    if span.backwards:
        return Page(records, records[-1].position - 1 if full else span.after)
    return Page(records, records[-1].position if full else max(until, span.after))


def _matching(connection: LogConnection, query: Query, span: Span, until: int) -> list[Recorded]:
    items = query.items
    if not items:
        sql = _SQL["read_all_backwards" if span.backwards else "read_all"]
        return _records(connection, sql, (span.after, until, span.limit))
    found: list[Recorded] = []
    for part in parts(span.after, until, connection.tagged(), backwards=span.backwards):
        if len(found) < span.limit:
            found += _in_part(connection, query, part, span.limit - len(found), span.backwards)
    return found


def _in_part(connection: LogConnection, query: Query, part: Part, limit: int, backwards: bool) -> list[Recorded]:
    items = query.items
    if len(items) == 1 and len(items[0].tags) == 1:
        select = events_of_stream(items[0], part, limit, backwards=backwards)
        return _records(connection, select.sql, select.parameters)
    selects = position_selects(query, part, limit, backwards=backwards)
    found = [row[0] for select in selects for row in connection.execute(select.sql, select.parameters)]
    if len(selects) > 1:
        found = sorted(set(found), reverse=backwards)[:limit]
    return _records(connection, _SQL["read_positions"], (str(found),))


def _records(connection: LogConnection, sql: str, parameters: tuple[Any, ...]) -> list[Recorded]:
    rows: Any = connection.execute(sql, parameters).fetchall()
    return list(starmap(Recorded, rows))
