"""The same rows through apsw with nothing around them: what the machine can do, to hold a figure against."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec

from benchmarks.model import BasketPage, ItemAdded, item

_SCHEMA = """
CREATE TABLE event (position INTEGER PRIMARY KEY, id TEXT, type TEXT, version INTEGER, tags TEXT, data TEXT,
                    metadata TEXT, recorded_at INTEGER, digest BLOB) STRICT;
CREATE INDEX event_type ON event (type);
CREATE TABLE tag_entry (tag TEXT, position INTEGER, type TEXT, PRIMARY KEY (tag, position)) STRICT, WITHOUT ROWID;
CREATE TABLE append (id TEXT PRIMARY KEY, position INTEGER, count INTEGER, fingerprint BLOB, checksum INTEGER)
    STRICT, WITHOUT ROWID;
"""
_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_APPEND = "INSERT INTO append VALUES (?, ?, ?, ?, ?)"
_TAG = "INSERT INTO tag_entry VALUES (?, ?, ?)"


@contextmanager
def database(path: Path) -> Iterator[apsw.Connection]:
    """A durable database with the tables and indexes that the log has."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", 2)
    connection.pragma("cache_size", -65536)
    connection.execute(_SCHEMA)
    yield connection
    connection.close()


def rows(count: int, baskets: int) -> list[tuple[tuple[Any, ...], list[tuple[str, int, str]]]]:
    """Rows as they stand in the log, with their tags' rows."""
    made = []
    for number in range(count):
        event = item(number, baskets)
        tags = [f"basket:{event.basket}", f"customer:{event.customer}"]
        data = msgspec.json.encode(event).decode()
        digest = b"d" * 32
        row = (number + 1, f"{number:036d}", "ItemAdded", 1, msgspec.json.encode(tags).decode(), data, "{}", 0, digest)
        made.append((row, [(tag, number + 1, "ItemAdded") for tag in tags]))
    return made


def append_rate(path: Path, count: int, batch: int, an_append: int = 1) -> float:
    """Events a second, *batch* in a transaction; with each append a look for its first tag, and a row for its id."""
    made = rows(count, count)
    with database(path) as connection:
        started = time.perf_counter()
        for start in range(0, count, batch):
            connection.execute("BEGIN IMMEDIATE")
            for number, (row, tags) in enumerate(made[start : start + batch]):
                if number % an_append == 0:
                    sought = (tags[0][0],)
                    connection.execute("SELECT 1 FROM tag_entry WHERE tag = ? AND position > 0", sought).fetchone()
                    connection.execute(_APPEND, (row[1], row[0] + an_append - 1, an_append, None, 0))
                connection.execute(_EVENT, row)
                connection.executemany(_TAG, tags)
            connection.execute("COMMIT")
        return count / (time.perf_counter() - started)


def filled(path: Path, count: int, baskets: int) -> None:
    """A database with *count* rows."""
    with database(path) as connection, connection:
        for row, tags in rows(count, baskets):
            connection.execute(_EVENT, row)
            connection.executemany(_TAG, tags)


def read_rate(path: Path) -> float:
    """Events a second out of the database and decoded."""
    decoder = msgspec.json.Decoder(ItemAdded)
    connection = apsw.Connection(str(path))
    started = time.perf_counter()
    count = 0
    for (data,) in connection.execute("SELECT data FROM event ORDER BY position"):
        decoder.decode(data)
        count += 1
    return count / (time.perf_counter() - started)


def load_rate(path: Path, streams: int, per_stream: int) -> float:
    """Streams a second read by tag, decoded and summed."""
    decoder = msgspec.json.Decoder(ItemAdded)
    connection = apsw.Connection(str(path))
    sql = "SELECT e.data FROM tag_entry t JOIN event e USING (position) WHERE t.tag = ? ORDER BY t.position"
    started = time.perf_counter()
    for number in range(streams):
        total = 0
        for (data,) in connection.execute(sql, (f"basket:b-{number:010d}",)):
            total += decoder.decode(data).amount
    return streams / (time.perf_counter() - started)


def command_rate(path: Path, baskets: int, count: int, batch: int) -> float:
    """Commands a second on a filled database: an entity's rows read and summed, then a row; *batch* in a commit."""
    decoder = msgspec.json.Decoder(ItemAdded)
    made = rows(baskets * 10 + count, baskets)[baskets * 10 :]
    sql = "SELECT e.data FROM tag_entry t JOIN event e USING (position) WHERE t.tag = ? ORDER BY t.position"
    connection = apsw.Connection(str(path))
    connection.pragma("synchronous", 2)
    connection.pragma("cache_size", -65536)
    started = time.perf_counter()
    for start in range(0, count, batch):
        connection.execute("BEGIN IMMEDIATE")
        for row, tags in made[start : start + batch]:
            total = 0
            for (data,) in connection.execute(sql, (tags[0][0],)):
                total += decoder.decode(data).amount
            connection.execute(_EVENT, row)
            connection.executemany(_TAG, tags)
            connection.execute(_APPEND, (row[1], row[0], 1, None, 0))
        connection.execute("COMMIT")
    return count / (time.perf_counter() - started)


def find_rate(log: Path, views: Path, questions: int) -> float:
    """Documents a second found by an index, a hundred a page, and decoded."""
    project_rate(log, views)
    decoder = msgspec.json.Decoder(BasketPage)
    connection = apsw.Connection(str(views))
    sql = "SELECT document FROM page WHERE total = ? ORDER BY key LIMIT 100"
    found = 0
    started = time.perf_counter()
    for number in range(questions):
        found += len([decoder.decode(document) for (document,) in connection.execute(sql, (number % 100,))])
    return found / (time.perf_counter() - started)


def opening_time(path: Path) -> float:
    """Milliseconds to open the database and know the last position in it."""
    started = time.perf_counter()
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.execute("SELECT max(position) FROM event").fetchone()
    took = (time.perf_counter() - started) * 1000
    connection.close()
    return took


def project_rate(path: Path, views: Path) -> float:
    """Events a second into documents, a thousand in a transaction, each document read and written once in it."""
    decode, page = msgspec.json.Decoder(ItemAdded), msgspec.json.Decoder(BasketPage)
    source, target = apsw.Connection(str(path)), apsw.Connection(str(views))
    target.pragma("journal_mode", "wal")
    target.pragma("synchronous", 1)
    target.execute("CREATE TABLE page (key TEXT PRIMARY KEY, document TEXT, customer, total)")
    target.execute("CREATE INDEX c ON page (customer, key); CREATE INDEX t ON page (total, key)")
    found: list[Any] = source.execute("SELECT data FROM event ORDER BY position").fetchall()
    started = time.perf_counter()
    for start in range(0, len(found), 1000):
        events = [decode.decode(data) for (data,) in found[start : start + 1000]]
        target.execute("BEGIN IMMEDIATE")
        documents: dict[str, BasketPage] = {}
        for event in events:
            document = documents.get(event.basket)
            if document is None:
                row: Any = target.execute("SELECT document FROM page WHERE key = ?", (event.basket,)).fetchone()
                document = page.decode(row[0]) if row else BasketPage(basket=event.basket)
                documents[event.basket] = document
            document.added(event)
        written = [(k, msgspec.json.encode(d).decode(), d.customer, d.total) for k, d in documents.items()]
        target.executemany("INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?)", written)
        target.execute("COMMIT")
    return len(found) / (time.perf_counter() - started)
