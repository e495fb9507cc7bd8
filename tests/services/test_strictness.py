"""Amounts and ids over HTTP are spelled as the description has it, wherever they stand, not as Python reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, TypedDict
from urllib.parse import quote
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storied import App, Command, Id
from storied.errors import RequestRefused, StoriedError
from storied.services import openapi
from storied.services.commanding.binding import Binding
from storied.services.web.routing import parse_template
from storied.services.web.spelling import DECIMAL
from storied.services.web.wording import UUID_IN_CAPITALS
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


UUIDS = ["7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e", "00000000-0000-0000-0000-000000000000"]
NO_UUIDS = [
    "7f0e4b0e9a3f4a8e8d5c0f6a4b1c2d3e",
    "7f0e4b0e9a3f-4a8e-8d5c-0f6a4b1c2d3e",
    "{7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e}",
    "urn:uuid:7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e",
    " 7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e",
    "7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3\u0663",
]
NO_UUID = "This is not a UUID. Give one such as 7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e."
CAPITALS = "Outside of bodies a UUID is written in small letters. Give it as it was told."


class Tagged(Command):
    thing: UUID
    maker: UUID | None = None
    parts: list[UUID] = []
    number: int = 0
    trace: Annotated[UUID | None, msgspec.Meta(extra={"header": "X-Trace"})] = None


class Plainly(Command):
    thing: UUID
    maker: UUID | None = None
    parts: tuple[UUID, ...] = ()
    note: str = ""


class Counted(Command):
    number: int


TAGGED = Binding(Tagged, parse_template("PUT /things/{thing}"))
PLAINLY = Binding(Plainly, parse_template("PUT /things/{thing}"))
COUNTED = Binding(Counted, parse_template("PUT /numbers/{number}"))


@pytest.mark.parametrize("binding", [TAGGED, PLAINLY], ids=["closely", "at once"])
async def test_a_uuid_has_one_address(binding: Binding) -> None:
    """That which is told: capitals, which are as good in a body, would lead to another, where nothing is."""
    for text in UUIDS:
        assert await faults(binding, "", thing=text) == []
    assert await faults(binding, "", thing=UUIDS[0].upper()) == [("thing", CAPITALS)]
    for text in NO_UUIDS:
        assert await faults(binding, "", thing=text) == [("thing", NO_UUID)], text


@pytest.mark.parametrize("binding", [TAGGED, PLAINLY], ids=["closely", "at once"])
async def test_a_uuid_in_a_body_has_its_dashes(binding: Binding) -> None:
    """However deep it stands, in letters of either case; the mistake is told with its place."""
    for text in (*UUIDS, UUIDS[0].upper()):
        body = json.dumps({"maker": text, "parts": [text]})
        assert await faults(binding, body, thing=UUIDS[0]) == [], text
    for text in NO_UUIDS:
        found = await faults(binding, json.dumps({"maker": text, "parts": [UUIDS[0], text]}), thing=UUIDS[0])
        assert found == [("#/maker", NO_UUID), ("#/parts/1", NO_UUID)], text


async def test_a_uuid_in_capitals_is_the_same_one() -> None:
    """So a repeat that spells it otherwise is the same command; both are read at once."""
    requests = [
        request_of("PUT", "/", json.dumps({"maker": text}).encode(), headers={"Content-Type": "application/json"})
        for text in (UUIDS[0], UUIDS[0].upper())
    ]
    for request in requests:
        request.path_params = {"thing": UUIDS[0]}
    assert await PLAINLY.bind(requests[0]) == await PLAINLY.bind(requests[1])
    assert PLAINLY._flat is not None
    assert PLAINLY._flat.read(json.dumps({"maker": UUIDS[0].upper()}).encode(), {"thing": UUIDS[0]}) is not None


async def test_a_whole_number_has_one_address() -> None:
    """In digits, as it is told."""
    for text in ("0", "7", "-7", "1000"):
        assert await faults(COUNTED, "", number=text) == []
    for text in ("7.0", "7e0", "-0", "0.7e1"):
        told = "Outside of bodies a whole number is written in digits alone. Give it so."
        assert await faults(COUNTED, "", number=text) == [("number", told)], text
    for text in ("07", "+7", " 7", "1_0"):
        assert await faults(COUNTED, "", number=text) == [("number", "This is not a whole number. Correct it.")], text


def test_the_description_says_how_addresses_are_spelled() -> None:
    """With a pattern beside the format, which allows capitals."""
    app = App("things")

    @app.command("PUT /things/{thing}")
    def put(command: Plainly) -> None: ...

    document = openapi(app, "commands")
    [operation] = [one["put"] for path, one in document["paths"].items() if path == "/things/{thing}"]
    [schema] = [one["schema"] for one in operation["parameters"] if one.get("name") == "thing"]
    assert re.fullmatch(schema["pattern"], UUIDS[0])
    assert not re.fullmatch(schema["pattern"], UUIDS[0].upper())


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


GOOD_TIMES = ["2020-01-01T00:00:00Z", "2020-01-01t00:00:00.123456789z", "2020-01-01T00:00:00-01:30"]
BAD_TIMES = {
    "2020-01-01T00:00:00": "This time has no offset. Put Z behind it, or one such as +01:00.",
    "2020-01-01 00:00:00Z": "This is not a time. Give one such as 2018-01-01T00:00:00Z.",
    "2020-01-01T00:00:00+0100": "This is not a time. Give one such as 2018-01-01T00:00:00Z.",
    "2020-01-01": "This is not a time. Give one such as 2018-01-01T00:00:00Z.",
}
GOOD_UUIDS = ["7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e", "7F0E4B0E-9A3F-4A8E-8D5C-0F6A4B1C2D3E"]
BAD_UUIDS = dict.fromkeys(
    ("7f0e4b0e9a3f4a8e8d5c0f6a4b1c2d3e", "7f0e4b0e-9a3f"),
    "This is not a UUID. Give one such as 7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e.",
)


class Step(msgspec.Struct):
    at: datetime
    of: UUID | None = None


class Plan(Command):
    at: datetime
    of: UUID | None = None


class Steps(Command):
    steps: list[Step]


class Here(Command):
    at: Annotated[datetime, msgspec.Meta(tz=False)]
    of: UUID


PLAN, STEPS = Binding(Plan, parse_template("POST /plans")), Binding(Steps, parse_template("POST /steps"))
MARK = Binding(Plan, parse_template("POST /plans/{at}/{of}"))
HERE, THERE = Binding(Here, parse_template("POST /heres")), Binding(Here, parse_template("POST /heres/{at}/{of}"))


@pytest.mark.parametrize(("name", "good", "bad"), [("at", GOOD_TIMES, BAD_TIMES), ("of", GOOD_UUIDS, BAD_UUIDS)])
async def test_times_and_ids_are_spelled_as_described(name: str, good: list[str], bad: dict[str, str]) -> None:
    """As RFC 3339 and RFC 9562 have them: in a body, however deep, and in a path, where a UUID is in small letters."""
    whole = {"at": GOOD_TIMES[0], "of": GOOD_UUIDS[0]}
    for text, told in {**dict.fromkeys(good, ""), **bad}.items():
        given = whole | {name: text}
        assert await faults(PLAN, json.dumps(given)) == ([(f"#/{name}", told)] if told else []), text
        found = await faults(STEPS, json.dumps({"steps": [whole, given]}))
        assert found == ([(f"#/steps/1/{name}", told)] if told else []), text
        if name == "of" and text != text.lower():
            told = UUID_IN_CAPITALS  # one thing has one address
        assert await faults(MARK, "", **given) == ([(name, told)] if told else []), text


async def test_a_time_without_an_offset_is_for_who_asks_for_one() -> None:
    """As ``msgspec.Meta(tz=False)`` does: in a body and in a path."""
    for text, told in (
        ("2020-01-01T09:30:00", ""),
        ("2020-01-01T09:30:00Z", "This time has an offset, and must have none. Leave it out."),
        ("2020-01-01 09:30:00", "This is not a time. Give one such as 2018-01-01T00:00:00Z."),
    ):
        given = {"at": text, "of": GOOD_UUIDS[0]}
        assert await faults(HERE, json.dumps(given)) == ([("#/at", told)] if told else []), text
        assert await faults(THERE, "", **given) == ([("at", told)] if told else []), text


@pytest.mark.parametrize("text", [text for text in BAD_TIMES if text != "2020-01-01"])
async def test_a_time_in_a_query_is_spelled_as_described(text: str) -> None:
    """A day alone is its beginning."""
    for target in ("/moments?when=", "/amounts?least=1&at="):
        refused = await asked(target + quote(text))
        assert (refused.status, refused.json["code"]) == (400, "bad-parameter"), target
    assert (await asked("/moments?when=2020-01-01")).json == "2020-01-01T00:00:00Z"


class Sizes(Command):
    size: int = 0
    sizes: list[int] = []
    share: float = 0.0
    price: Decimal = Decimal(0)
    word: str = ""


SIZES = Binding(Sizes, parse_template("POST /sizes"))


async def sizes(body: str) -> Command:
    """The command that the body is."""
    return await SIZES.bind(request_of("POST", "/", body.encode(), headers={"Content-Type": "application/json"}))


async def test_a_whole_number_may_be_written_with_a_point_or_an_exponent() -> None:
    """In JSON Schema 1.0 is an integer."""
    assert await sizes('{"size": 1.0, "sizes": [2.00, 3e2]}') == Sizes(size=1, sizes=[2, 300])
    assert await faults(SIZES, '{"sizes": [1.0, 1.5, 2]}') == [
        ("#/sizes/1", "This is a number with a fraction or an exponent. Give a whole number.")
    ]
    assert [place for place, _ in await faults(SIZES, '{"word": 1.0}')] == ["#/word"]


async def test_a_number_past_64_bits_is_for_amounts_and_fractions() -> None:
    """JavaScript writes 1e19 in whole digits."""
    large = "10000000000000000000"
    assert await sizes(f'{{"share": {large}, "price": {large}}}') == Sizes(share=1e19, price=Decimal(10) ** 19)
    told = "This number is too large. Give one that fits 64 bits."
    assert await faults(SIZES, f'{{"size": {large}}}') == [("#/size", told)]
    assert await faults(SIZES, '{"size": 1e19}') == [("#/size", told)]
    assert await faults(SIZES, f'{{"sizes": [{large}]}}') == [("#/sizes", told)]
    assert await faults(SIZES, f'{{"size": {2**63 - 1}, "word": "{large}"}}') == []
    counted = Binding(Sizes, parse_template("POST /sizes/{size}"))
    assert await faults(counted, "", size=large) == [("size", told)]
