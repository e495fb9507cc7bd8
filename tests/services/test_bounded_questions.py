"""What clients are told whose question about the past costs more than one may: to come again, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from storied import App, Event, Id, OpenApp, Reader, View, on
from storied.projections import past
from storied.projections.past import Bounds
from storied.services.queries import QueryService, query_service
from storied.services.querying import history
from storied.services.settings import Settings
from tests.services.asgi import Sent, ask

EVENTS = 30
HASTY = Settings(past_seconds=0.01)
AT_ONCE = Settings(past_seconds=1e-9)


class Shipped(Event):
    parcel: Id
    sender: str


class Parcel(View, indexes=["sender"]):
    parcel: Id
    sender: str = ""

    @on
    def sent(self, event: Shipped) -> None:
        self.sender = event.sender


class Sender(View):
    sender: Id
    parcels: int = 0

    @on(key=lambda event: event.sender)
    def sent(self, event: Shipped) -> None:
        self.parcels += 1


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[OpenApp, QueryService]]:
    """The parcels of three senders, of whom the first sent nothing at first."""
    app = App("parcels")
    app.view("GET /parcels/{parcel}", "GET /parcels")(Parcel)
    app.view("GET /senders/{sender}")(Sender)

    @app.query("GET /parcels-then")
    async def parcels_then(views: Reader, position: int) -> int:
        return len(await views.find(Parcel, at=position))

    async with app.open("memory://", views=False) as opened:
        senders = [f"s-{n % 3 if n > 12 else 1 + n % 2}" for n in range(EVENTS)]
        await opened.record(*(Shipped(parcel=f"p-{n}", sender=sender) for n, sender in enumerate(senders)))
        async with query_service(app, opened, settings=settings) as service:
            yield opened, service


ABOUT_THE_PAST = [
    "/parcels?at=30",
    "/parcels-then?position=30",
    "/parcels-then?position=30&at=20",
    "/senders/s-1?at=30",
    "/senders/s-1/history",
]


def told(answer: Sent) -> tuple[int, str, str | None]:
    """Status, code and when to come again."""
    return answer.status, answer.json["code"], answer.headers.get("retry-after")


@asynccontextmanager
async def somebody_at_work(opened: OpenApp) -> AsyncIterator[None]:
    """While this lasts, somebody else's past is being worked out."""
    texts = opened.reader.texts
    async with texts.past.turn(texts.projector(Parcel), Bounds(60.0)):
        yield


@pytest.mark.parametrize("target", ABOUT_THE_PAST)
async def test_what_takes_longer_than_a_question_may_is_refused(target: str) -> None:
    """Its wait for others included; afterwards it is answered."""
    async with serving(HASTY) as (opened, service), somebody_at_work(opened):
        assert told(await ask(service, "GET", target)) == (503, "past-unfinished", "1")
    async with serving(Settings()) as (_, service):
        assert (await ask(service, "GET", target)).status == 200


@pytest.mark.parametrize("target", ABOUT_THE_PAST)
async def test_while_too_many_wait_another_is_refused_at_once(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The present, and what is found by its tag, is answered as ever."""
    monkeypatch.setattr(past, "MOST_IN_LINE", 1)
    async with serving(Settings()) as (opened, service), somebody_at_work(opened):
        assert told(await ask(service, "GET", target)) == (503, "past-busy", "5")
        for other in ("/parcels", "/parcels/p-1?at=30", "/parcels/p-1/history"):
            assert (await ask(service, "GET", other)).status == 200


async def test_a_past_that_is_too_large_is_refused() -> None:
    """To come again would not help."""
    async with serving(Settings(past_bytes=1000)) as (_, service):
        assert told(await ask(service, "GET", "/parcels?at=30")) == (503, "past-too-large", None)
        assert (await ask(service, "GET", "/parcels?at=1")).status == 200


async def test_the_search_for_what_is_not_there_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that somebody asks, until it is known that the document has no history."""
    monkeypatch.setattr(history, "STRETCH", 10)
    async with serving(AT_ONCE) as (_, service):
        answers = [await ask(service, "GET", "/senders/nobody/history") for _ in range(3)]
        assert [told(answer) for answer in answers[:2]] == [(503, "past-unfinished", "1")] * 2
        assert answers[2].status == 404
        assert (await ask(service, "GET", "/senders/nobody/history")).status == 404  # which is known by now


async def test_a_history_is_told_in_parts_where_the_search_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which are the whole of it, by their links."""
    monkeypatch.setattr(history, "STRETCH", 4)
    async with serving(Settings()) as (_, service):
        whole = (await ask(service, "GET", "/senders/s-0/history")).json
    async with serving(AT_ONCE) as (_, service):
        while (answer := await ask(service, "GET", "/senders/s-0/history")).status == 503:
            pass
        parts: list[Any] = answer.json
        pages = 1
        while "link" in answer.headers:
            target = answer.headers["link"].removeprefix("<").partition(">")[0]
            answer = await ask(service, "GET", f"/senders/s-0/history{target}")
            parts, pages = parts + answer.json, pages + 1
    shown = [[(one["data"]["parcel"], one["changes"]) for one in entries] for entries in (parts, whole)]
    assert (shown[0] == shown[1], len(whole), pages > 2) == (True, 5, True)
