"""HTTP as an endpoint sees it: a request whose parts are parsed when they are asked for, and what answers it.

Everything comes from ASGI and goes back to it; no framework, no routes, no policy.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, MutableMapping
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

import msgspec

from storied.domain.access import Principal
from storied.errors import RequestRefused
from storied.services.web.deadlines import Deadlines

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
REFUSED = "storied.refused"
"""Where a scope has the error of a body that the server could not read to its end."""
STUCK_SECONDS = 60.0
"""How long the client of a stream may take nothing of it."""


@cache
def _on_the_wire(name: str) -> bytes:
    """The name of a header as ASGI has it. Only code names headers, so there are few."""
    return name.lower().encode("latin-1")


class Headers:
    """The headers of a request, found by name in any case."""

    __slots__ = ("_table", "raw")

    def __init__(self, raw: Collection[Header]) -> None:
        self.raw = raw
        self._table: dict[bytes, bytes] | None = None

    @property
    def table(self) -> dict[bytes, bytes]:
        """The values by name in lower case; of one that came several times, the last."""
        if self._table is None:
            self._table = dict(self.raw)
        return self._table

    @property
    def size(self) -> int:
        """Bytes in all names and values."""
        return sum(map(len, chain.from_iterable(self.raw)))

    def get(self, name: str, /) -> str | None:
        """The header's value; the values of one that came several times, joined by commas; None without any."""
        table = self._table or self.table
        value = table.get(_on_the_wire(name))
        if value is None or len(table) == len(self.raw):
            return None if value is None else value.decode("latin-1").strip()
        return ", ".join(self.getall(name))

    def only(self, name: bytes, /) -> bytes | None:
        """The value of a header that came once, by its name in lower case; None for any other."""
        table = self._table or self.table
        value = table.get(name)
        return value if value is None or len(table) == len(self.raw) else self._once(name)

    def _once(self, name: bytes) -> bytes | None:
        values = [value for found, value in self.raw if found == name]
        return values[0] if len(values) == 1 else None

    def getall(self, name: str) -> list[str]:
        """Each value of the header, in order."""
        wanted = _on_the_wire(name)
        return [value.decode("latin-1").strip() for found, value in self.raw if found == wanted]


