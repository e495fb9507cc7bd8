"""The query service: documents, lists, conditions, freshness, the past, histories and questions over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from storied import App, DefinitionError, Event, Fact, Id, InvalidQuery, OpenApp, Range, Reader, View, on
from storied.services.queries import QueryService, query_service
from storied.services.settings import Settings
from storied.services.web.cookies import cookie_of
from storied.testing.waiting import eventually
from tests.services import library as model
from tests.services.asgi import Sent, ask
from tests.services.library import Audited, BookPage, Bought, Kind, Lent, Returned, Sold, Stained, library

STOCK = (
    Bought(book="emma", author="austen", price=Decimal("9.90"), published=date(1815, 12, 23)),
    Bought(book="walden", author="thoreau", price=Decimal(12), kind=Kind.ESSAY, published=date(1854, 8, 9)),
    Bought(book="persuasion", author="austen", price=Decimal("110.00"), published=date(1817, 12, 20)),
    Bought(book="a/b c", author="nobody", price=Decimal(1)),
    Lent(book="emma", reader="r-1"),
)


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store on each engine."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"


@asynccontextmanager
async def stocked(url: str) -> AsyncIterator[tuple[OpenApp, QueryService]]:
    """A library with books, and its query service: over the read models alone where the engine can."""
    async with library.open(url) as opened:
        head = (await opened.record(*STOCK, actor="anna")).position
        for view in library.views.values():
            await opened.wait(view, head)
        async with query_service(library, opened if url == "memory://" else url) as service:
            yield opened, service


async def get(service: QueryService, target: str, **headers: str) -> Sent:
    """The answer to a GET; underscores in the names of headers are dashes."""
    return await ask(service, "GET", target, headers={n.replace("_", "-"): v for n, v in headers.items()})


def keys(answer: Sent) -> list[str]:
    """The books that a list has."""
    assert answer.status == 200, answer.body
    return [book["book"] for book in answer.json]


# --- one document ------------------------------------------------------------------------------------


async def test_a_document_is_sent_as_it_is_stored(url: str) -> None:
    """Byte for byte, with the position it stands at and a tag of its content."""
    async with stocked(url) as (opened, service):
        answer = await get(service, "/books/walden")
        page = await opened.get(BookPage, "walden")
        stored, _, _ = await opened.reader.texts.documents.get(opened.reader.texts.projector(BookPage).table, "walden")
    assert stored is not None
    assert (answer.status, answer.body) == (200, stored.encode())
    assert msgspec.json.decode(answer.body, type=BookPage) == page
    assert answer.headers["storied-position"] == "5"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-request-id"]


async def test_the_long_way_and_the_express_lane_answer_alike(url: str) -> None:
    """A request that could not take the lane gets the same bytes, status and headers."""
    async with stocked(url) as (_, service):
        plain = await get(service, "/books/walden")
        for unusual in ({"X-Request-Id": "mine"}, {"Cookie": "a=b"}, {"If-None-Match": '"x"'}):
            other = await get(service, "/books/walden", **unusual)
            for answer in (plain, other):
                answer.headers.pop("x-request-id", None)
            assert other == plain


async def test_a_key_may_hold_a_slash_and_a_blank(url: str) -> None:
    """Encoded, it is one part of the path."""
    async with stocked(url) as (_, service):
        assert (await get(service, "/books/a%2Fb%20c")).json["author"] == "nobody"


@pytest.mark.parametrize(
    "target", ["/books/nobody", "/books/%00", f"/books/{'x' * 3000}", "/authors/austen/books/walden"]
)
async def test_what_is_not_there_is_not_found(url: str, target: str) -> None:
    """Also a key that no document can have, and a document that is not where the path says."""
    async with stocked(url) as (_, service):
        answer = await get(service, target)
    assert answer.status == 404
    assert answer.json["type"] == "urn:storied:problem:not-found"


async def test_a_document_below_another_field_is_found(url: str) -> None:
    """The other parameters of the path are compared with the document."""
    async with stocked(url) as (_, service):
        assert (await get(service, "/authors/austen/books/emma")).json["book"] == "emma"


async def test_a_head_is_a_get_without_body(url: str) -> None:
    """With the length that the body would have."""
    async with stocked(url) as (_, service):
        whole = await get(service, "/books/emma")
        answer = await ask(service, "HEAD", "/books/emma")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(whole.body))
    assert answer.headers["etag"] == whole.headers["etag"]


async def test_unknown_parameters_are_refused(url: str) -> None:
    """With the names of those that mean something."""
    async with stocked(url) as (_, service):
        answer = await get(service, "/books/emma?fields=author")
    assert (answer.status, answer.json["code"], answer.json["allowed"]) == (400, "unknown-parameter", ["at"])


async def test_a_parked_document_says_so(url: str) -> None:
    """It is sent as it was, with the position of the event it stopped at; after that position it is refused."""
    async with stocked(url) as (opened, service):
        head = (await opened.record(Stained(book="emma"))).position
        await opened.wait(BookPage, head)
        answer = await get(service, "/books/emma")
        assert (answer.status, answer.headers["storied-parked"]) == (200, "6")
        refused = await get(service, "/books/emma", storied_after="6")
        assert (refused.status, refused.json["type"]) == (503, "urn:storied:problem:key-parked")
        assert (await get(service, "/books/walden", storied_after="6")).status == 200


# --- conditions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_what_the_client_has_is_not_sent_again(url: str, form: str) -> None:
    """304 without a body, with the same tag."""
    async with stocked(url) as (_, service):
        for target in ("/books/emma", "/books?author=austen", "/authors/austen/worth", "/books/emma/history"):
            tag = (await get(service, target)).headers["etag"]
            answer = await get(service, target, if_none_match=form.format(tag))
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)


async def test_a_tag_changes_with_the_bytes(url: str) -> None:
    """A document that changed has another tag; one that changed back has the first."""
    async with stocked(url) as (opened, service):
        tags = []
        for event in (Lent(book="walden", reader="r"), Returned(book="walden"), Lent(book="walden", reader="r")):
            head = (await opened.record(event)).position
            tags.append((await get(service, "/books/walden", storied_after=str(head))).headers["etag"])
        assert len(set(tags)) == 3
        answer = await get(service, "/books/walden", if_none_match=tags[0])
        assert answer.status == 200


# --- lists -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a/b c", "emma", "persuasion", "walden"]),
        ("author=austen", ["emma", "persuasion"]),
        ("author.eq=austen&price.lt=100", ["emma"]),
        ("price.ge=9.9&price.le=12", ["emma", "walden"]),
        ("price=12.00", ["walden"]),
        ("kind=essay", ["walden"]),
        ("published.ge=1817-01-01", ["persuasion", "walden"]),
        ("published.null=true", ["a/b c"]),
        ("reader=r-1", ["emma"]),
        ("reader.null=true&sort=-price&limit=2", ["persuasion", "walden"]),
        ("times.gt=0", ["emma"]),
        ("lent_at.gt=2018-01-01", ["emma"]),
        ("lent_at.gt=2018-01-01T00:00:00+02:00", ["emma"]),
        ("sort=price", ["a/b c", "emma", "walden", "persuasion"]),
        ("sort=-book&limit=1", ["walden"]),
    ],
)
async def test_lists_are_filtered_by_indexes(url: str, query: str, expected: list[str]) -> None:
    """Each value is read as one of its field's type."""
    async with stocked(url) as (_, service):
        answer = await get(service, f"/books?{query}" if query else "/books")
        assert keys(answer) == expected
        assert answer.headers["storied-position"] == "5"


