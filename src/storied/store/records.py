"""Records: what goes into the store, what comes out of it, and the digest over each.

The digest is SHA-256 over these bytes, integers big-endian, texts in UTF-8:

======== ===============================================================
16 bytes ``storied:event:1`` and a line feed
8        position, unsigned
8        recorded_at, signed: microseconds since 1970 in UTC
4        version, unsigned
5 × 4    the lengths in bytes, unsigned, of the five texts that follow
n        the id: a UUID in its text form
n        the type
n        the tags: a JSON array of strings without white space
n        the metadata: a JSON object as stored
n        the data: the payload's JSON as stored
======== ===============================================================
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from storied.domain.ids import new_id
from storied.errors import InvalidEvent
from storied.store.checks import check_id, check_tags, check_text, check_type_name, check_version

DIGEST_PREFIX = b"storied:event:1\n"
_HEADER = struct.Struct(">16sQqI5I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who, why and in what connection: the same for every event of one command.

    `causation` is the id of the command or event that led to this one, `correlation` the id that everything one
    request caused shares; `occurred_at` says when it happened, where that is known and not when it was recorded.
    """

    actor: str | None = None
    command: str | None = None
    correlation: str | None = None
    causation: str | None = None
    occurred_at: datetime | None = None
    headers: Mapping[str, str] = {}


_metadata = msgspec.json.Decoder(Metadata)
_tags = msgspec.json.Decoder(tuple[str, ...])
_encoder = msgspec.json.Encoder(order="deterministic")


class CheckedText(str):
    """Metadata as JSON that has passed every check: what `codec.metadata_text` gives."""

    __slots__ = ()


CHECKED = object()
"""What the codec hands in with an event that it has checked."""


class NewEvent(msgspec.Struct, frozen=True, gc=False, repr_omit_defaults=True):
    """An event ready to be stored: name, shape, and three JSON texts. Made by `codec.encode` or `codec.new_event`.

    One made by hand, or changed by `msgspec.structs.replace`, is checked as theirs are, so there is none that a store
    could not keep. Raises `InvalidEvent`. `proof` is the codec's, and gone at once.
    """

    type: str
    data: str
    version: int = 1
    tags: tuple[str, ...] = ()
    metadata: str = "{}"
    id: str = msgspec.field(default_factory=new_id)
    proof: object = None

    def __post_init__(self) -> None:
        if self.proof is CHECKED:
            msgspec.structs.force_setattr(self, "proof", None)
            return
        check_type_name(self.type)
        check_version(self.version)
        check_id(self.id)
        check_tags(self.tags)
        check_text(self.data, self.type)
        check_metadata(self.metadata)


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event as the store holds it, with its JSON undecoded; the properties decode what is asked for.

    `position` counts from 1; `recorded_us` is microseconds since 1970 in UTC; `digest` is 32 bytes.
    """

    position: int
    id: str
    type: str
    version: int
    tags_json: str
    data: str
    metadata_json: str
    recorded_us: int
    digest: bytes

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in code point order."""
        return _tags.decode(self.tags_json)

    @property
    def metadata(self) -> Metadata:
        """Who, why and in what connection."""
        return _metadata.decode(self.metadata_json)

    @property
    def actor(self) -> str | None:
        """Who."""
        return self.metadata.actor

    @property
    def recorded_at(self) -> datetime:
        """When the store learned it, in UTC; never earlier than that of any event before it."""
        return from_microseconds(self.recorded_us)

    @property
    def occurred_at(self) -> datetime:
        """When it happened: as somebody said, else when it was recorded."""
        return self.metadata.occurred_at or self.recorded_at

    @property
    def payload(self) -> object:
        """The payload as plain JSON values, as it was stored."""
        return msgspec.json.decode(self.data)


class Receipt(msgspec.Struct, frozen=True, gc=False, repr_omit_defaults=True):
    """What an append stored: `count` events, the last at `position`; `append_id` repeats it safely.

    An append of no event stores its id alone; `position` is then the head at that time. `new` says that this very
    append stored it, and no earlier one under its id. Two receipts are equal whatever that says.
    """

    append_id: str
    position: int
    count: int
    new: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Receipt) and (self.append_id, self.position, self.count) == (
            other.append_id,
            other.position,
            other.count,
        )

    def __hash__(self) -> int:
        return hash((self.append_id, self.position, self.count))

    @property
    def first(self) -> int:
        """The position of its first event."""
        return self.position - self.count + 1


def encode_tags(tags: tuple[str, ...]) -> str:
    """Tags as the JSON text that is stored and digested."""
    return _encoder.encode(tags).decode()


def encode_metadata(metadata: Metadata) -> str:
    """Metadata as the JSON text that is stored and digested."""
    return _encoder.encode(metadata).decode()


def check_metadata(text: object) -> None:
    """Passes metadata as JSON made by another hand. Raises `InvalidEvent`."""
    check_text(text, "the metadata")
    try:
        occurred_at = _metadata.decode(str(text)).occurred_at
    except msgspec.ValidationError as error:
        raise InvalidEvent(
            f"the metadata cannot be stored: {error}. Give text for actor and ids, and headers of text to text.",
            code="invalid-metadata",
        ) from None
    if occurred_at is not None and occurred_at.tzinfo is None:
        raise InvalidEvent(
            "occurred_at has no time zone. Give an aware datetime, such as one in UTC.", code="invalid-metadata"
        )


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 of an aware time, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The time in UTC, exactly."""
    return _EPOCH + timedelta(microseconds=value)


def digest_at(position: int, recorded_us: int, version: int, texts: tuple[str, str, str, str, str]) -> bytes:
    """The digest of an event at its place; *texts* are its id, type, tags, metadata and data as stored."""
    event_id, name, tags, metadata, data = texts
    raw = f"{event_id}{name}{tags}{metadata}{data}".encode()
    lengths = len(event_id), len(name), len(tags), len(metadata), len(data)
    if len(raw) != sum(lengths):
        lengths = (*map(len, [text.encode() for text in texts]),)  # type: ignore[assignment]  # five, as before
    return sha256(_HEADER.pack(DIGEST_PREFIX, position, recorded_us, version, *lengths) + raw).digest()


def digest_of(record: Recorded) -> bytes:
    """The digest of what the record says, to hold against the one it carries."""
    texts = (record.id, record.type, record.tags_json, record.metadata_json, record.data)
    return digest_at(record.position, record.recorded_us, record.version, texts)


def placed(event: NewEvent, position: int, recorded_us: int) -> Recorded:
    """The event as a record at its place in the log."""
    tags_json = encode_tags(event.tags)
    texts = (event.id, event.type, tags_json, event.metadata, event.data)
    digest = digest_at(position, recorded_us, event.version, texts)
    return Recorded(
        position, event.id, event.type, event.version, tags_json, event.data, event.metadata, recorded_us, digest
    )
