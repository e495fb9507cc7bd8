"""Views are held against a fresh fold of the log: documents, index values, and which log they are of."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import apsw
import pytest

from storied.engines.opening import open_documents, open_log
from storied.engines.sqlite.store import SqliteStore
from storied.operating.comparing import ATTEMPTS
from storied.operating.verifying import Verified, ViewsToVerify, verify
from tests.cli.library import BookBought, BookLent, BookPage, ReaderJoined, ReaderPage, app


async def build(folder: Path) -> None:
    """A store whose views have seen everything; one reader's page is parked."""
    async with app.open(f"sqlite:///{folder}/a.db") as opened:
        for number in range(12):
            await opened.record(BookBought(book=f"b-{number}", price=Decimal(f"{number}.90")))
        await opened.record(BookLent(book="b-3", reader="r-1", due=date(2020, 1, 1)), ReaderJoined(reader="r-1"))
        receipt = await opened.record(ReaderJoined(reader="r-broken"), ReaderJoined(reader="r-2"))
        await opened.wait(BookPage, receipt.position)
        await opened.wait(ReaderPage, receipt.position)


async def verified(folder: Path, *views: type[BookPage | ReaderPage]) -> Verified:
    """What is found."""
    url = f"sqlite:///{folder}/a.db"
    async with open_log(url) as store, open_documents(url) as documents:
        return await verify(store, views=ViewsToVerify(views or (BookPage, ReaderPage), documents))


def change(folder: Path, sql: str) -> None:
    """Another hand has changed the views; `book_pages` stands for the table of one."""
    connection = apsw.Connection(f"{folder}/a.views.db")
    tables = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    [book] = [name for name in tables if name.startswith("view_BookPage")]
    connection.execute(sql.replace("book_pages", f'"{book}"'))
    connection.close()


async def test_views_that_are_as_the_log_says_have_no_fault(tmp_path: Path) -> None:
    """A parked document is left out, and counted."""
    await build(tmp_path)
    found = await verified(tmp_path)
    assert found.ok
    assert found.views == {
        "BookPage": "12 documents at position 16",
        "ReaderPage": "2 documents at position 16, 1 parked",
    }


@pytest.mark.parametrize(
    ("sql", "key", "wrong"),
    [
        (
            "UPDATE book_pages SET document = replace(document, '4.90', '4.91') WHERE key = 'b-4'",
            "b-4",
            "is not what the log says",
        ),
        ("DELETE FROM book_pages WHERE key = 'b-7'", "b-7", "is missing"),
        ("UPDATE book_pages SET key = 'b-99' WHERE key = 'b-7'", "b-7", "is missing"),
        (
            "INSERT INTO book_pages SELECT 'b-0a', document, by_reader, by_price, by_shelf, by_due, by_lent, by_loans, "
            "by_bought_at FROM book_pages WHERE key = 'b-1'",
            "b-0a",
            "should not be there",
        ),
        ("UPDATE book_pages SET by_price = NULL WHERE key = 'b-2'", "b-2", "is not indexed under its price"),
        ("UPDATE book_pages SET by_loans = 7 WHERE key IN ('b-2', 'b-5')", "b-2", "is not indexed under its loans"),
    ],
)
async def test_the_first_wrong_document_is_named(tmp_path: Path, sql: str, key: str, wrong: str) -> None:
    """By its view and its key, in the keys' order."""
    await build(tmp_path)
    change(tmp_path, sql)
    found = await verified(tmp_path)
    assert found.first is not None
    assert (found.first.kind, found.first.view, found.first.key) == ("view", "BookPage", key)
    assert found.first.message == f"view BookPage at position 16: document {key} {wrong}"


async def test_a_view_of_another_log_is_told(tmp_path: Path) -> None:
    """As after a restore: the views are ahead of the log, or of another one."""
    await build(tmp_path)
    for name in ("a.db", "a.db-wal", "a.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    found = await verified(tmp_path)
    assert found.counts == {"view": 2}
    assert found.views["BookPage"] == "made from another log"


async def test_views_that_were_never_built_are_no_fault(tmp_path: Path) -> None:
    """There is nothing to be wrong."""
    async with app.open(f"sqlite:///{tmp_path}/a.db", views=False) as opened:
        await opened.record(BookBought(book="b-1", price=Decimal(1)))
    found = await verified(tmp_path)
    assert found.ok
    assert set(found.views.values()) == {"not built yet"}


async def test_a_view_of_other_code_is_not_compared(tmp_path: Path) -> None:
    """It will be built anew beside the one that is served."""
    await build(tmp_path)
    change(tmp_path, "UPDATE edition SET definition = replace(definition, '\"price\"', '\"cost\"')")
    found = await verified(tmp_path)
    assert found.ok
    assert found.views["BookPage"] == "made by other code, so not compared"


async def test_views_that_cannot_be_read_are_a_fault(tmp_path: Path) -> None:
    """And the check of the log is not lost over it."""
    await build(tmp_path)
    change(tmp_path, "DROP TABLE book_pages")
    found = await verified(tmp_path)
    assert found.counts == {"view": 1}
    assert found.views["BookPage"] == "cannot be read"
    assert found.events == 16


async def test_a_view_that_moves_on_meanwhile_is_read_again(tmp_path: Path) -> None:
    """Until all of it is of one moment, and not for ever."""
    await build(tmp_path)
    url = f"sqlite:///{tmp_path}/a.db"
    async with app.open(url) as opened, open_documents(url) as documents:
        assert isinstance(opened.store, SqliteStore)
        for moves, ok in ((3, True), (ATTEMPTS * 10, False)):
            left = moves
            find = documents.find

            async def moving(*arguments: object, find: object = find, moves: int = moves) -> object:
                nonlocal left
                if left:
                    left -= 1
                    receipt = await opened.record(BookBought(book=f"b-{moves}-{left}", price=Decimal(1)))
                    await opened.wait(BookPage, receipt.position)
                return await find(*arguments)  # type: ignore[operator]

            documents.find = moving  # type: ignore[method-assign,assignment]
            found = await verify(opened.store, views=ViewsToVerify((BookPage,), documents))
            documents.find = find  # type: ignore[method-assign]
            assert found.ok is ok
            assert found.views["BookPage"].startswith("15 documents at position 19" if ok else "cannot be read")
