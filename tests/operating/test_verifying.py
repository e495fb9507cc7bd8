"""Verifying names the first bad position, goes on to count, and says nothing of a sound store."""

import asyncio
from pathlib import Path

import apsw
import msgspec
import pytest

from storied.errors import StoreClosed
from storied.operating.faults import Kind
from storied.operating.verifying import Verified, verify
from storied.operating.walking import STRETCH_CHARACTERS, next_size
from storied.store.records import Recorded, digest_of, placed
from tests.operating.stores import fill, filled_file, memory_store, noted, sqlite_store, tamper


async def verified(path: Path) -> Verified:
    """What is found in the file."""
    async with sqlite_store(path) as store:
        return await verify(store)


async def test_a_sound_file_has_no_fault(tmp_path: Path) -> None:
    """Everything was looked at, and all of it is well."""
    await filled_file(tmp_path / "a.db")
    found = await verified(tmp_path / "a.db")
    assert (found.ok, found.head, found.events, found.first) == (True, 40, 40, None)
    assert (found.tags, found.appends) == (155, 30)


async def test_an_empty_file_has_no_fault(tmp_path: Path) -> None:
    """There is nothing to be wrong."""
    found = await verified(tmp_path / "a.db")
    assert (found.ok, found.head, found.events, found.tags, found.appends) == (True, 0, 0, 0, 0)


async def test_a_sound_store_in_memory_has_no_fault() -> None:
    """The memory engine can be checked alike."""
    async with memory_store() as store:
        await fill(store)
        assert (await verify(store)).ok


DAMAGE: list[tuple[str, Kind, int | None, int]] = [
    ("UPDATE event SET data = replace(data, '9.90', '9.91') WHERE position IN (7, 9, 30)", "digest", 7, 3),
    ("UPDATE event SET metadata = '{}' WHERE position = 12", "digest", 12, 1),
    ("UPDATE event SET version = version + 1 WHERE position > 38", "digest", 39, 2),
    ("UPDATE event SET id = 'x' WHERE position = 5", "digest", 5, 1),
    ("UPDATE event SET recorded_at = recorded_at + 1 WHERE position = 6", "digest", 6, 1),
    ("UPDATE event SET digest = zeroblob(32) WHERE position = 6", "digest", 6, 1),
    ("UPDATE event SET data = CAST(x'22ff22' AS TEXT) WHERE position IN (3, 40)", "unreadable", 3, 2),
    ("DELETE FROM event WHERE position IN (4, 5, 20)", "missing", 4, 3),
    ("DELETE FROM tag_entry WHERE position IN (8, 9) AND tag LIKE 'note:%'", "tags", 8, 2),
    ("UPDATE tag_entry SET type = 'Other' WHERE position = 10 AND tag LIKE 'note:%'", "tags", 10, 2),
    ("INSERT INTO tag_entry VALUES ('note:1', 33, 'Noted0')", "tags", 33, 1),
    ("UPDATE tag_entry SET tag = 'note:x' WHERE position = 15 AND tag LIKE 'note:%'", "tags", 15, 2),
    ("DELETE FROM append WHERE position = 10", "append", None, 1),
    ("UPDATE append SET fingerprint = x'00' WHERE id = 'nothing to do'", "append", 40, 1),
    ("UPDATE append SET id = 'everything to do' WHERE id = 'nothing to do'", "append", 40, 1),
    ("UPDATE append SET position = 39 WHERE id = 'nothing to do'", "append", 39, 1),
    ("INSERT INTO append VALUES ('more', 3, 2, NULL, NULL)", "append", None, 1),
    ("INSERT INTO append VALUES ('less', 3, -2, NULL, NULL)", "append", 3, 1),
    ("INSERT INTO append VALUES ('first', 1, 2, NULL, NULL)", "append", 1, 1),
    ("DROP INDEX event_type", "file", None, 1),
    ("DELETE FROM event WHERE position > 30; DROP INDEX event_type", "missing", 31, 1),
]


@pytest.mark.parametrize(("sql", "kind", "position", "count"), DAMAGE, ids=[sql[:60] for sql, *_ in DAMAGE])
async def test_damage_is_found_counted_and_its_first_position_named(
    tmp_path: Path, sql: str, kind: Kind, position: int | None, count: int
) -> None:
    """Whatever was changed past the triggers."""
    await filled_file(tmp_path / "a.db")
    tamper(tmp_path / "a.db", sql)
    found = await verified(tmp_path / "a.db")
    assert found.first is not None
    assert found.counts.get(kind) == count
    assert found.faults[0].message
    if position is not None:
        assert (found.first.position, found.first.kind) == (position, kind)


