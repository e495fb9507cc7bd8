"""The command service: what a client sends, and what it is told."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from storied import EVERYONE, App, Command, DefinitionError, Event, Id, OpenApp, Principal, UnknownOutcome
from storied.commands.execute import Done
from storied.commands.execute import Request as Asked
from storied.domain.access import Access, CredentialHeaders
from storied.engines.memory.documents import MemoryDocuments
from storied.errors import Conflict, StoreUnavailable
from storied.services.commands import CommandService, command_service, discreet
from storied.services.settings import Settings
from storied.services.web.cookies import cookie_of
from storied.store.port import EventStore
from storied.testing.waiting import eventually
from tests.services.asgi import Sent, Wire, ask, scope_of
from tests.services.ledger import Account, AccountPage, OpenAccount, Opened, Paid, ledger
from tests.services.ledger import open_account as open_account_handler


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store on each engine."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"


async def send(service: CommandService, line: str, body: Any = None, **headers: str) -> Sent:
    """What the service answers to ``POST /path`` with this body; underscores in names of headers are dashes."""
    method, _, target = line.partition(" ")
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is None:
        return await ask(service, method, target, b"", given)
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await ask(service, method, target, raw, {"Content-Type": "application/json"} | given)


async def open_account(service: CommandService, account: str = "a", owner: str = "anna", **headers: str) -> Sent:
    """The answer to opening an account."""
    return await send(service, "POST /accounts", {"account": account, "owner": owner}, **headers)


class Named:
    """Takes the header X-User for the principal, whose role is called the same."""

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """Whoever it names."""
        name = headers.get("x-user")
        return Principal(name, frozenset({name})) if name else None


AS = Settings(verifier=Named())


# --- what changed ------------------------------------------------------------------------------------


async def test_an_answer_tells_what_changed_and_where(url: str) -> None:
    """The events with place, id, type and tags; the position three times: in the body, as itself, and as an ETag."""
    async with command_service(ledger, url) as service:
        await open_account(service)
        answer = await send(service, "POST /accounts/a/payments", {"amount": "100"})
        stored = await service.opening.value.store.read(after=1).list()
    assert answer.status == 200
    assert answer.json == {
        "position": 3,
        "count": 2,
        "events": [
            {"position": 2, "id": stored[0].id, "type": "Paid", "tags": ["account:a"]},
            {"position": 3, "id": stored[1].id, "type": "Paid", "tags": ["account:a"]},
        ],
    }
    assert (answer.headers["storied-position"], answer.headers["etag"]) == ("3", '"3"')
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")


async def test_what_a_post_creates_has_an_address(url: str) -> None:
    """Where a view serves the members of the collection that was posted to."""
    async with command_service(ledger, url) as service:
        answer = await open_account(service, "a b/ü")
        assert (answer.status, answer.headers["location"]) == (201, "/accounts/a%20b%2F%C3%BC")
        mounted = await ask(
            service,
            "POST",
            "/api/accounts",
            b'{"account": "b", "owner": "x"}',
            {"Content-Type": "application/json"},
            root_path="/api",
        )
        assert (mounted.status, mounted.headers["location"]) == (201, "/api/accounts/b")


async def test_a_command_that_changes_nothing_is_fine(url: str) -> None:
    """It creates nothing, and says so by a count of 0."""
    async with command_service(ledger, url) as service:
        await open_account(service)
        for headers in ({}, {"Idempotency_Key": "k"}):
            answer = await open_account(service, **headers)
            assert (answer.status, answer.json) == (200, {"position": 1, "count": 0, "events": []})
            assert "location" not in answer.headers
            assert answer.headers["storied-position"] == "1"


async def test_update_and_delete_in_rest_manner(url: str) -> None:
    """PUT puts, DELETE ends, and doing either twice changes nothing more."""
    async with command_service(ledger, url) as service:
        await open_account(service)
        counts = [
            (await send(service, *line)).json["count"]
            for line in (
                ("PUT /accounts/a", {"owner": "ben"}),
                ("PUT /accounts/a", {"owner": "ben"}),
                ("DELETE /accounts/a",),
                ("DELETE /accounts/a",),
            )
        ]
        assert counts == [1, 0, 1, 0]


async def test_a_rejection_is_the_application_s_own(url: str) -> None:
    """Its code, its sentence and its data."""
    async with command_service(ledger, url) as service:
        await open_account(service)
        answer = await open_account(service, owner="ben")
    assert answer.status == 422
    assert (answer.json["code"], answer.json["data"]) == ("taken", {"owner": "anna"})
    assert answer.json["detail"] == "account a is anna's"


async def test_an_id_that_no_event_can_carry_is_the_client_s_mistake(url: str) -> None:
    """A tag has its rules, and the path may say anything."""
    async with command_service(ledger, url) as service:
        for line in ("PUT /accounts/%00", "PUT /accounts/" + "x" * 5000):
            answer = await send(service, line, {"owner": "x"})
            assert answer.status == 400, answer.body


async def test_a_handler_s_mistake_is_the_server_s() -> None:
    """It is logged with its trace, and the client is told no more than the request's id."""
    async with command_service(ledger, "memory://") as service:
        answer = await send(service, "POST /breaks", {"how": "badly"})
    assert answer.status == 500
    assert b"badly" not in answer.body


