"""From a query to SQL over the two indexes: each item becomes index ranges, merged in the order of the log. Pure.

The tag index is `tag_entry` up to a mark, and the connection's own tail beyond it (see `tagging`). So a question about
a stretch of the log has a part for each, which follow one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from storied.store.query import Query, QueryItem

MOST_BRANCHES = 300
"""SELECTs joined by one UNION; SQLite takes 500."""
MOST_TERMS = 16
"""Types or further tags of an item that have a term each; more come as one JSON array: SQLite nests 1,000 terms."""

Parameter = str | int


class Part(msgspec.Struct, frozen=True):
    """A stretch of the log, ``after < position <= until``, and the table that has its tags."""

    index: str
    after: int
    until: int


def parts(after: int, until: int, mark: int, *, backwards: bool = False) -> list[Part]:
    """The stretch in the order it is read in, cut where the tag index ends."""
    cut = []
    if after < mark:
        cut.append(Part("main.tag_entry", after, min(until, mark)))
    if until > mark:
        cut.append(Part("temp.tail", max(after, mark), until))
    return cut[::-1] if backwards else cut


class Select(msgspec.Struct, frozen=True):
    """One statement that gives positions in order, at most its last parameter many."""

    sql: str
    parameters: tuple[Parameter, ...]


def position_selects(query: Query, part: Part, limit: int, *, backwards: bool = False) -> list[Select]:
    """The statements whose positions, taken together, are those of the query in that part of the log.

    Mostly one; more when the query has more ranges than one statement can hold. *query* is not the one for all events.
    """
    order = "DESC" if backwards else "ASC"
    branches = list(_branches(query, part))
    selects = []
    for start in range(0, len(branches), MOST_BRANCHES):
        group = branches[start : start + MOST_BRANCHES]
        sql = "\nUNION\n".join(text for text, _ in group) + f"\nORDER BY position {order} LIMIT ?"
        selects.append(Select(sql, (*(value for _, values in group for value in values), limit)))
    return selects


RECORD = "e.position, e.id, e.type, e.version, e.tags, e.data, e.metadata, e.recorded_at, e.digest"
"""The columns of a whole event."""
CONTENT = "e.position, e.type, e.version, e.data"
"""The columns that folding needs."""
SEPARATOR = "\x1f"
"""Stands between packed values; none of them can hold it, since it cannot be printed and JSON has to escape it."""
COLUMN, STREAM = "\x1e", "\x1d"
"""Stand, where several streams are packed, between the columns of one and between the streams."""
_PACKED = (
    *("group_concat(position)", f"group_concat(type, '{SEPARATOR}')"),
    *("group_concat(version)", f"group_concat(data, '{SEPARATOR}')"),
)
"""The columns of contents, each as one text."""
DAMAGED = "damaged"
"""Stands for a stream in which a column has no values, as only damage to the file leaves it."""


def events_of_stream(columns: str, item: QueryItem, part: Part, limit: int, *, backwards: bool = False) -> Select:
    """The events of one stream in that part of the log, in order: the shape that every entity is loaded by."""
    order = "DESC" if backwards else "ASC"
    sql = (
        f"SELECT {columns} "
        f"FROM {part.index} AS t CROSS JOIN event AS e ON e.position = t.position "
        f"WHERE t.tag = ? AND t.position > ? AND t.position <= ?{_types_filter(item.types)} "
        f"ORDER BY t.position {order} LIMIT ?"
    )
    return Select(sql, (item.tags[0], part.after, part.until, *_types_given(item.types), limit))


def events_between(columns: str, after: int, until: int, limit: int, *, backwards: bool = False) -> Select:
    """Every event of the stretch, in order."""
    order = "DESC" if backwards else "ASC"
    sql = (
        f"SELECT {columns} FROM event AS e WHERE e.position > ? AND e.position <= ? ORDER BY e.position {order} LIMIT ?"
    )
    return Select(sql, (after, until, limit))


def events_at(columns: str, positions: list[int]) -> Select:
    """The events at these positions, in the order given."""
    sql = (
        f"SELECT {columns} FROM json_each(?) AS wanted CROSS JOIN event AS e ON e.position = wanted.value "
        "ORDER BY wanted.key"
    )
    return Select(sql, (str(positions),))


def packed(contents: Select) -> Select:
    """One row for all contents that the statement gives, in its order: how many, and each column as one text.

    Each row of a statement costs a turn with Python's global lock, which a busy event loop makes long.
    """
    return Select(f"SELECT count(*), {', '.join(_PACKED)} FROM ({contents.sql})", contents.parameters)


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """Of one stream the events with ``after < position <= until``."""

    tag: str
    after: int
    until: int


def streams_packed(types: tuple[str, ...], wanted: Sequence[Wanted], index: str, limit: int) -> Select:
    """One row with one text: for each stream, in order, nothing or the columns of its first events' contents."""
    sql = f"""
SELECT group_concat(one, '{STREAM}') FROM (
    SELECT (
        SELECT iif(count(*) = 0, '', coalesce({f" || '{COLUMN}' || ".join(_PACKED)}, '{DAMAGED}')) FROM (
            SELECT {CONTENT} FROM {index} AS t CROSS JOIN event AS e ON e.position = t.position
            WHERE t.tag = wanted.value ->> 0 AND t.position > wanted.value ->> 1 AND t.position <= wanted.value ->> 2
            {_types_filter(types)} ORDER BY t.position LIMIT ?
        )
    ) AS one FROM json_each(?) AS wanted ORDER BY wanted.key
)"""
    return Select(sql, (*_types_given(types), limit, msgspec.json.encode(wanted).decode()))


