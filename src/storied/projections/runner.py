"""The runner: keeps views up to date while an app is open, one task a view.

A view whose code has changed is built beside the read model that the old code made, which goes on serving; once the
new one has caught up, it takes the old one's place in one transaction. Interrupted, the building goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing
from typing import Literal

import msgspec

from storied.errors import NotCaughtUp, StoreClosed, StoreUnavailable, ViewFailed
from storied.projections import applying
from storied.projections.applying import Progress, apply_page, stored_pages
from storied.projections.building import build, resume
from storied.projections.projector import Projector
from storied.projections.troubles import Trouble
from storied.store.documents import CheckpointMovedError, Documents, SupersededError
from storied.store.port import EventStore

RETRY_SECONDS = 0.25
GATHER_SECONDS = 0.01
"""How long a view that is up to date lets events gather while nobody waits for it."""

log = logging.getLogger("storied.projections")
Life = Literal["building", "running", "failed", "superseded", "stopped"]


class ViewState(msgspec.Struct):
    """How one view is doing in this process: the position it stands at, and what stopped it, if anything did."""

    view: str
    life: Life = "building"
    position: int = 0
    error: Exception | None = None


class Runner:
    """Keeps one view's documents up to date with the log."""

    def __init__(self, projector: Projector, documents: Documents, store: EventStore) -> None:
        self.projector = projector
        self.state = ViewState(projector.name)
        self._documents, self._store = documents, store
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._wanted = asyncio.Event()
        self._was_live = False
        self._trouble = Trouble(f"view {projector.name} waits", f"view {projector.name} goes on")

    async def run(self) -> None:
        """Applies what is stored and what comes, until it is cancelled, superseded, the store closes, or it fails."""
        try:
            while True:
                try:
                    await self._follow(await self._begin())
                except SupersededError as error:
                    if not self._was_live:
                        continue  # other code was quicker; this one begins anew, and its turn comes
                    log.warning("%s", error)
                    self.state.life = "superseded"
                    self._wake(error)
                    return
                except CheckpointMovedError:
                    continue
                except StoreUnavailable as error:
                    self._trouble.met(error)
                    await asyncio.sleep(RETRY_SECONDS)
        except StoreClosed:
            self.state.life = "stopped"
            self._wake(StoreClosed())
        except ViewFailed as failure:
            log.error("%s", failure)
            self._move(failure.position - 1)
            await self._fail(failure)
        except Exception as error:
            log.exception("view %s stopped", self.projector.name)
            await self._fail(error)  # whoever waits must hear of it at once
            raise

    async def reached(self, position: int, timeout: float) -> None:
        """Returns once readers are given a state of *position* or beyond.

        Raises `NotCaughtUp` when that takes longer than *timeout* seconds, `ViewFailed` when the view stopped before,
        and whatever else stopped it.
        """
        if self._shows(position):
            return
        if self.state.error is not None:
            raise self.state.error
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = position
        self._wanted.set()
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise NotCaughtUp(
                self.projector.name, wanted=position, position=self.state.position, timeout=timeout
            ) from None
        finally:
            self._waiting.pop(future, None)

    def leave(self, error: Exception) -> None:
        """Hears that it was ended before its time, and tells whoever waits."""
        if self.state.error is None:
            self.state.life, self.state.error = "stopped", error
        self._wake(error)

    async def _begin(self) -> Progress:
        """Where to go on from, once readers are given this edition.

        Raises `SupersededError` when they were given it before, and are given another now: building it again would
        take back what newer code has done.
        """
        await self._check_live()
        progress = await resume(self._documents, self._store, self.projector.table)
        await self._check_live()
        if not await self._documents.is_live(self.projector.table):
            await self._build(progress)
        self._was_live, self.state.life = True, "running"
        self._move(progress.checkpoint.position)
        return progress

    async def _check_live(self) -> None:
        if self._was_live and not await self._documents.is_live(self.projector.table):
            raise SupersededError(self.projector.table)

    async def _build(self, progress: Progress) -> None:
        """Brings the edition up to the head and puts it into the live one's place."""
        log.warning("view %s has other code than its read model; it is built anew beside it", self.projector.name)
        await build(self.projector, self._documents, self._store, progress, self._built)

    def _built(self, position: int) -> None:
        self.state.position = position

    async def _follow(self, progress: Progress) -> None:
        async with aclosing(stored_pages(self.projector, self._store, progress.checkpoint.position)) as pages:
            async for stored in pages:
                if stored.through > progress.checkpoint.position:
                    await apply_page(self.projector, self._documents, self._store, stored, progress)
                    self._applied(progress.checkpoint.position)
        subscription = self._store.subscribe(self.projector.query, after=progress.checkpoint.position)
        async for page in subscription.pages(applying.CHUNK):
            await apply_page(self.projector, self._documents, self._store, page, progress)
            self._applied(progress.checkpoint.position)
            if len(page.events) < applying.CHUNK and not self._waiting:
                await self._gather()

    async def _gather(self) -> None:
        """Lets a few events come together, unless somebody waits for the next."""
        self._wanted.clear()
        try:
            await asyncio.wait_for(self._wanted.wait(), GATHER_SECONDS)
        except TimeoutError:
            return

    def _shows(self, position: int) -> bool:
        return self._was_live and self.state.position >= position

    def _applied(self, position: int) -> None:
        self._trouble.over()
        self._move(position)

    def _move(self, position: int) -> None:
        self.state.position = position
        for future, wanted in self._waiting.items():
            if self._shows(wanted) and not future.done():
                future.set_result(None)

    async def _fail(self, error: Exception) -> None:
        try:
            await self._documents.report(self.projector.table, str(error))  # before anybody hears of it and leaves
        except (StoreUnavailable, StoreClosed):
            log.warning("view %s could not store why it stopped", self.projector.name)
        finally:
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
        self._lost = asyncio.Event()
        self._reason: StoreUnavailable | None = None

    def start(self) -> None:
        """Starts a task for each view."""
        self._tasks = [
            asyncio.create_task(runner.run(), name=f"storied-view-{name}") for name, runner in self.by_name.items()
        ]

    async def lose(self, error: StoreUnavailable) -> None:
        """Stops the tasks, because the files that they work on are not where they were; whoever waits is told."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in self.by_name.values():
            runner.leave(error)
        self._reason = error
        self._lost.set()

    async def until_lost(self) -> StoreUnavailable:
        """Why the files that the tasks work on were given up, once they were."""
        await self._lost.wait()
        assert self._reason is not None  # noqa: S101 - tells the type checker what lose() has done
        return self._reason

    async def stop(self) -> None:
        """Stops the tasks; a chunk under way is committed whole or not at all."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
