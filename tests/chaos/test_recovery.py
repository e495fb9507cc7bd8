"""What a store does with a log whose writer did not get to close it."""

import shutil
from pathlib import Path

from storied.engines.sqlite.store import SqliteStore
from storied.testing.contract.specimens import events, notes, stored


async def test_what_is_recovered_is_synced_before_anybody_is_told(tmp_path: Path) -> None:
    """What only the WAL held is in the database file once the store is open, as a failed sync may have kept it off."""
    left, found, file_alone = (tmp_path / name for name in ("left", "found", "alone"))
    for folder in (left, found, file_alone):
        folder.mkdir()
    store = await SqliteStore.open(left / "log.db")
    await store.append(events(3))
    for name in ("log.db", "log.db-wal"):  # as a killed process leaves them
        shutil.copy(left / name, found / name)
    await store.aclose()
    recovered = await SqliteStore.open(found / "log.db")
    shutil.copy(found / "log.db", file_alone / "log.db")
    await recovered.aclose()
    alone = await SqliteStore.open(file_alone / "log.db")
    assert notes(await stored(alone)) == [1, 2, 3]
    await alone.aclose()
