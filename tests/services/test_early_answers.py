"""An answer that comes before the end of its request's body is read, and the rest of the body has an end."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import httpx
import pytest

from storied.services.commands import command_service
from storied.services.gate import Gate
from storied.services.serving.wire import connection_class
from storied.services.settings import Settings
from tests.services.ledger import ledger
from tests.services.serving import served

SETTINGS = Settings(body_seconds=1, head_seconds=5, idle_seconds=1, body_limit=2 * 1024 * 1024)
NOWHERE = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n"
OVER = b"POST /accounts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"


@asynccontextmanager
async def serving() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the ledger's commands, served as `storied serve` does."""
    gate = Gate(ledger, SETTINGS)
    service = command_service(ledger, "memory://", settings=SETTINGS, gate=gate)
    async with served(service, lifespan="on", protocol=connection_class(gate), idle=1) as client:
        yield client


async def dribble(client: httpx.AsyncClient, head: bytes) -> tuple[bytes, int]:
    """What comes back for a body that is sent a byte at a time, and how many could be sent until the end."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    reading = asyncio.create_task(reader.readuntil(b"}"))
    sent = 0
    try:
        writer.write(head)
        answer = await asyncio.wait_for(reading, 10)
        ending = asyncio.create_task(reader.read())
        while not ending.done() and sent < 400:
            writer.write(b"x")
            sent += 1
            await asyncio.wait([ending], timeout=0.05)
        ending.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await ending
        return answer, sent
    finally:
        writer.transport.abort()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("more", [b"\r\n", b"Connection: close\r\n\r\n"])
async def test_a_body_that_dribbles_in_after_its_answer_is_cut_off(more: bytes) -> None:
    """After as long as a body may take; twenty seconds of bytes are not taken."""
    async with serving() as client:
        answer, sent = await dribble(client, NOWHERE % 100_000 + more)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert sent < 200


@pytest.mark.timeout(60)
async def test_a_body_after_its_answer_has_a_size() -> None:
    """However fast it comes."""
    length = 1 << 40
    sent = 0
    async with serving() as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(OVER % length + b"\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 10)
        with suppress(ConnectionError):
            while sent < 256 * 1024 * 1024:
                writer.write(b"x" * 65_536)
                sent += 65_536
                await asyncio.wait_for(writer.drain(), 10)
        writer.transport.abort()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 64 * 1024 * 1024


def sent_before_it_reads(address: tuple[str, int], head: bytes, body: bytes) -> bytes:
    """What a client reads that sends all of its body before it looks for an answer."""
    with closing(socket.create_connection(address, timeout=20)) as client:
        client.sendall(head)
        for start in range(0, len(body), 65_536):
            client.sendall(body[start : start + 65_536])
        found = b""
        while data := client.recv(65_536):
            found += data
        return found


@pytest.mark.timeout(60)
async def test_who_sends_its_body_first_reads_the_answer_that_came_before() -> None:
    """The whole of it, although the connection closes: nobody resets it."""
    body = b"x" * (3 * 1024 * 1024)
    async with serving() as client:
        address = (str(client.base_url.host), int(client.base_url.port or 0))
        for head, status in ((NOWHERE, b"404"), (OVER, b"413")):
            for _ in range(5):
                found = await asyncio.to_thread(
                    sent_before_it_reads, address, head % len(body) + b"Connection: close\r\n\r\n", body
                )
                assert found.startswith(b"HTTP/1.1 " + status)
                length = re.search(rb"content-length: (\d+)", found)
                assert length is not None
                assert len(found.partition(b"\r\n\r\n")[2]) == int(length[1])


@pytest.mark.timeout(60)
async def test_a_connection_goes_on_after_a_body_that_came_late() -> None:
    """The next request on it is answered; when none comes it ends as every other that idles."""
    async with serving() as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        for _ in range(2):
            writer.write(NOWHERE % 10 + b"\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"}"), 10)).lstrip(b"x").startswith(b"HTTP/1.1 404 ")
            writer.write(b"x" * 10)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