async def test_a_list_holds_the_stored_bytes(url: str) -> None:
    """It is an array of the documents as each is served alone."""
    async with stocked(url) as (_, service):
        documents = [(await get(service, f"/books/{key}")).body for key in ("emma", "persuasion")]
        assert (await get(service, "/authors/austen/books")).body == b"[" + b",".join(documents) + b"]"
        assert (await get(service, "/authors/homer/books")).body == b"[]"


async def test_a_page_behind_which_there_is_more_now_is_another(url: str) -> None:
    """Who has the same documents without a link is sent them again, with it."""
    async with stocked(url) as (opened, service):
        target = "/books?author=nobody&limit=1"
        alone = await get(service, target)
        assert "link" not in alone.headers
        await opened.wait(BookPage, (await opened.record(Bought(book="z", author="nobody", price=Decimal(1)))).position)
        answer = await get(service, target, If_None_Match=alone.headers["etag"])
        assert (answer.status, answer.body) == (200, alone.body)
        assert (await get(service, target, If_None_Match=answer.headers["etag"])).status == 304
        assert "cursor=" in answer.headers["link"]


async def test_pages_are_linked(url: str) -> None:
    """Following the links gives every document once, in order."""
    async with stocked(url) as (_, service):
        found: list[str] = []
        target: str | None = "/books?sort=-price&limit=1&price.gt=0"
        while target:
            answer = await get(service, target)
            found += keys(answer)
            link = answer.headers.get("link")
            target = f"/books{link.removeprefix('<').partition('>')[0]}" if link else None
        assert found == ["persuasion", "walden", "emma", "a/b c"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("colour=red", "unknown-parameter"),
        ("price.about=3", "unknown-parameter"),
        ("notes=returned", "not-indexed"),
        ("book=emma", "not-indexed"),
        ("sort=notes", "not-indexed"),
        ("price=cheap", "bad-parameter"),
        ("sort=-colour", "not-indexed"),
        ("sort=", "not-indexed"),
        ("sort=-", "not-indexed"),
        ("price.ge=NaN", "bad-parameter"),
        ("price=1e999999", "bad-parameter"),
        ("times=99999999999999999999999", "bad-parameter"),
        ("lent_at=0001-01-01T00:00:00%2B05:00", "bad-parameter"),
        ("kind=poem", "bad-parameter"),
        ("times=1.5", "bad-parameter"),
        ("published=yesterday", "bad-parameter"),
        ("lent_at.lt=0.5", "bad-parameter"),
        ("lent_at.lt=2018-W01-1", "bad-parameter"),
        ("price.null=false", "bad-parameter"),
        ("author=a&author=b", "bad-parameter"),
        ("price=3&price.ge=2", "bad-parameter"),
        ("limit=0", "bad-parameter"),
        ("limit=1001", "bad-parameter"),
        ("limit=-1", "bad-parameter"),
        ("cursor=abc", "bad-cursor"),
        ("cursor=", "bad-cursor"),
        ("at=tomorrow", "bad-parameter"),
        ("at=2018-01-01T00:00:00", "bad-parameter"),
        ("at=99", "future-position"),
        ("%ff=1", "bad-query"),
    ],
)
async def test_what_cannot_be_asked_is_refused(url: str, query: str, code: str) -> None:
    """400, and never a 5xx, with a code that says what is wrong."""
    async with stocked(url) as (_, service):
        answer = await get(service, f"/books?{query}")
    assert (answer.status, answer.json["code"]) == (400, code)


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        ("notes=x", "notes", "There is no filter by 'notes': it is not indexed. Ask by author, price, kind, reader, "),
        ("sort=-notes", "sort", "There is no order by 'notes': it is not indexed. Sort by book, author, price, kind, "),
        ("colour=red", "colour", "The parameter 'colour' means nothing here. There are sort, limit, cursor, at; and "),
        ("price=dear", "price", "The parameter 'price' cannot be that: 'dear' is not a number."),
        ("price=NaN", "price", "The parameter 'price' cannot be that: 'NaN' is not a number."),
        ("times=1.5", "times", "The parameter 'times' cannot be that: '1.5' is not a whole number."),
        ("kind=poem", "kind", "The parameter 'kind' cannot be that: 'poem' is not one of novel, essay."),
        ("published=x", "published", "The parameter 'published' cannot be that: 'x' is not a day such as 2018-01-01."),
        ("lent_at=5", "lent_at", "The parameter 'lent_at' cannot be that: '5' is not a time such as "),
        ("limit=0", "limit", "The parameter 'limit' cannot be that: it is a whole number from 1 to 1000."),
        (
            "reader=r&reader.null=true",
            "reader.null",
            "The parameter 'reader.null' cannot be that: of reader, reader.eq ",
        ),
        ("cursor=abc", "cursor", "The parameter 'cursor' cannot be that: it did not come with a page, so start from "),
    ],
)
async def test_a_refusal_speaks_of_the_request(query: str, parameter: str, detail: str) -> None:
    """It names the parameter, and what can be asked instead, in words that need no knowledge of the code."""
    async with stocked("memory://") as (_, service):
        answer = (await get(service, f"/books?{query}")).json
    assert answer["detail"].startswith(detail)
    assert [one["parameter"] for one in answer["errors"]] == [parameter]


