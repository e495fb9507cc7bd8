"""The audit trail of a document: what happened, when, by whom, why, and what each event made of the document.

It is one and the same over HTTP and on the command line. Who may see only documents that are like something is told of
the time in which this one was: while it was not, it is as if it were not there.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from storied.projections.asking import meets
from storied.projections.milestones import START, Milestone, Milestones, Way
from storied.projections.past import unready
from storied.projections.projector import Projector
from storied.projections.trailing import CHUNK, Trace, still_holds, trail, trail_query
from storied.services.querying.differing import Difference, differences
from storied.store.moments import Moment
from storied.store.port import EventStore
from storied.store.query import Query
from storied.store.records import Recorded

STRETCH = 8192
"""Positions of the log that are searched between two looks at the clock."""


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

    def is_in_one_stream(self, key: str) -> bool:
        """Whether the events of the document are found by their tag; otherwise the log has to be searched for them."""
        return trail_query(self._projector, key) is not self._projector.query

    async def page(
        self,
        store: EventStore,
        key: str,
        moment: Moment,
        visible: Visible,
        *,
        now: Moment,
        beyond: int,
        limit: int,
        until: float = math.inf,
    ) -> HistoryPage:
        """At most *limit* events beyond a position, up to the moment, of a document that is visible then and now.

        Where the log has to be searched, that ends at the time *until*, by the monotonic clock: then there are fewer
        events. Raises `PastUnready` when nothing can be told by then; the next who asks goes on from there.
        """
        page = await self._page(store, key, moment, visible, beyond=beyond, limit=limit, until=until)
        if page.seen and visible.at_each and moment != now:  # the past of what one may see now
            page.seen = await self._shows(store, key, now, visible, until=until)
        return page

    async def _page(
        self, store: EventStore, key: str, moment: Moment, visible: Visible, *, beyond: int, limit: int, until: float
    ) -> HistoryPage:
        projector, page = self._projector, HistoryPage()
        query = trail_query(projector, key)
        if query is None:
            return page
        way = Way(store.identity, projector.name, key, moment.occurred)
        start = reached = end = await self._last(store, way, query, min(beyond, moment.position))
        passed = await self._last(store, way, query, moment.position)
        if not passed.begun and passed.held is None and passed.position > start.position:  # it has no event before that
            start = reached = end = passed
        size = min(CHUNK, limit + 1) if start.position == beyond else CHUNK
        async with aclosing(self._steps(store, key, query, moment, start=start, size=size)) as steps:
            async for trace in steps:
                if isinstance(trace, Milestone):
                    reached = trace
                    if time.monotonic() < until:
                        continue
                    self._milestones.keep(way, reached)
                    if not (visible.to_all and reached.begun):
                        raise unready(projector, code="past-unfinished")
                    page.cursor, page.seen = reached.position, True
                    return page
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
            else:
                if query is projector.query and not reached.begun and reached.position < moment.position:
                    self._milestones.keep(way, await _moved(store, reached, moment.position))  # for who asks again
        if visible.to_all:
            page.seen = reached.begun
        else:
            page.seen = await self._shows(store, key, moment, visible, start=reached, until=until)
        return page

    async def _shows(
        self,
        store: EventStore,
        key: str,
        moment: Moment,
        visible: Visible,
        *,
        start: Milestone = START,
        until: float,
    ) -> bool:
        """Whether the document is visible at the moment; *start* is a milestone to go on from, if none is further.

        Raises `PastUnready` as `page` does.
        """
        query = trail_query(self._projector, key)
        if query is None:
            return False
        way = Way(store.identity, self._projector.name, key, moment.occurred)
        reached = await self._last(store, way, query, moment.position)
        if reached.position < start.position:
            reached = start
        if reached.position < moment.position:
            async with aclosing(self._steps(store, key, query, moment, start=reached)) as steps:
                async for step in steps:
                    reached = step if isinstance(step, Milestone) else step.milestone()
                    if isinstance(step, Milestone) and time.monotonic() >= until:
                        self._milestones.keep(way, reached)
                        raise unready(self._projector, code="past-unfinished")
            reached = await _moved(store, reached, moment.position)
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

    async def _steps(
        self, store: EventStore, key: str, query: Query, moment: Moment, *, start: Milestone, size: int = CHUNK
    ) -> AsyncGenerator[Trace | Milestone, None]:
        """The traces; where the log has to be searched, also how far that is, each so many positions."""
        if query is not self._projector.query:
            async with aclosing(trail(store, self._projector, key, query, moment, start=start, size=size)) as traces:
                async for trace in traces:
                    yield trace
            return
        while start.position < moment.position:
            until = min(start.position + STRETCH, moment.position)
            part = Moment(until, moment.occurred)
            async with aclosing(trail(store, self._projector, key, query, part, start=start)) as traces:
                async for trace in traces:
                    start = trace.milestone()
                    yield trace
            if until < moment.position:
                start = await _moved(store, start, until)
                yield start
            else:
                return


async def _moved(store: EventStore, milestone: Milestone, position: int) -> Milestone:
    """The milestone at a later position up to which nothing more happened to the document."""
    [last] = await store.read(after=position - 1, until=position).list()
    return msgspec.structs.replace(milestone, position=last.position, digest=last.digest)


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
