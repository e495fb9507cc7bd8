"""What the demo shows once the shop has been played: a page, a history, the past, a refusal, and what to type next."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from storied import Occurred, OpenApp, Rejected

from .life import STAGES
from .placing import PlaceOrder
from .plot import GOODS, HERO, SCARCE
from .views import CustomerOverview, OrderPage, SellerMonth

SATURDAY = datetime(2025, 5, 17, 12, tzinfo=UTC)


class Play(Struct, frozen=True):
    """What a performance came to. When it had been played before, nothing was done."""

    commands: int = 0
    refused: int = 0
    seconds: float = 0.0
    repeated: bool = False


async def tell(shop: OpenApp, console: Console, play: Play, url: str) -> None:
    """Prints everything, from the play to what to type next."""
    head = await shop.store.head()
    if play.repeated:
        console.print(f"The shop was played before: its {head:,} events are kept, and nothing was added.")
        console.print("Delete the file, or name another, to see it played again.")
    else:
        console.print(
            f"A shop played half a year: {play.commands:,} commands made {head:,} events in {play.seconds:.1f} s.\n"
            f"{play.refused} of its orders were refused."
        )
    await _page(shop, console)
    await _history(shop, console)
    await _past(shop, console)
    await _refusal(shop, console)
    await _overviews(shop, console)
    _next(console, url, head)


async def _page(shop: OpenApp, console: Console) -> None:
    page = await shop.get(OrderPage, HERO)
    assert page is not None  # noqa: S101 - the plot has it
    _title(console, f"A view: the page of order {HERO}, ready to show")
    table = Table("", "what", "price", "freight", box=None, padding=(0, 2), show_header=False)
    for line in page.items:
        table.add_row("item", f"{GOODS[line.product][1]}, from {line.seller}", str(line.price), f"+ {line.freight}")
    for payment in page.payments:
        table.add_row("payment", payment.type, str(payment.value), "")
    for review in page.reviews:
        table.add_row("review", review.message, f"{review.score} of 5", "")
    console.print(f"  {page.customer} in {page.ship_to.city if page.ship_to else '?'}, status {page.status}, ", end="")
    console.print(f"total {page.total} (voucher -{page.discount}), paid {page.paid}")
    console.print(table)


async def _history(shop: OpenApp, console: Console) -> None:
    _title(console, f"Its story: what happened, when, who, and why (order:{HERO})")
    table = Table("position", "recorded", "event", "who", "why", box=None, padding=(0, 1))
    async for record in shop.history(f"order:{HERO}"):
        why = record.metadata.command or f"happened {record.occurred_at:%d %b %H:%M}"
        table.add_row(str(record.position), f"{record.recorded_at:%d %b %H:%M}", record.type, record.actor, why)
    console.print(table)


async def _past(shop: OpenApp, console: Console) -> None:
    _title(console, "Its past: three moments, each answered exactly")
    moments: dict[str, datetime | Occurred] = {
        "Monday night, as it was known": datetime(2025, 5, 12, 20, 30, tzinfo=UTC),
        "Saturday, as it was known": SATURDAY,
        "Saturday, as it had happened": Occurred(SATURDAY),
    }
    table = Table("when", "status", "paid", "delivered", box=None, padding=(0, 2))
    for words, moment in moments.items():
        page = await shop.get(OrderPage, HERO, at=moment)
        if page is not None:
            delivered = f"{page.delivered_at:%a %d %b}" if page.delivered_at else "-"
            table.add_row(words, page.status, str(page.paid), delivered)
    console.print(table)
    console.print(
        "  The carrier's report came on Monday: what was known and what was true are two answers.", soft_wrap=True
    )


async def _refusal(shop: OpenApp, console: Console) -> None:
    _title(console, f"A refusal: zoe orders nine of {GOODS[SCARCE][1].lower()}, and eight came in")
    before = await shop.store.head()
    try:
        await shop.execute(PlaceOrder(order="o-9999", customer="zoe", products=[SCARCE] * 9), actor="zoe")
    except Rejected as refusal:
        console.print(f"  {refusal.code}: {refusal.message}")
    after = await shop.store.head()
    console.print(f"  The log stood at {before:,} before and stands at {after:,} now.")


async def _overviews(shop: OpenApp, console: Console) -> None:
    _title(console, "Views over everything, now and as of a date")
    dates = [datetime(2025, month, 1, tzinfo=UTC) for month in (3, 5)]
    counts = [await shop.count(OrderPage, by="status", at=date) for date in dates]
    counts.append(await shop.count(OrderPage, by="status"))
    table = Table("orders by status", *(f"{date:%d %b}" for date in dates), "now", box=None, padding=(0, 2))
    for status in STAGES:
        if any(status in count for count in counts):
            table.add_row(status, *(str(count.get(status, 0)) for count in counts))
    console.print(table)
    best = (await shop.find(CustomerOverview, order_by="-spent", limit=1))[0]
    month = (await shop.find(SellerMonth, order_by="-sales", month="2025-06", limit=1))[0]
    console.print(f"  Best customer: {best.customer}, {best.orders} orders, {best.spent} spent, ", end="")
    console.print(f"reviews average {best.average_score}")
    console.print(f"  Best seller in June: {month.seller}, {month.pieces} pieces, {month.sales}")


def _next(console: Console, url: str, head: int) -> None:
    path = url.removeprefix("sqlite:///")
    if path == url:
        return  # a store that ends with its process
    _title(console, f"Your turn: everything is in {path}")
    store, both = f"--store {path}", f"--store {path} --app storied.examples.shop:app"
    for command in (
        f"storied history order:{HERO} {store}",
        f"storied state Order {HERO} {both}",
        f"storied get OrderPage {HERO} --at occurred:2025-05-17 {both}",
        f"storied find OrderPage status=canceled --at {head // 2} {both}",
        f"storied find CustomerOverview --order=-spent --limit 5 {both}",
        f"storied streams customer: {store}",
        f"storied stats {store}",
    ):
        console.print(f"  {command}", soft_wrap=True)


def _title(console: Console, words: str) -> None:
    console.print()
    console.print(Text(words, style="bold"))
