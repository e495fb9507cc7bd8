"""Placing: whether what is open is still where others look for it.

Whoever opens the store by its URL finds the file at the path. Who has opened it before goes on with the file that was
there then, whatever became of its name: what is read is then no longer the store, and what is written nobody finds.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

MOVED = "store-moved"
"""The code of a store that is no longer where it was opened."""


@runtime_checkable
class Placed(Protocol):
    """What lies in files that somebody may move, replace or remove while it is open."""

    def check_place(self) -> None:
        """Passes while they are where they were. At once. Raises `StoreUnavailable` with code ``store-moved``."""
        ...
