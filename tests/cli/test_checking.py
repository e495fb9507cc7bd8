"""`storied verify` and `storied backup`, as they are typed."""

import io
import json
from pathlib import Path

import apsw
import pytest

from storied.cli.printing import Output
from storied.cli.progress import showing_progress
from tests.cli.conftest import Shell
from tests.operating.stores import tamper


def test_a_sound_store_is_called_so(shell: Shell) -> None:
    """With what was looked at."""
    done = shell("verify")
    assert (done.code, done.err) == (0, "")
    assert "4 events, 5 tags, 1 appends" in done.out
    assert "no fault found" in done.out


def test_the_first_bad_position_is_named(shell: Shell, tmp_path: Path) -> None:
    """And the exit code is 1."""
    tamper(tmp_path / "library.db", "UPDATE event SET data = '{}' WHERE position IN (2, 4)")
    done = shell("verify")
    assert done.code == 1
    assert "first bad    2: event 2 (BookBought) is not what its digest says" in done.out
    assert "digest 2" in done.out
    assert "has 2 faults, the first at position 2. " in done.err


def test_faults_are_json_too(shell: Shell, tmp_path: Path) -> None:
    """The report on standard output, the failure on standard error."""
    tamper(tmp_path / "library.db", "DELETE FROM event WHERE position = 3")
    done = shell("verify", "--json")
    assert (done.code, done.error["error"]) == (1, "faults-found")
    found = done.json
    assert (found["ok"], found["first_bad_position"], found["counts"]["missing"]) == (False, 3, 1)
    assert found["faults"][0] == {
        "kind": "missing",
        "position": 3,
        "view": None,
        "key": None,
        "message": "there is no event 3",
    }


def test_views_are_looked_at_when_an_app_is_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that is not what the log says is named by its key."""
    shell("get", "BookPage", "b-1")
    assert "view BookPage    2 documents at position 4" in shell("verify").out
    connection = apsw.Connection(str(tmp_path / "library.views.db"))
    tables = [
        str(name)
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'view!_Book%' ESCAPE '!'")
    ]
    connection.execute(f"UPDATE \"{tables[0]}\" SET document = '{{}}' WHERE key = 'b-2'")
    connection.close()
    done = shell("verify", "--json")
    assert (done.code, done.json["counts"], done.json["first_bad_position"]) == (1, {"view": 1}, None)
    assert (done.json["faults"][0]["view"], done.json["faults"][0]["key"]) == ("BookPage", "b-2")
    assert "document b-2 is not what the log says" in shell("verify").out
    monkeypatch.delenv("STORIED_APP")
    assert shell("verify").code == 0


def test_many_faults_are_counted_and_some_shown(shell: Shell, tmp_path: Path) -> None:
    """A screen holds the first ten."""
    lines = "".join('{"type": "A"}\n' for _ in range(30))
    shell("append", "-", stdin=lines)
    tamper(tmp_path / "library.db", "UPDATE event SET data = '{ }'")
    done = shell("verify")
    assert done.out.count("  - ") == 10
    assert "has 34 faults" in done.err


def test_a_store_that_cannot_be_read_is_unavailable(shell: Shell, tmp_path: Path) -> None:
    """Damage that leaves nothing to look at is exit code 3."""
    (tmp_path / "library.db").write_bytes(b"SQLite format 3\0" + bytes(8000))
    assert shell("verify").code == 3


def test_a_backup_is_made_and_none_is_replaced(shell: Shell, tmp_path: Path) -> None:
    """The copy can be looked into; a second one to the same place is refused."""
    done = shell("backup", "copy.db")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("copied 4 events (")
    assert shell("verify", "--store", "copy.db").code == 0
    again = shell("backup", "copy.db")
    assert (again.code, again.out) == (3, "")
    assert "copy.db is there already" in again.err


def test_a_backup_tells_of_itself_in_json(shell: Shell) -> None:
    """Where, of which log, up to where."""
    shell("get", "BookPage", "b-1")
    made = shell("backup", "copy.db", "--views", "--json").json
    assert (made["target"], made["head"], made["views"]) == ("copy.db", 4, "copy.views.db")
    assert made["identity"] == shell("stats", "--json").json["identity"]


def test_progress_is_silent_beside_json() -> None:
    """Standard error is for an error."""
    place = io.StringIO()
    with showing_progress(Output(io.StringIO(), json=True), stream=place) as tell:
        tell("events", 1, 2)
    assert place.getvalue() == ""


def test_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no terminal: not more often than every few seconds, and nothing for short work."""
    place, now = io.StringIO(), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with showing_progress(Output(io.StringIO(), json=False), stream=place) as tell:
        for seconds in range(12):
            now[0] = float(seconds)
            tell("events", seconds, 12 if seconds < 8 else None)
    assert place.getvalue() == "events: 5 of 12\nevents: 10\n"


def test_progress_is_a_bar_on_a_terminal() -> None:
    """It goes away when the work is done."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    place = Terminal()
    with showing_progress(Output(io.StringIO(), json=False), stream=place) as tell:
        tell("events", 1, 2)
        tell("events", 2, 2)
        tell("file", 0, None)
    assert "events" in place.getvalue()
    assert json.dumps(place.getvalue())


def test_how_far_a_store_that_lost_its_end_is_sound_is_told(shell: Shell, tmp_path: Path) -> None:
    """Though nothing else can open it."""
    shell("append", "-", stdin="".join('{"type": "A"}\n' for _ in range(400)))
    content = (tmp_path / "library.db").read_bytes()
    (tmp_path / "library.db").write_bytes(content[: len(content) // 2 + 100])
    assert shell("tail").code == 3
    done = shell("verify", "--json")
    sound = done.json["sound_until"]
    assert (done.code, done.error["error"]) == (1, "faults-found")
    assert 4 < sound < 404
    assert (done.json["ok"], done.json["first_bad_position"], done.json["counts"]) == (False, sound + 1, {"file": 1})
    assert (done.json["identity"], done.json["head"], done.json["events"]) == (None, None, sound)
    text = shell("verify")
    assert f"sound up to  {sound}\n" in text.out
    assert f"the first at position {sound + 1}." in text.err
    (tmp_path / "library.db").write_bytes(content[:5000])
    assert (shell("verify").code, shell("verify").out) == (3, "")
