"""Facts about snapshots: found under exactly the key they were kept under, one an entity."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from storied.store.snapshots import Snapshot, SnapshotKey
from storied.testing.contract.opening import OpensDocuments

KEY = SnapshotKey("Order", "print", "o-1", "log")
KEPT = Snapshot(b"\x00\xffstate", 7, b"d" * 32)


class SnapshotFacts(OpensDocuments):
    """What `snapshot` and `keep_snapshot` do."""

    async def test_a_snapshot_comes_back_as_it_was(self, tmp_path: Path) -> None:
        """Every byte of it."""
        async with self.open_documents(tmp_path) as documents:
            await documents.keep_snapshot(KEY, KEPT)
            assert await documents.snapshot(KEY) == KEPT

    @pytest.mark.parametrize("field", ["entity", "fingerprint", "id", "log"])
    async def test_a_snapshot_of_another_key_is_none(self, tmp_path: Path, field: str) -> None:
        """Other code, another log, another entity: nothing is found."""
        async with self.open_documents(tmp_path) as documents:
            await documents.keep_snapshot(KEY, KEPT)
            assert await documents.snapshot(msgspec.structs.replace(KEY, **{field: "other"})) is None

    async def test_a_later_snapshot_takes_the_place_of_the_earlier(self, tmp_path: Path) -> None:
        """Also one of other code: there is one for each entity."""
        async with self.open_documents(tmp_path) as documents:
            await documents.keep_snapshot(KEY, KEPT)
            other = msgspec.structs.replace(KEY, fingerprint="new")
            later = Snapshot(b"later", 9, b"e" * 32)
            await documents.keep_snapshot(other, later)
            assert (await documents.snapshot(KEY), await documents.snapshot(other)) == (None, later)
