"""The page of a product: a view that is found by ids inside of an event, the products of an order's lines."""

from __future__ import annotations

from decimal import Decimal

from storied import Id, View, on

from .application import app
from .events import Line, OrderCancelled, OrderPlaced, PriceChanged, ProductListed, StockReceived


@app.view("GET /products/{product}", "GET /products")
class ProductPage(View, indexes=["seller", "sold"]):
    """A product: its price, how many are left (None: not counted) and how many were sold."""

    product: Id
    seller: str = ""
    title: str = ""
    price: Decimal = Decimal(0)
    left: int | None = None
    sold: int = 0

    @on
    def listed(self, event: ProductListed) -> None:
        self.seller, self.title, self.price = event.seller, event.title, event.price

    @on
    def repriced(self, event: PriceChanged) -> None:
        self.price = event.price

    @on
    def received(self, event: StockReceived) -> None:
        self.left = (self.left or 0) + event.pieces

    @on(key="lines.product")
    def ordered(self, event: OrderPlaced) -> None:
        self._change(event.lines, -1)

    @on(key="lines.product")
    def returned(self, event: OrderCancelled) -> None:
        self._change(event.lines, +1)

    def _change(self, lines: list[Line], sign: int) -> None:
        mine = [line for line in lines if line.product == self.product]
        self.sold -= sign * len(mine)
        if self.left is not None:
            self.left += sign * len(mine)
        if not self.title:
            self.seller, self.price = mine[-1].seller, mine[-1].price
