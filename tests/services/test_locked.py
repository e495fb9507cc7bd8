"""A log that another program holds locked, as clients and operators meet it: it is said, and it goes on by itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import apsw
import pytest

from storied.engines.sqlite import writing
from storied.services.commanding import doubting
from storied.services.commands import CommandService, command_service
from storied.store.room import Roomy
from storied.testing.waiting import eventually
from tests.services.asgi import ask
from tests.services.tally import Marked, app
from tests.services.test_processes import url_in


async def ready(service: CommandService) -> tuple[int, list[str]]:
    """What `/readyz` says."""
    answer = await ask(service, "GET", "/readyz")
    return answer.status, answer.json["reasons"]


async def mark(service: CommandService, name: str) -> int:
    """The status of a command's answer."""
    body = json.dumps({"mark": name}).encode()
    return (await ask(service, "POST", "/tallies/a/marks", body, {"Content-Type": "application/json"})).status


async def test_a_log_that_is_held_locked_is_no_ready_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands have waited for it in vain; it looks by itself whether the lock is gone."""
    monkeypatch.setattr(writing, "BUSY_MILLISECONDS", 50)
    monkeypatch.setattr(doubting, "LOOK_SECONDS", 0)
    async with command_service(app, url_in(tmp_path), views=False) as service:
        assert await mark(service, "a-1") == 200
        other = apsw.Connection(str(tmp_path / "tally.db"))
        other.execute("BEGIN IMMEDIATE")
        assert await ready(service) == (200, [])
        assert await mark(service, "a-2") == 503
        for _ in range(2):
            status, [reason] = await ready(service)
            assert status == 503
            assert "was locked by another process" in reason
        other.execute("ROLLBACK")
        other.close()

        async def is_ready() -> bool:
            return await ready(service) == (200, [])

        await eventually(is_ready)
        assert await mark(service, "a-3") == 200


async def test_looking_whether_it_is_locked_holds_up_nobody(tmp_path: Path) -> None:
    """Whoever writes at the same time goes on, and is no reason to call it locked."""
    async with app.open(url_in(tmp_path), views=False) as shop:
        store = shop.store
        assert isinstance(store, Roomy)
        facts = [shop.record(Marked(tally="a", mark=f"a-{n}")) for n in range(20)]
        await asyncio.gather(*facts, *(store.check_turn() for _ in range(5)))
        assert await shop.store.head() == 20
