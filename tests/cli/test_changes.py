"""`get --history` prints what each event changed in a document, as the query service tells it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from storied import App, Event, Id, View, on
from storied.cli import changes
from storied.services.queries import query_service
from tests.cli.conftest import Shell
from tests.cli.guarded import CLERK, READER
from tests.services.asgi import ask

app = App("notes")


class Noted(Event):
    page: Id
    text: str


class Torn(Event):
    page: Id


class Stained(Event):
    page: Id


@app.view("GET /pages/{page}")
class Page(View, indexes=["last"]):
    page: Id
    lines: dict[str, str] = {}
    last: str | None = None

    @on
    def noted(self, event: Noted) -> None:
        self.last = event.text
        self.lines[event.text] = event.text

    @on
    def torn(self, event: Torn) -> None:
        self.last = None
        self.lines = {}

    @on
    def stained(self, event: Stained) -> None:
        raise ValueError("a stain says nothing")


@app.view("GET /words/{last}")
class Word(View, indexes=["pages"]):
    last: Id
    pages: int = 0

    @on(key="text")
    def noted(self, event: Noted) -> None:
        self.pages += 1

    @on(where="pages")
    def counted(self, event: "Counted") -> None:
        self.pages = 0


class Counted(Event):
    pages: int


@pytest.fixture
def noted(empty_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The shell, where the environment names a store of three pages, one of which was stained, and its app."""
    monkeypatch.setenv("STORIED_STORE", "notes.db")
    monkeypatch.setenv("STORIED_APP", "tests.cli.test_changes:app")
    lines = [
        {"type": "Noted", "data": {"page": "a", "text": "one"}, "tags": ["page:a"], "actor": "anna"},
        {"type": "Noted", "data": {"page": "b", "text": "other"}, "tags": ["page:b"]},
        {"type": "Noted", "data": {"page": "a", "text": "two"}, "tags": ["page:a"], "occurred_at": "2020-02-20"},
        {"type": "Torn", "data": {"page": "a"}, "tags": ["page:a"]},
        {"type": "Torn", "data": {"page": "a"}, "tags": ["page:a"]},
        {"type": "Noted", "data": {"page": "c", "text": "x"}, "tags": ["page:c"]},
        {"type": "Stained", "data": {"page": "c"}, "tags": ["page:c"]},
        {"type": "Noted", "data": {"page": "c", "text": "y"}, "tags": ["page:c"]},
    ]
    done = empty_shell("append", "-", stdin="\n".join(map(json.dumps, lines)))
    assert done.code == 0, done.err
    return empty_shell


def told(shell: Shell, key: str, *words: str) -> list[dict[str, Any]]:
    """The events of the page's history."""
    done = shell("get", "Page", key, "--history", "--json", *words)
    assert done.code == 0, done.err
    return done.lines


def positions(shell: Shell, key: str, *words: str) -> list[int]:
    """Their positions."""
    return [event["position"] for event in told(shell, key, *words)]


def test_each_event_says_what_it_changed(noted: Shell) -> None:
    """Beside what it was, who did it, when and why."""
    done = noted("get", "Page", "a", "--history")
    assert done.code == 0, done.err
    assert done.out.startswith("Page a  up to position 8\n1  Noted\n   recorded  ")
    first, third, torn, again = done.out.split("\n3  ")[0], *done.out.split("\n3  ")[1].split("  Torn\n")
    assert "   who       anna\n" in first
    assert first.endswith('\n   added     /lines  {"one":"one"}\n   added     /last  "one"')
    assert "   occurred  2020-02-20T00:00:00Z\n" in third
    assert '   added     /lines/two  "two"\n   changed   /last  "one" -> "two"\n' in third
    assert '   removed   /lines/one  "one"\n' in torn
    assert '   changed   /last  "two" -> null\n' in torn
    assert again.endswith("   changed   nothing\n")


def test_what_could_not_be_applied_says_why(noted: Shell) -> None:
    """And each event behind it, that the document is held back, and at which one."""
    done = noted("get", "Page", "c", "--history")
    assert "   failed    ValueError: a stain says nothing\n8  Noted\n" in done.out
    assert done.out.endswith("   changed   nothing: the document is held back at 7\n")


