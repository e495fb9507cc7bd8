"""``fsync``: the k-th sync of a writing process fails, for every k that it gets to.

The store has to fence itself, call the appends of that commit unknown, go on reading, and recover when it is opened
again; repeating what is unknown stores it once. Either strace or a small library, preloaded, makes the sync fail.
"""

from __future__ import annotations

import asyncio
import enum
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chaos.checking import STORED, check
from chaos.journal import Entry, Journal, Note, Sent, Told, entries
from chaos.kill import damage
from chaos.reporting import Progress
from chaos.writing import as_in_a_crowd, asked, some_events, told
from storied.domain.ids import new_id
from storied.engines.sqlite import connection
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoriedError

APPENDS = 60
CHECKPOINT_PAGES = 25
"""So small that the workload checkpoints several times, and syncs there too."""
TOGETHER = 3
SHIM = Path(__file__).with_name("syncs.c")
LATER = {"store-fenced"}


class Injector(msgspec.Struct, frozen=True):
    """A way to make the k-th sync fail: what to put before a command, and into its environment."""

    name: str
    library: Path | None = None

    def command(self, at: int, *, on: bool) -> tuple[list[str], dict[str, str]]:
        """The prefix and the environment for a failure at the sync *at*, and *on* all that follow."""
        if self.library is not None:
            return [], {"LD_PRELOAD": str(self.library), "STORIED_FAIL_AT": str(at), "STORIED_FAIL_ON": "01"[on]}
        when = f"{at}+" if on else str(at)
        inject = f"inject=fdatasync,fsync:error=EIO:when={when}"
        return ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", inject], {}


class Fault(enum.Enum):
    """What happens to a sync, and how the process ends: a WAL that is left behind is recovered by the next one."""

    ONCE = "once"
    ONCE_AND_DIES = "once, then it dies"
    FROM_THEN_ON = "and all that follow, then it dies"


class Synced(msgspec.Struct):
    """The result of a campaign."""

    injectors: list[str] = []
    faults: int = 0
    at_open: int = 0
    fenced: int = 0
    harmless: int = 0
    unknown: int = 0
    found_stored: int = 0
    acknowledged: int = 0
    violations: list[str] = []

    def sentence(self) -> str:
        """The result in words."""
        means = " and ".join(self.injectors) or "nothing, as neither strace nor gcc is here"
        return (
            f"{self.faults} failed syncs by {means}: "
            f"{self.at_open} while opening, {self.fenced} in a commit, which fenced the store, {self.harmless} in a "
            f"checkpoint or when closing; {self.acknowledged:,} appends acknowledged, {self.unknown} unknown, of which "
            f"{self.found_stored} were stored; {len(self.violations)} promises broken"
        )


def campaign(progress: Progress, *, every: int = 1, kinds: int = 2) -> Synced:
    """Fails each sync (or each *every*-th) in turn, as each `Fault`, by each injector there is."""
    result = Synced()
    with tempfile.TemporaryDirectory(prefix="storied-fsync-") as folder, injectors() as found:
        for injector in found[:kinds]:
            result.injectors.append(injector.name)
            for fault in Fault:
                at = 1
                while cycle(Path(folder) / f"{injector.name}-{fault.value}-{at}", injector, at, fault, result):
                    progress.at(at, at + 1, result.sentence())
                    at += every
    return result


@contextmanager
def injectors() -> Iterator[list[Injector]]:
    """The injectors that work here."""
    with tempfile.TemporaryDirectory(prefix="storied-syncs-") as folder:
        library = Path(folder) / "syncs.so"
        tried = []
        if shutil.which("gcc"):
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)
            tried.append(Injector("preload", library))
        if shutil.which("strace"):
            tried.append(Injector("strace"))
        yield [each for each in tried if works(each)]


def works(injector: Injector) -> bool:
    """Whether the injector can make a sync fail on this machine."""
    probe = "import os, tempfile\nwith tempfile.TemporaryFile() as f:\n    os.fsync(f.fileno())"
    return "Errno 5" in run(injector, 1, [sys.executable, "-c", probe], on=False).stderr


