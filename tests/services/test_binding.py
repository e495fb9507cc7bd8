"""A request becomes a command, or its sender is told of every mistake and where it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from storied import Command, DefinitionError
from storied.errors import InvalidEvent, RequestRefused
from storied.services.commanding.binding import Binding
from storied.services.web.routing import parse_template
from tests.services.asgi import request_of
from tests.services.ledger import CloseAccount, Describe, OpenAccount, Pay, Payee, Street

JSON = {"Content-Type": "application/json"}
DESCRIBE = Binding(Describe, parse_template("PATCH /descriptions/{number}/{day}"))
PAY = Binding(Pay, parse_template("POST /accounts/{account}/payments"))
CLOSE = Binding(CloseAccount, parse_template("DELETE /accounts/{account}"))


async def bind(binding: Binding, body: bytes, path: dict[str, str], **headers: str) -> Command:
    """The command of a request with this body."""
    given = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
    request = request_of("POST", "/", body, headers=given)
    request.path_params = path
    return await binding.bind(request)


async def errors(binding: Binding, body: bytes, path: dict[str, str], **headers: str) -> list[tuple[Any, str]]:
    """The mistakes that a request is refused for: each with its place."""
    with pytest.raises(RequestRefused) as refused:
        await bind(binding, body, path, **headers)
    assert refused.value.code == "invalid-fields"
    return [
        (one.get("pointer") or one.get("parameter") or one.get("header"), one["detail"])
        for one in refused.value.data["errors"]
    ]


PLACE = {"number": "7", "day": "2017-05-01"}


async def test_path_and_body_are_one_command() -> None:
    """The parts of the path are read as the types of their fields."""
    body = b"""{"kind": "b", "mark": "7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e", "share": 1, "others": {"x": {"name": "A",
        "number": 1}}, "payee": {"name": "P", "streets": [{"name": "B", "number": 2}]}}"""
    assert await bind(DESCRIBE, body, PLACE) == Describe(
        number=7,
        day=date(2017, 5, 1),
        kind="b",
        mark=UUID("7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e"),
        share=1.0,
        others={"x": Street("A", 1)},
        payee=Payee("P", [Street("B", 2)]),
    )


async def test_a_path_that_says_it_all_needs_no_body() -> None:
    """Nor a type for it."""
    request = request_of("DELETE", "/accounts/a")
    request.path_params = {"account": "a"}
    assert await CLOSE.bind(request) == CloseAccount(account="a")


async def test_every_mistake_is_told_with_its_place() -> None:
    """In the path, in the body, and deep inside of it; what is missing, and what nobody knows."""
    body = b"""{"kind": "c", "mark": "x", "payee": {"streets": [{"name": 1, "number": 2}, {"name": "B", "number": 0,
        "a/b~": 1}], "nick": 1}, "others": {"x y": {"name": "A"}}, "sharp": 1}"""
    assert await errors(DESCRIBE, body, {"number": "seven", "day": "2017-05-01"}) == [
        ("number", "This is not a whole number. Correct it."),
        ("#/kind", "This is none of the values that can stand here. Give one of a, b."),
        ("#/mark", "This is not a UUID. Give one such as 7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e."),
        ("#/payee/name", "This field is missing. Give it."),
        ("#/payee/streets/0/name", "This is a number. Give a text."),
        ("#/payee/streets/1/number", "This is too small. Give a whole number of 1 or more."),
        ("#/payee/streets/1/a~1b~0", "There is no such field. Leave it out, or correct its name."),
        ("#/payee/nick", "There is no such field. Leave it out, or correct its name."),
        ("#/others/x%20y/number", "This field is missing. Give it."),
        ("#/sharp", "There is no such field. Leave it out, or correct its name."),
    ]


async def test_a_field_that_is_missing_is_told() -> None:
    """With an empty body as with an empty object."""
    for body in (b"", b"{}"):
        assert await errors(PAY, body, {"account": "a"}) == [("#/amount", "This field is missing. Give it.")]


async def test_an_unknown_field_is_refused_at_any_depth() -> None:
    """Even where everything else is right: what is sent and not read is lost."""
    body = b"""{"payee": {"name": "P", "role": "admin", "streets": [{"name": "A", "number": 1},
        {"name": "B", "number": 2, "door": 3}]}, "others": {"x": {"name": "C", "number": 4, "door": 5}}}"""
    assert await errors(DESCRIBE, body, PLACE) == [
        ("#/payee/role", "There is no such field. Leave it out, or correct its name."),
        ("#/payee/streets/1/door", "There is no such field. Leave it out, or correct its name."),
        ("#/others/x/door", "There is no such field. Leave it out, or correct its name."),
    ]


async def test_path_and_body_may_say_the_same() -> None:
    """Clients that send back what they were sent are welcome."""
    said_twice = await bind(PAY, b'{"account": "a", "amount": "1"}', {"account": "a"})
    assert said_twice == Pay(account="a", amount=Decimal(1))


async def test_path_and_body_must_not_contradict_each_other() -> None:
    """Nobody can say which of the two is meant."""
    [(place, detail)] = await errors(PAY, b'{"account": "b", "amount": "1"}', {"account": "a"})
    assert (place, detail) == ("#/account", "This contradicts the request: the path says 'a'. Give one of the two.")


async def test_a_contradiction_is_told_as_the_path_has_it() -> None:
    """In the client's spelling, and not in Python's."""
    body = b'{"day": "2017-05-02", "kind": "b", "mark": "7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e", "share": 1}'
    told = dict(await errors(DESCRIBE, body, PLACE))
    assert told["#/day"] == "This contradicts the request: the path says '2017-05-01'. Give one of the two."


async def test_half_a_character_is_told_as_that() -> None:
    """It is JSON to its grammar, and text to nobody."""
    with pytest.raises(RequestRefused, match="half a character") as refused:
        await bind(PAY, b'{"amount": "1\\ud83d"}', {"account": "a"})
    assert refused.value.code == "not-json"


async def test_a_header_is_bound_where_a_field_asks_for_it() -> None:
    """And only there: what a proxy sets could be given by the client otherwise."""
    assert await bind(CLOSE, b"", {"account": "a"}, Accept_Language="de") == CloseAccount(account="a", language="de")
    told = "This comes in the header accept-language, and in no body. Leave it out here."
    for body in (b'{"language": "fr"}', b'{"language": "de"}'):
        for headers in ({"Accept_Language": "de"}, {}):
            assert await errors(CLOSE, body, {"account": "a"}, **headers) == [("#/language", told)]


async def test_a_header_that_does_not_fit_is_told_by_its_name() -> None:
    """It has no place in the body."""

    class Numbered(Command):
        number: Annotated[int, msgspec.Meta(extra={"header": "X-Number"})]

    binding = Binding(Numbered, parse_template("POST /numbers"))
    assert await errors(binding, b"", {}, X_Number="x") == [("x-number", "This is not a whole number. Correct it.")]
    assert await bind(binding, b"", {}, X_Number="12") == Numbered(number=12)
    assert await errors(binding, b"", {}) == [("x-number", "This header is missing. Give it.")]


async def test_a_bool_in_a_path_is_true_or_false() -> None:
    """As JSON spells it and the description says, not as other languages do."""

    class Switched(Command):
        on: bool

    binding = Binding(Switched, parse_template("PUT /switches/{on}"))
    for text in ("True", "1", "0", "FALSE", "yes"):
        assert await errors(binding, b"", {"on": text}) == [("on", "This is not true or false. Correct it.")]
    assert [await bind(binding, b"", {"on": text}) for text in ("true", "false")] == [
        Switched(on=True),
        Switched(on=False),
    ]


async def test_a_number_in_a_path_is_finite() -> None:
    """NaN and infinity are no numbers in JSON either, and no event could hold them."""

    class Weighed(Command):
        weight: float

    binding = Binding(Weighed, parse_template("POST /scales/{weight}"))
    for text in ("NaN", "inf", "-Infinity"):
        assert await errors(binding, b"", {"weight": text}) == [
            ("weight", "This is not a finite number. Give one that JSON has.")
        ]
    assert await bind(binding, b"", {"weight": "-1e3"}) == Weighed(weight=-1000)


class Curious(Command):
    secret: Annotated[str, msgspec.Meta(extra={"header": "Authorization"})]


class Hungry(Command):
    cookie: Annotated[str, msgspec.Meta(extra={"header": "cookie"})]


class Prying(Command):
    key: Annotated[str, msgspec.Meta(extra={"header": "X-API-Key"})]


class Lost(Command):
    where: Nowhere  # type: ignore[name-defined]  # noqa: F821 - that is the point


@pytest.mark.parametrize("command", [Curious, Hungry, Prying])
def test_a_secret_cannot_be_asked_for(command: type[Command]) -> None:
    """It would stand in the log for ever."""
    with pytest.raises(DefinitionError, match="holds a secret"):
        Binding(command, parse_template("POST /curious"))


def test_a_field_that_cannot_be_read_is_a_mistake_in_the_app() -> None:
    """Its type is not to be found, so no request could give it."""
    with pytest.raises(DefinitionError, match="Nowhere"):
        Binding(Lost, parse_template("POST /lost"))


def test_a_parameter_that_is_no_field_is_a_mistake_in_the_app() -> None:
    """Found when the service is made."""
    with pytest.raises(DefinitionError, match="no field 'order'"):
        Binding(OpenAccount, parse_template("POST /accounts/{order}"))


async def test_what_a_command_checks_itself_is_told_too() -> None:
    """As a mistake of the whole."""

    class Span(Command):
        first: int
        last: int

        def __post_init__(self) -> None:
            if self.first > self.last:
                raise ValueError("first comes after last")

    binding = Binding(Span, parse_template("POST /spans"))
    assert await errors(binding, b'{"first": 2, "last": 1}', {}) == [("#", "first comes after last.")]


async def test_a_renamed_field_is_known_by_its_name_on_the_wire() -> None:
    """In the body, in the path, and in what is told of it."""

    class Ship(Command, rename="camel"):
        order_id: int
        to_city: str

    binding = Binding(Ship, parse_template("POST /orders/{order_id}/shipment"))
    assert await bind(binding, b'{"toCity": "x"}', {"order_id": "1"}) == Ship(order_id=1, to_city="x")
    found = await errors(binding, b'{"orderId": 2, "to_city": 1}', {"order_id": "1"})
    assert [place for place, _ in found] == ["#/orderId", "#/toCity", "#/to_city"]


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"x"', b"true"])
async def test_a_body_is_an_object(body: bytes) -> None:
    """Nothing else has fields."""
    assert (await errors(PAY, body, {"account": "a"}))[0][0] == "#"


NOT_JSON = {
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": -Infinity}',
    "a key twice": b'{"amount": "1", "amount": "2"}',
    "a key twice, deep inside": b'{"amount": "1", "x": {"a": 1, "a": 2}}',
    "bad UTF-8": b'{"amount": "\xff"}',
    "half a surrogate": b'{"amount": "\\ud800"}',
    "half a surrogate in UTF-8": b'{"amount": "\xed\xa0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"amount": 1}'.encode("utf-16"),
    "cut short": b'{"amount": ',
    "two values": b"{} {}",
    "a trailing comma": b'{"amount": "1",}',
    "a comment": b'{"amount": "1"} // one',
    "white space alone": b"  ",
    "nothing but NUL": b"\x00",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    """As what it is, whatever Python's own reader would have made of it."""
    with pytest.raises(RequestRefused) as refused:
        await bind(PAY, body, {"account": "a"})
    assert refused.value.code == "not-json"


