"""A command service whose store takes no writes any more opens it anew, and never another one in its place."""

from __future__ import annotations

import json
import resource
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from storied.errors import StoreFenced
from storied.opened import OpenApp
from storied.services.commands import CommandService, command_service
from storied.testing.waiting import eventually
from tests.services.asgi import Sent, ask
from tests.services.processes import Program, free_port, marks_in, running
from tests.services.tally import app
from tests.services.test_processes import children, url_in

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was opened a moment ago may be opened anew."""
    monkeypatch.setattr("storied.services.service.AGAIN_SECONDS", 0)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> list[OpenApp]:
    """The apps whose store fails to write: those that are put into the list."""
    failing: list[OpenApp] = []
    perform = OpenApp.perform

    async def failing_perform(self: OpenApp, *words: Any) -> Any:
        if any(self is one for one in failing):
            raise StoreFenced("disk I/O error")
        return await perform(self, *words)

    monkeypatch.setattr(OpenApp, "perform", failing_perform)
    return failing


async def mark(service: CommandService, name: str) -> Sent:
    """What a command is answered."""
    return await ask(service, "POST", "/tallies/a/marks", json.dumps({"mark": name}).encode(), JSON)


async def ready(service: CommandService) -> tuple[int, list[str]]:
    """What `/readyz` says."""
    answer = await ask(service, "GET", "/readyz")
    return answer.status, answer.json["reasons"]


async def test_a_store_that_takes_no_writes_is_opened_anew(tmp_path: Path, fail: list[OpenApp]) -> None:
    """The command that found it out has its problem, the next one is stored, and views go on."""
    async with command_service(app, url_in(tmp_path)) as service:
        assert (await mark(service, "a-1")).status == 200
        fail.append(service.opening.value)
        refused = await mark(service, "a-2")
        assert (refused.status, refused.json["code"]) == (503, "store-fenced")

        async def is_ready() -> bool:
            return await ready(service) == (200, [])

        await eventually(is_ready)
        assert (await mark(service, "a-3")).status == 200
        assert service.opening.value is not fail[0]
        body = json.dumps({"mark": "a-4"}).encode()
        waited = await ask(service, "POST", "/tallies/a/marks", body, JSON | {"Prefer": "wait=TallyPage"})
        assert "late" not in waited.headers["preference-applied"]
    assert await marks_in(url_in(tmp_path)) == ["a-1", "a-3", "a-4"]


async def test_an_app_that_is_somebody_elses_is_not_opened_anew(tmp_path: Path, fail: list[OpenApp]) -> None:
    """But the service says that it is not ready, and why."""
    async with app.open(url_in(tmp_path)) as opened, command_service(app, opened) as service:
        assert await ready(service) == (200, [])
        fail.append(opened)
        for name in ("a-1", "a-2"):
            assert (await mark(service, name)).status == 503
        status, [reason] = await ready(service)
        assert status == 503
        assert "disk I/O error" in reason


async def test_a_file_that_was_moved_is_for_somebody_to_look_at(tmp_path: Path) -> None:
    """Nothing is made in its place."""
    async with command_service(app, url_in(tmp_path), views=False) as service:
        assert (await mark(service, "a-1")).status == 200
        for file in [*tmp_path.iterdir()]:
            file.rename(tmp_path / f"away-{file.name}")

        async def is_fenced() -> bool:
            return (await mark(service, "a-2")).status == 503

        await eventually(is_fenced)
        answer = await mark(service, "a-3")
        assert (answer.status, answer.json["code"]) == (503, "store-fenced")
        assert answer.json["detail"].endswith("before the operator of this server has seen to the store.")
        status, [reason] = await ready(service)
        assert status == 503
        assert "was moved, replaced or removed" in reason
        assert not (tmp_path / "tally.db").exists()


@pytest.mark.parametrize("instead", ["nothing", "another log"])
async def test_no_other_log_is_written_to(tmp_path: Path, fail: list[OpenApp], instead: str) -> None:
    """When the file went away just as it was to be opened anew."""
    away = tmp_path / "away"
    away.mkdir()
    async with command_service(app, url_in(tmp_path), views=False) as service:
        assert (await mark(service, "a-1")).status == 200
        for file in tmp_path.glob("tally*"):
            file.rename(away / file.name)
        if instead == "another log":
            async with app.open(url_in(tmp_path), views=False):
                pass
        fail.append(service.opening.value)
        assert (await mark(service, "a-2")).status == 503
        await eventually(lambda: not service.opening.is_open)
        for name in ("a-3", "a-4"):
            answer = await mark(service, name)
            assert (answer.status, answer.json["code"]) == (503, "store-unavailable")
        status, [reason] = await ready(service)
        assert status == 503
        assert "is not at" in reason
    if instead == "another log":
        assert await marks_in(url_in(tmp_path)) == []
    else:
        assert not (tmp_path / "tally.db").exists()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("processes", ["1", "2"])
async def test_commands_are_stored_again_when_the_disk_takes_them_again(tmp_path: Path, processes: str) -> None:
    """Real processes, which may not write large files for a while; each command is stored once in the end."""
    url = url_in(tmp_path)
    server = Program("serve", "tests.services.tally:app", "--store", url, "--quiet", "--processes", processes)
    server.words += ("--port", str(free_port()))
    told: Counter[str] = Counter()
    sent: list[str] = []
    async with running(server), httpx.AsyncClient(base_url=server.told["address"], timeout=30) as client:

        async def make(name: str) -> bool:
            answer = await client.post(
                "/tallies/a/marks",
                json={"mark": name},
                headers={"Idempotency-Key": name[:9], "Connection": "close"},
            )
            told[answer.json().get("code", "stored")] += 1
            return answer.status_code == 200

        async def make_new() -> bool:
            sent.append(f"m-{len(sent):07}" + "x" * 20_000)
            return await make(sent[-1])

        assert await make_new()
        if processes != "1":
            await eventually(lambda: len(children(server.pid)) == 3, timeout=30)
        limits = [(pid, resource.prlimit(pid, resource.RLIMIT_FSIZE)) for pid in (server.pid, *children(server.pid))]
        for pid, (_, hard) in limits:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (200_000, hard))

        async def fails() -> bool:
            return not await make_new() and told["unknown-outcome"] > 0

        await eventually(fails, timeout=30)
        for pid, limit in limits:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
        for name in sent:
            await eventually(lambda name=name: make(name), timeout=30)  # type: ignore[misc]  # bound now

        async def is_ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(is_ready, timeout=30)
        await eventually(lambda: any("is open again" in line for line in server.logged), timeout=30)
        server.tell(signal.SIGTERM)
        assert await server.ended() == 0
    assert sorted(await marks_in(url)) == sent
    assert not any("Traceback" in line for line in server.logged)
    assert any("is opened anew" in line for line in server.logged)
