"""The catalogue: sellers, their products, and how many pieces are left."""

from __future__ import annotations

from decimal import Decimal

from storied import Command, Entity, Id, Rejected, on

from .application import app
from .events import OrderCancelled, OrderPlaced, PriceChanged, ProductListed, SellerJoined, StockReceived

MOST = 1_000_000
"""Nothing costs more, and no delivery has more pieces: beyond it somebody has mistyped."""


class Seller(Entity):
    """Whether a seller is one of ours."""

    joined: bool = False

    @on
    def join(self, event: SellerJoined) -> None:
        self.joined = True


class Product(Entity):
    """What one needs to know to sell it: by whom, for how much, and how many pieces are left."""

    seller: str = ""
    title: str = ""
    price: Decimal = Decimal(0)
    freight: Decimal = Decimal(0)
    stocked: bool = False
    """Whether its pieces are counted: from the first delivery on. Before that it sells without limit."""
    left: int = 0

    @on
    def listed(self, event: ProductListed) -> None:
        self.seller, self.title = event.seller, event.title
        self.price, self.freight = event.price, event.freight

    @on
    def repriced(self, event: PriceChanged) -> None:
        self.price = event.price

    @on
    def received(self, event: StockReceived) -> None:
        self.left = event.pieces + (self.left if self.stocked else 0)
        self.stocked = True

    @on
    def sold(self, event: OrderPlaced) -> None:
        self.left -= sum(line.product == self.id for line in event.lines)

    @on
    def returned(self, event: OrderCancelled) -> None:
        self.left += sum(line.product == self.id for line in event.lines)


class JoinShop(Command):
    """A seller wants to sell here."""

    seller: Id
    city: str


class ListProduct(Command):
    """A seller offers a product."""

    product: Id
    seller: Id
    title: str
    price: Decimal
    freight: Decimal = Decimal(0)


class ChangePrice(Command):
    """From now on it costs something else; what was ordered keeps its price."""

    product: Id
    price: Decimal


class ReceiveStock(Command):
    """Pieces arrived in the warehouse."""

    product: Id
    pieces: int


@app.command("POST /sellers", rejects=[])
def join(command: JoinShop, seller: Seller) -> SellerJoined | None:
    """Takes the seller in; once is enough."""
    return None if seller.joined else SellerJoined(seller=command.seller, city=command.city)


@app.command("POST /products", rejects=["unknown-seller", "already-listed", "bad-price"])
def list_product(command: ListProduct, product: Product, seller: Seller) -> ProductListed:
    """Lists a new product of a seller who has joined."""
    if not seller.joined:
        raise Rejected("unknown-seller", f"seller {command.seller} has not joined the shop")
    if product.seller:
        raise Rejected("already-listed", f"product {command.product} is listed by {product.seller}")
    check_price(command.price)
    if not 0 <= command.freight <= MOST:
        raise Rejected("bad-price", f"nothing is sent for {command.freight}")
    return ProductListed(
        product=command.product,
        seller=command.seller,
        title=command.title,
        price=command.price,
        freight=command.freight,
    )


@app.command("PUT /products/{product}/price", rejects=["unknown-product", "bad-price"])
def change_price(command: ChangePrice, product: Product) -> PriceChanged | None:
    """Changes the price of a listed product."""
    check_listed(product)
    check_price(command.price)
    return None if command.price == product.price else PriceChanged(product=command.product, price=command.price)


@app.command("POST /products/{product}/stock", rejects=["unknown-product", "bad-quantity"])
def receive_stock(command: ReceiveStock, product: Product) -> StockReceived:
    """Adds pieces to the stock."""
    check_listed(product)
    if not 1 <= command.pieces <= MOST:
        raise Rejected("bad-quantity", f"{command.pieces} pieces cannot arrive")
    return StockReceived(product=command.product, pieces=command.pieces)


def check_price(price: Decimal) -> None:
    """Passes an amount that something can cost."""
    if not 0 < price <= MOST:
        raise Rejected("bad-price", f"{price} is not a price")


def check_listed(product: Product) -> None:
    """Passes a product that is in the catalogue."""
    if not product.seller:
        raise Rejected("unknown-product", f"there is no product {product.id}")
