"""A service opens what it serves once, tells every error as a problem, and closes when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from storied import Rejected
from storied.errors import RequestRefused, StoreClosed, StoreUnavailable
from storied.services.service import Opening, Pipeline, Service
from storied.services.settings import Settings
from storied.services.web.http import Answer, Message, Request, Response, Stream
from storied.services.web.routing import Route, Router, parse_template
from storied.testing.waiting import eventually
from tests.services.asgi import Wire, ask, scope_of


class Store:
    """Something to open: it counts, and can fail."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.failing: Exception | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """A word, for as long as it is open."""
        await asyncio.sleep(0)
        if self.failing is not None:
            raise self.failing
        self.opened += 1
        try:
            yield "open"
        finally:
            self.closed += 1


class Heard(Pipeline):
    """A pipeline that notes what it hears."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, int, str | None]] = []

    def finish(self, request: Request, status: int, seconds: float, error: BaseException | None) -> None:
        self.ends.append((request.path, status, type(error).__name__ if error else None))


def service_of(
    endpoint: Callable[[Request], Any], opening: Callable[[], AbstractAsyncContextManager[str]], **more: Any
) -> Service[str]:
    """A service of one route."""

    async def answering(request: Request) -> Answer:
        answer: Answer = await endpoint(request)
        return answer

    router = Router()
    router.add(parse_template("GET /thing"), answering)
    return Service(router, Opening(opening), Settings(body_limit=4), **more)


async def hello(request: Request) -> Answer:
    """Says hello."""
    return Response(200, b"hello", [(b"content-type", b"text/plain")])


async def test_the_first_request_opens_and_all_others_share() -> None:
    """Requests that come at once wait for one opening."""
    store = Store()
    service = service_of(hello, store.open)
    answers = await asyncio.gather(*(ask(service, "GET", "/thing") for _ in range(10)))
    assert {answer.body for answer in answers} == {b"hello"}
    assert store.opened == 1
    await service.aclose()
    await service.aclose()
    assert store.closed == 1


async def test_what_cannot_be_opened_is_told_and_tried_again() -> None:
    """A store that is away for a while costs the requests of that while, not the service."""
    store = Store()
    store.failing = StoreUnavailable("The file is at a place that clients need not know. See to it.")
    service = service_of(hello, store.open)
    answer = await ask(service, "GET", "/thing")
    assert (answer.status, answer.json["code"]) == (503, "store-unavailable")
    assert "place" not in answer.json["detail"]
    store.failing = None
    assert (await ask(service, "GET", "/thing")).status == 200
    await service.aclose()


async def test_a_request_that_is_given_up_does_not_spoil_the_opening() -> None:
    """The others still get what it began."""
    store = Store()
    service = service_of(hello, store.open)
    first = asyncio.create_task(ask(service, "GET", "/thing"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await ask(service, "GET", "/thing")).status == 200
    assert store.opened == 1
    await service.aclose()


async def test_a_closed_service_says_so() -> None:
    """It opens nothing any more."""
    store = Store()
    service = service_of(hello, store.open)
    async with service:
        assert service.opening.value == "open"
    answer = await ask(service, "GET", "/thing")
    assert (answer.status, answer.json["code"]) == (503, "store-closed")
    with pytest.raises(StoreClosed):
        _ = service.opening.value


def test_an_event_loop_that_ends_closes_what_nobody_closed() -> None:
    """Mounted where there is no lifespan, the store is still closed in good order."""
    store = Store()

    async def serve_once() -> None:
        await ask(service_of(hello, store.open), "GET", "/thing")

    asyncio.run(serve_once())
    assert (store.opened, store.closed) == (1, 1)


async def live(service: Service[str]) -> list[Message]:
    """What the service answers to a server's start and stop."""
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return events.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await service({"type": "lifespan"}, receive, send)
    return sent


async def test_a_server_s_lifespan_opens_and_closes() -> None:
    """Before the first request, and after the last."""
    store = Store()
    sent = await live(service_of(hello, store.open))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (store.opened, store.closed) == (1, 1)


async def test_a_server_does_not_start_over_what_cannot_be_opened() -> None:
    """It is told why."""
    store = Store()
    store.failing = StoreUnavailable("Mend the file.")
    sent = await live(service_of(hello, store.open))
    assert sent[0] == {"type": "lifespan.startup.failed", "message": "Mend the file."}


async def test_a_head_request_gets_no_body() -> None:
    """Only what the headers of a GET would be."""
    async with service_of(hello, Store().open) as service:
        answer = await ask(service, "HEAD", "/thing")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "5")


