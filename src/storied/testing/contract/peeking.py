"""Facts about peeking: a single document, at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from storied.store.documents import Parked, Shown
from storied.testing.contract.opening import OpensDocuments
from storied.testing.contract.shelves import PEOPLE, RESIDENTS, at, document, put


class PeekFacts(OpensDocuments):
    """What `peek` gives, on an engine that can; one that cannot gives None each time."""

    async def test_a_document_is_seen_at_once(self, tmp_path: Path) -> None:
        """Its bytes, and the checkpoint it stands at."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            shown = documents.peek(PEOPLE, "anna")
            assert shown in (None, Shown(document("anna", RESIDENTS["anna"]).encode(), 1, "log"))

    async def test_what_is_not_there_is_seen_too(self, tmp_path: Path) -> None:
        """No document, but a position; no view, and position 0."""
        async with self.open_documents(tmp_path) as documents:
            assert documents.peek(PEOPLE, "anna") in (None, Shown(None, 0))
            await put(documents, PEOPLE, RESIDENTS)
            assert documents.peek(PEOPLE, "nobody") in (None, Shown(None, 1, "log"))

    async def test_a_parked_document_is_seen_as_such(self, tmp_path: Path) -> None:
        """It says at which event it stopped, and the others do not."""
        async with self.open_documents(tmp_path) as documents:
            now = await put(documents, PEOPLE, RESIDENTS)
            stuck = Parked("anna", 2, "Moved", "it raised", "a trace")
            await documents.commit(PEOPLE, [], expected=now, checkpoint=at(2), parked=[stuck])
            text = document("anna", RESIDENTS["anna"]).encode()
            assert documents.peek(PEOPLE, "anna") in (None, Shown(text, 2, "log", 2))
            text = document("bert", RESIDENTS["bert"]).encode()
            assert documents.peek(PEOPLE, "bert") in (None, Shown(text, 2, "log"))

    async def test_the_next_turn_sees_what_was_committed(self, tmp_path: Path) -> None:
        """What one turn of the event loop saw is not what the next is given."""
        async with self.open_documents(tmp_path) as documents:
            for position in range(1, 20):
                await put(documents, PEOPLE, {"anna": ("Bern", position)})
                shown = documents.peek(PEOPLE, "anna")
                assert shown in (None, Shown(document("anna", ("Bern", position)).encode(), position, "log"))
                await asyncio.sleep(0)
