"""A lane: one thread that owns one connection, and takes together whatever has arrived together.

While the thread works on one batch (or waits for the disk), the next one gathers. That is the whole of group commit:
a hop to another thread costs more than most statements, and a sync costs more than a hundred.

A lane that lets go of Python's global lock for long, in a commit, takes large batches in halves, and tells those of one
half only when it goes to commit the next: what they do next then runs beside the commit, and not in turns with the
lane's own Python.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from storied.errors import StoreClosed, StoreUnavailable

R = TypeVar("R")
C = TypeVar("C")


class Job(Generic[R]):
    """One request to a lane and what came of it: `result`, unless there is an `error`."""

    __slots__ = ("error", "future", "request", "result")

    def __init__(self, request: R, future: asyncio.Future[Any]) -> None:
        self.request, self.future = request, future
        self.result: Any = None
        self.error: BaseException | None = None


class Lane(Generic[C, R]):
    """Runs batches of requests of type R on a connection of type C, in the order they came.

    *start* opens the connection in the lane's thread, *run* settles every job of a batch, *stop* closes. Belongs to
    the event loop it was started on. Batches of *halved* jobs or more are taken in halves; *run* has to call `release`
    then, just before it is to be away from Python for long. *idle* is called when nothing waits to be run.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[C, list[Job[R]]], None],
        stop: Callable[[C], None],
        *,
        halved: int | None = None,
        idle: Callable[[C], None] | None = None,
    ) -> None:
        self._name, self._run, self._stop, self._halved, self._idle = name, run, stop, halved, idle
        self._queue: SimpleQueue[list[Job[R]] | None] = SimpleQueue()
        self._gathered: list[Job[R]] = []
        self._rest: list[Job[R]] = []
        """The second half of a batch."""
        self._settled: list[Job[R]] = []
        """Jobs that were run, and of which nobody was told yet."""
        self._closed = False
        self._process = os.getpid()

    async def start(self, start: Callable[[], C]) -> None:
        """Starts the thread. Raises what *start* raises; when it is cancelled, the thread closes what it opens."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._work, args=(start, opened), name=self._name, daemon=True).start()
        try:
            await asyncio.shield(opened)
        except asyncio.CancelledError:
            self.close()
            raise

    def check_open(self) -> None:
        """Raises `StoreClosed` once the lane takes nothing more."""
        if self._closed:
            raise StoreClosed

    def submit(self, request: R) -> asyncio.Future[Any]:
        """The future result of *request*. Raises `StoreClosed`, and `StoreUnavailable` in a forked process."""
        self.check_open()
        if self._is_forked():
            raise StoreUnavailable(
                "this store was opened before the process forked, and SQLite cannot be used across a fork. Nothing "
                "was stored. Fork before the store is opened, or start the other process with spawn.",
                code="forked",
            )
        job = Job(request, self._loop.create_future())
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(job)
        return job.future

    def close(self) -> None:
        """Lets the thread finish what was submitted and then stop. Idempotent; `aclose` waits for it."""
        if not self._closed:
            self._closed = True
            if self._is_forked():  # the thread and its connection are the parent's, to the last lock
                return
            self._hand_over()
            self._queue.put(None)

    async def aclose(self) -> None:
        """Finishes what was submitted, then stops the thread. Idempotent."""
        self.close()
        if not self._is_forked():
            await asyncio.shield(self._ended)

    def _is_forked(self) -> bool:
        return os.getpid() != self._process

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _work(self, start: Callable[[], C], opened: asyncio.Future[None]) -> None:
        try:
            connection = start()
        except BaseException as error:  # handed to the task that waits for the lane to start
            self._tell(_settle, opened, error)
            return
        self._tell(_settle, opened, None)
        try:
            while (batch := self._next_batch(connection)) is not None:
                self._run_all(connection, batch)
                self.release()
                self._settled = batch
                if self._halved is None:
                    self.release()
        finally:
            try:
                self._stop(connection)
            finally:
                self._tell(_settle, self._ended, None)

    def release(self) -> None:
        """Tells those whose jobs were settled. For the lane's thread."""
        if self._settled:
            self._tell(_deliver, self._settled)
            self._settled = []

    def _next_batch(self, connection: C) -> list[Job[R]] | None:
        """What waits, or None when the lane was closed and nothing is left before that."""
        batch, self._rest = self._rest, []
        closed = not self._take_waiting(batch)
        if batch and self._settled:
            return batch  # whose callers go on beside this one
        self.release()
        if not batch:
            first = None if closed else self._waited(connection)
            if first is None:
                return None
            batch = first
            self._take_waiting(batch)
        middle = len(batch) if self._halved is None or len(batch) < self._halved else len(batch) // 2
        self._rest = batch[middle:]
        return batch[:middle]

    def _waited(self, connection: C) -> list[Job[R]] | None:
        """What comes next, or None when the lane is closed before."""
        if self._idle is not None:
            with suppress(Exception):  # whoever asks for what it was about is told
                self._idle(connection)
        return self._queue.get()

    def _take_waiting(self, batch: list[Job[R]]) -> bool:
        """Adds all that waits to the batch; False when the lane was closed."""
        while True:
            try:
                more = self._queue.get_nowait()
            except Empty:
                return True
            if more is None:
                self._queue.put(None)
                return False
            batch += more

    def _run_all(self, connection: C, batch: list[Job[R]]) -> None:
        try:
            self._run(connection, batch)
        except BaseException as error:  # every job must get an answer, and the thread must live
            for job in batch:  # a result from before it went wrong is none
                job.error = job.error or error

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop is gone, and with it everyone who waited
            return


def run_each(connection: C, batch: list[Job[Callable[[C], Any]]]) -> None:
    """A lane's *run* for requests that are functions of the connection, each settled by itself."""
    for job in batch:
        if job.future.cancelled():
            continue
        try:
            job.result = job.request(connection)
        except BaseException as error:  # it belongs to the task that asked
            job.error = error


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _deliver(batch: list[Job[Any]]) -> None:
    for job in batch:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
