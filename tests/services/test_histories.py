"""Histories page by page: exact from wherever they are gone on with, and no dearer than what they tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storied import App, Event, Id, OpenApp, View, on
from storied.services.access.identity import ApiKeys, new_key
from storied.services.queries import QueryService, query_service
from storied.store.query import Query
from storied.store.reading import Page, Span
from tests.services import library as books
from tests.services.asgi import ask
from tests.services.library import Bought, Lent, Returned, Sold, Stained, library
from tests.services.test_held_back import HivePage

PLAIN, NARROWED = "/books/emma/history", "/authors/austen/books/emma/history"


@asynccontextmanager
async def lent_often(url: str, times: int) -> AsyncIterator[tuple[OpenApp, QueryService]]:
    """A book with a long history, beside another."""
    async with library.open(url, views=False) as opened:
        await opened.record(*(Bought(book=book, author="austen", price=Decimal(1)) for book in ("emma", "persuasion")))
        await opened.record(*(Lent(book="emma", reader=f"r-{n}") for n in range(times - 1)))
        async with query_service(library, opened) as service:
            yield opened, service


async def walked(service: QueryService, path: str, query: str) -> tuple[list[Any], int]:
    """All entries, by following the links, and how many pages there were."""
    entries: list[Any] = []
    pages, target = 0, f"{path}?{query}"
    while target:
        answer = await ask(service, "GET", target)
        assert answer.status == 200, answer.body
        entries, pages = entries + answer.json, pages + 1
        link = answer.headers.get("link")
        target = f"{path}{link.removeprefix('<').partition('>')[0]}" if link else ""
    return entries, pages


def counted(opened: OpenApp, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What grows by the number of events of each page that the store gives."""
    given: list[int] = []
    asked = opened.store.page

    async def page(query: Query, span: Span) -> Page:
        found = await asked(query, span)
        given.append(len(found))
        return found

    monkeypatch.setattr(opened.store, "page", page)
    return given


@pytest.mark.parametrize(("path", "folds"), [(PLAIN, 1), (NARROWED, 2)])
async def test_walking_a_history_reads_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, folds: int
) -> None:
    """And once more to its end, where that decides who may see it; a few events a page come on top."""
    async with lent_often(f"sqlite:///{tmp_path}/app.db", 1000) as (opened, service):
        given = counted(opened, monkeypatch)
        entries, pages = await walked(service, path, "limit=20")
    assert (len(entries), pages) == (1000, 50)
    assert sum(given) <= folds * 1000 + 4 * pages


async def test_walking_on_behind_an_event_that_fails_reads_little_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That event again on each page, for it may be taken by now."""
    async with lent_often(f"sqlite:///{tmp_path}/app.db", 2) as (opened, service):
        await opened.record(Stained(book="emma"), *(Returned(book="emma") for _ in range(500)))
        given = counted(opened, monkeypatch)
        entries, pages = await walked(service, PLAIN, "limit=20")
    assert (len(entries), pages) == (503, 26)
    assert sum(given) <= 503 + 5 * pages


async def test_a_walk_goes_on_while_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come since is read, and nothing else again."""
    async with lent_often(f"sqlite:///{tmp_path}/app.db", 300) as (opened, service):
        given = counted(opened, monkeypatch)
        target, pages = f"{NARROWED}?limit=20", 0
        while target and pages < 40:
            answer = await ask(service, "GET", target)
            await opened.record(*(Returned(book="emma") for _ in range(10)))
            link, pages = answer.headers.get("link"), pages + 1
            target = f"{NARROWED}{link.removeprefix('<').partition('>')[0]}" if link else ""
        assert pages > 25
        assert sum(given) <= 2 * (300 + 10 * pages) + 4 * pages


