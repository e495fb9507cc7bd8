"""A server that is told to stop, or cannot start, before it serves: whoever has connected by then gets an answer."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from storied.testing.waiting import eventually
from tests.services.processes import SECONDS, Program, free_port, running
from tests.services.test_draining import servers_of
from tests.services.test_processes import children, is_alive, url_in

QUEUED = 8
MARK = b'{"mark":"m"}'
ASKED = (
    b"POST /tallies/a/marks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(MARK), MARK)
)


class Slow(Program):
    """A server whose processes wait at pipes in a folder."""

    def __init__(self, folder: Path, port: int, *words: str) -> None:
        self.folder = folder
        options = ("--store", url_in(folder), "--port", str(port), "--quiet")
        super().__init__("serve", "tests.services.slow:app", *options, *words, environment={"SLOW": str(folder)})

    def hold(self, name: str) -> None:
        """Whoever comes there waits from now on."""
        os.mkfifo(self.folder / name)

    async def let_on(self, name: str) -> None:
        """Those who wait go on, and nobody else has to wait any more."""
        pipe = self.folder / name
        opened = await asyncio.to_thread(pipe.open, "wb")
        pipe.unlink()
        opened.close()

    def waiting(self, name: str) -> list[int]:
        """The processes that wait there, or have, and still run."""
        return [pid for one in self.folder.glob(f"{name}-*") if is_alive(pid := int(one.name.rpartition("-")[2]))]


async def ask(port: int) -> bytes:
    """What a client is sent up to the end of the connection; raises when that is reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(ASKED)
        return await reader.read()
    finally:
        writer.close()


async def queued(port: int) -> list[asyncio.Task[bytes]]:
    """Clients that have connected and sent their request."""
    asked = [asyncio.create_task(ask(port)) for _ in range(QUEUED)]
    await eventually(lambda: _waiting_in(port) == QUEUED)
    return asked


