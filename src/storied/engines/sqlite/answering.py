"""What readers ask of the read models' file, whoever opened it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import apsw

from storied.engines.sqlite import beating, shelving
from storied.engines.sqlite.glancing import Glance
from storied.engines.sqlite.lookups import (
    Place,
    Statement,
    asked_columns,
    count_statement,
    find_statement,
)
from storied.store.documents import Edition, Heartbeat, Hit, Lookup, Parked, Shown, Table
from storied.store.ordering import Scalar

T = TypeVar("T")


class SqliteAnswers:
    """`ReadModels` over whatever `_read` reads; `_glance` answers what can be answered at once."""

    _glance: Glance

    def peek(self, table: Table, key: str, *, recent: bool = False) -> Shown | None:
        """As the port says."""
        return self._glance.peek(table, key, recent)

    async def get(self, table: Table, key: str, *, own: bool = False) -> tuple[str | None, int, bool]:
        """As the port says."""
        rows, position, parked = await self._ask(
            table, (), lambda place: Statement(f"SELECT document FROM {place.name} WHERE key = ?", (key,)), own=own
        )
        return (rows[0][0] if rows else None), position, parked

    async def find(self, table: Table, lookup: Lookup, *, own: bool = False) -> tuple[list[Hit], int, bool]:
        """As the port says."""
        rows, position, parked = await self._ask(
            table, asked_columns(lookup), lambda place: find_statement(place, lookup), own=own
        )
        return [Hit(*row) for row in rows], position, parked

    async def count(self, table: Table, lookup: Lookup, by: str | None = None) -> tuple[dict[Scalar, int], int, bool]:
        """As the port says."""
        rows, position, parked = await self._ask(
            table, asked_columns(lookup, by), lambda place: count_statement(place, lookup, by)
        )
        return (dict(rows) if rows or by else {None: 0}), position, parked

    async def held(self, table: Table, key: str | None = None) -> list[Parked]:
        """As the port says."""
        return await self._read(lambda connection: shelving.held(connection, table, key))

    async def editions(self) -> list[Edition]:
        """As the port says."""
        return await self._read(shelving.editions)

    async def heartbeats(self) -> list[Heartbeat]:
        """As the port says."""
        return await self._read(beating.heartbeats)

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        """What *work* makes of one moment's state of the file."""
        raise AssertionError("an engine says how it reads")

    async def _ask(
        self, table: Table, columns: Sequence[str], question: Callable[[Place], Statement], *, own: bool = False
    ) -> tuple[list[Any], int, bool]:
        """The live edition's answer, where it stands, and whether any key is parked; none at 0 without an edition."""
        answer = await self._read(lambda connection: shelving.ask(connection, table, columns, question, own=own))
        return answer or ([], 0, False)


def in_transaction(connection: apsw.Connection, work: Callable[[apsw.Connection], T], begin: str = "BEGIN") -> T:
    """What *work* gives, as one transaction."""
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
