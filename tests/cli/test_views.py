"""`storied views` tells how the views are doing, and retries and rebuilds them."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from storied.cli.main import make_parser
from storied.cli.views import _duration
from storied.engines.sqlite.documents import SqliteDocuments
from storied.errors import KeyParked, NotCaughtUp, ViewRebuilding
from storied.projections import reporting
from storied.store.documents import Heartbeat
from storied.testing.waiting import eventually
from tests.cli.conftest import Shell
from tests.cli.sales import REFUSED
from tests.cli.test_processes import environment, heed_interrupts, on_terminal
from tests.docs.pages import ROOT

SALES = "tests.cli.sales:"


@pytest.fixture
def shop(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with a store in which two documents are parked."""
    monkeypatch.setenv("STORIED_STORE", "sales.db")
    monkeypatch.setenv("STORIED_APP", f"{SALES}one")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setenv(REFUSED, "3 4")
    sold = [("a", 1), ("a", 3), ("b", 4), ("c", 2), ("a", 5), ("b", 1)]
    lines = (f'{{"type": "Sold", "data": {{"item": "{item}", "amount": {amount}}}}}' for item, amount in sold)
    assert shell("append", "-", stdin="\n".join(lines)).code == 0
    assert shell("get", "Sales", "c").code == 0
    return shell


def report(shell: Shell) -> Any:
    """What is told of the one view."""
    return shell("views", "--json").json


def test_views_that_were_never_built_are_absent(shell: Shell, tmp_path: Path) -> None:
    """Each is listed, and looking does not make their file."""
    reports = shell("views", "--json").lines
    assert [(told["view"], told["state"], told["position"], told["lag_events"]) for told in reports] == [
        ("BookPage", "absent", 0, 4),
        ("ReaderPage", "absent", 0, 0),
    ]
    assert not (tmp_path / "library.views.db").exists()


def test_find_says_which_documents_are_held_back(shop: Shell) -> None:
    """Those shown are as they were before; the position is one that all of them have seen."""
    done = shop("find", "Sales")
    assert done.out.splitlines()[-2:] == [
        "2 documents at position 1",
        "not whole; stopped: a before event 2, b before event 3; see `storied views parked Sales`",
    ]
    told = shop("find", "Sales", "--json").json
    assert [one["item"] for one in told["documents"]] == ["a", "c"]
    assert (told["position"], told["held"]) == (1, 2)
    assert told["parked"] == [{"key": "a", "position": 2}, {"key": "b", "position": 3}]


def test_find_of_whole_documents_says_nothing_of_the_kind(shell: Shell) -> None:
    """As nearly always."""
    assert "whole" not in shell("find", "BookPage").out
    told = shell("find", "BookPage", "--json").json
    assert (told["held"], told["parked"]) == (None, [])


def test_looking_does_not_run_the_views(shell: Shell) -> None:
    """What they have not seen stays unseen."""
    shell("get", "BookPage", "b-1")
    shell("append", "BookReturned", '{"book": "b-2"}', "--tag", "book:b-2")
    for _ in range(2):
        told = shell("views", "--json").lines[0]
        assert (told["position"], told["head"], told["lag_events"], told["state"]) == (4, 5, 1, "running")
    row = shell("views").out.splitlines()[1].split()
    assert row[:4] == ["BookPage", "running", "4", "1"]


def test_the_keys_of_a_view_are_stable(shop: Shell) -> None:
    """Scripts may rely on them; changing this list is a change of the public API."""
    told = report(shop)
    keys = ["view", "state", "position", "head", "lag_events", "lag_seconds", "parked", "error", "built", "updated_at"]
    keys.append("beat_seconds")
    assert list(told) == keys
    assert (told["state"], told["parked"], told["built"], told["error"]) == ("parked", 2, None, None)
    assert told["updated_at"].endswith("Z")


def test_a_view_that_stopped_says_why(shell: Shell) -> None:
    """Below the table, with the position."""
    shell("get", "BookPage", "b-1")
    shell("append", "BookLent", '{"reader": "nobody"}')
    assert shell("get", "BookPage", "b-1").code == 6
    done = shell("views")
    assert done.out.splitlines()[1].split()[:4] == ["BookPage", "failed", "4", "1"]
    assert "BookPage: view BookPage stopped before event 5 (BookLent)" in done.out


def signed(folder: Path, life: str) -> None:
    """Somebody gives a sign of life for the books, and does not say goodbye."""

    async def sign() -> None:
        documents = await SqliteDocuments.open(folder / "library.views.db")
        await documents.beat("w-1", [Heartbeat("BookPage", "w-1", life, 4, 4, 0)])
        await documents.aclose()

    asyncio.run(sign())


