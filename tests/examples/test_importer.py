"""The importer on a dozen made-up orders, one for each thing that real rows do."""

from __future__ import annotations

import gzip
import signal
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storied import Occurred, Rejected
from storied.examples.shop import app, importer
from storied.examples.shop.importer import import_olist
from storied.examples.shop.olist import facts, local, read_folder
from storied.examples.shop.views import CustomerOverview, OrderPage, SellerMonth
from tests.examples.bookkeeping import Books
from tests.examples.logs import content, import_killed
from tests.examples.small_olist import write_small_olist

BRAZIL = ZoneInfo("America/Sao_Paulo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the five files."""
    (tmp_path / "files").mkdir()
    return write_small_olist(tmp_path / "files")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store that is not there yet."""
    return f"sqlite:///{tmp_path / 'olist.db'}"


async def test_every_order_ends_with_the_status_of_its_row(folder: Path, url: str) -> None:
    """However crosswise its times are, an order's page shows what the status column says."""
    await import_olist(folder, url)
    async with app.open(url) as shop:
        pages = await shop.find(OrderPage, limit=100)
    assert {page.order: page.status for page in pages} == Books(folder).statuses()


async def test_pages_show_every_item_and_payment(folder: Path, url: str) -> None:
    """Sums and counts are those of the rows, also without items, with several payments, and with one of nothing."""
    books = Books(folder)
    await import_olist(folder, url)
    async with app.open(url) as shop:
        pages = await shop.find(OrderPage, limit=100)
    shown = {page.order: (len(page.items), page.total, len(page.payments), page.paid) for page in pages}
    assert shown == {
        order: (len(books.items[order]), books.owed(order), len(books.payments[order]), books.paid(order))
        for order in books.statuses()
    }


@pytest.mark.parametrize("time", ["2017-05-06 12:00:00", "2017-06-05 00:00:00", "2017-06-09 09:00:00"])
async def test_the_past_is_what_had_happened_by_then(folder: Path, url: str, time: str) -> None:
    """Counting by status as of a time counts each order by the furthest it had come."""
    await import_olist(folder, url)
    async with app.open(url) as shop:
        then = Occurred(datetime.fromisoformat(time).replace(tzinfo=BRAZIL))
        assert await shop.count(OrderPage, by="status", at=then) == Books(folder).counts_at(time)


async def test_payments_happen_at_the_approval(folder: Path, url: str) -> None:
    """They have no time of their own: it is that of the approval, and where there was none that of the order."""
    await import_olist(folder, url)
    async with app.open(url) as shop:
        pages = await shop.find(OrderPage, limit=100)
    rows = {row["order_id"]: row for row in Books(folder).orders}
    shown = {page.order: {str(p.at.astimezone(BRAZIL))[:19] for p in page.payments} for page in pages}
    assert shown == {
        order: {row["order_approved_at"] or row["order_purchase_timestamp"]} for order, row in rows.items()
    }


async def test_reviews_are_kept_as_they_are(folder: Path, url: str) -> None:
    """Two reviews of one order are both on its page, one review of two orders is on both, line ends stay."""
    await import_olist(folder, url)
    async with app.open(url) as shop:
        pages = {page.order: page for page in await shop.find(OrderPage, limit=100)}
    assert [(r.review, r.score) for r in pages["usual"].reviews] == [("r-1", 5), ("r-2", 1)]
    assert pages["usual"].reviews[1].message == 'quebrou "logo"\r\ndepois'
    assert [pages[order].reviews[0].review for order in ("hasty", "backwards")] == ["r-3", "r-3"]


async def test_a_person_with_two_orders_is_one_customer_who_moved(folder: Path, url: str) -> None:
    """customer_unique_id is the customer; the newest order says where they live."""
    await import_olist(folder, url)
    async with app.open(url) as shop:
        customer = await shop.get(CustomerOverview, "p-1")
        moved = [record.type async for record in shop.history("customer:p-1") if record.type.startswith("Customer")]
    assert customer is not None
    assert (customer.orders, customer.state, customer.last_order) == (2, "RJ", "again")
    assert (customer.spent, customer.average_score) == (Decimal("149.85"), 3.0)
    assert moved == ["CustomerRegistered", "CustomerMoved"]


async def test_a_month_of_a_seller_has_its_own_document(folder: Path, url: str) -> None:
    """Sales are counted in the month of the order, and cancelled ones beside them."""
    await import_olist(folder, url)
    async with app.open(url) as shop:
        may = await shop.get(SellerMonth, "seller-2/2017-05")
        june = await shop.get(SellerMonth, "seller-1/2017-06")
    assert may is not None
    assert june is not None
    assert (may.orders, may.pieces, may.sales, may.freight) == (1, 1, Decimal("39.90"), Decimal("10.05"))
    assert (june.orders, june.cancelled) == (5, Decimal("39.90"))


def test_facts_come_in_the_order_of_their_times(folder: Path) -> None:
    """Over all orders together, nothing is told before what happened before it."""
    times = [fact.occurred_at for fact in facts(read_folder(folder))]
    assert times == sorted(time for time in times if time is not None)


def test_a_local_time_that_was_skipped_is_read_as_the_clock_showed_it() -> None:
    """On the night summer time began, half past midnight was half past one."""
    assert local("2017-10-15 00:30:00").isoformat() == "2017-10-15T01:30:00-02:00"


def test_a_local_time_that_came_twice_means_the_first() -> None:
    """On the night summer time ended, the hour before midnight is taken to be still in summer."""
    assert local("2018-02-17 23:30:00") == datetime(2018, 2, 18, 1, 30, tzinfo=UTC)


async def test_importing_again_stores_nothing(folder: Path, url: str) -> None:
    """A finished import is recognised by its batches, also when the files have been packed since."""
    first = await import_olist(folder, url)
    for file in list(folder.iterdir()):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    second = await import_olist(folder, url)
    assert (first.stored, second.stored) == (first.events, 0)
    assert first.position == second.position == first.events


async def test_other_files_are_refused(folder: Path, url: str) -> None:
    """A changed file would store everything a second time, so it wants a store of its own."""
    await import_olist(folder, url)
    reviews = folder / "olist_order_reviews_dataset.csv"
    reviews.write_text(reviews.read_text(encoding="utf-8").replace("gostei", "adorei"), encoding="utf-8")
    events, _ = await content(url)
    with pytest.raises(Rejected, match="Import them into a new store"):
        await import_olist(folder, url)
    assert (await content(url))[0] == events


async def test_a_killed_import_goes_on_where_it_stopped(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGKILL half way, a second run stores the rest, and the log is that of an import without an accident."""
    assert await import_killed(folder, url, 7) == -signal.SIGKILL
    before, _ = await content(url)
    monkeypatch.setattr(importer, "BATCH", 7)
    resumed = await import_olist(folder, url)
    assert 0 < before < resumed.events
    assert resumed.stored == resumed.events - before
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    await import_olist(folder, whole)
    assert await content(url) == await content(whole)


async def test_a_missing_file_is_named(tmp_path: Path, url: str) -> None:
    """Without a file nothing is imported, and the error says which one and what should be there."""
    with pytest.raises(FileNotFoundError, match=r"olist_orders_dataset\.csv, neither plain nor \.gz"):
        await import_olist(tmp_path, url)


def test_the_program_says_what_it_did(folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells the progress in plain lines where there is no terminal, then the sums and what to type next."""
    assert importer.main([str(folder), "--store", url]) == 0
    told = capsys.readouterr().out
    assert "storing: 0 of" in told
    assert "16 orders make" in told
    assert f"storied history order:usual --store {url}\n" in told


def test_the_program_fails_with_a_sentence(tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What goes wrong is one sentence and a 1, not a traceback."""
    assert importer.main([str(tmp_path), "--store", url]) == 1
    assert "nothing more was imported" in capsys.readouterr().err


def test_the_program_takes_a_bare_path(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the command line does, and as it is typed again afterwards."""
    assert importer.main([str(folder), "--store", str(tmp_path / "a b.db")]) == 0
    assert (tmp_path / "a b.db").exists()
    assert "16 orders make" in capsys.readouterr().out


def test_an_interrupted_program_says_how_to_go_on(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends it with a sentence and 130, and the same call resumes it."""
    with monkeypatch.context() as patched:
        patched.setattr(importer, "follow_views", _interrupt)
        assert importer.main([str(folder), "--store", url]) == 130
    assert "Type the same again" in capsys.readouterr().err
    assert importer.main([str(folder), "--store", url]) == 0
    assert " 0 of them stored now" in capsys.readouterr().out


async def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
