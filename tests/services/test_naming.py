"""Ids in a command that can name nothing are told as any other mistake in it: what, and where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storied import App, Command, Entity, Event, Id, View, on
from storied.domain.tags import Tag
from storied.errors import RequestRefused
from storied.services import openapi
from storied.services.commanding.binding import Binding
from storied.services.commands import command_service
from storied.services.web.routing import parse_template
from tests.services.asgi import ask, request_of

crates = App("crates")


class Packed(Event):
    crate: Id


class Crate(Entity, tag="a_crate_of_apples"):
    packed: bool = False

    @on
    def was_packed(self, event: Packed) -> None:
        self.packed = True


class Line(msgspec.Struct):
    product: Id
    note: str = ""


class Left(msgspec.Struct, tag="left"):
    shelf: Annotated[str, Tag("s")]


class Right(msgspec.Struct, tag="right"):
    shelf: str


class Pack(Command, rename="camel"):
    crate: str
    for_whom: Id | None = None
    lines: list[Line] = []
    several: list[Id] = []
    pair: tuple[str, Id] = ("", "x")
    by_name: dict[str, Id] = {}
    side: Left | Right | None = None
    number: Annotated[int, Tag()] = 0
    note: str = ""


class Move(Command):
    crate: str
    shelf: Id
    beside: list[Id] = []
    number: int = 0
    note: str = ""


@crates.command("POST /crates", "POST /crates/{crate}/packings")
def pack(command: Pack, crate: Crate) -> Packed:
    """Packs it."""
    return Packed(crate=command.crate)


@crates.command("PUT /places/{number}/{crate}")
def move(command: Move, crate: Crate) -> None:
    """Moves it."""


@crates.view("GET /crates/{crate}", "GET /crates")
class CratePage(View):
    crate: Id

    @on
    def packed(self, event: Packed) -> None:
        """It is there."""


@crates.view("GET /packings")
class Packings(View):
    crate: Id

    @on
    def packed(self, event: Packed) -> None:
        """It is there."""


async def errors(line: str, body: Any) -> Sequence[tuple[str, str]]:
    """What a command is refused for; nothing when it is executed."""
    method, _, target = line.partition(" ")
    async with command_service(crates, "memory://") as service:
        raw = json.dumps(body).encode()
        answer = await ask(service, method, target, raw, {"Content-Type": "application/json"})
    if answer.status < 300:
        return []
    assert (answer.status, answer.json["type"]) == (400, "urn:storied:problem:invalid-fields"), answer.body
    return [(one.get("pointer") or f"{{{one['parameter']}}}", one["detail"]) for one in answer.json["errors"]]


EMPTY = "An id is not empty. Give one."
UNPRINTABLE = "An id has no character that cannot be printed. Leave it out."
PLACES: dict[str, tuple[dict[str, Any], str, int]] = {
    "an id of an entity": ({"crate": "{}"}, "#/crate", 238),
    "a member": ({"forWhom": "{}"}, "#/forWhom", 247),
    "a Struct": ({"lines": [{"product": "x"}, {"product": "{}", "note": ""}]}, "#/lines/1/product", 248),
    "a list": ({"several": ["x", "{}"]}, "#/several/1", 248),
    "a tuple": ({"pair": ["", "{}"]}, "#/pair/1", 251),
    "a dict": ({"byName": {"": "x", "a": "{}"}}, "#/byName/a", 248),
    "one of a union": ({"side": {"type": "left", "shelf": "{}"}}, "#/side/shelf", 254),
}


def filled(body: Any, text: str) -> Any:
    """The body with the text in place."""
    return json.loads(json.dumps({"crate": "c", **body}).replace('"{}"', json.dumps(text)))


@pytest.mark.parametrize("place", PLACES)
async def test_an_id_that_no_tag_can_hold_is_told_with_its_place(place: str) -> None:
    """Empty, too long, or with what cannot be printed; up to its very limit it is taken."""
    body, pointer, most = PLACES[place]
    for text, detail in (
        ("", EMPTY),
        ("x" * (most + 1), f"This id has at most {most} characters. Give a shorter one."),
        ("a\u200b", UNPRINTABLE),
    ):
        assert await errors("POST /crates", filled(body, text)) == [(pointer, detail)]
    assert await errors("POST /crates", filled(body, "x" * most)) == []


async def test_a_text_that_is_no_id_may_be_empty() -> None:
    """Where the type of a union has no id, or a field has no mark; and an id may be a number."""
    assert await errors("POST /crates", {"crate": "c", "note": "", "side": {"type": "right", "shelf": ""}}) == []


async def test_an_id_in_a_path_is_told_by_its_parameter() -> None:
    """Beside every other mistake."""
    long = "x" * 300
    assert await errors(f"PUT /places/n/{long}", {"shelf": "", "beside": [""], "z": 1}) == [
        ("{crate}", "This id has at most 238 characters. Give a shorter one."),
        ("#/shelf", EMPTY),
        ("#/beside/0", EMPTY),
        ("{number}", "This is not a whole number. Correct it."),
        ("#/z", "There is no such field. Leave it out, or correct its name."),
    ]
    assert await errors("PUT /places/1/a%C2%A0", {"shelf": "s"}) == [("{crate}", UNPRINTABLE)]


@pytest.mark.parametrize("step", [".", ".."])
async def test_what_is_served_below_a_path_is_not_called_like_a_step_in_it(step: str) -> None:
    """Clients would normalise its address away; so would they that of a command, which comes from no client then."""
    told = f"'{step}' is a step in a path to every client. Take another id."
    assert await errors("POST /crates", {"crate": step}) == [("#/crate", told)]
    assert await errors(f"POST /crates/{step.replace('.', '%2E')}/packings", {}) == [("{crate}", told)]
    assert await errors("POST /crates", {"crate": f"{step}x", "forWhom": step, "several": [step], "note": step}) == []


def test_the_description_says_so() -> None:
    """Of the body and of the path, and only where it is so."""
    document = openapi(crates, "commands")
    body = document["components"]["schemas"]["Pack"]["properties"]
    steps = {"enum": [".", ".."]}
    assert (body["crate"]["minLength"], body["crate"]["maxLength"], body["crate"]["not"]) == (1, 238, steps)
    assert [name for name in body if "not" in body[name]] == ["crate"]
    [crate] = [
        one["schema"]
        for one in document["paths"]["/crates/{crate}/packings"]["post"]["parameters"]
        if one.get("name") == "crate"
    ]
    assert (crate["minLength"], crate["maxLength"], crate["not"]) == (1, 238, steps)


MOVE = Binding(Move, parse_template("POST /shelves"), crates.handlers[Move], {"crate"})
texts = st.sampled_from(["", "a", ".", "..", "...", "x" * 238, "x" * 239, "x" * 251, "a b", "a\u00a0", "\u200b"])
bodies = st.fixed_dictionaries(
    {"crate": texts, "shelf": texts}, optional={"beside": st.lists(texts, max_size=2), "note": texts}
)


@settings(max_examples=500, deadline=None)
@given(bodies)
async def test_reading_at_once_is_as_strict(body: dict[str, Any]) -> None:
    """What is read at once is what the closer look takes; and what it takes, it takes for good."""
    raw = json.dumps(body).encode()
    assert MOVE._flat is not None
    at_once = MOVE._flat.read(raw, {})
    request = request_of("POST", "/", raw, headers={"Content-Type": "application/json"})
    try:
        closely = await _closely().bind(request)
    except RequestRefused:
        assert at_once is None
    else:
        assert at_once in (closely, None)


def _closely() -> Binding:
    binding = Binding(Move, parse_template("POST /shelves"), crates.handlers[Move], {"crate"})
    binding._flat = None
    return binding
