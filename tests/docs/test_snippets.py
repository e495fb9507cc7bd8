"""Every block on every page runs as its reader would run it: in order, in one place, with nothing prepared.

Blocks of a page share a namespace, an event loop and a folder of their own. What is run: `python`, where
`await` may stand outside a function, and `console`, whose `$ ` lines go to bash and whose output must be as
shown, with `...` for what differs. A failing command shows so by itself: `$ storied check; echo $?`.
"""

import ast
import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.pages import ROOT, Block, Command, blocks, commands, matches, pages

PROSE = {"diff", "html", "http", "mermaid", "sql", "text", "toml", "yaml"}  # shown, never run
ELSEWHERE = ("cd ", "git clone ", "pip install ", "pip uninstall ")  # the reader's own machine: not run, not compared


class Run:
    """One reading of a page, from top to bottom."""

    def __init__(self, module: ModuleType, runner: asyncio.Runner) -> None:
        self.module = module
        self.runner = runner

    def block(self, block: Block) -> None:
        """The block has done what it shows; otherwise the test fails with its place on the page."""
        match block.language:
            case "python":
                self.python(block)
            case "console":
                for command in commands(block):
                    console(block, command)
            case "json":
                json.loads(block.text)
            case "":
                pytest.fail(f"{block.place}: this block has no language; give its fence one (text, if nothing runs).")
            case language if language not in PROSE:
                pytest.fail(f"{block.place}: {language!r} never runs; use python, console or one of {sorted(PROSE)}.")

    def python(self, block: Block) -> None:
        """The block has run in the page's namespace; a traceback shows the page's own lines."""
        padded = "\n" * (block.line - 1) + block.text
        code = compile(padded, str(block.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, vars(self.module))
        if inspect.iscoroutine(result):
            self.runner.run(result)


def console(block: Block, command: Command) -> None:
    """The command has succeeded and printed what the page shows, if the page shows anything."""
    if command.line.startswith("./dev"):
        assert command.line.split()[1] in dev_commands(), f"{block.place}: ./dev help does not list `{command.line}`"
    elif not command.line.startswith(ELSEWHERE):
        shell = ["bash", "-c", command.line]
        done = subprocess.run(shell, env=environment(), capture_output=True, text=True, check=False)
        real = done.stdout + done.stderr
        assert done.returncode == 0, f"{block.place}: `{command.line}` gave {done.returncode} and printed:\n{real}"
        assert not command.output or matches(command.output, real), (
            f"{block.place}: `{command.line}` printed\n{real}\nwhere the page shows\n{command.output}"
        )


def dev_commands() -> list[str]:
    """What ./dev can do, from its own help."""
    helped = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True)
    return re.findall(r"^  (\w+)  ", helped.stdout, flags=re.MULTILINE)


def environment() -> dict[str, str]:
    """The environment of a console command: this interpreter's scripts come first, output is plain and 80 wide."""
    scripts = str(Path(sys.executable).parent)
    return os.environ | {"PATH": scripts + os.pathsep + os.environ["PATH"], "COLUMNS": "80", "NO_COLOR": "1"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_page_does_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block runs, and prints what the page says it prints."""
    read(page, page.read_text(encoding="utf-8"), tmp_path, monkeypatch)


def read(page: Path, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block of *text* has run, in *folder*."""
    module = ModuleType("page_" + re.sub(r"\W", "_", page.stem))
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where type hints of the page's classes are looked up
    monkeypatch.chdir(folder)
    with asyncio.Runner(debug=False) as runner:
        run = Run(module, runner)
        for block in blocks(page, text):
            run.block(block)


GOOD = """
```python
import asyncio
told = []
```
Prose.
```python
await asyncio.sleep(0)
told.append(1)
open("told.txt", "w").close()
```
- in a list:
  ```console
  $ ls
  told.txt
  $ echo one two \\
      three
  one ... three
  $ false; echo "status $?"
  status 1
  ```
```json
{"a": 1}
```
```text
anything
```
"""

BAD = {
    "python that raises": "```python\nassert False\n```",
    "a name nobody defined": "```python\nunheard_of\n```",
    "output that differs": "```console\n$ echo 1\n2\n```",
    "a command that fails": "```console\n$ false\n```",
    "output without a command": "```console\nhello\n```",
    "an unknown ./dev command": "```console\n$ ./dev dance\n```",
    "json that does not parse": "```json\n{\n```",
    "a fence without a language": "```\nx\n```",
    "an indented block": "text\n\n    x = 1\n",
    "a language nobody runs": "```bash\nls\n```",
}


def test_a_page_may_await_share_names_and_show_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is right passes, with everything a page may use."""
    read(Path("good.md"), GOOD, tmp_path, monkeypatch)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_wrong_page_fails(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake on a page is never read over."""
    with pytest.raises((Exception, pytest.fail.Exception)):  # each mistake in its own way
        read(Path("bad.md"), text, tmp_path, monkeypatch)


@pytest.mark.parametrize("shown", ["a\nb", "a\n...", "...b", "a  \nb\n", "..."])
def test_dots_stand_for_anything(shown: str) -> None:
    """`...` matches within a line and across lines; trailing blanks do not matter."""
    assert matches(shown, "a\nb\n")


@pytest.mark.parametrize("shown", ["a", "a\nc", "a ...c", "A\nb", ""])
def test_other_output_does_not_match(shown: str) -> None:
    """Output that is shorter, longer or other than shown is a difference."""
    assert not matches(shown, "a\nb\n")
