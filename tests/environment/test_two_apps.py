"""Two programs on one file: one log for both, whatever the other writes into it."""

from pathlib import Path
from typing import Any

from storied import App, Command, Entity, Event, Id, OpenApp, View, on
from storied.store.records import Recorded
from storied.testing.waiting import eventually


class Sold(Event):
    item: Id


class Counted(Event):
    item: Id


class Item(Entity):
    sold: int = 0

    @on
    def when_sold(self, event: Sold) -> None:
        self.sold += 1


class Sell(Command):
    item: Id


shop, stock = App("shop"), App("stock")


@shop.command()
def sell(command: Sell, item: Item) -> Sold | None:
    """Sells an item once."""
    return None if item.sold else Sold(item=command.item)


async def types(opened: OpenApp) -> list[str]:
    """What the program makes of the item's history."""
    told = [opened.decode(record) async for record in opened.history("item:i")]
    return [f"record of {one.type}" if isinstance(one, Recorded) else type(one).__name__ for one in told]


async def test_two_programs_share_a_log(tmp_path: Path) -> None:
    """Positions go on over both, each decides on what is true, and what it does not know it tells as it is."""
    url = f"sqlite:///{tmp_path}/shop.db"
    async with shop.open(url) as selling, stock.open(url) as counting:
        assert (await counting.record(Counted(item="i"))).position == 1
        assert (await selling.execute(Sell(item="i"))).position == 2
        assert (await counting.record(Sold(item="i"))).position == 3
        assert (await selling.execute(Sell(item="i"))).count == 0
        assert (await selling.state(Item, "i")).sold == 2
        assert await types(selling) == ["record of Counted", "Sold", "Sold"]
        assert await types(counting) == ["record of Counted", "record of Sold", "record of Sold"]


def of_shop() -> Any:
    """The shop's view."""

    class Page(View):
        item: Id
        sold: int = 0

        @on
        def when_sold(self, event: Sold) -> None:
            self.sold += 1

    return Page


def of_stock() -> Any:
    """The stock's view, which has the same name and says something else."""

    class Page(View):
        item: Id
        counted: int = 0

        @on
        def when_counted(self, event: Counted) -> None:
            self.counted += 1

    return Page


async def test_views_of_one_name_are_taken_for_versions_of_one_view(tmp_path: Path) -> None:
    """What the other program's documents lack has its default, and the report says that other code made them."""
    url = f"sqlite:///{tmp_path}/shop.db"
    (selling, sales), (counting, counts) = (App("shop"), of_shop()), (App("stock"), of_stock())
    selling.view()(sales)
    counting.view()(counts)
    async with selling.open(url) as opened:
        head = (await opened.record(Sold(item="i"), Counted(item="i"))).position
        assert await opened.get(sales, "i", after=head) == sales(item="i", sold=1)
    async with counting.open(url, views=False) as opened:
        assert await opened.get(counts, "i", after=head) == counts(item="i", counted=0)
        assert [report.state for report in await opened.view_states()] == ["foreign"]
    async with counting.open(url) as opened:
        await eventually(lambda: _is_running(opened))
        assert await opened.get(counts, "i", after=head) == counts(item="i", counted=1)


async def _is_running(opened: OpenApp) -> bool:
    return [report.state for report in await opened.view_states()] == ["running"]
