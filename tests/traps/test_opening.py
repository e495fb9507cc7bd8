"""Opening a log that others are busy with."""

from pathlib import Path

import apsw

from storied.engines.sqlite.store import SqliteStore
from storied.testing.contract.specimens import events, stored


async def test_a_store_opens_while_another_process_writes_without_pause(tmp_path: Path) -> None:
    """Opening and reading need no lock that a writer holds: a busy one could keep it from them for ever."""
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.append(events(3))
    writer = apsw.Connection(str(tmp_path / "log.db"))
    writer.execute("BEGIN IMMEDIATE")
    try:
        other = await SqliteStore.open(tmp_path / "log.db")
        assert await stored(other) == await stored(store)
        await other.aclose()
    finally:
        writer.execute("ROLLBACK")
        writer.close()
        await store.aclose()