# --- who -----------------------------------------------------------------------------------------------


async def test_events_say_who_and_why_and_for_which_request(url: str) -> None:
    """From the server's own knowledge: nothing of it can be sent by the client."""
    async with command_service(ledger, url, settings=AS) as service:
        answer = await open_account(service, X_User="anna")
        [record] = await service.opening.value.store.read().list()
    assert (record.actor, record.metadata.command) == ("anna", "OpenAccount")
    assert record.metadata.correlation == answer.headers["x-request-id"]
    assert record.metadata.headers == {}


async def test_only_named_headers_are_kept(url: str) -> None:
    """The handler sees them, and the events keep them."""
    settings = Settings(kept_headers=frozenset({"x-device"}))
    async with command_service(ledger, url, settings=settings) as service:
        await send(service, "DELETE /accounts/a", X_Device="phone", X_Other="no", Accept_Language="de")
        [record] = await service.opening.value.store.read().list()
    assert record.metadata.headers == {"x-device": "phone"}
    assert record.payload == {"account": "a", "language": "de", "device": "phone"}


class ByTicket:
    schemes: ClassVar[dict[str, Any]] = {"ticket": {"type": "apiKey", "in": "header", "name": "X-Ticket"}}

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        return None


class Enter(Command):
    gate: Id
    ticket: Annotated[str, msgspec.Meta(extra={"header": "X-Ticket"})]


class Entered(Event):
    gate: Id


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key", "X-Device", "a b", ""])
def test_no_secret_is_kept_and_no_header_that_cannot_be(name: str) -> None:
    """A log never forgets; and a name that no header has would keep nothing."""
    with pytest.raises(DefinitionError, match="kept_headers= names"):
        Settings(kept_headers=frozenset({name}))


def test_what_the_verifier_reads_is_a_secret() -> None:
    """Whatever it is called: no event keeps it, and no field asks for it."""
    app = App("fair")

    @app.command("POST /gates/{gate}/entries")
    def enter(command: Enter) -> Entered:
        return Entered(gate=command.gate)

    command_service(app, "memory://")
    with pytest.raises(DefinitionError, match="asks for the header x-ticket, which holds a secret"):
        command_service(app, "memory://", settings=Settings(verifier=ByTicket()))
    kept = Settings(verifier=ByTicket(), kept_headers=frozenset({"x-ticket"}))
    with pytest.raises(DefinitionError, match="kept_headers= names x-ticket"):
        command_service(ledger, "memory://", settings=kept)


