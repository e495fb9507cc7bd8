"""Read models opened alone: nothing is made, nothing is written, and the log need not be there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from storied import DefinitionError, InvalidQuery, NotCaughtUp, Reader, StoreUnavailable
from storied.engines.alone import open_read_models
from storied.testing.waiting import eventually
from tests.projections.shop import OrderPage, Paid, Placed, Totals, shop


def url_in(folder: Path) -> str:
    """The URL of a store in the folder."""
    return f"sqlite:///{folder}/shop.db"


async def test_without_read_models_a_question_says_so(tmp_path: Path) -> None:
    """There is an error with a code and a remedy, and no file is made."""
    async with shop.read(url_in(tmp_path)) as reader:
        for ask in (reader.get(Totals, "o"), reader.find(OrderPage), reader.count(OrderPage)):
            with pytest.raises(StoreUnavailable) as caught:
                await ask
            assert caught.value.code == "no-read-models"
    assert os.listdir(tmp_path) == []


async def test_read_models_that_appear_are_read(tmp_path: Path) -> None:
    """A reader may be there first; it answers once the views have been made."""
    async with shop.read(url_in(tmp_path)) as reader:
        with pytest.raises(StoreUnavailable):
            await reader.get(Totals, "o")
        async with shop.open(url_in(tmp_path)) as opened:
            head = (await opened.record(Paid(order="o"))).position
            assert await reader.get(Totals, "o", after=head) == Totals(order="o", paid=1)


async def test_an_empty_file_holds_no_read_models_yet(tmp_path: Path) -> None:
    """A file that its maker has only just begun is as one that is not there."""
    (tmp_path / "shop.views.db").touch()
    async with shop.read(url_in(tmp_path)) as reader:
        with pytest.raises(StoreUnavailable) as caught:
            await reader.find(OrderPage)
        assert caught.value.code == "no-read-models"


async def test_the_log_need_not_be_there(tmp_path: Path) -> None:
    """The present is answered without it; the past says that it needs it, and works once the log is back."""
    async with shop.open(url_in(tmp_path)) as opened:
        await opened.record(Placed(order="o", customer="c"))
        await opened.wait(OrderPage, (await opened.record(Paid(order="o"))).position)
    log = tmp_path / "shop.db"
    log.rename(tmp_path / "away.db")
    async with shop.read(url_in(tmp_path)) as reader:
        page = await reader.get(OrderPage, "o", after=2)
        assert page is not None
        assert page.paid == 1
        assert len(await reader.find(OrderPage, customer="c")) == 1
        for ask in (reader.get(OrderPage, "o", at=1), reader.find(OrderPage, at=1)):
            with pytest.raises(StoreUnavailable) as caught:
                await ask
            assert caught.value.code == "no-log"
        assert not log.exists()
        (tmp_path / "away.db").rename(log)
        page = await reader.get(OrderPage, "o", at=1)
        assert page is not None
        assert page.paid == 0


async def test_what_others_commit_is_waited_for(tmp_path: Path) -> None:
    """Many wait for different positions that another handle is still to write; one look serves them all."""
    async with shop.open(url_in(tmp_path)) as opened, shop.read(url_in(tmp_path)) as reader:
        await opened.wait(Totals, (await opened.record(Paid(order="o"))).position)
        waiting = [asyncio.create_task(reader.get(Totals, "o", after=n)) for n in range(2, 9)]
        for _ in range(7):
            await opened.record(Paid(order="o"))
        paid = [document.paid for document in await asyncio.gather(*waiting) if document]
        assert all(seen >= n for n, seen in enumerate(paid, 2))
        assert len(paid) == 7


async def test_what_nobody_writes_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """The deadline passes, and the error says where the view stands."""
    async with shop.open(url_in(tmp_path)) as opened:
        await opened.wait(Totals, (await opened.record(Paid(order="o"))).position)
    async with shop.read(url_in(tmp_path)) as reader:
        with pytest.raises(NotCaughtUp) as caught:
            await reader.get(Totals, "o", after=2, timeout=0.05)
        assert (caught.value.wanted, caught.value.position) == (2, 1)


async def test_a_position_of_another_log_is_not_taken_as_seen(tmp_path: Path) -> None:
    """The log was replaced: what the views know of the old one does not count, however high their position."""
    async with shop.open(url_in(tmp_path)) as opened:
        for _ in range(5):
            head = (await opened.record(Paid(order="o"))).position
        await opened.wait(Totals, head)
    (tmp_path / "shop.db").unlink()
    async with shop.open(url_in(tmp_path), views=False) as opened:
        await opened.record(Paid(order="new"))
    async with shop.read(url_in(tmp_path)) as reader:
        with pytest.raises(NotCaughtUp):
            await reader.get(Totals, "new", after=1, timeout=0.05)


async def test_read_models_that_are_replaced_are_found(tmp_path: Path) -> None:
    """The file may be removed and made anew while a reader stays; it does not go on with what is gone."""
    async with shop.open(url_in(tmp_path)) as opened:
        await opened.wait(Totals, (await opened.record(Paid(order="o"))).position)
    async with shop.read(url_in(tmp_path)) as reader:
        assert await reader.get(Totals, "o") == Totals(order="o", paid=1)
        assert len(await reader.find(Totals)) == 1
        for file in tmp_path.glob("shop.views.db*"):
            file.unlink()
        async with shop.open(url_in(tmp_path)) as opened:
            await opened.wait(Totals, (await opened.record(Paid(order="o"))).position)

            async def is_new() -> bool:
                found = await reader.find(Totals)
                return await reader.get(Totals, "o") == Totals(order="o", paid=2) == found[0]

            await eventually(is_new)


async def test_memory_cannot_be_opened_apart() -> None:
    """What a process has in its memory only that process can read."""
    with pytest.raises(StoreUnavailable) as caught:
        async with open_read_models("memory://"):
            pass
    assert caught.value.code == "memory-alone"


async def test_a_reader_keeps_to_what_it_was_made_with(url: str) -> None:
    """`after` and `at` of one question do not go together."""
    async with shop.open(url) as opened:
        await opened.wait(Totals, (await opened.record(Paid(order="o"), Paid(order="o"))).position)
        assert await opened.reader.get(Totals, "o", at=1) == Totals(order="o", paid=1)
        assert await opened.reader.count(Totals, at=0) == {None: 0}
        with pytest.raises(InvalidQuery):
            await opened.reader.get(Totals, "o", after=1, at=1)


async def test_a_query_of_no_app_is_refused() -> None:
    """Only what is registered can be asked."""

    async def total(views: Reader) -> int:
        return 1

    async with shop.open("memory://") as opened:
        with pytest.raises(DefinitionError):
            await opened.ask(total)
