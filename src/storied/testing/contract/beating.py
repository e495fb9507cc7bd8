"""Facts about heartbeats: the last signs of each worker, stamped by the documents, gone when it says goodbye."""

from __future__ import annotations

import time
from pathlib import Path

from storied.store.documents import Heartbeat
from storied.testing.contract.opening import OpensDocuments


def sign(view: str, position: int = 1, *, life: str = "running") -> Heartbeat:
    """A sign of life as a worker gives it."""
    return Heartbeat(view, "", life, position, 9, 250)


class HeartbeatFacts(OpensDocuments):
    """What `beat` and `heartbeats` do."""

    async def test_nobody_has_given_a_sign_at_first(self, tmp_path: Path) -> None:
        """A dead projection looks like this."""
        async with self.open_documents(tmp_path) as documents:
            assert await documents.heartbeats() == []

    async def test_a_sign_says_who_and_when_and_where(self, tmp_path: Path) -> None:
        """The documents put the worker and the time to it."""
        async with self.open_documents(tmp_path) as documents:
            before = time.time_ns() // 1000
            await documents.beat("w-1", [sign("Orders", 7, life="building")])
            (found,) = await documents.heartbeats()
            after = time.time_ns() // 1000
            assert (found.view, found.worker, found.life) == ("Orders", "w-1", "building")
            assert (found.position, found.head, found.lag_us) == (7, 9, 250)
            assert before <= found.beaten_us <= after

    async def test_the_last_sign_of_a_worker_counts(self, tmp_path: Path) -> None:
        """Views that it no longer names are gone."""
        async with self.open_documents(tmp_path) as documents:
            await documents.beat("w-1", [sign("Orders", 1), sign("Customers", 1)])
            await documents.beat("w-1", [sign("Orders", 2)])
            assert [(beat.view, beat.position) for beat in await documents.heartbeats()] == [("Orders", 2)]

    async def test_workers_do_not_speak_for_each_other(self, tmp_path: Path) -> None:
        """Signs are listed by view, the youngest first."""
        async with self.open_documents(tmp_path) as documents:
            await documents.beat("w-1", [sign("Orders", 1), sign("Customers", 1)])
            await documents.beat("w-2", [sign("Orders", 2)])
            found = await documents.heartbeats()
            assert [beat.view for beat in found] == ["Customers", "Orders", "Orders"]
            assert found[1].beaten_us >= found[2].beaten_us
            assert {beat.worker for beat in found[1:]} == {"w-1", "w-2"}

    async def test_a_worker_says_goodbye_by_a_sign_of_nothing(self, tmp_path: Path) -> None:
        """It leaves no trace, and others stay."""
        async with self.open_documents(tmp_path) as documents:
            await documents.beat("w-1", [sign("Orders")])
            await documents.beat("w-2", [sign("Orders")])
            await documents.beat("w-1", [])
            assert [beat.worker for beat in await documents.heartbeats()] == ["w-2"]
