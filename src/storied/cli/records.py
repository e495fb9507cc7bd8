"""Stored events as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storied.cli.escaping import compact_json
from storied.cli.printing import Output
from storied.cli.times import time_text
from storied.store.records import Metadata, Recorded


def record_json(record: Recorded) -> dict[str, Any]:
    """The event under its stable keys; `data` digit by digit as it is stored."""
    metadata = record.metadata
    occurred = metadata.occurred_at
    return {
        "position": record.position,
        "id": record.id,
        "type": record.type,
        "version": record.version,
        "tags": record.tags,
        "data": compact_json(record.data),
        "actor": metadata.actor,
        "command": metadata.command,
        "correlation": metadata.correlation,
        "causation": metadata.causation,
        "headers": metadata.headers,
        "recorded_at": time_text(record.recorded_at),
        "occurred_at": time_text(occurred) if occurred else None,
        "digest": record.digest.hex(),
    }


def print_line(out: Output, record: Recorded) -> None:
    """Prints the event on one line: position, time, type, tags, who, payload."""
    if out.json:
        out.document(record_json(record))
        return
    out.line(
        (f"{record.position:>6}", "bold"),
        "  ",
        (time_text(record.recorded_at), "dim"),
        "  ",
        (record.type, "cyan"),
        "  ",
        (" ".join(record.tags) or "-", "green"),
        "  ",
        (record.actor or "-", "yellow"),
        "  ",
        record.data,
    )


def print_story(out: Output, record: Recorded, more: Sequence[tuple[str, str]] = ()) -> None:
    """Prints the event with what happened, when, who did it and why, each on a line; and *more*, as text alone."""
    if out.json:
        out.document(record_json(record))
        return
    metadata = record.metadata
    out.line((f"{record.position}", "bold"), "  ", (record.type, "cyan"), *_version(record))
    pairs = [("recorded", time_text(record.recorded_at))]
    if metadata.occurred_at is not None and metadata.occurred_at != record.recorded_at:
        pairs.append(("occurred", time_text(metadata.occurred_at)))
    pairs.append(("who", metadata.actor or "-"))
    pairs.append(("why", _reason(metadata)))
    pairs += [(f"header {name}", value) for name, value in metadata.headers.items()]
    pairs.append(("tags", " ".join(record.tags) or "-"))
    pairs.append(("what", record.data))
    out.pairs([*pairs, *more], indent="   ")


def _version(record: Recorded) -> tuple[str, ...]:
    return (f"  version {record.version}",) if record.version > 1 else ()


def _reason(metadata: Metadata) -> str:
    parts = [metadata.command] if metadata.command else []
    parts += [f"caused by {metadata.causation}"] if metadata.causation else []
    parts += [f"in {metadata.correlation}"] if metadata.correlation else []
    return ", ".join(parts) or "-"