@pytest.mark.parametrize("path", [PLAIN, NARROWED])
async def test_a_page_is_the_same_wherever_one_comes_from(path: str) -> None:
    """Asked for by itself, behind another, again, or of a moment: its entries are those of the whole."""
    async with lent_often("memory://", 12) as (opened, service):
        await opened.record(Returned(book="emma"), Stained(book="emma"), Returned(book="emma"))
        whole = (await ask(service, "GET", PLAIN)).json
        assert [entry["type"] for entry in whole[-3:]] == ["Returned", "Stained", "Returned"]
        for limit in (5, 1, 4, 16):
            assert (await walked(service, path, f"limit={limit}"))[0] == whole
        for n, entry in reversed(list(enumerate(whole))):
            rest = await ask(service, "GET", f"{path}?cursor={entry['position']}&limit=3")
            assert rest.json == whole[n + 1 : n + 4]
        assert (await ask(service, "GET", f"{path}?cursor=7&limit=3&at=9")).json == whole[6:8]
        assert (await ask(service, "GET", f"{PLAIN}?cursor=99")).json == []
        assert (await ask(service, "GET", "/books/nobody/history?cursor=99")).status == 404


@pytest.mark.parametrize("path", [PLAIN, NARROWED])
async def test_what_is_mended_is_told_on_every_page(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on those behind the event that failed, when a page with it was told before."""
    async with lent_often("memory://", 3) as (opened, service):
        await opened.record(Stained(book="emma"), *(Returned(book="emma") for _ in range(6)))
        before, _ = await walked(service, path, "limit=3")
        assert [bool(entry.get("error")) for entry in before] == [False] * 3 + [True] + [False] * 6
        assert not any(entry["changes"] for entry in before[3:])
        monkeypatch.setattr(books, "broken", False)
        for cursor in (5, 8):
            mended = (await ask(service, "GET", f"{path}?limit=20&cursor={cursor}")).json
            assert [len(entry["changes"]) for entry in mended[-3:]] == [1, 1, 1]
        assert (await ask(service, "GET", f"{path}?cursor=8")).json[-1]["changes"] == [
            {"path": "/notes/6", "after": "returned"}
        ]


async def test_what_is_gone_in_the_end_is_not_seen_by_its_fields(tmp_path: Path) -> None:
    """However much of it was told before it went."""
    async with lent_often(f"sqlite:///{tmp_path}/app.db", 5) as (opened, service):
        assert (await ask(service, "GET", f"{NARROWED}?limit=2")).status == 200
        await opened.record(Sold(book="emma"))
        assert (await ask(service, "GET", f"{NARROWED}?limit=2&cursor=3")).status == 404
        assert (await ask(service, "GET", f"{NARROWED}?limit=2&cursor=3&at=6")).status == 200


class Sent(Event):
    parcel: Id
    sender: str


unknown = ["boom"]


def shelf_of(event: Sent) -> str:
    """Where a sender's parcels lie; of one there is no telling."""
    if event.sender in unknown:
        raise ValueError("no shelf is known for it")
    return f"{event.sender}-shelf"


class Shelf(View):
    shelf: Id
    parcels: list[str] = []

    @on(key=shelf_of)
    def sent(self, event: Sent) -> None:
        self.parcels.append(event.parcel)


@asynccontextmanager
async def shelved(*senders: str) -> AsyncIterator[QueryService]:
    """A parcel of each of the senders, on shelves that a function finds."""
    app = App("depot")
    app.view("GET /shelves/{shelf}")(Shelf)
    async with app.open("memory://", views=False) as opened:
        await opened.record(*(Sent(parcel=f"p-{n}", sender=sender) for n, sender in enumerate(senders, 1)))
        async with query_service(app, opened) as service:
            yield service


async def test_the_event_at_which_a_view_stopped_stands_in_every_history() -> None:
    """It may have been about any document: what comes behind it changed nothing, and that is why."""
    async with shelved("ann", "bob", "boom", "ann", "boom", "ann") as service:
        for query in ("limit=9", "limit=1", "limit=2", "limit=3"):
            entries, _ = await walked(service, "/shelves/ann-shelf/history", query)
            assert [entry["position"] for entry in entries] == [1, 3, 4, 6]
            assert [len(entry["changes"]) for entry in entries] == [2, 0, 0, 0]
            assert ["no shelf is known" in entry.get("error", "") for entry in entries] == [False, True, False, False]
        bob = (await ask(service, "GET", "/shelves/bob-shelf/history")).json
        assert [(entry["position"], "error" in entry) for entry in bob] == [(2, False), (3, True)]
        assert [entry["position"] for entry in (await ask(service, "GET", "/shelves/ann-shelf/history?at=2")).json] == [
            1
        ]


@pytest.mark.parametrize("limit", [1, 2, 9])
async def test_a_document_that_a_stopped_view_never_made_says_why(limit: int) -> None:
    """By the event at which the view stopped, before those that are about the document."""
    async with shelved("ann", "boom", "cid") as service:
        entries, _ = await walked(service, "/shelves/cid-shelf/history", f"limit={limit}")
        assert [(entry["position"], "error" in entry) for entry in entries] == [(2, True), (3, False)]


async def test_what_no_event_is_about_has_no_history_in_a_stopped_view_either() -> None:
    """Whatever was asked for before."""
    async with shelved("ann", "boom", "ann") as service:
        for query in ("", "?limit=1", "?cursor=2", "?cursor=3", ""):
            assert (await ask(service, "GET", f"/shelves/nobody/history{query}")).status == 404


async def test_what_begins_after_it_was_asked_for_has_the_event_at_which_the_view_stopped() -> None:
    """That nothing was about it before is known by then; why nothing changes it is told all the same."""
    app = App("depot")
    app.view("GET /shelves/{shelf}")(Shelf)
    async with app.open("memory://", views=False) as opened, query_service(app, opened) as service:
        await opened.record(Sent(parcel="p-1", sender="boom"), Sent(parcel="p-2", sender="ann"))
        assert (await ask(service, "GET", "/shelves/cid-shelf/history")).status == 404
        await opened.record(Sent(parcel="p-3", sender="cid"))
        entries = (await ask(service, "GET", "/shelves/cid-shelf/history")).json
    assert [(entry["position"], "error" in entry) for entry in entries] == [(1, True), (3, False)]


async def test_a_view_that_finds_documents_by_what_is_in_them_has_no_histories() -> None:
    """There is nothing at such a path, unless the app has something there."""
    app = App("meadows")
    app.view("GET /hives/{hive}")(HivePage)
    async with app.open("memory://", views=False) as opened, query_service(app, opened) as service:
        assert (await ask(service, "GET", "/hives/h-1/history")).json["code"] == "not-found"


async def test_a_view_that_stopped_for_everybody_ends_a_narrowed_history() -> None:
    """Whose a document is from there on cannot be told, and the event may be about another's."""
    app = App("depot")
    app.view("GET /shelves/{shelf}")(Shelf)
    app.allow(Shelf, to="sender", where=lambda principal: {"shelf": f"{principal.id}-shelf"}, history=True)
    secret, kept = new_key("ann", ["sender"])
    app.verifier = ApiKeys([kept])
    async with app.open("memory://", views=False) as opened:
        await opened.record(*(Sent(parcel="p", sender=sender) for sender in ("ann", "boom", "ann")))
        async with query_service(app, opened) as service:
            answer = await ask(
                service, "GET", "/shelves/ann-shelf/history", headers={"Authorization": f"Bearer {secret}"}
            )
    assert [entry["position"] for entry in answer.json] == [1]


async def test_a_narrowed_history_that_ended_is_whole_once_the_view_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found up to there says nothing of what came behind it."""
    app = App("depot")
    app.view("GET /shelves/{shelf}")(Shelf)
    app.allow(Shelf, to="sender", where=lambda principal: {"shelf": f"{principal.id}-shelf"}, history=True)
    secret, kept = new_key("cid", ["sender"])
    app.verifier = ApiKeys([kept])
    path, key = "/shelves/cid-shelf/history", {"Authorization": f"Bearer {secret}"}
    async with app.open("memory://", views=False) as opened, query_service(app, opened) as service:
        await opened.record(*(Sent(parcel="p", sender=sender) for sender in ("ann", "boom", "cid")))
        assert (await ask(service, "GET", path, headers=key)).status == 404
        monkeypatch.setattr(f"{__name__}.unknown", [])
        answer = await ask(service, "GET", path, headers=key)
    assert [entry["position"] for entry in answer.json] == [3]
