"""A key that is parked is retried, by itself or with others, while the view goes on; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from storied import App, Delete, Event, Id, OpenApp, View, on, upcast
from storied.errors import KeyParked, ViewFailed
from storied.projections import retrying, runner
from storied.store.records import NewEvent
from storied.testing.waiting import eventually


class Noted(Event):
    item: Id
    note: str = ""


class Moved(Event):
    place: str
    to: str


class Removed(Event):
    item: Id


class Barrier(Exception):
    """What a handler misses."""


def notes(missing: set[str], *, where: bool = False) -> tuple[App, Any]:
    """An app whose view cannot take a note that is missing, and tells what it has seen, in order."""
    app = App("notes")

    class Notes(View, indexes=["place"]):
        item: Id
        place: str = "home"
        seen: list[str] = []

        @on
        def noted(self, event: Noted) -> None:
            if event.note in missing:
                raise Barrier(event.note)
            self.seen.append(event.note)

        @on
        def removed(self, event: Removed) -> Delete:
            return Delete()

    class Moving(Notes, indexes=["place"]):
        @on(where="place")
        def moved(self, event: Moved) -> None:
            if event.to in missing:
                raise Barrier(event.to)
            self.place = event.to
            self.seen.append(f"to {event.to}")

    view = Moving if where else Notes
    app.view()(view)
    return app, view


def several(item: str, *texts: str) -> list[Event]:
    """A note for each text."""
    return [Noted(item=item, note=text) for text in texts]


async def document(opened: OpenApp, view: Any, item: str, after: int | None = None) -> list[str]:
    """What the document has seen."""
    found = await opened.get(view, item, after=after)
    assert found is not None
    return list(found.seen)


async def test_a_retry_applies_all_that_has_come_since(url: str) -> None:
    """In order, and once."""
    missing = {"3"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        head = (await opened.record(*several("a", "1", "2", "3", "4"), *several("b", "1"))).position
        await opened.wait(view, head)
        head = (await opened.record(*several("a", "5"))).position
        await opened.wait(view, head)
        assert await document(opened, view, "a") == ["1", "2"]
        missing.clear()
        [done] = await opened.retry(view)
        assert (done.key, done.parked) == ("a", None)
        assert await document(opened, view, "a", after=head) == ["1", "2", "3", "4", "5"]


async def test_several_keys_are_retried_together(url: str) -> None:
    """Each from the event on that it stopped at; one that fails again stays, without holding the others back."""
    missing = {"x", "y", "z"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        events = [*several("a", "1", "x", "2"), *several("b", "1", "y"), *several("a", "3"), *several("c", "z", "1")]
        head = (await opened.record(*events, *several("b", "2"), *several("d", "1"))).position
        await opened.wait(view, head)
        assert [parked.key for parked in await opened.parked(view)] == ["a", "b", "c"]
        missing -= {"x", "z"}
        done = await opened.retry(view)
        assert [(one.key, one.parked and one.parked.position) for one in done] == [("a", None), ("b", 5), ("c", None)]
        assert await document(opened, view, "a", after=head) == ["1", "x", "2", "3"]
        assert await document(opened, view, "b") == ["1"]
        assert await document(opened, view, "c", after=head) == ["z", "1"]
        missing.clear()
        await opened.retry(view, "b")
        assert await document(opened, view, "b", after=head) == ["1", "y", "2"]
        assert await opened.parked(view) == []


async def test_one_key_is_retried_alone(url: str) -> None:
    """Others stay parked; one that is not parked has nothing to be done."""
    missing = {"x"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        head = (await opened.record(*several("a", "x"), *several("b", "x"))).position
        await opened.wait(view, head)
        missing.clear()
        assert [one.key for one in await opened.retry(view, "a")] == ["a"]
        assert await opened.retry(view, "c") == []
        assert [parked.key for parked in await opened.parked(view)] == ["b"]


async def test_a_key_that_fails_later_is_parked_there(url: str) -> None:
    """The document has moved on as far as it could."""
    missing = {"x", "y"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        await opened.wait(view, (await opened.record(*several("a", "1", "x", "2", "y", "3"))).position)
        missing.discard("x")
        [done] = await opened.retry(view)
        assert done.parked is not None
        assert (done.parked.position, done.parked.error) == (4, "Barrier: y")
        assert await document(opened, view, "a") == ["1", "x", "2"]
        [parked] = await opened.parked(view)
        assert parked == done.parked


async def test_a_document_may_be_removed_by_a_retry(url: str) -> None:
    """And be made again, or not."""
    missing = {"x"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        events = [*several("a", "1", "x"), Removed(item="a"), *several("b", "1", "x"), Removed(item="b")]
        head = (await opened.record(*events, *several("b", "2"))).position
        await opened.wait(view, head)
        missing.clear()
        await opened.retry(view)
        assert await opened.get(view, "a", after=head) is None
        assert await document(opened, view, "b", after=head) == ["2"]


async def test_what_finds_documents_by_value_is_retried_too(url: str) -> None:
    """A fan-out is applied to a parked document by what it holds at that event, and not before it had stopped."""
    missing = {"lake"}
    app, view = notes(missing, where=True)
    async with app.open(url) as opened:
        moves = [Moved(place="home", to="town"), Moved(place="town", to="lake"), Moved(place="lake", to="hill")]
        events = [*several("a", "1"), moves[0], *several("b", "1"), moves[1], *several("a", "2"), moves[2]]
        head = (await opened.record(*events, *several("c", "1"), Moved(place="home", to="sea"))).position
        await opened.wait(view, head)
        assert await document(opened, view, "b", after=head) == ["1", "to sea"]
        assert [parked.key for parked in await opened.parked(view)] == ["a"]
        missing.clear()
        await opened.retry(view)
        assert await document(opened, view, "a", after=head) == ["1", "to town", "to lake", "2", "to hill"]


async def test_a_retry_while_events_keep_coming_loses_and_doubles_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view moves on under it, again and again."""
    monkeypatch.setattr(retrying, "CHUNK", 20)
    monkeypatch.setattr(runner, "GATHER_SECONDS", 0.0)
    missing = {"x"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        told = ["x", *map(str, range(200))]
        await opened.record(*several("a", *told))
        await opened.wait(view, len(told))
        missing.clear()
        retry = asyncio.create_task(opened.retry(view))
        for n in range(200, 400):
            head = (await opened.record(*several("a", str(n)), *several("b", str(n)))).position
            told.append(str(n))
            if retry.done():
                break
        assert [one.parked for one in await retry] == [None]
        assert await document(opened, view, "a", after=head) == told
        assert await opened.parked(view) == []


@pytest.mark.parametrize("seed", range(4))
async def test_retries_and_rebuilds_at_once_double_nothing(url: str, seed: int) -> None:
    """Whoever comes second finds it done."""
    missing = {"x"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        told = ["0", "x", *map(str, range(50))]
        head = (await opened.record(*several("a", *told), *several("b", "x"))).position
        await opened.wait(view, head)
        missing.clear()
        jobs = [opened.retry(view), opened.retry(view, "a"), opened.rebuild(view), opened.retry(view)]
        await asyncio.gather(*jobs[seed:], *jobs[:seed])
        assert await document(opened, view, "a", after=head) == told
        assert await document(opened, view, "b", after=head) == ["x"]
        assert await opened.parked(view) == []
        head = (await opened.record(*several("a", "last"))).position
        assert await document(opened, view, "a", after=head) == [*told, "last"]


async def test_a_document_before_the_parked_event_can_be_read(url: str) -> None:
    """Whoever waits for a position before it is answered; who waits for more is told."""
    app, view = notes({"x"})
    async with app.open(url) as opened:
        head = (await opened.record(*several("a", "1", "2", "x"), *several("b", "1"))).position
        assert await document(opened, view, "b", after=head) == ["1"]
        assert await document(opened, view, "a", after=2) == ["1", "2"]
        for after in (3, head):
            with pytest.raises(KeyParked, match="storied views retry Notes a"):
                await opened.get(view, "a", after=after)


async def test_an_event_without_the_tag_of_its_key_is_retried_too(url: str) -> None:
    """Events are found as the view finds them: what was stored before the key was marked as an id has no such tag."""
    missing = {"x"}
    app, view = notes(missing)
    async with app.open(url) as opened:
        untagged = NewEvent("Noted", '{"item":"a","note":"untagged"}')
        await opened.record(*several("a", "x"))
        await opened.store.append([untagged])
        head = (await opened.record(*several("a", "2"))).position
        await opened.wait(view, head)
        missing.clear()
        await opened.retry(view)
        assert await document(opened, view, "a", after=head) == ["x", "untagged", "2"]


# --- events that do not decode


class Priced(Event, version=2):
    item: Id
    amount: int


class Bundled(Event):
    items: list[str]
    amount: int = 0


@upcast(Priced, 1)
def _price(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "amount": payload.pop("price")}


def prices() -> tuple[App, Any]:
    """An app whose view finds its documents by a field and by a list."""
    app = App("prices")

    @app.view()
    class Price(View):
        item: Id
        amount: int = 0

        @on
        def priced(self, event: Priced) -> None:
            self.amount += event.amount

        @on(key="items")
        def bundled(self, event: Bundled) -> None:
            self.amount += event.amount

    return app, Price


def good() -> NewEvent:
    """An event of another key that decodes."""
    return NewEvent("Priced", '{"item":"b","amount":1}', version=2)


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (NewEvent("Priced", '{"item":"a","amount":"much"}', version=2), ["a"]),
        (NewEvent("Priced", '{"item":"a"}', version=2), ["a"]),
        (NewEvent("Priced", '{"item":"a","value":3}', version=1), ["a"]),
        (NewEvent("Priced", '{"item":"a","amount":3}', version=3), ["a"]),
        (NewEvent("Bundled", '{"items":["a","c"],"amount":"x"}'), ["a", "c"]),
    ],
    ids=["type", "missing", "upcaster", "newer", "list"],
)
async def test_an_event_that_does_not_decode_parks_the_keys_in_it(url: str, event: NewEvent, keys: list[str]) -> None:
    """They stand in the stored payload; every other document goes on."""
    app, view = prices()
    async with app.open(url) as opened:
        await opened.store.append([good(), event, good()])
        head = (await opened.record(Priced(item="a", amount=5), Priced(item="b", amount=1))).position
        assert await opened.get(view, "b", after=head) == view(item="b", amount=3)
        parked = await opened.parked(view)
        assert [(one.key, one.position) for one in parked] == [(key, 2) for key in keys]
        assert "does not fit today's code" in parked[0].error
        with pytest.raises(KeyParked):
            await opened.get(view, "a", after=head)