def test_a_view_whose_worker_has_died_is_dead(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `/readyz` says, after as long; and it is told what to do."""
    shell("get", "BookPage", "b-1")
    signed(tmp_path, "running")
    assert shell("views", "--json").lines[0]["state"] == "running"
    monkeypatch.setattr(reporting, "DEAD_SECONDS", 0)
    told = shell("views", "--json").lines
    assert [one["state"] for one in told] == ["dead", "running"]
    assert told[0]["beat_seconds"] > 0
    assert told[1]["beat_seconds"] is None
    done = shell("views")
    assert done.out.splitlines()[1].split()[:2] == ["BookPage", "dead"]
    assert re.search(r"^BookPage: the last sign of life is \S+ s old\. .* \(storied work\)\.$", done.out, re.MULTILINE)


def test_a_worker_that_has_stopped_by_itself_keeps_nothing_up_to_date(shell: Shell, tmp_path: Path) -> None:
    """However lately it said so."""
    shell("get", "BookPage", "b-1")
    signed(tmp_path, "superseded")
    assert shell("views", "--json").lines[0]["state"] == "dead"


def test_a_view_that_is_behind_and_that_nobody_keeps_is_pointed_out(shell: Shell) -> None:
    """Its worker may have been stopped in good order, and nothing is wrong but that nobody has started it."""
    shell("get", "BookPage", "b-1")
    assert "nobody keeps it" not in shell("views").out
    shell("append", "BookReturned", '{"book": "b-2"}', "--tag", "book:b-2")
    assert "BookPage: nobody keeps it up to date. Start `storied work`" in shell("views").out


def test_a_read_model_of_other_code_is_foreign(shop: Shell) -> None:
    """As long as this code has not begun to build its own."""
    assert shop("views", "--app", f"{SALES}two", "--json").json["state"] == "foreign"


def test_parked_documents_are_listed(shop: Shell) -> None:
    """In the order they stopped, each with its event and error; one alone with the traceback."""
    listed = shop("views", "parked", "Sales").out.splitlines()
    assert [line.split()[:3] for line in listed] == [
        ["KEY", "POSITION", "EVENT"],
        ["a", "2", "Sold"],
        ["b", "3", "Sold"],
    ]
    parked = shop("views", "parked", "Sales", "--json").lines
    assert list(parked[0]) == ["key", "position", "type", "error", "trace"]
    assert parked[1]["error"] == "ValueError: no such amount: 4"
    alone = shop("views", "parked", "Sales", "b").out
    assert "Traceback" in alone
    assert alone.rstrip().endswith("ValueError: no such amount: 4")


def test_parked_documents_are_retried(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """All or one; what is parked again is told, and so is the exit code."""
    monkeypatch.setenv(REFUSED, "4")
    done = shop("views", "retry", "Sales")
    assert done.code == 6
    assert done.out.splitlines() == ["a  up to date", "b  parked at 3 Sold: ValueError: no such amount: 4"]
    assert "1 of 2 keys of Sales are parked again" in done.err
    assert shop("views", "retry", "Sales", "b", "--json").lines == [
        {"key": "b", "parked": {"key": "b", "position": 3, "type": "Sold", "error": "ValueError: no such amount: 4"}}
    ]
    monkeypatch.delenv(REFUSED)
    assert shop("views", "retry", "Sales", "b", "--json").lines == [{"key": "b", "parked": None}]
    assert shop("get", "Sales", "a", "--json").json["document"]["amount"] == 9
    assert shop("get", "Sales", "b", "--json").json["document"]["amount"] == 5
    for action in ("parked", "retry"):
        done = shop("views", action, "Sales")
        assert (done.code, done.out) == (0, "nothing is parked in Sales\n")
        assert shop("views", action, "Sales", "--json").out == ""


@pytest.mark.parametrize("action", ["parked", "retry"])
def test_a_key_that_is_not_parked_is_not_found(shop: Shell, action: str) -> None:
    """A mistyped key does not look like a success."""
    done = shop("views", action, "Sales", "c", "--json")
    assert (done.code, done.out, done.error["error"]) == (1, "", "not-found")


def test_a_view_is_rebuilt(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """And served; what is parked again is said."""
    done = shop("views", "rebuild", "Sales")
    assert (done.code, done.err) == (0, "")
    assert done.out == "built Sales anew up to position 6; parked keys: 2 (storied views parked Sales)\n"
    monkeypatch.delenv(REFUSED)
    assert shop("views", "rebuild", "Sales", "--json").json == {"view": "Sales", "position": 6, "parked": 0}
    assert report(shop)["state"] == "running"


def test_changed_code_is_built_by_hand(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app that is named says which."""
    monkeypatch.setenv("STORIED_APP", f"{SALES}two")
    assert shop("views", "rebuild", "Sales").code == 0
    assert report(shop)["state"] == "parked"
    assert shop("get", "Sales", "c", "--json").json["document"]["version"] == 2


@pytest.mark.parametrize(
    "words",
    [("parked",), ("retry",), ("rebuild",), ("dance",), ("parked", "Nothing"), ("rebuild", "Sales", "a"), ("Sales",)],
)
def test_what_cannot_be_meant_is_refused(shop: Shell, words: tuple[str, ...]) -> None:
    """An action without a view, or with one that the app does not have."""
    done = shop("views", *words, "--json")
    assert (done.code, done.out, done.error["error"]) == (2, "", "usage")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min"), (7199, "1 h"), (86_400 * 3.9, "3 d")]
)
def test_times_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    """How far behind a view is matters by its order."""
    assert _duration(seconds) == text


