"""What hostile clients send at the socket: a refusal answers it, or nothing, never a 5xx, and it holds nothing up."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from tests.services.processes import APP, Program, free_port, marks_in, running

HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
POST = b"POST /tallies/a/marks HTTP/1.1\r\n" + HOST + JSON
SMUGGLED = b"POST /tallies/smuggled/marks HTTP/1.1\r\n" + HOST + JSON + b'Content-Length: 12\r\n\r\n{"mark":"s"}'

CASES = {
    "a header of 20 KB": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    "a header of 200 KB": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
    "10,000 headers": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 10_000 + b"\r\n",
    "200 headers": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n",
    "a URL of 100 KB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /livez HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n",
    "a foreign host": b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "an absolute target of a foreign host": b"GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a foreign origin": b"GET /tallies HTTP/1.1\r\n" + HOST + b"Origin: https://evil.example\r\n\r\n",
    "bad chunks": POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    "a chunk that is too long": POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n",
    "length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an obfuscated encoding": POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an encoding in two lines": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 200\r\n\r\n" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 0, 200\r\n\r\n" + SMUGGLED,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length beyond all numbers": POST + b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
    "a length beyond the limit": POST + b"Content-Length: 999999999\r\n\r\n{}",
    "a space before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a folded header": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n  b\r\n\r\n",
    "a NUL in a header": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "a bare CR": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\rY: b\r\n\r\n",
    "bytes that are no text": b"\xff\xfe\x00\x01" * 100,
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9": b"GET /livez HTTP/9.9\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /livez\r\n\r\n",
    "an unknown method": b"HACK /livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "TRACE": b"TRACE /livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "an upgrade": b"GET /livez HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "an upgrade to HTTP/2": b"GET /tallies HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "a path that is no UTF-8": b"GET /tallies/%ff%fe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of raw bytes": b"GET /tallies/\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a NUL in a path": b"GET /tallies/%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path that climbs": b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "a broken escape": b"GET /tallies/%zz%2 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a query of escapes": b"GET /tallies?limit=%ff&%00=%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a body that is nested deeply": POST + b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "a header that splits the answer": b"GET /livez HTTP/1.1\r\n"
    + HOST
    + b"X-Request-Id: a%0d%0aSet-Cookie: x\r\n\r\n",
    "an expectation that nobody meets": POST + b"Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}",
    "a bad date": b"GET /tallies HTTP/1.1\r\n" + HOST + b'If-Modified-Since: \xff\r\nIf-None-Match: "\\\r\n\r\n',
    "bad wishes": b"GET /tallies/a HTTP/1.1\r\n" + HOST + b"Prefer: wait=1e999, wait=\xff;;;\r\n\r\n",
    "a bad cookie": b"GET /tallies/a HTTP/1.1\r\n"
    + HOST
    + b"Cookie: storied-after-0abcdef1=99999999999999999999; =;;\xff\r\n\r\n",
    "a bad place in a stream": b"GET /tallies/a HTTP/1.1\r\n"
    + HOST
    + b"Accept: text/event-stream\r\nLast-Event-ID: -1\r\n\r\n",
}


async def answers(port: int, sent: bytes, seconds: float = 10) -> bytes:
    """Everything that comes back, up to the end of the connection, which we end on our side once all is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        try:
            await writer.drain()
            writer.write_eof()
        except (ConnectionError, OSError):
            pass
        try:
            return await asyncio.wait_for(reader.read(), seconds)
        except ConnectionError:
            return b""
    finally:
        writer.transport.abort()


