"""Glances: single documents, read on the event loop itself.

A hop to a thread and back costs more than ten such reads, and a read transaction of its own for each would cost more
than the reads. So those who may be told what was so two milliseconds ago share a transaction, which a timer ends.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
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
KEPT_BYTES = 16 * 1024 * 1024
"""Documents of one view that are kept in memory for as long as they are what the file holds."""
LINGER_SECONDS = 0.002
"""How long a read transaction stays open for those who come next."""
LOOK_SECONDS = 1.0
"""How often the file is looked for at its place."""

_SQL = statements("documents.sql")


class Live:
    """A live edition for as long as no commit has touched it: where it stands, and the documents seen meanwhile.

    Every commit stamps the edition's row, so while that is the same, so are the documents.
    """

    __slots__ = ("asker", "foreign", "kept", "room", "row", "sql")

    def __init__(self, view: str, row: tuple[Any, ...]) -> None:
        self.row = row
        self.sql = f"SELECT CAST(document AS BLOB) FROM {Place(view, row[0]).name} WHERE key = ?"
        self.kept: dict[str, Shown] = {}
        self.room = KEPT_BYTES
        self.asker: Table | None = None
        self.foreign = False
        """Whether other code than the asker's made it."""

    def ask_as(self, table: Table) -> None:
        """Finds out, once for each who asks, whether the edition is theirs."""
        if self.asker != table:
            self.foreign = self.row[4] != table.definition
            self.kept.clear()
            self.room = KEPT_BYTES
        self.asker = table

    def keep(self, key: str, shown: Shown) -> None:
        """Keeps a document for the next who asks, as long as there is room."""
        self.room -= len(shown.document or b"") + len(key) + 200
        if self.room > 0:
            self.kept[key] = shown


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
        self._execute: Callable[..., Any] = _nothing
        self._sight: Sight | None = None
        self._reading = False
        self._timer: asyncio.TimerHandle | None = None
        self._live: dict[str, Live] = {}
        """By view, what was found out in this transaction."""
        self._before: dict[str, Live] = {}
        """The same of transactions before."""
        self._closed = False
        self._process = os.getpid()

    def peek(self, table: Table, key: str, recent: bool) -> Shown | None:
        """The document, or None when a lock is in the way. Raises `StoreUnavailable` and `StoreClosed`."""
        try:
            if not (self._reading and recent):
                self._begin()
            live = self._live.get(table.name) or self._look(table.name)
            if live is None:
                return Shown(None, 0)
            if live.asker is not table:
                live.ask_as(table)
            shown = live.kept.get(key)
            if shown is not None:
                return shown
            number, position, log, parked, *_ = live.row
            row: Any = self._execute(live.sql, (key,)).fetchone()
            shown = Shown(row[0] if row is not None else None, position, log, foreign=live.foreign)
            if parked:
                shown.held = self._held(number, key)
            if row is not None:
                live.keep(key, shown)
        except (apsw.BusyError, apsw.LockedError):
            return None
        except (apsw.Error, UnicodeDecodeError) as error:
            raise unavailable(self._path, error) from error
        return shown

    def close(self) -> None:
        """Lets go of the file for good. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._let_go()

    def _begin(self) -> None:
        """Begins a transaction, in the place of one that is under way."""
        self._end()
        if self._closed:
            raise StoreClosed
        if self._sight is not None and self._sight.is_lost():
            self._let_go()
        if self._connection is None:
            self._connection, self._sight = open_alone(self._path, BUSY_MILLISECONDS), Sight(self._path)
            self._execute = self._connection.cursor().execute  # a cursor for each question would cost as much again
        if os.getpid() != self._process:
            raise StoreUnavailable(
                "this store was opened before the process forked, and SQLite cannot be used across a fork. Fork before "
                "the store is opened, or start the other process with spawn.",
                code="forked",
            )
        loop = asyncio.get_running_loop()
        self._execute("BEGIN")
        self._reading = True
        if self._timer is None:
            self._timer = loop.call_later(LINGER_SECONDS, self._time_is_over)

    def _look(self, view: str) -> Live | None:
        row: Any = self._execute(_SQL["glance_at_edition"], (view,)).fetchone()
        if row is None:
            return None
        live = self._before.get(view)
        if live is None or live.row != row:
            live = self._before[view] = Live(view, row)
        self._live[view] = live
        return live

    def _held(self, number: int, key: str) -> int | None:
        row: Any = self._execute(_SQL["glance_at_parked"], (number, key)).fetchone()
        return row[0] if row is not None else None

    def _time_is_over(self) -> None:
        self._timer = None
        self._end()

    def _end(self) -> None:
        if not self._reading:
            return
        self._reading = False
        self._live.clear()
        if self._connection is not None:
            self._execute("COMMIT")

    def _let_go(self) -> None:
        self._end()
        if self._connection is not None and os.getpid() == self._process:
            self._connection.close()
        self._connection = self._sight = None
        self._before.clear()
        self._execute = _nothing


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


def _nothing(*given: object) -> Any:
    """What is executed where nothing is open."""
    raise StoreClosed


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
