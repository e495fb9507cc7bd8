"""Looking for room beside a log, in a file without a name: one that is left behind by no crash.

A transaction that changes nothing would say less. It needs one page, which is there on most full disks, while the
appends that failed need several; and it would have writers wait, for nothing, on a disk that is in trouble.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile

import apsw

from storied.engines.sqlite.connection import closed_on_failure, unavailable
from storied.engines.sqlite.presence import PresentConnection

ROOM_BYTES = 256 * 1024
"""How much has to fit: the pages of a batch of appends, and of the views' commit beside it."""
TURN_MILLISECONDS = 500
"""How long to wait for a lock that those who write in turns give back much sooner."""


def seems_full(path: Path) -> bool:
    """Whether the system says that so many bytes cannot be written beside the file, as far as it says anything."""
    try:
        disk = disk_usage(path.parent)
    except OSError:
        return False
    return disk.total > 0 and disk.free < ROOM_BYTES


def check_turn(path: Path) -> None:
    """Passes when nobody holds the file locked for long. Raises `StoreUnavailable`."""
    try:
        connection = PresentConnection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        with closed_on_failure(connection, path):
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.set_busy_timeout(TURN_MILLISECONDS)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        connection.close()
    except (OSError, apsw.Error) as error:
        raise unavailable(path, error) from error


def check_room(path: Path) -> None:
    """Passes when so many bytes can be written beside the file, and it may be written. Raises `StoreUnavailable`."""
    try:
        for file in (path, Path(f"{path}-wal")):
            if file.exists() and not os.access(file, os.W_OK):
                raise PermissionError(errno.EACCES, "may not be written", str(file))
        with TemporaryFile(dir=path.parent, prefix=f".{path.name}-room-") as scratch:
            scratch.write(os.urandom(ROOM_BYTES))  # which no file system makes smaller
            scratch.flush()
            os.fsync(scratch.fileno())
    except OSError as error:
        raise unavailable(path, error) from error
