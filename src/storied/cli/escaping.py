"""Escaping: text from a store, made harmless for a terminal. Pure.

Anyone who can append can put escape sequences, or marks that turn the direction of writing, into an event. They are
shown as ``\\x1b`` and the like, and in JSON as ``\\u001b``, which means the same to a parser.
"""

from __future__ import annotations

import unicodedata

import msgspec


def visible(text: str) -> str:
    """The text on one line, with every character that is not seen written as its escape."""
    if text.isprintable():
        return text
    return "".join(character if _is_seen(character) else _escaped(character) for character in text)


def visible_json(value: object) -> str:
    """The value as JSON on one line, with every character that is not seen as ``\\uXXXX``."""
    text = msgspec.json.encode(value).decode()
    if text.isprintable():
        return text
    return "".join(character if _is_seen(character) else _json_escaped(character) for character in text)


def compact_json(text: str) -> msgspec.Raw:
    """JSON text as it was stored, digit by digit, without the white space around its parts."""
    return msgspec.Raw(msgspec.json.format(text, indent=-1).encode())


def _is_seen(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _json_escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
