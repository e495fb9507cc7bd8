"""Pages of the log: what a reading lane does for the reads that arrived together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import starmap
from typing import Any

from storied.engines.sqlite.lane import Job, run_each
from storied.engines.sqlite.presence import PresentConnection
from storied.engines.sqlite.querying import events_of_stream, position_selects
from storied.engines.sqlite.statements import statements
from storied.store.query import Query
from storied.store.reading import Page, Span
from storied.store.records import Recorded

_SQL = statements("log.sql")


class LogConnection(PresentConnection):
    """A reading connection that remembers the head while it serves one batch of reads."""

    known_head: int | None = None

    def head(self) -> int:
        """The head, as it is or was at an earlier read of the same batch: all of them were asked before it."""
        if self.known_head is None:
            self.known_head = self.execute(_SQL["head"]).get
        return self.known_head


Read = Callable[[LogConnection], Any]


def run_reads(connection: LogConnection, batch: list[Job[Read]]) -> None:
    """A reading lane's *run*: each read by itself, with one look for the head."""
    connection.known_head = None
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
    if len(items) == 1 and len(items[0].tags) == 1:
        select = events_of_stream(items[0], span.after, until, span.limit, backwards=span.backwards)
        return _records(connection, select.sql, select.parameters)
    selects = position_selects(query, span.after, until, span.limit, backwards=span.backwards)
    found = [row[0] for select in selects for row in connection.execute(select.sql, select.parameters)]
    if len(selects) > 1:
        found = sorted(set(found), reverse=span.backwards)[: span.limit]
    return _records(connection, _SQL["read_positions"], (str(found),))


def _records(connection: LogConnection, sql: str, parameters: tuple[Any, ...]) -> list[Recorded]:
    rows: Any = connection.execute(sql, parameters).fetchall()
    return list(starmap(Recorded, rows))
