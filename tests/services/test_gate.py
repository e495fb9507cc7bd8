"""The gate: who comes through to an endpoint, and who operates."""

import asyncio
import json
import logging
from typing import Any

import msgspec
import pytest

from storied import EVERYONE, OPERATIONS, App, Command, Event, Id, Principal
from storied.services.access.identity import ApiKeys, new_key
from storied.services.commands import CommandService, command_service
from storied.services.settings import Settings
from tests.services.asgi import Sent, ask, request_of


class Noted(Event):
    note: Id
    by: str = ""


class Note(Command):
    note: Id
    by: str = ""


class Shout(Command):
    note: Id


ANNA, ANNA_KEY = new_key("anna", ["writer"])
OTTO, OTTO_KEY = new_key("otto", ["operator"])
KEYS = ApiKeys([ANNA_KEY, OTTO_KEY])
SETTINGS = Settings(verifier=KEYS)


def make_app(*, rules: bool = True) -> App:
    """An app of two commands, with rules for one of them."""
    app = App("notes")

    @app.command("POST /notes")
    def note(command: Note) -> Noted:
        return Noted(note=command.note, by=command.by)

    @app.command("POST /shouts")
    def shout(command: Shout) -> Noted:
        return Noted(note=command.note)

    if rules:
        app.allow(Note, to="writer", when=lambda principal, command: command.by in ("", principal.id))
        app.allow(OPERATIONS, to="operator")
    return app


async def send(service: CommandService, target: str, key: str | None = None, **more: Any) -> Sent:
    """What a POST is answered, with a note and whatever more."""
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    return await ask(service, "POST", target, json.dumps({"note": "n-1", **more}).encode(), headers)


async def test_who_is_known_and_allowed_comes_through() -> None:
    """And stands as the actor of what happened."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        assert (await send(service, "/notes", ANNA)).status == 200
        [record] = await service.opening.value.store.read().list()
    assert record.actor == "anna"


async def test_nobody_says_who_they_are_by_themselves() -> None:
    """Neither in the body nor in any header; the credential alone does."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        assert (await send(service, "/notes", ANNA, actor="otto")).status == 400
        headers = {"Content-Type": "application/json", "X-Api-Key": ANNA, "X-Actor": "otto", "X-User": "otto"}
        assert (await ask(service, "POST", "/notes", b'{"note": "n"}', headers)).status == 200
        [record] = await service.opening.value.store.read().list()
    assert record.actor == "anna"


async def test_who_shows_nothing_is_asked_for_a_credential() -> None:
    """By the header that the standard has for it."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        answer = await send(service, "/notes")
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", [ANNA[:-2] + "xx", "a.b.c", "nonsense"], ids=["wrong", "token", "nonsense"])
async def test_a_credential_that_does_not_hold_lets_nobody_in(key: str) -> None:
    """Not even to what is open to everybody: the sender believes to be somebody."""
    app = make_app()
    app.allow(Shout, to=EVERYONE)
    async with command_service(app, "memory://", settings=SETTINGS) as service:
        assert (await send(service, "/shouts")).status == 200
        assert (await send(service, "/shouts", key)).status == 401


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
@pytest.mark.parametrize("target", ["/notes", "/livez", "/nowhere"])
async def test_a_foreign_host_gets_nothing_by_any_method(method: str, target: str) -> None:
    """Whatever it asks for, and whether that is there or not."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        answer = await ask(service, method, target, headers={"Host": "evil.example", "X-Api-Key": ANNA})
        assert (answer.status, answer.json["code"]) == (421, "bad-host")


