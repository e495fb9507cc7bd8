"""Remains: the events that a damaged file still gives, from the first on, though SQLite refuses to open it.

A file that lost its end is shorter than its first page says, and refused for that. But the log only ever grew at its
end, so what was stored first is mostly whole. Nothing is written, neither into the file nor beside it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import apsw

from storied.engines.sqlite.longwork import Stop, long_work
from storied.engines.sqlite.querying import RECORD
from storied.store.records import Recorded

CHARACTERS = 4 * 1024 * 1024
"""What the payloads of events that are read at once come to, about."""
_SOME = f"SELECT {RECORD} FROM event AS e WHERE e.position > ? ORDER BY e.position"


async def remains(path: Path) -> AsyncGenerator[list[Recorded], None]:
    """The events from position 1 on, some at a time, up to the first that cannot be read or is not there."""
    after = 0
    while records := await long_work(lambda stop, after=after: _some(path, after, stop)):  # type: ignore[misc]  # now
        yield records
        after = records[-1].position


def _some(path: Path, after: int, stop: Stop) -> list[Recorded]:
    """Events beyond *after* without a gap, as many as go together; none where none can be read."""
    found: list[Recorded] = []
    size = 0
    try:
        with closing(_connection(path)) as connection:
            stop.watch(connection)
            for row in connection.execute(_SOME, (after,)):
                record = Recorded(*row)
                if record.position != after + len(found) + 1 or size > CHARACTERS:
                    break
                found.append(record)
                size += len(record.data)
    except apsw.InterruptError:
        raise
    except (apsw.Error, UnicodeDecodeError, TypeError):  # what comes here cannot be read, which is what is asked
        pass
    return found


def _connection(path: Path) -> apsw.Connection:
    """A connection that reads a file which is shorter than it says."""
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    how = "mode=ro" if has_log else "immutable=1"  # the latter makes no files beside it, but sees no log either
    connection = apsw.Connection(
        f"file:{quote(str(path.resolve()))}?{how}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    connection.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)  # SQLite's way to look into what it would refuse
    return connection
