"""What the services cost: beside the same server answering with a constant, in the same run.

A server that is measured has a process of its own, and so has its client. On a machine of few cores they are in each
other's way, and in that of whoever else works there; so where it says so, answers are counted by the server's own time
on the processor, which is what a core of its own would give.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from benchmarks.figures import Figure, Measure
from benchmarks.load import Load, Target, load
from benchmarks.shelf import BookAdded, BookPage, app, book_id
from storied.store.codec import encode

BOOKS = 10_000
SECONDS = 1
TURNS = 5
"""How often the servers of one run take turns; the median counts."""
DOCUMENTS = Target("GET", "/books/b-", "", BOOKS)
READINGS = Target("POST", "/books/b-", "/readings", 1_000)


class Served(msgspec.Struct, frozen=True):
    """One server under load: what its clients saw, and how many answers a second of its processor time gave."""

    load: Load
    by_processor: float


class Server(msgspec.Struct, frozen=True):
    """A server's process."""

    port: int
    pid: int

    async def under(self, target: Target, connections: int, seconds: int = SECONDS) -> Served:
        """The server under load for some seconds."""
        before = processor_seconds(self.pid)
        found = await load(self.port, target, connections, seconds)
        spent = processor_seconds(self.pid) - before
        return Served(found, found.requests / spent if spent else found.rate)


@asynccontextmanager
async def server(kind: str, url: str) -> AsyncIterator[Server]:
    """A server of this kind (see `benchmarks.server`), which answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.server", kind, url, str(port))
    try:
        await _answers(port)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        await process.wait()


async def shelf(folder: Path) -> str:
    """The URL of a store with a shelf of books, all of them in the view."""
    url = f"sqlite:///{folder}/shelf.db"
    async with app.open(url) as opened:
        for start in range(0, BOOKS, 2500):
            books = [BookAdded(book=book_id(n), author=f"a-{n % 100}") for n in range(start, start + 2500)]
            await opened.store.append([encode(book) for book in books])
        await opened.wait(BookPage, BOOKS, timeout=60)
    return url


async def turns(servers: Sequence[Server], target: Target, connections: int) -> list[list[Served]]:
    """What each server did, turn by turn, after one turn that does not count."""
    for one in servers:
        await one.under(target, connections, 1)
    found: list[list[Served]] = [[] for _ in servers]
    for _ in range(TURNS):
        for place, one in enumerate(servers):
            found[place].append(await one.under(target, connections))
    return found


def share(ours: str, bare: str, target: Target, connections: int) -> Callable[[Path], Awaitable[Figure]]:
    """Answers a second of processor time, of one kind of server beside another."""

    async def run(folder: Path) -> Figure:
        url = await shelf(folder)
        async with server(ours, url) as one, server(bare, url) as other:
            found = await turns((one, other), target, connections)
        return Figure(*(statistics.median(served.by_processor for served in served_by) for served_by in found))

    return run


def latency(kind: str, target: Target, percent: str, connections: int) -> Callable[[Path], Awaitable[Figure]]:
    """How many microseconds an answer takes, for so many percent of those who ask, with so many connections."""

    async def run(folder: Path) -> Figure:
        async with server(kind, await shelf(folder)) as one:
            [[*found]] = await turns([one], target, connections)
        return Figure(statistics.median(getattr(served.load, percent) for served in found) * 1000, None)

    return run


async def two_processes(folder: Path) -> Figure:
    """Answers a second of processor time of two query processes over one file at once, beside those of one alone."""
    url = await shelf(folder)
    async with server("queries", url) as one, server("queries", url) as other:
        [alone, _] = await turns((one, other), DOCUMENTS, 16)
        both = [await asyncio.gather(*(each.under(DOCUMENTS, 16) for each in (one, other))) for _ in range(TURNS)]
    together = statistics.median(sum(served.by_processor for served in pair) for pair in both)
    return Figure(together, statistics.median(served.by_processor for served in alone))


def processor_seconds(pid: int) -> float:
    """The processor time that a process has had; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _answers(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return


LATENCY = "a latency is held against its bar; the same server's rate stands beside one that answers with a constant"


def _serving() -> Iterator[Measure]:
    for n in (1, 16, 64):
        run = share("queries", "constant", DOCUMENTS, n)
        yield Measure(f"documents over HTTP, {n} connections", "answers/s", 0, run, share=0.7)
    yield Measure("documents over HTTP, two processes beside one", "answers/s", 0, two_processes, share=1.7)
    for n in (1, 16, 64):
        run = share("commands", "empty", READINGS, n)
        yield Measure(f"commands over HTTP, {n} connections", "answers/s", 0, run, share=0.5)
    yield from _latencies(
        "a document", "queries", DOCUMENTS, {1: (500, 5_000), 16: (2_000, 20_000), 64: (8_000, 50_000)}
    )
    yield from _latencies(
        "a command", "commands", READINGS, {1: (2_000, 10_000), 16: (5_000, 25_000), 64: (15_000, 60_000)}
    )


def _latencies(what: str, kind: str, target: Target, bars: dict[int, tuple[int, int]]) -> Iterator[Measure]:
    """How long one takes, by the number of connections; the bars are those of the median and of 99 of 100."""
    for n, wanted in bars.items():
        for percent, bar in zip(("p50", "p99"), wanted, strict=True):
            run = latency(kind, target, percent, n)
            yield Measure(f"{what} over HTTP, {percent}, {n} connections", "µs", bar, run, least=False, alone=LATENCY)


SERVING = tuple(_serving())
