"""What is refused before it is a request is refused as everything else: told, named and counted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from storied.services.commands import command_service
from storied.services.gate import Gate
from storied.services.serving.wire import connection_class
from storied.services.settings import Settings
from storied.services.web.problems import BY_CLASS, BY_CODE
from tests.services.ledger import ledger
from tests.services.serving import served

PROBLEMS = {problem.type: problem for problem in (*BY_CODE.values(), *BY_CLASS.values())}
HOST = b"Host: 127.0.0.1\r\n"
NAMED = HOST + b"X-Request-Id: mine\r\n"
CHUNKED = (
    b"POST /accounts HTTP/1.1\r\n" + NAMED + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
REFUSED = {
    "a line that is none": (b"HELLO\r\n\r\n", "bad-request", None, ("other", "")),
    "a method that is none": (b"FOO /accounts HTTP/1.1\r\n" + HOST + b"\r\n", "not-implemented", None, ("other", "")),
    "a method that has more": (b"GETS / HTTP/1.0\n\n", "not-implemented", None, ("other", "")),
    "a method in small letters": (b"\r\nget / HTTP/1.1\r\n", "not-implemented", None, ("other", "")),
    "a method of another protocol": (b"FOO / HTTP/2\r\n", "bad-request", None, ("other", "")),
    "a version to come": (b"GET /livez HTTP/2.0\r\n" + NAMED + b"\r\n", "version-not-supported", "mine", ("other", "")),
    "a version of ours with more": (b"GET / HTTP/1.2\r\n", "version-not-supported", None, ("other", "")),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version-not-supported", None, ("other", "")),
    "a version of the past": (b"GET / HTTP/0.9\r\n" + NAMED + b"\r\n", "version-not-supported", "mine", ("other", "")),
    "a line without a version": (b"GET /livez\r\n\r\n", "version-not-supported", None, ("other", "")),
    "a header that is none": (
        b"GET / HTTP/1.1\r\n" + NAMED + b"X: a\r\na b\r\n\r\n",
        "bad-request",
        "mine",
        ("other", ""),
    ),
    "a target that is none": (b"GET /\xff\xfe HTTP/1.1\r\n" + NAMED + b"\r\n", "bad-request", None, ("other", "")),
    "a head without end": (
        b"GET / HTTP/1.1\r\n" + NAMED + b"X: " + b"a" * 60_000,
        "headers-too-large",
        None,
        ("other", ""),
    ),
    "a head that stops": (b"GET / HTTP/1.1\r\n" + NAMED + b"X: a", "head-too-slow", "mine", ("other", "")),
    "a coding that nobody undoes": (
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"0\r\n\r\n",
        "not-implemented",
        "mine",
        ("other", ""),
    ),
    "a chunk that is none": (CHUNKED + b"ZZ\r\n", "bad-request", "mine", ("POST", "/accounts")),
    "trailers without end": (
        CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 200_000,
        "headers-too-large",
        "mine",
        ("POST", "/accounts"),
    ),
}


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[httpx.AsyncClient, Gate]]:
    """A client of the ledger's commands, served as `storied serve` does, and the gate that counts."""
    settings = Settings(head_seconds=1)
    gate = Gate(ledger, settings)
    service = command_service(ledger, "memory://", settings=settings, gate=gate)
    async with served(service, lifespan="on", protocol=connection_class(gate)) as client:
        yield client, gate


async def answered(client: httpx.AsyncClient, sent: bytes) -> bytes:
    """Everything that comes back, up to the end of the connection."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    try:
        for start in range(0, len(sent), 16_384):
            writer.write(sent[start : start + 16_384])
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.transport.abort()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_on_the_wire_is_as_any_other(name: str) -> None:
    """Problem details, a request id, the end of the connection, and one more in the metrics."""
    sent, kind, named, labels = REFUSED[name]
    problem = PROBLEMS[kind]
    async with serving() as (client, gate):
        answer = await answered(client, sent)
        counted = dict(gate.meters.requests.values)
        in_flight = gate.meters.in_flight.values[()]
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first.startswith(f"HTTP/1.1 {problem.status} ")
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["content-length"] == str(len(body))
    told = msgspec.json.decode(body)
    assert (told["type"], told["title"], told["status"]) == (
        f"urn:storied:problem:{kind}",
        problem.title,
        problem.status,
    )
    assert told["code"] == kind
    assert told["detail"]
    assert told["request_id"] == headers["x-request-id"]
    assert named is None or headers["x-request-id"] == named
    assert {key: [*cells] for key, cells in counted.items()} == {(*labels, str(problem.status)): [1.0]}
    assert [*in_flight] == [0.0]


@pytest.mark.timeout(30)
async def test_a_bad_head_behind_a_request_does_not_take_its_answer() -> None:
    """The request is answered, as the last one."""
    good = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    async with serving() as (client, _):
        answer = await answered(client, good + b"HELLO\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200"]


@pytest.mark.timeout(30)
async def test_a_method_that_the_parser_knows_and_we_do_not_is_none_either() -> None:
    """WebDAV's on any path that there is; one that HTTP itself has may not be for the path."""
    async with serving() as (client, _):
        for method, status in (("PROPFIND", 501), ("PURGE", 501), ("TRACE", 405), ("QUERY", 405), ("GET", 405)):
            answer = await client.request(method, "/accounts")
            assert (answer.status_code, "allow" in answer.headers) == (status, status == 405)
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.timeout(30)
async def test_an_unknown_method_behind_a_request_does_not_take_its_answer() -> None:
    """The request is answered, as the last one."""
    good = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    async with serving() as (client, _):
        answer = await answered(client, good + b"FOO / HTTP/1.1\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200"]


