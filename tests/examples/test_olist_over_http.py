"""Olist's real orders over HTTP, from a query service of its own, compared with what the files say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from storied.examples.shop import app
from storied.examples.shop.importer import import_olist
from storied.services.queries import query_service
from tests.examples.bookkeeping import Books
from tests.examples.test_olist import FOLDER
from tests.services.serving import served

pytestmark = [
    pytest.mark.skipif(
        not any(FOLDER.glob("olist_orders_dataset.csv*")),
        reason=f"Olist's files are not in {FOLDER}; set STORIED_OLIST to the folder that holds them",
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def books() -> Books:
    """What the files say."""
    return Books(FOLDER)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with everything imported, and every view up to date."""
    store = f"sqlite:///{tmp_path_factory.mktemp('olist') / 'olist.db'}"

    async def fill() -> None:
        await import_olist(FOLDER, store)
        async with app.open(store) as shop:
            for view in app.views.values():
                await shop.wait(view, await shop.store.head(), timeout=300)

    asyncio.run(fill())
    return store


@asynccontextmanager
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a query service over the read models alone."""
    async with served(query_service(app, url)) as http:
        http.timeout = httpx.Timeout(300)
        yield http


async def everything(http: httpx.AsyncClient, target: str) -> list[dict[str, Any]]:
    """All documents of a list, page after page along its links."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await http.get(target)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        if "next" not in answer.links:
            return found
        target = str(answer.url.join(answer.links["next"]["url"]))


async def test_every_order_is_served_as_the_files_have_it(url: str, books: Books) -> None:
    """Status, number of items, sums of items and of payments: by lists, and each of some alone, as the same bytes."""
    async with client(url) as http:
        pages = await everything(http, "/orders?limit=1000")
        assert {page["order"]: page["status"] for page in pages} == books.statuses()
        assert {
            page["order"]: (len(page["items"]), Decimal(page["total"]), len(page["payments"]), Decimal(page["paid"]))
            for page in pages
        } == {
            order: (len(books.items[order]), books.owed(order), len(books.payments[order]), books.paid(order))
            for order in books.statuses()
        }
        for page in pages[::500]:
            assert (await http.get(f"/orders/{page['order']}")).json() == page


@pytest.mark.parametrize("status", ["delivered", "canceled", "shipped", "unavailable"])
async def test_a_filter_finds_what_the_column_says(url: str, books: Books, status: str) -> None:
    """By equality, and with a bound on the sum beside it."""
    wanted = [order for order, found in books.statuses().items() if found == status]
    async with client(url) as http:
        pages = await everything(http, f"/orders?status={status}&limit=1000")
        assert sorted(page["order"] for page in pages) == sorted(wanted)
        dear = await everything(http, f"/orders?status={status}&total.ge=500&sort=-total&limit=1000")
    sums = [Decimal(page["total"]) for page in dear]
    assert sums == sorted((books.owed(order) for order in wanted if books.owed(order) >= 500), reverse=True)


@pytest.mark.parametrize("time", ["2017-01-01 00:00:00", "2017-11-25 12:00:00", "2018-05-01 00:00:00"])
async def test_the_past_over_http_is_what_had_happened_by_then(url: str, books: Books, time: str) -> None:
    """Each order as far as it had come at a moment in Brazil, worked out from the columns; in lists and alone."""
    zone = "-02:00" if time < "2017-02-19" or "2017-10-15" <= time < "2018-02-18" else "-03:00"  # summer time
    at = f"occurred:{time.replace(' ', 'T')}{zone}"
    async with client(url) as http:
        pages = await everything(http, f"/orders?limit=1000&at={at}")
        assert Counter(page["status"] for page in pages) == books.counts_at(time)
        for page in pages[:: max(1, len(pages) // 20)]:
            answer = await http.get(f"/orders/{page['order']}", params={"at": at})
            assert answer.json() == page


async def test_a_history_tells_how_an_order_became_what_it_is(url: str, books: Books) -> None:
    """The changes of its events, one upon the other, give the document that is served."""
    orders = [row["order_id"] for row in books.orders if row["order_status"] == "delivered"][:20]
    async with client(url) as http:
        for order in orders:
            page = (await http.get(f"/orders/{order}")).json()
            entries = (await http.get(f"/orders/{order}/history")).json()
            document: dict[str, Any] = {}
            for entry in entries:
                for change in entry["changes"]:
                    _put(document, change["path"].split("/")[1:], change.get("after"))
            assert document == page


def _put(value: Any, path: list[str], after: Any) -> None:
    """Puts what stands there after an event at its place."""
    *way, last = path
    for name in way:
        value = value[int(name)] if isinstance(value, list) else value[name]
    if isinstance(value, list) and int(last) == len(value):
        value.append(after)
    else:
        value[int(last) if isinstance(value, list) else last] = after
