"""Load on a server: wrk where it is installed, else a client of our own, in a process of its own.

``python -m benchmarks.load PORT CONNECTIONS SECONDS METHOD PREFIX SUFFIX COUNT`` is the client: each connection sends a
request once it has the answer to the one before. It prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from pathlib import Path

import msgspec

SCRIPT = Path(__file__).with_name("load.lua")
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Load(msgspec.Struct, frozen=True):
    """What came of it: answers, how many of them were no success, and how long they took in milliseconds."""

    requests: int
    seconds: float
    bad: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


class Target(msgspec.Struct, frozen=True):
    """What is asked for: a method, and paths that differ in a number of six digits below *count*."""

    method: str
    prefix: str
    suffix: str
    count: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """For a command line."""
        return (self.method, self.prefix, self.suffix, str(self.count))


async def load(port: int, target: Target, connections: int, seconds: int) -> Load:
    """Loads the server on this port of this machine. Raises `RuntimeError` when some answer was no success."""
    wrk = shutil.which("wrk")
    url = f"http://127.0.0.1:{port}/"
    if wrk:
        options = (f"-c{connections}", "-t1", f"-d{seconds}s", "--latency", "-s", str(SCRIPT))
        found = _of_wrk(await _output(wrk, *options, url, "--", *target.arguments))
    else:
        given = (str(port), str(connections), str(seconds), *target.arguments)
        found = msgspec.json.decode(await _output(sys.executable, "-m", "benchmarks.load", *given), type=Load)
    if found.bad:
        raise RuntimeError(f"{found.bad} of {found.requests} answers were no success")
    return found


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    text, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} gave {process.returncode}")
    return text.decode()


def _of_wrk(text: str) -> Load:
    """What wrk printed."""
    times = dict(re.findall(r"(50|99)%\s+([\d.]+[um]?s)", text))
    counted = re.search(r"(\d+) requests in ([\d.]+)s", text)
    assert counted, text
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    wrong = int(bad[1]) if bad else 0
    wrong += sum(map(int, errors.groups())) if errors else 0
    return Load(int(counted[1]), float(counted[2]), wrong, _milliseconds(times["50"]), _milliseconds(times["99"]))


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]  # wrk's own form
    return float(number) * _UNITS[unit]


class _Client(asyncio.Protocol):
    """One connection: it sends, waits for the whole answer, and sends the next."""

    def __init__(self, target: Target, number: int, times: list[float], until: float) -> None:
        self.target, self.number, self.times, self.until = target, number, times, until
        self.bad = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Notes an answer once it is whole."""
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        if not found or (length and len(body) < int(length[1])):
            return
        now = time.perf_counter()
        self.times.append(now - self.sent)
        self.bad += not head.startswith(b"HTTP/1.1 2")
        self._rest = b""
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Ends."""
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self.number = (self.number + 7919) % self.target.count
        path = f"{self.target.prefix}{self.number:06d}{self.target.suffix}"
        lines = [f"{self.target.method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        body = ""
        if self.target.method == "POST":
            body = "{}"
            lines += ["Content-Type: application/json", "Content-Length: 2"]
        self.sent = time.perf_counter()
        self.transport.write("\r\n".join([*lines, "", body]).encode())


async def _run(port: int, connections: int, seconds: float, target: Target) -> Load:
    times: list[float] = []
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    for number in range(connections):
        client = _Client(target, number, times, began + seconds)
        clients.append(client)
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]  # bound now
    await asyncio.gather(*(client.done for client in clients))
    taken = time.perf_counter() - began
    times.sort()
    return Load(
        len(times),
        taken,
        sum(client.bad for client in clients),
        times[len(times) // 2] * 1000,
        times[len(times) * 99 // 100] * 1000,
    )


if __name__ == "__main__":
    port, connections, seconds, *what = sys.argv[1:]
    wanted = Target(what[0], what[1], what[2], int(what[3]))
    print(msgspec.json.encode(asyncio.run(_run(int(port), int(connections), float(seconds), wanted))).decode())
