"""New files that are there whole or not at all, and never in another file's place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storied.errors import StoreUnavailable

BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a file while it is written."""


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A file beside *target* to write into, mode 0600; it is synced and becomes *target* when the block ends well.

    Otherwise there is no *target*. Raises `StoreUnavailable` (``target-exists``, ``no-folder``) and `OSError`.
    """
    if not target.parent.is_dir():
        raise StoreUnavailable(
            f"the folder {target.parent} does not exist. Make it first, or give another path.", code="no-folder"
        )
    if os.path.lexists(target):
        raise _exists(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        _sync(partial)
        os.link(partial, target)  # unlike a rename it takes nobody's place
    except FileExistsError as error:
        raise _exists(target) from error
    finally:
        for suffix in ("", *BESIDE):
            with suppress(FileNotFoundError):
                os.unlink(f"{partial}{suffix}")
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exists(target: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"{target} is there already. Nothing was written. Give the path of a new file.", code="target-exists"
    )
