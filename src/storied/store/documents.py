"""The read models' port: documents with declared indexes, and the checkpoint that commits with them.

Documents are JSON texts, stored ready to serve. A view's table exists in one or two editions: the *live* one, which
readers are given, and beside it, while a view whose code or shape has changed is built anew, the coming one. `promote`
makes the coming edition the live one and removes the other, in one transaction.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from storied.errors import StoriedError
from storied.store.ordering import Scalar
from storied.store.snapshots import Snapshots


class Table(msgspec.Struct, frozen=True):
    """One edition of a view's documents: the view's name, the indexes as tuples of fields, the code's fingerprint.

    `edition` tells a rebuild of the same code apart from what it will replace; `forms` says by field in which form of
    values its index is held (see `ordering.index_form`).
    """

    name: str
    indexes: tuple[tuple[str, ...], ...] = ()
    fingerprint: str = ""
    edition: str = ""
    forms: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every indexed field once, in the order first named."""
        return tuple(dict.fromkeys(field for index in self.indexes for field in index))

    @property
    def definition(self) -> str:
        """What tells this edition from others of the view, as text."""
        return msgspec.json.encode((self.indexes, self.fingerprint, self.edition, self.forms)).decode()

    @classmethod
    def defined(cls, name: str, definition: str) -> Table:
        """The edition of the view that has this definition."""
        kind = tuple[tuple[tuple[str, ...], ...], str, str, tuple[tuple[str, str], ...]]
        return cls(name, *msgspec.json.decode(definition, type=kind))

    def check_asked(self, asker: Table, fields: Sequence[str]) -> None:
        """Passes when readers of the code that wants *asker* can ask by the fields. Raises `NoSuchColumnError`."""
        forms, wanted = dict(self.forms), dict(asker.forms)
        for field in fields:
            if field not in self.columns:
                raise NoSuchColumnError(f"the read model of {self.name} has no index on {field!r} yet.")
            if forms.get(field) != wanted.get(field):
                raise NoSuchColumnError(
                    f"the index on {field!r} of the read model of {self.name} still holds another kind of values."
                )


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a projection has applied a log: `position`, the log's `identity`, and the digest of the event there.

    `freed` changes whenever parked keys are freed, so that whoever still holds them back notices.
    """

    position: int = 0
    log: str = ""
    digest: bytes = b""
    freed: int = 0


class Change(msgspec.Struct, frozen=True):
    """What becomes of one document: its new JSON with its index values by column, or its removal (`document` None)."""

    key: str
    document: str | None
    values: tuple[Scalar, ...] = ()


class Parked(msgspec.Struct, frozen=True):
    """A key that stopped at an event: its document stays as it was before `position` until a retry succeeds.

    `type` is the event's, `error` one sentence, `trace` the traceback.
    """

    key: str
    position: int
    type: str
    error: str
    trace: str


class Criterion(msgspec.Struct, frozen=True):
    """One comparison of an indexed field with a value already in the form that `sort_key` gives."""

    field: str
    operator: Literal["=", ">", ">=", "<", "<="]
    value: Scalar

    def holds(self, value: Scalar) -> bool:
        """Whether it holds of a value, as every engine compares: nothing is less or more than None."""
        if self.operator == "=":
            return value == self.value
        if value is None or self.value is None:
            return False
        return _COMPARE[self.operator](ranked(value), ranked(self.value))


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def ranked(value: Scalar) -> tuple[int, Any]:
    """None before numbers before text, as SQL engines order them."""
    return (0, 0) if value is None else (2, value) if isinstance(value, str) else (1, value)


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


class Shown(msgspec.Struct):
    """One document as it is served: its JSON (None when there is none), and the checkpoint it stands at.

    `log` is the identity of the log that the checkpoint counts in. `held` is the position of the event at which the
    document stopped, when its key is parked. `foreign` says that other code made it, so that it may have another shape.
    """

    document: bytes | None
    position: int
    log: str = ""
    held: int | None = None
    foreign: bool = False
    memo: object = None
    """What its server made of it; an engine may give the same object again while nothing has changed."""


class Edition(msgspec.Struct, frozen=True):
    """How one edition of a view is doing: how far it is, how many keys are parked, and what stopped it, if anything.

    `updated_us` is when it last moved, in microseconds since 1970.
    """

    table: Table
    live: bool
    checkpoint: Checkpoint
    parked: int
    error: str | None
    updated_us: int


class Heartbeat(msgspec.Struct, frozen=True):
    """A sign of life from whoever keeps a view up to date: `worker` names it, `life` says what it is doing.

    It stood at `position` when the log ended at `head`, and was `lag_us` behind: the age, in microseconds, of the first
    event that it had not applied. `beaten_us` is when, in microseconds since 1970, by the clock of the documents.
    """

    view: str
    worker: str
    life: str
    position: int
    head: int
    lag_us: int
    beaten_us: int = 0


class CheckpointMovedError(StoriedError):
    """Somebody else moved the checkpoint meanwhile; nothing was written. Load again and go on from there."""

    default_code = "checkpoint-moved"


class SupersededError(CheckpointMovedError):
    """The edition is gone: another one, of other code, has taken its place; nothing was written."""

    default_code = "superseded"

    def __init__(self, table: Table) -> None:
        super().__init__(
            f"the read model of view {table.name} that this code made was replaced by that of other code. Nothing was "
            "written. Open the app again to build it anew, or upgrade this process."
        )


class NoSuchColumnError(StoriedError):
    """The live edition, made by other code, does not have the index that is asked for, or not over such values."""

    default_code = "no-such-column"


class OtherEditionError(StoriedError):
    """The live edition was made by other code than that which asks, so its documents may have another shape."""

    default_code = "other-edition"

    def __init__(self, table: Table) -> None:
        super().__init__(f"the read model of view {table.name} was made by other code. Ask for what that has made.")


class ReadModels(Protocol):
    """What readers ask. Each verb speaks of one moment's state of the view's live edition, whatever code made it.

    Where an answer comes with a position, that is of the checkpoint it stands at, and beside it stands whether any key
    is parked at that moment: where none is, `held` need not be asked.

    Documents of an edition that other code made are told apart: `peek` says so, and `get` and `find` raise
    `OtherEditionError` where they are asked for *own* ones.

    They raise `NoSuchColumnError` when that edition lacks a field that the question names, and answer as from an empty
    table at position 0 when the view has no edition yet. Where read models were opened alone and are not there yet, or
    not any more, they raise `StoreUnavailable` with code ``no-read-models``; they are asked for again each time.
    """

    def peek(self, table: Table, key: str, *, recent: bool = False) -> Shown | None:
        """The document at once, on the event loop; None where it has to be waited for, with `get`.

        A *recent* one may be as it was some milliseconds ago; others are as they are now.
        """
        ...

    async def get(self, table: Table, key: str, *, own: bool = False) -> tuple[str | None, int, bool]:
        """The document's JSON, or None; its position; and whether any key is parked."""
        ...

    async def find(self, table: Table, lookup: Lookup, *, own: bool = False) -> tuple[list[Hit], int, bool]:
        """The documents that the lookup asks for, in its order; their position; and whether any key is parked."""
        ...

    async def count(self, table: Table, lookup: Lookup, by: str | None = None) -> tuple[dict[Scalar, int], int, bool]:
        """How many documents meet the criteria, by the value of the indexed field *by*; all under None without one.

        With the position, and whether any key is parked.
        """
        ...

    async def held(self, table: Table, key: str | None = None) -> list[Parked]:
        """The parked keys in order, or only that one."""
        ...

    async def editions(self) -> list[Edition]:
        """Every edition of every view, by name, the live one first."""
        ...

    async def heartbeats(self) -> list[Heartbeat]:
        """The last signs of life of each who keeps views up to date, by view, the youngest first."""
        ...

    async def aclose(self) -> None:
        """Lets go of everything. Idempotent."""
        ...


