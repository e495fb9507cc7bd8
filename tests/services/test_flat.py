"""A flat body is read at once, and whatever is not flat, or not right, is read as if there were no such way."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storied import Command, Id, StoriedError
from storied.services.commanding.binding import Binding
from storied.services.web.routing import parse_template
from tests.services.asgi import request_of


class Put(Command, rename="camel"):
    shelf: Id
    row: int
    the_name: str
    weight: Annotated[int, msgspec.Meta(ge=0)] = 1
    labels: list[str] = []
    free: Any = None
    day: datetime | None = None

    def __post_init__(self) -> None:
        if self.the_name == "nobody":
            raise ValueError("nobody is no name")


def _binding(*, at_once: bool) -> Binding:
    binding = Binding(Put, parse_template("POST /shelves/{shelf}/{row}"))
    if not at_once:
        binding._flat = None
    return binding


AT_ONCE, CLOSELY = _binding(at_once=True), _binding(at_once=False)


async def _outcome(binding: Binding, body: bytes, row: str = "7", **headers: str) -> Any:
    request = request_of("POST", "/", body, headers={"Content-Type": "application/json"} | headers)
    request.path_params = {"shelf": "s-1", "row": row}
    try:
        return await binding.bind(request)
    except StoriedError as error:
        return type(error), error.code, str(error), getattr(error, "data", None)


members = st.sampled_from(
    [
        *(
            '"theName":"a"',
            '"theName":"b"',
            '"theName": "nobody"',
            '"theName":"x:y"',
            '"theName":null',
            '"the_name":"a"',
        ),
        *('"weight":2', '"weight":-1', '"weight":"2"', '"weight":2.0', '"weight":02', '"weight":99999999999999999999'),
        *('"labels":[]', '"labels":["a","b"]', '"labels":[{}]', '"labels":{}', '"labels":["a",]', '"labels":[":"]'),
        *('"free":{}', '"free":{"a":1}', '"free":{"a":1,"a":2}', '"free":[{},{}]', '"free":NaN', '"free":1e999'),
        *('"free":"\\u0000"', '"free":"\\ud800"', '"free":99999999999999999999', '"free":"\x01"', '"free":'),
        *('"day":"2017-05-01T10:00:00Z"', '"day":""', '"shelf":"s-1"', '"shelf":"s-2"', '"row":7', '"row":8'),
        *('"z":1', '"":1', '"th\\u0065Name":"a"', '"weight"', ":", "\ufeff", " "),
    ]
)
bodies = st.lists(members, max_size=5).map(lambda several: "{" + ",".join(several) + "}")


@settings(max_examples=1500, deadline=None)
@given(
    bodies | st.tuples(bodies, st.sampled_from(["", "}", ",", " ", "\x00"])).map("".join),
    st.sampled_from(["7", "x", "1.5"]),
)
@example('{"theName":"a"}', "7")
@example('{"theName":"a","theName":"a"}', "7")
@example('{"theName":"a","free":{}}', "7")
@example('{"theName":"a","free":"\\u0000"}', "7")
@example('{"theName":"a","free":99999999999999999999}', "7")
async def test_reading_at_once_agrees_with_reading_closely(body: str, row: str) -> None:
    """To the command, and to the word of every refusal."""
    assert await _outcome(AT_ONCE, body.encode(), row) == await _outcome(CLOSELY, body.encode(), row)


@pytest.mark.parametrize(
    ("body", "flat"),
    [
        (b'{"theName":"a"}', True),
        (b'{ "theName" : "a", "labels" : ["b"], "free" : {} }', True),
        (b'{"theName":"a","theName":"a"}', False),
        (b'{"theName":"a","free":{"b":1}}', False),
        (b'{"theName":"a:b"}', False),
        (b'{"theName":"a","row":7}', False),
        (b"[]", False),
        (b'{"theName":"\xff"}', False),
    ],
)
def test_what_is_flat_is_read_at_once(body: bytes, flat: bool) -> None:
    """Members that stand once, and hold none of their own."""
    assert AT_ONCE._flat is not None
    assert (AT_ONCE._flat.read(body, {"shelf": "s-1", "row": "7"}) is not None) == flat


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-16", "application/json;charset=utf-8"])
async def test_other_media_types_are_looked_at_closely(kind: str) -> None:
    """Nothing is taken for JSON that was not before."""
    given = {"Content-Type": kind}
    body = b'{"theName":"a"}'
    assert await _outcome(AT_ONCE, body, **given) == await _outcome(CLOSELY, body, **given)


async def test_a_compressed_body_is_refused() -> None:
    """Also where it happens to be text."""
    given = {"Content-Encoding": "gzip"}
    _, code, *_ = await _outcome(AT_ONCE, b'{"theName":"a"}', **given)
    assert code == "unsupported-media-type"
