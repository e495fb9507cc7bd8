"""Errors are sentences with a remedy, exit codes are kept, and no traceback is shown unless it is asked for."""

import sys
from pathlib import Path

import pytest

from storied.cli.failures import MEANINGS, exit_code, sentence
from storied.errors import Conflict, NotCaughtUp, Rejected, StoreFenced, UnknownOutcome
from tests.cli.conftest import APP, Shell

READING = [
    ("tail",),
    ("history", "a:1"),
    ("streams",),
    ("stats",),
    ("views",),
    ("state", "Book", "b-1"),
    ("get", "BookPage", "b-1"),
    ("find", "BookPage"),
]


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_reading_makes_no_store(
    empty_shell: Shell, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], tmp_path: Path
) -> None:
    """A mistyped path is told, and no file appears."""
    monkeypatch.setenv("STORIED_APP", APP)
    done = empty_shell(*words, "--store", "typo.db", "--json")
    assert (done.code, done.error["error"]) == (3, "no-store")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_store(empty_shell: Shell, tmp_path: Path) -> None:
    """Reading does not turn it into one."""
    (tmp_path / "empty.db").touch()
    assert empty_shell("tail", "--store", "empty.db").code == 3
    assert (tmp_path / "empty.db").stat().st_size == 0


@pytest.mark.parametrize(
    ("store", "code"),
    [
        ("text.db", 3),
        ("nowhere/a.db", 3),
        ("redis://there", 3),
        ("memory://", 2),
        ("sqlite:///a.db?colour=red", 3),
    ],
)
def test_a_store_that_cannot_be_opened_is_told(empty_shell: Shell, tmp_path: Path, store: str, code: int) -> None:
    """Another kind of file, an absent folder, an unknown scheme."""
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to look like one " * 50)
    done = empty_shell("append", "A", "{}", "--store", store)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)


def test_a_bare_path_may_hold_anything(empty_shell: Shell, tmp_path: Path) -> None:
    """Percent signs, question marks and blanks are part of the name; a path may be absolute."""
    for name in ("50% of?.db", "a b#c.db"):
        assert empty_shell("append", "A", "{}", "--store", str(tmp_path / name)).code == 0
        assert (tmp_path / name).exists()
        assert empty_shell("tail", "--store", name).code == 0


def test_without_a_store_the_remedy_is_told(empty_shell: Shell) -> None:
    """Both ways to name it are in the message."""
    done = empty_shell("tail")
    assert done.code == 2
    assert "--store" in done.err
    assert "STORIED_STORE" in done.err


@pytest.mark.parametrize(
    ("app", "part"),
    [
        (None, "--app storied.examples.shop:app"),
        ("library", "module, a colon"),
        ("no_such_module:app", "no module no_such_module"),
        ("tests.cli.library:lend", "not an App"),
        ("tests.cli.library:missing", "is missing"),
        ("broken_module:app", "ZeroDivisionError"),
        ("needy_module:app", "imports no_such_thing"),
    ],
)
def test_an_app_that_cannot_be_loaded_is_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, app: str | None, part: str
) -> None:
    """Every way to get it wrong has its own sentence."""
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    (tmp_path / "needy_module.py").write_text("import no_such_thing\n")
    monkeypatch.delenv("STORIED_APP")
    done = shell("get", "BookPage", "b-1", *(["--app", app] if app else []))
    assert done.code == 2
    assert part in done.err


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("sys.exit('need DATABASE')", "sys.exit('need DATABASE')"),
        ("sys.exit(3)", "sys.exit(3)"),
        ("sys.exit()", "sys.exit(None)"),
        ("raise GeneratorExit", "GeneratorExit"),
    ],
)
@pytest.mark.parametrize(
    "words", [("serve", "leaving:app", "--check"), ("work", "leaving:app"), ("openapi", "leaving:app"), ("views",)]
)
def test_an_app_that_leaves_while_it_is_imported_is_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], said: str, told: str
) -> None:
    """With what it said; and what was to be started is not taken for something that has ended well."""
    (tmp_path / "leaving.py").write_text(f"import sys\n{said}\n", encoding="utf-8")
    monkeypatch.setenv("STORIED_APP", "leaving:app")
    done = shell(*words)
    assert (done.code, done.out) == (2, "")
    assert "module leaving cannot be imported: " in done.err
    assert told in done.err


def test_code_that_leaves_with_a_text_is_heard(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it does: the text is printed, and the code is not that of success."""

    def leave() -> None:
        sys.exit("enough")

    monkeypatch.setattr("storied.cli.main.make_parser", leave)
    done = shell("tail")
    assert (done.code, done.err) == (1, "storied: enough\n")


@pytest.mark.parametrize(
    "words", [(), ("dance",), ("tail", "--colour"), ("tail", "-n"), ("tail", "-n", "x"), ("append",)]
)
def test_what_cannot_be_parsed_ends_in_code_2(shell: Shell, words: tuple[str, ...]) -> None:
    """The message says where to read more."""
    done = shell(*words)
    assert (done.code, done.out) == (2, "")
    assert "--help" in done.err
    assert shell(*words, "--json").error["error"] == "usage"


def test_a_traceback_is_for_those_who_ask(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """--debug or STORIED_DEBUG adds it to the sentence."""
    assert "Traceback" not in shell("history", "book:b-9").err
    assert "Traceback" in shell("history", "book:b-9", "--debug").err
    monkeypatch.setenv("STORIED_DEBUG", "1")
    assert "Traceback" in shell("history", "book:b-9").err


def test_a_bug_is_owned_up_to(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even an error that nobody foresaw is one line, with a code of its own."""
    monkeypatch.setattr("storied.cli.main.make_parser", lambda: 1 / 0)
    done = shell("tail")
    assert (done.code, done.err.count("\n")) == (70, 1)
    assert "ZeroDivisionError" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Rejected("no"), 1),
        (StoreFenced("disk"), 3),
        (Conflict(after=1, position=2, type="A"), 4),
        (UnknownOutcome("x", "power"), 5),
        (NotCaughtUp("V", wanted=2, position=1, timeout=1), 6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_outcome_has_its_code(error: Exception, code: int) -> None:
    """A script can tell them apart."""
    assert exit_code(error) == code
    assert code in MEANINGS


def test_errors_are_one_line_whatever_they_hold() -> None:
    """Control characters of stored data do not reach the terminal by way of a message."""
    assert sentence(Rejected("no", "a\nb\x1b[31m"), json=False) == r"storied: a\nb\x1b[31m"
    assert "\x1b" not in sentence(Rejected("no", "\x9b31m"), json=True)


def test_the_version_and_the_help_can_be_asked_for(shell: Shell) -> None:
    """The help lists every exit code."""
    assert shell("--version").out.startswith("storied ")
    done = shell("--help")
    assert done.code == 0
    assert all(f"{code}  {meaning}" in done.out for code, meaning in MEANINGS.items())
