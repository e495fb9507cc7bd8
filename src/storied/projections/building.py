"""Building a view beside the live one: up to the head, interruptible, resumed where it was."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import aclosing

import msgspec

from storied.projections.applying import Progress, apply_page, begin, stored_pages
from storied.projections.projector import Projector
from storied.store.documents import Checkpoint, CheckpointMovedError, Documents, SupersededError, Table
from storied.store.port import EventStore

log = logging.getLogger("storied.projections")
Told = Callable[[int], None]
"""Is told the position reached."""


async def resume(documents: Documents, store: EventStore, table: Table) -> Progress:
    """Where the edition goes on from: its start, when its checkpoint speaks of another log than this."""
    progress = await begin(documents, table)
    if progress.checkpoint.position > 0 and not await same_log(store, progress.checkpoint):
        log.warning(
            "view %s was built from another log (or from a longer copy of this one), so it is built anew", table.name
        )
        await documents.reset(table)
        progress = await begin(documents, table)
    return progress


async def same_log(store: EventStore, checkpoint: Checkpoint) -> bool:
    """Whether the log holds, at the checkpoint, the event that the checkpoint was made of."""
    if checkpoint.position == 0 or checkpoint.log != store.identity:
        return False
    records = await store.read(after=checkpoint.position - 1, until=checkpoint.position).list()
    return bool(records) and records[0].digest == checkpoint.digest


async def build(projector: Projector, documents: Documents, store: EventStore, progress: Progress, told: Told) -> None:
    """Brings the edition up to the head as it is when the building gets there, and makes it the live one.

    Whoever keeps the live edition up to date may be quicker meanwhile; readers are not taken back to an earlier
    position then, but the building goes on. Raises `ViewFailed` at an event whose documents cannot be told.
    """
    await _catch_up(projector, documents, store, progress, told)
    while await _is_behind(documents, store, progress):
        await _catch_up(projector, documents, store, progress, told)
    await documents.promote(progress.table, progress.checkpoint)


async def _catch_up(
    projector: Projector, documents: Documents, store: EventStore, progress: Progress, told: Told
) -> None:
    while progress.checkpoint.position < await store.head():
        async with aclosing(stored_pages(projector, store, progress.checkpoint.position)) as pages:
            async for page in pages:
                if page.through > progress.checkpoint.position:
                    await apply_page(projector, documents, store, page, progress)
                    told(progress.checkpoint.position)


async def _is_behind(documents: Documents, store: EventStore, progress: Progress) -> bool:
    """Whether readers are given a later position of the same log."""
    for edition in await documents.editions():
        if edition.live and edition.table.name == progress.table.name:
            there = edition.checkpoint
            return there.position > progress.checkpoint.position and await same_log(store, there)
    return False


async def rebuild(projector: Projector, documents: Documents, store: EventStore, told: Told) -> int:
    """Builds the view anew beside the live read model, and puts it in its place; the position.

    Interrupted, it goes on where it was when it is called again; called twice at once, both do the same work. A process
    that keeps the view up to date meanwhile goes on with the new read model by itself. Raises `SupersededError` when
    this code's read model was live, and other code has put its own there meanwhile.
    """
    was_live = await documents.is_live(projector.table)
    while True:
        try:
            return await _rebuild(projector, documents, store, told)
        except SupersededError:
            if await documents.is_live(projector.table):  # the other of two at once has done it
                return (await documents.checkpoint(projector.table)).position
            if was_live:
                raise
        except CheckpointMovedError:
            continue


async def _rebuild(projector: Projector, documents: Documents, store: EventStore, told: Told) -> int:
    table = projector.table
    if await documents.is_live(table):  # otherwise what is built of this code already is what is wanted
        table = msgspec.structs.replace(table, edition="rebuilt")
    progress = await resume(documents, store, table)
    told(progress.checkpoint.position)
    if progress.checkpoint.freed == 0:
        await _mark(documents, progress)
    await build(projector, documents, store, progress, told)
    return progress.checkpoint.position


async def _mark(documents: Documents, progress: Progress) -> None:
    """Gives the checkpoint a mark that none of the view had, so that whoever follows the other edition loads again."""
    marked = msgspec.structs.replace(progress.checkpoint, freed=time.time_ns())
    await documents.commit(progress.table, [], expected=progress.checkpoint, checkpoint=marked)
    progress.checkpoint = marked
