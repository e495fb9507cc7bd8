"""A key means the same before and after a deploy: the same request gets its first answer, from whatever code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from storied import App, Command, Entity, Event, Id, on
from storied.services.commanding.repeating import request_fingerprint
from storied.services.commands import CommandService, command_service
from tests.services.asgi import Sent, ask


class Paid(Event):
    account: Id
    amount: int
    note: str = ""


class Account(Entity):
    paid: int = 0

    @on
    def was_paid(self, event: Paid) -> None:
        self.paid += event.amount


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "a"


class LongerStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"called": "name"}):
    called: str = "b"
    more: list[str] = []


def first() -> App:
    """The app as it was."""
    app = App("pay")

    class Pay(Command, rename="camel"):
        account_id: str
        amount: int
        step: Step = Step()
        sort: str = "plain"

    @app.command("POST /accounts/{account_id}/payments")
    def pay(command: Pay) -> Paid:
        return Paid(account=command.account_id, amount=command.amount)

    return app


def renamed_parameter() -> App:
    """The same URL, its parameter with another name."""
    app = App("pay")

    class Pay(Command, rename="camel"):
        account_id: str
        amount: int
        step: Step = Step()
        sort: str = "plain"

    @app.command("POST /accounts/{accountId}/payments")
    def pay(command: Pay) -> Paid:
        return Paid(account=command.account_id, amount=command.amount)

    return app


def renamed_class_and_field() -> App:
    """Names that no client sees."""
    app = App("pay")

    class TakePayment(Command, rename={"how_much": "amount"}):
        account: str
        how_much: int
        step: Step = Step()
        sort: str = "plain"

    @app.command("POST /accounts/{account}/payments")
    def pay(command: TakePayment) -> Paid:
        return Paid(account=command.account, amount=command.how_much)

    return app


def added_fields() -> App:
    """With fields that need not be given, outside and inside, and another default."""
    app = App("pay")

    class Pay(Command, rename="camel"):
        account_id: str
        amount: int
        step: LongerStep = LongerStep()
        sort: str = "fancy"
        extra: str = "x"
        device: Annotated[str, msgspec.Meta(extra={"header": "X-Device"})] = ""

    @app.command("POST /accounts/{account_id}/payments")
    def pay(command: Pay) -> Paid:
        return Paid(account=command.account_id, amount=command.amount)

    return app


def stricter() -> App:
    """With a field that has to be given, and another that is gone."""
    app = App("pay")

    class Pay(Command, rename="camel"):
        account_id: str
        amount: int
        why: str

    @app.command("POST /accounts/{account_id}/payments")
    def pay(command: Pay) -> Paid:
        return Paid(account=command.account_id, amount=command.amount)

    return app


async def pay(service: CommandService, body: Any, account: str = "a", key: str = "k") -> Sent:
    """The answer to a payment under the key."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return await ask(service, "POST", f"/accounts/{account}/payments", raw, headers)


@pytest.mark.parametrize("body", [{"amount": 5}, {"amount": 5, "sort": "plain", "step": {"name": "c"}}])
@pytest.mark.parametrize("deployed", [renamed_parameter, renamed_class_and_field, added_fields, stricter])
async def test_a_repeat_after_a_deploy_gets_the_first_answer(
    tmp_path: Path, deployed: Callable[[], App], body: dict[str, Any]
) -> None:
    """And stores nothing, whatever the code makes of the request by now."""
    async with command_service(first(), f"sqlite:///{tmp_path}/app.db") as service:
        before = await pay(service, body)
        assert before.status == 200
    async with command_service(deployed(), f"sqlite:///{tmp_path}/app.db") as service:
        after = await pay(service, body)
        assert (after.status, after.body) == (200, before.body)
        assert await service.opening.value.store.head() == 1


async def test_what_is_refused_and_was_never_executed_is_told_as_it_is(tmp_path: Path) -> None:
    """A key under which nothing is stored answers nothing."""
    async with command_service(stricter(), f"sqlite:///{tmp_path}/app.db") as service:
        answer = await pay(service, {"amount": 5})
        assert (answer.status, answer.json["code"]) == (400, "invalid-fields")


async def test_a_key_that_stands_for_another_request_says_what_is_stored(tmp_path: Path) -> None:
    """With its position, so that whoever is told does not do it twice; also where the request could not be taken."""
    async with command_service(first(), f"sqlite:///{tmp_path}/app.db") as service:
        await pay(service, {"amount": 5}, key="other")
        await pay(service, {"amount": 5})
        for body in ({"amount": 6}, {"amount": "six"}):
            answer = await pay(service, body)
            assert (answer.status, answer.json["code"]) == (422, "append-id-reused")
            assert (answer.json["position"], answer.headers["storied-position"]) == (2, "2")
            assert "is stored, up to the position" in answer.json["detail"]
            assert "Nothing was stored" not in answer.json["detail"]
        assert (await pay(service, {"amount": 5}, account="b")).status == 422


SPELLED = [
    (b'{"a": 1, "b": [1.50, {"c": null}]}', b'{"b":[1.5,{"c":null}],"a":1.0}'),
    (b"[100, 0.0, 12345678901234567890]", b"[1e2, 0, 12345678901234567890.0]"),
    (b'["\\u00fc"]', '["ü"]'.encode()),
    (b"", b"{}"),
]


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e-99999999999999999999", "1e999999999", "9" * 999])
async def test_a_number_beyond_all_is_refused_under_a_key_too(tmp_path: Path, number: str) -> None:
    """It is looked up like any other, and was never executed."""
    async with command_service(first(), f"sqlite:///{tmp_path}/app.db") as service:
        answer = await pay(service, f'{{"amount": {number}}}'.encode())
        assert (answer.status, answer.json["code"]) == (400, "invalid-fields")


@pytest.mark.parametrize(("one", "other"), SPELLED)
def test_the_spelling_of_a_body_makes_no_other_request(one: bytes, other: bytes) -> None:
    """Blanks, the order of members, escapes, and zeros that mean nothing."""
    assert request_fingerprint(["a"], one, {}) == request_fingerprint(["a"], other, {})


DIFFERENT = [
    (["a"], b'{"a":1}', {}),
    (["b"], b'{"a":1}', {}),
    (["a"], b'{"a":"1"}', {}),
    (["a"], b'{"a":1,"b":null}', {}),
    (["a"], b'{"a":[1]}', {}),
    (["a"], b'{"a":1}', {"x-device": "d"}),
    (["a"], b'{"a":0.10000000000000000000000000000000000000001}', {}),
    (["a"], b'{"a":0.10000000000000000000000000000000000000002}', {}),
    (["a"], b'{"a":1e999}', {}),
    (["a"], b'{"a":1e998}', {}),
    (["a", "b"], b'{"a":1}', {}),
    (["a,b"], b'{"a":1}', {}),
]


def test_what_a_client_says_otherwise_is_another_request() -> None:
    """Another value, in the path, the body or a field's header, to the last digit."""
    prints = {request_fingerprint(path, body, headers) for path, body, headers in DIFFERENT}
    assert len(prints) == len(DIFFERENT)
