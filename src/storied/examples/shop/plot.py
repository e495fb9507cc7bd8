"""The plot of the demo: half a year of a small shop, as scenes in the order of time. Pure: one seed, one plot.

A scene says when, who and what. What is a function of the order as it then is, because an amount to pay or a review's
id is not known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random

from msgspec import Struct

from storied import Command, Event

from .catalogue import JoinShop, ListProduct, ReceiveStock
from .customers import RegisterCustomer
from .events import Address, OrderDelivered
from .fulfilment import (
    ApproveOrder,
    CancelOrder,
    ConfirmDelivery,
    HandOver,
    InvoiceOrder,
    MarkUnavailable,
    PayOrder,
    StartProcessing,
)
from .orders import Order
from .placing import PlaceOrder
from .reviews import AnswerReview, RequestReview
from .vouchers import IssueVoucher

OPENING, CLOSING = datetime(2025, 1, 6, 8, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
ORDERS = 240
HERO = "o-1000"
"""The order whose story is told."""

NAMES = (  # noqa: SIM905 - reads better than 26 quoted names
    "anna ben carla dario elif farid greta hugo ines jonas katja luis mara nils olga pedro quinn rosa sven tara umar "
    "vera willem xenia yusuf zoe"
).split()
CITIES = (
    Address("01000", "são paulo", "SP"),
    Address("20000", "rio de janeiro", "RJ"),
    Address("80000", "curitiba", "PR"),
)
GOODS = {
    "kettle": ("s-home", "Kettle, 1.7 l", "34.90"),
    "teapot": ("s-home", "Teapot, cast iron", "48.50"),
    "lamp": ("s-home", "Desk lamp", "59.00"),
    "blanket": ("s-home", "Wool blanket", "72.00"),
    "novel": ("s-books", "A novel in two volumes", "28.80"),
    "atlas": ("s-books", "World atlas", "54.00"),
    "notebook": ("s-books", "Notebook, dotted", "9.90"),
    "boots": ("s-out", "Hiking boots", "129.00"),
    "tent": ("s-out", "Tent for two", "189.00"),
    "stove": ("s-out", "Camping stove", "44.90"),
}
WANTED = (3, 2, 2, 2, 4, 2, 5, 2, 1, 2)
"""How much each of the goods is wanted."""
SCARCE = "tent"
WORDS = {
    5: "Just as I hoped.",
    4: "Good, a day late.",
    3: "It is all right.",
    2: "The box was torn.",
    1: "Never again.",
}


class Scene(Struct, frozen=True, kw_only=True):
    """*actor* does at a time what `make` says. An event instead of a command is a report of what had `happened`."""

    at: datetime
    actor: str
    make: Callable[[Order], Command | Event]
    order: str = ""
    happened: datetime | None = None


def plot(seed: int) -> list[Scene]:
    """Every scene before closing time, in order."""
    random = Random(seed)  # noqa: S311 - the same shop each time, nothing secret
    scenes = [*_opening(random), *_hero()]
    for number in range(1, ORDERS):
        scenes.extend(_ordinary(random, f"o-{1000 + number}"))
    return sorted((scene for scene in scenes if scene.at < CLOSING), key=lambda scene: scene.at)


def _opening(random: Random) -> Iterator[Scene]:
    clock = OPENING

    def scene(actor: str, command: Command) -> Scene:
        nonlocal clock
        clock += timedelta(minutes=1)
        return Scene(at=clock, actor=actor, make=lambda _: command)

    for seller in sorted({seller for seller, _, _ in GOODS.values()}):
        yield scene(seller, JoinShop(seller=seller, city="curitiba"))
    for product, (seller, title, price) in GOODS.items():
        freight = Decimal("9.90")
        yield scene(
            seller, ListProduct(product=product, seller=seller, title=title, price=Decimal(price), freight=freight)
        )
        yield scene("warehouse", ReceiveStock(product=product, pieces=8 if product == SCARCE else 120))
    for name in NAMES:
        yield scene(name, RegisterCustomer(customer=name, address=random.choice(CITIES)))
    yield scene("marketing", IssueVoucher(voucher="WELCOME", amount=Decimal(10), uses=20))


def _hero() -> Iterator[Scene]:
    """Anna's order: paid in two parts, delivered on a Friday, and nobody told the shop before Monday."""
    step = partial(_scene, HERO)
    products = ["kettle", "kettle", "novel"]
    yield step(
        datetime(2025, 5, 12, 19, 4, tzinfo=UTC),
        "anna",
        lambda order: PlaceOrder(order=HERO, customer="anna", products=products, voucher="WELCOME"),
    )
    yield step(datetime(2025, 5, 12, 19, 6, tzinfo=UTC), "anna", lambda order: _payment(order, Decimal(40), "voucher"))
    yield step(datetime(2025, 5, 12, 19, 7, tzinfo=UTC), "anna", _rest)
    yield step(datetime(2025, 5, 12, 20, 0, tzinfo=UTC), "bank", lambda order: ApproveOrder(order=order.id))
    yield step(datetime(2025, 5, 14, 9, 30, tzinfo=UTC), "s-home", lambda order: HandOver(order=order.id))
    yield _scene(
        HERO,
        datetime(2025, 5, 19, 7, 0, tzinfo=UTC),
        "carrier-file",
        lambda order: OrderDelivered(order=order.id, customer=order.customer),
        happened=datetime(2025, 5, 16, 16, 45, tzinfo=UTC),
    )
    yield step(datetime(2025, 5, 19, 8, 0, tzinfo=UTC), "shop", lambda order: RequestReview(order=order.id))
    yield step(datetime(2025, 5, 20, 18, 30, tzinfo=UTC), "anna", partial(_answer, score=4))


