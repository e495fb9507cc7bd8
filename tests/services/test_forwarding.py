"""Who asks, where a proxy passes a request on: as trusted proxies say, and never as the client does."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from storied import DefinitionError
from storied.services.commands import command_service
from storied.services.queries import query_service
from storied.services.settings import Settings
from storied.services.web.forwarding import HOPS, Proxies
from tests.services.asgi import ask, request_of
from tests.services.library import library
from tests.services.test_gate import SETTINGS, make_app
from tests.services.test_live import listening
from tests.services.test_queries import stocked

PROXY, EDGE, CLIENT = "10.0.0.1", "10.0.7.9", "203.0.113.5"
TRUSTED = (PROXY, "10.0.7.0/24", "fd00::/8")
LISTED = "X-Forwarded-For"


def asked_by(
    *headers: tuple[str, str], header: str = LISTED, peer: str = PROXY, trusted: tuple[str, ...] = TRUSTED
) -> tuple[str, str]:
    """From which address a request with these headers comes, and over which scheme."""
    request = request_of("GET", "/", client=(peer, 4711))
    more = [(name.lower().encode(), value.encode()) for name, value in headers]
    request.headers.raw = [*request.headers.raw, *more]
    Proxies(trusted, header).tell(request)
    return str(request.address), request.scope["scheme"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (CLIENT, CLIENT),
        (f"192.0.2.66, {CLIENT}", CLIENT),
        (f"{PROXY}, 192.0.2.66,{CLIENT} , {EDGE}", CLIENT),
        (f"{CLIENT}:5000", CLIENT),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:5000", "2001:db8::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        (EDGE, EDGE),
        (f"{CLIENT}, unknown", PROXY),
        (f"{CLIENT}, unknown, {EDGE}", EDGE),
        (f"{CLIENT},", PROXY),
        ("", PROXY),
        ("x" * 60_000, PROXY),
        ("1.2.3.4.5:80", PROXY),
    ],
)
def test_the_last_that_is_no_trusted_proxy_asks(given: str, found: str) -> None:
    """What stands before it is the client's word, and what cannot be read ends the search."""
    assert asked_by((LISTED, given)) == (found, "http")


def test_headers_that_stand_twice_are_one_list() -> None:
    """In the order in which they came, as HTTP has it; a client that sends one itself gains nothing."""
    assert asked_by((LISTED, "192.0.2.66"), (LISTED, CLIENT))[0] == CLIENT


def test_nobody_else_is_believed() -> None:
    """A client that connects by itself, one in a network beside, and a header that the proxies do not write."""
    assert asked_by((LISTED, "192.0.2.66"), ("X-Forwarded-Proto", "https"), peer=CLIENT) == (CLIENT, "http")
    assert asked_by((LISTED, "192.0.2.66"), peer="10.0.8.1")[0] == "10.0.8.1"
    assert asked_by(("Forwarded", "for=192.0.2.66;proto=https")) == (PROXY, "http")
    assert asked_by((LISTED, "192.0.2.66"), ("X-Forwarded-Proto", "https"), header="Forwarded") == (PROXY, "http")


def test_a_proxy_is_known_by_either_kind_of_its_address() -> None:
    """A socket that listens for both kinds tells the older as one of the newer."""
    assert asked_by((LISTED, CLIENT), peer=f"::ffff:{PROXY}")[0] == CLIENT
    assert asked_by((LISTED, CLIENT), peer="fd12::1")[0] == CLIENT


@pytest.mark.parametrize(
    ("given", "scheme"), [("https", "https"), ("http, HTTPS", "https"), ("wss", "http"), ("", "http")]
)
def test_the_last_proxy_says_whether_it_was_asked_over_tls(given: str, scheme: str) -> None:
    """Beside the address, or alone."""
    assert asked_by((LISTED, CLIENT), ("X-Forwarded-Proto", given)) == (CLIENT, scheme)
    assert asked_by(("X-Forwarded-Proto", given)) == (PROXY, scheme)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (f"for={CLIENT}", (CLIENT, "http")),
        (f"for=192.0.2.66;proto=http, For={CLIENT};Proto=HTTPS;by={PROXY}", (CLIENT, "https")),
        (f"for={CLIENT};proto=https, for={EDGE};proto=http", (CLIENT, "https")),
        ('for="[2001:db8::7]:4711"; proto="https"', ("2001:db8::7", "https")),
        (f'for="{CLIENT}:80"', (CLIENT, "http")),
        ('for="203\\.0.113.5",,', (CLIENT, "http")),
        ("for=unknown;proto=https", (PROXY, "https")),
        ("for=_hidden", (PROXY, "http")),
        ("proto=https", (PROXY, "https")),
        (f'for="192.0.2.66, for={CLIENT}', (PROXY, "http")),
        (f"for = {CLIENT}", (PROXY, "http")),
        (f"for={CLIENT} by=x", (PROXY, "http")),
        ("", (PROXY, "http")),
        (";" * 60_000, (PROXY, "http")),
        ('for="' + "\\a" * 30_000, (PROXY, "http")),
    ],
)
def test_the_standards_header_says_the_same(given: str, found: tuple[str, str]) -> None:
    """Of several hops each with a scheme of its own; where a quote does not end, no part is sure."""
    assert asked_by(("Forwarded", given), header="Forwarded") == found


