"""Building a view beside the live one: up to the head, interruptible, resumed where it was."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from storied.projections.applying import Progress, apply_page, begin
from storied.projections.projector import Projector
from storied.store.documents import Documents
from storied.store.port import EventStore

CHUNK = 8192
"""Events applied in one transaction."""
Told = Callable[[int], None]
"""Is told the position reached."""


async def build(projector: Projector, documents: Documents, store: EventStore, progress: Progress, told: Told) -> None:
    """Brings the edition up to the head as it is when the building gets there.

    Raises `ViewFailed` at an event whose documents cannot be told.
    """
    while progress.checkpoint.position < await store.head():
        reading = store.read(projector.query, after=progress.checkpoint.position)
        async for page in reading.pages(CHUNK):
            if page.through > progress.checkpoint.position:
                await apply_page(projector, documents, store, page, progress)
                told(progress.checkpoint.position)


async def rebuild(projector: Projector, documents: Documents, store: EventStore, told: Told) -> int:
    """Builds the view anew with the same code, beside the live read model, and puts it in its place; the position.

    Interrupted, it goes on where it was when it is called again. A process that keeps the view up to date meanwhile
    goes on with the new read model by itself.
    """
    table = msgspec.structs.replace(projector.table, edition="rebuilt")
    progress = await begin(documents, table)
    told(progress.checkpoint.position)
    await build(projector, documents, store, progress, told)
    await _mark(documents, progress)
    await documents.promote(table, progress.checkpoint)
    return progress.checkpoint.position


async def _mark(documents: Documents, progress: Progress) -> None:
    """Gives the checkpoint a mark of its own, so that whoever follows the replaced edition loads again."""
    marked = msgspec.structs.replace(progress.checkpoint, freed=time.time_ns())
    await documents.commit(progress.table, [], expected=progress.checkpoint, checkpoint=marked)
    progress.checkpoint = marked
