"""Identifying: which log lies in a file, asked in passing by who does not have it open, and leaves it as it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import apsw

from storied.engines.sqlite.connection import closed_on_failure, open_reader
from storied.engines.sqlite.presence import PresentConnection
from storied.engines.sqlite.statements import statements
from storied.errors import StoriedError
from storied.store.documents import Checkpoint

_SQL = statements("log.sql")


class LogAt:
    """The log at a path, whichever that is by now. A look costs a `stat`, unless the file has changed since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._proven: set[tuple[str, str]] = set()

    async def foreign(self, checkpoints: Mapping[str, Checkpoint]) -> set[str]:
        """The views, by name, whose checkpoint was not made of the log that is there; none where that cannot be told.

        A checkpoint that was is believed as long as the file is the same, and it goes on naming that log.
        """
        begun = {view: checkpoint for view, checkpoint in checkpoints.items() if checkpoint.position > 0}
        try:
            status = os.stat(self._path)
            # what is copied over a file leaves it where it is; and `cp -p` sets all but the time of the change
            stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if stamp != self._stamp:
                self._stamp, self._proven = stamp, set()
            asked = {view: it for view, it in begun.items() if (view, it.log) not in self._proven}
            if not asked:
                return set()
            positions = [it.position for it in asked.values()]
            identity, digests = await asyncio.to_thread(_looked_into, self._path, positions)
        except (OSError, apsw.Error, UnicodeDecodeError, StoriedError):
            return set()
        if identity is None:
            return set()
        made = {view for view, it in asked.items() if (it.log, it.digest) == (identity, digests.get(it.position))}
        self._proven |= {(view, identity) for view in made}
        return asked.keys() - made


def _looked_into(path: Path, positions: Iterable[int]) -> tuple[str | None, dict[int, bytes | None]]:
    """The identity of the log in the file, None while it has none; and the digests of its events at the positions.

    That of an event which it does not reach is None. Raises `StoreUnavailable`.
    """
    connection = _opened(path)
    with closed_on_failure(connection, path):
        identity: object = dict(connection.execute(_SQL["facts"])).get("identity")
        digests = {position: connection.execute(_SQL["digest_at"], (position,)).get for position in positions}
    connection.close()
    return None if identity is None else str(identity), digests


def _opened(path: Path) -> PresentConnection:
    """A connection that reads. A write-ahead log that was there stays there; one that was not, goes again."""
    has_log = os.path.exists(f"{os.path.realpath(path)}-wal")
    connection = open_reader(path, PresentConnection)
    with closed_on_failure(connection, path):
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(has_log))
    return connection
