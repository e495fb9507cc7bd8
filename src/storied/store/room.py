"""Room: whether a store that could not be written to, for want of space or of its turn, would take an append now.

Nothing here is needed to use a store; it serves whoever has to tell others that writing works again.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Roomy(Protocol):
    """A store that can tell, without an append, whether it has room for some."""

    def seems_full(self) -> bool:
        """Whether the system says so, at once and on the event loop. It may be wrong: only `check_room` tries."""
        ...

    async def check_room(self) -> None:
        """Passes when there is room for a few common appends, and the files of the log may be written.

        Takes the room for a moment, so that it is seen to be there, and gives it back; the log is left alone, and
        nobody who writes is held up. Raises `StoreUnavailable` with the code that an append would have, such as
        ``disk-full``.
        """
        ...

    async def check_turn(self) -> None:
        """Passes when an append would get its turn, because nobody else holds the log locked for long.

        Takes the lock for a moment, and gives it back. Raises `StoreUnavailable` with code ``busy``.
        """
        ...
