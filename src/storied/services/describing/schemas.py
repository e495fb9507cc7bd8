"""Schemas: the JSON Schema (2020-12) of what is sent and of what is received, from the types of an app. Pure.

msgspec writes them. What it leaves open is added here, and it differs by direction: what is sent may not have members
that nobody reads, and may write an amount as a number; what is received has every field.
"""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Union

import msgspec
import msgspec.inspect as mi

from storied.domain.tags import MAX_TAG_CHARACTERS, Tag
from storied.projections.comparing import value_kinds
from storied.services.commanding.naming import STEPS, Names, holds_ids
from storied.services.web.spelling import DECIMAL, LOCAL_TIME, UUIDS, wants_local

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"
_INSIDE = ("items", "additionalProperties", "propertyNames")
_BESIDE = ("anyOf", "oneOf", "allOf", "prefixItems")


class Schemas:
    """The schemas of types that clients send, and of types that they receive; each Struct is a component."""

    def __init__(self, sent: Iterable[Any], received: Iterable[Any]) -> None:
        sending, receiving = list(sent), list(received)
        every = [*sending, *receiving]
        self._classes: dict[str, type] = {}
        found, self._plain = _components(every, self._classes)
        self._sent = {id(one): found[at] for at, one in enumerate(sending)}
        self._received = {id(one): found[len(sending) + at] for at, one in enumerate(receiving)}
        self._kept = every  # so that no other type gets the id of one of them
        outside = self._reached(self._received.values())
        self._out = {name: self._as_received(name) for name in outside}
        inside = {name: self._as_sent(name) for name in self._reached(self._sent.values())}
        self._names = {name: name for name in inside}
        different = {name for name, schema in inside.items() if name in outside and schema != self._out[name]}
        while users := {name for name, schema in inside.items() if name in outside and refers(schema, different)}:
            if users <= different:
                break
            different |= users
        self._names |= {name: f"{name}Input" for name in different}
        self._in = {self._names[name]: self._renamed(schema) for name, schema in inside.items()}
        give_titles(self._out | self._in)

    @property
    def components(self) -> dict[str, Schema]:
        """All of them by name."""
        return dict(sorted({**self._in, **self._out}.items()))

    def sent(self, wanted: Any) -> Schema:
        """The schema of one of the types that clients send."""
        return self._renamed(_as_sent(self._sent[id(wanted)]))

    def received(self, wanted: Any) -> Schema:
        """The schema of one of the types that clients receive."""
        return copy.deepcopy(self._received[id(wanted)])

    def members(self, cls: type) -> Schema:
        """The schema of a Struct that clients send, with its members in place."""
        return self._in[self.sent(cls)["$ref"].removeprefix(PREFIX)]

    def _reached(self, schemas: Iterable[Schema]) -> list[str]:
        names: list[str] = []
        todo = [name for schema in schemas for name in names_in(schema)]
        while todo:
            name = todo.pop()
            if name not in names:
                names.append(name)
                todo += names_in(self._plain[name])
        return names

    def _as_received(self, name: str) -> Schema:
        schema = copy.deepcopy(self._plain[name])
        cls = self._classes.get(name)
        if cls is not None and issubclass(cls, msgspec.Struct) and not cls.__struct_config__.omit_defaults:
            always = [field.encode_name for field in msgspec.structs.fields(cls) if field.default is not msgspec.UNSET]
            if "properties" in schema:
                tag = [member for member in schema["properties"] if member == cls.__struct_config__.tag_field]
                schema["required"] = [*tag, *always]
        return schema

    def _as_sent(self, name: str) -> Schema:
        schema = _as_sent(self._plain[name])
        cls = self._classes.get(name)
        if cls is not None and issubclass(cls, msgspec.Struct) and schema.get("type") == "object":
            schema["additionalProperties"] = False
        return schema

    def _renamed(self, schema: Schema) -> Schema:
        """The schema with the names that its components have where they are sent."""

        def rename(node: Schema) -> None:
            if "$ref" in node:
                name = node["$ref"].removeprefix(PREFIX)
                node["$ref"] = PREFIX + self._names.get(name, name)
            mapping = node.get("discriminator", {}).get("mapping", {})
            for tag, place in mapping.items():
                name = place.removeprefix(PREFIX)
                mapping[tag] = PREFIX + self._names.get(name, name)

        return changed(schema, rename)