async def test_a_cursor_of_another_question_is_refused(url: str) -> None:
    """It would give something, but not what was asked for."""
    async with stocked(url) as (_, service):
        link = (await get(service, "/books?limit=1")).headers["link"]
        cursor = link.partition("cursor=")[2].partition(">")[0]
        for other in ("author=austen", "at=5"):
            assert (await get(service, f"/books?{other}&limit=1&cursor={cursor}")).json["code"] == "bad-cursor"
        link = (await get(service, "/books?limit=1&at=5")).headers["link"]
        following = link.removeprefix("<").partition(">")[0]
        assert len(keys(await get(service, f"/books{following}"))) == 1


# --- questions of query functions --------------------------------------------------------------------


@asynccontextmanager
async def asking(question: Any, route: str = "GET /asked") -> AsyncIterator[QueryService]:
    """The query service of an app with this one query function."""
    app = App("asking")
    app.query(route)(question)
    async with app.open("memory://") as opened, query_service(app, opened) as service:
        yield service


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("nights=5&code=AB", 200, [5, "AB", []]),
        (
            "nights=6",
            400,
            "The parameter 'nights' cannot be that: this is too large. Give a whole number of 5 or less.",
        ),
        ("code=ABCD", 400, "The parameter 'code' cannot be that: this text is too long. Give 3 characters or fewer."),
        ("many=1&many=2", 200, [1, "A", [1, 2]]),
        (
            "many=1&many=2&many=3",
            400,
            "The parameter 'many' cannot be that: this list is too long. Give 2 items or fewer.",
        ),
        ("many=x", 400, "The parameter 'many' cannot be that: 'x' is not a whole number. Correct it."),
    ],
)
async def test_what_a_mark_says_of_a_parameter_holds(query: str, status: int, told: Any) -> None:
    """``msgspec.Meta`` binds those who ask a query as it binds those who send a command."""

    async def booked(
        views: Reader,
        nights: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1,
        code: Annotated[str, msgspec.Meta(max_length=3)] = "A",
        many: Annotated[list[int], msgspec.Meta(max_length=2)] = [],  # noqa: B006 - it is only read
    ) -> list[Any]:
        return [nights, code, many]

    async with asking(booked) as service:
        answer = await get(service, f"/asked?{query}")
    assert (answer.status, answer.json if status == 200 else answer.json["detail"]) == (status, told)


