"""Live answers: server-sent events that tell states, resume, and end with their client."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from storied import Principal
from storied.domain.access import CredentialHeaders
from storied.services.access.identity import ApiKeys, new_key
from storied.services.queries import QueryService, query_service
from storied.services.querying import live
from storied.services.settings import Settings
from storied.testing.waiting import eventually
from tests.services import library as model
from tests.services.asgi import Wire, scope_of
from tests.services.library import Bought, Lent, Returned, Sold, Stained, library
from tests.services.serving import served
from tests.services.test_queries import get, stocked


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store on each engine."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"


class Told(msgspec.Struct):
    """One event of a stream."""

    event: str
    id: int | None
    data: Any


class Listener:
    """A client of one stream: what it was told, in order."""

    def __init__(self) -> None:
        self.wire = Wire(b"")
        self.comments = 0
        self._rest = b""

    async def next(self) -> Told:
        """The next event."""
        async with asyncio.timeout(10):
            while True:
                block, found, rest = self._rest.partition(b"\n\n")
                if not found:
                    self._rest += await self.wire.chunks.get()
                    continue
                self._rest = rest
                fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
                self.comments += block.startswith(b":")
                if "event" in fields:
                    number = int(fields["id"]) if "id" in fields else None
                    return Told(fields["event"], number, msgspec.json.decode(fields["data"]))


@asynccontextmanager
async def listening(
    service: QueryService, target: str, *, client: str = "127.0.0.1", **headers: str
) -> AsyncIterator[Listener]:
    """A client that listens to the stream at the target, and then goes."""
    listener = Listener()
    given = {"Accept": "text/event-stream"} | {n.replace("_", "-"): v for n, v in headers.items()}
    wire = listener.wire
    scope = scope_of("GET", target, given, client=(client, 1))
    serving = asyncio.create_task(service(scope, wire.receive, wire.send))
    try:
        yield listener
    finally:
        wire.gone.set()
        async with asyncio.timeout(2):
            await serving


async def test_a_document_is_told_as_it_changes(url: str) -> None:
    """First as it is, then whenever it has changed, each time whole and with its position."""
    async with stocked(url) as (opened, service), listening(service, "/books/walden") as client:
        first = await client.next()
        assert (first.event, first.id, first.data["reader"]) == ("document", 5, None)
        await opened.record(Lent(book="emma", reader="x"))
        head = (await opened.record(Lent(book="walden", reader="r"))).position
        second = await client.next()
        assert (second.event, second.data["reader"]) == ("document", "r")
        assert second.id == head
        assert client.wire.sent.headers["content-type"] == "text/event-stream"
        assert client.wire.sent.headers["cache-control"] == "no-store"


async def test_a_document_that_goes_is_told(url: str) -> None:
    """And that it comes again."""
    async with stocked(url) as (opened, service), listening(service, "/books/walden") as client:
        await client.next()
        await opened.record(Sold(book="walden"))
        assert (await client.next()) == Told("gone", 6, {"key": "walden"})
        await opened.record(Bought(book="walden", author="thoreau", price=Decimal(3)))
        assert (await client.next()).data["price"] == "3"


async def test_a_stream_of_nothing_is_not_found(url: str) -> None:
    """Unless the client has been here before: then it is told that the document is gone."""
    async with stocked(url) as (_, service):
        assert (await get(service, "/books/nobody", accept="text/event-stream")).status == 404
        async with listening(service, "/books/nobody", last_event_id="3") as client:
            assert (await client.next()).event == "gone"


async def test_who_comes_back_is_told_the_present(url: str) -> None:
    """Not before what it has seen, even where the view has yet to get there."""
    async with stocked(url) as (opened, service):
        head = (await opened.record(Lent(book="walden", reader="r"))).position
        async with listening(service, "/books/walden", last_event_id=str(head)) as client:
            assert (await client.next()).data["reader"] == "r"


@pytest.mark.parametrize("target", ["/books/walden", "/books"])
async def test_who_comes_back_from_a_log_that_is_no_more_is_told_the_present(url: str, target: str) -> None:
    """A browser sends the last id by itself, also to a store that was replaced, and could never leave it out."""
    async with stocked(url) as (_, service), listening(service, target, last_event_id="99") as client:
        assert (await client.next()).id == 5


async def test_a_list_is_told_whole_and_then_what_changes(url: str) -> None:
    """A document that changes, one that comes, one that leaves the filter, and one that is gone."""
    async with stocked(url) as (opened, service), listening(service, "/books?reader.null=true&sort=price") as client:
        whole = await client.next()
        assert (whole.event, whole.id) == ("list", 5)
        assert [book["book"] for book in whole.data] == ["a/b c", "walden", "persuasion"]
        await opened.record(Lent(book="walden", reader="r"))
        assert (await client.next()) == Told("gone", 6, {"key": "walden"})
        await opened.record(Returned(book="walden"))
        told = await client.next()
        assert (told.event, told.id, told.data["notes"]) == ("document", 7, ["returned"])
        assert (await client.next()) == Told("order", 7, {"keys": ["a/b c", "walden", "persuasion"]})
        await opened.record(Sold(book="persuasion"))
        assert (await client.next()) == Told("gone", 8, {"key": "persuasion"})


async def test_silence_is_broken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment says that the stream lives, and keeps what lies between from closing it."""
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.05)
    async with stocked(url) as (opened, service), listening(service, "/books/walden") as client:
        await client.next()
        await asyncio.sleep(0.3)
        await opened.record(Lent(book="walden", reader="r"))
        await client.next()
        assert client.comments >= 3