def describable(hint: Any) -> Any:
    """The type, or `Any` where msgspec cannot tell its values apart, and so has no schema for it."""
    try:
        mi.type_info(hint)
    except (TypeError, NameError):
        return Any
    return hint


def give_titles(components: dict[str, Schema]) -> None:
    """Titles those that would be called like another by their own name: generators name classes after titles."""
    found: set[str] = set()
    for name, schema in components.items():
        if "title" in schema:
            if schema["title"] in found:
                schema["title"] = name
            found.add(schema["title"])


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name, or a longer one where it is taken."""
    while wanted in taken:
        wanted = f"Http{wanted}"
    return wanted


def changed(schema: Schema, change: Callable[[Schema], None]) -> Schema:
    """A copy of the schema in which *change* has seen each schema."""
    copied = copy.deepcopy(schema)
    for node in nodes(copied):
        change(node)
    return copied


def nodes(schema: Any) -> Iterator[Schema]:
    """The schema, and each schema in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from nodes(inner)
    for keyword in _INSIDE:
        yield from nodes(schema.get(keyword))
    for keyword in _BESIDE:
        for inner in schema.get(keyword, ()):
            yield from nodes(inner)


def names_in(schema: Schema) -> list[str]:
    """The components that the schema refers to."""
    return [node["$ref"].removeprefix(PREFIX) for node in nodes(schema) if "$ref" in node]


def refers(schema: Schema, names: set[str]) -> bool:
    """Whether the schema refers to one of the components."""
    return not names.isdisjoint(names_in(schema))


def text_schema(hint: Any) -> Schema:
    """The schema of a parameter in a path or a query string whose text becomes a value of this type."""
    kinds = [kind for kind in value_kinds(hint) if kind is not types.NoneType]
    if str in kinds or Any in kinds or not kinds:
        return {"type": "string"}
    if datetime in kinds:
        time = {"pattern": LOCAL_TIME} if wants_local(hint) else {"format": "date-time"}
        return {"type": "string", "anyOf": [time, {"format": "date"}]}
    return inlined(Union[tuple(kinds)])  # noqa: UP007 - made of a list


def inlined(hint: Any) -> Schema:
    """The schema of a type whose text is converted, without components; any text where it would need them."""
    [schema], components = _components([describable(hint)], {})
    if "$ref" in schema:
        schema = components[schema["$ref"].removeprefix(PREFIX)]
    schema = changed(schema, lambda node: None)
    if schema.get("type") == "object" or names_in(schema) or not schema:
        return {"type": "string"}
    given = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(given) == 1:
        schema = {**given[0], **{key: value for key, value in schema.items() if key not in ("anyOf", "default")}}
    for node in nodes(schema):
        if node.get("format") == "decimal":
            node["pattern"] = DECIMAL
        if node.get("format") == "uuid":
            node["pattern"] = UUIDS
        node.pop("uniqueItems", None)
    return schema


def as_name(schema: Schema, names: Names) -> Schema:
    """The schema of a field whose texts name something, with what they have to be like for that."""
    inside = msgspec.structs.replace(names, in_path=False)
    if "anyOf" in schema:
        return {**schema, "anyOf": [as_name(one, names) for one in schema["anyOf"]]}
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return {**schema, "items": as_name(schema["items"], inside)}
    if schema.get("type") != "string" or not {"format", "enum", "contentEncoding"}.isdisjoint(schema):
        return schema
    limits = {"minLength": 1, "maxLength": names.most} if holds_ids(names.hint) else {}
    return {**limits, **schema, **({"not": {"enum": sorted(STEPS)}} if names.in_path else {})}


def _as_sent(schema: Schema) -> Schema:
    def open_up(node: Schema) -> None:
        node.pop("uniqueItems", None)  # what comes twice in a set is taken once
        if node.get("format") == "decimal":
            node |= {"type": ["string", "number"], "pattern": DECIMAL}

    return changed(schema, open_up)


def _components(wanted: Sequence[Any], classes: dict[str, type]) -> tuple[list[Schema], dict[str, Schema]]:
    """The schemas of the types and their components, completed; *classes* is filled with the components' classes."""
    infos = mi.multi_type_info(wanted)
    structs = list(_structs(infos))
    found, components = msgspec.json.schema_components(
        [*wanted, *structs], schema_hook=_unknown, ref_template=PREFIX + "{name}"
    )
    for cls, schema in zip(structs, found[len(wanted) :], strict=True):
        name = schema["$ref"].removeprefix(PREFIX)
        classes[name] = typing.get_origin(cls) or cls
        _complete(cls, components[name])
    for info, schema in zip(infos, found[: len(wanted)], strict=True):
        _mark_times(info, schema)
    for node in (node for schema in (*found, *components.values()) for node in nodes(schema)):
        if node.get("items") is False and node.get("maxItems") == len(node.get("prefixItems", ())):
            del node["items"]  # which its length says already, and some generators cannot read
        if node.get("type") == "integer":
            node.setdefault("format", "int64")
    return list(found[: len(wanted)]), components


