"""Supervising: several processes that serve from one listening socket, started again when they die.

Each is a program of its own, so nothing that was open in one is open in another. The socket is this process's: while
one of them is started again, connections wait in it and none is lost. When all stop they are told so, since then nobody
else takes what waits; the socket is kept until one of them says that nobody is left in it, or, where none has come so
far as to serve, until those who wait have been turned away. Whoever serves is told to stop before whoever keeps the
views up to date, so that an answer that waits for a view still comes.

While somebody writes the code, each change of it ends the programs in good order and starts them again, and what cannot
be started waits for the next change.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from socket import socket, socketpair

import msgspec

from storied.services.serving.listening import listen
from storied.services.serving.stopping import SIGNALS, tell_stopping
from storied.services.telemetry.sharing import Sheet

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
HEALTHY_SECONDS = 10.0
"""Who has lived for so long and dies is started again at once."""
TRIES = 5
"""How often in a row a process may die young before everything stops, unless others serve well."""
SERVES, EMPTIED = b"s", b"e"
"""What a process says to its parent: it takes requests; nobody is left in the socket, and nobody is going to be."""

log = logging.getLogger("storied.services")


class Program(msgspec.Struct, frozen=True):
    """One process to keep running: its arguments, and whether it stops after those that serve.

    It gets the descriptors *files* beside the socket. *sheet* is where it measures, and is told when it has ended. When
    it ends with one of the codes *hopeless*, starting it again would change nothing.
    """

    name: str
    arguments: tuple[str, ...]
    last: bool = False
    files: tuple[int, ...] = ()
    sheet: Sheet | None = None
    hopeless: tuple[int, ...] = ()


class Running(msgspec.Struct, frozen=True):
    """A program that runs, our end of its standard input, on which both sides talk, and when it began."""

    process: asyncio.subprocess.Process
    line: socket
    began: float

    def stop(self) -> None:
        """Tells it that all stop, and then to do so."""
        with suppress(ConnectionError):
            self.line.send(b"\n")
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(number)


class Tries:
    """How often a program has died young in a row, and what follows from that."""

    def __init__(self) -> None:
        self._young = 0
        self._is_needed = True

    def pause(self, lived: float, *, hopeless: bool, others_serve: bool) -> float | None:
        """Seconds until it is started again, after it has lived for so many; None: not at all, and everything stops.

        Where others served well when the deaths began, it is tried for ever: who serves is not stopped for who cannot.
        """
        self._young = 0 if lived > HEALTHY_SECONDS else self._young + 1
        if self._young <= 1:
            self._is_needed = not others_serve
        if self._is_needed and self._young and (hopeless or self._young >= TRIES):
            return None
        return float(min(FIRST_PAUSE * 2 ** max(self._young - 1, 0), LONGEST_PAUSE))


class Supervisor:
    """Keeps programs running until it is told to stop. *turn_away* answers those who wait in a socket for nobody.

    With *changes*, which give the name of what has changed, they are started again at each.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        holding: socket,
        turn_away: Callable[[socket], Awaitable[None]],
        changes: AsyncIterator[str] | None = None,
    ) -> None:
        self._programs, self._socket, self._turn_away = tuple(programs), holding, turn_away
        self._changes = changes
        self._change = asyncio.Event()
        """Set at the next change; there is another one for the change after that."""
        self._running: dict[str, Running] = {}
        self._serving, self._stopping, self._emptied = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._hurries = False
        self._gave_up: int | None = None

    async def run(self, started: Callable[[], None]) -> int:
        """The exit code, once all have stopped: 0, or what a program ended with that could not be kept running.

        *started* is called once requests are taken. Raises `StoreUnavailable` when another took the address.
        """
        loop = asyncio.get_running_loop()
        for one in SIGNALS:
            loop.add_signal_handler(one, self._told, one)
        listen(self._socket)
        following = None if self._changes is None else asyncio.create_task(self._follow(self._changes))
        keepers = {program: asyncio.create_task(self._keep(program)) for program in self._programs}
        serving, stopping = asyncio.create_task(self._serving.wait()), asyncio.create_task(self._stopping.wait())
        await asyncio.wait([serving, stopping, *keepers.values()], return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        if self._serving.is_set():
            started()
            await asyncio.wait([stopping, *keepers.values()], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()  # a keeper that ended by itself has failed
        if following is not None:
            following.cancel()
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
        log.info("stopped")
        return self._gave_up or 0

    async def _leave(self, serving: Sequence[asyncio.Task[None]]) -> None:
        """Closes the socket when nobody waits in it: as one who serves says, or else by itself when all have ended."""
        emptied, ended = asyncio.create_task(self._emptied.wait()), asyncio.create_task(asyncio.wait(serving))
        await asyncio.wait([emptied, ended], return_when=asyncio.FIRST_COMPLETED)
        emptied.cancel()
        if not (self._emptied.is_set() or self._hurries):
            await self._turn_away(self._socket)
        self._socket.close()

    def _told(self, number: signal.Signals) -> None:
        tell_stopping(number, again=self._stopping.is_set())
        if self._stopping.is_set():
            self._hurries = True
            for running in self._running.values():
                running.signal(signal.SIGKILL)
        self._stopping.set()

    async def _keep(self, program: Program) -> None:
        """Starts the program, and again whenever it ends before it should."""
        loop, tries = asyncio.get_running_loop(), Tries()
        while not self._stopping.is_set():
            began, change = loop.time(), self._change
            code = await self._run(program, change)
            if self._stopping.is_set():
                return
            if change.is_set():
                tries = Tries()
                continue
            hopeless, how = code in program.hopeless, ended(code)
            pause = tries.pause(loop.time() - began, hopeless=hopeless, others_serve=self._serves(loop.time()))
            if pause is None and self._changes is not None:
                log.error("%s %s; it is started again when the code changes", program.name, how)
                await self._until(change)
                tries = Tries()
                continue
            if pause is None:
                why = (
                    "which another start would not change"
                    if hopeless
                    else f"for the {TRIES}th time soon after its start"
                )
                log.error("%s %s, %s; everything stops", program.name, how, why)
                self._gave_up = code if code > 0 else 1
                self._stopping.set()
                return
            log.warning("%s %s; it is started again", program.name, how)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _follow(self, changes: AsyncIterator[str]) -> None:
        """Ends whatever runs, at each change, so that it is started again."""
        async for name in changes:
            log.info("%s has changed; the code is loaded again", name)
            change, self._change = self._change, asyncio.Event()
            change.set()
            for running in self._running.values():
                running.signal(signal.SIGTERM)

    async def _until(self, change: asyncio.Event) -> None:
        """Returns at the change, or when everything stops."""
        either = [asyncio.create_task(event.wait()) for event in (change, self._stopping)]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in either:
            task.cancel()

    def _serves(self, now: float) -> bool:
        """Whether one who serves has done so for long enough to be called well."""
        serving = [self._running[one.name] for one in self._programs if not one.last and one.name in self._running]
        return any(now - running.began > HEALTHY_SECONDS for running in serving)

    async def _run(self, program: Program, change: asyncio.Event) -> int:
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
            running = self._running[program.name] = Running(process, ours, asyncio.get_running_loop().time())
            if self._stopping.is_set():
                running.stop()
            elif change.is_set():  # while it was being started
                running.signal(signal.SIGTERM)
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
        """One of those who serve says something; or it has ended."""
        said = b""
        with suppress(ConnectionError):
            said = line.recv(4096)
        if SERVES in said:
            self._serving.set()
        if EMPTIED in said:
            self._emptied.set()
        if not said:
            asyncio.get_running_loop().remove_reader(line)


def ended(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


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

    def tell(self, what: bytes) -> None:
        """Tells it `SERVES` or `EMPTIED`."""
        with suppress(OSError):  # it may have ended
            os.write(0, what)

    def _read(self) -> None:
        self._stops_all = True
        said = b""
        with suppress(ConnectionError):  # it ended before it read what this process said
            said = os.read(0, 4096)
        if not said:
            asyncio.get_running_loop().remove_reader(0)
            os.kill(os.getpid(), signal.SIGTERM)
