"""Pages of the log: what a reading lane does for the reads that arrived together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import suppress
from itertools import starmap
from pathlib import Path
from typing import Any

import apsw
import msgspec

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

FIRST_SLICE = 1024
"""Events of the first slice of a page's contents, whose size nobody knows."""
SLICE_BYTES = 512 * 1024
"""Of payloads in one of the slices that follow: what a processor's cache holds is joined and split much quicker."""
MOST_AHEAD = 16
"""Readers for whom a page is read ahead at once, as far as their pages come to `PAGE_BYTES` together."""
FORGOTTEN = 1000
"""Batches of reads after which a page that was read ahead is not expected to be asked for any more."""
MOST_BYTES = 64 * 1024 * 1024
"""Of payloads that SQLite joins at most. A slice of more is read again in smaller ones."""
PAGE_BYTES = 16 * 1024 * 1024
"""Of payloads in one page of contents."""

_SQL = statements("log.sql")


class Ahead(msgspec.Struct):
    """A page that a reader is expected to ask for, and its contents once it is read.

    It is expected since a batch of reads, in slices of so many events and in about this size.
    """

    since: int
    slice: int
    size: int
    contents: Contents | None = None


class LogConnection(PresentConnection):
    """A reading connection that remembers the head while it serves one batch of reads."""

    known: tuple[int, int | None, int | None] | None = None
    tail: Tail | None = None

    def __init__(self, path: Path, *, flags: int) -> None:
        super().__init__(path, flags=flags)
        self.ahead: dict[tuple[Query, Span], Ahead] = {}
        self.batches = 0

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


def read_page(connection: LogConnection, query: Query, span: Span) -> Page:
    """One page of the log. The head is read first and bounds the rest, so the page is of one moment."""
    until = _until(connection, span)
    records: list[Recorded] = []
    for select in _selects(connection, RECORD, query, span, records):
        rows: Any = connection.execute(select.sql, select.parameters).fetchall()
        records += starmap(Recorded, rows)
    return Page(records, through(span, until, [record.position for record in records]))


def read_ahead(connection: LogConnection) -> None:
    """A reading lane's *idle*: reads the page that is expected to be asked for, beside whoever uses the one before.

    Only a page that is full is kept, for that is what it will be whenever it is asked for: events never change.
    """
    for key, ahead in [*connection.ahead.items()]:
        if connection.batches - ahead.since > FORGOTTEN:
            del connection.ahead[key]
        elif ahead.contents is None:
            del connection.ahead[key]
            connection.known = None
            contents = _in_slices(connection, *key, ahead.slice)
            if _is_full(contents, key[1]):
                ahead.contents = contents
                connection.ahead[key] = ahead


def read_contents(connection: LogConnection, query: Query, span: Span) -> Contents:
    """The contents of one page, cut short when its payloads come to more than `PAGE_BYTES`.

    Remembers what the reader is going to ask for next, where the span says that it goes on.
    Raises `StoreCorrupt` for values that cannot have been stored.
    """
    expected = connection.ahead.pop((query, span), None)
    contents = expected.contents if expected is not None else None
    if contents is None:
        contents = _in_slices(connection, query, span, FIRST_SLICE)
    if span.onward and not span.backwards and _is_full(contents, span):
        size = sum(map(len, contents.payloads))
        _make_room(connection.ahead, size)
        rest = msgspec.structs.replace(span, after=contents.through)
        connection.ahead[query, rest] = Ahead(connection.batches, _slice(len(contents), size), size)
    return contents


def _make_room(several: dict[tuple[Query, Span], Ahead], size: int) -> None:
    """Gives up those that have been expected for longest, where there would be too many with one of this size."""
    while several and (len(several) >= MOST_AHEAD or size + sum(one.size for one in several.values()) > PAGE_BYTES):
        del several[next(iter(several))]


def _is_full(contents: Contents, span: Span) -> bool:
    return contents.cut or len(contents) >= span.limit


