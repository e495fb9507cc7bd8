"""Retrying parked keys: today's code, from the event that failed, in order, up to where the view stands."""

from __future__ import annotations

import msgspec

from storied.projections.applying import Progress, begin
from storied.projections.past import stream_query
from storied.projections.projector import Projector, Step
from storied.projections.working import apply_steps
from storied.store.documents import Change, CheckpointMovedError, Documents, Parked
from storied.store.port import EventStore

CHUNK = 4096


class Retried(msgspec.Struct, frozen=True):
    """What became of one parked key: free again, or `parked` once more."""

    key: str
    parked: Parked | None


async def retry(projector: Projector, documents: Documents, store: EventStore, key: str | None = None) -> list[Retried]:
    """Retries the parked keys of the view in order, or only that one; what became of each."""
    done = []
    for one in await documents.parked(projector.table, key):
        while True:
            try:
                done.append(await _retry(projector, documents, store, one))
                break
            except CheckpointMovedError:
                continue  # the view went on meanwhile, and there is more to apply
    return done


async def _retry(projector: Projector, documents: Documents, store: EventStore, parked: Parked) -> Retried:
    progress = await begin(documents, projector.table)
    stored = await documents.load(projector.table, [parked.key])
    before = stored.get(parked.key)
    again, last = None, Change(parked.key, before)
    query = stream_query(projector, parked.key) or projector.query
    reading = store.read(query, after=parked.position - 1, until=progress.checkpoint.position)
    async for page in reading.pages(CHUNK):
        steps = [step for step in projector.plan(page.events) if parked.key in step.keys or step.route.where]
        applied = apply_steps(projector, _only(steps, parked.key), stored)
        for change in applied.changes:
            last = change
            stored = {} if change.document is None else {parked.key: change.document}
        if applied.parked:
            again = applied.parked[0]
            break
    await _commit(documents, progress, last if last.document != before else None, parked.key, again)
    return Retried(parked.key, again)


def _only(steps: list[Step], key: str) -> list[Step]:
    """The steps for this key alone."""
    return [msgspec.structs.replace(step, keys=(key,)) if step.keys else step for step in steps]


async def _commit(
    documents: Documents, progress: Progress, change: Change | None, key: str, again: Parked | None
) -> None:
    now = progress.checkpoint
    await documents.commit(
        progress.table,
        [] if change is None else [change],
        expected=now,
        checkpoint=msgspec.structs.replace(now, freed=now.freed + 1),
        parked=[] if again is None else [again],
        freed=[key],
    )
