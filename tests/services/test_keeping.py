"""A worker whose files are moved or replaced lets go of them, says so, and works on what stands there afterwards."""

from __future__ import annotations

import asyncio
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from storied.engines.opening import open_documents
from storied.errors import StoreUnavailable
from storied.projections import beating
from storied.services.commands import command_service
from storied.services.serving import keeping
from storied.testing.waiting import eventually
from tests.services.asgi import ask
from tests.services.processes import APP, Program, running
from tests.services.tally import Marked, TallyPage, app
from tests.services.test_processes import url_in


async def filled(folder: Path, *marks: str) -> str:
    """The URL of a store in the folder with these marks of tally a."""
    folder.mkdir(exist_ok=True)
    async with app.open(url_in(folder)) as opened:
        for mark in marks:
            receipt = await opened.record(Marked(tally="a", mark=mark))
        await opened.wait(TallyPage, receipt.position)
    return url_in(folder)


def move(folder: Path, pattern: str, to: Path) -> None:
    """Takes the files away, as `mv` does."""
    to.mkdir(exist_ok=True)
    for file in folder.glob(pattern):
        file.rename(to / file.name)


async def shown(url: str) -> list[str] | None:
    """The marks of tally a as a reader is given them; None while there are none."""
    try:
        async with app.read(url) as reader:
            page = await reader.get(TallyPage, "a")
            return None if page is None else page.marks
    except StoreUnavailable:  # they are just being made
        return None


async def signs(url: str) -> int:
    """How many signs of life there are."""
    async with open_documents(url) as documents:
        return len(await documents.heartbeats())


@pytest.mark.parametrize("pattern", ["tally.*", "tally.db*", "tally.db-wal", "tally.views.db*"])
async def test_an_app_lets_go_of_files_that_were_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Log or read models: it says so, and gives no sign of life any more."""
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.02)
    url = await filled(tmp_path / "here", "a-1")

    async def is_seen() -> bool:
        return await signs(url) > 0

    async with app.open(url) as opened:
        await eventually(is_seen)
        move(tmp_path / "here", pattern, tmp_path / "away")
        error = await opened.until_lost()
        assert error.code == "store-moved"
        assert f"the views are not kept up to date any more: {error}" in caplog.text
        with pytest.raises(type(error)):
            await opened.wait(TallyPage, 1000)
        if (tmp_path / "here" / "tally.views.db").exists():
            assert await signs(url) == 0


async def test_a_command_service_whose_file_was_moved_is_not_ready(tmp_path: Path) -> None:
    """Before any command has found it out."""
    async with command_service(app, await filled(tmp_path / "here", "a-1"), views=False) as service:
        assert (await ask(service, "GET", "/readyz")).status == 200
        move(tmp_path / "here", "*", tmp_path / "away")
        answer = await ask(service, "GET", "/readyz")
        assert answer.status == 503
        assert "was moved, replaced or removed" in answer.json["reasons"][0]


async def test_read_models_that_were_removed_are_made_anew_under_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also while the log's file changes more often than it is looked at."""
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.2)
    url, stop, started = await filled(tmp_path / "here", "a-1"), asyncio.Event(), asyncio.Event()

    async def write() -> None:
        other = apsw.Connection(str(tmp_path / "here" / "tally.db"))
        other.pragma("user_version")  # before it has read anything it knows of no write-ahead log
        async with app.open(url, views=False) as opened:
            while not stop.is_set():
                await opened.record(Marked(tally="b", mark="b"))
                with suppress(apsw.BusyError):  # somebody else is at it
                    other.wal_checkpoint()
        other.close()

    async def told() -> None:
        await stop.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        group.create_task(keeping.keep(app, url, told, started.set))
        try:
            await started.wait()
            move(tmp_path / "here", "tally.views.db*", tmp_path / "away")
            await eventually(lambda: "kept up to date again, from the same log" in caplog.text)
            assert (tmp_path / "here" / "tally.views.db").exists()
        finally:
            stop.set()


async def test_an_app_that_may_make_no_file_makes_none(tmp_path: Path) -> None:
    """Where none is, and where one was only begun to be copied there."""
    for begun in (False, True):
        if begun:
            (tmp_path / "tally.db").touch()
        with pytest.raises(StoreUnavailable, match="No such file" if not begun else "too short"):
            async with app.open(url_in(tmp_path), make=False):
                pass
        assert [(file.name, file.stat().st_size) for file in tmp_path.iterdir()] == [("tally.db", 0)] * begun


async def test_an_app_that_may_make_no_file_opens_what_is_there(tmp_path: Path) -> None:
    """A store that was made before."""
    url = await filled(tmp_path / "here", "a-1")
    async with app.open(url, make=False) as opened:
        assert await opened.store.head() == 1


@pytest.mark.timeout(90)
async def test_a_worker_goes_on_with_the_log_that_is_there(tmp_path: Path) -> None:
    """It makes nothing where there is nothing; another log's documents take the place of the old ones."""
    url, folder = await filled(tmp_path / "here", "a-1"), tmp_path / "here"
    await filled(tmp_path / "other", "b-1", "b-2")
    worker = Program("work", APP, "--store", url)
    async with running(worker):
        move(folder, "tally.db*", tmp_path / "away")
        await eventually(lambda: any("not kept up to date any more" in line for line in worker.logged), timeout=30)
        assert not (folder / "tally.db").exists()
        shutil.copy(tmp_path / "other" / "tally.db", folder / "tally.db")

        async def is_of_the_other() -> bool:
            return await shown(url) == ["b-1", "b-2"]

        await eventually(is_of_the_other, timeout=30)
        assert any("kept up to date again, from another log" in line for line in worker.logged)
        move(folder, "tally.views.db*", tmp_path / "gone")
        await eventually(lambda: (folder / "tally.views.db").exists(), timeout=30)
        await eventually(is_of_the_other, timeout=30)
        assert any("again, from the same log" in line for line in worker.logged)
        worker.tell(signal.SIGTERM)
        assert await worker.ended() == 0
    assert not any("Traceback" in line for line in worker.logged)
