"""The keys of an OpenID provider are found from its issuer, and of nobody else."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from storied import DefinitionError, Principal
from storied.errors import AccessDenied, RequestRefused
from storied.services.access import discovery, tokens
from storied.services.access.discovery import CONFIGURATION, MOST_BYTES, DiscoveryFailed, keys_of
from storied.services.access.tokens import JwtVerifier
from storied.services.commands import command_service
from storied.services.settings import Settings
from storied.testing.waiting import eventually
from tests.services.asgi import ask
from tests.services.ledger import ledger
from tests.services.serving import served
from tests.services.test_commands import send
from tests.services.test_tokens import OTHER, PRIVATE, jwks, signed


class Provider:
    """An OpenID provider: what it answers at each path, and how often it was asked."""

    def __init__(self) -> None:
        self.issuer = ""
        self.keys: Any = jwks(("one", PRIVATE))
        self.changes: dict[str, Any] = {}
        self.bodies: dict[str, bytes] = {}
        self.status = 200
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.endless: bytes | None = None
        """What stands behind a body again and again, a piece every few milliseconds, as long as it is anything."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers."""
        path = scope["path"]
        self.asked.append(path)
        await self.gate.wait()
        told: dict[str, Any] = {CONFIGURATION: self._configuration(), "/keys": self.keys}
        body = self.bodies.get(path, json.dumps(told.get(path)).encode())
        headers = [(b"location", f"{self.issuer}/elsewhere".encode())]
        if self.endless is None:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        while self.endless is not None:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = self.endless
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": body})

    def _configuration(self) -> dict[str, Any]:
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"} | self.changes

    def verifier(self) -> JwtVerifier:
        """One that believes the provider."""
        return JwtVerifier(algorithms=["RS256"], issuer=self.issuer, audience="shop", fetch=keys_of(self.issuer))

    def token(self, key: rsa.RSAPrivateKey = PRIVATE, key_id: str = "one") -> str:
        """A token that the provider gave."""
        return signed(key, header={"kid": key_id}, iss=self.issuer)


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """A provider on this machine."""
    made = Provider()
    async with served(made, lifespan="off") as client:
        made.issuer = str(client.base_url).rstrip("/")
        try:
            yield made
        finally:
            made.endless = None


async def found(by: JwtVerifier, token: str) -> Principal | None:
    """Who it is."""
    return await by.verify({"authorization": f"Bearer {token}"})


async def test_the_keys_are_found_when_the_first_token_comes() -> None:
    """Once for many: the configuration, then the keys that it names."""
    async with provider() as at:
        by = at.verifier()
        assert not at.asked
        principals = await asyncio.gather(*(found(by, at.token()) for _ in range(20)))
        assert {principal.id for principal in principals if principal is not None} == {"anna"}
        assert at.asked == [CONFIGURATION, "/keys"]


async def test_a_key_that_the_provider_leaves_out_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour the keys are fetched although no token asks for it, beside the request that comes then."""
    async with provider() as at:
        by = at.verifier()
        assert await found(by, at.token())
        at.keys = jwks(("two", OTHER))
        assert await found(by, at.token())
        monkeypatch.setattr(tokens, "RENEW_SECONDS", 0.0)

        async def is_refused() -> bool:
            try:
                return await found(by, at.token()) is None
            except AccessDenied:
                return True

        await eventually(is_refused, 20)
        assert await found(by, at.token(OTHER, "two"))


async def test_a_provider_that_is_away_keeps_nobody_out_who_was_let_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its keys stay; while there are none, the server says that it cannot verify, and not that the token is bad."""
    monkeypatch.setattr(tokens, "FETCH_SECONDS", 0.0)
    monkeypatch.setattr(tokens, "RENEW_SECONDS", 0.0)
    async with provider() as at:
        at.status = 500
        by = at.verifier()
        with caplog.at_level(logging.WARNING), pytest.raises(RequestRefused) as refused:
            await found(by, at.token())
        assert refused.value.code == "no-keys"
        [record] = caplog.records
        assert record.exc_info is None
        assert CONFIGURATION in record.getMessage()
        async with command_service(ledger, "memory://", settings=Settings(verifier=by)) as service:
            headers = {"Authorization": f"Bearer {at.token()}"}
            body = {"account": "a", "owner": "x"}
            answer = await send(service, "POST /accounts", body, **headers)
            assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "no-keys", "30")
            at.status = 200
            assert (await send(service, "POST /accounts", body, **headers)).status == 201
        at.status = 500
        for _ in range(3):
            assert await found(by, at.token())


