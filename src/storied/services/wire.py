"""The wire: uvicorn's HTTP over httptools, with an end to how long and how large the head of a request may be.

Without these, who sends a header that never ends fills the memory, and who sends it a byte a minute holds a connection
for ever: nothing of either reaches an application that could refuse it. Fields behind a chunked body (trailers) are
dropped, whatever they are called: they come after the request was taken for what its head says. Needs the extra
``services``.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from storied.services.gate import Gate

_ROOM = 4096
"""What a head holds beside its target and headers: the method, the version, the spaces, colons and line ends."""
LAST_SECONDS = 1.0
"""How long a server that goes down waits for a request on a connection without any, since one may be on its way."""


class Connection(HttpToolsProtocol):
    """One connection. The gate and the limits are those of the class; `connection_class` makes one for a gate."""

    gate: ClassVar[Gate]
    head_limit: ClassVar[int] = 64 * 1024
    head_seconds: ClassVar[float] = 10.0
    _in_head = True
    _head = 0
    _beside = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The first head has to come soon."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head, or stands beside a body; the parser sees the rest."""
        if self._in_head:
            self._head += len(data)
            if self._head > self.head_limit and self._is_only_head(data):
                self._refuse(b"431 Request Header Fields Too Large")
                return
        else:
            self._beside += len(data)
            if self._beside - len(data) > self.head_limit:
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)
        if self._in_head and self._head_timer is None and self._head:
            self._await_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there; the parser tells trailers as it tells headers, so these go where nobody looks."""
        self._in_head, self._head, self._beside = False, 0, 0
        self._stop_waiting()
        super().on_headers_complete()
        self.headers = []
        if self.gate.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of the body came; what goes on without any is trailers, or what may be said beside a chunk's size."""
        self._beside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes next is a head."""
        super().on_message_complete()
        self._in_head = True

    def shutdown(self) -> None:
        """The server goes down: what has begun is answered, what may be on its way is waited for, a little while."""
        if self._is_idle():
            self.loop.call_later(LAST_SECONDS, self._let_go)
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _is_idle(self) -> bool:
        """Whether no request is under way, nor the head of one."""
        return (self.cycle is None or self.cycle.response_complete) and not (self._in_head and self._head)

    def _let_go(self) -> None:
        """Closes, unless a request has come; that is the last one here."""
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()

    def _is_only_head(self, data: bytes) -> bool:
        """Whether the head does not end in this data; what stands behind its end is body."""
        end = data.find(b"\r\n\r\n")
        return end < 0 or self._head - len(data) + end > self.head_limit

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._head:
            self._refuse(b"408 Request Timeout")
        elif not self.transport.is_closing():
            self.transport.close()  # who has not begun is owed no answer

    def _refuse(self, status: bytes) -> None:
        """Answers without the application, and closes; an answer that is under way is left to end."""
        if self.transport.is_closing():
            return
        answered = self.cycle is None or self.cycle.response_complete
        if not answered and (self._in_head or self.pipeline or self.cycle.response_started):
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self._in_head or not answered:  # otherwise it has its answer, and takes no second one
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


def connection_class(gate: Gate) -> type[Connection]:
    """Connections with the limits of the gate's settings."""
    settings = gate.settings
    members: dict[str, Any] = {
        "gate": gate,
        "head_limit": settings.url_limit + settings.header_limit + _ROOM,
        "head_seconds": settings.head_seconds,
    }
    return type("Connection", (Connection,), members)