async def test_a_command_is_for_those_whom_a_rule_allows_it() -> None:
    """Others are told so, and nothing of the command's shape; a condition looks at its content."""
    app = App("guarded")
    app.command("POST /accounts")(open_account_handler)
    app.allow(OpenAccount, to="clerk", when=lambda principal, command: command.owner != "eve")
    async with command_service(app, "memory://", settings=AS) as service:
        unknown = await open_account(service)
        assert (unknown.status, unknown.headers["www-authenticate"]) == (401, "Bearer")
        assert (await send(service, "POST /accounts", {"x": 1}, X_User="guest")).status == 403
        assert (await send(service, "POST /accounts", {"x": 1}, X_User="clerk")).status == 400
        assert (await open_account(service, owner="eve", X_User="clerk")).status == 403
        assert await service.opening.value.store.head() == 0
        assert (await open_account(service, X_User="clerk")).status == 200


# --- Idempotency-Key -----------------------------------------------------------------------------------


async def test_a_repeat_gets_the_first_answer_byte_for_byte(url: str) -> None:
    """Whatever has happened since; and nothing is stored again."""
    async with command_service(ledger, url) as service:
        first = await open_account(service, Idempotency_Key="k-1")
        await send(service, "PUT /accounts/a", {"owner": "ben"})
        again = await open_account(service, Idempotency_Key='"k-1"')
        assert await service.opening.value.store.head() == 2
    assert (again.status, again.body) == (first.status, first.body)
    names = ("location", "etag", "storied-position", "content-type")
    assert [again.headers[n] for n in names] == [first.headers[n] for n in names]


async def test_a_repeat_with_the_same_meaning_is_a_repeat(url: str) -> None:
    """Spaces and the order of members make no other request."""
    async with command_service(ledger, url) as service:
        first = await send(service, "POST /accounts", b'{"account":"a","owner":"x"}', Idempotency_Key="k")
        again = await send(service, "POST /accounts", b' {"owner": "x", "account": "a"} ', Idempotency_Key="k")
    assert again.body == first.body


async def test_a_key_with_another_request_is_refused(url: str) -> None:
    """Another body, or another thing at the same route; nothing is stored."""
    async with command_service(ledger, url) as service:
        await open_account(service, Idempotency_Key="k")
        other = await open_account(service, owner="ben", Idempotency_Key="k")
        assert (other.status, other.json["code"]) == (422, "append-id-reused")
        assert other.json["type"] == "urn:storied:problem:idempotency-key-reused"
        assert (await open_account(service, account="b", Idempotency_Key="k")).status == 422
        assert await service.opening.value.store.head() == 1


async def test_a_key_is_its_principal_s_and_its_route_s(url: str) -> None:
    """The same key of somebody else, or elsewhere, is another one."""
    async with command_service(ledger, url, settings=AS) as service:
        assert (await open_account(service, "a", X_User="anna", Idempotency_Key="k")).status == 201
        assert (await open_account(service, "b", X_User="ben", Idempotency_Key="k")).status == 201
        assert (await send(service, "DELETE /accounts/a", X_User="anna", Idempotency_Key="k")).status == 200
        assert await service.opening.value.store.head() == 3


async def test_a_refused_request_may_be_sent_again_under_its_key(url: str) -> None:
    """A refusal stored nothing, so it is decided again."""
    async with command_service(ledger, url) as service:
        assert (await send(service, "POST /accounts/a/payments", {"amount": "1"}, Idempotency_Key="k")).status == 422
        await open_account(service)
        assert (await send(service, "POST /accounts/a/payments", {"amount": "1"}, Idempotency_Key="k")).status == 200


@pytest.mark.parametrize("clients", [64])
async def test_parallel_requests_with_one_key_execute_once(url: str, clients: int) -> None:
    """And all of them get the same answer."""
    async with command_service(ledger, url) as service:
        await open_account(service)
        requests = (
            send(service, "POST /accounts/a/payments", {"amount": "5"}, Idempotency_Key="k") for _ in range(clients)
        )
        answers = await asyncio.gather(*requests)
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert await service.opening.value.store.head() == 2


