"""Copying a database while others write to it: one moment of it, page by page, into a new file.

The whole copy is read inside one transaction, so that it is of one moment and never starts over; in WAL mode a reader
holds up no writer, though the WAL cannot be emptied meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import msgspec

from storied.engines.newfile import new_file
from storied.engines.sqlite.connection import open_reader, unavailable
from storied.engines.sqlite.longwork import Stop, long_work
from storied.engines.sqlite.presence import PresentConnection

PAGES = 1000
"""Pages copied between two looks at whether to stop: 4 MB, some milliseconds."""

Told = Callable[[int, int], None]


class Copied(msgspec.Struct, frozen=True):
    """A copy that is on the disk: where, and its size in bytes."""

    path: Path
    bytes: int


async def copy_database(source: Path, target: Path, told: Told) -> Copied:
    """The copy of one moment of *source* in the new file *target*, synced; *told* hears of pages done, and of all.

    *told* is called in another thread. Raises `StoreUnavailable`, with code ``target-exists`` or for what else stood
    in the way; then there is no *target*.
    """
    try:
        return await long_work(lambda stop: _copy(source, target, told, stop))
    except (OSError, apsw.Error) as error:
        raise unavailable(target, error) from error


def _copy(source: Path, target: Path, told: Told, stop: Stop) -> Copied:
    with new_file(target) as partial:
        _copy_pages(source, partial, told, stop)
    return Copied(target, target.stat().st_size)


def _copy_pages(source: Path, target: Path, told: Told, stop: Stop) -> None:
    with (
        closing(open_reader(source, PresentConnection)) as reading,
        closing(apsw.Connection(str(target))) as writing,
    ):
        reading.execute("BEGIN")
        _ = reading.execute("SELECT count(*) FROM sqlite_schema").get  # from here on it is of this moment
        writing.pragma("synchronous", 2)
        writing.pragma("fullfsync", 1)
        with writing.backup("main", reading, "main") as backup:
            while not backup.done:
                if stop.is_set():
                    raise apsw.InterruptError("the copy is no longer wanted")
                backup.step(PAGES)
                told(backup.page_count - backup.remaining, backup.page_count)
