"""The rules of the shop, each as what had happened, what was asked for, and what came of it."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from storied import Command, Event
from storied.examples import shop
from storied.examples.shop.catalogue import ChangePrice, ListProduct, ReceiveStock
from storied.examples.shop.customers import MoveCustomer, PutCustomer, RegisterCustomer
from storied.examples.shop.events import (
    Address,
    CustomerMoved,
    CustomerRegistered,
    Line,
    OrderApproved,
    OrderCancelled,
    OrderDelivered,
    OrderHandedOver,
    OrderPaid,
    OrderPlaced,
    PriceChanged,
    ProductListed,
    ReviewAnswered,
    ReviewRequested,
    SellerJoined,
    StockReceived,
    VoucherIssued,
    VoucherRedeemed,
)
from storied.examples.shop.fulfilment import (
    ApproveOrder,
    CancelOrder,
    ConfirmDelivery,
    HandOver,
    PayOrder,
)
from storied.examples.shop.placing import PlaceOrder
from storied.examples.shop.reviews import AnswerReview, RequestReview
from storied.examples.shop.vouchers import IssueVoucher
from storied.testing import given

NOON = datetime(2017, 5, 1, 12, tzinfo=UTC)
HOME = Address("01000", "são paulo", "SP")
ANNA = CustomerRegistered(customer="anna", address=HOME)
MUG = ProductListed(product="mug", seller="s-1", title="Mug", price=Decimal("20"), freight=Decimal("5"))
OVEN = ProductListed(product="oven", seller="s-2", title="Oven", price=Decimal("600"), freight=Decimal("50"))


def line(product: ProductListed = MUG) -> Line:
    """One piece of the product, ordered at noon."""
    return Line(
        product=product.product,
        seller=product.seller,
        price=product.price,
        freight=product.freight,
        shipping_limit=datetime(2017, 5, 6, 12, tzinfo=UTC),
    )


def placed(order: str = "o-1", *lines: Line, customer: str = "anna", discount: str = "0") -> OrderPlaced:
    """An order of noon, of one mug unless told otherwise."""
    return OrderPlaced(
        order=order,
        customer=customer,
        lines=list(lines or (line(),)),
        ship_to=HOME,
        placed_at=NOON,
        estimated_delivery=datetime(2017, 5, 22, tzinfo=UTC).date(),
        discount=Decimal(discount),
    )


def paid(value: str, order: str = "o-1", sequential: int = 1) -> OrderPaid:
    """A payment by credit card."""
    return OrderPaid(
        order=order,
        customer="anna",
        sequential=sequential,
        type="credit_card",
        installments=1,
        value=Decimal(value),
    )


def cancelled(order: str = "o-1", *lines: Line) -> OrderCancelled:
    """The cancellation of such an order."""
    return OrderCancelled(order=order, customer="anna", lines=list(lines or (line(),)), placed_at=NOON)


def order_mugs(pieces: int, order: str = "o-9", customer: str = "anna") -> PlaceOrder:
    """An order of so many mugs."""
    return PlaceOrder(order=order, customer=customer, products=["mug"] * pieces)


VOUCHER = VoucherIssued(voucher="MAY", amount=Decimal("10"), uses=2)
WITH_VOUCHER = PlaceOrder(order="o-9", customer="anna", products=["mug"], voucher="MAY")


def redeemed(by: str) -> VoucherRedeemed:
    """A use of the voucher by another order."""
    return VoucherRedeemed(voucher="MAY", customer=by, order=f"o-{by}", amount=Decimal("10"))


# --- placing: stock, credit, voucher ---------------------------------------------------------------


def test_an_order_takes_prices_from_the_catalogue() -> None:
    """What is ordered costs what it costs now, one line a piece, and goes to where the customer lives."""
    price = PriceChanged(product="mug", price=Decimal("18"))
    now = Line(
        product="mug",
        seller="s-1",
        price=Decimal("18"),
        freight=Decimal("5"),
        shipping_limit=datetime(2017, 5, 6, 12, tzinfo=UTC),
    )
    given(ANNA, MUG, price).at(NOON).when(order_mugs(2)).then(placed("o-9", now, now))


def test_the_last_pieces_can_be_ordered() -> None:
    """An order may take all that is left."""
    stock = StockReceived(product="mug", pieces=2)
    given(ANNA, MUG, stock).at(NOON).when(order_mugs(2)).then(placed("o-9", line(), line()))


def test_more_than_is_left_cannot_be_ordered() -> None:
    """The pieces of other customers' orders are gone."""
    history = [ANNA, MUG, StockReceived(product="mug", pieces=2), placed("o-1", customer="ben")]
    given(*history).when(order_mugs(2)).then_rejected("out-of-stock", "2 of product mug (Mug) were ordered, 1 are left")


