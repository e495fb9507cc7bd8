"""What a POST to a collection creates is told by its address, whoever made its id."""

from __future__ import annotations

import pytest

from storied import App, Command, Context, Event, Id, View, on
from storied.services.commands import command_service
from storied.services.openapi import openapi
from tests.services.asgi import ask
from tests.services.ledger import ledger
from tests.services.test_commands import send


class Claimed(Event):
    claim: Id
    about: str


class Counted(Event):
    count: int


class Claim(Command):
    about: list[str]


class Count(Command):
    count: int


def make(command: Claim, context: Context) -> list[Claimed]:
    """A claim about each, under ids of its own."""
    return [Claimed(claim=context.new_id(), about=about) for about in command.about]


def count(command: Count) -> Counted:
    """Something that has no name."""
    return Counted(count=command.count)


class ClaimPage(View):
    claim: Id
    about: str = ""

    @on
    def claimed(self, event: Claimed) -> None:
        self.about = event.about


def made() -> App:
    """Claims, whose ids their handler makes."""
    app = App("claims")
    app.command("POST /claims")(make)
    app.command("POST /counts")(count)
    app.view("GET /claims/{claim}", "GET /counts/{claim}")(ClaimPage)
    return app


async def test_what_the_handler_named_has_a_location() -> None:
    """The same when the request is repeated; it is where the view serves it."""
    async with command_service(made(), "memory://") as service:
        answer = await send(service, "POST /claims", {"about": ["rain"]}, Idempotency_Key="k")
        [event] = answer.json["events"]
        [tag] = event["tags"]
        assert (answer.status, answer.headers["location"]) == (201, "/claims/" + tag.removeprefix("claim:"))
        again = await send(service, "POST /claims", {"about": ["rain"]}, Idempotency_Key="k")
        assert (again.status, again.headers["location"], again.body) == (201, answer.headers["location"], answer.body)


@pytest.mark.parametrize(
    ("line", "body"),
    [("POST /claims", {"about": ["rain", "snow"]}), ("POST /claims", {"about": []}), ("POST /counts", {"count": 1})],
    ids=["several", "nothing", "nameless"],
)
async def test_what_is_not_one_thing_has_no_location(line: str, body: dict[str, object]) -> None:
    """Several, none, or something that the events do not name."""
    async with command_service(made(), "memory://") as service:
        answer = await send(service, line, body)
        assert answer.status == 200
        assert "location" not in answer.headers


def test_the_description_says_so() -> None:
    """Both answers are possible."""
    responses = openapi(made())["paths"]["/claims"]["post"]["responses"]
    assert {"200", "201"} <= responses.keys()
    assert "Location" in responses["201"]["headers"]


async def test_a_put_is_answered_alike_whether_it_created_something_or_not() -> None:
    """The log does not know what stands at an address; who has to be the first says so, and is refused otherwise."""
    async with command_service(ledger, "memory://") as service:
        headers = {"Content-Type": "application/json", "If-Match": '"0"'}
        first = await ask(service, "PUT", "/accounts/a", b'{"owner":"anna"}', headers)
        assert (first.status, "location" in first.headers) == (200, False)
        assert (await ask(service, "PUT", "/accounts/a", b'{"owner":"ben"}', headers)).status == 412