@pytest.mark.parametrize("place", ["", "proxy.example", "10.0.0.0/33", "10.0.0.1/24", "::1/128/1"])
def test_a_proxy_that_no_address_is_like_is_refused(place: str) -> None:
    """When the settings are made."""
    with pytest.raises(DefinitionError, match="Write it such as"):
        Settings(proxies=(place,))
    with pytest.raises(DefinitionError, match="Name one of"):
        Settings(proxy_header="X-Real-IP")


@pytest.mark.parametrize(
    ("place", "remedy"),
    [("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:10.0.0.1", "10.0.0.1"), ("::ffff:0:0/96", "0.0.0.0/0")],
)
def test_a_network_of_the_older_kind_is_named_as_that(place: str, remedy: str) -> None:
    """Addresses are compared as what they are, so it would never be one of them."""
    with pytest.raises(DefinitionError, match=f"Write it as {remedy}\\.$"):
        Settings(proxies=(place,))


@pytest.mark.parametrize(("header", "written"), [(LISTED, "{}"), ("Forwarded", "for={}")])
def test_so_many_proxies_are_looked_at_and_no_more(header: str, written: str) -> None:
    """A header is walked before it is held against any limit; the last that is looked at asks then."""

    def through(count: int) -> str:
        hops = [CLIENT, *(f"10.0.7.{1 + n}" for n in reversed(range(count)))]
        return asked_by((header, ", ".join(map(written.format, hops))), header=header)[0]

    assert (through(HOPS - 1), through(HOPS), through(200)) == (CLIENT, f"10.0.7.{HOPS}", f"10.0.7.{HOPS}")


async def test_clients_behind_a_proxy_have_streams_of_their_own(tmp_path: Path) -> None:
    """Without the setting they share those of the proxy."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with stocked(url):
        for proxies, status in (((), 429), ((PROXY,), 200)):
            service = query_service(library, url, settings=Settings(client_stream_limit=1, proxies=proxies))
            async with service, listening(service, "/books", client=PROXY, x_forwarded_for=CLIENT) as first:
                await first.next()
                async with listening(service, "/books", client=PROXY, x_forwarded_for="192.0.2.7") as other:
                    await other.wire.chunks.get()
                    assert other.wire.sent.status == status
                async with listening(service, "/books", client=PROXY, x_forwarded_for=f"192.0.2.8, {CLIENT}") as again:
                    await again.wire.chunks.get()
                    assert again.wire.sent.status == 429


async def test_what_is_logged_and_audited_names_who_asks(caplog: pytest.LogCaptureFixture) -> None:
    """By their own address."""
    caplog.set_level(logging.INFO, "storied.access")
    caplog.set_level(logging.INFO, "storied.audit")
    settings = Settings(proxies=(PROXY,), access_log=True, verifier=SETTINGS.verifier)
    async with command_service(make_app(), "memory://", settings=settings) as service:
        await ask(service, "GET", "/metrics", headers={LISTED: CLIENT}, client=(PROXY, 1))
    assert [json.loads(record.message)["client"] for record in caplog.records] == [CLIENT, CLIENT]


async def test_a_cookie_is_for_tls_alone_where_the_proxy_was_asked_over_it() -> None:
    """As it would be without a proxy."""
    async with command_service(make_app(rules=False), "memory://", settings=Settings(proxies=(PROXY,))) as service:

        async def cookie(peer: str, **headers: str) -> str:
            given = {"Content-Type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
            answer = await ask(service, "POST", "/notes", b'{"note": "n"}', given, client=(peer, 1))
            return answer.headers["set-cookie"]

        assert (await cookie(PROXY, X_Forwarded_For=CLIENT, X_Forwarded_Proto="https")).endswith("; Secure")
        assert "Secure" not in await cookie(PROXY, X_Forwarded_For=CLIENT)
        assert "Secure" not in await cookie(CLIENT, X_Forwarded_Proto="https")


async def test_who_comes_through_a_proxy_is_no_operator_by_address() -> None:
    """Whatever address the proxy, or the client, says."""
    async with command_service(
        make_app(rules=False), "memory://", settings=Settings(proxies=("127.0.0.0/8",))
    ) as service:
        for asked in (CLIENT, "127.0.0.1", "127.0.0.1, 127.0.0.2"):
            answer = await ask(service, "GET", "/readyz", headers={LISTED: asked}, client=("127.0.0.1", 1))
            assert "reasons" not in answer.json
