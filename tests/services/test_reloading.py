"""`storied serve --reload`: who writes the code sees it at work, and a mistake in it ends nothing."""

from __future__ import annotations

import asyncio
import os
import py_compile
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from storied.services.serving.reloading import changes
from storied.testing.waiting import eventually
from tests.services.processes import SECONDS, Program, running

CODE = """
from storied import App, Command, Event, Id, View, on

app = App("notes")


class Noted(Event):
    note: Id
    text: str


class Note(Command):
    note: Id
    text: str


@app.command("POST /notes")
def note(command: Note) -> Noted:
    return Noted(note=command.note, text=command.text)


@app.view("GET /notes/{note}")
class Page(View):
    note: Id
    text: str = ""

    @on
    def noted(self, event: Noted) -> None:
        self.text = event.text
"""
LOWER, UPPER = (CODE.replace("= event.text", f"= event.text.{how}()") for how in ("lower", "upper"))
LOUDER = CODE.replace("= event.text", "= event.text.upper()")
SECOND = 1_700_000_000
WAITS = "it is started again when the code changes"


class Developed:
    """A server that reloads the module in its folder, and what one does to it."""

    def __init__(self, folder: Path, code: str = CODE) -> None:
        self.module = folder / "notes.py"
        self.save(code)
        py_compile.compile(str(self.module))
        words = ("serve", "notes:app", "--store", "notes.db", "--port", "0", "--reload")
        self.program = Program(*words, folder=folder, environment={"PYTHONDONTWRITEBYTECODE": ""})

    def save(self, code: str) -> None:
        """Writes the module, always within the same second."""
        self.module.write_text(code)
        os.utime(self.module, (SECOND, SECOND))

    async def text(self) -> str:
        """What the page of the one note says."""
        async with httpx.AsyncClient(base_url=self.program.told["address"], timeout=SECONDS) as client:
            return str((await client.get("/notes/n")).json()["text"])

    def has_logged(self, what: str) -> bool:
        """Whether it stands in the log."""
        return any(what in line for line in self.program.logged)


@asynccontextmanager
async def developed(folder: Path, code: str = CODE) -> AsyncIterator[Developed]:
    """The server, with one note."""
    it = Developed(folder, code)
    async with running(it.program), httpx.AsyncClient(base_url=it.program.told["address"], timeout=SECONDS) as client:
        answer = await client.post("/notes", json={"note": "n", "text": "psst"}, headers={"Prefer": "wait=20"})
        assert answer.status_code == 201, answer.text
        assert await it.text() == "psst"
        yield it


@pytest.mark.timeout(90)
async def test_a_change_of_the_code_is_served_and_nobody_is_refused_meanwhile(tmp_path: Path) -> None:
    """The view is built anew by the new code; connections wait while the process is started again."""
    async with developed(tmp_path) as it:
        it.module.write_text(LOUDER)

        async def shows_it() -> bool:
            return await it.text() == "PSST"

        await eventually(shows_it, SECONDS)
        assert it.has_logged("notes.py has changed")
        assert not it.has_logged("ended with")


@pytest.mark.timeout(90)
async def test_the_code_is_loaded_as_it_stands_though_its_second_and_size_are_those_of_before(tmp_path: Path) -> None:
    """Python would take what it compiled then, for good."""
    async with developed(tmp_path, LOWER) as it:
        it.save(UPPER)

        async def shows_it() -> bool:
            return await it.text() == "PSST"

        await eventually(shows_it, SECONDS)


@pytest.mark.timeout(90)
async def test_a_mistake_in_the_code_waits_for_its_correction_and_so_do_requests(tmp_path: Path) -> None:
    """Nothing is to be typed again in the terminal."""
    async with developed(tmp_path) as it:
        it.module.write_text(CODE + "\nthis is no Python\n")
        await eventually(lambda: it.has_logged(WAITS), SECONDS)
        asking = asyncio.create_task(it.text())
        it.module.write_text(LOUDER)
        assert await asking in ("psst", "PSST")


@asynccontextmanager
async def mistaken(folder: Path, code: str) -> AsyncIterator[Developed]:
    """A server that could not be started from the code yet."""
    it = Developed(folder)
    it.save(code)
    try:
        await it.program.launch()
        await eventually(lambda: it.has_logged(WAITS), SECONDS)
        yield it
    finally:
        await it.program.kill()


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("code", "told"), [(CODE + "\nno Python\n", "SyntaxError"), (CODE.replace("{note}", "{page}"), "page")]
)
async def test_a_mistake_at_the_first_start_waits_for_its_correction_as_well(
    code: str, told: str, tmp_path: Path
) -> None:
    """It is told, and then the address, once the code can be started."""
    async with mistaken(tmp_path, code) as it:
        assert it.has_logged(told)
        it.save(CODE)
        await it.program.serves()
        assert it.program.told["app"] == "notes"


@pytest.mark.timeout(90)
async def test_it_stops_when_told_to_before_the_code_could_be_started_at_all(tmp_path: Path) -> None:
    """As at any other time."""
    async with mistaken(tmp_path, "no Python") as it:
        it.program.tell(signal.SIGTERM)
        assert await it.program.ended() == 0


@pytest.mark.timeout(90)
async def test_it_stops_when_told_to_while_the_code_cannot_be_started(tmp_path: Path) -> None:
    """As at any other time."""
    async with developed(tmp_path) as it:
        it.module.write_text("raise SystemExit(2)\n")
        await eventually(lambda: it.has_logged(WAITS), SECONDS)
        it.program.tell(signal.SIGTERM)
        assert await it.program.ended() == 0


@pytest.mark.timeout(60)
async def test_python_and_the_named_files_matter_and_nothing_else_does(tmp_path: Path) -> None:
    """Above all not the store, which changes with each command."""
    code, elsewhere = tmp_path / "code", tmp_path / "elsewhere"
    code.mkdir()
    elsewhere.mkdir()
    settings = elsewhere / "settings.toml"
    settings.touch()
    async with aclosing(changes([code], [settings])) as told:  # type: ignore[type-var]  # a generator is one

        async def following(*files: Path) -> str:
            """The first of the changes that is told of, while all are made again and again."""
            first = asyncio.ensure_future(anext(told))
            count = 0

            def make() -> bool:
                nonlocal count
                count += 1
                for file in files:
                    file.write_text("x" * count)
                return first.done()

            await eventually(make, SECONDS)
            return await first

        assert await following(code / "shop.db", elsewhere / "other.toml", code / "shop.py") == "shop.py"
        assert await following(code / "shop.db", elsewhere / "other.py", settings) in ("settings.toml", "shop.py")
