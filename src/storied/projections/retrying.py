"""Retrying parked keys: today's code, from the event that each stopped at, in order, up to where the view stands.

The view may go on meanwhile, since it leaves parked keys alone: then what has come since is applied as well. Events are
found by their type and their payload, as the view finds them, never by a tag that they may have been stored without.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from storied.projections.projector import Projector
from storied.projections.working import apply_steps
from storied.store.documents import Change, Checkpoint, CheckpointMovedError, Documents, Parked
from storied.store.port import EventStore
from storied.store.records import Recorded

CHUNK = 4096


class Retried(msgspec.Struct, frozen=True):
    """What became of one parked key: free again, or `parked` once more."""

    key: str
    parked: Parked | None


async def retry(projector: Projector, documents: Documents, store: EventStore, key: str | None = None) -> list[Retried]:
    """Retries the parked keys of the view, or only that one; what became of each, in the order they had stopped."""
    asked = {one.key: None for one in await documents.parked(projector.table, key)}
    while True:
        start = await documents.checkpoint(projector.table)  # first: whatever is freed from here on is noticed
        parked = [one for one in await documents.parked(projector.table, key) if one.key in asked]
        if not parked:
            return [Retried(one, None) for one in asked]  # another retry, or a rebuild, was quicker
        attempt = _Attempt(projector, parked, await documents.load(projector.table, [one.key for one in parked]))
        if await _succeeds(attempt, projector, documents, store, start):
            return [Retried(one, attempt.again.get(one)) for one in asked]


async def _succeeds(
    attempt: _Attempt, projector: Projector, documents: Documents, store: EventStore, start: Checkpoint
) -> bool:
    """Whether the attempt was stored; not when somebody else has freed keys, or replaced the edition, meanwhile."""
    now = start
    while (now.freed, now.log) == (start.freed, start.log):
        reading = store.read(projector.query, after=attempt.reached, until=now.position)
        async for page in reading.pages(CHUNK):
            attempt.take(page.events)
        attempt.reached = max(attempt.reached, now.position)
        try:
            await attempt.store(documents, now)
        except CheckpointMovedError:
            now = await documents.checkpoint(projector.table)
        else:
            return True
    return False


class _Attempt:
    """The documents of parked keys, each from the event on that it stopped at. Pure but for `store`."""

    def __init__(self, projector: Projector, parked: Sequence[Parked], stored: dict[str, str]) -> None:
        self._projector = projector
        self._starts = {one.key: one.position for one in parked}
        self._before, self._stored = dict(stored), stored
        self.again: dict[str, Parked] = {}
        self._changed: dict[str, Change] = {}
        self.reached = min(self._starts.values()) - 1

    def take(self, records: Sequence[Recorded]) -> None:
        """Applies the records to the keys that stopped no later."""
        for run in self._runs(records):
            held = {key for key, start in self._starts.items() if start > run[0].position or key in self.again}
            steps = []
            for step in self._projector.plan(run):
                keys = tuple(key for key in step.keys if key in self._starts)
                if keys or step.route.where:
                    steps.append(msgspec.structs.replace(step, keys=keys))
            applied = apply_steps(self._projector, steps, self._stored, held)
            self.again.update((one.key, one) for one in applied.parked)
            for change in applied.changes:
                self._stored.pop(change.key, None)
                if change.document is not None:
                    self._stored[change.key] = change.document
                self._changed[change.key] = change

    async def store(self, documents: Documents, now: Checkpoint) -> None:
        """Commits what has come of it. Raises `CheckpointMovedError`."""
        await documents.commit(
            self._projector.table,
            [change for change in self._changed.values() if change.document != self._before.get(change.key)],
            expected=now,
            checkpoint=msgspec.structs.replace(now, freed=now.freed + 1),
            parked=list(self.again.values()),
            freed=list(self._starts),
        )

    def _runs(self, records: Sequence[Recorded]) -> Iterator[list[Recorded]]:
        """The records in stretches within which no further key joins in."""
        edges = sorted(set(self._starts.values()))
        return (list(run) for _, run in groupby(records, lambda record: bisect_right(edges, record.position)))
