"""Supervising: several processes that serve from one listening socket, started again when they die.

Each is a program of its own, so nothing that was open in one is open in another. The socket is this process's: while
one of them is started again, connections wait in it and none is lost. Whoever serves is told to stop before whoever
keeps the views up to date, so that an answer that waits for a view still comes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from socket import socket

import msgspec

from storied.services.sharing import Sheet

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
HEALTHY_SECONDS = 10.0
"""Who has lived for so long and dies is started again at once."""
TRIES = 5
"""How often in a row a process may die young before everything stops."""

log = logging.getLogger("storied.services")


class Program(msgspec.Struct, frozen=True):
    """One process to keep running: its arguments, and whether it stops after those that serve.

    It gets the descriptors *files* beside the socket. *sheet* is where it measures, and is told when it has ended.
    """

    name: str
    arguments: tuple[str, ...]
    last: bool = False
    files: tuple[int, ...] = ()
    sheet: Sheet | None = None


class Supervisor:
    """Keeps programs running until it is told to stop."""

    def __init__(self, programs: Sequence[Program], listening: socket) -> None:
        self._programs, self._listening = tuple(programs), listening
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._gave_up: int | None = None

    async def run(self) -> int:
        """The exit code, once all have stopped: 0, or what a program ended with that could not be kept running."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, self._told)
        keepers = {program: asyncio.create_task(self._keep(program)) for program in self._programs}
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopping, *keepers.values()], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()  # a keeper that ended by itself has failed
        self._listening.close()  # so that nobody connects any more, once those that serve have closed theirs
        for last in (False, True):
            mine = [keepers[program] for program in self._programs if program.last is last]
            for program in self._programs:
                if program.last is last:
                    self._signal(program.name, signal.SIGTERM)
            if mine:
                await asyncio.wait(mine)
        for keeper in keepers.values():
            keeper.result()
        return self._gave_up or 0

    def _told(self) -> None:
        if self._stopping.is_set():
            for name in self._running:
                self._signal(name, signal.SIGKILL)
        self._stopping.set()

    async def _keep(self, program: Program) -> None:
        """Starts the program, and again whenever it ends before it should."""
        loop, young = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._run(program)
            if self._stopping.is_set():
                return
            young = 0 if loop.time() - began > HEALTHY_SECONDS else young + 1
            log.warning("%s ended with %d; it is started again", program.name, code)
            if young >= TRIES:
                log.error("%s ended %d times soon after its start; everything stops", program.name, TRIES)
                self._gave_up = code if code > 0 else 1
                self._stopping.set()
                return
            pause = min(FIRST_PAUSE * 2 ** max(young - 1, 0), LONGEST_PAUSE)
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
            except TimeoutError:
                continue

    async def _run(self, program: Program) -> int:
        """What the program ended with. Its standard input ends when this process does, which stops it, too."""
        process = await asyncio.create_subprocess_exec(
            *program.arguments,
            stdin=asyncio.subprocess.PIPE,
            pass_fds=[self._listening.fileno(), *program.files],
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which tells the others in order
        )
        self._running[program.name] = process
        if self._stopping.is_set():
            self._signal(program.name, signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            del self._running[program.name]
            if program.sheet is not None:
                program.sheet.leave()

    def _signal(self, name: str, number: signal.Signals) -> None:
        process = self._running.get(name)
        if process is not None and process.returncode is None:
            process.send_signal(number)


def stop_with_parent() -> None:
    """Makes this process stop, as on SIGTERM, when its standard input ends, and with it whoever started it."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(0, look)
