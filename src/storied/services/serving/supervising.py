"""Supervising: several processes that serve from one listening socket, started again when they die.

Each is a program of its own, so nothing that was open in one is open in another. The socket is this process's: while
one of them is started again, connections wait in it and none is lost. When all stop they are told so, since then nobody
else takes what waits; the socket is kept until one of them says that nobody is left in it, or, where none has come so
far as to serve, until those who wait have been turned away. Whoever serves is told to stop before whoever keeps the
views up to date, so that an answer that waits for a view still comes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from socket import socket, socketpair

import msgspec

from storied.services.serving.listening import listen
from storied.services.serving.stopping import SIGNALS
from storied.services.telemetry.sharing import Sheet

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


class Running(msgspec.Struct, frozen=True):
    """A program that runs, and our end of its standard input, on which both sides talk."""

    process: asyncio.subprocess.Process
    line: socket

    def stop(self) -> None:
        """Tells it that all stop, and then to do so."""
        with suppress(ConnectionError):
            self.line.send(b"\n")
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(number)


class Supervisor:
    """Keeps programs running until it is told to stop. *turn_away* answers those who wait in a socket for nobody."""

    def __init__(
        self, programs: Sequence[Program], holding: socket, turn_away: Callable[[socket], Awaitable[None]]
    ) -> None:
        self._programs, self._socket, self._turn_away = tuple(programs), holding, turn_away
        self._running: dict[str, Running] = {}
        self._stopping, self._emptied = asyncio.Event(), asyncio.Event()
        self._hurries = False
        self._gave_up: int | None = None

    async def run(self, started: Callable[[], None]) -> int:
        """The exit code, once all have stopped: 0, or what a program ended with that could not be kept running.

        *started* is called once connections are taken. Raises `StoreUnavailable` when another took the address.
        """
        loop = asyncio.get_running_loop()
        for one in SIGNALS:
            loop.add_signal_handler(one, self._told)
        listen(self._socket)
        started()
        keepers = {program: asyncio.create_task(self._keep(program)) for program in self._programs}
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopping, *keepers.values()], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()  # a keeper that ended by itself has failed
        for last in (False, True):
            mine = [keepers[program] for program in self._programs if program.last is last]
            for program in self._programs:
                if program.last is last and program.name in self._running:
                    self._running[program.name].stop()
            if mine and not last:
                await self._leave(mine)
            if mine:
                await asyncio.wait(mine)
        for keeper in keepers.values():
            keeper.result()
        return self._gave_up or 0

    async def _leave(self, serving: Sequence[asyncio.Task[None]]) -> None:
        """Closes the socket when nobody waits in it: as one who serves says, or else by itself when all have ended."""
        emptied, ended = asyncio.create_task(self._emptied.wait()), asyncio.create_task(asyncio.wait(serving))
        await asyncio.wait([emptied, ended], return_when=asyncio.FIRST_COMPLETED)
        emptied.cancel()
        if not (self._emptied.is_set() or self._hurries):
            await self._turn_away(self._socket)
        self._socket.close()

    def _told(self) -> None:
        if self._stopping.is_set():
            self._hurries = True
            for running in self._running.values():
                running.signal(signal.SIGKILL)
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
        ours, theirs = socketpair()
        with ours:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *program.arguments,
                    stdin=theirs.fileno(),
                    pass_fds=[self._socket.fileno(), *program.files],
                    start_new_session=True,  # Ctrl-C in a terminal is for this process, which tells the others in order
                )
            running = self._running[program.name] = Running(process, ours)
            if self._stopping.is_set():
                running.stop()
            loop = asyncio.get_running_loop()
            loop.add_reader(ours, self._hear, ours)
            try:
                return await process.wait()
            finally:
                loop.remove_reader(ours)
                del self._running[program.name]
                if program.sheet is not None:
                    program.sheet.leave()

    def _hear(self, line: socket) -> None:
        """One of those who serve says that nobody is left in the socket; or it has ended."""
        said = b""
        with suppress(ConnectionError):
            said = line.recv(4096)
        if said:
            self._emptied.set()
        else:
            asyncio.get_running_loop().remove_reader(line)


class Parent:
    """Whoever started this process, at the other end of its standard input: a byte says that all stop; it may end."""

    def __init__(self) -> None:
        self._stops_all = False

    def watch(self) -> None:
        """Makes this process stop, as on SIGTERM, when its parent has ended."""
        asyncio.get_running_loop().add_reader(0, self._read)

    async def until_told(self) -> None:
        """Returns when the parent says so, or has ended. Signals are the parent's to heed, who stops this one last."""
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(0, told.set)
        try:
            await told.wait()
        finally:
            loop.remove_reader(0)

    def stops_all(self) -> bool:
        """Whether every process that shares this one's socket stops, and not this one alone."""
        if not self._stops_all and select.select([0], [], [], 0)[0]:  # what was said may not be read yet
            self._read()
        return self._stops_all

    def tell_emptied(self) -> None:
        """Tells it that nobody waits in the socket any more, and that nobody is going to."""
        with suppress(OSError):  # it may have ended
            os.write(0, b"\n")

    def _read(self) -> None:
        self._stops_all = True
        said = b""
        with suppress(ConnectionError):  # it ended before it read what this process said
            said = os.read(0, 4096)
        if not said:
            asyncio.get_running_loop().remove_reader(0)
            os.kill(os.getpid(), signal.SIGTERM)
