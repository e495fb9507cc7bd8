"""Times and moments as they are typed and printed. Pure."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime

from storied.domain.times import At, Occurred

TIME_HELP = "times are ISO 8601; a date alone is its midnight, and a time without a zone is UTC"


def parse_time(text: str) -> datetime:
    """An aware time. Raises `ArgumentTypeError`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is not a time. Write it like 2018-01-31, 2018-01-31T14:00 (in UTC) or 2018-01-31T14:00+01:00."
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def parse_at(text: str) -> At:
    """A position, a time of recording, or ``occurred:`` and a time of happening. Raises `ArgumentTypeError`."""
    if text.isascii() and text.isdigit():
        return int(text)
    kind, colon, rest = text.partition(":")
    return Occurred(parse_time(rest)) if colon and kind == "occurred" else parse_time(text)


def parse_position(text: str) -> int:
    """A whole number from 0. Raises `ArgumentTypeError`."""
    if text.isascii() and text.isdigit() and int(text) < 2**63:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a position. Give a whole number from 0 and below 2^63.")


def parse_count(text: str) -> int:
    """A whole number from 1. Raises `ArgumentTypeError`."""
    if text.isascii() and text.isdigit() and 1 <= int(text) < 2**63:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a count. Give a whole number from 1 and below 2^63.")


def time_text(time: datetime) -> str:
    """The time in UTC as ISO 8601, ending in Z, exact to the microsecond."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
