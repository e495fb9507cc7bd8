"""Another library, or another reader, on the file of a store in the same process."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storied.engines.sqlite import writing
from storied.engines.sqlite.documents import SqliteDocuments
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoreFenced, StoreUnavailable
from storied.testing.contract.specimens import event, events, notes, stored
from tests.environment.processes import told


def test_the_danger_is_real(tmp_path: Path) -> None:
    """Closing the second library's connection takes the log away, and a commit that is acknowledged is nowhere."""
    found = told(
        tmp_path,
        """
        import apsw
        path = str(PLACE / "plain.db")
        first = apsw.Connection(path)
        first.pragma("journal_mode", "wal")
        first.execute("CREATE TABLE t (x)")
        second = sqlite3.connect(path)
        second.execute("SELECT * FROM t").fetchall()
        second.close()
        first.execute("INSERT INTO t VALUES (1)")
        count = "import apsw, sys; print(apsw.Connection(sys.argv[1]).execute('SELECT count(*) FROM t').get)"
        tell(
            here=first.execute("SELECT count(*) FROM t").get,
            elsewhere=int(subprocess.run([sys.executable, "-c", count, path], capture_output=True).stdout),
        )
        """,
    )
    assert found == {"here": 1, "elsewhere": 0}


WAYS: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: sqlite3.connect(path),
    "text": lambda path: sqlite3.connect(str(path)),
    "bytes": lambda path: sqlite3.connect(os.fsencode(path)),
    "uri": lambda path: sqlite3.connect(f"file:{path}?mode=ro", uri=True),
    "uri with host": lambda path: sqlite3.connect(f"file://{path}#x", uri=True),
    "relative": lambda path: sqlite3.connect(os.path.relpath(path)),
    "link": lambda path: sqlite3.connect(path.with_name("link.db")),
}


@pytest.mark.parametrize("connect", WAYS.values(), ids=WAYS)
async def test_the_second_library_is_refused(tmp_path: Path, connect: Callable[[Path], Any]) -> None:
    """However the file is named, Python's sqlite3 does not get at a store that is open; nothing is lost."""
    path = tmp_path / "log.db"
    path.with_name("link.db").symlink_to(path)
    store = await SqliteStore.open(path)
    await store.append(events(2))
    with pytest.raises(StoreUnavailable) as caught:
        connect(path)
    assert caught.value.code == "second-sqlite"
    await store.append(events(1))
    await store.aclose()
    again = await SqliteStore.open(path)
    assert notes(await stored(again)) == [1, 2, 1]
    await again.aclose()


async def test_the_views_file_is_kept_as_well(tmp_path: Path) -> None:
    """It has locks of its own."""
    documents = await SqliteDocuments.open(tmp_path / "log.views.db")
    with pytest.raises(StoreUnavailable):
        sqlite3.connect(tmp_path / "log.views.db")
    await documents.aclose()


async def test_other_databases_and_closed_stores_are_nobody_elses_business(tmp_path: Path) -> None:
    """Python's sqlite3 opens whatever no store has open, also a file of the same name elsewhere."""
    path, other = tmp_path / "log.db", tmp_path / "other" / "log.db"
    other.parent.mkdir()
    one, two = await SqliteStore.open(path), await SqliteStore.open(path)
    for place in (other, ":memory:", "file::memory:"):
        sqlite3.connect(place, uri=True).close()
    await one.aclose()
    with pytest.raises(StoreUnavailable):
        sqlite3.connect(path)
    await two.aclose()
    sqlite3.connect(path).close()


def test_a_process_without_the_second_library_pays_nothing(tmp_path: Path) -> None:
    """The hook that refuses is there from when `sqlite3` is imported, before or after the store is opened."""
    found = told(
        tmp_path,
        """
        for name in [name for name in sys.modules if "sqlite3" in name]:
            del sys.modules[name]
        added = []
        add = sys.addaudithook
        sys.addaudithook = lambda hook: (added.append(hook), add(hook))

        async def connect(path):
            import sqlite3
            sqlite3.connect(path)

        async def main():
            store = await SqliteStore.open(PLACE / "log.db")
            before = len(added)
            tell(code=await verdict(connect(PLACE / "log.db")), before=before, after=len(added))
            other = await SqliteStore.open(PLACE / "other.db")
            tell(other=await verdict(connect(PLACE / "other.db")), then=len(added))
            await store.aclose()
            await other.aclose()

        asyncio.run(main())
        """,
    )
    assert found == {"code": "second-sqlite", "before": 0, "after": 1, "other": "second-sqlite", "then": 1}


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.rename(path.with_name("moved.db")),
        lambda path: path.unlink(),
        lambda path: os.replace(shutil.copy(path.with_name("old.db"), path.with_name("new.db")), path),
        lambda path: path.with_name("log.db-wal").unlink(),
    ],
    ids=["moved", "removed", "replaced", "log removed"],
)
async def test_a_file_that_is_no_longer_there_fences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], Any]
) -> None:
    """Nobody would find what is written to it, so nothing is acknowledged; reading goes on."""
    monkeypatch.setattr(writing, "LOOK_SECONDS", 0)
    (tmp_path / "old.db").touch()
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.append(events(2))
    harm(tmp_path / "log.db")
    for _ in range(2):
        with pytest.raises(StoreFenced, match="moved, replaced or removed") as fenced:
            await store.append([event()])
        assert fenced.value.moved  # so that nobody opens what may be there now
    assert await store.head() == 2
    await store.aclose()