@pytest.mark.parametrize("page", [1, 2, 256])
@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_it_says_what_the_query_service_says(
    noted: Shell, monkeypatch: pytest.MonkeyPatch, key: str, page: int
) -> None:
    """Event for event, however many are held in memory at once, in the keys of `tail` with two more."""

    async def served() -> list[dict[str, Any]]:
        async with query_service(app, "sqlite:///notes.db") as service:
            entries: list[dict[str, Any]] = (await ask(service, "GET", f"/pages/{key}/history")).json
            return entries

    monkeypatch.setattr(changes, "PAGE", page)
    found = told(noted, key)
    assert [list(event) for event in found] == [[*noted("tail", "-n", "1", "--json").json, "changes", "error"]] * len(
        found
    )
    own = ("position", "id", "type", "data", "changes", "error")
    assert [{name: event.get(name) for name in own} for event in found] == [
        {name: entry.get(name) for name in own} for entry in asyncio.run(served())
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [1, 3, 4, 5]),
        (("--limit", "2"), [1, 3]),
        (("--after", "3"), [4, 5]),
        (("--after", "1", "--limit", "1"), [3]),
        (("--at", "4"), [1, 3, 4]),
        (("--at", "occurred:2020-03-01"), [3]),
        (("--at", "2", "--after", "2"), []),
        (("--after", "99"), []),
    ],
)
def test_a_stretch_can_be_asked_for(noted: Shell, words: tuple[str, ...], expected: list[int]) -> None:
    """Up to a moment of the past, beyond a position, or so many."""
    assert positions(noted, "a", *words) == expected


def test_what_is_left_is_told(noted: Shell) -> None:
    """With the option that goes on with it; at the end nothing is."""
    assert noted("get", "Page", "a", "--history", "--limit", "2").out.endswith("\nmore: --after 3\n")
    assert "more:" not in noted("get", "Page", "a", "--history", "--limit", "4").out


def test_a_long_history_is_printed_whole(noted: Shell) -> None:
    """Each event once, whatever page it stands on."""
    line = json.dumps({"type": "Torn", "data": {"page": "b"}, "tags": ["page:b"]})
    assert noted("append", "-", stdin=f"{line}\n" * 600).code == 0
    assert positions(noted, "b") == [2, *range(9, 609)]
    assert len(positions(noted, "b", "--limit", "300")) == 300


def test_stored_text_does_not_reach_the_terminal(noted: Shell) -> None:
    """Neither as a value, nor in the path of one, nor in JSON."""
    assert noted("append", "Noted", '{"page": "d", "text": "\\u001b[31m\\u202e"}', "--tag", "page:d").code == 0
    text, lines = (noted("get", "Page", "d", "--history", *words) for words in ((), ("--json",)))
    assert "\x1b" not in text.out + lines.out
    assert "\u202e" not in text.out + lines.out
    assert lines.lines[0]["changes"][1]["after"] == {"\x1b[31m\u202e": "\x1b[31m\u202e"}


def test_a_document_without_a_history_is_not_found(noted: Shell) -> None:
    """Also where it comes later than asked for."""
    for words in (("nobody",), ("b", "--at", "1")):
        done = noted("get", "Page", *words, "--history", "--json")
        assert (done.code, done.out, done.error["error"]) == (1, "", "not-found")


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--history",), "Page has no history of '' up to position 8."), ((), "Page has no document '' at position 8.")],
)
def test_the_key_of_what_is_not_found_can_be_told_from_the_sentence(
    noted: Shell, words: tuple[str, ...], said: str
) -> None:
    """Also one without a character."""
    assert said in noted("get", "Page", "", *words).err


def test_what_cannot_be_told_is_refused(noted: Shell) -> None:
    """A view that finds documents by what is in them has no histories; a stretch is of a history."""
    assert noted("get", "Word", "one", "--history", "--json").error["error"] == "no-history"
    for option in ("--after", "--limit"):
        done = noted("get", "Page", "a", option, "1")
        assert (done.code, "Add --history" in done.err) == (2, True)


def test_the_read_models_are_not_needed(noted: Shell) -> None:
    """Nor made: it is read from the log."""
    assert told(noted, "a")
    assert not Path("notes.views.db").exists()


@pytest.fixture
def guarded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The library with rules: the book b-1 was r-1's for a while, b-2 is."""
    monkeypatch.setenv("STORIED_APP", "tests.cli.guarded:app")
    lent = json.dumps({"book": "b-2", "reader": "r-1", "due": "2020-03-01"})
    assert shell("append", "BookLent", lent, "--tag", "book:b-2").code == 0
    return shell


def test_who_sees_what_is_theirs_is_told_of_that_time(guarded: Shell) -> None:
    """And nothing of before; who sees everything is told everything."""
    mine = guarded("get", "LoanPage", "b-2", "--history", "--json", "--token", READER)
    assert [event["position"] for event in mine.lines] == [5]
    assert [change["path"] for change in mine.lines[0]["changes"]] == ["/book", "/reader"]
    whole = guarded("get", "LoanPage", "b-2", "--history", "--json", "--token", CLERK)
    assert [event["position"] for event in whole.lines] == [2, 5]


def test_another_s_history_and_none_are_the_same(guarded: Shell) -> None:
    """Now, and in the past of what is theirs now."""
    assert guarded("append", "BookBought", '{"book": "b-3", "price": "1"}', "--tag", "book:b-3").code == 0
    for at in ((), ("--at", "4")):
        keys = ("b-3", "b-9") if not at else ("b-2", "b-9")
        other, absent = (guarded("get", "LoanPage", key, "--history", "--json", *at, "--token", READER) for key in keys)
        assert (other.code, absent.code) == (1, 1)
        assert other.err.replace(keys[0], "b-9") == absent.err
