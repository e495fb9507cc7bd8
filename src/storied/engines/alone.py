"""One side of a store alone: the read models without the log, and the log once it is wanted, if it is there."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from storied.domain.times import Clock, utc_now
from storied.engines.opening import open_log, sqlite_address
from storied.engines.sqlite.identifying import LogAt
from storied.engines.sqlite.reading import SqliteReadModels
from storied.errors import StoreClosed, StoreUnavailable
from storied.store.documents import ReadModels
from storied.store.port import EventStore

AGAIN_SECONDS = 1.0
"""How long a log that could not be opened is let be."""

log = logging.getLogger("storied.engines")


@asynccontextmanager
async def open_read_models(url: str) -> AsyncIterator[ReadModels]:
    """The read models of the store that *url* names, to be read only: nothing is made, and no log is needed.

    They need not be there yet. Raises `StoreUnavailable` for a URL that names none.
    """
    if url == "memory://":
        raise StoreUnavailable(
            "memory:// is the memory of the process that opened it, so its read models cannot be opened apart. Hand in "
            "the opened app, or name a file.",
            code="memory-alone",
        )
    address = sqlite_address(url)
    documents = SqliteReadModels(address.views_path, network=address.network)
    try:
        yield documents
    finally:
        await documents.aclose()


def log_at(url: str) -> LogAt:
    """Which log lies at the URL, without having it open. Raises `StoreUnavailable` for a URL that names none."""
    return LogAt(sqlite_address(url).path)


class LateLog:
    """The log of the store that *url* names, opened when it is first asked for, and again when it was replaced.

    It is not made: while there is none, asking raises `StoreUnavailable` with code ``no-log``.
    """

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        self._url, self._clock = url, clock
        self._path = sqlite_address(url).path
        self._file: tuple[int, int] | None = None
        self._store: EventStore | None = None
        self._closing: Callable[[], Awaitable[None]] | None = None
        self._turn = asyncio.Lock()
        self._closed = False
        self._failure: tuple[float, StoreUnavailable] | None = None
        self._is_away = False

    async def __call__(self) -> EventStore:
        """The log, open. Raises `StoreUnavailable`."""
        found = _file_at(self._path)
        if self._store is not None and found == self._file:
            return self._store
        async with self._turn:
            if self._store is None or found != self._file:
                await self._open()
            assert self._store is not None  # noqa: S101 - tells the type checker what _open() has done
            return self._store

    async def aclose(self) -> None:
        """Lets go of it for good. Idempotent."""
        async with self._turn:
            self._closed = True
            await self._let_go()

    async def _open(self) -> None:
        await self._let_go()
        if self._closed:
            raise StoreClosed
        found = _file_at(self._path)
        if self._failure is not None and time.monotonic() - self._failure[0] < AGAIN_SECONDS:
            raise self._failure[1].with_traceback(None)
        if found is None:
            raise self._away(
                StoreUnavailable(
                    f"the log is not at {self._path}. What is asked of the past needs it, what is asked of the present "
                    "does not. Bring the log back, or ask without at=.",
                    code="no-log",
                )
            )
        try:
            async with AsyncExitStack() as stack:
                self._store = await stack.enter_async_context(open_log(self._url, clock=self._clock))
                self._file, self._closing = found, stack.pop_all().aclose
        except StoreUnavailable as error:
            self._failure = time.monotonic(), self._away(error)
            raise
        if self._is_away:
            log.info("the log is back at %s", self._path)
        self._failure, self._is_away = None, False

    def _away(self, error: StoreUnavailable) -> StoreUnavailable:
        """The error, which is logged unless it is known that the log is away."""
        if not self._is_away:
            log.warning("%s", error)
        self._is_away = True
        return error

    async def _let_go(self) -> None:
        closing, self._closing, self._store = self._closing, None, None
        if closing is not None:
            await closing()


def _file_at(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file that holds something."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None
