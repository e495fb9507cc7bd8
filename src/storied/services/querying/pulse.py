"""The pulse of a view: what ``/readyz`` says of it, looked at now and then for all streams that show it."""

from __future__ import annotations

import asyncio
import time

import msgspec

from storied.errors import StoreUnavailable
from storied.projections.beating import BEAT_SECONDS
from storied.services.health import ViewHealth, view_health
from storied.services.settings import Settings
from storied.store.documents import ReadModels

PULSE_SECONDS = 1.0
"""For how long what was seen is taken to be so."""
NEWBORN_SECONDS = 5 * BEAT_SECONDS
"""How long the first sign of life may be late after the view has moved, which somebody must have done."""


class Pulse:
    """One view's health, at most `PULSE_SECONDS` old."""

    def __init__(self, view: str, settings: Settings) -> None:
        self._view, self._settings = view, settings
        self._turn = asyncio.Lock()
        self._seen: ViewHealth | None = None
        self._due = 0.0

    async def health(self, documents: ReadModels) -> ViewHealth | None:
        """How the view is doing; None when that cannot be told."""
        async with self._turn:  # whoever asks meanwhile finds it there
            if time.monotonic() >= self._due:
                try:
                    self._seen = await self._look(documents)
                except StoreUnavailable:
                    self._seen = None
                self._due = time.monotonic() + PULSE_SECONDS
        return self._seen

    async def _look(self, documents: ReadModels) -> ViewHealth:
        editions = await documents.editions()
        [found] = view_health([self._view], editions, await documents.heartbeats(), self._settings)
        moved = [one.updated_us / 1e6 for one in editions if one.live and one.table.name == self._view]
        if found.state == "dead" and found.beat_seconds is None and time.time() - max(moved) < NEWBORN_SECONDS:
            return msgspec.structs.replace(found, state="running", ready=True)
        return found
