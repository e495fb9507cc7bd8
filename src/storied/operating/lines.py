"""The lines of an export: JSON that keeps what is stored to the byte. Pure.

::

    {"storied":"export","version":1,"identity":"…","head":2,"checksum":…}
    {"position":1,"id":"…","type":"…","version":1,"tags":[…],"data":{…},"metadata":{…},"recorded_at":…,"digest":"…"}
    {"append":"…","position":1,"count":1,"fingerprint":null,"checksum":…}
    …
    {"end":2,"appends":1}

An append stands behind its last event. `recorded_at` is microseconds since 1970 in UTC, `digest` and `fingerprint` are
hexadecimal, a checksum is a CRC-32. Tags, data and metadata are written as they are stored; a text that would not
survive on a line goes in as a JSON string, under ``tags_text``, ``data_text`` or ``metadata_text``.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec

from storied.errors import InvalidInput
from storied.store.appending import Stored, receipt_checksum
from storied.store.records import Receipt, Recorded, digest_of

VERSION = 1
_text = msgspec.json.Encoder()


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: which log, and up to where."""

    storied: str
    version: int
    identity: str
    head: int
    checksum: int


class EventLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event; of each pair, the raw JSON or the text."""

    position: int
    id: str
    type: str
    version: int
    recorded_at: int
    digest: str
    tags: msgspec.Raw = msgspec.Raw(b"")
    data: msgspec.Raw = msgspec.Raw(b"")
    metadata: msgspec.Raw = msgspec.Raw(b"")
    tags_text: str | None = None
    data_text: str | None = None
    metadata_text: str | None = None


class AppendLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is remembered of one append."""

    append: str
    position: int
    count: int
    fingerprint: str | None
    checksum: int


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: how many events and appends there were."""

    end: int
    appends: int


Line = Header | Recorded | Stored | End
_decoders = {
    b'{"position"': msgspec.json.Decoder(EventLine),
    b'{"append"': msgspec.json.Decoder(AppendLine),
    b'{"storied"': msgspec.json.Decoder(Header),
    b'{"end"': msgspec.json.Decoder(End),
}


def header_line(identity: str, head: int) -> bytes:
    """The first line of an export."""
    return _line(Header("export", VERSION, identity, head, _header_checksum(identity, head)))


def event_line(record: Recorded) -> bytes:
    """The event's line."""
    parts = (
        f'{{"position":{record.position},"id":{_quoted(record.id)},"type":{_quoted(record.type)}',
        f'"version":{record.version}',
        _member("tags", record.tags_json),
        _member("data", record.data),
        _member("metadata", record.metadata_json),
        f'"recorded_at":{record.recorded_us},"digest":"{record.digest.hex()}"}}\n',
    )
    return ",".join(parts).encode()


def append_line(stored: Stored) -> bytes:
    """The line of what is remembered of an append."""
    receipt, fingerprint = stored.receipt, stored.fingerprint
    text = None if fingerprint is None else fingerprint.hex()
    return _line(AppendLine(receipt.append_id, receipt.position, receipt.count, text, receipt_checksum(stored)))


def end_line(events: int, appends: int) -> bytes:
    """The last line of an export."""
    return _line(End(events, appends))


def parse_line(line: bytes) -> Line:
    """What the line says, once its digest or checksum has shown that nothing was changed.

    Raises `InvalidInput` with code ``bad-line``, whose message says why.
    """
    decoder: Any = next((each for start, each in _decoders.items() if line.startswith(start)), None)
    if decoder is None:
        raise bad_line("it is no line of an export")
    try:
        return _checked(decoder.decode(line))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:  # UnicodeError is a ValueError
        raise bad_line(str(error)) from error


def bad_line(why: str) -> InvalidInput:
    """The refusal of a line."""
    return InvalidInput(why, code="bad-line")


def _checked(line: Header | EventLine | AppendLine | End) -> Line:
    if isinstance(line, EventLine):
        return _event(line)
    if isinstance(line, AppendLine):
        fingerprint = None if line.fingerprint is None else bytes.fromhex(line.fingerprint)
        stored = Stored(Receipt(line.append, line.position, line.count), fingerprint)
        if receipt_checksum(stored) != line.checksum:
            raise bad_line(f"what it says of append {line.append} does not fit its checksum")
        return stored
    if isinstance(line, Header):
        if (line.storied, line.version) != ("export", VERSION):
            raise bad_line(f"it is version {line.version} of the format, and this storied knows {VERSION}")
        if line.checksum != _header_checksum(line.identity, line.head):
            raise bad_line("the header does not fit its checksum")
    return line


def _event(line: EventLine) -> Recorded:
    record = Recorded(
        line.position,
        line.id,
        line.type,
        line.version,
        _stored_text(line.tags, line.tags_text),
        _stored_text(line.data, line.data_text),
        _stored_text(line.metadata, line.metadata_text),
        line.recorded_at,
        bytes.fromhex(line.digest),
    )
    try:
        fits = digest_of(record) == record.digest
    except Exception as error:  # a number that no event can have
        raise bad_line(f"event {line.position} cannot be: {error}") from error
    if not fits:
        raise bad_line(f"event {line.position} does not fit its digest")
    return record


def _stored_text(raw: msgspec.Raw, text: str | None) -> str:
    return bytes(raw).decode() if text is None else text


def _member(name: str, text: str) -> str:
    return f'"{name}":{text}' if _survives(text) else f'"{name}_text":{_quoted(text)}'


def _survives(text: str) -> bool:
    """Whether the text, written on a line as it is, is read back as it is."""
    if "\n" in text or "\r" in text or not text or text[0].isspace() or text[-1].isspace():
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _quoted(text: str) -> str:
    return _text.encode(text).decode()


def _header_checksum(identity: str, head: int) -> int:
    return crc32(f"{identity}\n{head}\n".encode())


def _line(value: object) -> bytes:
    return _text.encode(value) + b"\n"