async def test_options_tell_what_a_path_takes() -> None:
    """And that there is no such path."""
    async with service_of(hello, Store().open) as service:
        answer = await ask(service, "OPTIONS", "/thing")
        assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        assert (await ask(service, "OPTIONS", "/other")).status == 404


async def test_a_failing_endpoint_tells_nothing_of_its_insides() -> None:
    """The client learns that the server failed, and by which id to speak of it."""

    async def broken(request: Request) -> Answer:
        raise RuntimeError("secret")

    pipeline = Heard()
    async with service_of(broken, Store().open, pipeline=pipeline) as service:
        answer = await ask(service, "GET", "/thing")
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert b"secret" not in answer.body
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert pipeline.ends == [("/thing", 500, "RuntimeError")]


async def test_a_failure_is_logged_with_a_trace_and_a_refusal_is_not(caplog: pytest.LogCaptureFixture) -> None:
    """By the id that its client was told."""
    errors: list[Exception] = [ZeroDivisionError("oops"), RequestRefused("not-found", "no."), Rejected("no")]

    async def failing(request: Request) -> Answer:
        raise errors.pop(0)

    async with service_of(failing, Store().open) as service:
        answers = [await ask(service, "GET", "/thing") for _ in range(3)]
        answers.append(await ask(service, "BREW", "/thing"))
    assert [answer.status for answer in answers] == [500, 404, 422, 501]
    [record] = caplog.records
    assert answers[0].json["request_id"] in record.getMessage()
    assert record.exc_info is not None


async def test_a_rejection_tells_its_code_and_its_data() -> None:
    """They are the application's own words to its clients."""

    async def refusing(request: Request) -> Answer:
        raise Rejected("full", "the course is full", capacity=30, odd=object)

    async with service_of(refusing, Store().open) as service:
        answer = await ask(service, "GET", "/thing")
    problem = answer.json
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.status, problem["status"], problem["code"]) == (422, 422, "full")
    assert (problem["type"], problem["detail"]) == ("urn:storied:problem:rejected", "the course is full")
    assert problem["data"]["capacity"] == 30


@pytest.mark.parametrize(
    "data", [{"half": "\ud800"}, {"loop": ...}, {"set": {1}}, {"bytes": b"\xff"}, {"nan": float("nan")}]
)
async def test_a_rejection_may_hold_anything(data: dict[str, Any]) -> None:
    """What JSON cannot hold is told as text: the refusal itself must come through."""
    if "loop" in data:
        data["loop"] = data

    async def refusing(request: Request) -> Answer:
        raise Rejected("odd", "half a \ud800 surrogate", **data)

    async with service_of(refusing, Store().open) as service:
        answer = await ask(service, "GET", "/thing")
    assert (answer.status, answer.json["code"], answer.json["detail"]) == (422, "odd", "half a ? surrogate")
    assert answer.json["data"].keys() == data.keys()


async def test_a_body_over_the_setting_is_a_problem() -> None:
    """The limit of the settings is the request's."""

    async def reading(request: Request) -> Answer:
        return Response(200, await request.body())

    async with service_of(reading, Store().open) as service:
        answer = await ask(service, "GET", "/thing", b"12345")
    assert (answer.status, answer.json["code"]) == (413, "too-large")


async def test_each_step_of_the_pipeline_may_refuse() -> None:
    """The guard before the route is looked for, the admission after it."""

    class Closed(Pipeline):
        def guard(self, request: Request) -> None:
            if request.headers.get("host") != "a":
                raise Rejected("no-host")

        async def admit(self, request: Request, route: Route) -> None:
            raise Rejected("nobody")

    async with service_of(hello, Store().open, pipeline=Closed()) as service:
        assert (await ask(service, "GET", "/nowhere")).json["code"] == "no-host"
        assert (await ask(service, "GET", "/nowhere", headers={"Host": "a"})).json["code"] == "not-found"
        assert (await ask(service, "GET", "/thing", headers={"Host": "a"})).json["code"] == "nobody"