class Request:
    """One HTTP request. Nothing is parsed before it is asked for."""

    __slots__ = (
        "_body",
        "_body_deadlines",
        "_body_limit",
        "_query",
        "_receive",
        "appends",
        "headers",
        "method",
        "path_params",
        "principal",
        "repeat_key",
        "request_id",
        "route",
        "scope",
        "span",
        "stray",
        "task",
        "traceparent",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        body_limit: int = 1024 * 1024,
        body_deadlines: Deadlines | None = None,
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers = Headers(scope["headers"])
        self.path_params: dict[str, str] = {}
        self.principal: Principal | None = None
        self.request_id = ""
        self.traceparent: str | None = None
        self.route = ""
        """The path of its route, with parameters in braces, once that is known."""
        self.span: Any = None
        self.stray = False
        """Whether it names an address that the service does not answer for, and so is told no more than a probe."""
        self.repeat_key: str | None = None
        """The Idempotency-Key under which the request may be repeated, once it may have stored something."""
        self.appends = False
        """Whether it has handed something to the store."""
        self.task: asyncio.Task[object] | None = None
        """The task that answers it, where that is known."""
        self._receive = receive
        self._body_limit, self._body_deadlines = body_limit, body_deadlines
        self._body: bytes | None = None
        self._query: tuple[tuple[str, str], ...] | None = None

    @property
    def address(self) -> str | None:
        """The address of who asks; None where the server does not know one."""
        client = self.scope.get("client")
        return client[0] if client else None

    @property
    def path(self) -> str:
        """The path below the place where the service is mounted, decoded."""
        path: str = self.scope["path"]
        if path[-1:] == "/" and len(path) > 1 and not self._raw_path.endswith(b"/"):
            path = path[:-1]  # a router above has added what the client did not send
        root: str = self.scope.get("root_path", "").rstrip("/")
        if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
            return path[len(root) :] or "/"
        return path

    @property
    def root(self) -> str:
        """The path at which the service is mounted, decoded: empty at the root."""
        raw, below = self._raw_path, self.path
        whole = unquote(raw.decode("latin-1")) if b"%" in raw else raw.decode("latin-1")
        if whole.endswith(below):
            return whole[: len(whole) - len(below)]
        root: str = self.scope.get("root_path", "")
        return root.rstrip("/")

    @property
    def _raw_path(self) -> bytes:
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        return raw.partition(b"?")[0]

    @property
    def segments(self) -> list[str]:
        """The parts of the path between its slashes, each decoded by itself: an encoded slash stays inside of its part.

        Raises `RequestRefused` with code ``bad-path`` when it is not UTF-8.
        """
        raw = self._raw_path
        if b"%" not in raw:
            return self.path.split("/")[1:]
        try:
            return [unquote(part, errors="strict") for part in _below(raw, self.path).split("/")[1:]]
        except UnicodeDecodeError:
            raise RequestRefused(
                "bad-path", "The path is not text in UTF-8. Encode it as UTF-8, then by percent."
            ) from None

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The names and values of the query string, in order.

        Raises `RequestRefused` with code ``bad-query`` when they are not UTF-8, or too many.
        """
        if self._query is None:
            text: bytes = self.scope.get("query_string", b"")
            if not text:
                self._query = ()
                return self._query
            try:
                pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
            except ValueError:
                raise RequestRefused(
                    "bad-query", "The query string is not UTF-8 encoded by percent, or has over 200 parts. Mend it."
                ) from None
            self._query = tuple(pairs)
        return self._query

    async def body(self) -> bytes:
        """The whole body, once it is there.

        Raises `RequestRefused`: ``too-large`` past the limit, ``too-slow`` past the time, ``disconnected``, and what
        the server below has against it.
        """
        if self._body is None:
            declared = self.headers.table.get(b"content-length")
            if declared is not None and declared.isdigit() and int(declared[:20]) > self._body_limit:
                raise self._too_large()
            deadlines = self._body_deadlines
            if deadlines is None:
                self._body = await self._received()
            else:
                self._body = await self._received_in_time(deadlines)
        return self._body

    async def _received_in_time(self, deadlines: Deadlines) -> bytes:
        task = deadlines.begin(self.task)
        try:
            return await self._received()
        except asyncio.CancelledError:
            if deadlines.end(task):
                raise RequestRefused(
                    "too-slow",
                    f"The body did not arrive within {deadlines.seconds:g} s. Nothing was done.",
                ) from None
            raise
        finally:
            deadlines.end(task)

    async def _received(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise RequestRefused("disconnected", "The client went before its body was there. Nothing was done.")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self._body_limit:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                if REFUSED in self.scope:
                    raise self.scope[REFUSED]
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @property
    def taken(self) -> bytes:
        """The body, as far as it was asked for and is there; empty before."""
        return self._body or b""

    def begin_append(self) -> None:
        """Hears that something is handed to the store."""
        self.appends = True

    async def disconnected(self) -> None:
        """Returns when the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _too_large(self) -> RequestRefused:
        return RequestRefused("too-large", f"The body has over {self._body_limit} bytes. Send less in one request.")


class Response(msgspec.Struct):
    """An answer that is there as a whole."""

    status: int
    body: bytes = b""
    headers: list[Header] = []


class Stream(msgspec.Struct):
    """An answer that is sent bit by bit, until it ends or the client goes."""

    status: int
    chunks: AsyncGenerator[bytes, None]
    headers: list[Header] = []
    ending: asyncio.Event | None = None
    """What ends it before its time."""


Answer = Response | Stream
Endpoint = Callable[[Request], Awaitable[Answer]]


async def send_response(response: Response, send: Send, *, head: bool = False) -> None:
    """The response is sent; without its body where only the head was asked for."""
    body = response.body
    headers = response.headers
    if response.status not in (204, 304):
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def send_head(stream: Stream, send: Send) -> None:
    """The head of the stream is sent, of which nothing else was asked for, and none of it is made."""
    await stream.chunks.aclose()
    await send({"type": "http.response.start", "status": stream.status, "headers": stream.headers})
    await send({"type": "http.response.body", "body": b""})


async def send_stream(
    stream: Stream, request: Request, send: Send, ending: asyncio.Event, seconds: float = math.inf
) -> None:
    """The stream is sent, up to its end, until the client goes, *ending* is set, or its *seconds* are over.

    Its generator is closed. A client that takes nothing for a minute counts as gone.
    """
    await send({"type": "http.response.start", "status": stream.status, "headers": stream.headers})
    stops = [asyncio.ensure_future(request.disconnected()), asyncio.ensure_future(_until(ending, seconds))]
    try:
        while True:
            chunk = asyncio.ensure_future(_next(stream.chunks))
            try:
                await asyncio.wait([chunk, *stops], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not chunk.done():
                    chunk.cancel()
                    await asyncio.wait([chunk])
            if chunk.cancelled() or (data := chunk.result()) is None:
                break
            async with asyncio.timeout(STUCK_SECONDS):
                await send({"type": "http.response.body", "body": data, "more_body": True})
    finally:
        for stop in stops:
            stop.cancel()
        await asyncio.wait(stops)
        await stream.chunks.aclose()
    with suppress(OSError):  # the client may have gone
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until(ending: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(ending.wait(), None if seconds == math.inf else seconds)


async def _next(chunks: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(chunks, None)


def _below(raw: bytes, path: str) -> str:
    """The end of the raw path that, decoded, is *path*; a service may be mounted below a prefix."""
    start = 0
    while start >= 0:
        if unquote_to_bytes(raw[start:]).decode("utf-8", "replace") == path:
            return raw[start:].decode("latin-1")
        start = raw.find(b"/", start + 1)
    return path