async def test_a_mark_that_cannot_be_is_found_before_anybody_asks() -> None:
    """The error names the parameter."""

    async def dear(views: Reader, least: Annotated[Decimal, msgspec.Meta(ge=0)]) -> None: ...

    with pytest.raises(DefinitionError, match=r"least of query .*dear cannot be asked for: Can only set `ge`"):
        async with asking(dear):
            pass


async def test_a_list_may_be_left_out_or_stand_several_times() -> None:
    """Also where it is None unless it is given."""

    async def sized(views: Reader, sizes: list[int] | None = None) -> list[int]:
        return sizes or []

    async with asking(sized) as service:
        answers = [(await get(service, f"/asked{query}")).json for query in ("", "?sizes=1", "?sizes=1&sizes=2")]
    assert answers == [[], [1], [1, 2]]


async def test_a_parameter_that_is_missing_is_named() -> None:
    """In a sentence of its own."""

    async def counted(views: Reader, since: date) -> int:
        return 0

    async with asking(counted) as service:
        answer = await get(service, "/asked")
    assert (answer.status, answer.json["detail"]) == (400, "The parameter 'since' is missing. Give it.")


async def test_what_is_not_live_has_no_stream(url: str) -> None:
    """A query and a history say so; who takes JSON, too, gets it."""
    async with stocked(url) as (_, service):
        for target in ("/books/emma/history", "/authors/austen/worth"):
            answer = await get(service, target, accept="text/event-stream")
            assert (answer.status, answer.json["code"]) == (406, "not-acceptable")
            assert (await get(service, target, accept="text/event-stream, application/json")).status == 200


class Searching:
    """A library with a query function that passes what it is asked with on, as the client said it or nearly so."""

    def __init__(self) -> None:
        self.app = App("searching")
        self.app._views, self.app._routes = dict(library._views), dict(library._routes)
        self.app.query("GET /search")(self.search)
        self.app.query("GET /mistaken/{how}")(self.mistaken)

    async def search(
        self,
        views: Reader,
        order: str | None = None,
        after: str | None = None,
        most: int = 2,
        by: str = "author",
        least: Decimal | None = None,
        version: int | None = None,
        since: datetime | None = None,
    ) -> list[str]:
        """What is found."""
        where = {} if least is None else {"price": Range(ge=least)}
        at = version if since is None else since
        found = await views.find(BookPage, where, order_by=order, limit=most, cursor=after, at=at)
        await views.count(BookPage, by=by)
        return [*(book.book for book in found), str(found.cursor)]

    async def mistaken(self, views: Reader, how: str, least: Decimal | None = None) -> None:
        """Asks what cannot be asked, whatever the client sends; or says so by itself."""
        match how:
            case "order":
                await views.find(BookPage, order_by="colour")
            case "limit":
                await views.find(BookPage, limit=0)
            case "range":
                await views.find(BookPage, price=Range(ge=least))
            case "value":
                await views.find(BookPage, price="dear")
            case "key":
                await views.get(BookPage, 7)  # type: ignore[arg-type]  # that is the mistake
            case "arguments":
                await views.ask(self.search, colour="red")
            case _:
                raise InvalidQuery("say how, in one word", code="unclear")


@asynccontextmanager
async def searched() -> AsyncIterator[QueryService]:
    """The query service of such a library."""
    app = Searching().app
    async with app.open("memory://") as opened:
        head = (await opened.record(*STOCK)).position
        for view in app.views.values():
            await opened.wait(view, head)
        async with query_service(app, opened) as service:
            yield service