def test_a_terminal_is_shown_how_far_it_is(shop: Shell, tmp_path: Path) -> None:
    """A bar while it builds, and the result; elsewhere the result alone."""
    written = on_terminal(tmp_path, "views", "rebuild", "Sales", "--store", "sales.db")
    assert "building Sales" in written
    assert "built Sales anew" in written


SLOW = """
import sys
from storied.cli.main import main
from storied.engines.sqlite.documents import SqliteDocuments
from storied.projections import applying
from storied.testing.waiting import eventually

applying.CHUNK, commit = 10, SqliteDocuments.commit

async def stopping(self, table, *arguments, **named):
    await commit(self, table, *arguments, **named)
    if named["checkpoint"].position >= 100:
        await eventually(lambda: False, timeout=60)

SqliteDocuments.commit = stopping
sys.exit(main(sys.argv[1:]))
"""


async def test_ctrl_c_leaves_the_old_read_model_and_the_next_call_goes_on(
    shop: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, ends with 130, and nothing is built twice."""
    await asyncio.to_thread(_fill, shop)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", SLOW, "views", "rebuild", "Sales"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=heed_interrupts,
    )
    await eventually(lambda: _built(tmp_path) == 100, timeout=30)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (130, b"")
    assert re.fullmatch(rb"stopped at \d+; the old read model is served, and the same command goes on .*\n", err)
    told = await asyncio.to_thread(report, shop)
    assert (told["state"], told["position"], told["built"]) == ("building", 306, 100)
    begun: list[int] = []
    commit = SqliteDocuments.commit

    async def noting(self: SqliteDocuments, *arguments: Any, **named: Any) -> None:
        begun.append(named["expected"].position)
        await commit(self, *arguments, **named)

    monkeypatch.setattr(SqliteDocuments, "commit", noting)
    done = await asyncio.to_thread(shop, "views", "rebuild", "Sales", "--json")
    assert (done.code, done.json["position"], begun) == (0, 306, [100])


def _fill(shell: Shell) -> None:
    assert shell("append", "-", stdin='{"type": "Sold", "data": {"item": "d"}}\n' * 300).code == 0
    assert shell("get", "Sales", "d").code == 0


def _built(folder: Path) -> int:
    connection = apsw.Connection(str(folder / "sales.views.db"), apsw.SQLITE_OPEN_READONLY)
    try:
        found: Any = connection.execute("SELECT position FROM edition WHERE NOT live").fetchone()
        return found[0] if found else 0
    finally:
        connection.close()


REMEDIES = [
    KeyParked("Sales", key="a b", position=2, type="Sold", reason="it broke"),
    ViewRebuilding("Sales", "it has no index"),
    NotCaughtUp("Sales", wanted=2, position=1, timeout=1.0),
]


@pytest.mark.parametrize("error", REMEDIES, ids=lambda error: type(error).__name__)
def test_the_commands_that_errors_name_are_there(error: Exception) -> None:
    """They can be typed as they stand."""
    for command in re.findall(r"storied (views(?: (?:parked|retry|rebuild) [^.)]+)?)", str(error)):
        assert make_parser().parse_args(shlex.split(command)).verb == "views"


def test_a_parked_key_names_its_command() -> None:
    """Whatever the key is made of."""
    assert str(REMEDIES[0]).endswith("storied views retry Sales 'a b'.")
