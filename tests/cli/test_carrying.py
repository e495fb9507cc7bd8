"""`storied export` and `storied import`, as they are typed."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.cli.test_processes import SECONDS, STORIED, environment, heed_interrupts
from tests.operating.stores import tamper


def test_a_store_is_exported_and_imported(shell: Shell, tmp_path: Path) -> None:
    """The copy is the same log, and tells what was there when it is imported again."""
    done = shell("export", "a.jsonl")
    assert done.out.startswith("exported 4 events and 1 appends (")
    made = shell("import", "a.jsonl", "--store", "copy.db", "--json").json
    assert (made["stored"], made["known"], made["head"], made["appends"]) == (4, 0, 4, 1)
    assert made["identity"] == shell("stats", "--json").json["identity"]
    again = shell("import", "a.jsonl", "--store", "copy.db")
    assert again.out == "imported 0 events and 1 appends, 4 were there; the head is 4\n"
    assert shell("tail", "--json").out == shell("tail", "--store", "copy.db", "--json").out


def test_an_export_replaces_no_file(shell: Shell, tmp_path: Path) -> None:
    """And leaves nothing of itself."""
    (tmp_path / "a.jsonl").write_text("precious")
    done = shell("export", "a.jsonl")
    assert (done.code, (tmp_path / "a.jsonl").read_text()) == (3, "precious")
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "library.db"}


def test_a_damaged_store_leaves_no_export(shell: Shell, tmp_path: Path) -> None:
    """Half of a log is not kept."""
    tamper(tmp_path / "library.db", "DELETE FROM event WHERE position = 3")
    done = shell("export", "a.jsonl", "--json")
    assert (done.code, done.error["error"]) == (3, "store-corrupt")
    assert {path.name for path in tmp_path.iterdir()} == {"library.db"}


@pytest.mark.parametrize("name", ["nothing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_told(shell: Shell, name: str) -> None:
    """It was mistyped."""
    done = shell("import", name, "--store", "copy.db")
    assert (done.code, done.out) == (2, "")
    assert f"{name} cannot be read" in done.err


def test_a_wrong_line_is_refused_with_its_number(shell: Shell, tmp_path: Path) -> None:
    """With exit code 1."""
    shell("export", "a.jsonl")
    text = (tmp_path / "a.jsonl").read_text().replace("9.90", "9.91")
    (tmp_path / "a.jsonl").write_text(text)
    done = shell("import", "a.jsonl", "--store", "copy.db", "--json")
    assert (done.code, done.error["error"]) == (1, "bad-line")
    assert done.error["message"].startswith("line 2: event 1 does not fit its digest. The store holds the log up to")


def test_another_log_is_refused(shell: Shell) -> None:
    """The store stays as it is."""
    shell("export", "a.jsonl")
    shell("append", "A", "{}", "--store", "other.db")
    done = shell("import", "a.jsonl", "--store", "other.db", "--json")
    assert (done.code, done.error["error"]) == (1, "other-content")
    assert shell("stats", "--store", "other.db", "--json").json["head"] == 1


def test_standard_output_and_input_make_a_pipe(tmp_path: Path, shell: Shell) -> None:
    """From one store into another."""
    command = f"'{STORIED}' export - --store library.db | '{STORIED}' import - --store copy.db"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert (done.stdout, done.stderr) == ("imported 4 events and 1 appends; the head is 4\n", "")


def test_ctrl_c_ends_an_import_that_waits_for_lines(tmp_path: Path) -> None:
    """At once, without a word."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [STORIED, "import", "-", "--store", "copy.db"],
        cwd=tmp_path,
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=heed_interrupts,
    )
    os.close(reading)
    try:
        os.write(writing, b'{"storied":"export","version":1,"identity":"01a2","head":0,"checksum":')
        while not (tmp_path / "copy.db").exists():  # it has begun
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        os.close(writing)
        process.kill()
    assert (process.returncode, out, err) == (130, b"", b"")