@pytest.mark.parametrize(
    ("query", "code", "parameter", "detail"),
    [
        ("order=notes", "not-indexed", "order", "'notes' is not indexed"),
        ("order=-colour", "not-indexed", "order", "'colour' is not indexed"),
        ("by=colour", "not-indexed", "by", "'colour' is not indexed"),
        ("after=abc", "bad-cursor", "after", "it did not come with a page, so start from the first one"),
        ("most=0", "bad-parameter", "most", "it is a whole number from 1 to 10000"),
        ("most=10001", "bad-parameter", "most", "it is a whole number from 1 to 10000"),
        ("least=NaN", "bad-parameter", "least", "'NaN' is not a number"),
        ("version=99", "bad-parameter", "version", "it lies beyond the head of the log, which is 5"),
        ("version=-1", "bad-parameter", "version", "it is a whole number from 0"),
        (
            "since=2018-01-01T00:00:00",
            "bad-parameter",
            "since",
            "'2018-01-01T00:00:00' is not a time such as 2018-01-01T00:00:00Z",
        ),
        ("since=2999-01-01T00:00:00Z", "bad-parameter", "since", "it has not come yet"),
    ],
)
async def test_a_value_that_a_query_passes_on_is_the_clients(
    query: str, code: str, parameter: str, detail: str
) -> None:
    """It is told of the parameter, and in no words of the code, whatever the function calls the value."""
    async with searched() as service:
        answer = await get(service, f"/search?{query}")
    assert (answer.status, answer.json["code"]) == (400, code)
    assert answer.json["errors"] == [{"parameter": parameter, "detail": detail}]
    assert answer.json["detail"].startswith(f"The parameter '{parameter}' cannot be that: {detail}.")


async def test_a_cursor_of_another_question_of_a_query_is_the_clients() -> None:
    """Told as a list tells it, by the same code."""
    async with searched() as service:
        cursor = (await get(service, "/search")).json[-1]
        assert (await get(service, f"/search?after={cursor}")).status == 200
        answer = await get(service, f"/search?after={cursor}&order=price")
    assert (answer.status, answer.json["type"]) == (400, "urn:storied:problem:bad-cursor")
    assert answer.json["errors"][0]["parameter"] == "after"


@pytest.mark.parametrize(
    ("how", "logged"),
    [
        ("order", "view BookPage has no index on 'colour'"),
        ("limit", "limit=0 is not from 1 to 10000"),
        ("range", "the range for price has no bound. Give ge="),
        ("value", "price is Decimal, which 'dear' is not"),
        ("key", "7 cannot be a document's key"),
        ("arguments", "does not take colour"),
    ],
)
async def test_a_mistake_of_a_query_is_its_authors(how: str, logged: str, caplog: pytest.LogCaptureFixture) -> None:
    """The client is told that the server failed, and the log what to mend, and where."""
    async with searched() as service:
        answer = await get(service, f"/mistaken/{how}")
    assert (answer.status, answer.json["type"]) == (500, "urn:storied:problem:internal")
    assert b"BookPage" not in answer.body
    assert "Searching.mistaken asks what cannot be asked: " in caplog.text
    assert logged in caplog.text


async def test_a_query_may_refuse_by_itself() -> None:
    """What it raises is told as it says it."""
    async with searched() as service:
        answer = await get(service, "/mistaken/whatever")
    assert (answer.status, answer.json["code"], answer.json["detail"]) == (400, "unclear", "say how, in one word")


async def test_the_past_that_a_query_is_asked_of_is_told_as_everywhere() -> None:
    """``at=`` is the service's own parameter."""
    async with searched() as service:
        answers = [await get(service, f"{path}?at=99") for path in ("/search", "/books")]
    assert [one.json["code"] for one in answers] == ["future-position"] * 2
    assert answers[0].json["detail"] == answers[1].json["detail"]


# --- freshness ---------------------------------------------------------------------------------------


async def test_one_reads_what_one_has_written(url: str) -> None:
    """By header or by cookie, a document and a list and a question wait for the position."""
    async with stocked(url) as (opened, service):
        for number in range(30):
            head = (await opened.record(Lent(book="walden", reader=f"x-{number}"))).position
            cookie = f"a=b; {cookie_of(opened.store.identity)}={head}; {cookie_of('another')}=999"
            headers = {"Storied-After": str(head)} if number % 2 else {"Cookie": cookie}
            answers = await asyncio.gather(
                get(service, "/books/walden", **headers),
                get(service, f"/books?reader=x-{number}", **headers),
                get(service, "/authors/thoreau/worth", **headers),
            )
            assert answers[0].json["reader"] == f"x-{number}"
            assert keys(answers[1]) == ["walden"]
            assert all(int(answer.headers["storied-position"]) >= head for answer in answers)


