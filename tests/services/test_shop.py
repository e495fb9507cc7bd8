"""The example shop over HTTP: the life of an order in REST manner, and clients that mean no good."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from storied.examples.shop import app
from storied.services.commands import CommandService, command_service
from tests.services.asgi import Sent, ask

JSON = {"Content-Type": "application/json"}
HOME = {"zip_code": "01000", "city": "são paulo", "state": "SP"}
AWAY = {"zip_code": "20000", "city": "rio de janeiro", "state": "RJ"}


async def send(service: CommandService, line: str, body: Any = None, **headers: str) -> Sent:
    """What the service answers to ``POST /path`` with this body."""
    method, _, target = line.partition(" ")
    raw = b"" if body is None else msgspec.json.encode(body)
    return await ask(service, method, target, raw, JSON | {n.replace("_", "-"): v for n, v in headers.items()})


LIFE = [
    ("POST /sellers", {"seller": "s-1", "city": "curitiba"}, 200, ["SellerJoined"]),
    ("POST /products", {"product": "mug", "seller": "s-1", "title": "Mug", "price": "20"}, 201, ["ProductListed"]),
    ("PUT /products/mug/price", {"price": "18"}, 200, ["PriceChanged"]),
    ("PUT /products/mug/price", {"price": "18.0"}, 200, []),
    ("POST /products/mug/stock", {"pieces": 3}, 200, ["StockReceived"]),
    ("POST /vouchers", {"voucher": "MAY", "amount": "10", "uses": 2}, 200, ["VoucherIssued"]),
    ("PUT /customers/anna", {"address": HOME}, 200, ["CustomerRegistered"]),
    ("PUT /customers/anna", {"address": HOME}, 200, []),
    ("PUT /customers/anna/address", {"address": AWAY}, 200, ["CustomerMoved"]),
    ("POST /customers", {"customer": "ben", "address": HOME}, 201, ["CustomerRegistered"]),
    (
        "POST /orders",
        {"order": "o-1", "customer": "anna", "products": ["mug", "mug"], "voucher": "MAY"},
        201,
        ["OrderPlaced", "VoucherRedeemed"],
    ),
    ("POST /orders", {"order": "o-2", "customer": "ben", "products": ["mug", "mug"]}, 422, "out-of-stock"),
    ("POST /orders", {"order": "o-2", "customer": "ben", "products": ["mug"]}, 201, ["OrderPlaced"]),
    ("DELETE /orders/o-2", None, 200, ["OrderCancelled"]),
    ("DELETE /orders/o-2", None, 200, []),
    ("POST /orders/o-1/payments", {"value": "26"}, 200, ["OrderPaid"]),
    ("POST /orders/o-1/approval", None, 200, ["OrderApproved"]),
    ("POST /orders/o-1/processing", {}, 200, ["ProcessingStarted"]),
    ("POST /orders/o-1/invoice", None, 200, ["OrderInvoiced"]),
    ("POST /orders/o-1/hand-over", None, 200, ["OrderHandedOver"]),
    ("POST /orders/o-1/cancellation", {"reason": "late"}, 422, "order-shipped"),
    ("POST /orders/o-1/delivery", None, 200, ["OrderDelivered"]),
    ("POST /orders/o-1/delivery", None, 200, []),
    ("POST /orders/o-1/reviews", None, 200, ["ReviewRequested"]),
    ("POST /orders/o-1/unavailability", None, 422, "order-delivered"),
]


async def test_an_order_lives_over_http() -> None:
    """Created, updated and deleted in REST manner; each answer says what happened, or which rule was against it."""
    async with command_service(app, "memory://") as service:
        for line, body, status, told in LIFE:
            answer = await send(service, line, body)
            types = [event["type"] for event in answer.json["events"]] if answer.status < 400 else answer.json["code"]
            assert (line, answer.status, types) == (line, status, told)
        page = await send(service, "POST /orders/o-1/reviews", None, Prefer="wait=OrderPage")
        [review] = [tag.removeprefix("review:") for tag in page.json["events"][0]["tags"] if tag.startswith("review:")]
        answered = await send(service, f"POST /orders/o-1/reviews/{review}", {"score": 5})
        assert [event["type"] for event in answered.json["events"]] == ["ReviewAnswered"]


async def test_every_route_is_served() -> None:
    """None of the commands of the shop is without one, and none of the routes leads nowhere."""
    async with command_service(app, "memory://") as service:
        served = {route.template.text for route in service.router.routes if not route.open}
        assert served == {text for command in app.handlers for text in app.routes[command]}
        for text in served:
            answer = await send(service, text.replace("{", "").replace("}", ""))
            assert answer.status in (200, 201, 400, 422), text


HOSTILE: list[Any] = [
    None, True, 0, -1, 1.5, 2**63 - 1, -(2**63), 10**17, 1e308, "", " ", "a", "\n", "\x7f", "\u2028", "é" * 300,
    "x" * 5000, "NaN", "sNaN", "Infinity", "-0", "1e999999999", "1E+999999", "1e-999999999", "0.1", "9" * 400,
    "../..", "%00", "{}", [], {}, [[]], [None], ["a", "a"], ["a"] * 2000, {"a": 1}, {"zip_code": "1"},
    {"zip_code": "1", "city": "x", "state": "y"}, {"__class__": "x"}, "2017-05-01", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", "credit_card", "2017-13-45", "\U0001f600", "o-1", "anna", "mug",
]  # fmt: skip
NAMES = "order customer products voucher product seller title price freight pieces amount uses address value type "
FIELDS = (NAMES + "installments reason review score message city x").split()
PATHS = ["o-1", "", "%00", "%2e%2e", "%2F", "a" * 3000, "%F0%9F%98%80", "..", "a:b", "%0a", "*", "mug", "anna", "'"]


def hostile_requests(seed: int, count: int) -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Requests that nobody means well by: right routes, wrong values."""
    dice = random.Random(seed)
    templates = sorted({text for command in app.handlers for text in app.routes[command]})
    for _ in range(count):
        method, _, path = dice.choice(templates).partition(" ")
        target = "/".join(dice.choice(PATHS) if part.startswith("{") else part for part in path.split("/"))
        body = {name: dice.choice(HOSTILE) for name in dice.sample(FIELDS, dice.randrange(0, 8))}
        headers = dict(JSON)
        for name, values in {
            "If-Match": ['"0"', "*", '"1"', "x", '"99999999999999999999"'],
            "Idempotency-Key": ["k", "", '"', "\xff", "k2"],
            "Prefer": ["wait=0", "wait=-1", "wait=x;y", ";", 'wait=1; views="'],
            "Cookie": ["storied-after-0abcdef1=-1", "storied-after-0abcdef1=" + "9" * 5000, "=;=;"],
        }.items():
            if dice.random() < 0.15:
                headers[name] = dice.choice(values)
        yield method, target, msgspec.json.encode(body), headers


def command_of(dice: random.Random) -> tuple[str, str, bytes]:
    """A request whose fields are those of its command, with any values."""
    command = dice.choice(sorted(app.handlers, key=lambda each: each.__name__))
    method, _, path = dice.choice(app.routes[command]).partition(" ")
    target = "/".join(dice.choice(PATHS) if part.startswith("{") else part for part in path.split("/"))
    parameters = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    names = [name for name in command.__struct_fields__ if name not in parameters]
    return method, target, msgspec.json.encode({name: dice.choice(HOSTILE) for name in names})


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_a_client_sends_makes_the_server_fail(seed: int) -> None:
    """Every answer is below 500, and a refusal is a problem with a code."""
    dice = random.Random(seed)
    async with command_service(app, "memory://") as service:
        for line, body, _, _ in LIFE[:11]:
            await send(service, line, body)
        requests = list(hostile_requests(seed, 600))
        requests += [(*command_of(dice), JSON) for _ in range(1500)]
        for method, target, body, headers in requests:
            answer = await ask(service, method, target, body, headers)
            assert answer.status < 500, (method, target, body[:300], headers, answer.body)
            if answer.status >= 400:
                assert answer.json["code"]
                assert answer.json["status"] == answer.status
