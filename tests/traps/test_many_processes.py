"""Eight processes append to one file while others watch: one order for all, and no promise broken."""

import multiprocessing
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from chaos.checking import CONFLICT, STORED, check
from chaos.journal import Saw, Sent, Told, entries
from chaos.working_together import race_for, watch_until, write_so_many
from storied.engines.sqlite.store import SqliteStore
from storied.store.records import Recorded
from storied.testing.contract.specimens import stored

PROCESSES = 8
RACES = 50


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Starts processes that have imported what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["chaos.working_together"])
    return context


async def test_eight_processes_keep_every_promise(
    tmp_path: Path, processes: multiprocessing.context.ForkServerContext
) -> None:
    """Positions without a hole, conditions that held, real time kept; and two watchers who saw exactly the log."""
    path, journal = tmp_path / "log.db", tmp_path / "journal"
    place = (str(path), str(journal))
    watchers = [processes.Process(target=watch_until, args=(*place, f"watcher-{n}", PROCESSES)) for n in range(2)]
    writers = [processes.Process(target=write_so_many, args=(*place, seed, 50)) for seed in range(PROCESSES)]
    finish([*watchers, *writers])
    log = await log_of(path)
    journalled = entries(journal)
    assert not check(journalled, log)
    outcomes = [entry.outcome for entry in journalled if isinstance(entry, Told)]
    assert set(outcomes) <= {STORED, CONFLICT}
    for n in range(2):
        saws = [entry for entry in journalled if isinstance(entry, Saw) and entry.subscriber == f"watcher-{n}"]
        assert [e for entry in saws for e in entry.events] == [(record.position, record.id) for record in log]


async def test_of_eight_processes_that_race_for_one_condition_one_wins(
    tmp_path: Path, processes: multiprocessing.context.ForkServerContext
) -> None:
    """Race after race, one is stored and the others are told of it."""
    path, journal = tmp_path / "log.db", tmp_path / "journal"
    finish([processes.Process(target=race_for, args=(str(path), str(journal), RACES)) for _ in range(PROCESSES)])
    journalled = entries(journal)
    log = await log_of(path)
    assert not check(journalled, log)
    assert sorted(tag for record in log for tag in record.tags) == sorted(f"race:{n}" for n in range(RACES))
    assert sum(isinstance(entry, Sent) for entry in journalled) == PROCESSES * RACES
    outcomes = [entry.outcome for entry in journalled if isinstance(entry, Told)]
    assert (outcomes.count(STORED), outcomes.count(CONFLICT)) == (RACES, (PROCESSES - 1) * RACES)


def finish(started: list[ForkServerProcess]) -> None:
    """Starts the processes and waits for all of them to end well."""
    for process in started:
        process.start()
    for process in started:
        process.join(90)
    assert [process.exitcode for process in started] == [0] * len(started)


async def log_of(path: Path) -> list[Recorded]:
    """The whole log."""
    store = await SqliteStore.open(path)
    try:
        return await stored(store)
    finally:
        await store.aclose()
