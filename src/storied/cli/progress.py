"""How far long work is: a bar on a terminal, now and then a line elsewhere, and nothing beside JSON.

It goes to standard error, so that what a verb prints can be piped on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from storied.cli.printing import Output
from storied.operating.walking import Progress as Told

SECONDS = 5.0
"""Between two lines where there is no terminal; short work says nothing."""


@contextmanager
def showing_progress(out: Output, *, stream: TextIO | None = None) -> Iterator[Told]:
    """What long work tells its progress to, shown until the block ends."""
    place = stream or sys.stderr
    if out.json:
        yield _silent
    elif place.isatty():
        with _Bars(place) as bars:
            yield bars.tell
    else:
        yield _Lines(place).tell


def _silent(doing: str, done: int, total: int | None) -> None:
    """Says nothing."""


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream, self._spoke = stream, time.monotonic()

    def tell(self, doing: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._spoke >= SECONDS:
            self._spoke = now
            far = f"{done}" if total is None else f"{done} of {total}"
            self._stream.write(f"{doing}: {far}\n")
            self._stream.flush()


class _Bars:
    def __init__(self, stream: TextIO) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, doing: str, done: int, total: int | None) -> None:
        task = self._tasks.get(doing)
        if task is None:
            task = self._tasks[doing] = self._progress.add_task(doing, total=total)
        self._progress.update(task, completed=done, total=total)
