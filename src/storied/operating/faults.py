"""Faults: what is wrong with a store, counted by kind, with the first of them kept word for word."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["file", "unreadable", "missing", "digest", "time", "json", "tags", "append", "view"]
"""What is wrong: the file's structure; an event that cannot be read, is not there, does not fit its digest, goes back
in time, or is not JSON; the tag index; what is remembered of an append; a view's document."""

KEPT = 100
"""Faults of which the words are kept."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong. `position` is where in the log, `view` and `key` name a document, where there is one."""

    kind: Kind
    message: str
    position: int | None = None
    view: str | None = None
    key: str | None = None


class Faults:
    """What was found so far."""

    def __init__(self) -> None:
        self.counts: dict[Kind, int] = {}
        self.first: Fault | None = None
        self.kept: list[Fault] = []

    def add(self, kind: Kind, message: str, position: int | None = None, *, view: str = "", key: str = "") -> None:
        """Counts a fault. The first is the one at the lowest position of the log; one without a position comes last."""
        fault = Fault(kind, message, position, view or None, key or None)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.first is None or _place(fault) < _place(self.first):
            self.first = fault
        if len(self.kept) < KEPT:
            self.kept.append(fault)


def _place(fault: Fault) -> float:
    """A view is made of the log, so its faults come after those of the log."""
    return float("inf") if fault.position is None or fault.kind == "view" else fault.position
