"""Parameters: what the routes of the services take in paths, query strings and headers, as OpenAPI has it. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from storied.domain.queries import QueryFunction
from storied.projections.projector import Projector
from storied.services.describing.schemas import Schema, inlined, text_schema
from storied.services.querying.listing import BOUNDS, LIMIT, OWN
from storied.services.web.spelling import is_marked, several_of

Parameter = dict[str, Any]
_LEGIBLE = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}

_TRUE: Schema = {"type": "string", "enum": ["true"]}
_TIME = (
    "[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"
    "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
AT: Schema = {
    "type": "string",
    "anyOf": [
        {"title": "a position", "pattern": "^[0-9]{1,18}$"},
        {"title": "a time at which it was recorded", "format": "date-time"},
        {"title": "a day, from its beginning in UTC", "format": "date"},
        {"title": "a time at which it happened", "pattern": f"^occurred:{_TIME}$"},
    ],
    "examples": ["17"],
}
POSITION: Schema = {"type": "string", "pattern": '^"[0-9]{1,18}"$', "examples": ['"17"']}


def parameter(place: str, name: str, description: str, schema: Schema, *, required: bool = False) -> Parameter:
    """A parameter; one in the path is always required."""
    found: Parameter = {"name": name, "in": place}
    if description:
        found["description"] = description
    if required or place == "path":
        found["required"] = True
    return found | {"schema": schema}


def header(name: str, description: str, schema: Schema | None = None, *, required: bool = False) -> Parameter:
    """A header of a request; any text without a schema."""
    return parameter("header", name, description, schema or {"type": "string"}, required=required)


SHARED: dict[str, Parameter] = {
    "X-Request-Id": header(
        "X-Request-Id",
        "Names the request; without it, or if it is not well-formed, the service makes a name up.",
        {"type": "string"},
    ),
    "traceparent": header(
        "traceparent",
        "The trace that the request belongs to (W3C Trace Context).",
        {"type": "string", "examples": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]},
    ),
    "Idempotency-Key": header(
        "Idempotency-Key",
        "The command is executed once for each key: a repeat gets the first answer. Any text, such as a UUID; in "
        "quotes, a quote and a backslash have a backslash before them.",
        {
            "type": "string",
            "pattern": r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~]([ !#-~]{0,253}[!#-~])?)$',
            "examples": ["0f3e9a5c-6d1f-4b43-9d62-0a4b1f2f8f11"],
        },
    ),
    "If-Match": header(
        "If-Match",
        "A position, in quotes: the command is stored only if nothing that it rests on has happened after it. One that "
        "rests on nothing, with these values, is refused.",
        POSITION,
    ),
    "PreferViews": header(
        "Prefer",
        "`wait=5` answers once the views that are concerned show it, or after so many seconds. "
        '`wait=5; views="OrderPage"` names views, and so does `wait=OrderPage`.',
        {"type": "string", "examples": ["wait=5"]},
    ),
    "PreferWait": header(
        "Prefer",
        "`wait=5`: for how many seconds to wait for the position that Storied-After names.",
        {"type": "string", "examples": ["wait=5"]},
    ),
    "Storied-After": header(
        "Storied-After",
        "A position that the caller has seen or written: the answer shows at least that. What Storied-Position told. "
        "With `at`, which is of the past, it does not matter.",
        {"type": "string", "pattern": "^[0-9]{1,18}(;[ \\t]*log=[0-9A-Za-z-]{1,64})?$", "examples": ["17"]},
    ),
    "If-None-Match": header(
        "If-None-Match",
        "An ETag, or several: the answer is 304, without a body, while the bytes are still those.",
        {"type": "string", "examples": ['"3f0c9a1e5b7d2468ac"']},
    ),
    "Last-Event-ID": header(
        "Last-Event-ID",
        "Of a stream: the id of the last event that was seen, as a browser sends it when it connects again.",
        {"type": "string", "examples": ["17"]},
    ),
    "At": parameter("query", "at", "Answers from the past: a position, a time, a day, or `occurred:` and a time.", AT),
    "AtOrLive": parameter(
        "query",
        "at",
        "Answers from the past: a position, a time, a day, or `occurred:` and a time. Not with `text/event-stream`.",
        AT,
    ),
    "Cursor": parameter(
        "query",
        "cursor",
        "Where to go on: what the Link header told. Goes with the filters and the `sort` of the page it came from, and "
        "not with `text/event-stream`.",
        {"type": "string"},
    ),
    "CursorOfHistory": parameter(
        "query",
        "cursor",
        "The position to go on behind: what the Link header told.",
        {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    ),
}
"""Those that many operations have, by the name under which the document has them."""
COMMAND = ("Idempotency-Key", "If-Match", "PreferViews", "X-Request-Id", "traceparent")
READ = ("Storied-After", "PreferWait", "If-None-Match", "X-Request-Id", "traceparent")


def shared(*names: str) -> list[Parameter]:
    """References to parameters that many operations have."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def distinct(given: Iterable[Parameter]) -> list[Parameter]:
    """The parameters without those that come after one of the same name: a header is the same in any case."""
    found: dict[tuple[str, str], Parameter] = {}
    for one in given:
        told = SHARED[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        name = told["name"]
        found.setdefault((told["in"], name.lower() if told["in"] == "header" else name), one)
    return list(found.values())


def limit(most: int) -> Parameter:
    """How many there may be in one page."""
    bounds: Schema = {"type": "integer", "minimum": 1, "maximum": most, "default": min(LIMIT, most)}
    return parameter("query", "limit", "How many there are at most in the answer.", bounds)


def of_list(projector: Projector, most: int, in_path: Collection[str]) -> list[Parameter]:
    """The order and the size of a list, and the filters by each indexed field that its path does not give."""
    columns = [field for field in projector.table.columns if field != projector.spec.key]
    hints: Mapping[str, Any] = projector.spec.hints()
    sorts: Schema = {"type": "string", **orders([projector.spec.key, *columns])}
    found = [parameter("query", "sort", "The field to sort by; with a minus, the largest first.", sorts), limit(most)]
    for field in columns:
        if field in in_path:
            continue
        schema = text_schema(hints[field])
        name = named(field)
        told = f"Only those whose {field} is this. Not with `{field}.null`, nor with a bound."
        found.append(parameter("query", name, told, schema))
        for bound in BOUNDS:
            told = f"Only those whose {field} is {_LEGIBLE[bound]} this. Not with `{name}` or `{field}.null`."
            found.append(parameter("query", f"{field}.{bound}", told, schema))
        told = f"Only those that have no {field}. Not with `{name}`, nor with a bound."
        found.append(parameter("query", f"{field}.null", told, _TRUE))
    return found


def orders(fields: Iterable[str]) -> Schema:
    """The orders by these fields, either way, with the names that a generator gives them: a minus is none."""
    named = {f"{sign}{field}": f"{field}{way}".upper() for field in fields for sign, way in (("", ""), ("-", "_DESC"))}
    names = list(named.values())
    return {"enum": list(named)} | ({"x-enum-varnames": names} if len(set(names)) == len(names) else {})


def dependencies_of_list(projector: Projector, in_path: Collection[str]) -> list[str]:
    """Which filters of a list do not go together, in the words of the Inter-parameter Dependency Language (IDL4OAS)."""
    fields = [field for field in projector.table.columns if field != projector.spec.key and field not in in_path]
    bounds = {field: " OR ".join(f"{field}.{bound}" for bound in BOUNDS) for field in fields}
    return [f"ZeroOrOne({named(field)}, {field}.null, ({bounds[field]}));" for field in fields]


def named(field: str) -> str:
    """The parameter that compares the field with a value."""
    return f"{field}.eq" if field in OWN else field


def of_query(query: QueryFunction, in_path: Iterable[str]) -> list[Parameter]:
    """The parameters of a query function that its path does not have."""
    signature = inspect.signature(query.function)
    found = []
    for one in query.parameters:
        if one.name in in_path:
            continue
        schema = asked_schema(one.type)
        many, description = several_of(one.type) is not None, schema.pop("description", "")
        default = signature.parameters[one.name].default
        if not one.required and default is not None and not many:
            with suppress(TypeError):  # of what cannot be written as JSON
                schema = {**schema, "default": msgspec.to_builtins(default)}
        found.append(parameter("query", one.name, description, schema, required=one.required))
    if "at" not in {one.name for one in query.parameters}:
        found += shared("At")
    return found


def in_path(names: Iterable[str], hints: Mapping[str, Any]) -> list[Parameter]:
    """The parameters in the path of a view, whose documents are compared with them."""
    return [parameter("path", name, "", text_schema(hints[name])) for name in names]


def in_path_of_query(query: QueryFunction, names: Iterable[str]) -> list[Parameter]:
    """The parameters in the path of a query function."""
    schemas = {one.name: asked_schema(one.type) for one in query.parameters}
    return [parameter("path", name, schemas[name].pop("description", ""), schemas[name]) for name in names]


def asked_schema(hint: Any) -> Schema:
    """The schema of a parameter that is handed to a query function, with what `msgspec.Meta` says of it."""
    several = several_of(hint)
    schema = text_schema(hint) if several is None else {"type": "array", "items": asked_schema(several[1])}
    if not is_marked(hint):
        return schema
    said = inlined(hint)
    if "anyOf" in schema:  # a time may be a day
        for one in ("format", "pattern"):
            said.pop(one, None)
    return {**said, **schema}


def in_path_of_command(name: str, members: Schema, hint: Any) -> Parameter:
    """A parameter in the path of a command, which is the field of this name."""
    schema = inlined(hint)
    if members.get("type") == "string" and schema.get("type") == "string":
        pattern = {key: value for key, value in schema.items() if key == "pattern"}
        schema = {**pattern, **{key: value for key, value in members.items() if key != "default"}}
    description = schema.pop("description", "")
    return parameter("path", name, description, schema)
