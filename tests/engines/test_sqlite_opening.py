"""Opening a SQLite log: by several processes at once, after an older version, and when its description is damaged."""

import asyncio
import sys
from pathlib import Path

import apsw
import pytest

from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoreCorrupt, StoreError
from storied.operating.verifying import verify
from storied.store.query import Query
from storied.testing.contract.specimens import events

OPEN = """
import asyncio, sys
from pathlib import Path
from storied.engines.sqlite.store import SqliteStore

async def main():
    sys.stdin.read()  # until all are ready
    store = await SqliteStore.open(Path(sys.argv[1]))
    print(store.identity)
    await store.aclose()

asyncio.run(main())
"""


def change(path: Path, sql: str) -> None:
    """Another hand has changed the file."""
    connection = apsw.Connection(str(path))
    connection.execute(sql)
    connection.close()


async def opened(path: Path) -> str:
    """The identity of the log, which could be opened and read."""
    store = await SqliteStore.open(path)
    try:
        await store.head()
    finally:
        await store.aclose()
    return store.identity


async def test_many_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    """One makes it, the others wait; all see one log."""
    starting = [
        asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            OPEN,
            str(tmp_path / "log.db"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]
    processes = await asyncio.gather(*starting)
    done = await asyncio.gather(*(process.communicate(b"") for process in processes))
    assert [process.returncode for process in processes] == [0] * 4
    assert len({out for out, _ in done}) == 1


FIRST_FORMAT = """
    DROP VIEW tagged; DROP TABLE indexed; ALTER TABLE tag_entry RENAME TO event_tag;
    DELETE FROM store WHERE name = 'checksum';
    UPDATE store SET value = 1 WHERE name = 'format';
"""
"""From a file of today's format to one of format 1."""


@pytest.mark.parametrize("older", ["", "ALTER TABLE append DROP COLUMN checksum"])
async def test_a_log_of_format_1_is_taken_over(tmp_path: Path, older: str) -> None:
    """It gets what it lacks, with and without checksums; what it held is as it was, and is found by its tags."""
    store = await SqliteStore.open(tmp_path / "log.db")
    receipt = await store.append(events(2, "Noted", "order:o-1"), append_id="one")
    await store.aclose()
    change(tmp_path / "log.db", FIRST_FORMAT + older)
    again = await SqliteStore.open(tmp_path / "log.db")
    assert (again.identity, await again.receipt("one"), await again.head()) == (store.identity, receipt, 2)
    assert (await again.append(events(1, "Noted", "order:o-1"), append_id="two")).position == 3
    assert [r.position for r in await again.read(Query.of(tags=["order:o-1"])).list()] == [1, 2, 3]
    await again.aclose()


async def test_an_older_version_that_has_the_file_open_is_kept_off(tmp_path: Path) -> None:
    """What it would ask for tags is not there any more, so it stores nothing on an index that is no longer complete."""
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.aclose()
    change(tmp_path / "log.db", FIRST_FORMAT)
    older = apsw.Connection(str(tmp_path / "log.db"))
    asked = "SELECT position FROM event_tag WHERE tag = 'order:o-1'"
    assert older.execute(asked).fetchall() == []
    again = await SqliteStore.open(tmp_path / "log.db")
    await again.append(events(1, "Noted", "order:o-1"))
    with pytest.raises(apsw.SQLError, match="no such table"):
        older.execute(asked)
    older.close()
    await again.aclose()


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TRIGGER indexed_delete; DELETE FROM indexed",
        "UPDATE indexed SET position = position - 1",
        "UPDATE indexed SET position = -1",
        "UPDATE indexed SET checksum = 0",
    ],
)
async def test_a_damaged_mark_stops_what_rests_on_it(tmp_path: Path, sql: str) -> None:
    """Nothing is decided, and nothing found by tag, on an index of which it is not known how far it goes."""
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.append(events(5, "Noted", "order:o-1"))
    await store.aclose()
    change(tmp_path / "log.db", sql)
    again = await SqliteStore.open(tmp_path / "log.db")
    with pytest.raises(StoreCorrupt, match="Restore a backup"):
        await again.append(events(1))
    with pytest.raises(StoreCorrupt, match="Restore a backup"):
        await again.read(Query.of(tags=["order:o-1"])).list()
    assert len(await again.read().list()) == 5
    assert not (await verify(again)).ok
    await again.aclose()


async def test_a_log_whose_end_is_lost_takes_no_event(tmp_path: Path) -> None:
    """What is left of it can be read; new events in the place of lost ones would be found under the lost ones' tags."""
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.append(events(5, "Noted", "order:o-1"))
    await store.aclose()
    change(tmp_path / "log.db", "DROP TRIGGER event_delete; DELETE FROM event WHERE position > 3")
    again = await SqliteStore.open(tmp_path / "log.db")
    with pytest.raises(StoreCorrupt, match="its end is lost"):
        await again.append(events(1))
    assert len(await again.read(Query.of(tags=["order:o-1"])).list()) == 3
    await again.aclose()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE store SET value = '01a209dc-9a17-7691-9175-594d0b809a81' WHERE name = 'identity'",
        "UPDATE store SET name = 'identitx' WHERE name = 'identity'",
        "DELETE FROM store WHERE name = 'checksum'",
        "UPDATE store SET value = 7 WHERE name = 'checksum'",
        "UPDATE store SET name = 'gormat' WHERE name = 'format'",
        "UPDATE store SET name = CAST(x'ff' AS TEXT) WHERE name = 'format'",
    ],
)
async def test_a_log_that_does_not_know_which_it_is_is_refused(tmp_path: Path, sql: str) -> None:
    """A damaged identity is told, and never replaced by a new one."""
    await opened(tmp_path / "log.db")
    change(tmp_path / "log.db", sql)
    with pytest.raises(StoreCorrupt, match="Restore a backup"):
        await opened(tmp_path / "log.db")


@pytest.mark.parametrize("sql", ["DROP TABLE append", "ALTER TABLE event RENAME TO happening", "DROP TABLE store"])
async def test_a_log_without_its_tables_is_refused(tmp_path: Path, sql: str) -> None:
    """Whatever SQLite says to it, the caller gets an error of storied."""
    await opened(tmp_path / "log.db")
    change(tmp_path / "log.db", sql)
    with pytest.raises(StoreError):
        await opened(tmp_path / "log.db")


async def test_text_that_is_not_utf_8_is_damage(tmp_path: Path) -> None:
    """A reader is told so, instead of getting an error of Python's."""
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.append(events(2))
    change(tmp_path / "log.db", "DROP TRIGGER event_update; UPDATE event SET data = CAST(x'22ff22' AS TEXT)")
    with pytest.raises(StoreCorrupt, match="not UTF-8"):
        await store.read().list()
    await store.aclose()
