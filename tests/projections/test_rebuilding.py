"""A changed view is built beside the one that is served: readers see the old one whole, then the new one whole."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from storied import NotCaughtUp, OpenApp
from storied.domain.views import view_spec
from storied.engines.sqlite.documents import SqliteDocuments
from storied.errors import StoreUnavailable
from storied.projections import runner
from storied.projections.projector import Projector
from storied.store.documents import Change, Checkpoint, Table
from storied.testing.waiting import eventually
from tests.projections.tallies import counted, held_back, seen, tallies

EVENTS = 6_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the log is; the views lie beside it."""
    return tmp_path / "shop.db"


async def built(file: Path, version: int, events: int = EVENTS) -> int:
    """A log with so many events, and the read model that this version of the code made of it; the head."""
    app, view = tallies(version)
    async with app.open(f"sqlite:///{file}") as opened:
        head = (await opened.record(*counted(events))).position
        await opened.wait(view, head, timeout=30)
    return head


@asynccontextmanager
async def running(file: Path, version: int, chunk: int = 200, *where: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process with that version of the code, killed by SIGKILL at the end of the block."""
    words = [sys.executable, "-m", "tests.projections.tallies", str(file), str(version), str(chunk), *where]
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"open\n"
        yield process
    finally:
        process.kill()
        await process.communicate()


async def says(process: asyncio.subprocess.Process, word: str) -> None:
    """Returns once the process says the word."""
    assert process.stdout is not None
    assert await process.stdout.readline() == f"{word}\n".encode()


def positions(file: Path) -> tuple[int, int | None]:
    """Where the live edition stands, and the one that is being built; read by other means than storied's."""
    connection = apsw.Connection(str(file.with_name("shop.views.db")), apsw.SQLITE_OPEN_READONLY)
    try:
        found: Any = connection.execute("SELECT live, max(position) FROM edition GROUP BY live").fetchall()
        return dict(found).get(1, 0), dict(found).get(0)
    finally:
        connection.close()


# --- the swap


async def test_readers_see_the_old_until_the_swap_and_then_the_new(file: Path) -> None:
    """Over 20,000 events, while appends go on: no answer is of two versions, or of half of one."""
    old, view = tallies(1)
    head = await built(file, 1, 20_000)
    answers: list[tuple[int, int]] = []
    async with old.open(f"sqlite:///{file}", views=False) as opened, running(file, 2, chunk=50):
        while not answers or answers[-1][0] == 1:
            answers.append(await seen(opened, view))
            head = (await opened.record(*counted(5, start=head))).position
        assert await seen(opened, view, after=head) == (2, head)
    versions = [version for version, _ in answers]
    assert versions == sorted(versions)
    assert versions.count(1) > 3
    assert {position for version, position in answers if version == 1} == {20_000}
    assert answers[-1][1] >= 20_000


async def test_readers_are_never_taken_back(file: Path) -> None:
    """The old code goes on while the new one is built; what has been seen stays seen."""
    await built(file, 1)
    old, view = tallies(1)
    async with old.open(f"sqlite:///{file}") as opened, running(file, 2):
        answers = [await seen(opened, view)]
        while answers[-1][0] == 1:
            head = (await opened.record(*counted(5, start=answers[-1][1]))).position
            answers.append(await seen(opened, view, after=head))
        assert answers == sorted(answers)
        assert [position for _, position in answers] == sorted(position for _, position in answers)


async def test_killed_while_it_builds_it_goes_on_where_it_was(file: Path) -> None:
    """By SIGKILL, again and again; the old one serves, and nothing that was built is built again."""
    await built(file, 1)
    stood: list[int] = []
    for goal in (500, 2_500, 4_500):
        async with running(file, 2, 100, f"until:{goal + 1_000}"):
            await eventually(partial(_has_passed, goal, file, stood))
        live, coming = positions(file)
        assert live == EVENTS
        assert coming is not None  # it was killed before it was done
        stood.append(coming)
        assert await _seen_by_both(file) == {(1, EVENTS)}
    new, view = tallies(2)
    async with new.open(f"sqlite:///{file}") as opened:
        stood.append(positions(file)[1] or EVENTS)
        await eventually(lambda: _is(opened, view, 2))
        assert await seen(opened, view) == (2, EVENTS)
    assert stood == sorted(stood)


def _has_passed(goal: int, file: Path, stood: list[int]) -> bool:
    """Whether the building stands there, or further; where it stands is noted down."""
    _, coming = positions(file)
    if coming is not None:
        stood.append(coming)
    return (coming or 0) >= goal


async def _seen_by_both(file: Path) -> set[tuple[int, int]]:
    """What readers of the old and of the new code are given."""
    answers = set()
    for version in (1, 2):
        app, view = tallies(version)
        async with app.open(f"sqlite:///{file}", views=False) as opened:
            answers.add(await seen(opened, view))
    return answers


async def _is(opened: OpenApp, view: Any, version: int) -> bool:
    return (await seen(opened, view))[0] == version


@pytest.mark.parametrize(("where", "version"), [("before", 1), ("after", 2)])
async def test_killed_at_the_swap_it_is_done_or_not(file: Path, where: str, version: int) -> None:
    """Just before, readers see the old one; just after, the new one. Started again it ends as it should."""
    head = await built(file, 1, 2_000)
    async with running(file, 2, 200, where) as process:
        await says(process, where)
        assert await _seen_by_both(file) == {(version, head)}
    assert await _seen_by_both(file) == {(version, head)}
    new, view = tallies(2)
    async with new.open(f"sqlite:///{file}") as opened:
        head = (await opened.record(*counted(3))).position
        await eventually(lambda: _is(opened, view, 2))
        assert await seen(opened, view, after=head) == (2, head)
    assert positions(file) == (head, None)


# --- old code and new code at once


async def test_old_code_that_still_runs_is_superseded(file: Path) -> None:
    """It serves the new read model, waits for it, and does not put its own back."""
    await built(file, 1, 500)
    (old, one), (new, two) = tallies(1), tallies(2)
    url = f"sqlite:///{file}"
    async with old.open(url) as before:
        await before.wait(one, 500)
        async with new.open(url) as after:
            await eventually(lambda: _is(after, two, 2))
            for _ in range(10):
                head = (await before.record(*counted(10))).position
                assert await seen(before, one, after=head) == (2, head)
                assert await seen(after, two, after=head) == (2, head)
            [report] = await before.view_states()
            assert report.state == "foreign"
            assert positions(file) == (head, None)


async def test_what_failed_for_a_moment_does_not_bring_old_code_back(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner that begins again finds that it was superseded, and builds nothing."""
    await built(file, 1, 500)
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.001)
    (old, one), (new, two) = tallies(1), tallies(2)
    own, commit, failed = Projector(view_spec(one)).table, SqliteDocuments.commit, []

    async def busy(self: SqliteDocuments, table: Table, *arguments: Any, **named: Any) -> None:
        if table == own:
            failed.append(table)
            raise StoreUnavailable("the disk is busy")
        await commit(self, table, *arguments, **named)

    url = f"sqlite:///{file}"
    async with old.open(url) as before:
        await before.wait(one, 500)
        async with new.open(url) as after:
            await eventually(lambda: _is(after, two, 2))
            monkeypatch.setattr(SqliteDocuments, "commit", busy)
            head = (await before.record(*counted(10))).position
            await eventually(lambda: failed)
            assert await seen(before, one, after=head) == (2, head)
            assert await seen(after, two, after=head) == (2, head)
            assert positions(file) == (head, None)


async def test_old_code_that_is_opened_again_is_built_again(file: Path) -> None:
    """Rolling back is a change like any other."""
    await built(file, 1, 500)
    for version in (2, 1, 2):
        app, view = tallies(version)
        async with app.open(f"sqlite:///{file}") as opened:
            await eventually(partial(_is, opened, view, version))
            head = (await opened.record(*counted(10))).position
            assert await seen(opened, view, after=head) == (version, head)


async def test_two_processes_of_the_new_code_build_it_together(file: Path) -> None:
    """Each takes chunks from the other, and each event is applied once."""
    head = await built(file, 1)
    old, view = tallies(1)
    async with running(file, 2, 300), running(file, 2, 200), old.open(f"sqlite:///{file}", views=False) as opened:
        await eventually(lambda: _is(opened, view, 2), timeout=30)
        for _ in range(5):
            head = (await opened.record(*counted(7))).position
            assert await seen(opened, view, after=head) == (2, head)


async def test_code_whose_building_was_overtaken_begins_anew(file: Path) -> None:
    """Another version was quicker and removed what this one had built; in the end this one serves."""
    await built(file, 1, 500)
    (new, two), (newest, three) = tallies(2), tallies(3)
    url = f"sqlite:///{file}"
    with held_back(view_spec(three).fingerprint()) as gate:
        async with newest.open(url) as later:
            await eventually(lambda: positions(file)[1] == 500)
            async with new.open(url) as sooner:
                await eventually(lambda: _is(sooner, two, 2))
                gate.set()
                await eventually(lambda: _is(later, three, 3))
                head = (await sooner.record(*counted(10))).position
                assert await seen(sooner, two, after=head) == (3, head)
                assert await seen(later, three, after=head) == (3, head)


async def test_a_reader_is_not_given_less_than_it_has_waited_for(file: Path) -> None:
    """Though its process stood further, before another read model took the place of its own."""
    head = await built(file, 1, 500)
    app, view = tallies(1)
    async with app.open(f"sqlite:///{file}") as opened:
        await opened.wait(view, head)
        documents = await SqliteDocuments.open(file.with_name("shop.views.db"))
        try:
            table = Table("Tally", (("version",),), "other code", forms=(("version", "number"),))
            start = await documents.prepare(table)
            [record] = await opened.store.read(after=0, until=1).list()
            there = Checkpoint(1, opened.store.identity, record.digest)
            change = Change("i-0", '{"item":"i-0","version":2,"count":1}', (2,))
            await documents.commit(table, [change], expected=start, checkpoint=there)
            await documents.promote(table, there)
        finally:
            await documents.aclose()
        for question in (opened.get(view, "i-0", after=head, timeout=0.02), opened.find(view, after=2, timeout=0.02)):
            with pytest.raises(NotCaughtUp) as caught:
                await question
            assert caught.value.position == 1
        assert await opened.get(view, "i-0", after=1) == view(item="i-0", version=2, count=1)


async def test_new_code_reads_what_old_code_keeps_up_to_date(file: Path) -> None:
    """While it builds, a process is answered from the read model that another one still moves on."""
    await built(file, 1, 500)
    (old, one), (new, two) = tallies(1), tallies(2)
    url = f"sqlite:///{file}"
    with held_back() as gate:
        async with old.open(url) as before, new.open(url) as after, new.open(url, views=False) as reading:
            await eventually(lambda: positions(file)[1] is not None)
            for opened in (after, reading):
                head = (await opened.record(*counted(10))).position
                assert await seen(opened, two, after=head) == (1, head)
            assert (await before.view_states())[0].state == "running"
            assert (await after.view_states())[0].state == "building"
            assert (await reading.view_states())[0].state == "building"
            gate.set()
            await eventually(lambda: _is(reading, two, 2))
            assert await seen(before, one, after=head) == (2, head)
