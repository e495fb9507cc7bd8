"""Milestones: what is kept of trails is found again, bounded, and not taken for what another log holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storied import App, Event, Id, OpenApp, View, on
from storied.projections.milestones import START, Milestone, Milestones, Way


class Noted(Event):
    page: Id
    text: str


WAY, OTHER = Way("log", "Page", "a"), Way("log", "Page", "b")


@asynccontextmanager
async def noted() -> AsyncIterator[OpenApp]:
    """A log of nine events."""
    app = App("notes")

    @app.view()
    class Notes(View):
        page: Id

        @on
        def noted(self, event: Noted) -> None:
            """Shows that there is a page."""

    async with app.open("memory://") as opened:
        await opened.record(*(Noted(page="a", text=str(n)) for n in range(9)))
        yield opened


async def of(opened: OpenApp, position: int, document: str = "{}") -> Milestone:
    """A milestone at an event of the log."""
    [record] = await opened.store.read(after=position - 1, until=position).list()
    return Milestone(position, record.digest, document, begun=True)


async def test_the_last_one_up_to_a_position_is_found() -> None:
    """Of that trail alone; the start where there is none."""
    async with noted() as opened:
        kept = Milestones()
        three, seven = await of(opened, 3), await of(opened, 7)
        kept.keep(WAY, seven)
        kept.keep(WAY, three)
        found = [await kept.last(opened.store, WAY, until) for until in (2, 3, 6, 7, 9)]
        assert found == [START, three, three, seven, seven]
        assert await kept.last(opened.store, OTHER, 9) == START


async def test_another_log_of_the_same_name_has_none() -> None:
    """One that was restored shorter, or holds another event there: all that was kept of the trail is dropped."""
    async with noted() as opened:
        kept = Milestones()
        kept.keep(WAY, await of(opened, 3))
        kept.keep(WAY, Milestone(7, b"another", "{}", begun=True))
        assert await kept.last(opened.store, WAY, 9) == START
        assert await kept.last(opened.store, WAY, 5) == START
        kept.keep(WAY, Milestone(12, b"beyond the head", "{}", begun=True))
        assert await kept.last(opened.store, WAY, 20) == START


async def test_those_from_a_position_on_can_be_dropped() -> None:
    """Those before it stay, and so do those of other trails."""
    async with noted() as opened:
        kept = Milestones()
        for position in (3, 5, 7):
            kept.keep(WAY, await of(opened, position))
        kept.keep(OTHER, await of(opened, 8))
        kept.drop(WAY, 5)
        assert (await kept.last(opened.store, WAY, 9)).position == 3
        assert (await kept.last(opened.store, OTHER, 9)).position == 8
        kept.drop(WAY)
        assert await kept.last(opened.store, WAY, 9) == START


@pytest.mark.parametrize("bounds", [{"most": 2}, {"characters": 7}])
async def test_what_was_used_longest_ago_goes_first(bounds: dict[str, int]) -> None:
    """When there are too many, or they are too large together."""
    async with noted() as opened:
        kept = Milestones(**bounds)
        for position in (1, 4):
            kept.keep(WAY, await of(opened, position, "[1]"))
        assert (await kept.last(opened.store, WAY, 2)).position == 1
        kept.keep(OTHER, await of(opened, 8, "[2]"))
        assert [(await kept.last(opened.store, WAY, until)).position for until in (2, 5)] == [1, 1]
        assert (await kept.last(opened.store, OTHER, 9)).position == 8


async def test_one_that_is_too_large_by_itself_is_not_kept() -> None:
    """The trail is read from an earlier one then."""
    async with noted() as opened:
        kept = Milestones(characters=10)
        kept.keep(WAY, await of(opened, 3, "[" + "1," * 10))
        assert await kept.last(opened.store, WAY, 9) == START
