"""Facts about what a record holds: what was appended, to the byte, and when the store learned it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from storied.domain.ids import new_id
from storied.store.checks import MAX_EVENT_BYTES
from storied.store.codec import new_event
from storied.store.records import Metadata, NewEvent, Recorded
from storied.testing.clocks import ManualClock
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.querying import ODD_TAGS
from storied.testing.contract.specimens import event, stored

PAYLOADS: dict[str, object] = {
    "nothing": {},
    "null": {"a": None},
    "every kind": {"s": "x", "i": -1, "f": 0.1, "t": True, "n": None, "l": [1, [2, []]], "o": {"p": {}}},
    "an array": [1, "two", None],
    "languages": {"städte": "Zürich, Łódź, 東京, القاهرة, नई दिल्ली"},
    "beyond the basic plane": {"🦊": "𐐷𐤀 🏳️‍🌈"},
    "accents in both forms": {"one": "é", "two": "e\u0301"},
    "control characters": {"a": "tab\t line\n return\r bell\x07 escape\x1b delete\x7f"},
    "quoting": {"a": "\"double\" 'single' \\back\\ /slash/ `tick` %s %% {} $1 ?1 :name"},
    "an escaped NUL as text": {"a": "\\u0000"},
    "markup": {"a": "<script>alert('x')</script> & \u2028\u2029"},
    "whole numbers at the edge": {"a": [2**63 - 1, -(2**63), 0]},
    "fractions": {"a": [0.1, 1e-300, 1.7976931348623157e308, -0.0, 5e-324]},
    "keys out of order": {"z": 1, "a": 2, "m": 3},
}

EVERYTHING = Metadata(
    actor="anna",
    command="PayOrder",
    correlation="0190163d-8694-739b-aea5-966c26f8ad90",
    causation="0190163d-8694-739b-aea5-966c26f8ad91",
    occurred_at=datetime(2018, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    headers={"trace": "00-abc", "ünï": "çødé 🦊", "empty": ""},
)


class ContentFacts(OpensStores):
    """What a record holds."""

    async def stored_as(self, place: Path, new: NewEvent) -> Recorded:
        """The event as it is read after it was appended to a new store."""
        async with self.open_store(place) as store:
            await store.append([new])
            (record,) = await stored(store)
            return record

    @pytest.mark.parametrize("payload", PAYLOADS)
    async def test_a_payload_comes_back_to_the_byte(self, tmp_path: Path, payload: str) -> None:
        """The JSON text that was appended is the one that is read."""
        new = new_event("Noted", PAYLOADS[payload])
        record = await self.stored_as(tmp_path, new)
        assert (record.data.encode(), record.payload) == (new.data.encode(), PAYLOADS[payload])

    async def test_the_text_of_a_payload_is_not_written_anew(self, tmp_path: Path) -> None:
        """White space, the order of keys, escapes and the form of numbers stay as they are."""
        data = '{ "b" : 1.00,\n\t"a" : "\\u00e9é", "c": 1E2, "b2": 12345678901234567890123.5 }'
        assert (await self.stored_as(tmp_path, NewEvent("Noted", data))).data == data

    async def test_a_payload_as_large_as_allowed_is_kept(self, tmp_path: Path) -> None:
        """A mebibyte of JSON is stored and read."""
        new = new_event("Noted", "ü" * ((MAX_EVENT_BYTES - 2) // 2))
        assert (await self.stored_as(tmp_path, new)).data == new.data

    async def test_the_id_is_kept_as_given(self, tmp_path: Path) -> None:
        """Whoever makes an event up names it."""
        name = new_id()
        assert (await self.stored_as(tmp_path, NewEvent("Noted", "{}", id=name))).id == name

    async def test_an_id_is_a_uuid_of_version_7(self, tmp_path: Path) -> None:
        """An event that nobody named has a time-ordered UUID in its text form."""
        record = await self.stored_as(tmp_path, event())
        assert (str(UUID(record.id)), UUID(record.id).version) == (record.id, 7)

    @pytest.mark.parametrize("type", ["Paid", "p", "Bezahlt-für", "支払い済み", "🦊", "with 'quotes' and %", "x" * 128])
    async def test_the_type_is_kept(self, tmp_path: Path, type: str) -> None:
        """Any printable name of up to 128 characters names a type."""
        assert (await self.stored_as(tmp_path, event(type))).type == type

    @pytest.mark.parametrize("version", [1, 2, 2**31 - 1])
    async def test_the_version_is_kept(self, tmp_path: Path, version: int) -> None:
        """The shape that the payload had when it was stored is known for ever."""
        assert (await self.stored_as(tmp_path, new_event("Noted", {}, version=version))).version == version

    async def test_tags_are_sorted_and_unique(self, tmp_path: Path) -> None:
        """However they were given, an event's tags come in code point order, each once."""
        given = ("b:2", "a:10", "a:1", "B:1", "b:2", "ä:1")
        record = await self.stored_as(tmp_path, new_event("Noted", {}, tags=given))
        assert record.tags == ("B:1", "a:1", "a:10", "b:2", "ä:1")

    async def test_odd_tags_are_kept(self, tmp_path: Path) -> None:
        """Quotes, wildcards, colons and every script are kept in a tag as they are."""
        assert (await self.stored_as(tmp_path, event("Noted", *ODD_TAGS))).tags == tuple(sorted(ODD_TAGS))

    async def test_a_thousand_tags_are_kept(self, tmp_path: Path) -> None:
        """As many tags as an event may carry are stored with it."""
        tags = tuple(sorted(f"part:{n}" for n in range(1000)))
        assert (await self.stored_as(tmp_path, event("Noted", *tags))).tags == tags

    async def test_metadata_is_kept(self, tmp_path: Path) -> None:
        """Who, why, in what connection, when it happened, and free headers come back equal."""
        assert (await self.stored_as(tmp_path, new_event("Noted", {}, metadata=EVERYTHING))).metadata == EVERYTHING

    async def test_no_metadata_is_kept_as_none(self, tmp_path: Path) -> None:
        """What nobody said is not made up."""
        assert (await self.stored_as(tmp_path, new_event("Noted", {}))).metadata == Metadata()

    async def test_what_occurred_in_another_zone_is_the_same_moment(self, tmp_path: Path) -> None:
        """The time that somebody stated is kept to the microsecond."""
        when = datetime(2021, 7, 1, 0, 30, 0, 1, tzinfo=timezone(timedelta(hours=2)))
        record = await self.stored_as(tmp_path, new_event("Noted", {}, metadata=Metadata(occurred_at=when)))
        assert record.occurred_at == when

    async def test_what_nobody_timed_occurred_when_it_was_recorded(self, tmp_path: Path) -> None:
        """Without a statement the store's time stands for both."""
        record = await self.stored_as(tmp_path, event())
        assert record.occurred_at == record.recorded_at


