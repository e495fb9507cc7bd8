"""The command line's page leaves nothing out, and every verb keeps the common promises."""

import json
import re
from pathlib import Path

import pytest

from storied.cli.failures import MEANINGS
from storied.cli.main import VERBS
from storied.operating.lines import end_line, header_line
from tests.cli.conftest import Shell
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"
COMMON = {"--help", "--json", "--debug", "--store", "--app", "--token", "--keys", "--config"}
EXAMPLES = {
    "demo": ["--store", "demo.db"],
    "append": ["A", "{}"],
    "tail": [],
    "history": ["book:b-1"],
    "state": ["Book", "b-1"],
    "get": ["BookPage", "b-1"],
    "find": ["BookPage"],
    "streams": [],
    "stats": [],
    "views": [],
    "verify": [],
    "check": [],
    "backup": ["copy.db"],
    "export": ["copy.jsonl"],
    "import": ["empty.jsonl", "--store", "new.db"],
    "serve": ["--port", "0", "--check"],
    "work": ["--check"],
    "keys": ["new", "anna"],
    "openapi": [],
}
STORELESS = {"keys", "openapi"}
NAMES = [verb.name for verb in VERBS]


def section(name: str) -> str:
    """What the page says about the verb; about all verbs, for an unknown one."""
    _, *sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return next(text for text in sections if text.startswith(f"`storied {name}`\n") or text.startswith(f"{name}\n"))


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_and_option_is_documented(shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each verb has a section, which names each of its options; the common ones stand in their table."""
    monkeypatch.setenv("COLUMNS", "200")
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shell(name, "--help").out.split("example:")[0])) - {"-h"}
    assert options >= {"--json", "--debug"} | ({"--store"} if name not in STORELESS else set())
    assert [option for option in options - COMMON if f"`{option}" not in section(name)] == []
    assert [option for option in options & COMMON if f"`{option}" not in section("What all verbs share")] == []


@pytest.mark.parametrize("code", MEANINGS)
def test_every_exit_code_is_documented(code: int) -> None:
    """The page has a row for each."""
    assert f"\n| {code} | " in section("Exit codes")


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_speaks_json(shell: Shell, tmp_path: Path, name: str) -> None:
    """With --json, each line of output is a JSON object whose keys the page names."""
    (tmp_path / "empty.jsonl").write_bytes(header_line("01a2", 0) + end_line(0, 0))
    done = shell(name, *EXAMPLES[name], "--json")
    assert done.code == 0, done.err
    assert done.out
    keys = {key for line in done.lines for key in line}
    text = section("tail") if name == "history" else section(name)
    assert [key for key in keys if f'"{key}"' not in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_fails_in_json(shell: Shell, name: str) -> None:
    """With --json, an error is a JSON object with a code and a message."""
    done = shell(name, "--json", "--no-such-option")
    assert (done.code, done.out, set(json.loads(done.err))) == (2, "", {"error", "message"})


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_has_an_example(shell: Shell, name: str) -> None:
    """Its help ends in a command that begins with its name."""
    assert f"example:\n  $ storied {name}" in shell(name, "--help").out
