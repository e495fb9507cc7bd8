"""What every engine does alike with an append: check it, recognise a repeat, word a conflict. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from zlib import crc32

import msgspec

from storied.domain.ids import new_id
from storied.domain.showing import shown
from storied.errors import AppendIdReused, Conflict, InvalidEvent, InvalidInput, InvalidQuery
from storied.store.query import AppendCondition, Query
from storied.store.records import NewEvent, Receipt, Recorded, encode_tags

MAX_APPEND_ID_CHARACTERS = 200
MAX_FINGERPRINT_BYTES = 64


class AppendRequest(msgspec.Struct, frozen=True, gc=False):
    """An append that passed every check that needs no log. `fresh` says that its id was just made up."""

    events: tuple[NewEvent, ...]
    conditions: tuple[AppendCondition, ...]
    append_id: str
    fresh: bool
    fingerprint: bytes | None


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What the store remembers of an append by its id."""

    receipt: Receipt
    fingerprint: bytes | None


def receipt_checksum(stored: Stored) -> int:
    """CRC-32 of all that is remembered of an append: what shows damage to it, as an event's digest does."""
    receipt, fingerprint = stored.receipt, stored.fingerprint
    text = f"{receipt.append_id}\n{receipt.position}\n{receipt.count}\n"
    return crc32(text.encode() if fingerprint is None else text.encode() + b"=" + fingerprint)


def checked_request(
    events: Sequence[NewEvent],
    condition: AppendCondition | Sequence[AppendCondition] | None,
    append_id: str | None,
    fingerprint: bytes | None,
) -> AppendRequest:
    """The append with its condition as a tuple and an id.

    Raises `InvalidInput` (``empty-append``, ``invalid-append-id``, ``invalid-fingerprint``), `InvalidEvent` for what
    is not a `NewEvent` and for one id on two events (``repeated-id``), and `InvalidQuery` for what is not a condition.
    """
    events = _in_order(events)
    for event in events:
        if not isinstance(event, NewEvent):
            raise InvalidEvent(
                f"{shown(event)} is not ready to be stored. Turn an Event into a NewEvent with store.codec.encode()."
            )
    if len(events) > 1 and len({event.id for event in events}) < len(events):
        raise _repeated_id(events)
    if append_id is None:
        if not events:
            raise InvalidInput(
                "there is nothing to append. Pass at least one event, or an append_id to remember.", code="empty-append"
            )
    else:
        check_append_id(append_id)
    if fingerprint is not None:
        check_fingerprint(fingerprint)
    return AppendRequest(events, _conditions(condition), append_id or new_id(), append_id is None, fingerprint)


def _repeated_id(events: Sequence[NewEvent]) -> InvalidEvent:
    """The refusal of an append in which two events have one id, or one event stands twice."""
    place: dict[str, int] = {}
    first, second = next(
        (place[event.id], number)
        for number, event in enumerate(events, 1)
        if place.setdefault(event.id, number) < number
    )
    return InvalidEvent(
        f"events {first} and {second} of this append have one id, {events[first - 1].id}. Nothing was stored. "
        "Give each event an id of its own, or leave the ids out.",
        code="repeated-id",
    )


def check_append_id(append_id: object) -> None:
    """Passes printable text of 1 to 200 characters. Raises `InvalidInput` with code ``invalid-append-id``."""
    if isinstance(append_id, str) and 0 < len(append_id) <= MAX_APPEND_ID_CHARACTERS and append_id.isprintable():
        return
    raise InvalidInput(
        f"{shown(append_id, 60)} cannot name an append. Use printable text of up to {MAX_APPEND_ID_CHARACTERS} "
        "characters, such as a UUID.",
        code="invalid-append-id",
    )


def check_fingerprint(fingerprint: object) -> None:
    """Passes None and up to 64 bytes. Raises `InvalidInput` with code ``invalid-fingerprint``."""
    if fingerprint is None or (isinstance(fingerprint, bytes) and len(fingerprint) <= MAX_FINGERPRINT_BYTES):
        return
    raise InvalidInput(
        f"{shown(fingerprint, 60)} cannot be a fingerprint. Give up to {MAX_FINGERPRINT_BYTES} bytes, such as a "
        "SHA-256.",
        code="invalid-fingerprint",
    )


def _in_order(events: object) -> tuple[NewEvent, ...]:
    if isinstance(events, (list, tuple)):
        return tuple(events)
    if not isinstance(events, Iterable) or isinstance(events, (Set, Mapping, str, bytes)):
        raise InvalidEvent(f"{shown(events)} is not a list of events, which have an order. Give a list.")
    return tuple(events)


def _conditions(given: object) -> tuple[AppendCondition, ...]:
    if given is None:
        return ()
    if isinstance(given, AppendCondition):
        return (given,)
    conditions = tuple(given) if isinstance(given, (tuple, Iterable)) else (given,)
    for condition in conditions:
        if not isinstance(condition, AppendCondition):
            raise InvalidQuery(f"{shown(condition)} is not a condition. Write AppendCondition(query, after=position).")
    return conditions


def repeat_receipt(request: AppendRequest, stored: Stored, records: Sequence[Recorded]) -> Receipt:
    """The first receipt when *request* repeats what is stored under its id (*records*, as far as it was events).

    Raises `AppendIdReused` when it says something else.
    """
    if request.fingerprint is not None or stored.fingerprint is not None:
        same = request.fingerprint == stored.fingerprint
    else:
        same = len(records) == len(request.events) and all(map(_same, request.events, records))
    if not same:
        raise AppendIdReused(request.append_id, stored.receipt.position)
    return stored.receipt


def known_receipt(append_id: str, stored: Stored | None, fingerprint: bytes | None) -> Receipt | None:
    """The receipt under the id, if any. Raises `AppendIdReused` when it is stored with another fingerprint."""
    if stored is None:
        return None
    if fingerprint is not None and fingerprint != stored.fingerprint:
        raise AppendIdReused(append_id, stored.receipt.position)
    return stored.receipt


def conflict(condition: AppendCondition, record: Recorded) -> Conflict:
    """The refusal that *record* causes, worded with the tags that it was refused for."""
    tags = record.tags
    return Conflict(
        after=condition.after,
        position=record.position,
        type=record.type,
        tags=_matched_tags(condition.query, record.type, tags),
        actor=record.actor,
    )


def _same(event: NewEvent, record: Recorded) -> bool:
    return (event.type, event.version, event.data, event.metadata, encode_tags(event.tags)) == (
        record.type,
        record.version,
        record.data,
        record.metadata_json,
        record.tags_json,
    )


def _matched_tags(query: Query, type: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    return next((item.tags for item in query.items if item.matches(type, tags)), ())
