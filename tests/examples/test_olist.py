"""The importer on Olist's real orders, checked against the files by plain csv and decimal.

The data may not be part of this repository. It is looked for in the folder that STORIED_OLIST names, else beside
the checkout in shared/data/olist.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storied import Occurred, OpenApp
from storied.examples.shop import app
from storied.examples.shop.importer import import_olist
from storied.examples.shop.views import OrderPage
from tests.examples.bookkeeping import Books, Row
from tests.examples.logs import content

FOLDER = Path(os.environ.get("STORIED_OLIST") or Path(__file__).parents[3] / "shared" / "data" / "olist")
BRAZIL = ZoneInfo("America/Sao_Paulo")

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
    """A store with everything imported."""
    store = f"sqlite:///{tmp_path_factory.mktemp('olist') / 'olist.db'}"
    asyncio.run(import_olist(FOLDER, store))
    return store


async def every_page(shop: OpenApp) -> list[OrderPage]:
    """All pages, one find after another."""
    pages: list[OrderPage] = []
    cursor: str | None = None
    while True:
        found = await shop.find(OrderPage, limit=10_000, cursor=cursor)
        pages.extend(found)
        if found.cursor is None:
            return pages
        cursor = found.cursor


async def test_every_order_ends_with_the_status_of_its_row(url: str, books: Books) -> None:
    """Each order's page shows what the status column says, and the index counts the same."""
    async with app.open(url) as shop:
        assert {page.order: page.status for page in await every_page(shop)} == books.statuses()
        assert await shop.count(OrderPage, by="status") == Counter(books.statuses().values())


async def test_every_page_shows_its_items_and_payments(url: str, books: Books) -> None:
    """Item counts, the sum of items and freight, and the sum of payments are those of the rows, to the cent."""
    async with app.open(url) as shop:
        pages = await every_page(shop)
    assert {page.order: (len(page.items), page.total, len(page.payments), page.paid) for page in pages} == {
        order: (len(books.items[order]), books.owed(order), len(books.payments[order]), books.paid(order))
        for order in books.statuses()
    }


async def test_every_review_is_kept(url: str, books: Books) -> None:
    """Each row of the reviews is on its order's page, with score and words as they were written."""
    async with app.open(url) as shop:
        pages = await every_page(shop)
    shown = sorted((p.order, r.review, r.score, r.title, r.message) for p in pages for r in p.reviews)
    assert shown == sorted(
        (
            order,
            row["review_id"],
            int(row["review_score"]),
            row["review_comment_title"],
            row["review_comment_message"],
        )
        for order, rows in books.reviews.items()
        for row in rows
    )


@pytest.mark.parametrize("time", ["2017-01-01 00:00:00", "2017-11-25 12:00:00", "2018-05-01 00:00:00"])
async def test_the_past_is_what_had_happened_by_then(url: str, books: Books, time: str) -> None:
    """Counting by status as of a time counts each order by the furthest it had come, worked out from the columns."""
    async with app.open(url) as shop:
        then = Occurred(datetime.fromisoformat(time).replace(tzinfo=BRAZIL))
        assert await shop.count(OrderPage, by="status", at=then) == books.counts_at(time)


PLACED, APPROVED, SHIPPED, DELIVERED = (
    "order_purchase_timestamp",
    "order_approved_at",
    "order_delivered_carrier_date",
    "order_delivered_customer_date",
)


def before(earlier: datetime | None, later: datetime | None) -> bool:
    """Whether both are known and in this order."""
    return earlier is not None and later is not None and earlier < later


@pytest.mark.parametrize(
    ("on_page", "in_row"),
    [
        pytest.param(lambda p: before(p.shipped_at, p.placed_at), lambda r: "" < r[SHIPPED] < r[PLACED], id="foretold"),
        pytest.param(
            lambda p: before(p.shipped_at, p.approved_at), lambda r: "" < r[SHIPPED] < r[APPROVED], id="shipped early"
        ),
        pytest.param(
            lambda p: before(p.delivered_at, p.approved_at), lambda r: "" < r[DELIVERED] < r[APPROVED], id="hasty"
        ),
        pytest.param(
            lambda p: before(p.delivered_at, p.shipped_at), lambda r: "" < r[DELIVERED] < r[SHIPPED], id="backwards"
        ),
        pytest.param(
            lambda p: p.status == "canceled" and p.delivered_at is not None,
            lambda r: r["order_status"] == "canceled" and r[DELIVERED] != "",
            id="cancelled yet delivered",
        ),
        pytest.param(lambda p: p.approved_at is None, lambda r: r[APPROVED] == "", id="never approved"),
    ],
)
async def test_irregular_rows_are_kept(
    url: str, books: Books, on_page: Callable[[OrderPage], bool], in_row: Callable[[Row], bool]
) -> None:
    """The orders whose times run crosswise, or that lack one, are those of the files, and there are some."""
    async with app.open(url) as shop:
        found = {page.order for page in await every_page(shop) if on_page(page)}
    assert found == {row["order_id"] for row in books.orders if in_row(row)}
    assert found


async def test_a_delivery_without_a_time_is_dated_by_the_last_one_known(url: str, books: Books) -> None:
    """An order that is delivered, nobody knows when, was delivered when it was last heard of."""
    orders = [r["order_id"] for r in books.orders if r["order_status"] == "delivered" and not r[DELIVERED]]
    async with app.open(url) as shop:
        pages = [page for page in await every_page(shop) if page.order in orders]
    assert [page.delivered_at == page.shipped_at for page in pages] == [True] * len(orders)


async def test_a_killed_import_goes_on_without_doubling(url: str, tmp_path: Path) -> None:
    """Killed by SIGKILL somewhere and started again, it leaves the log of an import without an accident."""
    killed = f"sqlite:///{tmp_path / 'killed.db'}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "storied.examples.shop.importer", str(FOLDER), "--store", killed),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(b"storing: ") and not line.startswith(b"storing: 0 "):
            break
    process.kill()
    await process.wait()
    held, _ = await content(killed)
    summary = await import_olist(FOLDER, killed)
    assert 0 < held < summary.events
    assert summary.stored == summary.events - held
    assert await content(killed) == await content(url)
