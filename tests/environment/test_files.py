"""Files that are no store, or no longer one: refused with a code and left as they are."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from storied.engines.sqlite.connection import check_sqlite
from storied.engines.sqlite.documents import SqliteDocuments
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoreCorrupt, StoreUnavailable, StoriedError
from storied.store.query import Query
from storied.testing.contract.specimens import event, events, stored


async def made(path: Path) -> Path:
    """A closed store of 200 events, all of it in one file."""
    store = await SqliteStore.open(path)
    await store.append(events(200, "Noted", "note:n", "page:p"))
    await store.aclose()
    return path


async def used(path: Path) -> None:
    """Opens the log, reads it in every order, and appends."""
    store = await SqliteStore.open(path)
    try:
        await store.read().list()
        await store.read(Query.of(tags=["note:n"])).list()
        await store.read(Query.of(types=["Noted"]), backwards=True).list()
        await store.measure()
        await store.append([event("Noted", "note:n")], append_id="one")
    finally:
        await store.aclose()


async def used_views(path: Path) -> None:
    """Opens the read models and looks them over."""
    documents = await SqliteDocuments.open(path)
    try:
        await documents.editions()
    finally:
        await documents.aclose()


async def refused(path: Path, use: Callable[[Path], object] = used) -> str:
    """The code that using the file ends with; the file is as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises((StoreUnavailable, StoreCorrupt)) as caught:
        await use(path)  # type: ignore[misc]  # one of the coroutine functions above
    assert before is None or path.read_bytes() == before
    return caught.value.code


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.51.2"])
def test_an_old_sqlite_is_refused(version: str) -> None:
    """One that can damage a database which two connections write."""
    with pytest.raises(StoreUnavailable) as caught:
        check_sqlite(version)
    assert caught.value.code == "old-sqlite"


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0"])
def test_a_sqlite_without_the_bug_passes(version: str) -> None:
    """From the version on that mended it."""
    check_sqlite(version)


async def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    """Who makes the file beforehand, with rights of their own, finds a store in it."""
    (tmp_path / "log.db").touch(mode=0o640)
    await used(tmp_path / "log.db")
    assert (tmp_path / "log.db").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("size", [1, 15, 16, 50, 99, 100, 511])
@pytest.mark.parametrize("use", [used, used_views])
async def test_a_stump_is_refused(tmp_path: Path, size: int, use: Callable[[Path], object]) -> None:
    """What is too short for a database is not written over, be it a single byte."""
    path = await made(tmp_path / "log.db")
    os.truncate(path, size)
    assert await refused(path, use) == "not-a-store"


