"""A shop whose views use every way to find a document: by field, path, function, and by value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import msgspec

from storied import App, Command, Delete, Event, Id, Recorded, View, on


class Line(msgspec.Struct, frozen=True):
    seller: Id
    amount: int


class Placed(Event):
    order: Id
    customer: Id
    city: str = "Bern"


class Filled(Event):
    order: Id
    lines: list[Line]


class Paid(Event):
    order: Id
    amount: int = 1


class Cancelled(Event):
    order: Id


class CityRenamed(Event):
    city: str
    new: str


class Broken(Event):
    order: Id


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class OrderPage(View, indexes=["customer", "city", "paid", ("city", "paid")]):
    id: Id
    customer: str = ""
    city: str = ""
    paid: int = 0
    positions: list[int] = []

    @on(key="order")
    def placed(self, event: Placed) -> None:
        self.customer, self.city = event.customer, event.city

    @on(key="order", create=False)
    def was_paid(self, event: Paid, record: Recorded) -> None:
        self.paid += event.amount
        self.positions.append(record.position)

    @on(key="order")
    def cancelled(self, event: Cancelled) -> Delete:
        return Delete()

    @on(where="city")
    def renamed(self, event: CityRenamed) -> None:
        self.city = event.new

    @on(key="order")
    def broken(self, event: Broken) -> None:
        raise ValueError(f"nobody can apply {event.order}")


class Totals(View):  # one stream a document: every event carries the key as a tag
    order: Id
    paid: int = 0

    @on
    def placed(self, event: Placed) -> None:
        pass

    @on
    def was_paid(self, event: Paid) -> None:
        self.paid += event.amount

    @on
    def cancelled(self, event: Cancelled) -> Delete:
        return Delete()


class Seller(View, indexes=["sold"]):
    seller: Id
    sold: int = 0
    orders: int = 0

    @on(key="lines.seller")
    def filled(self, event: Filled) -> None:
        self.sold += sum(line.amount for line in event.lines if line.seller == self.seller)
        self.orders += 1


def _letters(event: Placed) -> Iterator[str]:
    return (letter for letter in event.city if letter.isupper())


class Letter(View):
    letter: Id
    count: int = 0

    @on(key=_letters)
    def placed(self, event: Placed) -> None:
        self.count += 1


class Everything(View):
    id: Id
    count: int = 0

    @on(key=lambda event: "all")
    def any(self, event: Placed | Filled | Paid | Cancelled | CityRenamed) -> None:
        self.count += 1


class Valued(Event):
    item: Id
    amount: Decimal | None = None
    seen: datetime | None = None
    color: Color | None = None
    flag: bool | None = None
    size: float | None = None


class Item(View, indexes=["amount", "seen", "color", "flag", "size"]):
    item: Id
    amount: Decimal | None = None
    seen: datetime | None = None
    color: Color | None = None
    flag: bool | None = None
    size: float | None = None

    @on
    def valued(self, event: Valued) -> None:
        self.amount, self.seen, self.color = event.amount, event.seen, event.color
        self.flag, self.size = event.flag, event.size


class Place(Command):
    order: str


shop = App("shop")
for view in (OrderPage, Totals, Seller, Letter, Everything, Item):
    shop.view()(view)


@shop.command()
def place(command: Place) -> Placed:
    """Places an order for customer c."""
    return Placed(order=command.order, customer="c")


NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
