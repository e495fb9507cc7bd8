"""Readers that never pause: what they cost those who write."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from storied.engines.sqlite.connection import CHECKPOINT_PAGES
from storied.engines.sqlite.documents import SqliteDocuments
from storied.engines.sqlite.reading import SqliteReadModels
from storied.store.documents import Change
from storied.testing.contract.shelves import PEOPLE, at

PAGE_BYTES = 4096


def keep_reading(path: Path, stop: threading.Event) -> None:
    """Peeks without a pause, as a query service under load does."""

    async def read() -> None:
        documents = SqliteReadModels(path)
        while not stop.is_set():
            for number in range(20):
                documents.peek(PEOPLE, str(number), recent=True)
            await asyncio.sleep(0)
        await documents.aclose()

    asyncio.run(read())


async def test_the_write_ahead_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Two who read all the time do not keep the log from beginning anew: it stays below a bound."""
    documents = await SqliteDocuments.open(tmp_path / "views.db")
    now = await documents.prepare(PEOPLE)
    stop = threading.Event()
    readers = [threading.Thread(target=keep_reading, args=(documents.path, stop)) for _ in range(2)]
    for reader in readers:
        reader.start()
    text = "x" * (PAGE_BYTES * 10)
    try:
        for _ in range(CHECKPOINT_PAGES // 10):  # each commit some two hundred pages: eight times what may gather
            then = at(now.position + 1)
            changes = [Change(str(number), text, ("Bern", number)) for number in range(20)]
            await documents.commit(PEOPLE, changes, expected=now, checkpoint=then)
            now = then
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    size = Path(f"{documents.path}-wal").stat().st_size
    await documents.aclose()
    assert size < 6 * CHECKPOINT_PAGES * PAGE_BYTES
