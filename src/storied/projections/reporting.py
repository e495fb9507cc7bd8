"""How views are doing: for operators, and for whoever must not take a dead projection for a living one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from storied.projections.beating import DEAD_SECONDS, LIVES
from storied.projections.projector import Projector
from storied.projections.runner import ViewState
from storied.store.documents import Documents, Edition, Heartbeat
from storied.store.port import EventStore
from storied.store.query import Query
from storied.store.records import from_microseconds

_KEPT = ("running", "building", "parked")


class ViewReport(msgspec.Struct, frozen=True):
    """One view: `state`, and how far it is behind the log.

    `state` is ``running`` (up to date or on its way, made by this code), ``building`` (this code's read model is begun
    and not yet served), ``failed``, ``dead`` (whoever kept it up to date has given no sign of life for 15 seconds, nor
    has anybody else), ``parked`` (some keys are held back), ``absent`` (nothing was built yet) or ``foreign`` (made by
    other code or from another log, and this code has not begun to build it anew). `lag_events` counts events that it
    handles and has not applied; `lag_seconds` is how long ago the first of them was recorded. `built` is the position
    of the edition that is being built beside the live one, if any. `beat_seconds` is how old the last sign of life is;
    None when nobody keeps it up to date, or who did has said goodbye.
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
    beat_seconds: float | None


async def view_reports(
    projectors: Mapping[str, Projector], store: EventStore, documents: Documents, lives: Mapping[str, ViewState]
) -> list[ViewReport]:
    """A report for each view, by name. *lives* are the views that run in this process."""
    editions, beats = await documents.editions(), await documents.heartbeats()
    seen = Seen(store, await store.head(), time.time())
    return [
        await _report(
            projectors[name],
            seen,
            [edition for edition in editions if edition.table.name == name],
            [beat for beat in beats if beat.view == name],
            lives.get(name),
        )
        for name in sorted(projectors)
    ]


class Seen(NamedTuple):
    """The log, where it ended when the views were looked at, and when that was."""

    store: EventStore
    head: int
    now: float


async def _report(
    projector: Projector, seen: Seen, editions: list[Edition], beats: list[Heartbeat], running: ViewState | None
) -> ViewReport:
    live = next((e for e in editions if e.live), None)
    others = sorted((e for e in editions if not e.live), key=lambda e: not _is_own(e, projector))
    ours = live is not None and live.checkpoint.log in ("", seen.store.identity)
    position = live.checkpoint.position if live and ours else 0
    events, seconds = await _lag(projector.query, seen.store, position)
    error = str(running.error) if running is not None and running.error is not None else None
    for edition in editions:
        if _is_own(edition, projector):  # what stopped other code says nothing about this
            error = error or edition.error
    state = "failed" if error else _state(projector, live if ours else None, editions)
    if state in _KEPT and running is None and beats and not _is_alive(beats, seen.now):
        state = "dead"
    return ViewReport(
        view=projector.name,
        state=state,
        position=position,
        head=seen.head,
        lag_events=events,
        lag_seconds=seconds,
        parked=live.parked if live else 0,
        error=error,
        built=others[0].checkpoint.position if others else None,
        updated_at=from_microseconds(live.updated_us) if live else None,
        beat_seconds=min((max(0.0, seen.now - one.beaten_us / 1e6) for one in beats), default=None),
    )


def _is_alive(beats: list[Heartbeat], now: float) -> bool:
    """Whether somebody who keeps the view up to date has given a sign of life in time."""
    return any(one.life in LIVES and now - one.beaten_us / 1e6 <= DEAD_SECONDS for one in beats)


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
