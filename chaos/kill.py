"""``kill``: a writing process is killed with SIGKILL at any moment, the file is opened again, and nothing is missing.

What the process was told before is in its journal. Whatever it asked and was not told is repeated by its id, and must
then be there once. Every 25 cycles begin with a new file, so that its making is interrupted too.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import tempfile
import threading
from pathlib import Path

import apsw
import msgspec

from chaos.checking import STORED, check
from chaos.journal import Journal, Sent, Told, entries
from chaos.reporting import Progress
from chaos.writing import asked, run_until_killed
from storied.engines.sqlite.store import SqliteStore

CYCLES_PER_FILE = 25
LONGEST_MS = 200


class Killed(msgspec.Struct):
    """The result of a campaign."""

    cycles: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    found_stored: int = 0
    violations: list[str] = []

    def sentence(self) -> str:
        """The result in words."""
        return (
            f"{self.cycles} kills; {self.acknowledged:,} appends acknowledged before their process was killed, "
            f"{self.unanswered:,} unanswered, of which {self.found_stored:,} had been stored; "
            f"{len(self.violations)} promises broken"
        )


def campaign(cycles: int, seed: int, progress: Progress) -> Killed:
    """Kills that often."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["chaos.writing"])
    result, chance = Killed(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="storied-kill-") as folder:
        for cycle in range(cycles):
            path = Path(folder) / f"log-{cycle // CYCLES_PER_FILE}.db"
            journal = path.with_suffix(".journal")
            known = len(entries(journal))
            process = context.Process(target=run_until_killed, args=(str(path), str(journal), seed + cycle))
            process.start()
            threading.Event().wait(chance.uniform(0, LONGEST_MS) / 1000)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            result.cycles += 1
            result.violations += [
                f"cycle {cycle}: {text}" for text in asyncio.run(recover(path, journal, known, result))
            ]
            progress.at(cycle + 1, cycles, result.sentence())
    return result


async def recover(path: Path, journal: Path, known: int, result: Killed) -> list[str]:
    """Opens the file again, repeats what has no answer, and says what is wrong with what is there.

    So many entries of the journal are *known* from the cycles before.
    """
    before = entries(journal)
    answered = {entry.append_id for entry in before if isinstance(entry, Told)}
    result.acknowledged += sum(isinstance(entry, Told) and entry.outcome == STORED for entry in before[known:])
    store = await SqliteStore.open(path)
    try:
        notes = Journal(journal)
        for sent in [e for e in before if isinstance(e, Sent) and e.append_id not in answered]:
            result.unanswered += 1
            result.found_stored += await store.receipt(sent.append_id) is not None
            await asked(store, notes, sent)
        notes.close()
        log = await store.read().list()
    finally:
        await store.aclose()
    return [f"{v.promise}: {v.sentence}" for v in check(entries(journal), log)] + damage(path)


def damage(path: Path) -> list[str]:
    """What SQLite itself finds wrong with the file."""
    connection = apsw.Connection(str(path))
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    finally:
        connection.close()
    return [f"SQLite: {text}" for text in found if text != "ok"]
