"""Every link on a page leads somewhere: to a file that is there, and to a heading that stands in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.pages import ROOT, pages

ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)  # https:, mailto:


def inline(text: str) -> Iterator[Token]:
    """The tokens within the lines of a page, code spans among them but no fenced block."""
    for token in MarkdownIt().enable("table").parse(text):
        yield from token.children or ()


def links(text: str) -> list[str]:
    """Where the page's links and images that stay in the repository lead."""
    found = [str(token.attrs.get("href") or token.attrs.get("src") or "") for token in inline(text) if token.attrs]
    return [link for link in found if link and not ELSEWHERE.match(link)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt().parse(text)
    titles = [
        "".join(child.content for child in tokens[i + 1].children or ())
        for i, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page: Path, text: str) -> list[str]:
    """The links of the page, as if it had this text, that lead nowhere."""
    return [link for link in links(text) if not leads_somewhere(page, text, link)]


def leads_somewhere(page: Path, text: str, link: str) -> bool:
    """Whether the link's file exists inside the repository, and has the heading it names."""
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    if not anchor:
        return True
    return anchor in anchors(text if target == page else target.read_text(encoding="utf-8"))


ALL_PAGES = [*pages(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file in the repository, and a heading in it if it names one."""
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_every_page_is_in_the_index() -> None:
    """A page that docs/README.md does not name would never be found."""
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / link).resolve() for link in links(index.read_text(encoding="utf-8"))}
    assert [page for page in pages() if page.is_relative_to(index.parent) and page not in {*named, index}] == []


@pytest.mark.parametrize("link", ["no.md", "README.md#nowhere", "#nowhere", "../../../etc/hostname", "docs/no.png"])
def test_a_broken_link_is_found(link: str) -> None:
    """A missing file, a missing heading and a way out of the repository are all mistakes."""
    assert broken(ROOT / "README.md", f"# Here\n[text]({link})") == [link]


@pytest.mark.parametrize("link", ["#here-it-is", "LICENSE", "https://example.com/x", "docs/../README.md"])
def test_a_good_link_passes(link: str) -> None:
    """A heading of the page, a file, and any address elsewhere are fine."""
    assert broken(ROOT / "README.md", f"# Here, it *is*!\n[text]({link})") == []
