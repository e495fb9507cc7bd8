"""The page that shows the description: whole without a script, and nothing on it but text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from storied.examples.shop import app as shop
from storied.services.commands import command_service
from storied.services.describing.page import page_of, prose
from storied.services.openapi import openapi
from storied.services.settings import Settings
from tests.services.asgi import ask
from tests.services.oddities import odd


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the tag."""
        given = {name: value or "" for name, value in attrs}
        self.names.add(tag)
        self.attributes |= given.keys()
        self.ids += [given["id"]] if "id" in given else []
        if tag == "a":
            self.links.append(given["href"])
        elif "src" in given or "href" in given:
            self.loads.append(given.get("src") or given["href"])
        if tag not in ("meta", "link", "input", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It closes what was opened last."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
def test_the_page_shows_every_operation(app: Any) -> None:
    """With its path, its summary, its parameters, and a command line to try."""
    document = openapi(app)
    page = page_of(document)
    tags = Tags(page)
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["operationId"] in tags.ids
            assert f"#{operation['operationId']}" in tags.links
        assert path.replace("/", "<wbr>/") in page
    assert page.count("curl ") == sum(map(len, document["paths"].values()))
    assert "Idempotency-Key" in page
    assert "idempotency-key-reused" in page


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
def test_every_link_on_the_page_leads_somewhere(app: Any) -> None:
    """Each name stands once, and each link that begins with # names one."""
    tags = Tags(page_of(openapi(app)))
    assert tags.open == []
    assert len(set(tags.ids)) == len(tags.ids)
    assert {link[1:] for link in tags.links if link.startswith("#")} <= set(tags.ids)


def test_nothing_from_a_docstring_becomes_markup() -> None:
    """Nor from a name; only code in backticks, paragraphs and lists are shown as such."""
    page = page_of(openapi(odd))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;i&gt;markup&lt;/i&gt;" in page
    assert "<i>" not in page
    assert prose("`<b>` & more\n\n- one\n- `two`") == (
        "<p><code>&lt;b&gt;</code> &amp; more</p>\n<ul><li>one</li><li><code>two</code></li></ul>\n"
    )


def test_the_page_loads_its_own_two_files_alone() -> None:
    """No script and no style stands in it, and nothing comes from elsewhere."""
    page = page_of(openapi(odd))
    tags = Tags(page)
    assert tags.loads == ["docs/storied.css", "docs/storied.js"]
    assert "style" not in tags.names | tags.attributes
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""]


async def test_the_page_and_its_files_are_served_under_a_strict_policy() -> None:
    """A browser loads what the service sends, and runs nothing that stands in the page."""
    service = command_service(shop, "memory://")
    for path, media in {
        "/docs": "text/html",
        "/docs/storied.css": "text/css",
        "/docs/storied.js": "text/javascript",
    }.items():
        answer = await ask(service, "GET", path)
        assert (answer.status, answer.headers["content-type"]) == (200, f"{media}; charset=utf-8")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = await ask(service, "GET", path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")


def test_the_command_line_has_what_the_operation_needs() -> None:
    """Its path filled in, its body, its credential; every part quoted for a shell."""
    page = page_of(openapi(shop, settings=Settings(verifier=Own())))
    assert "curl http://localhost:8000/orders/order-1/payments -X POST \\\n" in page
    assert "-H &#x27;Authorization: Bearer …&#x27;" in page
    assert "-d &#x27;{&quot;value&quot;: &quot;19.90&quot;" in page


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_command_lines_ask_where_the_page_was_asked_for(scheme: str) -> None:
    """Also those who load no script, and each by their own address; its tag goes with it."""
    settings = Settings(hosts=("*",))
    service = command_service(shop, "memory://", settings=settings)
    tags = set()
    for host in ("127.0.0.1:9123", "shop.example", "[::1]:80"):
        answer = await ask(service, "GET", "/docs", headers={"Host": host}, scheme=scheme)
        assert f"curl {scheme}://{host}/orders -X POST".encode() in answer.body
        assert b"localhost" not in answer.body
        assert b".invalid" not in answer.body
        tags.add(answer.headers["etag"])
    assert len(tags) == 3


@pytest.mark.parametrize("host", ["a'b", "x;ls", "<b>", "a b", ""])
async def test_a_host_that_no_client_writes_is_not_taken_over(host: str) -> None:
    """Even where every host is answered for: it stands in a command line, and in markup."""
    service = command_service(shop, "memory://", settings=Settings(hosts=("*",)))
    answer = await ask(service, "GET", "/docs", headers={"Host": host})
    assert answer.status in (200, 421)
    if answer.status == 200:
        assert b"curl http://localhost:8000/orders -X POST" in answer.body


class Own:
    """A verifier that says nothing of how it is asked."""

    async def verify(self, headers: Any) -> None:
        """Nobody."""
        return