async def test_a_parked_document_is_told_as_such(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that it goes on, once its handler is mended."""
    async with stocked(url) as (opened, service), listening(service, "/books/emma") as client:
        await client.next()
        head = (await opened.record(Stained(book="emma"))).position
        told = await client.next()
        assert (told.event, told.data["status"]) == ("status", "parked")
        assert str(head) in told.data["detail"]
        monkeypatch.setattr(model, "broken", False)
        await opened.retry(model.BookPage, "emma")
        assert sorted([(await client.next()).event, (await client.next()).event]) == ["document", "status"]


async def test_a_stream_waits_for_read_models_that_are_not_there(tmp_path: Path) -> None:
    """It says that it has nothing yet, and then has it."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with query_service(library, url) as service, listening(service, "/books") as client:
        assert (await client.next()).data["status"] == "unavailable"
        async with library.open(url) as opened:
            await opened.record(Bought(book="emma", author="austen", price=Decimal(1)))

            async def has_emma() -> bool:
                return "emma" in str((await client.next()).data)

            await eventually(has_emma)


@pytest.mark.parametrize("target", ["/books/emma?at=1", "/books?at=1", "/books?cursor=abc"])
async def test_the_past_is_not_live(url: str, target: str) -> None:
    """Nor is a page behind the first."""
    async with stocked(url) as (_, service):
        assert (await get(service, target, accept="text/event-stream")).status == 400


async def test_an_id_that_is_none_is_refused(url: str) -> None:
    """The client is told, before the stream begins."""
    async with stocked(url) as (_, service):
        answer = await get(service, "/books/emma", accept="text/event-stream", last_event_id="abc")
        assert (answer.status, answer.json["code"]) == (400, "bad-header")


async def test_questions_are_not_live(url: str) -> None:
    """Who takes nothing but a stream is refused."""
    async with stocked(url) as (_, service):
        assert (await get(service, "/authors/austen/worth", accept="text/event-stream")).status == 406
        assert (await get(service, "/authors/austen/worth", accept="text/event-stream, */*")).status == 200


@pytest.mark.parametrize("target", ["/books/emma", "/books"])
@pytest.mark.parametrize("accept", ["text/event-stream;q=0", "application/json, text/event-stream;q=0.5"])
async def test_who_would_rather_not_have_a_stream_is_sent_json(url: str, target: str, accept: str) -> None:
    """However it says so."""
    async with stocked(url) as (_, service):
        answer = await get(service, target, accept=accept)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


async def test_nothing_is_open_in_the_file_between_two_events(tmp_path: Path) -> None:
    """While streams wait, the write-ahead log can be emptied, which no reader may stand in the way of."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with (
        stocked(url) as (_, service),
        listening(service, "/books/walden") as one,
        listening(service, "/books") as two,
    ):
        await one.next()
        await two.next()
        connection = apsw.Connection(str(tmp_path / "app.views.db"), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.execute("SELECT count(*) FROM edition").fetchall()  # so that it has the log open
        connection.set_busy_timeout(1000)  # they look at the checkpoint now and then, for less than a millisecond
        left = await asyncio.to_thread(connection.wal_checkpoint, mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.close()
        assert left == (0, 0)


async def test_no_change_is_missed_by_one_who_comes_and_goes(tmp_path: Path) -> None:
    """Under writes without a pause, with clients cut off at random: positions never go back, and the end is reached."""
    url = f"sqlite:///{tmp_path}/app.db"
    chance = random.Random(5)
    changes = 150
    async with stocked(url) as (opened, service), served(service) as http:

        async def write() -> int:
            head = 0
            for number in range(changes):
                head = (await opened.record(Lent(book="walden", reader=f"r-{number}"))).position
                await asyncio.sleep(0.005)
            return head

        async def follow(target: str) -> tuple[list[int], str]:
            seen: list[int] = []
            reader, last = "", ""
            while reader != f"r-{changes - 1}":
                headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
                left = chance.randrange(1, 12)
                async with http.stream("GET", target, headers=headers) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("id: "):
                            last = line[4:]
                            seen.append(int(last))
                        elif line.startswith("data: ") and "walden" in line:
                            data = msgspec.json.decode(line[6:])
                            books = data if isinstance(data, list) else [data]
                            reader = next((b["reader"] or "" for b in books if b["book"] == "walden"), reader)
                            left -= 1
                        if not left or reader == f"r-{changes - 1}":
                            break
            return seen, reader

        async with asyncio.timeout(60):
            head, *followed = await asyncio.gather(write(), follow("/books/walden"), follow("/books?author=thoreau"))
        for seen, _ in followed:
            assert seen == sorted(seen)
            assert seen[-1] == head
            assert len(set(seen)) > 10


class Briefly:
    """A verifier whose credentials hold for another moment."""

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """Anna."""
        return Principal("anna", frozenset(), {"exp": time.time() + 0.2})


@pytest.mark.parametrize(
    "ending", [Settings(stream_seconds=0.2), Settings(verifier=Briefly())], ids=["by the settings", "by its credential"]
)
async def test_a_stream_ends_when_its_time_is_over(ending: Settings) -> None:
    """In good order, so that its client asks again, and is looked at again."""
    async with stocked("memory://") as (opened, _), query_service(library, opened, settings=ending) as service:
        wire = Wire(b"")
        async with asyncio.timeout(20):
            await service(scope_of("GET", "/books/walden", {"Accept": "text/event-stream"}), wire.receive, wire.send)
        assert (wire.sent.status, b"event: document" in wire.sent.body) == (200, True)


async def test_only_so_many_streams_are_open(url: str) -> None:
    """One more is refused, and may come again; everything else is answered, and who goes makes room."""
    limited = Settings(stream_limit=2)
    async with stocked(url) as (opened, _):
        service = query_service(library, opened if url == "memory://" else url, settings=limited)
        async with service, listening(service, "/books") as first:
            await first.next()
            async with listening(service, "/books/walden") as second:
                await second.next()
                for target in ("/books", "/books/walden"):
                    refused = await get(service, target, accept="text/event-stream")
                    assert (refused.status, refused.json["code"]) == (503, "too-many-streams")
                    assert refused.headers["content-type"] == "application/problem+json"
                    assert refused.headers["retry-after"] == "10"
                assert (await get(service, "/books/walden")).status == 200
                assert (await get(service, "/books/nobody", accept="text/event-stream")).status == 404
                text = (await get(service, "/metrics")).body.decode()
                assert "\nstoried_http_streams_open 2\n" in text
                assert "\nstoried_http_streams_refused_total 2\n" in text
            async with listening(service, "/books") as third:
                await third.next()
        assert service.gate.meters.streams.at(())[0] == 0


async def test_no_client_takes_all_streams(url: str) -> None:
    """It is told that its own are too many, and whoever else comes gets one; when it ends one, it gets another."""
    limited = Settings(stream_limit=9, client_stream_limit=2)
    async with stocked(url) as (opened, _):
        service = query_service(library, opened if url == "memory://" else url, settings=limited)
        async with service, listening(service, "/books") as first:
            await first.next()
            async with listening(service, "/books/walden") as second:
                await second.next()
                refused = await get(service, "/books", accept="text/event-stream")
                assert (refused.status, refused.json["code"]) == (429, "too-many-client-streams")
                assert refused.json["detail"] == "All of your 2 streams are open. End one of them."
                assert refused.headers["retry-after"] == "10"
                assert (await get(service, "/books")).status == 200
                async with listening(service, "/books", client="192.0.2.7") as other:
                    await other.next()
            async with listening(service, "/books") as third:
                await third.next()
            assert "\nstoried_http_streams_refused_total 1\n" in (await get(service, "/metrics")).body.decode()


async def test_who_is_known_is_one_client_wherever_they_come_from(url: str) -> None:
    """And another than who else comes from the same address."""
    (anna, kept), (bert, kept_too) = new_key("anna"), new_key("bert")
    limited = Settings(client_stream_limit=1, verifier=ApiKeys([kept, kept_too]))
    async with stocked(url) as (opened, _):
        service = query_service(library, opened if url == "memory://" else url, settings=limited)
        async with service, listening(service, "/books", x_api_key=anna) as first:
            await first.next()
            async with listening(service, "/books", x_api_key=anna, client="192.0.2.7") as again:
                await again.wire.chunks.get()
            assert again.wire.sent.status == 429
            async with listening(service, "/books", x_api_key=bert) as other:
                await other.next()


async def test_refusing_streams_fills_no_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A line says what was refused, without a trace of where in the code."""
    limited = Settings(stream_limit=1)
    async with stocked(url) as (opened, _):
        service = query_service(library, opened if url == "memory://" else url, settings=limited)
        async with service, listening(service, "/books") as client:
            await client.next()
            caplog.clear()
            await get(service, "/books", accept="text/event-stream")
    [record] = [one for one in caplog.records if one.name == "storied.services"]
    assert record.exc_info is None
    assert "All of the 1 streams are open" in record.message
