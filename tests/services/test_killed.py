"""The command service as a process that is killed under load: with keys, nothing is lost and nothing is doubled."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from storied import Query
from tests.services.ledger import ledger
from tests.structure.modules import ROOT

CLIENTS, COMMANDS, KILLS = 8, 25, 4


class Server:
    """The server's process, started again whenever it was killed."""

    def __init__(self, url: str) -> None:
        self.url = url
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Runs, and answers."""
        arguments = ("-m", "tests.services.killable", self.url, str(self.port))
        self.process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            while True:
                try:
                    await client.get("/livez")
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
                else:
                    return

    async def stop(self, how: signal.Signals) -> None:
        """Ends, one way or the other."""
        assert self.process is not None
        self.process.send_signal(how)
        await self.process.wait()


async def insist(client: httpx.AsyncClient, key: str) -> tuple[int, bytes]:
    """The answer to one payment, sent again until there is one."""
    while True:
        try:
            answer = await client.post(
                "/accounts/a/payments", json={"amount": "1"}, headers={"Idempotency-Key": key}, timeout=5
            )
        except httpx.TransportError:
            await asyncio.sleep(0.02)
            continue
        if answer.status_code < 500 and answer.status_code != 409:
            return answer.status_code, answer.content
        await asyncio.sleep(0.02)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_killed_under_load_nothing_is_lost_or_doubled(tmp_path: Path, how: signal.Signals) -> None:
    """Each command that was answered is stored once, in the place that its answer told."""
    dice = random.Random(7)
    url = f"sqlite:///{tmp_path}/app.db"
    server = Server(url)
    await server.start()
    answers: dict[str, tuple[int, bytes]] = {}

    async def work(number: int) -> None:
        for n in range(COMMANDS):
            key = f"{number}-{n}"
            answers[key] = await insist(client, key)
            await asyncio.sleep(dice.random() * 0.04)

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        await client.post("/accounts", json={"account": "a", "owner": "x"})
        working = asyncio.gather(*(work(number) for number in range(CLIENTS)))
        for _ in range(KILLS):
            await asyncio.sleep(0.1 + dice.random() * 0.2)
            await server.stop(how)
            await server.start()
        await working
        again = {key: await insist(client, key) for key in list(answers)[::20]}
        assert again == {key: answers[key] for key in again}
    await server.stop(signal.SIGTERM)

    assert {status for status, _ in answers.values()} == {200}
    told = Counter(httpx.Response(200, content=body).json()["events"][0]["position"] for _, body in answers.values())
    async with ledger.open(url) as shop:
        stored = [record.position for record in await shop.store.read(Query.of(types=["Paid"])).list()]
    assert sorted(told.elements()) == stored
    assert len(stored) == CLIENTS * COMMANDS
