"""Read models opened alone: what a process asks that neither writes them nor has the log.

Nothing is made and nothing is written. The file may come later, and may be put in place anew; it is looked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from storied.engines.sqlite.answering import SqliteAnswers, in_transaction
from storied.engines.sqlite.connection import BUSY_MILLISECONDS, check_local, unavailable
from storied.engines.sqlite.glancing import Glance, Sight, open_alone
from storied.engines.sqlite.lane import Lane, run_each
from storied.errors import StoreClosed

T = TypeVar("T")
Reader = Lane[apsw.Connection, Callable[[apsw.Connection], object]]


class SqliteReadModels(SqliteAnswers):
    """`ReadModels` in the file at *path*, which other processes write. A network file system is refused."""

    def __init__(self, path: Path, *, network: bool = False) -> None:
        if not network:
            check_local(path)
        self.path = path
        self._glance = Glance(path)
        self._reader: Reader | None = None
        self._sight: Sight | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def aclose(self) -> None:
        """As the port says."""
        self._closed = True
        self._glance.close()
        async with self._opening:
            await self._let_go()

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        reader = self._reader
        if reader is None or self._sight is None or self._sight.is_lost():
            reader = await self._opened(reader)
        try:
            result: T = await reader.submit(lambda connection: in_transaction(connection, work))
        except (apsw.Error, UnicodeDecodeError) as error:
            raise unavailable(self.path, error) from error
        return result

    async def _opened(self, lost: Reader | None) -> Reader:
        """A reader in the place of the one that lost its file; several may ask at once."""
        async with self._opening:
            if self._closed:
                raise StoreClosed
            if self._reader is not None and self._reader is not lost:
                return self._reader
            await self._let_go()
            sight = Sight(self.path)
            reader: Reader = Lane(f"storied-read-{self.path.name}", run_each, lambda connection: connection.close())
            await reader.start(lambda: open_alone(self.path, BUSY_MILLISECONDS))
            self._reader, self._sight = reader, sight
            return reader

    async def _let_go(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.aclose()
