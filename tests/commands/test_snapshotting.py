"""A snapshot is where to start folding: of this very fold and this very log, or it is not used."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from storied import Entity, Event, Id, StoreUnavailable, on
from storied.commands.keeping import Keeper
from storied.commands.loading import FIRST_PAGE, Loader
from storied.commands.snapshotting import EVERY, Snapshotter
from storied.domain.entities import entity_spec
from storied.engines.memory.documents import MemoryDocuments
from storied.engines.memory.store import MemoryStore
from storied.store.codec import encode
from storied.store.snapshots import Snapshot, SnapshotKey


class Grown(Event):
    pile: Id


def piles(by: int) -> Any:
    """An entity that grows by so much each time; the class is called the same whatever it grows by."""

    class Pile(Entity):
        size: int = 0

        @on
        def grown(self, event: Grown) -> None:
            self.size += by

    return Pile


LONG = FIRST_PAGE + EVERY
"""Events of which a snapshot is kept."""


async def grown(events: int = LONG) -> MemoryStore:
    """A store with a pile of so many events."""
    store = MemoryStore()
    await store.append([encode(Grown(pile="p")) for _ in range(events)])
    return store


async def size(store: MemoryStore, snapshots: MemoryDocuments, pile: Any) -> int:
    """How large the pile is, loaded by a process that has just started."""
    snapshotter = Snapshotter(store, snapshots)
    found = await Loader(store, Keeper(), snapshotter).current(entity_spec(pile), "p")
    await snapshotter.aclose()
    return int(found.size)  # type: ignore[attr-defined]


async def test_a_fold_that_was_changed_begins_anew() -> None:
    """Though it is called as before: what the old one made is not what it would make."""
    store, snapshots = await grown(), MemoryDocuments()
    assert await size(store, snapshots, piles(1)) == LONG
    assert await size(store, snapshots, piles(2)) == LONG * 2


async def test_a_snapshot_of_events_that_are_gone_is_not_used() -> None:
    """As after a restore of a backup that is older than the snapshot."""
    snapshots, pile = MemoryDocuments(), piles(1)
    long, short = await grown(LONG + 100), await grown()
    assert await size(long, snapshots, pile) == LONG + 100
    [(key, kept)] = snapshots._snapshots.values()
    await snapshots.keep_snapshot(msgspec.structs.replace(key, log=short.identity), kept)
    assert await size(short, snapshots, pile) == LONG


class Full(MemoryDocuments):
    """Read models on a disk without room."""

    async def keep_snapshot(self, key: SnapshotKey, snapshot: Snapshot) -> None:
        """Fails."""
        raise StoreUnavailable("the disk is full. Make room.")


async def test_a_snapshot_that_cannot_be_kept_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """It saves reading and no more; the log says why there is none."""
    with caplog.at_level(logging.WARNING, "storied.commands"):
        assert await size(await grown(), Full(), piles(1)) == LONG
    [record] = caplog.records
    assert "was not kept: the disk is full" in record.getMessage()
