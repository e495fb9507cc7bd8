"""How the view of a stream is doing, and what of it is held back: said when it begins, and whenever it changes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from storied import App, Event, Id, OpenApp, View, on
from storied.services.queries import query_service
from tests.services import library as model
from tests.services.library import BookPage, Bought, Lent, Stained
from tests.services.test_live import Listener, listening
from tests.services.test_queries import stocked


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store on each engine."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"


async def said(client: Listener) -> tuple[str, str]:
    """The next status and its detail, whatever else is told before."""
    while (told := await client.next()).event != "status":
        pass
    return told.data["status"], told.data.get("detail", "")


async def stained(opened: OpenApp, book: str) -> str:
    """Parks the page of a book; the position that the view then has reached."""
    head = (await opened.record(Stained(book=book))).position
    await opened.wait(BookPage, head)
    return str(head)


@pytest.mark.parametrize("waits", [True, False])
async def test_a_list_is_not_live_while_a_document_of_it_is_held_back(
    url: str, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it was asked for, and whatever else happens; it is live again once that has been freed."""
    async with stocked(url) as (opened, service):
        head = await stained(opened, "emma")
        given = {"Storied-After": head} if waits else {}
        async with listening(service, "/books?author=austen", **given) as client:
            assert (await client.next()).event == "list"
            assert await said(client) == ("parked", "held back: emma")
            await opened.record(Lent(book="emma", reader="r-9"))
            await opened.record(Lent(book="persuasion", reader="r-9"))  # which is told once both are applied
            told = await client.next()
            assert (told.event, told.data["book"]) == ("document", "persuasion")
            monkeypatch.setattr(model, "broken", False)
            await opened.retry(BookPage, "emma")
            freed = await client.next()
            assert (freed.event, freed.data["reader"], freed.data["notes"]) == ("document", "r-9", ["stained"])
            assert await said(client) == ("live", "")


async def test_a_list_is_not_live_while_it_may_lack_a_document(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stopped may belong to it by now, so that the list as JSON has Storied-Parked, too."""
    async with stocked(url) as (opened, service), listening(service, "/books?author=austen") as client:
        head = await stained(opened, "new")
        assert await said(client) == ("parked", f"a document that may belong to the list stopped before event {head}")
        bought = await opened.record(Bought(book="new", author="austen", price=Decimal(2)))
        await opened.wait(BookPage, bought.position)
        monkeypatch.setattr(model, "broken", False)
        await opened.retry(BookPage, "new")
        assert (await client.next()).data["author"] == "austen"
        assert await said(client) == ("live", "")


async def test_it_is_said_which_documents_are_held_back_whenever_others_are(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status is the same, and its detail is not."""
    async with stocked(url) as (opened, service), listening(service, "/books") as client:
        await stained(opened, "emma")
        assert await said(client) == ("parked", "held back: emma")
        await stained(opened, "walden")
        assert await said(client) == ("parked", "held back: emma, walden")


async def test_a_document_that_is_waited_for_is_said_to_be_held_back_where_it_stopped(url: str) -> None:
    """As it is said of one that nobody waits for, but that the document as it was is not told."""
    async with stocked(url) as (opened, service):
        head = await stained(opened, "emma")
        for given in ({}, {"Storied-After": head}, {"Last-Event-ID": head}):
            async with listening(service, "/books/emma", **given) as client:
                assert await said(client) == ("parked", f"the document stopped before event {head}"), given


class Filled(Event):
    shelf: Id
    width: int


def shelves(*indexes: str) -> App:
    """An app with one view, with these indexes."""
    app = App("shelves")

    class Shelf(View, indexes=list(indexes)):
        shelf: Id
        width: int = 0

        @on
        def filled(self, event: Filled) -> None:
            self.width = event.width

    app.view("GET /shelves/{shelf}", "GET /shelves")(Shelf)
    return app


async def test_a_stream_waits_for_a_view_that_is_being_rebuilt(tmp_path: Path) -> None:
    """It says so as long as what is served cannot tell the list, and then tells the list."""
    url = f"sqlite:///{tmp_path}/app.db"
    before, after = shelves("shelf"), shelves("width")
    async with before.open(url) as opened:
        head = await opened.record(Filled(shelf="wide", width=9), Filled(shelf="narrow", width=1))
        await opened.wait(before.views["Shelf"], head.position)
    async with query_service(after, url) as service, listening(service, "/shelves?sort=width") as client:
        assert await said(client) == ("rebuilding", "The view is being rebuilt")
        async with after.open(url):
            told = await client.next()
            assert (told.event, [shelf["shelf"] for shelf in told.data]) == ("list", ["narrow", "wide"])
            assert await said(client) == ("live", "")


def whose(event: Filled) -> list[str]:
    """The shelves of an event; of one without width nobody knows."""
    if event.width < 0:
        raise ValueError("nobody knows")
    return [event.shelf]


async def test_a_stream_that_waits_for_a_view_which_failed_says_so(url: str) -> None:
    """It does not break off, and says nothing of the code's own words."""
    app = App("shelves")

    @app.view("GET /shelves/{shelf}", "GET /shelves")
    class Shelf(View):
        shelf: Id
        width: int = 0

        @on(key=whose)
        def filled(self, event: Filled) -> None:
            self.width = event.width

    async with app.open(url) as opened, query_service(app, opened) as service:
        head = str((await opened.record(Filled(shelf="a", width=-1))).position)
        async with listening(service, "/shelves", storied_after=head) as client:
            assert await said(client) == ("failed", "the view stopped at an event that its code cannot take")