@pytest.mark.parametrize("closes", [False, True])
async def test_draining_ends_open_streams(*, closes: bool) -> None:
    """So that a server that stops does not wait for them; and so does closing."""

    async def streaming(request: Request) -> Answer:
        async def chunks() -> AsyncGenerator[bytes, None]:
            yield b"tick"
            await asyncio.Event().wait()

        return Stream(200, chunks(), [(b"content-type", b"text/event-stream")])

    async with service_of(streaming, Store().open) as service:
        wire = Wire(b"")
        serving = asyncio.create_task(service(scope_of("GET", "/thing"), wire.receive, wire.send))
        assert await wire.chunks.get() == b"tick"
        if closes:
            await service.aclose()
        else:
            service.drain()
        async with asyncio.timeout(20):
            await serving
        assert wire.chunks.get_nowait() == b""  # which ends it for the client
    assert (wire.sent.status, wire.sent.body) == (200, b"tick")


class Panic(BaseException):
    """What an extension in another language raises when it is beyond itself."""


@pytest.mark.parametrize("error", [Panic("secret"), SystemExit("secret"), asyncio.CancelledError("secret")], ids=repr)
async def test_an_endpoint_that_raises_what_is_no_exception_fails_like_others(error: BaseException) -> None:
    """The client is told, and the server goes on."""

    async def broken(request: Request) -> Answer:
        raise error

    pipeline = Heard()
    async with service_of(broken, Store().open, pipeline=pipeline) as service:
        for _ in range(2):
            answer = await ask(service, "GET", "/thing")
            assert (answer.status, answer.json["code"]) == (500, "internal")
            assert b"secret" not in answer.body
    assert pipeline.ends == [("/thing", 500, type(error).__name__)] * 2


async def test_a_cancelled_request_is_finished_too() -> None:
    """What counts requests counts those that a server gives up; a client that is still there is told."""

    async def endless(request: Request) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    pipeline = Heard()
    async with service_of(endless, Store().open, pipeline=pipeline) as service:
        wire = Wire(b"")
        asking = asyncio.create_task(service(scope_of("GET", "/thing"), wire.receive, wire.send))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
    assert pipeline.ends == [("/thing", 503, "RequestRefused")]
    assert (wire.sent.status, wire.sent.json["code"]) == (503, "deadline")


async def test_a_client_that_has_gone_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is to blame that it did not wait for its answer."""

    async def send(message: Message) -> None:
        raise OSError("the client has gone")

    pipeline = Heard()
    async with service_of(hello, Store().open, pipeline=pipeline) as service:
        await service(scope_of("GET", "/thing"), Wire(b"").receive, send)
    assert pipeline.ends == [("/thing", 200, None)]
    assert not caplog.records


async def test_a_websocket_is_turned_away() -> None:
    """There is none here."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await service_of(hello, Store().open)({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1003}]


async def test_what_is_of_no_more_use_is_closed_and_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, whoever asks for it; what was opened a moment ago is given time."""
    opened, closed = 0, 0
    times: list[float] = []

    @asynccontextmanager
    async def open_one() -> AsyncIterator[int]:
        nonlocal opened, closed
        opened += 1
        times.append(monotonic())
        own = opened
        yield own
        closed += 1
        assert closed == own  # each before the next

    opening = Opening(open_one)
    monkeypatch.setattr("storied.services.service.AGAIN_SECONDS", 0.05)
    assert await opening.get() == 1
    assert opening.renew(1)
    assert opening.is_open
    assert not opening.renew(1)
    await eventually(lambda: opening.is_open and opening.value == 2)  # nobody has to ask for it
    assert not opening.renew(1)
    assert opening.renew(2)
    await eventually(lambda: opening.is_open and opening.value == 3)
    assert not opening.renew(2)
    assert await opening.get() == 3
    assert opening.renew(3)
    await opening.aclose()
    assert (opened, closed) == (3, 3)
    assert not opening.renew(3)
    assert all(later - earlier > 0.045 for earlier, later in pairwise(times))


async def test_what_cannot_be_opened_anew_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever asks next."""
    monkeypatch.setattr("storied.services.service.AGAIN_SECONDS", 0)
    store = Store()
    opening = Opening(store.open)
    value = await opening.get()
    store.failing = StoreUnavailable("not yet.")
    assert opening.renew(value)
    await eventually(lambda: not opening.is_open)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await opening.get()
    store.failing = None
    assert await opening.get() == "open"
    await opening.aclose()
    assert (store.opened, store.closed) == (2, 2)
