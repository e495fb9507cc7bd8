"""Documents made up for the facts about read models, and short ways to store them and to ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storied.store.documents import Change, Checkpoint, Criterion, Documents, Hit, Lookup, Table
from storied.store.ordering import Scalar

PEOPLE = Table("People", (("city",), ("age",), ("city", "age")))
"""The table that most facts are about: documents by city and by age."""

RESIDENTS: dict[str, tuple[Scalar, Scalar]] = {
    "anna": ("Bern", 30),
    "bert": ("Bern", 41),
    "carl": ("Zug", 30),
    "dora": (None, 30),
    "emil": ("Chur", None),
    "fay": ("Zug", 7),
    "gus": (None, None),
    "hans": ("Bern", 30),
}
"""People by name, each with city and age."""


def at(position: int, log: str = "log") -> Checkpoint:
    """A checkpoint of that log, with a digest that goes with the position."""
    return Checkpoint(position, log, position.to_bytes(32, "big"))


async def put(documents: Documents, table: Table, rows: Mapping[str, Sequence[Scalar]]) -> Checkpoint:
    """Stores a document for each row in one commit, and moves the checkpoint on by one."""
    now = await documents.prepare(table)
    then = at(now.position + 1)
    changes = [Change(key, document(key, values), tuple(values)) for key, values in rows.items()]
    await documents.commit(table, changes, expected=now, checkpoint=then)
    return then


def document(key: str, values: Sequence[Scalar]) -> str:
    """A document's JSON, told apart by its key and values."""
    return f'{{"key": "{key}", "values": "{list(values)}"}}'


async def keys(documents: Documents, table: Table, lookup: Lookup) -> list[str]:
    """The keys that the lookup finds, in its order."""
    hits, _, _ = await documents.find(table, lookup)
    return [hit.key for hit in hits]


def where(*criteria: tuple[str, str, Scalar], order: str | None = None) -> Lookup:
    """A lookup by comparisons such as ``("age", ">", 30)``."""
    return Lookup(tuple(Criterion(field, sign, value) for field, sign, value in criteria), order)  # type: ignore[arg-type]


async def leaf_through(documents: Documents, table: Table, lookup: Lookup) -> list[Hit]:
    """Everything the lookup finds, a page at a time, each page beyond the last hit of the one before."""
    found: list[Hit] = []
    while True:
        beyond = (found[-1].value, found[-1].key) if found else None
        asked = Lookup(lookup.criteria, lookup.order, lookup.descending, lookup.limit, beyond)
        hits, _, _ = await documents.find(table, asked)
        found += hits
        if not hits:
            return found
        assert len(found) < 1000, "the pages go round in circles"
