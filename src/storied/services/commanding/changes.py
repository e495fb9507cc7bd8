"""Changes: what the sender of a command is told of what it changed."""

from __future__ import annotations

import msgspec


class Told(msgspec.Struct, gc=False):
    """One event that a command stored, as its sender is told: not its data, which is for those who may read it."""

    position: int
    id: str
    type: str
    tags: tuple[str, ...]


class Changed(msgspec.Struct, gc=False):
    """What a command changed: `count` events, the last at `position`; without any, the position it was decided at."""

    position: int
    count: int
    events: list[Told]
