"""Examples: a value that a JSON Schema allows, such as one would write on paper. Pure.

What the author of a type gave as an example, by ``msgspec.Meta(examples=[…])``, goes before what is made up.
"""

from __future__ import annotations

import math
import re
from typing import Any

from storied.services.describing.schemas import PREFIX, Schema

NONE: Any = object()
"""Stands for an example that could not be found."""
FORMATS = {
    "date-time": "2025-05-12T19:04:00Z",
    "date": "2025-05-12",
    "time": "19:04:00Z",
    "duration": "PT15M",
    "uuid": "0199aa10-6a3e-7cc0-8a4e-0e4f3b1f2a77",
    "decimal": "19.90",
    "email": "anna@shop.example",
    "uri": "https://shop.example/",
}


class Examples:
    """Makes examples of schemas that refer to these components."""

    def __init__(self, components: dict[str, Schema]) -> None:
        self._components = components

    def of(self, schema: Schema, name: str = "text") -> Any:
        """A value that the schema allows, or `NONE`; text says the *name* of what it stands for."""
        return self._of(schema, name, ())

    def _of(self, schema: Schema, name: str, within: tuple[str, ...]) -> Any:
        for keyword in ("examples", "enum"):
            if schema.get(keyword):
                return schema[keyword][0]
        if "const" in schema:
            return schema["const"]
        if schema.get("default"):  # an empty one shows nothing
            return schema["default"]
        if "$ref" in schema:
            target = schema["$ref"].removeprefix(PREFIX)
            return NONE if target in within else self._of(self._components[target], name, (*within, target))
        for keyword in ("anyOf", "oneOf"):
            for one in sorted(schema.get(keyword, ()), key=lambda one: one == {"type": "null"}):
                found = self._of({**{k: v for k, v in schema.items() if k != keyword}, **one}, name, within)
                if found is not NONE:
                    return found
        return self._of_type(schema, name, within)

    def _of_type(self, schema: Schema, name: str, within: tuple[str, ...]) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[0]
        match kind:
            case "object":
                return self._object(schema, within)
            case "array":
                return self._array(schema, name, within)
            case "string":
                return text_of(schema, name)
            case "integer" | "number":
                return number_of(schema)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return {}

    def _object(self, schema: Schema, within: tuple[str, ...]) -> Any:
        found = {name: self._of(inner, name, within) for name, inner in schema.get("properties", {}).items()}
        made = {name: value for name, value in found.items() if value is not NONE}
        if not made.keys() >= set(schema.get("required", ())):
            return NONE
        rest = schema.get("additionalProperties")
        if not found and isinstance(rest, dict):
            key = self._of({"type": "string", **schema.get("propertyNames", {})}, "name", within)
            value = self._of(rest, "value", within)
            if NONE not in (key, value):
                made = {str(key): value}
        return made

    def _array(self, schema: Schema, name: str, within: tuple[str, ...]) -> Any:
        if "prefixItems" in schema:
            made = [self._of(one, name, within) for one in schema["prefixItems"]]
            return NONE if NONE in made else made
        least = schema.get("minItems", 0)
        inner = schema.get("items", {})
        one = self._of(inner, name.removesuffix("s"), within) if isinstance(inner, dict) else NONE
        if one is NONE or schema.get("maxItems") == 0:
            return NONE if least else []
        return NONE if least > 1 and schema.get("uniqueItems") else [one] * max(1, least)


def text_of(schema: Schema, name: str) -> Any:
    """Text as the schema wants it, or `NONE`."""
    if "contentEncoding" in schema:
        return "c3RvcmllZA=="
    text = FORMATS.get(schema.get("format", ""), name)
    text = text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text) + 100)]
    if "pattern" not in schema or re.search(schema["pattern"], text):
        return text
    fitting = (one for one in ("1", "A", "a", "A1", "abc", "ABC", "AB-1", "x" * 8) if re.search(schema["pattern"], one))
    return next(fitting, NONE)


def number_of(schema: Schema) -> Any:
    """A number within the bounds of the schema, or `NONE`."""
    whole = schema["type"] == "integer"
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    step = schema.get("multipleOf", 1)
    tried = [step, 0, least, most, above + step, below - step, (above + below) / 2]
    if math.isfinite(max(least, above)):
        tried.append(math.ceil((max(least, above) + step / 2) / step) * step)
    for number in tried:
        if math.isfinite(number) and least <= number <= most and above < number < below and number % step == 0:
            return int(number) if whole else number
    between = (above + below) / 2
    fits = not whole and math.isfinite(between) and "multipleOf" not in schema
    return between if fits and least <= between <= most else NONE
