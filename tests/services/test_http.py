"""A request's parts, as endpoints get them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from storied.errors import RequestRefused
from storied.services.web import http
from storied.services.web.deadlines import Deadlines
from storied.services.web.http import Headers, Message, Request, Stream, send_stream
from tests.services.asgi import Wire, request_of, scope_of


def test_a_header_is_found_in_any_case() -> None:
    """Names of headers have no case, and several of one name read as a list."""
    request = request_of("GET", "/", headers={"If-Match": '"7"'})
    assert request.headers.get("IF-MATCH") == '"7"'
    assert request.headers.get("if-none-match") is None
    several = Headers([(b"prefer", b"wait=1"), (b"prefer", b" a ")])
    assert several.get("Prefer") == "wait=1, a"
    assert several.getall("prefer") == ["wait=1", "a"]


@pytest.mark.parametrize(
    ("target", "segments"),
    [
        ("/orders/o-1", ["orders", "o-1"]),
        ("/", [""]),
        ("/orders/", ["orders", ""]),
        ("/sales/s-7%2F2017-05", ["sales", "s-7/2017-05"]),
        ("/orders/a%20b%C3%A9", ["orders", "a bé"]),
        ("/a%25%32%66b", ["a%2fb"]),
    ],
)
def test_a_path_is_split_before_it_is_decoded(target: str, segments: list[str]) -> None:
    """An encoded slash belongs to its part of the path."""
    assert request_of("GET", target).segments == segments


@pytest.mark.parametrize("stripped", [False, True])
def test_a_path_starts_where_the_service_is_mounted(stripped: bool) -> None:
    """Some frameworks leave the prefix in the path, and some take it out."""
    scope = scope_of("GET", "/api%20v1/sales/s%2F1", root_path="/api v1")
    if stripped:
        scope["path"] = scope["path"].removeprefix("/api v1")
    request = Request(scope, Wire().receive)
    assert request.segments == ["sales", "s/1"]
    assert request.path == "/sales/s/1"


@pytest.mark.parametrize("target", ["/api/accounts/a", "/api/accounts/a%20b"])
def test_a_slash_that_a_router_added_is_no_part_of_the_path(target: str) -> None:
    """Litestar takes the prefix out and puts a slash at the end."""
    scope = scope_of("GET", target)
    scope["path"] = scope["path"].removeprefix("/api") + "/"
    request = Request(scope, Wire().receive)
    assert (request.path, request.segments[0]) == (scope["path"][:-1], "accounts")
    assert len(request.segments) == 2
    assert request.root == "/api"


def test_a_slash_that_the_client_sent_stays() -> None:
    """It makes another path."""
    assert request_of("GET", "/accounts/").segments == ["accounts", ""]


@pytest.mark.parametrize(("root", "target"), [("/api", "/api/a%2Fb"), ("", "/a%2Fb"), ("/a b", "/a%20b/c")])
def test_a_service_knows_where_it_is_mounted(root: str, target: str) -> None:
    """As it has to, to give addresses."""
    assert request_of("GET", target, root_path=root).root == root


def test_a_prefix_is_a_whole_part_of_the_path() -> None:
    """A path that only begins with the same letters is not below the prefix."""
    assert request_of("GET", "/apium", root_path="/api").path == "/apium"
    assert request_of("GET", "/api", root_path="/api").path == "/"


def test_a_path_that_is_no_text_is_refused() -> None:
    """Bytes that are not UTF-8 name nothing."""
    with pytest.raises(RequestRefused) as refused:
        _ = request_of("GET", "/orders/%ff").segments
    assert refused.value.code == "bad-path"


def test_a_query_string_keeps_order_and_repetition() -> None:
    """Names may come twice, and values may be empty."""
    assert request_of("GET", "/?a=1&b=&a=%C3%A9+x").query == (("a", "1"), ("b", ""), ("a", "é x"))


@pytest.mark.parametrize("query", ["a=%ff", "é=1", "&".join(["a=1"] * 201)])
def test_a_query_string_that_cannot_be_read_is_refused(query: str) -> None:
    """Neither bytes that are no text nor hundreds of parts are taken."""
    with pytest.raises(RequestRefused) as refused:
        _ = request_of("GET", f"/?{query}").query
    assert refused.value.code == "bad-query"


async def test_a_body_comes_whole() -> None:
    """However many pieces it was sent in; and it can be asked for again."""
    request = request_of("POST", "/", b"ab", b"", b"cd")
    assert await request.body() == await request.body() == b"abcd"


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}])
async def test_a_body_over_the_limit_is_refused(headers: dict[str, str]) -> None:
    """Whether its length was told or not."""
    with pytest.raises(RequestRefused) as refused:
        await request_of("POST", "/", b"abc", b"de", headers=headers, body_limit=4).body()
    assert refused.value.code == "too-large"


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}])
async def test_a_body_of_just_the_limit_is_taken(headers: dict[str, str]) -> None:
    """The limit is what it may have."""
    assert await request_of("POST", "/", b"abc", b"de", headers=headers, body_limit=5).body() == b"abcde"


async def test_a_body_that_never_ends_is_given_up() -> None:
    """A slow client holds nothing for ever."""
    request = Request(scope_of("POST", "/"), Wire().receive, body_deadlines=Deadlines(0.01))
    with pytest.raises(RequestRefused) as refused:
        await request.body()
    assert refused.value.code == "too-slow"


async def test_a_client_that_goes_while_it_sends_is_noticed() -> None:
    """Half a body is none."""
    with pytest.raises(RequestRefused) as refused:
        await Request(scope_of("POST", "/"), Wire(b"ab", leaves=True).receive).body()
    assert refused.value.code == "disconnected"


class Ticks:
    """A stream that ticks for ever, and knows whether it was closed."""

    closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"tick"
            await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.mark.parametrize("end", ["client", "server"])
async def test_a_stream_ends_when_either_side_goes(end: str) -> None:
    """Its generator is closed, and the answer has its end."""
    ticks, wire, ending = Ticks(), Wire(b""), asyncio.Event()
    request = Request(scope_of("GET", "/"), wire.receive)
    sending = asyncio.create_task(send_stream(Stream(200, ticks.chunks()), request, wire.send, ending))
    assert await wire.chunks.get() == b"tick"
    (wire.gone if end == "client" else ending).set()
    await sending
    assert ticks.closed
    assert wire.sent.body == b"tick"


async def test_a_stream_ends_when_its_time_is_over() -> None:
    """As a whole answer, after which a client connects again."""
    ticks, wire = Ticks(), Wire(b"")
    request = Request(scope_of("GET", "/"), wire.receive)
    await send_stream(Stream(200, ticks.chunks()), request, wire.send, asyncio.Event(), 0.02)
    assert ticks.closed
    assert wire.sent.body == b"tick"


async def test_a_client_that_takes_nothing_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its generator is closed, and the server cuts the connection."""
    monkeypatch.setattr(http, "STUCK_SECONDS", 0.02)
    ticks, wire = Ticks(), Wire(b"")

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await send_stream(
            Stream(200, ticks.chunks()), Request(scope_of("GET", "/"), wire.receive), stuck, asyncio.Event()
        )
    assert ticks.closed


async def test_a_stream_that_fails_is_closed() -> None:
    """What it raised reaches the server, which cuts the connection: a client must not take a part for the whole."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise ValueError("no more")

    wire = Wire(b"")
    with pytest.raises(ValueError, match="no more"):
        await send_stream(
            Stream(200, chunks()), Request(scope_of("GET", "/"), wire.receive), wire.send, asyncio.Event()
        )
    assert wire.sent.body == b"one"
