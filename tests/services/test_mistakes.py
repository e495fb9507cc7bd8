"""What is wrong with a command's code is the server's mistake, and what is wrong with a request is its client's."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from storied import App, Command, Entity, Event, Id, Rejected, on
from storied.services.commands import CommandService, command_service
from tests.services.asgi import Sent, ask


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store on each engine."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"


async def send(service: CommandService, path: str, body: Any, **headers: str) -> Sent:
    """The answer to a POST of this body."""
    given = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(service, "POST", path, msgspec.json.encode(body), given)


class Hand(Command):
    hand: str
    how: str = ""


class Handed(Event):
    hand: Id
    amount: Decimal = Decimal(0)
    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    words: list[str] = []
    ids: list[Id] = []


class Hands(Entity, tag="hand"):
    @on
    def handed(self, event: Handed) -> None:
        raise RuntimeError("a fold with a mistake")


def _hands() -> App:
    app = App("hands")
    wrong: dict[str, Any] = {
        "empty": {"hand": ""},
        "nan": {"amount": Decimal("NaN")},
        "meta": {"size": 0},
        "type": {"size": "one"},
    }

    @app.command("POST /hands")
    def hand(command: Hand) -> Handed:
        if command.how == "object":
            raise Rejected("no-hand", hand=object(), amount=Decimal("1.5"), why=ValueError("worn"))
        if command.how == "code":
            raise LookupError(command.how)
        if command.how == "exit":
            raise SystemExit(3)
        return Handed(**{"hand": command.hand} | wrong.get(command.how, {}))

    class Fold(Hand):
        pass

    @app.command("POST /folds")
    def fold(command: Fold, hand: Hands) -> Handed:
        return Handed(hand=command.hand)

    class Much(Command):
        ids: list[str]
        words: list[str] = []

    @app.command("POST /much")
    def much(command: Much) -> Handed:
        return Handed(hand="h", ids=command.ids, words=command.words)

    return app


@pytest.mark.parametrize("how", ["empty", "nan", "meta", "type", "code", "exit"])
async def test_what_a_handler_decides_wrongly_is_the_server_s_mistake(
    url: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, its client hears nothing of the insides, and nothing of repeating: nothing can be stored."""
    async with command_service(_hands(), url) as service:
        answer = await send(service, "/hands", {"hand": "h", "how": how}, Idempotency_Key="k")
        assert (answer.status, answer.json["code"]) == (500, "internal")
        assert b"Handed" not in answer.body
        assert b"epeat" not in answer.body
        assert "idempotency-key" not in answer.headers
        [line] = [record for record in caplog.records if record.name == "storied.services"]
        assert line.exc_info
        assert answer.headers["x-request-id"] in line.getMessage()
        assert await service.opening.value.store.head() == 0


async def test_what_a_rejection_says_has_no_address_of_the_server_s_memory(url: str) -> None:
    """An object that says nothing of itself is told by its class."""
    async with command_service(_hands(), url) as service:
        answer = await send(service, "/hands", {"hand": "h", "how": "object"})
        assert answer.json["data"] == {"hand": "object", "amount": "1.5", "why": "worn"}


async def test_a_fold_s_mistake_is_the_server_s(url: str) -> None:
    """And as the decision was not taken, nothing is stored."""
    async with command_service(_hands(), url) as service:
        assert (await send(service, "/folds", {"hand": "h"})).status == 200
        answer = await send(service, "/folds", {"hand": "h"})
        assert (answer.status, answer.json["code"]) == (500, "internal")
        assert b"epeat" not in answer.body


async def test_more_than_an_event_can_hold_is_the_client_s_mistake(url: str) -> None:
    """The handler hands on what it was sent."""
    async with command_service(_hands(), url) as service:
        answer = await send(service, "/much", {"ids": [str(n) for n in range(1001)]})
        assert (answer.status, answer.json["code"]) == (400, "too-many-tags")
        answer = await send(service, "/much", {"ids": [], "words": ["x" * (1024 * 1024 - 30)]})
        assert (answer.status, answer.json["code"]) == (413, "too-large")
