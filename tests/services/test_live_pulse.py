"""Streams of a view that nobody keeps up to date: they say so as long as it is so, as ``/readyz`` does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from storied.engines.sqlite.documents import SqliteDocuments
from storied.services.queries import QueryService, query_service
from storied.services.querying import live, pulse
from storied.services.settings import Settings
from storied.store.documents import Heartbeat
from tests.services.library import Returned, library
from tests.services.test_live import listening
from tests.services.test_live_status import said, shelves, stained
from tests.services.test_queries import get, stocked

DEAD = ("dead", "nobody keeps the view up to date; this is how it was left")
TARGETS = ("/books/emma", "/books?author=austen")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a view is doing is looked at often, and no sign of life may be late."""
    for module in (live, pulse):
        monkeypatch.setattr(module, "PULSE_SECONDS", 0.05)
    monkeypatch.setattr(pulse, "NEWBORN_SECONDS", 0.0)


@asynccontextmanager
async def left(folder: Path, settings: Settings | None = None) -> AsyncIterator[tuple[QueryService, SqliteDocuments]]:
    """The query service of a library whose views were kept up to date by somebody who has gone, and their documents."""
    url = f"sqlite:///{folder}/app.db"
    async with stocked(url):
        pass
    documents = await SqliteDocuments.open(folder / "app.views.db")
    try:
        async with query_service(library, url, settings=settings) as service:
            yield service, documents
    finally:
        await documents.aclose()


def sign(life: str = "running", lag: float = 0.0) -> Heartbeat:
    """A sign of life from who has applied all, or is so many seconds behind."""
    return Heartbeat("BookPage", "w", life, 5, 99 if lag else 5, int(lag * 1e6))


@pytest.mark.parametrize("target", TARGETS)
async def test_a_stream_says_that_nobody_keeps_its_view_up_to_date(tmp_path: Path, target: str) -> None:
    """From the start, and in between when whoever did has gone; it is live again when somebody does."""
    async with left(tmp_path) as (service, _), listening(service, target) as client:
        assert (await client.next()).event in ("document", "list")
        assert await said(client) == DEAD
        assert (await get(service, "/readyz")).status == 503
        async with library.open(f"sqlite:///{tmp_path}/app.db"):
            assert await said(client) == ("live", "")
        assert await said(client) == DEAD


@pytest.mark.parametrize("target", TARGETS)
async def test_a_stream_says_that_the_signs_of_life_have_ended(tmp_path: Path, target: str) -> None:
    """When the last is too old, as after a kill; and that they have come again."""
    async with left(tmp_path, Settings(heartbeat_limit=1.0)) as (service, documents):
        await documents.beat("w", [sign()])
        async with listening(service, target) as client:
            assert await said(client) == DEAD
            await documents.beat("w", [sign()])
            assert await said(client) == ("live", "")


async def test_a_stream_says_that_its_view_is_too_far_behind(tmp_path: Path) -> None:
    """Where the settings say how far it may be."""
    async with left(tmp_path, Settings(lag_limit=30.0)) as (service, documents):
        await documents.beat("w", [sign(lag=60.0)])
        async with listening(service, "/books/emma") as client:
            assert await said(client) == ("behind", "the view is further behind than it should be")
            await documents.beat("w", [sign()])
            assert await said(client) == ("live", "")


async def test_a_stream_says_that_who_kept_its_view_up_to_date_has_failed(tmp_path: Path) -> None:
    """By the last sign of life."""
    async with left(tmp_path) as (service, documents):
        await documents.beat("w", [sign("failed")])
        async with listening(service, "/books/emma") as client:
            assert (await said(client))[0] == "failed"


async def test_a_dead_view_is_told_before_what_is_held_back_of_it(tmp_path: Path) -> None:
    """Nothing can be freed while nobody is there; then it is told what is held back."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with stocked(url) as (opened, _):
        head = await stained(opened, "emma")
    async with query_service(library, url) as service, listening(service, "/books/emma") as client:
        assert await said(client) == DEAD
        async with library.open(url):
            assert await said(client) == ("parked", f"the document stopped before event {head}")


async def test_a_view_lives_as_soon_as_its_app_is_open(tmp_path: Path) -> None:
    """Also one that stands still: for who asks whether to send requests, and for streams."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with stocked(url):
        pass
    async with library.open(url) as opened, query_service(library, url) as service:
        assert (await get(service, "/readyz")).status == 200
        async with listening(service, "/books/emma") as client:
            assert (await client.next()).event == "document"
            await opened.record(Returned(book="emma"))
            assert (await client.next()).event == "document"  # and nothing was said in between


async def test_a_stream_of_what_was_never_built_is_not_live(tmp_path: Path) -> None:
    """Its list is empty, which says nothing of what there is."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with shelves().open(url), query_service(library, url) as service, listening(service, "/books") as client:
        assert (await client.next()).data == []
        assert await said(client) == ("unavailable", "nothing was built of the view yet")


async def test_who_has_just_begun_is_not_taken_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sign of life comes a moment after the first documents."""
    monkeypatch.setattr(pulse, "NEWBORN_SECONDS", 60.0)
    async with left(tmp_path) as (service, documents), listening(service, "/books/emma") as client:
        assert (await client.next()).event == "document"
        await documents.beat("w", [sign("failed")])
        assert (await said(client))[0] == "failed"  # and nothing before
