"""An order, as far as decisions need it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from storied import Entity, on

from .events import (
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


class Order(Entity):
    """How far an order has come, what is in it, and what was paid."""

    status: str = ""
    customer: str = ""
    lines: list[Line] = []
    placed_at: datetime | None = None
    total: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    payments: int = 0
    reviews: dict[str, bool] = {}
    """Each review asked for, and whether it was answered."""

    @on
    def on_placed(self, event: OrderPlaced) -> None:
        self.status = further(self.status, "created")
        self.customer, self.lines = event.customer, event.lines
        self.placed_at, self.total = event.placed_at, event.total

    @on
    def on_paid(self, event: OrderPaid) -> None:
        self.paid += event.value
        self.payments += 1

    @on
    def on_approved(self, event: OrderApproved) -> None:
        self.status = further(self.status, "approved")

    @on
    def on_processing(self, event: ProcessingStarted) -> None:
        self.status = further(self.status, "processing")

    @on
    def on_invoiced(self, event: OrderInvoiced) -> None:
        self.status = further(self.status, "invoiced")

    @on
    def on_handed_over(self, event: OrderHandedOver) -> None:
        self.status = further(self.status, "shipped")

    @on
    def on_delivered(self, event: OrderDelivered) -> None:
        self.status = further(self.status, "delivered")

    @on
    def on_unavailable(self, event: OrderMarkedUnavailable) -> None:
        self.status = further(self.status, "unavailable")

    @on
    def on_cancelled(self, event: OrderCancelled) -> None:
        self.status = further(self.status, "canceled")

    @on
    def on_review_requested(self, event: ReviewRequested) -> None:
        self.reviews.setdefault(event.review, False)

    @on
    def on_reviewed(self, event: ReviewAnswered) -> None:
        self.reviews[event.review] = True
