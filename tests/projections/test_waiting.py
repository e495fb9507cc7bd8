"""Reading one's own writes: a reader waits for its view, and hears why when the view does not come."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from storied import App, DefinitionError, Event, Id, InvalidQuery, NotCaughtUp, Reader, View, ViewFailed, on
from storied.engines.memory.documents import MemoryDocuments
from storied.errors import KeyParked
from storied.projections.serving import Then
from storied.testing.waiting import eventually
from tests.projections.shop import Broken, Everything, OrderPage, Paid, Place, Placed, Totals, shop


async def test_waiting_for_what_is_there_returns_at_once(url: str) -> None:
    """A view that has seen the position answers, even with no time to wait."""
    async with shop.open(url) as opened:
        head = (await opened.record(Paid(order="o"))).position
        await opened.wait(Totals, head)
        assert await opened.get(Totals, "o", after=head, timeout=0) == Totals(order="o", paid=1)


async def test_a_view_passes_events_that_it_does_not_handle(url: str) -> None:
    """A position whose event is nothing to the view is reached all the same."""
    async with shop.open(url) as opened:
        head = (await opened.record(Placed(order="o", customer="c"), Broken(order="o"))).position
        await opened.wait(Totals, head)


async def test_not_caught_up_says_where_the_view_stands(url: str) -> None:
    """What was wanted, where it is, how long was waited."""
    async with shop.open(url) as opened:
        head = (await opened.record(Paid(order="o"))).position
        await opened.wait(Totals, head)
        with pytest.raises(NotCaughtUp) as caught:
            await opened.get(Totals, "o", after=head + 1, timeout=0.01)
        error = caught.value
        assert (error.view, error.wanted, error.position, error.timeout) == ("Totals", 2, 1, 0.01)


async def test_waiters_are_woken_by_the_event_they_wait_for(url: str) -> None:
    """Many tasks may wait for different positions that are still to come."""
    async with shop.open(url) as opened:
        waiting = [asyncio.create_task(opened.get(Totals, "o", after=n)) for n in range(1, 9)]
        for _ in range(8):
            await opened.record(Paid(order="o"))
        paid = [document.paid for document in await asyncio.gather(*waiting) if document]
        assert all(seen >= n for n, seen in enumerate(paid, 1))
        assert len(paid) == 8


@pytest.mark.parametrize("after", [-1, "1", True, 1.0, 2**63])
async def test_what_is_no_position_is_refused(after: Any) -> None:
    """A position is a whole number from 0."""
    async with shop.open("memory://") as opened:
        with pytest.raises(InvalidQuery):
            await opened.get(Totals, "o", after=after)


async def test_a_process_without_views_reads_those_of_another(tmp_path: Path) -> None:
    """One process runs the views, the other one commands and reads its own writes."""
    url = f"sqlite:///{tmp_path}/shop.db"
    async with shop.open(url) as _, shop.open(url, views=False) as commanding:
        receipt = await commanding.execute(Place(order="o"))
        page = await commanding.get(OrderPage, "o", after=receipt.position)
        assert page is not None
        assert [found.id for found in await commanding.find(OrderPage, after=receipt.position)] == ["o"]


async def test_without_anybody_who_runs_the_views_they_do_not_move(tmp_path: Path) -> None:
    """views=False waits for others, and says that there may be none."""
    async with shop.open(f"sqlite:///{tmp_path}/shop.db", views=False) as opened:
        receipt = await opened.execute(Place(order="o"))
        with pytest.raises(NotCaughtUp, match="see that a process runs the views"):
            await opened.get(OrderPage, "o", after=receipt.position, timeout=0.05)


async def test_a_poison_event_parks_its_key(url: str) -> None:
    """The document stays as it was before; who wants it fresher is told position, type and reason."""
    async with shop.open(url) as opened:
        events = [Placed(order="a", customer="c"), Paid(order="a"), Broken(order="a"), Paid(order="a")]
        head = (await opened.record(*events)).position
        with pytest.raises(KeyParked) as caught:
            await opened.get(OrderPage, "a", after=head)
        error = caught.value
        assert (error.view, error.key, error.position, error.type) == ("OrderPage", "a", 3, "Broken")
        assert "ValueError: nobody can apply a" in str(error)
        page = await opened.get(OrderPage, "a")
        assert page is not None
        assert (page.paid, page.positions) == (1, [2])


class Panic(BaseException):
    """What an extension in another language raises when it is beyond itself."""


class Fed(Event):
    pet: Id
    how: str


FATAL = {"panic": Panic, "exit": SystemExit, "cancelled": asyncio.CancelledError, "generator": GeneratorExit}
zoo = App("zoo")


@zoo.view()
class PetPage(View):
    pet: Id
    how: list[str] = []

    @on
    def fed(self, event: Fed) -> None:
        self.how.append(event.how)
        if event.how in FATAL:
            raise FATAL[event.how]("nobody can apply it")


@pytest.mark.parametrize("how", FATAL)
async def test_a_handler_that_raises_what_is_no_exception_parks_its_key(url: str, how: str) -> None:
    """The view lives, and all other documents go on."""
    async with zoo.open(url) as opened:
        await opened.record(Fed(pet="a", how="well"), Fed(pet="a", how=how))
        head = (await opened.record(Fed(pet="b", how="well"))).position
        assert await opened.get(PetPage, "b", after=head) == PetPage(pet="b", how=["well"])
        with pytest.raises(KeyParked):
            await opened.get(PetPage, "a", after=head)
        assert await opened.get(PetPage, "a") == PetPage(pet="a", how=["well"])
        with pytest.raises(KeyParked):
            await opened.get(PetPage, "a", at=head)


@pytest.mark.parametrize("how", FATAL)
async def test_a_key_function_that_raises_what_is_no_exception_stops_the_view(url: str, how: str) -> None:
    """Which documents the event changes cannot be told, so whoever waits hears where the view stands, and why."""
    app = App("keyless")

    def pets(event: Fed) -> str:
        if event.how in FATAL:
            raise FATAL[event.how]("nobody can tell")
        return event.pet

    class Meals(View):
        pet: Id
        count: int = 0

        @on(key=pets)
        def fed(self, event: Fed) -> None:
            self.count += 1

    app.view()(Meals)
    async with app.open(url) as opened:
        receipt = await opened.record(Fed(pet="a", how="well"), Fed(pet="a", how=how), Fed(pet="a", how="well"))
        with pytest.raises(ViewFailed, match=f"{FATAL[how].__name__}: nobody can tell") as failed:
            await opened.wait(Meals, receipt.position)
        assert (failed.value.position, failed.value.type) == (2, "Fed")
        assert await opened.get(Meals, "a") == Meals(pet="a", count=1)


def _fragile() -> tuple[App, Any]:
    """An app whose view stops as a whole at an event without a meal."""
    app = App("fragile")

    class Meals(View):
        pet: Id
        count: int = 0

        @on(key=lambda event: event.how and event.pet[0 if event.how == "well" else 99])
        def fed(self, event: Fed) -> None:
            self.count += 1

    app.view()(Meals)
    return app, Meals


async def test_who_waits_for_a_view_that_stopped_in_another_process_hears_of_it(tmp_path: Path) -> None:
    """At once, also who began to wait before, and in the words of whoever keeps the view."""
    app, meals = _fragile()
    url = f"sqlite:///{tmp_path}/app.db"
    async with app.open(url) as opened, app.read(url) as reader:
        head = (await opened.record(Fed(pet="a", how="well"))).position
        assert await reader.get(meals, "a", after=head) == meals(pet="a", count=1)
        waiting = asyncio.create_task(reader.get(meals, "a", after=head + 1, timeout=60))
        await eventually(lambda: _is_polling(reader))
        await opened.record(Fed(pet="a", how="ill"))
        for asking in (waiting, reader.then(Then(head + 1, timeout=60)).find(meals)):
            with pytest.raises(ViewFailed, match=r"stopped before event 2 \(Fed\): IndexError") as failed:
                await asking
            assert failed.value.position == 2
        assert len(await reader.find(meals)) == 1


async def _is_polling(reader: Reader) -> bool:
    return bool(reader.texts.served.standings._waiting)


async def test_a_parked_key_leaves_all_others_alone(url: str) -> None:
    """The view goes on, other views do, and commands do."""
    async with shop.open(url) as opened:
        head = (await opened.record(Broken(order="a"), Placed(order="b", customer="c"), Paid(order="a"))).position
        assert await opened.get(OrderPage, "b", after=head) is not None
        assert await opened.get(Totals, "a", after=head) == Totals(order="a", paid=1)
        [parked] = await opened.parked(OrderPage)
        assert (parked.key, parked.position) == ("a", 1)
        assert "Traceback" in parked.trace


async def test_an_event_after_the_parked_one_is_not_applied(url: str) -> None:
    """Also in a later chunk: events of one key are applied in order or not at all."""
    async with shop.open(url) as opened:
        await opened.record(Placed(order="a", customer="c"), Broken(order="a"))
        await opened.wait(OrderPage, 2)
        await opened.wait(OrderPage, (await opened.record(Paid(order="a"))).position)
        page = await opened.get(OrderPage, "a")
        assert page is not None
        assert page.paid == 0


class Added(Event):
    sum: Id
    value: int


def _summing(fail_at: tuple[int, ...], spoil_at: tuple[int, ...] = ()) -> tuple[App, Any]:
    """An app whose view fails at some values, and at others leaves a document that cannot be stored."""
    app = App("summing")

    class Sums(View):
        sum: Id
        value: int = 0
        seen: list[int] = []

        @on
        def added(self, event: Added) -> None:
            if event.value in fail_at:
                raise RuntimeError("no such sum")
            self.seen.append(event.value)
            self.value = "spoilt" if event.value in spoil_at else event.value  # type: ignore[assignment]

    app.view()(Sums)
    return app, Sums


async def test_a_mended_view_is_built_anew(tmp_path: Path) -> None:
    """Opened again with mended code it applies the event that it failed at, and what came after."""
    url = f"sqlite:///{tmp_path}/sums.db"
    broken, sums = _summing(fail_at=(3,))
    async with broken.open(url) as opened:
        head = (await opened.record(*(Added(sum="s", value=n) for n in range(1, 6)))).position
        with pytest.raises(KeyParked):
            await opened.get(sums, "s", after=head)
    mended, sums = _summing(fail_at=())
    async with mended.open(url) as opened:
        assert await opened.get(sums, "s", after=head) == sums(sum="s", value=5, seen=[1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("fail_at", "spoil_at"), [((3,), ()), ((), (3, 5)), ((6,), (3, 5)), ((3, 5), ()), ((), (3, 4, 5, 6))]
)
async def test_a_key_stops_before_the_first_of_several_poison_events(
    url: str, fail_at: tuple[int, ...], spoil_at: tuple[int, ...]
) -> None:
    """Also when a later one is noticed first: the first is named, and all before it is applied."""
    app, sums = _summing(fail_at, spoil_at)
    async with app.open(url) as opened:
        head = (await opened.record(*(Added(sum=f"s-{n % 2}", value=n) for n in range(1, 7)))).position
        await opened.wait(sums, head)
        parked = await opened.parked(sums)
        assert (parked[0].key, parked[0].position) == ("s-1", 3)
        assert [found.value for found in await opened.find(sums) if found.sum == "s-1"] == [1]


async def test_a_parked_key_is_retried_in_order(url: str) -> None:
    """Once what its handler needs is there, every event from the failed one on is applied, and none twice."""
    app, rated, rates = _rated()
    async with app.open(url) as opened:
        events = [Added(sum="s", value=1), Added(sum="s", value=2), Added(sum="t", value=1), Added(sum="s", value=1)]
        head = (await opened.record(*events)).position
        await opened.wait(rated, head)
        [still] = await opened.retry(rated)
        assert still.parked is not None
        assert still.parked.position == 2
        rates[2] = 20
        assert [(one.key, one.parked) for one in await opened.retry(rated)] == [("s", None)]
        assert await opened.get(rated, "s", after=head) == rated(sum="s", seen=[10, 20, 10])
        head = (await opened.record(Added(sum="s", value=2))).position
        assert await opened.get(rated, "s", after=head) == rated(sum="s", seen=[10, 20, 10, 20])
        assert await opened.parked(rated) == []


def _rated() -> tuple[App, Any, dict[int, int]]:
    """An app whose view needs a rate for each value, and the rates it has."""
    app, rates = App("rating"), {1: 10}

    class Rated(View):
        sum: Id
        seen: list[int] = []

        @on
        def added(self, event: Added) -> None:
            self.seen.append(rates[event.value])

    app.view()(Rated)
    return app, Rated, rates


async def test_a_parked_document_has_no_exact_past(url: str) -> None:
    """As of a position behind the event it stopped at nothing can be said; before it everything can."""
    app, rated, _ = _rated()
    async with app.open(url) as opened:
        await opened.record(Added(sum="s", value=1), Added(sum="s", value=2), Added(sum="t", value=1))
        assert await opened.get(rated, "s", at=1) == rated(sum="s", seen=[10])
        assert await opened.get(rated, "t", at=3) == rated(sum="t", seen=[10])
        assert len(await opened.find(rated, at=1)) == 1
        for asking in (opened.get(rated, "s", at=3), opened.find(rated, at=3), opened.count(rated, at=3)):
            with pytest.raises(KeyParked, match="stopped before event 2"):
                await asking


async def test_a_list_says_which_documents_are_held_back(url: str) -> None:
    """Whoever asks for what has seen a position is told whose documents have not."""
    app, rated, _ = _rated()
    async with app.open(url) as opened:
        head = (await opened.record(Added(sum="s", value=2), Added(sum="t", value=1))).position
        found = await opened.find(rated, after=head)
        assert ([one.sum for one in found], found.parked) == (["t"], ("s",))


async def test_a_view_reports_how_it_is_doing(url: str) -> None:
    """State, position, lag, and how many keys are parked."""
    app, rated, _ = _rated()
    async with app.open(url) as opened:
        head = (await opened.record(Added(sum="s", value=1), Added(sum="t", value=2))).position
        await opened.wait(rated, head)
        [report] = await opened.view_states()
        assert (report.view, report.state, report.position, report.head) == ("Rated", "parked", head, head)
        assert (report.lag_events, report.lag_seconds, report.parked) == (0, 0.0, 1)


class Meant(Event):
    sum: Id
    value: object = None


async def test_an_event_whose_value_cannot_be_looked_for_is_a_poison_event(url: str) -> None:
    """A where= field without an order stops the view with its position, and does not kill its task."""
    app = App("meaning")

    class Meanings(View, indexes=["value"]):
        sum: Id
        value: object = None

        @on(where="value")
        def meant(self, event: Meant) -> None: ...

    app.view()(Meanings)
    async with app.open(url) as opened:
        head = (await opened.record(Meant(sum="s", value="text"), Meant(sum="s", value=[1]))).position
        with pytest.raises(ViewFailed, match="cannot be indexed"):
            await opened.wait(Meanings, head)


async def test_whatever_stops_a_view_is_told_to_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits out the deadline for a view whose task has ended."""
    app, sums = _summing(fail_at=())
    heard: list[type[BaseException]] = []

    async def use() -> None:
        async with app.open("memory://") as opened:
            head = (await opened.record(Added(sum="s", value=1))).position
            try:
                await opened.wait(sums, head)
            except MemoryError as error:
                heard.append(type(error))

    monkeypatch.setattr(MemoryDocuments, "load", _out_of_memory)
    with pytest.raises(MemoryError):  # and the block does not end as if nothing had been
        await use()
    assert heard == [MemoryError]


async def _out_of_memory(*arguments: object) -> None:
    raise MemoryError("the engine gave up")


async def test_closing_the_app_ends_its_views(url: str) -> None:
    """No task of a view outlives the block."""
    async with shop.open(url) as opened:
        await eventually(_view_tasks)
        await opened.wait(Everything, 0)
    assert not _view_tasks()


def _view_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("storied-view-")]


def test_a_views_name_and_class_go_together() -> None:
    """Another class of the same name cannot be registered beside it."""
    other = type("OrderPage", (View,), {"__annotations__": {"id": Id}})
    with pytest.raises(DefinitionError, match="two views are called OrderPage"):
        shop.view()(other)