def run(injector: Injector, at: int, command: list[str], *, on: bool) -> subprocess.CompletedProcess[str]:
    """The command, run with the fault in it."""
    prefix, environment = injector.command(at, on=on)
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [*prefix, *command],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def cycle(folder: Path, injector: Injector, at: int, fault: Fault, result: Synced) -> bool:
    """One failed sync, and what came of it; False when the process never got that far."""
    folder.mkdir()
    path, journal = folder / "log.db", folder / "journal"
    end = "closes" if fault is Fault.ONCE else "dies"
    command = [sys.executable, "-m", "chaos.fsync", str(path), str(journal), end]
    done = run(injector, at, command, on=fault is Fault.FROM_THEN_ON)
    if "INJECTED" not in done.stderr:
        return False
    result.faults += 1
    before = entries(journal)
    broken = [f"the process ended with {done.returncode}: {done.stderr[-300:]}"] if done.returncode else []
    broken += [*misbehaved(before, result), *asyncio.run(recover(path, journal, result))]
    result.violations += [f"{injector.name}, sync {at} {fault.value}: {text}" for text in broken]
    return True


def misbehaved(before: list[Entry], result: Synced) -> list[str]:
    """What the process should not have been told, in its own journal."""
    outcomes = [entry.outcome for entry in before if isinstance(entry, Told)]
    notes = [entry.text for entry in before if isinstance(entry, Note)]
    result.acknowledged += outcomes.count(STORED)
    failed = [n for n, outcome in enumerate(outcomes) if outcome != STORED]
    if "open failed" in notes:
        result.at_open += 1
        return []
    if not failed:
        result.harmless += 1
    elif _fenced(outcomes[failed[0] :]):
        result.fenced += 1
    else:
        return [f"after the failed commit appends were told {outcomes[failed[0] :]}"]
    return [] if "still reads" in notes else ["the store did not read any more"]


def _fenced(outcomes: list[str]) -> bool:
    """Whether one commit is unknown, and everything after it was refused."""
    unknown = outcomes.count("unknown-outcome")
    return 1 <= unknown <= TOGETHER and set(outcomes[unknown:]) <= {"store-fenced"}


async def recover(path: Path, journal: Path, result: Synced) -> list[str]:
    """Opens the file again on a sound disk, repeats whatever was not acknowledged, and checks the log."""
    before = entries(journal)
    stored = {entry.append_id for entry in before if isinstance(entry, Told) and entry.outcome == STORED}
    unknown = {entry.append_id for entry in before if isinstance(entry, Told) and entry.outcome == "unknown-outcome"}
    store = await SqliteStore.open(path)
    notes = Journal(journal)
    try:
        early = check(before, await store.read().list())
        for sent in [entry for entry in before if isinstance(entry, Sent) and entry.append_id not in stored]:
            result.unknown += sent.append_id in unknown
            result.found_stored += await store.receipt(sent.append_id) is not None
            await asked(store, notes, sent)
        log = await store.read().list()
    finally:
        notes.close()
        await store.aclose()
    after = [entry for entry in entries(journal) if not (isinstance(entry, Told) and entry.outcome in LATER)]
    return [f"{v.promise}: {v.sentence}" for v in [*early, *check(after, log)]] + damage(path)


async def work(path: Path, journal: Path, *, dies: bool) -> None:
    """Appends by threes on a store that checkpoints often, and sees whether it still reads; then closes, or *dies*."""
    connection.CHECKPOINT_PAGES = CHECKPOINT_PAGES
    notes, chance = Journal(journal), random.Random(7)
    try:
        store = await SqliteStore.open(path)
    except StoriedError:
        notes.write(Note("open failed"))
        return
    for number in range(APPENDS // TOGETHER):
        several = [Sent(new_id(), some_events(chance, f"account:{n}", number), ()) for n in range(TOGETHER)]
        await asyncio.gather(*(told(store, notes, sent) for sent in several))
    log = await store.read().list()
    if len(log) == await store.head():
        notes.write(Note("still reads"))
    if dies:
        os._exit(0)
    await store.aclose()
    notes.close()


if __name__ == "__main__":
    as_in_a_crowd()
    asyncio.run(work(Path(sys.argv[1]), Path(sys.argv[2]), dies=sys.argv[3] == "dies"))
