"""Connections: opened with the settings that the promises need, read back, and refused when they do not hold."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar

import apsw

from storied.engines.sqlite.mounts import network_type
from storied.engines.sqlite.presence import PresentConnection, make_file
from storied.errors import StoreCorrupt, StoreError, StoreUnavailable

K = TypeVar("K", bound=PresentConnection)
Synchronous = Literal["full", "normal"]
"""``full`` syncs each commit before it is acknowledged; ``normal`` may lose the last ones in a power cut."""

OLDEST_SQLITE = (3, 51, 3)
"""From here on the WAL-reset corruption bug (https://sqlite.org/wal.html) is mended."""
BUSY_MILLISECONDS = 10_000
CHECKPOINT_PAGES = 4000
"""Pages in the WAL (16 MB) after which a commit moves them into the database file."""
APPLICATION_ID = 0x53746F72  # "Stor", in the file header
VIEWS_APPLICATION_ID = 0x53746F76  # "Stov"
SMALLEST_DATABASE = 512
"""Bytes: the smallest page there is."""
_LEVELS = {"full": 2, "normal": 1}


def open_writer(
    path: Path, synchronous: Synchronous, application_id: int, *, network: bool = False, make: bool = True
) -> PresentConnection:
    """A connection that writes, in WAL mode, with *synchronous* set and read back.

    An absent file is made, mode 0600, and an empty one taken, unless *make* is false. Raises `StoreUnavailable` when it
    cannot be opened so; also on a network file system, unless *network* allows it.
    """
    check_sqlite()
    if not network:
        check_local(path)
    if not path.parent.is_dir():
        raise StoreUnavailable(
            f"the folder {path.parent} does not exist. Make it first, or give another path.", code="no-folder"
        )
    try:
        if make:
            make_file(path)
        _check_size(path, may_be_new=make)
        connection = PresentConnection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    except (OSError, apsw.Error) as error:
        raise unavailable(path, error) from error
    with closed_on_failure(connection, path):
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.transaction_mode = "IMMEDIATE"  # a read that turns into a write would not wait for its turn
        _check_kind(connection, path, application_id)
        _check_whole(connection, path)
        _set_wal(connection, path)
        connection.pragma("synchronous", _LEVELS[synchronous])
        connection.pragma("fullfsync", 1)
        connection.pragma("cache_size", -65536)
        connection.pragma("temp_store", 2)
        connection.wal_autocheckpoint(CHECKPOINT_PAGES)
        if connection.pragma("synchronous") != _LEVELS[synchronous]:
            raise StoreUnavailable(
                f"{path} does not accept synchronous={synchronous}, so nothing could be promised to be durable. "
                "Use a SQLite build that does.",
                code="weak-durability",
            )
    return connection


def open_reader(path: Path, kind: type[K]) -> K:
    """A connection of this *kind* that only reads. Raises `StoreUnavailable`."""
    check_sqlite()
    try:
        connection = kind(path, flags=apsw.SQLITE_OPEN_READWRITE)
    except (OSError, apsw.Error) as error:
        raise unavailable(path, error) from error
    with closed_on_failure(connection, path):
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.pragma("query_only", 1)
        connection.pragma("cache_size", -65536)
        connection.pragma("temp_store", 2)
    return connection


def check_local(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Passes a path on a local disk, as far as *mounts* tells. Raises `StoreUnavailable` with code ``network``."""
    try:
        text = mounts.read_text(encoding="utf-8", errors="replace")
        kind = network_type(PurePosixPath(path.resolve()), text)
    except (OSError, RuntimeError):  # another system than Linux; a circle of links, which opening will tell
        return
    if kind is not None:
        raise StoreUnavailable(
            f"{path} lies on a network file system ({kind}), where the locks and the shared memory that SQLite needs "
            "cannot be relied on. Nothing was opened. Move the store to a local disk; ?network=allow in the URL opens "
            "it all the same, at your own risk.",
            code="network",
        )


def check_sqlite(version: str = apsw.sqlite_lib_version()) -> None:
    """Passes a SQLite without the WAL-reset bug. Raises `StoreUnavailable` with code ``old-sqlite``."""
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        raise StoreUnavailable(
            f"SQLite {version} can corrupt a database that two connections write. Upgrade apsw, which brings its own "
            f"SQLite, so that it has {'.'.join(map(str, OLDEST_SQLITE))} or later.",
            code="old-sqlite",
        )


def make_schema(connection: apsw.Connection, sql: str, table: str, application_id: int) -> bool:
    """Makes the tables in one transaction unless *table* is there; whether it made them."""
    made = False
    with transaction(connection):
        if not has_table(connection, table):
            connection.execute(sql)
            connection.pragma("application_id", application_id)
            made = True
    return made


def has_table(connection: apsw.Connection, table: str) -> bool:
    """Whether the table is there now, and not only in a cached copy of the schema."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = ?", (table,)).get)