async def test_two_services_over_one_file_share_the_keys(tmp_path: Path) -> None:
    """The store remembers, not the process: 64 requests to two services execute once."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with command_service(ledger, url) as one, command_service(ledger, url, views=False) as two:
        answers = await asyncio.gather(
            *(open_account(service, Idempotency_Key="k") for _ in range(32) for service in (one, two))
        )
        assert len({(answer.status, answer.body) for answer in answers}) == 1
        assert await one.opening.value.store.head() == 1


async def test_a_key_outlives_the_process(tmp_path: Path) -> None:
    """The answer after a restart is the answer before."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with command_service(ledger, url) as service:
        first = await open_account(service, Idempotency_Key="k")
    async with command_service(ledger, url) as service:
        assert (await open_account(service, Idempotency_Key="k")).body == first.body


# --- If-Match ------------------------------------------------------------------------------------------


async def test_a_client_that_is_up_to_date_is_served(url: str) -> None:
    """The ETag of its last answer is a position."""
    async with command_service(ledger, url) as service:
        first = await open_account(service)
        answer = await send(service, "PUT /accounts/a", {"owner": "ben"}, If_Match=first.headers["etag"])
        assert answer.status == 200


async def test_a_client_that_is_not_is_told_what_came_in_between(url: str) -> None:
    """And nothing is stored."""
    async with command_service(ledger, url, settings=AS) as service:
        first = await open_account(service, X_User="ann")
        await send(service, "POST /accounts/a/payments", {"amount": "5"}, X_User="ben")
        answer = await send(service, "PUT /accounts/a", {"owner": "x"}, If_Match=first.headers["etag"], X_User="ann")
        assert await service.opening.value.store.head() == 2
    assert (answer.status, answer.json["code"], answer.json["seen"]) == (412, "outdated", 1)
    assert answer.json["between"] == [{"position": 2, "type": "Paid", "actor": "ben"}]


async def test_with_rules_nobody_is_told_who_else_acted(url: str) -> None:
    """A right to a command is none to see what others do; one's own doings are told."""
    app = copy.copy(ledger)
    app.access = Access()
    for command in app.handlers:
        app.allow(command, to=EVERYONE)
    async with command_service(app, url, settings=AS) as service:
        first = await open_account(service, X_User="ann")
        for user in ("ben", "ann"):
            await send(service, "POST /accounts/a/payments", {"amount": "5"}, X_User=user)
        answer = await send(service, "PUT /accounts/a", {"owner": "x"}, If_Match=first.headers["etag"], X_User="ann")
    assert (answer.status, answer.json["code"]) == (412, "outdated")
    assert [event["actor"] for event in answer.json["between"]] == [None, "ann"]
    assert b"ben" not in answer.body


@pytest.mark.parametrize(("actor", "told"), [("ann", "ann"), ("ben", None), (None, None)])
def test_a_lost_race_does_not_name_the_winner_either(actor: str | None, told: str | None) -> None:
    """Unless that is who asks."""
    conflict = Conflict(after=1, position=2, type="Paid", tags=("account:a",), actor="ann")
    found = discreet(conflict, actor)
    assert (found.actor, found.position, found.type) == (told, 2, "Paid")
    assert ("ann" in str(found)) == (told is not None)


async def test_a_position_that_nobody_has_seen_does_not_match(url: str) -> None:
    """It must not pass for one that is up to date."""
    async with command_service(ledger, url) as service:
        await open_account(service)
        answer = await send(service, "PUT /accounts/a", {"owner": "x"}, If_Match='"99"')
        assert (answer.status, answer.json["code"]) == (412, "unknown-position")
        assert await service.opening.value.store.head() == 1


