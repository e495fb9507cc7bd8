"""Troubles: what keeps a view from going on for a while, as the log tells it.

It is tried again several times a second, and a disk may be full for a night: so the log says when it begins, once a
minute that it lasts, and when it is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

AGAIN_SECONDS = 60.0
"""How long what was told is not told again."""

log = logging.getLogger("storied.projections")


class Trouble:
    """One trouble, which comes and goes: *begins* and *ends* are the words for it."""

    def __init__(self, begins: str, ends: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._begins, self._ends, self._clock = begins, ends, clock
        self._told: float | None = None

    def met(self, error: Exception) -> None:
        """It is there, for this reason."""
        now = self._clock()
        if self._told is None or now - self._told >= AGAIN_SECONDS:
            log.warning("%s: %s", self._begins, error)
            self._told = now

    def over(self) -> None:
        """It is not there; most of the time it never was."""
        if self._told is not None:
            log.info("%s", self._ends)
            self._told = None
