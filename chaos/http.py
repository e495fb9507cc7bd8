"""``http``: requests made from the services' own description, right ones and wrong ones.

None makes a service fail, and none is answered by what is not described: a status, a header, a body. schemathesis makes
them: examples first, then the borders of each schema, then random ones, and then sequences of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import schemathesis
from schemathesis import Case, HookContext
from schemathesis import Response as HttpResponse
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, ServerError
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.python.asgi import shutdown_lifespans

from chaos.reporting import Progress
from storied.examples.shop import app
from storied.examples.shop.catalogue import JoinShop, ListProduct, ReceiveStock
from storied.examples.shop.customers import RegisterCustomer
from storied.examples.shop.events import Address
from storied.examples.shop.fulfilment import PayOrder
from storied.examples.shop.placing import PlaceOrder
from storied.services.commanding.naming import UNPRINTABLE
from storied.services.gate import Gate
from storied.services.settings import Settings
from storied.services.sides import Side, service_of

HOME = Address(zip_code="01000", city="são paulo", state="SP")
STOCK = (
    JoinShop(seller="seller-1", city="curitiba"),
    ListProduct(product="product-1", seller="seller-1", title="Mug", price=Decimal(20), freight=Decimal(0)),
    ReceiveStock(product="product-1", pieces=100),
    RegisterCustomer(customer="customer-1", address=HOME),
    PlaceOrder(order="order-1", customer="customer-1", products=["product-1", "product-1"]),
    PayOrder(order="order-1", value=Decimal(40)),
)
"""What there is, by the names that the description has for examples, so that requests find something."""
UNSAID = frozenset(
    {
        "bad-cursor",  # only a cursor of the list's own goes on
        "bad-header",  # If-Match of the borders comes without its quotes
        "bad-parameter",  # a value and a bound of one field do not go together
        "future-position",  # how far the log has come
        "future-time",  # likewise
        "invalid-tag",  # ids that a handler makes of what it is given
        "number-too-large",  # 64 bits
    }
)
"""Codes by which what its schema allows may be refused: a schema cannot say these."""


class Asked(msgspec.Struct):
    """The result of a campaign."""

    requests: int = 0
    by_status: Counter[int] = msgspec.field(default_factory=Counter)
    violations: list[str] = []

    def sentence(self) -> str:
        """The result in words."""
        statuses = ", ".join(f"{status} {count}" for status, count in sorted(self.by_status.items()))
        return f"{self.requests} requests ({statuses}); {len(self.violations)} promises broken"


def campaign(examples: int, seed: int, progress: Progress, sides: tuple[Side, ...] = ("commands", "queries")) -> Asked:
    """Asks each of the services so many random things for each operation, beside examples and borders."""
    result = Asked()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/shop.db"
        asyncio.run(_stock(url))
        for at, side in enumerate(sides, 1):
            _ask(url, side, examples, seed, result)
            progress.at(at, len(sides), result.sentence())
    return result


async def _stock(url: str) -> None:
    async with app.open(url) as shop:
        for command in STOCK:
            receipt = await shop.execute(command)
        for view in app.views.values():
            await shop.wait(view, receipt.position)


def _ask(url: str, side: Side, examples: int, seed: int, result: Asked) -> None:
    settings = Settings(hosts=("*",), wait_limit=0.05)
    service = service_of(app, url, side, Gate(app, settings), views=side != "queries")
    config = SchemathesisConfig.from_dict(
        {"generation": {"max-examples": examples, "allow-x00": False}, "request-timeout": 20, "seed": seed}
    )
    with _served():
        schema = schemathesis.openapi.from_asgi("/openapi.json", service, config=config)
        schema.hook(filter_failure)
        for event in from_schema(schema).execute():
            if isinstance(event, events.FatalError):
                raise event.exception
            if isinstance(event, events.NonFatalError):
                result.violations.append(f"{event.label}: {event.value}")
            if isinstance(event, events.ScenarioFinished):
                _judge(event.recorder, result)


@contextlib.contextmanager
def _served() -> Iterator[None]:
    """Ends what was opened for the requests."""
    try:
        yield
    finally:
        shutdown_lifespans()


def _judge(recorder: ScenarioRecorder, result: Asked) -> None:
    """Counts the requests, and notes what was not as it should be."""
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            result.requests += 1
            result.by_status[interaction.response.status_code] += 1
    for check in (check for checks in recorder.checks.values() for check in checks):
        if check.failure_info is not None:
            failure = check.failure_info
            result.violations.append(f"{recorder.label}: {check.name}: {failure.failure}\n{failure.code_sample}")


def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: HttpResponse) -> bool:
    """Whether it is one: schemathesis expects more of two of its checks than a description can say."""
    problem = _problem(response.content)
    # A position that nobody has reached yet may come; and nobody keeps the views while only queries are served.
    waits = problem.get("code") == "not-caught-up" or problem.get("status") == "not ready"
    if isinstance(failure, ServerError):
        return not (response.status_code == 503 and waits)
    if isinstance(failure, RejectedPositiveData):
        if any(
            one.get("detail") == UNPRINTABLE for one in problem.get("errors", ())
        ):  # no pattern says which those are
            return False
        if response.status_code in (401, 404, 409, 412, 422):  # what there is, and the rules of the shop
            return False
        return not (waits or (response.status_code == 400 and problem.get("code") in UNSAID))
    return True


def _problem(content: bytes) -> dict[str, Any]:
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(content)
        return found if isinstance(found, dict) else {}
    return {}
