"""From a query to SQL over the two indexes: each item becomes index ranges, merged in the order of the log. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from storied.store.query import Query, QueryItem

MOST_BRANCHES = 300
"""SELECTs joined by one UNION; SQLite takes 500."""
MOST_TERMS = 16
"""Further tags of an item that have a term each; SQLite nests 1,000 of them, too few for all tags of an event."""

Parameter = str | int


class Select(msgspec.Struct, frozen=True):
    """One statement that gives positions in order, at most its last parameter many."""

    sql: str
    parameters: tuple[Parameter, ...]


def position_selects(query: Query, after: int, until: int, limit: int, *, backwards: bool = False) -> list[Select]:
    """The statements whose positions, taken together, are those of the query between *after* and *until*.

    Mostly one; more when the query has more ranges than one statement can hold. *query* is not the one for all events.
    """
    order = "DESC" if backwards else "ASC"
    branches = list(_branches(query, after, until))
    selects = []
    for start in range(0, len(branches), MOST_BRANCHES):
        group = branches[start : start + MOST_BRANCHES]
        sql = "\nUNION\n".join(text for text, _ in group) + f"\nORDER BY position {order} LIMIT ?"
        selects.append(Select(sql, (*(value for _, values in group for value in values), limit)))
    return selects


def events_of_stream(item: QueryItem, after: int, until: int, limit: int, *, backwards: bool = False) -> Select:
    """The events of one stream between *after* and *until*, in order: the shape that every entity is loaded by."""
    order = "DESC" if backwards else "ASC"
    sql = (
        "SELECT e.position, e.id, e.type, e.version, e.tags, e.data, e.metadata, e.recorded_at, e.digest "
        "FROM event_tag AS t CROSS JOIN event AS e ON e.position = t.position "
        f"WHERE t.tag = ? AND t.position > ? AND t.position <= ?{_types_filter(item.types)} "
        f"ORDER BY t.position {order} LIMIT ?"
    )
    return Select(sql, (item.tags[0], after, until, *item.types, limit))


def stream_matches(types: tuple[str, ...], streams: list[tuple[str, int]]) -> Select:
    """A row for each (tag, after), in order: the first position beyond with the tag and one of *types*, or NULL."""
    sql = (
        "SELECT (SELECT t.position FROM event_tag AS t WHERE t.tag = wanted.value ->> 0 "
        f"AND t.position > wanted.value ->> 1{_types_filter(types)} ORDER BY t.position LIMIT 1) "
        "FROM json_each(?) AS wanted ORDER BY wanted.key"
    )
    return Select(sql, (*types, msgspec.json.encode(streams).decode()))


def _branches(query: Query, after: int, until: int) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
    """A SELECT of positions for each index range; many streams of one shape share a SELECT."""
    streams: dict[tuple[str, ...], list[str]] = {}
    for item in query.items:
        if len(item.tags) == 1:
            streams.setdefault(item.types, []).append(item.tags[0])
        elif item.tags:
            yield _tags_branch(item, after, until)
        else:
            yield from ((_BY_TYPE, (name, after, until)) for name in item.types)
    for types, tags in streams.items():
        if len(tags) <= 3:
            yield from (_tags_branch(QueryItem(types, (tag,)), after, until) for tag in tags)
        else:
            yield _many_streams_branch(types, tags, after, until)


_BY_TYPE = "SELECT position FROM event WHERE type = ? AND position > ? AND position <= ?"


def _tags_branch(item: QueryItem, after: int, until: int) -> tuple[str, tuple[Parameter, ...]]:
    first, *others = item.tags
    sql = "SELECT position FROM event_tag AS t WHERE tag = ? AND position > ? AND position <= ?" + _types_filter(
        item.types
    )
    if len(others) > MOST_TERMS:
        sql += (
            " AND NOT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS "
            "(SELECT 1 FROM event_tag WHERE tag = wanted.value AND position = t.position))"
        )
        return sql, (first, after, until, *item.types, msgspec.json.encode(others).decode())
    for _ in others:
        sql += " AND EXISTS (SELECT 1 FROM event_tag WHERE tag = ? AND position = t.position)"
    return sql, (first, after, until, *item.types, *others)


def _many_streams_branch(
    types: tuple[str, ...], tags: list[str], after: int, until: int
) -> tuple[str, tuple[Parameter, ...]]:
    sql = (  # DISTINCT: an event that carries several of the tags is still one event
        "SELECT DISTINCT t.position FROM json_each(?) AS wanted CROSS JOIN event_tag AS t "
        "ON t.tag = wanted.value AND t.position > ? AND t.position <= ?" + _types_filter(types)
    )
    return sql, (msgspec.json.encode(tags).decode(), after, until, *types)


def _types_filter(types: tuple[str, ...]) -> str:
    return f" AND t.type IN ({', '.join('?' * len(types))})" if types else ""
