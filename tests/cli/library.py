"""A small app for the tests of the command line: books that are lent and come back."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from storied import App, Command, Entity, Event, Id, Recorded, Rejected, View, on


class Shelf(Enum):
    """Where a book stands."""

    OPEN = "open"
    CLOSED = "closed"


class BookBought(Event):
    book: Id
    price: Decimal
    shelf: Shelf = Shelf.OPEN


class BookLent(Event):
    book: Id
    reader: Id
    due: date


class BookReturned(Event):
    book: Id


class ReaderJoined(Event):
    reader: Id


class Book(Entity):
    bought: bool = False
    reader: str | None = None

    @on
    def was_bought(self, event: BookBought) -> None:
        self.bought = True

    @on
    def lent(self, event: BookLent) -> None:
        self.reader = event.reader

    @on
    def returned(self, event: BookReturned) -> None:
        self.reader = None


class Stock(Entity, tag=None):
    books: int = 0

    @on
    def bought(self, event: BookBought) -> None:
        self.books += 1


class LendBook(Command):
    book: Id
    reader: Id
    due: date


class CountStock(Command):
    pass


app = App("library")


@app.command()
def lend(command: LendBook, book: Book) -> BookLent:
    """Lends a book that is there."""
    if not book.bought or book.reader is not None:
        raise Rejected("not-there", f"book {command.book} is not there. Ask for another.")
    return BookLent(book=command.book, reader=command.reader, due=command.due)


@app.command()
def count(command: CountStock, stock: Stock) -> None:
    """Counts, which changes nothing."""


@app.view()
class BookPage(View, indexes=["reader", "price", "shelf", "due", "lent", "loans", "bought_at"]):
    book: Id
    reader: str | None = None
    price: Decimal = Decimal(0)
    shelf: Shelf = Shelf.OPEN
    due: date | None = None
    lent: bool = False
    loans: int = 0
    bought_at: datetime | None = None

    @on
    def bought(self, event: BookBought, record: Recorded) -> None:
        self.price, self.shelf, self.bought_at = event.price, event.shelf, record.occurred_at

    @on
    def was_lent(self, event: BookLent) -> None:
        self.reader, self.due, self.lent, self.loans = event.reader, event.due, True, self.loans + 1

    @on
    def returned(self, event: BookReturned) -> None:
        self.reader, self.due, self.lent = None, None, False


@app.view()
class ReaderPage(View, indexes=["limit"]):
    reader: Id
    limit: int = 3

    @on
    def joined(self, event: ReaderJoined) -> None:
        if self.reader == "r-broken":
            raise ValueError("this reader cannot be")
