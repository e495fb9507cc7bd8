"""Views of the past: the same handlers over the log up to a moment, in memory.

One document's past is one stream when every event that changes it carries its key as a tag; then only that stream
is read. Otherwise, and for lists, the whole view is projected up to the moment, and the last few are kept.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from storied.domain.events import event_spec
from storied.domain.times import At, Clock, utc_now
from storied.errors import InvalidQuery
from storied.projections.applying import apply_page, begin
from storied.projections.projector import Projector, key_parked
from storied.projections.working import apply_steps
from storied.store.documents import Documents
from storied.store.moments import Moment, moment
from storied.store.port import EventStore
from storied.store.query import Query, QueryItem
from storied.store.reading import Page

KEPT = 4
"""Whole views of the past that are kept for the next question."""
AGAIN_SECONDS = 30.0
"""How long one is kept in which a document is held back: what stopped it may have been mended since."""
CHUNK = 4096


def stream_query(projector: Projector, key: str) -> Query | None:
    """The events that can change the document with this key, or None when its tags do not tell."""
    types_by_tag: dict[str, set[str]] = {}
    for event, routes in projector.spec.routes.items():
        for route in routes:
            if route.tag is None:
                return None
            types_by_tag.setdefault(route.tag, set()).update(event_spec(event).names)
    try:
        return Query(tuple(QueryItem(tuple(sorted(t)), (f"{tag}:{key}",)) for tag, t in sorted(types_by_tag.items())))
    except InvalidQuery:  # a key that can be no tag
        return None


async def document_at(store: EventStore, projector: Projector, key: str, query: Query, moment: Moment) -> str | None:
    """The document's JSON as it was at the moment, from the events of *query*; None when it was not there.

    Raises `KeyParked` at an event that its handler cannot take.
    """
    stored: dict[str, str] = {}
    async for page in store.read(query, until=moment.position).pages(CHUNK):
        planned = projector.plan(moment.keeps(page.events))
        steps = [msgspec.structs.replace(step, keys=(key,)) for step in planned if key in step.keys]
        applied = apply_steps(projector, steps, stored)  # the other documents of an event have no history here
        for change in applied.changes:
            stored = {} if change.document is None else {key: change.document}
        for parked in applied.parked:
            raise key_parked(projector, parked)
    return stored.get(key)


Name = tuple[str, str, Moment]
"""The log's identity, the view's name, and when."""


class Kept(msgspec.Struct, frozen=True):
    """A whole view of the past, and until when it is kept, by the monotonic clock."""

    documents: Documents
    until: float


class Past:
    """Whole views as they were, projected into documents in memory; the last few are kept."""

    def __init__(self, make_documents: Callable[[], Documents], clock: Clock = utc_now) -> None:
        self._make, self._clock = make_documents, clock
        self._kept: OrderedDict[Name, Kept] = OrderedDict()
        self._turn = asyncio.Lock()

    async def moment(self, store: EventStore, at: At) -> Moment:
        """The moment that *at* means in the log, as `store.moments.moment` says."""
        return await moment(store, at, self._clock)

    async def documents(self, store: EventStore, projector: Projector, moment: Moment) -> Documents:
        """The view's documents as they were at the moment of the log; one is projected at a time."""
        name = (store.identity, projector.name, moment)
        if (kept := self._find(name)) is None:
            async with self._turn:  # whoever asked for the same meanwhile finds it there
                kept = self._find(name)
                if kept is None:
                    documents = await self._project(store, projector, moment)
                    until = time.monotonic() + AGAIN_SECONDS if await documents.parked(projector.table) else math.inf
                    kept = self._kept[name] = Kept(documents, until)
                    if len(self._kept) > KEPT:
                        self._kept.popitem(last=False)
        return kept.documents

    def _find(self, name: Name) -> Kept | None:
        kept = self._kept.get(name)
        if kept is not None and time.monotonic() >= kept.until:
            del self._kept[name]
            return None
        if kept is not None:
            self._kept.move_to_end(name)
        return kept

    async def _project(self, store: EventStore, projector: Projector, moment: Moment) -> Documents:
        documents = self._make()
        progress = await begin(documents, projector.table)
        async for page in store.read(projector.query, until=moment.position).pages(CHUNK):
            if page.through > progress.checkpoint.position:
                kept = Page(list(moment.keeps(page.events)), page.through)
                await apply_page(projector, documents, store, kept, progress)
        return documents
