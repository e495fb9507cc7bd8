"""Standings: how far the live editions are, asked for once for everybody who waits.

Whoever keeps the read models up to date may be another process, which wakes nobody here. So while somebody waits, the
checkpoints are looked at every few milliseconds, by one task for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from storied.errors import StoreError
from storied.projections.building import same_log
from storied.store.documents import Checkpoint, Edition, ReadModels, Table
from storied.store.port import EventStore

POLL_SECONDS = 0.01
LogOf = Callable[[], Awaitable[EventStore]]
"""Gives the log. Raises `StoreUnavailable` where it is not to be had."""


class Standing(msgspec.Struct, frozen=True):
    """How one view's live edition stands: `position` is 0 when its checkpoint speaks of another log than ours."""

    position: int = 0
    checkpoint: Checkpoint = Checkpoint()
    table: Table | None = None
    parked: int = 0
    error: str | None = None
    building: bool = False
    """Whether another edition is being built beside it."""

    def has_seen(self, position: int, log: str | None) -> bool:
        """Whether it has applied the position, of that log if one is named."""
        return position == 0 or (self.position >= position and log in (None, self.checkpoint.log))

    @property
    def has_stopped(self) -> bool:
        """Whether it goes no further: its code failed, and nothing is being built that could take its place."""
        is_ours = self.position == self.checkpoint.position
        return self.error is not None and not self.building and is_ours

    @property
    def mark(self) -> object:
        """What changes whenever its documents may have changed."""
        return self.table, self.checkpoint


ByView = Mapping[str, Standing]
NOWHERE = Standing()


class Standings:
    """The standings of all views. Without the log, what a checkpoint says is taken as it is."""

    def __init__(self, documents: ReadModels, log: LogOf) -> None:
        self._documents, self._log = documents, log
        self._waiting: dict[asyncio.Future[ByView], Callable[[ByView], bool]] = {}
        self._poller: asyncio.Task[None] | None = None
        self._known: dict[tuple[str, int, bytes], bool] = {}

    async def now(self) -> ByView:
        """Each view's standing by the view's name; views without a live edition are left out."""
        editions = await self._documents.editions()
        names = [edition.table.name for edition in editions]
        return {
            edition.table.name: Standing(
                edition.checkpoint.position if await self._is_ours(edition) else 0,
                edition.checkpoint,
                edition.table,
                edition.parked,
                edition.error,
                names.count(edition.table.name) > 1,
            )
            for edition in editions
            if edition.live
        }

    async def until(self, due: Callable[[ByView], bool], timeout: float | None) -> ByView | None:
        """The standings once *due* holds of them; None when it does not within *timeout* seconds.

        Raises what asking for them raises.
        """
        future: asyncio.Future[ByView] = asyncio.get_running_loop().create_future()
        self._waiting[future] = due
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(future, None)

    async def aclose(self) -> None:
        """Stops looking. Idempotent."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait([self._poller])

    async def _poll(self) -> None:
        while self._waiting:
            try:
                standings = await self.now()
                due = [future for future, wanted in self._waiting.items() if not future.done() and wanted(standings)]
            except Exception as error:  # whoever waits must hear of it, or would wait for ever
                for future in self._waiting:
                    if not future.done():
                        future.set_exception(error)
                return
            for future in due:
                future.set_result(standings)
            await asyncio.sleep(POLL_SECONDS)

    async def _is_ours(self, edition: Edition) -> bool:
        """Whether the checkpoint is one of our log, as far as that can be told."""
        checkpoint = edition.checkpoint
        try:
            store = await self._log()
        except StoreError:
            return True
        known = (store.identity + checkpoint.log, checkpoint.position, checkpoint.digest)
        if known not in self._known:
            if len(self._known) > 100:
                self._known.clear()
            self._known[known] = await same_log(store, checkpoint)
        return self._known[known]
