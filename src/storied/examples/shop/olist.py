"""From Olist's CSV files to facts of this shop. Pure: the same files always give the same facts in the same order.

The files hold one row an order, with a column for each thing that happened to it. What follows is what had to be
chosen to make a history of that:

- Times are local times of São Paulo without a zone. One that the clock skipped (summer time begins at midnight) is read
  as the time the clock showed instead, an hour later; one that it showed twice means the first. Each keeps its offset.
- Items are part of the order being placed. Payments happen when the order is approved, else when it is placed.
- A customer registers with the first order, and moves when a later order goes to another address.
- What the status column says and no time column bears out (processing, invoiced, canceled, unavailable, and one
  delivery) happened at the last time known of that order, its reviews left aside.
- At the same second, facts come in the order of an order's life, and orders in the order they were placed in.

Nothing is mended: hand-overs before the approval, deliveries of canceled orders, several reviews of one order and one
review of several orders are all kept. The order of the log is the order of those times.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timezone
from decimal import Decimal
from functools import cache
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from storied import Event, Fact

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
    PaymentType,
    ProcessingStarted,
    ReviewAnswered,
    ReviewRequested,
)

FILES = ("orders", "order_items", "order_payments", "order_reviews", "customers")
Row = dict[str, str]


class Olist(Struct, frozen=True):
    """The rows of the five files, and a digest of their bytes."""

    digest: str
    orders: list[Row]
    items: dict[str, list[Row]]
    payments: dict[str, list[Row]]
    reviews: dict[str, list[Row]]
    customers: dict[str, Row]


def read_folder(folder: Path) -> Olist:
    """The files in *folder*, plain or gzipped. Raises `FileNotFoundError` naming those that are missing."""
    texts = {name: _text(folder, f"olist_{name}_dataset.csv") for name in FILES}
    digest = sha256()
    for name, text in texts.items():
        digest.update(f"{name} {len(text)}\n".encode())
        digest.update(text.encode())
    rows = {name: list(csv.DictReader(StringIO(text, newline=""))) for name, text in texts.items()}
    return Olist(
        digest=digest.hexdigest(),
        orders=sorted(rows["orders"], key=lambda row: (row["order_purchase_timestamp"], row["order_id"])),
        items=_by_order(rows["order_items"], lambda row: int(row["order_item_id"])),
        payments=_by_order(rows["order_payments"], lambda row: int(row["payment_sequential"])),
        reviews=_by_order(rows["order_reviews"], lambda row: (row["review_creation_date"], row["review_id"])),
        customers={row["customer_id"]: row for row in rows["customers"]},
    )


def _by_order(rows: list[Row], key: Callable[[Row], Any]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=key):
        found[row["order_id"]].append(row)
    return dict(found)


def facts(olist: Olist) -> list[Fact]:
    """Everything that happened, in the order it happened."""
    found: list[Fact] = []
    addresses: dict[str, Address] = {}
    for row in olist.orders:
        person = olist.customers[row["customer_id"]]
        customer = person["customer_unique_id"]
        address = Address(person["customer_zip_code_prefix"], person["customer_city"], person["customer_state"])
        if addresses.get(customer) != address:
            happened = CustomerMoved if customer in addresses else CustomerRegistered
            addresses[customer] = address
            found.append(Fact(happened(customer=customer, address=address), local(row["order_purchase_timestamp"])))
        found.extend(Fact(event, at) for event, at in _life(olist, row, customer, address))
    found.sort(key=lambda fact: fact.occurred_at or datetime.max.replace(tzinfo=UTC))
    return found


def _life(olist: Olist, row: Row, customer: str, ship_to: Address) -> Iterator[tuple[Event, datetime]]:
    """The events of one order, in the order of an order's life."""
    order, status = row["order_id"], row["order_status"]
    placed_at = local(row["order_purchase_timestamp"])
    approved_at = _maybe(row["order_approved_at"])
    shipped_at = _maybe(row["order_delivered_carrier_date"])
    delivered_at = _maybe(row["order_delivered_customer_date"])
    last = max(time for time in (placed_at, approved_at, shipped_at, delivered_at) if time is not None)
    lines = [_line(item) for item in olist.items.get(order, ())]
    yield (
        OrderPlaced(
            order=order,
            customer=customer,
            lines=lines,
            ship_to=ship_to,
            placed_at=placed_at,
            estimated_delivery=date.fromisoformat(row["order_estimated_delivery_date"][:10]),
        ),
        placed_at,
    )
    for payment in olist.payments.get(order, ()):
        yield _payment(payment, order, customer), approved_at or placed_at
    if approved_at or status == "approved":
        yield OrderApproved(order=order, customer=customer), approved_at or last
    if status == "processing":
        yield ProcessingStarted(order=order, customer=customer), last
    if status == "invoiced":
        yield OrderInvoiced(order=order, customer=customer), last
    if shipped_at or status == "shipped":
        yield OrderHandedOver(order=order, customer=customer), shipped_at or last
    if delivered_at or status == "delivered":
        yield OrderDelivered(order=order, customer=customer), delivered_at or last
    if status == "unavailable":
        yield OrderMarkedUnavailable(order=order, customer=customer), last
    if status == "canceled":
        yield OrderCancelled(order=order, customer=customer, lines=lines, placed_at=placed_at), last
    for review in olist.reviews.get(order, ()):
        yield from _review(review, order, customer)


def _line(row: Row) -> Line:
    return Line(
        product=row["product_id"],
        seller=row["seller_id"],
        price=Decimal(row["price"]),
        freight=Decimal(row["freight_value"]),
        shipping_limit=local(row["shipping_limit_date"]),
    )


def _payment(row: Row, order: str, customer: str) -> OrderPaid:
    return OrderPaid(
        order=order,
        customer=customer,
        sequential=int(row["payment_sequential"]),
        type=cast(PaymentType, row["payment_type"]),  # the store refuses any other
        installments=int(row["payment_installments"]),
        value=Decimal(row["payment_value"]),
    )


def _review(row: Row, order: str, customer: str) -> Iterator[tuple[Event, datetime]]:
    review = row["review_id"]
    requested = ReviewRequested(order=order, customer=customer, review=review)
    yield requested, local(row["review_creation_date"])
    answered = ReviewAnswered(
        order=order,
        customer=customer,
        review=review,
        score=int(row["review_score"]),
        title=row["review_comment_title"],
        message=row["review_comment_message"],
    )
    yield answered, local(row["review_answer_timestamp"])


@cache
def _sao_paulo() -> ZoneInfo:
    try:
        return ZoneInfo("America/Sao_Paulo")
    except ZoneInfoNotFoundError as error:
        raise LookupError("this machine knows no time zones. Run `pip install tzdata`.") from error


def local(text: str) -> datetime:
    """A local time of São Paulo, with the offset that held there and then."""
    zone = _sao_paulo()
    there = datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return there.replace(tzinfo=timezone(there.utcoffset() or UTC.utcoffset(None)), fold=0)


def _maybe(text: str) -> datetime | None:
    return local(text) if text else None


def _text(folder: Path, name: str) -> str:
    """The file's text with its line ends as they are: cells may hold some."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.exists():
        return plain.read_bytes().decode("utf-8-sig")
    if packed.exists():
        return gzip.decompress(packed.read_bytes()).decode("utf-8-sig")
    wanted = ", ".join(f"olist_{each}_dataset.csv" for each in FILES)
    raise FileNotFoundError(f"{folder} has no {name}, neither plain nor .gz. It should hold {wanted}.")
