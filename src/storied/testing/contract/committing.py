"""Facts about writing read models: documents and checkpoint move together or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storied.store.documents import Change, Checkpoint, CheckpointMovedError, Lookup, Table
from storied.testing.contract.opening import OpensDocuments
from storied.testing.contract.shelves import PEOPLE, RESIDENTS, at, document, keys, put, where

PLAIN = Table("Plain")


class CommitFacts(OpensDocuments):
    """What `prepare`, `load`, `commit`, `get`, `checkpoint` and `reset` do."""

    async def test_a_new_table_stands_at_the_start(self, tmp_path: Path) -> None:
        """Nothing has been applied yet, of no log."""
        async with self.open_documents(tmp_path) as documents:
            assert await documents.prepare(PEOPLE) == Checkpoint() == await documents.checkpoint(PEOPLE)

    async def test_a_table_that_does_not_exist_stands_at_the_start(self, tmp_path: Path) -> None:
        """Asking how far it is does not make it."""
        async with self.open_documents(tmp_path) as documents:
            assert await documents.checkpoint(PEOPLE) == Checkpoint()

    async def test_a_commit_stores_documents_and_checkpoint(self, tmp_path: Path) -> None:
        """Both are there afterwards, the checkpoint with the log's identity and the event's digest."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, RESIDENTS)
            assert await documents.checkpoint(PEOPLE) == reached == at(1)
            assert await documents.get(PEOPLE, "anna") == (document("anna", RESIDENTS["anna"]), 1, False)

    async def test_an_absent_document_is_none_at_a_position(self, tmp_path: Path) -> None:
        """That there is none is an answer as of the checkpoint."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.get(PEOPLE, "zoe") == (None, 1, False)

    async def test_preparing_again_changes_nothing(self, tmp_path: Path) -> None:
        """Documents and checkpoint stay as they are."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, RESIDENTS)
            assert await documents.prepare(PEOPLE) == reached
            assert len(await keys(documents, PEOPLE, Lookup())) == len(RESIDENTS)

    @pytest.mark.parametrize(
        "indexes", [(), (("city",),), (("age",), ("city",), ("city", "age")), (("city",), ("age",), ("age", "city"))]
    )
    async def test_changed_indexes_start_anew(self, tmp_path: Path, indexes: tuple[tuple[str, ...], ...]) -> None:
        """Documents indexed otherwise than declared are built again from the first event, in an edition beside them."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            changed = Table(PEOPLE.name, indexes)
            assert await documents.prepare(changed) == Checkpoint()
            assert await documents.load(changed, list(RESIDENTS)) == {}

    async def test_tables_do_not_touch_each_other(self, tmp_path: Path) -> None:
        """Two views have documents and a checkpoint each, even where the keys are the same."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await put(documents, PLAIN, {"anna": ()})
            await documents.reset(PLAIN)
            assert await documents.get(PEOPLE, "anna") == (document("anna", RESIDENTS["anna"]), 1, False)

    async def test_names_that_differ_in_letter_case_are_two_tables(self, tmp_path: Path) -> None:
        """A view's name is compared character by character."""
        async with self.open_documents(tmp_path) as documents:
            upper, lower = Table("Page", (("city",),)), Table("page", (("city",),))
            await put(documents, upper, {"a": ("Bern",)})
            await put(documents, lower, {"b": ("Zug",)})
            assert (await keys(documents, upper, Lookup()), await keys(documents, lower, Lookup())) == (["a"], ["b"])

    async def test_load_gives_what_is_there(self, tmp_path: Path) -> None:
        """Each document by its key; absent ones are left out, a key given twice is there once."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.load(PEOPLE, ["carl", "nobody", "anna", "carl"]) == {
                key: document(key, RESIDENTS[key]) for key in ("carl", "anna")
            }

    async def test_load_of_nothing_gives_nothing(self, tmp_path: Path) -> None:
        """No key, no document."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.load(PEOPLE, []) == {}

    async def test_load_takes_thousands_of_keys(self, tmp_path: Path) -> None:
        """As many as one chunk of events may touch."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PLAIN, {f"k-{n}": () for n in range(0, 40_000, 2)})
            found = await documents.load(PLAIN, [f"k-{n}" for n in range(40_000)])
            assert set(found) == {f"k-{n}" for n in range(0, 40_000, 2)}

    async def test_a_document_is_replaced(self, tmp_path: Path) -> None:
        """A second change to a key leaves the new document, found by its new values only."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, {"anna": ("Bern", 30)})
            await put(documents, PEOPLE, {"anna": ("Zug", 31)})
            assert await documents.get(PEOPLE, "anna") == (document("anna", ("Zug", 31)), 2, False)
            assert await keys(documents, PEOPLE, where(("city", "=", "Bern"))) == []
            assert await keys(documents, PEOPLE, where(("city", "=", "Zug"))) == ["anna"]

    async def test_a_document_is_removed(self, tmp_path: Path) -> None:
        """It is found no more, by key or by value; removing what is absent is no error."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, RESIDENTS)
            changes = [Change("anna", None), Change("nobody", None)]
            await documents.commit(PEOPLE, changes, expected=reached, checkpoint=at(2))
            assert await documents.get(PEOPLE, "anna") == (None, 2, False)
            assert await keys(documents, PEOPLE, where(("city", "=", "Bern"))) == ["bert", "hans"]

    async def test_a_commit_without_changes_moves_the_checkpoint(self, tmp_path: Path) -> None:
        """A stretch that changes nothing has been applied too."""
        async with self.open_documents(tmp_path) as documents:
            await documents.prepare(PEOPLE)
            await documents.commit(PEOPLE, [], expected=Checkpoint(), checkpoint=at(500))
            assert (await documents.checkpoint(PEOPLE), await documents.get(PEOPLE, "anna")) == (
                at(500),
                (None, 500, False),
            )

    @pytest.mark.parametrize(
        "expected",
        [Checkpoint(), at(2), at(1, "another log"), Checkpoint(1, "log", b"another event")],
        ids=["position behind", "position ahead", "log", "digest"],
    )
    async def test_a_checkpoint_that_moved_refuses_the_commit(self, tmp_path: Path, expected: Checkpoint) -> None:
        """Who does not stand where they think writes nothing: position, log and digest have to agree."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, {"anna": ("Bern", 30)})
            changes = [Change("anna", None), Change("bert", "{}", ("Zug", 1))]
            with pytest.raises(CheckpointMovedError):
                await documents.commit(PEOPLE, changes, expected=expected, checkpoint=at(3))
            assert await documents.checkpoint(PEOPLE) == reached
            assert await keys(documents, PEOPLE, Lookup()) == ["anna"]

    async def test_one_of_many_racers_commits(self, tmp_path: Path) -> None:
        """Of all who go on from the same checkpoint one does; no event is applied twice."""
        async with self.open_documents(tmp_path) as documents:
            await documents.prepare(PEOPLE)
            outcomes = await asyncio.gather(
                *(
                    documents.commit(
                        PEOPLE, [Change(f"k-{n}", "{}", (None, n))], expected=Checkpoint(), checkpoint=at(1)
                    )
                    for n in range(16)
                ),
                return_exceptions=True,
            )
            winners = [f"k-{n}" for n, outcome in enumerate(outcomes) if outcome is None]
            assert sum(isinstance(outcome, CheckpointMovedError) for outcome in outcomes) == 15
            assert await keys(documents, PEOPLE, Lookup()) == winners

    async def test_an_answer_is_of_one_moment(self, tmp_path: Path) -> None:
        """A reader beside a writer sees all of a commit, with its position, or none of it."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, {f"k-{n}": (None, 1) for n in range(20)})

            async def write() -> None:
                for age in range(2, 40):
                    await put(documents, PEOPLE, {f"k-{n}": (None, age) for n in range(20)})

            writing = asyncio.ensure_future(write())
            while not writing.done():
                hits, position, _ = await documents.find(PEOPLE, Lookup(order="age"))
                assert {hit.value for hit in hits} == {position}
                groups, position, _ = await documents.count(PEOPLE, Lookup(), by="age")
                assert groups == {position: 20}
                await asyncio.sleep(0)
            await writing

    async def test_reset_removes_every_document(self, tmp_path: Path) -> None:
        """Documents and checkpoint are back at the start, and the table can be filled again."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await documents.reset(PEOPLE)
            assert await documents.checkpoint(PEOPLE) == Checkpoint()
            assert await documents.find(PEOPLE, Lookup()) == ([], 0, False)
            await put(documents, PEOPLE, {"anna": ("Bern", 30)})
            assert await keys(documents, PEOPLE, Lookup()) == ["anna"]

    @pytest.mark.parametrize(
        "text",
        ['{ "a" : 1.00 }', '{"städte":["Zürich","東京","🦊"]}', '"\\u0000"', "{}", '{"a":"' + "x" * 100_000 + '"}'],
    )
    async def test_a_document_comes_back_to_the_byte(self, tmp_path: Path, text: str) -> None:
        """What was stored ready to serve is served as it is."""
        async with self.open_documents(tmp_path) as documents:
            await documents.prepare(PLAIN)
            await documents.commit(PLAIN, [Change("k", text)], expected=Checkpoint(), checkpoint=at(1))
            assert await documents.get(PLAIN, "k") == (text, 1, False)
            assert await documents.load(PLAIN, ["k"]) == {"k": text}

    async def test_keys_are_compared_character_by_character(self, tmp_path: Path) -> None:
        """No letter case, space, accent, number or wildcard makes two keys one."""
        names = ["a", "A", "a ", " a", "é", "e\u0301", "1", "01", "1.0", "%", "_", "*", "'", '"', "日本", "🦊"]
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PLAIN, dict.fromkeys(names, ()))
            for name in names:
                assert (await documents.get(PLAIN, name))[0] == document(name, ())
            assert await keys(documents, PLAIN, Lookup()) == sorted(names)

    async def test_closing_again_does_nothing(self, tmp_path: Path) -> None:
        """Closing is idempotent."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await documents.aclose()
            await documents.aclose()