def test_pieces_of_a_cancelled_order_can_be_ordered_again() -> None:
    """A cancellation puts them back."""
    history = [ANNA, MUG, StockReceived(product="mug", pieces=1), placed(), cancelled()]
    given(*history).at(NOON).when(order_mugs(1)).then(placed("o-9"))


def test_a_customer_may_not_owe_too_much() -> None:
    """What is open on all orders counts, with the new one, against the limit."""
    history = [ANNA, MUG, OVEN, placed("o-1", line(OVEN))]
    order = PlaceOrder(order="o-9", customer="anna", products=["oven"])
    given(*history).when(order).then_rejected("credit-exceeded")


@pytest.mark.parametrize("relief", [paid("650"), cancelled("o-1", line(OVEN))], ids=["paid", "cancelled"])
def test_what_is_paid_or_cancelled_is_not_owed(relief: Event) -> None:
    """A paid or cancelled order leaves the customer's credit alone."""
    history = [ANNA, OVEN, placed("o-1", line(OVEN)), relief]
    order = PlaceOrder(order="o-9", customer="anna", products=["oven"])
    given(*history).at(NOON).when(order).then(placed("o-9", line(OVEN)))


def test_a_voucher_takes_its_amount_off() -> None:
    """Its redemption is an event of its own, stored with the order or not at all."""
    use = VoucherRedeemed(voucher="MAY", customer="anna", order="o-9", amount=Decimal("10"))
    given(ANNA, MUG, VOUCHER).at(NOON).when(WITH_VOUCHER).then(placed("o-9", discount="10"), use)


def test_a_voucher_is_for_one_order_of_a_customer() -> None:
    """Whoever used it cannot use it again."""
    given(ANNA, MUG, VOUCHER, redeemed("anna")).when(WITH_VOUCHER).then_rejected("voucher-used")


def test_a_voucher_can_be_used_so_often_in_all() -> None:
    """The third customer is too late for a voucher of two uses."""
    given(ANNA, MUG, VOUCHER, redeemed("ben"), redeemed("cleo")).when(WITH_VOUCHER).then_rejected("voucher-exhausted")


