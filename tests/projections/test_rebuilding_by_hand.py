"""`rebuild` builds the same code's read model anew beside the one that is served, and may be interrupted."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from storied import App, Id, View, on
from storied.domain.views import view_spec
from storied.errors import KeyParked
from storied.projections import applying
from storied.store.documents import SupersededError
from storied.testing.waiting import eventually
from tests.projections.tallies import Counted, counted, held_back, seen, tallies


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many commits, though there are few events."""
    monkeypatch.setattr(applying, "CHUNK", 20)


async def test_the_app_goes_on_while_it_is_rebuilt(url: str) -> None:
    """Appends are in the result, no answer is half or goes back, and the following goes on."""
    app, view = tallies(1)
    async with app.open(url) as opened:
        head = (await opened.record(*counted(2_000))).position
        await opened.wait(view, head)
        rebuilding = asyncio.create_task(opened.rebuild(view))
        answers = []
        while not rebuilding.done():
            head = (await opened.record(*counted(5, start=head))).position
            answers.append(await seen(opened, view, after=head))
        assert answers
        assert answers == sorted(answers)
        assert await rebuilding <= head
        for _ in range(3):
            head = (await opened.record(*counted(5, start=head))).position
            assert await seen(opened, view, after=head) == (1, head)
        [report] = await opened.view_states()
        assert (report.state, report.built) == ("running", None)


async def test_a_rebuilt_read_model_equals_the_one_before(url: str) -> None:
    """The same code over the same log."""
    app, view = tallies(1)
    async with app.open(url) as opened:
        head = (await opened.record(*counted(700))).position
        before = await opened.find(view, after=head)
        assert await opened.rebuild(view) == head
        assert list(await opened.find(view)) == list(before)


async def test_an_interrupted_rebuild_goes_on_where_it_was(url: str) -> None:
    """The old read model serves meanwhile; what was built is not built again."""
    app, view = tallies(1)
    async with app.open(url) as opened:
        head = (await opened.record(*counted(1_000))).position
        await opened.wait(view, head)
        told: list[int] = []
        for goal in (200, 600):
            with pytest.raises(InterruptedError):
                await opened.rebuild(view, told=_stops_at(goal, told))
            assert await seen(opened, view) == (1, head)
            [report] = await opened.view_states()
            assert (report.state, report.built, report.position) == ("building", told[-1], head)
        assert await opened.rebuild(view, told=told.append) == head
        assert told == sorted(told)
        assert told.count(0) == 1
        assert await seen(opened, view) == (1, head)


def _stops_at(goal: int, told: list[int]) -> Any:
    def stop(position: int) -> None:
        told.append(position)
        if position >= goal:
            raise InterruptedError

    return stop


async def test_a_cancelled_rebuild_goes_on_where_it_was(url: str) -> None:
    """Ctrl-C is a cancellation."""
    app, view = tallies(1)
    async with app.open(url) as opened:
        head = (await opened.record(*counted(1_000))).position
        await opened.wait(view, head)
        told: list[int] = []
        rebuilding = asyncio.create_task(opened.rebuild(view, told=told.append))
        await eventually(lambda: told[-1:] > [100])
        rebuilding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rebuilding
        stood = told[-1]
        assert await seen(opened, view) == (1, head)
        again: list[int] = []
        await opened.rebuild(view, told=again.append)
        assert again[0] >= stood
        assert await seen(opened, view) == (1, head)


async def test_two_rebuilds_at_once_end_as_one(url: str) -> None:
    """Whoever asked gets a rebuilt read model, and each event is in it once."""
    app, view = tallies(1)
    async with app.open(url) as opened:
        head = (await opened.record(*counted(1_000))).position
        await opened.wait(view, head)
        assert await asyncio.gather(*(opened.rebuild(view) for _ in range(3))) == [head] * 3
        head = (await opened.record(*counted(5))).position
        assert await seen(opened, view, after=head) == (1, head)


async def test_a_rebuild_in_another_process_is_followed(tmp_path: Path) -> None:
    """The app that keeps the view up to date goes on with the new read model by itself."""
    url = f"sqlite:///{tmp_path}/shop.db"
    app, view = tallies(1)
    async with app.open(url) as opened, app.open(url, views=False) as other:
        head = (await opened.record(*counted(500))).position
        await opened.wait(view, head)
        assert await other.rebuild(view) == head
        for _ in range(3):
            head = (await other.record(*counted(5))).position
            assert await seen(opened, view, after=head) == (1, head)
            assert await seen(other, view, after=head) == (1, head)


