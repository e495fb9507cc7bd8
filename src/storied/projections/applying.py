"""Applying: one chunk of the log into one view's documents, exactly once.

Load what the chunk touches, apply it, commit documents and checkpoint together. When an event fails, everything
before it is committed, and the failure names it.
"""

from __future__ import annotations

from collections.abc import Sequence

from storied.errors import ViewFailed
from storied.projections.projector import Projector, Step
from storied.store.documents import Checkpoint, Criterion, Documents, Lookup
from storied.store.port import EventStore
from storied.store.reading import Page
from storied.store.records import Recorded


async def apply_page(
    projector: Projector, documents: Documents, store: EventStore, page: Page, checkpoint: Checkpoint
) -> Checkpoint:
    """The checkpoint after the page, once its documents are committed with it.

    Raises `CheckpointMovedError` when another process was quicker, and `ViewFailed` at an event that cannot be
    applied; the checkpoint then stands just before that event.
    """
    failed: ViewFailed | None = None
    while True:
        try:
            reached = await _commit(projector, documents, store, page, checkpoint)
        except ViewFailed as failure:
            failed = failure
            if failed.position - 1 <= checkpoint.position:
                raise
            before = [record for record in page.events if record.position < failed.position]
            page = Page(before, failed.position - 1)  # what comes before may hold an earlier failure
            continue
        if failed is not None:
            raise failed
        return reached


async def _commit(
    projector: Projector, documents: Documents, store: EventStore, page: Page, checkpoint: Checkpoint
) -> Checkpoint:
    steps = projector.plan(page.events)
    stored = await _touched(projector, documents, steps)
    changes = projector.apply(steps, stored)
    reached = Checkpoint(page.through, store.identity, await _digest_at(store, page))
    await documents.commit(projector.table, changes, expected=checkpoint, checkpoint=reached)
    return reached


async def _touched(projector: Projector, documents: Documents, steps: Sequence[Step]) -> dict[str, str]:
    """The stored documents that the steps may change, as JSON by key."""
    keys = list(dict.fromkeys(key for step in steps for key in step.keys))
    stored = await documents.load(projector.table, keys) if keys else {}
    looked_for = {(step.route.where, step.wanted) for step in steps if step.route.where}
    for field, value in looked_for:
        hits, _ = await documents.find(projector.table, Lookup((Criterion(field, "=", value),)))
        stored.update({hit.key: hit.document for hit in hits})
    return stored


async def _digest_at(store: EventStore, page: Page) -> bytes:
    """The digest of the event at the page's end, by which a checkpoint knows its log again."""
    last: Sequence[Recorded] = page.events[-1:]
    if not last or last[0].position != page.through:
        last = await store.read(after=page.through - 1, until=page.through).list()
    return last[0].digest if last else b""
