"""From a lookup to SQL over one view's table. Pure.

Every index ends in the key, so that ordering and paging by (value, key) walk the index.
"""

from __future__ import annotations

import msgspec

from storied.store.documents import Criterion, Lookup, Scalar, Table


class Statement(msgspec.Struct, frozen=True):
    """SQL and its parameters."""

    sql: str
    parameters: tuple[Scalar, ...]


def table_name(table: Table) -> str:
    """The quoted name of the view's table."""
    return quoted(f"view_{case_kept(table.name)}")


def quoted(name: str) -> str:
    """An identifier quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def column(field: str) -> str:
    """The quoted column of an indexed field."""
    return quoted(f"by_{case_kept(field)}")


def case_kept(name: str) -> str:
    """The name, with its capitals marked when it has any: SQL takes `total` and `Total` for one."""
    capitals = sum(1 << place for place, letter in enumerate(name) if letter != letter.lower())
    return f"{name}${capitals:x}" if capitals else name


def table_schema(table: Table) -> str:
    """The statements that make the view's table and its indexes."""
    columns = "".join(f",\n    {column(field)} ANY" for field in table.columns)
    made = [
        f"CREATE TABLE {table_name(table)} (\n    key TEXT PRIMARY KEY,\n    document TEXT NOT NULL{columns}\n) STRICT;"
    ]
    for number, fields in enumerate(table.indexes):
        name = quoted(f"index_{case_kept(table.name)}_{number}")
        made.append(f"CREATE INDEX {name} ON {table_name(table)} ({', '.join(map(column, fields))}, key);")
    return "\n".join(made)


def upsert(table: Table) -> str:
    """Writes a document: key, document, and the index values by column."""
    names = ["key", "document", *map(column, table.columns)]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    return (
        f"INSERT INTO {table_name(table)} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT (key) DO UPDATE SET {updates}"
    )


def find_statement(table: Table, lookup: Lookup) -> Statement:
    """Key, document and ordering value of each document asked for, in order."""
    order = column(lookup.order) if lookup.order else None
    where, parameters = _conditions(lookup.criteria)
    if lookup.beyond is not None:
        text, more = _beyond(order, lookup.descending, *lookup.beyond)
        where, parameters = [*where, text], parameters + more
    direction = " DESC" if lookup.descending else ""
    ordering = ", ".join(f"{name}{direction}" for name in ([order] if order else []) + ["key"])
    sql = f"SELECT key, document, {order or 'NULL'} FROM {table_name(table)}{_where(where)} ORDER BY {ordering}"
    if lookup.limit is None:
        return Statement(sql, parameters)
    return Statement(sql + " LIMIT ?", (*parameters, lookup.limit))


def count_statement(table: Table, lookup: Lookup, by: str | None) -> Statement:
    """Value and number of documents for each value of *by*, or NULL and the number of all."""
    where, parameters = _conditions(lookup.criteria)
    if by is None:
        return Statement(f"SELECT NULL, count(*) FROM {table_name(table)}{_where(where)}", parameters)
    return Statement(
        f"SELECT {column(by)}, count(*) FROM {table_name(table)}{_where(where)} GROUP BY {column(by)}", parameters
    )


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
