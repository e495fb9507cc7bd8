"""A disk that is full for a night: the log says so once a minute, not several times a second."""

import logging
from pathlib import Path
from typing import Any

import pytest

from storied.engines.sqlite.documents import SqliteDocuments
from storied.errors import StoreUnavailable
from storied.projections import beating, runner
from storied.projections.troubles import AGAIN_SECONDS, Trouble
from storied.store.documents import Table
from storied.testing.waiting import eventually
from tests.projections.shop import OrderPage, Placed
from tests.projections.shop import shop as app

FULL = StoreUnavailable("the disk is full.")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged."""
    return [record.getMessage() for record in caplog.records]


def test_it_is_told_when_it_begins_once_a_minute_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """And nothing is said where nothing is wrong."""
    caplog.set_level(logging.INFO)
    now = [0.0]
    trouble = Trouble("it waits", "it goes on", lambda: now[0])
    trouble.over()
    assert lines(caplog) == []
    for _ in range(5):
        trouble.met(FULL)
    now[0] = AGAIN_SECONDS
    for _ in range(5):
        trouble.met(FULL)
    for _ in range(5):
        trouble.over()
    trouble.met(FULL)
    begins = "it waits: the disk is full."
    assert lines(caplog) == [begins, begins, "it goes on", begins]


async def test_a_view_that_waits_says_so_once_and_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it tries meanwhile; and so do the signs of life."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.001)
    commit, beat = SqliteDocuments.commit, SqliteDocuments.beat
    full = {"commit": 0, "beat": 0}

    async def commit_fully(self: SqliteDocuments, table: Table, *arguments: Any, **named: Any) -> None:
        if table.name == "OrderPage" and full["commit"] >= 0:
            full["commit"] += 1
            raise FULL
        await commit(self, table, *arguments, **named)

    async def beat_fully(self: SqliteDocuments, *arguments: Any) -> None:
        if full["beat"] >= 0:
            full["beat"] += 1
            raise FULL
        await beat(self, *arguments)

    monkeypatch.setattr(SqliteDocuments, "commit", commit_fully)
    monkeypatch.setattr(SqliteDocuments, "beat", beat_fully)
    async with app.open(f"sqlite:///{tmp_path / 'shop.db'}") as shop:
        receipt = await shop.record(Placed(order="o-1", customer="c-1"))
        await eventually(lambda: min(full.values()) > 5)
        full["commit"] = full["beat"] = -1
        await shop.wait(OrderPage, receipt.position)
        await eventually(lambda: "signs of life are given again" in lines(caplog))
    assert sorted(line for line in lines(caplog) if "snapshot" not in line) == [
        "no sign of life could be given: the disk is full.",
        "signs of life are given again",
        "view OrderPage goes on",
        "view OrderPage waits: the disk is full.",
    ]
