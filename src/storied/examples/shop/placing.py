"""Placing an order: the one decision of the shop that looks at everything.

It loads the order, the customer, every product and the voucher, and is refused if any of them says no. Should
somebody else take the last piece in the same moment, it is decided again on what is then true: no lock, no saga.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from storied import Command, Context, Id, Rejected

from .application import app
from .catalogue import Product, check_listed
from .customers import Customer
from .events import Line, OrderPlaced, VoucherRedeemed
from .orders import Order
from .vouchers import Voucher

CREDIT = Decimal(1000)
"""How much a customer may owe in all, the new order included."""
DAYS_TO_SHIP = 5
DAYS_TO_DELIVER = 21


class PlaceOrder(Command):
    """A customer orders products, each named as often as pieces are wanted, perhaps with a voucher."""

    order: Id
    customer: Id
    products: list[str]
    voucher: str | None = None


@app.command(
    "POST /orders",
    rejects={
        "already-placed": "the order exists",
        "unknown-customer": "there is no such customer",
        "empty-order": "it names no product",
        "unknown-product": "there is no such product",
        "out-of-stock": "more pieces of a product were ordered than are left",
        "unknown-voucher": "there is no such voucher",
        "voucher-used": "the customer has used the voucher before",
        "voucher-exhausted": "the voucher was used as often as it allows",
        "credit-exceeded": "the customer would owe more than the shop allows",
    },
)
def place(
    command: PlaceOrder,
    order: Order,
    customer: Customer,
    products: list[Product],
    voucher: Voucher | None,
    context: Context,
) -> list[OrderPlaced | VoucherRedeemed]:
    """Places the order if the stock, the voucher and the customer's credit allow it."""
    if order.status:
        raise Rejected("already-placed", f"order {command.order} exists and is {order.status}")
    if customer.address is None:
        raise Rejected("unknown-customer", f"there is no customer {command.customer}")
    if not products:
        raise Rejected("empty-order", "an order needs at least one product")
    _check_stock(products)
    placed = OrderPlaced(
        order=command.order,
        customer=command.customer,
        lines=[
            Line(
                product=product.id,
                seller=product.seller,
                price=product.price,
                freight=product.freight,
                shipping_limit=context.now + timedelta(days=DAYS_TO_SHIP),
            )
            for product in products
        ],
        ship_to=customer.address,
        placed_at=context.now,
        estimated_delivery=(context.now + timedelta(days=DAYS_TO_DELIVER)).date(),
        discount=_discount(voucher, command.customer, products),
    )
    if customer.debt + placed.total > CREDIT:
        raise Rejected(
            "credit-exceeded",
            f"customer {command.customer} owes {customer.debt}; with this order of {placed.total} that is more than "
            f"{CREDIT}. Pay an open order first",
        )
    if voucher is None:
        return [placed]
    redeemed = VoucherRedeemed(
        voucher=voucher.id, customer=command.customer, order=command.order, amount=placed.discount
    )
    return [placed, redeemed]


def _check_stock(products: Sequence[Product]) -> None:
    wanted = Counter(product.id for product in products)
    for product in products:
        check_listed(product)
        if product.stocked and product.left < wanted[product.id]:
            raise Rejected(
                "out-of-stock",
                f"{wanted[product.id]} of product {product.id} ({product.title}) were ordered, {product.left} are left",
                product=product.id,
                left=product.left,
            )


def _discount(voucher: Voucher | None, customer: str, products: Sequence[Product]) -> Decimal:
    """What the voucher takes off: never more than the products cost."""
    if voucher is None:
        return Decimal(0)
    voucher.check(customer)
    return min(voucher.amount, sum((product.price for product in products), Decimal(0)))