async def test_a_role_is_needed_and_the_single_case_is_looked_at() -> None:
    """Who lacks the role learns nothing about their mistakes; who has it may still not speak for others."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        assert (await send(service, "/notes", OTTO, nonsense=1)).status == 403
        assert (await send(service, "/shouts", ANNA)).status == 403
        assert (await send(service, "/notes", ANNA, by="bert")).status == 403
        assert await service.opening.value.store.head() == 0


async def test_with_a_verifier_and_no_rules_it_is_enough_to_be_known() -> None:
    """Rules come when roles differ."""
    async with command_service(make_app(rules=False), "memory://", settings=SETTINGS) as service:
        assert (await send(service, "/shouts", ANNA)).status == 200
        assert (await send(service, "/shouts")).status == 401


async def test_with_rules_and_no_verifier_only_what_is_for_everyone_is_open() -> None:
    """Forgetting the verifier opens nothing."""
    app = make_app()
    app.allow(Shout, to=EVERYONE)
    async with command_service(app, "memory://") as service:
        assert (await send(service, "/notes", ANNA)).status == 401
        assert (await send(service, "/shouts")).status == 200


async def test_the_app_s_verifier_stands_in_where_settings_name_none() -> None:
    """So an app can bring its own."""
    app = make_app()
    app.verifier = KEYS
    async with command_service(app, "memory://") as service:
        assert (await send(service, "/notes", ANNA)).status == 200


async def test_a_principal_that_asks_too_often_is_told_to_wait() -> None:
    """Others are not, and neither is who looks after the service."""
    settings = Settings(verifier=KEYS, rate=0.001, burst=2)
    async with command_service(make_app(), "memory://", settings=settings) as service:
        answers = [await send(service, "/notes", ANNA) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) > 0
        assert (await send(service, "/notes", OTTO)).status == 403
        for _ in range(3):
            assert (await ask(service, "GET", "/livez")).status == 200


async def test_metrics_are_for_operators() -> None:
    """Not for who has another role, and not for this machine: a proxy may send everybody's requests from here."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        assert (await ask(service, "GET", "/metrics")).status == 401
        assert (await ask(service, "GET", "/metrics", headers={"X-Api-Key": ANNA})).status == 403
        assert (await ask(service, "GET", "/metrics", headers={"X-Api-Key": OTTO})).status == 200


@pytest.mark.parametrize("settings", [Settings(), Settings(verifier=KEYS, local_operators=True)])
async def test_metrics_are_for_this_machine_where_nobody_is_asked_or_it_is_so_set(settings: Settings) -> None:
    """Not for who passes through a proxy here that says so, or that asks for another host."""
    settings = msgspec.structs.replace(settings, hosts=("*",))
    async with command_service(
        make_app(rules=settings.verifier is not None), "memory://", settings=settings
    ) as service:
        assert (await ask(service, "GET", "/metrics")).status == 200
        for host in ("localhost:8000", "[::1]:8000", "[::1]", "127.0.0.1:8000", "LOCALHOST"):
            assert (await ask(service, "GET", "/metrics", headers={"Host": host})).status == 200
        for name, value in (("X-Forwarded-For", "192.0.2.7"), ("Via", "1.1 proxy"), ("Host", "shop.example")):
            assert (await ask(service, "GET", "/metrics", headers={name: value})).status == 401
        for client in (("192.0.2.7", 4711), None):
            assert (await ask(service, "GET", "/metrics", client=client)).status == 401


@pytest.mark.parametrize(
    "header",
    [
        *("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Anything"),
        *("X-Real-Ip", "CF-Connecting-IP", "Via"),
    ],
)
async def test_who_is_passed_on_is_not_this_machine(header: str) -> None:
    """By whichever header a proxy says so."""
    settings = msgspec.structs.replace(SETTINGS, local_operators=True)
    async with command_service(make_app(), "memory://", settings=settings) as service:
        headers = {header: "for=192.0.2.7"}
        assert (await ask(service, "GET", "/metrics", headers=headers)).status == 401
        assert (await ask(service, "GET", "/readyz", headers=headers)).json == {"status": "ready"}
        assert (await ask(service, "GET", "/openapi.json", headers=headers)).status == 401


async def test_without_rules_and_verifier_only_this_machine_operates() -> None:
    """Where everybody may do everything, not everybody may see how the services are doing."""
    async with command_service(make_app(rules=False), "memory://") as service:
        away: dict[str, Any] = {"client": ("192.0.2.7", 4711)}
        assert (await ask(service, "GET", "/metrics")).status == 200
        assert (await ask(service, "GET", "/metrics", **away)).status == 401
        assert (await ask(service, "GET", "/readyz", **away)).json == {"status": "ready"}


async def test_who_is_not_known_is_counted_by_address() -> None:
    """Another connection from there is no other client."""
    settings = Settings(rate=0.001, burst=2)
    async with command_service(make_app(rules=False), "memory://", settings=settings) as service:
        assert [await _noted(service, "192.0.2.7", port) for port in (1, 2, 3)] == [200, 200, 429]
        assert await _noted(service, "192.0.2.8", 1) == 200


async def _noted(service: CommandService, host: str, port: int) -> int:
    headers = {"Content-Type": "application/json"}
    return (await ask(service, "POST", "/notes", b'{"note": "n"}', headers, client=(host, port))).status


