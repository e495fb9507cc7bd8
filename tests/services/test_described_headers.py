"""A header is described once, whoever asks for it: a field, the settings, or the service itself."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from storied import App, Command, Event, Id
from storied.services.openapi import openapi
from storied.services.settings import Settings


class Sent(Event):
    letter: Id


class Send(Command):
    letter: str
    device: Annotated[str, msgspec.Meta(description="From where.", extra={"header": "X-Device"})] = ""
    asked: Annotated[str, msgspec.Meta(extra={"header": "X-Request-Id"})]
    again: Annotated[str, msgspec.Meta(extra={"header": "x-device"})] = ""
    key: Annotated[str, msgspec.Meta(extra={"header": "idempotency-key"})] = ""


post = App("post")


@post.command("POST /letters")
def send(command: Send) -> Sent:
    """Sends it."""
    return Sent(letter=command.letter)


@pytest.mark.parametrize("kept", [[], ["x-device", "prefer", "x-other"]])
def test_a_header_that_several_ask_for_is_described_once(kept: list[str]) -> None:
    """As the field tells it, which may need it; in any case, since a header is the same in any."""
    document: Any = openapi(post, "commands", settings=Settings(kept_headers=frozenset(kept)))
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    given = document["paths"]["/letters"]["post"]["parameters"]
    shared = document["components"]["parameters"]
    found = [shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in given]
    names = [one["name"].lower() for one in found]
    assert sorted(names) == sorted({*names, *kept})
    assert len(names) == len(set(names))
    by_name = {one["name"].lower(): one for one in found}
    assert by_name["x-device"]["description"] == "From where."
    assert by_name["x-request-id"]["required"] is True
    assert "wait=5" in by_name["prefer"]["description"]
