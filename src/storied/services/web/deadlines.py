"""Deadlines: tasks that take too long are ended. Many of them share one timer."""

from __future__ import annotations

import asyncio
from time import monotonic


class Deadlines:
    """Ends what takes too long. Many tasks share one timer, which is cheaper than a timer for each."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[object] | None = None) -> asyncio.Task[object]:
        """The task that runs now, which has from now on its time; who knows it hands it in."""
        if task is None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - whoever serves a request is a task
        self._running[task] = monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self._look)
        return task

    def end(self, task: asyncio.Task[object]) -> bool:
        """Whether the task was cancelled because it was late. It is forgotten, and the cancelling with it."""
        self._running.pop(task, None)
        if task not in self._late:
            return False
        self._late.discard(task)
        task.uncancel()
        return True

    def _look(self) -> None:
        """Cancels what is late, and comes back when the next one is."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, began in list(self._running.items()):
            left = began + self.seconds - monotonic()
            if left > 0:
                self._timer = loop.call_later(left, self._look)
                return
            del self._running[task]
            self._late.add(task)
            task.cancel()
