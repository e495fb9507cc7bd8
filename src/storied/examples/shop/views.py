"""The pages of the shop: each a document in the shape its reader wants, kept up to date from the events."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct

from storied import Id, Recorded, View, on

from .application import app
from .events import (
    Address,
    CustomerMoved,
    CustomerRegistered,
    Line,
    OrderApproved,
    OrderCancelled,
    OrderDelivered,
    OrderHandedOver,
    OrderInvoiced,
    OrderMarkedUnavailable,
    OrderPaid,
    OrderPlaced,
    ProcessingStarted,
    ReviewAnswered,
    ReviewRequested,
)
from .life import further

ZERO = Decimal(0)


class Payment(Struct):
    """One payment as the order's page shows it."""

    sequential: int
    type: str
    installments: int
    value: Decimal
    at: datetime


class Review(Struct):
    """One review as the order's page shows it; without a score it was not answered."""

    review: str
    requested_at: datetime | None = None
    answered_at: datetime | None = None
    score: int | None = None
    title: str = ""
    message: str = ""


@app.view("GET /orders/{order}", "GET /orders")
class OrderPage(View, indexes=[("customer", "placed_at"), ("status", "placed_at"), "placed_at", "total"]):
    """Everything about one order on one page. Its dates are when things happened, not when we heard of them."""

    order: Id
    customer: str = ""
    status: str = ""
    ship_to: Address | None = None
    items: list[Line] = []
    payments: list[Payment] = []
    reviews: list[Review] = []
    items_total: Decimal = ZERO
    freight_total: Decimal = ZERO
    discount: Decimal = ZERO
    total: Decimal = ZERO
    paid: Decimal = ZERO
    placed_at: datetime | None = None
    approved_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    ended_at: datetime | None = None
    """When it was cancelled or found to be unavailable."""
    estimated_delivery: date | None = None

    @on
    def placed(self, event: OrderPlaced) -> None:
        self._reach("created", event.customer)
        self.ship_to, self.items = event.ship_to, event.lines
        self.placed_at, self.estimated_delivery = event.placed_at, event.estimated_delivery
        self.items_total = sum((line.price for line in event.lines), ZERO)
        self.freight_total = sum((line.freight for line in event.lines), ZERO)
        self.discount, self.total = event.discount, event.total

    @on
    def payment(self, event: OrderPaid, record: Recorded) -> None:
        self.customer = event.customer
        self.payments.append(Payment(event.sequential, event.type, event.installments, event.value, record.occurred_at))
        self.paid += event.value

    @on
    def approved(self, event: OrderApproved, record: Recorded) -> None:
        self._reach("approved", event.customer)
        self.approved_at = record.occurred_at

    @on
    def processing(self, event: ProcessingStarted) -> None:
        self._reach("processing", event.customer)

    @on
    def invoiced(self, event: OrderInvoiced) -> None:
        self._reach("invoiced", event.customer)

    @on
    def handed_over(self, event: OrderHandedOver, record: Recorded) -> None:
        self._reach("shipped", event.customer)
        self.shipped_at = record.occurred_at

    @on
    def delivered(self, event: OrderDelivered, record: Recorded) -> None:
        self._reach("delivered", event.customer)
        self.delivered_at = record.occurred_at

    @on
    def unavailable(self, event: OrderMarkedUnavailable, record: Recorded) -> None:
        self._reach("unavailable", event.customer)
        self.ended_at = record.occurred_at

    @on
    def cancelled(self, event: OrderCancelled, record: Recorded) -> None:
        self._reach("canceled", event.customer)
        self.ended_at = record.occurred_at

    @on
    def review_requested(self, event: ReviewRequested, record: Recorded) -> None:
        self._review(event.review).requested_at = record.occurred_at

    @on
    def reviewed(self, event: ReviewAnswered, record: Recorded) -> None:
        review = self._review(event.review)
        review.answered_at, review.score = record.occurred_at, event.score
        review.title, review.message = event.title, event.message

    def _reach(self, status: str, customer: str) -> None:
        self.status, self.customer = further(self.status, status), customer

    def _review(self, name: str) -> Review:
        for review in self.reviews:
            if review.review == name:
                return review
        self.reviews.append(Review(name))
        return self.reviews[-1]


@app.view("GET /customers/{customer}", "GET /customers")
class CustomerOverview(View, indexes=["state", "orders", "spent", "last_order_at"]):
    """A customer at a glance: where they live, what they spent, how happy they are."""

    customer: Id
    city: str = ""
    state: str = ""
    orders: int = 0
    cancelled: int = 0
    spent: Decimal = ZERO
    last_order: str = ""
    last_order_at: datetime | None = None
    answers: int = 0
    score_sum: int = 0
    average_score: float | None = None

    @on
    def lives_at(self, event: CustomerRegistered | CustomerMoved) -> None:
        self.city, self.state = event.address.city, event.address.state

    @on
    def ordered(self, event: OrderPlaced) -> None:
        self.orders += 1
        self.last_order, self.last_order_at = event.order, event.placed_at

    @on
    def paid(self, event: OrderPaid) -> None:
        self.spent += event.value

    @on
    def order_cancelled(self, event: OrderCancelled) -> None:
        self.cancelled += 1

    @on
    def answered(self, event: ReviewAnswered) -> None:
        self.answers += 1
        self.score_sum += event.score
        self.average_score = round(self.score_sum / self.answers, 2)


def months_of_sellers(event: OrderPlaced | OrderCancelled) -> list[str]:
    """The documents that an order changes: one for each of its sellers, in the month of the sale."""
    return [f"{line.seller}/{event.placed_at:%Y-%m}" for line in event.lines]


@app.view("GET /sales")
class SellerMonth(View, indexes=[("seller", "month"), ("month", "sales")]):
    """What one seller sold in one month. The key is made of both: ``s-7/2017-05``."""

    seller_month: Id
    seller: str = ""
    month: str = ""
    orders: int = 0
    pieces: int = 0
    sales: Decimal = ZERO
    freight: Decimal = ZERO
    cancelled: Decimal = ZERO

    @on(key=months_of_sellers)
    def sold(self, event: OrderPlaced) -> None:
        self.seller, _, self.month = self.seller_month.rpartition("/")
        mine = [line for line in event.lines if line.seller == self.seller]
        self.orders += 1
        self.pieces += len(mine)
        self.sales += sum((line.price for line in mine), ZERO)
        self.freight += sum((line.freight for line in mine), ZERO)

    @on(key=months_of_sellers, create=False)
    def taken_back(self, event: OrderCancelled) -> None:
        self.cancelled += sum((line.price for line in event.lines if line.seller == self.seller), ZERO)
