"""Parking: which document that is held back is among those that a writer has written to.

A view that has seen an event has not applied it to a document that stopped at it, or before it. Whoever waits for what
they have written is told so.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from storied.projections.projector import Projector, Step
from storied.store.documents import Parked, ReadModels
from storied.store.ordering import sort_key
from storied.store.port import EventStore
from storied.store.query import Query


class Written(msgspec.Struct, frozen=True):
    """What somebody wrote: the events behind `after` up to `position`, which change documents.

    Where nothing had to be written, the documents matter in which the present state shows: those with these `keys`, and
    those that have not taken an event of what the decision `rests_on`.
    """

    after: int
    position: int
    keys: frozenset[str] = frozenset()
    rests_on: Query | None = None


async def held_back(projector: Projector, documents: ReadModels, store: EventStore, written: Written) -> Parked | None:
    """The first of the view's documents that has not taken what was written to it; None when each has.

    Raises `ViewFailed` when it cannot be told which documents an event changes.
    """
    held = [one for one in await documents.held(projector.table) if one.position <= written.position]
    if not held:  # as nearly always
        return None
    for one in held:
        if one.key in written.keys or one.position > written.after:
            return one
    texts = {one.key: (await documents.get(projector.table, one.key))[0] for one in held}
    query, after = projector.query, written.after
    if written.rests_on is not None:
        query, after = written.rests_on, held[0].position - 1
    async for page in store.read(query, after=after, until=written.position).pages():
        steps = projector.plan(page.events)
        for one in held:
            missed = [step for step in steps if step.record.position >= one.position]
            text = texts[one.key]
            if any(one.key in step.keys for step in missed) or (text and _is_wanted(projector, text, missed)):
                return one
    return None


def _is_wanted(projector: Projector, text: str, steps: Iterable[Step]) -> bool:
    """Whether any of the steps finds the document by what is in it, or might, where other code has written it."""
    found = [(step.route.where, step.wanted) for step in steps if step.route.where]
    try:
        document = projector.decoder.decode(text) if found else None
    except msgspec.ValidationError:
        return True
    return any(sort_key(getattr(document, field)) == wanted for field, wanted in found)
