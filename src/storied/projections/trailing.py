"""The trail of one document: the events of its entity's stream that its view handles, and what each made of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from storied.errors import InvalidQuery, ViewFailed
from storied.projections.milestones import START, Milestone
from storied.projections.past import stream_query
from storied.projections.projector import Projector
from storied.projections.working import apply_steps
from storied.store.moments import Moment
from storied.store.port import EventStore
from storied.store.query import Query
from storied.store.records import Recorded

CHUNK = 256


class Trace(msgspec.Struct, frozen=True):
    """One event of the trail: the document's JSON before and after it (None where there was none).

    `error` says why the event could not be applied; the document then stays as it was, to the end of the trail, and
    from there on `held` is the position of that event. `begun` is false as long as no event was about the document for
    certain: then this is one of which the view cannot tell what it is about.
    """

    record: Recorded
    before: str | None
    after: str | None
    error: str | None = None
    held: int | None = None
    begun: bool = True

    def milestone(self) -> Milestone:
        """Where the trail may be gone on from, behind this event."""
        return Milestone(self.record.position, self.record.digest, self.after, self.held, self.begun)


def has_history(projector: Projector) -> bool:
    """Whether which events changed a document can be told from the events: not where what is in it decides that."""
    return all(route.keys is not None for routes in projector.spec.routes.values() for route in routes)


def trail_query(projector: Projector, key: str) -> Query | None:
    """The events that the view handles of the entity that the document is about; of all, when tags do not tell.

    None for a key that no event can have. Raises `InvalidQuery` with code ``no-history`` for a view that finds
    documents by what is in them.
    """
    if not has_history(projector):
        raise InvalidQuery(
            f"view {projector.name} finds documents by what is in them, so which events changed one cannot be told "
            "from the events. Ask for the document at= several positions.",
            code="no-history",
        )
    if any(route.tag is None for routes in projector.spec.routes.values() for route in routes):
        return projector.query
    return stream_query(projector, key)


async def trail(
    store: EventStore,
    projector: Projector,
    key: str,
    query: Query,
    moment: Moment,
    *,
    start: Milestone = START,
    size: int = CHUNK,
) -> AsyncGenerator[Trace, None]:
    """Each event up to the moment that is in the document's stream, or changed it where its stream is not known.

    There it has the first event, too, of which the view cannot tell which documents it changes: at that every document
    stops. The trail begins behind *start*, a milestone of this very trail, and reads *size* events at once.
    """
    by_tag = query is not projector.query
    stored = {} if start.document is None else {key: start.document}
    held, begun = start.held, start.begun
    async for page in store.read(query, after=start.position, until=moment.position).pages(size):
        for record in moment.keeps(page.events):
            before, error, stopped = stored.get(key), None, False
            try:
                steps = projector.plan([record])
            except ViewFailed as failure:
                steps, error = [], str(failure)
                held, stopped = held or record.position, held is None
            steps = [msgspec.structs.replace(step, keys=(key,)) for step in steps if key in step.keys]
            if not (steps or by_tag or stopped):
                continue
            begun = begun or by_tag or bool(steps)
            applied = apply_steps(projector, steps, stored, () if held is None else (key,))
            for change in applied.changes:
                stored = {} if change.document is None else {key: change.document}
            for parked in applied.parked:
                held, error = parked.position, parked.error
            yield Trace(record, before, stored.get(key), error, held, begun)
        await asyncio.sleep(0)


async def still_holds(store: EventStore, projector: Projector, key: str, query: Query, milestone: Milestone) -> bool:
    """Whether the event at which the document stopped cannot be applied now either.

    What a handler rests on may have been mended meanwhile, and parked documents have been retried then.
    """
    if milestone.held is None:
        return False
    before = Milestone(milestone.held - 1, document=milestone.document)
    async with aclosing(trail(store, projector, key, query, Moment(milestone.held), start=before, size=1)) as traces:
        return any([trace.held is not None async for trace in traces])