async def test_changed_code_may_be_built_by_hand(tmp_path: Path) -> None:
    """Before any process of it runs: what another has begun is gone on with, and it is served at once."""
    url = f"sqlite:///{tmp_path}/shop.db"
    (old, one), (new, two) = tallies(1), tallies(2)
    async with old.open(url) as opened:
        head = (await opened.record(*counted(500))).position
        await opened.wait(one, head)
    async with new.open(url, views=False) as opened:
        told: list[int] = []
        with pytest.raises(InterruptedError):
            await opened.rebuild(two, told=_stops_at(200, told))
        assert await seen(opened, two) == (1, head)
        with held_back() as gate:
            async with new.open(url) as other:
                await eventually(lambda: _is_built(other, head))
        assert not gate.is_set()
        again: list[int] = []
        assert await opened.rebuild(two, told=again.append) == head
        assert again[0] == head
        assert await seen(opened, two) == (2, head)


async def _is_built(opened: Any, head: int) -> bool:
    [report] = await opened.view_states()
    return bool(report.built == head)


async def test_a_rebuild_that_other_code_overtakes_says_so(tmp_path: Path) -> None:
    """It does not put old code back."""
    url = f"sqlite:///{tmp_path}/shop.db"
    (old, one), (new, two) = tallies(1), tallies(2)
    async with old.open(url, views=False) as opened:
        head = (await opened.record(*counted(300))).position
        await opened.rebuild(one)
        with held_back(view_spec(one).fingerprint()) as gate:
            told: list[int] = []
            rebuilding = asyncio.create_task(opened.rebuild(one, told=told.append))
            await eventually(lambda: told[-1:] == [head])
            async with new.open(url, views=False) as newer:
                await newer.rebuild(two)
            gate.set()
            with pytest.raises(SupersededError, match="upgrade this process"):
                await rebuilding
        assert await seen(opened, one) == (2, head)


async def test_what_was_begun_from_another_log_is_not_gone_on_with(tmp_path: Path) -> None:
    """The log was restored shorter and grew on differently: the rebuild begins anew."""
    log, copy = tmp_path / "shop.db", tmp_path / "copy.db"
    url = f"sqlite:///{log}"
    app, view = tallies(1)
    async with app.open(url, views=False) as opened:
        await opened.record(*counted(100))
    shutil.copy(log, copy)
    async with app.open(url) as opened:
        head = (await opened.record(*(Counted(item="i-0", amount=9) for _ in range(400)))).position
        await opened.wait(view, head)
        with pytest.raises(InterruptedError):
            await opened.rebuild(view, told=_stops_at(200, []))
    for name in (log.name, f"{log.name}-wal", f"{log.name}-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(copy, log)
    async with app.open(url, views=False) as opened:
        head = (await opened.record(*counted(400))).position
        assert await opened.rebuild(view) == head
        assert await seen(opened, view) == (1, head)


async def test_parked_keys_heal_by_a_rebuild(url: str) -> None:
    """Once what the handler needs is there, the whole read model is right, and the following goes on with the key."""
    app, rates = App("rating"), {1: 10}

    @app.view()
    class Rated(View):
        item: Id
        seen: list[int] = []

        @on
        def counted(self, event: Counted) -> None:
            self.seen.append(rates[event.amount])

    async with app.open(url) as opened:
        head = (await opened.record(*(Counted(item="a", amount=n) for n in (1, 2, 1)), Counted(item="b"))).position
        with pytest.raises(KeyParked):
            await opened.get(Rated, "a", after=head)
        await opened.rebuild(Rated)
        assert [parked.key for parked in await opened.parked(Rated)] == ["a"]
        rates[2] = 20
        await opened.rebuild(Rated)
        assert await opened.parked(Rated) == []
        assert await opened.get(Rated, "a", after=head) == Rated(item="a", seen=[10, 20, 10])
        head = (await opened.record(Counted(item="a", amount=2))).position
        assert await opened.get(Rated, "a", after=head) == Rated(item="a", seen=[10, 20, 10, 20])


async def test_the_past_needs_no_rebuild(url: str) -> None:
    """It is answered by today's code, from the log."""
    app, view = tallies(1)
    async with app.open(url) as opened:
        await opened.record(*counted(300))
        found = await opened.find(view, at=250, limit=1000)
        assert sum(document.count for document in found) == 250
