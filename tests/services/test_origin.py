"""A query service tells documents of the log that is there from those of another that was there before."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from storied.engines.sqlite import identifying
from storied.projections import beating
from storied.services.queries import QueryService, query_service
from storied.services.querying import origin
from storied.testing.waiting import eventually
from tests.services.asgi import Wire, ask, scope_of
from tests.services.tally import Marked, TallyPage, app
from tests.services.test_keeping import filled, move


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at many times a second."""
    monkeypatch.setattr(origin, "LOOK_SECONDS", 0.02)


async def replaced(folder: Path, by: Path) -> None:
    """Puts the other log in the place of the one in the folder, whose read models stay."""
    move(folder, "tally.db*", folder.parent / "away")
    shutil.copy(by / "tally.db", folder / "tally.db")


def overwritten(folder: Path, by: Path) -> None:
    """Writes the other log over the one in the folder, as `cp` does: the file stays where it is."""
    for rest in ("tally.db-wal", "tally.db-shm"):
        (folder / rest).unlink(missing_ok=True)
    shutil.copy(by / "tally.db", folder / "tally.db")


async def got(service: QueryService, target: str = "/tallies/a") -> tuple[int, Any]:
    """The status, and the marks or the problem's code."""
    answer = await ask(service, "GET", target)
    return answer.status, answer.json.get("marks", answer.json.get("code"))


async def state(service: QueryService) -> tuple[int, list[str]]:
    """What `/readyz` says: the status, and the views' states."""
    answer = await ask(service, "GET", "/readyz")
    return answer.status, [view["state"] for view in answer.json["views"]]


async def test_a_query_service_tells_where_the_log_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As whoever keeps the views told it."""
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.02)
    url = await filled(tmp_path / "here", "a-1", "a-2")
    async with query_service(app, url) as service:
        assert (await ask(service, "GET", "/readyz")).json["head"] is None
        async with app.open(url):

            async def is_told() -> bool:
                head: int | None = (await ask(service, "GET", "/readyz")).json["head"]
                return head == 2

            await eventually(is_told)
            assert "storied_log_position 2" in (await ask(service, "GET", "/metrics")).body.decode()


async def test_documents_of_another_log_are_not_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither on the express lane nor on the long way; it is not ready, and logs it."""
    url = await filled(tmp_path / "here", "a-1")
    await filled(tmp_path / "other", "b-1", "b-2")
    async with query_service(app, url) as service:
        assert await got(service) == (200, ["a-1"])
        await replaced(tmp_path / "here", tmp_path / "other")

        async def is_refused() -> bool:
            return await got(service) == (503, "other-log")

        await eventually(is_refused)
        assert await got(service, "/tallies") == (503, "other-log")
        assert await state(service) == (503, ["foreign"])
        assert 'storied_view_alive{view="TallyPage"} 0' in (await ask(service, "GET", "/metrics")).body.decode()
        assert "views of another log than the one that is there are not served: TallyPage" in caplog.text


async def test_they_are_served_once_they_are_of_the_log_that_is_there(tmp_path: Path) -> None:
    """As soon as somebody has built them anew."""
    url = await filled(tmp_path / "here", "a-1")
    await filled(tmp_path / "other", "b-1", "b-2")
    async with query_service(app, url) as service:
        await replaced(tmp_path / "here", tmp_path / "other")
        assert (await state(service))[0] == 503
        async with app.open(url) as opened:
            await opened.wait(TallyPage, 2)

            async def is_served() -> bool:
                return await got(service) == (200, ["b-1", "b-2"])

            await eventually(is_served)


async def test_a_shorter_copy_of_the_same_log_is_another_log(tmp_path: Path) -> None:
    """Documents of events that a restored backup does not have are of no log that is there."""
    url = await filled(tmp_path / "here", "a-1")
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    await filled(tmp_path / "here", "a-2")
    async with query_service(app, url) as service:
        assert await got(service) == (200, ["a-1", "a-2"])
        await replaced(tmp_path / "here", tmp_path / "copy")
        assert await state(service) == (503, ["foreign"])


async def test_a_shorter_copy_in_the_same_file_is_another_log(tmp_path: Path) -> None:
    """It was looked into before, and is again once it has been written over."""
    url = await filled(tmp_path / "here", "a-1")
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    await filled(tmp_path / "here", "a-2")
    async with query_service(app, url) as service:
        assert await state(service) == (503, ["dead"])
        overwritten(tmp_path / "here", tmp_path / "copy")
        assert await state(service) == (503, ["foreign"])
        assert await got(service) == (503, "other-log")


async def test_another_log_in_the_same_file_is_seen_at_the_next_look(tmp_path: Path) -> None:
    """However often the file was written to before."""
    url = await filled(tmp_path / "here", "a-1")
    await filled(tmp_path / "other", "b-1")
    async with query_service(app, url) as service:
        assert await state(service) == (503, ["dead"])
        overwritten(tmp_path / "here", tmp_path / "other")
        assert await state(service) == (503, ["foreign"])


async def test_a_copy_that_has_what_was_applied_is_the_same_log(tmp_path: Path) -> None:
    """A file may be put in the place of another that says the same."""
    url = await filled(tmp_path / "here", "a-1")
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    async with query_service(app, url) as service:
        await replaced(tmp_path / "here", tmp_path / "copy")
        assert (await state(service))[1] == ["dead"]
        assert await got(service) == (200, ["a-1"])


async def test_without_a_log_the_documents_are_served(tmp_path: Path) -> None:
    """It runs while the log is away; and looking makes no file."""
    url = await filled(tmp_path / "here", "a-1")
    async with query_service(app, url) as service:
        move(tmp_path / "here", "tally.db*", tmp_path / "away")
        assert (await state(service))[1] == ["dead"]
        assert await got(service) == (200, ["a-1"])
    assert not list((tmp_path / "here").glob("tally.db*"))


async def test_a_look_leaves_no_file_behind(tmp_path: Path) -> None:
    """Beside a log that nobody has open."""
    url = await filled(tmp_path / "here", "a-1")
    before = sorted(file.name for file in (tmp_path / "here").glob("tally.db*"))
    async with query_service(app, url) as service:
        await state(service)
    assert sorted(file.name for file in (tmp_path / "here").glob("tally.db*")) == before


async def test_a_look_costs_nothing_while_the_file_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is looked into once, for all views."""
    looks: list[Path] = []

    def counted(path: Path) -> Any:
        looks.append(path)
        return look_into(path)

    look_into = identifying._opened
    monkeypatch.setattr(identifying, "_opened", counted)
    url = await filled(tmp_path / "here", "a-1")
    async with app.open(url) as shop, query_service(app, url) as service:
        for n in range(3):
            receipt = await shop.record(Marked(tally="a", mark=f"c-{n}"))
            await shop.wait(TallyPage, receipt.position)
            assert service.origin is not None
            await service.origin.look()
    assert len(looks) == 1


async def test_streams_of_another_log_end(tmp_path: Path) -> None:
    """Their clients ask again, and are told why they get none."""
    url = await filled(tmp_path / "here", "a-1")
    await filled(tmp_path / "other", "b-1")
    async with query_service(app, url) as service:
        wire = Wire(b"")
        scope = scope_of("GET", "/tallies/a", {"Accept": "text/event-stream"})
        async with asyncio.timeout(20):
            serving = asyncio.create_task(service(scope, wire.receive, wire.send))
            await wire.chunks.get()
            await replaced(tmp_path / "here", tmp_path / "other")
            await serving
        again = await ask(service, "GET", "/tallies/a", headers={"Accept": "text/event-stream"})
        assert (again.status, again.json["code"]) == (503, "other-log")
