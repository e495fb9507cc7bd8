"""Several processes that execute commands on one file at once: what they do together, and how long one may wait.

``python -m benchmarks.together URL NAME CALLERS SECONDS``: the part of one process. It says when it is ready, begins
when it is told to, and then tells its figures.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from benchmarks.figures import Figure, Measure
from benchmarks.model import AddItem, app

SECONDS = 2.0
CALLERS = 64
ALONE = "how long a command waits for the other processes is held against its bar"


class Part(msgspec.Struct, frozen=True):
    """What one process did: commands a second, and the time that 99 of 100 took at most, in microseconds."""

    rate: float
    p99: float


async def together(folder: Path, processes: int) -> list[Part]:
    """What each of so many processes did on one new file."""
    url = f"sqlite:///{folder}/log-{processes}.db"
    async with app.open(url, views=False):
        pass
    pipe = asyncio.subprocess.PIPE
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.together", url, f"p{n}", str(CALLERS), str(SECONDS)),
            stdin=pipe,
            stdout=pipe,
        )
        for n in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        await process.stdout.readline()
    told = await asyncio.gather(*(process.communicate(b"go\n") for process in started))
    return [msgspec.json.decode(out, type=Part) for out, _ in told]


async def rate(folder: Path) -> Figure:
    """Commands a second of two processes together, beside those of one alone."""
    both = await together(folder, 2)
    [alone] = await together(folder, 1)
    return Figure(sum(part.rate for part in both), alone.rate)


def wait(processes: int) -> Callable[[Path], Awaitable[Figure]]:
    """How long 99 of 100 commands take at most, in the process that has to wait longest."""

    async def run(folder: Path) -> Figure:
        return Figure(max(part.p99 for part in await together(folder, processes)), None)

    return run


async def _part(url: str, name: str, callers: int, seconds: float) -> Part:
    took: list[float] = []
    async with app.open(url, views=False) as shop:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        end = time.perf_counter() + seconds

        async def caller(number: int) -> None:
            count = 0
            while (began := time.perf_counter()) < end:
                await shop.execute(AddItem(basket=f"{name}-{number}-{count % 16}", amount=1))
                took.append(time.perf_counter() - began)
                count += 1

        await asyncio.gather(*(caller(number) for number in range(callers)))
    return Part(len(took) / seconds, statistics.quantiles(took, n=100)[-1] * 1e6)


TOGETHER = (
    Measure("commands, two processes of 64 callers beside one", "commands/s", 0, rate, share=0.8),
    Measure("a command, p99, two processes of 64 callers", "µs", 50_000, wait(2), least=False, alone=ALONE),
    Measure("a command, p99, four processes of 64 callers", "µs", 100_000, wait(4), least=False, alone=ALONE),
)

if __name__ == "__main__":
    _url, _name, _callers, _seconds = sys.argv[1:]
    _done = asyncio.run(_part(_url, _name, int(_callers), float(_seconds)))
    print(msgspec.json.encode(_done).decode())
