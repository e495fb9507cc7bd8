"""The newest end of the tag index: in memory first, and moved into the file many at a time, in order.

A tag that comes in no order touches a page of its own in the index. Were each append to write there, most of what it
wrote would be such pages, the more the longer the log. So `tag_entry` is complete up to a mark only, which stands in
the same file. The entries of later events every connection keeps in a temporary table, which it fills from the events
themselves; and with each commit the writer moves some of them, in the order of the index, where neighbours share a
page. A short log, whose index is small, enters them at once: looking in two places costs a reader more than that.

So whoever looks for a tag looks in two places: `parts` in `querying` gives the two tables with the stretch of the log
that each answers for. To look over all tags at once there is the view `temp.entry`, and for other programs `tagged`.

The mark moves when all entries up to a position are in. Whatever happens in between, entries of later events in the
index are of no consequence: readers take from it what lies up to the mark, and the rest from their tail.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import apsw
import msgspec

from storied.engines.sqlite.statements import statements
from storied.errors import StoreCorrupt

SHORT = 500_000
"""Events up to which a log enters tags at once: its index is small, and readers need no tail then."""
FEWEST, MOST = 4096, 65536
"""Entries that gather before they are moved, in a short log and in a long one."""
SHARE = 8
"""A log gathers one entry for so many events, between the two."""
PACE = 4
"""Entries moved for each new one, once moving has begun."""
RELIEF = 8
"""Of what has gathered beyond `MOST`, by appends of very many tags, this part is moved at once."""

_SQL, _LOG = statements("tagging.sql"), statements("log.sql")


class Move(msgspec.Struct, frozen=True):
    """A moving under way: up to the events at `goal`, and how far in the order of the index it is."""

    goal: int
    tag: str = ""
    position: int = 0


class Span(msgspec.Struct, frozen=True):
    """What a tail holds: so many entries, of the events in (first, last]."""

    first: int
    last: int
    entries: int = 0


class Tail:
    """The entries of the newest events on one connection: those between the mark and the head that it was told of."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.span: Span | None = None
        """None before it is made."""

    def covers(self, mark: int, head: int) -> bool:
        """Whether nothing is left to do for `cover`."""
        return self.span is not None and self.span.first == mark and self.span.last >= head

    def cover(self, mark: int, head: int) -> Span:
        """Takes in the events up to *head*, and lets go of those up to *mark*, which the index has."""
        if self.span is None:
            self._connection.execute(_SQL["make_tail"])
        span = self.span or Span(mark, mark)
        if mark >= span.last:
            if span.entries:
                self._connection.execute(_SQL["empty_tail"])
            span = Span(mark, mark)
        elif mark > span.first:
            self._connection.execute(_SQL["cut_tail"], (mark,))
            span = Span(mark, span.last, span.entries - self._connection.changes())
        if head > span.last:
            try:
                self._connection.execute(_SQL["fill_tail"], (span.last, head))
            except apsw.ConstraintError as error:
                raise StoreCorrupt(
                    f"a tag or a type among the newest events is no text ({error}). Run storied verify, which names "
                    "it, and restore a backup beside the file."
                ) from error
            span = Span(span.first, head, span.entries + self._connection.changes())
        self.span = span
        return span


class Mover:
    """What a writer does to the tag index inside its transactions: fills its tail, and moves what has gathered.

    A transaction that is rolled back takes the tail back, too; so nothing here counts before `committed`.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._tail = Tail(connection)
        self._move: Move | None = None
        self._kept: tuple[Span | None, Move | None] = (None, None)
        self.mark = 0
        """How far the index is complete, as the transaction under way sees it."""

    def prepare(self) -> None:
        """Fills the tail of a log that was just opened, before anybody is kept waiting by a transaction."""
        if self._tail.span is None:
            head, position, checksum = self._connection.execute(_LOG["ends"]).fetchone()  # type: ignore[misc]  # as written there
            self._tail.cover(min(checked_mark(position, checksum), head), head)
            self.committed()

    def begin(self, mark: int, head: int) -> None:
        """Makes the tail cover what the log holds, be it from other processes. Raises `StoreCorrupt`."""
        if mark > head:
            raise StoreCorrupt(
                f"the log ends at {head}, although the events up to {mark} are indexed: its end is lost. Nothing was "
                "stored. Restore a backup beside it and compare.",
                position=head + 1,
            )
        span = self._tail.cover(mark, head)
        self.mark = mark
        if self._move is not None and self._move.goal <= mark:
            self._move = None
        if self._move is None and span.entries >= min(max(head // SHARE, FEWEST), MOST):
            self._move = Move(head)

    def add(self, head: int, entries: int) -> None:
        """Takes in the events that were just inserted, with so many *entries*, and moves what is due."""
        if head <= SHORT:
            if head > self.mark:
                index_all(self._connection)
                self._tail.cover(head, head)
                self._move = None
            return
        span = self._tail.cover(self.mark, head)
        if self._move is not None and entries > 0:
            self._move = self._moved(self._move, PACE * entries + max(0, span.entries - MOST) // RELIEF)

    def committed(self) -> None:
        """What was done is done."""
        self._kept = (self._tail.span, self._move)

    def rolled_back(self) -> None:
        """Goes back to where the last commit left it."""
        self._tail.span, self._move = self._kept

    def _moved(self, move: Move, count: int) -> Move | None:
        """What is left of the move when so many entries were moved."""
        done = (move.tag, move.position, move.goal)
        edge: tuple[str, int] | None = self._connection.execute(_SQL["edge"], (*done, count)).fetchone()
        if edge is not None:
            self._connection.execute(_SQL["move_some"], (*done, *edge))
            return Move(move.goal, *edge)
        self._connection.execute(_SQL["move_rest"], done)
        put_mark(self._connection, move.goal)
        return None


def index_all(connection: apsw.Connection) -> None:
    """Completes the index, and moves the mark to the head; inside the caller's transaction."""
    connection.execute(_SQL["index_all"])
    head: Any = connection.execute(_LOG["ends"]).get
    put_mark(connection, head[0])


def put_mark(connection: apsw.Connection, position: int) -> None:
    """Says that the index is complete up to the position."""
    connection.execute(_LOG["put_mark"], (position, mark_checksum(position)))


def mark_checksum(position: int) -> int:
    """CRC-32 of the mark: every condition rests on it."""
    return crc32(b"indexed %d" % position)


def checked_mark(position: int | None, checksum: int | None) -> int:
    """The mark as it is stored. Raises `StoreCorrupt` when it is damaged."""
    if position is None or position < 0 or checksum != mark_checksum(position):
        raise StoreCorrupt(
            "what says how far the tag index is complete is damaged. Restore a backup beside the file and compare."
        )
    return position
