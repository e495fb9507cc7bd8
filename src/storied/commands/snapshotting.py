"""Snapshots of entities with long streams: where to start folding, and when to keep a new one.

A snapshot is used only if this very fold made it (by fingerprint), of this log, and the log still holds the event that
it ends with; that event is read again for it, and its digest compared.
"""

from __future__ import annotations

import asyncio
import logging

from storied.commands.keeping import frozen, thawed
from storied.domain.entities import Entity, EntitySpec
from storied.domain.fingerprint import fold_fingerprint
from storied.errors import StoriedError
from storied.store.folding import fold_of, folded
from storied.store.port import EventStore
from storied.store.query import Query, QueryItem
from storied.store.records import Recorded
from storied.store.snapshots import Snapshot, SnapshotKey, Snapshots

EVERY = 500
"""Events folded since the last snapshot before a new one is kept."""

log = logging.getLogger("storied.commands")


class Snapshotter:
    """Loads long streams of one store, from snapshots where there are any."""

    def __init__(self, store: EventStore, snapshots: Snapshots | None) -> None:
        self._store, self._snapshots = store, snapshots
        self._prints: dict[type[Entity], str] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def load(self, spec: EntitySpec, entity_id: str | None, entity: Entity, position: int) -> tuple[Entity, int]:
        """The entity up to the end of its stream and the position that was read to.

        *entity* is its state at *position*, to go on from where no snapshot is further.
        """
        key = self._key(spec, entity_id)
        found = await self._usable(spec, entity_id, key, position)
        if found is not None:
            entity, position = thawed(spec.cls, found.state), found.position
        count = 0
        query = Query((QueryItem(spec.types(), spec.tags(entity_id)),))
        async for more, through in folded(fold_of(spec), entity, self._store.read(query, after=position)):
            count, position = count + more, through
        if count >= EVERY:
            last = await self._store.read(query, until=position, backwards=True, limit=1).list()
            self._keep(key, entity, last[0])
        return entity, position

    async def aclose(self) -> None:
        """Waits for the snapshots that are being written."""
        while self._writing:
            await asyncio.gather(*self._writing)

    def _key(self, spec: EntitySpec, entity_id: str | None) -> SnapshotKey:
        fingerprint = self._prints.get(spec.cls)
        if fingerprint is None:
            fingerprint = self._prints[spec.cls] = fold_fingerprint(spec.cls, spec.handlers)
        return SnapshotKey(spec.cls.__qualname__, fingerprint, entity_id or "", self._store.identity)

    async def _usable(
        self, spec: EntitySpec, entity_id: str | None, key: SnapshotKey, position: int
    ) -> Snapshot | None:
        """The snapshot, when it is further than *position* and the log holds its last event."""
        found = await self._snapshots.snapshot(key) if self._snapshots is not None else None
        if found is None or found.position <= position:
            return None
        last = await self._store.read(after=found.position - 1, until=found.position).list()
        return found if last and last[0].digest == found.digest else None

    def _keep(self, key: SnapshotKey, entity: Entity, last: Recorded) -> None:
        """Keeps a snapshot in the background; a command does not wait for it, nor fail with it."""
        state = frozen(entity)
        if state is None or self._snapshots is None:
            return
        task = asyncio.create_task(self._write(self._snapshots, key, Snapshot(state, last.position, last.digest)))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, snapshots: Snapshots, key: SnapshotKey, snapshot: Snapshot) -> None:
        try:
            await snapshots.keep_snapshot(key, snapshot)
        except StoriedError as error:
            log.warning("a snapshot of %s %s was not kept: %s", key.entity, key.id, error)
