"""From events to JSON and back: what is stored decodes to an equal event, or it is not stored.

Encoding decodes again and compares, so that a wrong type, a NaN or a value that JSON cannot hold is found
before it is history. Decoding upcasts old payloads version by version, as dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from storied.domain.events import Event, EventSpec, event_spec
from storied.domain.ids import new_id
from storied.domain.showing import shown
from storied.domain.tags import canonical_tags
from storied.errors import DecodeError, DefinitionError, InvalidEvent
from storied.store.checks import check_amounts, check_json, check_type_name, check_version, too_deep
from storied.store.reading import Content, Contents
from storied.store.records import CHECKED, CheckedText, Metadata, NewEvent, Recorded, check_metadata, encode_metadata

_encoder = msgspec.json.Encoder()
_TEXT = {str, type(None)}


def encode(event: Event, metadata: str = "{}") -> NewEvent:
    """The event as it will be stored, with *metadata* as JSON from `records.encode_metadata`.

    Raises `InvalidEvent`: ``wrong-type`` when a field's value is not of its declared type, ``not-json`` when JSON
    cannot hold it, ``lossy`` when it would come back changed or no index could hold it, ``too-large``, ``too-deep``,
    ``number-too-large``, ``nul``, and for tags what `canonical_tags` raises.
    """
    spec = event_spec(type(event))
    raw, data = _to_json(event, spec.name)
    try:
        back = spec.decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidEvent(
            f"{spec.name} cannot be stored: {error}. Give each field a value of its declared type.", code="wrong-type"
        ) from None
    if not _equal(back, event):
        raise InvalidEvent(
            f"{spec.name} would come back changed from the store ({_first_difference(event, back)}). "
            "Use values that JSON holds exactly: no NaN or infinity, and a declared type for each field.",
            code="lossy",
        )
    check_amounts(event, spec.name, raw)
    if metadata.__class__ is CheckedText:
        metadata = str(metadata)
    elif metadata != "{}":
        check_metadata(metadata)
    return NewEvent(spec.name, data, spec.version, spec.tags(event), metadata, new_id(), CHECKED)


def new_event(
    type: str, payload: object, *, tags: tuple[str, ...] = (), version: int = 1, metadata: Metadata | None = None
) -> NewEvent:
    """An event without a class: a type's name and a payload of JSON values. Raises `InvalidEvent` as `encode` does."""
    check_type_name(type)
    check_version(version)
    if not isinstance(tags, Iterable):
        raise InvalidEvent(f"{shown(tags)} are no tags. Give a tuple such as ('order:o-1',).", code="invalid-tag")
    _, data = _to_json(payload, type)
    if not _equal(msgspec.json.decode(data), payload):
        raise InvalidEvent(
            f"{type} would come back changed from the store. Use plain JSON values: no NaN, no tuples, no objects.",
            code="lossy",
        )
    return NewEvent(
        type, data, version, canonical_tags(tags), str(metadata_text(metadata or Metadata())), new_id(), CHECKED
    )


def metadata_text(metadata: Metadata) -> CheckedText:
    """Metadata as the JSON to be stored. Raises `InvalidEvent` for values that are not of their declared types."""
    try:
        text = encode_metadata(metadata)
        if not (_is_text(metadata) or _equal(msgspec.json.decode(text, type=Metadata), metadata)):
            raise InvalidEvent(
                "the metadata would come back changed from the store. Use aware times and text.", code="lossy"
            )
    except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
        raise InvalidEvent(
            f"the metadata cannot be stored: {error}. Give text for actor and ids, and headers of text to text.",
            code="invalid-metadata",
        ) from None
    if metadata.occurred_at is not None and metadata.occurred_at.tzinfo is None:
        raise InvalidEvent(
            "occurred_at has no time zone. Give an aware datetime, such as one in UTC.", code="invalid-metadata"
        )
    check_json(text, "the metadata")
    return CheckedText(text)


def _is_text(metadata: Metadata) -> bool:
    """Whether it is text alone, which comes back as it was once it could be encoded."""
    if metadata.headers or metadata.occurred_at is not None:
        return False
    kinds = {metadata.actor.__class__, metadata.command.__class__}
    return kinds.union((metadata.correlation.__class__, metadata.causation.__class__)) <= _TEXT


def _to_json(value: object, name: str) -> tuple[bytes, str]:
    """The JSON as bytes and as text."""
    try:
        raw = _encoder.encode(value)
        data = raw.decode()
    except (TypeError, ValueError, OverflowError) as error:  # UnicodeEncodeError is a ValueError
        raise InvalidEvent(
            f"{name} cannot be stored: {error}. Use values that JSON can hold, and text without lone surrogates.",
            code="not-json",
        ) from None
    except RecursionError:
        raise too_deep(name) from None
    check_json(data, name, raw)
    return raw, data


def _equal(one: Any, other: Any) -> bool:
    """Whether the two are the same, a time in a repeated hour too, which Python calls unlike itself in another zone."""
    try:
        if one == other:
            return True
    except ArithmeticError:  # a signalling NaN raises when it is compared
        return False
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one.isoformat() == other.isoformat()
    if type(one) is not type(other):
        return False
    if isinstance(one, msgspec.Struct):
        return all(_equal(getattr(one, field), getattr(other, field)) for field in one.__struct_fields__)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return False


