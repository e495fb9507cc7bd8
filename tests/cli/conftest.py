"""What the tests of the command line need: a shell that runs it in this process, and a store with some history."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storied.cli.main import main

APP = "tests.cli.library:app"


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document that was printed."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON Lines that were printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The JSON on standard error."""
        return json.loads(self.err)


Shell = Callable[..., Done]


@pytest.fixture
def empty_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs `storied` with some words, in an empty folder, with no environment of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("STORIED_STORE", "STORIED_APP", "STORIED_DEBUG", "STORIED_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        code = main(words)
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return run


@pytest.fixture
def shell(empty_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The same, where the environment names a store in which four things have happened, and its app."""
    monkeypatch.setenv("STORIED_STORE", "library.db")
    monkeypatch.setenv("STORIED_APP", APP)
    history = [
        {"type": "BookBought", "data": {"book": "b-1", "price": "9.90"}, "tags": ["book:b-1"]},
        {"type": "BookBought", "data": {"book": "b-2", "price": "10.10"}, "tags": ["book:b-2"]},
        {
            "type": "BookLent",
            "data": {"book": "b-1", "reader": "r-1", "due": "2020-02-29"},
            "tags": ["book:b-1", "reader:r-1"],
            "actor": "anna",
            "occurred_at": "2020-02-01T10:00:00+01:00",
        },
        {"type": "BookReturned", "data": {"book": "b-1"}, "tags": ["book:b-1"], "occurred_at": "2020-02-20"},
    ]
    done = empty_shell("append", "-", stdin="\n".join(map(json.dumps, history)))
    assert done.code == 0, done.err
    return empty_shell
