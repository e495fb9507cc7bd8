"""The wire: uvicorn's HTTP over httptools, with an end to how long and how large the head of a request may be.

Without these, who sends a header that never ends fills the memory, and who sends it a byte a minute holds a connection
for ever: nothing of either reaches an application that could refuse it. Fields behind a chunked body (trailers) are
dropped, whatever they are called: they come after the request was taken for what its head says. The host in a target
goes before the header. What the parser takes for HTTP and is of another version is refused. What is refused here is
told, named and counted as any other refusal. Needs the extra ``services``.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterable
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from storied.errors import RequestRefused
from storied.services.gate import Gate
from storied.services.serving.lingering import Lingering
from storied.services.web.http import REFUSED, Header, Message, Request
from storied.services.web.problems import problem_response
from storied.services.web.routing import RECOGNISED, unknown_method

_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_LINE = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+) [\x21-\x7e]+ HTTP/1\.[01]\r?$", re.MULTILINE)
VERSIONS = ("1.0", "1.1")
"""RFC 9110 (2.5) has 1.2 to 1.9 taken for 1.1. The parser does not read them, and cannot be told to."""
_UNKNOWN = "0.0"
"""The version of a head before its first line has told one."""
_ROOM = 4096
"""What a head holds beside its target and headers: the method, the version, the spaces, colons and line ends."""
LEFTOVER_BODIES = 4
"""How many of the largest bodies a client may go on sending that has its answer already."""
LAST_SECONDS = 1.0
"""How long a server that goes down waits for a request on a connection without any, since one may be on its way."""


class Connection(HttpToolsProtocol):
    """One connection. The gate and the limits are those of the class; `connection_class` makes one for a gate."""

    gate: ClassVar[Gate]
    head_limit: ClassVar[int] = 64 * 1024
    head_seconds: ClassVar[float] = 10.0
    body_seconds: ClassVar[float] = 30.0
    leftover_limit: ClassVar[int] = 4 * 1024 * 1024
    transport: Lingering
    _in_head = True
    _refused = False
    _head = 0
    _beside = 0
    _leftover = 0
    _received = b""
    _head_timer: asyncio.TimerHandle | None = None
    _leftover_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The first head has to come soon."""
        super().connection_made(Lingering(transport, self.loop, seconds=self.body_seconds, limit=self.leftover_limit))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._stop_waiting()
        self._end_leftover()
        self.transport.forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head, or stands beside a body; the parser sees the rest."""
        if self.transport.lingers:
            self.transport.drop(len(data))
            return
        if self._refused:
            return  # the answer that is under way is the last one
        if self._in_head:
            self._head += len(data)
            if self._head > self.head_limit and self._is_only_head(data):
                self._refuse("headers-too-large", f"The head has over {self.head_limit} bytes. Send less.")
                return
        else:
            self._beside += len(data)
            if self._beside - len(data) > self.head_limit:
                self._refuse("headers-too-large", f"Over {self.head_limit} bytes stand beside the body. Send none.")
                return
        self._received = data
        super().data_received(data)
        self._received = b""
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_timer is None and self._head:
            self._await_head()
        elif self.timeout_keep_alive_task is None and self.cycle is not None and self.cycle.response_complete:
            self._await_next()  # its answer came before the end of its body

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there; the parser tells trailers as it tells headers, so these go where nobody looks."""
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            raise other_version(version)
        if not self.url.startswith(b"/"):
            self.url = origin_form(self.url, self.headers)
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings:
            check_codings(codings, version)
        super().on_headers_complete()  # which refuses some heads, and then the head has not ended
        self._in_head, self._head, self._beside = False, 0, 0
        self._stop_waiting()
        self.headers = []
        if self.gate.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of the body came; what goes on without any is trailers, or what may be said beside a chunk's size."""
        self._beside = 0
        super().on_body(body)
        if self._leftover_timer is not None:
            self._leftover += len(body)
            if self._leftover > self.leftover_limit:
                self.transport.close()

    def on_message_complete(self) -> None:
        """What comes next is a head."""
        super().on_message_complete()
        self._in_head = True
        self._end_leftover()

    def on_response_complete(self) -> None:
        """The answer is there; if it came before the end of the body, that has to come soon."""
        super().on_response_complete()
        if not self._in_head and self.cycle.response_complete and not self.transport.is_closing():
            self._leftover = 0
            self._leftover_timer = self.loop.call_later(self.body_seconds, self.transport.end)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was asked for long enough."""
        self.transport.end()

    def send_400_response(self, msg: str) -> None:
        """The parser could not read what came, or was told not to go on with it."""
        error = sys.exception()
        refused = error.__context__ if error is not None else None
        if isinstance(error, httptools.HttpParserInvalidMethodError) and (found := method_in(self._received)):
            refused = unknown_method(found)
        elif self._in_head and (version := self.parser.get_http_version()) not in (*VERSIONS, _UNKNOWN):
            refused = other_version(version)  # which it does not read on, as the preface of HTTP/2
        if isinstance(refused, RequestRefused):
            self._refuse(refused.code, refused.message)
            return
        what = "head of the request" if self._in_head else "body"
        self._refuse("bad-request", f"The {what} is not well-formed HTTP/1.1. Nothing was done. Mend it.")

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
            self.transport.end()

    def _is_only_head(self, data: bytes) -> bool:
        """Whether the head does not end in this data; what stands behind its end is body."""
        end = data.find(b"\r\n\r\n")
        return end < 0 or self._head - len(data) + end > self.head_limit

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _await_next(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _end_leftover(self) -> None:
        if self._leftover_timer is not None:
            self._leftover_timer.cancel()
            self._leftover_timer = None

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._head:
            seconds = f"{self.head_seconds:g}"
            self._refuse("head-too-slow", f"The head did not arrive within {seconds} s. Send it in one go.")
        elif not self.transport.is_closing():
            self.transport.end()  # who has not begun is owed no answer

    def _refuse(self, code: str, detail: str) -> None:
        """Answers, and closes; an answer that is under way is left to end, and a request whose body it is gives it."""
        if self.transport.is_closing():
            return
        error, cycle = RequestRefused(code, detail), self.cycle
        if cycle is None or cycle.response_complete:
            if self._in_head:  # otherwise it has its answer, and takes no second one
                self._tell(error)
            self.transport.close()
            return
        self._refused, cycle.keep_alive = True, False
        if not self._in_head and not cycle.response_started:
            cycle.scope[REFUSED] = error  # type: ignore[literal-required]  # it is ours
            cycle.body, cycle.more_body = bytearray(), False
            cycle.message_event.set()

    def _tell(self, error: RequestRefused) -> None:
        """Answers a head that did not get so far as to be a request. What it asks for is not known, its id may be."""
        scope = {"type": "http", "method": "", "path": "", "headers": self.headers or [], "client": self.client}
        request = Request(scope, _nothing)
        self.gate.start(request)
        answer = problem_response(error, request)
        fields = [
            *self.server_state.default_headers,
            *answer.headers,
            (b"x-request-id", request.request_id.encode("latin-1")),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % field for field in fields]
        self.transport.write(b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body]))
        self.gate.finish(request, answer.status, 0.0, error)


def origin_form(target: bytes, headers: list[Header]) -> bytes:
    """The path and query of a target; the host in it takes the place of the one in the headers (RFC 9112, 3.2.2).

    Headers without a host, or with several, are left as they are: they are refused for that.
    """
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        return target
    places = [at for at, (name, _) in enumerate(headers) if name == b"host"]
    if len(places) == 1:
        headers[places[0]] = (b"host", found["authority"])
    return found["rest"] if found["rest"].startswith(b"/") else b"/" + found["rest"]


def method_in(data: bytes) -> str | None:
    """The method that is not known in what looks like the first line of a request; None where there is no such line."""
    found = (line[1].decode("ascii") for line in _LINE.finditer(data))
    return next((method for method in found if method not in RECOGNISED), None)


def check_codings(given: Iterable[bytes], version: str) -> None:
    """Passes a chunked body of HTTP/1.1. Raises `RequestRefused` for any other transfer coding (RFC 9112, 6.1 and 6.3).

    It is not implemented, or, where chunks are not the last of it, nothing tells where the body ends.
    """
    codings = [one.strip(b" \t").lower() for value in given for one in value.split(b",")]
    if version != "1.1" or codings[-1] != b"chunked":
        raise RequestRefused(
            "bad-request",
            "Where the body ends cannot be told from this Transfer-Encoding. Nothing was done. Send "
            "Transfer-Encoding: chunked, over HTTP/1.1.",
        )
    if codings != [b"chunked"]:
        raise RequestRefused(
            "not-implemented",
            "A body is taken in chunks, and in no other transfer coding. Nothing was done. Send it with "
            "Transfer-Encoding: chunked.",
        )


def other_version(version: str) -> RequestRefused:
    """The refusal of a request in a version of HTTP that is not spoken here; one without any is of 0.9."""
    return RequestRefused(
        "version-not-supported",
        f"This server speaks HTTP/1.1 and HTTP/1.0, and not HTTP/{version}. Nothing was done. Send it as HTTP/1.1.",
    )


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def connection_class(gate: Gate) -> type[Connection]:
    """Connections with the limits of the gate's settings."""
    settings = gate.settings
    members: dict[str, Any] = {
        "gate": gate,
        "head_limit": settings.url_limit + settings.header_limit + _ROOM,
        "head_seconds": settings.head_seconds,
        "body_seconds": settings.body_seconds,
        "leftover_limit": LEFTOVER_BODIES * settings.body_limit,
    }
    return type("Connection", (Connection,), members)
