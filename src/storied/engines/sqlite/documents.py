"""Read models in a SQLite file of their own: one table a view, its checkpoint moved in the same transaction.

The file can be deleted at any time: it is built again from the log. So its commits need no sync of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from storied.engines.sqlite.connection import VIEWS_APPLICATION_ID, open_reader, open_writer, unavailable
from storied.engines.sqlite.lane import Lane, run_each
from storied.engines.sqlite.lookups import Statement, count_statement, find_statement, table_name, table_schema, upsert
from storied.engines.sqlite.statements import statements
from storied.store.documents import Change, Checkpoint, CheckpointMovedError, Hit, Lookup, Scalar, Table

_SQL = statements("documents.sql")
T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]


class SqliteDocuments:
    """`Documents` in a SQLite file; several processes may have it open. Made by `SqliteDocuments.open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: Lane[apsw.Connection, Work] = Lane(f"storied-views-{path.name}", run_each, apsw.Connection.close)
        self._reader: Lane[apsw.Connection, Work] = Lane(f"storied-find-{path.name}", run_each, apsw.Connection.close)

    @classmethod
    async def open(cls, path: Path) -> SqliteDocuments:
        """The read models in the file at *path*, which is made when it is absent. Raises `StoreUnavailable`."""
        documents = cls(path)

        def start_writing() -> apsw.Connection:
            connection = open_writer(path, "normal", VIEWS_APPLICATION_ID)
            with connection:
                connection.execute(_SQL["schema"])
                connection.pragma("application_id", VIEWS_APPLICATION_ID)
            return connection

        await documents._writer.start(start_writing)
        try:
            await documents._reader.start(lambda: open_reader(path))
        except BaseException:
            await documents._writer.aclose()
            raise
        return documents

    async def prepare(self, table: Table) -> Checkpoint:
        """As the port says."""
        return await self._write(lambda connection: _prepare(connection, table))

    async def load(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """As the port says."""
        sql = (
            f"SELECT d.key, d.document FROM json_each(?) AS wanted CROSS JOIN {table_name(table)} AS d "
            "ON d.key = wanted.value"
        )
        wanted = msgspec.json.encode(keys).decode()

        def load(connection: apsw.Connection) -> dict[str, str]:
            rows: Any = connection.execute(sql, (wanted,))
            return dict(rows)

        return await self._read(load)

    async def commit(
        self, table: Table, changes: Sequence[Change], *, expected: Checkpoint, checkpoint: Checkpoint
    ) -> None:
        """As the port says."""
        await self._write(lambda connection: _commit(connection, table, changes, expected, checkpoint))

    async def get(self, table: Table, key: str) -> tuple[str | None, int]:
        """As the port says."""
        sql = (
            f"SELECT (SELECT document FROM {table_name(table)} WHERE key = ?), "
            "coalesce((SELECT position FROM checkpoint WHERE view = ?), 0)"
        )

        def get(connection: apsw.Connection) -> tuple[str | None, int]:
            row: Any = connection.execute(sql, (key, table.name)).fetchone()
            return row[0], row[1]

        return await self._read(get)

    async def find(self, table: Table, lookup: Lookup) -> tuple[list[Hit], int]:
        """As the port says."""
        statement = find_statement(table, lookup)
        rows, position = await self._select(table, statement)
        return [Hit(*row) for row in rows], position

    async def count(self, table: Table, lookup: Lookup, by: str | None = None) -> tuple[dict[Scalar, int], int]:
        """As the port says."""
        statement = count_statement(table, lookup, by)
        rows, position = await self._select(table, statement)
        return dict(rows), position

    async def checkpoint(self, table: Table) -> Checkpoint:
        """As the port says."""
        return await self._read(lambda connection: _checkpoint(connection, table))

    async def checkpoints(self) -> dict[str, Checkpoint]:
        """As `CheckpointList` says."""
        return await self._read(_checkpoints)

    async def reset(self, table: Table) -> None:
        """As the port says."""
        await self._write(lambda connection: _reset(connection, table))

    async def aclose(self) -> None:
        """As the port says."""
        await self._writer.aclose()
        await self._reader.aclose()

    async def _select(self, table: Table, statement: Statement) -> tuple[list[Any], int]:
        """The statement's rows and the checkpoint's position, both of one moment."""

        def select(connection: apsw.Connection) -> tuple[list[Any], int]:
            connection.execute("BEGIN")
            try:
                rows: list[Any] = connection.execute(statement.sql, statement.parameters).fetchall()
                return rows, _checkpoint(connection, table).position
            finally:
                connection.execute("COMMIT")

        return await self._read(select)

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._submit(self._writer, lambda connection: _transaction(connection, work))

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._submit(self._reader, work)

    async def _submit(self, lane: Lane[apsw.Connection, Work], work: Callable[[apsw.Connection], T]) -> T:
        try:
            result: T = await lane.submit(work)
        except apsw.Error as error:
            raise unavailable(self.path, error) from error
        return result


def _transaction(connection: apsw.Connection, work: Callable[[apsw.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _prepare(connection: apsw.Connection, table: Table) -> Checkpoint:
    row: Any = connection.execute(_SQL["get_definition"], (table.name,)).fetchone()
    if row is None or row[0] != _definition(table):
        _reset(connection, table)
    return _checkpoint(connection, table)


def _reset(connection: apsw.Connection, table: Table) -> None:
    connection.execute(f"DROP TABLE IF EXISTS {table_name(table)}")
    connection.execute(table_schema(table))
    connection.execute(_SQL["put_checkpoint"], (table.name, 0, "", b"", _definition(table)))


def _commit(
    connection: apsw.Connection, table: Table, changes: Sequence[Change], expected: Checkpoint, checkpoint: Checkpoint
) -> None:
    current = _checkpoint(connection, table)
    if current != expected:
        raise CheckpointMovedError(
            f"view {table.name} stands at {current.position}, not at {expected.position}. Nothing was written. "
            "Load again and go on from there."
        )
    written = [(c.key, c.document, *c.values) for c in changes if c.document is not None]
    connection.executemany(upsert(table), written)
    removed = [(c.key,) for c in changes if c.document is None]
    connection.executemany(f"DELETE FROM {table_name(table)} WHERE key = ?", removed)
    moved = (table.name, checkpoint.position, checkpoint.log, checkpoint.digest)
    connection.execute(_SQL["move_checkpoint"], moved)


def _checkpoints(connection: apsw.Connection) -> dict[str, Checkpoint]:
    rows: Any = connection.execute(_SQL["list_checkpoints"]).fetchall()
    return {view: Checkpoint(*columns) for view, *columns in rows}


def _checkpoint(connection: apsw.Connection, table: Table) -> Checkpoint:
    row: Any = connection.execute(_SQL["get_checkpoint"], (table.name,)).fetchone()
    return Checkpoint() if row is None else Checkpoint(*row)


def _definition(table: Table) -> str:
    return msgspec.json.encode(table.indexes).decode()
