"""What a client accepts: when it is sent a stream, and when JSON."""

from __future__ import annotations

import time

import pytest

from storied.services.web.accepting import takes_json, wants_events


@pytest.mark.parametrize(
    "accept",
    [
        "text/event-stream",
        "TEXT/Event-Stream",
        "text/event-stream;q=0.1",
        "text/event-stream ; q=1.000",
        "text/event-stream;charset=utf-8",
        "text/event-stream, */*",
        "application/json, text/event-stream",
        "application/json;q=0.5, text/event-stream;q=0.5",
        "application/json;q=0, text/event-stream;q=0.1, */*",
        'text/html;note="a, b";q=0.9, text/event-stream;q=0.8',
        "text/event-stream;q=0.5, application/*;q=0.2, */*",
    ],
)
def test_a_stream_is_sent_to_whom_asks_for_it(accept: str) -> None:
    """By its name, and as much as for JSON at least."""
    assert wants_events(accept)


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "text/*",
        "text/event-stream;q=0",
        "text/event-stream; Q=0.000, */*",
        "application/json, text/event-stream;q=0.9",
        "text/event-stream;q=0.5, */*",
        "text/event-stream;q=0.5, application/*;q=0.6",
        "text/event-streams",
        'text/html;note="text/event-stream"',
        "text/event-stream;q=high",
        "text/event-stream;q=2",
        "text / event-stream",
    ],
)
def test_no_stream_is_sent_to_whom_does_not(accept: str | None) -> None:
    """Refused, less wanted than JSON, not named, or not well-formed."""
    assert not wants_events(accept)


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        (None, True),
        ("text/event-stream", False),
        ("text/event-stream, */*;q=0.1", True),
        ("application/json;q=0", False),
    ],
)
def test_json_is_sent_to_whom_takes_it(accept: str | None, takes: bool) -> None:
    """By the closest range that has it."""
    assert takes_json(accept) is takes


@pytest.mark.parametrize(
    "accept",
    ['"' * 8000, 'text/event-stream;a="' + "\\" * 8000, 'a="' + '\\"' * 8000, "event-stream;=" * 600, ", " * 8000],
)
def test_nonsense_is_read_quickly(accept: str) -> None:
    """As long as a head may be."""
    began = time.process_time()
    wants_events(f"event-stream, {accept}")
    wants_events(f"text/event-stream;{accept}")
    assert time.process_time() - began < 1
