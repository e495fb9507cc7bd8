"""What a campaign says while it runs: one line that moves on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

LINES_EVERY_S = 15.0


class Progress:
    """Tells how far a campaign is; *silent* says nothing."""

    def __init__(self, name: str, *, silent: bool = False) -> None:
        self._name, self._silent = name, silent
        self._told_at = time.monotonic()

    def at(self, done: int, of: int, sentence: str) -> None:
        """So many of so many are done, with this result so far."""
        if self._silent:
            return
        now = time.monotonic()
        if sys.stdout.isatty():
            print(f"\r{self._name} {done}/{of}: {sentence}\033[K", end="" if done < of else "\n", flush=True)
        elif done == of or now - self._told_at >= LINES_EVERY_S:
            self._told_at = now
            print(f"{self._name} {done}/{of}: {sentence}", flush=True)
