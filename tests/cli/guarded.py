"""The library with rules: a reader sees what they have borrowed, a clerk everything, and an operator operates."""

from storied import OPERATIONS, App, Id, View, on
from storied.services.access.identity import ApiKeys, new_key
from tests.cli.library import Book, BookBought, BookLent, BookPage, count, lend

READER, _reader = new_key("r-1", ["reader"])
CLERK, _clerk = new_key("carl", ["clerk"])
OPERATOR, _operator = new_key("otto", ["operator"])

app = App("guarded")
app.command()(lend)
app.command()(count)
app.view()(BookPage)
app.verifier = ApiKeys([_reader, _clerk, _operator])
app.allow(BookPage, to="reader", where=lambda principal: {"reader": principal.id})
app.allow(BookPage, to="clerk")
app.allow(Book, to="clerk")
app.allow(OPERATIONS, to="operator")


class LoanPage(View, indexes=["reader"]):
    """Of each book who has it; the handler stops at a reader whom it does not know, and quotes them."""

    book: Id
    reader: str | None = None

    @on
    def bought(self, event: BookBought) -> None:
        """Shows that there is a book."""

    @on
    def lent(self, event: BookLent) -> None:
        if event.reader == "r-secret":
            raise ValueError(f"{event.reader} is nobody")
        self.reader = event.reader


app.view()(LoanPage)
app.allow(LoanPage, to="reader", where=lambda principal: {"reader": principal.id})
app.allow(LoanPage, to="clerk")
app.allow(LoanPage, to="reader", where=lambda principal: {"reader": principal.id}, history=True)
app.allow(LoanPage, to="clerk", history=True)

unverified = App("unverified")
unverified.view()(BookPage)
unverified.allow(BookPage, to="clerk")
