"""The express lane: plain requests for one document get no other answer, and pass nothing by, for being served fast."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storied import App, Reader
from storied.domain.access import Access
from storied.services.access.identity import ApiKeys, new_key
from storied.services.queries import QueryService, query_service
from storied.services.querying.express import MOST_REMEMBERED
from storied.services.settings import Settings
from tests.services.asgi import ask
from tests.services.library import BookPage, library
from tests.services.test_queries import STOCK, get


@asynccontextmanager
async def serving(app: App = library, settings: Settings | None = None) -> AsyncIterator[QueryService]:
    """The library's books, in an app that goes on when their service is closed."""
    async with library.open("memory://") as opened:
        head = (await opened.record(*STOCK)).position
        for view in library.views.values():
            await opened.wait(view, head)
        async with query_service(app, opened, settings=settings) as service:
            yield service


async def test_its_answers_are_counted_and_timed_as_all_others() -> None:
    """By route and status, so that nobody sees less traffic than there is."""
    async with serving() as service:
        await get(service, "/books/emma")
        await get(service, "/books/walden")
        await get(service, "/books/emma", X_Request_Id="the-long-way")
        text = (await get(service, "/metrics")).body.decode()
    assert 'storied_http_requests_total{method="GET",route="/books/{book}",status="200"} 3' in text
    assert 'storied_http_request_seconds_count{method="GET",route="/books/{book}"} 3' in text


async def test_each_answer_has_an_id_of_its_own() -> None:
    """Though all else of it was made before."""
    async with serving() as service:
        answers = [await get(service, "/books/emma") for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3


async def test_a_client_keeps_the_id_that_it_gave() -> None:
    """By which it finds its request again."""
    async with serving() as service:
        for name in ("mine", "mine-too"):
            assert (await get(service, "/books/emma", X_Request_Id=name)).headers["x-request-id"] == name


async def test_a_path_written_out_is_no_key() -> None:
    """Though there is a document which is called like that."""
    app = App("pond")
    app.view("GET /books/{book}")(BookPage)

    @app.query("GET /books/walden")
    async def pond(views: Reader) -> str:
        return "a pond"

    async with serving(app) as service:
        assert (await get(service, "/books/walden")).json == "a pond"
        assert (await get(service, "/books/emma")).json["book"] == "emma"


async def test_a_closed_service_answers_nothing() -> None:
    """Although the app that it read is open."""
    async with serving() as service:
        assert (await get(service, "/books/emma")).status == 200
        await service.aclose()
        answer = await get(service, "/books/emma")
    assert (answer.status, answer.json["code"]) == (503, "store-closed")


async def test_rules_hold_from_when_they_are_there() -> None:
    """Also without a verifier, and for headers that were served before."""
    app = copy.copy(library)
    app.access = Access()
    async with serving(app) as service:
        assert (await get(service, "/books/emma")).status == 200
        app.allow(BookPage, to="clerk")
        assert (await get(service, "/books/emma")).status == 401


async def test_who_has_to_be_known_is_asked() -> None:
    """A verifier without rules wants a credential."""
    secret, kept = new_key("anna")
    async with serving(settings=Settings(verifier=ApiKeys([kept]))) as service:
        assert (await get(service, "/books/emma")).status == 401
        assert (await get(service, "/books/emma", X_API_Key=secret)).status == 200


async def test_a_rate_holds() -> None:
    """However quickly one is served."""
    async with serving(settings=Settings(rate=0.001, burst=2)) as service:
        assert [(await get(service, "/books/emma")).status for _ in range(3)] == [200, 200, 429]


async def test_an_access_log_has_every_request(caplog: pytest.LogCaptureFixture) -> None:
    """A line each."""
    caplog.set_level(logging.INFO, "storied.access")
    async with serving(settings=Settings(access_log=True)) as service:
        for _ in range(2):
            await get(service, "/books/emma")
    assert [json.loads(record.message)["path"] for record in caplog.records] == ["/books/emma"] * 2


@pytest.mark.parametrize(
    ("method", "target", "headers", "root", "status"),
    [
        ("GET", "/books/walden", {"Host": "evil.example"}, "", 421),
        ("GET", "/books/walden", {"Origin": "https://evil.example"}, "", 403),
        ("GET", "/books/persuasion", {}, "", 414),
        ("GET", "/books/walden?x", {}, "", 400),
        ("GET", "/books/walden", {"Storied-After": "99"}, "", 412),
        ("GET", "/books/walden", {"Storied-After": "soon"}, "", 400),
        ("GET", "/books/walden", {"X": "a" * 500}, "", 431),
        ("POST", "/books/walden", {}, "", 405),
        ("GET", "/books/walden", {}, "/books", 404),
        ("GET", "/books/walden/", {}, "", 404),
    ],
)
async def test_what_is_refused_is_refused_at_any_time(
    method: str, target: str, headers: dict[str, str], root: str, status: int
) -> None:
    """Also from who was served before."""
    async with serving(settings=Settings(url_limit=len("/books/walden?x"), header_limit=400)) as service:
        for _ in range(2):
            assert (await get(service, "/books/walden")).status == 200
            answer = await ask(service, method, target, headers=headers, root_path=root)
            assert (answer.status, answer.json["status"]) == (status, status)


async def test_what_is_remembered_of_headers_has_an_end() -> None:
    """However many somebody makes up."""
    async with serving() as service:
        for number in range(MOST_REMEMBERED + 10):
            assert (await get(service, "/books/emma", X_Number=str(number))).status == 200
        assert len(service.express._plain) <= MOST_REMEMBERED
