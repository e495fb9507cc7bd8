"""A service: routes over something that is opened once, as an ASGI application.

Every request passes the same pipeline, whichever door it came through: started, guarded, routed, admitted, answered,
finished. What opens, and which routes there are, is the business of the command service and the query service.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from time import monotonic, perf_counter
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from storied.domain.ids import new_id
from storied.errors import RequestRefused, StoreClosed
from storied.services.settings import Settings
from storied.services.telemetry.blaming import Blame
from storied.services.web.deadlines import Deadlines
from storied.services.web.http import (
    Answer,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    Stream,
    send_head,
    send_response,
    send_stream,
)
from storied.services.web.problems import problem_response
from storied.services.web.routing import Route, Router

S = TypeVar("S")
ASKED_TOO_MUCH = frozenset({501, 505})
"""The statuses from 500 on for which the request is to blame: it asks for what this server does not do or speak."""
AGAIN_SECONDS = 1.0
"""How long what was opened is not opened anew."""
log = logging.getLogger("storied.services")
_LATE = (
    "The request took longer than this server allows. A command may or may not be stored: repeat it with the same "
    "Idempotency-Key. Ask for less at once."
)
_STOPPED = (
    "The server stopped before it was done with the request. A command may or may not be stored: repeat it with the "
    "same Idempotency-Key."
)


class Pipeline:
    """What a request passes beside its endpoint. This one only names it; each step may raise a `StoriedError`."""

    def __init__(self) -> None:
        self._blame = Blame()

    def start(self, request: Request) -> None:
        """Names the request, before anything else is looked at. Raises nothing."""
        request.request_id = new_id()

    def guard(self, request: Request) -> None:
        """Refuses what is refused whatever it asks for: its host, its origin, its size."""

    async def admit(self, request: Request, route: Route) -> None:
        """Finds out who asks, and whether they may come to the route, and now; the single case is not looked at."""

    def stream_seconds(self, request: Request) -> float:
        """How long a stream may go on, before its client has to ask again and show that it still may."""
        return math.inf

    def begin_stream(self, request: Request) -> None:
        """Passes a stream that may be sent, and then is ended. Raises `RequestRefused` when too many are open."""

    def end_stream(self, request: Request) -> None:
        """Hears that a stream which was begun has ended, however it did."""

    def finish(self, request: Request, status: int, seconds: float, error: BaseException | None) -> None:
        """Hears how it ended, once for each request that was started, and logs what the server is to blame for."""
        if status >= 500 and status not in ASKED_TOO_MUCH and error is not None:
            self._blame.tell(request, status, error)


class Opening(Generic[S]):
    """Something that is opened once, when it is first wanted, and closed in the task that opened it.

    What turns out to be of no more use is renewed: closed, and opened again.
    """

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[S]]) -> None:
        self._opening = opening
        self._owner: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[S] | None = None
        self._stop = asyncio.Event()
        self._opened = 0.0
        self._renews = False
        self._closed = False
        self.is_open = False
        """Whether `value` gives something."""

    async def get(self) -> S:
        """What was opened. Raises as the opening does; then the next call tries again."""
        if self._closed:
            raise StoreClosed
        if self._ready is None:
            self._ready = self._begin()
        return await asyncio.shield(self._ready)

    def renew(self, value: S) -> bool:
        """Closes *value* and opens it anew; whether nobody has asked for that before.

        What was opened a moment ago is given that moment: what fails each time is not opened as often as it fails.
        """
        if not self.is_open or self.value is not value or self._renews:
            return False
        self._renews = True
        pause = self._opened + AGAIN_SECONDS - monotonic()
        asyncio.get_running_loop().call_later(max(0.0, pause), self._renew, value)
        return True

    def _renew(self, value: S) -> None:
        self._renews = False
        if self.is_open and self.value is value:
            self.is_open = False
            self._stop.set()
            self._ready = self._begin()

    def reset(self) -> bool:
        """Makes what was closed one that can be opened; whether it was. What is not closed yet stays as it is."""
        if not self._closed or (self._owner is not None and not self._owner.done()):
            return False
        self._closed, self._renews = False, False
        self._owner, self._ready = None, None
        return True

    @property
    def value(self) -> S:
        """What was opened before. Raises `StoreClosed` when nothing is open."""
        if not self.is_open or self._ready is None:
            raise StoreClosed
        return self._ready.result()

    async def aclose(self) -> None:
        """Closes it, until it is `reset`. Idempotent."""
        self._closed, self.is_open = True, False
        self._stop.set()
        if self._owner is not None:
            await asyncio.wait([self._owner])
            if not self._owner.cancelled():
                self._owner.result()

    def _begin(self) -> asyncio.Future[S]:
        ready: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._owner = asyncio.create_task(self._own(ready, self._stop, self._owner))
        return ready

    async def _own(self, ready: asyncio.Future[S], stop: asyncio.Event, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
                if not before.cancelled() and (error := before.exception()) is not None:
                    log.warning("what was of no more use could not be closed well: %s", error)
            async with self._opening() as value:
                ready.set_result(value)
                self.is_open, self._opened = not self._closed, monotonic()
                await stop.wait()
        except BaseException as error:
            if ready.done():
                raise
            self._ready = None
            if not isinstance(error, Exception):
                ready.cancel()
                raise
            ready.set_exception(error)
            ready.exception()  # whoever waits is told; nobody may be waiting any more


class Service(Generic[S]):
    """An ASGI application over *opening*. Open it with ``async with``, by the server's lifespan, or by a first request.

    Mounted below a framework, which passes no lifespan, it opens with the first request; close it with `aclose`. What
    is closed stays so for requests; another lifespan, or ``async with``, opens it anew.
    """

    def __init__(
        self, router: Router, opening: Opening[S], settings: Settings, pipeline: Pipeline | None = None
    ) -> None:
        self.router, self.opening, self.settings = router, opening, settings
        self.pipeline = pipeline or Pipeline()
        self._prepare()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1003})

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _open(self) -> None:
        """Opens it; anew, as if it had never been open, where it was closed. Another event loop may run by then."""
        if self.opening.reset():
            self._prepare()
            self.forget()
        await self.opening.get()

    def _prepare(self) -> None:
        self._deadlines = Deadlines(self.settings.deadline)
        self._body_deadlines = Deadlines(self.settings.body_seconds)
        self._ending = asyncio.Event()

    def forget(self) -> None:
        """Forgets what was known of what is closed, before it is opened anew."""

    def drain(self) -> None:
        """Ends the streams that are open, so that a server which waits for its connections can stop."""
        self._ending.set()

    def end_streams(self) -> None:
        """Ends the streams that are open; their clients ask again."""
        ending, self._ending = self._ending, asyncio.Event()
        ending.set()

    def check(self, route: Route) -> None:
        """Passes a request to the route when it can be answered rightly. Raises a `StoreError`."""

    def release(self) -> None:
        """Frees the request that runs now from its deadline: what it asked for is done, and the rest has a bound."""
        task = asyncio.current_task()
        if task is not None:
            self._deadlines.end(task)

    async def aclose(self) -> None:
        """Closes what was opened, for all requests until it is opened again. Idempotent."""
        self.drain()
        await self.opening.aclose()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, body_limit=self.settings.body_limit, body_deadlines=self._body_deadlines)
        began = perf_counter()
        self.pipeline.start(request)
        status = 500
        error: BaseException | None = None
        task = request.task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        try:
            try:
                answer = await self._answer(request)
                if isinstance(answer, Stream) and request.method != "HEAD":
                    self.pipeline.begin_stream(request)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as raised:  # whatever it is, the client is told, and it is told no more than is good
                error = raised
                if isinstance(raised, asyncio.CancelledError) and task is not None and task.cancelling() > cancelled:
                    error = RequestRefused("deadline", _STOPPED)
                answer = problem_response(error, request)
            status = answer.status
            if request.request_id:
                answer.headers = [*answer.headers, (b"x-request-id", request.request_id.encode("latin-1"))]
            try:
                if isinstance(answer, Response):
                    await send_response(answer, send, head=request.method == "HEAD")
                elif request.method == "HEAD":
                    await send_head(answer, send)
                else:
                    await self._send_stream(answer, request, send)
            except OSError:  # the client has gone
                pass
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.pipeline.finish(request, status, perf_counter() - began, error)
        if task is not None and task.cancelling() > cancelled:  # as by a server that stops: now its client is told
            raise asyncio.CancelledError

    async def _send_stream(self, stream: Stream, request: Request, send: Send) -> None:
        try:
            ending = stream.ending or self._ending
            await send_stream(stream, request, send, ending, self.pipeline.stream_seconds(request))
        finally:
            self.pipeline.end_stream(request)

    async def _answer(self, request: Request) -> Answer:
        self.pipeline.guard(request)
        if request.method == "OPTIONS":
            return self._options(request)
        route, request.path_params = self.router.match(request.method, request.segments)
        request.route = route.template.path
        return await self.respond(request, route)

    async def respond(self, request: Request, route: Route) -> Answer:
        """What the route answers, which is one of this service's, within its deadline. Raises as endpoints do."""
        task = request.task = self._deadlines.begin(request.task)
        try:
            await self.pipeline.admit(request, route)
            if not self.opening.is_open and not route.open:
                await self.opening.get()
            self.check(route)
            answer = await route.endpoint(request)
            if isinstance(answer, Stream):
                answer.ending = self._ending
            return answer
        except asyncio.CancelledError:
            if self._deadlines.end(task):
                raise RequestRefused("deadline", _LATE) from None
            raise
        finally:
            self._deadlines.end(task)

    def _options(self, request: Request) -> Response:
        """What the path takes."""
        try:
            self.router.match("OPTIONS", request.segments)
        except RequestRefused as refused:
            if refused.code == "method-not-allowed":
                return Response(204, b"", [(b"allow", refused.headers["Allow"].encode())])
            raise
        raise AssertionError("no route takes OPTIONS")

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: opens at the start, where what cannot be opened stops the server; closes at the end."""
        while True:
            match (await receive())["type"]:
                case "lifespan.startup":
                    answer = await _outcome("lifespan.startup", self._open())
                    await send(answer)
                case "lifespan.shutdown":
                    answer = await _outcome("lifespan.shutdown", self.aclose())
                    await send(answer)
                    return


async def _outcome(event: str, doing: Any) -> dict[str, Any]:
    try:
        await doing
    except Exception as error:
        return {"type": f"{event}.failed", "message": str(error)}
    return {"type": f"{event}.complete"}