@pytest.mark.parametrize(
    "event",
    [
        NewEvent("Priced", '{"thing":"a","amount":"much"}', version=2),
        NewEvent("Priced", '{"item":null,"amount":1}', version=2),
        NewEvent("Bundled", '{"items":[],"amount":"x"}'),
        NewEvent("Bundled", '{"items":{"a":[1]},"amount":"x"}'),
    ],
    ids=["absent", "null", "empty", "nested"],
)
async def test_an_event_whose_keys_cannot_be_told_stops_the_view(url: str, event: NewEvent) -> None:
    """Before it, with everything that came earlier applied; it is not skipped."""
    app, view = prices()
    async with app.open(url) as opened:
        await opened.store.append([good(), event, good()])
        assert await opened.get(view, "b", after=1) == view(item="b", amount=1)
        with pytest.raises(ViewFailed) as caught:
            await opened.wait(view, 3)
        assert caught.value.position == 2
        assert await opened.get(view, "b") == view(item="b", amount=1)
        await eventually(lambda: _has_failed(opened))
        [report] = await opened.view_states()
        assert (report.state, report.position, report.lag_events) == ("failed", 1, 2)
        assert report.error == str(caught.value)


class Weighed(Event):
    things: list[str]

    def __post_init__(self) -> None:
        if "" in self.things:
            raise KeyError("no thing")


async def test_an_event_that_its_class_refuses_is_not_laid_at_the_views_door(url: str) -> None:
    """The class is named, or an upcaster, as what is to be mended; a handler is, where a handler raised."""
    app = App("weights")

    @app.view()
    class Weight(View):
        thing: Id

        @on(key=lambda event: event.things[0])
        def weighed(self, event: Weighed) -> None: ...

    async with app.open(url) as opened:
        await opened.store.append([NewEvent("Weighed", '{"things":[""]}')])
        with pytest.raises(ViewFailed) as caught:
            await opened.wait(Weight, 1)
    assert caught.value.message == (
        "view Weight stopped before event 1 (Weighed): as version 1 it does not fit today's code: "
        "KeyError('no thing'). Mend the event's class, or add an upcaster, and open the app again: it goes on from "
        "there; nothing was skipped."
    )
    async with app.open(f"{url}.other" if url.startswith("sqlite") else url) as opened:
        await opened.record(Weighed(things=[]))
        with pytest.raises(ViewFailed, match=r"IndexError: .* Mend the view's handler and open"):
            await opened.wait(Weight, 1)


async def _has_failed(opened: OpenApp) -> bool:
    [report] = await opened.view_states()
    return report.state == "failed"
