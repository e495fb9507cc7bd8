"""What a client is told that waits for documents which stopped: never that they show what they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from storied import App, Command, Entity, Event, Id, OpenApp, Reader, View, on
from storied.services.commands import CommandService, command_service
from storied.services.queries import QueryService, query_service
from storied.store.documents import Table
from tests.services.asgi import Sent, ask
from tests.services.test_live import listening

JSON = "application/json"
hives = App("hives")


class Filled(Event):
    hive: Id
    meadow: str
    grams: int


class Mown(Event):
    meadow: Id


class Hive(Entity):
    grams: int = 0

    @on
    def filled(self, event: Filled) -> None:
        self.grams = event.grams


class Fill(Command):
    hive: Id
    meadow: str
    grams: int


class Mow(Command):
    meadow: Id


@hives.command("PUT /hives/{hive}")
def fill(command: Fill, hive: Hive) -> Filled | None:
    """Fills it, unless it is as full as that."""
    if hive.grams == command.grams:
        return None
    return Filled(hive=command.hive, meadow=command.meadow, grams=command.grams)


class MeadowState(Entity, tag="meadow"):
    mown: bool = False

    @on
    def on_mown(self, event: Mown) -> None:
        self.mown = True


@hives.command("POST /meadows/{meadow}/mowings")
def mow(command: Mow) -> Mown:
    """Mows the meadow of several hives."""
    return Mown(meadow=command.meadow)


class MowOnce(Command):
    meadow: Id


@hives.command("PUT /meadows/{meadow}/mowing")
def mow_once(command: MowOnce, meadow: MeadowState) -> Mown | None:
    """Mows the meadow, unless it was."""
    return None if meadow.mown else Mown(meadow=command.meadow)


class Look(Command):
    where: str


@hives.command("POST /looks/{where}")
def look(command: Look) -> None:
    """Changes nothing, and rests on nothing."""


@hives.view("GET /hives/{hive}", "GET /hives")
class HivePage(View, indexes=["meadow"]):
    hive: Id
    meadow: str = ""
    grams: int = 0
    fed: bool = False

    @on
    def filled(self, event: Filled) -> None:
        if event.grams < 0:
            raise ValueError("a hive is never less than empty")
        self.meadow, self.grams = event.meadow, event.grams

    @on(where="meadow")
    def mown(self, event: Mown) -> None:
        self.fed = True


@hives.view()
class Meadow(View):
    meadow: Id
    count: int = 0

    @on
    def mown(self, event: Mown) -> None:
        self.count += 1


@hives.query("GET /meadows/{meadow}/honey")
async def honey(views: Reader, meadow: str, how: str = "find") -> int | None:
    """How much there is in the hives beside the meadow, or how many there are; none where it is little."""
    if how == "much":
        return max((page.grams for page in await views.find(HivePage, meadow=meadow) if page.grams > 5), default=None)
    if how == "count":
        return (await views.count(HivePage, meadow=meadow))[None]
    return sum(page.grams for page in await views.find(HivePage, meadow=meadow))


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store on each engine."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[OpenApp, CommandService, QueryService]]:
    """Both services over one app with a hive at each of two meadows."""
    async with (
        hives.open(url) as opened,
        command_service(hives, opened) as commands,
        query_service(hives, opened) as queries,
    ):
        for hive, meadow in (("a", "north"), ("b", "south")):
            await put(commands, hive, 5, meadow)
        yield opened, commands, queries


async def put(service: CommandService, hive: str, grams: int, meadow: str = "north", **headers: str) -> Sent:
    """The answer to filling a hive, which cannot be shown with less than nothing in it."""
    body = msgspec.json.encode({"meadow": meadow, "grams": grams})
    given = {"Content-Type": "application/json", "Prefer": "wait=5"} | {
        n.replace("_", "-"): v for n, v in headers.items()
    }
    return await ask(service, "PUT", f"/hives/{hive}", body, given)


def applied(answer: Sent) -> str:
    """What became of the wish to wait, of a command that is stored in any case."""
    assert answer.status == 200, answer.body
    return answer.headers["preference-applied"]


SHOWN, HELD = 'wait=5; views="HivePage"', 'wait=5; views=""; parked="HivePage"'


async def test_a_wait_for_a_document_that_stops_is_not_fulfilled(url: str) -> None:
    """At this event, or at one before; every other document is shown."""
    async with serving(url) as (_, commands, _):
        assert applied(await put(commands, "a", 6)) == SHOWN
        stopped = await put(commands, "a", -1)
        assert (applied(stopped), stopped.json["count"]) == (HELD, 1)
        assert applied(await put(commands, "a", 7)) == HELD
        assert applied(await put(commands, "b", 7)) == SHOWN


async def test_a_repeat_of_a_command_whose_document_stopped_is_told_so(url: str) -> None:
    """Under its key, or because there is nothing to change any more."""
    async with serving(url) as (_, commands, _):
        for _ in range(2):
            assert applied(await put(commands, "a", -1, Idempotency_Key="k")) == HELD
        named = {"Prefer": 'wait=5; views="HivePage"'}
        unchanged = await put(commands, "a", -1, **named)
        assert (unchanged.json["count"], applied(unchanged)) == (0, HELD)
        assert applied(await put(commands, "b", 5, **named)) == SHOWN


async def test_a_document_that_is_found_by_what_is_in_it_is_one_that_was_written_to(url: str) -> None:
    """Where it stopped before, and the views that can show the event are named as such."""
    async with serving(url) as (_, commands, _):
        await put(commands, "a", -1)
        for meadow, told in (
            ("north", 'wait=5; views="Meadow"; parked="HivePage"'),
            ("south", 'wait=5; views="HivePage Meadow"'),
        ):
            answer = await ask(commands, "POST", f"/meadows/{meadow}/mowings", headers={"Prefer": "wait=5"})
            assert applied(answer) == told


async def test_a_wait_names_no_views_and_finds_nothing_to_change(url: str) -> None:
    """It is for the views that read what the command rests on, and they are told of as after a change."""
    async with serving(url) as (_, commands, _):
        unchanged = await put(commands, "b", 5, "south")
        assert (unchanged.json["count"], applied(unchanged)) == (0, SHOWN)
        await put(commands, "a", -1)
        unchanged = await put(commands, "a", -1)
        assert (unchanged.json["count"], applied(unchanged)) == (0, HELD)
        assert applied(await put(commands, "b", 5, "south")) == SHOWN
        nothing = await ask(commands, "POST", "/looks/north", headers={"Prefer": "wait=5"})
        assert applied(nothing) == 'wait=5; views=""'


async def test_what_nothing_had_to_change_about_may_show_in_documents_of_other_names(url: str) -> None:
    """Those are held back that have not taken its events, and no others."""
    async with serving(url) as (_, commands, _):

        async def mown(meadow: str) -> str:
            return applied(await ask(commands, "PUT", f"/meadows/{meadow}/mowing", headers={"Prefer": "wait=5"}))

        for meadow in ("north", "south"):
            assert await mown(meadow) == 'wait=5; views="HivePage Meadow"'
        await put(commands, "a", -1)
        assert await mown("north") == 'wait=5; views="HivePage Meadow"'  # which the hive had taken before it stopped
        await ask(commands, "POST", "/meadows/north/mowings")
        assert await mown("north") == 'wait=5; views="Meadow"; parked="HivePage"'
        assert await mown("south") == 'wait=5; views="HivePage Meadow"'


async def test_an_answer_that_has_seen_a_position_says_what_stopped_before_it(url: str) -> None:
    """A document is refused, and a list or a query function's answer has the position at which one of it stopped."""
    async with serving(url) as (opened, commands, queries):
        await put(commands, "a", -1)
        head = str(await opened.store.head())

        async def get(target: str, **headers: str) -> Sent:
            return await ask(queries, "GET", target, headers={"Storied-After": head} | headers)

        assert (await get("/hives/a")).json["code"] == "key-parked"
        for target in ("/hives", "/hives?meadow=south", "/meadows/north/honey", "/meadows/north/honey?how=count"):
            answer = await get(target)
            assert (answer.status, answer.headers["storied-parked"]) == (200, "3"), target
            again = await get(target, **{"If-None-Match": answer.headers["etag"]})
            assert (again.status, again.headers["storied-parked"]) == (304, "3")
        nothing = await get("/meadows/north/honey?how=much")
        assert (nothing.status, nothing.headers["storied-parked"]) == (404, "3")


