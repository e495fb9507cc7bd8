"""Facts about editions: a read model that is built beside the one that is served, and the keys that are parked."""

from __future__ import annotations

from pathlib import Path

import pytest

from storied.store.documents import (
    Change,
    Checkpoint,
    CheckpointMovedError,
    Criterion,
    Lookup,
    NoSuchColumnError,
    OtherEditionError,
    Parked,
    SupersededError,
    Table,
)
from storied.testing.contract.opening import OpensDocuments
from storied.testing.contract.shelves import PEOPLE, RESIDENTS, at, document, put, where

COMING = Table(PEOPLE.name, (("city",), ("street",)), "other code")
REBUILT = Table(PEOPLE.name, PEOPLE.indexes, PEOPLE.fingerprint, "rebuilt")
STUCK = Parked("anna", 3, "Moved", "it raised", "a trace")


class EditionFacts(OpensDocuments):
    """What `prepare`, `promote`, `is_live`, `editions`, `parked` and `search` do when there are two editions."""

    async def test_the_first_edition_is_live_at_once(self, tmp_path: Path) -> None:
        """There is nothing else to give to readers."""
        async with self.open_documents(tmp_path) as documents:
            await documents.prepare(PEOPLE)
            assert await documents.is_live(PEOPLE)

    async def test_an_edition_that_does_not_exist_is_not_live(self, tmp_path: Path) -> None:
        """Asking does not make it."""
        async with self.open_documents(tmp_path) as documents:
            assert not await documents.is_live(PEOPLE)
            assert await documents.editions() == []

    async def test_a_coming_edition_is_not_shown(self, tmp_path: Path) -> None:
        """Readers are given the live one, whole, while the other is being built."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await put(documents, COMING, {"anna": ("Rome", "Via")})
            assert not await documents.is_live(COMING)
            for table in (PEOPLE, COMING):
                assert await documents.get(table, "anna") == (document("anna", RESIDENTS["anna"]), 1, False)
                assert len((await documents.find(table, Lookup()))[0]) == len(RESIDENTS)

    async def test_documents_of_other_code_are_told_apart(self, tmp_path: Path) -> None:
        """To who asks for those of their own, and at a glance; before there is any, and once theirs are shown, not."""
        async with self.open_documents(tmp_path) as documents:
            assert await documents.find(COMING, Lookup(), own=True) == ([], 0, False)
            await put(documents, PEOPLE, RESIDENTS)
            reached = await put(documents, COMING, {"anna": ("Rome", "Via")})
            for table, live in ((PEOPLE, True), (COMING, False), (PEOPLE, True)):
                shown = documents.peek(table, "anna")
                assert shown is None or shown.foreign is not live
            assert len((await documents.find(PEOPLE, Lookup(), own=True))[0]) == len(RESIDENTS)
            for asking in (documents.get(COMING, "anna", own=True), documents.find(COMING, Lookup(), own=True)):
                with pytest.raises(OtherEditionError):
                    await asking
            await documents.promote(COMING, reached)
            assert await documents.get(COMING, "anna", own=True) == (document("anna", ("Rome", "Via")), 1, False)
            shown = documents.peek(COMING, "anna")
            assert shown is None or not shown.foreign

    async def test_promoting_shows_the_new_and_removes_the_old(self, tmp_path: Path) -> None:
        """From one moment to the next, readers of either code get the new edition alone."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            reached = await put(documents, COMING, {"anna": ("Rome", "Via")})
            await documents.promote(COMING, reached)
            assert await documents.is_live(COMING)
            assert [edition.table for edition in await documents.editions()] == [COMING]
            for table in (PEOPLE, COMING):
                assert await documents.get(table, "anna") == (document("anna", ("Rome", "Via")), 1, False)
                assert await documents.get(table, "bert") == (None, 1, False)

    async def test_promoting_twice_is_promoting_once(self, tmp_path: Path) -> None:
        """The second call finds it done."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            reached = await put(documents, COMING, {})
            await documents.promote(COMING, reached)
            await documents.promote(COMING, reached)
            assert await documents.checkpoint(COMING) == reached

    async def test_promoting_what_has_moved_on_is_refused(self, tmp_path: Path) -> None:
        """Whoever thinks it stands elsewhere does not know what would be shown."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await put(documents, COMING, {})
            with pytest.raises(CheckpointMovedError):
                await documents.promote(COMING, Checkpoint())
            assert await documents.is_live(PEOPLE)

    async def test_a_replaced_edition_takes_no_commit(self, tmp_path: Path) -> None:
        """Old code that still runs is told that it was superseded, and writes nothing."""
        async with self.open_documents(tmp_path) as documents:
            old = await put(documents, PEOPLE, RESIDENTS)
            await documents.promote(COMING, await put(documents, COMING, {}))
            with pytest.raises(SupersededError):
                await documents.commit(PEOPLE, [Change("zoe", "{}", (None, None))], expected=old, checkpoint=at(2))
            assert await documents.get(COMING, "zoe") == (None, 1, False)

    async def test_a_rebuilt_edition_takes_the_place_of_its_own_code(self, tmp_path: Path) -> None:
        """Once promoted it is the plain edition, which the same code goes on with."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            reached = await put(documents, REBUILT, {"anna": ("Rome", 1)})
            await documents.promote(REBUILT, reached)
            assert await documents.prepare(PEOPLE) == reached
            assert await documents.load(PEOPLE, ["anna", "bert"]) == {"anna": document("anna", ("Rome", 1))}

    async def test_a_question_by_a_coming_index_is_refused(self, tmp_path: Path) -> None:
        """The live edition does not have the column yet, and no wrong answer is given."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await documents.prepare(COMING)
            for lookup in (where(("street", "=", "Via")), where(order="street")):
                with pytest.raises(NoSuchColumnError):
                    await documents.find(COMING, lookup)
            with pytest.raises(NoSuchColumnError):
                await documents.count(COMING, Lookup(), "street")

    async def test_a_question_over_other_values_is_refused(self, tmp_path: Path) -> None:
        """Where the live index holds texts, numbers would not be found, and no wrong answer is given."""
        text, number = Table("Aged", (("age",),), forms=(("age", "text"),)), (("age", "number"),)
        asker = Table("Aged", (("age",),), "other code", forms=number)
        async with self.open_documents(tmp_path) as documents:
            await put(documents, text, {"anna": ("30",)})
            assert len((await documents.find(text, where(("age", "=", "30"))))[0]) == 1
            assert len((await documents.find(asker, Lookup()))[0]) == 1
            for lookup in (where(("age", "=", 30)), where(order="age")):
                with pytest.raises(NoSuchColumnError):
                    await documents.find(asker, lookup)
            with pytest.raises(NoSuchColumnError):
                await documents.count(asker, Lookup(), "age")

    async def test_a_view_that_was_never_built_answers_empty(self, tmp_path: Path) -> None:
        """At position 0 there is nothing to show."""
        async with self.open_documents(tmp_path) as documents:
            assert await documents.get(PEOPLE, "anna") == (None, 0, False)
            assert await documents.find(PEOPLE, Lookup()) == ([], 0, False)
            assert await documents.count(PEOPLE, Lookup()) == ({None: 0}, 0, False)
            assert await documents.held(PEOPLE) == []

    async def test_search_looks_into_the_own_edition(self, tmp_path: Path) -> None:
        """A projection finds the documents it has made itself, live or not."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await put(documents, COMING, {"zoe": ("Bern", "Gasse")})
            found = await documents.search(COMING, Criterion("city", "=", "Bern"))
            assert found == {"zoe": document("zoe", ("Bern", "Gasse"))}

    async def test_a_parked_key_is_kept_with_its_error(self, tmp_path: Path) -> None:
        """It is there with the commit that parked it, and can be asked for alone."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, RESIDENTS)
            later = Parked("bert", 2, "Moved", "other", "")
            await documents.commit(PEOPLE, [], expected=reached, checkpoint=at(3), parked=[STUCK, later])
            assert await documents.parked(PEOPLE) == [later, STUCK]
            assert await documents.parked(PEOPLE, "anna") == [STUCK]
            assert (await documents.editions())[0].parked == 2

    async def test_an_answer_says_whether_any_key_is_parked(self, tmp_path: Path) -> None:
        """Of the live edition, whichever document is asked for, so that nobody has to ask what is held back in vain."""
        async with self.open_documents(tmp_path) as documents:

            async def told() -> list[bool]:
                one = await documents.get(PEOPLE, "bert")
                return [
                    one[2],
                    (await documents.find(PEOPLE, Lookup()))[2],
                    (await documents.count(PEOPLE, Lookup()))[2],
                ]

            reached = await put(documents, PEOPLE, RESIDENTS)
            start = await documents.prepare(COMING)
            await documents.commit(COMING, [], expected=start, checkpoint=at(3), parked=[STUCK])
            assert await told() == [False, False, False]
            await documents.commit(PEOPLE, [], expected=reached, checkpoint=at(3), parked=[STUCK])
            assert await told() == [True, True, True]
            await documents.commit(PEOPLE, [], expected=at(3), checkpoint=at(4), freed=["anna"])
            assert await told() == [False, False, False]

    async def test_what_holds_a_key_back_is_that_of_the_live_edition(self, tmp_path: Path) -> None:
        """Readers of either code are told of it; a key that is parked in a coming edition is not held back yet."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, RESIDENTS)
            await documents.commit(PEOPLE, [], expected=reached, checkpoint=at(3), parked=[STUCK])
            start = await documents.prepare(COMING)
            other = Parked("bert", 2, "Moved", "other", "")
            await documents.commit(COMING, [], expected=start, checkpoint=at(3), parked=[other])
            for table in (PEOPLE, COMING):
                assert await documents.held(table, "anna") == [STUCK]
                assert await documents.held(table, "bert") == []
            await documents.promote(COMING, at(3))
            for table in (PEOPLE, COMING):
                assert await documents.held(table, "anna") == []
                assert await documents.held(table) == [other]

    async def test_a_freed_key_is_parked_no_more(self, tmp_path: Path) -> None:
        """Unless the same commit parks it again."""
        async with self.open_documents(tmp_path) as documents:
            start = await documents.prepare(PEOPLE)
            await documents.commit(PEOPLE, [], expected=start, checkpoint=at(3), parked=[STUCK])
            again = Parked("anna", 3, "Moved", "still", "")
            await documents.commit(PEOPLE, [], expected=at(3), checkpoint=at(4), parked=[again], freed=["anna"])
            assert await documents.parked(PEOPLE) == [again]
            await documents.commit(PEOPLE, [], expected=at(4), checkpoint=at(5), freed=["anna"])
            assert await documents.parked(PEOPLE) == []

    async def test_a_refused_commit_parks_nothing(self, tmp_path: Path) -> None:
        """Parking belongs to the transaction."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            with pytest.raises(CheckpointMovedError):
                await documents.commit(PEOPLE, [], expected=Checkpoint(), checkpoint=at(9), parked=[STUCK])
            assert await documents.parked(PEOPLE) == []

    async def test_a_reset_forgets_parked_keys(self, tmp_path: Path) -> None:
        """Everything will be applied again."""
        async with self.open_documents(tmp_path) as documents:
            start = await documents.prepare(PEOPLE)
            await documents.commit(PEOPLE, [], expected=start, checkpoint=at(3), parked=[STUCK])
            await documents.reset(PEOPLE)
            assert await documents.parked(PEOPLE) == []
            assert await documents.is_live(PEOPLE)

    async def test_what_stopped_an_edition_is_shown_until_it_goes_on(self, tmp_path: Path) -> None:
        """An operator sees it; the next commit says that it is over."""
        async with self.open_documents(tmp_path) as documents:
            reached = await put(documents, PEOPLE, RESIDENTS)
            await documents.report(PEOPLE, "it broke")
            assert (await documents.editions())[0].error == "it broke"
            await documents.commit(PEOPLE, [], expected=reached, checkpoint=at(2))
            assert (await documents.editions())[0].error is None

    async def test_a_checkpoint_keeps_how_often_keys_were_freed(self, tmp_path: Path) -> None:
        """So that a projection which holds a freed key back finds its checkpoint moved."""
        async with self.open_documents(tmp_path) as documents:
            start = await documents.prepare(PEOPLE)
            marked = Checkpoint(1, "log", b"d" * 32, freed=7)
            await documents.commit(PEOPLE, [], expected=start, checkpoint=marked)
            assert await documents.checkpoint(PEOPLE) == marked