@pytest.mark.parametrize("left", [0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
async def test_a_truncated_log_is_refused(tmp_path: Path, left: float) -> None:
    """Cut off at a page's end or within one."""
    path = await made(tmp_path / "log.db")
    size = path.stat().st_size
    for length in (int(size * left), int(size * left) // 4096 * 4096):
        os.truncate(path, max(length, 4096))
        assert await refused(path) == "damaged"


async def test_the_last_byte_is_missed(tmp_path: Path) -> None:
    """SQLite would read it as zero."""
    path = await made(tmp_path / "log.db")
    os.truncate(path, path.stat().st_size - 1)
    assert await refused(path) == "damaged"


@pytest.mark.parametrize("use", [used, used_views])
async def test_garbage_is_refused(tmp_path: Path, use: Callable[[Path], object]) -> None:
    """Bytes that mean nothing to SQLite."""
    path = tmp_path / "log.db"
    path.write_bytes(random.Random(7).randbytes(9000))
    assert await refused(path, use) == "not-a-store"


@pytest.mark.parametrize("seed", range(5))
async def test_garbage_behind_the_first_page_is_told(tmp_path: Path, seed: int) -> None:
    """Whichever page is hit first, the error is one of storied's."""
    path = await made(tmp_path / "log.db")
    content = bytearray(path.read_bytes())
    content[4096:] = random.Random(seed).randbytes(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoriedError) as caught:
        await used(path)
    assert caught.value.code in ("damaged", "store-corrupt")


async def test_every_zeroed_page_is_told_or_harmless(tmp_path: Path) -> None:
    """No error of SQLite gets through as it is."""
    content = (await made(tmp_path / "log.db")).read_bytes()
    for page in range(1, len(content) // 4096):
        path = tmp_path / f"page{page}.db"
        path.write_bytes(content[: page * 4096] + bytes(4096) + content[(page + 1) * 4096 :])
        try:
            await used(path)
        except StoriedError as error:
            assert error.code in ("damaged", "store-corrupt")  # noqa: PT017 - a page may also be one nobody reads


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: path.mkdir(), "cannot-open"),
        (lambda path: os.mkfifo(path), "cannot-open"),
        (lambda path: path.symlink_to(path), "cannot-open"),
        (lambda path: path.symlink_to(path.parent / "absent" / "log.db"), "cannot-open"),
    ],
    ids=["folder", "pipe", "circle", "dangling link"],
)
@pytest.mark.parametrize("use", [used, used_views])
async def test_what_is_no_file_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], code: str, use: Callable[[Path], object]
) -> None:
    """A folder, a pipe, a link to nowhere: at once, without waiting for the other end of anything."""
    path = tmp_path / "log.db"
    spoil(path)
    assert await refused(path, use) == code


async def test_a_file_below_a_file_has_no_folder(tmp_path: Path) -> None:
    """And one whose folder is absent."""
    (tmp_path / "file").touch()
    assert await refused(tmp_path / "file" / "log.db") == "no-folder"
    assert await refused(tmp_path / "absent" / "log.db") == "no-folder"


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """As is the log given for the views, and the views for the log."""
    other = apsw.Connection(str(tmp_path / "other.db"))
    other.execute("CREATE TABLE house (room)")
    other.close()
    await made(tmp_path / "log.db")
    await used_views(tmp_path / "log.views.db")
    assert await refused(tmp_path / "other.db") == "not-a-store"
    assert await refused(tmp_path / "other.db", used_views) == "not-a-store"
    assert await refused(tmp_path / "log.db", used_views) == "not-a-store"
    assert await refused(tmp_path / "log.views.db") == "not-a-store"


@pytest.mark.parametrize("number", ["3", "99", "'two'", "x'00'"])
async def test_a_newer_log_is_refused(tmp_path: Path, number: str) -> None:
    """A format that this code does not know, whatever stands there."""
    path = await made(tmp_path / "log.db")
    change(path, f"UPDATE store SET value = {number} WHERE name = 'format'")
    assert await refused(path) in ("newer-store", "store-corrupt")


async def test_newer_views_are_refused(tmp_path: Path) -> None:
    """They are not built anew under the eyes of the newer program."""
    path = tmp_path / "log.views.db"
    await used_views(path)
    change(path, "PRAGMA user_version = 99")
    assert await refused(path, used_views) == "newer-store"


async def test_a_log_whose_description_is_gone_is_told(tmp_path: Path) -> None:
    """A file with events and without the table that says what it is."""
    path = await made(tmp_path / "log.db")
    change(path, "DROP TABLE store")
    assert await refused(path) in ("cannot-open", "store-corrupt")


async def test_two_logs_may_stand_side_by_side(tmp_path: Path) -> None:
    """Odd names are names."""
    for name in ("ü 'x\";%20\n.db", "no-suffix", "a.b.c", " "):
        await used(tmp_path / name)
        store = await SqliteStore.open(tmp_path / name)
        assert len(await stored(store)) == 1
        await store.aclose()


def change(path: Path, sql: str) -> None:
    """Runs the statement as another program would."""
    connection = apsw.Connection(str(path))
    connection.execute(sql)
    connection.close()