async def test_a_command_without_entities_cannot_be_matched() -> None:
    """It rests on nothing, so that anything would match."""
    async with command_service(ledger, "memory://") as service:
        answer = await send(service, "PATCH /descriptions/1/2017-05-01", {}, If_Match='"0"')
    assert (answer.status, answer.json["code"]) == (400, "nothing-to-compare")
    assert answer.json["detail"].endswith("Leave If-Match out.")  # and not seen=, which the client has not said


async def test_of_many_who_match_nothing_none_is_stored(url: str) -> None:
    """All at once, with a key or without: the header is refused each time, never passed over."""
    app = App("notes")

    class Note(Command):
        account: str

    @app.command("POST /notes")
    def note(command: Note) -> Paid:
        return Paid(account=command.account, amount=Decimal(1))

    async with command_service(app, url) as service:
        await send(service, "POST /notes", {"account": "a"})
        keys: list[dict[str, str]] = [{}, {"Idempotency_Key": "k"}]
        answers = await asyncio.gather(
            *(send(service, "POST /notes", {"account": "a"}, If_Match='"1"', **key) for key in keys for _ in range(20))
        )
        assert {(answer.status, answer.json["code"]) for answer in answers} == {(400, "nothing-to-compare")}
        assert await service.opening.value.store.head() == 1


async def test_a_repeat_matches_whatever_has_happened(url: str) -> None:
    """Its first answer stands."""
    async with command_service(ledger, url) as service:
        first = await open_account(service, If_Match='"0"', Idempotency_Key="k")
        assert first.status == 201
        assert (await open_account(service, If_Match='"0"', Idempotency_Key="k")).body == first.body
        assert (await open_account(service, owner="x", If_Match='"0"')).status == 412


# --- Prefer: wait --------------------------------------------------------------------------------------


async def test_a_client_may_wait_for_views(url: str) -> None:
    """Those it names, or those that the events concern; then it reads what it wrote."""
    async with command_service(ledger, url) as service:
        answer = await open_account(service, Prefer="wait=5")
        assert answer.headers["preference-applied"] == 'wait=5; views="AccountPage"'
        shop = service.opening.value
        assert (await shop.get(AccountPage, "a", timeout=0)) is not None
        answer = await open_account(service, "b", Prefer='wait=5; views="Closings AccountPage Nothing"')
        assert answer.headers["preference-applied"] == 'wait=5; views="Closings AccountPage"'
        assert "preference-applied" not in (await open_account(service, "c")).headers


@pytest.mark.parametrize("wish", ["wait=Accountpage", 'wait=5; views="Accountpage"', 'wait=5; views=""'])
async def test_a_wish_for_a_view_that_nobody_knows_is_not_applied(wish: str) -> None:
    """It is passed over, and the answer claims nothing: who mistyped the name must not think that it has waited."""
    async with command_service(ledger, "memory://") as service:
        answer = await open_account(service, Prefer=wish)
        assert answer.status == 201
        assert "preference-applied" not in answer.headers


async def test_a_view_that_is_late_makes_no_failure(url: str) -> None:
    """The command is stored, and the answer says which views are not there yet."""
    async with command_service(ledger, url, views=False) as service:
        answer = await open_account(service, Prefer="wait=0.01")
        assert (answer.status, answer.json["count"]) == (201, 1)
        assert answer.headers["preference-applied"] == 'wait=0.01; views=""; late="AccountPage"'


