"""Views of the past: the same handlers over the log up to a moment, in memory.

One document's past is one stream when every event that changes it carries its key as a tag; then only that stream
is read. Otherwise, and for lists, the whole view is projected up to the moment, and what was projected is kept.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from storied.domain.events import event_spec
from storied.domain.times import At, Clock, utc_now
from storied.errors import InvalidQuery, PastUnready
from storied.projections.applying import apply_page, begin
from storied.projections.building import same_log
from storied.projections.projector import Projector, key_parked
from storied.projections.working import apply_steps
from storied.store.documents import Documents
from storied.store.moments import Moment, moment
from storied.store.port import EventStore
from storied.store.query import Query, QueryItem
from storied.store.reading import Page

MOST_KEPT = 32
"""Views of the past that are kept for the next question."""
MOST_BYTES = 256 * 1024 * 1024
"""About what they may take of memory, all together."""
MOST_IN_LINE = 8
"""Works on the past that may be under way, or wait their turn, before who has bounds is refused another."""
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


class Bounds(msgspec.Struct, frozen=True):
    """What a question about the past may cost: the seconds it takes, and about the bytes of all documents then."""

    seconds: float
    most_bytes: int = MOST_BYTES


_TOLD = {
    "past-unfinished": "takes longer to work out than a question may. Ask again: it goes on from where it is.",
    "past-busy": "has to wait for too many others. Ask again in a moment.",
    "past-too-large": "takes more memory than a question may. Ask for single documents, or allow it more.",
}


def unready(projector: Projector, *, code: str) -> PastUnready:
    """The error of who met one of the bounds."""
    return PastUnready(f"this past of view {projector.name} {_TOLD[code]}", code=code)


class Copyable(Documents, Protocol):
    """Documents in memory, which know about how many bytes they take."""

    size: int

    def copy(self) -> Copyable:
        """Others with the same content, which go their own way."""
        ...


class Kept(msgspec.Struct, frozen=True):
    """A view of the past, and until when it is kept, by the monotonic clock; *unfinished* is what nobody asked for."""

    documents: Copyable
    until: float
    unfinished: bool


class Work(msgspec.Struct):
    """A projection under way, or in line for it, and how many wait for it: it ends with the last of them."""

    task: asyncio.Task[Copyable]
    askers: int = 0


class Past:
    """Whole views as they were, projected into documents in memory; the last ones are kept.

    One is projected at a time, and only once for all who ask for it meanwhile. It goes on from the nearest earlier one
    that is there, and what was not finished when the last who asked had left is there, too.
    """

    def __init__(self, make_documents: Callable[[], Copyable], clock: Clock = utc_now) -> None:
        self._make, self._clock = make_documents, clock
        self._kept: OrderedDict[Name, Kept] = OrderedDict()
        self._works: dict[tuple[Name, Bounds | None], Work] = {}
        self._others_in_line = 0
        self._turn = asyncio.Lock()

    async def moment(self, store: EventStore, at: At) -> Moment:
        """The moment that *at* means in the log, as `store.moments.moment` says."""
        return await moment(store, at, self._clock)

    async def documents(
        self, store: EventStore, projector: Projector, moment: Moment, bounds: Bounds | None = None
    ) -> Documents:
        """The view's documents as they were at the moment of the log. With *bounds* it raises `PastUnready`."""
        name = (store.identity, projector.name, moment)
        kept = await self._known(store, projector, name)
        if kept is not None and not kept.unfinished:
            return kept.documents
        work = self._works.get((name, bounds))
        if work is None:
            self._check_line(projector, bounds)
            work = self._works[name, bounds] = Work(asyncio.create_task(self._work(store, projector, moment, bounds)))
        work.askers += 1
        try:
            async with asyncio.timeout(None if bounds is None else bounds.seconds):
                return await asyncio.shield(work.task)
        except TimeoutError:
            raise unready(projector, code="past-unfinished") from None
        finally:
            work.askers -= 1
            if not work.askers:
                work.task.cancel()
                if self._works.get((name, bounds)) is work:
                    del self._works[name, bounds]

    @asynccontextmanager
    async def turn(self, projector: Projector, bounds: Bounds) -> AsyncIterator[None]:
        """A turn at other work that reads much of the log. Raises `PastUnready` when it does not come in time."""
        self._check_line(projector, bounds)
        self._others_in_line += 1
        try:
            try:
                async with asyncio.timeout(bounds.seconds):
                    await self._turn.acquire()
            except TimeoutError:
                raise unready(projector, code="past-unfinished") from None
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._others_in_line -= 1

    def _check_line(self, projector: Projector, bounds: Bounds | None) -> None:
        if bounds is not None and len(self._works) + self._others_in_line >= MOST_IN_LINE:
            raise unready(projector, code="past-busy")

    async def _work(self, store: EventStore, projector: Projector, moment: Moment, bounds: Bounds | None) -> Copyable:
        async with self._turn:
            documents = await self._nearest(store, projector, moment)
            try:
                await self._project(store, projector, moment, documents, bounds)
            except PastUnready:
                raise
            except BaseException:  # the next who asks goes on from here
                await self._keep(store, projector, moment, documents, bounds)
                raise
            await self._keep(store, projector, moment, documents, bounds)
            return documents

    async def _project(
        self,
        store: EventStore,
        projector: Projector,
        moment: Moment,
        documents: Copyable,
        bounds: Bounds | None,
    ) -> None:
        """Brings the documents up to the moment. Raises `PastUnready` when they become too many."""
        progress = await begin(documents, projector.table)
        reading = store.read(projector.query, after=progress.checkpoint.position, until=moment.position)
        async for page in reading.pages(CHUNK):
            if page.through > progress.checkpoint.position:
                kept = Page(list(moment.keeps(page.events)), page.through)
                await apply_page(projector, documents, store, kept, progress)
            if bounds is not None and documents.size > bounds.most_bytes:
                raise unready(projector, code="past-too-large")

    async def _nearest(self, store: EventStore, projector: Projector, moment: Moment) -> Copyable:
        """Documents to go on from: those of the latest moment up to this one, or none."""
        names = [
            name
            for name in self._kept
            if name[:2] == (store.identity, projector.name)
            and name[2].occurred == moment.occurred
            and name[2].position <= moment.position
        ]
        for name in sorted(names, key=lambda name: name[2].position, reverse=True):
            kept = await self._known(store, projector, name)
            if kept is not None and kept.unfinished:
                self._kept.pop(name, None)
                return kept.documents
            if kept is not None:
                return kept.documents.copy()
        return self._make()

    async def _known(self, store: EventStore, projector: Projector, name: Name) -> Kept | None:
        """What is kept under the name, if its time is not over and the log is the one it was made of."""
        kept = self._kept.get(name)
        if kept is None:
            return None
        checkpoint = await kept.documents.checkpoint(projector.table)
        is_ours = checkpoint.position == 0 or await same_log(store, checkpoint)
        if time.monotonic() >= kept.until or not is_ours:
            self._kept.pop(name, None)
            return None
        if name in self._kept:
            self._kept.move_to_end(name)
        return kept

    async def _keep(
        self, store: EventStore, projector: Projector, moment: Moment, documents: Copyable, bounds: Bounds | None
    ) -> None:
        """Keeps the documents as those of the position that they stand at, and lets go of the eldest."""
        reached = (await documents.checkpoint(projector.table)).position
        until = time.monotonic() + AGAIN_SECONDS if await documents.parked(projector.table) else math.inf
        name = (store.identity, projector.name, Moment(reached, moment.occurred))
        self._kept[name] = Kept(documents, until, reached < moment.position)
        self._kept.move_to_end(name)
        most = MOST_BYTES if bounds is None else bounds.most_bytes
        while len(self._kept) > 1 and (
            len(self._kept) > MOST_KEPT or sum(kept.documents.size for kept in self._kept.values()) > most
        ):
            self._kept.popitem(last=False)
