"""Wording: what a decoder says of a value that does not fit, in the words of who sent it. Pure.

A decoder speaks of Python's types to who wrote the program. Who sent the value knows texts, numbers, lists and objects,
and is told what is wrong and what to give instead. What no decoder said, such as a `ValueError` of the app's own
checks, stays as it is.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

NO_AMOUNT = 'This is not an amount. Give one such as "12.50".'
NO_TIME = "This is not a time. Give one such as 2018-01-01T00:00:00Z."
NO_OFFSET = "This time has no offset. Put Z behind it, or one such as +01:00."
HAS_OFFSET = "This time has an offset, and must have none. Leave it out."
NO_UUID = "This is not a UUID. Give one such as 7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e."
NOT_64_BITS = "This number is too large. Give one that fits 64 bits."
UUID_IN_CAPITALS = "Outside of bodies a UUID is written in small letters. Give it as it was told."
NOT_IN_DIGITS = "Outside of bodies a whole number is written in digits alone. Give it so."
NOT_FINITE = "This is not a finite number. Give one that JSON has."
MISSING = "This field is missing. Give it."
UNKNOWN = "There is no such field. Leave it out, or correct its name."
MOST_CHOICES = 30
"""Values that a sentence lists; of more, the description tells."""

_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "an amount as a text or a number",
    "str": "a text",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "bytes": "a text in Base64",
    "datetime": "a time as a text, such as 2018-01-01T00:00:00Z",
    "date": "a day as a text, such as 2018-01-01",
    "time": "a time of day as a text, such as 09:30:00",
    "duration": "a duration as a text, such as PT5M",
    "uuid": "a UUID as a text",
}
_GOT = {"int": "a number", "float": "a number with a fraction or an exponent"}
_UNITS = {
    "array": ("list", "item"),
    "object": ("object", "member"),
    "str": ("text", "character"),
    "bytes": ("text", "byte in Base64"),
}
_LIMITS = {">=": "of {} or more", ">": "above {}", "<=": "of {} or less", "<": "below {}"}


def worded(text: str, wanted: Any = None, *, spelled: bool = False) -> str:
    """The sentences for what the decoder said in *text*, of a value that is to be of the type *wanted*.

    *spelled* says that it stood in a path, a query string or a header, where everything is a text.
    """
    found = _choices(wanted)
    if found and text.startswith(("Expected `", "Invalid enum value")):
        return f"This is none of the values that can stand here. Give {_listed(found)}."
    for pattern, sentence in _SENTENCES:
        match = pattern.fullmatch(text)
        if match is not None:
            return _not_spelled(match[1]) if spelled and sentence is _of_another_type else sentence(match)
    return text.rstrip(".") + "."


def _choices(wanted: Any) -> list[str]:
    """The values of a type that has only a few, as they are written."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Annotated:
        return _choices(arguments[0])
    if origin is typing.Literal:
        return ["null" if value is None else str(value) for value in arguments]
    if origin in (typing.Union, types.UnionType):
        several = [["null"] if one is types.NoneType else _choices(one) for one in arguments]
        return [value for values in several for value in values] if all(several) and any(arguments) else []
    return [str(member.value) for member in wanted] if isinstance(wanted, type) and issubclass(wanted, Enum) else []


def _listed(choices: list[str]) -> str:
    return "one of those in the description" if len(choices) > MOST_CHOICES else f"one of {', '.join(choices)}"


def _named(kinds: str) -> str:
    """The names of types as a decoder lists them, in the client's words."""
    names = kinds.split(" | ")
    return " or ".join(_WANTED.get(one, one) for one in names if one != "int" or "float" not in names)


def _of_another_type(match: re.Match[str]) -> str:
    got = _GOT.get(match[2]) or _WANTED.get(match[2], match[2])
    return f"This is {got}. Give {_named(match[1])}."


def _not_spelled(kinds: str) -> str:
    """The sentence for a text that spells no value of these types; null cannot be spelled."""
    return f"This is not {_named(kinds.removesuffix(' | null')).replace(' as a text', '')}. Correct it."


def _out_of_bounds(match: re.Match[str]) -> str:
    size = "small" if match[2].startswith(">") else "large"
    return f"This is too {size}. Give {_named(match[1])} {_LIMITS[match[2]].format(match[3])}."


def _out_of_size(match: re.Match[str]) -> str:
    (thing, unit), least = _UNITS[match[1]], match[2] == ">="
    size = {"object": "small" if least else "large"}.get(match[1], "short" if least else "long")
    return f"This {thing} is too {size}. Give {_counted(match[3], unit)} or {'more' if least else 'fewer'}."


def _of_another_length(match: re.Match[str]) -> str:
    return f"This list has another length. Give {match[1] or ''}{match[2] or ''}{_counted(match[3], 'item')}."


def _counted(number: str, unit: str) -> str:
    head, _, tail = unit.partition(" ")
    return " ".join(filter(None, (number, head if number == "1" else f"{head}s", tail)))


def _always(sentence: str) -> Callable[[re.Match[str]], str]:
    return lambda match: sentence


_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (r"Expected `([^`]*)`, got `([^`]*)`", _of_another_type),
        (r"Expected `([^`]*)`", lambda match: f"This is something else. Give {_named(match[1])}."),
        (r"Expected `(int|float)` (>=|>|<=|<) (\S+)", _out_of_bounds),
        (r"Expected `(?:int|float)` that's a multiple of (\S+)", lambda m: f"This is no multiple of {m[1]}. Give one."),
        (r"Expected `(array|object|str|bytes)` of length (>=|<=) (\d+)", _out_of_size),
        (r"Expected `array` of (at least |at most )?length (\d+ to )?(\d+)(?:, got \d+)?", _of_another_length),
        (r"Expected `str` matching regex (.*)", lambda m: f"This text has another form. Give one that matches {m[1]}."),
        (
            r"Expected `(?:datetime|time)` with a timezone component",
            _always(NO_OFFSET),
        ),
        (
            r"Expected `(?:datetime|time)` with no timezone component",
            _always(HAS_OFFSET),
        ),
        (
            r"Invalid enum value .*|Invalid value (?:'.*'|\".*\"|-?\d+)",
            _always("This is none of the values that can stand here. Give one of those in the description."),
        ),
        (r"Invalid RFC3339 encoded datetime", _always(NO_TIME)),
        (r"Invalid RFC3339 encoded date", _always("This is not a day. Give one such as 2018-01-01.")),
        (r"Invalid RFC3339 encoded time", _always("This is not a time of day. Give one such as 09:30:00.")),
        (
            r"Timestamp is out of range ?|Invalid epoch timestamp",
            _always("There is no such time. Give one such as 2018-01-01T00:00:00Z."),
        ),
        (
            r"Invalid ISO8601 duration|Only units .* durations",
            _always("This is not a duration of days, hours, minutes and seconds. Give one such as P1DT2H or PT5M."),
        ),
        (r"Duration is out of range", _always("This duration is too long. Give a shorter one.")),
        (r"Invalid UUID", _always(NO_UUID)),
        (r"Invalid decimal string", _always(NO_AMOUNT)),
        (r"Invalid base64 encoded string", _always("This is not Base64. Encode the bytes as RFC 4648 has it.")),
        (r"(?:Integer value|Number) out of range", _always("This number is too large. Give a smaller one.")),
        (
            r"unhashable type: .*|Cannot hash .*",
            _always("A list of different values holds texts, numbers and the like. Give no lists or objects in it."),
        ),
    )
)
