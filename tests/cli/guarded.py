"""The library with rules: a reader sees what they have borrowed, a clerk everything, and an operator operates."""

from storied import OPERATIONS, App
from storied.services.identity import ApiKeys, new_key
from tests.cli.library import Book, BookPage, count, lend

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

unverified = App("unverified")
unverified.view()(BookPage)
unverified.allow(BookPage, to="clerk")
