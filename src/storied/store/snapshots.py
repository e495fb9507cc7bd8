"""The snapshots' port: folded entities of long streams, beside the read models. Dropping them changes no answer."""

from __future__ import annotations

from typing import Protocol

import msgspec


class SnapshotKey(msgspec.Struct, frozen=True):
    """Which snapshot: the entity's class by name, its fold's fingerprint, its id, and the log it was folded from."""

    entity: str
    fingerprint: str
    id: str
    log: str


class Snapshot(msgspec.Struct, frozen=True):
    """A folded entity as bytes, and the last event in it by position and digest."""

    state: bytes
    position: int
    digest: bytes


class Snapshots(Protocol):
    """Where snapshots are kept, the newest of each entity."""

    async def snapshot(self, key: SnapshotKey) -> Snapshot | None:
        """The snapshot that was kept under exactly this key, if any."""
        ...

    async def keep_snapshot(self, key: SnapshotKey, snapshot: Snapshot) -> None:
        """Keeps the snapshot in place of any other of the entity with this id."""
        ...
