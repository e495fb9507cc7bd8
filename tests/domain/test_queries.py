"""Query functions: what can be one, and what it is asked with."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from storied import App, DefinitionError, Event, Id, InvalidQuery, Principal, Reader, View, on
from storied.errors import AccessDenied

app = App("books")


class Sold(Event):
    book: Id
    author: str


class Book(View, indexes=["author"]):
    book: Id
    author: str = ""
    sold: int = 0

    @on
    def sale(self, event: Sold) -> None:
        self.author = event.author
        self.sold += 1


app.view()(Book)


@app.query("GET /authors/{author}/sold")
async def sold(views: Reader, author: str, least: int = 0) -> int:
    """How many books of the author were sold."""
    return sum(book.sold for book in await views.find(Book, author=author) if book.sold >= least)


@app.query()
async def best(views: Reader, authors: list[str]) -> str:
    """The author who sold most."""
    counts = {author: await views.ask(sold, author=author) for author in authors}
    return max(counts, key=lambda author: int(counts[author]))


async def test_a_query_is_asked_in_code() -> None:
    """It is given the views, which have seen what its caller wrote."""
    async with app.open("memory://") as opened:
        receipt = await opened.record(*(Sold(book=b, author=a) for b, a in ("ax", "by", "cx")))
        assert await opened.ask(sold, author="x", after=receipt.position) == 2
        assert await opened.ask(best, authors=["x", "y"]) == "x"
        assert await sold(opened.reader, "y") == 1


@pytest.mark.parametrize("arguments", [{}, {"author": "x", "most": 1}, {"autor": "x"}])
async def test_other_arguments_are_refused(arguments: dict[str, Any]) -> None:
    """What is missing or made up is named, with what there is."""
    async with app.open("memory://") as opened:
        with pytest.raises(InvalidQuery, match="author"):
            await opened.ask(sold, **arguments)


def test_the_app_knows_its_queries() -> None:
    """Their routes, and their parameters with types."""
    query = app.queries[sold]
    assert query.routes == ("GET /authors/{author}/sold",)
    assert [(p.name, p.type, p.required) for p in query.parameters] == [("author", str, True), ("least", int, False)]
    assert query.returns is int


def not_async(views: Reader) -> int:
    """A plain function."""
    return 1


async def no_reader(since: date) -> int:
    """Nothing to read with."""
    return 1


async def two_readers(views: Reader, more: Reader) -> int:
    """One too many."""
    return 1


async def no_type(views: Reader, since) -> int:  # type: ignore[no-untyped-def]
    """A parameter of any type."""
    return 1


async def stars(views: Reader, *names: str) -> int:
    """Any number of parameters."""
    return 1


async def slash(views: Reader, name: str, /) -> int:
    """A parameter without a name."""
    return 1


async def two_askers(views: Reader, who: Principal, whom: Principal | None) -> int:
    """One too many."""
    return 1


async def mine(views: Reader, who: Principal, least: int = 0) -> str:
    """Knows who asks."""
    return f"{who.id}>{least}"


async def anybodys(views: Reader, who: Principal | None) -> str:
    """Knows whether somebody known asks."""
    return who.id if who else "-"


async def test_a_query_is_told_who_asks() -> None:
    """In code by its caller; who has to be known, and is not, is refused."""
    own = App("own")
    own.query("GET /mine")(mine)
    own.query()(anybodys)
    async with own.open("memory://") as opened:
        assert await opened.ask(mine, who=Principal("anna"), least=2) == "anna>2"
        assert [await opened.ask(anybodys), await opened.ask(anybodys, who=Principal("ben"))] == ["-", "ben"]
        with pytest.raises(AccessDenied) as denied:
            await opened.ask(mine)
        assert denied.value.code == "unauthenticated"
        with pytest.raises(InvalidQuery, match="It takes least"):
            await opened.ask(mine, who=Principal("anna"), most=1)


def test_who_asks_is_nothing_that_a_path_could_say() -> None:
    """It is what the verifier has found."""
    with pytest.raises(DefinitionError, match="has who, for which"):
        App("bad").query("GET /of/{who}")(mine)


@pytest.mark.parametrize("function", [not_async, no_reader, two_readers, two_askers, no_type, stars, slash])
def test_what_cannot_be_asked_is_refused(function: Any) -> None:
    """It is found when it is registered."""
    with pytest.raises(DefinitionError, match=function.__name__):
        App("bad").query()(function)


@pytest.mark.parametrize("route", ["POST /sold", "/sold", "GET /authors/{writer}"])
def test_a_route_that_does_not_fit_is_refused(route: str) -> None:
    """It is a GET, and what it has in braces is a parameter of the function."""
    with pytest.raises(DefinitionError):
        App("bad").query(route)(sold)