class TimeFacts(OpensStores):
    """When an event was recorded."""

    async def test_recorded_at_is_the_time_of_the_store(self, tmp_path: Path) -> None:
        """The store's clock says when it learned an event, in UTC and to the microsecond."""
        start = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
        async with self.open_store(tmp_path, ManualClock(start)) as store:
            await store.append([event()])
            (record,) = await stored(store)
            assert (record.recorded_at, record.recorded_at.utcoffset()) == (start, timedelta(0))

    async def test_recorded_at_is_utc_whatever_the_zone_of_the_clock(self, tmp_path: Path) -> None:
        """A clock in another zone tells the same moment."""
        start = datetime(2024, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
        async with self.open_store(tmp_path, ManualClock(start)) as store:
            await store.append([event()])
            (record,) = await stored(store)
            assert record.recorded_at == start

    async def test_recorded_at_moves_with_the_clock(self, tmp_path: Path) -> None:
        """Each append is timed when it is stored."""
        clock = ManualClock(datetime(2024, 1, 1, tzinfo=UTC))
        async with self.open_store(tmp_path, clock) as store:
            for _ in range(3):
                await store.append([event()])
                clock.advance(timedelta(microseconds=1))
            found = [record.recorded_at.microsecond for record in await stored(store)]
            assert found == [0, 1, 2]

    async def test_recorded_at_never_goes_back(self, tmp_path: Path) -> None:
        """When the clock is set back, time stands still until it has caught up."""
        start = datetime(2024, 1, 1, tzinfo=UTC)
        clock = ManualClock(start)
        async with self.open_store(tmp_path, clock) as store:
            for step in (0, -3600, 1800, 1800 + 60):
                clock.advance(timedelta(seconds=step))
                await store.append([event()])
            found = [record.recorded_at for record in await stored(store)]
            assert found == [start, start, start, start + timedelta(seconds=60)]
