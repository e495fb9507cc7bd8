"""What the past costs: worked out once for all who ask, from the nearest moment that is there, and within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storied import App, Event, Id, OpenApp, View, on
from storied.engines.memory.documents import MemoryDocuments
from storied.errors import PastUnready
from storied.projections import past
from storied.projections.past import Bounds
from storied.projections.serving import Then
from storied.store.documents import Change, Table
from storied.testing.waiting import eventually

EVENTS = 60


class Counted(Event):
    item: Id


class Tally(View):
    item: Id
    count: int = 0

    @on(key=lambda event: event.item)
    def counted(self, event: Counted) -> None:
        applied.append(event.item)
        self.count += 1


applied: list[str] = []
"""Each time that the view's code was run."""


@asynccontextmanager
async def counted() -> AsyncIterator[OpenApp]:
    """An app with sixty events of ten items, whose view nobody keeps up to date."""
    app = App("tallies")
    app.view()(Tally)
    async with app.open("memory://", views=False) as opened:
        await opened.record(*(Counted(item=f"i-{n % 10}") for n in range(EVENTS)))
        applied.clear()
        yield opened


async def total(opened: OpenApp, at: int, bounds: Bounds | None = None) -> int:
    """How much was counted by then."""
    page = await opened.reader.then(Then(at=at, bounds=bounds)).find(Tally)
    return sum(one.count for one in page)


@pytest.fixture
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is read in pages of ten events."""
    monkeypatch.setattr(past, "CHUNK", 10)


async def test_who_asks_the_same_shares_the_work() -> None:
    """At once and afterwards."""
    async with counted() as opened:
        assert await asyncio.gather(*(total(opened, 60) for _ in range(5))) == [60] * 5
        assert await total(opened, 60) == 60
        assert len(applied) == 60


async def test_a_later_moment_goes_on_from_an_earlier_one() -> None:
    """Which is not changed by that; an earlier one has to begin anew."""
    async with counted() as opened:
        for at, cost in ((20, 20), (50, 30), (30, 10), (20, 0), (50, 0), (10, 10)):
            applied.clear()
            assert (await total(opened, at), len(applied)) == (at, cost)


@pytest.mark.usefixtures("in_small_steps")
async def test_what_takes_too_long_ends_and_is_gone_on_with() -> None:
    """Each question works on for as long as it may; what was done is not done again."""
    async with counted() as opened:
        attempts = 0
        while (waiting := await _ended_soon(opened)).cancelled():
            attempts += 1
        assert (waiting.result(), len(applied), attempts > 0) == (60, 60, True)


async def _ended_soon(opened: OpenApp) -> asyncio.Task[int]:
    """A question that is given up once something has been done for it."""
    steps = len(applied)
    waiting = asyncio.create_task(total(opened, 60, Bounds(60.0)))
    while len(applied) == steps and not waiting.done():  # noqa: ASYNC110 - each turn of the loop is looked at
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    return waiting


async def test_with_bounds_one_is_told_to_ask_again_and_the_work_ends() -> None:
    """Also in line behind others, and for whoever else wanted it."""
    async with counted() as opened:
        past_of = opened.reader.texts.past
        projector = opened.reader.texts.projector(Tally)
        async with past_of.turn(projector, Bounds(60.0)):
            outcomes = await asyncio.gather(
                *(total(opened, 60, Bounds(0.01)) for _ in range(3)), return_exceptions=True
            )
            assert [type(one) for one in outcomes] == [PastUnready] * 3
            with pytest.raises(PastUnready) as late:
                async with past_of.turn(projector, Bounds(0.01)):
                    pass
            assert late.value.code == "past-unfinished"
        assert (past_of._works, applied) == ({}, [])
        assert await total(opened, 60, Bounds(60.0)) == 60


async def test_too_many_in_line_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who have bounds; the others wait, and who asks for what somebody waits for joins them."""
    monkeypatch.setattr(past, "MOST_IN_LINE", 2)
    async with counted() as opened:
        past_of = opened.reader.texts.past
        async with past_of.turn(opened.reader.texts.projector(Tally), Bounds(60.0)):
            waiting = [asyncio.create_task(total(opened, 60, bounds)) for bounds in (Bounds(60.0), Bounds(60.0), None)]
            await eventually(lambda: _are_in_line(opened, 3))
            with pytest.raises(PastUnready) as refused:
                await total(opened, 59, Bounds(60.0))
            assert refused.value.code == "past-busy"
            waiting.append(asyncio.create_task(total(opened, 59)))
        assert await asyncio.gather(*waiting) == [60, 60, 60, 59]


async def _are_in_line(opened: OpenApp, askers: int) -> bool:
    return sum(work.askers for work in opened.reader.texts.past._works.values()) == askers


async def test_what_would_take_too_much_memory_is_refused() -> None:
    """To who has bounds; single documents whose events have their tag are no matter of it."""
    async with counted() as opened:
        with pytest.raises(PastUnready) as refused:
            await total(opened, 60, Bounds(60.0, most_bytes=1000))
        assert refused.value.code == "past-too-large"
        assert await total(opened, 60) == 60


async def test_what_is_kept_has_a_bound_in_bytes() -> None:
    """What was used longest ago goes first; the last is kept in any case."""
    async with counted() as opened:
        one = Bounds(60.0, most_bytes=10 * 800)
        for at, cost in ((60, 60), (50, 50), (60, 10), (60, 0), (50, 50)):
            applied.clear()
            assert (await total(opened, at, one), len(applied)) == (at, cost)


async def test_a_copy_goes_its_own_way() -> None:
    """And knows how large it is."""
    table, first = Table("Tally"), MemoryDocuments()
    now = await first.prepare(table)
    await first.commit(table, [Change("a", "{}"), Change("b", "{}")], expected=now, checkpoint=now)
    second = first.copy()
    await second.commit(table, [Change("a", None), Change("b", "[]")], expected=now, checkpoint=now)
    assert (second.size * 2, first.size > 0) == (first.size, True)
    assert await first.load(table, ["a", "b"]) == {"a": "{}", "b": "{}"}
    assert await second.load(table, ["a", "b"]) == {"b": "[]"}
