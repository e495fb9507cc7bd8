"""Trailers: what stands behind a chunked body is no part of the head, and does not go on for ever."""

from __future__ import annotations

import asyncio

from storied import Principal
from storied.domain.access import CredentialHeaders
from storied.services.commands import command_service
from storied.services.gate import Gate
from storied.services.serving.wire import connection_class
from storied.services.settings import Settings
from tests.services.ledger import ledger
from tests.services.serving import served

HEAD = b"Host: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
BODY = b'{"account":"a","owner":"anna"}'
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)


class Bearer:
    """Takes the word after ``Bearer`` for who asks."""

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """Whoever it names."""
        text = headers.get("authorization") or ""
        return Principal(text.removeprefix("Bearer ")) if text.startswith("Bearer ") else None


SETTINGS = Settings(verifier=Bearer())


async def answered(*pieces: bytes, head: bytes = b"") -> tuple[bytes, int]:
    """What comes back for a chunked request that is sent in these pieces, and how many events are stored then."""
    service = command_service(ledger, "memory://", settings=SETTINGS)
    async with served(service, lifespan="on", protocol=connection_class(Gate(ledger, SETTINGS))) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        try:
            writer.write(b"POST /accounts HTTP/1.1\r\n" + HEAD + head + b"\r\n")
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.002)
                    if writer.is_closing() or reader.at_eof():
                        break
                found = await asyncio.wait_for(reader.read(), 10)
            except ConnectionError:
                found = b""
        finally:
            writer.transport.abort()
        return found, await service.opening.value.store.head()


async def test_a_credential_behind_the_body_is_none() -> None:
    """Who shows none in the head is nobody, at once or after the body was read, and nothing is stored."""
    for pieces in ([CHUNKS + b"Authorization: Bearer anna\r\n\r\n"], [CHUNKS, b"Authorization: Bearer anna\r\n\r\n"]):
        found, head = await answered(*pieces)
        assert (found.split(b"\r\n")[0], head) == (b"HTTP/1.1 401 Unauthorized", 0)


async def test_trailers_do_not_add_to_the_head() -> None:
    """A second host or credential, or an expectation that does not hold, is not seen."""
    trailers = b'Authorization: Bearer ben\r\nHost: evil.example\r\nIf-Match: "99"\r\nIdempotency-Key: \r\n\r\n'
    found, head = await answered(CHUNKS + trailers, head=b"Authorization: Bearer anna\r\n")
    assert (found.split(b"\r\n")[0], head) == (b"HTTP/1.1 201 Created", 1)


async def test_trailers_that_never_end_are_cut_off() -> None:
    """Many or one, and what is said beside the size of a chunk: nothing is stored, and the connection ends."""
    line = b"X: " + b"a" * 8000 + b"\r\n"
    for begun, piece in ((CHUNKS, line), (CHUNKS + b"X: ", b"a" * 8000), (b"1;x=", b"a" * 8000)):  # and then silence
        found, head = await answered(begun, *[piece] * 200, head=b"Authorization: Bearer anna\r\n")
        assert found.split(b"\r\n")[0] in (b"HTTP/1.1 431 Request Header Fields Too Large", b"")
        assert head == 0
