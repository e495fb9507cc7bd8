"""Comparing views with a fresh fold of the log: the same documents, to the byte, and the same index values.

The fold is made in memory, a view at a time, so this needs room for the documents of the largest view, twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from storied.domain.views import View, view_spec
from storied.engines.memory.documents import MemoryDocuments
from storied.errors import StoreCorrupt, StoreUnavailable, StoriedError
from storied.operating.faults import Faults
from storied.operating.walking import Progress
from storied.projections.past import Past
from storied.projections.projector import Projector
from storied.store.documents import Checkpoint, Documents, Lookup
from storied.store.moments import Moment
from storied.store.ordering import Scalar
from storied.store.port import EventStore

ATTEMPTS = 10
"""Looks at a view that a running process moves on, for one in which all of it is of one moment."""


class Contents(msgspec.Struct, frozen=True):
    """A view at one position: documents by key in their order, and for each indexed field the value of each key."""

    position: int
    documents: dict[str, str]
    values: dict[str, dict[str, Scalar]]


async def compare_views(
    views: Iterable[type[View]], store: EventStore, documents: Documents, faults: Faults, progress: Progress
) -> dict[str, str]:
    """Notes each document that is not what the log says. What was looked at, by view, in words."""
    looked: dict[str, str] = {}
    editions = {edition.table.name: edition for edition in await documents.editions() if edition.live}
    for number, view in enumerate(views := list(views), 1):
        projector = Projector(view_spec(view))
        edition = editions.get(projector.name)
        progress("views", number, len(views))
        try:
            if edition is None:
                looked[projector.name] = "not built yet"
            elif edition.table != projector.table:
                looked[projector.name] = "made by other code, so not compared"
            elif not await _is_of_this_log(store, edition.checkpoint):
                faults.add("view", f"view {projector.name} was made from another log than this", view=projector.name)
                looked[projector.name] = "made from another log"
            else:
                looked[projector.name] = await _compare(projector, store, documents, faults)
        except (StoreCorrupt, StoreUnavailable) as error:
            faults.add("view", f"view {projector.name} cannot be read: {error}", view=projector.name)
            looked[projector.name] = "cannot be read"
        except StoriedError as error:
            faults.add("view", f"view {projector.name} cannot be folded anew: {error}", view=projector.name)
            looked[projector.name] = "cannot be folded anew"
    return looked


async def _compare(projector: Projector, store: EventStore, documents: Documents, faults: Faults) -> str:
    found = await _contents(projector, documents)
    parked = {one.key for one in await documents.parked(projector.table)}
    past = await Past(MemoryDocuments).documents(store, projector, Moment(found.position))
    expected = await _contents(projector, past)
    for key in sorted({*found.documents, *expected.documents} - parked):
        wrong = _difference(key, found, expected)
        if wrong:
            message = f"view {projector.name} at position {found.position}: document {key} {wrong}"
            faults.add("view", message, view=projector.name, key=key)
    at = f"{len(found.documents)} documents at position {found.position}"
    return f"{at}, {len(parked)} parked" if parked else at


def _difference(key: str, found: Contents, expected: Contents) -> str:
    if key not in found.documents:
        return "is missing"
    if key not in expected.documents:
        return "should not be there"
    if found.documents[key] != expected.documents[key]:
        return "is not what the log says"
    for field, values in expected.values.items():
        if found.values[field].get(key, _ABSENT) != values[key]:
            return f"is not indexed under its {field}"
    return ""


_ABSENT = "\0 absent"


async def _contents(projector: Projector, documents: Documents) -> Contents:
    """All of the view at one position; as a running process may move it on, several looks may be needed."""
    for _ in range(ATTEMPTS):
        hits, position, _ = await documents.find(projector.table, Lookup())
        values: dict[str, dict[str, Scalar]] = {}
        for column in projector.table.columns:
            ordered, at, _ = await documents.find(projector.table, Lookup(order=column))
            if at != position:
                break
            values[column] = {hit.key: hit.value for hit in ordered}
        else:
            return Contents(position, {hit.key: hit.document for hit in hits}, values)
    raise StoreUnavailable(
        f"view {projector.name} moved on {ATTEMPTS} times while it was read. Verify a backup with views instead.",
        code="busy",
    )


async def _is_of_this_log(store: EventStore, checkpoint: Checkpoint) -> bool:
    if checkpoint.position == 0:
        return True
    found = await store.read(after=checkpoint.position - 1, until=checkpoint.position).list()
    return checkpoint.log == store.identity and bool(found) and found[0].digest == checkpoint.digest
