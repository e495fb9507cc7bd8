"""Courtesy between the processes that write one file: who has just written lets others in.

SQLite has no queue for those who want to write. Whoever waits asks again every so often, ever more seldom, and a busy
writer takes the lock again within a fraction of a millisecond: others would wait for hundreds of them. So here whoever
waits asks often, and whoever has written twice in a row while others write too, pauses before the third time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

ASK_SECONDS = 0.0002
"""How often a writer that waits asks for the lock."""
PAUSE_SECONDS = 0.0003
"""How long a writer stays away: in it, everybody who waits has asked once."""
RIVALRY_SECONDS = 0.1
"""How long after it has written somebody else is thought to be about to write again."""


class Courtesy:
    """What one writer knows of the others: by the log's head, as it left it and as it finds it again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: int | None = None
        self._others_wrote = -math.inf
        self._twice = False

    def found(self, head: int) -> None:
        """Hears where the log ends, in a write."""
        self._twice = head == self._left
        if self._left is not None and not self._twice:
            self._others_wrote = self._clock()

    def left(self, head: int) -> None:
        """Hears where the log ends after a commit."""
        self._left = head

    def is_due(self) -> bool:
        """Whether it is the others' turn: nobody came between the last two writes, and somebody has before."""
        return self._twice and self._clock() - self._others_wrote < RIVALRY_SECONDS
