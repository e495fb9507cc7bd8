"""``read``: many clients write and then read what they wrote, in another process; nobody is given something older.

The command service, the query service and the worker are processes of their own over one file. Each is killed and
started again on the way, in turn, as often as asked.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from chaos.reporting import Progress
from storied import App, Command, Entity, Event, Id, View, on

CLIENTS = 16
SECONDS_BETWEEN_KILLS = 2.0
AGAIN_SECONDS = 0.02

app = App("read")


class Wrote(Event):
    """A line was written into a diary."""

    diary: Id


class Diary(Entity):
    """Takes any line."""

    lines: int = 0

    @on
    def wrote(self, event: Wrote) -> None:
        """One more."""
        self.lines += 1


class Write(Command):
    """Writes a line."""

    diary: Id


@app.command("POST /diaries/{diary}/lines")
def write(command: Write, diary: Diary) -> Wrote:
    """A diary is never full."""
    return Wrote(diary=command.diary)


@app.view("GET /diaries/{diary}")
class DiaryPage(View):
    """How many lines there are."""

    diary: Id
    lines: int = 0

    @on
    def wrote(self, event: Wrote) -> None:
        """One more."""
        self.lines += 1


class Read(msgspec.Struct):
    """The result of a campaign."""

    pairs: int = 0
    kills: int = 0
    refused: int = 0
    violations: list[str] = []

    def sentence(self) -> str:
        """The result in words."""
        return (
            f"{self.pairs} writes read back in another process, {self.kills} kills, {self.refused} requests repeated; "
            f"{len(self.violations)} answers older than what their reader had written"
        )


def campaign(pairs: int, kills: int, progress: Progress) -> Read:
    """So many pairs of a write and a read, and so many kills, on a throwaway store."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_campaign(Path(folder) / "read.db", pairs, kills, progress))


async def _campaign(store: Path, pairs: int, kills: int, progress: Progress) -> Read:
    found = Read()
    async with (
        _process(store, "work") as work,
        _process(store, "serve", "--queries") as queries,
        _process(store, "serve", "--commands") as commands,
        httpx.AsyncClient(base_url=commands.url, timeout=30) as writing,
        httpx.AsyncClient(base_url=queries.url, timeout=30) as reading,
    ):

        async def client(number: int) -> None:
            for line in range(1, pairs // CLIENTS + 1):
                key = {"Idempotency-Key": f"{number}-{line}"}
                written = await _insist(found, writing, "POST", f"/diaries/d-{number}/lines", key)
                after = {"Storied-After": written.headers["storied-position"]}
                read = await _insist(found, reading, "GET", f"/diaries/d-{number}", after)
                found.pairs += 1
                if read.json()["lines"] != line:
                    found.violations.append(f"diary {number}: {read.json()['lines']} lines after {line}")
                progress.at(found.pairs, pairs // CLIENTS * CLIENTS, found.sentence())

        going = asyncio.gather(*map(client, range(CLIENTS)))
        for turn in range(kills):
            await asyncio.sleep(SECONDS_BETWEEN_KILLS)
            if not going.done():
                await (work, queries, commands)[turn % 3].restart()
                found.kills += 1
        await going
    return found


async def _insist(
    found: Read, client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> httpx.Response:
    """The answer to a request that is sent again until it has one."""
    while True:
        try:
            answer = await client.request(method, path, headers=headers)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code < 400:
            return answer
        if answer is not None and answer.status_code != 503:
            raise RuntimeError(f"{method} {path} gave {answer.status_code}: {answer.text}")
        found.refused += 1
        await asyncio.sleep(AGAIN_SECONDS)


class _Process:
    """One side, which may be killed and started again."""

    def __init__(self, store: Path, verb: tuple[str, ...]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._serves = verb[0] == "serve"
        options = ("--port", str(port), "--quiet") if self._serves else ()
        program = "import sys; from storied.cli.main import main; sys.exit(main())"
        self._command = (sys.executable, "-c", program, *verb, "chaos.reading:app", "--store", str(store), *options)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Runs, and answers if it serves."""
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=quiet, stderr=quiet)
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while self._serves:
                try:
                    await client.get(f"{self.url}/livez")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(AGAIN_SECONDS)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()

    async def restart(self) -> None:
        """Is killed without a word, and started again."""
        await self.stop(signal.SIGKILL)
        await self.start()


@asynccontextmanager
async def _process(store: Path, *verb: str) -> AsyncIterator[_Process]:
    process = _Process(store, verb)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(process.stop)
        await process.start()
        yield process
