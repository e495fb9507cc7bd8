"""Glances: single documents, read on the event loop itself.

A hop to a thread and back costs more than ten such reads. All glances of one turn of the event loop share a read
transaction, which ends with the next turn, so that none stays open while anybody waits.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import apsw

from storied.engines.sqlite.connection import VIEWS_APPLICATION_ID, closed_on_failure, open_reader, unavailable
from storied.engines.sqlite.lookups import Place
from storied.engines.sqlite.presence import PresentConnection
from storied.engines.sqlite.statements import statements
from storied.errors import StoreClosed, StoreUnavailable
from storied.store.documents import Shown, Table

FORMAT = 5
"""The version of the file's layout."""
BUSY_MILLISECONDS = 20
"""How long the event loop may stand still for a lock; whoever needs longer waits in a thread."""
LOOK_SECONDS = 1.0
"""How often the file is looked for at its place."""

_SQL = statements("documents.sql")


class Live:
    """A live edition during one transaction: where it stands, and how its documents are asked for."""

    __slots__ = ("log", "number", "parked", "position", "sql")

    def __init__(self, view: str, number: int, position: int, log: str, parked: int) -> None:
        self.number, self.position, self.log, self.parked = number, position, log, bool(parked)
        self.sql = f"SELECT CAST(document AS BLOB) FROM {Place(view, number).name} WHERE key = ?"


class Sight:
    """Whether a file is still the one that was opened, looked at now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _file_at(path)
        self._looked = time.monotonic()

    def is_lost(self) -> bool:
        """Whether another file, or none, stands at the path by now."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        return _file_at(self._path) != self._file


class Glance:
    """Reads single documents of the read models' file at *path*, through a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: PresentConnection | None = None
        self._sight: Sight | None = None
        self._reading = False
        self._live: dict[str, Live | None] = {}
        self._closed = False
        self._process = os.getpid()

    def peek(self, table: Table, key: str) -> Shown | None:
        """The document, or None when a lock is in the way. Raises `StoreUnavailable` and `StoreClosed`."""
        try:
            connection = self._begun()
            live = self._live[table.name] if table.name in self._live else self._look(connection, table.name)
            if live is None:
                return Shown(None, 0)
            row: Any = connection.execute(live.sql, (key,)).fetchone()
            held = self._held(connection, live.number, key) if live.parked else None
        except (apsw.BusyError, apsw.LockedError):
            return None
        except (apsw.Error, UnicodeDecodeError) as error:
            raise unavailable(self._path, error) from error
        return Shown(row[0] if row is not None else None, live.position, live.log, held)

    def close(self) -> None:
        """Lets go of the file for good. Idempotent."""
        self._closed = True
        self._let_go()

    def _begun(self) -> PresentConnection:
        """The connection, inside the transaction of this turn of the event loop."""
        if self._reading and self._connection is not None:
            return self._connection
        if self._closed:
            raise StoreClosed
        if self._sight is not None and self._sight.is_lost():
            self._let_go()
        if self._connection is None:
            self._connection, self._sight = open_alone(self._path, BUSY_MILLISECONDS), Sight(self._path)
        if os.getpid() != self._process:
            raise StoreUnavailable(
                "this store was opened before the process forked, and SQLite cannot be used across a fork. Fork before "
                "the store is opened, or start the other process with spawn.",
                code="forked",
            )
        loop = asyncio.get_running_loop()
        self._connection.execute("BEGIN")
        self._reading = True
        loop.call_soon(self._end)
        return self._connection

    def _look(self, connection: PresentConnection, view: str) -> Live | None:
        row: Any = connection.execute(_SQL["glance_at_edition"], (view,)).fetchone()
        live = self._live[view] = Live(view, *row) if row is not None else None
        return live

    def _held(self, connection: PresentConnection, number: int, key: str) -> int | None:
        row: Any = connection.execute(_SQL["glance_at_parked"], (number, key)).fetchone()
        return row[0] if row is not None else None

    def _end(self) -> None:
        if not self._reading:
            return
        self._reading = False
        self._live.clear()
        if self._connection is not None:
            self._connection.execute("COMMIT")

    def _let_go(self) -> None:
        self._end()
        if self._connection is not None and os.getpid() == self._process:
            self._connection.close()
        self._connection = self._sight = None


def open_alone(path: Path, busy_milliseconds: int) -> PresentConnection:
    """A connection that reads the read models and leaves the file as it is.

    Raises `StoreUnavailable`, with code ``no-read-models`` while there are none.
    """
    if not path.exists():
        raise _absent(path)
    connection = open_reader(path, PresentConnection)
    with closed_on_failure(connection, path):
        connection.set_busy_timeout(busy_milliseconds)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # moving the log into the file is the writers' part
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if tables and connection.pragma("application_id") != VIEWS_APPLICATION_ID:
            raise StoreUnavailable(
                f"{path} is a SQLite database, but holds no read models. Give another path.", code="not-a-store"
            )
        found = connection.pragma("user_version")
        if found > FORMAT:
            raise StoreUnavailable(
                f"{path} has format {found}, and this storied knows format {FORMAT} of read models. Upgrade storied.",
                code="newer-store",
            )
        if found < FORMAT:
            raise _absent(path)
    return connection


def _absent(path: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"there are no read models at {path} yet. Start a process that runs the views (storied work, or app.open(…)); "
        "what waits for them finds them once they are there.",
        code="no-read-models",
    )


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
