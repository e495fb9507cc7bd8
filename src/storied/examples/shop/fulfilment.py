"""From paid to delivered, or to an end before that: one table says what is allowed when."""

from __future__ import annotations

from decimal import Decimal

from storied import Command, Id, Rejected

from .application import app
from .events import (
    OrderApproved,
    OrderCancelled,
    OrderDelivered,
    OrderHandedOver,
    OrderInvoiced,
    OrderMarkedUnavailable,
    OrderPaid,
    PaymentType,
    ProcessingStarted,
)
from .life import STAGES
from .orders import Order

ALLOWED = {
    "paid": {"created", "approved", "processing", "invoiced", "shipped", "delivered"},
    "approved": {"created"},
    "processed": {"approved"},
    "invoiced": {"approved", "processing"},
    "handed over": {"approved", "processing", "invoiced"},
    "delivered": {"shipped"},
    "cancelled": {"created", "approved", "processing", "invoiced"},
    "marked unavailable": {"created", "approved", "processing"},
}
"""What can be done to an order, and the states it can be done in."""


def refusals(done: str, *, again: str = "") -> dict[str, str]:
    """The codes by which `check` refuses this, each with what it means; *again* is a state in which it is not asked."""
    refusing = [status for status in STAGES if status and status != again and status not in ALLOWED[done]]
    orders = {f"order-{status}": f"the order is {status}, so it cannot be {done}" for status in refusing}
    return {"unknown-order": "there is no such order", **orders}


class PayOrder(Command):
    """A payment came in for an order."""

    order: Id
    value: Decimal
    type: PaymentType = "credit_card"
    installments: int = 1


class ApproveOrder(Command):
    """The bank and the fraud check agree."""

    order: Id


class StartProcessing(Command):
    """The seller begins to pack."""

    order: Id


class InvoiceOrder(Command):
    """The invoice is written."""

    order: Id


class HandOver(Command):
    """The carrier takes the parcel."""

    order: Id


class ConfirmDelivery(Command):
    """The customer has it."""

    order: Id


class CancelOrder(Command):
    """Somebody does not want it any more; *reason* says who and why."""

    order: Id
    reason: str = ""


class MarkUnavailable(Command):
    """The seller cannot supply it."""

    order: Id


@app.command(
    "POST /orders/{order}/payments",
    rejects=refusals("paid") | {"wrong-amount": "it is not more than nothing and at most what is open"},
)
def pay(command: PayOrder, order: Order) -> OrderPaid:
    """Takes a payment of up to what is open."""
    check(order, "paid")
    rest = order.total - order.paid
    if not 0 < command.value <= rest:
        raise Rejected("wrong-amount", f"{rest} is open on order {order.id}, so {command.value} cannot be paid")
    return OrderPaid(
        order=order.id,
        customer=order.customer,
        sequential=order.payments + 1,
        type=command.type,
        installments=command.installments,
        value=command.value,
    )


@app.command(
    "POST /orders/{order}/approval", rejects=refusals("approved") | {"not-paid": "the order is not paid in full"}
)
def approve(command: ApproveOrder, order: Order) -> OrderApproved:
    """Approves an order that is paid in full."""
    check(order, "approved")
    if order.paid < order.total:
        raise Rejected("not-paid", f"order {order.id} costs {order.total}, and {order.paid} was paid")
    return OrderApproved(order=order.id, customer=order.customer)


@app.command("POST /orders/{order}/processing", rejects=refusals("processed"))
def process(command: StartProcessing, order: Order) -> ProcessingStarted:
    """Starts packing."""
    check(order, "processed")
    return ProcessingStarted(order=order.id, customer=order.customer)


@app.command("POST /orders/{order}/invoice", rejects=refusals("invoiced"))
def invoice(command: InvoiceOrder, order: Order) -> OrderInvoiced:
    """Writes the invoice."""
    check(order, "invoiced")
    return OrderInvoiced(order=order.id, customer=order.customer)


@app.command("POST /orders/{order}/hand-over", rejects=refusals("handed over"))
def hand_over(command: HandOver, order: Order) -> OrderHandedOver:
    """Gives the parcel to the carrier."""
    check(order, "handed over")
    return OrderHandedOver(order=order.id, customer=order.customer)


@app.command("POST /orders/{order}/delivery", rejects=refusals("delivered", again="delivered"))
def deliver(command: ConfirmDelivery, order: Order) -> OrderDelivered | None:
    """Notes the delivery; a second report of it changes nothing."""
    if order.status == "delivered":
        return None
    check(order, "delivered")
    return OrderDelivered(order=order.id, customer=order.customer)


@app.command(
    "DELETE /orders/{order}",
    "POST /orders/{order}/cancellation",
    rejects=refusals("cancelled", again="canceled"),
)
def cancel(command: CancelOrder, order: Order) -> OrderCancelled | None:
    """Cancels an order that is still in the house, once; its pieces go back on the shelf."""
    if order.status == "canceled":
        return None
    check(order, "cancelled")
    assert order.placed_at is not None  # noqa: S101 - check() passes placed orders only
    return OrderCancelled(
        order=order.id,
        customer=order.customer,
        lines=order.lines,
        placed_at=order.placed_at,
        reason=command.reason,
    )


@app.command("POST /orders/{order}/unavailability", rejects=refusals("marked unavailable"))
def mark_unavailable(command: MarkUnavailable, order: Order) -> OrderMarkedUnavailable:
    """Gives up on an order that cannot be supplied."""
    check(order, "marked unavailable")
    return OrderMarkedUnavailable(order=order.id, customer=order.customer)


def check(order: Order, done: str) -> None:
    """Passes an order in a state in which this can be done to it."""
    if not order.status:
        raise Rejected("unknown-order", f"there is no order {order.id}")
    if order.status not in ALLOWED[done]:
        raise Rejected(
            f"order-{order.status}", f"order {order.id} is {order.status}, so it cannot be {done}", status=order.status
        )
