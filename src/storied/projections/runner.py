"""The runner: keeps views up to date while an app is open, one task a view."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Literal

import msgspec

from storied.errors import NotCaughtUp, StoreClosed, StoreUnavailable, ViewFailed
from storied.projections.applying import apply_page
from storied.projections.projector import Projector
from storied.store.documents import Checkpoint, CheckpointMovedError, Documents
from storied.store.port import EventStore

CHUNK = 2048
"""Events applied in one transaction."""
RETRY_SECONDS = 0.25

log = logging.getLogger("storied.projections")
Life = Literal["running", "failed", "stopped"]


class ViewState(msgspec.Struct):
    """How one view is doing: the position it stands at, and what stopped it, if anything did."""

    view: str
    life: Life = "running"
    position: int = 0
    error: Exception | None = None


class Runner:
    """Keeps one view's documents up to date with the log."""

    def __init__(self, projector: Projector, documents: Documents, store: EventStore) -> None:
        self.projector = projector
        self.state = ViewState(projector.name)
        self._documents, self._store = documents, store
        self._waiting: dict[asyncio.Future[None], int] = {}

    async def run(self) -> None:
        """Applies what is stored and what comes, until it is cancelled, the store closes, or an event fails."""
        try:
            while True:
                try:
                    await self._follow(await self._checkpoint())
                except CheckpointMovedError:
                    continue
                except StoreUnavailable as error:
                    log.warning("view %s waits: %s", self.projector.name, error)
                    await asyncio.sleep(RETRY_SECONDS)
        except ViewFailed as failure:
            log.error("%s", failure)
            self._move(failure.position - 1)
            self._fail(failure)
        except StoreClosed:
            self.state.life = "stopped"
            self._wake(StoreClosed())
        except Exception as error:
            log.exception("view %s stopped", self.projector.name)
            self._fail(error)  # whoever waits must hear of it at once
            raise

    async def reached(self, position: int, timeout: float) -> None:
        """Returns once the view stands at *position* or beyond.

        Raises `NotCaughtUp` when it does not within *timeout* seconds, `ViewFailed` when it stopped before, and
        whatever else stopped it.
        """
        if self.state.position >= position:
            return
        if self.state.error is not None:
            raise self.state.error
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = position
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise NotCaughtUp(
                self.projector.name, wanted=position, position=self.state.position, timeout=timeout
            ) from None
        finally:
            self._waiting.pop(future, None)

    async def _follow(self, checkpoint: Checkpoint) -> None:
        self._move(checkpoint.position)
        subscription = self._store.subscribe(self.projector.query, after=checkpoint.position)
        async for page in subscription.pages(CHUNK):
            checkpoint = await apply_page(self.projector, self._documents, self._store, page, checkpoint)
            self._move(checkpoint.position)

    async def _checkpoint(self) -> Checkpoint:
        """Where to go on from: the start, when the checkpoint speaks of another log than this."""
        checkpoint = await self._documents.prepare(self.projector.table)
        if checkpoint.position == 0 or await _same_log(self._store, checkpoint):
            return checkpoint
        log.warning(
            "view %s was built from another log (or from a longer copy of this one), so it is built anew",
            self.projector.name,
        )
        await self._documents.reset(self.projector.table)
        return await self._documents.prepare(self.projector.table)

    def _move(self, position: int) -> None:
        self.state.position = position
        for future, wanted in self._waiting.items():
            if wanted <= position and not future.done():
                future.set_result(None)

    def _fail(self, error: Exception) -> None:
        self.state.life, self.state.error = "failed", error
        self._wake(error)

    def _wake(self, error: Exception) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(error)


class Runners:
    """The runners of an app's views, as tasks."""

    def __init__(self, projectors: Iterable[Projector], documents: Documents, store: EventStore) -> None:
        self.by_name = {p.name: Runner(p, documents, store) for p in projectors}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts a task for each view."""
        self._tasks = [
            asyncio.create_task(runner.run(), name=f"storied-view-{name}") for name, runner in self.by_name.items()
        ]

    async def stop(self) -> None:
        """Stops the tasks; a chunk under way is committed whole or not at all."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def _same_log(store: EventStore, checkpoint: Checkpoint) -> bool:
    """Whether the log holds, at the checkpoint, the event that the checkpoint was made of."""
    if checkpoint.log != store.identity:
        return False
    records = await store.read(after=checkpoint.position - 1, until=checkpoint.position).list()
    return bool(records) and records[0].digest == checkpoint.digest
