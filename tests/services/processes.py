"""Real processes of `storied serve` and `storied work`, and clients that note what they were told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from storied.engines.opening import open_log
from storied.testing.waiting import eventually
from tests.docs.pages import ROOT

SECONDS = 30
APP = "tests.services.tally:app"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Program:
    """One `storied` process, which can be killed and started again."""

    def __init__(self, *words: str, environment: Mapping[str, str] = MappingProxyType({}), folder: Path = ROOT) -> None:
        self.words, self.environment, self._folder = words, environment, folder
        self.told: dict[str, Any] = {}
        self._log = os.memfd_create("log")
        self.process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Starts it, and returns once it says that it takes requests."""
        await self.launch()
        await self.serves()

    async def launch(self) -> None:
        """Starts it."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "storied.cli",
            *self.words,
            "--json",
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            cwd=self._folder,
            env=os.environ | self.environment,
        )

    async def serves(self) -> None:
        """Returns once it says that it takes requests."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), SECONDS)
        assert line, f"storied {' '.join(self.words)} ended with {await self.process.wait()}"
        self.told = json.loads(line)

    @property
    def logged(self) -> list[str]:
        """The lines that it has logged by now."""
        return os.pread(self._log, 1 << 24, 0).decode().splitlines()

    def tell(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        """What it ended with, once it has."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), SECONDS)

    async def kill(self) -> None:
        """Ends it as a crash does."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def running(*programs: Program) -> AsyncIterator[None]:
    """The programs run; whatever is left of them at the end is killed."""
    try:
        for program in programs:
            await program.start()
        yield
    finally:
        for program in programs:
            await program.kill()


class Client:
    """Makes marks, each with a key of its own, and notes which were acknowledged."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.made = 0
        self.acknowledged: list[str] = []
        self.unanswered: list[str] = []

    async def insist(self, until: asyncio.Event) -> None:
        """Makes marks until told to stop; one without an answer is repeated under its key until it has one."""
        async with httpx.AsyncClient(base_url=self.address, timeout=SECONDS) as client:
            while not until.is_set():
                mark = self._next()
                await eventually(lambda mark=mark: self._make(client, mark), SECONDS)  # type: ignore[misc]  # bound now

    async def try_once(self) -> None:
        """Makes marks until one gets no answer, and notes that one."""
        async with httpx.AsyncClient(base_url=self.address, timeout=SECONDS) as client:
            while await self._make(client, mark := self._next()):
                pass
            self.unanswered.append(mark)

    def _next(self) -> str:
        self.made += 1
        return f"{self.name}-{self.made}"

    async def _make(self, client: httpx.AsyncClient, mark: str) -> bool:
        try:
            answer = await client.post(
                f"/tallies/{self.name}/marks", json={"mark": mark}, headers={"Idempotency-Key": mark}
            )
        except httpx.TransportError:
            return False
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 200:
            self.acknowledged.append(mark)
        return answer.status_code == 200


async def marks_in(url: str) -> list[str]:
    """Every mark that the log holds, in order."""
    async with open_log(url) as store:
        return [json.loads(event.data)["mark"] async for event in store.read()]
