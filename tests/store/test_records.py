"""Records, receipts and digests, as values."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storied.store.records import (
    Metadata,
    NewEvent,
    Receipt,
    Recorded,
    digest_of,
    encode_metadata,
    encode_tags,
    from_microseconds,
    placed,
    to_microseconds,
)

KNOWN = NewEvent(
    "OrderPlaced",
    '{"order":"o-1","total":"9.90","note":"für Ädä 🦊"}',
    2,
    ("customer:c-9", "order:o-1"),
    '{"actor":"anna"}',
    "0190163d-8694-739b-aea5-966c26f8ad90",
)


def test_the_digest_of_a_known_event_is_known() -> None:
    """The layout never changes: this value was computed once, outside of this package."""
    record = placed(KNOWN, 42, 1_700_000_000_123_456)
    assert record.digest.hex() == "5b62f3112728f062238c1fa4e5f3efecd710c63f6f3c0cd81167a7341063fcbb"


@pytest.mark.parametrize("field", [field for field in Recorded.__struct_fields__ if field != "digest"])
def test_a_digest_covers_every_field(field: str) -> None:
    """A change of one character or one number anywhere shows."""
    record = placed(KNOWN, 42, 1_700_000_000_123_456)
    value = getattr(record, field)
    changed = msgspec.structs.replace(record, **{field: value + 1 if isinstance(value, int) else value + " "})
    assert digest_of(record) == record.digest != digest_of(changed)


@pytest.mark.parametrize(("one", "other"), [("id", "type"), ("metadata_json", "data")])
def test_a_digest_tells_neighbouring_fields_apart(one: str, other: str) -> None:
    """A character cannot move from the end of one field to the start of the next unseen."""
    record = placed(KNOWN, 42, 0)
    left, right = getattr(record, one), getattr(record, other)
    moved = msgspec.structs.replace(record, **{one: left[:-1], other: left[-1] + right})
    assert digest_of(moved) != record.digest


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_survives_as_microseconds(time: datetime) -> None:
    """Before 1970 too, and without a rounding error."""
    assert from_microseconds(to_microseconds(time)) == time


def test_a_record_decodes_what_is_asked_for() -> None:
    """Tags, metadata, actor, times and payload from their JSON texts."""
    record = placed(KNOWN, 42, 1_700_000_000_123_456)
    assert (record.tags, record.actor, record.metadata) == (
        ("customer:c-9", "order:o-1"),
        "anna",
        Metadata(actor="anna"),
    )
    assert record.recorded_at == record.occurred_at == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert record.payload == {"order": "o-1", "total": "9.90", "note": "für Ädä 🦊"}


def test_a_record_occurred_when_somebody_said() -> None:
    """Whatever the store's clock was."""
    when = datetime(1999, 12, 31, tzinfo=UTC)
    event = msgspec.structs.replace(KNOWN, metadata=encode_metadata(Metadata(occurred_at=when)))
    assert placed(event, 1, 0).occurred_at == when


def test_metadata_leaves_out_what_nobody_said() -> None:
    """Nothing said is two characters."""
    assert encode_metadata(Metadata()) == "{}"


def test_tags_are_one_json_text() -> None:
    """Without white space, and without escapes that are not needed."""
    assert encode_tags(("a:ü", 'b:"')) == '["a:ü","b:\\""]'


def test_a_receipt_knows_the_first_position() -> None:
    """From the last one and the number of events."""
    assert Receipt("one", position=9, count=3).first == 7


def test_new_events_have_ids_in_time_order() -> None:
    """Whoever made them one after the other finds them so."""
    ids = [NewEvent("Noted", "{}").id for _ in range(1000)]
    assert ids == sorted(set(ids))


def test_a_record_is_a_value() -> None:
    """Equal by content, and unchangeable."""
    record = placed(KNOWN, 1, 0)
    assert record == placed(KNOWN, 1, 0)
    with pytest.raises(AttributeError):
        record.position = 2  # type: ignore[misc]
    assert isinstance(record, Recorded)
