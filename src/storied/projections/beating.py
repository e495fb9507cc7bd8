"""Beating: signs of life of the views that this process keeps up to date, for those who see nothing but documents."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storied.domain.ids import new_id
from storied.errors import StoreClosed, StoreError, StoreUnavailable
from storied.projections.runner import Life, Runner, Runners, ViewState
from storied.projections.troubles import Trouble
from storied.store.documents import Documents, Heartbeat
from storied.store.placing import MOVED, Placed
from storied.store.port import EventStore

BEAT_SECONDS = 1.0
DEAD_SECONDS = 15.0
"""How old the last sign of life may be before a view counts as dead, unless an operator says otherwise."""
LIVES = ("running", "building")
"""What signs say of views that are kept up to date."""

log = logging.getLogger("storied.projections")


@asynccontextmanager
async def kept_up_to_date(runners: Runners, documents: Documents, store: EventStore) -> AsyncIterator[None]:
    """The runners run and give signs of life, the first of them before the block begins, until it ends."""
    beating = Beating(runners, documents, store)
    try:
        await beating.begin()
        runners.start()
        task = asyncio.create_task(beating.run(), name="storied-beating")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
    finally:
        await beating.leave()
        await runners.stop()


class Beating:
    """Gives a sign of life for each runner, again and again, and says goodbye at the end.

    It gives none, and ends the runners, once what they read and write is not what others find by then.
    """

    def __init__(self, runners: Runners, documents: Documents, store: EventStore) -> None:
        self._all, self._runners = runners, list(runners.by_name.values())
        self._documents, self._store = documents, store
        self._was_seen = False
        self._trouble = Trouble("no sign of life could be given", "signs of life are given again")
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-12:]}"

    async def begin(self) -> None:
        """Gives the first sign for each view that is about to begin, or to go on from where it was left.

        Without it, whoever asks in the first moments would take a view that stands still for dead.
        """
        try:
            head = await self._store.head()
            signs = [await self._sign(runner, left, head) for runner, left in await self._left()]
            self._was_seen = bool(signs)
            if signs:
                await self._documents.beat(self.worker, signs)
        except StoreError as error:
            self._trouble.met(error)

    async def run(self) -> None:
        """Beats until it is cancelled or the store closes."""
        try:
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                try:
                    check_places(self._store, self._documents)
                    await self.beat()
                    self._trouble.over()
                except StoreUnavailable as error:
                    if error.code == MOVED:
                        await self._lose(error)
                        return
                    self._trouble.met(error)
        except StoreClosed:
            return

    async def beat(self) -> None:
        """Gives one sign for each runner. Raises `StoreUnavailable`."""
        self._was_seen = True
        head = await self._store.head()
        signs = [await self._sign(runner, runner.state, head) for runner in self._runners]
        await self._documents.beat(self.worker, signs)

    async def leave(self) -> None:
        """Says goodbye, as far as the documents take it."""
        if not self._was_seen:
            return
        self._was_seen = False
        try:
            await self._documents.beat(self.worker, [])
        except (StoreUnavailable, StoreClosed) as error:
            log.warning("the last sign of life stays: %s", error)

    async def _lose(self, error: StoreUnavailable) -> None:
        log.error("the views are not kept up to date any more: %s", error)
        await self._all.lose(error)
        try:
            check_places(self._documents)
        except StoreUnavailable:
            return  # nobody would hear it there
        await self.leave()

    async def _left(self) -> list[tuple[Runner, ViewState]]:
        """The runners of the views that somebody left without an error, made of this log, or that are new; and how."""
        live = {edition.table.name: edition for edition in await self._documents.editions() if edition.live}
        found = []
        for runner in self._runners:
            edition = live.get(runner.state.view)
            if edition is None:  # the first one is given to readers at once
                found.append((runner, ViewState(runner.state.view, "running")))
            elif edition.error is None and edition.checkpoint.log in ("", self._store.identity):
                life: Life = "running" if await self._documents.is_live(runner.projector.table) else "building"
                found.append((runner, ViewState(runner.state.view, life, edition.checkpoint.position)))
        return found

    async def _sign(self, runner: Runner, state: ViewState, head: int) -> Heartbeat:
        lag = await self._lag(runner, state.position) if state.position < head else 0
        return Heartbeat(state.view, self.worker, state.life, state.position, head, lag)

    async def _lag(self, runner: Runner, position: int) -> int:
        """The age, in microseconds, of the first event beyond the position that the view handles."""
        async for page in self._store.read(runner.projector.query, after=position, limit=1).pages():
            for event in page.events:
                return max(0, time.time_ns() // 1000 - event.recorded_us)
        return 0


def check_places(*parts: object) -> None:
    """Passes while what lies in files is where it was. Raises `StoreUnavailable` with code ``store-moved``."""
    for part in parts:
        if isinstance(part, Placed):
            part.check_place()
