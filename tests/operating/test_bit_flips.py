"""Bits that flip on the disk: the store refuses, or verify names the place, or nothing that is read has changed."""

import os
import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from storied.errors import StoreError
from storied.operating.verifying import Verified, verify
from storied.store.query import Query
from tests.operating.stores import filled_file, sqlite_store

ROUNDS = int(os.environ.get("STORIED_FLIPS", "6"))
"""How often for each seed of the list below; more for a campaign."""
EVENTS = 40


def flip(content: bytes, rng: random.Random) -> bytes:
    """The content with 1 to 100 of its bits changed, all over the file or close together."""
    changed = bytearray(content)
    count = rng.choice((1, 1, 1, 2, 3, 10, 100))
    start, end = 0, len(content)
    if rng.random() < 0.3:
        start = rng.randrange(len(content))
        end = min(len(content), start + rng.choice((100, 4096)))
    for _ in range(count):
        changed[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def rows(path: Path) -> dict[str, list[Any]]:
    """Everything that the file's tables hold."""
    connection = apsw.Connection(str(path))
    try:
        return {
            table: list(connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"))
            for table in ("store", "event", "tag_entry", "append")
        }
    finally:
        connection.close()


async def answers(path: Path) -> list[Any]:
    """What a reader gets: the log from both ends, each stream, each type, each receipt."""
    async with sqlite_store(path) as store:
        log = await store.read().list()
        tags = sorted({tag for record in log for tag in record.tags})
        types = sorted({record.type for record in log})
        return [
            store.identity,
            log,
            await store.read(backwards=True).list(),
            [await store.read(Query.of(tags=[tag])).list() for tag in tags],
            [await store.read(Query.of(types=[name])).list() for name in types],
            [each async for each in store.remembered(len(log))],
        ]


async def verdict(path: Path) -> Verified | StoreError:
    """What verifying says, or why the store cannot be used."""
    try:
        async with sqlite_store(path) as store:
            return await verify(store)
    except StoreError as error:
        return error


def first_changed(before: dict[str, list[Any]], path: Path) -> int | None:
    """The lowest position whose event is not as it was, where the file can be read from its start up to there."""
    connection = apsw.Connection(str(path))
    try:
        now = connection.execute("SELECT * FROM event ORDER BY position")
        for row in before["event"]:
            if next(now, None) != row:
                return int(row[0])
    except (apsw.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()
    return None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20))
async def test_a_flipped_bit_is_found_or_harmless(tmp_path: Path, seed: int) -> None:
    """No flip that changes what is read is called sound, and no error is other than storied's."""
    rng = random.Random(seed)
    whole, damaged = tmp_path / "whole.db", tmp_path / "damaged.db"
    await filled_file(whole, EVENTS)
    content, before = whole.read_bytes(), rows(whole)
    expected = await answers(whole)
    for _ in range(ROUNDS):
        for name in ("damaged.db-wal", "damaged.db-shm", "damaged.db-journal"):
            (tmp_path / name).unlink(missing_ok=True)
        damaged.write_bytes(flip(content, rng))
        position = first_changed(before, damaged)
        found = await verdict(damaged)
        if isinstance(found, StoreError):
            assert str(found).count(".") >= 2  # a sentence, and what to do
        elif found.ok:
            assert rows(damaged) == before
            assert await answers(damaged) == expected
        elif position is not None:
            assert found.first is not None
            assert found.first.position is not None
            assert found.first.position <= position
