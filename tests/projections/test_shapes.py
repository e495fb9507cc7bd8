"""While a view of another shape is built, readers get the old document where it fits, and are told where not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from storied import App, Event, Id, OpenApp, Range, View, on
from storied.errors import KeyParked, ViewRebuilding
from storied.testing.waiting import eventually
from tests.projections.tallies import held_back


class Sold(Event):
    item: Id
    color: str = "red"
    amount: int = 1


class Color(Enum):
    RED = "red"


class OnlyBlue(Enum):
    BLUE = "blue"


HEAD = 3


def app_of(view: Any) -> App:
    """An app with that view."""
    app = App("sales")
    app.view()(view)
    return app


def plain() -> Any:
    """The view as it was."""

    class Sales(View, indexes=["color", "amount"]):
        item: Id
        color: str = ""
        amount: int = 0

        @on
        def sold(self, event: Sold) -> None:
            self.color = event.color
            self.amount += event.amount

    return Sales


@asynccontextmanager
async def changed(folder: Path, view: Any, old: Any = None) -> AsyncIterator[OpenApp]:
    """The app of the changed view, while the read model of the old one is still served."""
    url = f"sqlite:///{folder}/shop.db"
    async with app_of(old or plain()).open(url) as opened:
        await opened.record(*(Sold(item=item, amount=n) for n, item in enumerate("abc", 1)))
        await opened.wait(next(iter(_views(opened))), HEAD)
    with held_back():
        async with app_of(view).open(url) as opened:
            await eventually(lambda: _is_built(opened))
            yield opened


def _views(opened: OpenApp) -> list[Any]:
    return [projector.spec.cls for projector in opened.reader.texts.projectors.values()]


async def _is_built(opened: OpenApp) -> bool:
    [report] = await opened.view_states()
    return report.built == HEAD


async def test_a_document_of_fewer_fields_is_read_with_defaults(tmp_path: Path) -> None:
    """A field more is a field that the old document does not have."""

    class Sales(View, indexes=["color", "amount"]):
        item: Id
        color: str = ""
        amount: int = 0
        note: str = "-"

        @on
        def sold(self, event: Sold) -> None:
            self.color, self.note = event.color, "new"
            self.amount += event.amount

    async with changed(tmp_path, Sales) as opened:
        assert await opened.get(Sales, "a") == Sales(item="a", color="red", amount=1, note="-")
        assert await opened.get(Sales, "a", after=HEAD) == Sales(item="a", color="red", amount=1, note="-")
        assert [found.amount for found in await opened.find(Sales, color="red", order_by="-amount")] == [3, 2, 1]


async def test_a_document_of_another_shape_is_not_read(tmp_path: Path) -> None:
    """A field that holds something else now cannot be made out of the old one."""

    class Sales(View, indexes=["color"]):
        item: Id
        color: str = ""
        amount: list[int] = []

        @on
        def sold(self, event: Sold) -> None:
            self.color = event.color
            self.amount.append(event.amount)

    async with changed(tmp_path, Sales) as opened:
        for question in (opened.get(Sales, "a"), opened.find(Sales, color="red"), opened.get(Sales, "a", after=HEAD)):
            with pytest.raises(ViewRebuilding, match="storied views"):
                await question
        assert await opened.count(Sales) == {None: 3}
        assert await opened.get(Sales, "nobody") is None


async def test_another_key_is_another_shape(tmp_path: Path) -> None:
    """Documents are found by their new key when they are there."""

    class Sales(View):
        number: Id

        @on(key="item")
        def sold(self, event: Sold) -> None: ...

    async with changed(tmp_path, Sales) as opened:
        with pytest.raises(ViewRebuilding):
            await opened.get(Sales, "a")


async def test_a_new_index_cannot_be_asked_yet(tmp_path: Path) -> None:
    """Neither for a value, nor for an order, nor for counts; what is there can be."""

    class Sales(View, indexes=["color", "item"]):
        item: Id
        color: str = ""
        amount: int = 0

        @on
        def sold(self, event: Sold) -> None:
            self.color = event.color
            self.amount += event.amount

    async with changed(tmp_path, Sales) as opened:
        for question in (
            opened.find(Sales, item="a"),
            opened.count(Sales, by="item"),
            opened.count(Sales, item=Range(ge="a")),
        ):
            with pytest.raises(ViewRebuilding, match="no index on 'item' yet"):
                await question
        assert len(await opened.find(Sales, color="red")) == 3
        assert len(await opened.find(Sales, order_by="-item")) == 3  # the key is always in order


async def test_an_index_over_other_values_cannot_be_asked_yet(tmp_path: Path) -> None:
    """Amounts that were numbers are not found as Decimals, and an empty answer would be wrong."""

    class Sales(View, indexes=["color", "amount"]):
        item: Id
        color: str = ""
        amount: Decimal = Decimal(0)

        @on
        def sold(self, event: Sold) -> None:
            self.color = event.color
            self.amount += event.amount

    async with changed(tmp_path, Sales) as opened:
        for question in (
            opened.find(Sales, amount=Decimal(2)),
            opened.find(Sales, amount=Range(ge=Decimal(1))),
            opened.find(Sales, order_by="amount"),
            opened.count(Sales, by="amount"),
        ):
            with pytest.raises(ViewRebuilding, match="another kind of values"):
                await question


async def test_values_that_are_no_more_cannot_be_counted(tmp_path: Path) -> None:
    """A member that the Enum has lost is not made up."""

    def before() -> Any:
        class Sales(View, indexes=["color"]):
            item: Id
            color: Color | None = None

            @on
            def sold(self, event: Sold) -> None:
                self.color = Color(event.color)

        return Sales

    class Sales(View, indexes=["color"]):
        item: Id
        color: OnlyBlue | None = None

        @on
        def sold(self, event: Sold) -> None:
            pass

    async with changed(tmp_path, Sales, before()) as opened:
        with pytest.raises(ViewRebuilding, match="other values of color"):
            await opened.count(Sales, by="color")


async def test_a_key_that_was_parked_is_waited_for_in_the_new_read_model(tmp_path: Path) -> None:
    """While it is built; a process that does not build it is told of the old one at once."""

    def of(broken: bool) -> Any:
        class Sales(View):
            item: Id
            amount: int = 0

            @on
            def sold(self, event: Sold) -> None:
                if broken:
                    raise ValueError("broken")
                self.amount += event.amount

        return Sales

    view = of(broken=False)
    url = f"sqlite:///{tmp_path}/shop.db"
    async with changed(tmp_path, view, of(broken=True)) as opened, app_of(view).open(url, views=False) as reading:
        for reader in (opened, reading):
            with pytest.raises(KeyParked):
                await reader.get(view, "a", after=HEAD, timeout=0.03)
            assert await reader.get(view, "a", after=0) is None
    async with app_of(view).open(url) as opened:
        assert await opened.get(view, "a", after=HEAD) == view(item="a", amount=1)


async def test_what_another_version_has_begun_says_nothing_about_this_one(tmp_path: Path) -> None:
    """Left over from code that is not run any more, it does not look like a rebuild; nor does its failure."""

    def unfinished(text: str) -> Any:
        class Sales(View):
            item: Id

            @on(key=lambda event: str(1 // len(text)))
            def sold(self, event: Sold) -> None: ...

        return Sales

    old = plain()
    async with changed(tmp_path, unfinished("something"), old):
        pass
    url = f"sqlite:///{tmp_path}/shop.db"
    async with app_of(unfinished("")).open(url) as opened:
        await eventually(lambda: _has_failed(opened))
        [report] = await opened.view_states()
        assert (report.position, report.error and "ZeroDivisionError" in report.error) == (HEAD, True)
    async with app_of(old).open(url) as opened:
        await opened.wait(old, HEAD)
        [report] = await opened.view_states()
        assert (report.state, report.error, report.built) == ("running", None, HEAD)


async def _has_failed(opened: OpenApp) -> bool:
    [report] = await opened.view_states()
    return report.state == "failed"
