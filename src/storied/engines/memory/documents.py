"""Read models in memory: documents and checkpoints in dicts, gone when the process ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from storied.errors import StoreClosed
from storied.store.documents import (
    Change,
    Checkpoint,
    CheckpointMovedError,
    Criterion,
    Edition,
    Heartbeat,
    Hit,
    Lookup,
    OtherEditionError,
    Parked,
    Shown,
    SupersededError,
    Table,
    ranked,
)
from storied.store.ordering import Scalar
from storied.store.snapshots import Snapshot, SnapshotKey

OVERHEAD = 700
"""Bytes that a document takes beside its text and its key, about: objects, index values, places in tables."""


class _Shelf(msgspec.Struct):
    """One edition's documents by key, each with its index values by column."""

    table: Table
    live: bool
    documents: dict[str, tuple[str, dict[str, Scalar]]] = {}
    parked: dict[str, Parked] = {}
    checkpoint: Checkpoint = Checkpoint()
    error: str | None = None
    updated_us: int = 0


class MemoryDocuments:
    """`Documents` in this process's memory."""

    def __init__(self) -> None:
        self._shelves: dict[Table, _Shelf] = {}
        self._snapshots: dict[tuple[str, str], tuple[SnapshotKey, Snapshot]] = {}
        self._heartbeats: dict[str, list[Heartbeat]] = {}
        self._closed = False
        self.size = 0
        """About how many bytes the documents of all editions take."""

    def copy(self) -> MemoryDocuments:
        """Others with the same documents, checkpoints and parked keys, which go their own way."""
        other = MemoryDocuments()
        other.size = self.size
        other._shelves = {
            table: msgspec.structs.replace(shelf, documents=dict(shelf.documents), parked=dict(shelf.parked))
            for table, shelf in self._shelves.items()
        }
        return other

    def peek(self, table: Table, key: str, *, recent: bool = False) -> Shown:
        """As the port says."""
        shelf = self._live(table, ())
        found, parked = shelf.documents.get(key), shelf.parked.get(key)
        return Shown(
            found[0].encode() if found else None,
            shelf.checkpoint.position,
            shelf.checkpoint.log,
            parked.position if parked else None,
            foreign=shelf.table != table,
        )

    async def get(self, table: Table, key: str, *, own: bool = False) -> tuple[str | None, int, bool]:
        """As the port says."""
        shelf = self._live(table, (), own=own)
        found = shelf.documents.get(key)
        return (found[0] if found else None), shelf.checkpoint.position, bool(shelf.parked)

    async def find(self, table: Table, lookup: Lookup, *, own: bool = False) -> tuple[list[Hit], int, bool]:
        """As the port says."""
        shelf = self._live(table, _asked(lookup), own=own)
        hits = [
            Hit(key, document, values[lookup.order] if lookup.order else None)
            for key, (document, values) in shelf.documents.items()
            if _meets(values, lookup.criteria)
        ]
        hits.sort(key=_place, reverse=lookup.descending)
        if lookup.beyond is not None:
            edge = _place(Hit(lookup.beyond[1], "", lookup.beyond[0]))
            hits = [hit for hit in hits if (_place(hit) < edge if lookup.descending else _place(hit) > edge)]
        return hits[: lookup.limit], shelf.checkpoint.position, bool(shelf.parked)

    async def count(self, table: Table, lookup: Lookup, by: str | None = None) -> tuple[dict[Scalar, int], int, bool]:
        """As the port says."""
        shelf = self._live(table, (*_asked(lookup), *((by,) if by else ())))
        groups = Counter(
            values[by] if by else None for _, values in shelf.documents.values() if _meets(values, lookup.criteria)
        )
        if by is None and not groups:
            groups[None] = 0
        return dict(groups), shelf.checkpoint.position, bool(shelf.parked)

    async def held(self, table: Table, key: str | None = None) -> list[Parked]:
        """As the port says."""
        return _listed(self._live(table, ()), key)

    async def editions(self) -> list[Edition]:
        """As the port says."""
        self._check_open()
        shelves = sorted(self._shelves.values(), key=lambda shelf: (shelf.table.name, not shelf.live))
        return [
            Edition(shelf.table, shelf.live, shelf.checkpoint, len(shelf.parked), shelf.error, shelf.updated_us)
            for shelf in shelves
        ]

    async def prepare(self, table: Table) -> Checkpoint:
        """As the port says."""
        self._check_open()
        shelf = self._shelves.get(table)
        if shelf is None:
            first = not any(other.name == table.name for other in self._shelves)
            shelf = self._shelves[table] = _Shelf(table, first, updated_us=_now())
        return shelf.checkpoint

    async def load(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """As the port says."""
        documents = self._shelf(table).documents
        return {key: documents[key][0] for key in keys if key in documents}

    async def search(self, table: Table, criterion: Criterion) -> dict[str, str]:
        """As the port says."""
        documents = self._shelf(table).documents
        return {
            key: document for key, (document, values) in documents.items() if criterion.holds(values[criterion.field])
        }

    async def commit(
        self,
        table: Table,
        changes: Sequence[Change],
        *,
        expected: Checkpoint,
        checkpoint: Checkpoint,
        parked: Sequence[Parked] = (),
        freed: Sequence[str] = (),
    ) -> None:
        """As the port says."""
        shelf = self._expected(table, expected)
        for change in changes:
            before = shelf.documents.get(change.key)
            if before is not None:
                self.size -= _size(change.key, before[0])
            if change.document is None:
                shelf.documents.pop(change.key, None)
            else:
                self.size += _size(change.key, change.document)
                values = dict(zip(table.columns, change.values, strict=True))
                shelf.documents[change.key] = (change.document, values)
        for key in freed:
            shelf.parked.pop(key, None)
        shelf.parked.update({one.key: one for one in parked})
        shelf.checkpoint, shelf.error, shelf.updated_us = checkpoint, None, _now()

    async def promote(self, table: Table, expected: Checkpoint) -> None:
        """As the port says."""
        shelf = self._expected(table, expected)
        for other in [other for other in self._shelves if other.name == table.name]:
            del self._shelves[other]
        shelf.table, shelf.live = msgspec.structs.replace(table, edition=""), True
        self._shelves[shelf.table] = shelf

    async def is_live(self, table: Table) -> bool:
        """As the port says."""
        self._check_open()
        shelf = self._shelves.get(table)
        return shelf is not None and shelf.live

    async def checkpoint(self, table: Table) -> Checkpoint:
        """As the port says."""
        self._check_open()
        shelf = self._shelves.get(table)
        return shelf.checkpoint if shelf else Checkpoint()

    async def parked(self, table: Table, key: str | None = None) -> list[Parked]:
        """As the port says."""
        return _listed(self._shelf(table), key)

    async def report(self, table: Table, error: str | None) -> None:
        """As the port says."""
        self._shelf(table).error = error

    async def reset(self, table: Table) -> None:
        """As the port says."""
        shelf = self._shelf(table)
        self._shelves[table] = _Shelf(table, shelf.live, updated_us=_now())

    async def snapshot(self, key: SnapshotKey) -> Snapshot | None:
        """As `Snapshots` says."""
        self._check_open()
        found = self._snapshots.get((key.entity, key.id))
        return found[1] if found is not None and found[0] == key else None

    async def keep_snapshot(self, key: SnapshotKey, snapshot: Snapshot) -> None:
        """As `Snapshots` says."""
        self._check_open()
        self._snapshots[key.entity, key.id] = (key, snapshot)

    async def beat(self, worker: str, beats: Sequence[Heartbeat]) -> None:
        """As `Heartbeats` says."""
        self._check_open()
        now = _now()
        self._heartbeats[worker] = [msgspec.structs.replace(beat, worker=worker, beaten_us=now) for beat in beats]

    async def heartbeats(self) -> list[Heartbeat]:
        """As `Heartbeats` says."""
        self._check_open()
        beats = [beat for given in self._heartbeats.values() for beat in given]
        return sorted(beats, key=lambda beat: (beat.view, -beat.beaten_us, beat.worker))

    async def aclose(self) -> None:
        """As the port says."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed

    def _live(self, table: Table, columns: Sequence[str], *, own: bool = False) -> _Shelf:
        self._check_open()
        for shelf in self._shelves.values():
            if shelf.live and shelf.table.name == table.name:
                if shelf.table != table:
                    if own:
                        raise OtherEditionError(table)
                    shelf.table.check_asked(table, columns)
                return shelf
        return _Shelf(table, live=True)

    def _shelf(self, table: Table) -> _Shelf:
        self._check_open()
        return self._shelves.get(table) or _Shelf(table, live=False)

    def _expected(self, table: Table, expected: Checkpoint) -> _Shelf:
        self._check_open()
        shelf = self._shelves.get(table)
        if shelf is None:
            raise SupersededError(table)
        if shelf.checkpoint != expected:
            raise CheckpointMovedError(
                f"view {table.name} stands at {shelf.checkpoint.position}, not at {expected.position}. Nothing was "
                "written. Load again and go on from there."
            )
        return shelf


def _listed(shelf: _Shelf, key: str | None) -> list[Parked]:
    parked = (one for one in shelf.parked.values() if key in (None, one.key))
    return sorted(parked, key=lambda one: (one.position, one.key))


def _size(key: str, document: str) -> int:
    """About how many bytes a document takes, with its key and its index values."""
    return OVERHEAD + len(key) + len(document)


def _now() -> int:
    return time.time_ns() // 1000


def _asked(lookup: Lookup) -> tuple[str, ...]:
    """The fields that a lookup names."""
    return (*(criterion.field for criterion in lookup.criteria), *((lookup.order,) if lookup.order else ()))


def _meets(values: dict[str, Scalar], criteria: tuple[Criterion, ...]) -> bool:
    return all(criterion.holds(values[criterion.field]) for criterion in criteria)


def _place(hit: Hit) -> tuple[tuple[int, Any], str]:
    return ranked(hit.value), hit.key
