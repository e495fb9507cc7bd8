"""What the read models' file is asked and told, as functions of a connection; each runs inside one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import apsw
import msgspec

from storied.engines.sqlite.bulk import insert_rows
from storied.engines.sqlite.lookups import Place, Statement, table_schema, upsert
from storied.engines.sqlite.statements import statements
from storied.store.documents import (
    Change,
    Checkpoint,
    CheckpointMovedError,
    Edition,
    OtherEditionError,
    Parked,
    SupersededError,
    Table,
)
from storied.store.snapshots import Snapshot, SnapshotKey

_SQL = statements("documents.sql")


class Own(msgspec.Struct, frozen=True):
    """An edition as it stands: its table, whether readers are given it, and its checkpoint."""

    place: Place
    live: bool
    checkpoint: Checkpoint


class Commit(msgspec.Struct, frozen=True):
    """One commit of a projection, as the port words it."""

    changes: Sequence[Change]
    expected: Checkpoint
    checkpoint: Checkpoint
    parked: Sequence[Parked]
    freed: Sequence[str]


def own(connection: apsw.Connection, table: Table) -> Own | None:
    """This edition, or None when it does not exist."""
    row: Any = connection.execute(_SQL["own_edition"], (table.name, table.definition)).fetchone()
    return None if row is None else Own(Place(table.name, row[0]), bool(row[1]), Checkpoint(*row[2:]))


def ask(
    connection: apsw.Connection,
    table: Table,
    columns: Sequence[str],
    question: Callable[[Place], Statement],
    *,
    own: bool = False,
) -> tuple[list[Any], int, bool] | None:
    """The answer of the live edition's table, the position it stands at, and whether any key of it is parked.

    None when there is no edition. Raises `NoSuchColumnError` when it lacks one of *columns*, and `OtherEditionError`
    when other code made it, and *own* documents are asked for.
    """
    row: Any = connection.execute(_SQL["live_edition"], (table.name,)).fetchone()
    if row is None:
        return None
    number, definition, position, parked = row
    if definition != table.definition:
        if own:
            raise OtherEditionError(table)
        Table.defined(table.name, definition).check_asked(table, columns)
    statement = question(Place(table.name, number))
    return connection.execute(statement.sql, statement.parameters).fetchall(), position, bool(parked)


def prepare(connection: apsw.Connection, table: Table) -> Checkpoint:
    """Makes the edition when it is absent; its checkpoint."""
    found = own(connection, table)
    if found is None:
        connection.execute(_SQL["new_edition"], (table.name, table.definition, _now()))
        connection.execute(table_schema(Place(table.name, connection.last_insert_rowid()), table))
        return Checkpoint()
    return found.checkpoint


def commit(connection: apsw.Connection, table: Table, made: Commit) -> None:
    """Applies the commit. Raises `CheckpointMovedError` and `SupersededError` before it writes anything."""
    place = _expected(connection, table, made.expected)
    columns = table.columns
    written = [v for c in made.changes if c.document is not None for v in (c.key, c.document, *c.values)]
    head, tail = upsert(place, columns)
    insert_rows(connection, head, len(columns) + 2, written, tail)
    removed = [(c.key,) for c in made.changes if c.document is None]
    connection.executemany(f"DELETE FROM {place.name} WHERE key = ?", removed)
    connection.executemany(_SQL["free"], [(place.number, key) for key in made.freed])
    parked = [(place.number, p.key, p.position, p.type, p.error, p.trace) for p in made.parked]
    connection.executemany(_SQL["park"], parked)
    to = made.checkpoint
    connection.execute(_SQL["move_edition"], (place.number, to.position, to.log, to.digest, to.freed, _now()))


def promote(connection: apsw.Connection, table: Table, expected: Checkpoint) -> None:
    """Makes the edition the live one and removes the others of the view."""
    place = _expected(connection, table, expected)
    others: list[Any] = connection.execute(_SQL["other_editions"], (table.name, place.number)).fetchall()
    for (number,) in others:
        connection.execute(f"DROP TABLE {Place(table.name, number).name}")
        connection.execute(_SQL["free_all"], (number,))
        connection.execute(_SQL["drop_edition"], (number,))
    plain = msgspec.structs.replace(table, edition="")
    connection.execute(_SQL["promote_edition"], (place.number, plain.definition))


def reset(connection: apsw.Connection, table: Table) -> None:
    """Empties the edition and puts it back to the start."""
    found = own(connection, table)
    if found is None:
        return
    connection.execute(f"DROP TABLE {found.place.name}")
    connection.execute(table_schema(found.place, table))
    connection.execute(_SQL["free_all"], (found.place.number,))
    connection.execute(_SQL["move_edition"], (found.place.number, 0, "", b"", 0, _now()))


def parked(connection: apsw.Connection, table: Table, key: str | None) -> list[Parked]:
    """The edition's parked keys, or only that one."""
    found = own(connection, table)
    return [] if found is None else _parked(connection, found.place.number, key)


def held(connection: apsw.Connection, table: Table, key: str | None) -> list[Parked]:
    """The parked keys of the live edition, or only that one."""
    row: Any = connection.execute(_SQL["live_edition"], (table.name,)).fetchone()
    return [] if row is None else _parked(connection, row[0], key)


def report(connection: apsw.Connection, table: Table, error: str | None) -> None:
    """Remembers what stopped the edition."""
    found = own(connection, table)
    if found is not None:
        connection.execute(_SQL["report"], (found.place.number, error))


def editions(connection: apsw.Connection) -> list[Edition]:
    """Every edition of every view."""
    rows: Any = connection.execute(_SQL["list_editions"]).fetchall()
    return [
        Edition(Table.defined(row[0], row[1]), bool(row[2]), Checkpoint(*row[3:7]), row[7], row[8], row[9])
        for row in rows
    ]


def snapshot(connection: apsw.Connection, key: SnapshotKey) -> Snapshot | None:
    """The snapshot kept under exactly this key."""
    row: Any = connection.execute(_SQL["get_snapshot"], (key.entity, key.id, key.fingerprint, key.log)).fetchone()
    return None if row is None else Snapshot(*row)


def keep_snapshot(connection: apsw.Connection, key: SnapshotKey, kept: Snapshot) -> None:
    """Keeps the snapshot in place of any other of the entity with this id."""
    row = (key.entity, key.id, key.fingerprint, key.log, kept.state, kept.position, kept.digest)
    connection.execute(_SQL["put_snapshot"], row)


def _expected(connection: apsw.Connection, table: Table, expected: Checkpoint) -> Place:
    found = own(connection, table)
    if found is None:
        raise SupersededError(table)
    if found.checkpoint != expected:
        raise CheckpointMovedError(
            f"view {table.name} stands at {found.checkpoint.position}, not at {expected.position}. Nothing was "
            "written. Load again and go on from there."
        )
    return found.place


def _parked(connection: apsw.Connection, edition: int, key: str | None) -> list[Parked]:
    rows: Any = connection.execute(_SQL["list_parked"], (edition, key)).fetchall()
    return [Parked(*row) for row in rows]


def _now() -> int:
    return time.time_ns() // 1000
