"""Values of a view's fields: read from what was typed, by the field's type, and shown again. Pure."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from storied.cli.failures import UsageProblem
from storied.cli.times import parse_time
from storied.domain.views import View, view_spec
from storied.projections.asking import Range
from storied.projections.comparing import value_kinds

_CRITERION = re.compile(r"(\w+)(>=|<=|=|>|<)(.*)", re.DOTALL)
_BOUNDS = {">=": "ge", ">": "gt", "<=": "le", "<": "lt"}


def parse_criteria(view: type[View], words: Iterable[str]) -> dict[str, Any]:
    """``field=value`` and ``field>=value`` as `find` takes them. Raises `UsageProblem`."""
    equal: dict[str, Any] = {}
    bounds: dict[str, dict[str, Any]] = {}
    for word in words:
        match = _CRITERION.fullmatch(word)
        if match is None:
            raise UsageProblem(f"{word!r} is not a criterion. Write field=value, or 'field>=value' in quotes.")
        field, operator, text = match.groups()
        taken = equal if operator == "=" else bounds.setdefault(field, {})
        name = field if operator == "=" else _BOUNDS[operator]
        if name in taken or (operator == "=" and field in bounds) or (operator != "=" and field in equal):
            raise UsageProblem(f"{word!r} asks for {field} once more. Keep one criterion, or one range, for a field.")
        taken[name] = parse_value(view, field, text)
        if operator != "=" and taken[name] is None:
            raise UsageProblem(f"{word!r} compares with nothing. Ask for {field}=null.")
    return equal | {field: Range(**each) for field, each in bounds.items()}


def parse_value(view: type[View], field: str, text: str) -> Any:
    """The text as a value of the view's field; ``null`` is None where the field may be None. Raises `UsageProblem`."""
    check_field(view, field)
    kinds = value_kinds(view_spec(view).hints()[field])
    if text == "null" and type(None) in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not type(None)]
    if str in kinds:
        return text
    try:
        if datetime in kinds:
            return parse_time(text)
        return msgspec.convert(text, typing.Union[tuple(kinds)], strict=False)  # noqa: UP007 - made of a list
    except Exception as error:
        names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
        raise UsageProblem(f"{field} is {names}, which {text!r} is not. Give such a value.") from error


def check_field(view: type[View], field: str) -> None:
    """Passes the name of a field of the view. Raises `UsageProblem`."""
    if field not in view.__struct_fields__:
        raise UsageProblem(f"{view.__name__} has no field {field!r}. It has {', '.join(view.__struct_fields__)}.")


def fields_text(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of a document in plain JSON values, each as text."""
    return [(name, value_text(value)) for name, value in document.items()]


def value_text(value: object) -> str:
    """A plain JSON value as it is shown: text as it is, all else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
