"""Showing: a value as a message may hold it, whatever it is."""

from __future__ import annotations


def shown(value: object, width: int = 80) -> str:
    """The value's repr on at most *width* characters; its type's name when it has none: too deep, too long a number."""
    try:
        text = repr(value)
    except Exception:
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= width else f"{text[: width - 1]}…"
