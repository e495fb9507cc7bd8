"""Facts about digests and the log's identity: what a record says can be held against what it was."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from uuid import UUID

from storied.store.codec import new_event
from storied.store.records import Metadata, NewEvent, Recorded, digest_of
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, stored


def digest_by_the_book(record: Recorded) -> bytes:
    """The digest computed from the documented layout alone, sharing no code with the store."""
    layout = b"storied:event:1\n"
    layout += record.position.to_bytes(8, "big")
    layout += record.recorded_us.to_bytes(8, "big", signed=True)
    layout += record.version.to_bytes(4, "big")
    fields = (record.id, record.type, record.tags_json, record.metadata_json, record.data)
    texts = [text.encode("utf-8") for text in fields]
    layout += b"".join(len(text).to_bytes(4, "big") for text in texts) + b"".join(texts)
    return sha256(layout).digest()


def varied() -> list[NewEvent]:
    """Events that differ in everything that is digested."""
    return [
        event(),
        event("Paid", "order:o-1", "customer:ü", note="日本語 🦊"),
        new_event(
            "Paid", {"a": [1, 2.5]}, version=7, tags=("a:1",), metadata=Metadata(actor="anna", headers={"k": "v"})
        ),
        NewEvent("Raw", '{ "spaced" : 1.0 }', tags=("b:1", "c:1")),
    ]


class DigestFacts(OpensStores):
    """What a digest covers."""

    async def test_every_record_carries_the_digest_of_what_it_says(self, tmp_path: Path) -> None:
        """`digest_of` of a record equals the digest that was stored with it."""
        async with self.open_store(tmp_path) as store:
            await store.append(varied())
            await store.append(events(20, "Noted", "a:1"))
            assert all(record.digest == digest_of(record) for record in await stored(store))

    async def test_a_digest_can_be_computed_by_anyone(self, tmp_path: Path) -> None:
        """The documented layout and SHA-256 are all it takes."""
        async with self.open_store(tmp_path) as store:
            await store.append(varied())
            records = await stored(store)
            assert [record.digest for record in records] == [digest_by_the_book(record) for record in records]

    async def test_a_digest_depends_on_the_position(self, tmp_path: Path) -> None:
        """The same event at another place has another digest, so that events cannot trade places."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(50))
            digests = {record.digest for record in await stored(store)}
            assert (len(digests), {len(digest) for digest in digests}) == (50, {32})

    async def test_a_reading_in_any_direction_gives_the_same_records(self, tmp_path: Path) -> None:
        """A record is one thing, however it was found."""
        async with self.open_store(tmp_path) as store:
            await store.append(varied())
            assert (await store.read(backwards=True).list())[::-1] == await stored(store)


class IdentityFacts(OpensStores):
    """How a log is told from another."""

    async def test_a_log_has_a_uuid(self, tmp_path: Path) -> None:
        """The identity is a UUID in its text form."""
        async with self.open_store(tmp_path) as store:
            assert str(UUID(store.identity)) == store.identity

    async def test_the_identity_never_changes(self, tmp_path: Path) -> None:
        """Appending does not make it another log."""
        async with self.open_store(tmp_path) as store:
            before = store.identity
            await store.append(events(3))
            assert store.identity == before

    async def test_another_log_has_another_identity(self, tmp_path: Path) -> None:
        """Two logs made in two places are never taken for each other."""
        here, there = tmp_path / "here", tmp_path / "there"
        here.mkdir()
        there.mkdir()
        async with self.open_store(here) as one, self.open_store(there) as other:
            assert one.identity != other.identity
