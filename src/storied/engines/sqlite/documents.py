"""Read models in a SQLite file of their own: one table an edition, its checkpoint moved in the same transaction.

The file can be deleted while nobody has it open: it is built again from the log. So its commits need no sync.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw

from storied.engines.sqlite import beating, shelving
from storied.engines.sqlite.answering import SqliteAnswers, in_transaction
from storied.engines.sqlite.connection import (
    BUSY_MILLISECONDS,
    CHECKPOINT_PAGES,
    VIEWS_APPLICATION_ID,
    closed_on_failure,
    open_reader,
    open_writer,
    unavailable,
)
from storied.engines.sqlite.glancing import FORMAT, Glance
from storied.engines.sqlite.lane import Lane, run_each
from storied.engines.sqlite.lookups import (
    Place,
    Statement,
    find_statement,
    load_statement,
)
from storied.engines.sqlite.presence import PresentConnection, Whereabouts
from storied.engines.sqlite.statements import statements
from storied.errors import StoreUnavailable
from storied.store.documents import Change, Checkpoint, Criterion, Heartbeat, Lookup, Parked, Table
from storied.store.snapshots import Snapshot, SnapshotKey

READERS_MILLISECONDS = 250
"""How long a commit waits for readers when the WAL has grown large."""

_SQL = statements("documents.sql")
T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]


class SqliteDocuments(SqliteAnswers):
    """`Documents` in a SQLite file; several processes may have it open. Made by `SqliteDocuments.open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._glance = Glance(path)
        self._place: Whereabouts | None = None
        self._writer: Lane[apsw.Connection, Work] = Lane(f"storied-views-{path.name}", run_each, _close)
        self._reader: Lane[apsw.Connection, Work] = Lane(f"storied-find-{path.name}", run_each, _close)

    @classmethod
    async def open(cls, path: Path, *, network: bool = False) -> SqliteDocuments:
        """The read models in the file at *path*, which is made when it is absent. Raises `StoreUnavailable`.

        A network file system is refused, unless *network* allows it.
        """
        documents = cls(path)
        await documents._writer.start(lambda: _open(path, network))
        try:
            await documents._reader.start(lambda: open_reader(path, PresentConnection))
        except BaseException:
            await documents._writer.aclose()
            raise
        documents._place = Whereabouts(path)
        return documents

    async def prepare(self, table: Table) -> Checkpoint:
        """As the port says."""
        return await self._write(lambda connection: shelving.prepare(connection, table))

    async def load(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """As the port says."""
        return await self._own_rows(table, lambda place: load_statement(place, keys))

    async def search(self, table: Table, criterion: Criterion) -> dict[str, str]:
        """As the port says."""
        return await self._own_rows(table, lambda place: find_statement(place, Lookup((criterion,))))

    async def commit(
        self,
        table: Table,
        changes: Sequence[Change],
        *,
        expected: Checkpoint,
        checkpoint: Checkpoint,
        parked: Sequence[Parked] = (),
        freed: Sequence[str] = (),
    ) -> None:
        """As the port says."""
        made = shelving.Commit(changes, expected, checkpoint, parked, freed)
        await self._write(lambda connection: shelving.commit(connection, table, made))

    async def promote(self, table: Table, expected: Checkpoint) -> None:
        """As the port says."""
        await self._write(lambda connection: shelving.promote(connection, table, expected))

    async def is_live(self, table: Table) -> bool:
        """As the port says."""
        found = await self._read(lambda connection: shelving.own(connection, table))
        return found is not None and found.live

    async def checkpoint(self, table: Table) -> Checkpoint:
        """As the port says."""
        found = await self._read(lambda connection: shelving.own(connection, table))
        return Checkpoint() if found is None else found.checkpoint

    async def parked(self, table: Table, key: str | None = None) -> list[Parked]:
        """As the port says."""
        return await self._read(lambda connection: shelving.parked(connection, table, key))

    async def report(self, table: Table, error: str | None) -> None:
        """As the port says."""
        await self._write(lambda connection: shelving.report(connection, table, error))

    async def reset(self, table: Table) -> None:
        """As the port says."""
        await self._write(lambda connection: shelving.reset(connection, table))

    async def snapshot(self, key: SnapshotKey) -> Snapshot | None:
        """As `Snapshots` says."""
        return await self._read(lambda connection: shelving.snapshot(connection, key))

    async def keep_snapshot(self, key: SnapshotKey, snapshot: Snapshot) -> None:
        """As `Snapshots` says."""
        await self._write(lambda connection: shelving.keep_snapshot(connection, key, snapshot))

    async def beat(self, worker: str, beats: Sequence[Heartbeat]) -> None:
        """As `Heartbeats` says."""
        await self._write(lambda connection: beating.beat(connection, worker, beats))

    def check_place(self) -> None:
        """As `Placed` says."""
        if self._place is not None:
            self._place.check()

    async def aclose(self) -> None:
        """As the port says."""
        self._glance.close()
        await self._writer.aclose()
        await self._reader.aclose()

    async def _own_rows(self, table: Table, question: Callable[[Place], Statement]) -> dict[str, str]:
        """Documents of this edition by key."""

        def rows(connection: apsw.Connection) -> dict[str, str]:
            found = shelving.own(connection, table)
            if found is None:
                return {}
            statement = question(found.place)
            return {row[0]: row[1] for row in connection.execute(statement.sql, statement.parameters)}

        return await self._read(rows)

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._submit(self._writer, lambda connection: in_transaction(connection, work, "BEGIN IMMEDIATE"))

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._submit(self._reader, lambda connection: in_transaction(connection, work))

    async def _submit(self, lane: Lane[apsw.Connection, Work], work: Callable[[apsw.Connection], T]) -> T:
        try:
            result: T = await lane.submit(work)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise unavailable(self.path, error) from error
        return result


def _close(connection: apsw.Connection) -> None:
    connection.close()


def _open(path: Path, network: bool) -> apsw.Connection:
    """The writing connection, the schema made where it is absent, and remade where an older storied wrote it."""
    connection = open_writer(path, "normal", VIEWS_APPLICATION_ID, network=network)
    with closed_on_failure(connection, path):
        connection.set_wal_hook(_tidy_up)
        if connection.pragma("user_version") != FORMAT:  # else there is nothing to make, nor a lock to wait for
            in_transaction(connection, lambda inside: _make_schema(inside, path), "BEGIN IMMEDIATE")
    return connection


def _tidy_up(connection: apsw.Connection, database: str, pages: int) -> int:
    """Moves what the WAL holds into the file, as SQLite does by itself, and waits for readers once it has grown large.

    Readers who take turns without a gap would otherwise keep it from ever beginning anew.
    """
    if pages >= CHECKPOINT_PAGES:
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE
        if pages >= 4 * CHECKPOINT_PAGES:
            mode = apsw.SQLITE_CHECKPOINT_RESTART
            connection.set_busy_timeout(READERS_MILLISECONDS)
        try:
            with suppress(apsw.BusyError):
                connection.wal_checkpoint(database, mode)
        finally:
            connection.set_busy_timeout(BUSY_MILLISECONDS)
    return apsw.SQLITE_OK


def _make_schema(connection: apsw.Connection, path: Path) -> None:
    found = connection.pragma("user_version")
    if found > FORMAT:
        raise StoreUnavailable(
            f"{path} has format {found}, and this storied knows format {FORMAT} of read models. Nothing was changed. "
            "Upgrade storied, or remove the file while nobody has it open: it is built again from the log.",
            code="newer-store",
        )
    if found < FORMAT:
        tables: list[Any] = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in tables:
            connection.execute(f'DROP TABLE "{name}"')  # read models of an older layout are built again
    connection.execute(_SQL["schema"])
    connection.pragma("application_id", VIEWS_APPLICATION_ID)
    connection.pragma("user_version", FORMAT)