def statuses(data: bytes) -> list[int]:
    """The statuses of the answers."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", data)]


@pytest.mark.timeout(120)
async def test_hostile_requests_are_refused_or_answered(tmp_path: Path) -> None:
    """Never with a 5xx but 501 and 505, which is their fault; nothing is smuggled past, and the server is well."""
    url, port = f"sqlite:///{tmp_path / 'tally.db'}", free_port()
    settings = tmp_path / "settings.toml"
    settings.write_text("idle_seconds = 1\nhead_seconds = 2\nbody_seconds = 2\n", encoding="utf-8")
    server = Program("serve", APP, "--store", url, "--port", str(port), "--quiet", "--config", str(settings))
    async with running(server):
        found = {name: statuses(await answers(port, sent)) for name, sent in CASES.items()}
        async with httpx.AsyncClient(base_url=server.told["address"]) as client:
            assert (await client.get("/livez")).status_code == 200
            made = await client.post("/tallies/a/marks", json={"mark": "good"})
            assert made.status_code == 200
            text = (await client.get("/metrics")).text
    assert {
        name: codes for name, codes in found.items() if any(code >= 500 and code not in (501, 505) for code in codes)
    } == {}
    assert not re.search(r'status="5(?!01|05)\d\d"', text)
    stored = await marks_in(url)
    assert stored.count("good") == 1
    assert "s" not in stored, {name: found[name] for name in found if "length" in name or "encod" in name}
    for name in ("a foreign host", "two hosts", "no host", "an absolute target of a foreign host"):
        assert found[name] == [421], name
    assert found["a header of 20 KB"] == [431]
    assert found["200 headers"] == [431]
    for name in ("a header of 200 KB", "10,000 headers", "a URL of 100 KB"):  # cut off while it is being sent
        assert found[name] in ([], [414], [431]), name
    assert found["a foreign origin"] == [403]
    assert found["two encodings"] == found["an unknown method"] == [501]
    assert found["HTTP/2"] == found["HTTP/9"] == found["HTTP/0.9"] == [505]
    assert found["a length beyond the limit"] == [413]


@pytest.mark.timeout(60)
async def test_slow_clients_hold_nothing_up(tmp_path: Path) -> None:
    """Who dribbles a head, says nothing, or never sends its body is let go; others are served meanwhile."""
    url, port = f"sqlite:///{tmp_path / 'tally.db'}", free_port()
    settings = tmp_path / "settings.toml"
    settings.write_text("idle_seconds = 1\nhead_seconds = 1\nbody_seconds = 1\n", encoding="utf-8")
    server = Program("serve", APP, "--store", url, "--port", str(port), "--quiet", "--config", str(settings))

    async def dribbles(head: bytes) -> list[int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.create_task(reader.read())
        try:
            for byte in head:
                if reading.done():
                    break
                writer.write(bytes([byte]))
                await asyncio.wait([reading], timeout=0.1)
            return statuses(await asyncio.wait_for(reading, 20))
        except ConnectionError:
            return []
        finally:
            writer.transport.abort()

    async with running(server):
        slow = [asyncio.create_task(dribbles(b"GET /livez HTTP/1.1\r\nX: " + b"a" * 1000)) for _ in range(50)]
        silent = [asyncio.create_task(dribbles(b"")) for _ in range(50)]
        bodiless = [asyncio.create_task(dribbles(POST + b"Content-Length: 10\r\n\r\n")) for _ in range(2)]
        unended = asyncio.create_task(_whole(port, POST + b"Content-Length: 10\r\n\r\n{"))
        async with httpx.AsyncClient(base_url=server.told["address"]) as client:
            for _ in range(20):
                assert (await client.get("/livez")).status_code == 200
        assert {code for codes in await asyncio.gather(*slow) for code in codes} <= {408}
        assert {code for codes in await asyncio.gather(*silent) for code in codes} == set()
        assert {code for codes in await asyncio.gather(*bodiless) for code in codes} <= {408}
        assert await unended == [408]


async def _whole(port: int, sent: bytes) -> list[int]:
    """The statuses that come back while the connection is held open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return statuses(await asyncio.wait_for(reader.read(), 20))
    finally:
        writer.transport.abort()


@pytest.mark.timeout(60)
async def test_a_head_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    """Long before it fills anybody's memory."""
    url, port = f"sqlite:///{tmp_path / 'tally.db'}", free_port()
    server = Program("serve", APP, "--store", url, "--port", str(port), "--quiet")
    async with running(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nX: ")
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                writer.write(b"a" * 65_536)
                sent += 65_536
                await writer.drain()
        except ConnectionError:
            pass
        writer.transport.abort()
        assert sent < 16 * 1024 * 1024
        assert reader is not None
        async with httpx.AsyncClient(base_url=server.told["address"]) as client:
            assert (await client.get("/livez")).status_code == 200
