"""Query functions over HTTP: which numbers they are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storied import App, Reader
from storied.services.queries import QueryService, query_service
from tests.services.asgi import Sent, ask

oracle = App("oracle")


@oracle.query("GET /scales/{weight}")
async def weighed(
    views: Reader,
    weight: float,
    beside: float | None = None,
    others: list[float] = [],  # noqa: B006 - it is only read
) -> list[float | None]:
    """What it was asked with."""
    return [weight, beside, *others]


@asynccontextmanager
async def open_oracle() -> AsyncIterator[QueryService]:
    """The service, over nothing."""
    async with oracle.open("memory://") as opened, query_service(oracle, opened) as service:
        yield service


async def asked(target: str) -> Sent:
    """The answer to a GET."""
    async with open_oracle() as service:
        return await ask(service, "GET", target)


@pytest.mark.parametrize("spelled", ["NaN", "nan", "inf", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("target", "parameter"),
    [("/scales/{}", "weight"), ("/scales/1?beside={}", "beside"), ("/scales/1?others=1&others={}", "others")],
)
async def test_a_number_is_finite(spelled: str, target: str, parameter: str) -> None:
    """JSON has no other, so nothing could be answered; the parameter is named, in the path as in the query string."""
    refused = await asked(target.format(spelled))
    assert (refused.status, refused.json["code"]) == (400, "bad-parameter")
    assert refused.json["errors"] == [{"parameter": parameter, "detail": f"'{spelled}' is not a number"}]


async def test_a_finite_number_is_taken() -> None:
    """As JSON spells it."""
    assert (await asked("/scales/-1.5e3?beside=0&others=2")).json == [-1500.0, 0.0, 2.0]
