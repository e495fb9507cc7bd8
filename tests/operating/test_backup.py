"""A backup is one moment of the log, whatever goes on meanwhile, and never takes a file's place."""

import asyncio
import stat
from pathlib import Path

import apsw
import pytest

from storied.engines.sqlite import copying
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoreCorrupt, StoreError, StoreUnavailable
from storied.operating.backup import BackedUp, back_up
from storied.operating.verifying import verify
from storied.store.records import Recorded
from tests.operating.stores import fill, filled_file, noted, sqlite_store


def url(path: Path) -> str:
    """The file's URL."""
    return f"sqlite:///{path}"


async def log_of(path: Path) -> tuple[str, list[Recorded]]:
    """The identity and every event of a sound store."""
    async with sqlite_store(path) as store:
        assert (await verify(store)).ok
        return store.identity, await store.read().list()


async def test_a_backup_is_the_same_log(tmp_path: Path) -> None:
    """The same identity, the same events to the byte, the same receipts."""
    await filled_file(tmp_path / "a.db")
    made = await back_up(url(tmp_path / "a.db"), tmp_path / "b.db")
    copied = await log_of(tmp_path / "b.db")
    assert copied == await log_of(tmp_path / "a.db")
    assert made == BackedUp(tmp_path / "b.db", copied[0], 40, (tmp_path / "b.db").stat().st_size)
    async with sqlite_store(tmp_path / "b.db") as store:
        assert await store.receipt("nothing to do", b"") is not None


async def test_a_backup_has_what_is_still_in_the_wal(tmp_path: Path) -> None:
    """What was acknowledged is in it, although the database file alone does not have it yet."""
    async with sqlite_store(tmp_path / "a.db") as store:
        await fill(store)
        assert (await back_up(url(tmp_path / "a.db"), tmp_path / "b.db")).head == 40


async def test_a_backup_of_a_busy_store_is_a_prefix_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds all that was stored before it began, contiguous, and writers went on throughout."""
    monkeypatch.setattr(copying, "PAGES", 5)
    async with sqlite_store(tmp_path / "a.db") as store:
        await store.append([noted(number, 500) for number in range(1000)])
        writing = asyncio.create_task(write(store))
        during: list[int] = []
        for number in range(3):
            begun = await store.head()
            made = await back_up(url(tmp_path / "a.db"), tmp_path / f"{number}.db")
            during.append(await store.head() - begun)
            assert made.head >= begun
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        identity, log = store.identity, await store.read().list()
    assert all(during)
    for number in range(3):
        copied_identity, copied = await log_of(tmp_path / f"{number}.db")
        assert (copied_identity, copied) == (identity, log[: len(copied)])


async def write(store: SqliteStore) -> None:
    """Appends for ever."""
    number = 0
    while True:
        number += 1
        await store.append([noted(number)])


async def test_a_backup_can_be_appended_to(tmp_path: Path) -> None:
    """It is a store like any other."""
    await filled_file(tmp_path / "a.db", 5)
    await back_up(url(tmp_path / "a.db"), tmp_path / "b.db")
    async with sqlite_store(tmp_path / "b.db") as store:
        assert (await store.append([noted(1)])).position == 6


async def test_a_backup_is_for_its_owner_only(tmp_path: Path) -> None:
    """As the store itself is."""
    await filled_file(tmp_path / "a.db", 2)
    made = await back_up(url(tmp_path / "a.db"), tmp_path / "b.db")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


async def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    """Neither part of a copy nor what SQLite keeps beside an open file."""
    await filled_file(tmp_path / "a.db", 2)
    await back_up(url(tmp_path / "a.db"), tmp_path / "b.db")
    assert {path.name for path in tmp_path.iterdir()} == {"a.db", "b.db"}


@pytest.mark.parametrize("kind", ["file", "folder", "link to nothing", "the store itself"])
async def test_a_backup_takes_nothing_s_place(tmp_path: Path, kind: str) -> None:
    """What is there stays as it is."""
    await filled_file(tmp_path / "a.db", 2)
    target = tmp_path / ("a.db" if kind == "the store itself" else "b.db")
    if kind == "file":
        target.write_text("precious")
    elif kind == "folder":
        target.mkdir()
    elif kind == "link to nothing":
        target.symlink_to(tmp_path / "nothing")
    with pytest.raises(StoreUnavailable) as caught:
        await back_up(url(tmp_path / "a.db"), target)
    assert caught.value.code == "target-exists"
    assert (await log_of(tmp_path / "a.db"))[1]
    assert kind != "file" or target.read_text() == "precious"


async def test_a_file_made_meanwhile_keeps_its_place(tmp_path: Path) -> None:
    """Even between the first look and the end of the copy."""
    await filled_file(tmp_path / "a.db", 2)
    with pytest.raises(StoreUnavailable) as caught:
        await back_up(
            url(tmp_path / "a.db"),
            tmp_path / "b.db",
            progress=lambda *_: (tmp_path / "b.db").touch(),
        )
    assert caught.value.code == "target-exists"
    assert (tmp_path / "b.db").read_bytes() == b""


@pytest.mark.parametrize("address", ["memory://", "postgresql://x"])
async def test_what_has_no_file_is_not_backed_up(tmp_path: Path, address: str) -> None:
    """The error says so."""
    with pytest.raises(StoreUnavailable) as caught:
        await back_up(address, tmp_path / "b.db")
    assert caught.value.code == "bad-url"


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """It is not made."""
    await filled_file(tmp_path / "a.db", 2)
    with pytest.raises(StoreUnavailable) as caught:
        await back_up(url(tmp_path / "a.db"), tmp_path / "nowhere" / "b.db")
    assert caught.value.code == "no-folder"


async def test_an_interrupted_backup_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends within a step, and there is no half of a copy."""
    monkeypatch.setattr(copying, "PAGES", 1)
    await filled_file(tmp_path / "a.db", 40)
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell(doing: str, done: int, total: int | None) -> None:
        loop.call_soon_threadsafe(begun.set)

    task = asyncio.create_task(back_up(url(tmp_path / "a.db"), tmp_path / "b.db", progress=tell))
    await begun.wait()
    task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, asyncio.CancelledError):
        assert {path.name for path in tmp_path.iterdir()} <= {"a.db", "b.db"}
    assert (await log_of(tmp_path / "a.db"))[1]


