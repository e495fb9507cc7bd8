"""What only shows between processes: following, Ctrl-C, closed pipes, terminals and exit codes."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

STORIED = str(Path(sys.executable).with_name("storied"))
SECONDS = 30


def environment() -> dict[str, str]:
    """This environment without what would change the output."""
    return {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "STORIED_DEBUG"}}


def heed_interrupts() -> None:
    """Makes a child end on Ctrl-C even where its parent was told to ignore it, as background jobs are."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def follow(*words: str) -> asyncio.subprocess.Process:
    """A process that runs `storied tail -f`."""
    return await asyncio.create_subprocess_exec(
        STORIED,
        "tail",
        "-f",
        *words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    )


async def next_line(process: asyncio.subprocess.Process) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), SECONDS)).decode()


async def append(*words: str) -> None:
    """Another process has appended an event."""
    process = await asyncio.create_subprocess_exec(STORIED, "append", *words, stdout=subprocess.DEVNULL)
    assert await asyncio.wait_for(process.wait(), SECONDS) == 0


async def test_follow_sees_what_another_process_appends(tmp_path: Path) -> None:
    """First what is there, then each event as it comes, and nothing that does not match."""
    store = str(tmp_path / "a.db")
    await append("A", "{}", "--store", store)
    process = await follow("--store", store, "--type", "A")
    try:
        assert (await next_line(process)).split()[0] == "1"
        await append("B", "{}", "--store", store)
        await append("A", "{}", "--store", store)
        assert (await next_line(process)).split()[0] == "3"
    finally:
        process.kill()
        await process.communicate()


async def test_ctrl_c_ends_following_without_a_word(tmp_path: Path) -> None:
    """Exit code 130, nothing on standard error, and the store as it was."""
    store = str(tmp_path / "a.db")
    await append("A", "{}", "--store", store)
    process = await follow("--store", store)
    assert (await next_line(process)).split()[0] == "1"
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize("words", ["tail --after 0 --json", "history all:1", "streams --limit 5000"])
def test_a_closed_pipe_ends_quietly(tmp_path: Path, shell: Shell, words: str) -> None:
    """`| head` gets its line, and nobody complains about the rest."""
    lines = "".join(f'{{"type": "A", "tags": ["all:1", "some:{n}"]}}\n' for n in range(5000))
    assert shell("append", "-", stdin=lines).code == 0
    command = f"'{STORIED}' {words} --store library.db | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert (done.stdout.splitlines()[-1], done.stdout.count("\n"), done.stderr) == ("141", 2, "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("append A {} --if-none A", 0),
        ("history a:1", 1),
        ("tail --colour", 2),
        ("tail --store typo.db", 3),
        ("append A {} --after 1", 4),
    ],
)
def test_the_exit_code_reaches_the_shell(tmp_path: Path, shell: Shell, words: str, code: int) -> None:
    """The process ends with the documented code, and a failure says why on standard error."""
    run = [STORIED, *words.split()]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == code
    assert bool(done.stderr) == bool(code)


def on_terminal(folder: Path, *words: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    env = environment() | {"TERM": "xterm-256color", "STORIED_STORE": "library.db"}
    process = subprocess.Popen([STORIED, *words], cwd=folder, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 4096):
            written += chunk
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(ours)
        process.wait(SECONDS)
    return written.decode()


@pytest.mark.parametrize("words", [("tail",), ("history", "evil:\u00e4"), ("streams",), ("stats",), ("tail", "--json")])
def test_stored_text_cannot_steer_a_terminal(tmp_path: Path, shell: Shell, words: tuple[str, ...]) -> None:
    """Escape sequences in an event are shown, not obeyed; those of the colours are the command's own."""
    evil = "\\u001b]0;owned\\u0007\\u001b[2J \\u009b31m \\u202egnp \\u007f"
    shell("append", "Evil", f'{{"text": "{evil}"}}', "--tag", "evil:\u00e4", "--actor", "[red]mallory[/red]")
    written = on_terminal(tmp_path, *words)
    own = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", own)
    assert "owned" not in own or "\\u001b]0;owned" in own
    assert "mallory" not in own or "[red]mallory[/red]" in own


def test_a_terminal_gets_colours_and_a_pipe_does_not(tmp_path: Path, shell: Shell) -> None:
    """Output that goes elsewhere is plain text."""
    assert "\x1b[" in on_terminal(tmp_path, "tail")
    assert "\x1b[" not in shell("tail").out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_encoding_loses_nothing(tmp_path: Path, shell: Shell, encoding: str) -> None:
    """A character that the output cannot hold is printed as its escape."""
    shell("append", "Noted", '{"text": "日本"}')
    done = subprocess.run(
        [STORIED, "tail", "--store", "library.db"],
        cwd=tmp_path,
        env=environment() | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    assert b"\\u65e5\\u672c" in done.stdout