async def test_a_view_that_breaks_down_makes_no_failure_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it breaks down with while it is waited for: the command is stored, and that is what its sender hears."""
    answers: list[Sent] = []

    async def use() -> None:
        async with command_service(ledger, "memory://") as service:
            answers.append(await open_account(service, Prefer="wait=20"))

    monkeypatch.setattr(MemoryDocuments, "load", _out_of_memory)
    with pytest.raises(MemoryError):  # and who runs the service hears what it was
        await use()
    [answer] = answers
    assert (answer.status, answer.json["count"]) == (201, 1)
    assert answer.headers["preference-applied"] == 'wait=20; views=""; late="AccountPage"'


async def _out_of_memory(*arguments: object) -> None:
    raise MemoryError("the engine gave up")


async def test_nobody_waits_longer_than_the_setting(url: str) -> None:
    """A client cannot hold the server."""
    async with command_service(ledger, url, views=False, settings=Settings(wait_limit=0.01)) as service:
        answer = await open_account(service, Prefer="wait=600")
        assert answer.headers["preference-applied"].startswith("wait=0.01;")


async def test_a_wait_outlasts_the_deadline_of_requests(url: str) -> None:
    """The command is stored, so there is nothing left to be late with; the wait has a bound of its own."""
    settings = Settings(deadline=0.05, wait_limit=0.2)
    async with command_service(ledger, url, views=False, settings=settings) as service:
        answer = await open_account(service, Prefer="wait=5")
        assert answer.status == 201
        assert answer.headers["preference-applied"] == 'wait=0.2; views=""; late="AccountPage"'


# --- the cookie ----------------------------------------------------------------------------------------


async def test_a_browser_is_given_its_position(url: str) -> None:
    """In a cookie that no script reads and no other site's form carries along."""
    async with command_service(ledger, url) as service:
        cookie = (await open_account(service)).headers["set-cookie"]
        name = cookie_of(service.opening.value.store.identity)
        assert cookie == f"{name}=1; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"
        secure = await ask(service, "DELETE", "/accounts/a", scheme="https")
        assert secure.headers["set-cookie"].endswith("; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("sent", "position"),
    [("{}=9", "9"), ("a=b; {}=0", "1"), ("{}=x", "1"), ("{}=\xb2", "1"), ("storied-after-0abcdef1=9", "1")],
)
async def test_a_position_in_a_cookie_does_not_go_back(sent: str, position: str) -> None:
    """Answers to requests that were sent at once may arrive in any order. Each log has a cookie of its own."""
    async with command_service(ledger, "memory://") as service:
        name = cookie_of(service.opening.value.store.identity)
        answer = await open_account(service, Cookie=sent.format(name))
        assert answer.headers["set-cookie"].split(";")[0] == f"{name}={position}"


async def test_the_cookie_can_be_left_out() -> None:
    """By a setting."""
    async with command_service(ledger, "memory://", settings=Settings(position_cookie=False)) as service:
        assert "set-cookie" not in (await open_account(service)).headers


# --- outcomes that are not known -------------------------------------------------------------------------


class Doubtful(OpenApp):
    """An opened app that stores a command and says that it cannot tell."""

    def __init__(self, shop: OpenApp, *, stores: bool) -> None:
        self.store: EventStore = shop.store
        self._shop, self._stores = shop, stores

    async def perform(self, command: Command, request: Asked) -> Done:
        """Stores, perhaps, and raises; the second time it answers."""
        if self._stores:
            await self._shop.perform(command, request)
        doubtful, self.perform = True, self._shop.perform  # type: ignore[method-assign]
        assert doubtful
        raise UnknownOutcome(request.command_id or "", "the disk at /somewhere failed")


@pytest.mark.parametrize("stores", [True, False])
@pytest.mark.parametrize("key", [None, "k-1"])
async def test_an_unknown_outcome_tells_how_to_repeat_safely(url: str, key: str | None, stores: bool) -> None:
    """Under the key that the answer names, whether the client had one or not: it is executed once."""
    async with ledger.open(url) as shop, command_service(ledger, Doubtful(shop, stores=stores)) as service:
        headers = {"Idempotency_Key": key} if key else {}
        answer = await open_account(service, **headers)
        assert (answer.status, answer.json["code"]) == (503, "unknown-outcome")
        assert answer.headers["retry-after"] == "1"
        assert "/somewhere" not in answer.body.decode()
        told = answer.headers["idempotency-key"]
        assert answer.json["idempotency_key"] == told == (key or told)
        again = await open_account(service, Idempotency_Key=told)
        assert (again.status, again.json["count"]) == (201, 1)
        assert await shop.store.head() == 1