def _waiting_in(port: int) -> int:
    """How many connections wait in the queue of who listens at the port."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if state == "0A" and local.endswith(f":{port:04X}"):
            return int(queues.partition(":")[2], 16)
    return 0


async def answers(asked: list[asyncio.Task[bytes]]) -> set[bytes]:
    """The status lines that they got."""
    return {(await asyncio.wait_for(one, SECONDS)).partition(b"\r\n")[0] for one in asked}


@pytest.mark.timeout(60)
async def test_who_waits_while_all_are_starting_is_told_when_they_are_stopped(tmp_path: Path) -> None:
    """With a problem, by their parent: none of them can. It has not said yet that it serves."""
    server = Slow(tmp_path, port := free_port(), "--processes", "2")
    server.hold("import")
    async with starting(server) as started:
        await eventually(lambda: len(server.waiting("import")) == 3, SECONDS)
        assert not started.done()
        asked = await queued(port)
        server.tell(signal.SIGTERM)
        assert await answers(asked) == {b"HTTP/1.1 503 Service Unavailable"}
        told = (await asked[0]).decode()
        assert "urn:storied:problem:store-closed" in told
        assert "\r\nretry-after: 2\r\n" in told
        assert "\r\ndate: " in told
        assert await server.ended() == 0
        assert re.match(
            r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00 INFO storied.services\[\d+\]: told to stop by SIGTERM", server.logged[0]
        )


@pytest.mark.timeout(60)
async def test_who_waits_while_all_are_started_again_is_told_when_they_are_stopped(tmp_path: Path) -> None:
    """As if they had never run; and by a process that says it has ended in good order."""
    server = Slow(tmp_path, port := free_port(), "--processes", "2")
    async with running(server):
        await eventually(lambda: len(servers_of(server.pid)) == 2, SECONDS)
        server.hold("import")
        for pid in children(server.pid):
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: len(server.waiting("import")) == 3, SECONDS)
        asked = await queued(port)
        for pid in (*children(server.pid), server.pid):  # as systemd does
            os.kill(pid, signal.SIGTERM)
        assert await answers(asked) == {b"HTTP/1.1 503 Service Unavailable"}
        assert await server.ended() == 0


@pytest.mark.timeout(60)
async def test_who_waits_is_served_by_a_process_that_has_started_when_all_are_stopped(tmp_path: Path) -> None:
    """However far the others are."""
    server = Slow(tmp_path, port := free_port(), "--processes", "2")
    async with running(server):
        await eventually(lambda: len(servers_of(server.pid)) == 2, SECONDS)
        first, second = servers_of(server.pid)
        os.kill(first, signal.SIGSTOP)
        assert (await ask(port)).startswith(b"HTTP/1.1 200 ")  # by the second, which therefore serves
        server.hold("import")
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: len(server.waiting("import")) == 1, SECONDS)
        os.kill(second, signal.SIGSTOP)
        asked = await queued(port)
        server.tell(signal.SIGTERM)
        os.kill(second, signal.SIGCONT)
        assert await answers(asked) == {b"HTTP/1.1 200 OK"}
        assert await server.ended() == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        ("raise RuntimeError('no luck')", 2, "ended with 2, which another start would not change"),
        ("raise SystemExit('no luck')", 2, "ended with 2, which another start would not change"),
        ("import os; os._exit(9)", 9, "ended with 9, for the 5th time soon after its start"),
        ("import os; os.kill(os.getpid(), 9)", 1, "was ended by SIGKILL, for the 5th time soon after its start"),
    ],
    ids=["an error in the app", "an app that leaves", "an exit", "a kill"],
)
async def test_who_waits_for_servers_that_cannot_start_is_told(tmp_path: Path, said: str, code: int, why: str) -> None:
    """When their parent gives up, at once where trying again is no use; it ends with what they ended with."""
    server = Slow(tmp_path, port := free_port(), "--processes", "2")
    server.hold("import")
    async with starting(server):
        await eventually(lambda: len(server.waiting("import")) == 3, SECONDS)
        asked = await queued(port)
        (tmp_path / "said").write_text(said, encoding="utf-8")
        await server.let_on("import")
        assert await answers(asked) == {b"HTTP/1.1 503 Service Unavailable"}
        assert await server.ended() == code
    assert sum(line.endswith(f"{why}; everything stops") for line in server.logged) == 1
    restarts = sum("it is started again" in line for line in server.logged)
    assert restarts == 0 if code == 2 else 4 <= restarts <= 12


@pytest.mark.timeout(60)
async def test_one_process_takes_nobody_before_it_serves(tmp_path: Path) -> None:
    """It holds its address, and whoever comes is refused."""
    server = Slow(tmp_path, port := free_port())
    server.hold("opening")
    async with starting(server) as started:
        await eventually(lambda: len(server.waiting("opening")) == 1, SECONDS)
        with pytest.raises(ConnectionRefusedError):
            await ask(port)
        await server.let_on("opening")
        await started
        assert (await ask(port)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("verb", ["serve", "work"])
async def test_one_process_that_is_told_to_stop_before_it_serves_ends_in_good_order(tmp_path: Path, verb: str) -> None:
    """At once, and by itself: a container's first process would not even notice the signal otherwise."""
    server = Slow(tmp_path, free_port())
    if verb == "work":
        server.words = ("work", *server.words[1:4])
    server.hold("opening")
    async with starting(server) as started:
        await eventually(lambda: len(server.waiting("opening")) == 1, SECONDS)
        server.tell(signal.SIGTERM)
        assert await server.ended() == 0
        with pytest.raises(AssertionError, match="ended with 0"):
            await started


@asynccontextmanager
async def starting(server: Program) -> AsyncIterator[asyncio.Task[None]]:
    """The server is being started; it is killed at the end."""
    task = asyncio.create_task(server.start())
    try:
        yield task
    finally:
        await server.kill()
        await asyncio.wait([task])
