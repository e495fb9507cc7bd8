"""Reloading: what tells that the code of an app has changed, for whoever writes it and wants to see it at work.

Needs the extra ``reload``.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from watchfiles import Change, PythonFilter, awatch

log = logging.getLogger("storied.services")


async def changes(folders: Iterable[Path], files: Iterable[Path] = ()) -> AsyncIterator[str]:
    """The name of a file each time that Python's below the *folders*, or one of the *files*, have changed.

    What changes together is told once. It ends, and says so in the log, where the system watches no more files.
    """
    code, others = [folder.resolve() for folder in folders], {file.resolve() for file in files}
    is_python = PythonFilter()

    def matters(change: Change, path: str) -> bool:
        place = Path(path)
        return place in others or (is_python(change, path) and any(map(place.is_relative_to, code)))

    try:
        async for several in awatch(
            *code, *{file.parent for file in others}, watch_filter=matters, debounce=400, ignore_permission_denied=True
        ):
            yield min(Path(path).name for _, path in several)
    except OSError as error:
        log.error("changes of the code are not seen any more (%s); start the server again to see them", error)