async def test_an_answer_that_cannot_be_made_is_an_unknown_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command was stored, by an earlier run: to say that nothing was done would be a lie."""
    async with command_service(ledger, "memory://") as service:
        store = service.opening.value.store
        assert (await open_account(service, Idempotency_Key="k")).status == 201
        read = store.read

        def fail(*arguments: Any, **more: Any) -> Any:
            if more.get("until") is not None:
                raise StoreUnavailable("not now", code="busy")
            return read(*arguments, **more)

        monkeypatch.setattr(store, "read", fail)
        assert (await open_account(service, Idempotency_Key="k")).json["code"] == "unknown-outcome"
        monkeypatch.undo()
        assert (await open_account(service, Idempotency_Key="k")).status == 201
        assert await store.head() == 1


@pytest.mark.parametrize("steps", range(12))
async def test_a_request_given_up_at_any_moment_may_be_repeated(tmp_path: Path, steps: int) -> None:
    """A server may cancel it when its client goes: the repeat executes it, or finds it executed."""
    async with command_service(ledger, f"sqlite:///{tmp_path}/app.db") as service:
        first = asyncio.create_task(open_account(service, Idempotency_Key="k"))
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        again = await open_account(service, Idempotency_Key="k")
        assert (again.status, again.json["count"]) == (201, 1)
        assert await service.opening.value.store.head() == 1


async def test_a_client_that_leaves_before_its_body_is_there_changes_nothing() -> None:
    """Half a command is none."""
    async with command_service(ledger, "memory://") as service:
        wire = Wire(b'{"account": "a", ', leaves=True)
        await service(scope_of("POST", "/accounts", {"Content-Type": "application/json"}), wire.receive, wire.send)
        assert await service.opening.value.store.head() == 0


async def test_if_unmodified_since_is_refused_before_anything_is_stored(url: str) -> None:
    """Its client relies on it."""
    async with command_service(ledger, url) as service:
        answer = await open_account(service, If_Unmodified_Since="Sat, 29 Oct 1994 19:43:31 GMT")
        assert (answer.status, answer.json["code"]) == (400, "bad-header")
        assert await service.opening.value.store.head() == 0


async def test_a_wait_beyond_the_limit_is_cut_to_it() -> None:
    """As long as it may be, and not none at all."""
    settings = Settings(wait_limit=0.01)
    async with command_service(ledger, "memory://", settings=settings, views=False) as service:
        answer = await open_account(service, Prefer="wait=9999999")
        assert answer.headers["preference-applied"] == 'wait=0.01; views=""; late="AccountPage"'


# --- making a service ------------------------------------------------------------------------------------


async def test_an_opened_app_stays_its_owner_s() -> None:
    """The service closes only what it opened."""
    async with ledger.open("memory://") as shop:
        async with command_service(ledger, shop) as service:
            await open_account(service)
        assert await shop.store.head() == 1
        await shop.execute(OpenAccount(account="b", owner="x"))


@asynccontextmanager
async def _service(app: App) -> AsyncIterator[CommandService]:
    async with command_service(app, "memory://") as service:
        yield service


def test_a_command_is_not_read_by_get() -> None:
    """A GET changes nothing, so no command may have one."""
    app = App("wrong")

    @app.command("GET /accounts/{account}/payments")
    def pay(command: OpenAccount, account: Account) -> Paid | None:
        return None

    with pytest.raises(DefinitionError, match=r"cannot begin with GET here\. Begin with one of POST,"):
        command_service(app, "memory://")


async def test_a_command_without_a_route_is_not_served() -> None:
    """It is for the inside."""
    app = App("inside")

    @app.command()
    def pay(command: OpenAccount, account: Account) -> Paid | None:
        return None

    async with _service(app) as service:
        assert (await open_account(service)).status == 404


async def test_a_command_that_takes_too_long_may_be_repeated(tmp_path: Path) -> None:
    """Whether it is stored is not known, so the answer has the key to repeat it under."""

    class Slow:
        """What a handler is given, late."""

    app = App("slow")
    calls = iter([30.0, 0.0])

    async def slow() -> Slow:
        await asyncio.sleep(next(calls))
        return Slow()

    app.provide(Slow, slow)

    @app.command("POST /accounts")
    def opens(command: OpenAccount, account: Account, slow: Slow) -> Opened:
        return Opened(account=command.account, owner=command.owner)

    async with command_service(app, f"sqlite:///{tmp_path}/app.db", settings=Settings(deadline=0.1)) as service:
        answer = await open_account(service)
        assert (answer.status, answer.json["code"]) == (503, "deadline")
        key = answer.json["idempotency_key"]
        assert answer.headers["idempotency-key"] == key
        assert (await open_account(service, Idempotency_Key=key)).json["count"] == 1


async def test_a_command_that_is_ended_before_it_is_stored_may_be_repeated() -> None:
    """As by a server whose drain is over: its client is told the key, and then the task ends."""

    class Slow:
        """What a handler is given, late."""

    app, asked, first = App("slow"), asyncio.Event(), iter([True, False])

    async def slow() -> Slow:
        if next(first):
            asked.set()
            await asyncio.sleep(30)
        return Slow()

    app.provide(Slow, slow)

    @app.command("POST /accounts")
    def opens(command: OpenAccount, account: Account, slow: Slow) -> Opened:
        return Opened(account=command.account, owner=command.owner)

    async with command_service(app, "memory://") as service:
        wire = Wire(b'{"account": "a", "owner": "anna"}')
        scope = scope_of("POST", "/accounts", {"Content-Type": "application/json"})
        asking = asyncio.create_task(service(scope, wire.receive, wire.send))
        await asked.wait()
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        assert (wire.sent.status, wire.sent.json["code"]) == (503, "deadline")
        assert (await open_account(service, Idempotency_Key=wire.sent.headers["idempotency-key"])).status == 200


async def test_a_command_that_is_stored_is_told_so_though_its_wait_is_ended() -> None:
    """The task ends once its client has been told."""
    async with command_service(ledger, "memory://", views=False) as service:
        wire = Wire(b'{"account": "a", "owner": "anna"}')
        wish = {"Content-Type": "application/json", "Prefer": "wait=20"}
        asking = asyncio.create_task(service(scope_of("POST", "/accounts", wish), wire.receive, wire.send))
        store = service.opening.value.store

        async def is_stored() -> bool:
            return await store.head() == 1

        await eventually(is_stored)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        assert (wire.sent.status, wire.sent.json["position"]) == (201, 1)
        assert wire.sent.headers["preference-applied"] == 'wait=20; views=""; late="AccountPage"'


async def test_what_is_refused_needs_no_key() -> None:
    """Nothing was stored, and that is known."""
    async with command_service(ledger, "memory://") as service:
        assert "idempotency_key" not in (await send(service, "POST /accounts/a/payments", {"amount": "1"})).json
        assert "idempotency_key" not in (await send(service, "POST /accounts", {})).json
        assert "idempotency_key" not in (await send(service, "POST /breaks", {"how": "badly"})).json


@pytest.mark.parametrize("key", ["k", "a\\b", r'"a\"b"'])
async def test_a_key_is_told_as_it_can_be_sent_again(key: str) -> None:
    """Bare, or in quotes where there is one in it."""
    async with ledger.open("memory://") as shop, command_service(ledger, Doubtful(shop, stores=True)) as service:
        answer = await open_account(service, Idempotency_Key=key)
        assert answer.json["idempotency_key"] == answer.headers["idempotency-key"] == key
