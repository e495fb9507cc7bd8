"""From a lookup to SQL over one edition's table. Pure.

Every index ends in the key, so that ordering and paging by (value, key) walk the index.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from storied.store.documents import Criterion, Lookup, Table
from storied.store.ordering import Scalar


class Statement(msgspec.Struct, frozen=True):
    """SQL and its parameters."""

    sql: str
    parameters: tuple[Scalar, ...]


class Place(msgspec.Struct, frozen=True):
    """One edition's table: the view's name, and the number that tells it from every other table."""

    view: str
    number: int

    @property
    def name(self) -> str:
        """The table's name, quoted."""
        return quoted(f"view_{self.view}_{self.number}")


def quoted(name: str) -> str:
    """An identifier quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def column(field: str) -> str:
    """The quoted column of an indexed field; capitals are marked, since SQL takes `total` and `Total` for one."""
    capitals = sum(1 << place for place, letter in enumerate(field) if letter != letter.lower())
    return quoted(f"by_{field}${capitals:x}" if capitals else f"by_{field}")


def table_schema(place: Place, table: Table) -> str:
    """The statements that make an edition's table and its indexes."""
    columns = "".join(f",\n    {column(field)} ANY" for field in table.columns)
    made = [f"CREATE TABLE {place.name} (\n    key TEXT PRIMARY KEY,\n    document TEXT NOT NULL{columns}\n) STRICT;"]
    for number, fields in enumerate(table.indexes):
        name = quoted(f"index_{place.number}_{number}")
        made.append(f"CREATE INDEX {name} ON {place.name} ({', '.join(map(column, fields))}, key);")
    return "\n".join(made)


def load_statement(place: Place, keys: Sequence[str]) -> Statement:
    """Key and document of each of *keys* that is there."""
    sql = f"SELECT d.key, d.document FROM json_each(?) AS wanted CROSS JOIN {place.name} AS d ON d.key = wanted.value"
    return Statement(sql, (msgspec.json.encode(keys).decode(),))


def upsert(place: Place, columns: Sequence[str]) -> tuple[str, str]:
    """What stands around the values that write documents: key, document, and the index values by column."""
    names = ["key", "document", *map(column, columns)]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    return f"INSERT INTO {place.name} ({', '.join(names)})", f"ON CONFLICT (key) DO UPDATE SET {updates}"


def find_statement(place: Place, lookup: Lookup) -> Statement:
    """Key, document and ordering value of each document asked for, in order."""
    order = column(lookup.order) if lookup.order else None
    where, parameters = _conditions(lookup.criteria)
    if lookup.beyond is not None:
        text, more = _beyond(order, lookup.descending, *lookup.beyond)
        where, parameters = [*where, text], parameters + more
    direction = " DESC" if lookup.descending else ""
    ordering = ", ".join(f"{name}{direction}" for name in ([order] if order else []) + ["key"])
    sql = f"SELECT key, document, {order or 'NULL'} FROM {place.name}{_where(where)} ORDER BY {ordering}"
    if lookup.limit is None:
        return Statement(sql, parameters)
    return Statement(sql + " LIMIT ?", (*parameters, lookup.limit))


def count_statement(place: Place, lookup: Lookup, by: str | None) -> Statement:
    """Value and number of documents for each value of *by*, or NULL and the number of all."""
    where, parameters = _conditions(lookup.criteria)
    if by is None:
        return Statement(f"SELECT NULL, count(*) FROM {place.name}{_where(where)}", parameters)
    return Statement(
        f"SELECT {column(by)}, count(*) FROM {place.name}{_where(where)} GROUP BY {column(by)}", parameters
    )


def asked_columns(lookup: Lookup, by: str | None = None) -> list[str]:
    """The fields that a question names."""
    named = [*(criterion.field for criterion in lookup.criteria), lookup.order, by]
    return [field for field in named if field is not None]


def _conditions(criteria: tuple[Criterion, ...]) -> tuple[list[str], tuple[Scalar, ...]]:
    texts = [f"{column(c.field)} {'IS' if c.operator == '=' else c.operator} ?" for c in criteria]
    return texts, tuple(c.value for c in criteria)


def _beyond(order: str | None, descending: bool, value: Scalar, key: str) -> tuple[str, tuple[Scalar, ...]]:
    """What lies behind (value, key) in the order; NULL comes before every value."""
    sign = "<" if descending else ">"
    if order is None:
        return f"key {sign} ?", (key,)
    if value is None:
        return (f"({order} IS NULL AND key < ?)" if descending else f"({order} IS NOT NULL OR key > ?)"), (key,)
    nulls = f" OR {order} IS NULL" if descending else ""
    return f"({order} {sign} ? OR ({order} = ? AND key {sign} ?){nulls})", (value, value, key)


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
