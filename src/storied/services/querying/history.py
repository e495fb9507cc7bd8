"""The audit trail of a document: what happened, when, by whom, why, and what each event made of the document.

It is one and the same over HTTP and on the command line. Who may see only documents that are like something is told of
the time in which this one was: while it was not, it is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from storied.projections.asking import meets
from storied.projections.milestones import START, Milestone, Milestones, Way
from storied.projections.projector import Projector
from storied.projections.trailing import CHUNK, Trace, still_holds, trail, trail_query
from storied.services.querying.differing import Difference, differences
from storied.store.moments import Moment
from storied.store.port import EventStore
from storied.store.query import Query
from storied.store.records import Recorded


class Told(msgspec.Struct, frozen=True):
    """What is told of one event: its record, what it changed in the document, and why the view could not take it.

    `held` is the position of the event at which the document stopped, there or before, if it did.
    """

    record: Recorded
    changes: list[Difference]
    error: str | None
    held: int | None


class HistoryPage(msgspec.Struct):
    """What some events are told as, the position to go on behind, or None at the end, and whether any may be seen."""

    told: list[Told] = []
    cursor: int | None = None
    seen: bool = False


class Visible(msgspec.Struct, frozen=True):
    """What a document has to be like: at the end of the trail, for any of it to be seen; and at an event, for that."""

    at_the_end: Mapping[str, Any]
    at_each: Mapping[str, Any]

    @property
    def to_all(self) -> bool:
        """Whether it may be like anything."""
        return not (self.at_the_end or self.at_each)


class Histories:
    """The histories of one view's documents, in pages; one that goes on behind another begins where that ended."""

    def __init__(self, projector: Projector, milestones: Milestones) -> None:
        self._projector, self._milestones = projector, milestones

    async def page(
        self, store: EventStore, key: str, moment: Moment, visible: Visible, *, now: Moment, beyond: int, limit: int
    ) -> HistoryPage:
        """At most *limit* events beyond a position, up to the moment, of a document that is visible then and now."""
        page = await self._page(store, key, moment, visible, beyond=beyond, limit=limit)
        if page.seen and visible.at_each and moment != now:  # the past of what one may see now
            page.seen = await self._shows(store, key, now, visible)
        return page

    async def _page(
        self, store: EventStore, key: str, moment: Moment, visible: Visible, *, beyond: int, limit: int
    ) -> HistoryPage:
        projector, page = self._projector, HistoryPage()
        query = trail_query(projector, key)
        if query is None:
            return page
        way = Way(store.identity, projector.name, key, moment.occurred)
        start = reached = end = await self._last(store, way, query, min(beyond, moment.position))
        size = min(CHUNK, limit + 1) if start.position == beyond else CHUNK
        async with aclosing(trail(store, projector, key, query, moment, start=start, size=size)) as traces:
            async for trace in traces:
                if visible.at_each and trace.held is not None:
                    break  # whose the document is from here on cannot be told
                reached, shown = trace.milestone(), within(projector, trace, visible.at_each)
                if shown is None or shown.record.position <= beyond:
                    continue
                if len(page.told) == limit:
                    page.cursor = end.position
                    self._milestones.keep(way, end)
                    break
                page.told.append(Told(shown.record, changes_of(shown), shown.error, shown.held))
                end = reached
        page.seen = reached.begun if visible.to_all else await self._shows(store, key, moment, visible, start=reached)
        return page

    async def _shows(
        self, store: EventStore, key: str, moment: Moment, visible: Visible, *, start: Milestone = START
    ) -> bool:
        """Whether the document is visible at the moment; *start* is a milestone to go on from, if none is further."""
        query = trail_query(self._projector, key)
        if query is None:
            return False
        way = Way(store.identity, self._projector.name, key, moment.occurred)
        reached = await self._last(store, way, query, moment.position)
        if reached.position < start.position:
            reached = start
        if reached.position < moment.position:
            async for trace in trail(store, self._projector, key, query, moment, start=reached):
                reached = trace.milestone()
            [last] = await store.read(after=moment.position - 1, until=moment.position).list()
            reached = msgspec.structs.replace(reached, position=last.position, digest=last.digest)
            self._milestones.keep(way, reached)
        return all(
            is_like(self._projector, reached.document, wanted)
            for wanted in (visible.at_the_end, visible.at_each)
            if wanted
        )

    async def _last(self, store: EventStore, way: Way, query: Query, until: int) -> Milestone:
        """The last milestone up to a position that is still true: where the document is held, it still stops there."""
        while True:
            found = await self._milestones.last(store, way, until)
            if found.held is None or await still_holds(store, self._projector, way.key, query, found):
                return found
            self._milestones.drop(way, found.held)


def within(projector: Projector, trace: Trace, wanted: Mapping[str, Any]) -> Trace | None:
    """The trace as it is for those who see only documents that are like this; None when they see neither side."""
    if not wanted:
        return trace
    before = trace.before if is_like(projector, trace.before, wanted) else None
    after = trace.after if is_like(projector, trace.after, wanted) else None
    if before is None and after is None:
        return None
    return msgspec.structs.replace(trace, before=before, after=after)


def is_like(projector: Projector, document: str | None, wanted: Mapping[str, Any]) -> bool:
    """Whether there is a document, and it meets the criteria."""
    return document is not None and meets(projector, projector.decoder.decode(document), wanted)


def changes_of(trace: Trace) -> list[Difference]:
    """What the event changed: each field of a new document, and a document that is gone as a whole."""
    if trace.before == trace.after:
        return []
    before: Any = {} if trace.before is None else msgspec.json.decode(trace.before)
    if trace.after is None:
        return [Difference("", before)]
    return list(differences(before, msgspec.json.decode(trace.after)))