async def test_a_request_that_ends_early_does_not_end_the_fetch() -> None:
    """Others wait for the same."""
    async with provider() as at:
        at.gate.clear()
        by = at.verifier()
        first, second = (asyncio.create_task(found(by, at.token())) for _ in range(2))
        await eventually(lambda: bool(at.asked), 20)
        first.cancel()
        at.gate.set()
        assert await second
        assert at.asked == [CONFIGURATION, "/keys"]


WRONG: dict[str, Callable[[Provider], Any]] = {
    "another issuer": lambda at: at.changes.update(issuer=at.issuer + "/"),
    "no place of keys": lambda at: at.changes.update(jwks_uri=None),
    "a place without TLS": lambda at: at.changes.update(jwks_uri="http://keys.example/"),
    "a file": lambda at: at.changes.update(jwks_uri="file:///etc/passwd"),
    "a password": lambda at: at.changes.update(jwks_uri="https://a:b@keys.example/"),
    "no port": lambda at: at.changes.update(jwks_uri="https://keys.example:99999999/"),
    "no keys": lambda at: setattr(at, "keys", {"keys": "none"}),
    "a list": lambda at: setattr(at, "keys", []),
    "no JSON": lambda at: at.bodies.update({"/keys": b"<html>"}),
    "other bytes": lambda at: at.bodies.update({CONFIGURATION: b"\xff\xfe"}),
    "too deep": lambda at: at.bodies.update({CONFIGURATION: b"[" * 200_000}),
    "too long": lambda at: at.bodies.update({"/keys": json.dumps(at.keys).encode() + b" " * MOST_BYTES}),
    "elsewhere": lambda at: setattr(at, "status", 302),
    "an error": lambda at: setattr(at, "status", 404),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_provider_that_says_something_else_gives_no_keys(wrong: str) -> None:
    """It is told as what it is, and what it leads to is not asked."""
    async with provider() as at:
        WRONG[wrong](at)
        with pytest.raises(DiscoveryFailed):
            await keys_of(at.issuer)()
        assert set(at.asked) <= {CONFIGURATION, "/keys"}


UNSAFE: dict[str, Callable[[Provider, Path], str]] = {
    "no TLS": lambda at, _: f"{at.issuer.replace('127.0.0.1', '0.0.0.0')}/keys",  # which leads to this machine
    "a file": lambda _, file: file.as_uri(),
    "what it says itself": lambda at, _: f"data:application/json,{quote(json.dumps(at.keys))}",
    "a password": lambda at, _: f"{at.issuer.replace('//', '//a:b@')}/keys",
}


@pytest.mark.parametrize("unsafe", UNSAFE)
async def test_a_place_of_keys_that_is_not_safe_is_not_asked(unsafe: str, tmp_path: Path) -> None:
    """Though good keys are there: whoever sits in between could have put them there."""
    async with provider() as at:
        file = tmp_path / "keys.json"
        file.write_text(json.dumps(at.keys))
        at.changes["jwks_uri"] = UNSAFE[unsafe](at, file)
        with pytest.raises(DiscoveryFailed, match="names no https:// place of its keys"):
            await keys_of(at.issuer)()
        assert at.asked == [CONFIGURATION]


async def test_a_provider_that_nobody_reaches_gives_no_keys() -> None:
    """Its server is down."""
    async with provider() as at:
        fetch = keys_of(at.issuer)
    with pytest.raises(DiscoveryFailed, match="cannot be read"):
        await fetch()


@pytest.mark.parametrize(
    "issuer",
    ["http://login.example", "login.example", "", "https://", "ftp://127.0.0.1/", "https://a@b/", "https://b/?x=1"],
)
def test_an_issuer_without_tls_is_refused(issuer: str) -> None:
    """Whoever sits in between could give keys of his own."""
    with pytest.raises(DefinitionError, match="https"):
        keys_of(issuer)


async def test_the_configuration_stands_below_the_issuer_with_or_without_a_slash_at_its_end() -> None:
    """A path of the issuer comes first."""
    async with provider() as at:
        at.issuer += "/realms/shop/"
        place = "/realms/shop" + CONFIGURATION
        at.bodies[place] = json.dumps({"issuer": at.issuer, "jwks_uri": at.issuer + "keys"}).encode()
        at.bodies["/realms/shop/keys"] = json.dumps(jwks(("one", PRIVATE))).encode()
        assert await found(at.verifier(), at.token())
        assert at.asked == [place, "/realms/shop/keys"]


async def test_a_provider_that_takes_too_long_gives_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """However its answer trickles in; what still waits for it holds up nobody, nor the end of the process."""
    monkeypatch.setattr(discovery, "SECONDS", 0.2)
    async with provider() as at:
        at.gate.clear()
        with pytest.raises(DiscoveryFailed, match=r"took over 0\.2 s|cannot be read"):
            await keys_of(at.issuer)()
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "storied-discovery")
        at.gate.set()