TARGETS = ("/books/emma", "/books", "/authors/austen/worth")


@asynccontextmanager
async def left_behind(folder: Path) -> AsyncIterator[tuple[OpenApp, QueryService]]:
    """A library with books, whose views nobody keeps up to date any more: they stand at 5, and the log at 9."""
    url = f"sqlite:///{folder}/app.db"
    async with stocked(url):
        pass
    async with library.open(url, views=False) as opened:
        await opened.record(*(Lent(book="emma", reader="r-2") for _ in range(4)))
        async with query_service(library, url) as service:
            yield opened, service


async def test_what_does_not_come_in_time_is_not_made_up(tmp_path: Path) -> None:
    """503 with the position the view stands at and when to ask again; never an older document instead."""
    async with left_behind(tmp_path) as (opened, service):
        for target in TARGETS:
            for headers in ({"storied_after": "9"}, {"cookie": f"{cookie_of(opened.store.identity)}=9"}):
                answer = await get(service, target, prefer="wait=0.05", **headers)
                assert (answer.status, answer.json["type"]) == (503, "urn:storied:problem:not-caught-up")
                assert (answer.json["wanted"], answer.json["position"]) == (9, 5)
                assert (answer.headers["storied-position"], answer.headers["retry-after"]) == ("5", "1")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("after", ["6", "2; log=other"])
async def test_what_the_log_has_never_reached_is_refused_at_once(url: str, after: str, accept: str) -> None:
    """A position beyond its head, or of another log: nobody waits for it, and nobody is told to ask again."""
    async with stocked(url) as (_, service):
        for target in (*TARGETS, "/books/emma/history")[: 2 if "stream" in accept else 4]:
            async with asyncio.timeout(2):
                answer = await get(service, target, storied_after=after, prefer="wait=30", accept=accept)
            assert (answer.status, answer.json["code"]) == (412, "unknown-position")
            assert (answer.json["wanted"], answer.json["position"]) == (int(after[0]), 5)
            assert answer.headers["storied-position"] == "5"
            assert "retry-after" not in answer.headers


async def test_what_the_log_has_reached_since_is_not_refused(url: str) -> None:
    """Its head is asked for anew."""
    async with stocked(url) as (opened, service):
        assert (await get(service, "/books/emma", storied_after="6")).status == 412
        await opened.record(Returned(book="emma"))
        assert (await get(service, "/books/emma", storied_after="6")).json["notes"] == ["returned"]


async def test_a_position_of_this_log_by_name_is_seen(url: str) -> None:
    """As the same position without a name is."""
    async with stocked(url) as (opened, service):
        assert (await get(service, "/books/emma", storied_after=f"2;log={opened.store.identity}")).status == 200


async def test_without_the_log_an_unknown_position_is_waited_for(tmp_path: Path) -> None:
    """Nobody can tell whether it will come."""
    async with stocked(f"sqlite:///{tmp_path}/app.db"):
        pass
    (tmp_path / "app.db").unlink()
    async with query_service(library, f"sqlite:///{tmp_path}/app.db") as service:
        for after, position in (("9", 5), ("2; log=other", 0)):
            answer = await get(service, "/books/emma", storied_after=after, prefer="wait=0.05")
            assert (answer.status, answer.json["position"]) == (503, position)


async def test_a_cookie_of_a_log_that_was_restored_shorter_is_dropped(url: str) -> None:
    """The log has never come that far, so nobody can ever read it; the client is told to forget it."""
    async with stocked(url) as (opened, service):
        name = cookie_of(opened.store.identity)
        for target in TARGETS:
            async with asyncio.timeout(2):
                answer = await get(service, target, cookie=f"{name}=99", prefer="wait=30")
            assert answer.status == 200
            assert answer.headers["set-cookie"].startswith(f"{name}=; Path=/; Max-Age=0")


