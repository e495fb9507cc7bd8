"""A dozen made-up orders in the shape of Olist's files, one for each thing that real rows do."""

from __future__ import annotations

import csv
from pathlib import Path

ORDERS = """
usual       c-1  delivered    2017-05-01 10:00:00  2017-05-01 10:20:00  2017-05-02 09:00:00  2017-05-06 15:00:00
early       c-2  shipped      2017-05-03 10:00:00  2017-05-05 10:00:00  2017-05-04 09:00:00  -
foretold    c-3  delivered    2017-05-07 10:00:00  2017-05-08 10:00:00  2017-05-06 09:00:00  2017-05-09 15:00:00
hasty       c-4  delivered    2017-05-10 10:00:00  2017-05-20 10:00:00  2017-05-11 09:00:00  2017-05-15 15:00:00
backwards   c-5  delivered    2017-05-12 10:00:00  2017-05-12 10:00:00  2017-05-18 09:00:00  2017-05-17 15:00:00
untimed     c-6  delivered    2017-06-01 10:00:00  2017-06-02 10:00:00  2017-06-03 09:00:00  -
regretted   c-7  canceled     2017-06-04 10:00:00  2017-06-04 11:00:00  2017-06-05 09:00:00  2017-06-09 15:00:00
unwanted    c-8  canceled     2017-06-06 10:00:00  -                    -                    -
unfound     c-9  unavailable  2017-06-07 10:00:00  2017-06-07 11:00:00  -                    -
packing     c-10 processing   2017-06-08 10:00:00  2017-06-08 11:00:00  -                    -
billed      c-11 invoiced     2017-06-08 10:00:00  2017-06-08 12:00:00  -                    -
new         c-12 created      2017-06-09 10:00:00  -                    -                    -
unapproved  c-13 delivered    2017-06-10 10:00:00  -                    2017-06-11 09:00:00  2017-06-12 15:00:00
skipped     c-14 shipped      2017-10-15 00:30:00  2017-10-15 01:40:00  2017-10-16 09:00:00  -
repeated    c-15 shipped      2018-02-17 23:30:00  2018-02-18 00:10:00  2018-02-19 09:00:00  -
again       c-16 delivered    2018-03-01 10:00:00  2018-03-01 10:20:00  2018-03-02 09:00:00  2018-03-06 15:00:00
"""
PERSONS = {"c-16": ("p-1", "20000", "rio de janeiro", "RJ")}
"""Who is who else than one person an order, and where they live: p-1 has moved."""
WITHOUT_ITEMS = {"unwanted", "unfound", "new"}
TIMES = ("purchase_timestamp", "approved_at", "delivered_carrier_date", "delivered_customer_date")


def write_small_olist(folder: Path) -> Path:
    """The folder, with the five files in it."""
    orders, customers = [], []
    for line in ORDERS.strip().splitlines():
        order, customer, status, rest = line.split(None, 3)
        times = _times(rest)
        row = {"order_id": order, "customer_id": customer, "order_status": status}
        row |= {f"order_{name}": time for name, time in zip(TIMES, times, strict=True)}
        orders.append({**row, "order_estimated_delivery_date": "2017-06-20 00:00:00"})
        person, *home = PERSONS.get(customer, (customer.replace("c", "p"), "01000", "são paulo", "SP"))
        columns = ("customer_zip_code_prefix", "customer_city", "customer_state")
        customers.append(
            {"customer_id": customer, "customer_unique_id": person, **dict(zip(columns, home, strict=True))}
        )
    names = [row["order_id"] for row in orders]
    _write(folder, "orders", orders)
    _write(folder, "customers", customers)
    _write(folder, "order_items", [item for name in names if name not in WITHOUT_ITEMS for item in _items(name)])
    _write(folder, "order_payments", [payment for name in names for payment in _payments(name)])
    _write(folder, "order_reviews", _reviews())
    return folder


def _times(text: str) -> list[str]:
    words = iter(text.split())
    return ["" if word == "-" else f"{word} {next(words)}" for word in words]


def _items(order: str) -> list[dict[str, object]]:
    pieces = 2 if order == "usual" else 1
    return [
        {
            "order_id": order,
            "order_item_id": number,
            "product_id": f"product-{number}",
            "seller_id": f"seller-{number}",
            "shipping_limit_date": "2017-06-15 10:00:00",
            "price": "39.90",
            "freight_value": "10.05",
        }
        for number in range(1, pieces + 1)
    ]


def _payments(order: str) -> list[dict[str, object]]:
    values = {"usual": ["90.00", "9.90"], "billed": ["0.00"]}.get(order, ["49.95"])
    kinds = ["voucher", "credit_card"] if len(values) > 1 else ["not_defined" if order == "new" else "boleto"]
    return [
        {
            "order_id": order,
            "payment_sequential": number,
            "payment_type": kind,
            "payment_installments": number,
            "payment_value": value,
        }
        for number, (kind, value) in enumerate(zip(kinds, values, strict=True), 1)
    ]


def _reviews() -> list[dict[str, object]]:
    """Two reviews of one order, one review of two orders, one asked for before its order, texts with line ends."""
    rows = [
        ("r-1", "usual", 5, "bom", "chegou antes,\ngostei", "2017-05-07 00:00:00", "2017-05-08 10:00:00"),
        ("r-2", "usual", 1, "", 'quebrou "logo"\r\ndepois', "2017-05-09 00:00:00", "2017-05-09 00:00:00"),
        ("r-3", "hasty", 4, "", "", "2017-05-16 00:00:00", "2017-05-17 10:00:00"),
        ("r-3", "backwards", 4, "", "", "2017-05-16 00:00:00", "2017-05-17 10:00:00"),
        ("r-4", "unapproved", 3, "", "ç", "2017-06-09 00:00:00", "2017-06-13 10:00:00"),
    ]
    columns = (
        "review_id",
        "order_id",
        "review_score",
        "review_comment_title",
        "review_comment_message",
        "review_creation_date",
        "review_answer_timestamp",
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _write(folder: Path, name: str, rows: list[dict[str, object]] | list[dict[str, str]]) -> None:
    with (folder / f"olist_{name}_dataset.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