async def test_a_missing_trigger_is_a_fault(tmp_path: Path) -> None:
    """What protects the events is part of the file."""
    await filled_file(tmp_path / "a.db", 3)
    tamper(tmp_path / "a.db")
    assert (await verified(tmp_path / "a.db")).ok
    connection = apsw.Connection(str(tmp_path / "a.db"))
    connection.execute("DROP TRIGGER event_update")
    connection.execute("CREATE TRIGGER event_update BEFORE UPDATE ON event BEGIN SELECT 1; END")
    connection.close()
    found = await verified(tmp_path / "a.db")
    assert [fault.message for fault in found.faults] == ["the trigger event_update is not as storied makes it"]


async def test_a_time_that_goes_back_is_found(tmp_path: Path) -> None:
    """Even when the digest fits it."""
    async with memory_store() as store:
        await fill(store, 5)
        early = store._log[3].recorded_us - 1
        store._log[3] = placed(noted(3), 4, early)
        found = await verify(store)
    assert found.counts["time"] == 1
    assert found.first is not None
    assert (found.first.position, found.first.kind) == (4, "time")


@pytest.mark.parametrize("change", [{"data": "{"}, {"metadata_json": '{"actor":7}'}])
async def test_what_is_not_well_formed_is_found(change: dict[str, str]) -> None:
    """Even when the digest fits it."""
    async with memory_store() as store:
        await fill(store, 5)
        old = store._log[3]
        store._log[3] = _with_digest(old, **change)
        found = await verify(store)
    assert found.counts["json"] == 1
    assert found.first is not None
    assert found.first.position == 4


async def test_only_the_first_hundred_faults_are_told_in_full(tmp_path: Path) -> None:
    """All of them are counted."""
    await filled_file(tmp_path / "a.db", 300)
    tamper(tmp_path / "a.db", "UPDATE event SET digest = x'00' WHERE position > 50")
    found = await verified(tmp_path / "a.db")
    assert (found.counts, len(found.faults)) == ({"digest": 250}, 100)


async def test_appends_during_the_check_are_left_for_the_next(tmp_path: Path) -> None:
    """It speaks of the log as it was when it began."""
    async with sqlite_store(tmp_path / "a.db") as store:
        await fill(store)
        loop = asyncio.get_running_loop()
        appended: list[asyncio.Task[object]] = []

        def tell(doing: str, done: int, total: int | None) -> None:
            appended.append(loop.create_task(store.append([noted(done)])))

        found = await verify(store, tell)
        await asyncio.gather(*appended)
        assert (found.ok, found.head) == (True, 40)
        assert await store.head() == 40 + len(appended) > 43


async def test_it_can_be_interrupted_anywhere(tmp_path: Path) -> None:
    """At each place where it waits; the store is as usable as before."""
    async with sqlite_store(tmp_path / "a.db") as store:
        await fill(store)
        turns, ended = 1, False
        while not ended:
            task = asyncio.create_task(verify(store))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            ended = not isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
            turns += 1 + turns // 4
        assert (await verify(store)).ok


async def test_a_closed_store_is_no_fault(tmp_path: Path) -> None:
    """It is an error of the caller's."""
    async with sqlite_store(tmp_path / "a.db") as store:
        await fill(store, 2)
    with pytest.raises(StoreClosed):
        await verify(store)


@pytest.mark.parametrize(
    ("size", "characters", "expected"),
    [
        (64, 0, 128),
        (1024, 10, 1024),
        (1024, 1024 * 1024 * 1024, 4),
        (1, 10 * STRETCH_CHARACTERS, 1),
        (64, STRETCH_CHARACTERS, 64),
    ],
)
def test_stretches_are_as_long_as_their_events_are_small(size: int, characters: int, expected: int) -> None:
    """So that memory stays flat, whatever the events hold."""
    assert next_size(size, characters) == expected


def _with_digest(old: Recorded, **texts: str) -> Recorded:
    changed = msgspec.structs.replace(old, **texts)
    return msgspec.structs.replace(changed, digest=digest_of(changed))
