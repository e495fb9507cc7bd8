"""What is served: books of about 300 bytes as a view shows them, and a command that stores one event."""

from __future__ import annotations

from storied import App, Command, Entity, Event, Id, View, on

NOTE = "n" * 220

app = App("shelf")


class BookAdded(Event):
    """A book came."""

    book: Id
    author: str
    note: str = NOTE


class BookRead(Event):
    """Somebody has read it."""

    book: Id


class Book(Entity):
    """How often it was read."""

    times: int = 0

    @on
    def read(self, event: BookRead) -> None:
        """Counts."""
        self.times += 1


class ReadBook(Command):
    """Says that one has read it."""

    book: Id


@app.command("POST /books/{book}/readings")
def read_book(command: ReadBook, book: Book) -> BookRead:
    """It may be read any number of times."""
    return BookRead(book=command.book)


@app.view("GET /books/{book}", "GET /books")
class BookPage(View, indexes=["author"]):
    """A book as its readers see it."""

    book: Id
    author: str = ""
    note: str = ""
    times: int = 0

    @on
    def added(self, event: BookAdded) -> None:
        """Shows what came."""
        self.author, self.note = event.author, event.note

    @on
    def read(self, event: BookRead) -> None:
        """Counts its readers."""
        self.times += 1


def book_id(number: int) -> str:
    """The id of the book with this number."""
    return f"b-{number:06d}"
