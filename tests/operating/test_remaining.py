"""A file that lost its end: how far its log is still sound is told, and nothing is done to it."""

import asyncio
import sys
from pathlib import Path

import pytest

from storied.errors import StoreUnavailable
from storied.operating.remaining import verify_remains
from storied.operating.verifying import Verified
from tests.docs.pages import ROOT
from tests.operating.stores import noted, sqlite_store, tamper

EVENTS = 400
PAGE = 4096
ERROR = StoreUnavailable("it is damaged.", code="damaged")


async def written(path: Path) -> bytes:
    """What a file holds with so many events, all of them small."""
    async with sqlite_store(path) as store:
        await store.append([noted(number) for number in range(1, EVENTS + 1)])
    return path.read_bytes()


async def remaining(path: Path) -> Verified | None:
    """What is said of the file."""
    return await verify_remains(path, ERROR)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("odd", [0, 1, 1000])
async def test_it_is_sound_up_to_the_last_event_that_is_there(tmp_path: Path, odd: int) -> None:
    """Wherever it was cut; not one event more, and not one less."""
    content = await written(tmp_path / "whole.db")
    cut = tmp_path / "cut.db"
    seen = set()
    for size in range(10 * PAGE + odd, len(content), 7 * PAGE):
        cut.write_bytes(content[:size])
        found = await remaining(cut)
        there = [n for n in range(1, EVENTS + 1) if b'"note %d ' % n in content[:size]]
        last = next((n for n, each in enumerate(there) if each != n + 1), len(there))
        assert found is not None
        assert found.first is not None
        assert (found.sound, found.events, found.first.position, found.counts) == (last, last, last + 1, {"file": 1})
        seen.add(last)
        assert cut.read_bytes() == content[:size]
    assert len(seen) > 5
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cut.db", "whole.db"]


async def test_it_is_sound_up_to_the_event_that_was_changed(tmp_path: Path) -> None:
    """Where that comes before the end."""
    await written(tmp_path / "a.db")
    tamper(tmp_path / "a.db", "UPDATE event SET data = '{}' WHERE position IN (17, 20)")
    (tmp_path / "cut.db").write_bytes((tmp_path / "a.db").read_bytes()[: 40 * PAGE])
    found = await remaining(tmp_path / "cut.db")
    assert found is not None
    assert found.first is not None
    assert (found.sound, found.first.position, found.counts) == (16, 17, {"digest": 1})


async def test_an_event_that_is_missing_is_the_end(tmp_path: Path) -> None:
    """What lies behind it may be anything."""
    await written(tmp_path / "a.db")
    tamper(tmp_path / "a.db", "DELETE FROM event WHERE position = 9")
    found = await remaining(tmp_path / "a.db")
    assert found is not None
    assert (found.sound, found.counts) == (8, {"file": 1})


@pytest.mark.parametrize("size", [600, PAGE, 3 * PAGE - 1])
async def test_nothing_is_said_where_not_even_the_first_event_is_there(tmp_path: Path, size: int) -> None:
    """Nor of what is no store."""
    content = await written(tmp_path / "whole.db")
    for said in (content[:size], b"no database at all" * size):
        (tmp_path / "cut.db").write_bytes(said)
        assert await remaining(tmp_path / "cut.db") is None


async def test_what_is_still_in_the_write_ahead_log_counts(tmp_path: Path) -> None:
    """As after a crash; and the log stays as it is."""
    program = (
        "import asyncio, os, sys; from pathlib import Path; from storied.engines.sqlite.store import SqliteStore;"
        "from tests.operating.stores import fill\n"
        "async def main():\n store = await SqliteStore.open(Path(sys.argv[1])); await fill(store); os._exit(0)\n"
        "asyncio.run(main())"
    )
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(tmp_path / "b.db"), cwd=ROOT)
    assert await done.wait() == 0
    log = tmp_path / "b.db-wal"
    before = log.read_bytes()
    assert len(before) > PAGE
    found = await remaining(tmp_path / "b.db")
    assert found is not None
    assert found.sound == 40
    assert log.read_bytes() == before
