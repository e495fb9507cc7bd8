"""An amount over HTTP is spelled as the description has it, wherever it stands, and not as Python would read it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storied import Command, Id
from storied.errors import RequestRefused, StoriedError
from storied.services.commanding.binding import Binding
from storied.services.web.routing import parse_template
from storied.services.web.spelling import DECIMAL
from tests.services.asgi import request_of
from tests.services.test_questions import asked

TAKEN = ["1", "-1", "+1", "01", "1.", ".5", "1.50", "1e5", "1E-5", "-.5e+10", "9" * 999]
REFUSED = [
    "1_000",
    " 1",
    "1 ",
    "\n1",
    "1\n",
    "\u0661",
    "\uff11",
    "1\u0660",
    "NaN",
    "Infinity",
    "-inf",
    "1e1000",
]


class Line(msgspec.Struct):
    price: Decimal
    note: str = ""


class Bare(msgspec.Struct, array_like=True, tag="bare"):
    price: Decimal


class Other(msgspec.Struct, tag="other"):
    price: str


class One(msgspec.Struct, tag="one"):
    price: Decimal


class Pair(NamedTuple):
    name: str
    price: Decimal


class Keyed(TypedDict):
    price: Decimal


@dataclass
class Plain:
    price: Decimal
    inner: Plain | None = None


class Buy(Command, rename="camel"):
    thing: Id
    the_price: Decimal = Decimal(0)
    at_most: Decimal | None = None
    lines: list[Line] = []
    several: list[Decimal] = []
    distinct: frozenset[Decimal] = frozenset()
    by_name: dict[str, Decimal | None] = {}
    fixed: tuple[str, Decimal] = ("", Decimal(0))
    choice: One | Other | None = None
    bare: Bare | None = None
    pair: Pair | None = None
    keyed: Keyed | None = None
    plain: Plain | None = None
    things: set[Any] = set()


class Pay(Command):
    thing: Id
    price: Decimal
    fee: Decimal | None = None
    rates: tuple[Decimal, ...] = ()
    note: str = ""


class Price(Command):
    price: Decimal


BUY = Binding(Buy, parse_template("POST /things/{thing}"))
PAY = Binding(Pay, parse_template("POST /things/{thing}"))
PRICE = Binding(Price, parse_template("PUT /prices/{price}"))
PLACES: dict[str, tuple[str, str]] = {
    "a member": ('"thePrice": {}', "#/thePrice"),
    "a member that may be none": ('"atMost": {}', "#/atMost"),
    "a Struct": ('"lines": [{{"price": "1"}}, {{"price": {}, "note": "1_0"}}]', "#/lines/1/price"),
    "a list": ('"several": [1, {}]', "#/several/1"),
    "a set": ('"distinct": ["1", "1.0", {}]', "#/distinct/2"),
    "a dict": ('"byName": {{"a/b": {}}}', "#/byName/a~1b"),
    "a tuple": ('"fixed": ["1_0", {}]', "#/fixed/1"),
    "one of a union": ('"choice": {{"type": "one", "price": {}}}', "#/choice/price"),
    "an array of a Struct": ('"bare": ["bare", {}]', "#/bare/1"),
    "a named tuple": ('"pair": ["1_0", {}]', "#/pair/1"),
    "a typed dict": ('"keyed": {{"price": {}}}', "#/keyed/price"),
    "a dataclass": ('"plain": {{"price": 1, "inner": {{"price": {}}}}}', "#/plain/inner/price"),
}


async def faults(binding: Binding, body: str, **path: str) -> Sequence[tuple[str, str]]:
    """What the request is refused for; nothing when it is taken."""
    request = request_of("POST", "/", body.encode(), headers={"Content-Type": "application/json"})
    request.path_params = path
    try:
        await binding.bind(request)
    except RequestRefused as refused:
        return [(one.get("pointer") or one["parameter"], one["detail"]) for one in refused.data["errors"]]
    return []


@pytest.mark.parametrize("place", PLACES)
async def test_an_amount_in_a_body_is_spelled_as_described(place: str) -> None:
    """However deep it stands; the mistake is told with its place."""
    member, pointer = PLACES[place]
    for text in TAKEN:
        assert await faults(BUY, f"{{{member.format(json.dumps(text))}}}", thing="t") == [], text
    for text in REFUSED:
        found = await faults(BUY, f"{{{member.format(json.dumps(text))}}}", thing="t")
        assert found == [(pointer, 'This is not an amount. Give one such as "12.50".')], text


@pytest.mark.parametrize(("name", "items"), [("distinct", '["sNaN"]'), ("things", "[[]]"), ("things", "[{}]")])
async def test_what_no_set_can_hold_is_refused(name: str, items: str) -> None:
    """A signalling NaN has no hash, as a list has none."""
    assert (await faults(BUY, f'{{"{name}": {items}}}', thing="t"))[0][0] == f"#/{name}"


async def test_what_is_no_amount_may_look_like_one() -> None:
    """Only what is read as a Decimal is looked at."""
    assert await faults(BUY, '{"choice": {"type": "other", "price": "1_000"}, "fixed": [" 1", 1.5]}', thing="t") == []


async def test_every_mistake_is_told_beside_an_amount_that_is_none() -> None:
    """Each once, also where the decoder has something against the same text."""
    body = '{"lines": [{"price": "1_0"}, {"price": "x"}, {"note": ""}], "zone": 1}'
    assert sorted(await faults(BUY, body, thing="t")) == [
        ("#/lines/0/price", 'This is not an amount. Give one such as "12.50".'),
        ("#/lines/1/price", 'This is not an amount. Give one such as "12.50".'),
        ("#/lines/2/price", "This field is missing. Give it."),
        ("#/zone", "There is no such field. Leave it out, or correct its name."),
    ]


@pytest.mark.parametrize("text", REFUSED)
async def test_an_amount_in_a_path_or_a_query_is_spelled_as_described(text: str) -> None:
    """And the parameter is named."""
    assert await faults(PRICE, "", price=text) == [("price", 'This is not an amount. Give one such as "12.50".')]
    refused = await asked(f"/amounts?least={quote(text)}")
    assert (refused.status, refused.json["errors"][0]["parameter"]) == (400, "least")


@pytest.mark.parametrize("text", TAKEN)
async def test_an_amount_that_is_spelled_as_described_is_taken(text: str) -> None:
    """In a path as in a query string, where a plus is escaped."""
    assert await faults(PRICE, "", price=text) == []
    assert Decimal((await asked(f"/amounts?least={text.replace('+', '%2B')}")).json) == Decimal(text)


spellings = st.sampled_from([*TAKEN, *REFUSED]) | st.text("0123456789.eE+-_ \u0661", max_size=6)
members = st.fixed_dictionaries(
    {"price": spellings | st.integers(-9, 9)},
    optional={"fee": spellings | st.none(), "rates": st.lists(spellings, max_size=2), "note": spellings},
)


@settings(max_examples=500, deadline=None)
@given(members, st.booleans())
@example({"price": "1_0"}, True)
@example({"price": "1", "fee": "1_0"}, True)
@example({"price": "1", "rates": ["1", " 1"]}, True)
@example({"price": "1", "note": "1_0"}, True)
async def test_reading_at_once_is_as_strict(body: dict[str, Any], escaped: bool) -> None:
    """As strict as the pattern, whichever way the body is read, and however JSON writes the text."""
    amounts = [body["price"], body.get("fee"), *body.get("rates", ())]
    right = all(not isinstance(one, str) or re.fullmatch(DECIMAL.strip("^$"), one) for one in amounts)
    raw = json.dumps(body, ensure_ascii=escaped).encode()
    assert PAY._flat is not None
    at_once = PAY._flat.read(raw, {"thing": "t"})
    request = request_of("POST", "/", raw, headers={"Content-Type": "application/json"})
    request.path_params = {"thing": "t"}
    if not right:
        assert at_once is None
        with pytest.raises(StoriedError):
            await PAY.bind(request)
    else:
        assert at_once == await PAY.bind(request)
        assert at_once is not None
