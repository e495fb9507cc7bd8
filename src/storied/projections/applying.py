"""Applying: one chunk of the log into one view's documents, exactly once.

Load what the chunk touches, apply it, commit documents, parked keys and checkpoint together. When an event is found
whose documents cannot be told, everything before it is committed, and the failure names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TypeVar

import msgspec

from storied.errors import ViewFailed
from storied.projections.projector import Projector, Step
from storied.projections.working import Applied, Work
from storied.store.documents import Change, Checkpoint, Criterion, Documents, Parked, Table
from storied.store.port import EventStore
from storied.store.reading import Content, Contents, Page
from storied.store.records import Recorded

CHUNK = 8192
"""Events applied in one transaction."""
SLICE = 512
"""Events handled before others on the event loop get their turn."""
T = TypeVar("T")


class Chunk(msgspec.Struct, frozen=True):
    """What is applied in one transaction, and the position that it speaks up to."""

    events: Sequence[Recorded | Content]
    through: int


class Progress:
    """How far one edition is: its checkpoint, and the keys that are parked."""

    def __init__(self, table: Table, checkpoint: Checkpoint, parked: Sequence[Parked] = ()) -> None:
        self.table, self.checkpoint = table, checkpoint
        self.held = {one.key for one in parked}


async def begin(documents: Documents, table: Table) -> Progress:
    """The progress of the edition, which is made when it is absent."""
    checkpoint = await documents.prepare(table)
    return Progress(table, checkpoint, await documents.parked(table))


async def stored_pages(projector: Projector, store: EventStore, after: int) -> AsyncGenerator[Page | Contents, None]:
    """What the log holds for the view beyond *after*. An engine may read a page while the last is applied."""
    reading = store.read(projector.query, after=after)
    if projector.takes_records:
        async with aclosing(reading.pages(CHUNK)) as pages:
            async for page in pages:
                yield page
    else:
        async with aclosing(reading.contents(CHUNK)) as several:
            async for contents in several:
                yield contents


async def apply_page(
    projector: Projector, documents: Documents, store: EventStore, page: Page | Contents, progress: Progress
) -> None:
    """Moves *progress* behind the page, once its documents are committed with it.

    Raises `CheckpointMovedError` when another process was quicker, and `ViewFailed` at an event whose documents
    cannot be told; the checkpoint then stands just before that event.
    """
    failed: ViewFailed | None = None
    events: Sequence[Recorded | Content] = page.events
    through = page.through
    while True:
        try:
            await _commit(projector, documents, store, Chunk(events, through), progress)
        except ViewFailed as failure:
            failed = failure
            if failed.position - 1 <= progress.checkpoint.position:
                raise
            events = [event for event in events if event.position < failed.position]
            through = failed.position - 1  # what comes before may hold an earlier failure
            continue
        if failed is not None:
            raise failed
        return


async def touched(projector: Projector, documents: Documents, table: Table, steps: Sequence[Step]) -> dict[str, str]:
    """The stored documents that the steps may change, as JSON by key."""
    keys = list(dict.fromkeys(key for step in steps for key in step.keys))
    stored = await documents.load(table, keys) if keys else {}
    looked_for = {(step.route.where, step.wanted) for step in steps if step.route.where}
    for field, value in looked_for:
        stored.update(await documents.search(table, Criterion(field, "=", value)))
    return stored


async def _commit(
    projector: Projector, documents: Documents, store: EventStore, chunk: Chunk, progress: Progress
) -> None:
    steps: list[Step] = []
    async for records in _in_slices(chunk.events):
        steps += projector.plan(records)
    stored = await touched(projector, documents, progress.table, steps)
    applied = await _applied(Work(projector, stored, progress.held), steps)
    now = progress.checkpoint
    reached = Checkpoint(chunk.through, store.identity, await _digest_at(store, chunk), now.freed)
    await documents.commit(progress.table, applied.changes, expected=now, checkpoint=reached, parked=applied.parked)
    progress.checkpoint = reached
    progress.held.update(one.key for one in applied.parked)


async def _applied(work: Work, steps: Sequence[Step]) -> Applied:
    """What the steps come to; others on the event loop get their turn in between."""
    async for several in _in_slices(steps):
        for step in several:
            work.take(step)
    changes: list[Change] = []
    for change in work.changes():
        changes.append(change)
        if len(changes) % SLICE == 0:
            await asyncio.sleep(0)
    return Applied(changes, list(work.parked.values()))


async def _in_slices(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    for start in range(0, len(items), SLICE):
        yield items[start : start + SLICE]
        await asyncio.sleep(0)


async def _digest_at(store: EventStore, chunk: Chunk) -> bytes:
    """The digest of the event at the chunk's end, by which a checkpoint knows its log again."""
    last = chunk.events[-1] if chunk.events else None
    if isinstance(last, Recorded) and last.position == chunk.through:
        return last.digest
    there = await store.read(after=chunk.through - 1, until=chunk.through).list()
    return there[0].digest if there else b""
