"""What happens in the shop. Each event is small, named in the past tense, and carries what its readers need.

An `Id` field puts the event into a stream: `OrderPlaced` is found under its order, its customer, and every product
and seller of its lines. So most events name the customer beside the order: the customer's page reads them too.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from storied import Event, Id

PaymentType = Literal["credit_card", "boleto", "voucher", "debit_card", "not_defined"]


class Address(Struct, frozen=True):
    """Where parcels go."""

    zip_code: str
    city: str
    state: str


class Line(Struct, frozen=True, kw_only=True):
    """One piece of one product in an order, at the price of that day."""

    product: Id
    seller: Id
    price: Decimal
    freight: Decimal
    shipping_limit: datetime
    """Until when the seller has to hand it to the carrier."""


# --- customers, sellers and products ---------------------------------------------------------------


class CustomerRegistered(Event):
    customer: Id
    address: Address


class CustomerMoved(Event):
    customer: Id
    address: Address


class SellerJoined(Event):
    seller: Id
    city: str


class ProductListed(Event):
    product: Id
    seller: Id
    title: str
    price: Decimal
    freight: Decimal


class PriceChanged(Event):
    product: Id
    price: Decimal


class StockReceived(Event):
    product: Id
    pieces: int


class VoucherIssued(Event):
    voucher: Id
    amount: Decimal
    uses: int


class VoucherRedeemed(Event):
    voucher: Id
    customer: Id
    order: Id
    amount: Decimal


# --- the life of an order --------------------------------------------------------------------------


class OrderPlaced(Event):
    order: Id
    customer: Id
    lines: list[Line]
    ship_to: Address
    placed_at: datetime
    """The date on the order, in the shop's local time: its month is the month of the sale."""
    estimated_delivery: date
    discount: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """What the customer has to pay."""
        return sum((line.price + line.freight for line in self.lines), -self.discount)


class OrderPaid(Event):
    """One payment; an order may be paid in several."""

    order: Id
    customer: Id
    sequential: int
    type: PaymentType
    installments: int
    value: Decimal


class OrderApproved(Event):
    order: Id
    customer: Id


class ProcessingStarted(Event):
    order: Id
    customer: Id


class OrderInvoiced(Event):
    order: Id
    customer: Id


class OrderHandedOver(Event):
    """The carrier has the parcel."""

    order: Id
    customer: Id


class OrderDelivered(Event):
    order: Id
    customer: Id


class OrderMarkedUnavailable(Event):
    """A seller cannot supply it, and nobody else can."""

    order: Id
    customer: Id


class OrderCancelled(Event):
    """Carries what it takes back, so that the stock and the seller's month need not look it up."""

    order: Id
    customer: Id
    lines: list[Line]
    placed_at: datetime
    reason: str = ""


class ReviewRequested(Event):
    order: Id
    customer: Id
    review: Id


class ReviewAnswered(Event):
    order: Id
    customer: Id
    review: Id
    score: int
    title: str = ""
    message: str = ""
