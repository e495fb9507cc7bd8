"""An ASGI server of two functions: it hands one request in, and gives back what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from storied.services.web.http import Message, Request, Scope


class Sent(msgspec.Struct):
    """What an application answered."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


def scope_of(
    method: str, target: str, headers: Mapping[str, str] | None = None, *, root_path: str = "", **more: Any
) -> Scope:
    """The scope of a request as a server makes it."""
    raw, _, query = target.partition("?")
    given = {"Host": "127.0.0.1"} | {name.title(): value for name, value in (headers or {}).items()}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": _decoded(raw),
        "raw_path": raw.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": root_path,
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    } | more


def _decoded(raw: str) -> str:
    from_percent = bytearray()
    at = 0
    while at < len(raw):
        if raw[at] == "%":
            from_percent.append(int(raw[at + 1 : at + 3], 16))
            at += 3
        else:
            from_percent += raw[at].encode("latin-1")
            at += 1
    return from_percent.decode("utf-8", "replace")


class Wire:
    """Both ends of one request: the chunks that come in, then silence or the client's going, and what goes out."""

    def __init__(self, *chunks: bytes, leaves: bool = False) -> None:
        self._incoming: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": n < len(chunks) - 1} for n, chunk in enumerate(chunks)
        ]
        if leaves:
            if self._incoming:
                self._incoming[-1]["more_body"] = True
            self._incoming.append({"type": "http.disconnect"})
        self.gone = asyncio.Event()
        self.sent = Sent()
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(self) -> Message:
        """The next message, or, after all of them, that the client went, once it has."""
        if self._incoming:
            return self._incoming.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Notes what the application sends."""
        if message["type"] == "http.response.start":
            self.sent.status = message["status"]
            self.sent.headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in message["headers"]}
        else:
            self.sent.body += message.get("body", b"")
            self.chunks.put_nowait(message.get("body", b""))


async def ask(
    application: Any, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **more: Any
) -> Sent:
    """What the application answers to one request."""
    wire = Wire(body)
    await application(scope_of(method, target, headers, **more), wire.receive, wire.send)
    return wire.sent


def request_of(
    method: str, target: str, *chunks: bytes, headers: Mapping[str, str] | None = None, **more: Any
) -> Request:
    """A request as an endpoint gets it; keywords are the scope's."""
    limits = {name: more.pop(name) for name in ("body_limit", "body_deadlines") if name in more}
    wire = Wire(*(chunks or (b"",)))
    return Request(scope_of(method, target, headers, **more), wire.receive, **limits)