@pytest.mark.parametrize("log_is_there", [True, False])
async def test_a_cookie_of_another_log_is_passed_over(tmp_path: Path, log_is_there: bool) -> None:
    """Another app's on the same host, or that of a store that was replaced; the views know their log without it."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with stocked(url) as (opened, _):
        own = cookie_of(opened.store.identity)
    if not log_is_there:
        (tmp_path / "app.db").unlink()
    async with query_service(library, url) as service:
        for target in TARGETS:
            async with asyncio.timeout(2):
                answer = await get(service, target, cookie=f"storied-after=99; {cookie_of('another')}=99; {own}=5")
            assert answer.status == 200
            assert "set-cookie" not in answer.headers
            late = await get(service, target, cookie=f"{own}=6", prefer="wait=0.05")
            assert late.status == (200 if log_is_there else 503)


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1e3", "9" * 19, "1; log="])
async def test_what_is_no_position_is_refused(value: str) -> None:
    """As a header; a cookie that says nothing is passed over."""
    async with stocked("memory://") as (opened, service):
        for target in ("/books/emma", "/books/emma?at=1"):  # also where it does not matter
            answer = await get(service, target, storied_after=value)
            assert (answer.status, answer.json["code"]) == (400, "bad-header")
        cookie = f"{cookie_of(opened.store.identity)}={value}"
        assert (await get(service, "/books/emma", cookie=cookie)).status == 200


# --- alone -------------------------------------------------------------------------------------------


async def test_it_starts_before_there_is_anything(tmp_path: Path) -> None:
    """Until the read models are there it says so, makes no file, and is not ready; then it serves."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with query_service(library, url) as service:
        answer = await get(service, "/books/emma")
        assert (answer.status, answer.json["code"]) == (503, "no-read-models")
        assert answer.headers["retry-after"] == "2"
        assert (await get(service, "/books")).status == 503
        assert (await get(service, "/readyz")).status == 503
        assert list(tmp_path.iterdir()) == []
        async with library.open(url) as opened:
            head = (await opened.record(*STOCK)).position
            assert (await get(service, "/books/emma", storied_after=str(head))).status == 200

            async def is_ready() -> bool:
                return (await get(service, "/readyz")).status == 200

            await eventually(is_ready)


