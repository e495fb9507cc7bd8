"""The audit trail of a document: what happened, when, by whom, why, and what each event made of the document."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from storied.projections.projector import Projector
from storied.projections.trailing import Trace, trail, trail_query
from storied.services.differing import Difference, differences
from storied.store.moments import Moment
from storied.store.port import EventStore


class Entry(msgspec.Struct, omit_defaults=True):
    """One event of the trail, as it is served. `changes` are those of the document."""

    position: int
    id: str
    type: str
    version: int
    recorded_at: datetime
    occurred_at: datetime
    data: msgspec.Raw
    changes: list[Difference]
    actor: str | None = None
    command: str | None = None
    correlation: str | None = None
    causation: str | None = None
    headers: dict[str, str] = {}
    error: str | None = None


class HistoryPage(msgspec.Struct):
    """Some entries, and the position to go on behind, or None at the end."""

    entries: list[Entry]
    cursor: int | None
    any: bool
    """Whether there is any history at all, before this page or in it."""


async def history_page(
    store: EventStore, projector: Projector, key: str, moment: Moment, *, beyond: int, limit: int
) -> HistoryPage:
    """At most *limit* entries beyond a position, up to the moment."""
    entries: list[Entry] = []
    found = False
    query = trail_query(projector, key)
    if query is None:
        return HistoryPage(entries, None, found)
    async for trace in trail(store, projector, key, query, moment):
        found = True
        if trace.record.position <= beyond:
            continue
        if len(entries) == limit:
            return HistoryPage(entries, entries[-1].position, found)
        entries.append(entry_of(trace))
    return HistoryPage(entries, None, found)


def entry_of(trace: Trace) -> Entry:
    """What is told of one event."""
    record, metadata = trace.record, trace.record.metadata
    return Entry(
        position=record.position,
        id=record.id,
        type=record.type,
        version=record.version,
        recorded_at=record.recorded_at,
        occurred_at=record.occurred_at,
        data=msgspec.Raw(record.data.encode()),
        changes=changes_of(trace),
        actor=metadata.actor,
        command=metadata.command,
        correlation=metadata.correlation,
        causation=metadata.causation,
        headers=dict(metadata.headers),
        error=trace.error,
    )


def changes_of(trace: Trace) -> list[Difference]:
    """What the event changed: each field of a new document, and a document that is gone as a whole."""
    if trace.before == trace.after:
        return []
    before: Any = {} if trace.before is None else msgspec.json.decode(trace.before)
    after: Any = msgspec.UNSET if trace.after is None else msgspec.json.decode(trace.after)
    return list(differences(before, after))
