"""The audit trail of a document: what happened, when, by whom, why, and what each event made of the document.

Who may see only documents that are like something is told of the time in which this one was: while it was not, it is
as if it were not there.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec

from storied.projections.asking import meets
from storied.projections.milestones import START, Milestone, Milestones, Way
from storied.projections.past import unready
from storied.projections.projector import Projector
from storied.projections.trailing import CHUNK, Trace, trail, trail_query
from storied.services.querying.differing import Difference, differences
from storied.store.moments import Moment
from storied.store.port import EventStore
from storied.store.query import Query

STRETCH = 8192
"""Positions of the log that are searched between two looks at the clock."""


class Entry(msgspec.Struct, omit_defaults=True):
    """One event of the trail, as it is served. `changes` are those of the document."""

    position: int
    id: str
    type: str
    version: int
    recorded_at: datetime
    occurred_at: datetime
    data: msgspec.Raw
    changes: list[Difference]
    actor: str | None = None
    command: str | None = None
    correlation: str | None = None
    causation: str | None = None
    headers: dict[str, str] = {}
    error: str | None = None


class HistoryPage(msgspec.Struct):
    """Some entries, the position to go on behind, or None at the end, and whether there is a history to be seen."""

    entries: list[Entry] = []
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
        beyond: int,
        limit: int,
        until: float = math.inf,
    ) -> HistoryPage:
        """At most *limit* entries beyond a position, up to the moment, of a document that is visible then.

        Where the log has to be searched, that ends at the time *until*, by the monotonic clock: then there are fewer
        entries. Raises `PastUnready` when nothing can be told by then; the next who asks goes on from there.
        """
        projector, page = self._projector, HistoryPage()
        query = trail_query(projector, key)
        if query is None:
            return page
        way = Way(store.identity, projector.name, key, moment.occurred)
        start = reached = end = await self._milestones.last(store, way, min(beyond, moment.position))
        passed = await self._milestones.last(store, way, moment.position)
        if not passed.begun and passed.position > start.position:  # none of its events is before that
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
                if visible.at_each and trace.held:
                    break  # whose the document is from here on cannot be told
                reached, shown = trace.milestone(), within(projector, trace, visible.at_each)
                if shown is None or shown.record.position <= beyond:
                    continue
                if len(page.entries) == limit:
                    page.cursor = end.position
                    self._milestones.keep(way, end)
                    break
                page.entries.append(entry_of(shown))
                end = reached
        if query is projector.query and not reached.begun and reached.position < moment.position:
            self._milestones.keep(way, await _moved(store, reached, moment.position))  # for who asks again
        if visible.to_all:
            page.seen = reached.begun
        else:
            page.seen = await self.shows(store, key, moment, visible, start=reached, until=until)
        return page

    async def shows(
        self,
        store: EventStore,
        key: str,
        moment: Moment,
        visible: Visible,
        *,
        start: Milestone = START,
        until: float = math.inf,
    ) -> bool:
        """Whether the document is visible at the moment; *start* is a milestone to go on from, if none is further.

        Raises `PastUnready` as `page` does.
        """
        query = trail_query(self._projector, key)
        if query is None:
            return False
        way = Way(store.identity, self._projector.name, key, moment.occurred)
        reached = await self._milestones.last(store, way, moment.position)
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


def entry_of(trace: Trace) -> Entry:
    """What is told of one event."""
    record, metadata = trace.record, trace.record.metadata
    return Entry(
        position=record.position,
        id=record.id,
        type=record.type,
        version=record.version,
        recorded_at=record.recorded_at,
        occurred_at=record.occurred_at,
        data=msgspec.Raw(record.data.encode()),
        changes=changes_of(trace),
        actor=metadata.actor,
        command=metadata.command,
        correlation=metadata.correlation,
        causation=metadata.causation,
        headers=dict(metadata.headers),
        error=trace.error,
    )


def changes_of(trace: Trace) -> list[Difference]:
    """What the event changed: each field of a new document, and a document that is gone as a whole."""
    if trace.before == trace.after:
        return []
    before: Any = {} if trace.before is None else msgspec.json.decode(trace.before)
    after: Any = msgspec.UNSET if trace.after is None else msgspec.json.decode(trace.after)
    return list(differences(before, after))
