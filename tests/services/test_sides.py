"""The sides apart: what one process has stored, another serves, and nobody is given less than they have written."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.services.sides import Side, apart

CLIENTS = 16
PAIRS = int(os.environ.get("STORIED_PAIRS", "1000"))
"""How many times something is written and read back; ten thousand take a minute."""


class Author:
    """A client that writes, and reads what it has written."""

    def __init__(self, name: str, commands: httpx.AsyncClient, queries: httpx.AsyncClient) -> None:
        self.name, self.commands, self.queries = name, commands, queries
        self.paid = 0
        self.stale: list[str] = []

    async def begin(self) -> None:
        """Has an account."""
        await self._post("/accounts", {"account": self.name, "owner": self.name}, "begin")

    async def pair(self) -> None:
        """One write, and then the read that must have seen it."""
        self.paid += 1
        position = await self._post(f"/accounts/{self.name}/payments", {"amount": "1"}, str(self.paid))
        answer = await self._get(f"/accounts/{self.name}", position)
        if Decimal(answer.json()["balance"]) != self.paid or int(answer.headers["storied-position"]) < int(position):
            self.stale.append(f"{self.name}: {answer.text} after {self.paid}")

    async def _post(self, path: str, body: dict[str, str], key: str) -> str:
        while True:
            try:
                answer = await self.commands.post(path, json=body, headers={"Idempotency-Key": f"{self.name}-{key}"})
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 400:
                return answer.headers["storied-position"]
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.05)

    async def _get(self, path: str, position: str) -> httpx.Response:
        while True:
            try:
                answer = await self.queries.get(path, headers={"Storied-After": position})
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200:
                return answer
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.05)


async def run(sides: tuple[Side, Side, Side], pairs: int, kills: bool) -> list[str]:
    """What was stale, after so many pairs of many clients at once; each side may be killed on the way."""
    commands, queries, work = sides
    limits = httpx.Limits(max_connections=CLIENTS)
    async with (
        httpx.AsyncClient(base_url=commands.url, limits=limits, timeout=30) as writing,
        httpx.AsyncClient(base_url=queries.url, limits=limits, timeout=30) as reading,
    ):
        authors = [Author(f"a-{number}", writing, reading) for number in range(CLIENTS)]
        await asyncio.gather(*(author.begin() for author in authors))

        async def go_on(author: Author) -> None:
            for _ in range(pairs // CLIENTS):
                await author.pair()

        going = asyncio.gather(*map(go_on, authors))
        if kills:
            for side in (work, queries, commands):
                await asyncio.sleep(0.5)
                await side.restart()
        await going
    return [one for author in authors for one in author.stale]


@pytest.mark.timeout(180)
async def test_everybody_reads_what_they_have_written(tmp_path: Path) -> None:
    """A thousand writes, each read back in another process: none is stale."""
    async with apart("tests.services.ledger:ledger", tmp_path / "app.db") as sides:
        assert await run(sides, PAIRS, kills=False) == []


@pytest.mark.timeout(180)
async def test_nobody_reads_less_when_the_sides_are_killed(tmp_path: Path) -> None:
    """The worker, the query service and the command service are killed under load: nothing is lost or stale."""
    async with apart("tests.services.ledger:ledger", tmp_path / "app.db") as sides:
        assert await run(sides, 800, kills=True) == []
