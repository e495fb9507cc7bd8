"""How views are doing: for operators, and for whoever must not take a dead projection for a living one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

import msgspec

from storied.projections.projector import Projector
from storied.projections.runner import ViewState
from storied.store.documents import Documents, Edition
from storied.store.port import EventStore
from storied.store.query import Query
from storied.store.records import from_microseconds


class ViewReport(msgspec.Struct, frozen=True):
    """One view: `state`, and how far it is behind the log.

    `state` is ``running`` (up to date or on its way, made by this code), ``building`` (this code's read model is begun
    and not yet served), ``failed``, ``parked`` (some keys are held back), ``absent`` (nothing was built yet) or
    ``foreign`` (made by other code or from another log, and this code has not begun to build it anew). `lag_events`
    counts events that it handles and has not applied; `lag_seconds` is how long ago the first of them was recorded.
    `built` is the position of the edition that is being built beside the live one, if any.
    """

    view: str
    state: str
    position: int
    head: int
    lag_events: int
    lag_seconds: float
    parked: int
    error: str | None
    built: int | None
    updated_at: datetime | None


async def view_reports(
    projectors: Mapping[str, Projector], store: EventStore, documents: Documents, lives: Mapping[str, ViewState]
) -> list[ViewReport]:
    """A report for each view, by name. *lives* are the views that run in this process."""
    editions = await documents.editions()
    head = await store.head()
    return [
        await _report(projectors[name], store, [e for e in editions if e.table.name == name], head, lives.get(name))
        for name in sorted(projectors)
    ]


async def _report(
    projector: Projector, store: EventStore, editions: list[Edition], head: int, running: ViewState | None
) -> ViewReport:
    live = next((e for e in editions if e.live), None)
    others = sorted((e for e in editions if not e.live), key=lambda e: not _is_own(e, projector))
    ours = live is not None and live.checkpoint.log in ("", store.identity)
    position = live.checkpoint.position if live and ours else 0
    events, seconds = await _lag(projector.query, store, position)
    error = str(running.error) if running is not None and running.error is not None else None
    for edition in editions:
        if _is_own(edition, projector):  # what stopped other code says nothing about this
            error = error or edition.error
    return ViewReport(
        view=projector.name,
        state="failed" if error else _state(projector, live if ours else None, editions),
        position=position,
        head=head,
        lag_events=events,
        lag_seconds=seconds,
        parked=live.parked if live else 0,
        error=error,
        built=others[0].checkpoint.position if others else None,
        updated_at=from_microseconds(live.updated_us) if live else None,
    )


def _state(projector: Projector, live: Edition | None, editions: list[Edition]) -> str:
    if not editions:
        return "absent"
    if any(_is_own(edition, projector) and not edition.live for edition in editions):
        return "building"
    if live is None or not _is_own(live, projector):
        return "foreign"
    return "parked" if live.parked else "running"


def _is_own(edition: Edition, projector: Projector) -> bool:
    """Whether this code made it, or is making it."""
    return msgspec.structs.replace(edition.table, edition="") == projector.table


async def _lag(query: Query, store: EventStore, position: int) -> tuple[int, float]:
    """How many events that match lie beyond *position*, and the age in seconds of the first."""
    count, first = 0, None
    async for page in store.read(query, after=position).pages():
        if page.events and first is None:
            first = page.events[0]
        count += len(page.events)
    return count, 0.0 if first is None else max(0.0, time.time() - first.recorded_us / 1_000_000)