def _ordinary(random: Random, name: str) -> Iterator[Scene]:
    """An order as they come: most arrive, some are never paid, cancelled, or cannot be supplied."""
    step = partial(_scene, name)
    customer = random.choice(NAMES)
    products = random.choices(list(GOODS), WANTED, k=random.choice((1, 1, 1, 2, 2, 3)))
    voucher = "WELCOME" if random.random() < 0.12 else None
    at = OPENING + timedelta(hours=2) + (CLOSING - OPENING) * random.random() ** 0.8  # business grows
    yield step(
        at,
        customer,
        lambda order: PlaceOrder(order=name, customer=customer, products=products, voucher=voucher),
    )
    fate = random.random()
    if fate < 0.05:
        yield step(
            at + timedelta(days=6), "shop", lambda order: CancelOrder(order=order.id, reason="not paid in six days")
        )
        return
    at += timedelta(minutes=random.randint(1, 40))
    yield step(at, customer, _rest)
    yield step(at := at + timedelta(minutes=random.randint(5, 90)), "bank", lambda order: ApproveOrder(order=order.id))
    at += timedelta(hours=random.randint(8, 30))
    if fate < 0.09:
        yield step(at, customer, lambda order: CancelOrder(order=order.id, reason="changed my mind"))
        return
    seller = GOODS[products[0]][0]
    if fate < 0.12:
        yield step(at, seller, lambda order: MarkUnavailable(order=order.id))
        return
    yield step(at, seller, lambda order: StartProcessing(order=order.id))
    yield step(at + timedelta(hours=2), seller, lambda order: InvoiceOrder(order=order.id))
    yield step(at := at + timedelta(hours=random.randint(4, 60)), seller, lambda order: HandOver(order=order.id))
    at += timedelta(hours=random.randint(40, 280))
    yield step(at, "carrier", lambda order: ConfirmDelivery(order=order.id))
    yield step(at := at + timedelta(hours=20), "shop", lambda order: RequestReview(order=order.id))
    if random.random() < 0.6:
        score = random.choice((1, 2, 3, 4, 4, 5, 5, 5, 5))
        yield step(at + timedelta(hours=random.randint(1, 90)), customer, partial(_answer, score=score))


def _scene(
    order: str,
    at: datetime,
    actor: str,
    make: Callable[[Order], Command | Event],
    happened: datetime | None = None,
) -> Scene:
    return Scene(at=at, actor=actor, make=make, order=order, happened=happened)


def _payment(order: Order, value: Decimal, kind: str) -> PayOrder:
    return PayOrder(order=order.id, value=value, type="voucher" if kind == "voucher" else "credit_card")


def _rest(order: Order) -> PayOrder:
    return _payment(order, order.total - order.paid, "credit_card")


def _answer(order: Order, score: int) -> AnswerReview:
    return AnswerReview(order=order.id, review=next(iter(order.reviews)), score=score, message=WORDS[score])
