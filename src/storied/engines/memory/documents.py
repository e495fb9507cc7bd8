"""Read models in memory: documents and checkpoints in dicts, gone when the process ends."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from storied.store.documents import (
    Change,
    Checkpoint,
    CheckpointMovedError,
    Criterion,
    Hit,
    Lookup,
    Scalar,
    Table,
)

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class _Shelf(msgspec.Struct):
    """One view's documents by key, each with its index values by column."""

    table: Table
    documents: dict[str, tuple[str, dict[str, Scalar]]] = {}
    checkpoint: Checkpoint = Checkpoint()


class MemoryDocuments:
    """`Documents` in this process's memory."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}

    async def prepare(self, table: Table) -> Checkpoint:
        """As the port says."""
        shelf = self._shelves.get(table.name)
        if shelf is None or shelf.table != table:
            shelf = self._shelves[table.name] = _Shelf(table)
        return shelf.checkpoint

    async def load(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """As the port says."""
        documents = self._shelf(table).documents
        return {key: documents[key][0] for key in keys if key in documents}

    async def commit(
        self, table: Table, changes: Sequence[Change], *, expected: Checkpoint, checkpoint: Checkpoint
    ) -> None:
        """As the port says."""
        shelf = self._shelf(table)
        if shelf.checkpoint != expected:
            raise CheckpointMovedError(
                f"view {table.name} stands at {shelf.checkpoint.position}, not at {expected.position}. Nothing was "
                "written. Load again and go on from there."
            )
        for change in changes:
            if change.document is None:
                shelf.documents.pop(change.key, None)
            else:
                values = dict(zip(table.columns, change.values, strict=True))
                shelf.documents[change.key] = (change.document, values)
        shelf.checkpoint = checkpoint

    async def get(self, table: Table, key: str) -> tuple[str | None, int]:
        """As the port says."""
        shelf = self._shelf(table)
        found = shelf.documents.get(key)
        return (found[0] if found else None), shelf.checkpoint.position

    async def find(self, table: Table, lookup: Lookup) -> tuple[list[Hit], int]:
        """As the port says."""
        shelf = self._shelf(table)
        hits = [
            Hit(key, document, values[lookup.order] if lookup.order else None)
            for key, (document, values) in shelf.documents.items()
            if _meets(values, lookup.criteria)
        ]
        hits.sort(key=_place, reverse=lookup.descending)
        if lookup.beyond is not None:
            edge = _place(Hit(lookup.beyond[1], "", lookup.beyond[0]))
            hits = [hit for hit in hits if (_place(hit) < edge if lookup.descending else _place(hit) > edge)]
        return hits[: lookup.limit], shelf.checkpoint.position

    async def count(self, table: Table, lookup: Lookup, by: str | None = None) -> tuple[dict[Scalar, int], int]:
        """As the port says."""
        shelf = self._shelf(table)
        groups = Counter(
            values[by] if by else None for _, values in shelf.documents.values() if _meets(values, lookup.criteria)
        )
        if by is None and not groups:
            groups[None] = 0
        return dict(groups), shelf.checkpoint.position

    async def checkpoint(self, table: Table) -> Checkpoint:
        """As the port says."""
        shelf = self._shelves.get(table.name)
        return shelf.checkpoint if shelf else Checkpoint()

    async def checkpoints(self) -> dict[str, Checkpoint]:
        """As `CheckpointList` says."""
        return {name: self._shelves[name].checkpoint for name in sorted(self._shelves)}

    async def reset(self, table: Table) -> None:
        """As the port says."""
        self._shelves[table.name] = _Shelf(table)

    async def aclose(self) -> None:
        """As the port says."""

    def _shelf(self, table: Table) -> _Shelf:
        return self._shelves.get(table.name) or _Shelf(table)


def _meets(values: dict[str, Scalar], criteria: tuple[Criterion, ...]) -> bool:
    return all(_holds(values[criterion.field], criterion) for criterion in criteria)


def _holds(value: Scalar, criterion: Criterion) -> bool:
    if criterion.operator == "=":
        return value == criterion.value
    if value is None or criterion.value is None:
        return False
    return _COMPARE[criterion.operator](_rank(value), _rank(criterion.value))


def _rank(value: Scalar) -> tuple[int, Any]:
    """None before numbers before text, as SQL engines order them."""
    return (0, 0) if value is None else (2, value) if isinstance(value, str) else (1, value)


def _place(hit: Hit) -> tuple[tuple[int, Any], str]:
    return _rank(hit.value), hit.key
