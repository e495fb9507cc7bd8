"""Facts about bad input: refused with a code before anything is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from storied.errors import InvalidEvent, InvalidInput, InvalidQuery
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, positions, stored
from storied.testing.waiting import take

NO_POSITIONS: list[Any] = [-1, True, 1.0, "1", 2**63]
NO_APPEND_IDS: list[Any] = ["", "x" * 201, "line\nfeed", "nul\x00", 7, b"bytes"]


class RefusalFacts(OpensStores):
    """What a store does not take."""

    async def test_an_append_of_nothing_needs_an_id(self, tmp_path: Path) -> None:
        """Without events there is only the id to remember."""
        async with self.open_store(tmp_path) as store:
            with pytest.raises(InvalidInput) as caught:
                await store.append([])
            assert caught.value.code == "empty-append"

    @pytest.mark.parametrize("append_id", NO_APPEND_IDS)
    async def test_an_append_id_is_short_printable_text(self, tmp_path: Path, append_id: Any) -> None:
        """An id that is empty, long, unprintable or no text is refused, and nothing is stored."""
        async with self.open_store(tmp_path) as store:
            with pytest.raises(InvalidInput) as caught:
                await store.append([event()], append_id=append_id)
            assert (caught.value.code, await store.head()) == ("invalid-append-id", 0)

    async def test_an_append_id_may_have_200_characters(self, tmp_path: Path) -> None:
        """The longest id allowed is remembered like any other."""
        async with self.open_store(tmp_path) as store:
            receipt = await store.append([event()], append_id="ü" * 200)
            assert await store.receipt("ü" * 200) == receipt

    @pytest.mark.parametrize("append_id", NO_APPEND_IDS)
    async def test_a_receipt_is_asked_for_by_an_append_id(self, tmp_path: Path, append_id: Any) -> None:
        """What cannot name an append is refused, not answered with None."""
        async with self.open_store(tmp_path) as store:
            with pytest.raises(InvalidInput) as caught:
                await store.receipt(append_id)
            assert caught.value.code == "invalid-append-id"

    @pytest.mark.parametrize("other", [{"type": "Noted"}, "Noted", None])
    async def test_only_events_made_ready_are_stored(self, tmp_path: Path, other: Any) -> None:
        """One thing that is not a `NewEvent` refuses the whole append; no position is used."""
        async with self.open_store(tmp_path) as store:
            with pytest.raises(InvalidEvent):
                await store.append([event(), other, event()])
            await store.append([event()])
            assert positions(await stored(store)) == [1]

    async def test_two_events_of_one_append_have_two_ids(self, tmp_path: Path) -> None:
        """One event given twice, or another under its id, refuses the whole append; no position is used."""
        one = event(note=1)
        other = msgspec.structs.replace(event(note=2), id=one.id)
        async with self.open_store(tmp_path) as store:
            for twice in ([one, one], [one, event(), other]):
                with pytest.raises(InvalidEvent) as caught:
                    await store.append(twice, append_id="one")
                assert caught.value.code == "repeated-id"
                assert "Nothing was stored" in str(caught.value)
            assert (await store.receipt("one"), await store.head()) == (None, 0)

    @pytest.mark.parametrize("name", ["after", "until", "limit"])
    @pytest.mark.parametrize("value", NO_POSITIONS)
    async def test_a_stretch_is_given_in_whole_numbers_from_0(self, tmp_path: Path, name: str, value: Any) -> None:
        """A negative, fractional, textual, boolean or too large bound is refused."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            with pytest.raises(InvalidQuery):
                await store.read(**{name: value}).list()

    @pytest.mark.parametrize("value", NO_POSITIONS)
    async def test_a_subscription_starts_at_a_whole_number_from_0(self, tmp_path: Path, value: Any) -> None:
        """`after` of a subscription is held to the same rule."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            with pytest.raises(InvalidQuery):
                await take(store.subscribe(after=value), 1)

    @pytest.mark.parametrize("size", [0, -1])
    async def test_a_page_has_room_for_an_event(self, tmp_path: Path, size: int) -> None:
        """Pages of no size would never end."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2))
            with pytest.raises(InvalidQuery):
                await take(store.read().pages(size), 1)
            with pytest.raises(InvalidQuery):
                await take(store.subscribe().pages(size), 1)
