"""The newest end of the tag index: in memory first, and moved into the file many at a time, in order.

A tag that comes in no order touches a page of its own in the index. Were each append to write there, most of what it
wrote would be such pages, the more the longer the log. So `event_tag` is complete up to a mark only, which stands in
the same file. The entries of later events every connection keeps in a temporary table, which it fills from the events
themselves; and with each commit the writer moves some of them, in the order of the index, where neighbours share a
page.

The mark moves when all entries up to a position are in. Whatever happens in between, entries of later events in the
index are of no consequence: readers take from it what lies up to the mark, and the rest from their tail.
"""

from __future__ import annotations

import apsw
import msgspec

from storied.engines.sqlite.statements import statements
from storied.errors import StoreCorrupt

FEWEST, MOST = 2048, 32768
"""Events whose entries gather before they are moved, of a short log and of a long one."""
SHARE = 16
"""A log gathers this part of its length, between the two."""
PACE = 4
"""Entries moved for each new one, once moving has begun."""

_SQL = statements("tagging.sql")


class Move(msgspec.Struct, frozen=True):
    """A moving under way: up to the events at `goal`, and how far in the order of the index it is."""

    goal: int
    tag: str = ""
    position: int = 0


class Tail:
    """The entries of the newest events on one connection: those between the mark and the head that it was told of."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.span: tuple[int, int] | None = None
        """It holds the entries of the events in (first, last]; None before it is made."""

    def covers(self, mark: int, head: int) -> bool:
        """Whether nothing is left to do for `cover`."""
        return self.span is not None and self.span[0] == mark and self.span[1] >= head

    def cover(self, mark: int, head: int) -> None:
        """Takes in the events up to *head*, and lets go of those up to *mark*, which the index has."""
        if self.span is None:
            self._connection.execute(_SQL["make_tail"])
        first, last = self.span or (mark, mark)
        if mark > first:
            if mark >= last:
                self._connection.execute(_SQL["empty_tail"])
                last = mark
            else:
                self._connection.execute(_SQL["cut_tail"], (mark,))
            first = mark
        if head > last:
            self._connection.execute(_SQL["fill_tail"], (last, head))
            last = head
        self.span = (first, last)


class Mover:
    """What a writer does to the tag index inside its transactions: fills its tail, and moves what has gathered.

    A transaction that is rolled back takes the tail back, too; so nothing here counts before `committed`.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._tail = Tail(connection)
        self._move: Move | None = None
        self._before: tuple[tuple[int, int] | None, Move | None] = (None, None)
        self.mark = 0
        """How far the index is complete, as the transaction under way sees it."""

    def begin(self, mark: int, head: int) -> None:
        """Makes the tail cover what the log holds, be it from other processes. Raises `StoreCorrupt`."""
        if mark > head:
            raise StoreCorrupt(
                f"the log ends at {head}, although the events up to {mark} are indexed: its end is lost. Nothing was "
                "stored. Restore a backup beside it and compare.",
                position=head + 1,
            )
        self._before = (self._tail.span, self._move)
        self._tail.cover(mark, head)
        self.mark = mark
        if self._move is not None and self._move.goal <= mark:
            self._move = None
        if self._move is None and head - mark >= min(max(head // SHARE, FEWEST), MOST):
            self._move = Move(head)

    def add(self, head: int, entries: int) -> None:
        """Takes in the events that were just inserted, with so many *entries*, and moves some that are due."""
        self._tail.cover(self.mark, head)
        if self._move is not None:
            self._move = self._moved(self._move, PACE * entries)

    def rolled_back(self) -> None:
        """Goes back to where the last commit left it."""
        self._tail.span, self._move = self._before

    def _moved(self, move: Move, count: int) -> Move | None:
        """What is left of the move when so many entries were moved."""
        done = (move.tag, move.position, move.goal)
        edge: tuple[str, int] | None = self._connection.execute(_SQL["edge"], (*done, count)).fetchone()
        if edge is not None:
            self._connection.execute(_SQL["move_some"], (*done, *edge))
            return Move(move.goal, *edge)
        self._connection.execute(_SQL["move_rest"], done)
        self._connection.execute(_SQL["mark"], (move.goal,))
        return None


def index_all(connection: apsw.Connection) -> None:
    """Completes the index, and moves the mark to the head; inside the caller's transaction."""
    connection.execute(_SQL["index_all"])
    connection.execute(_SQL["mark_all"])