async def test_a_provider_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never silent for long, and never done."""
    monkeypatch.setattr(discovery, "SECONDS", 0.3)
    async with provider() as at:
        at.endless = b" "
        with pytest.raises(DiscoveryFailed, match=r"took over 0\.3 s"):
            await asyncio.wait_for(keys_of(at.issuer)(), 10)
        reading = [thread for thread in threading.enumerate() if thread.name == "storied-discovery"]
        assert reading
        assert all(thread.daemon for thread in reading)  # the end of the process does not wait for them


async def test_a_provider_on_this_machine_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes without TLS does not leave the machine, whatever the environment says of proxies."""
    async with provider() as at, provider() as proxy:
        monkeypatch.setenv("http_proxy", proxy.issuer)
        monkeypatch.delenv("no_proxy", raising=False)
        assert await keys_of(at.issuer)() == at.keys
        assert not proxy.asked


async def test_no_more_is_read_of_a_provider_than_may_be() -> None:
    """What is behind that is not waited for."""
    async with provider() as at:
        at.bodies[CONFIGURATION] = b" " * (MOST_BYTES + 1)
        at.endless = b" "
        with pytest.raises(DiscoveryFailed, match=f"at most {MOST_BYTES} bytes"):
            await keys_of(at.issuer)()


async def test_keys_that_protect_nothing_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """And take none of the others along."""
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    async with provider() as at:
        at.keys = jwks(("weak", weak), ("one", PRIVATE))
        at.keys["keys"].insert(0, {"kty": "oct", "k": "c2hvcnQ", "kid": "short"})
        by = at.verifier()
        assert await found(by, at.token())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyJWT warns of the key, too
            forged = at.token(weak, "weak")
        with pytest.raises(AccessDenied):
            await found(by, forged)
    assert sum("is not used" in record.getMessage() for record in caplog.records) >= 2


async def test_tokens_without_the_name_of_a_key_follow_the_provider_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no key has signed has the keys fetched anew; then those of the old key are refused."""
    monkeypatch.setattr(tokens, "FETCH_SECONDS", 0.0)
    async with provider() as at:
        by = at.verifier()
        old, new = signed(PRIVATE, iss=at.issuer), signed(OTHER, iss=at.issuer)
        assert await found(by, old)
        at.keys = jwks(("two", OTHER))
        assert await found(by, new)
        with pytest.raises(AccessDenied):
            await found(by, old)


async def test_whether_a_server_lives_does_not_depend_on_its_provider() -> None:
    """A probe may show a token; nobody can verify it while the provider is away."""
    async with provider() as at:
        at.status = 500
        by = at.verifier()
        async with command_service(ledger, "memory://", settings=Settings(verifier=by)) as service:
            answer = await ask(service, "GET", "/livez", b"", {"Authorization": f"Bearer {at.token()}"})
            assert answer.status == 200
