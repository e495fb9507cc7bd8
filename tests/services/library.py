"""A library, whose views use every way of asking: keys, indexes of all kinds, paths, queries, and documents that go."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from storied import App, Delete, Event, Id, Reader, Recorded, View, on

library = App("library")


class Kind(Enum):
    NOVEL = "novel"
    ESSAY = "essay"


class Bought(Event):
    book: Id
    author: str
    price: Decimal
    kind: Kind = Kind.NOVEL
    published: date | None = None


class Lent(Event):
    book: Id
    reader: Id


class Returned(Event):
    book: Id


class Sold(Event):
    book: Id


class Stained(Event):
    book: Id


class Audited(Event):
    book: Id


broken = True
"""Whether the page of a stained book can be made."""


@library.view("GET /books/{book}", "GET /books", "GET /authors/{author}/books", "GET /authors/{author}/books/{book}")
class BookPage(View, indexes=["author", "price", "kind", ("reader", "lent_at"), "published", "lent_at", "times"]):
    book: Id
    author: str = ""
    price: Decimal = Decimal(0)
    kind: Kind = Kind.NOVEL
    published: date | None = None
    reader: str | None = None
    lent_at: datetime | None = None
    times: int = 0
    notes: list[str] = []

    @on
    def bought(self, event: Bought) -> None:
        self.author, self.price, self.kind, self.published = event.author, event.price, event.kind, event.published

    @on
    def lent(self, event: Lent, record: Recorded) -> None:
        self.reader, self.lent_at = event.reader, record.occurred_at
        self.times += 1

    @on
    def returned(self, event: Returned) -> None:
        self.reader = self.lent_at = None
        self.notes.append("returned")

    @on
    def sold(self, event: Sold) -> Delete:
        return Delete()

    @on
    def stained(self, event: Stained) -> None:
        if broken:
            raise ValueError("nobody knows how to show a stain")
        self.notes.append("stained")


@library.view("GET /readers/{reader}")
class ReaderCard(View):
    reader: Id
    books: list[str] = []

    @on
    def lent(self, event: Lent) -> None:
        self.books.append(event.book)


@library.query("GET /authors/{author}/worth")
async def worth(views: Reader, author: str, least: Decimal = Decimal(0), kinds: list[Kind] = []) -> dict[str, Decimal]:  # noqa: B006 - it is only read
    """What the author's books cost."""
    books = await views.find(BookPage, author=author)
    chosen = [book.price for book in books if book.price >= least and (not kinds or book.kind in kinds)]
    return {"books": Decimal(len(chosen)), "worth": sum(chosen, Decimal(0))}


@library.query("GET /cheapest")
async def cheapest(views: Reader, since: date) -> BookPage | None:
    """The cheapest book since then."""
    books = [b for b in await views.find(BookPage, order_by="price") if b.published and b.published >= since]
    return books[0] if books else None
