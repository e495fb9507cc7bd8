"""The past of a view in which a document is held back: what can be answered of it, and until when."""

from __future__ import annotations

from typing import Any

import pytest

from storied import App, Event, Id, View, on
from storied.errors import KeyParked
from storied.projections import past


class Added(Event):
    sum: Id
    value: int


def _rated() -> tuple[App, Any, dict[int, int]]:
    """An app whose view needs a rate for each value, and the rates it has."""
    app, rates = App("rating"), {1: 10}

    class Rated(View, indexes=["count"]):
        sum: Id
        count: int = 0

        @on
        def added(self, event: Added) -> None:
            self.count += rates[event.value]

    app.view()(Rated)
    return app, Rated, rates


async def test_a_list_answers_where_what_is_held_back_was_not_asked_for(url: str) -> None:
    """By what it was like; it may belong there by then, so the page says that it is held back."""
    app, rated, _ = _rated()
    async with app.open(url) as opened:
        await opened.record(Added(sum="s", value=1), Added(sum="s", value=2), Added(sum="t", value=1))
        found = await opened.find(rated, count=7, at=3)
        assert (list(found), found.parked, found.position) == ([], ("s",), 1)
        assert await opened.count(rated, count=7, at=3) == {None: 0}
        for asking in (opened.find(rated, count=10, at=3), opened.count(rated, count=10, at=3)):
            with pytest.raises(KeyParked, match="stopped before event 2"):
                await asking


async def test_it_does_not_stay_held_back_when_the_cause_is_mended(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stopped a document is looked at again after a while."""
    app, rated, rates = _rated()
    async with app.open(url) as opened:
        await opened.record(Added(sum="s", value=1), Added(sum="s", value=2))
        monkeypatch.setattr(past, "AGAIN_SECONDS", 0.0)
        with pytest.raises(KeyParked):
            await opened.find(rated, at=2)
        rates[2] = 20
        assert [one.count for one in await opened.find(rated, at=2)] == [30]


async def test_for_that_while_it_is_not_projected_anew(url: str) -> None:
    """However often somebody asks."""
    app, rated, rates = _rated()
    async with app.open(url) as opened:
        await opened.record(Added(sum="s", value=1), Added(sum="s", value=2))
        with pytest.raises(KeyParked):
            await opened.find(rated, at=2)
        rates[2] = 20
        with pytest.raises(KeyParked):
            await opened.find(rated, at=2)
