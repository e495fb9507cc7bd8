"""All facts about read models in one class: what an engine's test file declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from storied.store.documents import Change, Checkpoint, CheckpointMovedError, Lookup, Table
from storied.testing.contract.beating import HeartbeatFacts
from storied.testing.contract.committing import CommitFacts
from storied.testing.contract.editions import EditionFacts
from storied.testing.contract.finding import FindFacts
from storied.testing.contract.peeking import PeekFacts
from storied.testing.contract.shelves import PEOPLE, RESIDENTS, at, document, keys, put, where
from storied.testing.contract.snapshots import SnapshotFacts


class DocumentsContract(CommitFacts, FindFacts, EditionFacts, SnapshotFacts, HeartbeatFacts, PeekFacts):
    """What every engine's documents do; subclass it as ``Test…`` and write `open_documents`."""


class DurableDocumentsContract(DocumentsContract):
    """What documents do that outlive the handle, and may be opened twice."""

    async def test_documents_and_checkpoint_are_there_again(self, tmp_path: Path) -> None:
        """A projection goes on where it was when the documents were closed."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, RESIDENTS)
        async with self.open_documents(tmp_path) as documents:
            assert await documents.prepare(PEOPLE) == reached
            assert await documents.get(PEOPLE, "anna") == (document("anna", RESIDENTS["anna"]), 1, False)
            assert await keys(documents, PEOPLE, where(("city", "=", "Zug"), ("age", "<", 30))) == ["fay"]

    async def test_changed_indexes_start_anew_when_opened_again(self, tmp_path: Path) -> None:
        """A new version of the code that declares other indexes builds its documents again."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
        async with self.open_documents(tmp_path) as documents:
            changed = Table(PEOPLE.name, (("city",),))
            assert await documents.prepare(changed) == Checkpoint()
            await documents.promote(changed, await put(documents, changed, {"anna": ("Bern",)}))
            assert await keys(documents, changed, Lookup()) == ["anna"]

    async def test_each_handle_sees_what_the_other_commits(self, tmp_path: Path) -> None:
        """What one wrote the other serves at once."""
        async with self.open_documents(tmp_path) as one, self.open_documents(tmp_path) as other:
            await other.prepare(PEOPLE)
            await put(one, PEOPLE, RESIDENTS)
            assert await other.get(PEOPLE, "bert") == (document("bert", RESIDENTS["bert"]), 1, False)
            assert await other.checkpoint(PEOPLE) == at(1)

    async def test_the_checkpoint_is_one_for_all_handles(self, tmp_path: Path) -> None:
        """Who is overtaken through another handle is refused, and nothing is written."""
        async with self.open_documents(tmp_path) as one, self.open_documents(tmp_path) as other:
            before = await other.prepare(PEOPLE)
            await put(one, PEOPLE, {"anna": ("Bern", 30)})
            with pytest.raises(CheckpointMovedError):
                await other.commit(PEOPLE, [Change("bert", "{}", (None, None))], expected=before, checkpoint=at(1))
            assert await keys(other, PEOPLE, Lookup()) == ["anna"]
