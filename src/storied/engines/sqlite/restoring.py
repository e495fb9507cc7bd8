"""Bringing a log back into a SQLite file: batches of records as they were, each in one synced transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from storied.engines.sqlite.bulk import insert_rows
from storied.engines.sqlite.connection import APPLICATION_ID, open_writer, unavailable
from storied.engines.sqlite.longwork import long_work
from storied.engines.sqlite.statements import statements
from storied.engines.sqlite.tagging import index_all
from storied.engines.sqlite.writing import append_row, known_appends
from storied.errors import StoreUnavailable
from storied.store.appending import Stored
from storied.store.records import Recorded
from storied.store.restoring import check_restored, other_content

_SQL = statements("log.sql")
T = TypeVar("T")


async def adopt(path: Path, identity: str, checksum: Callable[[Mapping[str, object]], int]) -> None:
    """Makes *identity* that of the empty log in the file; *checksum* is over what a file says about itself."""

    def change(connection: apsw.Connection) -> None:
        rows: Any = connection.execute(_SQL["facts"])
        facts: dict[str, Any] = dict(rows)
        if facts["identity"] == identity:
            return
        if connection.execute("SELECT EXISTS (SELECT 1 FROM event) OR EXISTS (SELECT 1 FROM append)").get:
            raise other_content(f"it is {facts['identity']}, not {identity}")
        facts["identity"] = identity
        facts["checksum"] = checksum(facts)
        connection.execute("DELETE FROM store")
        connection.executemany(_SQL["add_facts"], list(facts.items()))

    await _transaction(path, change)


async def restore(path: Path, records: Sequence[Recorded], appends: Sequence[Stored]) -> int:
    """Adds them to the log in the file, as `Restorable` says; the new head."""

    def add(connection: apsw.Connection) -> int:
        found: Any = connection.execute(_SQL["last_event"]).fetchone()
        last = (0, -(2**63)) if found[0] is None else found
        known = known_appends(connection, [stored.receipt.append_id for stored in appends])
        new = check_restored(last[0], last[1], records, appends, known)
        insert_rows(connection, _SQL["insert_event"], 9, [value for record in records for value in _event_row(record)])
        index_all(connection)
        insert_rows(connection, _SQL["insert_append"], 5, [value for stored in new for value in append_row(stored)])
        return records[-1].position if records else int(last[0])

    return await _transaction(path, add)


def _event_row(record: Recorded) -> tuple[Any, ...]:
    return (
        record.position,
        record.id,
        record.type,
        record.version,
        record.tags_json,
        record.data,
        record.metadata_json,
        record.recorded_us,
        record.digest,
    )


async def _transaction(path: Path, work: Callable[[apsw.Connection], T]) -> T:
    """What *work* returns, once it is on the disk; on a connection of its own, which waits for its turn to write."""

    def run(_: object) -> T:
        connection = open_writer(path, "full", APPLICATION_ID, network=True)  # the store was opened: it was asked then
        try:
            with connection:
                result = work(connection)
        finally:
            connection.close()
        return result

    try:
        return await long_work(run)
    except apsw.IOError as error:
        raise StoreUnavailable(
            f"{path} could not be written to the end ({error}). See to the disk, and repeat: what is stored is known.",
            code="cannot-open",
        ) from error
    except (apsw.Error, UnicodeDecodeError) as error:
        raise unavailable(path, error) from error
