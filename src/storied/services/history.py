"""The audit trail of a document: what happened, when, by whom, why, and what each event made of the document.

Who may see only documents that are like something is told of the time in which this one was: while it was not, it is
as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from storied.projections.asking import meets
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
    """Some entries, the position to go on behind, or None at the end, and whether there is a history to be seen."""

    entries: list[Entry] = []
    cursor: int | None = None
    seen: bool = False


class Visible(msgspec.Struct, frozen=True):
    """What a document has to be like: at the end of the trail, for any of it to be seen; and at an event, for that."""

    at_the_end: Mapping[str, Any]
    at_each: Mapping[str, Any]


async def history_page(
    store: EventStore, projector: Projector, key: str, moment: Moment, visible: Visible, *, beyond: int, limit: int
) -> HistoryPage:
    """At most *limit* entries beyond a position, up to the moment, of a document that is visible then."""
    page = HistoryPage()
    query = trail_query(projector, key)
    if query is None:
        return page
    document: str | None = None
    async for trace in trail(store, projector, key, query, moment):
        if visible.at_each and trace.held:
            break  # whose the document is from here on cannot be told
        document, shown = trace.after, within(projector, trace, visible.at_each)
        if shown is None:
            continue
        page.seen = True
        if shown.record.position <= beyond or page.cursor is not None:
            continue
        if len(page.entries) < limit:
            page.entries.append(entry_of(shown))
            continue
        page.cursor = page.entries[-1].position
        if not (visible.at_the_end or visible.at_each):
            return page
    for wanted in (visible.at_the_end, visible.at_each):
        page.seen = page.seen and (not wanted or is_like(projector, document, wanted))
    return page


def within(projector: Projector, trace: Trace, wanted: Mapping[str, Any]) -> Trace | None:
    """The trace as it is for those who see only documents that are like this; None when they see neither side."""
    if not wanted:
        return trace
    before = trace.before if is_like(projector, trace.before, wanted) else None
    after = trace.after if is_like(projector, trace.after, wanted) else None
    if before is None and after is None:
        return None
    return msgspec.structs.replace(trace, before=before, after=after)


def is_like(projector: Projector, document: str | None, wanted: Mapping[str, Any]) -> bool:
    """Whether there is a document, and it meets the criteria."""
    return document is not None and meets(projector, projector.decoder.decode(document), wanted)


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