@pytest.mark.parametrize(
    ("history", "command", "code"),
    [
        ([MUG], order_mugs(1), "unknown-customer"),
        ([ANNA], order_mugs(1), "unknown-product"),
        ([ANNA, MUG], order_mugs(0), "empty-order"),
        ([ANNA, MUG, placed("o-9")], order_mugs(1), "already-placed"),
        ([ANNA, MUG], WITH_VOUCHER, "unknown-voucher"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_there_cannot_be_ordered(history: list[Event], command: Command, code: str) -> None:
    """Each thing that an order names has to exist, and the order must not."""
    given(*history).when(command).then_rejected(code)


# --- the rest of an order's life -------------------------------------------------------------------


def test_an_order_may_be_paid_in_several_payments() -> None:
    """They are counted."""
    given(placed(), paid("10")).when(PayOrder(order="o-1", value=Decimal("15"))).then(paid("15", sequential=2))


def test_an_order_cannot_be_overpaid() -> None:
    """No payment is more than what is open."""
    given(placed(), paid("10")).when(PayOrder(order="o-1", value=Decimal("15.01"))).then_rejected("wrong-amount")


def test_only_a_paid_order_is_approved() -> None:
    """Approval waits for the last cent."""
    given(placed(), paid("24.99")).when(ApproveOrder(order="o-1")).then_rejected("not-paid")
    given(placed(), paid("25")).when(ApproveOrder(order="o-1")).then(OrderApproved(order="o-1", customer="anna"))


def test_an_order_is_not_sent_before_it_is_approved() -> None:
    """The carrier gets paid parcels only."""
    given(placed(), paid("25")).when(HandOver(order="o-1")).then_rejected("order-created")


def test_a_parcel_that_left_cannot_be_cancelled() -> None:
    """The refusal names the state that the order is in."""
    history = [placed(), OrderApproved(order="o-1", customer="anna"), OrderHandedOver(order="o-1", customer="anna")]
    given(*history).when(CancelOrder(order="o-1")).then_rejected(
        "order-shipped", "order o-1 is shipped, so it cannot be cancelled"
    )


def test_a_second_report_of_a_delivery_changes_nothing() -> None:
    """Carriers repeat themselves."""
    history = [placed(), OrderDelivered(order="o-1", customer="anna")]
    given(*history).when(ConfirmDelivery(order="o-1")).then_nothing()


def test_an_order_that_was_never_placed_is_unknown() -> None:
    """Nothing can be done to it."""
    given().when(CancelOrder(order="o-1")).then_rejected("unknown-order")


def test_a_late_report_does_not_bring_an_order_back() -> None:
    """The bank's approval, arriving after the delivery, leaves the order delivered."""
    history = [placed(), OrderDelivered(order="o-1", customer="anna"), OrderApproved(order="o-1", customer="anna")]
    given(*history).when(CancelOrder(order="o-1")).then_rejected("order-delivered")


def test_a_review_is_asked_for_when_there_is_something_to_review() -> None:
    """Not while the parcel is on its way."""
    given(placed()).when(RequestReview(order="o-1")).then_rejected("too-early")


def test_a_review_is_answered_once() -> None:
    """With a score that exists, and only if it was asked for."""
    asked = ReviewRequested(order="o-1", customer="anna", review="r-1")
    answer = ReviewAnswered(order="o-1", customer="anna", review="r-1", score=5)
    command = AnswerReview(order="o-1", review="r-1", score=5)
    given(placed(), asked).when(command).then(answer)
    given(placed(), asked, answer).when(command).then_rejected("already-answered")
    given(placed()).when(command).then_rejected("unknown-review")
    given(placed(), asked).when(AnswerReview(order="o-1", review="r-1", score=6)).then_rejected("bad-score")


# --- customers, catalogue, vouchers ----------------------------------------------------------------


def test_a_customer_registers_once() -> None:
    """The second time is refused."""
    given().when(RegisterCustomer(customer="anna", address=HOME)).then(ANNA)
    given(ANNA).when(RegisterCustomer(customer="anna", address=HOME)).then_rejected("already-registered")


def test_moving_to_where_one_lives_changes_nothing() -> None:
    """Moving elsewhere does."""
    away = Address("20000", "rio de janeiro", "RJ")
    given(ANNA).when(MoveCustomer(customer="anna", address=HOME)).then_nothing()
    given(ANNA).when(MoveCustomer(customer="anna", address=away)).then(CustomerMoved(customer="anna", address=away))


def test_putting_a_customer_registers_or_moves_them() -> None:
    """And changes nothing where they are known as they are: a PUT may be repeated."""
    away = Address("20000", "rio de janeiro", "RJ")
    given().when(PutCustomer(customer="anna", address=HOME)).then(ANNA)
    given(ANNA).when(PutCustomer(customer="anna", address=HOME)).then_nothing()
    given(ANNA).when(PutCustomer(customer="anna", address=away)).then(CustomerMoved(customer="anna", address=away))


def test_a_product_needs_a_seller_who_joined() -> None:
    """And a name that is free."""
    offer = ListProduct(product="mug", seller="s-1", title="Mug", price=Decimal("20"), freight=Decimal("5"))
    joined = SellerJoined(seller="s-1", city="curitiba")
    given(joined).when(offer).then(MUG)
    given().when(offer).then_rejected("unknown-seller")
    given(joined, MUG).when(offer).then_rejected("already-listed")


def test_prices_and_pieces_are_positive() -> None:
    """Neither a free product nor a delivery of nothing; and there are bounds to what is not a slip of the hand."""
    for price in (Decimal("0"), Decimal("1000001"), Decimal("1e4000")):
        given(MUG).when(ChangePrice(product="mug", price=price)).then_rejected("bad-price")
    for pieces in (0, 1_000_001):
        given(MUG).when(ReceiveStock(product="mug", pieces=pieces)).then_rejected("bad-quantity")
    joined, freight = SellerJoined(seller="s-1", city="curitiba"), Decimal("-1")
    offer = ListProduct(product="mug", seller="s-1", title="Mug", price=Decimal("20"), freight=freight)
    given(joined).when(offer).then_rejected("bad-price")


def test_a_voucher_is_issued_once_and_is_worth_something() -> None:
    """Its code is taken from then on."""
    given().when(IssueVoucher(voucher="MAY", amount=Decimal("10"), uses=2)).then(VOUCHER)
    given(VOUCHER).when(IssueVoucher(voucher="MAY", amount=Decimal("10"), uses=2)).then_rejected("voucher-exists")
    given().when(IssueVoucher(voucher="MAY", amount=Decimal("0"), uses=2)).then_rejected("bad-voucher")


# --- what clients are told -------------------------------------------------------------------------


def test_every_code_of_a_rejection_is_declared() -> None:
    """Each that is written out in the shop's rules is one that a handler names in its ``rejects=``."""
    declared = {code for handler in shop.app.handlers.values() for code in handler.rejects or ()}
    written = set()
    for name in ("catalogue", "customers", "fulfilment", "placing", "reviews", "vouchers"):
        tree = ast.parse((Path(shop.__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Rejected"]
        written |= {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert written <= declared
    assert [handler.name for handler in shop.app.handlers.values() if handler.rejects is None] == []