async def test_health_is_for_everybody_and_its_reasons_for_operators() -> None:
    """A balancer needs no key; how the views are called is nobody's business."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        away: dict[str, Any] = {"client": ("192.0.2.7", 4711)}
        assert (await ask(service, "GET", "/livez", **away)).status == 200
        assert (await ask(service, "GET", "/readyz", **away)).json == {"status": "ready"}
        assert (await ask(service, "GET", "/readyz", headers={"X-Api-Key": OTTO}, **away)).json["head"] == 0


async def test_a_probe_by_address_is_told_no_details() -> None:
    """Not even an operator's, nor on this machine; and nothing else is answered for an address that is not named."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        for headers in ({"Host": "10.0.0.7:8000"}, {"Host": "10.0.0.7", "X-Api-Key": OTTO}):
            assert (await ask(service, "GET", "/livez", headers=headers)).json == {"status": "alive"}
            assert (await ask(service, "GET", "/readyz", headers=headers)).json == {"status": "ready"}
            for path in ("/metrics", "/openapi.json", "/docs", "/notes", "/livez/"):
                assert (await ask(service, "GET", path, headers=headers)).status == 421


async def test_a_server_that_goes_down_is_not_ready_and_lives() -> None:
    """Nobody should send anything more, and nobody should kill it."""
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        service.gate.draining = True
        answer = await ask(service, "GET", "/readyz", headers={"X-Api-Key": OTTO})
        assert (answer.status, answer.json["reasons"]) == (503, ["The server is going down."])
        assert (await ask(service, "GET", "/livez")).status == 200


async def test_a_route_that_no_rule_can_name_is_for_operators_and_on_record(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever adds one and forgets to say whom it is for opens nothing."""
    caplog.set_level(logging.INFO, "storied.audit")
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        for route in service.router.routes:
            if route.template.path == "/notes":
                await service.gate.admit(_as(OTTO), type(route)(route.template, route.endpoint))
                with pytest.raises(Exception, match="not open"):
                    await service.gate.admit(_as(ANNA), type(route)(route.template, route.endpoint))
    allowed, refused = (json.loads(record.message) for record in caplog.records)
    assert (allowed["principal"], allowed["allowed"]) == ("otto", True)
    assert (refused["principal"], refused["allowed"]) == ("anna", False)


async def test_a_request_that_takes_too_long_ends() -> None:
    """The client is told that what it wanted may have happened."""
    app = App("slow")

    class Patient:
        async def verify(self, headers: Any) -> Principal | None:
            await asyncio.Event().wait()
            return None

    @app.command("POST /notes")
    def note(command: Note) -> Noted:
        return Noted(note=command.note)

    settings = Settings(deadline=0.05, verifier=Patient())
    async with command_service(app, "memory://", settings=settings) as service:
        answer = await send(service, "/notes")
    assert (answer.status, answer.json["type"]) == (503, "urn:storied:problem:deadline")
    assert "Idempotency-Key" in answer.json["detail"]


def _as(key: str) -> Any:
    return request_of("GET", "/notes", headers={"X-Api-Key": key})


async def test_who_guesses_is_slowed_down(caplog: pytest.LogCaptureFixture) -> None:
    """By the address, since nobody knows who it is."""
    settings = Settings(verifier=KEYS, rate=0.001, burst=2)
    async with command_service(make_app(), "memory://", settings=settings) as service:
        answers = [await send(service, "/notes", ANNA[:-2] + "xx") for _ in range(3)]
        assert [answer.status for answer in answers] == [401, 401, 429]
        assert (await send(service, "/notes", ANNA)).status == 200


async def test_who_asks_for_metrics_without_being_let_is_on_record(caplog: pytest.LogCaptureFixture) -> None:
    """Reading them as an operator is not: it happens every few seconds."""
    caplog.set_level(logging.INFO, "storied.audit")
    async with command_service(make_app(), "memory://", settings=SETTINGS) as service:
        for key in (OTTO, ANNA):
            await ask(service, "GET", "/metrics", headers={"X-Api-Key": key}, client=("192.0.2.7", 1))
    [refused] = [json.loads(record.message) for record in caplog.records]
    assert (refused["audit"], refused["principal"], refused["allowed"]) == ("GET /metrics", "anna", False)


@pytest.mark.parametrize(
    ("claims", "least", "most"),
    [({}, 100, 100), ({"exp": 1e12}, 100, 100), ({"exp": 1.0}, 0, 0), ({"exp": "soon"}, 100, 100)],
    ids=["without an end", "long before its end", "at its end", "without a number"],
)
async def test_a_stream_ends_no_later_than_its_credential(claims: dict[str, Any], least: float, most: float) -> None:
    """And when the settings say so: its client asks again, and is looked at again."""
    async with command_service(make_app(), "memory://", settings=Settings(stream_seconds=100)) as service:
        request = request_of("GET", "/notes")
        assert service.gate.stream_seconds(request) == 100
        request.principal = Principal("anna", frozenset(), claims)
        assert least <= service.gate.stream_seconds(request) <= most