@pytest.mark.timeout(30)
async def test_a_command_in_another_version_is_not_executed(caplog: pytest.LogCaptureFixture) -> None:
    """Behind a request, too, whose answer it does not take; what comes after it is dropped, and nobody is alarmed."""
    pay = b"POST /accounts HTTP/%b\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    sent = pay + b'{"account":"a"}'
    async with serving() as (client, gate):
        answer = await answered(client, sent % b"2.0" + sent % b"1.1")
        assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"505"]
        assert b"not HTTP/2.0" in answer
        good = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
        assert re.findall(rb"HTTP/1\.1 (\d+)", await answered(client, good + sent % b"2.0")) == [b"200"]
        assert gate.meters.appends.values == {(): [0.0]}
    assert not [record for record in caplog.records if record.name == "storied.services"]


CODINGS = {
    "in chunks": (b"HTTP/1.1", b"chunked", 200),
    "in chunks, by another case": (b"HTTP/1.1", b" Chunked", 200),
    "in another coding, and chunks": (b"HTTP/1.1", b"gzip, chunked", 501),
    "in two lines": (b"HTTP/1.1", b"x-own\r\nTransfer-Encoding: chunked", 501),
    "in nothing, and chunks": (b"HTTP/1.1", b",chunked", 501),
    "in another coding": (b"HTTP/1.1", b"gzip", 400),
    "in none by its name": (b"HTTP/1.1", b"identity", 400),
    "in what looks like chunks": (b"HTTP/1.1", b"xchunked", 400),
    "in chunks, and another coding": (b"HTTP/1.1", b"chunked, gzip", 400),
    "in chunks of chunks": (b"HTTP/1.1", b"chunked, chunked", 400),
    "in chunks, over the old protocol": (b"HTTP/1.0", b"chunked", 400),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", CODINGS)
async def test_a_body_comes_in_chunks_or_with_its_length(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """In any other coding it is refused, nothing is done, and the connection ends; the server is not to blame."""
    version, coding, status = CODINGS[name]
    head = b"DELETE /accounts/a " + version + b"\r\n" + HOST + b"Connection: close\r\nTransfer-Encoding: "
    async with serving() as (client, gate):
        answer = await answered(client, head + coding + b"\r\n\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert gate.meters.events.values[()][0] == (status == 200)
    assert b"\r\nconnection: close\r\n" in answer
    assert not [record for record in caplog.records if record.name == "storied.services"]


ABSOLUTE = {
    "another's, as the header says ours": (b"http://evil.example/livez", HOST, 421),
    "another's without a path": (b"http://evil.example", HOST, 421),
    "another's with ours in it": (b"http://127.0.0.1@evil.example/livez", HOST, 421),
    "ours behind somebody": (b"http://evil@127.0.0.1/livez", HOST, 421),
    "nobody's": (b"http:///livez", HOST, 421),
    "ours": (b"http://127.0.0.1/livez?", HOST, 200),
    "ours on a port": (b"HTTP://LOCALHOST:8000/livez", HOST, 200),
    "ours without a path": (b"http://[::1]?x", HOST, 404),
    "ours, as the header says another's": (b"http://127.0.0.1/livez", b"Host: evil.example\r\n", 200),
    "ours without a header": (b"http://127.0.0.1/livez", b"", 421),
    "ours with two headers": (b"http://127.0.0.1/livez", HOST + HOST, 421),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ABSOLUTE)
async def test_the_host_in_a_target_is_the_one_that_counts(name: str) -> None:
    """Whatever the header says, which has to be there, once, all the same (RFC 9112, section 3.2.2)."""
    target, headers, status = ABSOLUTE[name]
    async with serving() as (client, _):
        answer = await answered(client, b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\n" + headers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.timeout(30)
async def test_the_host_in_a_target_is_the_one_that_an_origin_is_held_against() -> None:
    """A page of the header's host is a page of another."""
    head = (
        b"GET http://127.0.0.1:1/livez HTTP/1.1\r\nConnection: close\r\nHost: localhost:2\r\nOrigin: http://%b\r\n\r\n"
    )
    async with serving() as (client, _):
        for origin, status in ((b"127.0.0.1:1", 200), (b"localhost:2", 403)):
            assert (await answered(client, head % origin)).startswith(b"HTTP/1.1 %d " % status)