async def test_a_list_says_what_stopped_though_nobody_waits(url: str) -> None:
    """A document that is held back is not as the log says, or not there, for whoever asks."""
    async with serving(url) as (opened, commands, queries):
        await put(commands, "a", -1)
        for target in ("/hives", "/hives?meadow=south", "/meadows/north/honey", "/meadows/north/honey?how=count"):
            answer = await ask(queries, "GET", target)
            assert (answer.status, answer.headers["storied-parked"]) == (200, "3"), target
        assert (await opened.find(HivePage)).parked == ("a",)


async def test_a_list_asks_for_what_stopped_only_when_something_did(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it costs nothing as long as every document is whole."""
    async with serving(url) as (opened, commands, queries):
        documents, asked = opened.reader.texts.documents, []
        held = documents.held

        def counted(table: Table, key: str | None = None) -> Any:
            asked.append(key)
            return held(table, key)

        monkeypatch.setattr(documents, "held", counted)
        await ask(queries, "GET", "/hives")
        assert asked == []
        await put(commands, "a", -1, Prefer="")
        await opened.wait(HivePage, await opened.store.head())
        await ask(queries, "GET", "/hives")
        assert asked == [None]


async def test_an_answer_of_whole_documents_says_nothing_of_the_kind(url: str) -> None:
    """As nearly always."""
    async with serving(url) as (opened, _, queries):
        head = {"Storied-After": str(await opened.store.head())}
        answers: list[Any] = [
            await ask(queries, "GET", target, headers=headers)
            for target in ("/hives/a", "/hives", "/meadows/north/honey")
            for headers in (head, {})
        ]
        assert [answer.status for answer in answers] == [200] * 6
        assert not any("storied-parked" in answer.headers for answer in answers)


async def test_who_goes_on_from_an_answer_has_seen_all_that_its_position_says(url: str) -> None:
    """It lies before the event that a document has not taken, by whichever way it is asked: so If-Match tells of it."""
    async with serving(url) as (opened, commands, queries):
        for hive, grams, meadow in (("a", -1, "north"), ("b", 6, "south"), ("c", -1, "east")):
            await put(commands, hive, grams, meadow)
        plain = ("/hives/a", "/hives", "/hives?meadow=south", "/meadows/north/honey", "/meadows/north/honey?how=count")
        positions = [
            (await ask(queries, "GET", target, headers=headers)).headers["storied-position"]
            for target in plain
            for headers in ({}, {"X-Request-Id": "the-long-way"})
        ]
        assert positions == ["2"] * 2 * len(plain)
        waited = await ask(queries, "GET", "/hives", headers={"Storied-After": "5"})
        assert waited.headers["storied-position"] == "2"
        assert (await ask(queries, "GET", "/hives/b")).headers["storied-position"] == "5"
        assert (await opened.find(HivePage)).position == 2
        overwritten = await put(commands, "a", 9, If_Match='"2"')
        assert (overwritten.status, [one["position"] for one in overwritten.json["between"]]) == (412, [3])


async def test_a_document_that_stopped_at_its_first_event_is_absent_as_of_before_it(url: str) -> None:
    """And the answer says at which event."""
    async with serving(url) as (_, commands, queries):
        await put(commands, "c", -1, "east")
        await put(commands, "b", 6, "south")
        answer = await ask(queries, "GET", "/hives/c")
        assert (answer.status, answer.headers["storied-position"], answer.headers["storied-parked"]) == (404, "2", "3")
        whole = await ask(queries, "GET", "/hives/none")
        assert (whole.status, whole.headers["storied-position"]) == (404, "4")
        assert "storied-parked" not in whole.headers


async def test_a_stream_goes_on_from_before_what_its_document_has_not_taken(url: str) -> None:
    """So a client that sends the id back is not refused what it was told."""
    async with serving(url) as (_, commands, queries):
        await put(commands, "a", -1)
        await put(commands, "b", 6, "south")
        async with listening(queries, "/hives/a") as one:
            told = await one.next()
        assert (told.event, told.id) == ("document", 2)
        async with listening(queries, "/hives/a", **{"Last-Event-ID": "2"}) as one:
            assert (await one.next()).event == "document"