def sync_recovered(connection: apsw.Connection) -> None:
    """Moves what the WAL holds into the database file, synced.

    A WAL that outlived its process may end in commits whose sync failed. SQLite shows them, as the system's cache has
    them, and whoever repeats such an append is told that it is stored: so it has to be on the disk by then.
    """
    with suppress(apsw.BusyError):  # somebody else is at it; then the file was open before, and nothing was recovered
        connection.wal_checkpoint()


@contextmanager
def closed_on_failure(connection: apsw.Connection, path: Path) -> Iterator[None]:
    """Closes the connection when the block raises, and words what SQLite raised as `unavailable` does."""
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        failure = unavailable(path, error)  # first: closing would give back what there was too little of
        connection.close()
        raise failure from error
    except BaseException:
        connection.close()
        raise


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """A write transaction: committed at the end of the block, rolled back when it raises.

    A full disk rolls back by itself, and then there is nothing left to roll back.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def unavailable(path: Path, error: Exception) -> StoreError:
    """What an error of SQLite or the system means for the one who wanted to use the file."""
    if isinstance(error, apsw.NotADBError):
        return StoreUnavailable(
            f"{path} is not a SQLite database. Give the path of a storied store, or of a new file.", code="not-a-store"
        )
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return StoreUnavailable(
            f"{path} was locked by another process for {BUSY_MILLISECONDS / 1000:g} s. Nothing was stored. Try again, "
            "and look for a long transaction in another program.",
            code="busy",
        )
    if _is_of_no_room(error):
        return StoreUnavailable(
            f"the disk under {path} is full. Nothing was stored; reading still works. Make room, then repeat.",
            code="disk-full",
        )
    if _is_out_of_descriptors(error):
        return StoreUnavailable(
            f"{path} cannot be opened, because this process may open no more files. Nothing was stored. Close some, or "
            "raise the limit (ulimit -n).",
            code="too-many-files",
        )
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError)) or _is_forbidden(path, error):
        return StoreUnavailable(
            f"{path} cannot be written. Give this process write permission on it and its folder.", code="read-only"
        )
    if isinstance(error, UnicodeDecodeError):
        return StoreCorrupt(f"{path} is damaged: it holds text that is not UTF-8. Restore a backup and compare.")
    if isinstance(error, apsw.CorruptError):
        return StoreUnavailable(f"{path} is damaged: {error}. Restore a backup beside it and compare.", code="damaged")
    return StoreUnavailable(f"{path} cannot be used: {error}. See to the file and its folder.", code="cannot-open")


def _is_of_no_room(error: Exception) -> bool:
    """Whether the disk is full, or what one user may have of it."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE


def _is_out_of_descriptors(error: Exception) -> bool:
    """Whether no more files can be opened; SQLite only says that it could not open one."""
    if isinstance(error, apsw.CantOpenError):
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as second:
            return second.errno in (errno.EMFILE, errno.ENFILE)
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def _is_forbidden(path: Path, error: Exception) -> bool:
    """Whether the file or its folder may not be written, which WAL mode needs even for reading."""
    if isinstance(error, OSError):
        return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    denied = (place for place in (path, path.parent) if place.exists() and not os.access(place, os.R_OK | os.W_OK))
    return isinstance(error, apsw.CantOpenError) and any(denied)


def _check_size(path: Path, *, may_be_new: bool) -> None:
    """Passes a new file, and one that is long enough for a database: SQLite would write over a single byte."""
    size = path.stat().st_size
    if size < SMALLEST_DATABASE and not (may_be_new and size == 0):
        raise StoreUnavailable(
            f"{path} is too short to be a database. Nothing was changed. Give the path of a store, or of a new file.",
            code="not-a-store",
        )


def _check_whole(connection: apsw.Connection, path: Path) -> None:
    """Passes a file of whole pages; one that others are just writing to, which then has a WAL, is let be."""
    log = Path(connection.filename_wal)
    if path.stat().st_size % connection.pragma("page_size") and not (log.exists() and log.stat().st_size):
        raise StoreUnavailable(
            f"{path} is damaged: its last page is cut off. Restore a backup beside it and compare.", code="damaged"
        )


def _check_kind(connection: apsw.Connection, path: Path, application_id: int) -> None:
    """Passes an empty database or one of ours."""
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get  # first: another process may be making them
    if tables and connection.pragma("application_id") != application_id:
        raise StoreUnavailable(
            f"{path} is a SQLite database, but not the kind of storied file expected. Give another path.",
            code="not-a-store",
        )


def _set_wal(connection: apsw.Connection, path: Path) -> None:
    """Switches to WAL; several processes may try at once, and SQLite does not wait there by itself."""

    def switched() -> bool:
        try:
            return bool(connection.pragma("journal_mode", "wal") == "wal")
        except apsw.BusyError:
            return False

    if not _until(switched, BUSY_MILLISECONDS / 1000):
        raise StoreUnavailable(
            f"{path} cannot be put into WAL mode. Close other programs that use it, and keep it on a local disk.",
            code="no-wal",
        )


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
