"""A server that is told to stop answers each connection that reached it, or refuses it; it resets none."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import httpx
import pytest

from storied.engines.opening import open_log
from storied.testing.waiting import eventually
from tests.services.processes import Program, free_port, marks_in, running
from tests.services.test_processes import children, serving, url_in

CLIENTS = 48
WELL = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Newcomer:
    """Opens a connection for each request, until it is refused one; notes each that was taken and not answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = 0
        self.lost: list[str] = []

    async def come(self) -> None:
        """Comes again and again."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                return
            try:
                writer.write(WELL)
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head)
                assert found is not None, head
                await reader.readexactly(int(found[1]))
                self.answered += head.startswith(b"HTTP/1.1 200")
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                self.lost.append(repr(error))
            finally:
                writer.transport.abort()


async def drained(server: Program, port: int) -> list[Newcomer]:
    """Clients that came while the server was told to stop, once it has, and each was refused."""
    clients = [Newcomer(port) for _ in range(CLIENTS)]
    load = [asyncio.create_task(client.come()) for client in clients]
    await eventually(lambda: min(client.answered for client in clients) >= 3, timeout=30)
    server.tell(signal.SIGTERM)
    assert await server.ended() == 0
    await asyncio.wait_for(asyncio.gather(*load), 30)
    return clients


@pytest.mark.timeout(120)
@pytest.mark.parametrize("processes", ["1", "2"])
async def test_no_connection_is_reset_by_a_server_that_stops(tmp_path: Path, processes: str) -> None:
    """Under the load of clients that connect anew each time: an answer or a refusal."""
    for n in range(3):
        folder = tmp_path / str(n)
        folder.mkdir()
        port = free_port()
        server = serving(url_in(folder), port, "--processes", processes)
        async with running(server):
            if processes != "1":
                await eventually(lambda: len(children(server.pid)) == 3, timeout=30)  # noqa: B023 - called now
            clients = await drained(server, port)
        assert [lost for client in clients for lost in client.lost] == []


@pytest.mark.timeout(120)
async def test_one_process_of_several_resets_nobody_when_it_stops(tmp_path: Path) -> None:
    """It leaves those who wait to the others, and answers those whom it has taken."""
    port = free_port()
    server = serving(url_in(tmp_path), port, "--processes", "2")
    async with running(server):
        await eventually(lambda: len(servers_of(server.pid)) == 2, timeout=30)
        newcomers = [Newcomer(port) for _ in range(CLIENTS)]
        load = [asyncio.create_task(one.come()) for one in newcomers]
        await eventually(lambda: min(one.answered for one in newcomers) >= 3, timeout=30)
        first = servers_of(server.pid)[0]
        os.kill(first, signal.SIGTERM)
        await eventually(lambda: first not in children(server.pid), timeout=30)
        before = [one.answered for one in newcomers]
        await eventually(
            lambda: all(one.answered > count for one, count in zip(newcomers, before, strict=True)), timeout=30
        )
        for one in load:
            one.cancel()
        await asyncio.wait(load)
        assert [lost for one in newcomers for lost in one.lost] == []


def servers_of(supervisor: int) -> list[int]:
    """Those of its children that serve, and are ready to be told to stop."""
    return [pid for pid in children(supervisor) if b"--sheets\x00" in _read(pid, "cmdline") and _heeds(pid)]


def _heeds(pid: int) -> bool:
    return _is_in(pid, b"SigCgt")


def _ignores(pid: int) -> bool:
    return _is_in(pid, b"SigIgn")


def _is_in(pid: int, mask: bytes) -> bool:
    """Whether SIGTERM is among the signals of that kind."""
    signals = re.search(mask + rb":\s*([0-9a-f]+)", _read(pid, "status"))
    return signals is not None and bool(int(signals[1], 16) >> (signal.SIGTERM - 1) & 1)


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


@pytest.mark.timeout(60)
async def test_the_worker_is_stopped_by_its_parent_alone(tmp_path: Path) -> None:
    """Who stops a service as a whole signals each of its processes; answers may still wait for the views then."""
    server = serving(url_in(tmp_path), free_port(), "--processes", "2")

    def workers() -> list[int]:
        return [pid for pid in children(server.pid) if b"--supervised" in _read(pid, "cmdline") and _ignores(pid)]

    async with running(server), httpx.AsyncClient(base_url=server.told["address"], timeout=30) as client:
        await eventually(lambda: len(workers()) == 1, timeout=30)
        [worker] = workers()
        os.kill(worker, signal.SIGTERM)
        wish = {"Prefer": "wait=TallyPage"}
        answer = await client.post("/tallies/a/marks", json={"mark": "a-1"}, headers=wish)
        assert answer.headers["preference-applied"]
        assert workers() == [worker]
        server.tell(signal.SIGTERM)
        assert await server.ended() == 0


@pytest.mark.timeout(60)
async def test_who_has_connected_may_still_ask(tmp_path: Path) -> None:
    """A connection that has not said anything, or nothing since its last answer, is answered, and then closed."""
    port = free_port()
    server = serving(url_in(tmp_path), port)
    async with running(server):
        fresh, kept, watching = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        kept[1].write(WELL)
        assert b"connection: close" not in await kept[0].readuntil(b"}")
        server.tell(signal.SIGTERM)

        async def is_draining() -> bool:
            watching[1].write(WELL)
            return b"connection: close" in await watching[0].readuntil(b"}")

        await eventually(is_draining, timeout=10)
        for reader, writer in (fresh, kept):
            writer.write(WELL)
            answer = await asyncio.wait_for(reader.read(), 10)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nconnection: close\r\n" in answer
            writer.close()
        watching[1].close()
        assert await server.ended() == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("processes", ["1", "2"])
async def test_who_still_waits_for_a_view_when_the_drain_ends_is_told_what_is_stored(
    tmp_path: Path, processes: str
) -> None:
    """The command is stored, and its client waits for a view that nobody keeps; nobody finds a trace in the log."""
    (tmp_path / "s.toml").write_text("drain_seconds = 1.0\n", encoding="utf-8")
    port = free_port()
    words = ("--commands", "--no-views", "--processes", processes, "--config", str(tmp_path / "s.toml"))
    url, sent = url_in(tmp_path), {"json": {"mark": "a-1"}}
    server = serving(url, port, *words)
    async with running(server), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        wish = {"Prefer": "wait=20; views=TallyPage", "Idempotency-Key": "k"}
        asking = asyncio.create_task(client.post("/tallies/a/marks", headers=wish, **sent))  # type: ignore[arg-type]
        async with open_log(url) as log:

            async def is_stored() -> bool:
                return await log.head() == 1

            await eventually(is_stored, timeout=20)
        server.tell(signal.SIGTERM)
        told = await asking
        assert (told.status_code, told.json()["position"]) == (200, 1)
        assert told.headers["preference-applied"] == 'wait=20; views=""; late="TallyPage"'
        assert await server.ended() == 0
        assert not [line for line in server.logged if "Traceback" in line or "Exception" in line]
    again = serving(url, port, "--commands")
    async with running(again), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        answer = await client.post("/tallies/a/marks", headers={"Idempotency-Key": "k"}, **sent)  # type: ignore[arg-type]
        assert (answer.status_code, answer.content) == (200, told.content)
    assert await marks_in(url) == ["a-1"]