NOT_STORABLE = {
    "deep": (b'{"x": ' + b"[" * 65 + b"]" * 65 + b"}", "too-deep"),
    "very deep": (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep"),
    "a large number": (b'{"x": ' + b"9" * 5000 + b"}", "number-too-large"),
    "NUL": (b'{"x": "\\u0000"}', "nul"),
}


@pytest.mark.parametrize(("body", "code"), NOT_STORABLE.values(), ids=NOT_STORABLE.keys())
async def test_what_no_event_could_hold_is_refused(body: bytes, code: str) -> None:
    """Before anybody works on it."""
    with pytest.raises(InvalidEvent) as refused:
        await bind(PAY, body, {"account": "a"})
    assert refused.value.code == code


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_in_another_format_is_refused(headers: dict[str, str]) -> None:
    """A form of another site's page is one of those."""
    with pytest.raises(RequestRefused) as refused:
        await PAY.bind(request_of("POST", "/", b'{"amount": "1"}', headers=headers))
    assert refused.value.code == "unsupported-media-type"


@pytest.mark.parametrize(
    "given", ["application/json", "Application/JSON ; charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_may_say_that_it_is_utf_8(given: str) -> None:
    """In any case, with or without quotes."""
    command = await bind(PAY, b'{"amount": "1"}', {"account": "a"}, Content_Type=given)
    assert isinstance(command, Pay)


async def test_a_query_string_is_refused() -> None:
    """Nothing would read it."""
    with pytest.raises(RequestRefused) as refused:
        await PAY.bind(request_of("POST", "/?account=a"))
    assert refused.value.code == "bad-query"


async def test_mistakes_are_told_up_to_a_bound() -> None:
    """A hostile body does not get an answer many times its size."""
    streets = b", ".join([b"{}"] * 5000)
    found = await errors(DESCRIBE, b'{"payee": {"name": "P", "streets": [' + streets + b"]}}", PLACE)
    assert len(found) == 50


class Booked(Command):
    room: str
    since: datetime
    stay: timedelta = timedelta()
    until: Annotated[datetime | None, msgspec.Meta(extra={"header": "Until"})] = None


class Plain(Command):
    since: datetime
    note: str = ""


BOOK = Binding(Booked, parse_template("POST /rooms/{room}/from/{since}/for/{stay}"))
NOTE = Binding(Plain, parse_template("POST /notes/{since}"))


async def test_a_time_outside_the_body_is_written_as_in_it() -> None:
    """RFC 3339; a duration as in ISO 8601."""
    place = {"room": "a", "since": "2018-05-01T09:30:00+02:00", "stay": "P1DT2H"}
    booked = await bind(BOOK, b"", place, until="2018-05-03T00:00:00Z")
    assert booked == Booked(
        room="a",
        since=datetime(2018, 5, 1, 7, 30, tzinfo=UTC),
        stay=timedelta(days=1, hours=2),
        until=datetime(2018, 5, 3, tzinfo=UTC),
    )


@pytest.mark.parametrize("number", ["12345", "0", "-5", "1.5", "1e3"])
async def test_a_number_is_no_time(number: str) -> None:
    """In a path and in a header, as in a body: the mistake names its place, whichever way the body is read."""
    found = await errors(BOOK, b"", {"room": "a", "since": number, "stay": number}, until=number)
    assert [place for place, _ in found] == ["since", "stay", "until"]
    assert found[0][1] == found[2][1] == "This is not a time. Give one such as 2018-01-01T00:00:00Z."
    [(place, _)] = await errors(NOTE, b'{"note": "x"}', {"since": number})
    assert place == "since"