def _first_difference(event: Event, back: Event) -> str:
    for field in event.__struct_fields__:
        old, new = getattr(event, field), getattr(back, field)
        if not _equal(old, new):
            return f"{field}: {shown(old, 60)} as {shown(new, 60)}"
    return "its fields"


class EventTypes:
    """The event classes that a reader knows, by their names in the store; decodes records of them.

    Raises `DefinitionError` when two classes claim one name.
    """

    def __init__(self, classes: Any) -> None:
        self.by_name: dict[str, EventSpec] = {}
        for cls in dict.fromkeys(classes):
            spec = event_spec(cls)
            for name in spec.names:
                other = self.by_name.setdefault(name, spec)
                if other is not spec:
                    raise DefinitionError(
                        f"{other.cls.__module__}.{other.cls.__qualname__} and {cls.__module__}.{cls.__qualname__} are "
                        f"both stored as {name!r}. Rename one, or give it name=."
                    )

        self._decoders = _Decoders(self.by_name)

    def decode(self, record: Recorded) -> Event | Recorded:
        """The record's event, upcast to today's version; the record itself when its type is not known here.

        Raises `DecodeError`.
        """
        spec = self.by_name.get(record.type)
        return record if spec is None else decode_as(spec, record)

    def decode_contents(self, contents: Contents) -> list[Event | None]:
        """Each event as `decode` gives it, and None for one whose type is not known here. Raises `DecodeError`."""
        decoders = self._decoders
        kinds = zip(contents.types, contents.versions, strict=True)
        try:
            return [decoders[kind](data) for kind, data in zip(kinds, contents.payloads, strict=True)]
        except Exception:
            return [self._decoded(event) for event in contents.events]  # which says which it was, and why

    def decode_records(self, records: Sequence[Recorded | Content]) -> list[Event | None]:
        """As `decode_contents`, of events one by one."""
        decoders = self._decoders
        try:
            return [decoders[record.type, record.version](record.data) for record in records]
        except Exception:
            return [self._decoded(record) for record in records]

    def decode_each(self, records: Sequence[Recorded | Content]) -> list[Event | DecodeError | None]:
        """As `decode_records`, but what does not decode has the error in its place."""
        try:
            return [*self.decode_records(records)]
        except DecodeError:
            return [self._tried(record) for record in records]

    def _tried(self, record: Recorded | Content) -> Event | DecodeError | None:
        try:
            return self._decoded(record)
        except DecodeError as error:
            return error

    def _decoded(self, record: Recorded | Content) -> Event | None:
        if not isinstance(record.type, str):
            raise _undecodable(record, _NO_NAME)
        spec = self.by_name.get(record.type)
        return None if spec is None else decode_as(spec, record)


class _Decoders(dict[tuple[str, int], Callable[[str], Event | None]]):
    """By type and version, what makes an event of a payload; each found once, for there is one call an event.

    A decoder raises whatever it does not bear: `decode_as` tells it as a `DecodeError`.
    """

    def __init__(self, by_name: Mapping[str, EventSpec]) -> None:
        super().__init__()
        self._by_name = by_name

    def __missing__(self, kind: tuple[str, int]) -> Callable[[str], Event | None]:
        if not isinstance(kind[0], str):
            raise _Misfit(_NO_NAME)
        spec = self._by_name.get(kind[0])
        if spec is None:
            return _nothing
        decoder = self[kind] = _decoder(spec, kind[1])
        return decoder


_NO_NAME = "its type is no text, as only damage to the store leaves it"


def _nothing(data: str) -> None:
    """What an event of an unknown type is decoded to."""


def decode_as(spec: EventSpec, record: Recorded | Content) -> Event:
    """The record as an event of the class that *spec* describes, upcast where its version is older.

    Raises `DecodeError` when it does not fit, an upcaster is missing or fails, or its version is newer than the class.
    """
    try:
        return _decoder(spec, record.version)(record.data)
    except _Misfit as error:
        raise _undecodable(record, str(error)) from error.__cause__
    except msgspec.MsgspecError as error:
        raise _undecodable(record, str(error)) from error
    except Exception as error:  # the class's own __post_init__ may raise anything
        raise _undecodable(record, repr(error)) from error


class _Misfit(Exception):
    """Why a payload of another version is no event of today's class."""


def _decoder(spec: EventSpec, version: int) -> Callable[[str], Event]:
    return spec.decoder.decode if version == spec.version else partial(_upcast, spec, version)


def _upcast(spec: EventSpec, version: int, data: str) -> Event:
    if version > spec.version:
        raise _Misfit(f"this code knows {spec.name} up to version {spec.version} only, so it is older than the data")
    payload: Any = msgspec.json.decode(data)
    for number in range(version, spec.version):
        step = spec.upcasters.get(number)
        if step is None:
            raise _Misfit(f"no upcaster from version {number} to {number + 1}")
        try:
            payload = step(payload)
        except Exception as error:
            raise _Misfit(f"the upcaster from version {number} raised {error!r}") from error
    try:
        return msgspec.convert(payload, spec.cls)
    except msgspec.ValidationError as error:
        raise _Misfit(f"after upcasting, {error}") from error
    except Exception as error:  # as above, or a payload that is no JSON any more
        raise _Misfit(f"after upcasting, {error!r}") from error


def _undecodable(record: Recorded | Content, reason: str) -> DecodeError:
    return DecodeError(position=record.position, type=record.type, version=record.version, reason=reason)
