"""The read models' port: documents with declared indexes, and the checkpoint that commits with them.

Documents are JSON texts, stored ready to serve. Index values are brought into one order (`sort_key`) that every
engine shares, so that a range or an ordering gives the same answer everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from storied.errors import InvalidQuery, StoriedError

Scalar = str | int | float | None
"""What an index column holds: comparable within one column, None before everything."""


class Table(msgspec.Struct, frozen=True):
    """One view's documents: their name, and the indexes, each a tuple of fields in the order they are compared."""

    name: str
    indexes: tuple[tuple[str, ...], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every indexed field once, in the order first named."""
        return tuple(dict.fromkeys(field for index in self.indexes for field in index))


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a projection has applied a log: `position`, the log's `identity`, and the digest of the event there."""

    position: int = 0
    log: str = ""
    digest: bytes = b""


class Change(msgspec.Struct, frozen=True):
    """What becomes of one document: its new JSON with its index values by column, or its removal (`document` None)."""

    key: str
    document: str | None
    values: tuple[Scalar, ...] = ()


class Criterion(msgspec.Struct, frozen=True):
    """One comparison of an indexed field with a value already in the form that `sort_key` gives."""

    field: str
    operator: Literal["=", ">", ">=", "<", "<="]
    value: Scalar


class Lookup(msgspec.Struct, frozen=True):
    """Which documents: all `criteria` hold; ordered by `order` and then by key, the smallest (or largest) first.

    `beyond` continues after the document with that order value and key. `limit` None gives all of them.
    """

    criteria: tuple[Criterion, ...] = ()
    order: str | None = None
    descending: bool = False
    limit: int | None = None
    beyond: tuple[Scalar, str] | None = None


class Hit(msgspec.Struct, frozen=True):
    """One document found: its key, its JSON, and its value in the ordering field (None when ordered by key)."""

    key: str
    document: str
    value: Scalar = None


class CheckpointMovedError(StoriedError):
    """Somebody else moved the checkpoint meanwhile; nothing was written. Load again and go on from there."""

    default_code = "checkpoint-moved"


class Documents(Protocol):
    """Where views keep their documents. Each verb speaks of one moment's state of one table."""

    async def prepare(self, table: Table) -> Checkpoint:
        """Makes the table when it is absent and returns its checkpoint; `Checkpoint()` for a new one.

        A table whose indexes differ from those declared is emptied and starts anew. Idempotent.
        """
        ...

    async def load(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """The documents with these keys, as JSON; absent ones are left out."""
        ...

    async def commit(
        self, table: Table, changes: Sequence[Change], *, expected: Checkpoint, checkpoint: Checkpoint
    ) -> None:
        """Applies all changes and moves the checkpoint, in one transaction.

        Raises `CheckpointMovedError` when the checkpoint is not *expected*; then nothing was written.
        """
        ...

    async def get(self, table: Table, key: str) -> tuple[str | None, int]:
        """The document's JSON, or None, and the position of the checkpoint it stands at."""
        ...

    async def find(self, table: Table, lookup: Lookup) -> tuple[list[Hit], int]:
        """The documents that the lookup asks for, in its order, and the position they stand at."""
        ...

    async def count(self, table: Table, lookup: Lookup, by: str | None = None) -> tuple[dict[Scalar, int], int]:
        """How many documents meet the criteria, by the value of the indexed field *by*; all under None without one."""
        ...

    async def checkpoint(self, table: Table) -> Checkpoint:
        """How far the table is; `Checkpoint()` when it does not exist."""
        ...

    async def reset(self, table: Table) -> None:
        """Removes every document and puts the checkpoint back to the start, in one transaction."""
        ...

    async def aclose(self) -> None:
        """Lets go of everything. Idempotent."""
        ...


class CheckpointList(Protocol):
    """Read models that can be looked over. Engines offer it beside the verbs."""

    async def checkpoints(self) -> dict[str, Checkpoint]:
        """How far each view is that was ever prepared here, by its name, in the names' order."""
        ...


def sort_key(value: object) -> Scalar:
    """The value in the form that is stored in an index and compared: numbers as numbers, all else as text.

    Times become their UTC text with microseconds, Decimals a text that sorts by amount, enums their value.
    Raises `InvalidQuery` for a value that has no order here.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return _scalar(value)
    if isinstance(value, float):
        if value != value:
            raise InvalidQuery("NaN has no place in an order. Use None for a value that is not known.")
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Enum):
        return sort_key(value.value)
    if isinstance(value, datetime):
        aware = value.astimezone(UTC) if value.tzinfo is not None else value
        return aware.replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise InvalidQuery(f"{value!r} cannot be indexed. Index text, numbers, Decimals, times, enums and ids.")


def _scalar(value: str | int | None) -> Scalar:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InvalidQuery(f"{value} does not fit 64 bits. Index it as text or as a Decimal.")
        return int(value)
    if isinstance(value, str) and type(value) is not str:
        return str(value.value) if isinstance(value, Enum) else str(value)
    return value


def decimal_text(value: Decimal) -> str:
    """A text for the amount: texts compare as the amounts do, and equal amounts have equal texts.

    Zero is ``1``. A positive amount is ``2``, its magnitude as four digits offset by 5000, and its digits without
    trailing zeros; a negative one is ``0``, the same with each digit complemented, and ``~`` so that longer is smaller.
    """
    if not value.is_finite():
        raise InvalidQuery(f"{value} has no place in an order. Index finite amounts.")
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - is_finite() says so; this tells the type checker
    if not any(digits):
        return "1"
    magnitude = exponent + len(digits)
    if abs(magnitude) >= 5000:
        raise InvalidQuery(f"{value} is out of the range that can be indexed. Index amounts within 10^±5000.")
    text = f"{magnitude + 5000:04d}" + "".join(map(str, digits)).rstrip("0")  # not normalize(), which rounds
    if not sign:
        return "2" + text
    return "0" + text.translate(_COMPLEMENT) + "~"


_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def document_values(table: Table, document: Mapping[str, object]) -> tuple[Scalar, ...]:
    """The index values of a document, by the table's columns."""
    return tuple(sort_key(document.get(column)) for column in table.columns)
