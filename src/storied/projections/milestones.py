"""Milestones: documents as they were at some events of their trails, so that a trail is gone on from where it was left.

They are kept in memory, the last that were of use. A milestone is one of its log only while the log holds the very
event that it stands at. Dropping any of them changes no answer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime

import msgspec

from storied.store.port import EventStore

MOST_KEPT = 1000
MOST_CHARACTERS = 16 * 1024 * 1024
"""Of JSON, in all the documents that are kept."""


class Way(msgspec.Struct, frozen=True):
    """Whose trail: the log's identity, the view's name, the document's key, and the time by which events occurred."""

    log: str
    view: str
    key: str
    occurred: datetime | None = None


class Milestone(msgspec.Struct, frozen=True):
    """The document's JSON as of `position`, where the log has an event of this digest; 0 is before any event.

    `held` is the position of the event at which it stopped, there or before, if it did; `begun` says that some event of
    the trail stands there or before.
    """

    position: int = 0
    digest: bytes = b""
    document: str | None = None
    held: int | None = None
    begun: bool = False


START = Milestone()


class Milestones:
    """The milestones of all trails of one process; the one that was used longest ago goes first."""

    def __init__(self, most: int = MOST_KEPT, characters: int = MOST_CHARACTERS) -> None:
        self._most, self._characters = most, characters
        self._kept: OrderedDict[tuple[Way, int], Milestone] = OrderedDict()
        self._positions: dict[Way, list[int]] = {}
        self._size = 0

    async def last(self, store: EventStore, way: Way, until: int) -> Milestone:
        """The last one up to a position; the start without any, and when the log is another than it was."""
        positions = self._positions.get(way, [])
        place = bisect_right(positions, until)
        if not place:
            return START
        found = self._kept[way, positions[place - 1]]
        there = await store.read(after=found.position - 1, until=found.position).list()
        if not there or there[0].digest != found.digest:
            self.drop(way)
            return START
        if (way, found.position) in self._kept:  # it may have gone meanwhile
            self._kept.move_to_end((way, found.position))
        return found

    def keep(self, way: Way, milestone: Milestone) -> None:
        """Keeps it, in the place of another at the same position."""
        if milestone.position == 0:
            return
        self._drop(way, milestone.position)
        self._kept[way, milestone.position] = milestone
        insort(self._positions.setdefault(way, []), milestone.position)
        self._size += _size(milestone)
        for eldest in self._too_many():
            self._drop(*eldest)

    def drop(self, way: Way, since: int = 0) -> None:
        """Drops those of the trail that stand at a position or behind it."""
        positions = self._positions.get(way, [])
        for position in positions[bisect_left(positions, since) :]:
            self._drop(way, position)

    def _too_many(self) -> Iterator[tuple[Way, int]]:
        while len(self._kept) > self._most or self._size > self._characters:
            yield next(iter(self._kept))

    def _drop(self, way: Way, position: int) -> None:
        milestone = self._kept.pop((way, position), None)
        if milestone is None:
            return
        self._size -= _size(milestone)
        positions = self._positions[way]
        positions.remove(position)
        if not positions:
            del self._positions[way]


def _size(milestone: Milestone) -> int:
    return len(milestone.document or "")