def _slice(count: int, size: int) -> int:
    """Events of a slice, after so many whose payloads have this size."""
    return max(1, SLICE_BYTES * count // max(1, size))


def _in_slices(connection: LogConnection, query: Query, span: Span, asked: int) -> Contents:
    """The contents of one page, in slices of which the first has as many events as *asked*: one is in memory twice."""
    until = _until(connection, span)
    columns = Columns()
    left = span
    while True:
        asked = min(asked, span.limit - len(columns.positions))
        try:
            slices = _unpacked_slice(connection, query, msgspec.structs.replace(left, limit=asked))
        except apsw.TooBigError:
            if asked <= 1:
                raise
            asked = max(1, asked // 8)
            continue
        count = sum(columns.add(unpacked) for unpacked in slices)
        if count < asked or len(columns.positions) >= span.limit:
            return columns.contents(through(span, until, columns.positions))
        last = columns.positions[-1]
        if columns.size > PAGE_BYTES:
            return columns.contents(last - 1 if span.backwards else last, cut=True)
        left = (
            msgspec.structs.replace(left, until=last - 1)
            if span.backwards
            else msgspec.structs.replace(left, after=last)
        )
        asked = _slice(len(columns.positions), columns.size)


class Unpacked(msgspec.Struct, frozen=True):
    """The columns that one statement gave, and the characters of its payloads."""

    positions: list[int]
    types: list[str]
    versions: list[int]
    payloads: list[str]
    size: int


class Columns:
    """The columns of a page's contents while it is read, and the characters of its payloads."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.types: list[str] = []
        self.versions: list[int] = []
        self.payloads: list[str] = []
        self.size = 0

    def add(self, more: Unpacked) -> int:
        """Adds them; how many they are."""
        if self.positions:
            self.positions += more.positions
            self.types += more.types
            self.versions += more.versions
            self.payloads += more.payloads
        else:
            self.positions, self.types, self.versions, self.payloads = (
                more.positions,
                more.types,
                more.versions,
                more.payloads,
            )
        self.size += more.size
        return len(more.positions)

    def trim(self, limit: int) -> None:
        """Leaves no more than the limit."""
        if len(self.positions) > limit:
            for column in (self.positions, self.types, self.versions, self.payloads):
                del column[limit:]

    def contents(self, through: int, *, cut: bool = False) -> Contents:
        """What was read, as a page that speaks up to *through*."""
        return Contents(self.positions, self.types, self.versions, self.payloads, through, cut)


def _unpacked_slice(connection: LogConnection, query: Query, span: Span) -> list[Unpacked]:
    """The first contents of the span. Raises `apsw.TooBigError` when their payloads are more than `MOST_BYTES`."""
    found: list[int] = []
    slices = []
    for select in _selects(connection, CONTENT, query, span, found):
        slices.append(_unpacked(connection, select))
        found += slices[-1].positions
    return slices


def _until(connection: LogConnection, span: Span) -> int:
    head = connection.head()
    return head if span.until is None else min(span.until, head)


def through(span: Span, until: int, positions: Sequence[int]) -> int:
    """What a page with these positions speaks up to, where the log is read up to *until*."""
    if len(positions) == span.limit and positions:
        return positions[-1] - 1 if span.backwards else positions[-1]
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


def _unpacked(connection: LogConnection, select: Select) -> Unpacked:
    """What the statement gives."""
    count, *texts = fetch_packed(connection, packed(select))
    if count == 0:
        return Unpacked([], [], [], [], 0)
    if None in texts:
        raise unstorable()
    return unpacked(*texts)


def fetch_packed(connection: LogConnection, select: Select) -> Any:
    """The only row of the statement. Raises `apsw.TooBigError` when anything in it is more than `MOST_BYTES`."""
    most = connection.limit(apsw.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    try:
        return connection.execute(select.sql, select.parameters).fetchone()
    finally:
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, most)


def unpacked(positions: str, types: str, versions: str, payloads: str) -> Unpacked:
    """The columns that were joined. Raises `StoreCorrupt` for values that cannot have been stored."""
    with suppress(msgspec.DecodeError):
        columns = _numbers(positions), types.split(SEPARATOR), _numbers(versions), payloads.split(SEPARATOR)
        if len({len(column) for column in columns}) == 1:
            return Unpacked(*columns, len(payloads))
    raise unstorable()


def split_into(text: str, separator: str, count: int) -> list[str]:
    """So many pieces of a text. Raises `StoreCorrupt` when it has another number."""
    pieces = text.split(separator)
    if len(pieces) != count:
        raise unstorable()
    return pieces


def unstorable() -> StoreCorrupt:
    """What is said of columns that do not fit together: a value is missing, or holds what separates them."""
    return StoreCorrupt("an event holds what cannot have been stored. Run storied verify, which names it.")


def _numbers(text: str) -> list[int]:
    return _decoder.decode(f"[{text}]")


_decoder = msgspec.json.Decoder(list[int])
