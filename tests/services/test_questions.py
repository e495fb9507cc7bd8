"""Query functions over HTTP: which numbers they are given, and what becomes of an answer that JSON cannot hold."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from storied import EVERYONE, App, Principal, Reader
from storied.domain.access import CredentialHeaders
from storied.errors import AccessDenied
from storied.services import openapi
from storied.services.access.identity import ApiKeys, new_key
from storied.services.queries import QueryService, query_service
from storied.services.settings import Settings
from tests.services.asgi import Sent, ask

oracle = App("oracle")
answers: dict[str, Any] = {
    "nan": math.nan,
    "infinite": {"deep": [1.5, None, -math.inf]},
    "no-amount": {"price": Decimal("NaN")},
    "endless-amount": [Decimal("-Infinity")],
    "object": object(),
    "half-a-surrogate": "\ud800",
    "words": ["NaN", "Infinity", "null", None, {"NaN": Decimal("1.50")}],
}


@oracle.query("GET /scales/{weight}")
async def weighed(
    views: Reader,
    weight: float,
    beside: float | None = None,
    others: list[float] = [],  # noqa: B006 - it is only read
) -> list[float | None]:
    """What it was asked with."""
    return [weight, beside, *others]


@oracle.query("GET /amounts")
async def least_of(views: Reader, least: Decimal) -> Decimal:
    """What it was asked with."""
    return least


@oracle.query("GET /moments")
async def moment(views: Reader, when: datetime) -> datetime:
    """What it was asked with."""
    return when


@oracle.query("GET /answers/{name}")
async def told(views: Reader, name: str) -> Any:
    """Whatever stands under the name."""
    return answers[name]


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


@pytest.mark.parametrize("name", [name for name in answers if name != "words"])
async def test_an_answer_that_json_cannot_hold_is_the_functions_fault(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told that the server failed, and the operator which function it was, and what to return instead."""
    with caplog.at_level(logging.ERROR, "storied.services"):
        failed = await asked(f"/answers/{name}")
    assert (failed.status, failed.json["code"]) == (500, "internal")
    [record] = caplog.records
    assert f"{failed.json['request_id']} ended with 500: query told returned what JSON" in record.getMessage()
    assert record.getMessage().endswith("and types that msgspec encodes.")


async def test_words_for_what_is_not_finite_are_words() -> None:
    """Only numbers are looked at."""
    assert (await asked("/answers/words")).json == ["NaN", "Infinity", "null", None, {"NaN": "1.50"}]


ANNA, ANNA_KEY = new_key("anna", ["reader"])


async def mine(views: Reader, who: Principal) -> str:
    """Who asks, unless it is somebody in particular."""
    if who.id == "anna" and not who.roles:
        raise AccessDenied("nothing here is anna's")
    return who.id


async def test_a_query_is_told_whom_the_verifier_found() -> None:
    """Whoever shows no credential is refused, and nobody can say in a parameter who they are."""
    app = App("own")
    app.query("GET /mine")(mine)
    app.allow(mine, to=EVERYONE)
    app.verifier = ApiKeys([ANNA_KEY])
    async with app.open("memory://") as opened, query_service(app, opened) as service:
        key = {"X-API-Key": ANNA}
        assert (await ask(service, "GET", "/mine", headers=key)).json == "anna"
        unknown = await ask(service, "GET", "/mine")
        assert (unknown.status, unknown.headers["www-authenticate"]) == (401, "Bearer")
        forged = await ask(service, "GET", "/mine?who=ben", headers=key)
        assert (forged.status, forged.json["code"]) == (400, "unknown-parameter")
    [operation] = openapi(app)["paths"]["/mine"].values()
    assert "who" not in {one.get("name") for one in operation["parameters"]}
    assert {} not in operation["security"]
    assert "401" in operation["responses"]


async def test_a_query_may_refuse_who_asks() -> None:
    """It looks at more than a rule can."""
    app = App("own")
    app.query("GET /mine")(mine)
    async with app.open("memory://") as opened:
        settings = Settings(verifier=Nobodys())
        async with query_service(app, opened, settings=settings) as service:
            answer = await ask(service, "GET", "/mine")
    assert (answer.status, answer.json["code"], answer.json["detail"]) == (403, "forbidden", "nothing here is anna's")


class Nobodys:
    """Takes everybody for anna, who has no role."""

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        return Principal("anna")


async def test_every_mistake_in_the_parameters_of_a_query_is_told() -> None:
    """Each with its parameter; what there is instead, too."""
    answer = await asked("/scales/x?beside=y&other=1&beside2=2")
    assert (answer.status, answer.json["code"]) == (400, "bad-parameter")
    found = [one["parameter"] for one in answer.json["errors"]]
    assert sorted(found) == ["beside", "beside2", "other", "weight"]
    assert answer.json["allowed"] == ["beside", "others", "at"]
    assert answer.json["detail"] == "4 parameters are wrong; errors says which, and why."


async def test_a_parameter_that_is_wrong_is_not_missing_as_well() -> None:
    """One mistake is told as one."""
    answer = await asked("/amounts?least=x")
    assert [one["parameter"] for one in answer.json["errors"]] == ["least"]
    missing = await asked("/amounts")
    assert missing.json["detail"] == "The parameter 'least' is missing. Give it."
