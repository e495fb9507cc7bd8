"""Reading field by field comes to the same verdict, and the same command, as one strict decoder of the whole."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storied import Command
from storied.errors import RequestRefused
from storied.services.commanding.binding import Binding
from storied.services.web.routing import parse_template
from tests.services.asgi import request_of


class Point(msgspec.Struct, frozen=True):
    x: int
    label: str = ""


class Circle(msgspec.Struct, frozen=True, tag=True):
    radius: Annotated[int, msgspec.Meta(ge=0)]


class Square(msgspec.Struct, frozen=True, tag=True):
    side: int


class Draw(Command, rename="camel"):
    sheet: int
    first_point: Point
    more: list[Point] = []
    named: dict[str, Point] = {}
    pair: tuple[Point, int] | None = None
    shape: Circle | Square | None = None
    day: date | None = None
    kind: Literal["a", "b"] | int = "a"
    free: Any = None


class StrictPoint(Point, frozen=True, forbid_unknown_fields=True):
    pass


class StrictDraw(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The same, as one decoder that refuses what it does not know at every depth."""

    sheet: int
    first_point: StrictPoint
    more: list[StrictPoint] = []
    named: dict[str, StrictPoint] = {}
    pair: tuple[StrictPoint, int] | None = None
    shape: Circle | Square | None = None
    day: date | None = None
    kind: Literal["a", "b"] | int = "a"
    free: Any = None


BINDING = Binding(Draw, parse_template("POST /sheets/{sheet}"))

scalars = st.sampled_from([None, True, 0, 1, -1, 1.5, "", "a", "b", "2017-05-01", "Circle", "Square"])
points: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"x": st.integers(0, 2)}, optional={"label": st.sampled_from(["", "a"]), "y": scalars}
)
shapes: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"type": st.sampled_from(["Circle", "Square"])}, optional={"radius": st.integers(-1, 2), "side": st.integers(0, 2)}
)
members = st.dictionaries(st.sampled_from(["x", "type", "a"]), scalars, max_size=2)
odd = scalars | st.lists(scalars, max_size=2) | members
bodies = st.fixed_dictionaries(
    {"firstPoint": points},
    optional={
        "more": st.lists(points, max_size=3),
        "named": st.dictionaries(st.sampled_from(["p", "q/~"]), points, max_size=2),
        "pair": st.tuples(points, st.integers(0, 2)).map(list) | st.none(),
        "shape": shapes | st.none(),
        "day": st.sampled_from(["2017-05-01", "2017-02-30", None]),
        "kind": scalars,
        "free": odd,
    },
)


def spoilt(body: dict[str, Any], at: str | None, value: Any) -> dict[str, Any]:
    """The body with one member put, by whatever name."""
    return body if at is None else body | {at: value}


names = st.sampled_from([None, "sheet", "firstPoint", "first_point", "more", "named", "pair", "shape", "day", "z"])


@settings(max_examples=600, deadline=None)
@given(st.builds(spoilt, bodies, names, odd))
async def test_both_ways_of_reading_agree(body: dict[str, Any]) -> None:
    """Whatever is sent; and a refusal always names at least one mistake."""
    request = request_of("POST", "/", msgspec.json.encode(body), headers={"Content-Type": "application/json"})
    request.path_params = {"sheet": "1"}
    try:
        strict = msgspec.json.decode(msgspec.json.encode({"sheet": 1} | body), type=StrictDraw)
        wanted = None if strict.sheet != 1 else msgspec.to_builtins(strict)
    except msgspec.ValidationError:
        wanted = None
    if wanted is not None and _strangers_in_shape(body):
        wanted = None
    if wanted is None:
        with pytest.raises(RequestRefused) as refused:
            await BINDING.bind(request)
        assert refused.value.data["errors"]
    else:
        assert msgspec.to_builtins(await BINDING.bind(request)) == wanted


def _strangers_in_shape(body: dict[str, Any]) -> bool:
    """The tagged Structs are shared by both, so what they do not know is looked at here."""
    shape = body.get("shape")
    known = {"Circle": {"type", "radius"}, "Square": {"type", "side"}}
    return isinstance(shape, dict) and not shape.keys() <= known[shape["type"]]