async def test_the_views_are_copied_when_they_are_wanted(tmp_path: Path) -> None:
    """Beside the copy, under the name at which the copy will look for them."""
    await filled_file(tmp_path / "shop.db", 2)
    connection = apsw.Connection(str(tmp_path / "shop.views.db"))
    connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (7)")
    connection.close()
    made = await back_up(url(tmp_path / "shop.db"), tmp_path / "copy.db", views=True)
    assert made.views == tmp_path / "copy.views.db"
    copied = apsw.Connection(str(made.views))
    assert copied.execute("SELECT a FROM t").get == 7
    copied.close()
    with pytest.raises(StoreUnavailable):
        await back_up(url(tmp_path / "shop.db"), tmp_path / "copy.db", views=True)
    assert (await back_up(url(tmp_path / "shop.db"), tmp_path / "other.db")).views is None


async def test_views_are_not_kept_without_their_log(tmp_path: Path) -> None:
    """When the log cannot be copied, the copied views go again."""
    await filled_file(tmp_path / "shop.db", 2)
    apsw.Connection(str(tmp_path / "shop.views.db")).execute("CREATE TABLE t (a)")
    (tmp_path / "copy.db").touch()
    with pytest.raises(StoreUnavailable):
        await back_up(url(tmp_path / "shop.db"), tmp_path / "copy.db", views=True)
    assert not (tmp_path / "copy.views.db").exists()


async def test_a_damaged_store_is_not_called_backed_up(tmp_path: Path) -> None:
    """A copy that does not end as the log did is refused."""
    await filled_file(tmp_path / "a.db", 40)
    content = bytearray((tmp_path / "a.db").read_bytes())
    content[4096 * 3 :] = bytes(len(content) - 4096 * 3)
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(StoreError) as caught:
        await back_up(url(tmp_path / "a.db"), tmp_path / "b.db")
    assert isinstance(caught.value, (StoreCorrupt, StoreUnavailable))