async def test_it_serves_while_command_side_and_log_are_down(tmp_path: Path) -> None:
    """The present needs the read models alone; the past and histories say that they need the log."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with stocked(url):
        pass
    (tmp_path / "app.db").unlink()
    async with query_service(library, url) as service:
        assert (await get(service, "/books/emma")).status == 200
        assert (await get(service, "/books/emma", storied_after="5")).status == 200
        assert keys(await get(service, "/books?author=austen")) == ["emma", "persuasion"]
        for target in ("/books/emma?at=1", "/books?at=1", "/books/emma/history"):
            answer = await get(service, target)
            assert (answer.status, answer.json["code"]) == (503, "no-log")
    assert not (tmp_path / "app.db").exists()


# --- the past ----------------------------------------------------------------------------------------


async def test_the_past_is_served(url: str) -> None:
    """One document, a list and a question, as of a position and as of a time."""
    async with stocked(url) as (opened, service):
        assert (await get(service, "/books/emma?at=1")).json["reader"] is None
        assert (await get(service, "/books/emma?at=5")).json["reader"] == "r-1"
        assert (await get(service, "/books/emma?at=0")).status == 404
        answer = await get(service, "/books?author=austen&at=2")
        assert (keys(answer), answer.headers["storied-position"]) == (["emma"], "2")
        assert (await get(service, "/authors/austen/worth?at=2")).json["worth"] == "9.90"
        await opened.record(Sold(book="emma"))
        [last] = await opened.store.read(after=4, until=5).list()
        time = last.recorded_at.isoformat()
        assert (await get(service, f"/books/emma?at={time}")).json["book"] == "emma"


async def test_the_past_as_it_had_happened_is_served(url: str) -> None:
    """By the time of occurrence, whenever it was recorded."""
    async with stocked(url) as (opened, service):
        then = datetime(2018, 5, 1, tzinfo=UTC)
        await opened.record(Fact(Bought(book="old", author="x", price=Decimal(1)), occurred_at=then))
        assert (await get(service, "/books/old?at=occurred:2018-04-30T23:59:59Z")).status == 404
        assert (await get(service, "/books/old?at=occurred:2018-05-01T00:00:00Z")).status == 200
        assert keys(await get(service, "/books?at=occurred:2018-05-02")) == ["old"]


# --- history -----------------------------------------------------------------------------------------


async def test_a_history_says_what_each_event_changed(url: str) -> None:
    """Who, when, why, what, and the difference in the document, field by field; not of events the view passes by."""
    async with stocked(url) as (opened, service):
        await opened.record(Returned(book="emma"), Audited(book="emma"), actor="ben")
        await opened.record(Sold(book="emma"))
        answer = await get(service, "/books/emma/history")
    bought, lent, returned, sold = answer.json
    assert answer.headers["storied-position"] == "8"
    assert [e["type"] for e in answer.json] == ["Bought", "Lent", "Returned", "Sold"]
    assert [e["position"] for e in answer.json] == [1, 5, 6, 8]
    assert (bought["actor"], returned["actor"], "actor" in sold) == ("anna", "ben", False)
    assert lent["data"] == {"book": "emma", "reader": "r-1"}
    assert {"path": "/author", "after": "austen"} in bought["changes"]
    assert [(c["path"], c["before"]) for c in lent["changes"]] == [("/reader", None), ("/lent_at", None), ("/times", 0)]
    assert returned["changes"][-1] == {"path": "/notes/0", "after": "returned"}
    assert sold["changes"] == [{"path": "", "before": sold["changes"][0]["before"]}]
    assert sold["changes"][0]["before"]["book"] == "emma"


async def test_a_history_comes_in_pages_and_up_to_a_moment(url: str) -> None:
    """The pages together are the whole."""
    async with stocked(url) as (opened, service):
        for number in range(9):
            await opened.record(Lent(book="emma", reader=f"r-{number}"))
        whole = (await get(service, "/books/emma/history")).json
        found: list[Any] = []
        target: str | None = "/books/emma/history?limit=4"
        while target:
            answer = await get(service, target)
            found += answer.json
            link = answer.headers.get("link")
            target = f"/books/emma/history{link.removeprefix('<').partition('>')[0]}" if link else None
        assert found == whole
        assert len(whole) == 11
        assert len((await get(service, "/books/emma/history?at=5")).json) == 2
        assert (await get(service, "/books/nobody/history")).status == 404
        assert (await get(service, "/books/emma/history?after=3")).json["code"] == "unknown-parameter"


async def test_a_history_names_the_event_that_could_not_be_applied(url: str) -> None:
    """From there on the document stays as it was."""
    async with stocked(url) as (opened, service):
        await opened.record(Stained(book="emma"), Returned(book="emma"))
        *_, stained, returned = (await get(service, "/books/emma/history")).json
        assert "stain" in stained["error"]
        assert stained["changes"] == returned["changes"] == []


# --- questions ---------------------------------------------------------------------------------------


async def test_a_question_is_bound_and_answered(url: str) -> None:
    """Its parameters come from the path and the query string, by their types; lists by repeating."""
    async with stocked(url) as (_, service):
        answer = await get(service, "/authors/austen/worth?least=10")
        assert (answer.json, answer.headers["storied-position"]) == ({"books": "1", "worth": "110.00"}, "5")
        both = await get(service, "/authors/thoreau/worth?kinds=novel&kinds=essay")
        assert both.json["worth"] == "12"
        assert (await get(service, "/cheapest?since=1800-01-01")).json["book"] == "emma"
        assert (await get(service, "/cheapest?since=1900-01-01")).status == 404


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/authors/austen/worth?most=1", "unknown-parameter"),
        ("/authors/austen/worth?author=x", "unknown-parameter"),
        ("/authors/austen/worth?least=much", "bad-parameter"),
        ("/authors/austen/worth?least=1&least=2", "bad-parameter"),
        ("/authors/austen/worth?kinds=poem", "bad-parameter"),
        ("/cheapest", "bad-parameter"),
        ("/cheapest?since=x", "bad-parameter"),
    ],
)
async def test_a_question_refuses_what_it_does_not_take(url: str, target: str, code: str) -> None:
    """What is unknown, missing, or of another type."""
    async with stocked(url) as (_, service):
        answer = await get(service, target)
    assert (answer.status, answer.json["code"]) == (400, code)


# --- definitions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["POST /things/{thing}", "GET /things/{colour}", "things", "GET /things/"])
def test_a_route_that_cannot_work_is_refused(route: str) -> None:
    """It is found when the service is made."""

    class Made(Event):
        thing: Id

    class Thing(View):
        thing: Id
        colour: str = ""

        @on
        def made(self, event: Made) -> None:
            self.colour = "red"

    app = App("bad")
    app.view(route)(Thing)
    with pytest.raises(DefinitionError):
        query_service(app, "memory://")


async def test_pages_have_a_limit_that_is_set(url: str) -> None:
    """No client gets more at once, and none has to ask for less."""
    async with (
        stocked(url) as (opened, _),
        query_service(library, opened, settings=Settings(page_limit=2)) as service,
    ):
        assert len(keys(await get(service, "/books"))) == 2
        assert (await get(service, "/books?limit=3")).status == 400


async def test_a_mended_view_serves_the_document_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the key is freed, at the same position, it is sent anew and not from memory."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (opened, service):
        head = (await opened.record(Stained(book="emma"))).position
        await opened.wait(BookPage, head)
        assert "storied-parked" in (await get(service, "/books/emma")).headers
        monkeypatch.setattr(model, "broken", False)
        await opened.retry(BookPage, "emma")
        answer = await get(service, "/books/emma", storied_after=str(head))
        assert answer.json["notes"] == ["stained"]
        await asyncio.sleep(0.01)  # what the express lane may be told late is told by now
        assert (await get(service, "/books/emma")).json["notes"] == ["stained"]