class Shelves(Protocol):
    """What a projection works on: one edition of one view, live or not."""

    async def prepare(self, table: Table) -> Checkpoint:
        """Makes the edition when it is absent and returns its checkpoint; `Checkpoint()` for a new one. Idempotent.

        The first edition of a view is live at once; a further one begins beside the live one, empty.
        """
        ...

    async def load(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """The documents with these keys, as JSON; absent ones are left out."""
        ...

    async def search(self, table: Table, criterion: Criterion) -> dict[str, str]:
        """The documents that meet the criterion, as JSON by key."""
        ...

    async def commit(
        self,
        table: Table,
        changes: Sequence[Change],
        *,
        expected: Checkpoint,
        checkpoint: Checkpoint,
        parked: Sequence[Parked] = (),
        freed: Sequence[str] = (),
    ) -> None:
        """Applies all changes, parks and frees keys, and moves the checkpoint, in one transaction.

        Raises `CheckpointMovedError` when the checkpoint is not *expected*, and `SupersededError` when the edition is
        gone; then nothing was written. A key stands in one change at most.
        """
        ...

    async def promote(self, table: Table, expected: Checkpoint) -> None:
        """Makes the edition the live one and removes every other of the view, in one transaction. Idempotent.

        The edition becomes that of plain code: its `edition` is forgotten. Raises as `commit` does.
        """
        ...

    async def is_live(self, table: Table) -> bool:
        """Whether readers are given this edition."""
        ...

    async def checkpoint(self, table: Table) -> Checkpoint:
        """How far the edition is; `Checkpoint()` when it does not exist."""
        ...

    async def parked(self, table: Table, key: str | None = None) -> list[Parked]:
        """The parked keys of the edition in order, or only that one."""
        ...

    async def report(self, table: Table, error: str | None) -> None:
        """Remembers what stopped the edition, for those who look; the next commit forgets it."""
        ...

    async def reset(self, table: Table) -> None:
        """Removes every document and parked key of the edition and puts it back to the start, in one transaction."""
        ...


class Heartbeats(Protocol):
    """Where those who keep views up to date give signs of life, for readers who see nothing but documents."""

    async def beat(self, worker: str, beats: Sequence[Heartbeat]) -> None:
        """Puts these signs, stamped with the time, in the place of all that the worker gave; none of them: it left."""
        ...


class Documents(ReadModels, Shelves, Snapshots, Heartbeats, Protocol):
    """Where views keep their documents, entities their snapshots, and workers their signs of life."""