def _unknown(cls: Any) -> Schema:
    """Of a class that msgspec does not know, nothing can be said but its name."""
    return {"title": getattr(cls, "__name__", str(cls))}


def _structs(infos: Iterable[Any]) -> Iterator[Any]:
    """The Struct classes, generic ones with their arguments, in the types, at any depth."""
    seen: list[Any] = []
    todo = list(infos)
    while todo:
        info = todo.pop()
        if isinstance(info, mi.StructType):
            if info.cls in seen:
                continue
            seen.append(info.cls)
            yield info.cls
        todo += [inner for name in _parts(info) for inner in _several(getattr(info, name))]


def _parts(info: Any) -> tuple[str, ...]:
    return tuple(
        name
        for name in ("type", "types", "item_type", "item_types", "key_type", "value_type", "fields")
        if isinstance(info, mi.Type | mi.Field) and hasattr(info, name)
    )


def _several(value: Any) -> Iterable[Any]:
    return value if isinstance(value, tuple) else (value,)


def _complete(cls: Any, schema: Schema) -> None:
    """Adds to a Struct's schema which texts are times, and what an id is like."""
    if "properties" not in schema:
        return
    info = mi.type_info(cls)
    assert isinstance(info, mi.StructType)  # noqa: S101 - it was made of one
    for field in info.fields:
        _mark_times(field.type, schema["properties"][field.encode_name])
    try:
        hints = typing.get_type_hints(typing.get_origin(cls) or cls, include_extras=True)
    except NameError:  # of a class that was made inside of a function, where only msgspec could find its names
        return
    for field in info.fields:
        _mark_id(field.name, hints.get(field.name), schema["properties"][field.encode_name])


def _mark_times(info: Any, schema: Schema) -> None:
    """Adds the format of times; msgspec leaves it out for those that may come without a zone."""
    if isinstance(info, mi.Metadata):
        _mark_times(info.type, schema)
    elif isinstance(info, mi.UnionType):
        for one in info.types:
            kind = _TYPES.get(type(one))
            for inner in schema.get("anyOf", ()):
                if kind is not None and inner.get("type") == kind and "$ref" not in inner:
                    _mark_times(one, inner)
    elif isinstance(info, mi.DateTimeType):
        schema |= {"pattern": LOCAL_TIME} if info.tz is False else {"format": "date-time"}
    elif isinstance(info, mi.TimeType):
        schema.setdefault("format", "time")
    elif isinstance(info, mi.DictType) and isinstance(schema.get("additionalProperties"), dict):
        _mark_times(info.value_type, schema["additionalProperties"])
    elif isinstance(info, mi.TupleType):
        for one, inner in zip(info.item_types, schema.get("prefixItems", ()), strict=False):
            _mark_times(one, inner)
    elif isinstance(info, mi.CollectionType) and isinstance(schema.get("items"), dict):
        _mark_times(info.item_type, schema["items"])


_TYPES: dict[type, str] = {
    mi.DateTimeType: "string",
    mi.TimeType: "string",
    mi.DictType: "object",
    mi.TupleType: "array",
    mi.VarTupleType: "array",
    mi.ListType: "array",
    mi.SetType: "array",
    mi.FrozenSetType: "array",
}


def _mark_id(field: str, hint: Any, schema: Schema) -> None:
    """Adds what can be a tag's value: text that is neither empty nor too long."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        for inner in schema.get("anyOf", ()):
            for one in arguments:
                _mark_id(field, one, inner)
    elif origin is typing.Annotated and arguments[0] is str and schema.get("type") == "string":
        for mark in hint.__metadata__:
            if isinstance(mark, Tag):
                schema.setdefault("minLength", 1)
                schema.setdefault("maxLength", MAX_TAG_CHARACTERS - len(mark.name or field) - 1)
                schema.setdefault("examples", [f"{field.replace('_', '-')}-1"])