def stream_matches(types: tuple[str, ...], streams: list[tuple[str, int]], mark: int) -> Select:
    """A row for each (tag, after), in order: the first position beyond with the tag and one of *types*, or NULL."""
    tail, wanted = _first_position("temp.tail", types), _types_given(types)
    given: tuple[Parameter, ...] = (msgspec.json.encode(streams).decode(),)
    if all(after >= mark for _, after in streams):
        return Select(f"SELECT {tail} FROM json_each(?) AS wanted ORDER BY wanted.key", (*wanted, *given))
    index = _first_position("main.tag_entry", types, " AND t.position <= ?")
    sql = f"SELECT coalesce({index}, {tail}) FROM json_each(?) AS wanted ORDER BY wanted.key"
    return Select(sql, (mark, *wanted, *wanted, *given))


def _first_position(index: str, types: tuple[str, ...], bound: str = "") -> str:
    return (
        f"(SELECT t.position FROM {index} AS t WHERE t.tag = wanted.value ->> 0 "
        f"AND t.position > wanted.value ->> 1{bound}{_types_filter(types)} ORDER BY t.position LIMIT 1)"
    )


def _branches(query: Query, part: Part) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
    """A SELECT of positions for each index range; many streams of one shape share a SELECT."""
    streams: dict[tuple[str, ...], list[str]] = {}
    for item in query.items:
        if len(item.tags) == 1:
            streams.setdefault(item.types, []).append(item.tags[0])
        elif item.tags:
            yield _tags_branch(item, part)
        elif len(item.types) > MOST_TERMS:
            yield _MANY_TYPES, (msgspec.json.encode(item.types).decode(), part.after, part.until)
        else:
            yield from ((_BY_TYPE, (name, part.after, part.until)) for name in item.types)
    for types, tags in streams.items():
        if len(tags) <= 3:
            yield from (_tags_branch(QueryItem(types, (tag,)), part) for tag in tags)
        else:
            yield _many_streams_branch(types, tags, part)


_BY_TYPE = "SELECT position FROM event WHERE type = ? AND position > ? AND position <= ?"
_MANY_TYPES = (
    "SELECT e.position FROM json_each(?) AS wanted CROSS JOIN event AS e "
    "ON e.type = wanted.value AND e.position > ? AND e.position <= ?"
)


def _tags_branch(item: QueryItem, part: Part) -> tuple[str, tuple[Parameter, ...]]:
    first, *others = item.tags
    sql = f"SELECT position FROM {part.index} AS t WHERE tag = ? AND position > ? AND position <= ?"
    sql += _types_filter(item.types)
    if len(others) > MOST_TERMS:
        sql += (
            " AND NOT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS "
            f"(SELECT 1 FROM {part.index} WHERE tag = wanted.value AND position = t.position))"
        )
        return sql, (first, part.after, part.until, *_types_given(item.types), msgspec.json.encode(others).decode())
    for _ in others:
        sql += f" AND EXISTS (SELECT 1 FROM {part.index} WHERE tag = ? AND position = t.position)"
    return sql, (first, part.after, part.until, *_types_given(item.types), *others)


def _many_streams_branch(types: tuple[str, ...], tags: list[str], part: Part) -> tuple[str, tuple[Parameter, ...]]:
    sql = (  # DISTINCT: an event that carries several of the tags is still one event
        f"SELECT DISTINCT t.position FROM json_each(?) AS wanted CROSS JOIN {part.index} AS t "
        "ON t.tag = wanted.value AND t.position > ? AND t.position <= ?" + _types_filter(types)
    )
    return sql, (msgspec.json.encode(tags).decode(), part.after, part.until, *_types_given(types))


def _types_filter(types: tuple[str, ...]) -> str:
    if len(types) > MOST_TERMS:
        return " AND t.type IN (SELECT value FROM json_each(?))"
    return f" AND t.type IN ({', '.join('?' * len(types))})" if types else ""


def _types_given(types: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters of `_types_filter`: a statement takes some 32,000, and may have hundreds of filters."""
    return (msgspec.json.encode(types).decode(),) if len(types) > MOST_TERMS else types
