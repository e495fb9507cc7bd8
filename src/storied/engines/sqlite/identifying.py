"""Identifying: which log lies in a file, asked in passing by who does not have it open, and leaves it as it is."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import apsw

from storied.engines.sqlite.connection import closed_on_failure, open_reader
from storied.engines.sqlite.presence import PresentConnection
from storied.engines.sqlite.statements import statements
from storied.errors import StoriedError
from storied.store.documents import Checkpoint

AGAIN_SECONDS = 10.0
"""How long a file that was written to counts as the one that was looked into."""

_SQL = statements("log.sql")


class LogAt:
    """The log at a path, whichever that is by now. A look costs a `stat`, unless the file is another than before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._stamp: tuple[int, int] | None = None
        self._looked = 0.0
        self._identity: str | None = None
        self._proven: set[str] = set()

    async def made(self, view: str, checkpoint: Checkpoint) -> bool | None:
        """Whether the view's checkpoint was made of the log that is there; None where that cannot be told.

        Once it was, it is as long as the same file is there and the checkpoint names its identity.
        """
        if checkpoint.position == 0:
            return True
        try:
            if not await self._is_known():
                return None
            if checkpoint.log != self._identity:
                return False
            if view not in self._proven:
                if await asyncio.to_thread(_digest_in, self._path, checkpoint.position) != checkpoint.digest:
                    return False
                self._proven.add(view)
        except (OSError, apsw.Error, UnicodeDecodeError, StoriedError):
            return None
        return True

    async def _is_known(self) -> bool:
        """Whether there is a log, whose identity is known then."""
        try:
            status = os.stat(self._path)
        except OSError:
            return False
        file, stamp = (status.st_dev, status.st_ino), (status.st_size, status.st_mtime_ns)
        now = time.monotonic()
        if file != self._file or (stamp != self._stamp and now - self._looked > AGAIN_SECONDS):
            before, self._file = (self._file, self._identity), None  # nothing is known when the look fails
            self._identity = await asyncio.to_thread(_identity_in, self._path)
            if before != (file, self._identity):
                self._proven.clear()
            self._file, self._stamp, self._looked = file, stamp, now
        return self._identity is not None


def _identity_in(path: Path) -> str | None:
    """The identity of the log in the file; None while it has none. Raises `StoreUnavailable`."""
    connection = _opened(path)
    with closed_on_failure(connection, path):
        identity: object = dict(connection.execute(_SQL["facts"])).get("identity")
    connection.close()
    return None if identity is None else str(identity)


def _digest_in(path: Path, position: int) -> bytes | None:
    """The digest of the event at the position; None when the log does not reach it. Raises `StoreUnavailable`."""
    connection = _opened(path)
    with closed_on_failure(connection, path):
        digest: bytes | None = connection.execute(_SQL["digest_at"], (position,)).get
    connection.close()
    return digest


def _opened(path: Path) -> PresentConnection:
    """A connection that reads. A write-ahead log that was there stays there; one that was not, goes again."""
    has_log = os.path.exists(f"{os.path.realpath(path)}-wal")
    connection = open_reader(path, PresentConnection)
    with closed_on_failure(connection, path):
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(has_log))
    return connection
