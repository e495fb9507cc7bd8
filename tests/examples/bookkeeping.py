"""What the CSV files say, worked out with csv and decimal alone: no code of storied takes part."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

Row = dict[str, str]
ORDER_OF_LIFE = ["created", "approved", "processing", "invoiced", "shipped", "delivered", "unavailable", "canceled"]


class Books:
    """The five files, and the sums and counts that the pages must show."""

    def __init__(self, folder: Path) -> None:
        self.orders = _rows(folder, "orders")
        self.customers = {row["customer_id"]: row["customer_unique_id"] for row in _rows(folder, "customers")}
        self.items = _grouped(_rows(folder, "order_items"))
        self.payments = _grouped(_rows(folder, "order_payments"))
        self.reviews = _grouped(_rows(folder, "order_reviews"))

    def statuses(self) -> dict[str, str]:
        """The status column by order."""
        return {row["order_id"]: row["order_status"] for row in self.orders}

    def paid(self, order: str) -> Decimal:
        """The sum of the order's payments."""
        return sum((Decimal(row["payment_value"]) for row in self.payments[order]), Decimal(0))

    def owed(self, order: str) -> Decimal:
        """The sum of the order's items and their freight."""
        rows = self.items[order]
        return sum((Decimal(row["price"]) + Decimal(row["freight_value"]) for row in rows), Decimal(0))

    def counts_at(self, time: str) -> dict[str, int]:
        """How many orders had each status at the local *time*; "" are orders of which only a review was known."""
        found = (self._status_at(row, time) for row in self.orders)
        return dict(Counter(status for status in found if status is not None))

    def _status_at(self, row: Row, time: str) -> str | None:
        reached = {
            "created": row["order_purchase_timestamp"],
            "approved": row["order_approved_at"],
            "shipped": row["order_delivered_carrier_date"],
            "delivered": row["order_delivered_customer_date"],
        }
        if not reached.get(row["order_status"]):  # no column says when: at the last time known of the order
            reached[row["order_status"]] = max(reached.values())
        by_then = [ORDER_OF_LIFE.index(status) for status, at in reached.items() if at and at <= time]
        if by_then:
            return ORDER_OF_LIFE[max(by_then)]
        reviewed = any(review["review_creation_date"] <= time for review in self.reviews[row["order_id"]])
        return "" if reviewed else None


def _rows(folder: Path, name: str) -> list[Row]:
    plain = folder / f"olist_{name}_dataset.csv"
    if plain.exists():
        with plain.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    with gzip.open(f"{plain}.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _grouped(rows: list[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["order_id"]].append(row)
    return found
