"""Presence: which database files this process has open, so that nothing else in it harms them.

The system keeps one set of locks for each process and file. Whoever else in the process opens the file and closes it
drops the locks that SQLite relies on; then the write-ahead log may be taken away, with acknowledged events in it. And
what a forked child inherits says that locks are held which are not. So every connection is entered here, Python's own
`sqlite3` is kept off these files, and a child opens nothing its parent had open.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import apsw

from storied.errors import StoreUnavailable
from storied.store.placing import MOVED

FileId = tuple[int, int]
"""Device and inode."""
LIBRARY = "_sqlite3"
"""The module through which Python reaches the SQLite that it came with."""


class PresentConnection(apsw.Connection):
    """A connection to a file that exists, entered here from before it opens until it is closed."""

    def __init__(self, path: Path, *, flags: int) -> None:
        self._file: FileId | None = None
        self._log: FileId | None = None
        entered = _files.enter(path)
        try:
            super().__init__(str(path), flags=flags, statementcachesize=256)
        except BaseException:
            _files.leave(entered)
            raise
        self._file = entered

    def is_in_place(self) -> bool:
        """Whether the file and its write-ahead log are still those that were there at first, to be called in a write.

        Whoever opens a file that was put in their place, or makes a new log, knows nothing of what is written here.
        """
        found = _file_at(self.filename_wal)
        self._log = self._log or found
        return found is not None and found == self._log and _file_at(self.filename) == self._file

    def close(self, force: bool = False) -> None:
        """Closes; once the last connection is closed, the file is everybody's again."""
        super().close(force)
        if self._file is not None:
            _files.leave(self._file)
            self._file = None


class Whereabouts:
    """A database file and its write-ahead log, as they were found when they had been opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = f"{os.path.realpath(path)}-wal"
        self._file, self._log = _file_at(str(path)), _file_at(self._log_path)

    def check(self) -> None:
        """Passes while both are where they were. Raises `StoreUnavailable` with code ``store-moved``."""
        found = _file_at(self._log_path)
        self._log = self._log or found
        if found != self._log or _file_at(str(self._path)) != self._file:
            raise StoreUnavailable(
                f"{moved(self._path)}. What is there now was not touched. Put back what belongs there, and open it "
                "again.",
                code=MOVED,
            )


def moved(path: Path) -> str:
    """What is wrong with a file that is not the one that was opened."""
    return f"{path}, or the -wal file beside it, was moved, replaced or removed while it was open"


def make_file(path: Path) -> None:
    """Makes the file with mode 0600 unless it is there; one that is there is not even opened. Raises `OSError`."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _file_at(path: str) -> FileId | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Files:
    """The files that are open here, and those that were open in the process this one was forked from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[FileId] = Counter()
        self._inherited: frozenset[FileId] = frozenset()
        self._guarded = False

    def enter(self, path: Path) -> FileId:
        """Enters one connection. Raises `StoreUnavailable` with code ``forked``, and `OSError` for an absent file."""
        status = os.stat(path)
        file = status.st_dev, status.st_ino
        if file in self._inherited:
            raise StoreUnavailable(
                f"{path} was open in the process that this one was forked from, so SQLite takes locks for held that "
                "are not. Nothing was changed. Fork before the store is opened, or start this process with spawn.",
                code="forked",
            )
        with self._lock:
            if not self._guarded:
                sys.meta_path.insert(0, _Guard(self.holds))
                self._guarded = True
            self._open[file] += 1
        return file

    def leave(self, file: FileId) -> None:
        """Takes one connection off."""
        with self._lock:
            self._open[file] -= 1
            if self._open[file] <= 0:
                del self._open[file]

    def inherit(self) -> None:
        """In a forked child: nothing is open here, and what was is not to be touched."""
        self._lock = threading.Lock()  # a thread that the child does not have may hold the other
        self._inherited |= self._open.keys()
        self._open = Counter()

    def holds(self, path: str) -> bool:
        """Whether the path leads to a file that is open here."""
        try:
            return bool(self._open) and _file_at(path) in self._open
        except ValueError:  # a NUL in it
            return False


class _Guard(MetaPathFinder):
    """Keeps Python's `sqlite3` off the files that *holds* knows, from when that is imported.

    An audit hook cannot be taken away, and makes `id()` and the like some 0.5 µs slower. So a process that never
    imports `sqlite3` gets none: this only watches what is imported, and finds nothing itself.
    """

    def __init__(self, holds: Callable[[str], bool]) -> None:
        self._holds = holds
        self._armed = False
        if LIBRARY in sys.modules:
            self._arm()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """None: what is imported comes from where it always does."""
        if fullname == LIBRARY:
            self._arm()

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "sqlite3.connect" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        given = os.fsdecode(arguments[0])
        plain = unquote(given.removeprefix("file:").partition("?")[0].partition("#")[0])  # of a URI the path in it
        if self._holds(given) or (given.startswith("file:") and self._holds(plain)):
            raise StoreUnavailable(
                f"{given} is open as a store in this process, and a second SQLite library in it would drop the store's "
                "locks and lose events. Nothing was opened. Use apsw, or read the file from another process.",
                code="second-sqlite",
            )


_files = _Files()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_files.inherit)
